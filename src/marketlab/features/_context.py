"""Context series beside bars: which value of VIX, say, a bar may read.

What joins decides values, so this file counts among the kernel sources by which cached values are
known. The hash takes every file that holds the mark @jit: here it stands.
"""

from collections.abc import Mapping

import numpy as np

from marketlab.core import ConfigError, DataError, FloatArray, IntArray, did_you_mean
from marketlab.data import BarFrame, point_in_time_join

_DAY_NS = 86_400_000_000_000

BY_DATE = "by date: a day reads the context's close of the same date, and none if there is none"
BY_CLOSE = "by close_time: a bar reads the context's newest close known when the bar closes"


def join_context(bars: BarFrame, context: Mapping[str, BarFrame]) -> dict[str, FloatArray]:
    """Return each context series' close as each bar may read it, (n_bars,), NaN where none is.

    Daily series meet daily bars by date, as in the scaling laboratory: the value of the same day
    or none. Everything else meets by `close_time`: the newest close known when the bar closes,
    never an earlier moment's look ahead, never filled backwards.

    Raises
    ------
    DataError (``DATA-NotKnownYet``) if a daily value of the same date becomes known only after
    the bar closes; (``DATA-NoOverlap``) if no bar gets a value.
    """
    joined: dict[str, FloatArray] = {}
    for name, series in context.items():
        rule = join_rule(bars, series)
        if rule == BY_DATE:
            values = _by_date(bars, series, name)
        else:
            values = point_in_time_join(bars, series, columns=("close",)).values["close"]
        if np.isnan(values).all():
            raise DataError(
                f"no bar of {bars.symbol} {bars.timeframe} meets a value of {series.symbol} "
                f"{series.timeframe}: {_span(bars)} and {_span(series)}.",
                code="DATA-NoOverlap",
                field=f"context.{name}",
                suggestion="Choose series that cover the same days.",
            )
        joined[name] = np.ascontiguousarray(values)
    return joined


def join_rule(bars: BarFrame, series: BarFrame) -> str:
    """Return in words how `series` meets `bars`."""
    return BY_DATE if bars.timeframe == series.timeframe == "1d" else BY_CLOSE


def require_context(wanted: Mapping[str, str], given: Mapping[str, BarFrame]) -> None:
    """Refuse a context series that is missing, or given and not read.

    Raises
    ------
    ConfigError naming it.
    """
    for name, about in wanted.items():
        if name not in given:
            raise ConfigError(
                f"the feature set reads the context series {name!r} ({about}), which is not given.",
                code="CONFIG-MissingContext",
                field=f"context.{name}",
                suggestion=f"Give it, for example with --context {name}=VIX/1d.",
            )
    for name in given:
        if name not in wanted:
            rule = f"it reads {', '.join(wanted)}" if wanted else "it reads none"
            raise ConfigError(
                f"no column reads the context series {name!r}; {rule}.",
                code="CONFIG-UnusedContext",
                field=f"context.{name}",
                value=name,
                suggestion=did_you_mean(name, wanted) if wanted else "Leave it out.",
            )


def dates_of(bars: BarFrame) -> IntArray:
    """Return the normalised date of each daily bar in days since 1970 (that of its open, UTC).

    Raises
    ------
    DataError (``DATA-DuplicateDate``) if two bars fall on one date: the join is one to one.
    """
    days = np.asarray(bars.time_ns // _DAY_NS, dtype=np.int64)
    twice = np.flatnonzero(np.diff(days) == 0)
    if len(twice):
        raise DataError(
            f"{bars.symbol} has two bars on {np.datetime64(int(days[twice[0]]), 'D')}; daily "
            "series are joined one to one.",
            code="DATA-DuplicateDate",
            field="time",
            suggestion="Remove the double bar at its source.",
        )
    return days


def _by_date(bars: BarFrame, series: BarFrame, name: str) -> FloatArray:
    mine, theirs = dates_of(bars), dates_of(series)
    row = np.minimum(np.searchsorted(theirs, mine), len(theirs) - 1)
    met = theirs[row] == mine
    late = met & (series.close_time_ns[row] > bars.close_time_ns)
    if late.any():
        at = int(np.argmax(late))
        raise DataError(
            f"{series.symbol} of {np.datetime64(int(mine[at]), 'D')} is known only after the bar "
            f"of {bars.symbol} on that date closes ({int(late.sum())} such bars).",
            code="DATA-NotKnownYet",
            field=f"context.{name}",
            suggestion="Import both series with the same closing times.",
        )
    return np.where(met, series.close[row], np.nan)


def _span(bars: BarFrame) -> str:
    return f"{bars.symbol} runs from {bars.times(0):%Y-%m-%d} to {bars.times(-1):%Y-%m-%d}"
