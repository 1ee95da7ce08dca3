"""How a net is fitted: optimiser, batches, epochs and when to stop."""

from typing import Literal

from pydantic import Field

from marketlab.core import FrozenConfig

Backend = Literal["compiled", "torch"]
Monitor = Literal["val_loss", "val_accuracy"]
Optimizer = Literal["adam", "adamw", "sgd"]
OPTIMIZERS: tuple[Optimizer, ...] = ("adam", "adamw", "sgd")
"""In the order of their codes in kernels; betas 0.9 and 0.999, epsilon 1e-8, no momentum in sgd."""


class EarlyStoppingConfig(FrozenConfig):
    """When training ends before its last epoch.

    An epoch counts as an improvement only if ``monitor`` is better than at the last improvement
    by more than ``min_delta``; after ``patience`` epochs in a row without one, training stops.
    The best epoch is the one with the best ``monitor`` (the first of equals), whatever
    ``min_delta`` says. With ``enabled: false`` training never stops early; the best is still kept.
    """

    enabled: bool = True
    patience: int = Field(default=15, ge=1)
    min_delta: float = Field(default=0.001, ge=0.0)
    monitor: Monitor = "val_loss"


class TrainerConfig(FrozenConfig):
    """Optimiser and loop. Loss: cross entropy on logits, the mean over each batch.

    ``weight_decay`` is added to the gradient by adam and sgd (L2) and shrinks the weights by
    itself in adamw. ``gradient_clip`` bounds the L2 norm over all tensors; null leaves it free.
    The last, smaller batch of an epoch is kept. Every epoch has a new order.
    """

    learning_rate: float = Field(default=0.001, gt=0.0)
    batch_size: int = Field(default=32, ge=1, le=65_536)
    epochs: int = Field(default=100, ge=1, le=100_000)
    optimizer: Optimizer = "adam"
    weight_decay: float = Field(default=0.0, ge=0.0)
    dtype: Literal["float32", "float64"] = "float32"
    early_stopping: EarlyStoppingConfig = EarlyStoppingConfig()
    gradient_clip: float | None = Field(default=None, gt=0.0)
