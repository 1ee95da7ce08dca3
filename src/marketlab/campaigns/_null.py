"""The null of a campaign: the same pipeline on series in which the wanted edge cannot be.

Each surrogate market goes through the features, labels and split of every strategy, and a model is
refitted on it: the linear one, or the strategy's own net. The same model refitted on the real bars
is compared with these: linear against linear or net against net, never one with the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from marketlab.campaigns._causal_state import causal_state
from marketlab.campaigns._null_config import NullConfig
from marketlab.campaigns._null_linear import refit_linear
from marketlab.campaigns._null_net import refit_nets
from marketlab.campaigns._null_series import Refit, SeriesTask
from marketlab.campaigns._prepare import select_bars, usable
from marketlab.campaigns._strategy import StrategyConfig, parse_strategy
from marketlab.campaigns._workspace import Workspace
from marketlab.core import FloatArray, IntArray, Progress
from marketlab.data import BarFrame
from marketlab.evaluation._verdict import JudgedPart
from marketlab.features import FeatureFamily, FeatureSet, bar_arrays
from marketlab.labels import LabelSet, compute_labels

OBSERVED = 0
"""Index of the real bars; surrogates have the indices 1 to B."""

_DRAWN = ("open", "high", "low", "close", "volume")


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

    def arrays(self, drawn: Mapping[str, FloatArray] | None) -> dict[str, FloatArray]:
        """Return the bars with what was drawn for the whole series; times are always kept."""
        arrays = bar_arrays(self.bars)
        if drawn is None:
            return arrays
        here = slice(self.offset, self.offset + self.bars.n_bars)
        return {**arrays, **{name: np.ascontiguousarray(drawn[name][here]) for name in _DRAWN}}


def run_null_chunk(root: Path, payload: dict[str, Any]) -> list[list[float | None]]:
    """Worker job: the statistics of some surrogates, one row each, one column per strategy."""
    workspace = Workspace(root)
    bars = workspace.catalog.load(payload["dataset_id"])
    strategies = [parse_strategy(m, source=m["name"]) for m in payload["strategies"]]
    family = Family(bars, strategies, null=NullConfig.from_mapping(payload["null"]))
    rows = [family.statistics(index, seed=payload["seed"]) for index in payload["indices"]]
    return [[None if np.isnan(v) else float(v) for v in row] for row in rows]


class Family:
    """The strategies of one campaign on one series, ready to be refitted on surrogates of it.

    Parameters
    ----------
    null : which model is refitted and on which surrogates; by default the linear one on sign flips.
    judged_part : None for the part that each strategy's own split judges, or ``test``.
    """

    def __init__(
        self,
        bars: BarFrame,
        strategies: Sequence[StrategyConfig],
        *,
        null: NullConfig | None = None,
        judged_part: JudgedPart | None = None,
    ) -> None:
        self.null = null or NullConfig()
        self.judged_part = judged_part
        self.bars = bars
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
        found = self.refits(index, seed=seed, progress=progress)
        return np.array([np.nan if refit is None else refit.skill for refit in found])

    def refits(
        self, index: int, *, seed: int, progress: Progress | None = None
    ) -> list[Refit | None]:
        """Return what every refitted strategy says on surrogate `index`, None where nothing."""
        drawn: Mapping[str, FloatArray] | None = None
        if index != OBSERVED:
            # Drawn for the whole series: a bar has one fate whatever range a strategy reads.
            surrogate = self.null.surrogate_market()
            drawn = surrogate.draw(self.bars.arrays(), seed=seed, path=("null", index))
        out: list[Refit | None] = [None] * self.n_strategies
        for group in self.groups:
            if progress is not None:
                progress.raise_if_cancelled()
            tasks = self._tasks(group, group.arrays(drawn))
            if self.null.statistic == "net":
                found = refit_nets(tasks, seed=seed, index=index, progress=progress)
            else:
                found = [refit_linear(task) for task in tasks]
            for position, refit in zip(group.positions, found, strict=True):
                out[position] = refit
        return out

    def _tasks(self, group: _Group, arrays: dict[str, FloatArray]) -> list[SeriesTask]:
        matrices = group.features.compute(arrays, recycle=True)
        labels: dict[str, tuple[LabelSet, IntArray]] = {}
        tasks = []
        members = zip(group.strategies, group.feature_sets, matrices, strict=True)
        for strategy, feature_set, matrix in members:
            config = strategy.training.labels
            key = repr(config)
            if key not in labels:
                labels[key] = (
                    compute_labels(config, arrays),
                    causal_state(config, arrays["close"]),
                )
            every, state = labels[key]
            kept = every.restrict(usable(matrix, every))
            folds = strategy.training.folds(kept, group.bars.close_time_ns)
            part = self.judged_part or folds.judged_part
            tasks.append(
                SeriesTask(
                    strategy=strategy,
                    matrix=matrix,
                    normalization=tuple(feature_set.normalization),
                    labels=kept,
                    state=state[kept.bar],
                    folds=folds.judged(part),
                    is_walk=part == "walk-forward",
                )
            )
        return tasks
