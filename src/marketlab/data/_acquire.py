"""Runs a fetch: chunk by chunk into the raw folder, then checked and published as one dataset.

Each provider has its own threads and its own pace, so that one that is slow or refuses holds up
no other. A chunk whose file still has the hash in the journal is never asked for again.
"""

import contextlib
import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from marketlab.core import (
    CancelledError,
    Clock,
    ConflictError,
    FileLock,
    FloatArray,
    IntegrityError,
    MarketLabError,
    SystemClock,
    TransientError,
    atomic_write,
    iso,
)
from marketlab.data._catalog import Catalog
from marketlab.data._chunk import Chunk, canonical_chunk
from marketlab.data._chunk_files import assemble_bars, chunk_folder, is_whole, write_chunk
from marketlab.data._fetch_holes import is_closed
from marketlab.data._fetch_log import FetchLog, start_lines, table_lines
from marketlab.data._fetch_plan import DatasetPlan, FetchPlan
from marketlab.data._fetch_quality import judge_fetch
from marketlab.data._fetch_report import check_timeframes, write_report
from marketlab.data._fetch_state import DatasetState, state_of
from marketlab.data._journal import ChunkJournal, ChunkRecord
from marketlab.data._pace import TokenBucket
from marketlab.data._retry import REFUSED, Fetched, Retrier, RetryPolicy
from marketlab.data._source import BarSource, ChunkRequest, Row, SourceConnection, time_of
from marketlab.data._workers import Workers

FAILED_IN_A_ROW = 5
"""After so many failed chunks in a row a dataset is left, rather than every request being lost."""

