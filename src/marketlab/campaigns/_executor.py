"""Runs jobs in worker processes that may die, and keeps the ledger true while they do.

The executor is pumped: by the loop that draws a campaign's table, or by a thread of the server.
Only the pumping thread writes operations that it owns. A worker that dies or goes silent fails its
own job and nothing else; a transient failure is tried once more by itself.
"""

import contextlib
import multiprocessing
import os
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from marketlab.campaigns._ledger import Ledger
from marketlab.campaigns._worker import worker_main
from marketlab.campaigns._workspace import Workspace
from marketlab.core import FileLock, Progress, TransientError

_ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "POLARS_MAX_THREADS",
    ),
    "1",
)
DoneCallback = Callable[[str, str, Any], None]
"""Called as (job id, outcome, value): outcome is done, error or cancelled."""


@dataclass
class _Job:
    job_id: str
    kind: str
    payload: dict[str, Any]
    on_done: DoneCallback
    attempt: int = 1
    dispatched_at: float = 0.0
    killed: bool = False


@dataclass
class _Worker:
    process: Any
    connection: Connection
    ready: bool = False
    job: _Job | None = None
    born: float = field(default_factory=time.monotonic)


class Executor:
    """A few persistent worker processes and the queue in front of them.

    Parameters
    ----------
    workers : how many processes; each runs one job at a time.
    stall_seconds : a training job without a heartbeat for so long is ended as a transient failure.
    """

    def __init__(
        self, workspace: Workspace, ledger: Ledger, *, workers: int, stall_seconds: float = 600.0
    ) -> None:
        self.workspace = workspace
        self.ledger = ledger
        self.n_workers = workers
        self.stall_seconds = stall_seconds
        self.owner = f"executor-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._lock = FileLock(workspace.root / ".control" / f"{self.owner}.lock")
        self._queue: queue.Queue[_Job] = queue.Queue()
        self._waiting: list[_Job] = []
        self._workers: list[_Worker] = []
        self._context = multiprocessing.get_context("spawn")
        self._stop = threading.Event()

    # -- life ---------------------------------------------------------------------------------

    def __enter__(self) -> "Executor":
        self._lock.__enter__()
        for _ in range(self.n_workers):
            self._workers.append(self._spawn())
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            with contextlib.suppress(OSError):
                worker.connection.close()
        deadline = time.monotonic() + 3.0
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()
        self._lock.__exit__()
        with contextlib.suppress(OSError):
            self._lock.path.unlink()

    def _spawn(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=worker_main,
            args=(theirs, str(self.workspace.root)),
            daemon=True,
            name="marketlab-worker",
        )
        with _environment(_ONE_THREAD):
            process.start()
        theirs.close()
        return _Worker(process=process, connection=ours)

    # -- work ---------------------------------------------------------------------------------

    def submit(
        self, job_id: str, kind: str, payload: dict[str, Any], on_done: DoneCallback
    ) -> None:
        """Queue a job. Safe from any thread; `on_done` is called by the pumping thread."""
        self._queue.put(_Job(job_id, kind, payload, on_done))

    @property
    def alive(self) -> bool:
        """Whether any worker process lives."""
        return any(worker.process.is_alive() for worker in self._workers)

    @property
    def idle(self) -> bool:
        """Whether nothing is queued and no worker is busy."""
        busy = any(worker.job is not None for worker in self._workers)
        return self._queue.empty() and not self._waiting and not busy

    def worker_pids(self) -> dict[str, int]:
        """Return the process id of each job that is being worked on."""
        return {w.job.job_id: w.process.pid for w in self._workers if w.job is not None}

    def kill(self, job_id: str) -> bool:
        """End the worker of a job at once; the job ends as cancelled. False if none works on it."""
        for worker in self._workers:
            if worker.job is not None and worker.job.job_id == job_id:
                worker.job.killed = True
                worker.process.kill()
                return True
        return False

    def drop_waiting(self) -> None:
        """Forget what no worker has begun; the callers of those jobs are not told."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        self._waiting.clear()

    def pump(self, timeout_seconds: float = 0.1) -> None:
        """Hand out jobs, take in answers, notice deaths and silences; wait at most `timeout`."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._waiting.append(self._queue.get_nowait())
        self._assign()
        sources: list[Any] = [w.connection for w in self._workers]
        sources += [w.process.sentinel for w in self._workers]
        ready = set(wait(sources, timeout=timeout_seconds))
        for position, worker in enumerate(list(self._workers)):
            if worker.connection in ready:
                self._receive(worker)
            if worker.process.sentinel in ready and not worker.process.is_alive():
                self._workers[position] = self._replace(worker)
        self._end_stalled()
        self._assign()

    def serve_forever(self) -> None:
        """Pump until `stop` is called; the server's thread runs this."""
        while not self._stop.is_set():
            self.pump(0.2)

    def stop(self) -> None:
        """Let `serve_forever` return."""
        self._stop.set()

    def _assign(self) -> None:
        for worker in self._workers:
            while worker.ready and worker.job is None and self._waiting:
                job = self._waiting.pop(0)
                if job.kind == "training" and not self._claim(job, worker):
                    job.on_done(job.job_id, "cancelled", {"text": "cancelled before it started"})
                    continue
                if job.kind == "training":
                    Progress.in_file(self.workspace.control(job.job_id)).array[:] = 0
                worker.job = job
                job.dispatched_at = time.monotonic()
                with contextlib.suppress(BrokenPipeError, OSError):  # its death is seen by sentinel
                    worker.connection.send((job.job_id, job.kind, job.payload))

    def _claim(self, job: _Job, worker: _Worker) -> bool:
        return self.ledger.transition(
            job.job_id,
            "running",
            worker_pid=worker.process.pid,
            owner=self.owner,
            attempt=job.attempt,
        )

    def _receive(self, worker: _Worker) -> None:
        try:
            word, job_id, value = worker.connection.recv()
        except (EOFError, OSError):
            return
        if word == "ready":
            worker.ready = True
            return
        job, worker.job = worker.job, None
        if job is None or job.job_id != job_id:
            raise AssertionError(f"a worker answered {job_id!r}, which it was not given")
        self._finish(job, word, value)

    def _finish(self, job: _Job, word: str, value: Any) -> None:
        transient = word == "error" and value.get("failure_class") == "transient"
        if transient and job.attempt == 1:
            self._retry(job, value["text"])
            return
        job.on_done(job.job_id, word, value)

    def _retry(self, job: _Job, why: str) -> None:
        if job.kind == "training":
            self.ledger.transition(
                job.job_id, "failed", error_message=why, failure_class="transient"
            )
            self.ledger.transition(job.job_id, "resuming")
            note = f"attempt {job.attempt} ended early: {why}"
            row = self.ledger.operation(job.job_id)
            self.ledger.update_operation(job.job_id, warnings=[*(row["warnings"] or []), note])
        job.attempt += 1
        self._waiting.append(job)

    def _replace(self, dead: _Worker) -> _Worker:
        job, code = dead.job, dead.process.exitcode
        dead.connection.close()
        if job is None and time.monotonic() - dead.born < 5.0 and not dead.ready:
            raise TransientError(
                f"a worker process ended with code {code} before it was ready.",
                code="SYSTEM-WorkerDied",
                suggestion="Run `marketlab doctor`.",
            )
        fresh = self._spawn()
        if job is not None and job.killed:
            self._finish(job, "cancelled", {"text": "the worker was ended on request"})
        elif job is not None:
            text = (
                f"the worker process died (exit code {code}); "
                "out of memory, if the system killed it"
            )
            self._finish(
                job,
                "error",
                {
                    "code": "SYSTEM-WorkerDied",
                    "failure_class": "transient",
                    "text": text,
                    "details": {"exit_code": code},
                },
            )
        return fresh

    def _end_stalled(self) -> None:
        for worker in self._workers:
            job = worker.job
            if job is None or job.kind != "training":
                continue
            progress = Progress.in_file(self.workspace.control(job.job_id))
            since_dispatch = time.monotonic() - job.dispatched_at
            silent = progress.seconds_since_beat()
            quiet = since_dispatch if silent is None else min(silent, since_dispatch)
            if quiet > self.stall_seconds:
                worker.process.kill()  # the sentinel brings the rest


def owner_is_alive(workspace: Workspace, owner: str | None) -> bool:
    """Return whether the executor of that name still runs: it holds a lock while it does."""
    if owner is None:
        return False
    path = workspace.root / ".control" / f"{owner}.lock"
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout_seconds=0.0):
            return False
    except TransientError:
        return True


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables for a child process and put the old ones back."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, old in before.items():
            if old is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = old
