"""Runs jobs in worker processes that may die, and keeps the ledger true while they do.

The executor is pumped: by the loop that draws a campaign's table, or by a thread of the server.
Only the pumping thread writes operations that it owns. A worker that dies or goes silent fails its
own job and nothing else; a transient failure is tried once more by itself. An answer stays with the
executor until the ledger has taken it in, so a full disk or a locked database loses none.
"""

import contextlib
import multiprocessing
import os
import queue
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from marketlab.campaigns._ledger import FROM, Ledger
from marketlab.campaigns._worker import worker_main
from marketlab.campaigns._workspace import Workspace
from marketlab.core import (
    FileLock,
    MarketLabError,
    Progress,
    Slot,
    TransientError,
    without_interrupts,
)

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
"""Called as (job id, outcome, value): outcome is done, error, cancelled or unclaimed.

It may be called again with the same answer if it raised. `unclaimed` means that the ledger did not
let the job start: it was cancelled while it waited, or somebody else runs it now.
"""


@dataclass(eq=False)
class _Job:
    job_id: str
    kind: str
    payload: dict[str, Any]
    on_done: DoneCallback
    on_change: Callable[[], None] | None = None
    attempt: int = 1
    beat: int = 0
    heard_at: float = 0.0
    killed: bool = False
    stalled: bool = False


