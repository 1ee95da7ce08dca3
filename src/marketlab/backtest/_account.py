"""One bar of an account: financing, the fill at the open, the mark at the close.

Sizing is a fixed notional equal to the initial equity: a position holds
``initial_equity / open`` units, long and short alike. So P&L is linear in costs (which makes the
break-even spread exact), and inverted signals at no cost give the exactly mirrored P&L.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from marketlab.backtest._costs import CostModel
from marketlab.backtest._decision import HOLD
from marketlab.core import FloatArray
from marketlab.kernels import jit, register_warmup

DAY_NS = 86_400_000_000_000


class Column(IntEnum):
    """What `account_step` writes about one bar (currency amounts unless stated)."""

    EQUITY = 0  #: at the close, marked at the mid
    SIDE = 1  #: -1, 0 or 1 after the fill
    UNITS = 2  #: held after the fill, >= 0
    WORST = 3  #: lowest equity within the bar if the adverse extreme was met
    CLOSED = 4  #: 1 if a position was closed at the open
    CLOSED_PNL = 5  #: its net P&L; NaN otherwise
    OPENED = 6  #: side opened at the open, else 0
    TRADED = 7  #: units bought or sold
    SPREAD = 8
    SLIPPAGE = 9
    COMMISSION = 10
    FINANCING = 11
    GROSS_LOG = 12  #: side times log price change, before costs; unitless
    BLOCKED = 13  #: 1 if a signal was not followed because of the limits
    EVENT = 14  #: RiskEvent of the review at the close


N_COLUMNS = len(Column)
# Layout of the state: side, units, equity, last close, P&L of the open trade.
ACCOUNT_STATE_SIZE = 5


def account_rules(costs: CostModel, initial_equity: float) -> FloatArray:
    """Return notional, half spread in price, slippage, commission and daily financing fractions."""
    return np.array(
        [
            initial_equity,
            0.5 * costs.spread_pips * costs.pip_size,
            costs.slippage_bps * 1e-4,
            costs.commission_fraction,
            costs.financing_bps_per_day * 1e-4,
        ]
    )


def new_account_state(initial_equity: float) -> FloatArray:
    """Return the state before the first bar; float64 of shape (5,)."""
    return np.array([0.0, 0.0, initial_equity, np.nan, 0.0])


@jit
def elapsed_days(previous_ns: int, now_ns: int) -> float:
    """Return the calendar days between two bar opens."""
    return (now_ns - previous_ns) / 86_400_000_000_000


@jit
def target_side(signal: int, side: float, permission: int) -> float:
    """Return the side wanted after the open: -1, 0 or 1; HOLD keeps the side."""
    if permission == 2:
        return 0.0
    wanted = side
    if signal == 0:
        wanted = 1.0
    elif signal == 2:
        wanted = -1.0
    if permission == 1 and wanted != side:
        return 0.0
    return wanted


@jit
def account_step(
    bar: FloatArray,
    elapsed: float,
    signal: int,
    permission: int,
    rules: FloatArray,
    state: FloatArray,
    out: FloatArray,
) -> None:
    """Carry the account over one bar (open, high, low, close); `state` and `out` are written.

    `signal` is the one decided at the previous close; it fills at this bar's open.
    """
    opening, high, low, close = bar[0], bar[1], bar[2], bar[3]
    side, units, equity, trade = state[0], state[1], state[2], state[4]
    last = opening if np.isnan(state[3]) else state[3]

    financing = units * last * rules[4] * elapsed
    change = side * units * (opening - last) - financing
    equity += change
    trade += change
    gross_log = side * np.log(opening / last)
    worst = equity

    wanted = target_side(signal, side, permission)
    closed, closed_pnl, opened, traded = 0.0, np.nan, 0.0, 0.0
    if wanted != side:
        per_unit = rules[1] + opening * (rules[2] + rules[3])
        if side != 0.0:
            equity -= units * per_unit
            closed_pnl = trade - units * per_unit
            closed = 1.0
            traded += units
        trade = 0.0
        units = 0.0
        side = wanted
        if side != 0.0:
            units = rules[0] / opening
            equity -= units * per_unit
            trade = -(units * per_unit)
            opened = side
            traded += units

    adverse = low if side > 0.0 else high
    worst = min(worst, equity + side * units * (adverse - opening))
    change = side * units * (close - opening)
    equity += change
    trade += change
    gross_log += side * np.log(close / opening)

    state[0], state[1], state[2], state[3], state[4] = side, units, equity, close, trade
    out[0], out[1], out[2], out[3] = equity, side, units, worst
    out[4], out[5], out[6], out[7] = closed, closed_pnl, opened, traded
    out[8] = traded * rules[1]
    out[9] = traded * opening * rules[2]
    out[10] = traded * opening * rules[3]
    out[11], out[12] = financing, gross_log
    asked = 1.0 if signal == 0 else (-1.0 if signal == 2 else side)
    out[13] = 1.0 if permission != 0 and asked != side else 0.0
    out[14] = 0.0


class AccountRow(NamedTuple):
    """One bar of an account, as read by people and journals; currency amounts."""

    equity: float
    side: int
    units: float
    opened: int
    closed_pnl: float | None
    costs: float
    blocked: bool


class Account:
    """A simulated account fed bar by bar; the very step of `simulate`."""

    def __init__(self, costs: CostModel, initial_equity: float) -> None:
        self._rules = account_rules(costs, initial_equity)
        self._state = new_account_state(initial_equity)
        self._previous_ns: int | None = None
        self._out = np.zeros(N_COLUMNS)

    @property
    def equity(self) -> float:
        """Equity at the last close, or the initial equity."""
        return float(self._state[2])

    @property
    def side(self) -> int:
        """-1 short, 0 flat, 1 long."""
        return int(self._state[0])

    def step(
        self, bar: FloatArray, time_ns: int, signal: int = HOLD, *, permission: int = 0
    ) -> AccountRow:
        """Carry the account over one bar of shape (4,): open, high, low, close."""
        previous = time_ns if self._previous_ns is None else self._previous_ns
        self._previous_ns = time_ns
        elapsed = elapsed_days(previous, time_ns)
        account_step(bar, elapsed, signal, permission, self._rules, self._state, self._out)
        out = self._out
        return AccountRow(
            equity=float(out[Column.EQUITY]),
            side=int(out[Column.SIDE]),
            units=float(out[Column.UNITS]),
            opened=int(out[Column.OPENED]),
            closed_pnl=float(out[Column.CLOSED_PNL]) if out[Column.CLOSED] else None,
            costs=float(out[Column.SPREAD : Column.FINANCING + 1].sum()),
            blocked=bool(out[Column.BLOCKED]),
        )

    def row(self) -> FloatArray:
        """Return a copy of all that the last step wrote, shape (15,), in the order of `Column`."""
        return self._out.copy()


@register_warmup("account")
def _warm() -> None:
    Account(CostModel(), 1.0).step(np.array([1.0, 1.0, 1.0, 1.0]), 0, 0)
