"""Samples of several symbols on one clock, so that splits and purging happen in time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from marketlab.core import DataError, IntArray, check_same_length
from marketlab.evaluation._base import check_sample_table


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleClock:
    """A sample table whose bars are ticks of one clock; what splitters take.

    Attributes
    ----------
    order : (n,) int64, row of the original table that each sample of this one is.
    start, end, bar : (n,) int64, ticks; ``bar`` ascends.
    times : (n_ticks,) int64, closing time of each tick in nanoseconds of UTC, ascending.
    """

    order: IntArray
    start: IntArray
    end: IntArray
    bar: IntArray
    times: IntArray

    def __post_init__(self) -> None:
        for column in (self.order, self.start, self.end, self.bar, self.times):
            column.setflags(write=False)


def common_clock(
    open_ns: Sequence[IntArray],
    close_ns: Sequence[IntArray],
    *,
    symbol_id: IntArray,
    bar: IntArray,
    start: IntArray,
    end: IntArray,
) -> SampleClock:
    """Bring the samples of several symbols, of equal or different bars, onto one clock.

    The clock ticks whenever a bar of any symbol closes. A sample is decided, and its label known,
    at the tick of that bar's close; its label begins to read at the first tick after the bar
    ``start`` opens. Hence ``end < bar`` in ticks means that one label was known strictly before the
    other sample is decided, in time, whatever the bars of the two are; samples decided at one
    moment share a tick and stay on one side of a border. An embargo is then counted in ticks.

    Parameters
    ----------
    open_ns, close_ns : per symbol, (n_bars,) int64, times of its bars in nanoseconds, ascending.
    symbol_id : (n,) int64, position in `open_ns` of each sample's symbol.
    bar, start, end : (n,) int64, bar positions in the sample's own series, as in `Splitter.folds`.

    Raises
    ------
    DataError (DATA-ShapeMismatch, DATA-Unordered) for series or columns that do not fit together;
    (DATA-LabelEnd) for a label that reads bars outside its series.
    """
    check_same_length(symbol_id=symbol_id, bar=bar, start=start, end=end)
    if len(open_ns) != len(close_ns) or not len(open_ns):
        raise DataError(
            "every symbol needs opening and closing times; received "
            f"{len(open_ns)} and {len(close_ns)} series.",
            code="DATA-ShapeMismatch",
        )
    for number, (opens, closes) in enumerate(zip(open_ns, close_ns, strict=True)):
        _check_series(number, opens, closes)
    _check_symbols(symbol_id, len(open_ns))
    times = np.unique(np.concatenate(list(close_ns))).astype(np.int64)
    ticks = np.empty((3, len(bar)), dtype=np.int64)
    for number, (opens, closes) in enumerate(zip(open_ns, close_ns, strict=True)):
        mine = symbol_id == number
        _check_inside(number, len(closes), start[mine], end[mine])
        ticks[0, mine] = np.searchsorted(times, opens[start[mine]], side="right")
        ticks[1, mine] = np.searchsorted(times, closes[end[mine]])
        ticks[2, mine] = np.searchsorted(times, closes[bar[mine]])
    order = np.lexsort((symbol_id, ticks[2])).astype(np.int64)
    low, high, at = (np.ascontiguousarray(column[order]) for column in ticks)
    check_sample_table(low, high, at, times)
    return SampleClock(order=order, start=low, end=high, bar=at, times=times)


def _check_series(number: int, opens: IntArray, closes: IntArray) -> None:
    check_same_length(open_ns=opens, close_ns=closes)
    for column in (opens, closes):
        if column.dtype.kind not in "iu":
            raise DataError(
                f"times of symbol {number} must be integer nanoseconds, not {column.dtype}.",
                code="DATA-ShapeMismatch",
            )
    if np.any(np.diff(closes) <= 0) or np.any(closes <= opens):
        raise DataError(
            f"bars of symbol {number} must close after they open and one after another.",
            code="DATA-Unordered",
        )


def _check_symbols(symbol_id: IntArray, n_symbols: int) -> None:
    unknown = (symbol_id < 0) | (symbol_id >= n_symbols)
    if np.any(unknown):
        raise DataError(
            f"symbol_id {int(symbol_id[unknown][0])} names none of {n_symbols} series.",
            code="DATA-ShapeMismatch",
        )


def _check_inside(number: int, n_bars: int, start: IntArray, end: IntArray) -> None:
    outside = (start < 0) | (end >= n_bars)
    if np.any(outside):
        at = int(np.flatnonzero(outside)[0])
        raise DataError(
            f"a label of symbol {number} reads bars {int(start[at])} to {int(end[at])}; its series "
            f"has bars 0 to {n_bars - 1}.",
            code="DATA-LabelEnd",
        )
