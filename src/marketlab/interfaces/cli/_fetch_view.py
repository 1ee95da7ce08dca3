"""How a fetch is shown: a table that fits the terminal, and one line where there is none."""

import shutil
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from marketlab.interfaces.cli._shell import duration

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

_PLAIN_SECONDS = 5.0
_WIDE = 100
_SHOWN_ERRORS = 3
_STYLES = {"done": "green", "running": "cyan", "publishing": "cyan", "failed": "red"}
_STYLES |= {"blocked": "yellow", "stopped": "yellow", "stale": "yellow"}
_COLUMNS = (
    ("state", "state", 10),
    ("chunks", "chunks", 9),
    ("candles", "candles", 7),
    ("per s", "per s", 5),
    ("left", "left", 6),
    ("retries", "retry", 5),
    ("failed", "fail", 4),
    ("size", "size", 7),
)
"""Header, header where there is little room, and the least width, so that nothing moves."""


def fetch_lines(view: dict[str, Any], *, width: int = 120, with_size: bool = True) -> list[str]:
    """Return the ``datasets`` of a fetch as a table, two lines of header first.

    On a terminal of fewer than 100 columns the source is left out of the names: the spelling of
    a symbol tells it.
    """
    narrow = width < _WIDE
    columns = _COLUMNS if with_size else _COLUMNS[:-1]
    headers = ["dataset", *(c[1] if narrow else c[0] for c in columns)]
    cells = [_cells(row, narrow=narrow)[: len(headers)] for row in view["datasets"]]
    widths = [
        max(least, *(len(line[k]) for line in [headers, *cells]))
        for k, least in enumerate([0, *(c[2] for c in columns)])
    ]
    lines = [headers, ["-" * each for each in widths], *cells]
    return [_line(line, widths) for line in lines]


def overall_line(overall: dict[str, Any]) -> str:
    """Return the sums of a fetch in one line."""
    done, planned = overall["chunks"], overall["n_chunks"]
    share = f" ({done / planned:.1%})" if planned else ""
    text = (
        f"{done:,}/{planned:,} requests{share}, "
        f"{overall['datasets_done']}/{overall['n_datasets']} datasets"
    )
    if overall["failed"]:
        text += f", {overall['failed']} failed chunk(s)"
    if overall["rate"] is not None:
        text += f", {overall['rate']:.1f} per s"
    if overall["eta_seconds"] is not None:
        text += f", about {duration(overall['eta_seconds'])} left"
    return text


def error_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return per dataset the latest chunk given up, with attempts, or what keeps it back."""
    lines = []
    for row in rows:
        errors = row.get("last_errors", [])
        if row["state"] in ("failed", "blocked") or errors:
            text = errors[-1] if errors else row["message"]
            name = "" if text.startswith(row["name"]) else f"{row['name']}: "
            more = f" … and {row['failed'] - 1} more" if row["failed"] > 1 else ""
            lines.append(f"{name}{text}{more}")
    return lines


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    words = [c.ljust(w) for c, w in zip(cells[:2], widths[:2], strict=True)]
    numbers = [c.rjust(w) for c, w in zip(cells[2:], widths[2:], strict=True)]
    return "  ".join([*words, *numbers])


def _cells(row: dict[str, Any], *, narrow: bool) -> list[str]:
    rate, left, size = row["rate"], row["eta_seconds"], row.get("file_bytes")
    under_way = row["state"] in ("running", "publishing")
    return [
        row["name"].partition(" ")[2] if narrow else row["name"],
        _state(row),
        f"{row['chunks']}/{row['n_chunks']}",
        f"{row['candles']}",
        f"{rate:.1f}" if rate is not None and under_way else "-",
        short_duration(left) if left is not None and under_way else "-",
        f"{row['retries']}",
        f"{row['failed']}",
        "-" if size is None else file_size(size),
    ]


def _state(row: dict[str, Any]) -> str:
    """Return the state, and of finished datasets a verdict that is not pass."""
    verdict = row.get("verdict")
    is_odd = row["state"] == "done" and verdict in ("warn", "fail")
    return f"done: {verdict}" if is_odd else str(row["state"])


def short_duration(seconds: float) -> str:
    """Return seconds in at most six characters: ``12s``, ``3m05s``, ``2h07m``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def file_size(count: int) -> str:
    """Return bytes as ``812 B``, ``7.1 kB`` or ``7.1 MB``."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:.1f} kB" if count < 1_000_000 else f"{count / 1e6:.1f} MB"


def screen_width() -> int:
    """Return the width of the terminal; 120 where there is none."""
    return shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 120


class FetchView:
    """A table redrawn in place on a terminal, a line every few seconds elsewhere."""

    def __init__(self, *, as_json: bool) -> None:
        self._stream = sys.stderr if as_json else sys.stdout
        self._live: Live | None = None
        self._shown_at = time.monotonic()
        if self._stream.isatty() and not as_json:
            self._live = _live_table()

    def __enter__(self) -> "FetchView":
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

    def tick(self, view: dict[str, Any], log: list[str] | None = None) -> None:
        """Show ``datasets`` and ``overall`` as they are, and lines of the log below."""
        if self._live is not None:
            size = self._live.console.size
            self._live.update(_screen(view, log or [], (size.width, size.height)))
        elif time.monotonic() - self._shown_at > _PLAIN_SECONDS:
            self._shown_at = time.monotonic()
            running = ", ".join(r["name"] for r in view["datasets"] if r["state"] == "running")
            text = f"{overall_line(view['overall'])}; now {running or 'starting'}"
            print(text, file=self._stream, flush=True)


def _screen(view: dict[str, Any], log: list[str], size: tuple[int, int]) -> "Text":
    """Return the table, its sums, errors and log lines, cut to `size` (columns, lines).

    A picture higher than the terminal would scroll it, so finished datasets make room first.
    """
    from rich.text import Text

    width, height = size
    lines = fetch_lines(view, width=width, with_size=False)
    rows = [(line, row["state"]) for line, row in zip(lines[2:], view["datasets"], strict=True)]
    rest = [("", ""), (overall_line(view["overall"]), "")]
    rest += [(line, "failed") for line in error_lines(view["datasets"])[-_SHOWN_ERRORS:]]
    rest += [(line, "log") for line in log]
    room = max(1, height - 3 - len(rest))
    if len(rows) > room:
        rows = [item for item in rows if item[1] != "done"][:room]
    text = Text(no_wrap=True, overflow="ellipsis")
    for position, (line, state) in enumerate([(lines[0], ""), (lines[1], ""), *rows, *rest]):
        style = "dim" if state == "log" else _STYLES.get(state)
        text.append(("\n" if position else "") + line, style=style)
    return text


def _live_table() -> "Live":
    from rich.console import Console
    from rich.live import Live

    return Live(console=Console(highlight=False), refresh_per_second=4, transient=True)
