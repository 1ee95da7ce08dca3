"""Counts the different experiments that were made on the same days of a market.

A data set with one more bar is another data set, and a new split calls other days the test part;
the days are the same. So experiments are found by market and time over all data sets, told apart
by what was tried: the same design on one more week of bars is the same try, another design on them
is one more.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from sqlalchemy import and_, select

from marketlab.campaigns._ledger import ACTIVE, Ledger
from marketlab.campaigns._looks import Judged, Span, Stretch, covered
from marketlab.campaigns._same_market import SameMarket, overlap, part_spans
from marketlab.campaigns._tables import operations, runs
from marketlab.campaigns._workspace import Workspace
from marketlab.core import NotFoundError, read_json

JUDGED = ("validation", "walk-forward")
"""The parts of a run that everybody sees without opening anything."""

_ALIKE = 0.1
"""Runs of one data set, date range and split are cut at the same place but for bars that warm-up
and labels take away; up to this share of a test part such an overlap is no look at it."""

_NO_IDENTITY = ("name", "description", "version")


class _Row(NamedTuple):
    """One experiment that was asked for: a run of the ledger, or an operation that has none yet."""

    run_id: str | None
    operation_id: str
    config_id: str
    dataset_id: str
    symbol: str | None
    timeframe: str | None


def count_trials(
    workspace: Workspace,
    ledger: Ledger,
    dataset_id: str,
    splits: Iterable[Mapping[str, Any] | None] = (),
) -> int:
    """Return how many different experiments were ever made on the days of a judged part.

    Counted are all experiments on the data set itself, and those on other data sets of its market
    (`market_of`) whose judged part, or whose bars where it is not known, overlap these days. Those
    that failed, were cancelled, run now or wait for a worker count too.

    A repeat of the same configuration with the same seed gives the same numbers, hence no new
    chance of luck; another seed is another trial. The same design on another data set of these days
    is the same trial, whatever date range it was given.

    Parameters
    ----------
    splits : `split_facts` of the judged runs; with none known, all bars of the data set are meant.
    """
    rows = _experiments(ledger)
    own = [row for row in rows if row.dataset_id == dataset_id]
    others = [row for row in rows if row.dataset_id != dataset_id]
    if others:
        others = _on_these_days(workspace, ledger, dataset_id, others, splits)
    if not others:
        return len({row.config_id for row in own})
    return _distinct(ledger, [*own, *others])


def judged_before(
    workspace: Workspace, ledger: Ledger, run: Mapping[str, Any], stretch: Stretch
) -> Judged:
    """Return which other runs were judged, or trained, on the days of a run's test part.

    Repeats of the run's own experiment are among the runs that are named, and no further trials.
    Runs whose data, date range and split are those of this run are passed over where they overlap
    it by a few bars only (see `_ALIKE`).
    """
    rows = _experiments(ledger)
    (mine,) = [row for row in rows if row.run_id == run["run_id"]]
    others = [row for row in rows if row.config_id != mine.config_id]
    data = SameMarket(workspace.catalog, run["dataset_id"], market=stretch.market)
    others = [r for r in others if data.may_hold(r.dataset_id, r.symbol, [stretch.span])]
    known = _splits(ledger, {row.dataset_id for row in others})
    begin, end = stretch.span
    judged: list[tuple[_Row, list[Span]]] = []
    trained: list[tuple[_Row, list[Span]]] = []
    for row in others:
        splits = known.get(row.operation_id) or _splits_of_files(workspace, row)
        for found, parts in ((judged, JUDGED), (trained, ("train",))):
            spans = part_spans(splits, row.timeframe or stretch.timeframe, parts)
            inside = overlap(spans, [stretch.span])
            if inside:
                found.append((row, inside))
    own = [row for row, _ in judged if row.dataset_id == mine.dataset_id]
    cuts = _read_requests(ledger, [mine, *own], _cut)
    alike = {row for row in own if cuts.get(row.operation_id) == cuts.get(mine.operation_id)}
    seen = [
        (row, spans)
        for row, spans in judged
        if row not in alike or covered(spans) > _ALIKE * (end - begin)
    ]
    return Judged(
        run_ids=tuple(str(row.run_id or row.operation_id) for row, _ in seen),
        n_experiments=_distinct(ledger, [mine, *(row for row, _ in seen)]) - 1 if seen else 0,
        share=covered([s for _, spans in seen for s in spans]) / (end - begin),
        n_trained=len(trained),
        trained_share=covered([s for _, spans in trained for s in spans]) / (end - begin),
    )


def _on_these_days(
    workspace: Workspace,
    ledger: Ledger,
    dataset_id: str,
    others: Sequence[_Row],
    splits: Iterable[Mapping[str, Any] | None],
) -> list[_Row]:
    """Return those rows of other data sets that are about the judged days of this one."""
    data = SameMarket(workspace.catalog, dataset_id)
    manifest = data.manifests.get(dataset_id)
    if manifest is None:
        return []  # bars that are no longer stored: nobody knows their days
    days = [s for each in splits for s in part_spans(each, manifest.timeframe, JUDGED)]
    days = days or [data.extent(manifest)]
    near = [row for row in others if data.may_hold(row.dataset_id, row.symbol, days)]
    known = _splits(ledger, {row.dataset_id for row in near})
    out = []
    for row in near:
        parts = part_spans(known.get(row.operation_id), row.timeframe or manifest.timeframe, JUDGED)
        if not parts or overlap(parts, days):
            out.append(row)
    return out


# -- what the ledger knows ------------------------------------------------------------------------


def _experiments(ledger: Ledger) -> list[_Row]:
    """Return every run, and every operation that is under way and has no run yet."""
    recorded = select(
        runs.c.run_id,
        runs.c.operation_id,
        runs.c.config_id,
        runs.c.dataset_id,
        operations.c.symbol,
        operations.c.timeframe,
    ).select_from(runs.outerjoin(operations, operations.c.operation_id == runs.c.operation_id))
    under_way = select(operations).where(
        and_(operations.c.status.in_(ACTIVE), operations.c.operation_type == "training")
    )
    with ledger.store.connect() as connection:
        found = [_Row(*row) for row in connection.execute(recorded.order_by(runs.c.created_at))]
        active = connection.execute(under_way).mappings().all()
    have = {row.operation_id for row in found}
    for row in active:
        request = row["request"]
        if row["operation_id"] not in have and request.get("dataset_id"):
            ids = (row["run_id"], row["operation_id"], request["config_id"], request["dataset_id"])
            found.append(_Row(*ids, row["symbol"], row["timeframe"]))
    return found


def _splits(ledger: Ledger, datasets: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Return `split_facts` of the runs on some data sets, by operation, where they are recorded."""
    query = (
        select(operations.c.operation_id, operations.c.result_summary["splits"])
        .select_from(runs.join(operations, operations.c.operation_id == runs.c.operation_id))
        .where(runs.c.dataset_id.in_(sorted(datasets)))
    )
    with ledger.store.connect() as connection:
        return {key: splits for key, splits in connection.execute(query).all() if splits}


