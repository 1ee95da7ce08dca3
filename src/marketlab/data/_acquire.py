"""Runs a fetch: chunk by chunk into the raw folder, then checked and published as one dataset.

Each provider has its own threads and its own pace, so that one that is slow or refuses holds up
no other. A chunk whose file still has the hash in the journal is never asked for again.
"""

import contextlib
import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from marketlab.core import (
    CancelledError,
    Clock,
    ConflictError,
    DataNotAvailableError,
    FileLock,
    IntegrityError,
    MarketLabError,
    SystemClock,
    TransientError,
    atomic_write,
    iso,
)
from marketlab.data._bars import BarFrame
from marketlab.data._catalog import Catalog
from marketlab.data._fetch_plan import DatasetPlan, FetchPlan
from marketlab.data._fetch_quality import FetchQuality, is_closed, judge_fetch
from marketlab.data._http import REFUSED, Fetched, HttpSession, RetryPolicy
from marketlab.data._journal import ChunkJournal, ChunkRecord
from marketlab.data._pace import TokenBucket
from marketlab.data._source import BarSource, Chunk, ChunkRequest, canonical_chunk, time_of

FAILED_IN_A_ROW = 5
"""After so many failed chunks in a row a dataset is left, rather than every request being lost."""

_BEAT_SECONDS = 0.5
_FINISHED = ("done", "empty")


