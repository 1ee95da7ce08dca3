"""The bars of one request in their canonical form, checked."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from marketlab.core import DataError, FloatArray
from marketlab.data._retry import MalformedBody
from marketlab.data._source import ChunkRequest, Row, time_of


@dataclass(frozen=True)
class Chunk:
    """The checked bars of one request; `payload` is their canonical form.

    `table` holds the same numbers as `rows`, shape (n_bars, 6).
    """

    rows: tuple[Row, ...]
    table: FloatArray
    duplicates: int
    outside: int

    @cached_property
    def payload(self) -> bytes:
        """What stands in the chunk's file: made by the thread that writes it."""
        return json.dumps(self.rows, separators=(",", ":")).encode()


def canonical_chunk(rows: Sequence[Row], request: ChunkRequest, step: int, now_s: float) -> Chunk:
    """Return rows sorted, inside the request, each time once.

    Rows outside the request are dropped and counted (providers may send some), and so are equal
    repeats. Bars that have not closed at `now_s` are refused.

    Raises
    ------
    DataError naming both rows if one time came with different values; MalformedBody for a bar
    that is off the grid, not closed, or no possible candle.
    """
    ordered, duplicates, outside = tuple(rows), 0, 0
    if ordered and ordered[0][0] > ordered[-1][0]:
        ordered = ordered[::-1]
    table = _table(ordered)
    if not _is_clean(table, request, step, now_s):
        ordered, duplicates, outside = _cleaned(rows, request, step, now_s)
        table = _table(ordered)
    return Chunk(ordered, table, duplicates, outside)


def _table(rows: Sequence[Row]) -> FloatArray:
    return np.array(rows, dtype=np.float64).reshape(len(rows), 6)


def _is_clean(table: FloatArray, request: ChunkRequest, step: int, now_s: float) -> bool:
    """Return whether rows can stay as they are: looked at all at once, as nearly all can."""
    if not len(table):
        return True
    at, open_, high, low, close, volume = table.T
    # Comparisons with NaN are false, so that it is refused here too.
    return bool(
        at[0] >= request.start_s
        and at[-1] < request.end_s
        and at[-1] + step <= now_s
        and np.all(at[1:] > at[:-1])
        and not np.any(at % step)
        and np.all(
            (low > 0.0)
            & (low <= open_)
            & (open_ <= high)
            & (low <= close)
            & (close <= high)
            & (high < math.inf)
            & (volume >= 0.0)
            & (volume < math.inf)
        )
    )


def _cleaned(
    rows: Sequence[Row], request: ChunkRequest, step: int, now_s: float
) -> tuple[tuple[Row, ...], int, int]:
    kept: dict[int, Row] = {}
    duplicates = outside = 0
    for row in rows:
        if not request.start_s <= row[0] < request.end_s:
            outside += 1
            continue
        known = kept.get(row[0])
        if known is None:
            _check_row(row, step, now_s)
            kept[row[0]] = row
        elif known == row:
            duplicates += 1
        else:
            raise DataError(
                f"{request.symbol} {request.timeframe}: two different bars open at "
                f"{time_of(row[0])}: {known[1:]} and {row[1:]}.",
                code="SOURCE-ConflictingBars",
                suggestion="Ask the provider which one is right; nothing is chosen for you.",
            )
    return tuple(kept[at] for at in sorted(kept)), duplicates, outside


def _check_row(row: Row, step: int, now_s: float) -> None:
    at, open_, high, low, close, volume = row
    if at % step:
        raise MalformedBody(f"the bar at {time_of(at)} is not on the grid of {step} s")
    if at + step > now_s:
        raise MalformedBody(f"the bar at {time_of(at)} has not closed yet")
    # Comparisons with NaN are false, so that it is refused here too.
    sane = 0.0 < low <= open_ <= high and low <= close <= high < math.inf
    if not (sane and 0.0 <= volume < math.inf):
        raise MalformedBody(f"the bar at {time_of(at)} is no possible candle: {row[1:]}")
