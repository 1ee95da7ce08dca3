"""Prepared runs on small synthetic bars, for the tests of a run's baselines and account."""

import copy
from dataclasses import replace
from functools import cache

import numpy as np

from marketlab.campaigns import parse_strategy
from marketlab.campaigns._prepare import prepare
from marketlab.campaigns._recipes import recipe_strategy
from marketlab.data import SyntheticConfig, synthetic_bars
from marketlab.labels import ThresholdTouchLabelConfig, compute_labels

N_BARS = 2_400
LABELS = {
    "zigzag": {"source": "zigzag", "zigzag_threshold": 0.002},
    "next_bar": {"source": "forward_return", "horizon": 1},
    "three_bars": {"source": "forward_return", "horizon": 3, "dead_zone": 0.0005},
}


def strategy_of(labels, **decisions):
    """The shipped next-bar strategy with other labels and decisions."""
    mapping = copy.deepcopy(recipe_strategy("next_bar", "next_bar_williams"))
    mapping["training"]["labels"] = labels
    mapping["training"].pop("date_range", None)
    mapping["training"]["data_split"] = {"train": 0.6, "validation": 0.25, "test": 0.15}
    mapping["decisions"] = {**mapping.get("decisions", {}), **decisions}
    return parse_strategy(mapping, source="test")


@cache
def bars_of(seed=3, edge=0.3):
    """Small synthetic bars with an edge."""
    return synthetic_bars(SyntheticConfig(n_bars=N_BARS, seed=seed, edge_strength=edge))


@cache
def run_of(name):
    """(strategy, prepared) of one of LABELS."""
    strategy = strategy_of(LABELS[name])
    return strategy, prepare(strategy, bars_of())


def touch_run(side):
    """(strategy, prepared) of a touch label, which campaigns do not train yet."""
    strategy, prepared = run_of("next_bar")
    labels = ThresholdTouchLabelConfig(horizon=4, threshold=0.001, side=side)
    training = strategy.training.model_copy(update={"labels": labels})
    touched = compute_labels(labels, prepared.bars)
    keep = np.flatnonzero(np.isin(touched.bar, prepared.labels.bar))
    table = touched.restrict(keep)
    n = len(table.bar)
    samples = replace(prepared.samples, symbol_id=np.zeros(n, dtype=np.int64), bar=table.bar)
    changed = replace(prepared, labels=table, samples=samples)
    return strategy.model_copy(update={"training": training}), changed


def one_fold(prepared):
    """The pair of a run with one fold."""
    return [(prepared.fold.train, prepared.fold.validation)]
