"""Runs a campaign: every strategy once, the family's null beside them, verdicts, then reports.

Everything that is finished is on disk before it counts, so a campaign that was killed goes on from
there: finished runs are not repeated, interrupted ones continue from their checkpoint, surrogates
already scored are kept.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from marketlab.campaigns._campaign_config import CampaignConfig
from marketlab.campaigns._collect import campaign_results
from marketlab.campaigns._evidence import load_evidence
from marketlab.campaigns._executor import Executor
from marketlab.campaigns._experiment import experiment_of
from marketlab.campaigns._ledger import ACTIVE, FINAL, Ledger
from marketlab.campaigns._null import OBSERVED
from marketlab.campaigns._null_file import FORMAT, null_path, read_null
from marketlab.campaigns._operations import progress_view
from marketlab.campaigns._plan import plan_campaign
from marketlab.campaigns._report import write_report
from marketlab.campaigns._resolve import ensure_bars, resolve_experiment
from marketlab.campaigns._results import CampaignResults
from marketlab.campaigns._service import OperationService
from marketlab.campaigns._strategy import StrategyConfig
from marketlab.campaigns._verdicts import judge_campaign
from marketlab.campaigns._workspace import Workspace
from marketlab.core import (
    CancelledError,
    ConfigError,
    ConflictError,
    FileLock,
    IntegrityError,
    MarketLabError,
    Progress,
    TransientError,
    from_mapping,
    write_json,
)
from marketlab.data import BarFrame

# Surrogates per job: small enough for progress, large enough for the pipe.
_CHUNK = {"linear": 5, "net": 1}


@dataclass(frozen=True)
class CampaignState:
    """What a campaign looks like while it runs; drawn by the command line, served by REST."""

    campaign_id: str
    phase: str
    rows: tuple[dict[str, Any], ...]
    null_done: int
    null_total: int
    elapsed_seconds: float
    eta_seconds: float | None


OnTick = Callable[[CampaignState], None]


class CampaignRunner:
    """Creates and runs (or goes on with) campaigns in one workspace."""

    def __init__(self, workspace: Workspace, ledger: Ledger, executor: Executor) -> None:
        self.workspace = workspace
        self.ledger = ledger
        self.executor = executor

    def create(self, config: CampaignConfig) -> str:
        """Plan the campaign and record it; nothing is recorded if any strategy is wrong.

        Raises
        ------
        ConfigError listing every issue of every strategy.
        """
        plan = plan_campaign(self.workspace, config)
        wrong = [row for row in plan.rows if not row.ok]
        if wrong:
            issues = [{**issue, "strategy": row.strategy} for row in wrong for issue in row.issues]
            first = issues[0]
            raise ConfigError(
                f"{len(wrong)} of {len(plan.rows)} strategies cannot run; the first is "
                f"{first['strategy']}: {first['message']}",
                code=first.get("code"),
                field=first.get("field"),
                suggestion=first.get("suggestion") or "See `marketlab plan`.",
                details={"issues": issues},
            )
        return self.ledger.create_campaign(
            name=config.name,
            config_id=config.content_id(),
            seed=config.seed,
            config=config.to_mapping(),
        )

    def run(self, campaign_id: str, *, on_tick: OnTick | None = None) -> CampaignResults:
        """Run what is left of a campaign and write its reports; return the results.

        Raises
        ------
        CancelledError after Ctrl-C: what was running has kept a checkpoint. ConflictError if
        another process runs the campaign. After any other error the campaign is failed, and may
        be run again.
        """
        row = self.ledger.campaign(campaign_id)
        lock = FileLock(self.workspace.control(f"{campaign_id}.lock"), timeout_seconds=0.0)
        with _only_one(lock, campaign_id):
            try:
                return self._run(row, on_tick)
            except (CancelledError, KeyboardInterrupt):
                self.ledger.update_campaign(campaign_id, status="cancelled")
                raise
            except BaseException:
                with contextlib.suppress(MarketLabError):  # the first error is the one to tell
                    self.ledger.update_campaign(campaign_id, status="failed")
                raise

    def _run(self, row: dict[str, Any], on_tick: OnTick | None) -> CampaignResults:
        campaign_id = row["campaign_id"]
        config = from_mapping(CampaignConfig, row["config"], source=f"campaign {campaign_id}")
        self.ledger.update_campaign(campaign_id, status="running", finished_at=None)
        work = _CampaignWork(self, campaign_id, config)
        try:
            work.queue_runs()
            work.queue_null()
            work.drive(on_tick)
        except KeyboardInterrupt:
            work.cancel(on_tick)
            raise CancelledError(
                "the campaign was stopped; finished runs are kept.",
                suggestion=f"Go on with `marketlab campaign resume {campaign_id}`.",
            ) from None
        judge_campaign(self.workspace, self.ledger, campaign_id)
        unfinished = [r for r in self.operations(campaign_id) if r["status"] != "completed"]
        self.ledger.update_campaign(
            campaign_id, status="completed", summary={"not_completed": len(unfinished)}
        )
        results = campaign_results(self.workspace, self.ledger, campaign_id)
        write_report(self.workspace, results)
        return results

    def operations(self, campaign_id: str) -> list[dict[str, Any]]:
        """Return the campaign's training operations in the order of creation."""
        rows, _ = self.ledger.list_operations(operation_type="training", campaign_id=campaign_id)
        return rows


