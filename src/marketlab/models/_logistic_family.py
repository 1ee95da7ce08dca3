"""Many two-class logistic fits in little time: the refits behind surrogate nulls.

One fit minimises  sum of cross entropies + l2/2 * |coefficients|²  as in
`marketlab.models.fit_logistic`, for two classes. Newton's method, but the second derivative is
computed anew only when the gradient fell by less than a factor of five (a modified Newton or chord
method; Ortega and Rheinboldt 1970, section 7.1). All probabilities start equal, so the first second
derivative needs no weights and the first gradient only sums over rows and over rows of class 1. The
gradient is always exact, so the optimum is the same.

Products go through BLAS. Set its threads to one per process (``OPENBLAS_NUM_THREADS=1``), since
processes give the parallelism here.

N = rows, F = features, D = 1 + F (entry 0 is the intercept).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketlab.core import DataError, FloatArray, IntArray, check_at_least

_REFRESH_ABOVE = 0.2
_BLOCK = 4_096  # rows weighted at a time: new memory costs more than the products


@dataclass(frozen=True)
class BinaryLogisticFit:
    """One two-class fit.

    Attributes
    ----------
    coefficients : ndarray of shape (1 + F,), float64; entry 0 is the intercept; log odds of
        class 1.
    converged : whether every gradient entry per row is at most 1e-6 (float32) or 1e-7 (float64).
    n_iterations : steps taken. largest_gradient : the largest gradient entry per row, at the end.
    """

    coefficients: FloatArray
    converged: bool
    n_iterations: int
    largest_gradient: float

    def log_odds(self, x_NF: NDArray[Any]) -> NDArray[Any]:
        """Return the log odds of class 1 for rows of shape (n, F), in the precision of `x`."""
        kind = x_NF.dtype.type
        out: NDArray[Any] = x_NF @ self.coefficients[1:].astype(kind)
        out += kind(self.coefficients[0])
        return out


@dataclass(frozen=True)
class LinearDesign:
    """One member of a family: which columns it reads and which label set it predicts."""

    columns: IntArray
    label_set: int


def fit_logistic_binary(
    x: NDArray[Any], y: NDArray[Any], *, l2: float = 1.0, n_iterations: int = 12
) -> BinaryLogisticFit:
    """Fit the log odds of class 1 on rows of features.

    Parameters
    ----------
    x : ndarray of shape (n, F), float32 or float64, finite, either memory order. The work is done
        in its precision.
    y : shape (n,): 1, 0, or -1 for a row that is left out.
    l2 : penalty on squared coefficients, > 0, against the sum of cross entropies.
    n_iterations : at most so many steps; whether they were enough is in the result.

    Raises
    ------
    DataError if shapes or labels are wrong or no row is left.
    """
    check_at_least("n_iterations", n_iterations, 1)
    check_at_least("l2", l2, 1e-9)
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise DataError(
            f"Shape mismatch: x has shape {x.shape}, y has shape {y.shape}.",
            code="MODEL-ShapeMismatch",
        )
    return _ModifiedNewton(x.T, y, l2).solve(n_iterations)


def fit_logistic_family(
    matrix_CN: NDArray[Any],
    labels_LN: NDArray[Any],
    designs: Sequence[LinearDesign],
    *,
    l2: float = 1.0,
    n_iterations: int = 12,
) -> list[BinaryLogisticFit]:
    """Fit every design of a family that shares columns and label sets.

    Parameters
    ----------
    matrix_CN : the union of all columns, feature-major, float32 (fast) or float64, finite.
    labels_LN : label sets, each row 1, 0 or -1 (left out), over the same n rows.
    designs : columns and label set of each member, in the order of the result.
    """
    n_rows = matrix_CN.shape[1]
    widest = max((len(design.columns) for design in designs), default=0)
    room = np.empty((widest, n_rows), dtype=matrix_CN.dtype)
    out = []
    for design in designs:
        x_FN = room[: len(design.columns)]
        # mode="clip" lets numpy write straight into `out`; the bounds are checked here instead.
        if design.columns.min() < 0 or design.columns.max() >= len(matrix_CN):
            raise DataError(
                f"a design reads columns {design.columns.min()} … {design.columns.max()}; the "
                f"matrix has columns 0 … {len(matrix_CN) - 1}.",
                code="MODEL-ShapeMismatch",
            )
        np.take(matrix_CN, design.columns, axis=0, out=x_FN, mode="clip")
        labels = labels_LN[design.label_set]
        out.append(fit_logistic_binary(x_FN.T, labels, l2=l2, n_iterations=n_iterations))
    return out


class _ModifiedNewton:
    def __init__(self, x_FN: NDArray[Any], y: NDArray[Any], l2: float) -> None:
        if not np.issubdtype(y.dtype, np.integer) or y.min() < -1 or y.max() > 1:
            raise DataError(
                "labels of a two-class fit are integers: 1, 0 or -1 (left out).",
                code="MODEL-BadLabel",
            )
        self.x_FN, self.l2 = x_FN, l2
        kind = x_FN.dtype.type
        self.hot = (y == 1).astype(kind)
        self.used = (y >= 0).astype(kind)
        self.n_used = int(np.count_nonzero(self.used))
        if self.n_used == 0:
            raise DataError("no labelled row is left to fit.", code="DATA-EmptySplit")
        self.complete = self.n_used == len(y)
        self.positives = int(np.count_nonzero(self.hot))
        self.share = (self.positives + 1.0) / (self.n_used + 2.0)  # Laplace's rule
        self.anchor = np.zeros(len(x_FN) + 1)
        self.anchor[0] = np.log(self.share / (1.0 - self.share))
        self.limit = (1e-6 if x_FN.dtype == np.float32 else 1e-7) * self.n_used
        self.sums = (x_FN @ self.used).astype(np.float64)

    def first_gradient(self) -> FloatArray:
        """Return the gradient at the anchor, where every probability is the share of class 1."""
        gradient = np.empty(len(self.anchor))
        gradient[0] = self.share * self.n_used - self.positives
        gradient[1:] = self.share * self.sums - self.x_FN @ self.hot
        return gradient

    def slopes(self, coefficients: FloatArray) -> tuple[FloatArray, NDArray[Any]]:
        """Return the gradient and the probabilities."""
        kind = self.x_FN.dtype.type
        eta = coefficients[1:].astype(kind) @ self.x_FN
        eta += kind(coefficients[0])
        np.negative(eta, out=eta)
        with np.errstate(over="ignore"):  # exp(large) = inf gives the right probability, 0
            np.exp(eta, out=eta)
        eta += kind(1.0)
        shares = np.reciprocal(eta, out=eta)
        rest = shares - self.hot
        if not self.complete:
            rest *= self.used
        gradient = np.empty(len(coefficients))
        gradient[0] = rest.sum(dtype=np.float64)
        gradient[1:] = self.x_FN @ rest
        gradient += self.l2 * (coefficients - self.anchor)
        return gradient, shares

    def curvature(self, shares: NDArray[Any] | None) -> FloatArray:
        """Return the (D, D) second derivative; without `shares`, that of equal probabilities."""
        size, n_rows = self.x_FN.shape
        out = np.zeros((size + 1, size + 1))
        scale = 1.0
        if shares is None:
            scale, weight = self.share * (1.0 - self.share), self.used
            out[0, 1:] = out[1:, 0] = self.sums
            out[0, 0] = self.n_used
        else:
            weight = shares * (1 - shares)
            if not self.complete:
                weight *= self.used
            out[0, 1:] = out[1:, 0] = self.x_FN @ weight
            out[0, 0] = weight.sum(dtype=np.float64)
        if shares is None and self.complete:
            out[1:, 1:] = self.x_FN @ self.x_FN.T
        else:
            for start in range(0, n_rows, _BLOCK):
                block = self.x_FN[:, start : start + _BLOCK]
                out[1:, 1:] += (block * weight[start : start + _BLOCK]) @ block.T
        out *= scale
        out.flat[:: size + 2] += self.l2
        return out

    def solve(self, n_iterations: int) -> BinaryLogisticFit:
        """Step until the gradient is small or `n_iterations` are used up."""
        here = self.anchor.copy()
        gradient = self.first_gradient()
        inverse = np.linalg.inv(self.curvature(None))
        used = 0
        while used < n_iterations and np.abs(gradient).max() > self.limit:
            step = inverse @ gradient
            descent = float(gradient @ step)
            size, before = 1.0, float(np.abs(gradient).max())
            while True:
                used += 1
                tried = here - size * step
                new_gradient, new_shares = self.slopes(tried)
                # Too far is where the slope along the step has turned and grown as steep again.
                if float(-(new_gradient @ step)) < 0.9 * descent or used >= n_iterations:
                    break
                size *= 0.5
            here, gradient = tried, new_gradient
            after = float(np.abs(gradient).max())
            if after > _REFRESH_ABOVE * before and after > self.limit and used < n_iterations:
                inverse = np.linalg.inv(self.curvature(new_shares))
        largest = float(np.abs(gradient).max()) / self.n_used
        return BinaryLogisticFit(here, largest * self.n_used <= self.limit, used, largest)
