"""From a configuration to numbers: one feature set, or many at once through one graph."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from marketlab.core import FloatArray, IntArray, Progress, content_id
from marketlab.features._columns import FeatureColumn, base_expressions, feature_columns
from marketlab.features._config import FeatureSetConfig
from marketlab.features._expression import Expression
from marketlab.features._graph import Graph, check_arrays
from marketlab.features._matrix import FeatureMatrix
from marketlab.features._parallel import run_graph
from marketlab.features._runner import BLOCK_BARS, Runner
from marketlab.features._stream import FeatureStream


class FeatureSet:
    """The features of one configuration, computed alike over history and bar by bar.

    Attributes
    ----------
    config : the configuration.
    feature_columns : what each feature is, in the order of the network's inputs.
    names : their names.
    warm_up_bars : bars at the start without a complete row, lags included.
    needs_volume : whether an indicator behind a feature means nothing without volume.
    """

    def __init__(self, config: FeatureSetConfig) -> None:
        self.config = config
        self.feature_columns: tuple[FeatureColumn, ...] = feature_columns(config)
        self.base: tuple[Expression, ...] = base_expressions(config)
        self.names = tuple(column.feature_id for column in self.feature_columns)
        self.warm_up_bars = config.lookback_periods + max(
            expression.warm_up_bars for expression in self.base
        )
        self.needs_volume = any(column.needs_volume for column in self.feature_columns)
        self.lookback_periods = config.lookback_periods

    def __repr__(self) -> str:
        return f"FeatureSet({len(self.names)} features, warm-up {self.warm_up_bars} bars)"

    @property
    def columns(self) -> list[dict[str, Any]]:
        """The resolved list as ``GET /strategies/{name}/features`` shows it."""
        return [column.to_dict() for column in self.feature_columns]

    @property
    def normalization(self) -> tuple[str, ...]:
        """For each feature none, minmax or zscore: what a `Standardizer` must do to it."""
        return tuple(column.normalization for column in self.feature_columns)

    @cached_property
    def design_id(self) -> str:
        """Identity of what is computed, whatever the names and their order (64 hex digits).

        Two feature sets with one design id give a network the same information.
        """
        return content_id(
            sorted([self.base[c.base].key, c.lag, c.normalization] for c in self.feature_columns)
        )

    @cached_property
    def _family(self) -> "FeatureFamily":
        return FeatureFamily([self])

    def compute(
        self, arrays: Mapping[str, FloatArray], progress: Progress | None = None
    ) -> FeatureMatrix:
        """Return the features of all bars.

        Parameters
        ----------
        arrays : bar columns by name (open, high, low, close, volume), each (n_bars,).
        progress : told after each block of bars; may cancel.

        Raises
        ------
        DataError if a needed column is absent, of another length, not finite, or a negative
        volume; CancelledError if somebody asked to stop.
        """
        return self._family.compute(arrays, progress=progress)[0]

    def stream(self) -> FeatureStream:
        """Return a stream that computes the same features one bar at a time."""
        return FeatureStream(self.base, self.names, self.config.lookback_periods)


class ColumnSet(Protocol):
    """What a family computes: named columns, each an expression or its value some bars ago."""

    feature_columns: tuple[FeatureColumn, ...]
    base: tuple[Expression, ...]
    warm_up_bars: int
    lookback_periods: int


class FeatureFamily:
    """Several feature sets as one graph, ready to be computed on many series.

    Parameters
    ----------
    sets : the feature sets; equal parts are computed and stored once.
    """

    def __init__(self, sets: Sequence[ColumnSet]) -> None:
        self.sets = tuple(sets)
        rows: dict[str, int] = {}
        unique: list[Expression] = []
        for each in self.sets:
            for expression in each.base:
                if expression.key not in rows:
                    rows[expression.key] = len(unique)
                    unique.append(expression)
        self.graph = Graph.of(unique)
        self.pad = max((each.lookback_periods for each in self.sets), default=0)
        self._maps: list[tuple[IntArray, IntArray]] = []
        for each in self.sets:
            row = [rows[each.base[c.base].key] for c in each.feature_columns]
            shift = [self.pad - c.lag for c in each.feature_columns]
            self._maps.append((np.array(row, dtype=np.int64), np.array(shift, dtype=np.int64)))
        self._store: FloatArray | None = None
        self._runner: Runner | None = None

    def compute(
        self,
        arrays: Mapping[str, FloatArray],
        *,
        progress: Progress | None = None,
        recycle: bool = False,
        threads: int = 1,
    ) -> list[FeatureMatrix]:
        """Return one matrix per feature set; they share one store.

        Parameters
        ----------
        arrays : bar columns by name, each (n_bars,).
        progress : told after each block of bars; may cancel.
        recycle : write into the store of the last call that recycled, which makes its matrices
            invalid. For loops over surrogate series: first use of fresh memory is what costs.
            Such a family may not be shared between threads.
        threads : how many cores to use; changes no bit. Each thread computes its own outputs, and
            what two of them need twice.
        """
        used = check_arrays(arrays, self.graph.sources)
        n_bars = len(next(iter(used.values())))
        shape = (len(self.graph.outputs), self.pad + n_bars)
        if recycle and self._store is not None and self._store.shape == shape:
            store = self._store
        else:
            store = np.empty(shape)
            store[:, : self.pad] = np.nan
        if recycle:
            self._store = store
        if recycle and threads == 1:
            self._used_runner(n_bars).run(used, store, shift=self.pad, progress=progress)
        else:
            run_graph(self.graph, used, store, shift=self.pad, progress=progress, threads=threads)
        return [
            FeatureMatrix.over_store(
                store,
                row=row,
                shift=shift,
                n_bars=n_bars,
                columns=each.feature_columns,
                warm_up_bars=each.warm_up_bars,
            )
            for each, (row, shift) in zip(self.sets, self._maps, strict=True)
        ]

    def _used_runner(self, n_bars: int) -> Runner:
        capacity = max(1, min(BLOCK_BARS, n_bars))
        if self._runner is None or self._runner.capacity < capacity:
            self._runner = Runner(self.graph, capacity)
        self._runner.reset()
        return self._runner


def compute_many(
    sets: Sequence[FeatureSet], arrays: Mapping[str, FloatArray]
) -> list[FeatureMatrix]:
    """Return one matrix per feature set through one graph, shared parts computed once.

    For many series and one family of sets build a `FeatureFamily` and keep it. Errors as for
    `FeatureSet.compute`.
    """
    return FeatureFamily(sets).compute(arrays)
