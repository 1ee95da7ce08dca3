"""Fetching bars from providers: plan, run, look at from outside."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace
    from marketlab.data import DatasetState, FetchPlan

_NEEDED = ("source", "symbol", "timeframe", "start", "end")

OnProgress = Callable[[dict[str, Any]], None]


def plan_fetch(
    workspace: "Workspace", *, recipe: str | None = None, dataset: dict[str, Any] | None = None
) -> tuple["FetchPlan", dict[str, Any]]:
    """Return the plan of a recipe or of one dataset, and its facts; nothing is asked yet.

    Raises
    ------
    ConfigError unless exactly one of the two is given and right.
    """
    from marketlab.core import ConfigError, from_mapping
    from marketlab.data import FetchRequest, finished_chunks, load_fetch_recipe
    from marketlab.data import plan_fetch as plan_of

    workspace.require()
    if (recipe is None) == (dataset is None):
        raise ConfigError(
            "give either a recipe, or source, symbol, timeframe, start and end of one dataset.",
            field="recipe",
            suggestion="For example --recipe curriculum_2020_2023.",
        )
    if recipe is not None:
        requests = load_fetch_recipe(recipe).requests()
    else:
        lacking = [name for name in _NEEDED if name not in (dataset or {})]
        if lacking:
            raise ConfigError(
                f"one dataset needs {', '.join(_NEEDED)}; {' and '.join(lacking)} not given.",
                field=lacking[0],
                suggestion=f"Add --{lacking[0]}, or name a --recipe instead.",
            )
        requests = [from_mapping(FetchRequest, dataset or {}, source="options")]
    plan = plan_of(requests)
    raw = workspace.root / "data" / "raw"
    left = {e.name: len(e.chunks) - len(finished_chunks(e, raw)) for e in plan.datasets}
    paces = {
        each.source.name: each.source.limits.requests_per_second
        for each in plan.datasets
        if each.source is not None
    }
    facts = {
        "recipe": recipe,
        "datasets": len(plan.datasets),
        "requests": plan.n_requests,
        "requests_left": sum(left.values()),
        "estimated_seconds": plan.seconds(left),
        "requests_per_second": {name: p for name, p in paces.items() if math.isfinite(p)},
        "symbols": _different(plan, "symbol"),
        "timeframes": _different(plan, "timeframe"),
        "spans": list(dict.fromkeys((r.start, r.end) for r in requests)),
        "blocked": {e.name: str(e.blocked) for e in plan.datasets if e.blocked is not None},
    }
    return plan, facts


def fetch(
    workspace: "Workspace",
    plan: "FetchPlan",
    *,
    recipe: str | None = None,
    on_tick: OnProgress | None = None,
) -> dict[str, Any]:
    """Run a plan and return how every dataset ended; a recipe also leaves its summary files.

    `on_tick` is called several times a second with ``datasets`` and their ``overall`` sums.

    Raises
    ------
    The error of the one dataset of a fetch without recipe; ConflictError if another process runs
    the same fetch.
    """
    from marketlab.data import acquire, fetch_run

    raw = workspace.root / "data" / "raw"
    first = plan.datasets[0]
    name = (
        Path(recipe).stem
        if recipe is not None
        else re.sub(r"[^A-Za-z0-9.-]+", "_", str(first.folder))
    )
    with fetch_run(raw, name, plan) as run:

        def tick(states: list["DatasetState"]) -> None:
            run.tick(states)
            if on_tick is not None:
                on_tick(_progress(states, is_running=True))

        states = acquire(plan, raw, workspace.catalog, on_tick=tick)
        run.tick(states)
        summary = None if recipe is None else _write_files(workspace, plan, states, name)
    if recipe is None and states[0].error is not None:
        raise states[0].error
    return {
        **_progress(states, is_running=False),
        "ok": all(state.state == "done" for state in states),
        "usable": all(s.quality is not None and s.quality.verdict != "fail" for s in states),
        "summary": None if summary is None else str(summary),
        "log": str(raw / "fetch_log.txt"),
        "reports": {
            state.name: str(raw / each.folder / "quality.md")
            for each, state in zip(plan.datasets, states, strict=True)
            if state.quality is not None
        },
    }


def monitor_fetches(workspace: "Workspace") -> dict[str, Any]:
    """Return how the fetches of the workspace stand, also those of other processes.

    ``log`` holds the last three lines of the fetch log, None if there is none; ``fetches`` the
    latest last; finished datasets have the size of their stored file, ``file_bytes``.
    """
    from marketlab.core import SystemClock
    from marketlab.data import last_lines, read_fetches

    raw = workspace.require().root / "data" / "raw"
    fetches = read_fetches(raw, now=SystemClock().now().timestamp())
    for each in fetches:
        for row in each["datasets"]:
            row["file_bytes"] = _file_bytes(workspace.catalog.root, row["dataset_id"])
    return {"log_path": str(raw / "fetch_log.txt"), "log": last_lines(raw), "fetches": fetches}


def _different(plan: "FetchPlan", field: str) -> list[str]:
    return list(dict.fromkeys(getattr(each.request, field) for each in plan.datasets))


def _progress(states: list["DatasetState"], *, is_running: bool) -> dict[str, Any]:
    from marketlab.data import progress_of

    rows = [state.to_mapping() for state in states]
    return {"datasets": rows, "overall": progress_of(rows, is_running=is_running)}


def _write_files(
    workspace: "Workspace", plan: "FetchPlan", states: list["DatasetState"], name: str
) -> Path:
    import csv

    from marketlab.data import FetchLog, write_summary

    folder = workspace.root / "data" / "historical" / name
    span = name.partition("_")[2] or name
    with FetchLog(workspace.root / "data" / "raw") as log:
        log.write(f"== phase: files of {name}")
        path = write_summary(plan, states, workspace.catalog, folder, span=span)
        with path.open(newline="", encoding="utf-8") as table:
            rows = list(csv.DictReader(table))
        log.rows([f"saved file {r['filename']}: {r['candles']} candles" for r in rows])
        log.write(f"saved file {path}: {len(rows)} of {len(states)} datasets")
    return path


def _file_bytes(catalog_root: Path, dataset_id: str | None) -> int | None:
    if dataset_id is None:
        return None
    files = list(catalog_root.glob(f"*_{dataset_id[:12]}/bars.parquet"))
    return files[0].stat().st_size if files else None
