"""What is missing against a calendar, and filling that says where it filled."""

from dataclasses import dataclass

import numpy as np

from marketlab.core import BoolArray, ConfigError, IntArray
from marketlab.data._bars import BarFrame
from marketlab.data._calendar import CALENDARS, DAY_NS, TradingCalendar, expected_bars
from marketlab.data._columns import Columns
from marketlab.data._lineage import lineage_of
from marketlab.data._timeframe import timeframe_ns


@dataclass(frozen=True, eq=False)
class Coverage:
    """Bars against the calendar, before anything is filled.

    Attributes
    ----------
    expected : opens of the bars that the calendar plans from the first to the last bar, ns.
    missing : positions in `expected` without a bar.
    unexpected : rows of the table at whose time the calendar plans no bar.
    gap_start, gap_length : runs of missing bars, as positions in `expected` and bar counts.
    """

    expected: IntArray
    close: IntArray
    missing: IntArray
    unexpected: IntArray
    gap_start: IntArray
    gap_length: IntArray

    @property
    def fraction(self) -> float:
        """Share of the planned bars that are there; NaN if none is planned."""
        n = len(self.expected)
        return 1.0 - len(self.missing) / n if n else float("nan")


def find_gaps(time_ns: IntArray, timeframe: str, calendar: TradingCalendar) -> Coverage:
    """Compare the opens of bars, in any order, with those that the calendar plans.

    Daily bars at midnight UTC are compared by date, others by their open. Weekly bars raise
    ConfigError, since calendars plan bars of a day at most.
    """
    first, last = int(time_ns.min()), int(time_ns.max())
    if timeframe_ns(timeframe) == DAY_NS and not (time_ns % DAY_NS).any():
        found = calendar.sessions(first, last + DAY_NS)
        inside = (found.label >= first) & (found.label <= last)
        expected, close = found.label[inside], found.close[inside]
    else:
        expected, close = expected_bars(calendar, timeframe, first, last + 1)
    present = _found_in(expected, time_ns)
    missing = np.flatnonzero(~present)
    starts, lengths = runs(~present)
    return Coverage(
        expected=expected,
        close=close,
        missing=missing,
        unexpected=np.flatnonzero(~_found_in(time_ns, expected)),
        gap_start=starts,
        gap_length=lengths,
    )


def runs(flags: BoolArray) -> tuple[IntArray, IntArray]:
    """Return where runs of True start and how long they are."""
    edge = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    starts: IntArray = np.flatnonzero(edge == 1)
    lengths: IntArray = np.flatnonzero(edge == -1) - starts
    return starts, lengths


@dataclass(frozen=True, eq=False)
class FilledBars:
    """Bars with short gaps filled, and which ones were.

    Attributes
    ----------
    is_filled : True for made-up bars, shape (n_bars,).
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
    whole, and begins a new segment. The mask goes into no model by itself: keep it with the bars.

    Raises
    ------
    ConfigError for a limit below 1; errors of `find_gaps`.
    """
    if limit < 1:
        raise ConfigError(
            f"limit must be 1 or more, got {limit}.",
            field="limit",
            value=limit,
            code="CONFIG-OutOfRange",
        )
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
    filled = BarFrame.build(
        {name: values[order] for name, values in table.items()},
        symbol=bars.symbol,
        timeframe=bars.timeframe,
        source=f"filled:{bars.source}",
        provenance=f"gaps of at most {limit} bars filled in {bars.dataset_id}",
        licence=bars.licence,
        is_synthetic=bars.is_synthetic,
        has_volume=bars.has_volume,
        metadata=lineage_of(
            "fill_gaps", [bars.dataset_id], {"calendar": market.name, "limit": limit}
        ),
    )
    cuts = found.expected[found.gap_start[~short]]
    return FilledBars(
        bars=filled,
        is_filled=order >= bars.n_bars,
        segment=np.searchsorted(cuts, filled.time_ns, side="right").astype(np.int64),
        n_unfilled=int((~per_gap).sum()),
    )


def _found_in(wanted: IntArray, times: IntArray) -> BoolArray:
    """Return which of `wanted` occur in `times`; fast where `times` is in order."""
    if len(times) == 0:
        return np.zeros(len(wanted), dtype=np.bool_)
    ordered = times if bool((times[1:] >= times[:-1]).all()) else np.sort(times)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    found: BoolArray = ordered[at] == wanted
    return found
