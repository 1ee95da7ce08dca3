"""What was got of what the market offered: coverage before any filling, holes, a verdict."""

from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from marketlab.core import BoolArray, FrozenConfig, IntArray
from marketlab.data._bars import BarFrame
from marketlab.data._fetch_plan import DatasetPlan
from marketlab.data._journal import ChunkRecord
from marketlab.data._source import time_of
from marketlab.data._validate import validate_bars

_NEW_YORK = ZoneInfo("America/New_York")
_PASS_COVERAGE = 0.99
_WARN_COVERAGE = 0.999
_LONGEST_HOLE_S = 6 * 3600
_SHOWN_HOLES = 20
_SKEW_TOLD_S = 60.0

_FX_CLOSURES = (
    ("2020-01-01T00:00", "2020-01-01T22:00"),
    ("2020-12-24T22:00", "2020-12-25T22:00"),
    ("2020-12-31T22:00", "2021-01-01T22:00"),
    ("2022-12-25T22:00", "2022-12-26T22:00"),
    ("2023-12-24T22:00", "2023-12-25T22:00"),
    ("2023-12-31T22:00", "2024-01-01T22:00"),
)
"""Holidays on which the FX provider had no hourly bar in 2020-2023, as measured; UTC."""


class Hole(FrozenConfig):
    """Open-market slots without a bar; `start` is the first of them."""

    start: str
    slots: int


class FetchQuality(FrozenConfig):
    """Coverage of a fetched dataset against its market's calendar."""

    verdict: Literal["pass", "warn", "fail"]
    reasons: list[str]
    n_bars: int
    slots: int
    calendar_slots: int
    coverage: float
    n_holes: int
    longest_holes: list[Hole]
    duplicates: int
    outside: int
    empty_chunks: int
    zero_volume: int
    warnings: list[str]

    @property
    def sentence(self) -> str:
        """The verdict in one line."""
        return (
            f"{self.verdict}: {self.n_bars} bars, {self.coverage:.3%} of {self.calendar_slots} "
            f"open-market slots, {self.n_holes} hole(s)"
        )

    def of_the_data(self) -> dict[str, Any]:
        """Return what depends on the bars alone, not on how smoothly they came."""
        names = ("verdict", "reasons", "slots", "calendar_slots", "coverage", "n_holes")
        return {name: getattr(self, name) for name in names}

    def text(self, name: str) -> str:
        """Return the report as Markdown."""
        holes = [f"- {hole.start}: {hole.slots} slot(s)" for hole in self.longest_holes]
        more = self.n_holes - len(self.longest_holes)
        lines = [
            f"# {name}",
            "",
            self.sentence + ".",
            "",
            *(f"- {reason}" for reason in self.reasons),
            f"- slots of 24x7: {self.slots}, of them with a bar {self.n_bars / self.slots:.3%}",
            f"- equal repeats dropped: {self.duplicates}",
            f"- rows outside their request dropped: {self.outside}",
            f"- requests confirmed empty: {self.empty_chunks}",
            f"- bars without volume: {self.zero_volume}",
            *(f"- {warning}" for warning in self.warnings),
            "",
            "## Longest holes while the market was open (never filled)",
            "",
            *(holes or ["none"]),
            *([f"… and {more} more"] if more > 0 else []),
        ]
        return "\n".join(lines) + "\n"


