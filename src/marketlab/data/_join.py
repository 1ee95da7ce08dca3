"""Slower series beside faster bars, each value from the moment on at which it was known.

What is shown decides features, so this file counts among the kernel sources by which cached values
are known. The hash takes every file that holds the mark @jit: here it stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

import numpy as np

from marketlab.core import BoolArray, ConfigError, DataError, FloatArray, IntArray
from marketlab.data._bars import BarFrame


@dataclass(frozen=True, eq=False)
class ContextSeries:
    """Values with the moments at which they became known, for example of VIX.

    Attributes
    ----------
    close_time_ns : nanoseconds of UTC, strictly increasing, shape (n,).
    values : column name to float64 values of shape (n,); NaN where there is none.
    """

    name: str
    close_time_ns: IntArray
    values: Mapping[str, FloatArray]

    @classmethod
    def of_bars(cls, bars: BarFrame) -> "ContextSeries":
        """Return the open, high, low, close and volume of bars, known at each bar's close."""
        return cls(bars.symbol, bars.close_time_ns, bars.arrays())


@dataclass(frozen=True, eq=False)
class Joined:
    """Columns of a context series, one row per bar.

    Attributes
    ----------
    values : column name to float64 of shape (n_bars,); NaN where nothing is known.
    known : False where no row is known yet, or the newest one is older than allowed.
    row : row of the context series that is shown; -1 where `known` is False.
    age_ns : time since that row became known; -1 where `known` is False.
    """

    values: Mapping[str, FloatArray]
    known: BoolArray
    row: IntArray
    age_ns: IntArray


def point_in_time_join(
    bars: BarFrame,
    context: BarFrame | ContextSeries,
    *,
    columns: tuple[str, ...] | None = None,
    staleness_limit: timedelta | None = None,
) -> Joined:
    """Return, for each bar, the newest row of `context` known when the bar closes.

    A row is visible at the bars whose `close_time` is at or after the row's own, never earlier,
    and never filled backwards. A row that became known more than `staleness_limit` before is not
    shown (None: rows do not age).

    Raises
    ------
    ConfigError for an unknown column or a negative limit; DataError (``DATA-Unordered``) if the
    context's close times do not increase, (``DATA-ShapeMismatch``) if its columns differ in length.
    """
    series = ContextSeries.of_bars(context) if isinstance(context, BarFrame) else context
    chosen = tuple(series.values) if columns is None else columns
    _check(series, chosen, staleness_limit)
    moment = bars.close_time_ns
    row = np.searchsorted(series.close_time_ns, moment, side="right") - 1
    known = row >= 0
    safe = np.maximum(row, 0)
    age = np.zeros(len(moment), dtype=np.int64)
    if len(series.close_time_ns):
        age = moment - series.close_time_ns[safe]
    if staleness_limit is not None:
        known = known & (age <= staleness_limit // timedelta(microseconds=1) * 1000)
    values: dict[str, FloatArray] = {}
    for name in chosen:
        out = np.full(len(moment), np.nan)
        out[known] = np.asarray(series.values[name], dtype=np.float64)[safe[known]]
        values[name] = out
    return Joined(
        values=MappingProxyType(values),
        known=known,
        row=np.where(known, row, -1),
        age_ns=np.where(known, age, -1),
    )


def _check(series: ContextSeries, chosen: tuple[str, ...], limit: timedelta | None) -> None:
    unknown = [name for name in chosen if name not in series.values]
    if unknown:
        raise ConfigError(
            f"the series {series.name!r} has no column {unknown[0]!r}; it has "
            f"{', '.join(series.values)}.",
            code="CONFIG-UnknownColumn",
            field="columns",
            value=unknown[0],
        )
    if limit is not None and limit < timedelta(0):
        raise ConfigError(
            f"staleness_limit must not be negative, got {limit}.",
            code="CONFIG-OutOfRange",
            field="staleness_limit",
            value=str(limit),
        )
    n = len(series.close_time_ns)
    if any(len(values) != n for values in series.values.values()):
        raise DataError(
            f"the columns of {series.name!r} are not all {n} rows long, as its times are.",
            code="DATA-ShapeMismatch",
        )
    back = np.flatnonzero(np.diff(series.close_time_ns) <= 0)
    if len(back):
        raise DataError(
            f"the close times of {series.name!r} do not increase at row {int(back[0]) + 1}.",
            code="DATA-Unordered",
            field="close_time_ns",
        )
