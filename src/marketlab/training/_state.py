"""The whole memory of a training run after a finished epoch: what a resume needs, no more."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marketlab.core import ConflictError, content_id
from marketlab.models import MLPConfig, Weights
from marketlab.training._config import Backend, TrainerConfig
from marketlab.training._data import TrainingData
from marketlab.training._early_stopping import StopRecord
from marketlab.training._metrics import EpochMetrics


@dataclass(frozen=True)
class TrainerState:
    """Everything that the next epoch depends on. Arrays are own copies.

    Random numbers need no state: every draw is addressed by (seed, use, epoch, batch, …).

    Attributes
    ----------
    weights, moment_1, moment_2 : the net and Adam's two moments (zeros for sgd), same shapes.
    n_steps : optimiser steps taken. epoch : finished epochs, so the next epoch's number.
    stop : early-stop counters and the best epoch. best_weights : weights after that epoch.
    history : metrics of all finished epochs, oldest first.
    config_hash, data_hash : identity of model and trainer configuration, and of the data.
    """

    weights: Weights
    moment_1: Weights
    moment_2: Weights
    n_steps: int
    epoch: int
    stop: StopRecord
    best_weights: Weights
    history: tuple[EpochMetrics, ...]
    seed: int
    backend: Backend
    config_hash: str
    data_hash: str


@dataclass(frozen=True)
class Identity:
    """What a checkpoint must have in common with the run that continues it."""

    seed: int
    backend: Backend
    config_hash: str
    data_hash: str

    @classmethod
    def of(
        cls,
        data: TrainingData,
        model: MLPConfig,
        config: TrainerConfig,
        seed: int,
        backend: Backend,
    ) -> "Identity":
        """Return the identity of one run."""
        return cls(seed, backend, training_config_hash(model, config), data.data_hash)

    def check(self, state: TrainerState) -> None:
        """Raise `ConflictError` (``CHECKPOINT-Mismatch``) unless `state` belongs to this run."""
        for name, words in _WORDS.items():
            mine, theirs = getattr(self, name), getattr(state, name)
            if mine != theirs:
                raise ConflictError(
                    f"the checkpoint was made with another {words}: it has {_short(theirs)}, this "
                    f"run has {_short(mine)}; a resumed run must equal the uninterrupted one.",
                    code="CHECKPOINT-Mismatch",
                    field=name,
                    value=theirs,
                    suggestion="Resume with what the checkpoint was made with, or start a new run.",
                )


_WORDS: Mapping[str, str] = {
    "config_hash": "configuration",
    "data_hash": "data set, feature list or split",
    "seed": "seed",
    "backend": "backend",
}


def _short(value: Any) -> str:
    text = str(value)
    return f"{text[:12]}…" if len(text) > 20 else text


def training_config_hash(model: MLPConfig, config: TrainerConfig) -> str:
    """Return the SHA-256 identity of model and trainer configuration together."""
    return content_id({"model": model.identity(), "trainer": config.identity()})
