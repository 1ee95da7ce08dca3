"""What was got of what the market offered: coverage before any filling, holes, a verdict."""

from typing import Any, Literal, TypeAlias

import numpy as np

from marketlab.core import FloatArray, FrozenConfig, IntArray
from marketlab.data._bars import BarFrame
from marketlab.data._cross_check import CrossCheck
from marketlab.data._fetch_holes import Hole, explain_outages, find_holes, open_slots
from marketlab.data._fetch_plan import DatasetPlan
from marketlab.data._gaps import runs
from marketlab.data._journal import ChunkRecord
from marketlab.data._quality import (
    CLEAN_COVERAGE,
    LONGEST_HOLE_NS,
    OUTLIER_SCORE,
    PASS_COVERAGE,
    STALE_BARS,
    outlier_scores,
)
from marketlab.data._validate import time_text

_SHOWN_OUTLIERS = 50
_SKEW_TOLD_S = 60.0

Verdict: TypeAlias = Literal["pass", "warn", "fail"]


class Outlier(FrozenConfig):
    """A bar whose close moved unusually far; it is flagged and stays.

    Attributes
    ----------
    log_return : move from the close before.
    score : the move in units of the scale of the moves before it; see `outlier_scores`.
    """

    time: str
    log_return: float
    score: float


class TimeframeCheck(FrozenConfig):
    """Bars made of a finer fetched dataset beside the fetched ones; None if it cannot be made."""

    made_from: str
    dataset_id: str
    with_volume: bool
    result: CrossCheck | None
    reason: str = ""


class FetchQuality(FrozenConfig):
    """The validation report of a fetched dataset against its market's calendar.

    Attributes
    ----------
    slots, calendar_slots : slots of the fetched range, and those in which the market is open.
    raw_coverage, coverage : bars per slot; open slots with a bar per open slot.
    holes : every run of slots without a bar, in order, with its cause; `n_holes` counts those
        while the market was open.
    bars_while_closed : bars in slots that the calendar plans none in.
    duplicates : identical repeats dropped. `conflicting` repeats and `incomplete` bars make their
        request fail, so that a published dataset has none.
    outside : rows outside their request dropped.
    equal_close_runs : runs of `STALE_BARS` or more equal closes.
    outliers : the 50 with the highest score of `n_outliers`.
    cross_checks : comparisons with finer bars of the same fetch; empty if it has none.
    hashes : `dataset_id`, `plan_id`, and `chunks_sha256` over the raw chunks.
    """

    verdict: Verdict
    reasons: list[str]
    n_bars: int
    slots: int
    calendar_slots: int
    raw_coverage: float
    coverage: float
    n_holes: int
    holes: list[Hole]
    bars_while_closed: int
    duplicates: int
    conflicting: int = 0
    incomplete: int = 0
    outside: int
    empty_chunks: int
    ohlc_violations: int
    non_positive_prices: int
    zero_volume: int
    equal_close_runs: int
    longest_equal_closes: int
    n_outliers: int
    outliers: list[Outlier]
    cross_checks: tuple[TimeframeCheck, ...] = ()
    hashes: dict[str, str]
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

    def with_checks(self, checks: list[TimeframeCheck]) -> "FetchQuality":
        """Return the report with comparisons; bars that differ make a pass a warning."""
        reasons = [
            f"{c.result.mismatched} of {c.result.compared} bars differ from those made of "
            f"{c.made_from}"
            for c in checks
            if c.result is not None and c.result.mismatched
        ]
        verdict = "warn" if reasons and self.verdict == "pass" else self.verdict
        update = {
            "cross_checks": tuple(checks),
            "verdict": verdict,
            "reasons": self.reasons + reasons,
        }
        return self.model_copy(update=update)


