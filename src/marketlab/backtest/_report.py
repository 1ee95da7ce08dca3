"""What an account did, in numbers that are defined or stated as missing."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from marketlab.backtest._account import DAY_NS, Column
from marketlab.backtest._limits import RiskEvent
from marketlab.core import FloatArray, FrozenConfig, IntArray

MINIMUM_DAYS = 20

_YEAR_DAYS = 365.25


class OpenPosition(FrozenConfig):
    """The position still held at the last close, marked there; its closing costs are not paid."""

    side: int
    units: float
    entry_bar: int
    entry_time: str
    entry_price: float
    marked_pnl: float


class CostTotals(FrozenConfig):
    """What was paid in all, in quote currency."""

    spread: float
    slippage: float
    commission: float
    financing: float


class BacktestSummary(FrozenConfig):
    """The figures of a backtest. A figure that is not defined is None, and `undefined` says why.

    Returns and drawdowns are fractions; currency amounts are in quote currency. `n_trades` and
    `win_rate` count closed trades by net P&L. `sharpe_annualised` is mean over standard deviation
    (n - 1) of daily returns of equity (UTC days of bar opens), times the root of `days_per_year`,
    the series' own number of days with bars; the risk-free rate is zero.
    `max_drawdown_fraction` is read at closes, `max_adverse_drawdown_fraction` within bars.
    `break_even_spread_pips` is the spread at which these very fills would have earned nothing;
    negative if they lose without any spread. `exposure_fraction` is the share of closes with a
    position.
    """

    n_bars: int
    n_days: int
    first_time: str
    last_time: str
    initial_equity: float
    final_equity: float
    total_return_fraction: float
    sharpe_annualised: float | None
    days_per_year: float | None
    max_drawdown_fraction: float
    max_adverse_drawdown_fraction: float
    n_trades: int
    win_rate: float | None
    break_even_spread_pips: float | None
    exposure_fraction: float
    gross_log_return: float
    costs: CostTotals
    open_position: OpenPosition | None
    unfilled_signal: str | None
    risk_events: dict[str, int]
    n_blocked: int
    undefined: dict[str, str]


@dataclass(frozen=True)
class Trades:
    """Closed trades, oldest first; arrays of one length.

    `entry_bar` and `exit_bar` are positions of the bars at whose opens the fills were, `side` is
    1 or -1, `pnl` is net of all costs in quote currency.
    """

    entry_bar: IntArray
    exit_bar: IntArray
    side: IntArray
    pnl: FloatArray


@dataclass(frozen=True)
class BacktestReport:
    """Everything of one simulated account.

    Arrays have one entry per bar: `equity` at the close marked at the mid, `position` (-1, 0, 1)
    after the fill at the open, `gross_log_pnl` (side times log price change before costs,
    unitless). `ledger` is the full table (n_bars, 15) in the order of `Column`.
    """

    summary: BacktestSummary
    equity: FloatArray
    position: IntArray
    gross_log_pnl: FloatArray
    trades: Trades
    ledger: FloatArray

    def to_mapping(self) -> dict[str, Any]:
        """Return the summary as JSON-ready values."""
        return self.summary.to_mapping()


def trades_of(ledger: FloatArray) -> Trades:
    """Return the closed trades of a ledger."""
    opened = np.flatnonzero(ledger[:, Column.OPENED])
    closed = np.flatnonzero(ledger[:, Column.CLOSED])
    entries = opened[: len(closed)]
    return Trades(
        entry_bar=entries.astype(np.int64),
        exit_bar=closed.astype(np.int64),
        side=ledger[entries, Column.OPENED].astype(np.int64),
        pnl=ledger[closed, Column.CLOSED_PNL].copy(),
    )


def drawdown(equity: FloatArray, initial_equity: float, *, within: FloatArray) -> float:
    """Return the largest fall of `within` below the running peak of `equity`, as a fraction.

    The peak at bar t is over the closes before t and the initial equity; 0 if nothing ever fell.
    """
    before = np.concatenate([[initial_equity], equity[:-1]])
    peak = np.maximum.accumulate(before)
    return float(max(0.0, np.max((peak - within) / peak)))


def daily_equity(time_ns: IntArray, equity: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the UTC days that have bars (days since 1970) and the last equity of each."""
    day = time_ns // DAY_NS
    last = np.flatnonzero(np.append(day[1:] != day[:-1], True))
    return day[last], equity[last]


def sharpe(
    time_ns: IntArray, equity: FloatArray, initial_equity: float
) -> tuple[float | None, float | None, str | None]:
    """Return (annualised ratio, days per year, reason if the ratio is not defined)."""
    day, value = daily_equity(time_ns, equity)
    span = int(day[-1] - day[0])
    per_year = (len(day) - 1) / span * _YEAR_DAYS if span else None
    if per_year is None or len(day) < MINIMUM_DAYS:
        return None, per_year, f"{len(day)} days are fewer than {MINIMUM_DAYS}."
    previous = np.concatenate([[initial_equity], value[:-1]])
    if not (previous > 0.0).all():
        return None, per_year, "the equity was zero or less, so later returns have no base."
    returns = value / previous - 1.0
    deviation = float(returns.std(ddof=1))
    if deviation == 0.0:
        return None, per_year, "the daily equity never varied."
    return float(returns.mean()) / deviation * per_year**0.5, per_year, None


def risk_event_counts(ledger: FloatArray) -> dict[str, int]:
    """Return how often each limit was hit, by lower-case name; unhit ones are left out."""
    events = ledger[:, Column.EVENT].astype(np.int64)
    return {
        event.name.lower(): int((events == event).sum())
        for event in RiskEvent
        if event != RiskEvent.NONE and (events == event).any()
    }
