"""A feature file ready to compute: all its columns over history, or one bar at a time."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from marketlab.core import FloatArray, Progress, content_id, usable_cores
from marketlab.features._columns import FeatureColumn
from marketlab.features._feature_file import FeatureFile, NamedFeature, load_feature_file
from marketlab.features._feature_set import FeatureFamily
from marketlab.features._indicator import INF
from marketlab.features._matrix import FeatureMatrix
from marketlab.features._memory import require_memory
from marketlab.features._stream import FeatureStream


class FeatureTier:
    """The columns of a feature file, computed alike over history and bar by bar.

    Attributes
    ----------
    file : the file with its formulas.
    names : the columns' names, in the file's order.
    feature_columns : what each column is.
    warm_up_bars : bars at the start without a complete row (the least it can be where a column
        lives on coarser bars: how many fine bars those hold depends on the series).
    needs_volume : whether a column reads the volume.
    context : the joined series that are read, name to description.
    """

    lookback_periods = 0

    def __init__(self, file: FeatureFile) -> None:
        self.file = file
        self.names = tuple(item.name for item in file)
        self.base = tuple(item.expression for item in file)
        self.feature_columns = tuple(_column(item, k) for k, item in enumerate(file))
        self.warm_up_bars = max(expression.warm_up_bars for expression in self.base)
        self.needs_volume = any(item.needs_volume for item in file)
        self.context = file.context

    @classmethod
    def load(cls, name: str | Path) -> "FeatureTier":
        """Return a shipped tier by name, or a user's own by the path of its YAML file.

        Errors as for `load_feature_file`.
        """
        return cls(load_feature_file(name))

    def __repr__(self) -> str:
        return f"FeatureTier({self.file.name}: {len(self.names)} columns)"

    @cached_property
    def design_id(self) -> str:
        """Identity of names and computation (64 hex digits)."""
        return content_id([[item.name, item.expression.key] for item in self.file])

    @cached_property
    def _family(self) -> FeatureFamily:
        return FeatureFamily([self])

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns that `compute` reads, joined series as ``context.NAME``."""
        return self._family.graph.sources

    def compute(
        self,
        arrays: Mapping[str, FloatArray],
        *,
        progress: Progress | None = None,
        threads: int | None = None,
    ) -> FeatureMatrix:
        """Return the columns over all bars; NaN where a value is missing.

        Parameters
        ----------
        arrays : the columns named by `sources`, each (n_bars,): see `bar_arrays`.
        progress : told after each block of bars; may cancel.
        threads : cores to use (None: all that this process may use); changes no bit.

        Raises
        ------
        DataError for an absent, unequal or non-finite column; ConfigError if the matrix does not
        fit into memory; CancelledError if somebody asked to stop.
        """
        n_bars = len(next(iter(arrays.values()))) if arrays else 0
        require_memory(len(self._family.graph.outputs), n_bars)
        cores = usable_cores() if threads is None else threads
        return self._family.compute(arrays, progress=progress, threads=cores)[0]

    def stream(self) -> FeatureStream:
        """Return a stream that computes the same columns one bar at a time."""
        return FeatureStream(self.base, self.names, 0)

    def describe(self) -> list[dict[str, Any]]:
        """Return every column JSON-ready: formula, range, scale class, warm-up, what it reads."""
        return [
            {
                "name": item.name,
                "formula": item.formula,
                "scale": item.range.scale,
                "range": [item.range.low, item.range.high]
                if item.range.scale in ("bounded", "calendar") and item.range.low > -INF
                else None,
                "warm_up_bars": item.expression.warm_up_bars,
                "needs_volume": item.needs_volume,
                "note": item.note,
            }
            for item in self.file
        ]


def _column(item: NamedFeature, position: int) -> FeatureColumn:
    return FeatureColumn(
        feature_id=item.name,
        timeframe="",
        fuzzy_set=None,
        membership=None,
        indicator_id=item.name,
        indicator_output=None,
        lag=0,
        normalization="none",
        base=position,
        low=item.range.low,
        high=item.range.high,
        scale=item.range.scale,
        needs_volume=item.needs_volume,
    )
