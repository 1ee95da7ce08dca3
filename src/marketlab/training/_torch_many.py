"""Many perceptrons of one shape in one batch of tensors (`torch.func`), for a GPU.

Every net has its own rows, order, masks, moments and stopping epoch, from the same streams as the
compiled backend, so it agrees with training it alone up to the rounding of other sums. Nets that
have finished leave the batch. Imports torch; imported only when the backend is asked for.
"""

import time
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from marketlab.core import ConfigError, Progress, stream_key
from marketlab.kernels import fill_permutation
from marketlab.models import MLPConfig, initial_weights
from marketlab.training._compiled_engine import diverged
from marketlab.training._early_stopping import StopRecord
from marketlab.training._net_job import NetHistory, NetJob, NetResult
from marketlab.training._torch_batch import NetTensors, Rows

_ROWS_AT_ONCE = 256  # validation rows of every net that pass forward together


class Watch(Protocol):
    """What the caller is told; see `fit_many`."""

    progress: Progress

    def show(self, finished: Sequence[NetResult]) -> None:
        """Record the finished nets."""
        ...


def fit_batched(jobs: Sequence[NetJob], device: str, watch: Watch) -> list[NetResult]:
    """Train all jobs on `device`, one batch per shape; return results in the order of the jobs.

    Raises
    ------
    ConfigError if torch cannot reach `device`, or for a model that is no perceptron.
    """
    groups: dict[str, list[int]] = {}
    for position, job in enumerate(jobs):
        if not isinstance(job.model, MLPConfig):
            raise ConfigError(
                "batches on torch are of perceptrons.",
                field="model",
                value=type(job.model).__name__,
                suggestion="Use backend='compiled'.",
            )
        shape = (job.data.x.shape[1], job.data.n_classes)
        key = f"{shape}{job.model.content_id()}{job.trainer.content_id()}"
        groups.setdefault(key, []).append(position)
    place = _device(device)
    results: dict[int, NetResult] = {}
    for positions in groups.values():
        batch = _Batch([jobs[p] for p in positions], positions, place)
        batch.run(results, watch)
    return [results[position] for position in range(len(jobs))]


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:
        raise ConfigError(
            f"torch cannot use this device: {str(error).splitlines()[0]}",
            field="device",
            value=name,
            suggestion="Use device='cpu', or install PyTorch for this GPU.",
        ) from None
    return device


