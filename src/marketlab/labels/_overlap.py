"""How much samples say the same: concurrency, uniqueness, and how many independent events.

A sample that is decided at the close of `start` and known at the close of `end` reads the returns
of the bars ``start + 1`` to ``end``. Two samples overlap if they share one of these returns.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from marketlab.core import ConfigError, DataError, FloatArray, IntArray, check_same_length
from marketlab.kernels import jit, register_warmup

WEIGHT_METHODS = ("equal", "uniqueness", "return_attribution")
"""Ways to weigh samples; see `sample_weights`."""


@dataclass(frozen=True, eq=False)
class Overlap:
    """Concurrency and uniqueness of one set of samples.

    Attributes
    ----------
    concurrency : (last end + 1,) int64, how many samples read the return of each bar.
    uniqueness : (n,) float64, mean of ``1 / concurrency`` over the returns that a sample reads:
        1 if it shares none.
    """

    concurrency: IntArray
    uniqueness: FloatArray

    def to_mapping(self) -> dict[str, Any]:
        """Return mean and largest concurrency of the bars that are read, and mean uniqueness.

        ``effective_n`` is the sum of the uniqueness. None where there are no samples.
        """
        read = self.concurrency[self.concurrency > 0]
        if not len(read):
            return dict.fromkeys(
                ("mean_concurrency", "max_concurrency", "average_uniqueness", "effective_n")
            )
        return {
            "mean_concurrency": float(read.mean()),
            "max_concurrency": int(read.max()),
            "average_uniqueness": float(self.uniqueness.mean()),
            "effective_n": float(self.uniqueness.sum()),
        }


def overlap_of(start: IntArray, end: IntArray) -> Overlap:
    """Return concurrency and uniqueness of samples from `start` to `end`, shapes (n,).

    Raises
    ------
    DataError if a sample ends at or before its start.

    References
    ----------
    López de Prado, Advances in Financial Machine Learning, 2018, section 4.3 and 4.4.
    """
    concurrency = _concurrency(start, end)
    share = np.zeros(len(concurrency))
    np.divide(1.0, concurrency, out=share, where=concurrency > 0)
    return Overlap(concurrency, _sums(share, start, end) / (end - start))


def sample_weights(method: str, start: IntArray, end: IntArray, close: FloatArray) -> FloatArray:
    """Return one weight per sample, shape (n,), greater than or equal to zero.

    ``equal`` gives ones; ``uniqueness`` the mean uniqueness of each sample, in (0, 1];
    ``return_attribution`` the size of the log return that a sample reads, each bar's return shared
    among the samples that read it, scaled to mean 1. A weight depends on which samples there are,
    so weigh the training samples after the split, not all of them before it.

    Parameters
    ----------
    close : (n_bars,), the series of which `start` and `end` are bar positions; greater than zero.

    Raises
    ------
    ConfigError for another method; DataError if a sample ends at or before its start, or if no
    sample reads a return other than zero.

    References
    ----------
    López de Prado, Advances in Financial Machine Learning, 2018, sections 4.4 and 4.6.
    """
    if method == "equal":
        return np.ones(len(start))
    if method == "uniqueness":
        return overlap_of(start, end).uniqueness
    if method != "return_attribution":
        raise ConfigError(
            f"there is no weighting {method!r}.",
            code="CONFIG-UnknownWeights",
            field="weights",
            value=method,
            suggestion=f"Known: {', '.join(WEIGHT_METHODS)}.",
        )
    concurrency = _concurrency(start, end)
    share = np.zeros(len(concurrency))
    returns = np.diff(np.log(close[: len(concurrency)]), prepend=np.log(close[0]))
    np.divide(returns, concurrency, out=share, where=concurrency > 0)
    weight: FloatArray = np.abs(_sums(share, start, end))
    total = weight.sum()
    if len(weight) and not total > 0.0:
        raise DataError(
            f"none of the {len(weight)} samples reads a return other than zero.",
            code="LABELS-NoReturn",
            field="weights",
            suggestion="Weigh by uniqueness.",
        )
    return weight * (len(weight) / total) if len(weight) else weight


def disjoint_events(start: IntArray, end: IntArray) -> IntArray:
    """Group samples into independent events and return the event of each, shape (n,), from 0.

    The first event is closed by the sample that ends first, and takes all that start before that
    end; the next one begins with the first sample after. So there are as many events as samples
    can be chosen of which no two overlap. For labels of one horizon h at every bar this is
    ``bar // h``, counted from the first bar.

    Parameters
    ----------
    start : (n,) ascending (equal ones allowed). end : (n,) each greater than its start.

    Raises
    ------
    DataError if starts descend, or a sample ends at or before its start.
    """
    check_same_length(start=start, end=end)
    _check_spans(start, end)
    if (np.diff(start) < 0).any():
        raise DataError(
            "samples must be in the order of their start to be grouped.",
            code="LABELS-Order",
            field="start",
        )
    event = np.empty(len(start), dtype=np.int64)
    earliest = np.minimum.accumulate(end[::-1])[::-1]
    _group(start, np.ascontiguousarray(earliest), event)
    return event


@jit
def _group(start: IntArray, earliest_end: IntArray, event: IntArray) -> None:
    """Number the events; `earliest_end` is the smallest end from each sample on."""
    current = -1
    boundary = 0
    for i in range(start.shape[0]):
        if i == 0 or start[i] >= boundary:
            current += 1
            boundary = earliest_end[i]
        event[i] = current


def _check_spans(start: IntArray, end: IntArray) -> None:
    bad = end <= start
    if bad.any():
        first = int(np.argmax(bad))
        raise DataError(
            f"{int(bad.sum())} sample(s) end at or before their start; the first is sample "
            f"{first}, from bar {int(start[first])} to bar {int(end[first])}.",
            code="LABELS-EmptySpan",
            field="end",
        )


def _concurrency(start: IntArray, end: IntArray) -> IntArray:
    check_same_length(start=start, end=end)
    _check_spans(start, end)
    n = int(end.max()) + 1 if len(end) else 0
    change = np.bincount(start + 1, minlength=n + 1) - np.bincount(end + 1, minlength=n + 1)
    return np.cumsum(change)[:n]


def _sums(per_bar: FloatArray, start: IntArray, end: IntArray) -> FloatArray:
    """Return the sum over the bars ``start + 1`` to ``end`` of each sample."""
    total = np.cumsum(per_bar)
    out: FloatArray = total[end] - total[start]
    return out


@register_warmup("label overlap")
def _warm() -> None:
    two = np.array([0, 1])
    _group(two, two + 1, np.empty(2, np.int64))
