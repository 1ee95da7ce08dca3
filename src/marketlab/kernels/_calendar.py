"""Local calendar fields from seconds since 1970-01-01 UTC, with clock changes by rule.

Valid times (outside them the result is missing): before 2100-01-01 UTC, and from
utc 1900, new_york 1987, london 1990, frankfurt 1990, tokyo 1952 (1 January, UTC).
Clock changes: new_york first Sunday of April to last Sunday of October (1987-2006), second Sunday
of March to first Sunday of November (2007 on), at 2:00 local time; london and frankfurt at 1:00
UTC from the last Sunday of March to the last Sunday of October (1996 on), before to the first
Sunday on or after 22 October (london) and the last Sunday of September (frankfurt). A law made
after 2026 is not in here.

The rules make two small tables, once per process; the kernel only looks up.
"""

import math
from datetime import date, timedelta
from functools import cache

import numpy as np
from numpy.typing import NDArray

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup

CALENDAR_FIELDS: dict[str, int] = {
    "minute_of_day": 0,
    "hour": 1,
    "day_of_week": 2,
    "day_of_month": 3,
    "month": 4,
    "year": 5,
    "quarter": 6,
    "iso_week": 7,
    "day_id": 8,
    "week_id": 9,
    "month_id": 10,
    "business_days_left": 11,
}
"""Field -> its number. ``minute_of_day`` 0-1439; ``day_of_week`` Monday 0; ``quarter`` 1-4;
``iso_week`` 1-53; ``day_id`` local days since 1970-01-01; ``week_id`` local weeks, which begin
Monday, since that of 1970-01-01; ``month_id`` 12 year + month - 1; ``business_days_left`` days
from Monday to Friday after this one in its month (holidays are not known here)."""

CALENDAR_ZONES: dict[str, int] = {"utc": 0, "new_york": 1, "london": 2, "frankfurt": 3, "tokyo": 4}
"""Zone -> its number."""

_EPOCH = date(1970, 1, 1)
_FIRST_DAY = date(1899, 12, 31)
_END_YEAR = 2100
_FIRST_YEARS = (1900, 1987, 1990, 1990, 1952)
_STANDARD_HOURS = (0, -5, 0, 1, 9)
_NEW_YORK, _LONDON = CALENDAR_ZONES["new_york"], CALENDAR_ZONES["london"]
_WHOLE_DAY = 86_400.0
_DAYS_BEFORE_1970 = 25_568


def _sunday(year: int, month: int, earliest: int) -> float:
    """Return midnight UTC of the first Sunday not before a day of a month, in seconds."""
    day = date(year, month, earliest)
    return _seconds(day + timedelta(days=6 - day.weekday()))


def _seconds(day: date) -> float:
    return (day - _EPOCH).days * _WHOLE_DAY


def _summer(zone: int, year: int) -> tuple[float, float]:
    """Return when a year's summer time begins and ends, seconds UTC."""
    if zone == _NEW_YORK:
        if year < 2007:
            return _sunday(year, 4, 1) + 7 * 3600, _sunday(year, 10, 25) + 6 * 3600
        return _sunday(year, 3, 8) + 7 * 3600, _sunday(year, 11, 1) + 6 * 3600
    if year >= 1996:
        last = _sunday(year, 10, 25)
    else:
        last = _sunday(year, 10, 22) if zone == _LONDON else _sunday(year, 9, 24)
    return _sunday(year, 3, 25) + 3600, last + 3600


@cache
def clock_changes(zone: int) -> tuple[FloatArray, FloatArray]:
    """Return the times from which an offset holds (ascending, UTC) and the offsets, in seconds.

    The first time is the first valid one; the last is the end of valid times.
    """
    standard = _STANDARD_HOURS[zone] * 3600.0
    times, offsets = [_seconds(date(_FIRST_YEARS[zone], 1, 1))], [standard]
    if zone not in (CALENDAR_ZONES["utc"], CALENDAR_ZONES["tokyo"]):
        for year in range(_FIRST_YEARS[zone], _END_YEAR):
            times += _summer(zone, year)
            offsets += [standard + 3600.0, standard]
    times.append(_seconds(date(_END_YEAR, 1, 1)))
    offsets.append(standard)
    return np.array(times), np.array(offsets)


@cache
def day_table(field: int) -> FloatArray:
    """Return a field for every day from 1899-12-31 to 2100-01-01; () for one within the day."""
    name = next(key for key, value in CALENDAR_FIELDS.items() if value == field)
    if name in ("minute_of_day", "hour"):
        return np.empty(0)
    first, end = ((day - _EPOCH).days for day in (_FIRST_DAY, date(_END_YEAR, 1, 2)))
    number = np.arange(first, end)
    days = number.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    month_of_year = months.astype(np.int64) % 12
    year = months.astype(np.int64) // 12 + 1970
    weekday = (number + 3) % 7
    thursday = days - weekday + 3
    values: dict[str, NDArray[np.int64]] = {
        "day_of_week": weekday,
        "day_of_month": (days - months.astype("datetime64[D]")).astype(np.int64) + 1,
        "month": month_of_year + 1,
        "year": year,
        "quarter": month_of_year // 3 + 1,
        "iso_week": (thursday - thursday.astype("datetime64[Y]")).astype(np.int64) // 7 + 1,
        "day_id": number,
        "week_id": (number + 3) // 7,
        "month_id": 12 * year + month_of_year,
        "business_days_left": np.busday_count(days + 1, (months + 1).astype("datetime64[D]")),
    }
    return np.asarray(values[name], dtype=np.float64)


def seconds_per_unit(field: int) -> float:
    """Return 60 for the minute, 3600 for the hour, 0 for a field that is the same all day."""
    return {CALENDAR_FIELDS["minute_of_day"]: 60.0, CALENDAR_FIELDS["hour"]: 3600.0}.get(field, 0.0)


@jit
def calendar(
    time: FloatArray,
    change: FloatArray,
    offset: FloatArray,
    unit: float,
    of_day: FloatArray,
    out: FloatArray,
) -> None:
    """Write a field of the local date and time; missing where `time` is, and outside valid times.

    Parameters
    ----------
    time : (n,) seconds since 1970-01-01 UTC; a fraction of a second counts with its second.
    change, offset : (k,) of the zone, from `clock_changes`.
    unit : seconds of one unit within the day, or 0 for a field of the day.
    of_day : (days,) from `day_table`.
    out : (n,).
    """
    last = change.shape[0] - 1
    place = 0
    for i in range(out.shape[0]):
        value = time[i]
        if not change[0] <= value < change[last]:
            out[i] = np.nan
            continue
        if value < change[place] or value >= change[place + 1]:
            low, high = 0, last
            while high - low > 1:
                middle = (low + high) // 2
                if change[middle] <= value:
                    low = middle
                else:
                    high = middle
            place = low
        local = value + offset[place]
        day = math.floor(local / _WHOLE_DAY)
        if unit > 0.0:
            out[i] = math.floor((local - day * _WHOLE_DAY) / unit)
        else:
            out[i] = of_day[day + _DAYS_BEFORE_1970]


@register_warmup("calendar")
def _warm() -> None:
    change, offset = clock_changes(0)
    calendar(np.zeros(2), change, offset, 60.0, day_table(0), np.empty(2))
