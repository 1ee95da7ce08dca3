"""Coarser bars from finer ones, by the sessions of a calendar."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from marketlab.core import ConfigError, DataError, IntArray
from marketlab.data._bars import BarFrame
from marketlab.data._bins import day_sessions, session_bins, sessions_around
from marketlab.data._calendar import CALENDARS, DAY_NS, Sessions, TradingCalendar
from marketlab.data._lineage import lineage_of
from marketlab.data._timeframe import timeframe_ns
from marketlab.data._validate import time_text

_COVERS = "covers_ns"


@dataclass(frozen=True)
class Resampled:
    """Coarser bars, and what did not get into them.

    Attributes
    ----------
    first_dropped, last_dropped : finer bars of a coarser bar that begins before the series or
        ends after it.
    outside : finer bars while the calendar says closed; they are in no coarser bar.
    incomplete : coarser bars that miss finer ones in their middle; they are kept.
    """

    bars: BarFrame
    first_dropped: int
    last_dropped: int
    outside: int
    incomplete: int

    def counts(self) -> dict[str, int]:
        """Return the four counts, JSON-ready."""
        return {
            "first_dropped": self.first_dropped,
            "last_dropped": self.last_dropped,
            "outside": self.outside,
            "incomplete": self.incomplete,
        }


def resample_bars(
    bars: BarFrame, timeframe: str, *, calendar: str | TradingCalendar = "always"
) -> Resampled:
    """Make bars of `timeframe` out of finer ones.

    Bars shorter than a day are counted from each session's open and end with the session at the
    latest; ``1d`` is a session, ``1w`` the sessions of a Monday-to-Sunday week, short ones
    included; ``2w`` and ``1mo`` two such weeks and a calendar month; ``2d``, ``3d`` and ``5d`` so
    many sessions, counted on the calendar from 29 January 1993. A bar is made only
    if the series reaches from its open to its close by the calendar: one that begins before the
    series, or has not closed by its end, is left out and counted. Volume is the sum (NumPy, in
    order of time). `close_time` is the bar's end by the calendar, or that of its last finer bar
    where that is known later still.

    Raises
    ------
    ConfigError (``CONFIG-NotCoarser``) unless `timeframe` is a multiple of the bars' own;
    DataError (``DATA-StraddlingBar``) for a finer bar that lies in two coarser ones;
    DataError (``DATA-NoCompleteBar``) if no coarser bar is complete.
    """
    market = CALENDARS.get(calendar, field="calendar") if isinstance(calendar, str) else calendar
    _check_multiple(bars.timeframe, timeframe)
    since, until = _covered(bars)
    sessions = sessions_around(market, timeframe, int(bars.time_ns[0]), int(bars.time_ns[-1]))
    session = _session_of(bars, sessions)
    inside = session >= 0
    if not inside.any():
        raise _no_bar(bars, timeframe, market)
    rows = np.flatnonzero(inside)
    opens, closes = _bins(bars, rows, session[rows], sessions, timeframe)
    starts = np.flatnonzero(np.concatenate([[True], opens[1:] != opens[:-1]]))
    opens, closes = opens[starts], closes[starts]
    lengths = np.diff(np.append(starts, len(rows)))
    early, late = opens < since, closes > until
    keep = ~early & ~late
    if not keep.any():
        raise _no_bar(bars, timeframe, market)
    table = _aggregate(bars, rows, starts)
    table |= {"time": opens, "close_time": np.maximum(closes, table["close_time"])}
    parameters = {"timeframe": timeframe, "calendar": market.name}
    made = BarFrame.build(
        {name: values[keep] for name, values in table.items()},
        symbol=bars.symbol,
        timeframe=timeframe,
        source=f"resampled:{bars.timeframe}",
        provenance=f"resampled from {bars.dataset_id} by the calendar {market.name}",
        licence=bars.licence,
        is_synthetic=bars.is_synthetic,
        has_volume=bars.has_volume,
        metadata={
            _COVERS: [since, until],
            **lineage_of("resample_bars", [bars.dataset_id], parameters),
        },
    )
    step = timeframe_ns(bars.timeframe)
    planned = -(-(closes - opens) // step)
    if timeframe_ns(timeframe) > DAY_NS:
        planned = _planned_in_sessions(bars, opens, closes, sessions)
    holes = lengths < planned
    return Resampled(
        bars=made,
        first_dropped=int(lengths[early].sum()),
        last_dropped=int(lengths[late & ~early].sum()),
        outside=int((~inside).sum()),
        incomplete=int((holes & keep).sum()),
    )


def is_dated(bars: BarFrame, sessions: Sessions) -> bool:
    """Return whether daily bars are named by their date (midnight UTC), not by their open."""
    if timeframe_ns(bars.timeframe) != DAY_NS or bool((bars.time_ns % DAY_NS).any()):
        return False
    return not bool(np.isin(bars.time_ns, sessions.open).any())


def session_rows(time_ns: IntArray, sessions: Sessions) -> IntArray:
    """Return the session whose label equals each date; -1 where there is none."""
    if len(sessions) == 0:
        return np.full(len(time_ns), -1, dtype=np.int64)
    found = np.minimum(np.searchsorted(sessions.label, time_ns), len(sessions) - 1)
    out: IntArray = np.where(sessions.label[found] == time_ns, found, -1).astype(np.int64)
    return out


def _session_of(bars: BarFrame, sessions: Sessions) -> IntArray:
    if is_dated(bars, sessions):
        return session_rows(bars.time_ns, sessions)
    if timeframe_ns(bars.timeframe) == DAY_NS:
        return day_sessions(bars.time_ns, sessions)
    return sessions.at(bars.time_ns)


def _bins(
    bars: BarFrame, rows: IntArray, session: IntArray, sessions: Sessions, timeframe: str
) -> tuple[IntArray, IntArray]:
    """Return the coarser bar's open and close by the calendar, per finer bar."""
    step = timeframe_ns(timeframe)
    names = sessions.label if is_dated(bars, sessions) else sessions.open
    if step > DAY_NS:
        part_of = session_bins(sessions, timeframe)
        first = np.searchsorted(part_of, part_of[session], side="left")
        last = np.searchsorted(part_of, part_of[session], side="right") - 1
        return names[first], sessions.close[last]
    if step == DAY_NS:
        return names[session], sessions.close[session]
    start, end = sessions.open[session], sessions.close[session]
    opens = start + (bars.time_ns[rows] - start) // step * step
    closes = np.minimum(opens + step, end)
    # The last bar of a session may state a full length although trading stopped before.
    over = (bars.close_time_ns[rows] > closes) & (closes < end)
    if over.any():
        row = int(rows[np.argmax(over)])
        raise DataError(
            f"{int(over.sum())} bar(s) lie in two bars of {timeframe}, first row {row} "
            f"({time_text(int(bars.time_ns[row]))}).",
            code="DATA-StraddlingBar",
            field="timeframe",
            suggestion="Choose the calendar by whose sessions the bars were cut.",
        )
    return opens, closes


