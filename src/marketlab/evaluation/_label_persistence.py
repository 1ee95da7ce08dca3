"""What the labels that are already known say about the next one: an average that forgets.

Label j, of class y_j, is known from the close of its last bar e_j on, and not before. At bar b

    S_c(b) = sum over labels with e_j <= b and y_j = c of 2 ** (-(b - e_j) / half_life)

so a label of horizon H enters H bars after its own bar. Averaging *past samples* without regard to
their ends would read up to H bars of the future (`../shared/reference/scaling_lab.md`, section 11:
"EWMA of past labels").
"""

import numpy as np

from marketlab.core import ConfigError, FloatArray, IntArray
from marketlab.evaluation._base import check_sample_table
from marketlab.evaluation._scores import N_CLASSES, check_classes
from marketlab.kernels import jit, register_warmup


@jit
def _decayed(
    value: IntArray, end: IntArray, order: IntArray, bar: IntArray, decay: float, out: FloatArray
) -> None:
    """Walk through the samples; take in each label once its end is reached. out (n, C)."""
    n_classes = out.shape[1]
    taken = 0
    now = bar[0] if bar.shape[0] else 0
    state = np.zeros(n_classes)
    for i in range(bar.shape[0]):
        fade = decay ** (bar[i] - now)
        now = bar[i]
        for c in range(n_classes):
            state[c] *= fade
        while taken < order.shape[0] and end[order[taken]] <= now:
            j = order[taken]
            state[value[j]] += decay ** (now - end[j])
            taken += 1
        for c in range(n_classes):
            out[i, c] = state[c]


def label_persistence(
    value: IntArray, start: IntArray, end: IntArray, bar: IntArray, *, half_life: float
) -> FloatArray:
    """Return S_c at the bar of each sample, shape (n, 3): decayed counts of the known labels.

    Row i is known at the close of ``bar[i]``: it reads labels that ended by then, and no other.

    Parameters
    ----------
    value : ndarray of int64 of shape (n,); classes 0, 1, 2.
    start, end, bar : the sample table, as splitters take it; `bar` ascends.
    half_life : bars after which a label weighs half, > 0.

    Raises
    ------
    DataError if the columns cannot be a sample table or hold other classes.
    ConfigError for a half-life that is not positive.
    """
    check_sample_table(start, end, bar)
    check_classes("value", value)
    if not 0.0 < half_life < np.inf:
        raise ConfigError(
            f"a half-life is a positive number of bars; received {half_life!r}.",
            field="half_life",
            value=half_life,
        )
    out: FloatArray = np.empty((len(bar), N_CLASSES))
    order = np.argsort(end, kind="stable").astype(np.int64)
    _decayed(
        np.array(value, dtype=np.int64),
        np.array(end, dtype=np.int64),
        order,
        np.array(bar, dtype=np.int64),
        0.5 ** (1.0 / half_life),
        out,
    )
    return out


@register_warmup("label persistence")
def _warm() -> None:
    one = np.zeros(1, dtype=np.int64)
    _decayed(one, one, one, one, 0.5, np.empty((1, 3)))
