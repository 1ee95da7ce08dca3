"""`marketlab plan` and `marketlab train`."""

from typing import Annotated, Any

import typer

from marketlab.interfaces.cli._operations import view_lines
from marketlab.interfaces.cli._shell import (
    JsonOption,
    Shell,
    WorkersOption,
    WorkspaceOption,
    table,
)


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("plan")(plan)
    app.command("train")(train)


def plan(
    context: typer.Context,
    reference: Annotated[
        str, typer.Argument(metavar="NAME_OR_FILE", help="A shipped recipe or a campaign file.")
    ],
    *,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Resolve a campaign; train nothing.

    Every name becomes a list, and every mistake is found. Exit code 2 if there is one.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.plan(shell.workspace, reference)
    shell.show(facts, plan_lines(facts))
    return 0 if facts["ok"] else 2


def plan_lines(facts: dict[str, Any]) -> list[str]:
    """Return a plan in words: the data, one row per strategy, issues and duplicates."""
    data = facts["dataset"]
    kind = "SYNTHETIC " if data["is_synthetic"] else ""
    bars = f"{data['n_bars']} {kind}bars of {data['symbol']} {data['timeframe']}"
    span = f"{data['first_time']} to {data['last_time']}"
    lines = [f"{facts['name']}: {len(facts['rows'])} strategies on {bars}, {span}", ""]
    lines += table(
        (
            "strategy",
            "ok",
            "inputs",
            "params",
            "warm-up",
            "train",
            "val",
            "test",
            "events t/v/t",
            "purged",
            "most s",
        ),
        [_plan_row(row) for row in facts["rows"]],
    )
    for row in facts["rows"]:
        if row["duplicate_of"]:
            lines.append(f"{row['strategy']}: the same design as {row['duplicate_of']}")
    seen: dict[str, list[str]] = {}
    for row in facts["rows"]:
        for item in row["issues"]:
            text = f"{item['severity']} {item['code']}: {item['message']}"
            if item.get("suggestion"):
                text += f" {item['suggestion']}"
            seen.setdefault(text, []).append(row["strategy"])
    if seen:
        lines.append("")
    for text, names in seen.items():
        who = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        lines.append(f"{who}: {text}")
    lines.append("")
    lines += _walk_lines(facts["rows"])
    lines.append(f"Beside them {facts['surrogates']} surrogates: {facts['null']['description']}.")
    if not facts["null"]["can_decide"]:
        lines.append(
            "Their p is shown and decides nothing, so no run can end as learned: only sign flips "
            "say that direction is forecast."
        )
    if facts["null"]["most_seconds"] is not None:
        minutes = facts["null"]["most_seconds"] / 60
        lines.append(
            f"That takes {minutes:.1f} minutes of one core at most; early stops save most."
        )
    lines.append(
        "Nothing stands in the way." if facts["ok"] else "This campaign cannot run as it is."
    )
    return lines


def _walk_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return one line per kind of walk: what its nets score beside the parts of the table."""
    walks: dict[str, list[str]] = {}
    for row in rows:
        walk = (row["splits"] or {}).get("walk-forward")
        if walk is not None:
            text = (
                f"{walk['n_folds']} nets score {walk['samples']} samples of {walk['events']} "
                f"events, {walk['first_time'][:10]} to {walk['last_time'][:10]}, each its own "
                "block; the table shows the net that is kept."
            )
            walks.setdefault(text, []).append(row["strategy"])
    return [
        f"Walk forward ({', '.join(names[:3])}"
        f"{f' and {len(names) - 3} more' if len(names) > 3 else ''}): {text}"
        for text, names in walks.items()
    ]


def _plan_row(row: dict[str, Any]) -> tuple[Any, ...]:
    parts = ("train", "validation", "test")
    splits = row["splits"]
    if splits is None:
        return (row["strategy"], row["ok"], *(None,) * 9)
    return (
        row["strategy"],
        row["ok"],
        row["n_features"],
        row["parameters"],
        row["warm_up_bars"],
        *(splits[part]["samples"] for part in parts),
        "/".join(str(splits[part]["events"]) for part in parts),
        splits["purged_train"] + splits["purged_validation"],
        f"{row['most_seconds']:.1f}",
    )


def train(
    context: typer.Context,
    strategy: Annotated[str, typer.Argument(help="Name of a strategy of the workspace.")],
    *,
    symbol: Annotated[str | None, typer.Option(help="Replaces the file's symbol.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="Replaces the file's timeframe.")] = None,
    start: Annotated[str | None, typer.Option(help="First day, like 2015-01-01.")] = None,
    end: Annotated[str | None, typer.Option(help="Last day, inclusive.")] = None,
    seed: Annotated[int | None, typer.Option(help="Replaces the file's seed.")] = None,
    repeats: Annotated[int, typer.Option(help="How many runs, with seeds one apart.")] = 1,
    boosting: Annotated[
        bool, typer.Option("--boosting", help="Show gradient boosting among the baselines.")
    ] = False,
    workers: WorkersOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Train one strategy to a verdict.

    Beside its own surrogates. Ctrl-C keeps a checkpoint to go on from.
    """
    from marketlab.campaigns import StartRequest
    from marketlab.core import from_mapping
    from marketlab.interfaces import usecases
    from marketlab.interfaces.cli._live import TrainingView

    shell = Shell(context, workspace, as_json)
    body = {
        "strategy_name": strategy,
        "symbol": symbol,
        "timeframe": timeframe,
        "start_date": start,
        "end_date": end,
        "seed": seed,
        "repeats": repeats,
        "boosting": boosting,
    }
    request = from_mapping(StartRequest, body, source="train")
    view = TrainingView()
    try:
        final = usecases.train(shell.workspace, request, workers=workers, on_view=view.tick)
    finally:
        view.close()
    with usecases.steering_session(shell.workspace) as session:
        result = usecases.operation_results(session, final["operation_id"])
    shell.show({**final, "verdict": result["verdict"]}, view_lines(final, result["verdict"]))
    return 0 if final["status"] == "completed" else 1
