"""`marketlab models`, `promote`, `rollback` and `run --replay`."""

from typing import Annotated

import typer

from marketlab.interfaces.cli._shell import JsonOption, Shell, WorkspaceOption, table


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("evaluate")(evaluate)
    app.command("models")(models)
    app.command("promote")(promote)
    app.command("rollback")(rollback)
    app.command("run")(run)


def models(
    context: typer.Context, *, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """List models and which of them serve."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    rows = usecases.list_models(shell.workspace)
    lines = table(
        ("card", "stage", "symbol", "timeframe", "verdict", "synthetic", "problem"),
        [
            (
                r["card_id"],
                r["stage"],
                r["symbol"],
                r["timeframe"],
                r["outcome"],
                r["is_synthetic"],
                r["problem"],
            )
            for r in rows
        ],
    )
    shell.show(rows, lines if rows else ["No model is stored yet. `marketlab promote RUN_ID`."])


def evaluate(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run or an operation.")],
    *,
    test: Annotated[
        bool, typer.Option("--test", help="Open the sealed test part; recorded for ever.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Kept in the ledger.")] = "evaluate --test",
    again: Annotated[
        bool, typer.Option("--again", help="Look although most of these days were looked at.")
    ] = False,
    surrogates: Annotated[
        int | None,
        typer.Option(min=1, help="Of the null. [default: as many as p = 0.05 needs, at least 99]"),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a run on its sealed test part, on the record.

    Each opening is an entry of the ledger, with the days it showed. Earlier openings of the same
    days, by any run, count as trials; if they cover more than half, --again is needed.
    """
    from marketlab.core import ConfigError
    from marketlab.interfaces import usecases

    if not test:
        raise ConfigError(
            "nothing is evaluated without --test: validation was judged when the run ended.",
            field="--test",
            suggestion="Its verdict is in verdict.json; --test opens the sealed part.",
        )
    shell = Shell(context, workspace, as_json)
    facts = usecases.evaluate_test(
        shell.workspace, reference, reason=reason, again=again, surrogates=surrogates
    )
    verdict, metrics = facts["verdict"], facts["test_metrics"]
    lines = [f"Verdict on the test part: {verdict['outcome']}", verdict["sentence"]]
    lines += [f"  - {note}" for note in (*verdict["reasons"], *verdict["notes"])]
    lines += table(
        ("key", "value"),
        [(key, value) for key, value in metrics.items() if isinstance(value, float)],
    )
    shell.show(facts, lines)


def promote(
    context: typer.Context,
    reference: Annotated[
        str, typer.Argument(metavar="MODEL", help="Id of a card, of a run, or of an operation.")
    ],
    *,
    override: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Promote against failing gates; kept for ever."),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a model serve in dry run, through gates.

    It serves under its strategy's name if every gate passes.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.promote(shell.workspace, reference, override=override)
    shell.show(facts, [facts["sentence"], f"Next: marketlab run --replay {facts['name']}"])


def rollback(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The name under which a model serves.")],
    *,
    reason: Annotated[str, typer.Option(help="Kept in the registry.")] = "requested",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the earlier model serve again."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.rollback(shell.workspace, name, reason=reason)
    shell.show(facts, [facts["sentence"]])


def run(
    context: typer.Context,
    *,
    replay: Annotated[
        str, typer.Option(metavar="NAME", help="Replay held-out bars through this promoted model.")
    ],
    spread: Annotated[float, typer.Option(help="Spread in pips of the simulated account.")] = 1.0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Replay a promoted model bar by bar.

    With simulated money, over bars it never saw; proves that it equals the batch to the last bit.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.replay(shell.workspace, replay, spread_pips=spread)
    lines = [facts["sentence"], ""]
    lines += table(
        ("part", "equal", "batch SHA-256", "session SHA-256"),
        [
            (part, equal, facts["batch_sha256"][part][:16], facts["stream_sha256"][part][:16])
            for part, equal in facts["equal"].items()
        ],
    )
    account = f"{facts['initial_equity']:.2f} became {facts['final_equity']:.2f}"
    lines += [
        "",
        f"Simulated account: {account} at a spread of {facts['spread_pips']:g} pips.",
        f"Journal: {facts['journal']}",
        f"This was look number {facts['test_opening']} at the test part; the ledger has it.",
        facts["seen_before"]["sentence"],
    ]
    if facts["is_synthetic"]:
        lines.append("The model or its bars are SYNTHETIC: this account says nothing of a market.")
    if facts["override"]:
        lines.append(f"Promoted against failing gates: {facts['override']}")
    shell.show(facts, lines)
    return 0 if facts["passed"] else 6
