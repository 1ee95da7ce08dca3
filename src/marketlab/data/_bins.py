"""Which trading days make up one bar of several: counted on the calendar from a fixed day.

The day is 29 January 1993, the first of the oldest exchange-traded fund. As the count does not
begin with the series, cutting early history moves no bar.
"""

import numpy as np

from marketlab.core import IntArray
from marketlab.data._calendar import DAY_NS, Sessions, TradingCalendar
from marketlab.data._timeframe import BY_SESSIONS

EPOCH_NS = int(np.datetime64("1993-01-29", "ns").astype(np.int64))
_DAYS = {"1d": 1, "2d": 2, "3d": 3, "5d": 5}
_REACH_NS = 45 * DAY_NS  # longer than a month or five trading days about any holiday


def sessions_around(
    calendar: TradingCalendar, timeframe: str, first_ns: int, last_ns: int
) -> Sessions:
    """Return the sessions that `session_bins` needs for bars between two times.

    Raises
    ------
    Errors of the calendar, such as ``DATA-CalendarRange``.
    """
    reach = _REACH_NS if timeframe in BY_SESSIONS else 7 * DAY_NS
    start = first_ns - reach
    if _DAYS.get(timeframe, 1) > 1:
        start = min(start, EPOCH_NS)
    return calendar.sessions(start, last_ns + max(reach, 14 * DAY_NS))


def session_bins(sessions: Sessions, timeframe: str) -> IntArray:
    """Return the number of the bar of `timeframe` (``1d`` or longer) that each session is part of.

    ``1w`` runs from Monday to Sunday, ``2w`` over two such weeks counted from that of the fixed
    day, ``1mo`` over a calendar month; ``2d``, ``3d`` and ``5d`` count sessions. Numbers rise.
    """
    day = sessions.label // DAY_NS
    if timeframe in _DAYS:
        since = int(np.searchsorted(sessions.label, EPOCH_NS))
        return (np.arange(len(sessions), dtype=np.int64) - since) // _DAYS[timeframe]
    if timeframe == "1mo":
        return day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    # Day 0 of 1970 is a Thursday: three days later than a Monday.
    week: IntArray = (day + 3) // 7
    return week if timeframe == "1w" else (week - (EPOCH_NS // DAY_NS + 3) // 7) // 2


def bin_borders(bins: IntArray) -> tuple[IntArray, IntArray]:
    """Return the first and the last session of every bar, in order."""
    starts = np.flatnonzero(np.diff(bins, prepend=bins[:1] - 1) != 0)
    return starts, np.append(starts[1:], len(bins)) - 1


def day_sessions(time_ns: IntArray, sessions: Sessions) -> IntArray:
    """Return the session of each daily bar by its opening moment; -1 where there is none.

    That is the session in which the bar opens, or else the one that opens within its 24 hours:
    a bar may be named by the local midnight before its session.
    """
    found = sessions.at(time_ns)
    if len(sessions) == 0:
        return found
    later = np.minimum(np.searchsorted(sessions.open, time_ns), len(sessions) - 1)
    ahead = sessions.open[later] - time_ns
    near = (found < 0) & (ahead >= 0) & (ahead < DAY_NS)
    out: IntArray = np.where(near, later, found).astype(np.int64)
    return out
