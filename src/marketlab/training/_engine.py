"""What a backend does for the training loop, and the draws that both backends share."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from marketlab.core import FloatArray, IntArray, Progress, stream_key
from marketlab.kernels import fill_permutation
from marketlab.models import MLPConfig, Weights, initial_weights
from marketlab.training._config import TrainerConfig
from marketlab.training._data import TrainingData
from marketlab.training._state import TrainerState


@dataclass(frozen=True)
class EpochSums:
    """Sums over one epoch's rows (loss in nats, hits) and batches (gradient norms)."""

    loss: float
    hits: float
    norm_average: float
    norm_largest: float
    norms: dict[str, float]


@dataclass(frozen=True)
class Snapshot:
    """Own copies of what a backend learned."""

    weights: Weights
    moment_1: Weights
    moment_2: Weights
    n_steps: int


class Engine(Protocol):
    """One backend in the middle of one run. Not safe to share between threads."""

    def run_epoch(self, epoch: int, progress: Progress) -> EpochSums:
        """Train one epoch.

        Raises
        ------
        CancelledError between two batches, if `progress` asks for it; TrainingDivergedError
        naming epoch and batch, before an update with a loss that is not finite.
        """
        ...

    def predict_validation(self) -> tuple[FloatArray, FloatArray]:
        """Return probabilities of the validation rows and their logarithms, dropout off."""
        ...

    def snapshot(self) -> Snapshot:
        """Return own copies of weights and optimiser state."""
        ...


@dataclass(frozen=True)
class EngineRequest:
    """What an engine is built from."""

    data: TrainingData
    model: MLPConfig
    config: TrainerConfig
    seed: int
    resume: TrainerState | None

    @property
    def n_batches(self) -> int:
        """Batches per epoch; the last one may be smaller."""
        return -(-len(self.data.y_train) // self.config.batch_size)

    @property
    def dropout_key(self) -> int:
        """Stream of the dropout masks."""
        return stream_key(self.seed, "dropout")

    def start(self) -> Snapshot:
        """Return what training starts from: the checkpoint's arrays or first weights and zeros."""
        if self.resume is not None:
            held = self.resume
            return Snapshot(held.weights, held.moment_1, held.moment_2, held.n_steps)
        weights = initial_weights(
            self.model,
            self.data.x_train.shape[1],
            len(self.data.class_names),
            stream_key(self.seed, "initial weights"),
            self.config.dtype,
        )
        zeros = {name: np.zeros_like(tensor) for name, tensor in weights.items()}
        return Snapshot(weights, zeros, {n: z.copy() for n, z in zeros.items()}, 0)

    def batch_order(self, epoch: int) -> IntArray:
        """Return the permutation of the training rows in `epoch`."""
        order: IntArray = np.empty(len(self.data.y_train), dtype=np.int64)
        fill_permutation(np.uint64(stream_key(self.seed, "batch order", epoch)), order)
        return order
