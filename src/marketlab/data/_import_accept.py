"""Rows with named defects that a person accepts on import: left out, or their range widened.

Nothing here happens unasked, and what happened stands in the report, the provenance and the
metadata of the bars (``accepted``), row by row.
"""

from typing import Any, TypeAlias

import numpy as np
import polars as pl

from marketlab.core import BoolArray, ConfigError, DataError, did_you_mean
from marketlab.data._columns import Columns, columns_of
from marketlab.data._validate import Finding, row_errors, time_text

ACCEPTED = "accepted"
RANGE_CODES = ("DATA-HighBelowLow", "DATA-CloseOutsideRange", "DATA-OpenOutsideRange")
ROW_CODES = (
    "DATA-NotFinite",
    "DATA-NonPositivePrice",
    *RANGE_CODES,
    "DATA-NotFiniteVolume",
    "DATA-NegativeVolume",
)
"""Findings that lie in single rows. Repeated or unordered times are none: which row is right?"""
_SHOWN = 3

Accepted: TypeAlias = list[dict[str, Any]]


def check_codes(codes: tuple[str, ...]) -> None:
    """Refuse codes of which no row can be left out.

    Raises
    ------
    ConfigError (``CONFIG-UnknownFinding``).
    """
    for code in codes:
        if code not in ROW_CODES:
            raise ConfigError(
                f"rows cannot be left out for {code!r}; they can for {', '.join(ROW_CODES)}.",
                code="CONFIG-UnknownFinding",
                field="leave_out",
                value=code,
                suggestion=did_you_mean(code, ROW_CODES),
            )


def accept_rows(
    frame: Any, timeframe: str, *, leave_out: tuple[str, ...], widen_range: bool
) -> tuple[Any, Accepted]:
    """Return the table without the rows of `leave_out`, ranges widened if asked, and what was done.

    Widening sets high to the greatest and low to the least of a row's four prices, in rows of
    `RANGE_CODES` that are not left out. Each entry tells code, action, count and the rows' opens.

    Raises
    ------
    DataError (``DATA-NothingToAccept``) for something asked for that no row needs.
    """
    if not leave_out and not widen_range:
        return frame, []
    columns, _ = columns_of(frame, timeframe)
    found = {code: flags for code, flags, _ in row_errors(columns)}
    gone = np.zeros(len(columns["time"]), dtype=np.bool_)
    done: Accepted = []
    for code in leave_out:
        done.append(_entry(code, "left out", found[code], columns))
        gone |= found[code]
    if widen_range:
        beyond = np.any([found[code] for code in RANGE_CODES], axis=0) & ~gone
        done.append(_entry("QUALITY-OhlcBounds", "range widened", beyond, columns))
        prices = np.stack([columns[name] for name in ("open", "high", "low", "close")])
        columns["high"] = np.where(beyond, prices.max(axis=0), columns["high"])
        columns["low"] = np.where(beyond, prices.min(axis=0), columns["low"])
        frame = frame.with_columns(
            pl.Series("high", columns["high"]), pl.Series("low", columns["low"])
        )
    return frame.filter(pl.Series(~gone)), done


def accepted_findings(accepted: Accepted) -> tuple[Finding, ...]:
    """Return what was accepted as warnings of the import's report."""
    return tuple(
        Finding(
            severity="warning",
            code="DATA-Accepted",
            message=told(entry),
            count=entry["count"],
            times=tuple(entry["times"][:_SHOWN]),
        )
        for entry in accepted
    )


def told(entry: dict[str, Any]) -> str:
    """Return one entry in words."""
    times = entry["times"]
    more = ", …" if len(times) > _SHOWN else ""
    return (
        f"{entry['count']} row(s) with {entry['code']} {entry['action']} as asked: "
        f"{', '.join(times[:_SHOWN])}{more}."
    )


def how_to_accept(code: str) -> str:
    """Return how a person proceeds with a file that is refused for the finding `code`."""
    ways = "Correct the file"
    if code in RANGE_CODES:
        ways += ", or widen the range of such rows to their four prices (--widen-range)"
    if code in ROW_CODES:
        ways += f", or leave them out (--leave-out {code})"
    return f"{ways}; nothing is repaired unasked."


def _entry(code: str, action: str, rows: BoolArray, columns: Columns) -> dict[str, Any]:
    if not rows.any():
        raise DataError(
            f"no row has {code}, so that none can be accepted ({action}).",
            code="DATA-NothingToAccept",
            field="widen_range" if action == "range widened" else "leave_out",
            value=code,
            suggestion="Leave the option out.",
        )
    times = [time_text(int(t)) for t in columns["time"][rows]]
    return {"code": code, "action": action, "count": len(times), "times": times}
