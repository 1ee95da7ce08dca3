"""Strategies on every label whose classes are directions; the other labels are refused in words."""

import copy

import numpy as np
import pytest
from campaign_world import mini_config

from marketlab.campaigns import Overrides, Workspace, parse_strategy, plan_campaign, quick_verdict
from marketlab.campaigns._causal_state import causal_state
from marketlab.campaigns._evidence import label_text
from marketlab.campaigns._null import Family
from marketlab.campaigns._plan import degenerate_labels
from marketlab.campaigns._prepare import prepare
from marketlab.campaigns._recipes import recipe_strategy
from marketlab.core import ConfigError
from marketlab.data import SyntheticConfig, synthetic_bars
from marketlab.labels import CLASS_NAMES, LABELS

BLOCKS = {
    "direction": {"source": "direction", "horizon": 2},
    "triple_barrier": {"source": "triple_barrier", "horizon": 8, "span": 20},
    "zigzag_next_leg": {"source": "zigzag_next_leg", "zigzag_threshold": 0.002},
    "forward_return": {"source": "forward_return", "horizon": 1},
    "zigzag": {"source": "zigzag", "zigzag_threshold": 0.002},
}
OTHERS = {
    "threshold_touch": {"source": "threshold_touch", "horizon": 2, "threshold": 0.001},
    "meta_label": {"source": "meta_label"},
    "realised_range": {"source": "realised_range", "horizon": 3},
    "realised_volatility": {"source": "realised_volatility", "horizon": 3},
    "forward_return_value": {"source": "forward_return_value"},
    "forward_log_return": {"source": "forward_log_return"},
    "scaled_return": {"source": "scaled_return", "train_bars": 1000},
    "trade_return": {"source": "trade_return"},
}


def _strategy(labels):
    mapping = copy.deepcopy(recipe_strategy("next_bar", "next_bar_williams"))
    mapping["training"]["labels"] = labels
    mapping["training"].pop("date_range", None)
    mapping["training"]["epochs"] = 2
    return parse_strategy(mapping, source="test")


@pytest.fixture(scope="module")
def bars():
    return synthetic_bars(SyntheticConfig(n_bars=3_000, seed=3, edge_strength=0.35))


def test_every_label_is_either_trained_or_refused():
    assert sorted({**BLOCKS, **OTHERS}) == LABELS.names()
    assert {n for n, s in LABELS.items() if s.class_names == CLASS_NAMES} == set(BLOCKS)


@pytest.mark.parametrize("name", BLOCKS)
def test_training_parts_end_before_the_next_part_begins(bars, name):
    strategy = _strategy(BLOCKS[name])
    prepared = prepare(strategy, bars)
    labels, fold = prepared.labels, prepared.fold
    assert labels.end[fold.train].max() < labels.bar[fold.validation].min()
    assert labels.end[fold.validation].max() < labels.bar[fold.test].min()
    assert labels.end_time_ns[fold.train].max() <= bars.time_ns[labels.bar[fold.validation].min()]
    assert degenerate_labels(prepared) == []
    assert label_text(strategy)


@pytest.mark.parametrize("name", BLOCKS)
def test_the_causal_state_of_every_label_is_causal(bars, name):
    config = _strategy(BLOCKS[name]).training.labels
    whole = causal_state(config, bars.close)
    assert set(whole.tolist()) <= {-1, 0, 1}
    assert whole[:1_000].tolist() == causal_state(config, bars.close[:1_000].copy()).tolist()


@pytest.mark.parametrize("name", ["direction", "triple_barrier", "zigzag_next_leg"])
def test_a_strategy_on_it_is_trained_and_judged_beside_surrogates(bars, name):
    strategy = _strategy(BLOCKS[name])
    verdict = quick_verdict(bars, strategy, surrogates=2)
    assert verdict.sentence
    family = Family(bars, [strategy])
    statistics = [family.statistics(index, seed=1)[0] for index in range(3)]
    assert np.isfinite(statistics).all()
    assert len(set(statistics)) == 3


@pytest.mark.parametrize("name", OTHERS)
def test_labels_with_other_answers_are_refused_before_anything_is_computed(bars, name):
    with pytest.raises(ConfigError, match=f"BUY, HOLD and SELL; the label '{name}'") as caught:
        prepare(_strategy(OTHERS[name]), bars)
    assert caught.value.code == "LABELS-OtherTask"
    assert caught.value.field == "training.labels.source"
    assert "zigzag_next_leg" in caught.value.suggestion


def test_a_plan_names_a_rare_class_and_lets_it_through_by_name(tmp_path):
    workspace = Workspace.at(tmp_path).create()
    labels = {"source": "forward_return", "horizon": 1, "dead_zone": 0.0018}
    base = mini_config(edge=0.0, n_bars=3_000, names=("next_bar_rsi",))

    def issues(block):
        overrides = Overrides(date_range="data", labels=block)
        row = plan_campaign(workspace, base.model_copy(update={"overrides": overrides})).rows[0]
        return row.ok, [i["code"] for i in row.issues], row.issues

    ok, codes, found = issues(labels)
    assert (ok, codes) == (False, ["LABELS-Degenerate"])
    assert "rare_class: below 1 %" in found[0]["message"]
    assert "allow: [rare_class]" in found[0]["suggestion"]
    ok, codes, _ = issues({**labels, "allow": ["rare_class"]})
    assert ok
    assert "LABELS-Degenerate" not in codes


def test_a_horizon_beyond_the_data_is_found_by_the_plan(tmp_path):
    workspace = Workspace.at(tmp_path).create()
    overrides = Overrides(date_range="data", labels={"source": "direction", "horizon": 5_000})
    config = mini_config(n_bars=3_000).model_copy(update={"overrides": overrides})
    row = plan_campaign(workspace, config).rows[0]
    assert not row.ok
    assert row.issues[0]["code"] == "LABELS-HorizonTooLong"
    assert row.issues[0]["field"] == "labels.horizon"
    assert "needs at least 5001 bars; the series has 3000" in row.issues[0]["message"]
