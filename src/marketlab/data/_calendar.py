"""When a market is open: sessions, and the bars that they must bring."""

import warnings
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Protocol, Self
from zoneinfo import ZoneInfo

import numpy as np

from marketlab.core import BoolArray, ConfigError, DataNotAvailableError, IntArray, PluginRegistry
from marketlab.data._timeframe import timeframe_ns

DAY_NS = 86_400_000_000_000
_NEW_YORK = ZoneInfo("America/New_York")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class Sessions:
    """Times in which a market trades, ordered, not overlapping; arrays of shape (n_sessions,).

    Attributes
    ----------
    label : midnight UTC of the session's date, by which daily bars are named; nanoseconds.
    open, close : first moment of trading and the first after it, nanoseconds of UTC.
    is_half_day : sessions that close early by plan.
    """

    label: IntArray
    open: IntArray
    close: IntArray
    is_half_day: BoolArray

    def __len__(self) -> int:
        return len(self.open)

    def between(self, start_ns: int, end_ns: int) -> Self:
        """Return the sessions that overlap the time from `start_ns` to before `end_ns`."""
        part = slice(
            int(np.searchsorted(self.close, start_ns, side="right")),
            int(np.searchsorted(self.open, end_ns, side="left")),
        )
        return type(self)(
            self.label[part], self.open[part], self.close[part], self.is_half_day[part]
        )

    def at(self, time_ns: IntArray) -> IntArray:
        """Return the session in which each time lies; -1 where the market is closed."""
        found = np.searchsorted(self.open, time_ns, side="right") - 1
        if len(self) == 0:
            return np.full(len(time_ns), -1, dtype=np.int64)
        inside = (found >= 0) & (time_ns < self.close[np.maximum(found, 0)])
        out: IntArray = np.where(inside, found, -1).astype(np.int64)
        return out


class TradingCalendar(Protocol):
    """A market's sessions. Everything else about time is worked out from them."""

    @property
    def name(self) -> str:
        """Name under which reports and lineage speak of the calendar."""
        ...

    def sessions(self, start_ns: int, end_ns: int) -> Sessions:
        """Return the sessions that overlap [start, end), times in nanoseconds of UTC."""
        ...


