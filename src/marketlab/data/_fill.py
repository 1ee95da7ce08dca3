"""Filling of short gaps that says where it filled, and keeps saying it."""

from dataclasses import dataclass

import numpy as np

from marketlab.core import BoolArray, ConfigError, DataError, IntArray
from marketlab.data._bars import BarFrame
from marketlab.data._calendar import CALENDARS, DAY_NS, TradingCalendar
from marketlab.data._columns import Columns
from marketlab.data._gaps import Coverage, find_gaps
from marketlab.data._lineage import lineage_of
from marketlab.data._timeframe import timeframe_ns
from marketlab.data._validate import time_text

FILLED = "filled"


@dataclass(frozen=True, eq=False)
class FilledBars:
    """Bars with short gaps filled, and which ones were.

    Attributes
    ----------
    is_filled : True for bars made up here or by an earlier filling, shape (n_bars,).
    segment : number of the unbroken piece that a bar lies in; no window may cross two of them.
    n_unfilled : planned bars still missing, all of them in gaps longer than the limit.
    """

    bars: BarFrame
    is_filled: BoolArray
    segment: IntArray
    n_unfilled: int


def fill_gaps(
    bars: BarFrame, *, calendar: str | TradingCalendar = "always", limit: int = 5
) -> FilledBars:
    """Fill gaps of at most `limit` planned bars with the last close and no volume.

    Only forward: a filled bar reads the bar before its gap alone. A longer gap stays as it is,
    whole, and begins a new segment. The metadata tells the filled stretches under ``filled``, and
    `filled_mask` reads them: the mask stays with the bars wherever they are stored.

    Raises
    ------
    ConfigError for a limit below 1, and for bars longer than a day (fill daily ones, then resample
    them); DataError (``DATA-WrongCalendar``) if the calendar plans bars at times that the bars at
    hand cover; errors of `find_gaps`.
    """
    if limit < 1:
        raise ConfigError(
            f"limit must be 1 or more, got {limit}.",
            field="limit",
            value=limit,
            code="CONFIG-OutOfRange",
        )
    _check_fillable(bars)
    market = CALENDARS.get(calendar, field="calendar") if isinstance(calendar, str) else calendar
    found = find_gaps(bars.time_ns, bars.timeframe, market)
    short = found.gap_length <= limit
    per_gap = np.repeat(short, found.gap_length)
    at = found.missing[per_gap]
    extra = found.expected[at]
    before = np.searchsorted(bars.time_ns, extra) - 1
    table: Columns = {name: values.copy() for name, values in bars.arrays().items()}
    for name in ("open", "high", "low"):
        table[name] = np.concatenate([table[name], bars.close[before]])
    table["close"] = np.concatenate([table["close"], bars.close[before]])
    table["volume"] = np.concatenate([table["volume"], np.zeros(len(extra))])
    times = np.concatenate([bars.time_ns, extra])
    ends = extra + DAY_NS if timeframe_ns(bars.timeframe) == DAY_NS else found.close[at]
    order = np.argsort(times, kind="stable")
    table["time"], table["close_time"] = times, np.concatenate([bars.close_time_ns, ends])
    _check_room(bars, extra, ends, market.name)
    filled = BarFrame.build(
        {name: values[order] for name, values in table.items()},
        symbol=bars.symbol,
        timeframe=bars.timeframe,
        source=f"filled:{bars.source}",
        provenance=f"gaps of at most {limit} bars filled in {bars.dataset_id}",
        licence=bars.licence,
        is_synthetic=bars.is_synthetic,
        has_volume=bars.has_volume,
        metadata={
            FILLED: [*bars.metadata.get(FILLED, []), *_stretches(found, short)],
            **lineage_of("fill_gaps", [bars.dataset_id], {"calendar": market.name, "limit": limit}),
        },
    )
    cuts = found.expected[found.gap_start[~short]]
    return FilledBars(
        bars=filled,
        is_filled=filled_mask(filled),
        segment=np.searchsorted(cuts, filled.time_ns, side="right").astype(np.int64),
        n_unfilled=int((~per_gap).sum()),
    )


def filled_mask(bars: BarFrame) -> BoolArray:
    """Return which bars were made up by `fill_gaps`; False throughout for bars never filled."""
    mask = np.zeros(bars.n_bars, dtype=np.bool_)
    for first, last in bars.metadata.get(FILLED, []):
        span = slice(
            int(np.searchsorted(bars.time_ns, first)),
            int(np.searchsorted(bars.time_ns, last, side="right")),
        )
        mask[span] = True
    return mask


def _stretches(found: Coverage, short: BoolArray) -> list[list[int]]:
    """Return the opens of the first and last bar of every filled gap, nanoseconds of UTC."""
    starts = found.gap_start[short]
    ends = starts + found.gap_length[short] - 1
    pairs = zip(found.expected[starts].tolist(), found.expected[ends].tolist(), strict=True)
    return [[first, last] for first, last in pairs]


def _check_fillable(bars: BarFrame) -> None:
    if timeframe_ns(bars.timeframe) > DAY_NS:
        raise ConfigError(
            f"bars of {bars.timeframe} are not filled; a day is the longest.",
            code="CONFIG-TimeframeTooLong",
            field="timeframe",
            value=bars.timeframe,
            suggestion="Fill the daily bars, then resample them.",
        )


def _check_room(bars: BarFrame, opens: IntArray, ends: IntArray, calendar: str) -> None:
    """Raise unless every planned bar fits between those that are there."""
    last = bars.n_bars - 1
    after = np.searchsorted(bars.time_ns, opens, side="right")
    closed = bars.close_time_ns[np.maximum(after - 1, 0)] <= opens
    free = (after > last) | (bars.time_ns[np.minimum(after, last)] >= ends)
    bad = np.flatnonzero(~(closed & free))
    if len(bad):
        planned = time_text(int(opens[bad[0]]))
        there = time_text(int(bars.time_ns[max(after[bad[0]] - 1, 0)]))
        raise DataError(
            f"the calendar {calendar!r} plans a bar at {planned}, which would overlap the bars of "
            f"{bars.symbol} {bars.timeframe} around it ({len(bad)} such bars); these open at other "
            f"times than it plans, as at {there}.",
            code="DATA-WrongCalendar",
            field="calendar",
            value=calendar,
            suggestion="Name the calendar of this market; `marketlab data quality ID --calendar …` "
            "tells how well one fits.",
        )
