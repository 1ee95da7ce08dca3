"""One training run, from stored bars to a folder of files: the job that a worker process does.

The run's own files are its result. They are written as they come, whole or not at all, and
`outcome.json` last: its presence means that the run is complete, so a run whose supervisor was
killed is neither lost nor done twice.
"""

import multiprocessing
import os
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np

from marketlab.campaigns._evidence import Evidence, collect_evidence, exclusions_of
from marketlab.campaigns._null import OBSERVED, Family
from marketlab.campaigns._plan import (
    check_prepared,
    degenerate_labels,
    refuse_without_volume,
)
from marketlab.campaigns._prepare import Prepared, prepare, select_bars, split_facts
from marketlab.campaigns._resolve import Experiment
from marketlab.campaigns._strategy import parse_strategy
from marketlab.campaigns._walk import WalkForecast, forecast_walk
from marketlab.campaigns._workspace import Workspace
from marketlab.core import (
    CancelledError,
    FileLock,
    Progress,
    RunRecord,
    SystemClock,
    environment,
    file_sha256,
    finite_or_none,
    iso,
    read_json,
    write_json,
)
from marketlab.features import Standardizer
from marketlab.models import MLPForecaster, count_parameters
from marketlab.training import (
    Checkpointer,
    EpochMetrics,
    FitResult,
    RunAnalytics,
    RunFacts,
    TrainerState,
    TrainingData,
    checkpoint_exists,
    delete_checkpoint,
    fit,
    load_checkpoint,
)

_MODEL_FILES = ("weights.safetensors", "model.json")
SEALED = "sealed until `evaluate --test` opens it, once, on the record"


def experiment_of(request: dict[str, Any]) -> Experiment:
    """Return the experiment that an operation's request holds."""
    return Experiment(
        strategy=parse_strategy(request["strategy"], source=request["strategy"]["name"]),
        dataset_id=request["dataset_id"],
        seed=request["seed"],
        backend=request["backend"],
        changes=tuple(request["changes"]),
    )


def record_of(
    experiment: Experiment,
    *,
    run_id: str,
    status: Any,
    started_at: str | None,
    finished_at: str | None,
    error: str | None = None,
    error_code: str | None = None,
    error_class: str | None = None,
    artefacts: dict[str, str] | None = None,
    duration_seconds: float | None = None,
) -> RunRecord:
    """Return the record that the ledger keeps of a run, finished or not."""
    facts = environment()
    return RunRecord(
        run_id=run_id,
        config_id=experiment.config_id,
        dataset_id=experiment.dataset_id,
        code_version=facts["marketlab"],
        environment=facts,
        seed=experiment.seed,
        status=status,
        started_at=started_at or finished_at or "",
        finished_at=finished_at,
        duration_seconds=duration_seconds,
        error=error,
        error_code=error_code,
        error_class=error_class,
        artefacts=artefacts or {},
    )


def run_training(root: Path, payload: dict[str, Any]) -> dict[str, Any]:
    """Worker job: train one experiment and return what the ledger needs.

    Raises
    ------
    MarketLabError for whatever stops the run; its files then say why. CancelledError leaves a
    checkpoint to go on from.
    """
    workspace = Workspace(root)
    run_id = payload["run_id"]
    with FileLock(workspace.control(run_id + ".lock"), timeout_seconds=60.0):
        outcome = workspace.runs / run_id / "outcome.json"
        if outcome.is_file():
            stored: dict[str, Any] = read_json(outcome)
            return stored
        return _Run(workspace, payload).execute()


