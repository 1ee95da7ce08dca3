"""What is missing against a calendar."""

from dataclasses import dataclass

import numpy as np

from marketlab.core import BoolArray, IntArray
from marketlab.data._bins import bin_borders, day_sessions, session_bins, sessions_around
from marketlab.data._calendar import DAY_NS, TradingCalendar, expected_bars
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

    Daily bars at midnight UTC are compared by date, others by the session that they open in or
    before; shorter ones by their open. A bar of several
    trading days is that of the trading day in which it opens, or of the next one: a week may be
    named by its Monday although that is a holiday. A second bar of one week is unexpected.
    """
    first, last = int(time_ns.min()), int(time_ns.max())
    if timeframe_ns(timeframe) > DAY_NS:
        return _whole_bars(time_ns, timeframe, calendar)
    daily = timeframe_ns(timeframe) == DAY_NS
    if daily and (time_ns % DAY_NS).any():
        return _days(time_ns, calendar)
    if daily:
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


def _whole_bars(time_ns: IntArray, timeframe: str, calendar: TradingCalendar) -> Coverage:
    sessions = sessions_around(calendar, timeframe, int(time_ns.min()), int(time_ns.max()))
    part_of = session_bins(sessions, timeframe)
    starts, ends = bin_borders(part_of)
    mine = part_of[np.searchsorted(sessions.close, time_ns, side="right")]
    names = sessions.open if (time_ns % DAY_NS).any() else sessions.label
    position = np.searchsorted(part_of[starts], mine)
    return _by_position(position, names[starts], sessions.close[ends])


def _days(time_ns: IntArray, calendar: TradingCalendar) -> Coverage:
    sessions = sessions_around(calendar, "1d", int(time_ns.min()), int(time_ns.max()))
    mine = day_sessions(time_ns, sessions)
    # Missing bars get the name that the others have: so long before their session's open.
    lead = sessions.open[mine[mine >= 0]] - time_ns[mine >= 0]
    same = len(lead) > 0 and bool((lead == lead[0]).all())
    names = sessions.open - (int(lead[0]) if same else 0)
    return _by_position(mine, names, sessions.close)


def _by_position(at: IntArray, names: IntArray, close: IntArray) -> Coverage:
    """Return the coverage of bars that are the planned ones at the positions `at` (-1: none)."""
    planned, first_row = np.unique(at, return_index=True)
    unexpected = np.ones(len(at), dtype=np.bool_)
    unexpected[first_row[planned >= 0]] = False
    planned = planned[planned >= 0]
    span = slice(int(planned[0]), int(planned[-1]) + 1) if len(planned) else slice(0, 0)
    absent = ~np.isin(np.arange(span.start, span.stop), planned)
    gap_start, gap_length = runs(absent)
    return Coverage(
        expected=names[span],
        close=close[span],
        missing=np.flatnonzero(absent),
        unexpected=np.flatnonzero(unexpected),
        gap_start=gap_start,
        gap_length=gap_length,
    )


def runs(flags: BoolArray) -> tuple[IntArray, IntArray]:
    """Return where runs of True start and how long they are."""
    edge = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    starts: IntArray = np.flatnonzero(edge == 1)
    lengths: IntArray = np.flatnonzero(edge == -1) - starts
    return starts, lengths


def _found_in(wanted: IntArray, times: IntArray) -> BoolArray:
    """Return which of `wanted` occur in `times`; fast where `times` is in order."""
    if len(times) == 0:
        return np.zeros(len(wanted), dtype=np.bool_)
    ordered = times if bool((times[1:] >= times[:-1]).all()) else np.sort(times)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    found: BoolArray = ordered[at] == wanted
    return found
