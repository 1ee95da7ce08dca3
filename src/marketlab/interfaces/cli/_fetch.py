"""`marketlab data fetch` and `data monitor`: a fetch that can be left, resumed and watched."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketlab.interfaces.cli._shell import JsonOption, Shell, WorkspaceOption, duration, table

if TYPE_CHECKING:
    from rich.live import Live

_PLAIN_SECONDS = 5.0
_HEADER = ("dataset", "state", "chunks", "candles", "per s", "left", "retries", "failed")


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
    source: Annotated[str | None, typer.Option(help="coinbase or oanda.")] = None,
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

    Stop it at any moment: the same command goes on where it was.
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
    left, least = facts["requests_left"], duration(facts["estimated_seconds"])
    shell.note(
        f"{facts['datasets']} dataset(s), {facts['requests']} requests, {left} of them still to "
        f"make: at least {least}."
    )
    for text in facts["blocked"].values():
        shell.note(f"Not fetched: {text}")
    try:
        with _View(as_json=as_json) as view:
            done = usecases.fetch(shell.workspace, plan, recipe=recipe, on_tick=view.tick)
    except KeyboardInterrupt:
        shell.note("Finished chunks are kept; run the same command again to resume.")
        return 130
    lines = rows_text(done["datasets"])
    lines += [f"{row['name']}: {row['message']}" for row in done["datasets"] if row["message"]]
    if done["summary"] is not None:
        lines.append(f"Summary: {done['summary']}")
    shell.show(done, lines)
    return 0 if done["ok"] else 4


def monitor(
    context: typer.Context, *, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> int:
    """Show running and finished fetches.

    Ends with 1 if there is none.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    rows = usecases.monitor_fetches(shell.workspace)
    lines = rows_text(rows) if rows else ["Nothing was fetched yet; see `marketlab data fetch`."]
    shell.show(rows, lines)
    return 0 if rows else 1


def rows_text(rows: list[dict[str, Any]]) -> list[str]:
    """Return the states of datasets as a table in plain text."""
    return table(_HEADER, [_cells(row) for row in rows])


def _cells(row: dict[str, Any]) -> tuple[Any, ...]:
    rate = row["rate"]
    return (
        row["name"],
        row["state"],
        f"{row['chunks']}/{row['n_chunks']}",
        row["candles"],
        None if rate is None else f"{rate:.1f}",
        duration(row["eta_seconds"]),
        row["retries"],
        row["failed"],
    )


class _View:
    """A table redrawn in place on a terminal, a line every few seconds elsewhere."""

    def __init__(self, *, as_json: bool) -> None:
        self._stream = sys.stderr if as_json else sys.stdout
        self._live: Live | None = None
        self._shown_at = time.monotonic()
        if self._stream.isatty() and not as_json:
            self._live = _live_table()

    def __enter__(self) -> "_View":
        if self._live is not None:
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def tick(self, rows: list[dict[str, Any]]) -> None:
        """Show the present state."""
        if self._live is not None:
            self._live.update("\n".join(rows_text(rows)))
        elif time.monotonic() - self._shown_at > _PLAIN_SECONDS:
            self._shown_at = time.monotonic()
            done = sum(row["chunks"] for row in rows)
            running = ", ".join(row["name"] for row in rows if row["state"] == "running")
            total = sum(row["n_chunks"] for row in rows)
            print(f"{done}/{total} requests; now {running}", file=self._stream, flush=True)


def _live_table() -> "Live":
    from rich.live import Live

    return Live(refresh_per_second=4, transient=True)
