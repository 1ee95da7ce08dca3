"""Fetching bars from providers: plan, run, look at from outside."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace
    from marketlab.data import FetchPlan

OnRows = Callable[[list[dict[str, Any]]], None]

_STALE_SECONDS = 30.0
_RUNNING = ("running", "publishing")


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
        requests = [from_mapping(FetchRequest, dataset or {}, source="options")]
    plan = plan_of(requests)
    raw = workspace.root / "data" / "raw"
    left = {e.name: len(e.chunks) - len(finished_chunks(e, raw)) for e in plan.datasets}
    facts = {
        "recipe": recipe,
        "datasets": len(plan.datasets),
        "requests": plan.n_requests,
        "requests_left": sum(left.values()),
        "estimated_seconds": plan.seconds(left),
        "blocked": {e.name: str(e.blocked) for e in plan.datasets if e.blocked is not None},
    }
    return plan, facts


def fetch(
    workspace: "Workspace",
    plan: "FetchPlan",
    *,
    recipe: str | None = None,
    on_tick: OnRows | None = None,
) -> dict[str, Any]:
    """Run a plan and return how every dataset ended; a recipe also leaves its summary files.

    Raises
    ------
    The error of the one dataset of a fetch without recipe.
    """
    from marketlab.data import DatasetState, acquire, write_summary

    def tick(states: list[DatasetState]) -> None:
        if on_tick is not None:
            on_tick([state.to_mapping() for state in states])

    states = acquire(plan, workspace.root / "data" / "raw", workspace.catalog, on_tick=tick)
    summary: Path | None = None
    if recipe is not None:
        name = Path(recipe).stem
        folder = workspace.root / "data" / "historical" / name
        span = name.partition("_")[2] or name
        summary = write_summary(plan, states, workspace.catalog, folder, span=span)
    elif states[0].error is not None:
        raise states[0].error
    return {
        "ok": all(state.state == "done" for state in states),
        "datasets": [state.to_mapping() for state in states],
        "summary": str(summary) if summary is not None else None,
    }


def monitor_fetches(workspace: "Workspace") -> list[dict[str, Any]]:
    """Return how every fetch of the workspace stands, also those of other processes.

    A fetch that says it runs and has not written for half a minute is `stale`.
    """
    from marketlab.core import SystemClock
    from marketlab.data import read_journals

    now = SystemClock().now().timestamp()
    rows = read_journals(workspace.require().root / "data" / "raw")
    for row in rows:
        if row["state"] in _RUNNING and now - row["updated_at"] > _STALE_SECONDS:
            row["state"] = "stale"
    return rows
