"""`marketlab compare`: whether runs differ by more than noise."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from marketlab.interfaces.cli._shell import JsonOption, Shell, WorkspaceOption, table

_RUN_KEYS = ("name", "run_id", "seed", "n_judged", "n_dropped", "log_loss", "accuracy")


def add_to(app: typer.Typer) -> None:
    """Register this command."""
    app.command("compare")(compare)


def compare(
    context: typer.Context,
    references: Annotated[
        list[str], typer.Argument(metavar="RUN RUN...", help="Ids of runs or operations, 2 to 10.")
    ],
    *,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether runs differ by more than noise.

    On the samples that all of them judged, by events; the sealed test part stays sealed.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.compare(shell.workspace, references)
    shell.show(facts, comparison_lines(facts))


def comparison_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return what was compared, one table per pair with its sentence, and the notes."""
    counts = ", ".join(f"{count:,} {name}" for name, count in facts["class_counts"].items())
    lines = [
        (
            f"Compared on {facts['n_samples']:,} common judged samples, "
            f"{facts['first_time']} to {facts['last_time']}, of {facts['n_events']:,} "
            "independent events"
        ),
        f"Label: {facts['label_text']} ({counts})",
        "",
    ]
    lines += table(
        ("run", "id", "seed", "judged", "dropped", "log-loss", "accuracy"),
        [tuple(run[key] for key in _RUN_KEYS) for run in facts["runs"]],
    )
    for pair in facts["pairs"]:
        lines += ["", *pair_lines(pair, several=len(facts["pairs"]) > 1)]
    if facts["notes"]:
        lines += ["", "Notes", *(f"  - {note}" for note in facts["notes"])]
    return lines


def pair_lines(pair: Mapping[str, Any], *, several: bool) -> list[str]:
    """Return a pair's table (first less second), what has no number and why, and the sentence."""
    scores = (pair["log_loss"], pair["accuracy"], pair["auc"])
    lines = [f"{pair['first']} less {pair['second']}, {pair['n_events']:,} events"]
    lines += table(
        ("score", "difference", "95 % low", "95 % high", "p", "detectable"),
        [
            (s["score"], s["difference"], s["low"], s["high"], s["p_value"], s["detectable"])
            for s in scores
        ],
    )
    lines += [f"  {s['score']}: {s['missing']}" for s in scores if s["missing"]]
    if several and pair["p_value"] is not None:
        lines.append(f"  p of the log-loss by Holm over all pairs: {pair['p_value']:.4f}")
    if pair["diebold_mariano_p"] is not None:
        lines.append(
            f"  Diebold-Mariano over events, beside it: p = {pair['diebold_mariano_p']:.4f}"
        )
    return [*lines, pair["sentence"]]
