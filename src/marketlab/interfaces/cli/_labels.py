"""`marketlab labels …`: what can be predicted, and tables of it."""

from typing import Annotated, Any

import typer

from marketlab.interfaces.cli._shell import (
    JsonOption,
    Shell,
    WorkspaceOption,
    cell_text,
    table,
)

labels = typer.Typer(
    help="What is to be predicted: list the labels, describe one, build a table of one.",
    no_args_is_help=True,
)


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.add_typer(labels, name="labels")


@labels.command("list")
def list_(
    context: typer.Context, *, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """List every way to make labels."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    rows = usecases.list_labels()
    shell.show(
        rows,
        table(
            ("source", "answer", "reads", "says"),
            [
                (
                    row["source"],
                    "/".join(row["classes"]) or "number",
                    " ".join(row["reads"]),
                    row["summary"],
                )
                for row in rows
            ],
        ),
    )


@labels.command("describe")
def describe(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A source of `labels list`, or a name like touch_up_high_h5_t100bps.",
        ),
    ],
    *,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one label: its classes, what it reads, and its options."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.describe_label(name)
    lines = [
        f"{facts['source']}: {facts['summary']}.",
        f"  answer     {', '.join(facts['classes']) or 'a number'} ({facts['task']})",
        f"  reads      {', '.join(facts['reads'])}",
        f"  reference  {facts['reference']}",
    ]
    if "formula" in facts:
        aliases = f", also known as {', '.join(facts['aliases'])}" if facts["aliases"] else ""
        lines.append(f"  this one   {facts['formula']}{aliases}")
    lines += table(
        ("option", "default", "may be"),
        [
            (
                o["name"],
                "required" if o["required"] else _shown(o["default"]),
                ", ".join(o["choices"]) or f"{o['type']} {o['bounds']}".strip(),
            )
            for o in facts["options"]
        ],
    )
    shell.show(facts, lines)


@labels.command("build")
def build(
    context: typer.Context,
    *,
    label: Annotated[
        str, typer.Option(help="A source, or a name like touch_up_high_h5_t100bps, label_h5_t1pct.")
    ],
    option: Annotated[
        list[str] | None,
        typer.Option(help="KEY=VALUE of the label, such as horizon=5; repeatable."),
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="Stored bars by symbol, such as SPX.")] = None,
    timeframe: Annotated[
        str | None, typer.Option(help="Which, if the symbol is stored in several.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Stored bars by id or its first digits, or EURUSD/1h.")
    ] = None,
    weights: Annotated[
        str, typer.Option(help="equal, uniqueness or return_attribution.")
    ] = "equal",
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Let through one_class, rare_class or constant_target; repeatable."),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make labels of stored bars, check them and store them as a table."""
    from marketlab.interfaces import _features, usecases

    shell = Shell(context, workspace, as_json)
    config = usecases.label_config(label, option or (), allow=allow or ())
    bars = _features.find_bars(shell.workspace, symbol=symbol, timeframe=timeframe, dataset=dataset)
    facts = usecases.build_labels(shell.workspace, bars, config, weights=weights)
    shell.show(facts, build_lines(facts))


def build_lines(facts: dict[str, Any]) -> list[str]:
    """Return what was built, in words."""
    kind = "SYNTHETIC bars" if facts["is_synthetic"] else "bars"
    of = f"{facts['formula']} of {facts['symbol']} {facts['timeframe']}"
    span = f"{facts['first_time']} to {facts['last_time']}"
    lines = [f"{of}: {facts['n_labels']} labels on {facts['n_bars']} {kind}, {span}"]
    lines += _answers(facts)
    dropped = {k.removeprefix("n_dropped_"): n for k, n in facts.items() if "n_dropped_" in k and n}
    if dropped:
        told = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in dropped.items())
        lines.append(f"  without a label: {told}")
    overlap = facts["overlap"]
    lines += [
        (
            f"  independent events: {facts['n_events']}; samples that read one bar: "
            f"{overlap['mean_concurrency']:.1f} on average, {overlap['max_concurrency']} at most"
        ),
        (
            f"  average uniqueness {overlap['average_uniqueness']:.4f}, worth "
            f"{overlap['effective_n']:.0f} samples; weights: {facts['weights']}"
        ),
    ]
    stored = facts["table"]
    word = "stored in" if stored["is_new"] else "stored before in"
    return [*lines, f"  {word} {stored['path']}"]


def _answers(facts: dict[str, Any]) -> list[str]:
    if facts["task"] == "regression":
        found = facts["distribution"]
        return [
            (
                f"  mean {found['mean']:.6g}, deviation {found['std']:.6g}, "
                f"from {found['min']:.6g} to {found['max']:.6g}"
            )
        ]
    return [
        f"  {name:<9} {n:>9}  {100.0 * facts['rates'][name]:6.2f} %"
        for name, n in facts["counts"].items()
    ]


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else cell_text(value)
