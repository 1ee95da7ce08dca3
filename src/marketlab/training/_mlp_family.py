"""Perceptrons among many nets: one net on one core, from shared rows, no copy per net."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketlab.core import CancelledError, IntArray, TrainingDivergedError, stream_key
from marketlab.kernels import fill_permutation
from marketlab.models import (
    ACTIVATIONS,
    MLPConfig,
    count_parameters,
    forecast,
    initial_weights,
    layer_sizes,
    pack,
    unpack,
)
from marketlab.training._compiled_engine import diverged
from marketlab.training._config import OPTIMIZERS
from marketlab.training._early_stopping import StopRecord
from marketlab.training._epoch_kernel import CANCELLED, DIVERGED, LOSS, NORMS, run_batches
from marketlab.training._net_job import NetHistory, NetJob, NetResult
from marketlab.training._step_kernel import THETA

_WIDENED = 2.0  # padding to whole vectors, at most for layers of 4 units and more
_LAYERS = 9  # of inputs, activations, gates and deltas that a batch holds at a time


class MLPFamily:
    """Trains `MLPConfig` nets with the kernels of the compiled backend of `fit`."""

    def result_bytes(self, job: NetJob) -> int:
        """Return what a finished net keeps: its best weights and its history."""
        size = np.dtype(job.trainer.dtype).itemsize
        return self._parameters(job) * size + 3 * 8 * job.trainer.epochs

    def working_bytes(self, job: NetJob) -> int:
        """Return what one net needs while it is trained, beside the shared rows."""
        assert isinstance(job.model, MLPConfig)
        data, size = job.data, np.dtype(job.trainer.dtype).itemsize
        widest = max(data.x.shape[1], *job.model.hidden_layers)
        activations = _LAYERS * len(job.model.hidden_layers) * job.trainer.batch_size * widest
        n_validation = len(data.validation)
        floats = 5 * self._parameters(job) + activations + n_validation * data.x.shape[1]
        orders = 3 * 8 * len(data.train)
        return int(_WIDENED * size * floats) + orders + 16 * n_validation * data.n_classes

    def train(
        self, job: NetJob, x: NDArray[Any], y: IntArray, control: NDArray[np.int64]
    ) -> NetResult:
        """Train one net; see `NetFamily.train`."""
        began = time.perf_counter()
        net = _Net(job, x, y)
        while net.epoch < job.trainer.epochs and not net.stop.stopped:
            try:
                net.one_epoch(control)
            except TrainingDivergedError as error:
                return net.history.result(
                    job,
                    "diverged",
                    seconds=time.perf_counter() - began,
                    n_steps=net.epoch * net.n_batches,
                    error=(str(error), error.code),
                )
        return net.history.result(
            job,
            "early_stopping" if net.stop.stopped else "completed",
            seconds=time.perf_counter() - began,
            n_steps=int(net.counters[4]),
            best=(unpack(net.best, net.sizes), net.stop.best_epoch),
        )

    def _parameters(self, job: NetJob) -> int:
        assert isinstance(job.model, MLPConfig)
        return count_parameters(job.model, job.data.x.shape[1], job.data.n_classes)


class _Net:
    """One net in the middle of its training: the very arithmetic of `CompiledEngine`."""

    def __init__(self, job: NetJob, x: NDArray[Any], y: IntArray) -> None:
        assert isinstance(job.model, MLPConfig)
        self.job, self.x, self.y = job, x, y
        data, model, config = job.data, job.model, job.trainer
        n_inputs = x.shape[1]
        self.sizes = layer_sizes(model, n_inputs, data.n_classes)
        self.size_array = np.array(self.sizes, dtype=np.int64)
        key = stream_key(job.seed, "initial weights")
        first = initial_weights(model, n_inputs, data.n_classes, key, config.dtype)
        flat = pack(first, config.dtype)
        self.state: NDArray[Any] = np.zeros((4, flat.size), dtype=config.dtype)
        self.state[THETA] = flat
        self.best = flat
        self.hyper = np.array(
            [
                config.learning_rate,
                config.weight_decay,
                model.dropout,
                config.gradient_clip or 0.0,
                OPTIMIZERS.index(config.optimizer),
                ACTIVATIONS.index(model.activation),
            ]
        )
        self.code = ACTIVATIONS.index(model.activation)
        self.dropout_key = np.uint64(stream_key(job.seed, "dropout"))
        self.n_batches = -(-len(data.train) // config.batch_size)
        self.counters = np.array([0, 0, config.batch_size, 0, 0])
        self.order: IntArray = np.empty(len(data.train), dtype=np.int64)
        self.x_validation = x[data.validation]
        self.y_validation = y[data.validation]
        self.answers = np.empty((len(data.validation), data.n_classes))
        self.logs = np.empty_like(self.answers)
        self.rows = np.arange(len(data.validation))
        self.stop, self.history, self.epoch = StopRecord(), NetHistory(), 0

    def one_epoch(self, control: NDArray[np.int64]) -> None:
        """Train and judge one epoch.

        Raises
        ------
        TrainingDivergedError, or CancelledError if the first element of `control` is set.
        """
        fill_permutation(
            np.uint64(stream_key(self.job.seed, "batch order", self.epoch)), self.order
        )
        sums = np.zeros(NORMS)
        self.counters[0], self.counters[1], self.counters[3] = 0, self.n_batches, self.epoch
        ending = run_batches(
            self.x,
            self.y,
            self.job.data.train[self.order],
            self.size_array,
            self.state,
            self.hyper,
            self.counters,
            control,
            sums,
            self.dropout_key,
        )
        if ending == DIVERGED:
            raise diverged(self.epoch, int(self.counters[0]))
        if ending == CANCELLED:
            raise CancelledError("the nets were cancelled on request.")
        loss, accuracy = self._judge()
        config = self.job.trainer.early_stopping
        value = loss if config.monitor == "val_loss" else accuracy
        self.stop = self.stop.after(self.epoch, value, config)
        if self.stop.best_epoch == self.epoch:
            self.best = self.state[THETA].copy()
        n_train = len(self.order)
        self.history.add(float(sums[LOSS]) / n_train, loss, accuracy)
        self.epoch += 1

    def _judge(self) -> tuple[float, float]:
        """Return loss and accuracy on the validation rows, as `validation_metrics` has them."""
        forecast(
            self.x_validation,
            self.state[THETA],
            self.size_array,
            self.code,
            self.answers,
            self.logs,
        )
        loss = -float(self.logs[self.rows, self.y_validation].mean())
        if not np.isfinite(loss):
            raise diverged(self.epoch, None)
        right = np.count_nonzero(self.answers.argmax(axis=1) == self.y_validation)
        return loss, int(right) / len(self.rows)
