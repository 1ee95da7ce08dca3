from pathlib import Path

import numpy as np
import polars as pl
import pytest
from feature_bars import same
from table_world import DAY, frame, tier_file

from marketlab.core import ConfigError, DataError, IntegrityError
from marketlab.data import FileManifests, _join
from marketlab.features import (
    FeatureTier,
    TableStore,
    _bar_arrays,
    _coarse,
    _context,
    bar_arrays,
    build_table,
    check_function,
    check_stored,
    check_tier,
    compute_tier,
    join_context,
    plan_table,
    table_key,
)
from marketlab.kernels import _primitives, kernel_sources_hash


@pytest.fixture
def tier(tmp_path):
    columns = {
        "stretch": {"ratio": "close / sma(close, 20) - 1"},
        "rsi_weekly": {"bounded": "on('1w', rsi(5))", "range": [0, 100]},
        "activity": {"ratio": "volume / sma(volume, 10)"},
    }
    return FeatureTier.load(tier_file(tmp_path, columns))


def vix_tier(folder):
    columns = {"gap": {"ratio": "close / context.vix"}, "slope": {"ratio": "close / lag(close, 3)"}}
    return FeatureTier.load(tier_file(folder, columns, context={"vix": "close of VIX"}))


def store(root, name, table):
    return TableStore(root).add(name, table.frame(), table.facts(), tier=table.tier.file.name)


def test_a_table_holds_the_tier_and_drops_and_counts_the_warm_up(tier, tmp_path):
    bars = frame()
    table = build_table(tier, bars)
    values = tier.compute(bar_arrays(bars)).values
    complete = np.isfinite(values).all(axis=0)
    first = int(np.argmax(complete))
    assert first > tier.warm_up_bars  # the weekly column decides, and only the bars say when
    assert table.warm_up_dropped == first
    assert table.missing_dropped == 0
    made = table.frame()
    assert made.columns[:7] == ["time", "close_time", "open", "high", "low", "close", "volume"]
    assert made.columns[7:] == list(tier.names)
    assert made.schema["time"] == pl.Datetime("ns", "UTC")
    assert same(made.select(tier.names).to_numpy().T, values[:, first:])
    assert made["close"].to_list() == bars.close[first:].tolist()
    kept = build_table(tier, bars, keep_warm_up=True)
    assert kept.n_rows == bars.n_bars
    assert kept.warm_up_dropped == 0
    assert np.isnan(kept.frame()["stretch"].to_numpy()[:19]).all()  # never filled


def test_incomplete_rows_later_on_are_counted_by_their_cause(tmp_path):
    bars, vix = frame(), frame(symbol="VIX", seed=1, skip=(200, 201, 330))
    table = build_table(vix_tier(tmp_path), bars, {"vix": vix})
    assert (table.warm_up_dropped, table.missing_dropped) == (3, 3)
    assert table.missing == {"gap": 3}
    assert table.n_rows == 394


def test_the_plan_says_what_it_takes_and_computes_nothing(tier):
    plan = plan_table(tier, frame())
    assert (plan.n_bars, plan.n_columns, plan.warm_up_bars) == (400, 3, tier.warm_up_bars)
    assert plan.memory_bytes == 8 * 3 * 400


