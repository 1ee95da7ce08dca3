"""How good bars are: a report for people and programs. Nothing is changed or left out."""

from typing import Any, Literal

import numpy as np
import polars as pl

from marketlab.core import BoolArray, FloatArray, FrozenConfig, IntArray
from marketlab.data._bars import BarFrame
from marketlab.data._calendar import CALENDARS, TradingCalendar
from marketlab.data._columns import PRICES, Columns, columns_of
from marketlab.data._fill import filled_mask
from marketlab.data._gaps import find_gaps, runs
from marketlab.data._timeframe import parse_timeframe, timeframe_ns
from marketlab.data._validate import Finding, find_errors, time_text

STALE_BARS = 8
OUTLIER_WINDOW = 500
OUTLIER_SCORE = 12.0
PASS_COVERAGE = 0.99
CLEAN_COVERAGE = 0.999
LONGEST_HOLE_NS = 6 * 3_600_000_000_000
_MIN_PAST = 50
_SHOWN = 5
_CHECKS: tuple[tuple[str, frozenset[str]], ...] = (
    ("prices", frozenset({"DATA-NotFinite", "DATA-NonPositivePrice"})),
    (
        "open, high, low, close",
        frozenset(
            {
                "QUALITY-OhlcBounds",
                "DATA-HighBelowLow",
                "DATA-CloseOutsideRange",
                "DATA-OpenOutsideRange",
            }
        ),
    ),
    ("volume", frozenset({"DATA-NotFiniteVolume", "DATA-NegativeVolume"})),
    ("order", frozenset({"DATA-Unordered"})),
    ("duplicates", frozenset({"DATA-DuplicateTime"})),
    ("closing times", frozenset({"DATA-CloseTime", "DATA-OverlappingBars"})),
    ("stale prices", frozenset({"QUALITY-StaleRun", "QUALITY-NoRange"})),
    ("outliers", frozenset({"QUALITY-Outlier"})),
    ("gaps", frozenset({"QUALITY-Missing"})),
    ("closed market", frozenset({"QUALITY-Outside"})),
)


class QualityCheck(FrozenConfig):
    """One thing looked at: bars concerned, and the codes of the findings, if any."""

    name: str
    passed: bool
    severity: Literal["error", "warning"]
    count: int
    codes: tuple[str, ...]


class QualityReport(FrozenConfig):
    """What was found in a table of bars, before any filling.

    Attributes
    ----------
    expected_bars : bars that the calendar plans from the first bar to the last; None where there
        are no bars.
    coverage : share of those that are there; bars that `fill_gaps` made up count as missing.
    filled_bars : how many of the bars were made up by it.
    longest_gap_bars : longest run of missing bars.
    outside_bars : bars at whose time the calendar plans none.
    verdict : fail for bars that `BarFrame` refuses, coverage below 99 % or, within a day's
        bars, a hole of more than 6 hours of trading; warn for other findings or coverage below
        99.9 %; else pass.
    """

    n_bars: int
    timeframe: str
    calendar: str
    expected_bars: int | None
    missing_bars: int | None
    outside_bars: int | None
    coverage: float | None
    longest_gap_bars: int | None
    findings: tuple[Finding, ...]
    verdict: Literal["pass", "warn", "fail"]
    filled_bars: int = 0

    def checks(self) -> tuple[QualityCheck, ...]:
        """Return everything that was looked at, in order, whether or not anything was found."""
        out = []
        for name, codes in _CHECKS:
            found = [f for f in self.findings if f.code in codes]
            worst = any(f.severity == "error" for f in found)
            out.append(
                QualityCheck(
                    name=name,
                    passed=not found,
                    severity="error" if worst else "warning",
                    count=max((f.count for f in found), default=0),
                    codes=tuple(f.code for f in found),
                )
            )
        return tuple(out)

    def text(self) -> str:
        """Return the report in lines for people."""
        lines = [f"{self.n_bars} bars of {self.timeframe}: {self.verdict}"]
        if self.coverage is not None:
            lines.append(
                f"  coverage {self.coverage:.3%} of {self.expected_bars} bars by the calendar "
                f"{self.calendar}; {self.missing_bars} missing, longest gap "
                f"{self.longest_gap_bars} bar(s)"
            )
        if self.filled_bars:
            lines.append(f"  {self.filled_bars} bar(s) are filled ones and count as missing")
        lines += [f"  {f.severity}: {f.code}: {f.message}" for f in self.findings]
        sound = ", ".join(check.name for check in self.checks() if check.passed)
        lines.append(f"  nothing found in: {sound or 'no check'}")
        return "\n".join(lines)


def assess_quality(
    table: Any, timeframe: str, *, calendar: str | TradingCalendar = "always"
) -> QualityReport:
    """Look at bars (`BarFrame`, polars frame or mapping of arrays; good or bad, in any order).

    Prices that stand still or jump are told, never removed. A jump is judged by the scale of the
    bars before it alone: see `outlier_scores`.

    Raises
    ------
    ConfigError for an unknown timeframe or calendar; DataError where a column is missing or holds
    no times or numbers; errors of the calendar.
    """
    parse_timeframe(timeframe)
    market = CALENDARS.get(calendar, field="calendar") if isinstance(calendar, str) else calendar
    columns, _ = columns_of(getattr(table, "frame", table), timeframe)
    filled = np.zeros(len(columns["time"]), dtype=np.bool_)
    if isinstance(table, BarFrame):
        filled = filled_mask(table)
    findings = find_errors(columns)
    facts: dict[str, Any] = dict.fromkeys(
        ("expected_bars", "missing_bars", "outside_bars", "coverage", "longest_gap_bars")
    )
    hole = False
    if len(columns["time"]):
        findings += _ohlc(columns) + _stale(columns) + _outliers(columns)
        against, facts, hole = _against(columns["time"][~filled], timeframe, market)
        findings += against
    coverage = facts["coverage"]
    bad = any(f.severity == "error" for f in findings) or hole
    bad = bad or (coverage is not None and not coverage >= PASS_COVERAGE)
    odd = bool(findings) or (coverage is not None and coverage < CLEAN_COVERAGE)
    return QualityReport(
        n_bars=len(columns["time"]),
        timeframe=timeframe,
        calendar=market.name,
        findings=tuple(findings),
        verdict="fail" if bad else "warn" if odd else "pass",
        filled_bars=int(filled.sum()),
        **(facts | {"coverage": None if coverage != coverage else coverage}),
    )


