"""`marketlab data quality|fill|resample|export|dictionary`: what can be done with stored bars."""

from pathlib import Path
from typing import Annotated, Any

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
    app.command("fill")(fill)
    app.command("resample")(resample)
    app.command("export")(export)
    app.command("dictionary")(dictionary)


def quality(
    context: typer.Context,
    reference: Reference,
    *,
    calendar: Calendar = "always",
    against: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Bars of another length, to compare: the finer ones resampled with the coarser.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Report gaps, stale prices, outliers and coverage, before any filling.

    Ends with 3 if the verdict is fail, or if bars compared with --against differ.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.quality_data(shell.workspace, reference, calendar=calendar, against=against)
    lines = facts.pop("text").splitlines()
    crossed = facts.get("cross_check")
    if crossed is not None:
        lines += _crossed_lines(crossed)
    shell.show(facts, lines)
    failed = facts["verdict"] == "fail" or (crossed is not None and not crossed["ok"])
    return 3 if failed else 0


def _crossed_lines(facts: dict[str, Any]) -> list[str]:
    names = f"{facts['fine'][:12]} resampled, against {facts['coarse'][:12]}"
    lines = [
        (
            f"  cross-check of {names}: {facts['compared']} bars compared, "
            f"{facts['mismatched']} differ; {facts['only_resampled']} only by resampling, "
            f"{facts['only_fetched']} only there"
        )
    ]
    if facts["times"]:
        lines.append(f"    first that differ: {', '.join(facts['times'])}")
    if not facts["compared"]:
        lines.append("    no bar opens at the same time: is this the market's calendar?")
    return lines


def fill(
    context: typer.Context,
    reference: Reference,
    *,
    most: Annotated[
        int, typer.Option(min=1, help="Longest gap to fill, in bars; longer ones stay, whole.")
    ],
    calendar: Annotated[
        str,
        typer.Option(
            help="By whose trading days bars are missing: always, fx_week, nyse, nasdaq, london, "
            "xetra or tokyo."
        ),
    ],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Store a version with short gaps filled by the last close, without volume.

    It tells which bars are made up, wherever it goes, and is used only where it is asked for by id.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.fill_data(shell.workspace, reference, limit=most, calendar=calendar)
    lines = [
        (
            f"{facts['symbol']} {facts['timeframe']}: {facts['n_bars']} bars, "
            f"{facts['filled']} of them filled, id {facts['dataset_id'][:12]}"
        ),
        (
            f"  {facts['unfilled']} bar(s) are still missing, in longer gaps; "
            f"{facts['segments']} unbroken piece(s)."
        ),
    ]
    shell.show(facts, lines)


def resample(
    context: typer.Context,
    reference: Reference,
    *,
    timeframe: Annotated[
        str, typer.Option(help="The longer bars to make: 1h, 1d, 2d, 3d, 5d, 1w, 2w, 1mo, …")
    ],
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
    counted = f"{facts['datasets']} data sets and {facts['registered_files']} registered files"
    shell.show(facts, [f"{counted} are described in {facts['path']}."])
