"""`marketlab strategy …`: check strategy files, see their inputs, bring older ones in."""

from pathlib import Path
from typing import Annotated

import typer

from marketlab.interfaces.cli._shell import JsonOption, Shell, WorkspaceOption, table

strategy = typer.Typer(help="Check strategy files and bring older ones in.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of a strategy.")]


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    strategy.command("import")(import_)
    app.add_typer(strategy, name="strategy")
    app.command("import-strategy")(import_)


@strategy.command("list")
def list_(
    context: typer.Context, *, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """List the strategy files of the workspace."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    rows = usecases.list_strategies(shell.workspace)
    lines = table(
        ("name", "valid", "reads", "indicators"),
        [
            (
                r["name"],
                r["valid"],
                f"{r.get('symbol', '')} {r.get('timeframe', '')}".strip(),
                r["problem"] or ", ".join(r["indicators"]),
            )
            for r in rows
        ],
    )
    hint = ["There is no strategy yet. `marketlab init --recipe v15_contract` writes 27."]
    shell.show(rows, lines if rows else hint)


@strategy.command("validate")
def validate(
    context: typer.Context,
    name: NameArgument,
    *,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check one strategy file.

    By the rules that also hold at a training start. Exit code 2 if it breaks one.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    answer = usecases.validate_strategy(shell.workspace, name)
    lines = [f"{i['severity']} ({i['category']}): {i['message']}" for i in answer["issues"]]
    shell.show(answer, [*lines, f"{answer['strategy_name']}: {answer['message']}"])
    return 0 if answer["valid"] else 2


@strategy.command("features")
def features(
    context: typer.Context,
    name: NameArgument,
    *,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the inputs of a strategy in their order."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    answer = usecases.strategy_features(shell.workspace, name)
    lines = table(
        ("#", "feature", "fuzzy set", "membership", "indicator", "output"),
        [
            (
                position,
                f["feature_id"],
                f["fuzzy_set"],
                f["membership"],
                f["indicator_id"],
                f["indicator_output"],
            )
            for position, f in enumerate(answer["features"])
        ],
    )
    shell.show(answer, lines)


def import_(
    context: typer.Context,
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="A strategy in the older list form.")
    ],
    *,
    name: Annotated[str | None, typer.Option(help="Store it under another name.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring in a strategy of the older list form.

    It is converted once; every dropped or renamed key is printed.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.import_strategy(shell.workspace, path, name=name)
    lines = [f"- {note}" for note in facts["changes"]]
    shell.show(facts, [*lines, f"{facts['name']} is stored as {facts['file']}."])
