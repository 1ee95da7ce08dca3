"""How many independent samples dependent ones are worth."""

import numpy as np

from marketlab.core import DataError, FloatArray, IntArray, check_same_length
from marketlab.evaluation._bootstrap import MIN_EVENTS_FOR_INTERVAL
from marketlab.evaluation._undefined import Metric, Undefined, check_finite


def effective_sample_size(values: FloatArray) -> Metric:
    """Return n / (1 + 2 (rho_1 + rho_2 + ...)): independent values with the same error of the mean.

    Sums of neighbouring autocorrelations are added until the first that is not positive (initial
    positive sequence: Geyer 1992, "Practical Markov chain Monte Carlo", Statistical Science 7,
    473-483). At most n: alternating values never count as more than there are.

    Parameters
    ----------
    values : ndarray of shape (n,) in time order, finite; losses or loss differences, not labels.

    Returns
    -------
    The number, or `Undefined` below 20 values or if all are equal.
    """
    n = check_finite(values=values)
    if n < MIN_EVENTS_FOR_INTERVAL or np.ptp(values) == 0:
        what = f"{n} values" if n < MIN_EVENTS_FOR_INTERVAL else f"{n:,} equal values"
        return Undefined(
            metric="effective_sample_size",
            reason=f"autocorrelation needs {MIN_EVENTS_FOR_INTERVAL} values that differ; "
            f"there are {what}.",
            counts={"samples": n},
        )
    centred = values - values.mean()
    spectrum = np.fft.rfft(centred, 2 * n)
    covariance = np.fft.irfft(spectrum * spectrum.conj(), 2 * n)[:n]
    rho = covariance / covariance[0]
    pairs = rho[: n // 2 * 2].reshape(-1, 2).sum(axis=1)  # rho_0 + rho_1, rho_2 + rho_3, ...
    stop = np.flatnonzero(pairs <= 0.0)
    kept = pairs[: stop[0]] if len(stop) else pairs
    return float(n / max(1.0, 2.0 * kept.sum() - 1.0))


def average_uniqueness(start: IntArray, end: IntArray) -> FloatArray:
    """Return, per label, the mean over its bars of 1 / (labels that read the bar), shape (n,).

    Source: Lopez de Prado (2018), "Advances in Financial Machine Learning", 4.3-4.4.

    Parameters
    ----------
    start, end : ndarrays of int64 of shape (n,); first and last bar that each label reads.
    """
    n = check_same_length(start=start, end=end)
    if n and np.any(end < start):
        bad = int(np.flatnonzero(end < start)[0])
        raise DataError(
            f"a label must start no later than it ends; label {bad} reads bars {int(start[bad])} "
            f"to {int(end[bad])}.",
            code="DATA-LabelEnd",
        )
    if n == 0:
        return np.empty(0)
    first = int(start.min())
    steps = np.zeros(int(end.max()) - first + 2)
    np.add.at(steps, start - first, 1.0)
    np.add.at(steps, end - first + 1, -1.0)
    readers = np.cumsum(steps)[:-1]
    share = np.divide(1.0, readers, out=np.zeros(len(readers)), where=readers > 0)
    total = np.concatenate([[0.0], np.cumsum(share)])
    return np.asarray((total[end - first + 1] - total[start - first]) / (end - start + 1))


def effective_labels(start: IntArray, end: IntArray) -> float:
    """Return the sum of average uniqueness: labels that do not overlap and would be worth as much.

    Labels of horizon H on every bar give about n / H; labels without overlap give n.
    """
    return float(average_uniqueness(start, end).sum())
