"""From class probabilities to a signal: one step, used for whole series and bar by bar.

The rules and their order (neuro-fuzzy reference, section 4.1; separation counted in bars):

1. the class with the highest probability; a tie at the top carries no direction and is HOLD;
2. HOLD if that probability is below `confidence_threshold`;
3. HOLD if fewer than `min_signal_separation` bars have passed since the last BUY or SELL;
4. with `position_awareness`, HOLD if the last BUY or SELL was of the same side.

A decision reads probabilities and earlier decisions only, never the account: research and a
running session therefore decide alike whatever the risk limits did in between.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from marketlab.core import DataError, FloatArray, FrozenConfig, IntArray
from marketlab.kernels import jit, register_warmup

BUY = 0
HOLD = 1
SELL = 2

CLASS_NAMES = ("BUY", "HOLD", "SELL")

_SINCE = 0  # bars since the last BUY or SELL; -1 before the first
_SIDE = 1  # its class; HOLD before the first


class DecisionPolicy(FrozenConfig):
    """When a forecast becomes a signal.

    `confidence_threshold` is the least top probability (a fraction), `min_signal_separation` the
    least distance in bars between two signals (0 and 1 both mean "no limit"), and
    `position_awareness` suppresses a repeated signal of the same side.
    """

    confidence_threshold: float = Field(default=0.6, ge=0.0, le=1.0)
    min_signal_separation: int = Field(default=4, ge=0)
    position_awareness: bool = True


@jit
def decide_step(
    buy: float,
    hold: float,
    sell: float,
    threshold: float,
    separation: int,
    aware: int,
    state: IntArray,
) -> int:
    """Return the class (0 BUY, 1 HOLD, 2 SELL) decided at one bar's close; `state` moves on.

    NaN probabilities mean "no forecast at this bar": HOLD, and the bar still counts.
    """
    since = state[0]
    if since >= 0:
        since += 1
    signal = 1
    top = hold
    if buy > hold and buy > sell:
        signal = 0
        top = buy
    elif sell > hold and sell > buy:
        signal = 2
        top = sell
    if signal != 1:
        repeated = aware == 1 and signal == state[1]
        # `not >=` rather than `<`, so that a NaN can never pass.
        if not top >= threshold or (0 <= since < separation) or repeated:
            signal = 1
    if signal != 1:
        since = 0
        state[1] = signal
    state[0] = since
    return signal


@jit
def decide_block(
    probabilities: FloatArray,
    threshold: float,
    separation: int,
    aware: int,
    state: IntArray,
    out: IntArray,
) -> None:
    """Decide every row of `probabilities` (n, 3) in turn; `state` and `out` are written."""
    for t in range(out.shape[0]):
        out[t] = decide_step(
            probabilities[t, 0],
            probabilities[t, 1],
            probabilities[t, 2],
            threshold,
            separation,
            aware,
            state,
        )


def new_decision_state() -> IntArray:
    """Return the state before the first bar: no signal yet."""
    return np.array([-1, HOLD], dtype=np.int64)


def decide(
    policy: DecisionPolicy, probabilities: FloatArray, *, state: IntArray | None = None
) -> IntArray:
    """Return the signal of every bar, shape (n,), int64: 0 BUY, 1 HOLD, 2 SELL.

    Parameters
    ----------
    probabilities : (n, 3) of BUY, HOLD, SELL, consecutive bars, oldest first; a row of three NaN
        is a bar without a forecast and gives HOLD.
    state : int64 (2,) from `new_decision_state`, changed in place; None starts anew. Entry t
        reads rows 0 .. t only and is known at the close of bar t.

    Raises
    ------
    DataError (``DATA-InvalidProbability``) if a row is neither NaN nor three numbers in [0, 1]
    that sum to 1 within 1e-6.
    """
    rows = _checked(probabilities)
    out = np.empty(len(rows), dtype=np.int64)
    decide_block(
        rows,
        policy.confidence_threshold,
        policy.min_signal_separation,
        int(policy.position_awareness),
        new_decision_state() if state is None else state,
        out,
    )
    return out


class DecisionStream:
    """The same decisions, one bar at a time."""

    def __init__(self, policy: DecisionPolicy, state: IntArray | None = None) -> None:
        self.policy = policy
        self._state = new_decision_state() if state is None else state.copy()

    def push(self, probabilities: FloatArray) -> int:
        """Return the signal at this bar's close for `probabilities` of shape (3,)."""
        row = np.asarray(probabilities, dtype=np.float64).reshape(1, -1)
        return int(decide(self.policy, row, state=self._state)[0])

    def state(self) -> IntArray:
        """Return a copy of the state, to go on from later."""
        return self._state.copy()


def _checked(probabilities: NDArray[np.float64]) -> FloatArray:
    rows = np.ascontiguousarray(probabilities, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3:
        raise DataError(
            f"probabilities must have shape (n, 3) for BUY, HOLD and SELL; received {rows.shape}.",
            code="DATA-ShapeMismatch",
            field="probabilities",
        )
    missing = np.isnan(rows).all(axis=1)
    good = (
        (rows >= 0.0).all(axis=1)
        & (rows <= 1.0).all(axis=1)
        & (np.abs(rows.sum(axis=1) - 1.0) <= 1e-6)
    )
    bad = np.flatnonzero(~(good | missing))
    if bad.size:
        raise DataError(
            f"{bad.size} of {len(rows)} rows are no probabilities; the first is row {bad[0]}: "
            f"{rows[bad[0]].tolist()}.",
            code="DATA-InvalidProbability",
            field="probabilities",
            suggestion="Each row holds three numbers in [0, 1] that sum to 1, or three NaN.",
        )
    return rows


@register_warmup("decisions")
def _warm() -> None:
    decide(DecisionPolicy(), np.array([[0.8, 0.1, 0.1]]))