class _Run:
    """The walk of one run; each method is one stage."""

    def __init__(self, workspace: Workspace, payload: dict[str, Any]) -> None:
        self.workspace = workspace
        self.payload = payload
        self.run_id: str = payload["run_id"]
        self.experiment = experiment_of(payload)
        self.strategy = self.experiment.strategy
        self.progress = Progress.in_file(workspace.control(payload["operation_id"]))
        self.clock = SystemClock()
        self.started_at = str(iso(self.clock.now()))
        self.began = time.monotonic()
        # Known since the process was spawned: the parent may be gone before the job begins.
        parent = multiprocessing.parent_process()
        self.parent_pid = os.getppid() if parent is None else parent.pid
        self.folder = workspace.runs / self.run_id
        self.checkpoint = workspace.checkpoint(self.run_id)
        self.saver = Checkpointer(self.checkpoint)

    def execute(self) -> dict[str, Any]:
        """Run all stages; on an error, leave the run's files saying what happened."""
        try:
            prepared, warnings = self._prepare()
            scaler = prepared.fit_standardizer()
            data = self._training_data(prepared, scaler)
            resume = (
                load_checkpoint(self.checkpoint) if checkpoint_exists(self.checkpoint) else None
            )
        except Exception as error:
            self._analytics(None).fail(error, status=_final_status(error))
            raise
        analytics = self._analytics(prepared, resume)
        try:
            result = self._fit(data, analytics, resume, n_walk=len(prepared.folds.scored))
            return self._finish(prepared, scaler, data, result, warnings, analytics)
        except Exception as error:
            status = _final_status(error)
            # Also after training: judging may take longer than it, and may be cancelled as well.
            try:
                self.saver.flush("cancellation" if status == "cancelled" else "failure")
            finally:
                analytics.fail(error, status=status)
            raise

    # -- before training ----------------------------------------------------------------------

    def _prepare(self) -> tuple[Prepared, list[dict[str, Any]]]:
        self.progress.enter("loading_data")
        bars = self.workspace.catalog.load(self.experiment.dataset_id)
        selected = select_bars(bars, self.strategy)
        if not self.strategy.training.allow_constant_features:
            refuse_without_volume(self.experiment, has_volume=bars.has_volume)
        prepared = prepare(self.strategy, selected, progress=self.progress)
        warnings = check_prepared(
            self.experiment, prepared, compatibility=self.payload["compatibility"]
        )
        self.progress.enter("creating_model")
        return prepared, warnings

    def _training_data(self, prepared: Prepared, scaler: Standardizer | None) -> TrainingData:
        return TrainingData(
            x_train=prepared.x("train", scaler),
            y_train=prepared.y("train"),
            x_validation=prepared.x("validation", scaler),
            y_validation=prepared.y("validation"),
            feature_names=tuple(prepared.features.names),
        )

    def _analytics(
        self, prepared: Prepared | None, resume: TrainerState | None = None
    ) -> RunAnalytics:
        """Return the writer of the run's files; a resumed run's earlier epochs are in them."""
        facts = RunFacts(
            run_id=self.run_id,
            strategy=self.strategy.name,
            operation_id=self.payload["operation_id"],
            seed=self.experiment.seed,
            config=self._config(prepared),
            training_config=self.strategy.to_mapping(),
            features=prepared.features.names if prepared else (),
            splits=split_facts(prepared) if prepared else {},
            data_fingerprint=self.experiment.dataset_id,
        )
        failed = self.workspace.failed_runs / self.run_id
        return RunAnalytics(self.folder, failed, facts, resume=resume)

    def _config(self, prepared: Prepared | None) -> dict[str, Any]:
        """Return what config.yaml holds: the resolved strategy first, then where it came from."""
        experiment = self.experiment
        facts: dict[str, Any] = {
            **self.strategy.to_mapping(),
            "campaign_id": self.payload.get("campaign_id"),
            "backend": experiment.backend,
            "config_id": experiment.config_id,
            "design_id": experiment.design_id,
            "overrides": list(experiment.changes),
            "compatibility": self.payload["compatibility"],
        }
        if prepared is not None:
            bars = prepared.bars
            facts["data"] = {
                "dataset_id": experiment.dataset_id,
                "n_bars": bars.n_bars,
                "first_time": iso(bars.times(0)),
                "last_time": iso(bars.times(bars.n_bars - 1)),
                "is_synthetic": bars.is_synthetic,
                "source": bars.source,
            }
        return facts

    # -- training -----------------------------------------------------------------------------

    def _fit(
        self,
        data: TrainingData,
        analytics: RunAnalytics,
        resume: TrainerState | None,
        *,
        n_walk: int,
    ) -> FitResult:
        """Fit the net that is kept; `n_walk` more follow it."""

        def on_epoch(metrics: EpochMetrics, state: TrainerState) -> None:
            analytics.on_epoch(metrics, state)
            self.saver.on_epoch(metrics, state)
            self._check_parent()

        self.progress.net(0, 1 + n_walk)
        return fit(
            data,
            self.strategy.model.architecture,
            self.strategy.training.trainer(),
            seed=self.experiment.seed,
            backend=self.experiment.backend,
            on_epoch=on_epoch,
            progress=self.progress,
            resume=resume,
        )

    def _check_parent(self) -> None:
        if os.getppid() != self.parent_pid:
            raise CancelledError("the process that started this run is gone.")

    # -- after training -----------------------------------------------------------------------

    def _finish(
        self,
        prepared: Prepared,
        scaler: Standardizer | None,
        data: TrainingData,
        result: FitResult,
        warnings: list[dict[str, Any]],
        analytics: RunAnalytics,
    ) -> dict[str, Any]:
        walk = self._walk(prepared)
        self.progress.enter("evaluating")
        forecaster = MLPForecaster(result.best_weights, self.strategy.model.architecture)
        part = prepared.folds.judged_part
        evidence = collect_evidence(
            self.strategy,
            prepared,
            forecaster.predict(data.x_validation) if part == "validation" else walk.probabilities,
            seed=self.experiment.seed,
            degenerate=degenerate_labels(prepared),
            exclusions=exclusions_of(warnings),
            part=part,
            folds=walk.folds,
            boosting=self.payload.get("boosting", False),  # not in records of older versions
        )
        null_rows = self._null_rows(prepared) if self.payload["surrogates"] else None
        self.progress.enter("writing_results")
        artefacts = self._write(prepared, scaler, forecaster, evidence)
        summary = self._summary(prepared, result, evidence)
        baselines = {b["name"]: b for b in summary["baselines"]}
        analytics.finish(result, baselines=baselines)
        outcome = self._outcome(summary, null_rows, warnings, artefacts)
        write_json(self.folder / "outcome.json", outcome)
        delete_checkpoint(self.checkpoint)
        self.progress.finish()
        return outcome

    def _walk(self, prepared: Prepared) -> WalkForecast:
        """Train the nets of the walk's blocks; nothing to do in a run of one fold."""
        return forecast_walk(
            self.strategy,
            prepared,
            seed=self.experiment.seed,
            backend=self.experiment.backend,
            kept=self.folder / "folds",
            progress=self.progress,
            after_fold=self._check_parent,
        )

    def _null_rows(self, prepared: Prepared) -> dict[str, list[float | None]]:
        """Return the surrogate statistics of a run that belongs to no campaign: a family of one.

        The supervisor judges, because only it knows how many trials there were by then.
        """
        family = Family(prepared.bars, [self.strategy])
        count = int(self.payload["surrogates"])
        rows: dict[str, list[float | None]] = {}
        for index in range(OBSERVED, count + 1):
            values = family.statistics(index, seed=self.experiment.seed, progress=self.progress)
            rows[str(index)] = [finite_or_none(v) for v in values]
            self.progress.step(index, count)
            self._check_parent()
        return rows

    def _write(
        self,
        prepared: Prepared,
        scaler: Standardizer | None,
        forecaster: MLPForecaster,
        evidence: Evidence,
    ) -> dict[str, str]:
        """Write model and evidence; return the artefacts' paths relative to the workspace."""
        from safetensors.numpy import save

        from marketlab.core import atomic_write

        model = self.folder / "model"
        model.mkdir(parents=True, exist_ok=True)
        weights = {k: np.ascontiguousarray(v) for k, v in forecaster.to_arrays().items()}
        atomic_write(model / "weights.safetensors", save(weights))
        write_json(
            model / "model.json",
            {
                "strategy": self.strategy.to_mapping(),
                "feature_names": list(prepared.features.names),
                "feature_config": self.strategy.feature_config().to_mapping(),
                "model_config": self.strategy.model.architecture.to_mapping(),
                "decision_policy": self.strategy.decisions.policy().to_mapping(),
                "standardizer": None if scaler is None else scaler.to_dict(),
                "warm_up_bars": prepared.features.warm_up_bars,
            },
        )
        digests = {name: file_sha256(model / name) for name in _MODEL_FILES}
        write_json(model / "files.json", {"sha256": digests})
        evidence.save(self.folder)
        names = (
            "model/weights.safetensors",
            "model/model.json",
            "evidence.npz",
            "metrics.csv",
            "detailed_metrics.json",
            "alerts.txt",
            "config.yaml",
        )
        base = self.folder.relative_to(self.workspace.root)
        return {name: str(base / name) for name in names}

    def _summary(
        self,
        prepared: Prepared,
        result: FitResult,
        evidence: Evidence,
    ) -> dict[str, Any]:
        bars = prepared.bars
        names = list(prepared.features.names)
        parameters = count_parameters(self.strategy.model.architecture, len(names))
        unjudged = evidence.verdict(null=None, n_trials=1).to_mapping()
        base = self.folder.relative_to(self.workspace.root)
        return {
            "run_id": self.run_id,
            "seed": self.experiment.seed,
            "model_path": str(base / "model"),
            "stopped_early": result.stopped_early,
            "training_metrics": _training_metrics(result, time.monotonic() - self.began),
            "test_metrics": {
                **dict.fromkeys(("test_loss", "test_accuracy", "precision", "recall", "f1_score")),
                "reason": SEALED,
            },
            "model_info": {
                "parameters_count": parameters,
                "trainable_parameters": parameters,
                "architecture": self.strategy.model.architecture.to_mapping(),
            },
            "data_summary": {
                "symbols": [bars.symbol],
                "timeframes": [bars.timeframe],
                "start_date": iso(bars.times(0)),
                "end_date": iso(bars.times(bars.n_bars - 1)),
                "total_samples": prepared.samples.n_samples,
                "feature_count": len(names),
            },
            "splits": split_facts(prepared),
            "features": names,
            "baselines": unjudged["baselines"],
            "verdict": None,  # written when the run is judged
        }

    def _outcome(
        self,
        summary: dict[str, Any],
        null_rows: dict[str, list[float | None]] | None,
        warnings: list[dict[str, Any]],
        artefacts: dict[str, str],
    ) -> dict[str, Any]:
        record = record_of(
            self.experiment,
            run_id=self.run_id,
            status="completed",
            started_at=self.started_at,
            finished_at=iso(self.clock.now()),
            artefacts=artefacts,
            duration_seconds=round(time.monotonic() - self.began, 3),
        )
        return {
            "record": record.to_mapping(),
            "design_id": self.experiment.design_id,
            "result_summary": summary,
            "null_rows": null_rows,
            "warnings": [f"{w['code']}: {w['message']}" for w in warnings],
        }


