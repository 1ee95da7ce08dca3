"""The training loop: the same for every backend, one epoch after another, resumable after each."""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from marketlab.core import Clock, ConfigError, Progress, Slot, SystemClock, iso
from marketlab.models import MLPConfig, Weights
from marketlab.training._compiled_engine import CompiledEngine, diverged
from marketlab.training._config import Backend, TrainerConfig
from marketlab.training._data import TrainingData
from marketlab.training._early_stopping import StopRecord
from marketlab.training._engine import Engine, EngineRequest, EpochSums
from marketlab.training._indicators import (
    class_balance_score,
    convergence,
    overfitting_score,
    signal_strength,
)
from marketlab.training._metrics import EpochMetrics, parameter_stats, validation_metrics
from marketlab.training._state import Identity, TrainerState

OnEpoch: TypeAlias = Callable[[EpochMetrics, TrainerState], None]
StoppingReason = Literal["early_stopping", "completed"]


@dataclass(frozen=True)
class FitResult:
    """A finished training run.

    Attributes
    ----------
    best_weights : weights after `best_epoch`; the ones to evaluate. last_weights : after the last.
    best_epoch : 0-based; the epoch with the best monitored quantity, the first of equals.
    n_steps : optimiser steps taken in all. state : the final state, for a checkpoint.
    """

    best_weights: Weights
    last_weights: Weights
    history: list[EpochMetrics]
    best_epoch: int
    stopped_early: bool
    stopping_reason: StoppingReason
    n_steps: int
    state: TrainerState


def fit(
    data: TrainingData,
    model: MLPConfig,
    config: TrainerConfig,
    *,
    seed: int,
    backend: Backend = "compiled",
    on_epoch: OnEpoch | None = None,
    progress: Progress | None = None,
    resume: TrainerState | None = None,
) -> FitResult:
    """Fit a perceptron on one fold.

    The same arguments give the same weights, metrics and stopping epoch; a run resumed from any
    state that `on_epoch` received equals the uninterrupted one bit for bit.

    Parameters
    ----------
    seed : chooses first weights, batch orders and dropout masks, each from its own stream.
    backend : ``compiled`` (the fast one) or ``torch`` (the reference; extra ``deep``).
    on_epoch : called after every finished epoch with its metrics and the state to resume from;
        an error that it raises ends the run.
    progress : shows epoch and batch to others and asks for cancellation.
    resume : a state of an earlier call with the same data, configurations, seed and backend.

    Raises
    ------
    CancelledError when `progress` asks for it; the unfinished epoch is dropped, and the state
    that `on_epoch` received last continues the run. TrainingDivergedError naming epoch and
    batch when a loss stops being finite. ConflictError (``CHECKPOINT-Mismatch``) if `resume`
    belongs to another run. ConfigError if the backend is unknown or torch is not installed.
    """
    shown = progress or Progress.in_memory()
    loop = _Loop(data, model, config, seed, backend, resume)
    state = loop.first_state()
    shown.array[Slot.EPOCHS] = config.epochs
    shown.array[Slot.BATCHES] = loop.request.n_batches
    shown.array[Slot.EPOCH] = state.epoch
    shown.array[Slot.BATCH] = 0
    shown.enter("training")
    while state.epoch < config.epochs and not state.stop.stopped:
        shown.array[Slot.EPOCH] = state.epoch
        shown.array[Slot.BATCH] = 0
        state = loop.one_epoch(state, shown)
        if on_epoch is not None:
            on_epoch(state.history[-1], state)
    return FitResult(
        best_weights=_copied(state.best_weights),
        last_weights=_copied(state.weights),
        history=list(state.history),
        best_epoch=state.stop.best_epoch,
        stopped_early=state.stop.stopped,
        stopping_reason="early_stopping" if state.stop.stopped else "completed",
        n_steps=state.n_steps,
        state=state,
    )


