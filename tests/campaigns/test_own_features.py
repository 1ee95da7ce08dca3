"""A strategy that reads a user's own features, from its file to its samples and its null."""

import numpy as np
import pytest

from marketlab.campaigns import Workspace, load_strategy, validate_strategy_file
from marketlab.campaigns._prepare import prepare
from marketlab.core import ConfigError, dump_yaml
from marketlab.data import SyntheticConfig, synthetic_bars
from marketlab.features import bar_arrays, evaluate, parse_expression

SET = """\
name: mine
let: {leg: "close - lag(close, 5)"}
columns:
  leg_per_atr: {ratio: leg / atr_wilder(14)}
  hour: {count: "calendar(time, 'hour', 'utc')"}
"""


def mapping(indicators, **changes):
    return {
        "name": "own",
        "training_data": {
            "symbols": {"list": ["EURUSD"]},
            "timeframes": {"list": ["1h"], "base_timeframe": "1h"},
        },
        "indicators": indicators,
        "nn_inputs": [{"raw_indicator": n, "normalization": "zscore"} for n in indicators],
        "model": {"architecture": {"hidden_layers": [4]}, "features": {"lookback_periods": 0}},
        "training": {
            "labels": {"source": "forward_return", "horizon": 1},
            "data_split": {"train": 0.7, "validation": 0.15, "test": 0.15},
        },
        **changes,
    }


def written(folder, indicators, where):
    """Write a strategy and its feature file, and return the strategy's path."""
    (folder / where).parent.mkdir(parents=True, exist_ok=True)
    (folder / where).write_text(SET)
    path = folder / "own.yaml"
    path.write_text(dump_yaml(mapping(indicators)))
    return path


def of_file(where):
    return {
        name: {"type": "feature", "set": where, "name": name} for name in ("leg_per_atr", "hour")
    }


def test_identities_cover_what_is_computed_and_not_where_the_file_lay(tmp_path):
    first = load_strategy(
        written(tmp_path / "a", of_file("features/mine.yaml"), "features/mine.yaml")
    )
    second = load_strategy(written(tmp_path / "b", of_file("m.yaml"), "m.yaml"))
    assert first.content_id() == second.content_id()
    assert first.design_id() == second.design_id()
    assert "yaml" not in str(first.indicators)
    changed = tmp_path / "b" / "m.yaml"
    changed.write_text(SET.replace("lag(close, 5)", "lag(close, 6)"))
    third = load_strategy(tmp_path / "b" / "own.yaml")
    assert third.content_id() != first.content_id()
    assert third.design_id() != first.design_id()


def test_the_samples_hold_what_the_formula_says(tmp_path):
    strategy = load_strategy(written(tmp_path, of_file("mine.yaml"), "mine.yaml"))
    bars = synthetic_bars(SyntheticConfig(n_bars=400, seed=2))
    prepared = prepare(strategy, bars)
    formula = parse_expression("(close - lag(close, 5)) / atr_wilder(14)")
    (expected,) = evaluate([formula], bar_arrays(bars))
    assert np.array_equal(prepared.features.column(0), expected, equal_nan=True)
    hours = [bars.times(bar).hour for bar in range(bars.n_bars)]
    assert prepared.features.column(1).tolist() == hours


def test_a_wrong_feature_is_refused_where_it_stands(tmp_path):
    wrong = {"leg": {"type": "feature", "set": "mine.yaml", "name": "leg_per_at"}}
    path = written(tmp_path / "ws" / "strategies", wrong, "mine.yaml")
    with pytest.raises(ConfigError, match="no column 'leg_per_at'") as caught:
        load_strategy(path)
    assert caught.value.field == "indicators.leg.name"
    assert "leg_per_atr" in caught.value.suggestion
    answer = validate_strategy_file(Workspace(tmp_path / "ws"), "own")
    assert not answer["valid"]
    assert "leg_per_at" in answer["issues"][0]["message"]
