"""GARCH(1,1) by maximum likelihood: the variance of the next bar from past returns.

    v[t+1] = omega + alpha r[t]² + beta v[t]
    (Bollerslev 1986, "Generalized autoregressive conditional heteroskedasticity", J. Econometrics
    31, 307-327, eq. 1-3), r zero-mean log returns, v[0] = omega + (alpha + beta) v_start.

The Gaussian likelihood is maximised by the simplex method (Nelder and Mead 1965, Computer Journal
7, 308-313; coefficients 1, 2, 1/2, 1/2) over unbounded parameters: the logarithm of the long-run
variance, the log odds of alpha + beta, and those of alpha's share in it. So omega > 0, alpha, beta
>= 0 and alpha + beta < 1 hold by construction. EWMA is the case omega = 0, alpha = 1 - beta.
"""

import math
from collections.abc import Callable

import numpy as np

from marketlab.core import BoolArray, DataError, FloatArray, FrozenConfig
from marketlab.kernels import jit, register_warmup

_MAX_STEPS = 400
_TOLERANCE = 1e-9  # between the corners, in mean loss
_WIDEST = 30.0  # beyond it a logistic function is 0 or 1 at working precision
_STARTS = ((0.97, 0.08), (0.80, 0.25), (0.995, 0.03))  # alpha + beta, alpha's share of it


class GarchFit(FrozenConfig):
    """Parameters in units of the squared return per bar.

    Attributes
    ----------
    omega, alpha, beta : of the recursion. start_variance : mean squared return of the fitted bars.
    mean_loss : 0.5 (ln v + r²/v) per fitted bar, without the constant 0.5 ln 2 pi.
    n_bars : fitted bars. converged : whether the simplex shrank to 1e-9 in loss.
    """

    omega: float
    alpha: float
    beta: float
    start_variance: float
    mean_loss: float
    n_bars: int
    converged: bool


@jit
def variance_filter(
    r: FloatArray, omega: float, alpha: float, beta: float, start: float, out: FloatArray
) -> None:
    """Write into out[t] the variance of bar t + 1, known at the close of bar t."""
    v = omega + (alpha + beta) * start
    for t in range(out.shape[0]):
        v = omega + alpha * r[t] * r[t] + beta * v
        out[t] = v


@jit
def gaussian_loss(
    r: FloatArray, used: BoolArray, omega: float, alpha: float, beta: float, start: float
) -> float:
    """Return the mean of 0.5 (ln v + r²/v) over the bars `used`; the filter runs over all."""
    v = omega + (alpha + beta) * start
    total = 0.0
    n = 0
    for t in range(r.shape[0]):
        square = r[t] * r[t]
        if used[t]:
            if v <= 1e-300:
                return math.inf
            total += math.log(v) + square / v
            n += 1
        v = omega + alpha * square + beta * v
    return 0.5 * total / n


def _unpack(theta: FloatArray) -> tuple[float, float, float]:
    """Return omega, alpha and beta for returns of variance 1."""
    both = 1.0 / (1.0 + math.exp(-theta[1]))
    share = 1.0 / (1.0 + math.exp(-theta[2]))
    return math.exp(theta[0]) * (1.0 - both), both * share, both * (1.0 - share)


def _simplex(loss: Callable[[FloatArray], float], points: FloatArray) -> tuple[FloatArray, bool]:
    """Minimise from the 4 corners `points` (4, 3); return the best and whether it settled."""
    values = np.array([loss(point) for point in points])
    for _ in range(_MAX_STEPS):
        order = np.argsort(values)
        points, values = points[order], values[order]
        if values[3] - values[0] < _TOLERANCE:
            return points[0], True
        middle = points[:3].mean(axis=0)
        tried = 2.0 * middle - points[3]
        value = loss(tried)
        if value < values[0]:
            further = 3.0 * middle - 2.0 * points[3]
            at_further = loss(further)
            if at_further < value:
                tried, value = further, at_further
        elif value >= values[2]:
            nearer = 0.5 * (middle + (tried if value < values[3] else points[3]))
            at_nearer = loss(nearer)
            if at_nearer >= min(value, values[3]):
                points = 0.5 * (points + points[0])
                values = np.array([loss(point) for point in points])
                continue
            tried, value = nearer, at_nearer
        points[3], values[3] = tried, value
    return points[0], False


def fit_garch(returns: FloatArray, used: BoolArray) -> GarchFit:
    """Fit the parameters on the bars `used`.

    Parameters
    ----------
    returns : ndarray of shape (n_bars,), log returns, finite; bar 0 may hold 0.
    used : ndarray of bool of shape (n_bars,); bars that enter the likelihood. The filter runs over
        the others too, so a gap does not restart it.

    Raises
    ------
    DataError (``MODEL-TooFewRows``) below 100 bars, (``MODEL-NoVariation``) if returns are 0.
    """
    n_used = int(np.count_nonzero(used))
    if n_used < 100:
        raise DataError(
            f"a GARCH fit needs at least 100 training bars; there are {n_used}.",
            code="MODEL-TooFewRows",
        )
    start = float(np.mean(returns[used] ** 2))
    if not start > 0.0:
        raise DataError(
            "all training returns are 0, so there is no variance to model.",
            code="MODEL-NoVariation",
        )
    scaled = np.ascontiguousarray(returns / math.sqrt(start))
    mask = np.ascontiguousarray(used)

    def loss(theta: FloatArray) -> float:
        if np.abs(theta).max() > _WIDEST:
            return math.inf
        return gaussian_loss(scaled, mask, *_unpack(theta), 1.0)

    found = []
    for both, share in _STARTS:
        corner = np.array([0.0, math.log(both / (1 - both)), math.log(share / (1 - share))])
        theta, settled = _simplex(loss, np.vstack([corner, corner + np.diag([0.3, 0.5, 0.5])]))
        found.append((loss(theta), settled, _unpack(theta)))
    best_loss, converged, (omega, alpha, beta) = min(found, key=lambda each: each[0])
    return GarchFit(
        omega=omega * start,
        alpha=alpha,
        beta=beta,
        start_variance=start,
        mean_loss=best_loss + 0.5 * math.log(start),
        n_bars=n_used,
        converged=converged,
    )


def garch_volatility(fit: GarchFit, returns: FloatArray, horizon: int) -> FloatArray:
    """Return the volatility per bar expected over the next `horizon` bars, shape (n_bars,).

    Entry t is known at the close of bar t. The variance of bar t + h is
    V + (alpha + beta)^(h-1) (v[t+1] - V) with V = omega / (1 - alpha - beta) (Bollerslev 1986);
    the mean over h is taken before the root.
    """
    out: FloatArray = np.empty(len(returns))
    start = fit.start_variance
    variance_filter(np.ascontiguousarray(returns), fit.omega, fit.alpha, fit.beta, start, out)
    lasting = fit.alpha + fit.beta
    long_run = fit.omega / max(1.0 - lasting, 1e-12)
    weight = float(np.mean(lasting ** np.arange(horizon)))
    return np.asarray(np.sqrt(long_run + weight * (out - long_run)))


@register_warmup("garch")
def _warm() -> None:
    r = np.ones(2)
    variance_filter(r, 0.1, 0.1, 0.8, 1.0, np.empty(2))
    gaussian_loss(r, np.ones(2, dtype=np.bool_), 0.1, 0.1, 0.8, 1.0)
