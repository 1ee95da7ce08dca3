"""The validation report as files, and the comparison of a fetch's timeframes with each other."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from marketlab.core import MarketLabError, atomic_write, write_json
from marketlab.data._catalog import Catalog
from marketlab.data._cross_check import cross_check
from marketlab.data._fetch_holes import CAUSES
from marketlab.data._fetch_plan import DatasetPlan
from marketlab.data._fetch_quality import FetchQuality, TimeframeCheck
from marketlab.data._quality import STALE_BARS

REPORT_JSON, REPORT_TEXT = "quality.json", "quality.md"
_SHOWN_HOLES = 20
_SHOWN_OUTLIERS = 10
_ROUND_THE_CLOCK = ("24x7", "fx", "always", "fx_week")


def write_report(folder: Path, name: str, quality: FetchQuality) -> None:
    """Write ``quality.json`` (everything) and ``quality.md`` (short) into `folder`."""
    write_json(folder / REPORT_JSON, {"dataset": name, **quality.to_mapping()})
    atomic_write(folder / REPORT_TEXT, report_text(name, quality))


def report_text(name: str, quality: FetchQuality) -> str:
    """Return the report as Markdown: counts, the longest holes, the farthest moves."""
    q = quality
    lines = [f"# {name}", "", f"{q.sentence}.", "", *(f"- {reason}" for reason in q.reasons)]
    lines += [
        (
            f"- bars: {q.n_bars} in {q.slots} slots ({q.raw_coverage:.3%}); open-market slots "
            f"{q.calendar_slots} ({q.coverage:.3%} with a bar)"
        ),
        f"- bars while the market is closed: {q.bars_while_closed}",
        (
            f"- repeats: {q.duplicates} identical, dropped; {q.conflicting} conflicting (one would "
            "make its request fail)"
        ),
        f"- incomplete bars: {q.incomplete} (one would make its request fail)",
        f"- rows outside their request, dropped: {q.outside}",
        f"- requests confirmed empty: {q.empty_chunks}",
        f"- OHLC violations: {q.ohlc_violations}; prices of zero or less: {q.non_positive_prices}",
        f"- bars without volume: {q.zero_volume}",
        (
            f"- runs of {STALE_BARS} or more equal closes: {q.equal_close_runs}; longest run "
            f"{q.longest_equal_closes} bar(s)"
        ),
        f"- unusual moves, flagged and kept: {q.n_outliers}",
        *(f"- {warning}" for warning in q.warnings),
        *_hole_lines(q),
        *_check_lines(q),
        *_outlier_lines(q),
        "",
        "## Hashes",
        "",
        *(f"- {key}: {value}" for key, value in q.hashes.items()),
    ]
    return "\n".join(lines) + "\n"


def check_timeframes(
    datasets: Sequence[tuple[DatasetPlan, str]], catalog: Catalog
) -> dict[str, list[TimeframeCheck]]:
    """Compare each coarser dataset with bars made of the finest one of the same symbol.

    `datasets` are published ones of one fetch with their ids. Volume is compared where it counts
    ticks; sums of fractional volumes differ in their last digits. Returns the checks by dataset
    name; a dataset without a finer one has none.
    """
    out: dict[str, list[TimeframeCheck]] = {}
    series = sorted(datasets, key=lambda item: (*_series(item[0]), item[0].step))
    for _, group in groupby(series, key=lambda item: _series(item[0])):
        (fine, fine_id), *coarser = group
        for plan, dataset_id in coarser:
            if plan.step > fine.step:
                out[plan.name] = [_check(fine, fine_id, plan, dataset_id, catalog)]
    return out


def _series(plan: DatasetPlan) -> tuple[str, str]:
    return plan.request.source, plan.request.symbol


def _check(
    fine: DatasetPlan, fine_id: str, plan: DatasetPlan, dataset_id: str, catalog: Catalog
) -> TimeframeCheck:
    assert plan.source is not None
    # Providers cut the bars of markets without sessions by the clock, closed hours or not.
    market = plan.calendar
    market = "always" if market in _ROUND_THE_CLOCK else market
    with_volume = plan.source.volume_unit == "ticks"
    result, reason = None, ""
    try:
        result = cross_check(
            catalog.load(fine_id),
            catalog.load(dataset_id),
            calendar=market,
            with_volume=with_volume,
        )
    except MarketLabError as error:
        reason = error.message
    return TimeframeCheck(
        made_from=fine.request.timeframe,
        dataset_id=fine_id,
        with_volume=with_volume,
        result=result,
        reason=reason,
    )


def _hole_lines(q: FetchQuality) -> list[str]:
    lines = ["", "## Holes (never filled)", "", "| cause | holes | slots |", "|---|---|---|"]
    for cause in CAUSES:
        slots = [hole.slots for hole in q.holes if hole.cause == cause]
        if slots:
            lines.append(f"| {cause} | {len(slots)} | {sum(slots)} |")
    open_ = [hole for hole in q.holes if hole.cause in ("unknown", "known outage")]
    open_.sort(key=lambda hole: (-hole.slots, hole.start))
    if not q.holes:
        lines.append("| none | 0 | 0 |")
    if open_:
        lines += ["", "Longest while the market was open:", ""]
        lines += [f"- {h.start}: {h.slots} slot(s), {h.cause}" for h in open_[:_SHOWN_HOLES]]
    if len(open_) > _SHOWN_HOLES:
        lines.append(f"- … and {len(open_) - _SHOWN_HOLES} more in {REPORT_JSON}")
    return lines


def _check_lines(q: FetchQuality) -> list[str]:
    lines = ["", "## Beside bars made of a finer timeframe", ""]
    for check in q.cross_checks:
        made, r = check.made_from, check.result
        if r is None:
            lines.append(f"- {made}: not compared: {check.reason}")
            continue
        what = "prices and volume" if check.with_volume else "prices"
        first = f"; first at {', '.join(r.times)}" if r.times else ""
        lines.append(
            f"- {made}: {r.mismatched} of {r.compared} bars differ in {what}{first}; "
            f"{r.only_resampled} only made, {r.only_fetched} only fetched"
        )
    return lines if q.cross_checks else [*lines, "No finer timeframe of it in this fetch."]


def _outlier_lines(q: FetchQuality) -> list[str]:
    if not q.outliers:
        return []
    lines = ["", "## Farthest moves", "", "| bar | move | times the usual |", "|---|---|---|"]
    return lines + [
        f"| {o.time} | {o.log_return:+.2%} | {o.score:.0f} |" for o in q.outliers[:_SHOWN_OUTLIERS]
    ]
