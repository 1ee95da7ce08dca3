"""How long blocks must be to carry the dependence of a series (Politis and White 2004)."""

import math

import numpy as np

from marketlab.core import FloatArray, FrozenConfig
from marketlab.evaluation._bootstrap import MIN_EVENTS_FOR_INTERVAL
from marketlab.evaluation._undefined import Undefined, check_finite


class BlockLength(FrozenConfig):
    """Automatic block lengths, in observations; below 1 means that blocks of 1 will do."""

    stationary: float
    circular: float


def optimal_block_length(values: FloatArray) -> BlockLength | Undefined:
    """Return the block lengths that estimate the variance of the mean with the least error.

    Source: Politis and White (2004), "Automatic block-length selection for the dependent
    bootstrap", Econometric Reviews 23, 53-70, with the correction of Patton, Politis and White
    (2009), ibid. 28, 372-375: (2 g^2 / d)^(1/3) n^(1/3), with flat-top weights. The cut-off lag
    is found as in the authors' program and in ``arch``, whose results these are.

    Parameters
    ----------
    values : ndarray of shape (n,) in time order, finite.

    Returns
    -------
    The lengths, or `Undefined` below 20 values or if all are equal.
    """
    n = check_finite(values=values)
    if n < MIN_EVENTS_FOR_INTERVAL or np.ptp(values) == 0:
        return Undefined(
            metric="block_length",
            reason=(
                f"dependence needs {MIN_EVENTS_FOR_INTERVAL} values that differ; there are "
                f"{n if n < MIN_EVENTS_FOR_INTERVAL else f'{n:,} equal ones'}."
            ),
            counts={"samples": n},
        )
    covariance, correlation, quiet = _covariances(values - values.mean())
    last = len(covariance) - 1
    cut = _cut_off(correlation, 2.0 * math.sqrt(math.log10(n) / n), quiet)
    m = last if cut is None else min(2 * max(cut, 1), last)
    lag = np.arange(1, m + 1)
    weight = np.where(lag / m <= 0.5, 1.0, 2.0 * (1.0 - lag / m))
    g = float(2.0 * (weight * lag) @ covariance[1 : m + 1])
    spectrum = float(covariance[0] + 2.0 * weight @ covariance[1 : m + 1])
    longest = math.ceil(min(3.0 * math.sqrt(n), n / 3.0))
    return BlockLength(
        stationary=_length(g, 2.0 * spectrum**2, n, longest),
        circular=_length(g, 4.0 / 3.0 * spectrum**2, n, longest),
    )


def _length(g: float, d: float, n: int, longest: int) -> float:
    if d <= 0.0:  # strictly alternating values: the mean of any long block is nearly the same
        return float(longest)
    return min(float(longest), math.cbrt(2.0 * g * g / d * n))


def _covariances(centred: FloatArray) -> tuple[FloatArray, FloatArray, int]:
    """Return covariances, absolute correlations (lag 0 to the last) and the quiet run asked for."""
    n = len(centred)
    quiet = max(5, int(math.log10(n)))
    last = min(math.ceil(math.sqrt(n)) + quiet, n - 2)
    covariance, correlation = np.empty(last + 1), np.empty(last + 1)
    for k in range(last + 1):
        product = float(centred[k:] @ centred[: n - k])
        late, early = centred[k + 1 :], centred[: n - k - 1]
        scale = math.sqrt(float(late @ late) * float(early @ early))
        covariance[k] = product / n
        correlation[k] = abs(product) / scale if scale > 0.0 else 0.0
    return covariance, correlation, quiet


def _cut_off(correlation: FloatArray, bound: float, quiet: int) -> int | None:
    """Return the first lag that begins `quiet` correlations below `bound`, or None."""
    for k in range(len(correlation) - quiet):
        if (correlation[k : k + quiet] < bound).all():
            return k
    return None
