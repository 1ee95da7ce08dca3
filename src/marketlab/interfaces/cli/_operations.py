"""`marketlab operations …`: single training runs, whoever started them."""

from typing import Annotated, Any

import typer

from marketlab.interfaces.cli._shell import (
    JsonOption,
    Shell,
    WorkspaceOption,
    duration,
    table,
)

operations = typer.Typer(help="Look at training runs and steer them.", no_args_is_help=True)

OperationArgument = Annotated[str, typer.Argument(metavar="OPERATION", help="Id of the operation.")]


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.add_typer(operations, name="operations")


@operations.command("list")
def list_(
    context: typer.Context,
    *,
    status: Annotated[
        str | None, typer.Option(help="Only those pending, resuming, running, completed, …")
    ] = None,
    active: Annotated[bool, typer.Option("--active", help="Only those not finished.")] = False,
    limit: Annotated[int, typer.Option(help="How many, 1 to 1,000; the newest first.")] = 30,
    offset: Annotated[int, typer.Option(help="How many to leave out before.")] = 0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List operations, the newest first."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    with usecases.steering_session(shell.workspace) as session:
        page = usecases.list_operations(
            session, status=status, active_only=active, limit=limit, offset=offset
        )
    rows = [
        (
            r["operation_id"],
            r["strategy_name"],
            r["status"],
            round(r["progress_percentage"]),
            duration(r["duration_seconds"]),
        )
        for r in page["data"]
    ]
    lines = table(("operation", "strategy", "status", "%", "time"), rows)
    count = f"{len(rows)} of {page['total_count']}, {page['active_count']} active"
    shell.show(page, [*lines, "", count] if rows else ["No operation was found."])


@operations.command("show")
def show(
    context: typer.Context,
    operation_id: OperationArgument,
    *,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show everything known about one operation."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    with usecases.steering_session(shell.workspace) as session:
        view = usecases.show_operation(session, operation_id)
        ended = view["status"] in ("completed", "failed")
        result = usecases.operation_results(session, operation_id) if ended else None
    verdict = result["verdict"] if result is not None else None
    shell.show({**view, "verdict": verdict}, view_lines(view, verdict))


def view_lines(view: dict[str, Any], verdict: dict[str, Any] | None = None) -> list[str]:
    """Return an operation in words."""
    lines = [
        f"{view['operation_id']}: {view['status']}",
        f"  strategy   {view['metadata']['parameters']['strategy_name']}",
        f"  data       {view['metadata']['symbol']} {view['metadata']['timeframe']}",
        f"  run        {view['run_id']}",
        f"  created    {view['created_at']}",
        f"  started    {view['started_at'] or '-'}",
        f"  completed  {view['completed_at'] or '-'}",
        f"  progress   {view['progress']['percentage']:.0f} %, {view['progress']['current_step']}",
    ]
    if view["retry_of"]:
        lines.append(f"  retry of   {view['retry_of']}")
    if view["error"]:
        lines.append(f"  error      {view['error_code'] or view['failure_class']}: {view['error']}")
        lines.append(f"  what to do {_remedy(view)}")
    lines += [f"  warning    {text}" for text in view["warnings"]]
    if verdict is not None:
        lines.append(f"  verdict    {verdict['outcome']}: {verdict['sentence']}")
        lines += [f"             {reason}" for reason in verdict["reasons"]]
    return lines


def _remedy(view: dict[str, Any]) -> str:
    name = view["metadata"]["parameters"]["strategy_name"]
    if view["status"] == "cancelled":
        return f"marketlab operations resume {view['operation_id']}"
    if view["failure_class"] in ("config", "data"):
        return f"correct it (`marketlab strategy validate {name}`), then start again"
    return f"marketlab operations retry {view['operation_id']}"


@operations.command("cancel")
def cancel(
    context: typer.Context,
    operation_id: OperationArgument,
    *,
    reason: Annotated[str | None, typer.Option(help="Kept with the operation.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="End the worker at once, without a checkpoint.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Stop an operation; it keeps a checkpoint."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    with usecases.steering_session(shell.workspace) as session:
        facts = usecases.cancel_operation(session, operation_id, reason=reason, force=force)
    done = facts["task_cancelled"]
    text = "cancelled" if done else f"asked to stop; it is {facts['status']} so far"
    shell.show(facts, [f"{operation_id}: {text}"])
    return 0 if done else 1


@operations.command("retry")
def retry(
    context: typer.Context,
    operation_id: OperationArgument,
    *,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run a failed operation again.

    From the beginning, as a new one; waits for its end.
    """
    return _run_again(Shell(context, workspace, as_json), operation_id, resume=False)


@operations.command("resume")
def resume(
    context: typer.Context,
    operation_id: OperationArgument,
    *,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Go on from a checkpoint.

    Of a cancelled or failed operation; waits for its end.
    """
    return _run_again(Shell(context, workspace, as_json), operation_id, resume=True)


def _run_again(shell: Shell, operation_id: str, *, resume: bool) -> int:
    from marketlab.interfaces import usecases
    from marketlab.interfaces.cli._live import TrainingView

    view = TrainingView()
    with usecases.steering_session(shell.workspace) as session:
        usecases.show_operation(session, operation_id)  # an unknown id, before workers are started
    with usecases.open_session(shell.workspace, workers=1) as session:
        if resume:
            session.service.recover()
            started = usecases.resume_operation(session, operation_id)
            shell.note(f"going on from epoch {started['resumed_from']['epoch']}")
        else:
            started = usecases.retry_operation(session, operation_id)
            shell.note(f"started as {started['operation_id']}")
        final = usecases.follow(session, started["operation_id"], view.tick)
        view.close()
    shell.show(final, view_lines(final))
    return 0 if final["status"] == "completed" else 1
