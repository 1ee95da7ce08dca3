"""The null of a campaign: the same pipeline on series from which direction was taken.

Each surrogate flips the sign of every bar's log return at random (high and low swapped, volume and
times kept), so volatility, sessions and volume stay as they are. It goes through the features,
labels and split of every strategy, and a linear model is refitted on it. The same linear model
on the real bars is compared with these: linear against linear, never the net against the linear.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from marketlab.campaigns._causal_state import causal_state
from marketlab.campaigns._prepare import select_bars, usable
from marketlab.campaigns._strategy import StrategyConfig, parse_strategy
from marketlab.campaigns._workspace import Workspace
from marketlab.core import Float32Array, FloatArray, IntArray, Progress
from marketlab.data import BarFrame
from marketlab.evaluation import causal_baselines, draw_signs, log_loss_skill, sign_flip_surrogate
from marketlab.evaluation._verdict import JudgedPart
from marketlab.features import (
    FeatureFamily,
    FeatureMatrix,
    FeatureSet,
    Standardizer,
    bar_arrays,
)
from marketlab.labels import LabelSet, compute_labels
from marketlab.models._logistic_family import fit_logistic_binary

STATISTIC = "log-loss skill of a linear model over the best causal baseline, nats per sample"
OBSERVED = 0
"""Index of the real bars; surrogates have the indices 1 to B."""

_BUY, _SELL = 0, 2
_L2 = 1.0  # ridge on the coefficients, in units of one sample's log-likelihood


@dataclass
class _Group:
    """Strategies that read the same bars, with their feature sets."""

    bars: BarFrame
    strategies: list[StrategyConfig]
    positions: list[int]
    feature_sets: list[FeatureSet]
    offset: int  # of its first bar in the whole series

    @cached_property
    def features(self) -> FeatureFamily:
        """One graph for all strategies of the group; its memory is used again and again."""
        return FeatureFamily(self.feature_sets)


def run_null_chunk(root: Path, payload: dict[str, Any]) -> list[list[float | None]]:
    """Worker job: the statistics of some surrogates, one row each, one column per strategy."""
    workspace = Workspace(root)
    bars = workspace.catalog.load(payload["dataset_id"])
    strategies = [parse_strategy(m, source=m["name"]) for m in payload["strategies"]]
    family = Family(bars, strategies)
    rows = [family.statistics(index, seed=payload["seed"]) for index in payload["indices"]]
    return [[None if np.isnan(v) else float(v) for v in row] for row in rows]


class Family:
    """The strategies of one campaign on one series, ready to be refitted on surrogates of it."""

    def __init__(
        self,
        bars: BarFrame,
        strategies: Sequence[StrategyConfig],
        *,
        judged_part: JudgedPart = "validation",
    ) -> None:
        self.judged_part = judged_part
        self.n_bars = bars.n_bars
        self.n_strategies = len(strategies)
        groups: dict[tuple[int, int], _Group] = {}
        for position, strategy in enumerate(strategies):
            selected = select_bars(bars, strategy)
            key = (int(selected.time_ns[0]), selected.n_bars)
            offset = int(np.searchsorted(bars.time_ns, selected.time_ns[0]))
            group = groups.setdefault(key, _Group(selected, [], [], [], offset))
            group.strategies.append(strategy)
            group.positions.append(position)
            group.feature_sets.append(FeatureSet(strategy.feature_config()))
        self.groups = list(groups.values())

    def statistics(self, index: int, *, seed: int, progress: Progress | None = None) -> FloatArray:
        """Return the statistic of every strategy, shape (n_strategies,), on surrogate `index`.

        Index 0 is the series itself. NaN where the labels or parts cannot carry the fit.
        """
        out = np.full(self.n_strategies, np.nan)
        for group in self.groups:
            if progress is not None:
                progress.raise_if_cancelled()
            arrays = bar_arrays(group.bars)
            if index != OBSERVED:
                # Drawn for the whole series: a bar has one sign whatever range a strategy reads.
                signs = draw_signs(self.n_bars, seed, "null", index)
                arrays = _surrogate(
                    arrays, signs[group.offset : group.offset + len(arrays["close"])]
                )
            matrices = group.features.compute(arrays, recycle=True)
            out[group.positions] = self._score_group(group, matrices, arrays)
        return out

    def _score_group(
        self, group: _Group, matrices: Sequence[FeatureMatrix], bars: dict[str, FloatArray]
    ) -> list[float]:
        labels: dict[str, tuple[LabelSet, IntArray]] = {}
        scores: list[float] = []
        members = zip(group.strategies, group.feature_sets, matrices, strict=True)
        for strategy, feature_set, matrix in members:
            config = strategy.training.labels
            key = repr(config)
            if key not in labels:
                labels[key] = (
                    compute_labels(config, bars),
                    causal_state(config, bars["close"]),
                )
            arrays = _model_arrays(
                strategy, matrix, *labels[key], group.bars.close_time_ns, part=self.judged_part
            )
            scores.append(_score(arrays, feature_set.normalization))
        return scores


def _surrogate(arrays: dict[str, FloatArray], signs: IntArray) -> dict[str, FloatArray]:
    """Return the bars with the sign of each log return multiplied by `signs`; the rest is kept."""
    flipped = sign_flip_surrogate(
        arrays["open"], arrays["high"], arrays["low"], arrays["close"], signs
    )
    names = ("open", "high", "low", "close")
    return {**arrays, **dict(zip(names, flipped, strict=True))}


@dataclass(frozen=True)
class _ModelArrays:
    """BUY and SELL rows of one strategy: what the linear model is fitted and scored on."""

    x_train: Float32Array
    y_train: IntArray
    state_train: IntArray
    x: Float32Array
    y: IntArray
    state: IntArray


def _model_arrays(
    strategy: StrategyConfig,
    matrix: FeatureMatrix,
    label_set: LabelSet,
    state: IntArray,
    times: IntArray,
    *,
    part: JudgedPart,
) -> _ModelArrays:
    """Return the rows of the training and of the judged part; HOLD is counted apart."""
    labels = label_set.restrict(usable(matrix, label_set))
    fold = strategy.training.split().split(
        start=labels.start, end=labels.end, bar=labels.bar, times=times
    )
    directed = labels.value != 1
    train = fold.train[directed[fold.train]]
    rows = fold.validation if part == "validation" else fold.test
    judged = rows[directed[rows]]
    return _ModelArrays(
        x_train=matrix.rows(labels.bar[train]),
        y_train=labels.value[train],
        state_train=state[labels.bar[train]],
        x=matrix.rows(labels.bar[judged]),
        y=labels.value[judged],
        state=state[labels.bar[judged]],
    )


def _score(arrays: _ModelArrays, normalization: Sequence[str]) -> float:
    """Fit the linear model on the training rows and return its skill on the judged ones.

    NaN where there is nothing to fit or to judge, or where the fit did not converge.
    """
    if len(arrays.y) == 0 or len(np.unique(arrays.y_train)) < 2:
        return float("nan")
    x_train, x = arrays.x_train, arrays.x
    if any(kind != "none" for kind in normalization):
        scaler = Standardizer.fit(x_train, tuple(normalization))
        x_train, x = scaler.apply(x_train), scaler.apply(x)
    model = fit_logistic_binary(x_train, (arrays.y_train == _BUY).astype(np.int64), l2=_L2)
    if not model.converged:
        return float("nan")
    buy = 1.0 / (1.0 + np.exp(-np.clip(model.log_odds(x).astype(np.float64), -40.0, 40.0)))
    baselines = causal_baselines(
        arrays.y_train, len(arrays.y), state_train=arrays.state_train, state_eval=arrays.state
    )
    # Both sides keep the smoothed share that the baselines leave to HOLD.
    hold = baselines["majority"][:, 1]
    forecast = np.empty((len(arrays.y), 3))
    forecast[:, _BUY] = buy * (1.0 - hold)
    forecast[:, 1] = hold
    forecast[:, _SELL] = (1.0 - buy) * (1.0 - hold)
    return log_loss_skill(arrays.y, forecast, baselines)
