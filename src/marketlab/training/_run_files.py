"""The texts of a run's files: metrics.csv rows and the epochs of detailed_metrics.json."""

from typing import Any

import numpy as np

from marketlab.core import canonical_json
from marketlab.training._metrics import EpochMetrics

METRICS_COLUMNS = (
    "epoch",
    "train_loss",
    "val_loss",
    "train_acc",
    "val_acc",
    "learning_rate",
    "gradient_norm_avg",
    "gradient_norm_max",
    "param_change_magnitude",
    "buy_precision",
    "hold_precision",
    "sell_precision",
    "buy_recall",
    "hold_recall",
    "sell_recall",
    "prediction_confidence_avg",
    "prediction_entropy",
    "learning_signal_strength",
    "early_stopping_triggered",
    "overfitting_score",
    "class_balance_score",
    "batch_count",
    "total_samples_processed",
    "epoch_duration_seconds",
)
"""Header of metrics.csv; further columns would come only after these 24."""


def csv_row(metrics: EpochMetrics) -> str:
    """Return one line of metrics.csv with its newline; floats in full, without an exponent."""
    scores = metrics.validation
    classes = list(scores.classes.values())
    cells: list[Any] = [
        metrics.epoch,
        metrics.train_loss,
        scores.loss,
        metrics.train_accuracy,
        scores.accuracy,
        metrics.learning_rate,
        metrics.gradient_norm_avg,
        metrics.gradient_norm_max,
        metrics.param_change,
        *(each.precision for each in classes),
        *(each.recall for each in classes),
        scores.mean_confidence,
        scores.entropy,
        metrics.signal_strength,
        metrics.early_stopping_triggered,
        metrics.overfitting_score,
        metrics.class_balance_score,
        metrics.batch_count,
        metrics.samples_processed,
        metrics.duration_seconds,
    ]
    return ",".join(_cell(value) for value in cells) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return np.format_float_positional(value, trim="0")
    return str(value)


def epoch_json(metrics: EpochMetrics) -> str:
    """Return one element of ``epoch_metrics`` as compact JSON."""
    scores = metrics.validation
    by_layer = {name: vars(stats) for name, stats in metrics.parameters.items()}
    return canonical_json(
        {
            "epoch": metrics.epoch,
            "train_loss": metrics.train_loss,
            "val_loss": scores.loss,
            "train_accuracy": metrics.train_accuracy,
            "val_accuracy": scores.accuracy,
            "learning_rate": metrics.learning_rate,
            "duration": metrics.duration_seconds,
            "gradient_norms": {
                "average": metrics.gradient_norm_avg,
                "maximum": metrics.gradient_norm_max,
                "by_layer": metrics.gradient_norms,
            },
            "parameter_stats": {
                "total_change_magnitude": metrics.param_change,
                "by_layer": by_layer,
            },
            "class_metrics": {
                name: {
                    "precision": each.precision,
                    "recall": each.recall,
                    "f1": each.f1,
                    "support": each.support,
                }
                for name, each in scores.classes.items()
            },
            "prediction_stats": {
                "mean_confidence": scores.mean_confidence,
                "confidence_distribution": list(scores.confidence_distribution),
                "prediction_entropy": scores.entropy,
                "high_confidence_predictions": scores.high_confidence,
                "predicted_shares": scores.predicted_shares,
            },
            "learning_indicators": {
                "signal_strength": metrics.signal_strength,
                "overfitting_score": metrics.overfitting_score,
                "class_balance_score": metrics.class_balance_score,
                "convergence_indicator": metrics.convergence,
            },
            "timing": {
                "epoch_duration": metrics.duration_seconds,
                "batch_count": metrics.batch_count,
                "samples_processed": metrics.samples_processed,
                "finished_at": metrics.finished_at,
            },
            "early_stopping_triggered": metrics.early_stopping_triggered,
        }
    )


def document(parts: dict[str, str]) -> str:
    """Return a JSON object from ready JSON texts, one member per line."""
    body = ",\n".join(f"{canonical_json(key)}: {text}" for key, text in parts.items())
    return "{\n" + body + "\n}\n"
