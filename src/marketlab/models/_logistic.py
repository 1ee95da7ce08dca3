"""Multinomial logistic regression: the simple statistical model that every net is compared with.

Minimises  sum of cross entropies + l2/2 * |coefficients|²  by Newton's method with step halving
(iteratively reweighted least squares; McCullagh and Nelder 1989, "Generalized Linear Models",
chapter 4; multinomial form in Böhning 1992, "Multinomial logistic regression algorithm", AISM 44).
The intercepts are penalised only in their distance from the Laplace-smoothed log frequencies of
the training classes, so that a class that never occurs keeps a finite, small probability; this
detail is ours.

N = rows, D = 1 + features (column 0 is the constant), C = classes.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from marketlab.core import DataError, FloatArray, FrozenConfig, IntArray
from marketlab.kernels import jit, register_warmup
from marketlab.models._base import MODELS, Arrays, ModelDefinition, checked_rows, checked_targets
from marketlab.models._mlp import N_CLASSES


class LogisticConfig(FrozenConfig):
    """``l2`` weighs the squared coefficients against the *sum* of cross entropies (nats).

    Fitting ends when no entry of the gradient, per row, exceeds ``tolerance``.
    """

    l2: float = Field(default=1.0, gt=0.0)
    max_iterations: int = Field(default=50, ge=1)
    tolerance: float = Field(default=1e-8, gt=0.0)


@jit
def _probabilities(x_NF: FloatArray, coef_DC: FloatArray, out_NC: FloatArray) -> None:
    """Write softmax(constant + x @ coefficients), each row by itself."""
    n_classes = out_NC.shape[1]
    for i in range(x_NF.shape[0]):
        for c in range(n_classes):
            out_NC[i, c] = coef_DC[0, c]
        for f in range(x_NF.shape[1]):
            for c in range(n_classes):
                out_NC[i, c] += x_NF[i, f] * coef_DC[f + 1, c]
        top = out_NC[i, 0]
        for c in range(1, n_classes):
            top = max(top, out_NC[i, c])
        total = 0.0
        for c in range(n_classes):
            out_NC[i, c] = math.exp(out_NC[i, c] - top)
            total += out_NC[i, c]
        for c in range(n_classes):
            out_NC[i, c] /= total


class LogisticForecaster:
    """Class probabilities that are linear in the features on the scale of log odds."""

    def __init__(self, coefficients_DC: FloatArray) -> None:
        self._coefficients_DC = np.array(coefficients_DC, dtype=np.float64, order="C")

    @property
    def n_inputs(self) -> int:
        """Columns that `predict` expects."""
        return len(self._coefficients_DC) - 1

    def predict(self, x: NDArray[Any]) -> FloatArray:
        """Return class probabilities; see `Forecaster.predict`."""
        rows = checked_rows(x, self.n_inputs, np.float64)
        out: FloatArray = np.empty((len(rows), self._coefficients_DC.shape[1]))
        _probabilities(rows, self._coefficients_DC, out)
        return out

    def to_arrays(self) -> Arrays:
        """Return the coefficients (1 + n_inputs, n_classes); row 0 holds the intercepts."""
        return {"coefficients": self._coefficients_DC.copy()}


def fit_logistic(
    x: NDArray[Any], y: IntArray, config: LogisticConfig | None = None, *, n_classes: int = 3
) -> FloatArray:
    """Return coefficients of shape (1 + F, n_classes); row 0 holds the intercepts.

    Parameters
    ----------
    x : ndarray of shape (n, F), finite, on comparable scales (the penalty is one for all).
    y : class indices 0 … n_classes - 1.

    Raises
    ------
    DataError if shapes or labels are wrong, or (``MODEL-NotConverged``) if Newton's method does
    not reach the tolerance.
    """
    settings = config or LogisticConfig()
    rows = checked_rows(x, x.shape[1] if x.ndim == 2 else 0, np.float64)
    target = checked_targets(rows, y, n_classes)
    return _Newton(rows, target, n_classes, settings).solve()


class _Newton:
    """One fit: the design, the anchor of the intercepts and the iteration."""

    def __init__(
        self, x_NF: FloatArray, y: IntArray, n_classes: int, settings: LogisticConfig
    ) -> None:
        self.settings = settings
        self.n_classes = n_classes
        self.y = y
        self.x_ND = np.hstack([np.ones((len(y), 1)), x_NF])
        self.hot_NC = np.eye(n_classes)[y]
        counts = self.hot_NC.sum(axis=0) + 1.0
        self.anchor_DC = np.zeros((self.x_ND.shape[1], n_classes))
        self.anchor_DC[0] = np.log(counts / counts.sum())

    def loss(self, coef_DC: FloatArray) -> tuple[float, FloatArray]:
        """Return the objective and the probabilities."""
        eta = self.x_ND @ coef_DC
        eta -= eta.max(axis=1, keepdims=True)
        shares = np.exp(eta)
        totals = shares.sum(axis=1, keepdims=True)
        value = float(np.log(totals).sum() - eta[np.arange(len(self.y)), self.y].sum())
        away = coef_DC - self.anchor_DC
        return value + 0.5 * self.settings.l2 * float((away**2).sum()), shares / totals

    def solve(self) -> FloatArray:
        """Iterate from the class frequencies to the optimum."""
        coef = self.anchor_DC.copy()
        value, shares = self.loss(coef)
        for _ in range(self.settings.max_iterations):
            gradient = self.x_ND.T @ (shares - self.hot_NC)
            gradient += self.settings.l2 * (coef - self.anchor_DC)
            if np.abs(gradient).max() <= self.settings.tolerance * len(self.y):
                return coef
            step = np.linalg.solve(self.hessian(shares), gradient.T.ravel())
            direction = step.reshape(self.n_classes, -1).T
            size = 1.0
            while size > 1e-10:
                tried = coef - size * direction
                new_value, new_shares = self.loss(tried)
                if new_value <= value:
                    break
                size *= 0.5
            else:
                return coef  # no descent left at working precision: this is the optimum
            coef, value, shares = tried, new_value, new_shares
        raise DataError(
            f"logistic regression did not converge in {self.settings.max_iterations} iterations.",
            code="MODEL-NotConverged",
            suggestion="Raise `max_iterations` or `l2`, or bring the features to one scale.",
        )

    def hessian(self, shares: FloatArray) -> FloatArray:
        """Return the (C D, C D) second derivative, classes outermost."""
        size = self.x_ND.shape[1]
        out = np.zeros((self.n_classes, size, self.n_classes, size))
        for a in range(self.n_classes):
            for b in range(a, self.n_classes):
                weight = shares[:, a] * ((1.0 if a == b else 0.0) - shares[:, b])
                block = (self.x_ND * weight[:, None]).T @ self.x_ND
                out[a, :, b, :] = block
                out[b, :, a, :] = block
        flat = out.reshape(self.n_classes * size, -1)
        flat[np.diag_indices_from(flat)] += self.settings.l2
        return flat


def _build(config: LogisticConfig, x: NDArray[Any], y: IntArray, _seed: int) -> LogisticForecaster:
    return LogisticForecaster(fit_logistic(x, y, config, n_classes=N_CLASSES))


MODELS.add(
    "logistic",
    ModelDefinition(
        LogisticConfig,
        "features",
        "closed_form",
        _build,
        lambda _config, arrays: LogisticForecaster(arrays["coefficients"]),
    ),
)


@register_warmup("logistic forecast")
def _warm() -> None:
    _probabilities(np.zeros((1, 1)), np.zeros((2, 3)), np.empty((1, 3)))
