"""The slots of a fetch against its market's calendar: every hole, and why it is one."""

from typing import Literal, TypeAlias

import numpy as np

from marketlab.core import BoolArray, FrozenConfig, IntArray
from marketlab.data._calendar import CALENDARS, DAY_NS, FxWeek, TradingCalendar, expected_bars
from marketlab.data._gaps import runs
from marketlab.data._source import time_of
from marketlab.data._timeframe import timeframe_ns

_NS = 1_000_000_000

Cause: TypeAlias = Literal["weekend", "holiday", "closed", "known outage", "unknown"]
CAUSES: tuple[Cause, ...] = ("weekend", "holiday", "closed", "known outage", "unknown")

KNOWN_OUTAGES: dict[str, tuple[tuple[str, str], ...]] = {
    "coinbase": (
        ("2020-01-30T16:00", "2020-01-30T19:00"),
        ("2020-09-04T22:00", "2020-09-05T01:00"),
        ("2020-10-20T19:00", "2020-10-20T22:00"),
        ("2023-03-04T16:00", "2023-03-04T23:00"),
    ),
}
"""Times (UTC, end not included) around the hours that a provider's exchange was down, as measured.

A few hours wider than the hours that lack their hourly bar, since 5-minute bars went missing
before and after; a hole counts as that outage only if it lies inside altogether.
"""


class Hole(FrozenConfig):
    """Slots without a bar in a row, all for one `cause`; `start` is the first of them."""

    start: str
    slots: int
    cause: Cause


def open_slots(calendar: str | TradingCalendar, timeframe: str, opens_s: IntArray) -> BoolArray:
    """Return which slots of a regular grid (seconds of UTC) the calendar plans a bar in.

    A bar that opens within a slot counts for it, as sessions need not open on the grid. Bars
    longer than a day are planned in every slot.
    """
    market = _market(calendar)
    planned = np.zeros(len(opens_s), dtype=np.bool_)
    step_ns = timeframe_ns(timeframe)
    if step_ns > DAY_NS:
        return ~planned
    first = int(opens_s[0])
    stop_ns = int(opens_s[-1]) * _NS + step_ns
    bars, _ = expected_bars(market, timeframe, first * _NS, stop_ns)
    planned[(bars // _NS - first) // (step_ns // _NS)] = True
    return planned


def is_closed(calendar: str | TradingCalendar, start_s: int, end_s: int) -> bool:
    """Return whether the market is closed throughout ``[start_s, end_s)``."""
    return len(_market(calendar).sessions(start_s * _NS, end_s * _NS)) == 0


def find_holes(
    calendar: str | TradingCalendar, timeframe: str, opens_s: IntArray, has_bar: BoolArray
) -> list[Hole]:
    """Return the runs of slots without a bar, in order, each with one cause.

    Slots while the market is open are `unknown`; see `explain_outages`.
    """
    market = _market(calendar)
    cause = np.zeros(len(opens_s), dtype=np.int64)
    is_open = open_slots(market, timeframe, opens_s)
    cause[is_open] = CAUSES.index("unknown")
    cause[~is_open] = CAUSES.index("closed")
    if isinstance(market, FxWeek):
        in_week = open_slots(FxWeek(holidays=False), timeframe, opens_s)
        cause[~in_week] = CAUSES.index("weekend")
        cause[in_week & ~is_open] = CAUSES.index("holiday")
    found: list[tuple[int, int, Cause]] = []
    for number, name in enumerate(CAUSES):
        starts, lengths = runs(~has_bar & (cause == number))
        found += [(int(opens_s[a]), int(n), name) for a, n in zip(starts, lengths, strict=True)]
    return [Hole(start=time_of(at), slots=n, cause=name) for at, n, name in sorted(found)]


def explain_outages(holes: list[Hole], provider: str, step: int) -> list[Hole]:
    """Return `holes` (slots of `step` seconds), unknown ones within a known outage marked so."""
    spans = [(_seconds(a), _seconds(b)) for a, b in KNOWN_OUTAGES.get(provider, ())]

    def known(hole: Hole) -> bool:
        first = _seconds(hole.start.removesuffix("Z"))
        stop = first + hole.slots * step
        return hole.cause == "unknown" and any(a <= first and stop <= b for a, b in spans)

    return [h.model_copy(update={"cause": "known outage"}) if known(h) else h for h in holes]


def _market(calendar: str | TradingCalendar) -> TradingCalendar:
    return CALENDARS.get(calendar, field="calendar") if isinstance(calendar, str) else calendar


def _seconds(text: str) -> int:
    return int(np.datetime64(text, "s").astype(np.int64))
