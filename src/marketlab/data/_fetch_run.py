"""Fetches as seen from outside: one file per fetch that tells its plan and how it stands."""

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from marketlab.core import (
    Clock,
    ConflictError,
    FileLock,
    IntegrityError,
    SystemClock,
    TransientError,
    check_name,
    iso,
    write_json,
)
from marketlab.data._fetch_plan import FetchPlan
from marketlab.data._fetch_state import DatasetState, state_of
from marketlab.data._journal import read_journals

STALE_SECONDS = 30.0
"""A fetch that holds its lock and has told nothing for so long is stale."""

_RUNS = "runs"
_TELL_SECONDS = 1.0
_UNDER_WAY = ("running", "publishing")
_TO_COME = ("pending", *_UNDER_WAY)


class FetchRun:
    """The file of one fetch, `raw`/runs/`name`.json; make it with `fetch_run`."""

    def __init__(self, path: Path, plan: FetchPlan, clock: Clock) -> None:
        self._path, self._plan, self._clock = path, plan, clock
        self._started_at = iso(clock.now())
        self._states: Sequence[DatasetState] = [state_of(each) for each in plan.datasets]
        self._told = 0.0

    def tick(self, states: Sequence[DatasetState]) -> None:
        """Take the present states; they are written once a second."""
        self._states = states
        if time.monotonic() - self._told > _TELL_SECONDS:
            with contextlib.suppress(IntegrityError):  # a full disk ends the datasets themselves
                self.tell("running")

    def tell(self, state: str) -> None:
        """Write the file now."""
        self._told = time.monotonic()
        facts = {
            "name": self._path.stem,
            "state": state,
            "process": os.getpid(),
            "started_at": self._started_at,
            "updated_at": self._clock.now().timestamp(),
            "datasets": [
                {"plan_id": plan.plan_id, **each.to_mapping()}
                for plan, each in zip(self._plan.datasets, self._states, strict=True)
            ],
        }
        write_json(self._path, facts, durable=False)


@contextlib.contextmanager
def fetch_run(
    raw: Path, name: str, plan: FetchPlan, *, clock: Clock | None = None
) -> Iterator[FetchRun]:
    """Hold the fetch `name` for this process and keep its file up to date.

    Raises
    ------
    ConflictError (``SOURCE-FetchRunning``) if another process runs it; IntegrityError if the
    disk is full.
    """
    path = raw / _RUNS / f"{check_name(name)}.json"
    # Not zero: `read_fetches` holds the lock for a moment when it asks whether it is held.
    lock = FileLock(path.with_suffix(".lock"), timeout_seconds=1.0)
    try:
        lock.__enter__()
    except TransientError as error:
        raise ConflictError(
            f"{name} is being fetched by another process{_process(path)}.",
            code="SOURCE-FetchRunning",
            suggestion="Watch it with `marketlab data monitor --follow`.",
        ) from error
    try:
        run = FetchRun(path, plan, clock or SystemClock())
        run.tell("running")
        end = "stopped"
        try:
            yield run
            end = "ended"
        finally:
            with contextlib.suppress(IntegrityError):  # a full disk is told already
                run.tell(end)
    finally:
        lock.__exit__()


def read_fetches(raw: Path, *, now: float) -> list[dict[str, Any]]:
    """Return how every fetch under `raw` stands at `now` (epoch seconds), the latest one last.

    Its state is ``running`` (lock held, and it told something lately), ``stale`` (held, silent),
    ``stopped`` (not held, not finished) or ``ended``; a dataset that a stopped or stale fetch left
    under way is ``stopped`` or ``stale``, too. `overall` counts of `progress_of` are added.
    """
    found = [_read_run(path, now) for path in sorted((raw / _RUNS).glob("*.json"))]
    known = {row["plan_id"] for each in found for row in each["datasets"]}
    for row in read_journals(raw):  # of fetches before there were such files
        if row["plan_id"] not in known:
            under_way = row["state"] in _UNDER_WAY
            row["state"] = "stopped" if under_way else row["state"]
            state = "ended" if row["state"] in ("done", "failed") else "stopped"
            found.append(
                {
                    "name": row["name"],
                    "state": state,
                    "updated_at": row["updated_at"],
                    "datasets": [row],
                }
            )
    for each in found:
        running = each["state"] == "running"
        each["overall"] = progress_of(each["datasets"], is_running=running)
    return sorted(found, key=lambda each: float(each["updated_at"]))


def progress_of(rows: Sequence[dict[str, Any]], *, is_running: bool) -> dict[str, Any]:
    """Return the sums over a fetch's datasets, and when it will be done.

    `eta_seconds` is the remaining planned requests of each source times its recent time per
    request (before there is one, its allowed pace); sources run side by side, so the slowest
    counts. None unless it is running. Datasets that failed or are blocked are not waited for.
    """
    lanes: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        lanes.setdefault(row["source"], []).append(row)
    seconds: list[float] = []
    rates: list[float] = []
    for lane in lanes.values():
        left = sum(r["n_chunks"] - r["chunks"] for r in lane if r["state"] in _TO_COME)
        now = [r["rate"] for r in lane if r["state"] in _UNDER_WAY and r["rate"]]
        limit = next((r["limit_per_second"] for r in lane if r.get("limit_per_second")), None)
        rate = now[0] if now else limit
        rates += now
        if left and rate:
            seconds.append(left / rate)
    return {
        "chunks": sum(row["chunks"] for row in rows),
        "n_chunks": sum(row["n_chunks"] for row in rows),
        "datasets_done": sum(row["state"] == "done" for row in rows),
        "n_datasets": len(rows),
        "failed": sum(row["failed"] for row in rows),
        "rate": sum(rates) if is_running and rates else None,
        "eta_seconds": max(seconds, default=0.0) if is_running else None,
    }


def _read_run(path: Path, now: float) -> dict[str, Any]:
    facts: dict[str, Any] = _load(path)
    if FileLock.is_held(path.with_suffix(".lock")):
        is_late = now - facts["updated_at"] > STALE_SECONDS
        facts["state"] = "stale" if is_late else "running"
    elif facts["state"] == "running":
        facts["state"] = "stopped"  # it was killed
    if facts["state"] != "running":
        for row in facts["datasets"]:
            if row["state"] in _UNDER_WAY:
                row["state"] = "stale" if facts["state"] == "stale" else "stopped"
    return facts


def _load(path: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise IntegrityError(
            f"{path} cannot be read: {error}.",
            code="STORAGE-Corrupt",
            suggestion="Delete it; the next run of that fetch makes it anew.",
        ) from error
    return facts


def _process(path: Path) -> str:
    try:
        return f" (process {json.loads(path.read_text(encoding='utf-8'))['process']})"
    except (OSError, ValueError, KeyError):
        return ""