def _final_status(error: Exception) -> Literal["failed", "cancelled"]:
    return "cancelled" if isinstance(error, CancelledError) else "failed"


def _training_metrics(result: FitResult, seconds: float) -> dict[str, Any]:
    """Return the documented block: final, best and history, best by the monitored quantity."""
    history, last = result.history, result.history[-1]
    best = history[result.best_epoch]
    return {
        "epochs_trained": len(history),
        "n_steps": result.n_steps,
        "final_train_loss": last.train_loss,
        "final_train_accuracy": last.train_accuracy,
        "final_val_loss": last.val_loss,
        "final_val_accuracy": last.val_accuracy,
        "best_epoch": result.best_epoch,
        "best_val_loss": best.val_loss,
        "best_val_accuracy": best.val_accuracy,
        "training_time": round(seconds, 3),
        "epoch_seconds": round(sum(m.duration_seconds for m in history), 4),
        "early_stopped": result.stopped_early,
        "history": {
            "train_loss": [m.train_loss for m in history],
            "train_accuracy": [m.train_accuracy for m in history],
            "val_loss": [m.val_loss for m in history],
            "val_accuracy": [m.val_accuracy for m in history],
            "learning_rate": [m.learning_rate for m in history],
            "duration": [m.duration_seconds for m in history],
            "timestamp": [m.finished_at for m in history],
        },
    }
