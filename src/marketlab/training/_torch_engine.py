"""The reference backend: PyTorch on the same inputs, first weights, batch order and masks.

The only module that imports torch; it is imported when the backend is asked for.
"""

from typing import Any

import numpy as np
import torch

from marketlab.core import FloatArray, Progress, Slot
from marketlab.training._compiled_engine import diverged
from marketlab.training._engine import EngineRequest, EpochSums, Snapshot
from marketlab.training._step_kernel import BETA_1, BETA_2, EPSILON, drop_out

_SMALL_NET = 1_000_000  # parameters up to which a second thread only costs time


class TorchEngine:
    """An eager loop with `torch.optim`, on the CPU."""

    def __init__(self, request: EngineRequest) -> None:
        self._request = request
        data, start = request.data, request.start()
        self._dtype = np.dtype(request.config.dtype)
        self._x = torch.from_numpy(np.array(data.x_train, dtype=self._dtype))
        self._y = torch.from_numpy(np.array(data.y_train, dtype=np.int64))
        self._x_validation = torch.from_numpy(np.array(data.x_validation, dtype=self._dtype))
        self._tensors: dict[str, Any] = {
            name: torch.from_numpy(np.array(value)).requires_grad_()
            for name, value in start.weights.items()
        }
        self._optimizer = self._make_optimizer()
        self._n_steps = start.n_steps
        self._restore_moments(start)
        self._activation = {
            "relu": torch.relu,
            "leaky_relu": torch.nn.functional.leaky_relu,
            "tanh": torch.tanh,
            "sigmoid": torch.sigmoid,
        }[request.model.activation]

    def _make_optimizer(self) -> Any:
        config, tensors = self._request.config, list(self._tensors.values())
        if config.optimizer == "sgd":
            return torch.optim.SGD(
                tensors, lr=config.learning_rate, weight_decay=config.weight_decay, foreach=False
            )
        kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
        return kind(
            tensors,
            lr=config.learning_rate,
            betas=(BETA_1, BETA_2),
            eps=EPSILON,
            weight_decay=config.weight_decay,
            foreach=False,
        )

    def _restore_moments(self, start: Snapshot) -> None:
        if start.n_steps == 0 or self._request.config.optimizer == "sgd":
            return
        for name, tensor in self._tensors.items():
            self._optimizer.state[tensor] = {
                "step": torch.tensor(float(start.n_steps)),
                "exp_avg": torch.from_numpy(np.array(start.moment_1[name])),
                "exp_avg_sq": torch.from_numpy(np.array(start.moment_2[name])),
            }

    def run_epoch(self, epoch: int, progress: Progress) -> EpochSums:
        """Train one epoch; see `Engine.run_epoch`."""
        n_parameters = sum(t.numel() for t in self._tensors.values())
        threads = torch.get_num_threads()
        try:
            if n_parameters <= _SMALL_NET:
                torch.set_num_threads(1)
            return self._run_batches(epoch, progress)
        finally:
            torch.set_num_threads(threads)

    def _run_batches(self, epoch: int, progress: Progress) -> EpochSums:
        request = self._request
        order = torch.from_numpy(request.batch_order(epoch))
        size = request.config.batch_size
        loss_sum = hits = average = largest = 0.0
        norm_sums = dict.fromkeys(self._tensors, 0.0)
        for batch in range(request.n_batches):
            progress.raise_if_cancelled()
            rows = order[batch * size : (batch + 1) * size]
            logits = self._forward(self._x[rows], self._masks(epoch, batch, len(rows)))
            target = self._y[rows]
            loss = torch.nn.functional.cross_entropy(logits, target)
            if not bool(torch.isfinite(loss)):
                raise diverged(epoch, batch)
            self._optimizer.zero_grad()
            loss.backward()
            norms = {n: float(t.grad.norm()) for n, t in self._tensors.items()}
            if request.config.gradient_clip is not None:
                torch.nn.utils.clip_grad_norm_(
                    list(self._tensors.values()), request.config.gradient_clip
                )
            self._optimizer.step()
            self._n_steps += 1
            loss_sum += float(loss.detach()) * len(rows)
            hits += int((logits.argmax(dim=1) == target).sum())
            average += sum(v * v for v in norms.values()) ** 0.5 / len(norms)
            largest += max(norms.values())
            for name, value in norms.items():
                norm_sums[name] += value
            progress.array[Slot.BATCH] = batch + 1
            if batch % 100 == 0:
                progress.beat()
        return EpochSums(loss_sum, float(hits), average, largest, norm_sums)

    def _forward(self, x: Any, masks: list[Any] | None) -> Any:
        n_layers = len(self._tensors) // 2
        for layer in range(n_layers):
            weight = self._tensors[f"layers.{layer}.weight"]
            x = torch.nn.functional.linear(x, weight, self._tensors[f"layers.{layer}.bias"])
            if layer < n_layers - 1:
                x = self._activation(x)
                if masks is not None:
                    x = x * masks[layer]
        return x

    def _masks(self, epoch: int, batch: int, n_rows: int) -> list[Any] | None:
        """Return per hidden layer the factors 0 or 1 / (1 - dropout), drawn as the kernel does."""
        request = self._request
        if request.model.dropout == 0.0:
            return None
        hidden = request.model.hidden_layers
        total = sum(hidden)
        first = (epoch * request.n_batches + batch) * request.config.batch_size * total
        masks = []
        for units in hidden:
            mask = np.ones((n_rows, units), dtype=self._dtype)
            drop_out(
                mask,
                np.ones_like(mask),
                units,
                n_rows,
                request.model.dropout,
                np.uint64(request.dropout_key),
                np.uint64(first),
                np.uint64(total),
            )
            masks.append(torch.from_numpy(mask))
            first += units
        return masks

    def predict_validation(self) -> tuple[FloatArray, FloatArray]:
        """Return probabilities of the validation rows and their logarithms."""
        with torch.no_grad():
            logits = self._forward(self._x_validation, None).double()
            logs = torch.log_softmax(logits, dim=1).numpy()
        return np.exp(logs), logs

    def snapshot(self) -> Snapshot:
        """Return own copies of weights and optimiser state."""
        weights = {n: t.detach().numpy().copy() for n, t in self._tensors.items()}
        moments: list[dict[str, Any]] = []
        for key in ("exp_avg", "exp_avg_sq"):
            held = {n: self._optimizer.state[t].get(key) for n, t in self._tensors.items()}
            moments.append(
                {
                    n: np.zeros_like(weights[n]) if m is None else m.numpy().copy()
                    for n, m in held.items()
                }
            )
        return Snapshot(weights, moments[0], moments[1], self._n_steps)
