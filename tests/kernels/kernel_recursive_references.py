"""The recursive primitives and the calendar a second time, in plain Python and zoneinfo."""

import math
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from marketlab.kernels import CALENDAR_FIELDS, CALENDAR_ZONES

NAN = math.nan


def present_only(function):
    """Run `function` on the bars at which no input is missing; the others are missing."""

    def run(*inputs, **params):
        whole = [not any(math.isnan(v) for v in bar) for bar in zip(*inputs, strict=True)]
        kept = [[v for v, w in zip(x, whole, strict=True) if w] for x in inputs]
        values = iter(function(*kept, **params))
        return [next(values) if w else NAN for w in whole]

    return run


def streak(condition):
    return [
        next((k for k in range(t + 1) if condition[t - k] == 0), t + 1)
        for t in range(len(condition))
    ]


def bars_since(condition):
    return [
        next((float(k) for k in range(t + 1) if condition[t - k] != 0), NAN)
        for t in range(len(condition))
    ]


def hold(value, condition):
    out, held = [], NAN
    for v, c in zip(value, condition, strict=True):
        if math.isnan(c) or (c != 0 and math.isnan(v)):
            out.append(NAN)
            continue
        held = v if c != 0 else held
        out.append(held)
    return out


def kama(x, n, fast, slow):
    out = [NAN] * min(n, len(x))
    average = x[n - 1] if len(x) > n else NAN
    for t in range(n, len(x)):
        path = math.fsum(abs(x[k] - x[k - 1]) for k in range(t - n + 1, t + 1))
        e = abs(x[t] - x[t - n]) / path if path > 0 else 1.0
        c = (e * (2 / (fast + 1) - 2 / (slow + 1)) + 2 / (slow + 1)) ** 2
        average = (1 - c) * average + c * x[t]
        out.append(average)
    return out


def supertrend_rows(high, low, close, atr, multiplier):
    rows = []
    for t in range(len(close)):
        middle = (high[t] + low[t]) / 2
        top, bottom = middle + multiplier * atr[t], middle - multiplier * atr[t]
        if not rows:
            upper, lower, rising = top, bottom, False
        else:
            old_upper, old_lower, _, rising = rows[-1]
            upper = top if top < old_upper or close[t - 1] > old_upper else old_upper
            lower = bottom if bottom > old_lower or close[t - 1] < old_lower else old_lower
        rising = not close[t] < lower if rising else close[t] > upper
        rows.append((upper, lower, lower if rising else upper, rising))
    return rows


def supertrend(*inputs, multiplier):
    return [row[2] for row in supertrend_rows(*inputs, multiplier)]


def supertrend_direction(*inputs, multiplier):
    return [1.0 if row[3] else -1.0 for row in supertrend_rows(*inputs, multiplier)]


def parabolic_sar(high, low, step, limit):
    if len(high) < 2:
        return [NAN] * len(high)
    out = [NAN]
    fall, rise = low[0] - low[1], high[1] - high[0]
    long = not (fall > 0 and rise < fall)
    sar, extreme = (low[0], high[1]) if long else (high[0], low[1])
    speed = step
    for t in range(1, len(high)):
        before = t - 1 if t > 1 else 1  # TA-Lib's first bar is its own predecessor
        lowest, highest = min(low[before], low[t]), max(high[before], high[t])
        if (long and low[t] <= sar) or (not long and high[t] >= sar):
            long = not long
            sar = min(extreme, lowest) if long else max(extreme, highest)
            out.append(sar)
            speed, extreme = step, high[t] if long else low[t]
            sar += speed * (extreme - sar)
            sar = min(sar, lowest) if long else max(sar, highest)
            continue
        out.append(sar)
        if (long and high[t] > extreme) or (not long and low[t] < extreme):
            extreme = high[t] if long else low[t]
            speed = min(speed + step, limit)
        sar += speed * (extreme - sar)
        sar = min(sar, lowest) if long else max(sar, highest)
    return out


def klinger_force(high, low, close, volume):
    out, total, trend = [], NAN, 0
    for t in range(len(close)):
        width = high[t] - low[t]
        if t == 0:
            out.append(NAN)
            continue
        rises = high[t] + low[t] + close[t] > high[t - 1] + low[t - 1] + close[t - 1]
        now = 1 if rises else -1
        total = total + width if now == trend else high[t - 1] - low[t - 1] + width
        trend = now
        share = abs(2 * (width / total - 1)) if total != 0 else 0.0
        out.append(100 * volume[t] * trend * share)
    return out


ZONE_NAMES = {
    "utc": "UTC",
    "new_york": "America/New_York",
    "london": "Europe/London",
    "frankfurt": "Europe/Berlin",
    "tokyo": "Asia/Tokyo",
}
FIRST_YEARS = {"utc": 1900, "new_york": 1987, "london": 1990, "frankfurt": 1990, "tokyo": 1952}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def next_month(day):
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def business_days_left(day):
    left = (next_month(day) - day).days
    return sum((day + timedelta(days=k)).weekday() < 5 for k in range(1, left))


FIELD_FUNCTIONS = {
    "minute_of_day": lambda t: t.hour * 60 + t.minute,
    "hour": lambda t: t.hour,
    "day_of_week": lambda t: t.weekday(),
    "day_of_month": lambda t: t.day,
    "month": lambda t: t.month,
    "year": lambda t: t.year,
    "quarter": lambda t: (t.month + 2) // 3,
    "iso_week": lambda t: t.isocalendar().week,
    "day_id": lambda t: t.date().toordinal() - date(1970, 1, 1).toordinal(),
    "week_id": lambda t: (t.date().toordinal() - date(1969, 12, 29).toordinal()) // 7,
    "month_id": lambda t: 12 * t.year + t.month - 1,
    "business_days_left": lambda t: business_days_left(t.date()),
}


def calendar(time, field, zone):
    name = next(k for k, v in CALENDAR_ZONES.items() if v == zone)
    function = FIELD_FUNCTIONS[next(k for k, v in CALENDAR_FIELDS.items() if v == field)]
    first = (datetime(FIRST_YEARS[name], 1, 1, tzinfo=UTC) - EPOCH).total_seconds()
    last = (datetime(2100, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()
    info = ZoneInfo(ZONE_NAMES[name])
    return [
        float(function((EPOCH + timedelta(seconds=math.floor(t))).astimezone(info)))
        if first <= t < last
        else NAN
        for t in time
    ]


RECURSIVE_REFERENCES = {
    "cumulative_sum": present_only(lambda x: [math.fsum(x[: t + 1]) for t in range(len(x))]),
    "streak": present_only(streak),
    "bars_since": present_only(bars_since),
    "hold": hold,
    "kama": present_only(kama),
    "supertrend": present_only(supertrend),
    "supertrend_direction": present_only(supertrend_direction),
    "parabolic_sar": present_only(parabolic_sar),
    "klinger_force": present_only(klinger_force),
    "calendar": calendar,
}
