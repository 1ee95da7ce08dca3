"""A user's own features as indicators of a strategy, and feature files that build on others."""

import numpy as np
import pytest
from feature_bars import same
from table_world import frame, tier_file

from marketlab.core import ConfigError
from marketlab.features import (
    FeatureSet,
    FeatureSetConfig,
    FeatureTier,
    audit_causality,
    bar_arrays,
    load_feature_file,
    resolve_features,
)

STRETCH = "close / sma(close, 20) - 1"


def config(indicators, inputs=None, sets=None, lookback=1):
    inputs = inputs or [{"raw_indicator": name, "normalization": "zscore"} for name in indicators]
    return FeatureSetConfig.parse("1h", indicators, sets or {}, inputs, lookback)


def formula(text=STRETCH, **more):
    return {"type": "formula", "formula": text, "scale": "ratio", **more}


def test_a_formula_is_an_indicator_like_any_other():
    sets = {"st": {"indicator": "st", "low": [-0.1, -0.05, 0.0], "high": [0.0, 0.05, 0.1]}}
    made = config(
        {"st": formula(range=[-0.1, 0.1])}, [{"fuzzy_set": "st"}, {"raw_indicator": "st"}], sets
    )
    features = FeatureSet(made)
    assert features.names[:3] == ("1h_st_low", "1h_st_high", "1h_st_raw")
    bars = frame(timeframe="1h")
    values = features.compute(bar_arrays(bars))
    mean = np.convolve(bars.close, np.ones(20) / 20, "valid")
    raw = values.column(features.names.index("1h_st_raw"))[19:]
    assert np.allclose(raw, bars.close[19:] / mean - 1, rtol=0, atol=1e-12)
    assert FeatureSetConfig.from_mapping(made.to_mapping()) == made


def test_what_formulas_say_counts_and_not_where_they_stood(tmp_path):
    here, there = tmp_path / "a", tmp_path / "b"
    for folder in (here, there):
        folder.mkdir()
        tier_file(folder, {"stretch": {"ratio": STRETCH}})
    entry = {"type": "feature", "set": "mine.yaml", "name": "stretch"}
    first, second = (resolve_features({"st": entry}, f) for f in (here, there))
    assert first == second
    assert first["st"]["type"] == "formula"
    written = config({"st": formula("close / sma(20) - 1")})
    assert config(first).content_id() == written.content_id()
    assert FeatureSet(config(first)).design_id == FeatureSet(written).design_id
    tier_file(there, {"stretch": {"ratio": "close / sma(close, 21) - 1"}})
    changed = resolve_features({"st": entry}, there)
    assert FeatureSet(config(changed)).design_id != FeatureSet(written).design_id


def test_features_of_files_read_the_clock_and_coarser_bars_alike_in_batch_and_stream(tmp_path):
    tier_file(
        tmp_path,
        {
            "leg": {"ratio": "(close - lag(close, 5)) / atr_wilder(14)"},
            "daily": {"bounded": "on('1d', rsi(3))", "range": [0, 100]},
            "hour": {"count": "calendar(time, 'hour', 'utc')"},
        },
    )
    block = {
        name: {"type": "feature", "set": "mine.yaml", "name": name}
        for name in ("leg", "daily", "hour")
    }
    features = FeatureSet(config(resolve_features(block, tmp_path)))
    bars = frame(timeframe="1h")
    arrays = bar_arrays(bars)
    batch = features.compute(arrays).values
    stream = features.stream()
    names = ("open", "high", "low", "close", "volume", "time", "close_time")
    rows = [
        stream.push(*row[:5], time=row[5], close_time=row[6])
        for row in zip(*(arrays[name].tolist() for name in names), strict=True)
    ]
    assert same(np.array(rows).T, batch)
    assert np.isfinite(batch[:, -1]).all()
    assert audit_causality(features, arrays) == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (formula("close / lag(close, -1)"), "looks forward"),
        (formula("close / smaa(close, 3)"), "'smaa' is not known"),
        (formula("close / context.vix"), "a strategy reads the bars of one series only"),
        ({**formula(), "scale": "bounded"}, "states its range"),
        ({**formula(), "scale": "ratios"}, "there is no scale 'ratios'"),
        ({**formula(), "range": [1, 0]}, "low below high"),
        ({**formula(), "window": 3}, "formula takes formula, range, scale"),
        ({"type": "formula", "scale": "ratio"}, "needs 'formula'"),
        ({"type": "feature", "set": "a20"}, "needs 'name'"),
        ({"type": "feature", "set": "a20", "name": "sma_13"}, "no column 'sma_13'"),
        ({"type": "feature", "set": "a21", "name": "sma_12"}, "no feature set 'a21'"),
        ({"type": "feature", "set": "gone.yaml", "name": "x"}, "there is no feature file"),
        ({"type": "formulas", "formula": "close"}, "Valid: "),
    ],
)
def test_bad_entries_are_refused_where_they_stand(entry, words):
    with pytest.raises(ConfigError) as caught:
        config({"mine": entry})
    assert words in str(caught.value.details["issues"])
    assert caught.value.field.startswith("indicators.mine")


def test_volume_in_a_formula_is_seen():
    features = FeatureSet(config({"v": formula("volume / sma(volume, 5)")}))
    assert features.needs_volume
    assert not FeatureSet(config({"st": formula()})).needs_volume


def test_a_file_extends_another_beside_it(tmp_path, monkeypatch):
    below = tmp_path / "sets"
    below.mkdir()
    tier_file(below, {"stretch": {"ratio": STRETCH}}, name="base")
    tier_file(below, {"twice": {"ratio": "2 * stretch"}}, name="top", extends="base.yaml")
    monkeypatch.chdir(tmp_path)
    assert FeatureTier.load("sets/top.yaml").names == ("stretch", "twice")
    own = tier_file(tmp_path, {"mine": {"ratio": "sma_12 / close"}}, name="own", extends="a20")
    assert FeatureTier.load(own).names[-2:] == ("vwap_20", "mine")


def test_files_that_extend_each_other_in_a_circle_are_refused(tmp_path):
    tier_file(tmp_path, {"a": {"ratio": "close / open"}}, name="one", extends="two.yaml")
    path = tier_file(tmp_path, {"b": {"ratio": "close / open"}}, name="two", extends="one.yaml")
    with pytest.raises(ConfigError, match=r"two\.yaml -> one\.yaml -> two\.yaml") as caught:
        load_feature_file(path)
    assert caught.value.field == "extends"


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "bytes.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_feature_file(path)