def _read_requests(
    ledger: Ledger, rows: Iterable[_Row], read: Callable[[Mapping[str, Any]], str]
) -> dict[str, str]:
    """Return what is read from the request of each row, by operation; one is held at a time."""
    wanted = sorted({row.operation_id for row in rows})
    found: dict[str, str] = {}
    with ledger.store.connect() as connection:
        for start in range(0, len(wanted), _MANY):
            some = operations.c.operation_id.in_(wanted[start : start + _MANY])
            query = select(operations.c.operation_id, operations.c.request).where(some)
            found.update(
                (key, read(request))
                for key, request in connection.execute(query)
                if "strategy" in request  # nothing of a design stands in other requests
            )
    return found


_MANY = 500  # values in one statement; SQLite of before 2020 takes 999


def _splits_of_files(workspace: Workspace, row: _Row) -> Mapping[str, Any] | None:
    """Return the splits of a run that did not complete; it may have shown its scores."""
    if row.run_id is None:
        return None
    with suppress(NotFoundError, OSError, ValueError):
        stored = read_json(workspace.run_folder(row.run_id) / "detailed_metrics.json")
        return dict(stored.get("splits") or {})
    return None


# -- what was tried -------------------------------------------------------------------------------


def _distinct(ledger: Ledger, rows: Sequence[_Row]) -> int:
    """Return how many different experiments the rows are.

    One try may stand on several data sets: it counts as often as on the one that has most
    configurations of it (which differ in their date range only).
    """
    first: dict[str, _Row] = {}
    for row in rows:
        first.setdefault(row.config_id, row)
    designs = _read_requests(ledger, first.values(), _design)
    tries = {key: designs.get(row.operation_id, key) for key, row in first.items()}
    found: dict[str, dict[str, set[str]]] = {}
    for row in rows:
        on = found.setdefault(tries[row.config_id], {})
        on.setdefault(row.dataset_id, set()).add(row.config_id)
    return sum(max(len(configs) for configs in on.values()) for on in found.values())


def _design(request: Mapping[str, Any]) -> str:
    """Return what was tried, without names, data set and date range, in one text."""
    strategy = request["strategy"]
    design = {key: value for key, value in strategy.items() if key not in _NO_IDENTITY}
    design["training"] = {k: v for k, v in strategy["training"].items() if k != "date_range"}
    return repr([design, request["seed"], request["backend"]])


def _cut(request: Mapping[str, Any]) -> str:
    """Return which bars of its data set a run took and how it split them, in one text."""
    training = request["strategy"]["training"]
    return json.dumps([training.get("date_range"), training.get("data_split")], sort_keys=True)
