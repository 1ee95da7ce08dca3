"""The best simple state that is known at each bar, for the label that a strategy predicts."""

import numpy as np

from marketlab.core import FloatArray, IntArray
from marketlab.kernels import ZIGZAG_STATE_SIZE, zigzag_state
from marketlab.labels import LabelConfig, ZigzagLabelConfig, ZigzagNextLegLabelConfig


def causal_state(config: LabelConfig, close: FloatArray) -> IntArray:
    """Return one code per bar, shape (n_bars,), known at that bar's close.

    For zigzag: the direction of the leg as known at the bar (-1, 0 before the first move, +1),
    which alone scores about 65 % on pure noise. For labels over a horizon: the sign of the return
    over the last `horizon` bars (0 while there is none), so that persistence and reversal are both
    known without a model.
    """
    if isinstance(config, ZigzagLabelConfig | ZigzagNextLegLabelConfig):
        out: FloatArray = np.empty(len(close))
        zigzag_state(close, config.zigzag_threshold, np.zeros(ZIGZAG_STATE_SIZE), out)
        return out.astype(np.int64)
    state = np.zeros(len(close), dtype=np.int64)
    if config.reach is None:
        raise AssertionError(f"no causal state is known for the label {config.source!r}")
    change = close[config.reach :] - close[: -config.reach]
    state[config.reach :] = np.sign(change).astype(np.int64)
    return state
