"""What is wrong with bars (errors: refused) and what is odd about them (warnings: told)."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np

from marketlab.core import BoolArray, DataError, FrozenConfig, IntArray
from marketlab.data._columns import PRICES, Columns, columns_of
from marketlab.data._timeframe import parse_timeframe, timeframe_ns

STALE_RUN_BARS = 8
"""So many bars in a row with one and the same open, high, low and close count as stale."""

JUMP_LOG_RETURN = 0.25
"""A close-to-close log return of this size is told: more often a unit error than a market."""

_DAY_NS = 86_400_000_000_000
_EXAMPLES = 5
_PIECE = 32_768


class Finding(FrozenConfig):
    """One kind of trouble: how often, and the first places. Rows count from 0."""

    severity: Literal["error", "warning"]
    code: str
    message: str
    count: int
    rows: tuple[int, ...] = ()
    times: tuple[str, ...] = ()


class ValidationReport(FrozenConfig):
    """Everything found in one table of bars. Without errors the bars may be used."""

    n_bars: int
    timeframe: str
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings for which the bars are refused."""
        return tuple(f for f in self.findings if f.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings that a reader should know; the bars stand as they are."""
        return tuple(f for f in self.findings if f.severity == "warning")

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not self.errors

    def raise_if_refused(self, subject: str) -> None:
        """Raise the first error as `DataError`, with all of them in its details."""
        errors = self.errors
        if not errors:
            return
        found = [finding.to_mapping() for finding in errors]
        more = f" ({len(errors) - 1} more kind(s) of error)" if len(errors) > 1 else ""
        raise DataError(
            f"{subject}: {errors[0].message}{more}",
            code=errors[0].code,
            suggestion="Correct the source; marketlab repairs nothing in silence.",
            details={"findings": found, "issues": found},
        )


def validate_bars(frame: Any, timeframe: str) -> ValidationReport:
    """Check a polars frame (or a mapping of arrays, or a `BarFrame`) of bars.

    Nothing is raised for bad bars: every kind of trouble becomes one finding with its count and
    its first rows. An unknown `timeframe` raises `ConfigError`.
    """
    parse_timeframe(timeframe)
    table = getattr(frame, "frame", frame)
    try:
        columns, has_volume = columns_of(table, timeframe)
    except DataError as error:
        finding = Finding(severity="error", code=error.code, message=error.message, count=1)
        n_bars = len(next(iter(table.values()), ())) if isinstance(table, dict) else len(table)
        return ValidationReport(n_bars=n_bars, timeframe=timeframe, findings=(finding,))
    return check_columns(columns, timeframe, has_volume=getattr(frame, "has_volume", has_volume))


def check_columns(columns: Columns, timeframe: str, *, has_volume: bool) -> ValidationReport:
    """Return the report on columns in the form of `columns_of`."""
    findings = find_errors(columns)
    if not findings:
        findings += _warnings(columns, timeframe, has_volume=has_volume)
    return ValidationReport(
        n_bars=len(columns["time"]), timeframe=timeframe, findings=tuple(findings)
    )


def find_errors(columns: Columns) -> list[Finding]:
    """Return what forbids the use of columns in the form of `columns_of`; usually nothing.

    Good bars are recognised in one pass over pieces that stay in the processor's cache; only bad
    ones are looked at kind by kind.
    """
    n = len(columns["time"])
    if n and all(_is_clean(columns, first) for first in range(0, n, _PIECE)):
        return []
    return list(_errors(columns))


def _is_clean(columns: Columns, first: int) -> bool:
    """Return whether one piece has no error; every comparison with NaN is False."""
    # The piece overlaps the next by one bar, for what is asked of neighbours.
    part = {name: values[first : first + _PIECE + 1] for name, values in columns.items()}
    low, high, volume = part["low"], part["high"], part["volume"]
    time, close_time = part["time"], part["close_time"]
    return bool(
        (low > 0.0).all()
        and (high < np.inf).all()
        and (low <= part["open"]).all()
        and (low <= part["close"]).all()
        and (part["open"] <= high).all()
        and (part["close"] <= high).all()
        and (volume >= 0.0).all()
        and (volume < np.inf).all()
        and (close_time > time).all()
        and (time[1:] >= close_time[:-1]).all()
    )


def time_text(time_ns: int) -> str:
    """Return a time in nanoseconds of UTC as ISO 8601 with 'Z' (microseconds at most)."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_ns // 1000)
    return moment.isoformat().replace("+00:00", "Z")


def _finder(columns: Columns, severity: Literal["error", "warning"]) -> Callable[..., Finding]:
    times = columns["time"]

    def make(code: str, at: BoolArray | IntArray, text: str) -> Finding:
        rows = np.flatnonzero(at) if at.dtype == np.bool_ else at
        shown = tuple(int(row) for row in rows[:_EXAMPLES])
        stamps = tuple(time_text(int(times[row])) for row in shown)
        places = ", ".join(f"row {r} ({t})" for r, t in zip(shown[:3], stamps[:3], strict=True))
        message = f"{text} on {len(rows)} bar(s): {places}{', …' if len(rows) > 3 else ''}."
        return Finding(
            severity=severity,
            code=code,
            message=message,
            count=len(rows),
            rows=shown,
            times=stamps,
        )

    return make


def _errors(columns: Columns) -> Iterator[Finding]:
    time, close_time = columns["time"], columns["close_time"]
    if len(time) == 0:
        yield Finding(severity="error", code="DATA-Empty", message="there are no bars.", count=0)
        return
    make = _finder(columns, "error")
    checks = row_errors(columns)
    step = np.diff(time)
    overlap = (step > 0) & (close_time[:-1] > time[1:]) & (close_time > time)[:-1]
    checks += [
        ("DATA-CloseTime", close_time <= time, "close_time is not after time"),
        ("DATA-Unordered", _at_later(step < 0), "time goes back"),
        ("DATA-DuplicateTime", _at_later(step == 0), "time repeats the bar before"),
        (
            "DATA-OverlappingBars",
            _at_later(overlap),
            "the bar opens before the one before it has closed (is the timeframe right?)",
        ),
    ]
    for code, at, text in checks:
        if at.any():
            yield make(code, at, text)


def row_errors(columns: Columns) -> list[tuple[str, BoolArray, str]]:
    """Return what a bar's own prices and volume break: code, the bars, and the rule in words."""
    volume = columns["volume"]
    prices = np.stack([columns[name] for name in PRICES])
    open_, high, low, close = prices
    bad = ~np.isfinite(prices).all(axis=0)
    return [
        ("DATA-NotFinite", bad, "a price is missing, NaN or infinite"),
        ("DATA-NonPositivePrice", ~bad & (prices <= 0.0).any(axis=0), "a price is zero or less"),
        ("DATA-HighBelowLow", ~bad & (high < low), "high is below low"),
        (
            "DATA-CloseOutsideRange",
            ~bad & (high >= low) & ((close < low) | (close > high)),
            "close lies outside low … high",
        ),
        (
            "DATA-OpenOutsideRange",
            ~bad & (high >= low) & ((open_ < low) | (open_ > high)),
            "open lies outside low … high",
        ),
        ("DATA-NotFiniteVolume", ~np.isfinite(volume), "volume is missing, NaN or infinite"),
        ("DATA-NegativeVolume", volume < 0.0, "volume is negative"),
    ]


def _at_later(between: BoolArray) -> BoolArray:
    """Return flags per bar from flags per pair of neighbours: the later one is named."""
    return np.concatenate([np.zeros(1, dtype=np.bool_), between])


def _warnings(columns: Columns, timeframe: str, *, has_volume: bool) -> Iterator[Finding]:
    make = _finder(columns, "warning")
    yield from _gaps(columns, timeframe)
    open_, high, low, close = (columns[name] for name in PRICES)
    same = np.ones(max(0, len(close) - 1), dtype=np.bool_)
    for price in (open_, high, low, close):
        same &= price[1:] == price[:-1]
    starts, lengths = _runs(same)
    long = lengths + 1 >= STALE_RUN_BARS
    if long.any():
        text = f"prices stand still for {STALE_RUN_BARS} bars or more (longest run "
        yield make("DATA-StaleRun", starts[long], f"{text}{lengths.max() + 1}), starting")
    flat = high == low
    if flat.mean() > 0.5:
        yield make("DATA-NoRange", flat, "high equals low, so that ranges say nothing,")
    jump = np.abs(np.diff(np.log(close))) >= JUMP_LOG_RETURN
    if jump.any():
        text = f"the close moved by {JUMP_LOG_RETURN:.0%} or more (log return)"
        yield make("DATA-PriceJump", _at_later(jump), text)
    zero = columns["volume"] == 0.0
    if not has_volume:
        message = "there is no volume; indicators that read it are refused on this series."
        yield Finding(severity="warning", code="DATA-NoVolume", message=message, count=len(zero))
    elif zero.any():
        yield make("DATA-ZeroVolume", zero, f"volume is zero ({zero.mean():.2%} of all)")


def _gaps(columns: Columns, timeframe: str) -> Iterator[Finding]:
    """Yield holes over weekends and other holes apart: only the second kind is surprising."""
    time, step = columns["time"], timeframe_ns(timeframe)
    hole = time[1:] - columns["close_time"][:-1]
    at = np.flatnonzero(hole >= step)  # in a shorter one there is no place for a bar
    if len(at) == 0:
        return
    # Day 0 of the epoch is a Thursday, so Saturdays are the days with number 2 modulo 7.
    first_day = (time[at] + step) // _DAY_NS
    weekend = (first_day + (2 - first_day) % 7) * _DAY_NS < time[at + 1]
    longest = timedelta(microseconds=int(hole.max()) // 1000)
    make = _finder(columns, "warning")
    if weekend.any():
        text = f"bars are absent over a weekend (longest hole of all {longest}), first bar after it"
        yield make("DATA-WeekendGap", at[weekend] + 1, text)
    if not weekend.all():
        missing = int((hole[at[~weekend]] // step).sum())
        text = f"about {missing} bar(s) of {timeframe} are absent, first bar after the hole"
        yield make("DATA-Gap", at[~weekend] + 1, text)


def _runs(same: BoolArray) -> tuple[IntArray, IntArray]:
    """Return where runs of True start and how long they are."""
    edge = np.diff(np.concatenate([[0], same.astype(np.int8), [0]]))
    starts: IntArray = np.flatnonzero(edge == 1)
    lengths: IntArray = np.flatnonzero(edge == -1) - starts
    return starts, lengths
