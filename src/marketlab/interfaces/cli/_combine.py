"""`marketlab data combine`: the combined daily dataset."""

from typing import Annotated

import typer

from marketlab.interfaces.cli._shell import JsonOption, Shell, WorkspaceOption


def add_to(app: typer.Typer) -> None:
    """Register this command."""
    app.command("combine")(combine)


def combine(
    context: typer.Context,
    *,
    symbol: Annotated[str, typer.Option(help="The daily series, such as SPX.")],
    beside: Annotated[
        str, typer.Option("--context", help="The volatility index's series, such as VIX.")
    ],
    tier: Annotated[str, typer.Option(help="Columns over the series.")] = "a20",
    context_tier: Annotated[str, typer.Option(help="Columns over the index.")] = "vix_c",
    name: Annotated[str | None, typer.Option(help="Name of the table.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Join prices, indicators and a volatility index by date into one daily table.

    Date, OHLCV, the columns of both sets; days of one series only and days without a value in
    every column are left out and counted.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.combine_data(
        shell.workspace, symbol, beside, tier=tier, context_tier=context_tier, name=name
    )
    verb = "is stored as" if facts["is_new"] else "was stored already:"
    lines = [
        f"{facts['name']} v{facts['version']} {verb} {facts['path']}",
        (
            f"  {facts['rows']} rows x {len(facts['columns'])} columns, {facts['first_date']} to "
            f"{facts['last_date']}."
        ),
        (
            f"  Left out: {facts['only_in_series']} day(s) only in {symbol}, "
            f"{facts['only_in_context']} only in {beside}, {facts['incomplete_dropped']} common "
            "day(s) without a value in every column."
        ),
    ]
    shell.show(facts, lines)
