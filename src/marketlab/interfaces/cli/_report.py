"""`marketlab report`: what a run or a campaign amounts to, on one page."""

from typing import Annotated

import typer

from marketlab.interfaces.cli._shell import JsonOption, Shell, WorkspaceOption, print_json, say


def add_to(app: typer.Typer) -> None:
    """Register this command."""
    app.command("report")(report)


def report(
    context: typer.Context,
    reference: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="Id of a run, operation or campaign, or a strategy's name."
        ),
    ],
    *,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report on one run or campaign.

    Writes a page for the browser and prints the same as Markdown. A strategy's name means its run
    in the newest campaign.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    made = usecases.report(shell.workspace, reference)
    if as_json:
        print_json({key: made[key] for key in ("kind", "facts", "reports")})
        return
    say(made["markdown"].rstrip("\n"))
    shell.note(f"Page: {made['reports']['html']}")