def outlier_scores(close: FloatArray) -> FloatArray:
    """Return each bar's move in units of the scale of the moves before it; shape (n_bars,).

    The move is the absolute log return of the close; the scale is 1.4826 times the median of the
    `OUTLIER_WINDOW` moves before the bar, which is the standard deviation where moves are normal.
    NaN for the first bars, for prices that are no positive numbers, and where the scale is zero.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        move = np.abs(np.diff(np.log(close), prepend=np.nan))
        move[~np.isfinite(move)] = np.nan
        past = pl.Series(move).fill_nan(None).shift(1)
        median = past.rolling_median(OUTLIER_WINDOW, min_samples=_MIN_PAST)
        scale = 1.4826 * median.cast(pl.Float64).fill_null(np.nan).to_numpy()
        scores: FloatArray = np.where(scale > 0.0, move / scale, np.nan)
    return scores


def _ohlc(columns: Columns) -> list[Finding]:
    """Rows whose prices contradict each other, whatever the kind: one number to quote."""
    open_, high, low, close = (columns[name] for name in PRICES)
    wrong = (high < low) | (open_ > high) | (open_ < low) | (close > high) | (close < low)
    text = "open or close lies outside low … high, or high is below low,"
    return _finding("error", "QUALITY-OhlcBounds", text, wrong, columns["time"])


def _stale(columns: Columns) -> list[Finding]:
    open_, high, low, close = (columns[name] for name in PRICES)
    times = columns["time"]
    same = np.ones(max(0, len(close) - 1), dtype=np.bool_)
    for price in (open_, high, low, close):
        same &= price[1:] == price[:-1]
    starts, lengths = runs(same)
    flags = np.zeros(len(close), dtype=np.bool_)
    flags[starts[lengths + 1 >= STALE_BARS]] = True
    found = _finding(
        "warning", "QUALITY-StaleRun", f"{STALE_BARS} or more equal bars start", flags, times
    )
    flat = high == low
    # A bar without range is usual where nothing trades; a stretch of them is a way of recording.
    starts, lengths = runs(flat)
    long = np.zeros(len(close), dtype=np.bool_)
    for start, length in zip(starts, lengths, strict=True):
        if length >= STALE_BARS:
            long[start : start + length] = True
    text = f"open, high, low and close are one number, {STALE_BARS} bars or more in a row,"
    return found + _finding("warning", "QUALITY-NoRange", text, long, times)


def _outliers(columns: Columns) -> list[Finding]:
    scores = outlier_scores(columns["close"])
    with np.errstate(invalid="ignore"):
        flags = scores > OUTLIER_SCORE
    text = f"the close moved by more than {OUTLIER_SCORE:g} times the usual move before it"
    return _finding("warning", "QUALITY-Outlier", text, flags, columns["time"])


def _against(
    time_ns: IntArray, timeframe: str, market: TradingCalendar
) -> tuple[list[Finding], dict[str, Any], bool]:
    found = find_gaps(time_ns, timeframe, market)
    longest = int(found.gap_length.max(initial=0))
    step = timeframe_ns(timeframe)
    facts = {
        "expected_bars": len(found.expected),
        "missing_bars": len(found.missing),
        "outside_bars": len(found.unexpected),
        "coverage": found.fraction,
        "longest_gap_bars": longest,
    }
    gaps = np.zeros(len(found.expected), dtype=np.bool_)
    gaps[found.missing] = True
    outside = np.zeros(len(time_ns), dtype=np.bool_)
    outside[found.unexpected] = True
    closed = f"the market is closed by the calendar {market.name}, or its bars open at other times,"
    if step > timeframe_ns("1d"):
        closed = f"another bar lies in the same {timeframe} by the calendar {market.name}"
    findings = _finding("warning", "QUALITY-Missing", "no bar is there", gaps, found.expected)
    findings += _finding("warning", "QUALITY-Outside", closed, outside, time_ns)
    return findings, facts, step < timeframe_ns("1d") and longest * step > LONGEST_HOLE_NS


def _finding(
    severity: Literal["error", "warning"],
    code: str,
    text: str,
    flags: BoolArray,
    times: IntArray,
) -> list[Finding]:
    rows = np.flatnonzero(flags)
    if len(rows) == 0:
        return []
    shown = tuple(int(row) for row in rows[:_SHOWN])
    stamps = tuple(time_text(int(times[row])) for row in shown)
    more = ", …" if len(rows) > _SHOWN else ""
    message = f"{text} on {len(rows)} bar(s): {', '.join(stamps)}{more}."
    return [
        Finding(
            severity=severity, code=code, message=message, count=len(rows), rows=shown, times=stamps
        )
    ]
