"""`marketlab features …`: list them, build tables of them, check, plot and describe them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from marketlab.interfaces.cli._feature_views import (
    audit_lines,
    built_lines,
    in_full,
    overview,
    plan_lines,
)
from marketlab.interfaces.cli._shell import (
    JsonOption,
    Shell,
    WorkspaceOption,
    duration,
    table,
)

if TYPE_CHECKING:
    from marketlab.core import Progress

features = typer.Typer(help="List, build, check, plot and describe features.", no_args_is_help=True)

TierOption = Annotated[
    str | None,
    typer.Option(metavar="NAME|FILE", help="A shipped set such as a20, or your own YAML file."),
]
SymbolOption = Annotated[str | None, typer.Option(help="For example SPX.")]
TimeframeOption = Annotated[
    str | None, typer.Option(help="Needed if the symbol is stored in several.")
]
DatasetOption = Annotated[
    str | None, typer.Option(metavar="ID", help="A data set's id or its first digits.")
]
ContextOption = Annotated[
    list[str] | None,
    typer.Option(
        "--context",
        metavar="NAME=ID",
        help="A series that the set reads beside the bars, such as vix=VIX/1d.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.add_typer(features, name="features")


@features.command("list")
def list_(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One indicator or set, in full.")
    ] = None,
    *,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every indicator and every shipped feature set, or one of them in full."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.list_features(name)
    lines = overview(facts) if name is None else in_full(facts)
    shell.show(facts, lines)


@features.command("build")
def build(
    context: typer.Context,
    *,
    tier: Annotated[
        str,
        typer.Option(metavar="NAME|FILE", help="A shipped set such as a20, or your own YAML file."),
    ],
    symbol: SymbolOption = None,
    timeframe: TimeframeOption = None,
    dataset: DatasetOption = None,
    series: ContextOption = None,
    name: Annotated[str | None, typer.Option(help="Name of the table.")] = None,
    keep_warm_up: Annotated[
        bool,
        typer.Option("--keep-warm-up", help="Keep incomplete rows; missing values stay missing."),
    ] = False,
    allow_constant: Annotated[
        bool, typer.Option("--allow-constant", help="Keep a column that has one single value.")
    ] = False,
    only_plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be done, and compute nothing.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compute a feature set over stored bars and store it as a table.

    The table holds time, close_time, OHLCV and the columns. Rows of the warm-up are left out and
    counted; nothing is filled.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    chosen = usecases.load_tier(tier)
    bars = usecases.find_bars(shell.workspace, symbol=symbol, timeframe=timeframe, dataset=dataset)
    joined = usecases.find_context(shell.workspace, series or [])
    plan = usecases.plan_features(chosen, bars, joined)
    if only_plan:
        shell.show(plan, plan_lines(plan))
        return
    for line in plan_lines(plan):
        shell.note(line)
    facts = usecases.build_features(
        shell.workspace,
        chosen,
        bars,
        joined,
        name=name,
        keep_warm_up=keep_warm_up,
        allow_constant=allow_constant,
        progress=_shown(shell),
    )
    shell.show(facts, built_lines(facts))


@features.command("check")
def check(
    context: typer.Context,
    stored: Annotated[
        str | None, typer.Argument(metavar="[TABLE]", help="A stored table: its name, or NAME/v2.")
    ] = None,
    *,
    tier: TierOption = None,
    function: Annotated[
        str | None,
        typer.Option(
            "--callable", metavar="MODULE:NAME", help="A Python function of bars of your own."
        ),
    ] = None,
    symbol: SymbolOption = None,
    timeframe: TimeframeOption = None,
    dataset: DatasetOption = None,
    series: ContextOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Audit a table, a set or a function: health, redundancy, drift, and whether it looks ahead.

    Exit code 3 if the audit fails.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    bars = None
    if symbol is not None or dataset is not None:
        bars = usecases.find_bars(
            shell.workspace, symbol=symbol, timeframe=timeframe, dataset=dataset
        )
    facts = usecases.check_features(
        shell.workspace,
        table=stored,
        tier=tier,
        function=function,
        bars=bars,
        context=series or [],
    )
    for note in facts["notes"]:
        shell.note(note)
    shell.show(facts, audit_lines(facts))
    return 0 if facts["passed"] else 3


@features.command("plot")
def plot(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="An indicator, a formula, or a column of --tier."),
    ],
    *,
    tier: TierOption = None,
    symbol: SymbolOption = None,
    timeframe: TimeframeOption = None,
    dataset: DatasetOption = None,
    series: ContextOption = None,
    last: Annotated[int, typer.Option("--bars", help="How many bars to show.")] = 150,
    end: Annotated[str | None, typer.Option(help="Last day shown, like 2018-06-29.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where the PNG goes.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw an indicator under its candles, as a PNG."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.plot_feature(
        shell.workspace,
        name,
        usecases.find_bars(shell.workspace, symbol=symbol, timeframe=timeframe, dataset=dataset),
        tier=tier,
        context=series or [],
        last=last,
        end=usecases.parse_day(end),
        path=out,
    )
    shell.show(facts, [f"{facts['name']} over {facts['n_bars']} bars is drawn in {facts['path']}."])


@features.command("dictionary")
def dictionary(
    context: typer.Context,
    *,
    tier: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Your own feature sets, to be described as well."),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the dictionary of all indicators and feature sets, refused columns included."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.write_dictionary(shell.workspace, tier or [])
    made = f"{facts['indicators']} indicators and {facts['sets']} sets"
    shell.show(facts, [f"{made} are described in {facts['path']}."])


@features.command("cache")
def cache(
    context: typer.Context,
    *,
    clear: Annotated[bool, typer.Option("--clear", help="Delete every entry.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the feature cache holds, or empty it."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.show_cache(shell.workspace, clear=clear)
    lines = [f"{facts['deleted']} entries were deleted."] if clear else []
    if facts["entries"]:
        lines += table(
            ("features", "columns", "bars", "MB", "used"),
            [
                (
                    e["about"],
                    e["shape"][0],
                    e["shape"][1],
                    round(e["size_bytes"] / 1e6, 1),
                    f"{duration(e['used_seconds_ago'])} ago",
                )
                for e in facts["entries"]
            ],
        )
    lines.append(
        f"{facts['size_bytes'] / 1e6:.1f} MB of at most {facts['limit_bytes'] / 1e6:.0f} MB "
        f"(MARKETLAB_FEATURE_CACHE_GB) in {facts['folder']}."
    )
    shell.show(facts, lines)


def _shown(shell: Shell) -> "Progress":
    """Return a progress that tells once a second how far a build is."""
    import time

    from marketlab.core import Progress

    class Shown(Progress):
        started = last = time.monotonic()

        def step(self, done: int, total: int) -> None:
            super().step(done, total)
            now = time.monotonic()
            if done > 0.02 * total and now - self.last >= 1.0:
                self.last = now
                left = (now - self.started) * (total - done) / done
                shell.note(f"  {100 * done / total:.0f} % computed, about {duration(left)} left")

    return Shown.in_memory()
