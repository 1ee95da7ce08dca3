"""Candles that come as lists of six numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from marketlab.data._retry import MalformedBody
from marketlab.data._source import Row


def rows_of(
    items: Sequence[Any],
    *,
    order: tuple[int, int, int, int, int, int] = (0, 1, 2, 3, 4, 5),
    unit: int = 1,
) -> list[Row]:
    """Return candles as rows; numbers may be written as text.

    Parameters
    ----------
    order : positions of time, open, high, low, close and volume in a candle.
    unit : counts of the time in a second: 1000 for milliseconds.

    Raises
    ------
    MalformedBody for a candle that has not six numbers, or opens within a second.
    """
    try:
        table = np.array(items, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        table = np.empty(0)
    if table.ndim != 2 or table.shape[1] != 6 or not np.isfinite(table).all():
        return [_row(item, order, unit) for item in items]
    at = table[:, order[0]]
    odd = np.flatnonzero(at % unit if unit > 1 else at != np.floor(at))
    if len(odd):
        raise _within(items[int(odd[0])])
    seconds = (at // unit).astype(np.int64)
    columns = (seconds, *(table[:, k] for k in order[1:]))
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _row(item: Any, order: tuple[int, ...], unit: int) -> Row:
    try:
        values = [float(each) for each in item]
        at = int(values[order[0]])
        open_, high, low, close, volume = (values[k] for k in order[1:])
        (_,) = values[5:]  # six, not more
    except (TypeError, ValueError, OverflowError, IndexError) as error:
        raise MalformedBody(f"a candle has six numbers; received {str(item)[:200]}") from error
    if at != values[order[0]] or at % unit:
        raise _within(item)
    return (at // unit, open_, high, low, close, volume)


def _within(item: Any) -> MalformedBody:
    return MalformedBody(f"a candle opens within a second: {str(item)[:200]}")
