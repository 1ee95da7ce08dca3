"""What all commands share: their common options, and how they print."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        envvar="MARKETLAB_WORKSPACE",
        help="The folder in which everything lies; ./workspace if not given.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document instead of text.")
]
WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, max=64, help="Worker processes; the usable cores, at most 8, by default."),
]


@dataclass
class State:
    """What the options before the command said."""

    workspace: Path | None = None
    verbose: bool = False


@dataclass(frozen=True)
class Shell:
    """One command's view of the outside: its workspace and its way of printing.

    ``workspace_path`` of the command goes before that given in front of the command.
    """

    context: typer.Context
    workspace_path: Path | None
    as_json: bool = False

    @property
    def workspace(self) -> "Workspace":
        """The workspace, whether or not it exists."""
        from marketlab.campaigns import Workspace

        state = self.context.find_root().obj
        earlier = state.workspace if isinstance(state, State) else None
        return Workspace.at(self.workspace_path or earlier)

    def show(self, facts: Any, text: Iterable[str]) -> None:
        """Print `facts` as JSON if that was asked for, else the lines of `text`."""
        if self.as_json:
            print_json(facts)
            return
        for line in text:
            say(line)

    def note(self, line: str) -> None:
        """Print a remark on what happens meanwhile, on stderr: stdout stays one document."""
        print(line, file=sys.stderr, flush=True)


def say(line: str = "") -> None:
    """Print one line for people."""
    print(line, flush=True)


def print_json(facts: Any) -> None:
    """Print one JSON document; NaN and infinity become null."""
    import json

    from marketlab.core import canonical_json

    text = canonical_json(without_nan(facts))
    say(json.dumps(json.loads(text), indent=2, ensure_ascii=False))


def without_nan(value: Any) -> Any:
    """Return `value` with NaN and infinity as None, since JSON has neither."""
    if isinstance(value, dict):
        return {str(key): without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """Return aligned lines: numbers to the right, words to the left, a missing value as ``-``."""
    raw = [list(row) for row in rows]
    cells = [[cell_text(value) for value in row] for row in raw]
    widths = [
        max(len(header), *(len(row[position]) for row in cells)) if cells else len(header)
        for position, header in enumerate(headers)
    ]
    right = [
        any(_is_number(row[position]) for row in raw)
        and all(row[position] is None or _is_number(row[position]) for row in raw)
        for position in range(len(headers))
    ]
    lines = [_line(headers, widths, right), "  ".join("-" * width for width in widths)]
    lines += [_line(row, widths, right) for row in cells]
    return [line.rstrip() for line in lines]


def cell_text(value: Any) -> str:
    """Return one cell: four digits after the point, ``-`` for nothing."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1000 else f"{value:.1f}"
    return str(value)


def duration(seconds: float | None) -> str:
    """Return seconds as ``12 s``, ``3 min 05 s`` or ``2 h 07 min``; ``-`` for nothing."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    return "  ".join(
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    )
