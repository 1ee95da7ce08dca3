"""The four files of a training run, complete and valid after every epoch and after any end.

``metrics.csv``, ``detailed_metrics.json``, ``alerts.txt`` and ``config.yaml`` appear under the run
directory after the first finished epoch. ``metrics.csv`` is replaced whole after each later one,
the others at least four times a second and at the end, so all are valid at any moment. A run that
ends before its first epoch leaves them under the directory for failed runs.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from marketlab.core import (
    Clock,
    MarketLabError,
    SystemClock,
    TrainingDivergedError,
    atomic_folder,
    atomic_write,
    canonical_json,
    check_name,
    dump_yaml,
    environment,
    iso,
)
from marketlab.training._alerts import AlertConfig, AlertLog, alerts_text, divergence_alert
from marketlab.training._fit import FitResult
from marketlab.training._metrics import EpochMetrics
from marketlab.training._run_files import METRICS_COLUMNS, csv_row, document, epoch_json
from marketlab.training._state import TrainerState

FinalStatus = Literal["completed", "failed", "cancelled"]
RUN_FILES = ("metrics.csv", "detailed_metrics.json", "alerts.txt", "config.yaml")
_SEALED = "sealed: the test part is not read until `marketlab evaluate --test`"


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run before it trains.

    Attributes
    ----------
    strategy : its name, line 1 of config.yaml. config : the full resolved strategy, JSON-ready,
        in file order. splits : sizes and dates of the parts. data_fingerprint : content id of bars
        or rows. baselines : scores that need no training, if known.
    """

    run_id: str
    strategy: str
    operation_id: str | None
    seed: int
    config: Mapping[str, Any]
    training_config: Mapping[str, Any] = field(default_factory=dict)
    features: Sequence[str] = ()
    splits: Mapping[str, Any] = field(default_factory=dict)
    baselines: Mapping[str, Any] = field(default_factory=dict)
    data_fingerprint: str | None = None