def judge_fetch(bars: BarFrame, plan: DatasetPlan, records: list[ChunkRecord]) -> FetchQuality:
    """Return coverage, holes, oddities and verdict of fetched `bars`.

    Pass needs 99 % of the open-market slots and no unexplained hole of more than 6 hours in them;
    below 99.9 %, or with bars while the
    market is closed, it is a warning. Nothing is filled or removed.
    """
    assert plan.source is not None
    start, end = plan.chunks[0].start_s, plan.chunks[-1].end_s
    slots: IntArray = np.arange(start, end, plan.step, dtype=np.int64)
    is_open = open_slots(plan.calendar, bars.timeframe, slots)
    has_bar = np.zeros(len(slots), dtype=np.bool_)
    has_bar[(bars.time_ns // 1_000_000_000 - start) // plan.step] = True
    n_open = int(is_open.sum())
    coverage = int((has_bar & is_open).sum()) / n_open if n_open else 1.0
    holes = find_holes(plan.calendar, bars.timeframe, slots, has_bar)
    holes = explain_outages(holes, plan.source.name, plan.step)
    outside = int((has_bar & ~is_open).sum())
    verdict, reasons = _verdict(coverage, holes, plan.step, outside)
    _, lengths = runs(bars.close[1:] == bars.close[:-1])
    equal = lengths[lengths + 1 >= STALE_BARS] + 1
    outliers = _outliers(bars)
    return FetchQuality(
        verdict=verdict,
        reasons=reasons,
        n_bars=bars.n_bars,
        slots=len(slots),
        calendar_slots=n_open,
        raw_coverage=bars.n_bars / len(slots),
        coverage=coverage,
        n_holes=sum(hole.cause in ("unknown", "known outage") for hole in holes),
        holes=holes,
        bars_while_closed=outside,
        duplicates=sum(record.duplicates for record in records),
        outside=sum(record.outside for record in records),
        empty_chunks=sum(record.state == "empty" for record in records),
        ohlc_violations=int(_ohlc_violations(bars).sum()),
        non_positive_prices=int((_least_price(bars) <= 0.0).sum()),
        zero_volume=int((bars.volume == 0.0).sum()),
        equal_close_runs=len(equal),
        longest_equal_closes=int(lengths.max(initial=0)) + 1,
        n_outliers=len(outliers),
        outliers=sorted(outliers, key=lambda each: -each.score)[:_SHOWN_OUTLIERS],
        hashes={
            "dataset_id": bars.dataset_id,
            "plan_id": plan.plan_id,
            "chunks_sha256": str(bars.metadata["lineage"]["chunks_sha256"]),
        },
        warnings=_clock_warnings(records),
    )


def _verdict(
    coverage: float, holes: list[Hole], step: int, outside: int
) -> tuple[Verdict, list[str]]:
    reasons = []
    if coverage < PASS_COVERAGE:
        reasons.append(f"coverage {coverage:.3%} is below {PASS_COVERAGE:.0%}")
    longest = max((h for h in holes if h.cause == "unknown"), key=lambda h: h.slots, default=None)
    if longest is not None and longest.slots * step * 1_000_000_000 > LONGEST_HOLE_NS:
        hours = longest.slots * step / 3600
        reasons.append(
            f"the hole from {longest.start} lasts {hours:.1f} open hours without a known cause; "
            "6 are allowed"
        )
    if reasons:
        return "fail", reasons
    if coverage < CLEAN_COVERAGE:
        reasons.append(f"coverage {coverage:.3%} is below {CLEAN_COVERAGE:.1%}")
    if outside:
        reasons.append(f"{outside} bars lie where the calendar has the market closed")
    return ("warn" if reasons else "pass"), reasons


def _outliers(bars: BarFrame) -> list[Outlier]:
    scores = outlier_scores(bars.close)
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero(scores > OUTLIER_SCORE)
    moves = np.log(bars.close[rows]) - np.log(bars.close[rows - 1])
    return [
        Outlier(time=time_text(int(bars.time_ns[row])), log_return=float(move), score=float(score))
        for row, move, score in zip(rows, moves, scores[rows], strict=True)
    ]


def _least_price(bars: BarFrame) -> FloatArray:
    least: FloatArray = np.minimum.reduce([bars.open, bars.high, bars.low, bars.close])
    return least


def _ohlc_violations(bars: BarFrame) -> Any:
    top, bottom = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    return (bars.high < top) | (bars.low > bottom)


def _clock_warnings(records: list[ChunkRecord]) -> list[str]:
    skew = max((abs(record.skew_seconds) for record in records), default=0.0)
    if skew <= _SKEW_TOLD_S:
        return []
    return [f"the provider's clock differs from this machine's by {skew:.0f} s"]
