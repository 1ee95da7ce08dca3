"""Which trading day each bar belongs to, told from the bars themselves.

Bars carry no calendar. Those with a Saturday trade round the clock; those with a Sunday and no
Saturday keep the currency week, whose days begin at 17:00 New York time, so that a Sunday evening
is part of Monday and no day of a few hours dilutes daily figures; all others trade on the UTC days
that they have.
"""

from datetime import timedelta
from typing import NamedTuple

import numpy as np

from marketlab.core import IntArray
from marketlab.data import BarFrame, FxWeek, parse_timeframe

_DAY_NS = 86_400_000_000_000
_MONDAY_EPOCH = 3  # 1 January 1970 was a Thursday
_SATURDAY, _SUNDAY = 5, 6
_DAYS_PER_YEAR = {"round the clock": 365, "currency week": 260, "weekdays": 252}


class MarketDays(NamedTuple):
    """Trading day of each bar, days since 1970, ascending; and how many of them a year has."""

    calendar: str
    days_per_year: int
    day: IntArray


def market_days(bars: BarFrame, first: int, last: int) -> MarketDays:
    """Return the trading days of the bars at positions `first` to `last`, both included.

    The kind of market is told from *all* bars, so that a short stretch has the days of its series.
    Bars longer than a day count as one day each, as many a year as there are of them.
    """
    opens = bars.time_ns[first : last + 1]
    length = parse_timeframe(bars.timeframe) / timedelta(days=1)
    if length > 1.0:
        return MarketDays(f"bars of {bars.timeframe}", round(365.25 / length), opens // _DAY_NS)
    name = _kind(bars.time_ns // _DAY_NS, intraday=length < 1.0)
    day = opens // _DAY_NS
    if name == "currency week":
        day = _currency_days(opens)
    return MarketDays(name, _DAYS_PER_YEAR[name], day)


def _kind(utc_day: IntArray, *, intraday: bool) -> str:
    weekday = (utc_day + _MONDAY_EPOCH) % 7
    if (weekday == _SATURDAY).any():
        return "round the clock"
    return "currency week" if intraday and (weekday == _SUNDAY).any() else "weekdays"


def _currency_days(opens: IntArray) -> IntArray:
    """Return the trading day of each bar; one in closed hours belongs to the nearest."""
    week = 7 * _DAY_NS
    sessions = FxWeek().sessions(int(opens[0]) - week, int(opens[-1]) + week)
    found = np.searchsorted(sessions.close, opens, side="right")
    since, until = opens - sessions.close[found - 1], sessions.open[found] - opens
    found -= (until > 0) & (since < until)
    return np.asarray(sessions.label[found] // _DAY_NS)