class RunAnalytics:
    """Writes the files of one run; pass `on_epoch` to `fit`.

    Parameters
    ----------
    run_dir : ``training_analytics/runs/<run_id>``; no file of it exists before the first epoch.
    failed_dir : ``training_analytics/failed/<run_id>``, for a run that ends before that.
    resume : the state of a run that continues; the files are rebuilt from its history, so no
        epoch is repeated or lost.
    whole_seconds : how long the longer files may lag behind metrics.csv while the run goes on.
    """

    def __init__(
        self,
        run_dir: Path,
        failed_dir: Path,
        facts: RunFacts,
        *,
        alerts: AlertConfig | None = None,
        clock: Clock | None = None,
        resume: TrainerState | None = None,
        whole_seconds: float = 0.25,
    ) -> None:
        check_name(facts.strategy, field="strategy")
        check_name(facts.run_id, field="run_id")
        self.run_dir, self.failed_dir, self.facts = run_dir, failed_dir, facts
        self._clock = clock or SystemClock()
        self._alerts = AlertLog(alerts or AlertConfig())
        self._rows = [",".join(METRICS_COLUMNS) + "\n"]
        self._epochs: list[str] = []
        self._last: EpochMetrics | None = None
        self._best: tuple[float, int] | None = None
        self._seconds = 0.0
        self._started = self._clock.now()
        self._environment = environment()
        self._head = self._fixed_members()
        self._whole_seconds = whole_seconds
        self._whole_at = 0.0  # when all files were last written, monotonic seconds
        if resume is not None:
            for metrics in resume.history:
                self._record(metrics)
            self._write("running", best_index=resume.stop.best_epoch, durable=False)

    @property
    def alert_count(self) -> int:
        """Entries in alerts.txt."""
        return len(self._alerts.alerts)

    def on_epoch(self, metrics: EpochMetrics, state: TrainerState) -> None:
        """Add one epoch: metrics.csv at once, the longer files at least four times a second.

        A file that replaces another costs the disk about 2 ms here, an epoch of a small net 6 ms.
        """
        self._record(metrics)
        if self.run_dir.exists() and time.monotonic() - self._whole_at < self._whole_seconds:
            text = "".join(self._rows)
            atomic_write(self.run_dir / "metrics.csv", text, durable=False)
            return
        self._whole_at = time.monotonic()
        self._write("running", best_index=state.stop.best_epoch, config=False, durable=False)

    def finish(self, result: FitResult, *, baselines: Mapping[str, Any] | None = None) -> None:
        """Write the final state of a run that reached its end, durably."""
        self._write(
            "completed",
            reason=result.stopping_reason,
            best_index=result.best_epoch,
            baselines=baselines,
        )

    def fail(self, error: BaseException, *, status: FinalStatus = "failed") -> Path:
        """Write the final state of a run that did not reach its end; return where it lies.

        Before the first finished epoch that is the directory for failed runs.
        """
        if isinstance(error, TrainingDivergedError) and "epoch" in error.details:
            self._alerts.add(divergence_alert(error.details["epoch"], error.details["batch"]))
        self._write(status, error=error)
        return self._place()

    def _place(self) -> Path:
        return self.run_dir if self._epochs else self.failed_dir

    def _record(self, metrics: EpochMetrics) -> None:
        self._rows.append(csv_row(metrics))
        self._epochs.append(epoch_json(metrics))
        self._alerts.record(metrics)
        self._seconds += metrics.duration_seconds
        self._last = metrics
        if self._best is None or metrics.val_accuracy > self._best[0]:
            self._best = (metrics.val_accuracy, metrics.epoch)

    def _write(
        self,
        status: str,
        *,
        reason: str | None = None,
        best_index: int | None = None,
        baselines: Mapping[str, Any] | None = None,
        error: BaseException | None = None,
        config: bool = True,
        durable: bool = True,
    ) -> None:
        if baselines is not None:
            self._head["baselines"] = canonical_json(dict(baselines))
        if best_index is not None:
            self._head["best_epoch_index"] = str(best_index)
        texts = {
            "metrics.csv": "".join(self._rows),
            "detailed_metrics.json": self._json_text(status, reason, error),
            "alerts.txt": alerts_text(self.facts.run_id, self._alerts.alerts),
        }
        place = self._place()
        if config or not place.exists():
            texts["config.yaml"] = self._config_text(status, error)
        if place.exists():
            for name, text in texts.items():
                atomic_write(place / name, text, durable=durable)
            return
        with atomic_folder(place) as scratch:  # all four appear at once
            for name, text in texts.items():
                atomic_write(scratch / name, text, durable=durable)

    def _fixed_members(self) -> dict[str, str]:
        facts = self.facts
        sealed = dict.fromkeys(("test_loss", "test_accuracy", "precision", "recall", "f1_score"))
        values = {
            "training_config": dict(facts.training_config) or dict(facts.config),
            "features": list(facts.features),
            "splits": dict(facts.splits),
            "baselines": dict(facts.baselines),
            "test_metrics": {**sealed, "reason": _SEALED},
            "environment": self._environment,
            "data_fingerprint": facts.data_fingerprint,
            "seed": facts.seed,
            "best_epoch_index": None,
        }
        return {key: canonical_json(value) for key, value in values.items()}

    def _json_text(self, status: str, reason: str | None, error: BaseException | None) -> str:
        ended = status != "running"
        last = self._last
        run = {
            "run_id": self.facts.run_id,
            "start_time": iso(self._started),
            "end_time": iso(self._clock.now()) if ended else None,
            "total_epochs": len(self._epochs),
            "status": status,
        }
        final = {
            "total_epochs_completed": len(self._epochs),
            "stopping_reason": reason,
            "training_duration_minutes": self._seconds / 60.0,
            "best_val_accuracy": self._best[0] if self._best else None,
            "best_epoch": self._best[1] + 1 if self._best else None,
            "final_gradient_norm": last.gradient_norm_avg if last else None,
            "alert_count": len(self._alerts.alerts),
            "error": None if error is None else str(error),
        }
        epochs = "[\n" + ",\n".join(self._epochs) + "\n]" if self._epochs else "[]"
        alerts = [alert.to_mapping() for alert in self._alerts.alerts]
        return document(
            {
                "run_metadata": canonical_json(run),
                **self._head,
                "epoch_metrics": epochs,
                "alerts": canonical_json(alerts),
                "final_analysis": canonical_json(final),
            }
        )

    def _config_text(self, status: str, error: BaseException | None) -> str:
        facts = self.facts
        body: dict[str, Any] = {k: v for k, v in facts.config.items() if k != "name"}
        body |= {
            "operation_id": facts.operation_id,
            "run_id": facts.run_id,
            "seed": facts.seed,
            "status": status,
        }
        if error is not None:
            code = error.code if isinstance(error, MarketLabError) else "SYSTEM-Error"
            body |= {"error_code": code, "error": str(error)}
        body |= {
            "splits": dict(facts.splits),
            "features": list(facts.features),
            "data_fingerprint": facts.data_fingerprint,
            "versions": self._environment,
        }
        return f"name: {facts.strategy}\n{dump_yaml(body)}"