@pytest.mark.parametrize(
    ("column", "options", "code", "words"),
    [
        ({"ratio": "close / sma(close, 500)"}, {}, "CONFIG-WindowTooLong", "has 400"),
        ({"ratio": "volume / sma(volume, 5)"}, {"volume": False}, "DATA-NoVolume", "no volume"),
        ({"flag": "close > 0"}, {}, "FEATURE-Constant", "is 1 in all"),
        ({"ratio": "close / (high - high)"}, {}, "FEATURE-AllMissing", "has no value at any bar"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(tmp_path, column, options, code, words):
    path = tier_file(tmp_path, {"good": {"ratio": "close / open"}, "bad": column})
    with pytest.raises((ConfigError, DataError)) as caught:
        build_table(FeatureTier.load(path), frame(**options))
    assert caught.value.code == code
    assert words in caught.value.message
    assert caught.value.field == "columns.bad"
    assert caught.value.suggestion


def test_bars_finer_than_those_given_are_refused_when_planning(tmp_path):
    path = tier_file(tmp_path, {"hour": {"ratio": "open / lag(on('1h', close), 1)"}})
    tier = FeatureTier.load(path)
    with pytest.raises(ConfigError, match=r"hour of mine reads bars of 1h, and SPX 1d") as caught:
        plan_table(tier, frame())
    error = caught.value
    assert (error.code, error.field, error.value) == ("CONFIG-FinerBars", "columns.hour", "1h")
    assert error.suggestion
    assert plan_table(tier, frame(timeframe="1h")).n_columns == 1
    weekly = tier_file(tmp_path, {"x": {"ratio": "close / on('1d', open)"}}, name="weekly")
    assert plan_table(FeatureTier.load(weekly), frame()).n_columns == 1


def test_what_decides_values_outside_kernels_counts_among_their_sources():
    for module in (_bar_arrays, _coarse, _context, _join, _primitives):
        assert b"@jit" in Path(module.__file__).read_bytes(), module.__name__


def test_a_constant_column_can_be_allowed(tmp_path):
    path = tier_file(tmp_path, {"always": {"flag": "close > 0"}})
    assert build_table(FeatureTier.load(path), frame(), allow_constant=True).n_rows == 400


def test_a_context_series_is_asked_for_and_an_unread_one_refused(tier, tmp_path):
    with pytest.raises(ConfigError, match="reads the context series 'vix'") as caught:
        plan_table(vix_tier(tmp_path), frame())
    assert caught.value.code == "CONFIG-MissingContext"
    with pytest.raises(ConfigError, match="no column reads the context series 'vix'"):
        plan_table(tier, frame(), {"vix": frame(symbol="VIX")})


def test_daily_context_joins_by_date_and_nothing_is_filled():
    bars, vix = frame(n=30), frame(n=30, symbol="VIX", seed=2, skip=(4, 5))
    joined = join_context(bars, {"vix": vix})["vix"]
    expected = np.full(30, np.nan)
    expected[np.setdiff1d(np.arange(30), (4, 5))] = vix.close
    assert same(joined, expected)


def test_daily_context_on_hourly_bars_is_known_only_after_its_day():
    bars = frame(n=96, timeframe="1h", symbol="BTC", first_day=15_000)
    daily = frame(n=10, symbol="VIX", first_day=14_998, seed=3)
    joined = join_context(bars, {"vix": daily})["vix"]
    for bar in range(96):
        known = daily.close[daily.close_time_ns <= bars.close_time_ns[bar]]
        assert joined[bar] == known[-1]


def test_a_daily_value_known_after_the_bar_is_refused():
    early = frame(n=30)
    table = {"time": early.time_ns, **early.arrays(), "close_time": early.time_ns + DAY // 2}
    bars = type(early).build(table, symbol="SPX", timeframe="1d", source="test")
    with pytest.raises(DataError, match="is known only after the bar of SPX") as caught:
        join_context(bars, {"vix": frame(n=30, symbol="VIX")})
    assert caught.value.code == "DATA-NotKnownYet"


def test_series_without_a_common_day_are_refused():
    with pytest.raises(DataError, match="no bar of SPX 1d meets a value of VIX 1d"):
        join_context(frame(n=30), {"vix": frame(n=30, symbol="VIX", first_day=20_000)})


def test_a_version_never_changes_and_equal_content_is_stored_once(tier, tmp_path):
    root = tmp_path / "data"
    first = store(root, "SPX_features_mine", build_table(tier, frame()))
    again = store(root, "SPX_features_mine", build_table(tier, frame()))
    other = store(root, "SPX_features_mine", build_table(tier, frame(seed=9)))
    assert (first.version, again.version, other.version) == (1, 1, 2)
    assert (first.is_new, again.is_new, other.is_new) == (True, False, True)
    assert first.path == root / "processed" / "v1" / "SPX_features_mine.parquet"
    entries = FileManifests(root).processed().entries
    assert [(e.dataset, e.version, e.tier) for e in entries] == [
        ("SPX_features_mine", 1, "mine"),
        ("SPX_features_mine", 2, "mine"),
    ]
    table, found = TableStore(root).load("SPX_features_mine/v1")
    assert found.facts["dataset_id"] == frame().dataset_id
    assert found.facts["design_id"] == tier.design_id
    assert found.facts["kernel_sources_hash"] == kernel_sources_hash()
    assert table.equals(build_table(tier, frame()).frame())
    assert TableStore(root).load("SPX_features_mine")[1].version == 2


def test_an_altered_file_is_refused_and_an_unknown_name_suggested(tier, tmp_path):
    root = tmp_path / "data"
    stored = store(root, "SPX_features_mine", build_table(tier, frame()))
    content = bytearray(stored.path.read_bytes())
    content[200] ^= 1
    stored.path.write_bytes(bytes(content))
    with pytest.raises(IntegrityError, match="has SHA-256"):
        TableStore(root).load("SPX_features_mine")
    with pytest.raises(DataError, match="no stored table 'SPX_features_min'") as caught:
        TableStore(root).load("SPX_features_min")
    assert "SPX_features_mine" in caught.value.suggestion


def test_a_file_in_no_manifest_is_not_overwritten(tier, tmp_path):
    path = tmp_path / "data" / "processed" / "v1" / "SPX_features_mine.parquet"
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(IntegrityError, match="is in no manifest; it is not overwritten"):
        store(tmp_path / "data", "SPX_features_mine", build_table(tier, frame()))
    assert path.read_text() == "mine"


class FullDisk:
    """A frame whose disk is full, as polars tells it."""

    def write_parquet(self, path, **options):
        path.write_bytes(b"PAR1 half")
        raise pl.exceptions.ComputeError("IO error: No space left on device (os error 28)")


def test_a_full_disk_leaves_nothing_half_made(tier, tmp_path):
    root = tmp_path / "data"
    table = build_table(tier, frame())
    with pytest.raises(IntegrityError, match="the disk is full") as caught:
        TableStore(root).add("t", FullDisk(), table.facts(), tier="mine")
    assert caught.value.code == "STORAGE-Full"
    assert list(root.rglob("*.parquet*")) == []
    assert TableStore(root).list() == []
    assert store(root, "t", table).version == 1


def test_the_key_follows_bars_computation_and_context(tier, tmp_path):
    other = FeatureTier.load(tier_file(tmp_path, {"a": {"ratio": "close / open"}}, name="other"))
    vix = frame(symbol="VIX")
    keys = {
        table_key(tier, frame()),
        table_key(tier, frame(seed=1)),
        table_key(other, frame()),
        table_key(tier, frame(), {"vix": vix}),
    }
    assert len(keys) == 4
    assert table_key(tier, frame()) in keys


def stored_check(tmp_path, tier, change=lambda made: made):
    bars = frame()
    root = tmp_path / "data"
    stored = store(root, "t", build_table(tier, bars))
    made, _ = TableStore(root).load("t")
    return check_stored(change(made), stored.facts, {bars.dataset_id: bars}.__getitem__)


def test_a_stored_table_is_computed_again_and_compared(tier, tmp_path):
    audit = stored_check(tmp_path, tier)
    assert audit.passed, audit.findings
    assert not [f for f in audit.findings if f.check == "reproduction"]
    changed = stored_check(
        tmp_path, tier, lambda made: made.with_columns(pl.col("stretch") * (1 + 1e-12))
    )
    assert not changed.passed
    (finding,) = [f for f in changed.findings if f.check == "reproduction"]
    assert finding.columns == ("stretch",)
    gone = stored_check(tmp_path, tier, lambda made: made.drop("activity"))
    assert not gone.passed


def test_a_tier_over_bars_is_audited_with_its_context(tmp_path):
    tier, bars = vix_tier(tmp_path), frame()
    context = {"vix": frame(symbol="VIX", seed=1)}
    audit = check_tier(tier, bars, context, compute_tier(tier, bars, context))
    assert audit.coverage.tested == 2
    assert not [f for f in audit.findings if f.check == "causality"]


def leaking(bars):
    close = bars["close"]
    ahead = np.full(len(close), np.nan)
    ahead[:-5] = close[5:] / close[:-5] - 1
    honest = np.full(len(close), np.nan)
    honest[1:] = close[1:] / close[:-1] - 1
    return {"ahead": ahead, "honest": honest, "scaled": (close - close.mean()) / close.std()}


def test_a_leaking_function_is_caught_by_name():
    audit = check_function(leaking, frame())
    assert not audit.passed
    caught = {f.columns[0] for f in audit.findings if f.check == "causality"}
    assert caught == {"ahead", "scaled"}
    as_pair = check_function(lambda b: (("r",), [b["close"] / b["open"]]), frame())
    assert not [f for f in as_pair.findings if f.check == "causality"]


@pytest.mark.parametrize("made", [None, {"short": np.zeros(3)}, [1, 2, 3]])
def test_a_function_that_returns_no_columns_is_refused(made):
    with pytest.raises(DataError) as caught:
        check_function(lambda bars: made, frame())
    assert caught.value.field == "callable"
