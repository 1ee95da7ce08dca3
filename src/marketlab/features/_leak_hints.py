"""Hints of future data in a finished table, where nothing can be computed again.

Hints and no proof: a table whose formulas are known is audited with `audit_causality`, which cuts
and alters the bars. What a leak of volatility does cannot be seen here at all, because volatility
clusters honestly.
"""

import math
from collections.abc import Mapping

import numpy as np

from marketlab.core import DataError, FloatArray
from marketlab.features._audit_table import MIN_ROWS, AuditFinding, AuditTable
from marketlab.features._redundancy import correlations

SHIFTS = 20
HORIZONS = (1, 5, 20)
SUSPICIOUS_CORRELATION = 0.2
SUSPICIOUS_ERRORS = 6.0
_PRICES = ("close", "open", "high", "low")
_EQUAL_SHARE = 0.99
_SAMPLE = 400
_CORRELATED_ROWS = 200_000
_GROUP = 16
_START_RUN = 5
_UNEVEN = ("flag", "calendar", "count")
_REMEDY = (
    "A hint and no proof: audit the program that made it (audit_causality cuts and alters the "
    "bars), or compute the column anew."
)


def leak_hints(table: AuditTable, bars: Mapping[str, FloatArray]) -> tuple[AuditFinding, ...]:
    """Return what in a finished table looks like future data.

    Looks for columns that equal a later price or a return still to come (at least 99 % of the
    bars, up to 20 bars ahead, and no present or past price), that correlate absurdly with the
    return of the next 1, 5 or 20 bars (above 0.2 in size and 6 standard errors, overlap counted;
    of the column, and of its ratio to the close where it is a level; at most 200,000 bars, evenly
    chosen), whose start is one
    repeated value (back-fill), or whose mean is 0 and deviation 1 over the whole table.

    Parameters
    ----------
    table : the columns of the table, warm-up included.
    bars : its own bars: ``close``, and ``open``, ``high``, ``low`` where there are any.

    Raises
    ------
    DataError if there is no close, a length differs, or there are fewer than 100 bars.
    """
    prices = {n: np.asarray(bars[n], dtype=np.float64) for n in _PRICES if n in bars}
    lengths = {len(column) for column in prices.values()}
    if "close" not in prices or lengths != {table.n_bars} or table.n_bars < 100:
        raise DataError(
            f"leak hints need the close of the same bars, at least 100; received "
            f"{', '.join(prices) or 'no price'} of {sorted(lengths)} bars for {table.n_bars} rows.",
            code="DATA-ShapeMismatch",
            field="bars",
        )
    found = []
    for i, name in enumerate(table.names):
        message = (
            _equals_future(table.columns[i], prices)
            or _filled_start(table.columns[i], table.scale_classes[i])
            or _standardised(table.columns[i])
        )
        if message:
            found.append(AuditFinding("hint", "leak", (name,), f"{name} {message}", _REMEDY))
    return (*found, *_absurd_correlations(table, prices["close"]))


def _equal(a: FloatArray, b: FloatArray) -> bool:
    both = np.isfinite(a) & np.isfinite(b)
    n = int(both.sum())
    if n < MIN_ROWS:
        return False
    a, b = a[both], b[both]
    return bool((np.abs(a - b) <= 1e-7 * np.abs(b)).sum() >= _EQUAL_SHARE * n)


