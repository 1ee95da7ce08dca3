"""`marketlab data fetch` and `data monitor`: a fetch that can be left, resumed and watched."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketlab.interfaces.cli._fetch_view import (
    FetchView,
    error_lines,
    fetch_lines,
    overall_line,
    screen_width,
)
from marketlab.interfaces.cli._shell import JsonOption, Shell, WorkspaceOption, duration

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOK_SECONDS = 0.5


def add_to(data: typer.Typer) -> None:
    """Register these commands."""
    data.command("fetch")(fetch)
    data.command("monitor")(monitor)


def fetch(
    context: typer.Context,
    *,
    recipe: Annotated[
        str | None, typer.Option(help="Several datasets: curriculum_2020_2023, or a YAML file.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="coinbase, oanda, ccxt, yfinance, files, bundled or synthetic."),
    ] = None,
    symbol: Annotated[
        str | None, typer.Option(help="As the source spells it: BTC-USD, EUR_USD.")
    ] = None,
    timeframe: Annotated[str | None, typer.Option(help="For example 5m or 1h.")] = None,
    start: Annotated[str | None, typer.Option(help="First bar: 2020-01-01, or with time.")] = None,
    end: Annotated[str | None, typer.Option(help="Not included: 2024-01-01.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Fetch bars from a provider.

    Stop it at any moment: the same command goes on where it was. Ends with 3 if bars came that
    did not pass their checks, with 4 if a recipe's dataset is not finished.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    given = {
        "source": source,
        "symbol": symbol,
        "timeframe": timeframe,
        "start": start,
        "end": end,
    }
    dataset = {key: value for key, value in given.items() if value is not None}
    plan, facts = usecases.plan_fetch(shell.workspace, recipe=recipe, dataset=dataset or None)
    for line in _plan_lines(facts):
        shell.note(line)
    try:
        with FetchView(as_json=as_json) as view:
            done = usecases.fetch(shell.workspace, plan, recipe=recipe, on_tick=view.tick)
    except KeyboardInterrupt:
        shell.note("Finished chunks are kept; run the same command again to resume.")
        return 130
    lines = [*fetch_lines(done, width=screen_width(), with_size=False), ""]
    lines += [overall_line(done["overall"]), *_ending_lines(done)]
    shell.show(done, lines)
    return (0 if done["usable"] else 3) if done["ok"] else 4


def monitor(
    context: typer.Context,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the fetch ends, or Ctrl-C.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show running and finished fetches.

    Ends with 1 if nothing was fetched yet. Watching disturbs no fetch.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    if follow:
        try:
            with FetchView(as_json=as_json) as view:
                for latest in _while_running(shell):
                    view.tick(latest, latest["log"])
        except KeyboardInterrupt:
            shell.note("Left; the fetch goes on.")
    seen = usecases.monitor_fetches(shell.workspace)
    shell.show(seen, _monitor_lines(seen))
    return 1 if seen["log"] is None else 0


def _while_running(shell: Shell) -> "Iterator[dict[str, Any]]":
    """Yield how the latest fetch stands, until none is running."""
    from marketlab.interfaces import usecases

    while True:
        seen = usecases.monitor_fetches(shell.workspace)
        running = [each for each in seen["fetches"] if each["state"] == "running"]
        if not running:
            return
        yield running[-1] | {"log": seen["log"] or []}
        time.sleep(_LOOK_SECONDS)


def _plan_lines(facts: dict[str, Any]) -> list[str]:
    """Return what will be fetched, how many requests that takes, and how long at least."""
    total, left = facts["requests"], facts["requests_left"]
    symbols, timeframes = ", ".join(facts["symbols"]), ", ".join(facts["timeframes"])
    lines = [f"{facts['recipe'] or 'Fetch'}: {symbols} at {timeframes}"]
    spans = ", ".join(
        f"{start.removesuffix('T00:00:00Z')} to {end.removesuffix('T00:00:00Z')}"
        for start, end in facts["spans"]
    )
    many = f"{facts['datasets']} datasets" if facts["datasets"] > 1 else "1 dataset"
    lines.append(f"{spans}: {many}, {total:,} request{'s' if total > 1 else ''}.")
    if left < total:
        lines.append(f"{total - left:,} of them are done, {left:,} are left.")
    if left and facts["requests_per_second"]:
        pace = ", ".join(f"{n} {rate:g}/s" for n, rate in facts["requests_per_second"].items())
        least = facts["estimated_seconds"]
        told = "a second" if least < 1 else f"at least {duration(least)}"
        lines.append(f"That takes {told} at the allowed pace ({pace}).")
    if facts["blocked"]:
        lines.append(
            f"{len(facts['blocked'])} dataset(s) cannot be asked for, and their requests are not "
            f"counted: {next(iter(facts['blocked'].values()))}"
        )
    return lines


def _ending_lines(done: dict[str, Any]) -> list[str]:
    """Return what came out, and what to do next."""
    rows = done["datasets"]
    finished = [r for r in rows if r["state"] == "done"]
    lines = [f"{r['name']}: {r['message']}" for r in finished if len(rows) == 1]
    lines += [f"{r['name']}: {r['verdict']}: {text}" for r in finished for text in r["reasons"]]
    lines += error_lines(rows)
    if len(rows) == 1:
        lines += [f"Report: {path}" for path in done["reports"].values()]
    elif finished:
        lines.append("Reports: quality.md beside the raw chunks of each dataset")
    if done["summary"] is not None:
        lines.append(f"Summary: {done['summary']}")
    lines.append(f"Log: {done['log']}")
    if finished:
        symbol, timeframe = finished[0]["symbol"], finished[0]["timeframe"]
        lines.append(
            f"Stored: strategies ask for symbol {symbol}, timeframe {timeframe}"
            + (", and so on; see `marketlab data list`." if len(finished) > 1 else ".")
        )
    return [*lines, f"Next: {_next_step(rows)}"]


def _next_step(rows: list[dict[str, Any]]) -> str:
    left = sum(r["n_chunks"] - r["chunks"] for r in rows if r["state"] not in ("done", "blocked"))
    unfinished = sum(r["state"] not in ("done", "blocked") for r in rows)
    if unfinished:
        return (
            f"{unfinished} dataset(s) with {left:,} request(s) are left. Run the same command "
            "again; finished chunks are kept."
        )
    if any(r["state"] == "blocked" for r in rows):
        return "set up the source named above, then run the same command again."
    if any(r["verdict"] == "fail" for r in rows):
        return "read why it failed its checks in the report before anything is trained on it."
    first = rows[0]
    return f"`marketlab data describe {first['symbol']}/{first['timeframe']}`, then train on it."


def _monitor_lines(seen: dict[str, Any]) -> list[str]:
    if seen["log"] is None:
        return ["Nothing was fetched yet; see `marketlab data fetch --help`."]
    under_way = [f for f in seen["fetches"] if f["state"] in ("running", "stale")]
    shown = under_way or seen["fetches"][-1:]
    lines = [
        f"{each['name']}: {each['state']}, {overall_line(each['overall'])}"
        for each in seen["fetches"]
        if each not in shown
    ]
    lines += [""] if lines else []
    for each in shown:
        lines += [f"{each['name']}: {each['state']}", overall_line(each["overall"]), ""]
        lines += [*fetch_lines(each, width=screen_width()), *error_lines(each["datasets"]), ""]
    return [*lines, f"Last lines of {seen['log_path']}:", *(f"  {line}" for line in seen["log"])]