class _Loop:
    """One run: its engine and what every epoch needs."""

    def __init__(
        self,
        data: TrainingData,
        model: MLPConfig,
        config: TrainerConfig,
        seed: int,
        backend: Backend,
        resume: TrainerState | None,
    ) -> None:
        self.identity = Identity.of(data, model, config, seed, backend)
        if resume is not None:
            self.identity.check(resume)
        self.request = EngineRequest(data, model, config, seed, resume)
        self.engine = _engine(backend, self.request)
        self.clock: Clock = SystemClock()
        supports = np.bincount(data.y_validation, minlength=len(data.class_names))
        self.balance = class_balance_score(supports)

    def first_state(self) -> TrainerState:
        """Return the resumed state, or the one before any epoch."""
        if self.request.resume is not None:
            return self.request.resume
        start, who = self.request.start(), self.identity
        return TrainerState(
            weights=start.weights,
            moment_1=start.moment_1,
            moment_2=start.moment_2,
            n_steps=0,
            epoch=0,
            stop=StopRecord(),
            best_weights=start.weights,
            history=(),
            seed=who.seed,
            backend=who.backend,
            config_hash=who.config_hash,
            data_hash=who.data_hash,
        )

    def one_epoch(self, state: TrainerState, progress: Progress) -> TrainerState:
        """Train and validate one epoch; return the state after it."""
        began = time.perf_counter()
        sums = self.engine.run_epoch(state.epoch, progress)
        held = self.engine.snapshot()
        metrics = self._metrics(state, sums, held.weights)
        config = self.request.config.early_stopping
        value = metrics.val_loss if config.monitor == "val_loss" else metrics.val_accuracy
        stop = state.stop.after(state.epoch, value, config)
        finished = replace(
            metrics,
            early_stopping_triggered=stop.stopped,
            duration_seconds=time.perf_counter() - began,
            finished_at=iso(self.clock.now()) or "",
        )
        return TrainerState(
            weights=held.weights,
            moment_1=held.moment_1,
            moment_2=held.moment_2,
            n_steps=held.n_steps,
            epoch=state.epoch + 1,
            stop=stop,
            best_weights=_copied(held.weights)
            if stop.best_epoch == state.epoch
            else state.best_weights,
            history=(*state.history, finished),
            seed=state.seed,
            backend=state.backend,
            config_hash=state.config_hash,
            data_hash=state.data_hash,
        )

    def _metrics(self, state: TrainerState, sums: EpochSums, weights: Weights) -> EpochMetrics:
        data, n_batches = self.request.data, self.request.n_batches
        probabilities, logs = self.engine.predict_validation()
        scores = validation_metrics(data.y_validation, probabilities, logs, data.class_names)
        if not np.isfinite(scores.loss):
            raise diverged(state.epoch, None)
        previous = state.history[-1] if state.history else None
        # In the first epoch there is nothing to compare with, so every change is 0 by definition.
        change, parameters = parameter_stats(weights, state.weights if previous else weights)
        train_loss = sums.loss / len(data.y_train)
        train_accuracy = sums.hits / len(data.y_train)
        norm_average = sums.norm_average / n_batches
        return EpochMetrics(
            epoch=state.epoch,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            validation=scores,
            learning_rate=self.request.config.learning_rate,
            gradient_norm_avg=norm_average,
            gradient_norm_max=sums.norm_largest / n_batches,
            gradient_norms={name: value / n_batches for name, value in sums.norms.items()},
            param_change=change,
            parameters=parameters,
            signal_strength=signal_strength(
                previous.train_loss if previous else None, train_loss, norm_average, change
            ),
            overfitting_score=overfitting_score(
                train_loss, scores.loss, train_accuracy, scores.accuracy
            ),
            class_balance_score=self.balance,
            convergence=convergence(
                (previous.train_loss, previous.val_loss) if previous else None,
                train_loss,
                scores.loss,
            ),
            early_stopping_triggered=False,
            batch_count=n_batches,
            samples_processed=len(data.y_train),
            constant_features=data.constant_features,
            duration_seconds=0.0,
            finished_at="",
        )


def _copied(weights: Weights) -> Weights:
    return {name: tensor.copy() for name, tensor in weights.items()}


def _engine(backend: Backend, request: EngineRequest) -> Engine:
    if backend == "compiled":
        return CompiledEngine(request)
    if backend != "torch":
        raise ConfigError(
            "a net is fitted by 'compiled' or 'torch'.", field="backend", value=backend
        )
    engine: Engine = torch_backend("_torch_engine").TorchEngine(request)
    return engine


def torch_backend(module: str) -> Any:
    """Import one of this room's modules that need torch.

    Raises
    ------
    ConfigError (``CONFIG-MissingExtra``) with the command that installs it.
    """
    try:
        return importlib.import_module(f"marketlab.training.{module}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ConfigError(
            "the backend 'torch' needs PyTorch, which is not installed.",
            code="CONFIG-MissingExtra",
            field="backend",
            value="torch",
            suggestion="Write the line torch==2.13.0 to constraints.txt, then run: "
            "pip install 'marketlab[deep]' -c constraints.txt. Or use the backend 'compiled'.",
        ) from None
