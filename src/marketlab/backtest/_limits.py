"""Loss and trade limits: one object and one pair of steps, for backtest and running session.

Before each bar's open `risk_permission` says what may be filled there; after its close
`risk_review` looks at the equity and may forbid what follows. A limit hit at a close takes effect
at the next open: nothing is sold at a price that was already past.
"""

from enum import IntEnum

import numpy as np
from pydantic import Field

from marketlab.core import FloatArray, FrozenConfig
from marketlab.kernels import jit, register_warmup


class Permission(IntEnum):
    """What may be filled at the coming open."""

    FREE = 0  #: any signal
    NO_ENTRY = 1  #: a position may be closed, none opened
    FLAT = 2  #: an open position is closed, none opened


class RiskEvent(IntEnum):
    """What a review at a bar's close set off."""

    NONE = 0
    DAILY_LOSS = 1  #: flat until the next UTC day
    DRAWDOWN = 2  #: flat for good
    RUIN = 3  #: equity is zero or less; flat for good


class RiskLimits(FrozenConfig):
    """Limits of one account; None means unlimited. Days are UTC days of bar opens.

    `max_daily_loss_fraction`: loss since the last close of the day before, as a fraction of that
    equity; reaching it closes the position and bars new ones until the next day.
    `max_drawdown_fraction`: loss since the highest close so far (the initial equity included), as
    a fraction of it; reaching it ends trading. `max_trades_per_day`: positions opened per day.
    Equity of zero or less always ends trading.
    """

    max_daily_loss_fraction: float | None = Field(default=None, gt=0.0, le=1.0)
    max_drawdown_fraction: float | None = Field(default=None, gt=0.0, le=1.0)
    max_trades_per_day: int | None = Field(default=None, ge=1)

    def to_array(self) -> FloatArray:
        """Return the limits as the steps read them, infinity for None; shape (3,)."""
        limits = (
            self.max_daily_loss_fraction,
            self.max_drawdown_fraction,
            self.max_trades_per_day,
        )
        return np.array([np.inf if limit is None else float(limit) for limit in limits])


# Layout of the state: day, equity at its start, peak, trades today, halted today, stopped, flat
# due, equity at the last review.
RISK_STATE_SIZE = 8


def new_risk_state(initial_equity: float) -> FloatArray:
    """Return the state before the first bar; float64 of shape (8,)."""
    state = np.zeros(RISK_STATE_SIZE)
    state[0] = -1e9  # no day yet
    state[1] = state[2] = state[7] = initial_equity
    return state


@jit
def risk_permission(day: int, limits: FloatArray, state: FloatArray) -> int:
    """Return the `Permission` for the open of a bar on UTC day `day`; rolls the day in `state`."""
    if day != state[0]:
        state[0] = day
        state[1] = state[7]
        state[3] = 0.0
        state[4] = 0.0
    due = state[6] != 0.0
    state[6] = 0.0
    if due or state[4] != 0.0 or state[5] != 0.0:
        return 2
    if state[3] >= limits[2]:
        return 1
    return 0


@jit
def risk_review(equity: float, opened: int, limits: FloatArray, state: FloatArray) -> int:
    """Return the `RiskEvent` of a bar's close; `opened` is 1 if a position was opened in it."""
    state[3] += opened
    state[7] = equity
    state[2] = max(state[2], equity)
    if state[5] != 0.0:
        return 0
    event = 0
    if equity <= 0.0:
        event = 3
    elif (state[2] - equity) >= limits[1] * state[2]:
        event = 2
    elif state[4] == 0.0 and (state[1] - equity) >= limits[0] * state[1]:
        event = 1
    if event >= 2:
        state[5] = 1.0
    if event == 1:
        state[4] = 1.0
    if event != 0:
        # Kept apart from the day's halt: at the day's last bar the halt ends before the position.
        state[6] = 1.0
    return event


@register_warmup("risk limits")
def _warm() -> None:
    limits, state = RiskLimits().to_array(), new_risk_state(1.0)
    risk_permission(1, limits, state)
    risk_review(1.0, 0, limits, state)
