"""`marketlab serve`: the REST server that users' scripts talk to."""

from typing import Annotated

import typer

from marketlab.interfaces.cli._shell import Shell, WorkersOption, WorkspaceOption


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("serve")(serve)


def serve(
    context: typer.Context,
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="MARKETLAB_TOKEN", help="Needed by every caller; required off this machine."
        ),
    ] = None,
    compatibility: Annotated[
        str | None,
        typer.Option(metavar="v15", help="v15: runs with degenerate labels complete and say so."),
    ] = None,
    workers: WorkersOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Serve the REST API until Ctrl-C.

    On http://127.0.0.1:8000/api/v1, for this machine alone unless a token is given.
    """
    from marketlab.interfaces.rest import Settings, run_server

    shell = Shell(context, workspace)
    run_server(
        shell.workspace,
        Settings(host=host, port=port, token=token, workers=workers, compatibility=compatibility),
        on_ready=shell.note,
    )