@dataclass(frozen=True)
class AlwaysOpen:
    """A market that never closes; its sessions are UTC days."""

    name: str = "always"

    def sessions(self, start_ns: int, end_ns: int) -> Sessions:
        """Return the UTC days that overlap [start, end)."""
        label = np.arange(start_ns // DAY_NS, -(-end_ns // DAY_NS), dtype=np.int64) * DAY_NS
        return Sessions(label, label, label + DAY_NS, np.zeros(len(label), dtype=np.bool_))


@dataclass(frozen=True)
class FxWeek:
    """Sunday 17:00 to Friday 17:00 in New York, clock changes included.

    A session is a trading day, 17:00 to 17:00 New York; the clocks change while it is closed, so
    each lasts 24 hours. With `holidays` the trading days 25 December and 1 January are closed,
    and 26 December where the 25th is a Sunday.
    """

    name: str = "fx_week"
    holidays: bool = True

    def sessions(self, start_ns: int, end_ns: int) -> Sessions:
        """Return the trading days that overlap [start, end)."""
        first = _day(start_ns) - timedelta(days=1)
        days = [first + timedelta(days=k) for k in range((_day(end_ns) - first).days + 2)]
        days = [d for d in days if d.weekday() < 5 and not (self.holidays and _fx_closed(d))]
        label = np.array([_at(d, time(), UTC) for d in days], dtype=np.int64)
        opens = [_at(d - timedelta(days=1), time(17), _NEW_YORK) for d in days]
        closes = [_at(d, time(17), _NEW_YORK) for d in days]
        none = np.zeros(len(days), dtype=np.bool_)
        every = Sessions(label, np.array(opens, np.int64), np.array(closes, np.int64), none)
        return every.between(start_ns, end_ns)


@dataclass(frozen=True)
class ExchangeSessions:
    """Sessions, holidays and half days of an exchange, from the library `exchange_calendars`.

    `code` is the ISO 10383 code that the library knows (XNYS, XLON, …), `since` the first day to
    ask it for.
    """

    name: str
    code: str
    since: str = "1980-01-01"

    def sessions(self, start_ns: int, end_ns: int) -> Sessions:
        """Return the regular sessions that overlap [start, end).

        Raises
        ------
        ConfigError (``CONFIG-MissingExtra``) if the library is absent; DataNotAvailableError
        (``DATA-CalendarRange``) for days that it does not cover.
        """
        known, first, stop = _exchange(self.code, self.since)
        if start_ns < first or end_ns > stop:
            raise DataNotAvailableError(
                f"the calendar {self.name!r} covers {_day(first)} to {_day(stop - 1)}, not all of "
                f"{_day(start_ns)} to {_day(end_ns - 1)}.",
                code="DATA-CalendarRange",
                field="calendar",
                value=self.name,
                suggestion="Cut the bars to those days, or update exchange_calendars.",
            )
        return known.between(start_ns, end_ns)


CALENDARS: PluginRegistry[TradingCalendar] = PluginRegistry(
    "calendar", code="CONFIG-UnknownCalendar"
)
CALENDARS.add("always", AlwaysOpen(), aliases=("24x7",))
CALENDARS.add("fx_week", FxWeek(), aliases=("fx",))
for _name, _code in {
    "nyse": "XNYS",
    "nasdaq": "XNAS",
    "london": "XLON",
    "xetra": "XETR",
}.items():
    CALENDARS.add(_name, ExchangeSessions(_name, _code), aliases=(_code,))
CALENDARS.add("tokyo", ExchangeSessions("tokyo", "XTKS", "1997-01-01"), aliases=("XTKS",))


def expected_bars(
    calendar: TradingCalendar, timeframe: str, start_ns: int, end_ns: int
) -> tuple[IntArray, IntArray]:
    """Return opens and close times of the bars that open in [start, end), nanoseconds of UTC.

    Bars shorter than a day are counted from each session's open, and the last one ends with the
    session; a daily bar is one session. Longer bars are not planned here: see `resample_bars`.

    Raises
    ------
    ConfigError for a timeframe longer than a day; errors of the calendar.
    """
    step = timeframe_ns(timeframe)
    if step > DAY_NS:
        raise ConfigError(
            f"bars of {timeframe} cannot be listed against a calendar; a day is the longest.",
            code="CONFIG-TimeframeTooLong",
            field="timeframe",
            value=timeframe,
        )
    empty = np.empty(0, dtype=np.int64)
    found = calendar.sessions(start_ns, end_ns) if end_ns > start_ns else None
    if found is None or len(found) == 0:
        return empty, empty.copy()
    if step == DAY_NS:
        opens, closes = found.open, found.close
    else:
        counts = -(-(found.close - found.open) // step)
        first = np.repeat(np.cumsum(counts) - counts, counts)
        opens = np.repeat(found.open, counts) + (np.arange(counts.sum()) - first) * step
        closes = np.minimum(opens + step, np.repeat(found.close, counts))
    inside = (opens >= start_ns) & (opens < end_ns)
    return opens[inside], closes[inside]


def session_close_time(calendar: TradingCalendar, opens_ns: int, timeframe: str) -> int:
    """Return when the bar that opens at `opens_ns` closes: no later than its session.

    Raises
    ------
    DataNotAvailableError (``DATA-MarketClosed``) if the market is closed at that time;
    ConfigError for a timeframe longer than a day.
    """
    found = calendar.sessions(opens_ns, opens_ns + 1)
    if len(found) == 0:
        raise DataNotAvailableError(
            f"the market of calendar {calendar.name!r} is closed at {_moment(opens_ns)}.",
            code="DATA-MarketClosed",
            field="time",
        )
    step = timeframe_ns(timeframe)
    if step > DAY_NS:
        expected_bars(calendar, timeframe, opens_ns, opens_ns + 1)
    close = int(found.close[0])
    return close if step == DAY_NS else min(opens_ns + step, close)


def _exchange(code: str, since: str) -> tuple[Sessions, int, int]:
    try:
        import exchange_calendars
    except ImportError as error:
        raise ConfigError(
            f"the calendar {code!r} needs the package exchange_calendars, which is not installed.",
            code="CONFIG-MissingExtra",
            field="calendar",
            value=code,
            suggestion="Install it: pip install 'marketlab[calendars]'.",
        ) from error
    return _exchange_sessions(exchange_calendars, code, since)


@lru_cache(maxsize=16)
def _exchange_sessions(library: Any, code: str, since: str) -> tuple[Sessions, int, int]:
    with warnings.catch_warnings():
        # exchange_calendars 4.13 reads zoned columns in a way that pandas 3.1 warns of.
        warnings.filterwarnings("ignore", message=r"Series\.values returning an ndarray")
        calendar = library.get_calendar(code, start=since)
    table = calendar.schedule
    label, opens, closes = (
        values.to_numpy().astype("datetime64[ns]").astype(np.int64)
        for values in (
            table.index,
            table["open"].dt.tz_convert(None),
            table["close"].dt.tz_convert(None),
        )
    )
    early = set(calendar.early_closes.to_numpy().astype("datetime64[ns]").astype(np.int64).tolist())
    half = np.array([day in early for day in label.tolist()], dtype=np.bool_)
    first = _at(date.fromisoformat(since), time(), UTC)
    return Sessions(label, opens, closes, half), first, int(label[-1]) + DAY_NS


def _fx_closed(day: date) -> bool:
    month_day = (day.month, day.day)
    return month_day in {(12, 25), (1, 1)} or (month_day == (12, 26) and day.weekday() == 0)


def _day(time_ns: int) -> date:
    return _moment(time_ns).date()


def _moment(time_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_ns // 1000)


def _at(day: date, clock: time, zone: Any) -> int:
    moment = datetime.combine(day, clock, tzinfo=zone)
    return int((moment - _EPOCH) // timedelta(microseconds=1) * 1000)