class _CampaignWork:
    """One pass over a campaign: what to queue, and what it looks like meanwhile."""

    def __init__(self, runner: CampaignRunner, campaign_id: str, config: CampaignConfig) -> None:
        self.runner = runner
        self.workspace = runner.workspace
        self.ledger = runner.ledger
        self.executor = runner.executor
        self.campaign_id = campaign_id
        self.config = config
        self.started = time.monotonic()
        self.bars = self._bars()
        self.strategies: list[StrategyConfig] = []
        self.service = OperationService(
            self.workspace, self.ledger, self.executor, compatibility=config.compatibility
        )
        self.service.campaign_id = campaign_id
        self.service.tracked = config.strategies.names
        self.null_path = null_path(self.workspace, campaign_id)
        self.null = read_null(self.workspace, campaign_id)
        self.null_error: str | None = None
        self.null_before = 0  # scored in an earlier pass
        self.finished_here = 0

    def _bars(self) -> BarFrame:
        """Return the bars that the campaign began with, else those that it asks for."""
        for row in self.runner.operations(self.campaign_id):
            return self.workspace.catalog.load(row["request"]["dataset_id"])
        return ensure_bars(self.workspace, self.config.data)

    def queue_runs(self) -> None:
        """Queue every strategy that has no final result yet."""
        self.service.recover()
        by_name = {row["strategy_name"]: row for row in self.runner.operations(self.campaign_id)}
        for name in self.config.strategies.names:
            row = by_name.get(name)
            # What was begun goes on as it was, even if the strategy's file was edited since.
            experiment = (
                resolve_experiment(self.workspace, self.config, name, self.bars)
                if row is None
                else experiment_of(row["request"])
            )
            self.strategies.append(experiment.strategy)
            if row is None:
                # `create` planned it and the worker checks it again before it trains. The
                # family's null is computed once for all, so a run computes none of its own.
                operation_id = self.service.create(
                    experiment, surrogates=0, boosting=self.config.boosting
                )
            elif row["status"] == "completed" and self._cannot_be_judged(row["run_id"]):
                operation_id = self.service.create(
                    experiment,
                    surrogates=0,
                    boosting=self.config.boosting,
                    retry_of=row["operation_id"],
                )
            elif row["status"] in ("failed", "cancelled") and row["failure_class"] in (
                "transient",
                "cancelled",
                "integrity",
            ):
                operation_id = row["operation_id"]
                self.ledger.require_transition(operation_id, "resuming", owner=self.executor.owner)
            else:
                continue
            self.service.queue(operation_id, self._count)

    def _cannot_be_judged(self, run_id: str) -> bool:
        """Whether a completed run's evidence is damaged, or less than a verdict needs today."""
        try:
            load_evidence(self.workspace.run_folder(run_id))
        except IntegrityError:
            return True
        return False

    def _count(self, _row: dict[str, Any]) -> None:
        self.finished_here += 1

    def queue_null(self) -> None:
        """Queue the surrogates that are not scored yet, the real bars first."""
        names = [s.name for s in self.strategies]
        if self.null.get("names") not in (None, names):
            raise IntegrityError(
                f"{self.null_path} belongs to another family of strategies.", code="STORAGE-Corrupt"
            )
        if self.null["format"] != FORMAT:
            self.null["rows"] = {}  # of another statistic: they would not be comparable
        self.null |= {"names": names, "format": FORMAT}
        have = {int(index) for index in self.null["rows"]}
        self.null_before = len(have)
        wanted = [i for i in range(OBSERVED, self.config.null.surrogates + 1) if i not in have]
        mappings = [s.to_mapping() for s in self.strategies]
        chunk = _CHUNK[self.config.null.statistic]
        for start in range(0, len(wanted), chunk):
            payload: dict[str, Any] = {
                "strategies": mappings,
                "dataset_id": self.bars.dataset_id,
                "seed": self.config.seed,
                "null": self.config.null.to_mapping(),
                "indices": wanted[start : start + chunk],
            }
            self.executor.submit(
                ",".join(map(str, payload["indices"])),
                "null",
                payload,
                self._null_done,
            )

    def _null_done(self, indices: str, word: str, value: Any) -> None:
        if word != "done":
            self.null_error = value.get("text") or value.get("message")
            return
        for index, row in zip(indices.split(","), value, strict=True):
            self.null["rows"][index] = row
        write_json(self.null_path, self.null, indent=None)

    def drive(self, on_tick: OnTick | None) -> None:
        """Pump until nothing is left, showing the state a few times a second."""
        shown = 0.0
        while not self.executor.idle:
            self.executor.pump(0.1)
            if on_tick is not None and time.monotonic() - shown > 0.2:
                shown = time.monotonic()
                on_tick(self.state("running"))
        if self.null_error is not None:
            raise IntegrityError(
                f"the null could not be computed: {self.null_error}",
                code="NULL-Failed",
                suggestion=f"Correct the cause, then `marketlab campaign resume "
                f"{self.campaign_id}`: finished runs are kept.",
            )
        if on_tick is not None:
            on_tick(self.state("judging"))

    def cancel(self, on_tick: OnTick | None) -> None:
        """Ask every run to stop and wait until each has kept a checkpoint."""
        self.executor.drop_waiting()
        deadline = time.monotonic() + 15.0
        for row in self.runner.operations(self.campaign_id):
            if row["status"] == "running":
                Progress.in_file(self.workspace.control(row["operation_id"])).cancel()
            elif row["status"] in ACTIVE:
                self.ledger.transition(
                    row["operation_id"],
                    "cancelled",
                    failure_class="cancelled",
                    error_message="cancelled",
                )
        while not self.executor.idle and time.monotonic() < deadline:
            self.executor.pump(0.1)
            if on_tick is not None:
                on_tick(self.state("stopping"))
        self.service.update_tracker()

    def state(self, phase: str) -> CampaignState:
        """Return what the campaign looks like now."""
        rows = tuple(self._row_state(row) for row in self.runner.operations(self.campaign_id))
        elapsed = time.monotonic() - self.started
        done = sum(row["status"] in FINAL for row in rows)
        total = self.config.null.surrogates + 1
        null_done = len(self.null["rows"])
        # In runs: a linear surrogate takes about a quarter of one, one with nets all of them.
        cost = len(rows) if self.config.null.statistic == "net" else 0.25
        parts = (
            self.finished_here + (null_done - self.null_before) * cost,
            len(rows) - done + (total - null_done) * cost,
        )
        eta = elapsed * parts[1] / parts[0] if parts[0] >= 2 else None
        return CampaignState(
            campaign_id=self.campaign_id,
            phase=phase,
            rows=rows,
            null_done=null_done,
            null_total=total,
            elapsed_seconds=elapsed,
            eta_seconds=eta,
        )

    def _row_state(self, row: dict[str, Any]) -> dict[str, Any]:
        progress = progress_view(self.workspace, row)
        summary = row["result_summary"] or {}
        return {
            "strategy": row["strategy_name"],
            "status": row["status"],
            "operation_id": row["operation_id"],
            "percentage": progress["percentage"],
            "step": progress["current_step"],
            "epoch": progress["context"]["epoch_index"],
            "epochs": summary.get("training_metrics", {}).get("epochs_trained"),
            "val_loss": summary.get("training_metrics", {}).get("best_val_loss"),
            "seconds": summary.get("training_metrics", {}).get("training_time"),
            "notes": row["error_message"] or "",
        }


@contextlib.contextmanager
def _only_one(lock: FileLock, campaign_id: str) -> Iterator[None]:
    try:
        lock.__enter__()
    except TransientError:
        raise ConflictError(
            f"the campaign {campaign_id} is being run by another process.",
            code="CAMPAIGN-Running",
            suggestion="Wait for it to end, or stop it, then try again.",
        ) from None
    try:
        yield
    finally:
        lock.__exit__()
