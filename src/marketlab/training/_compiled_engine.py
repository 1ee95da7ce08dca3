"""The backend without a framework: compiled epochs on one core, the interpreter lock released."""

from typing import Any

import numpy as np

from marketlab.core import FloatArray, Progress, TrainingDivergedError
from marketlab.models import (
    ACTIVATIONS,
    MLPForecaster,
    Weights,
    pack,
    sizes_of,
    unpack,
)
from marketlab.training._config import OPTIMIZERS
from marketlab.training._engine import EngineRequest, EpochSums, Snapshot
from marketlab.training._epoch_kernel import (
    DIVERGED,
    HITS,
    LOSS,
    NORM_AVERAGE,
    NORM_LARGEST,
    NORMS,
    run_batches,
)
from marketlab.training._step_kernel import MOMENT_1, MOMENT_2, THETA

_BATCHES_PER_CALL = 2_000  # about 0.1 s between two heartbeats for a small net


class CompiledEngine:
    """Runs `run_batches` on private copies of weights and optimiser state."""

    def __init__(self, request: EngineRequest) -> None:
        self._request = request
        data, config, start = request.data, request.config, request.start()
        dtype = config.dtype
        # A writable copy where needed: a read-only view is another type to the kernel.
        self._x = np.require(data.x_train, dtype=dtype, requirements=["C", "W"])
        self._y = np.require(data.y_train, dtype=np.int64, requirements=["C", "W"])
        self._sizes = sizes_of(start.weights)
        self._size_array = np.array(self._sizes, dtype=np.int64)
        self._names = tuple(start.weights)
        flat = pack(start.weights, dtype)
        self._state: np.ndarray[Any, Any] = np.zeros((4, flat.size), dtype=dtype)
        self._state[THETA] = flat
        self._state[MOMENT_1] = pack(start.moment_1, dtype)
        self._state[MOMENT_2] = pack(start.moment_2, dtype)
        self._n_steps = start.n_steps
        self._hyper = np.array(
            [
                config.learning_rate,
                config.weight_decay,
                request.model.dropout,
                config.gradient_clip or 0.0,
                OPTIMIZERS.index(config.optimizer),
                ACTIVATIONS.index(request.model.activation),
            ]
        )

    def run_epoch(self, epoch: int, progress: Progress) -> EpochSums:
        """Train one epoch; see `Engine.run_epoch`."""
        request = self._request
        order = request.batch_order(epoch)
        sums = np.zeros(NORMS + len(self._names))
        counters = np.array([0, 0, request.config.batch_size, epoch, self._n_steps])
        control = np.asarray(progress.array)
        while counters[0] < request.n_batches:
            counters[1] = min(request.n_batches, counters[0] + _BATCHES_PER_CALL)
            ending = run_batches(
                self._x,
                self._y,
                order,
                self._size_array,
                self._state,
                self._hyper,
                counters,
                control,
                sums,
                np.uint64(request.dropout_key),
            )
            progress.beat()
            if ending == DIVERGED:
                raise diverged(epoch, int(counters[0]))
            progress.raise_if_cancelled()
        self._n_steps = int(counters[4])
        return EpochSums(
            loss=float(sums[LOSS]),
            hits=float(sums[HITS]),
            norm_average=float(sums[NORM_AVERAGE]),
            norm_largest=float(sums[NORM_LARGEST]),
            norms={n: float(sums[NORMS + i]) for i, n in enumerate(self._names)},
        )

    def predict_validation(self) -> tuple[FloatArray, FloatArray]:
        """Return probabilities of the validation rows and their logarithms."""
        model = MLPForecaster(self._unpacked(THETA), self._request.model)
        return model.predict_with_log(self._request.data.x_validation)

    def snapshot(self) -> Snapshot:
        """Return own copies of weights and optimiser state."""
        return Snapshot(
            self._unpacked(THETA), self._unpacked(MOMENT_1), self._unpacked(MOMENT_2), self._n_steps
        )

    def _unpacked(self, row: int) -> Weights:
        return unpack(self._state[row], self._sizes)


def diverged(epoch: int, batch: int | None) -> TrainingDivergedError:
    """Return the error for a loss that is NaN or infinite."""
    where = f"epoch {epoch}, " + ("validation" if batch is None else f"batch {batch}")
    return TrainingDivergedError(
        f"the loss stopped being finite in {where}.",
        suggestion="Lower `learning_rate`, set `gradient_clip`, or look at the scale of the "
        "features.",
        details={"epoch": epoch, "batch": batch},
    )