class _Batch:
    """Nets of one shape and one trainer in the middle of their training."""

    def __init__(
        self, jobs: Sequence[NetJob], positions: Sequence[int], device: torch.device
    ) -> None:
        model, self.trainer = jobs[0].model, jobs[0].trainer
        assert isinstance(model, MLPConfig)
        self.jobs, self.positions, self.device = list(jobs), list(positions), device
        self.rows = Rows(jobs, device)
        first = [
            initial_weights(
                model,
                job.data.x.shape[1],
                job.data.n_classes,
                stream_key(job.seed, "initial weights"),
                self.trainer.dtype,
            )
            for job in jobs
        ]
        keys = [stream_key(job.seed, "dropout") for job in jobs]
        self.nets = NetTensors(model, self.trainer, first, keys, device)
        self.best = list(first)
        self.stops = [StopRecord() for _ in jobs]
        self.histories = [NetHistory() for _ in jobs]
        self.began = time.perf_counter()

    def run(self, results: dict[int, NetResult], watch: Watch) -> None:
        """Train until every net has finished; write its result under its position."""
        for epoch in range(self.trainer.epochs):
            bad_batch, losses = self._train_epoch(epoch, watch.progress)
            validation_loss, accuracy = self._judge()
            ended: list[int] = []
            for i, job in enumerate(self.jobs):
                bad = int(bad_batch[i]) if bad_batch[i] >= 0 else None
                if bad is not None or not np.isfinite(validation_loss[i]):
                    results[self.positions[i]] = self._diverged(i, epoch, bad)
                    ended.append(i)
                    continue
                loss, right = float(validation_loss[i]), float(accuracy[i])
                self.histories[i].add(float(losses[i]) / len(job.data.train), loss, right)
                config = self.trainer.early_stopping
                value = loss if config.monitor == "val_loss" else right
                self.stops[i] = self.stops[i].after(epoch, value, config)
                if self.stops[i].best_epoch == epoch:
                    self.best[i] = self.nets.weights(i)
                if self.stops[i].stopped or epoch + 1 == self.trainer.epochs:
                    results[self.positions[i]] = self._finished(i)
                    ended.append(i)
            watch.show(list(results.values()))
            if len(ended) == len(self.jobs):
                return
            self._leave(ended)

    def _train_epoch(self, epoch: int, progress: Progress) -> tuple[Any, Any]:
        size = self.trainer.batch_size
        orders = []
        for job in self.jobs:
            order = np.empty(len(job.data.train), dtype=np.int64)
            fill_permutation(np.uint64(stream_key(job.seed, "batch order", epoch)), order)
            orders.append(job.data.train[order])
        index, there = self.rows.padded(orders, size)
        n_batches = torch.tensor([-(-len(o) // size) for o in orders], device=self.device)
        n_nets = len(self.jobs)
        losses = torch.zeros(n_nets, dtype=torch.float64, device=self.device)
        bad = torch.full((n_nets,), -1, dtype=torch.int64, device=self.device)
        for batch in range(index.shape[1] // size):
            progress.raise_if_cancelled()
            part = slice(batch * size, (batch + 1) * size)
            x, y = self.rows.gather(index[:, part])
            active = there[:, part].any(dim=1) & (bad < 0)
            draw = (epoch * n_batches + batch) * size
            loss = self.nets.step(x, y, there[:, part], active, draw)
            failed = active & ~torch.isfinite(loss)
            bad = torch.where(failed, torch.full_like(bad, batch), bad)
            losses = losses + torch.where(active & ~failed, loss, torch.zeros_like(loss))
        return bad.cpu().numpy(), losses.cpu().numpy()

    def _judge(self) -> tuple[Any, Any]:
        parts = [job.data.validation for job in self.jobs]
        index, there = self.rows.padded(parts, _ROWS_AT_ONCE)
        sizes = torch.tensor([len(p) for p in parts], device=self.device)
        loss = torch.zeros(len(parts), dtype=torch.float64, device=self.device)
        hits = torch.zeros_like(loss)
        for start in range(0, index.shape[1], _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            x, y = self.rows.gather(index[:, part])
            logs = self.nets.log_probabilities(x)
            chosen = logs.gather(2, y[..., None])[..., 0]
            real = there[:, part]
            loss -= torch.where(real, chosen, torch.zeros_like(chosen)).sum(dim=1)
            hits += (real & (logs.argmax(dim=2) == y)).sum(dim=1)
        return (loss / sizes).cpu().numpy(), (hits / sizes).cpu().numpy()

    def _leave(self, ended: Sequence[int]) -> None:
        if not ended:
            return
        stay = [i for i in range(len(self.jobs)) if i not in set(ended)]
        for name in ("jobs", "positions", "best", "stops", "histories"):
            held = getattr(self, name)
            setattr(self, name, [held[i] for i in stay])
        chosen = torch.tensor(stay, device=self.device)
        self.nets.keep(chosen)
        self.rows.keep(chosen)

    def _finished(self, i: int) -> NetResult:
        stop = self.stops[i]
        n_batches = -(-len(self.jobs[i].data.train) // self.trainer.batch_size)
        return self.histories[i].result(
            self.jobs[i],
            "early_stopping" if stop.stopped else "completed",
            seconds=time.perf_counter() - self.began,
            n_steps=n_batches * len(self.histories[i].train_loss),
            best=(self.best[i], stop.best_epoch),
        )

    def _diverged(self, i: int, epoch: int, batch: int | None) -> NetResult:
        error = diverged(epoch, batch)
        n_batches = -(-len(self.jobs[i].data.train) // self.trainer.batch_size)
        return self.histories[i].result(
            self.jobs[i],
            "diverged",
            seconds=time.perf_counter() - self.began,
            n_steps=n_batches * epoch,
            error=(str(error), error.code),
        )