def _aggregate(bars: BarFrame, rows: IntArray, starts: IntArray) -> dict[str, Any]:
    whole = len(rows) == bars.n_bars
    part = {n: v if whole else v[rows] for n, v in bars.arrays().items()}
    known = bars.close_time_ns if whole else bars.close_time_ns[rows]
    ends = np.append(starts[1:], len(rows)) - 1
    return {
        "open": part["open"][starts],
        "high": np.maximum.reduceat(part["high"], starts),
        "low": np.minimum.reduceat(part["low"], starts),
        "close": part["close"][ends],
        "volume": np.add.reduceat(part["volume"], starts),
        "close_time": known[ends],
    }


def _planned_in_sessions(
    bars: BarFrame, opens: IntArray, closes: IntArray, sessions: Sessions
) -> IntArray:
    """Return how many finer bars the sessions of each coarser bar plan."""
    step = timeframe_ns(bars.timeframe)
    each = np.maximum(1, -(-(sessions.close - sessions.open) // step))
    before = np.concatenate([[0], np.cumsum(each)])
    names = sessions.label if is_dated(bars, sessions) else sessions.open
    first = np.searchsorted(names, opens)
    last = np.searchsorted(sessions.close, closes, side="right")
    planned: IntArray = before[last] - before[first]
    return planned


def _covered(bars: BarFrame) -> tuple[int, int]:
    """Return from when to when the bars tell all there was.

    Bars made of finer ones may end before their source did: what is known of the time after the
    last bar is then that nothing traded. A cut takes that knowledge away.
    """
    stated = bars.metadata.get(_COVERS)
    if stated is not None and "cut_from" not in bars.metadata:
        return int(stated[0]), int(stated[1])
    return int(bars.time_ns[0]), int(bars.close_time_ns[-1])


def _check_multiple(fine: str, coarse: str) -> None:
    step, target = timeframe_ns(fine), timeframe_ns(coarse)
    if step > DAY_NS:
        raise ConfigError(
            f"bars of {coarse} cannot be made of bars of {fine}: their trading days are no longer "
            "told apart.",
            code="CONFIG-NotCoarser",
            field="timeframe",
            value=coarse,
            suggestion="Make them of daily bars.",
        )
    if target <= step or target % step:
        raise ConfigError(
            f"bars of {coarse} cannot be made of bars of {fine}; a multiple of {fine} can.",
            code="CONFIG-NotCoarser",
            field="timeframe",
            value=coarse,
        )


def _no_bar(bars: BarFrame, timeframe: str, market: TradingCalendar) -> DataError:
    return DataError(
        f"{bars.symbol} {bars.timeframe}: {bars.n_bars} bar(s) from "
        f"{time_text(int(bars.time_ns[0]))} fill no bar of {timeframe} by the calendar "
        f"{market.name!r}.",
        code="DATA-NoCompleteBar",
        field="timeframe",
        suggestion="Bring a longer series, or choose the market's own calendar.",
    )
