"""Computed features over all bars, stored once and shared between feature sets."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketlab.core import DataError, Float32Array, FloatArray, IntArray
from marketlab.features._columns import FeatureColumn
from marketlab.kernels import gather_rows


class FeatureMatrix:
    """Features of every bar, known at that bar's close; NaN where there is no value yet.

    A base column is stored once, and its lags are the same memory read further to the left;
    matrices of one `compute_many` share one store.

    Attributes
    ----------
    names : feature names, in the order of the network's inputs.
    warm_up_bars : bars at the start for which at least one feature has no value.
    columns : what each feature is; () for a matrix made from plain values.
    """

    def __init__(
        self,
        values: FloatArray,
        names: Sequence[str],
        warm_up_bars: int,
        *,
        columns: tuple[FeatureColumn, ...] = (),
    ) -> None:
        """Wrap plain `values` of shape (n_features, n_bars), feature-major."""
        n_features = values.shape[0]
        if values.ndim != 2 or n_features != len(names):
            raise DataError(
                f"a matrix of shape {values.shape} cannot hold {len(names)} named features.",
                code="DATA-ShapeMismatch",
            )
        store = np.ascontiguousarray(values, dtype=np.float64)
        row = np.arange(n_features, dtype=np.int64)
        self._set(store, row, np.zeros(n_features, dtype=np.int64), values.shape[1])
        self.names = tuple(names)
        self.warm_up_bars = warm_up_bars
        self.columns = columns

    @classmethod
    def over_store(
        cls,
        store: FloatArray,
        *,
        row: IntArray,
        shift: IntArray,
        n_bars: int,
        columns: tuple[FeatureColumn, ...],
        warm_up_bars: int,
    ) -> "FeatureMatrix":
        """Return a matrix whose feature f at bar t is ``store[row[f], shift[f] + t]``."""
        matrix = cls.__new__(cls)
        matrix._set(store, row, shift, n_bars)
        matrix.names = tuple(column.feature_id for column in columns)
        matrix.warm_up_bars = warm_up_bars
        matrix.columns = columns
        return matrix

    def _set(self, store: FloatArray, row: IntArray, shift: IntArray, n_bars: int) -> None:
        self._store = store
        self._row = row
        self._shift = shift
        self.n_bars = n_bars

    def __repr__(self) -> str:
        return f"FeatureMatrix({len(self.names)} features x {self.n_bars} bars)"

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.names)

    def column(self, feature: int) -> FloatArray:
        """Return one feature over all bars, (n_bars,), a read-only view."""
        start = int(self._shift[feature])
        view = self._store[int(self._row[feature]), start : start + self.n_bars]
        view.flags.writeable = False
        return view

    @cached_property
    def values(self) -> FloatArray:
        """All features, (n_features, n_bars) float64, read-only.

        Copied from the store at first use; `rows` and `column` need no copy.
        """
        out = np.empty((self.n_features, self.n_bars))
        for feature in range(self.n_features):
            out[feature] = self.column(feature)
        out.flags.writeable = False
        return out

    def rows(self, positions: NDArray[Any], *, allow_missing: bool = False) -> Float32Array:
        """Return the features of chosen bars, (n, n_features) float32, row-major.

        Raises
        ------
        DataError if a position is not a bar, or if a value is missing or too large for float32
        and `allow_missing` is False.
        """
        chosen = np.array(positions, dtype=np.int64)
        if chosen.size and (chosen.min() < 0 or chosen.max() >= self.n_bars):
            raise DataError(
                f"bar positions must lie in [0, {self.n_bars - 1}]; received "
                f"{int(chosen.min())} to {int(chosen.max())}.",
                code="FEATURE-Position",
            )
        out = np.empty((len(chosen), self.n_features), dtype=np.float32)
        bad = gather_rows(self._store, self._row, self._shift, chosen, out)
        if bad and not allow_missing:
            where = np.argwhere(~np.isfinite(out))
            bar, feature = (chosen[int(where[0][0])], int(where[0][1])) if len(where) else (0, 0)
            raise DataError(
                f"{bad} feature values are missing in the chosen rows, the first one "
                f"{self.names[feature]!r} at bar {int(bar)} (warm-up: {self.warm_up_bars} bars).",
                code="FEATURE-NotFinite",
                field=self.names[feature],
                suggestion="Choose rows after the warm-up, and look at feature_health.",
            )
        return out

    def complete_bars(self) -> NDArray[np.bool_]:
        """Return for each bar whether all its features have a value, (n_bars,)."""
        complete = np.ones(self.n_bars, dtype=np.bool_)
        for feature in range(self.n_features):
            complete &= np.isfinite(self.column(feature))
        return complete