@dataclass
class _Worker:
    process: Any
    connection: Connection
    ready: bool = False
    job: _Job | None = None


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
        self._answered: list[tuple[_Job, str, Any]] = []
        self._workers: list[_Worker] = []
        self._early_deaths = 0
        self._context = multiprocessing.get_context("spawn")

    # -- life ---------------------------------------------------------------------------------

    def __enter__(self) -> "Executor":
        self._lock.__enter__()
        try:
            for _ in range(self.n_workers):
                self._workers.append(self._spawn())
        except BaseException:
            self.__exit__()
            raise
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
        # A terminal sends Ctrl-C to the workers too; only the supervisor decides what it means.
        with _environment(_ONE_THREAD), without_interrupts():
            process.start()
        theirs.close()
        return _Worker(process=process, connection=ours)

    # -- work ---------------------------------------------------------------------------------

    def submit(
        self,
        job_id: str,
        kind: str,
        payload: dict[str, Any],
        on_done: DoneCallback,
        *,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        """Queue a job. Safe from any thread; the pumping thread makes the calls.

        `on_change` is called when the job's status changed before its end.
        """
        self._queue.put(_Job(job_id, kind, payload, on_done, on_change))

    @property
    def alive(self) -> bool:
        """Whether any worker process lives."""
        return any(worker.process.is_alive() for worker in self._workers)

    @property
    def idle(self) -> bool:
        """Whether nothing is queued, no worker is busy and every answer was taken in."""
        busy = any(worker.job is not None for worker in self._workers)
        return self._queue.empty() and not self._waiting and not busy and not self._answered

    def worker_pids(self) -> dict[str, int]:
        """Return the process id of each job that is being worked on."""
        busy = [(worker.job, worker.process.pid) for worker in self._workers]
        return {job.job_id: pid for job, pid in busy if job is not None}

    def kill(self, job_id: str) -> bool:
        """Let the pump end the worker of a job; the job ends as cancelled. False without one."""
        for worker in self._workers:
            job = worker.job
            if job is not None and job.job_id == job_id:
                job.killed = True  # only the pump knows whether the worker still has this job
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
                self._replace(position)
        self._end_unwanted()
        self._settle()
        self._assign()

    def _assign(self) -> None:
        for worker in self._workers:
            while worker.ready and worker.job is None and self._waiting:
                job = self._waiting[0]  # it leaves the queue when the ledger has answered
                claimed = job.kind != "training" or self._claim(job, worker)
                self._waiting.pop(0)
                if not claimed:
                    self._answered.append((job, "unclaimed", {}))
                    continue
                worker.job = job
                job.beat, job.heard_at, job.stalled = 0, time.monotonic(), False
                with contextlib.suppress(BrokenPipeError, OSError):  # its death is seen by sentinel
                    worker.connection.send((job.job_id, job.kind, job.payload))
                _tell(job)

    def _claim(self, job: _Job, worker: _Worker) -> bool:
        row = self.ledger.operation(job.job_id)
        if row["status"] not in FROM["running"] or row["owner"] != self.owner:
            return False
        # Cleared before the claim: who cancels a running operation sets a flag that stays.
        Progress.in_file(self.workspace.control(job.job_id)).array[:] = 0
        return self.ledger.transition(
            job.job_id, "running", owner_is=self.owner, worker_pid=worker.process.pid
        )

    def _receive(self, worker: _Worker) -> None:
        try:
            word, job_id, value = worker.connection.recv()
        except (EOFError, OSError):
            return
        if word == "ready":
            worker.ready = True
            self._early_deaths = 0
            return
        job, worker.job = worker.job, None
        if job is None or job.job_id != job_id:
            raise AssertionError(f"a worker answered {job_id!r}, which it was not given")
        self._answered.append((job, word, value))

    def _settle(self) -> None:
        """Pass answers on; one that the ledger cannot take now is passed on again next time."""
        first: Exception | None = None
        for answer in list(self._answered):
            try:
                self._finish(*answer)
            except Exception as error:
                first = first or error
                if _may_pass(error):
                    continue
                self._give_up(answer[0], error)
            self._answered.remove(answer)
        if first is not None:
            raise first

    def _give_up(self, job: _Job, error: Exception) -> None:
        if job.kind == "training":
            with contextlib.suppress(MarketLabError):
                self.ledger.transition(
                    job.job_id,
                    "failed",
                    error_message=f"its answer could not be recorded: {error}",
                    error_code="SYSTEM-Unexpected",
                    failure_class="bug",
                )

    def _finish(self, job: _Job, word: str, value: Any) -> None:
        transient = word == "error" and value.get("failure_class") == "transient"
        if transient and self._unwanted(job):
            word, value = "cancelled", {"text": "the work was cancelled on request."}
        elif transient and job.attempt == 1:
            self._retry(job, value["text"])
            return
        job.on_done(job.job_id, word, value)

    def _unwanted(self, job: _Job) -> bool:
        """Whether somebody asked to stop a job whose worker could not say so any more."""
        if job.killed or job.kind != "training":
            return job.killed
        return Progress.in_file(self.workspace.control(job.job_id)).cancelled

    def _retry(self, job: _Job, why: str) -> None:
        if job.kind == "training":
            row = self.ledger.operation(job.job_id)
            note = f"attempt {row['attempt']} ended early: {why}"
            # In one step: a client that saw `failed` in between would take it for the end.
            resuming = self.ledger.transition(
                job.job_id,
                "resuming",
                only_from=("running",),
                attempt=row["attempt"] + 1,
                warnings=[*(row["warnings"] or []), note],
            )
            if not resuming:
                job.on_done(job.job_id, "unclaimed", {})
                return
        job.attempt += 1
        self._waiting.append(job)
        _tell(job)

    def _replace(self, position: int) -> None:
        """Put a fresh worker in the place of a dead one.

        Raises
        ------
        TransientError if workers die again and again before they are ready.
        """
        dead = self._workers[position]
        job, dead.job = dead.job, None
        code = dead.process.exitcode
        if job is not None:
            self._answered.append((job, "error", self._death(job, code)))
        fresh = self._spawn()  # if this fails, the dead one is found again at the next pump
        self._workers[position] = fresh
        dead.connection.close()
        self._early_deaths += not dead.ready
        if not dead.ready and self._early_deaths > self.n_workers + 1:
            raise TransientError(
                f"a worker process ended with code {code} before it was ready, "
                f"{self._early_deaths} times now.",
                code="SYSTEM-WorkerDied",
                suggestion="Run `marketlab doctor`. In a script of your own, put the work below "
                '`if __name__ == "__main__":`.',
            )

    def _death(self, job: _Job, code: int | None) -> dict[str, Any]:
        if job.stalled:
            text = f"there was no sign of life for {self.stall_seconds:g} seconds; it was ended"
        else:
            text = (
                f"the worker process died (exit code {code}); "
                "out of memory, if the system killed it"
            )
        return {
            "code": "SYSTEM-WorkerStalled" if job.stalled else "SYSTEM-WorkerDied",
            "failure_class": "transient",
            "text": text,
            "details": {"exit_code": code},
        }

    def _end_unwanted(self) -> None:
        """End workers that are to be killed, and those without a new heartbeat for too long.

        The age of a beat is taken by our own clock: the machine's may jump, or sleep with it.
        """
        for worker in self._workers:
            job = worker.job
            if job is None:
                continue
            if job.killed:
                worker.process.kill()  # the sentinel brings the rest
            if job.kind != "training":
                continue
            progress = Progress.in_file(self.workspace.control(job.job_id))
            beat, now = int(progress.array[Slot.HEARTBEAT_NS]), time.monotonic()
            if beat != job.beat:
                job.beat, job.heard_at = beat, now
            elif now - job.heard_at > self.stall_seconds:
                job.stalled = True
                worker.process.kill()


def _tell(job: _Job) -> None:
    if job.on_change is not None:
        with contextlib.suppress(MarketLabError):  # a view; the next change writes it again
            job.on_change()


def _may_pass(error: Exception) -> bool:
    """Whether the same call may go through later: a locked database, a full disk."""
    if isinstance(error, TransientError):
        return True
    return isinstance(error, MarketLabError) and error.code.startswith(("STORAGE-", "STORE-"))


def owner_is_alive(workspace: Workspace, owner: str | None) -> bool:
    """Return whether the executor of that name still runs: it holds a lock while it does."""
    if owner is None:
        return False
    return FileLock.is_held(workspace.root / ".control" / f"{owner}.lock")


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