@dataclass
class DatasetState:
    """How one dataset of a fetch stands; counts are those of the whole plan unless said."""

    name: str
    source: str
    symbol: str
    timeframe: str
    start: str
    end: str
    n_chunks: int
    state: str = "pending"
    chunks: int = 0
    kept_chunks: int = 0
    candles: int = 0
    requests: int = 0
    failed: int = 0
    retries: int = 0
    seconds: float = 0.0
    message: str = ""
    dataset_id: str | None = None
    error: MarketLabError | None = None
    quality: FetchQuality | None = None
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=50))

    @property
    def rate(self) -> float | None:
        """Chunks a second of this run; None before the first one."""
        fresh = self.chunks - self.kept_chunks
        return fresh / self.seconds if fresh and self.seconds else None

    @property
    def eta_seconds(self) -> float | None:
        """Seconds left at the present rate; None if there is none yet."""
        rate = self.rate
        return (self.n_chunks - self.chunks) / rate if rate else None

    def to_mapping(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        facts = {
            key: value
            for key, value in vars(self).items()
            if key not in ("error", "quality", "latencies")
        }
        median = float(np.median(self.latencies)) if self.latencies else None
        verdict = self.quality.verdict if self.quality is not None else None
        return facts | {
            "rate": self.rate,
            "eta_seconds": self.eta_seconds,
            "median_request_seconds": median,
            "verdict": verdict,
        }


OnStates = Callable[[list[DatasetState]], None]


def acquire(
    plan: FetchPlan,
    raw: Path,
    catalog: Catalog,
    *,
    policy: RetryPolicy | None = None,
    clock: Clock | None = None,
    on_tick: OnStates | None = None,
) -> list[DatasetState]:
    """Fetch what `plan` still lacks under `raw`, publish each whole dataset, return how each ended.

    Errors of one dataset end in its state (`failed`, `blocked`), not in an exception. An interrupt
    breaks the requests under way, keeps finished chunks, and is raised again.
    """
    return _Acquisition(plan, raw, catalog, policy, clock or SystemClock()).run(on_tick)


def finished_chunks(plan: DatasetPlan, raw: Path) -> set[str]:
    """Return the names of the chunks that need no request: in the journal, with their file whole.

    Nothing is created.
    """
    folder = raw / plan.folder
    if not folder.is_dir():
        return set()
    journal = ChunkJournal(folder)
    try:
        return {c.name for c in plan.chunks if _is_whole(journal.records().get(c.name), c, folder)}
    finally:
        journal.close()


class _Acquisition:
    def __init__(
        self,
        plan: FetchPlan,
        raw: Path,
        catalog: Catalog,
        policy: RetryPolicy | None,
        clock: Clock,
    ) -> None:
        self.plan, self.raw, self.catalog, self.clock = plan, raw, catalog, clock
        self.policy = policy or RetryPolicy()
        self.stop = threading.Event()
        self.states = {each.name: _state_of(each) for each in plan.datasets}
        self.sessions: dict[str, HttpSession] = {}
        self.crash: BaseException | None = None

    def run(self, on_tick: OnStates | None) -> list[DatasetState]:
        lanes: dict[str, list[DatasetPlan]] = {}
        for each in self.plan.datasets:
            if each.source is not None:
                lanes.setdefault(each.source.name, []).append(each)
                if each.source.name not in self.sessions:
                    self.sessions[each.source.name] = self._session(each.source)
        # Events, not `join`: an interrupted join takes a running thread for ended (CPython 3.11).
        ended = {name: threading.Event() for name in lanes}
        threads = [
            threading.Thread(target=self._lane, args=(plans, ended[name]), daemon=True)
            for name, plans in lanes.items()
        ]
        states = list(self.states.values())
        try:
            for thread in threads:
                thread.start()
            while not all(event.is_set() for event in ended.values()):
                for event in ended.values():
                    event.wait(0.1)
                if on_tick is not None:
                    on_tick(states)
        finally:
            for session in self.sessions.values():
                session.abort()
            for name, thread in zip(ended, threads, strict=True):
                if thread.ident is not None:  # it was started
                    ended[name].wait()
            for session in self.sessions.values():
                session.close()
        if self.crash is not None:
            raise self.crash
        return states

    def _session(self, source: BarSource) -> HttpSession:
        return HttpSession(
            source.base_url,
            pace=TokenBucket(source.limits.requests_per_second),
            policy=self.policy,
            headers=source.headers,
            secrets=source.secrets,
            stop=self.stop,
            clock=self.clock,
        )

    def _lane(self, plans: list[DatasetPlan], ended: threading.Event) -> None:
        """Fetch the datasets of one source, one after the other."""
        try:
            for position, each in enumerate(plans):
                state = self.states[each.name]
                try:
                    self._dataset(each, state)
                except CancelledError as error:
                    state.state, state.message = "stopped", error.message
                    return
                except MarketLabError as error:
                    state.state, state.error, state.message = "failed", error, error.message
                    if error.code == REFUSED or isinstance(error, IntegrityError):
                        for later in plans[position + 1 :]:
                            other = self.states[later.name]
                            other.state, other.error, other.message = "failed", error, error.message
                        return
        except BaseException as error:  # a mistake of ours: told by the thread that waits
            self.crash = error
            self.stop.set()
        finally:
            ended.set()

    def _dataset(self, plan: DatasetPlan, state: DatasetState) -> None:
        folder = self.raw / plan.folder
        with _only_writer(folder, plan):
            journal = ChunkJournal(folder)
            run = _DatasetRun(self, plan, state, folder, journal)
            try:
                try:
                    run.fetch()
                    run.publish()
                except CancelledError:
                    state.state = "stopped"
                    raise
                except MarketLabError as error:
                    state.state, state.message = "failed", error.message
                    raise
                finally:
                    with contextlib.suppress(IntegrityError):  # a full disk is told already
                        run.tell()
            finally:
                journal.close()


class _DatasetRun:
    """One dataset of one run; all journal writes happen in its thread."""

    def __init__(
        self,
        owner: _Acquisition,
        plan: DatasetPlan,
        state: DatasetState,
        folder: Path,
        journal: ChunkJournal,
    ) -> None:
        assert plan.source is not None
        self.owner, self.plan, self.state, self.folder = owner, plan, state, folder
        self.journal, self.source = journal, plan.source
        self.session = owner.sessions[plan.source.name]
        self.records = journal.records()
        self.started = time.monotonic()
        self._told = 0.0

    def fetch(self) -> None:
        pending = deque(c for c in self.plan.chunks if not self._is_kept(c))
        self.state.kept_chunks, self.state.state = self.state.chunks, "running"
        self.started = time.monotonic()
        self.tell()
        failures: list[MarketLabError] = []
        in_a_row = 0
        running: dict[Future[tuple[Chunk, Fetched[Chunk]]], ChunkRequest] = {}
        workers = self.source.limits.concurrency
        with ThreadPoolExecutor(workers, thread_name_prefix=self.plan.name) as pool:
            while pending or running:
                while pending and len(running) < 2 * workers:
                    request = pending.popleft()
                    running[pool.submit(self._ask, request)] = request
                done, _ = wait(running, timeout=_BEAT_SECONDS, return_when=FIRST_COMPLETED)
                try:
                    for future in done:
                        error = self._settle(running.pop(future), future)
                        in_a_row = in_a_row + 1 if error is not None else 0
                        if error is not None:
                            failures.append(error)
                            if in_a_row >= FAILED_IN_A_ROW:
                                raise error
                    self._tell_now_and_then()
                except MarketLabError:
                    for future in running:
                        future.cancel()
                    raise
        if failures:
            raise failures[0]

    def _ask(self, request: ChunkRequest) -> tuple[Chunk, Fetched[Chunk]]:
        """Fetch one chunk and write its file (in a worker thread)."""

        def parse(body: bytes) -> Chunk:
            now = self.owner.clock.now().timestamp()
            return canonical_chunk(self.source.parse(body), request, self.plan.step, now)

        name = f"{self.plan.name} chunk {request.index + 1}/{len(self.plan.chunks)}"
        fetched = self.session.get(request.target, parse, name=name)
        calendar = self.source.calendar
        if not fetched.value.rows and not is_closed(calendar, request.start_s, request.end_s):
            first = fetched  # an open market without bars is asked about once more
            again = self.session.get(request.target, parse, name=name)
            fetched = Fetched(
                again.value,
                first.attempts + again.attempts,
                first.seconds + again.seconds,
                again.skew_seconds,
            )
        atomic_write(_chunk_path(self.folder, request), fetched.value.payload, durable=False)
        return fetched.value, fetched

    def _settle(
        self, request: ChunkRequest, future: Future[tuple[Chunk, Fetched[Chunk]]]
    ) -> MarketLabError | None:
        now = iso(self.owner.clock.now()) or ""
        try:
            chunk, fetched = future.result()
        except CancelledError:
            raise
        except MarketLabError as error:
            self.state.failed += 1
            self.state.message = error.message
            self.journal.record(
                ChunkRecord(
                    name=request.name,
                    state="failed",
                    attempts=1,
                    target=request.target,
                    finished_at=now,
                    error=error.message,
                )
            )
            if error.code == REFUSED or isinstance(error, IntegrityError):
                raise
            return error
        record = ChunkRecord(
            name=request.name,
            state="done" if chunk.rows else "empty",
            attempts=fetched.attempts,
            n_rows=len(chunk.rows),
            first_time=time_of(chunk.rows[0][0]) if chunk.rows else None,
            last_time=time_of(chunk.rows[-1][0]) if chunk.rows else None,
            duplicates=chunk.duplicates,
            outside=chunk.outside,
            sha256=chunk.sha256,
            seconds=round(fetched.seconds, 4),
            skew_seconds=round(fetched.skew_seconds),
            target=request.target,
            finished_at=now,
        )
        self.journal.record(record)
        self.records[request.name] = record
        self.state.requests += fetched.attempts
        self.state.retries += fetched.attempts - 1
        self.state.latencies.append(fetched.seconds)
        self._count(record)
        return None

    def publish(self) -> None:
        """Assemble, check and store the dataset."""
        self.state.state = "publishing"
        records = [self.records[chunk.name] for chunk in self.plan.chunks]
        bars = assemble_bars(self.plan, self.folder, records)
        quality = judge_fetch(bars, self.plan, records)
        metadata = bars.metadata | {"quality": quality.of_the_data()}
        self.state.dataset_id = self.owner.catalog.add(replace(bars, metadata=metadata))
        self.state.quality = quality
        atomic_write(self.folder / "journal.jsonl", self.journal.export_lines())
        atomic_write(self.folder / "quality.md", quality.text(self.plan.name))
        self.state.state, self.state.message = "done", quality.sentence

    def tell(self) -> None:
        self._told = time.monotonic()
        self.state.seconds = self._told - self.started
        facts = self.state.to_mapping()
        self.journal.tell(self.plan.plan_id, facts, now=self.owner.clock.now().timestamp())

    def _tell_now_and_then(self) -> None:
        self.state.seconds = time.monotonic() - self.started
        if time.monotonic() - self._told > _BEAT_SECONDS:
            self.tell()

    def _is_kept(self, request: ChunkRequest) -> bool:
        record = self.records.get(request.name)
        if record is None or not _is_whole(record, request, self.folder):
            return False
        self._count(record)
        return True

    def _count(self, record: ChunkRecord) -> None:
        self.state.chunks += 1
        self.state.candles += record.n_rows


def assemble_bars(plan: DatasetPlan, folder: Path, records: list[ChunkRecord]) -> BarFrame:
    """Return the bars of all chunks, checked.

    Raises
    ------
    DataNotAvailableError if the provider had none in the whole range; IntegrityError if a chunk's
    file is not the one in the journal; DataError as in `BarFrame.build`.
    """
    assert plan.source is not None
    rows: list[list[float]] = []
    digest = hashlib.sha256()
    for chunk, record in zip(plan.chunks, records, strict=True):
        payload = _chunk_path(folder, chunk).read_bytes()
        if hashlib.sha256(payload).hexdigest() != record.sha256:
            raise IntegrityError(
                f"{_chunk_path(folder, chunk)} was altered after it was written.",
                code="INTEGRITY-ChunkAltered",
                suggestion="Run the same command again: only that chunk is asked for.",
            )
        digest.update(f"{record.name} {record.sha256}\n".encode())
        rows += json.loads(payload)
    if not rows:
        raise DataNotAvailableError(
            f"{plan.name} has no bars from {plan.request.start} to {plan.request.end}.",
            field="start",
            suggestion="Ask for a range in which it was traded.",
        )
    table = np.array(rows, dtype=np.float64)
    columns: dict[str, Any] = {
        name: np.ascontiguousarray(table[:, k + 1])
        for k, name in enumerate(("open", "high", "low", "close", "volume"))
    }
    # Seconds are whole and far below 2**53, so they came through float64 unchanged.
    columns["time"] = table[:, 0].astype(np.int64) * 1_000_000_000
    request, source = plan.request, plan.source
    return BarFrame.build(
        columns,
        symbol=plan.symbol,
        timeframe=request.timeframe,
        source=source.name,
        provenance=f"{len(plan.chunks)} requests to {source.base_url}",
        licence=f"terms of {source.name}",
        metadata={
            "provider_symbol": request.symbol,
            "price_type": source.price_type,
            "volume_unit": source.volume_unit,
            "range": [time_of(plan.chunks[0].start_s), time_of(plan.chunks[-1].end_s)],
            "plan_id": plan.plan_id,
            "lineage": {
                "raw_folder": str(plan.folder),
                "n_requests": len(plan.chunks),
                "chunks_sha256": digest.hexdigest(),
            },
        },
    )


@contextlib.contextmanager
def _only_writer(folder: Path, plan: DatasetPlan) -> Iterator[None]:
    lock = FileLock(folder / ".lock", timeout_seconds=0.0)
    try:
        lock.__enter__()
    except TransientError as error:
        raise ConflictError(
            f"{plan.name} is being fetched by another process (lock {folder / '.lock'}).",
            code="SOURCE-FetchRunning",
            suggestion="Watch it with `marketlab data monitor`; it is released when it ends.",
        ) from error
    try:
        yield
    finally:
        lock.__exit__()


def _chunk_path(folder: Path, request: ChunkRequest) -> Path:
    return folder / "chunks" / f"{request.name}.json"


def _is_whole(record: ChunkRecord | None, request: ChunkRequest, folder: Path) -> bool:
    if record is None or record.state not in _FINISHED or record.target != request.target:
        return False
    try:
        payload = _chunk_path(folder, request).read_bytes()
    except OSError:
        return False
    return hashlib.sha256(payload).hexdigest() == record.sha256


def _state_of(plan: DatasetPlan) -> DatasetState:
    state = DatasetState(
        name=plan.name,
        source=plan.request.source,
        symbol=plan.request.symbol,
        timeframe=plan.request.timeframe,
        start=plan.request.start,
        end=plan.request.end,
        n_chunks=len(plan.chunks),
    )
    if plan.blocked is not None:
        state.state, state.error, state.message = "blocked", plan.blocked, plan.blocked.message
    return state
