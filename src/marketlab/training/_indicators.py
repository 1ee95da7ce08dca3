"""Run indicators: what the course of training itself says. Formulas of the original campaign."""

from typing import Literal

import numpy as np

from marketlab.core import IntArray

Signal = Literal["unknown", "weak", "medium", "strong"]
Convergence = Literal["unknown", "improving", "plateauing", "diverging", "stable"]


def signal_strength(
    previous_loss: float | None, loss: float, gradient_norm: float, change: float
) -> Signal:
    """Return how strongly the net still learns.

    Points: the relative drop of the training loss > 5 % gives 2, else > 1 % gives 1; the average
    gradient norm > 0.1 gives 2, else > 0.01 gives 1; the parameter change > 0.01 gives 1. Four
    or more are strong, two or more medium. The first epoch is unknown.
    """
    if previous_loss is None:
        return "unknown"
    drop = (previous_loss - loss) / previous_loss if previous_loss > 0.0 else 0.0
    points = (2 if drop > 0.05 else 1 if drop > 0.01 else 0) + (
        2 if gradient_norm > 0.1 else 1 if gradient_norm > 0.01 else 0
    )
    points += 1 if change > 0.01 else 0
    return "strong" if points >= 4 else "medium" if points >= 2 else "weak"


def overfitting_score(
    train_loss: float, val_loss: float, train_accuracy: float, val_accuracy: float
) -> float:
    """Return the mean of the loss gap over 0.5 and the accuracy gap over 0.3, each in [0, 1]."""
    loss_part = min(1.0, max(0.0, (val_loss - train_loss) / 0.5))
    accuracy_part = min(1.0, max(0.0, (train_accuracy - val_accuracy) / 0.3))
    return 0.5 * (loss_part + accuracy_part)


def class_balance_score(supports: IntArray) -> float:
    """Return 1 - min(1, population standard deviation / mean) of the validation supports."""
    mean = float(np.mean(supports))
    return 0.0 if mean == 0.0 else 1.0 - min(1.0, float(np.std(supports)) / mean)


def convergence(
    previous: tuple[float, float] | None, train_loss: float, val_loss: float
) -> Convergence:
    """Return where the losses go, compared with the (train, validation) pair before.

    Improving if the training loss fell by more than 0.01 and the validation loss rose by less
    than 0.01; else plateauing if both moved by less than 0.001; else diverging if the training
    loss rose by more than 0.01 or the validation loss by more than 0.05; else stable.
    """
    if previous is None:
        return "unknown"
    d_train, d_val = train_loss - previous[0], val_loss - previous[1]
    if d_train < -0.01 and d_val < 0.01:
        return "improving"
    if abs(d_train) < 0.001 and abs(d_val) < 0.001:
        return "plateauing"
    if d_train > 0.01 or d_val > 0.05:
        return "diverging"
    return "stable"