_BEAT_SECONDS = 0.5
_SHOWN_ERRORS = 3


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
        self.states = {each.name: state_of(each) for each in plan.datasets}
        self.connections: dict[str, SourceConnection] = {}
        self.crash: BaseException | None = None
        self.log = FetchLog(raw)

    def run(self, on_tick: OnStates | None) -> list[DatasetState]:
        lanes: dict[str, list[DatasetPlan]] = {}
        for each in self.plan.datasets:
            if each.source is not None:
                lanes.setdefault(each.source.name, []).append(each)
                if each.source.name not in self.connections:
                    self.connections[each.source.name] = self._connect(each.source)
        # Events, not `join`: an interrupted join takes a running thread for ended (CPython 3.11).
        ended = {name: threading.Event() for name in lanes}
        threads = [
            threading.Thread(target=self._lane, args=(plans, ended[name]), daemon=True)
            for name, plans in lanes.items()
        ]
        states = list(self.states.values())
        self.log.rows(start_lines(self.plan))
        if on_tick is not None:
            on_tick(states)  # so that who watches holds the states, however early an interrupt is
        try:
            for thread in threads:
                thread.start()
            while not all(event.is_set() for event in ended.values()):
                for event in ended.values():
                    event.wait(0.1)
                if on_tick is not None:
                    on_tick(states)
        finally:
            self.stop.set()
            for connection in self.connections.values():
                connection.abort()
            for name, thread in zip(ended, threads, strict=True):
                if thread.ident is not None:  # it was started
                    ended[name].wait()
            for connection in self.connections.values():
                connection.close()
            self._close_log(states)
        if self.crash is not None:
            raise self.crash
        return states

    def _close_log(self, states: list[DatasetState]) -> None:
        rows = [(s.name, s.state, f"{s.chunks}/{s.n_chunks}", str(s.candles)) for s in states]
        with contextlib.suppress(IntegrityError):  # a full disk is told already
            self.log.rows(table_lines(rows))
        self.log.close()

    def _connect(self, source: BarSource) -> SourceConnection:
        pace = TokenBucket(source.limits.requests_per_second)
        retrier = Retrier(pace, self.policy, stop=self.stop, secrets=source.secrets)
        return source.connect(retrier, self.clock)

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
                    with contextlib.suppress(IntegrityError):  # a full disk is told already
                        self.log.write(f"[{each.name}] FAILED: {error.message}", level="ERROR")
                    if error.code == REFUSED or isinstance(error, IntegrityError):
                        for later in plans[position + 1 :]:
                            other = self.states[later.name]
                            other.state, other.error, other.message = "failed", error, error.message
                        return
            self._check_timeframes(plans)
        except BaseException as error:  # a mistake of ours: told by the thread that waits
            self.crash = error
            self.stop.set()
        finally:
            ended.set()

    def _check_timeframes(self, plans: list[DatasetPlan]) -> None:
        """Add the comparison of timeframes to the reports of one source's datasets."""
        done = [(p, i) for p in plans if (i := self.states[p.name].dataset_id) is not None]
        for name, checks in check_timeframes(done, self.catalog).items():
            state = self.states[name]
            if state.quality is not None:
                state.quality = state.quality.with_checks(checks)
                state.message = state.quality.sentence
                (plan,) = (each for each in plans if each.name == name)
                write_report(self.raw / plan.folder, name, state.quality)

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
        self.connection = owner.connections[plan.source.name]
        self.records = journal.records()
        self.fresh: dict[str, FloatArray] = {}
        self.started = time.monotonic()
        self._told = 0.0

    def fetch(self) -> None:
        pending = deque(c for c in self.plan.chunks if not self._is_kept(c))
        self.state.kept_chunks, self.state.state = self.state.chunks, "running"
        self.started = time.monotonic()
        self.tell()
        state = self.state
        self.owner.log.write(
            f"[{self.plan.name}] dataset {state.start} to {state.end}: {state.n_chunks} chunks, "
            f"{state.kept_chunks} kept from before"
        )
        chunk_folder(self.folder)
        failures: list[MarketLabError] = []
        in_a_row = 0
        workers = self.source.limits.concurrency
        with Workers(workers, self._ask, name=self.plan.name) as threads:
            while pending or threads.running:
                while pending and threads.running < 2 * workers:
                    threads.submit(pending.popleft())
                # Errors last: they may end the loop, and what came is to be kept.
                results = threads.finished(_BEAT_SECONDS)
                results.sort(key=lambda pair: isinstance(pair[1], BaseException))
                with self.journal.together() if len(results) > 1 else contextlib.nullcontext():
                    for request, result in results:
                        error = self._settle(request, result)
                        in_a_row = in_a_row + 1 if error is not None else 0
                        if error is not None:
                            failures.append(error)
                            if in_a_row >= FAILED_IN_A_ROW:
                                raise error
                self._tell_now_and_then()
        if failures:
            raise failures[0]

    def _ask(self, request: ChunkRequest) -> Fetched[Chunk]:
        """Fetch one chunk (in a worker thread)."""

        def check(rows: list[Row]) -> Chunk:
            now = self.owner.clock.now().timestamp()
            return canonical_chunk(rows, request, self.plan.step, now)

        name = f"{self.plan.name} chunk {request.index + 1}/{len(self.plan.chunks)}"
        fetched = self.connection.fetch(request, check, name=name)
        calendar = self.plan.calendar
        if not fetched.value.rows and not is_closed(calendar, request.start_s, request.end_s):
            first = fetched  # an open market without bars is asked about once more
            again = self.connection.fetch(request, check, name=name)
            fetched = Fetched(
                again.value,
                first.attempts + again.attempts,
                first.seconds + again.seconds,
                again.skew_seconds,
            )
        return fetched

    def _settle(
        self, request: ChunkRequest, result: Fetched[Chunk] | BaseException
    ) -> MarketLabError | None:
        """Write down what came of one request; return the error of a chunk that failed."""
        if isinstance(result, CancelledError):
            raise result
        if isinstance(result, MarketLabError):
            self._note_failure(request, result)
            if result.code == REFUSED or isinstance(result, IntegrityError):
                raise result
            return result
        if isinstance(result, BaseException):
            raise result
        self._keep(request, result)
        return None

    def _note_failure(self, request: ChunkRequest, error: MarketLabError) -> None:
        attempts = int(error.details.get("attempts", 1))
        self.state.failed += 1
        self.state.message = error.message
        place = (request.index, len(self.plan.chunks))
        text = f"{error.message} ({attempts} attempt(s))"
        self.state.last_errors = [*self.state.last_errors, text][-_SHOWN_ERRORS:]
        self.owner.log.failed_chunk(self.plan.name, place, request.start_s, attempts, error.message)
        self.journal.record(
            ChunkRecord(
                name=request.name,
                state="failed",
                attempts=attempts,
                target=request.target,
                finished_at=self._now(),
                error=error.message,
            )
        )

    def _keep(self, request: ChunkRequest, fetched: Fetched[Chunk]) -> None:
        """Write the chunk's file, then its row."""
        chunk = fetched.value
        write_chunk(self.folder, request, chunk.payload)
        self.fresh[request.name] = chunk.table
        record = ChunkRecord(
            name=request.name,
            state="done" if chunk.rows else "empty",
            attempts=fetched.attempts,
            n_rows=len(chunk.rows),
            first_time=time_of(chunk.rows[0][0]) if chunk.rows else None,
            last_time=time_of(chunk.rows[-1][0]) if chunk.rows else None,
            duplicates=chunk.duplicates,
            outside=chunk.outside,
            sha256=hashlib.sha256(chunk.payload).hexdigest(),
            seconds=round(fetched.seconds, 4),
            skew_seconds=round(fetched.skew_seconds),
            target=request.target,
            finished_at=self._now(),
        )
        self.journal.record(record)
        self.records[request.name] = record
        self.state.requests += fetched.attempts
        self.state.retries += fetched.attempts - 1
        self.state.latencies.append(fetched.seconds)
        self.state.settled.append(time.monotonic())
        self._count(record)
        place = (request.index, len(self.plan.chunks))
        self.owner.log.chunk(self.plan.name, place, request.start_s, record.n_rows)

    def _now(self) -> str:
        return iso(self.owner.clock.now()) or ""

    def publish(self) -> None:
        """Assemble, check and store the dataset."""
        self.state.state = "publishing"
        records = [self.records[chunk.name] for chunk in self.plan.chunks]
        bars = assemble_bars(self.plan, self.folder, records, self.fresh)
        quality = judge_fetch(bars, self.plan, records)
        metadata = bars.metadata | {"quality": quality.of_the_data()}
        self.state.dataset_id = self.owner.catalog.add(replace(bars, metadata=metadata))
        self.state.quality = quality
        atomic_write(self.folder / "journal.jsonl", self.journal.export_lines())
        write_report(self.folder, self.plan.name, quality)
        self.state.state, self.state.message = "done", quality.sentence
        self.owner.log.rows(
            [
                (
                    f"[{self.plan.name}] total {self.state.candles} candles in "
                    f"{len(records)} chunks, {self.state.retries} retries"
                ),
                (
                    f"[{self.plan.name}] saved {self.plan.symbol} {self.state.timeframe} "
                    f"{self.state.dataset_id}: {quality.sentence}"
                ),
            ]
        )

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
        if record is None or not is_whole(record, request, self.folder):
            return False
        self._count(record)
        return True

    def _count(self, record: ChunkRecord) -> None:
        self.state.chunks += 1
        self.state.candles += record.n_rows


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