def judge_fetch(bars: BarFrame, plan: DatasetPlan, records: list[ChunkRecord]) -> FetchQuality:
    """Return coverage, holes and verdict of fetched `bars`.

    Pass needs 99 % of the open-market slots and no hole of more than 6 hours in them; below
    99.9 % it is a warning.
    """
    assert plan.source is not None
    start, end = plan.chunks[0].start_s, plan.chunks[-1].end_s
    slots: IntArray = np.arange(start, end, plan.step, dtype=np.int64)
    is_open = open_slots(plan.source.calendar, slots)
    has_bar = np.zeros(len(slots), dtype=np.bool_)
    has_bar[(bars.time_ns // 1_000_000_000 - start) // plan.step] = True
    n_open = int(is_open.sum())
    covered = int((has_bar & is_open).sum())
    coverage = covered / n_open if n_open else 1.0
    holes = _holes(slots, has_bar, is_open)
    longest = max((count for _, count in holes), default=0) * plan.step
    reasons = []
    if coverage < _PASS_COVERAGE:
        reasons.append(f"coverage {coverage:.3%} is below {_PASS_COVERAGE:.0%}")
    if longest > _LONGEST_HOLE_S:
        reasons.append(f"the longest hole lasts {longest / 3600:.1f} open hours, more than 6")
    verdict: Literal["pass", "warn", "fail"] = "fail" if reasons else "pass"
    if not reasons and coverage < _WARN_COVERAGE:
        verdict, reasons = "warn", [f"coverage {coverage:.3%} is below {_WARN_COVERAGE:.1%}"]
    warnings = [f.message for f in validate_bars(bars, bars.timeframe).warnings]
    skew = max((abs(record.skew_seconds) for record in records), default=0.0)
    if skew > _SKEW_TOLD_S:
        warnings.append(f"the provider's clock differs from this machine's by {skew:.0f} s")
    return FetchQuality(
        verdict=verdict,
        reasons=reasons,
        n_bars=bars.n_bars,
        slots=len(slots),
        calendar_slots=n_open,
        coverage=coverage,
        n_holes=len(holes),
        longest_holes=[
            Hole(start=time_of(at), slots=count)
            for at, count in sorted(holes, key=lambda hole: (-hole[1], hole[0]))[:_SHOWN_HOLES]
        ],
        duplicates=sum(record.duplicates for record in records),
        outside=sum(record.outside for record in records),
        empty_chunks=sum(record.state == "empty" for record in records),
        zero_volume=int((bars.volume == 0.0).sum()),
        warnings=warnings,
    )


def open_slots(calendar: str, opens_s: IntArray) -> BoolArray:
    """Return whether the market is open when each slot opens (seconds of UTC).

    ``24x7``: always. ``fx``: Sunday 17:00 to Friday 17:00 in New York, less known holidays.
    """
    if calendar == "24x7":
        return np.ones(len(opens_s), dtype=np.bool_)
    local = pl.Series(opens_s * 1000).cast(pl.Datetime("ms", "UTC"))
    local = local.dt.convert_time_zone(_NEW_YORK.key)
    hour: IntArray = local.dt.weekday().to_numpy().astype(np.int64) * 24
    hour = hour + local.dt.hour().to_numpy()
    is_open: BoolArray = (hour < 5 * 24 + 17) | (hour >= 7 * 24 + 17)
    for first, stop in _FX_CLOSURES:
        low, high = (int(np.datetime64(text, "s").astype(np.int64)) for text in (first, stop))
        is_open &= (opens_s < low) | (opens_s >= high)
    return is_open


def is_closed(calendar: str, start_s: int, end_s: int) -> bool:
    """Return whether the market is closed throughout ``[start_s, end_s)``."""
    if calendar == "24x7" or end_s - start_s > 7 * 86_400:
        return False
    return not open_slots(calendar, np.arange(start_s, end_s, 60, dtype=np.int64)).any()


def _holes(slots: IntArray, has_bar: BoolArray, is_open: BoolArray) -> list[tuple[int, int]]:
    """Return (first slot, count) of runs of open slots without a bar; closed time joins no runs."""
    at = np.flatnonzero(is_open)
    missing = ~has_bar[at]
    edge = np.diff(np.concatenate([[0], missing.astype(np.int8), [0]]))
    starts = np.flatnonzero(edge == 1)
    stops = np.flatnonzero(edge == -1)
    return [(int(slots[at[a]]), int(b - a)) for a, b in zip(starts, stops, strict=True)]
