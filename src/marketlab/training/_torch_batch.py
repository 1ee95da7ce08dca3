"""The tensors of many perceptrons of one shape: one step, one forecast, for all of them at once.

N = nets, B = rows of a batch, F = inputs, U = units of a hidden layer.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.func import grad, vmap

from marketlab.core import IntArray
from marketlab.models import MLPConfig, Weights
from marketlab.training._config import TrainerConfig
from marketlab.training._net_job import NetJob
from marketlab.training._step_kernel import BETA_1, BETA_2, EPSILON

_ACTIVATIONS = {
    "relu": torch.relu,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}
_SIGN = -(2**63)


class Rows:
    """All distinct matrices of some jobs as one, and where each job's begins."""

    def __init__(self, jobs: Sequence[NetJob], device: torch.device) -> None:
        offsets: dict[int, int] = {}
        held, n_rows = [], 0
        for job in jobs:
            if id(job.data) not in offsets:
                offsets[id(job.data)] = n_rows
                held.append(job.data)
                n_rows += len(job.data.y)
        dtype = np.dtype(jobs[0].trainer.dtype)
        x = np.concatenate([d.x.astype(dtype, copy=False) for d in held])
        y = np.concatenate([d.y.astype(np.int64, copy=False) for d in held])
        self.device = device
        self._x, self._y = torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)
        self._offset = torch.tensor([offsets[id(j.data)] for j in jobs], device=device)

    def keep(self, chosen: Any) -> None:
        """Forget the nets that are not `chosen`."""
        self._offset = self._offset[chosen]

    def padded(self, rows: Sequence[IntArray], multiple: int) -> tuple[Any, Any]:
        """Return row numbers (N, a multiple of `multiple`) and which of them are real.

        A place that is not real repeats the net's first row, so that it holds finite numbers.
        """
        longest = -(-max(len(r) for r in rows) // multiple) * multiple
        index = np.empty((len(rows), longest), dtype=np.int64)
        for i, r in enumerate(rows):
            index[i, : len(r)], index[i, len(r) :] = r, r[0]
        sizes = torch.tensor([len(r) for r in rows], device=self.device)
        there = torch.arange(longest, device=self.device) < sizes[:, None]
        return torch.from_numpy(index).to(self.device) + self._offset[:, None], there

    def gather(self, index: Any) -> tuple[Any, Any]:
        """Return the rows (N, B, F) and labels (N, B) at `index`."""
        return self._x[index], self._y[index]


class NetTensors:
    """Weights and moments of N nets, stacked along the first axis."""

    def __init__(
        self,
        model: MLPConfig,
        trainer: TrainerConfig,
        first: Sequence[Weights],
        dropout_keys: Sequence[int],
        device: torch.device,
    ) -> None:
        self._model, self._trainer = model, trainer
        self._theta = {
            name: torch.from_numpy(np.stack([w[name] for w in first])).to(device)
            for name in first[0]
        }
        self._first = {n: torch.zeros_like(t) for n, t in self._theta.items()}
        self._second = {n: torch.zeros_like(t) for n, t in self._theta.items()}
        self._keys = torch.tensor([_signed(k) for k in dropout_keys], device=device)
        self._steps = torch.zeros(len(first), dtype=torch.float64, device=device)
        self._gradient = vmap(grad(self._loss, has_aux=True))
        self._forward_all = vmap(self._forward, in_dims=(0, 0, None))

    def weights(self, i: int) -> Weights:
        """Return own copies of the weights of net `i`."""
        return {name: np.array(t[i].cpu().numpy()) for name, t in self._theta.items()}

    def keep(self, chosen: Any) -> None:
        """Forget the nets that are not `chosen`."""
        for held in (self._theta, self._first, self._second):
            for name in held:
                held[name] = held[name][chosen]
        self._keys, self._steps = self._keys[chosen], self._steps[chosen]

    def log_probabilities(self, x: Any) -> Any:
        """Return (N, B, classes) in float64, dropout off."""
        with torch.no_grad():
            return torch.log_softmax(self._forward_all(self._theta, x, None).double(), dim=2)

    def step(self, x: Any, y: Any, there: Any, active: Any, draw: Any) -> Any:
        """Take one step with every active net whose loss is finite.

        Parameters
        ----------
        x, y, there : (N, B, F), (N, B) and (N, B), which rows are real. active : (N,).
        draw : (N,), number of the batch's first row among all that the net has seen.

        Returns
        -------
        The summed loss of each net's rows before the step, (N,), float64.
        """
        share = there.to(x.dtype) / there.sum(dim=1, keepdim=True).clamp(min=1)
        gradient, loss = self._gradient(self._theta, x, y, share, there, self._masks(x, draw))
        moving = active & torch.isfinite(loss)
        with torch.no_grad():
            self._clip(gradient)
            self._steps += moving
            self._update(gradient, moving)
        return loss

    def _forward(self, theta: Any, x: Any, masks: Any) -> Any:
        last = len(theta) // 2 - 1
        for layer in range(last + 1):
            weight, bias = theta[f"layers.{layer}.weight"], theta[f"layers.{layer}.bias"]
            x = torch.nn.functional.linear(x, weight, bias)
            if layer < last:
                x = _ACTIVATIONS[self._model.activation](x)
                if masks is not None:
                    x = x * masks[layer]
        return x

    def _loss(self, theta: Any, x: Any, y: Any, share: Any, there: Any, masks: Any) -> Any:
        """Return one net's mean loss over the real rows, and their summed loss beside it."""
        logs = torch.log_softmax(self._forward(theta, x, masks), dim=1)
        each = -logs.gather(1, y[:, None])[:, 0]
        each = torch.where(there, each, torch.zeros_like(each))
        return (each * share).sum(), each.detach().double().sum()

    def _masks(self, x: Any, draw: Any) -> list[Any] | None:
        """Return per hidden layer the factors 0 or 1 / (1 - dropout), drawn as the kernels do."""
        probability, hidden = self._model.dropout, self._model.hidden_layers
        if probability == 0.0:
            return [torch.ones((len(x), x.shape[1], 1), dtype=x.dtype, device=x.device)] * len(
                hidden
            )
        threshold = _signed((math.ceil(probability * 2.0**53) << 11) ^ (1 << 63))
        row = draw[:, None, None] + torch.arange(x.shape[1], device=x.device)[:, None]
        masks, passed = [], 0
        for units in hidden:
            counter = row * sum(hidden) + passed + torch.arange(units, device=x.device)
            bits = _counter_bits(self._keys[:, None, None], counter)
            # Signed numbers stand in for unsigned ones: flipping the first bit keeps the order.
            keep = (bits ^ _SIGN) >= threshold
            masks.append(keep.to(x.dtype) * (1.0 / (1.0 - probability)))
            passed += units
        return masks

    def _clip(self, gradient: dict[str, Any]) -> None:
        if self._trainer.gradient_clip is None:
            return
        square = sum(g.double().flatten(1).square().sum(dim=1) for g in gradient.values())
        ratio = (self._trainer.gradient_clip / (torch.as_tensor(square).sqrt() + 1e-6)).clamp(max=1)
        for name, g in gradient.items():
            gradient[name] = g * _along(ratio.to(g.dtype), g)

    def _update(self, gradient: dict[str, Any], moving: Any) -> None:
        config = self._trainer
        rate, decay = config.learning_rate, config.weight_decay
        steps = self._steps.clamp(min=1)
        size, root = rate / (1.0 - BETA_1**steps), (1.0 - BETA_2**steps).sqrt()
        coupled, shrink = (0.0, 1.0 - rate * decay) if config.optimizer == "adamw" else (decay, 1.0)
        for name, old in self._theta.items():
            here = _along(moving, old)
            weight = old * shrink
            slope = gradient[name] + coupled * weight
            if config.optimizer == "sgd":
                self._theta[name] = torch.where(here, weight - rate * slope, old)
                continue
            first, second = self._first[name], self._second[name]
            m = first + (slope - first) * (1.0 - BETA_1)
            v = second * BETA_2 + slope * slope * (1.0 - BETA_2)
            below = v.sqrt() / _along(root.to(old.dtype), old) + EPSILON
            new = weight - _along(size.to(old.dtype), old) * (m / below)
            self._first[name] = torch.where(here, m, first)
            self._second[name] = torch.where(here, v, second)
            self._theta[name] = torch.where(here, new, old)


def _along(value: Any, like: Any) -> Any:
    """Return (N,) shaped to be broadcast over the tensors of `like`."""
    return value.reshape(-1, *([1] * (like.dim() - 1)))


def _signed(word: int) -> int:
    """Return the int64 with the bits of an unsigned 64-bit `word`."""
    word &= 2**64 - 1
    return word - 2**64 if word >= 2**63 else word


def _shifted(word: Any, bits: int) -> Any:
    """Return a logical shift to the right; torch shifts the sign in."""
    return (word >> bits) & (2 ** (64 - bits) - 1)


def _counter_bits(key: Any, counter: Any) -> Any:
    """Return draw `counter` of stream `key`: `marketlab.kernels.counter_bits` on int64 tensors."""
    z = key + (counter + 1) * _signed(0x9E3779B97F4A7C15)
    z = (z ^ _shifted(z, 30)) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ _shifted(z, 27)) * _signed(0x94D049BB133111EB)
    return z ^ _shifted(z, 31)
