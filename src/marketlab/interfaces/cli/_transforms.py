"""`marketlab data quality|resample|export|dictionary`: what can be done with stored bars."""

from pathlib import Path
from typing import Annotated

import typer

from marketlab.interfaces.cli._shell import JsonOption, Shell, WorkspaceOption

Reference = Annotated[
    str, typer.Argument(metavar="ID", help="A data set's id or its first digits, or EURUSD/1h.")
]
Calendar = Annotated[
    str, typer.Option(help="always, fx_week, nyse, nasdaq, london, xetra or tokyo.")
]


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("quality")(quality)
    app.command("resample")(resample)
    app.command("export")(export)
    app.command("dictionary")(dictionary)


def quality(
    context: typer.Context,
    reference: Reference,
    *,
    calendar: Calendar = "always",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Report gaps, stale prices, outliers and coverage; exit 3 if the verdict is fail."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.quality_data(shell.workspace, reference, calendar=calendar)
    text = facts.pop("text")
    shell.show(facts, text.splitlines())
    return 3 if facts["verdict"] == "fail" else 0


def resample(
    context: typer.Context,
    reference: Reference,
    *,
    timeframe: Annotated[str, typer.Option(help="The longer bars to make, such as 1h or 1d.")],
    calendar: Calendar = "always",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make and store coarser bars, complete ones only."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.resample_data(
        shell.workspace, reference, timeframe=timeframe, calendar=calendar
    )
    dropped = facts["first_dropped"] + facts["last_dropped"]
    made = f"{facts['symbol']} {facts['timeframe']}: {facts['n_bars']} bars"
    left = f"{dropped} finer bar(s) of incomplete bars at the ends were left out"
    lines = [
        f"{made}, id {facts['dataset_id'][:12]}",
        f"  {left}, {facts['outside']} while the market was closed.",
        f"  {facts['incomplete']} bar(s) miss finer bars in their middle.",
    ]
    shell.show(facts, lines)


def export(
    context: typer.Context,
    reference: Reference,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A new .csv or .parquet file.")],
    *,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write one data set to a file."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.export_data(shell.workspace, reference, path)
    shell.show(facts, [f"{facts['n_bars']} bars are in {facts['path']}."])


def dictionary(
    context: typer.Context, *, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Write the data dictionary of everything stored."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.dictionary_data(shell.workspace)
    shell.show(facts, [f"{facts['datasets']} data sets are described in {facts['path']}."])
