"""Alerts on the course of training: fixed rules, one entry per rule however often it fires."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import Field

from marketlab.core import FrozenConfig
from marketlab.training._metrics import EpochMetrics

Severity = Literal["warning", "critical"]


class AlertConfig(FrozenConfig):
    """Thresholds of the rules; an epoch bound means epochs with a larger 0-based number."""

    gradient_norm_low: float = Field(default=0.01, ge=0.0)
    gradient_norm_low_after_epoch: int = 5
    gradient_norm_high: float = Field(default=10.0, gt=0.0)
    overfitting: float = Field(default=0.7, ge=0.0, le=1.0)
    weak_signal_after_epoch: int = 3
    class_balance_low: float = Field(default=0.5, ge=0.0, le=1.0)
    accuracy_low: float = Field(default=0.4, ge=0.0, le=1.0)
    accuracy_low_after_epoch: int = 10
    predicted_share_high: float = Field(default=0.9, gt=0.0, le=1.0)


@dataclass(frozen=True)
class Alert:
    """One rule that fired, in one or many epochs (0-based, first and last inclusive).

    `details` are the values of the first epoch in which it fired.
    """

    rule: str
    severity: Severity
    category: str
    message: str
    first_epoch: int
    last_epoch: int
    count: int
    details: dict[str, Any]

    def to_mapping(self) -> dict[str, Any]:
        """Return the JSON form; ``epoch`` is the first one."""
        return {
            "epoch": self.first_epoch,
            "severity": self.severity,
            "category": self.category,
            "message": self.message,
            "details": self.details,
            "rule": self.rule,
            "last_epoch": self.last_epoch,
            "count": self.count,
        }


class AlertLog:
    """The alerts of one run, in the order in which their rules first fired."""

    def __init__(self, config: AlertConfig) -> None:
        self.config = config
        self._alerts: dict[str, Alert] = {}

    @property
    def alerts(self) -> list[Alert]:
        """All entries, at most one per rule."""
        return list(self._alerts.values())

    def record(self, metrics: EpochMetrics) -> None:
        """Apply every rule to one epoch."""
        for alert in _fired(metrics, self.config):
            self.add(alert)

    def add(self, alert: Alert) -> None:
        """Enter one alert, or lengthen the entry of its rule."""
        earlier = self._alerts.get(alert.rule)
        if earlier is not None:
            alert = replace(earlier, last_epoch=alert.last_epoch, count=earlier.count + 1)
        self._alerts[alert.rule] = alert


def _fired(metrics: EpochMetrics, config: AlertConfig) -> Iterator[Alert]:
    """Yield what this epoch gives rise to, in the order in which it is reported."""
    yield from _gradient_alerts(metrics, config)
    yield from _learning_alerts(metrics, config)
    yield from _class_alerts(metrics, config)
    yield from _input_alerts(metrics)


def _gradient_alerts(metrics: EpochMetrics, config: AlertConfig) -> Iterator[Alert]:
    """Yield alerts on the size of the gradients."""
    norm, largest = metrics.gradient_norm_avg, metrics.gradient_norm_max
    if norm < config.gradient_norm_low and metrics.epoch > config.gradient_norm_low_after_epoch:
        yield _alert(
            metrics,
            "vanishing_gradient",
            "warning",
            "gradient_flow",
            "the average gradient norm is very small",
            gradient_norm_avg=norm,
            threshold=config.gradient_norm_low,
        )
    if largest > config.gradient_norm_high:
        yield _alert(
            metrics,
            "exploding_gradient",
            "critical",
            "gradient_flow",
            "the largest gradient norm is very large",
            gradient_norm_max=largest,
            threshold=config.gradient_norm_high,
        )


def _learning_alerts(metrics: EpochMetrics, config: AlertConfig) -> Iterator[Alert]:
    """Yield alerts on how training and validation scores move."""
    if metrics.overfitting_score > config.overfitting:
        yield _alert(
            metrics,
            "overfitting",
            "critical",
            "overfitting",
            "training scores run away from validation scores",
            overfitting_score=metrics.overfitting_score,
            threshold=config.overfitting,
        )
    if metrics.signal_strength == "weak" and metrics.epoch > config.weak_signal_after_epoch:
        yield _alert(
            metrics,
            "weak_signal",
            "warning",
            "learning_dynamics",
            "the net hardly learns any more",
            learning_signal_strength=metrics.signal_strength,
            train_loss=metrics.train_loss,
        )


def _class_alerts(metrics: EpochMetrics, config: AlertConfig) -> Iterator[Alert]:
    """Yield alerts on the validation classes and the forecasts of them."""
    scores = metrics.validation
    if metrics.class_balance_score < config.class_balance_low:
        yield _alert(
            metrics,
            "class_imbalance",
            "warning",
            "data_quality",
            "the classes of the validation rows are far from balanced",
            class_balance_score=metrics.class_balance_score,
            threshold=config.class_balance_low,
        )
    if scores.accuracy < config.accuracy_low and metrics.epoch > config.accuracy_low_after_epoch:
        yield _alert(
            metrics,
            "low_accuracy",
            "warning",
            "performance",
            "the validation accuracy stays low",
            val_accuracy=scores.accuracy,
            threshold=config.accuracy_low,
        )
    top = max(scores.predicted_shares, key=lambda name: scores.predicted_shares[name])
    if scores.predicted_shares[top] > config.predicted_share_high:
        yield _alert(
            metrics,
            "collapse",
            "critical",
            "collapse",
            f"nearly all forecasts are {top}",
            predicted_share=scores.predicted_shares[top],
            threshold=config.predicted_share_high,
        )


def _input_alerts(metrics: EpochMetrics) -> Iterator[Alert]:
    """Yield alerts on the inputs."""
    if metrics.constant_features:
        yield _alert(
            metrics,
            "constant_features",
            "critical",
            "data_quality",
            "features that never change can teach nothing",
            features=", ".join(metrics.constant_features),
        )


def _alert(
    metrics: EpochMetrics,
    rule: str,
    severity: Severity,
    category: str,
    message: str,
    **details: Any,
) -> Alert:
    return Alert(rule, severity, category, message, metrics.epoch, metrics.epoch, 1, details)


def divergence_alert(epoch: int, batch: int | None) -> Alert:
    """Return the entry for a loss that stopped being finite, which ended the run."""
    return Alert(
        "non_finite_loss",
        "critical",
        "numeric",
        "the loss stopped being finite and training ended",
        epoch,
        epoch,
        1,
        {"batch": batch},
    )


def alerts_text(run_id: str, alerts: list[Alert]) -> str:
    """Return the content of alerts.txt; every entry has one line with the word `Epoch`."""
    lines = [f"Training Alerts for Run: {run_id}", "=" * 50, ""]
    for alert in alerts:
        lines.append(f"Epoch {alert.first_epoch} [{alert.severity.upper()}]: {alert.message}")
        span = {
            "category": alert.category,
            "first_epoch": alert.first_epoch,
            "last_epoch": alert.last_epoch,
            "count": alert.count,
        }
        lines += [f"    {key}: {value}" for key, value in (span | alert.details).items()]
        lines.append("")
    if not alerts:
        lines += ["No alerts generated during training.", ""]
    critical = sum(alert.severity == "critical" for alert in alerts)
    lines += [
        "Summary:",
        f"Total alerts: {len(alerts)}",
        f"Critical: {critical}, Warnings: {len(alerts) - critical}",
    ]
    return "\n".join(lines) + "\n"