def _equals_future(column: FloatArray, prices: Mapping[str, FloatArray]) -> str:
    finite = np.flatnonzero(np.isfinite(column[SHIFTS:-SHIFTS])) + SHIFTS
    if finite.size < MIN_ROWS or column[finite].min() == column[finite].max():
        return ""
    # A few rows first: nearly every column is done with them.
    bars = finite[:: max(1, finite.size // _SAMPLE)]
    some = column[bars]
    # A day's open is often the close before it, so a later open may be a present close.
    for lag in range(SHIFTS + 1):
        for price in prices.values():
            if _equal(some, price[bars - lag]) and _equal(column[lag:], _cut(price, lag)):
                return ""
    close = prices["close"]
    with np.errstate(divide="ignore", invalid="ignore"):
        for ahead in range(1, SHIFTS + 1):
            now = column[:-ahead]
            for name, price in prices.items():
                if _equal(some, price[bars + ahead]) and _equal(now, price[ahead:]):
                    return f"equals the {name} of {ahead} bars later."
            quick = _changes(close[bars], close[bars + ahead])
            for what, values in quick.items():
                if _equal(some, values):
                    change = _changes(close[:-ahead], close[ahead:])[what]
                    if _equal(now, change):
                        return f"equals the {what} of the next {ahead} bars."
    return ""


def _cut(price: FloatArray, lag: int) -> FloatArray:
    return price[: len(price) - lag]


def _changes(now: FloatArray, later: FloatArray) -> dict[str, FloatArray]:
    return {
        "return": later / now - 1.0,
        "return in percent": 100.0 * (later / now - 1.0),
        "logarithmic return": np.log(later / now),
        "price change": later - now,
    }


def _filled_start(column: FloatArray, scale_class: str) -> str:
    if scale_class in _UNEVEN or not np.isfinite(column[0]):
        return ""
    borders = np.concatenate([[0], np.flatnonzero(np.diff(column) != 0) + 1, [len(column)]])
    runs = np.diff(borders)
    if len(runs) < 2 or runs[0] < _START_RUN or runs[0] <= 2 * runs[1:].max():
        return ""
    return (
        f"is {float(column[0]):g} at each of its first {int(runs[0])} bars and nowhere else still "
        "that long: its warm-up looks filled backwards."
    )


def _standardised(column: FloatArray) -> str:
    present = column[np.isfinite(column)]
    if present.size < MIN_ROWS or abs(float(present.mean())) > 1e-6:
        return ""
    spreads = (float(present.std()), float(present.std(ddof=1)))
    if min(abs(spread - 1.0) for spread in spreads) > 1e-6:
        return ""
    return "has mean 0 and deviation 1 over the whole table: it was scaled with later rows too."


def _absurd_correlations(table: AuditTable, close: FloatArray) -> list[AuditFinding]:
    step = math.ceil(len(close) / _CORRELATED_ROWS)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_close = np.log(close)
        ahead = [
            np.concatenate([log_close[h:] - log_close[:-h], np.full(h, np.nan)])[::step]
            for h in HORIZONS
        ]
    close = close[::step]
    # Neighbouring returns of h bars share h - step of them.
    independent = np.minimum(1.0, step / np.array(HORIZONS))
    found = []
    for start in range(0, len(table.names), _GROUP):
        chosen = range(start, min(start + _GROUP, len(table.names)))
        columns = [table.columns[i][::step] for i in chosen]
        labels = [table.names[i] for i in chosen]
        level = correlations([*columns, close])[0][:-1, -1]
        for k in np.flatnonzero(np.abs(level) > 0.9).tolist():
            columns.append(columns[k] / close)
            labels.append(f"{labels[k]} (over the close)")
        corr, common = correlations([*columns, *ahead])
        for k, label in enumerate(labels):
            against = corr[k, len(columns) :]
            errors = np.abs(against) * np.sqrt(common[k, len(columns) :] * independent)
            bad = (np.abs(against) > SUSPICIOUS_CORRELATION) & (errors > SUSPICIOUS_ERRORS)
            if bad.any():
                worst = int(np.argmax(np.where(bad, np.abs(against), 0.0)))
                found.append(
                    AuditFinding(
                        "hint",
                        "leak",
                        (label.removesuffix(" (over the close)"),),
                        f"{label} has correlation {against[worst]:+.2f} with the return of the "
                        f"next {HORIZONS[worst]} bars ({errors[worst]:.0f} standard errors): no "
                        "honest column knows so much.",
                        _REMEDY,
                    )
                )
    return found
