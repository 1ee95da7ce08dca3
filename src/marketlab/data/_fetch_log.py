"""`fetch_log.txt`: what every fetch of a raw folder did, line by line, for people.

Lines are only ever appended, each by one write of the system, so that a killed fetch leaves whole
lines and several fetches may share the file.
"""

import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from marketlab.core import storage_error
from marketlab.data._fetch_plan import FetchPlan
from marketlab.data._source import time_of

FETCH_LOG = "fetch_log.txt"
_TAIL_BYTES = 65_536


class FetchLog:
    """The log in the folder `raw`; made if absent. Safe for several threads and processes.

    Every line begins with the time in UTC (milliseconds) and a level: INFO, WARNING or ERROR.
    Methods raise IntegrityError if the disk is full.
    """

    def __init__(self, raw: Path) -> None:
        self.path = raw / FETCH_LOG
        try:
            raw.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
            self._descriptor = os.open(self.path, flags, 0o644)
            size = os.fstat(self._descriptor).st_size
            # A full disk may have cut the last line of an earlier fetch.
            if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
                os.write(self._descriptor, b"\n")
        except OSError as error:
            raise storage_error(error, self.path) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, text: str, *, level: Literal["INFO", "WARNING", "ERROR"] = "INFO") -> None:
        """Append one line; line breaks in `text` become spaces."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")[:-6]
        line = f"{now}Z {level:<7} {' '.join(text.splitlines())}\n".encode()
        try:
            written = os.write(self._descriptor, line)
            if written < len(line):  # the disk took a part: the rest says why
                os.write(self._descriptor, line[written:])
        except OSError as error:
            raise storage_error(error, self.path) from error

    def chunk(self, name: str, place: tuple[int, int], start_s: int, n_rows: int) -> None:
        """Tell one finished request: the dataset, its place among how many, first slot, bars."""
        index, total = place
        at = time_of(start_s)
        self.write(f"[{name}] Chunk {index + 1}/{total}: {at[:10]} {at[11:16]} - {n_rows} rows")

    def failed_chunk(
        self, name: str, place: tuple[int, int], start_s: int, attempts: int, message: str
    ) -> None:
        """Tell one request that was given up."""
        index, total = place
        at = time_of(start_s)
        self.write(
            f"[{name}] Chunk {index + 1}/{total}: {at[:10]} {at[11:16]} - FAILED after {attempts} "
            f"attempt(s): {message}",
            level="ERROR",
        )

    def rows(self, lines: Sequence[str]) -> None:
        """Append several lines, such as those of a table."""
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def last_lines(raw: Path, count: int = 3) -> list[str] | None:
    """Return the last whole lines of the log of the folder `raw`; None if there is no log."""
    try:
        with (raw / FETCH_LOG).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            tail = file.read()
    except FileNotFoundError:
        return None
    lines = tail.decode("utf-8", errors="replace").split("\n")
    whole = lines[:-1] if size <= _TAIL_BYTES else lines[1:-1]
    return whole[-count:]


def start_lines(plan: FetchPlan) -> list[str]:
    """Return the header of a run: what is asked for, and the phase that follows."""

    def each(attribute: str) -> str:
        return ", ".join(dict.fromkeys(getattr(d.request, attribute) for d in plan.datasets))

    spans = dict.fromkeys(f"{d.request.start} to {d.request.end}" for d in plan.datasets)
    blocked = [d for d in plan.datasets if d.blocked is not None]
    return [
        (
            f"==== fetch started: {len(plan.datasets)} dataset(s), {plan.n_requests} requests, "
            f"process {os.getpid()}"
        ),
        f"range: {', '.join(spans)}",
        f"timeframes: {each('timeframe')}",
        f"pairs: {each('symbol')}",
        *(f"[{d.name}] not fetched: {d.blocked}" for d in blocked),
        f"== phase: requests to {each('source')}, side by side",
    ]


def table_lines(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the final table: dataset, state, chunks, candles."""
    table = [("dataset", "state", "chunks", "candles"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in table]
    ended = Counter(row[1] for row in rows)
    count = ", ".join(f"{number} {state}" for state, number in ended.items())
    return ["== final table", *(line.rstrip() for line in lines), f"==== fetch ended: {count}"]
