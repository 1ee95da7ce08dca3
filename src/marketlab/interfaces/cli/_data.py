"""`marketlab data …`: bars in, checked, stored by version."""

from pathlib import Path
from typing import Annotated, Any

import typer

from marketlab.interfaces.cli import _combine, _fetch, _files, _transforms
from marketlab.interfaces.cli._shell import JsonOption, Shell, WorkspaceOption, table

data = typer.Typer(help="Bring bars in, check them, list them.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    _fetch.add_to(data)
    _transforms.add_to(data)
    _combine.add_to(data)
    _files.add_to(data)
    app.add_typer(data, name="data")


@data.command("import")
def import_(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A .csv or .parquet file of bars.")],
    *,
    symbol: Annotated[str, typer.Option(help="For example EURUSD.")],
    timeframe: Annotated[str, typer.Option(help="For example 1h or 1d.")],
    timezone: Annotated[
        str | None,
        typer.Option(
            help="Zone of times that state none: UTC, America/New_York, …; never guessed."
        ),
    ] = None,
    time_column: Annotated[
        str | None, typer.Option(help="Header of the time column, if it has an unusual one.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=HEADER",
            help="Header of a column with an unusual one, such as close=Last; may be repeated.",
        ),
    ] = None,
    time_format: Annotated[
        str | None, typer.Option(help="strptime format, or unix_s, unix_ms, unix_us, unix_ns.")
    ] = None,
    decimal: Annotated[
        str | None, typer.Option(help="The mark before decimals in a CSV file: . or ,")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Where the file comes from.")] = None,
    licence: Annotated[str | None, typer.Option(help="Its terms, as told in reports.")] = None,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="Declare the bars as made up; the flag stays.")
    ] = False,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(
            help="Leave out rows with this finding, such as DATA-OpenOutsideRange; may be repeated."
        ),
    ] = None,
    widen_range: Annotated[
        bool,
        typer.Option(
            "--widen-range",
            help="Where high and low exclude a row's other prices, set them to its extremes.",
        ),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a file of bars, check it, and store it.

    A file with bad rows is refused, with what they are. What --leave-out and --widen-range did is
    told here and stays in the data set's metadata.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    options: dict[str, Any] = {"is_synthetic": synthetic, "widen_range": widen_range}
    options["leave_out"] = leave_out or []
    given = {"time_format": time_format, "source": source, "licence": licence}
    given["decimal"] = decimal
    options |= {key: value for key, value in given.items() if value is not None}
    headers = _headers(column or []) | ({} if time_column is None else {"time": time_column})
    if headers:
        options["columns"] = headers
    facts = usecases.import_data(
        shell.workspace,
        path,
        symbol=symbol,
        timeframe=timeframe,
        timezone=timezone,
        options=options,
    )
    shell.show(facts, dataset_lines(facts))


def _headers(pairs: list[str]) -> dict[str, str]:
    """Return our column names to the file's headers, from NAME=HEADER."""
    headers = {}
    for pair in pairs:
        name, mark, header = pair.partition("=")
        if not (name and mark and header):
            raise typer.BadParameter(f"{pair!r} is not of the form NAME=HEADER, as in close=Last.")
        headers[name] = header
    return headers


@data.command("list")
def list_(
    context: typer.Context, *, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """List the stored bars."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    rows = usecases.list_data(shell.workspace)
    lines = table(
        (
            *("id", "symbol", "timeframe", "bars", "first", "last"),
            *("volume", "synthetic", "source", "source's symbol"),
        ),
        [
            (
                r["dataset_id"][:12],
                r["symbol"],
                r["timeframe"],
                r["n_bars"],
                r["first_time"][:10],
                r["last_time"][:10],
                r["has_volume"],
                r["is_synthetic"],
                r["source"],
                r["metadata"].get("provider_symbol"),
            )
            for r in rows
        ],
    )
    hint = ["No bars are stored yet. `marketlab data fetch-bundled` brings real series."]
    shell.show(rows, lines if rows else hint)


@data.command("describe")
def describe(
    context: typer.Context,
    reference: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A data set's id or its first digits, or EURUSD/1h; or the name of a table.",
        ),
    ],
    *,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one data set, what is odd about it, what it was made from and what was made of it.

    A table that `data combine`, `features build` or `labels build` stored is shown by its name,
    NAME/vN or the path of its file.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.describe_data(shell.workspace, reference)
    shell.show(facts, table_lines(facts) if "table" in facts else dataset_lines(facts))


def table_lines(facts: dict[str, Any]) -> list[str]:
    """Return what a table of features or labels is, in words."""
    names = facts["columns"]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return [
        f"{facts['table']} v{facts['version']}: {facts['n_rows']} rows x {len(names)} columns",
        f"  path        {facts['path']}",
        f"  columns     {shown}",
        *_lineage_lines(facts),
    ]


def dataset_lines(facts: dict[str, Any]) -> list[str]:
    """Return a manifest with its findings in words."""
    kind = "SYNTHETIC bars" if facts["is_synthetic"] else "bars"
    span = f"{facts['first_time']} to {facts['last_time']}"
    lines = [
        f"{facts['symbol']} {facts['timeframe']}: {facts['n_bars']} {kind}, {span}",
        f"  id          {facts['dataset_id']}",
        f"  source      {facts['source']}{_spelling(facts)}",
        f"  provenance  {facts['provenance']}",
        f"  licence     {facts['licence']}",
        f"  volume      {'yes' if facts['has_volume'] else 'none'}",
    ]
    lines += _edge_line(facts) + _lineage_lines(facts)
    findings = facts.get("report", {}).get("findings", [])
    lines += [f"  {item['severity']}: {item['message']} ({item['count']})" for item in findings]
    if "report" in facts and not findings:
        lines.append("  Nothing odd was found.")
    return lines


def _edge_line(facts: dict[str, Any]) -> list[str]:
    planted = facts["metadata"].get("planted_edge")
    if planted is None:
        return []
    best = f"best attainable accuracy {planted['best_attainable_accuracy']:.4f}"
    return [f"  edge        strength {planted['edge_strength']:g}, {best}"]


def _lineage_lines(facts: dict[str, Any]) -> list[str]:
    """Return kind, parents and children in words, where `facts` tell them."""
    if "parents" not in facts:
        return []
    lines = [f"  kind        {facts['kind']}"]
    raw = facts.get("metadata", {}).get("lineage", {})
    if "raw_folder" in raw:
        lines.append(
            f"  made from   raw/{raw['raw_folder']}, answers to {raw['n_requests']} request(s)"
        )
    made = facts["made_by"]
    for parent in facts["parents"]:
        told = ", ".join(f"{key} {value}" for key, value in sorted(made["parameters"].items()))
        lines.append(f"  made from   {_relative(parent)} by {made['transform']} ({told})")
    return lines + [f"  made of it  {_relative(child)}" for child in facts["children"]]


def _relative(facts: dict[str, Any]) -> str:
    if "table" in facts:
        return f"{facts['table']} v{facts['version']}, {facts['kind']}"
    short = facts["dataset_id"][:12]
    if not facts["stored"]:
        return f"{short}, not stored any more"
    return f"{short} {facts['symbol']} {facts['timeframe']}, {facts['n_bars']} bars"


def _spelling(facts: dict[str, Any]) -> str:
    symbol = facts["metadata"].get("provider_symbol")
    return "" if symbol is None else f", which spells it {symbol}"


@data.command("verify")
def verify(
    context: typer.Context, *, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> int:
    """Check every stored file again, and those that the manifests of files register.

    Looks for missing, altered, stale and stray ones; exit 6 if there is any.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.verify_data(shell.workspace)
    lines = [f"{f['kind']}: {f['message']}" for f in facts["findings"]]
    word = "as they were stored" if facts["ok"] else "NOT all as they were stored"
    counted = f"{facts['datasets']} data sets and {facts['registered_files']} registered files"
    shell.show(facts, [*lines, f"{counted} are {word}."])
    return 0 if facts["ok"] else 6


@data.command("fetch-bundled")
def fetch_bundled(
    context: typer.Context, *, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Download the real series.

    Two small packages, never installed, go into the user's cache.

    In a workspace the series are stored in its catalog too.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    place = shell.workspace
    facts = usecases.fetch_bundled(
        place if place.strategies.is_dir() else None,
        lambda name, position, total: shell.note(f"[{position + 1}/{total}] {name}"),
    )
    lines = [f"Bundled series: {', '.join(facts['series'])}"]
    if facts["stored"]:
        lines.append(f"Stored in {place.root}; `marketlab data list` shows them.")
    shell.show(facts, lines)


@data.command("synthetic")
def synthetic(
    context: typer.Context,
    *,
    symbol: Annotated[str, typer.Option(help="Name to give the made-up series.")] = "EURUSD",
    timeframe: Annotated[str, typer.Option(help="For example 1h.")] = "1h",
    bars: Annotated[int, typer.Option(help="How many bars.")] = 50_565,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bars.")] = 0,
    edge: Annotated[
        float, typer.Option(help="Strength of the planted edge, 0 (none) to 0.5.")
    ] = 0.0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Store one made-up series; `synthetic-market` makes many that belong together.

    With or without a planted edge; the bars stay marked as synthetic.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    options = {
        "symbol": symbol,
        "timeframe": timeframe,
        "n_bars": bars,
        "seed": seed,
        "edge_strength": edge,
    }
    facts = usecases.make_synthetic(shell.workspace, options)
    shell.show(facts, dataset_lines(facts))


@data.command("synthetic-market")
def synthetic_market(
    context: typer.Context,
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="null (no edge) or planted (accuracy 0.80).")
    ],
    *,
    symbols: Annotated[int, typer.Option(help="How many, 1 to 1,000.")] = 3,
    timeframe: Annotated[str, typer.Option(help="For example 1m or 1h.")] = "1m",
    bars: Annotated[int, typer.Option(help="How many bars each symbol has.")] = 3_081_668,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bars.")] = 0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Store a made-up market: correlated symbols with common times.

    The best accuracy that anybody can reach on each symbol is computed and stored with it.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.make_market(
        shell.workspace,
        recipe,
        n_symbols=symbols,
        options={"timeframe": timeframe, "n_bars": bars, "seed": seed},
        on_step=lambda name, position, total: shell.note(f"[{position + 1}/{total}] {name}"),
    )
    rows = [
        (
            m["dataset_id"][:12],
            m["symbol"],
            m["timeframe"],
            m["n_bars"],
            m["metadata"]["planted_edge"]["best_attainable_accuracy"],
        )
        for m in facts["datasets"]
    ]
    shell.show(facts, table(("id", "symbol", "timeframe", "bars", "best accuracy"), rows))
