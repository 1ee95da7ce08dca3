"""What can be done with training operations: start, cancel, retry, resume, recover.

The REST server and a campaign use the same service, so an operation means the same in both.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from marketlab.campaigns._executor import Executor, owner_is_alive
from marketlab.campaigns._ledger import ACTIVE, FINAL, Ledger, NewOperation
from marketlab.campaigns._plan import plan_experiment
from marketlab.campaigns._resolve import Experiment
from marketlab.campaigns._start_request import StartRequest, override_one
from marketlab.campaigns._strategy import load_strategy_mapping, parse_strategy
from marketlab.campaigns._tracker import write_tracker
from marketlab.campaigns._verdicts import judge_run
from marketlab.campaigns._workspace import Workspace
from marketlab.core import (
    ConflictError,
    FileLock,
    MarketLabError,
    NotFoundError,
    Progress,
    RequestError,
    RunRecord,
    TransientError,
    from_mapping,
    read_json,
)
from marketlab.training import checkpoint_exists, checkpoint_facts

Finished = Callable[[dict[str, Any]], None]
# What a retry takes over of the request, beside the experiment.
_KEPT = ("start_date", "end_date", "task_id", "compatibility", "most_seconds")


class OperationService:
    """Starts and steers training operations of one workspace.

    Parameters
    ----------
    surrogates : how many surrogate series the null of a single run uses.
    compatibility : ``v15`` lets runs with degenerate labels complete with that verdict.
    """

    def __init__(
        self,
        workspace: Workspace,
        ledger: Ledger,
        executor: Executor,
        *,
        surrogates: int = 99,
        compatibility: str | None = None,
    ) -> None:
        self.workspace = workspace
        self.ledger = ledger
        self.executor = executor
        self.surrogates = surrogates
        self.compatibility = compatibility
        self.tracked: Sequence[str] | None = None
        self.campaign_id: str | None = None
        self._finished: dict[str, Finished] = {}

    # -- start --------------------------------------------------------------------------------

    def start_training(self, request: StartRequest) -> dict[str, Any]:
        """Check the request as a run would, record it, queue it; return the operation's row.

        With ``repeats`` above 1 the further operations name the first as their parent.

        Raises
        ------
        MarketLabError for everything a plan can find; nothing is recorded then.
        """
        experiment, most_seconds = self._experiment(request)
        first: str | None = None
        for number in range(request.repeats):
            repeat = Experiment(
                strategy=experiment.strategy,
                dataset_id=experiment.dataset_id,
                seed=experiment.seed + number,
                backend=experiment.backend,
                changes=experiment.changes,
            )
            operation_id = self.create(
                repeat,
                parent=first,
                surrogates=self.surrogates,
                boosting=request.boosting,
                extra={
                    "start_date": request.start_date,
                    "end_date": request.end_date,
                    "task_id": request.task_id,
                    "most_seconds": most_seconds,
                },
            )
            self.queue(operation_id)
            first = first or operation_id
        assert first is not None
        return self.ledger.operation(first)

    def _experiment(self, request: StartRequest) -> tuple[Experiment, float | None]:
        """Return what the request asks for, planned, and how long it may take at most."""
        path = self.workspace.strategy_path(request.strategy_name)
        mapping = load_strategy_mapping(path)
        changes: list[str] = []
        for field, block in (("symbol", "symbols"), ("timeframe", "timeframes")):
            override_one(mapping, request, field, block, changes)
        dates = {"start": request.start_date, "end": request.end_date}
        if any(dates.values()):
            training = mapping.setdefault("training", {})
            merged = {**(training.get("date_range") or {}), **{k: v for k, v in dates.items() if v}}
            changes.append(f"training.date_range: {training.get('date_range')} -> {merged}")
            training["date_range"] = merged
        strategy = parse_strategy(mapping, source=path.name)
        bars = self.workspace.catalog.find(strategy.symbol, strategy.timeframe)
        seed = request.seed if request.seed is not None else (strategy.training.seed or 0)
        experiment = Experiment(
            strategy=strategy,
            dataset_id=bars.dataset_id,
            seed=seed,
            backend="compiled",
            changes=tuple(changes),
        )
        planned = plan_experiment(experiment, bars, compatibility=self.compatibility)
        return experiment, planned.most_seconds

    def create(
        self,
        experiment: Experiment,
        *,
        parent: str | None = None,
        retry_of: str | None = None,
        surrogates: int,
        boosting: bool = False,
        attempt: int = 1,
        extra: dict[str, Any] | None = None,
    ) -> str:
        """Record a pending training operation and return its id."""
        strategy = experiment.strategy
        request = {
            "strategy": strategy.to_mapping(),
            "dataset_id": experiment.dataset_id,
            "config_id": experiment.config_id,
            "seed": experiment.seed,
            "backend": experiment.backend,
            "changes": list(experiment.changes),
            "surrogates": surrogates,
            "compatibility": self.compatibility,
            "boosting": boosting,
            "campaign_id": self.campaign_id,
            **(extra or {}),
        }
        operation_id = self.ledger.create_operation(
            NewOperation(
                operation_type="training",
                request=request,
                strategy_name=strategy.name,
                symbol=strategy.symbol,
                timeframe=strategy.timeframe,
                parent_operation_id=parent,
                retry_of=retry_of,
                attempt=attempt,
                owner=self.executor.owner,
            )
        )
        with self._failed_unless_queued(operation_id):
            self.update_tracker()
        return operation_id

    def queue(self, operation_id: str, finished: Finished | None = None) -> None:
        """Hand a pending or resuming operation of this executor to the workers."""
        with self._failed_unless_queued(operation_id):
            row = self.ledger.operation(operation_id)
            payload = {
                **row["request"],
                "operation_id": operation_id,
                "run_id": row["run_id"],
            }
        if finished is not None:
            self._finished[operation_id] = finished
        self.executor.submit(
            operation_id, "training", payload, self._on_done, on_change=self.update_tracker
        )

    @contextmanager
    def _failed_unless_queued(self, operation_id: str) -> Iterator[None]:
        """Let no operation wait for ever because what comes before the queue went wrong."""
        try:
            yield
        except Exception as error:
            with suppress(MarketLabError):
                self.ledger.transition(
                    operation_id,
                    "failed",
                    only_from=("pending", "resuming"),
                    error_message=f"it could not be queued: {error}",
                    error_code=error.code if isinstance(error, MarketLabError) else None,
                    failure_class="transient",
                )
            raise

    # -- end ----------------------------------------------------------------------------------

    def _on_done(self, operation_id: str, outcome: str, value: Any) -> None:
        row = self.ledger.operation(operation_id)
        if outcome == "done":
            self.ledger.record_run(
                from_mapping(RunRecord, value["record"]),
                operation_id=operation_id,
                campaign_id=row["request"].get("campaign_id"),
                design_id=value["design_id"],
            )
            summary = value["result_summary"]
            if (
                value["null_rows"] is not None
            ):  # judged first: who reads "completed" finds a verdict
                verdict = judge_run(self.workspace, self.ledger, row["run_id"], value["null_rows"])
                summary = {**summary, "verdict": verdict}
            self.ledger.transition(
                operation_id,
                "completed",
                result_summary=summary,
                warnings=[*(row["warnings"] or []), *value["warnings"]],
            )
        elif outcome != "unclaimed":
            self._end_unfinished(operation_id, outcome, value)
        elif row["status"] in ACTIVE:
            return  # another job or process runs it and will tell
        self.update_tracker()
        callback = self._finished.pop(operation_id, None)
        if callback is not None:
            callback(self.ledger.operation(operation_id))

    def _end_unfinished(self, operation_id: str, outcome: str, value: Any) -> None:
        to = "cancelled" if outcome == "cancelled" else "failed"
        self.ledger.transition(
            operation_id,
            to,
            error_message=value.get("text") or value.get("message"),
            error_code=value.get("code"),
            failure_class="cancelled" if to == "cancelled" else value.get("failure_class"),
        )
        # Also when the status is final already: the call may be a second try after a full disk.
        status = self.ledger.operation(operation_id)["status"]
        if status != "completed":
            self._record_unfinished(operation_id, status)

    def _record_unfinished(self, operation_id: str, status: str) -> None:
        """Write the run record of a run that did not complete: every trial counts."""
        from marketlab.campaigns._experiment import experiment_of, record_of

        row = self.ledger.operation(operation_id)
        experiment = experiment_of(row["request"])
        record = record_of(
            experiment,
            run_id=row["run_id"],
            status=status,
            started_at=row["started_at"],
            finished_at=row["completed_at"],
            error=row["error_message"],
            error_code=row["error_code"],
            error_class=row["failure_class"],
        )
        self.ledger.record_run(
            record,
            operation_id=operation_id,
            campaign_id=row["request"].get("campaign_id"),
            design_id=experiment.design_id,
        )

    # -- steer --------------------------------------------------------------------------------

    def cancel(
        self,
        operation_id: str,
        *,
        reason: str = "requested",
        force: bool = False,
        wait_seconds: float = 10.0,
    ) -> dict[str, Any]:
        """Stop an operation and its children; cooperative unless `force`.

        Raises
        ------
        RequestError (400) if it has finished; NotFoundError if it is unknown.
        """
        row = self.ledger.operation(operation_id)
        if row["status"] in FINAL:
            raise RequestError(
                f"the operation is {row['status']}; only one that has not finished can be "
                "cancelled.",
                code="OPERATION-Finished",
                field="status",
                value=row["status"],
            )
        children, _ = self.ledger.list_operations(parent=operation_id, statuses=ACTIVE)
        for each in (row, *children):
            self._cancel_one(each, reason, force=force)
        self._wait_final(operation_id, reason, wait_seconds, force=force)
        now = self.ledger.operation(operation_id)
        return {
            "operation_id": operation_id,
            "status": now["status"],
            "cancelled_at": now["completed_at"],
            "cancellation_reason": reason,
            "task_cancelled": now["status"] == "cancelled",
            "children_cancelled": len(children),
        }

    def _cancel_one(self, row: dict[str, Any], reason: str, *, force: bool) -> None:
        operation_id = row["operation_id"]
        waiting = self.ledger.transition(
            operation_id,
            "cancelled",
            only_from=("pending", "resuming"),
            error_message=f"cancelled: {reason}",
            failure_class="cancelled",
        )
        if waiting:
            self.update_tracker()
            return
        progress = Progress.in_file(self.workspace.control(operation_id))
        if not progress.cancelled:
            progress.cancel()
        if force:
            self.executor.kill(operation_id)
        if not self._is_owned(row) and self.ledger.transition(
            operation_id,
            "cancelled",
            owner_is=row["owner"],
            error_message=f"cancelled: {reason}; the process that ran it had ended",
            failure_class="cancelled",
        ):
            self._record_unfinished(operation_id, "cancelled")
            self.update_tracker()

    def _is_owned(self, row: dict[str, Any]) -> bool:
        return row["owner"] == self.executor.owner or owner_is_alive(self.workspace, row["owner"])

    def _wait_final(self, operation_id: str, reason: str, seconds: float, *, force: bool) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            row = self.ledger.operation(operation_id)
            if row["status"] in FINAL:
                return
            control = Progress.in_file(self.workspace.control(operation_id))
            if row["status"] != "running" or not control.cancelled:
                # Its worker died in the meantime and it is to be tried again: it is not.
                self._cancel_one(row, reason, force=force)
            time.sleep(0.02)

    def retry(self, operation_id: str) -> dict[str, Any]:
        """Run a failed operation again from the beginning, as a new one that names the old.

        Raises
        ------
        RequestError (400) unless it failed.
        """
        row = self.ledger.operation(operation_id)
        if row["status"] != "failed":
            raise RequestError(
                f"only a failed operation can be retried; this one is {row['status']}.",
                code="OPERATION-WrongState",
                field="status",
                value=row["status"],
            )
        from marketlab.campaigns._experiment import experiment_of

        new_id = self.create(
            experiment_of(row["request"]),
            retry_of=operation_id,
            # A campaign computes one null for all its runs; by itself the run needs its own.
            surrogates=row["request"]["surrogates"] or self.surrogates,
            boosting=row["request"].get("boosting", False),  # not in records of older versions
            attempt=row["attempt"] + 1,
            extra={key: row["request"].get(key) for key in _KEPT},
        )
        self.queue(new_id)
        return self.ledger.operation(new_id)

    def resume(self, operation_id: str, finished: Finished | None = None) -> dict[str, Any]:
        """Continue a cancelled or failed operation from its checkpoint.

        Raises
        ------
        NotFoundError without a checkpoint (the status stays); ConflictError in a wrong state;
        TransientError without a living worker.
        """
        row = self.ledger.operation(operation_id)
        if row["status"] not in ("cancelled", "failed"):
            raise ConflictError(
                f"only a cancelled or failed operation can be resumed; this one is "
                f"{row['status']}.",
                code="OPERATION-WrongState",
                field="status",
                value=row["status"],
            )
        folder = self.workspace.checkpoint(row["run_id"])
        outcome = self._outcome(row)
        if not checkpoint_exists(folder) and not outcome.is_file():
            raise NotFoundError(
                f"the operation {operation_id} has no checkpoint.",
                code="CHECKPOINT-NotFound",
                suggestion="Retry it from the beginning.",
            )
        if not self.executor.alive:
            raise TransientError("no worker process is free.", code="SYSTEM-NoWorker")
        # A run whose result is there, but was not taken in, has no checkpoint any more.
        origin = _origin(read_json(outcome)) if outcome.is_file() else checkpoint_facts(folder)
        self.ledger.require_transition(operation_id, "resuming", owner=self.executor.owner)
        self.queue(operation_id, finished)
        self.update_tracker()
        return {
            **self.ledger.operation(operation_id),
            "resumed_from": {
                "checkpoint_type": origin["kind"],
                "created_at": origin["saved_at"],
                "epoch": origin["epoch"],
            },
        }

    def recover(self) -> list[str]:
        """Mark operations failed whose process died; return their ids. Called at a start.

        One whose run left its whole result is completed instead.
        """
        died: list[str] = []
        rows, _ = self.ledger.list_operations(statuses=ACTIVE)
        for row in rows:
            if self._is_owned(row) or self._adopt(row):
                continue
            changed = self.ledger.transition(
                row["operation_id"],
                "failed",
                owner_is=row["owner"],  # another process may have recovered and resumed it
                failure_class="transient",
                error_code="SYSTEM-ProcessDied",
                error_message="the process that ran this operation ended; resume or retry it",
            )
            if changed:
                died.append(row["operation_id"])
                self._record_unfinished(row["operation_id"], "failed")
        if died:
            self.update_tracker()
        return died

    def _adopt(self, row: dict[str, Any]) -> bool:
        """Take in the result of a run whose process died before it did; False without one."""
        outcome = self._outcome(row)
        if row["status"] != "running" or not outcome.is_file():
            return False
        result = read_json(outcome)
        taken = self.ledger.transition(
            row["operation_id"],
            "running",
            only_from=("running",),
            owner_is=row["owner"],
            owner=self.executor.owner,
            started_at=row["started_at"],
        )
        if taken:
            self._on_done(row["operation_id"], "done", result)
        return taken

    def _outcome(self, row: dict[str, Any]) -> Path:
        return self.workspace.runs / str(row["run_id"]) / "outcome.json"

    def update_tracker(self) -> None:
        """Bring the execution tracker in line with the operations table."""
        names = self.tracked
        if names is None:
            names = sorted(path.stem for path in self.workspace.strategies.glob("*.yaml"))
        # One reader and writer at a time, or an older table replaces a newer one.
        with FileLock(self.workspace.control("tracker.lock")):
            rows, _ = self.ledger.list_operations(
                operation_type="training", campaign_id=self.campaign_id
            )
            write_tracker(self.workspace.tracker, rows, names)


def _origin(outcome: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a finished run as those of a checkpoint."""
    return {
        "kind": "result",
        "saved_at": outcome["record"]["finished_at"],
        "epoch": outcome["result_summary"]["training_metrics"]["epochs_trained"],
    }
