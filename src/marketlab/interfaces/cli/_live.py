"""A campaign or a training while it runs: a live table on a terminal, plain lines elsewhere."""

import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Any

from marketlab.interfaces.cli._shell import duration

if TYPE_CHECKING:
    from rich.table import Table

    from marketlab.campaigns import CampaignState

_PLAIN_SECONDS = 5.0
_STYLES = {"completed": "green", "running": "cyan", "failed": "red", "cancelled": "yellow"}
_ORDER = {"running": 0, "resuming": 1, "failed": 2, "cancelled": 3, "completed": 4, "pending": 5}
_FRAME_LINES = 7


def campaign_view(*, as_json: bool) -> "CampaignView":
    """Return the view that fits where the output goes; with ``--json`` it writes to stderr."""
    stream = sys.stderr if as_json else sys.stdout
    return LiveCampaign() if stream.isatty() and not as_json else PlainCampaign()


class CampaignView(ABC):
    """Shows the states of a campaign; used as a context so that a live table is put away."""

    def __enter__(self) -> "CampaignView":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    @abstractmethod
    def tick(self, state: "CampaignState") -> None:
        """Show one state."""


class PlainCampaign(CampaignView):
    """A line every few seconds, and one for each strategy that ends."""

    def __init__(self) -> None:
        self._shown_at = 0.0
        self._ended: set[tuple[str, str]] = set()  # a selfcheck shows two campaigns
        self._phase = ""

    def tick(self, state: "CampaignState") -> None:
        """Print what has changed, and the counts from time to time."""
        for row in state.rows:
            ended = row["status"] in ("completed", "failed", "cancelled")
            key = (state.campaign_id, row["strategy"])
            if ended and key not in self._ended:
                self._ended.add(key)
                _note(ended_line(row))
        due = time.monotonic() - self._shown_at > _PLAIN_SECONDS
        if due or state.phase != self._phase:
            self._shown_at, self._phase = time.monotonic(), state.phase
            _note(status_line(state))


class LiveCampaign(CampaignView):
    """A table that is redrawn in place; if the terminal is too low, what runs stays in it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console()
        self._live = Live(console=self._console, refresh_per_second=5, transient=True)

    def __enter__(self) -> "LiveCampaign":
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def tick(self, state: "CampaignState") -> None:
        """Redraw the table."""
        self._live.update(state_table(state, height=self._console.height))


def state_table(state: "CampaignState", *, height: int = 50) -> "Table":
    """Return the table of a campaign for a terminal of `height` lines."""
    from rich.table import Table

    room = max(3, height - _FRAME_LINES)
    table = Table(
        title=state.campaign_id,
        title_justify="left",
        caption=status_line(state),
        caption_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
    )
    table.add_column("strategy", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("progress", no_wrap=True, min_width=12)
    table.add_column("epochs", justify="right")
    table.add_column("val loss", justify="right")
    table.add_column("time", justify="right")
    table.add_column("notes", overflow="ellipsis", no_wrap=True)
    rows = list(state.rows)
    if len(rows) > room:
        kept = sorted(rows, key=lambda row: _ORDER[row["status"]])[:room]
        rows = [row for row in rows if row in kept]
    for row in rows:
        table.add_row(*_cells(row), style=_STYLES.get(row["status"]))
    if len(rows) < len(state.rows):
        table.add_row(f"… and {len(state.rows) - len(rows)} more", "", "", "", "", "", "")
    return table


def _cells(row: dict[str, Any]) -> list[str]:
    filled = round(float(row["percentage"]) / 10)
    bar = "█" * filled + "·" * (10 - filled)
    running = row["status"] == "running"
    epochs = row["epochs"] if row["epochs"] is not None else row["epoch"] + 1 if running else None
    loss = row["val_loss"]
    return [
        row["strategy"],
        row["status"],
        bar,
        "-" if epochs is None else str(epochs),
        "-" if loss is None else f"{loss:.4f}",
        duration(row["seconds"]),
        str(row["notes"] or ""),
    ]


def status_line(state: "CampaignState") -> str:
    """Return the state of the whole campaign in one line."""
    counts = Counter(row["status"] for row in state.rows)
    done = sum(counts[s] for s in ("completed", "failed", "cancelled"))
    text = f"{state.phase}: {done}/{len(state.rows)} strategies"
    if counts["failed"]:
        text += f" ({counts['failed']} failed)"
    text += f" · null {state.null_done}/{state.null_total} · {duration(state.elapsed_seconds)}"
    if state.eta_seconds is not None and state.phase == "running":
        text += f" · about {duration(state.eta_seconds)} left"
    return text


def ended_line(row: dict[str, Any]) -> str:
    """Return one line for a strategy that ended."""
    text = f"  {row['strategy']}: {row['status']}"
    if row["epochs"] is not None:
        text += f", {row['epochs']} epochs"
    if row["val_loss"] is not None:
        text += f", best validation loss {row['val_loss']:.4f}"
    if row["notes"]:
        text += f" ({row['notes']})"
    return text


class TrainingView:
    """One line for a training: redrawn in place on a terminal, one per step elsewhere."""

    def __init__(self) -> None:
        self._on_terminal = sys.stderr.isatty()
        self._shown_at = 0.0
        self._last = ""

    def tick(self, view: dict[str, Any]) -> None:
        """Show where the operation stands."""
        progress = view["progress"]
        line = f"{progress['percentage']:5.1f} %  {progress['current_step']}"
        wait = 0.1 if self._on_terminal else _PLAIN_SECONDS
        if line == self._last or time.monotonic() - self._shown_at < wait:
            return
        self._shown_at, self._last = time.monotonic(), line
        if self._on_terminal:
            sys.stderr.write(f"\r\033[K{line}")
            sys.stderr.flush()
        else:
            _note(line)

    def close(self) -> None:
        """Put the line away."""
        if self._on_terminal and self._last:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def _note(line: str) -> None:
    """Print progress on stderr, so that stdout holds results only."""
    print(line, file=sys.stderr, flush=True)
