"""What can be done with training operations: start, cancel, retry, resume, recover.

The REST server and a campaign use the same service, so an operation means the same in both.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import Field

from marketlab.campaigns._executor import Executor, owner_is_alive
from marketlab.campaigns._ledger import ACTIVE, FINAL, Ledger, NewOperation
from marketlab.campaigns._plan import plan_experiment
from marketlab.campaigns._resolve import Experiment
from marketlab.campaigns._strategy import parse_strategy
from marketlab.campaigns._tracker import write_tracker
from marketlab.campaigns._workspace import Workspace
from marketlab.core import (
    ConfigError,
    ConflictError,
    FrozenConfig,
    NotFoundError,
    Progress,
    RequestError,
    RunRecord,
    TransientError,
    from_mapping,
    load_yaml_file,
)
from marketlab.training import checkpoint_facts

Finished = Callable[[dict[str, Any]], None]


class StartRequest(FrozenConfig):
    """The body of a training start. Dates override the strategy's file and are recorded."""

    strategy_name: str
    symbol: str | None = None
    symbols: tuple[str, ...] | None = None
    timeframe: str | None = None
    timeframes: tuple[str, ...] | None = None
    start_date: str | None = None
    end_date: str | None = None
    task_id: str | None = None
    detailed_analytics: bool = True
    seed: int | None = Field(default=None, ge=0)
    repeats: int = Field(default=1, ge=1, le=100)

    def one(self, field: str) -> str | None:
        """Return the one symbol or timeframe that the body names, None if it names none."""
        single = getattr(self, field)
        several = getattr(self, f"{field}s")
        names = {*([single] if single else []), *(several or ())}
        if len(names) > 1:
            raise ConfigError(
                f"this version trains on one {field} at a time; received {sorted(names)}.",
                field=f"{field}s",
                suggestion="Start one operation for each.",
            )
        return next(iter(names), None)


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
        experiment = self._experiment(request)
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
                extra={
                    "start_date": request.start_date,
                    "end_date": request.end_date,
                    "task_id": request.task_id,
                },
            )
            self.queue(operation_id)
            first = first or operation_id
        assert first is not None
        return self.ledger.operation(first)

    def _experiment(self, request: StartRequest) -> Experiment:
        path = self.workspace.strategy_path(request.strategy_name)
        mapping = load_yaml_file(path)
        changes: list[str] = []
        for field, block in (("symbol", "symbols"), ("timeframe", "timeframes")):
            _override_one(mapping, request, field, block, changes)
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
        plan_experiment(experiment, bars, compatibility=self.compatibility)
        return experiment

    def create(
        self,
        experiment: Experiment,
        *,
        parent: str | None = None,
        retry_of: str | None = None,
        surrogates: int,
        attempt: int = 1,
        extra: dict[str, Any] | None = None,
    ) -> str:
        """Record a pending training operation and return its id."""
        strategy = experiment.strategy
        request = {
            "strategy": strategy.to_mapping(),
            "dataset_id": experiment.dataset_id,
            "seed": experiment.seed,
            "backend": experiment.backend,
            "changes": list(experiment.changes),
            "surrogates": surrogates,
            "compatibility": self.compatibility,
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
        self.update_tracker()
        return operation_id

    def queue(self, operation_id: str, finished: Finished | None = None) -> None:
        """Hand a pending or resuming operation to the workers."""
        row = self.ledger.operation(operation_id)
        self.ledger.update_operation(operation_id, owner=self.executor.owner)
        if finished is not None:
            self._finished[operation_id] = finished
        payload = {
            **row["request"],
            "operation_id": operation_id,
            "run_id": row["run_id"],
            "trials": self.ledger.count_trials(row["request"]["dataset_id"]) + 1,
        }
        self.executor.submit(operation_id, "training", payload, self._on_done)

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
            if value["verdict"] is not None:
                self.ledger.set_verdict(row["run_id"], value["verdict"])
            self.ledger.transition(
                operation_id,
                "completed",
                result_summary=value["result_summary"],
                warnings=[*(row["warnings"] or []), *value["warnings"]],
            )
        elif row["status"] in ACTIVE:
            to = "cancelled" if outcome == "cancelled" else "failed"
            self.ledger.transition(
                operation_id,
                to,
                error_message=value.get("text") or value.get("message"),
                error_code=value.get("code"),
                failure_class="cancelled" if to == "cancelled" else value.get("failure_class"),
            )
            self._record_unfinished(operation_id, to)
        self.update_tracker()
        callback = self._finished.pop(operation_id, None)
        if callback is not None:
            callback(self.ledger.operation(operation_id))

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
        self._wait_final(operation_id, wait_seconds)
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
        Progress.in_file(self.workspace.control(operation_id)).cancel()
        if force:
            self.executor.kill(operation_id)

    def _wait_final(self, operation_id: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.ledger.operation(operation_id)["status"] in FINAL:
                return
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
            surrogates=row["request"]["surrogates"],
            attempt=row["attempt"] + 1,
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
        if not folder.is_dir():
            raise NotFoundError(
                f"the operation {operation_id} has no checkpoint.",
                code="CHECKPOINT-NotFound",
                suggestion="Retry it from the beginning.",
            )
        if not self.executor.alive:
            raise TransientError("no worker process is free.", code="SYSTEM-NoWorker")
        checkpoint = checkpoint_facts(folder)
        self.ledger.require_transition(operation_id, "resuming")
        self.queue(operation_id, finished)
        self.update_tracker()
        return {
            **self.ledger.operation(operation_id),
            "resumed_from": {
                "checkpoint_type": checkpoint["kind"],
                "created_at": checkpoint["saved_at"],
                "epoch": checkpoint["epoch"],
            },
        }

    def recover(self) -> list[str]:
        """Mark operations failed whose process died; return their ids. Called at a start."""
        died: list[str] = []
        rows, _ = self.ledger.list_operations(statuses=ACTIVE)
        for row in rows:
            if row["owner"] == self.executor.owner or owner_is_alive(self.workspace, row["owner"]):
                continue
            changed = self.ledger.transition(
                row["operation_id"],
                "failed",
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

    def update_tracker(self) -> None:
        """Bring the execution tracker in line with the operations table."""
        rows, _ = self.ledger.list_operations(operation_type="training")
        if self.campaign_id is not None:
            rows = [r for r in rows if r["request"].get("campaign_id") == self.campaign_id]
        names = self.tracked
        if names is None:
            names = sorted(path.stem for path in self.workspace.strategies.glob("*.yaml"))
        write_tracker(self.workspace.tracker, rows, names)


def _override_one(
    mapping: dict[str, Any], request: StartRequest, field: str, block: str, changes: list[str]
) -> None:
    """Let the request's symbol or timeframe replace the file's, and note it if it differs."""
    wanted = request.one(field)
    data = mapping.get("training_data", {}).get(block)
    if wanted is None or not isinstance(data, dict) or data.get("list") == [wanted]:
        return
    changes.append(f"training_data.{block}.list: {data.get('list')} -> [{wanted}]")
    data["list"] = [wanted]
    if block == "timeframes":
        data["base_timeframe"] = wanted
