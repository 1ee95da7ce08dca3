"""Local calendar fields from seconds since 1970-01-01 UTC, with clock changes by rule.

Valid times (outside them the result is missing): before 2100-01-01 UTC, and from
utc 1900, new_york 1987, london 1990, frankfurt 1990, tokyo 1952 (1 January, UTC).
Clock changes: new_york first Sunday of April to last Sunday of October (1987-2006), second Sunday
of March to first Sunday of November (2007 on), at 2:00 local time; london and frankfurt at 1:00
UTC from the last Sunday of March to the last Sunday of October (1996 on), before to the fourth
Sunday of October (london: first Sunday on or after the 22nd) and the last Sunday of September
(frankfurt). A law made after 2026 is not in here.

Days are converted by the algorithm of Hinnant (2013), "chrono-compatible low-level date
algorithms".
"""

import numpy as np

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

_MINUTE, _HOUR, _WEEKDAY, _DAY, _MONTH, _YEAR, _QUARTER, _ISO_WEEK = range(8)
_DAY_ID, _WEEK_ID, _MONTH_ID = range(8, 11)
_UTC, _NEW_YORK, _LONDON, _FRANKFURT, _TOKYO = range(5)
_SECONDS = 86_400
_END = 4_102_444_800.0


@jit
def _date(day: int) -> tuple[int, int, int]:
    """Return year, month and day of a number of days since 1970-01-01."""
    shifted = day + 719_468
    era = shifted // 146_097
    of_era = shifted - era * 146_097
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * of_year + 2) // 153
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    return year, month, of_year - (153 * shifted_month + 2) // 5 + 1


@jit
def _days(year: int, month: int, day: int) -> int:
    """Return the number of days since 1970-01-01."""
    shifted = year - 1 if month <= 2 else year
    era = shifted // 400
    year_of_era = shifted - era * 400
    shifted_month = month - 3 if month > 2 else month + 9
    of_year = (153 * shifted_month + 2) // 5 + day - 1
    return (
        era * 146_097
        + year_of_era * 365
        + year_of_era // 4
        - year_of_era // 100
        + (of_year - 719_468)
    )


@jit
def _sunday(year: int, month: int, earliest: int) -> int:
    """Return the first Sunday of a month that is not before day `earliest`, in days."""
    day = _days(year, month, earliest)
    return day + (6 - (day + 3) % 7)


@jit
def _summer(zone: int, year: int) -> tuple[int, int]:
    """Return the UTC seconds at which a year's summer time begins and ends."""
    if zone == _NEW_YORK:
        if year < 2007:
            first, last = _sunday(year, 4, 1), _sunday(year, 10, 25)
        else:
            first, last = _sunday(year, 3, 8), _sunday(year, 11, 1)
        return first * _SECONDS + 7 * 3600, last * _SECONDS + 6 * 3600
    first = _sunday(year, 3, 25)
    if year >= 1996:
        last = _sunday(year, 10, 25)
    elif zone == _LONDON:
        last = _sunday(year, 10, 22)
    else:
        last = _sunday(year, 9, 24)
    return first * _SECONDS + 3600, last * _SECONDS + 3600


@jit
def _offset(zone: int, second: int) -> tuple[int, int, int]:
    """Return the seconds to add to UTC, and from when to when (UTC, end excluded) they hold."""
    year, _, _ = _date(second // _SECONDS)
    begin = _days(year, 1, 1) * _SECONDS
    end = _days(year + 1, 1, 1) * _SECONDS
    if zone == _UTC:
        return 0, begin, end
    if zone == _TOKYO:
        return 9 * 3600, begin, end
    standard = -5 * 3600 if zone == _NEW_YORK else 0 if zone == _LONDON else 3600
    first, last = _summer(zone, year)
    if second < first:
        return standard, begin, first
    if second < last:
        return standard + 3600, first, last
    return standard, last, end


@jit
def _of_date(field: int, day: int) -> int:
    """Return a field that is the same all day; `day` in local days since 1970-01-01."""
    weekday = (day + 3) % 7
    if field == _WEEKDAY:
        return weekday
    if field == _DAY_ID:
        return day
    if field == _WEEK_ID:
        return (day + 3) // 7
    year, month, of_month = _date(day)
    if field == _DAY:
        return of_month
    if field == _MONTH:
        return month
    if field == _YEAR:
        return year
    if field == _QUARTER:
        return (month + 2) // 3
    if field == _MONTH_ID:
        return 12 * year + month - 1
    if field == _ISO_WEEK:
        thursday = day - weekday + 3
        return (thursday - _days(_date(thursday)[0], 1, 1)) // 7 + 1
    following = _days(year + 1, 1, 1) if month == 12 else _days(year, month + 1, 1)
    left = 0
    for later in range(day + 1, following):
        if (later + 3) % 7 < 5:
            left += 1
    return left


@jit
def calendar(time: FloatArray, field: int, zone: int, out: FloatArray) -> None:
    """Write a field of the local date and time; missing where `time` is, and outside valid times.

    Parameters
    ----------
    time : (n,) seconds since 1970-01-01 UTC; a fraction of a second is cut off.
    field, zone : numbers of `CALENDAR_FIELDS` and `CALENDAR_ZONES`.
    out : (n,).
    """
    first_year = 1900
    if zone == _NEW_YORK:
        first_year = 1987
    elif zone == _TOKYO:
        first_year = 1952
    elif zone != _UTC:
        first_year = 1990
    valid = float(_days(first_year, 1, 1) * _SECONDS)
    offset, begin, end = 0, 0, 0
    known_day, known = -10_000_000, 0
    for i in range(out.shape[0]):
        value = time[i]
        if not valid <= value < _END:
            out[i] = np.nan
            continue
        second = int(np.floor(value))
        if second < begin or second >= end:
            offset, begin, end = _offset(zone, second)
        local = second + offset
        day = local // _SECONDS
        if field <= _HOUR:
            minute = (local - day * _SECONDS) // 60
            out[i] = minute if field == _MINUTE else minute // 60
        else:
            if day != known_day:
                known_day = day
                known = _of_date(field, day)
            out[i] = known


@register_warmup("calendar")
def _warm() -> None:
    calendar(np.zeros(2), 0, 0, np.empty(2))
