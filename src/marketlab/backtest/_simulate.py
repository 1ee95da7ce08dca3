"""A whole series through the account: the compiled loop and the report made of it."""

from datetime import UTC, datetime

import numpy as np

from marketlab.backtest._account import (
    N_COLUMNS,
    Column,
    account_rules,
    account_step,
    elapsed_days,
    new_account_state,
)
from marketlab.backtest._costs import CostModel
from marketlab.backtest._decision import BUY, CLASS_NAMES, HOLD, SELL
from marketlab.backtest._limits import RiskLimits, new_risk_state, risk_permission, risk_review
from marketlab.backtest._report import (
    BacktestReport,
    BacktestSummary,
    CostTotals,
    OpenPosition,
    daily_equity,
    drawdown,
    risk_event_counts,
    sharpe,
    trades_of,
)
from marketlab.core import (
    ConfigError,
    DataError,
    FloatArray,
    IntArray,
    check_same_length,
    iso,
)
from marketlab.kernels import jit, register_warmup


@jit
def account_block(
    bars: FloatArray,
    time_ns: IntArray,
    signals: IntArray,
    rules: FloatArray,
    limits: FloatArray,
    account: FloatArray,
    risk: FloatArray,
    out: FloatArray,
) -> None:
    """Run `account_step` between the two risk steps over all bars (n, 4); writes `out` (n, 15)."""
    for t in range(bars.shape[0]):
        elapsed = 0.0
        signal = 1
        if t > 0:
            elapsed = elapsed_days(time_ns[t - 1], time_ns[t])
            signal = signals[t - 1]
        permission = risk_permission(time_ns[t] // 86_400_000_000_000, limits, risk)
        account_step(bars[t], elapsed, signal, permission, rules, account, out[t])
        opened = 1 if out[t, 6] != 0.0 else 0
        out[t, 14] = risk_review(out[t, 0], opened, limits, risk)


def simulate(
    open: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    time_ns: IntArray,
    signals: IntArray,
    costs: CostModel,
    initial_equity: float = 10_000.0,
    *,
    limits: RiskLimits | None = None,
) -> BacktestReport:
    """Keep an account that follows `signals`, both directions alike.

    A signal known at the close of bar t fills at the open of bar t + 1: BUY makes the account
    long, SELL short (an opposite position is closed at the same open), HOLD keeps what is held.
    A position's notional is the initial equity. Equity is marked to market at each close; a
    position left at the end is marked and stated; a signal at the last bar finds no open and is
    stated as unfilled.

    Parameters
    ----------
    open, high, low, close : (n_bars,) mid prices, > 0, oldest first.
    time_ns : (n_bars,) bar opens in UTC nanoseconds, strictly rising; days are UTC days.
    signals : (n_bars,) 0 BUY, 1 HOLD, 2 SELL, as known at each close.
    costs : spread, slippage, commission and financing of this instrument.
    initial_equity : quote currency, > 0.
    limits : loss and trade limits; None has none but ruin.

    Raises
    ------
    DataError for arrays of different lengths, prices that are no bars, times out of order or
    signals outside 0..2, each naming the first bar; ConfigError if `initial_equity` is not > 0.
    """
    if not (np.isfinite(initial_equity) and initial_equity > 0.0):
        raise ConfigError(
            f"must be a finite amount above 0; received {initial_equity!r}.",
            field="initial_equity",
        )
    bars, times, chosen = _checked(open, high, low, close, time_ns, signals)
    ledger = np.empty((len(bars), N_COLUMNS))
    account_block(
        bars,
        times,
        chosen,
        account_rules(costs, initial_equity),
        (limits or RiskLimits()).to_array(),
        new_account_state(initial_equity),
        new_risk_state(initial_equity),
        ledger,
    )
    return report_of(ledger, bars, times, int(chosen[-1]), costs, initial_equity)


def report_of(
    ledger: FloatArray,
    bars: FloatArray,
    time_ns: IntArray,
    last_signal: int,
    costs: CostModel,
    initial_equity: float,
) -> BacktestReport:
    """Return the report of a finished ledger (n, 15); `bars` is (n, 4) open, high, low, close.

    Also makes the report of a running session, whose rows come from the same step.
    """
    equity = np.ascontiguousarray(ledger[:, Column.EQUITY])
    trades = trades_of(ledger)
    ratio, per_year, why = sharpe(time_ns, equity, initial_equity)
    undefined = {} if why is None else {"sharpe_annualised": why}
    totals = {
        name: float(ledger[:, column].sum())
        for name, column in (
            ("spread", Column.SPREAD),
            ("slippage", Column.SLIPPAGE),
            ("commission", Column.COMMISSION),
            ("financing", Column.FINANCING),
        )
    }
    traded = float(ledger[:, Column.TRADED].sum())
    break_even = win_rate = None
    if traded > 0.0:
        earned = float(equity[-1]) - initial_equity + totals["spread"]
        break_even = earned / (0.5 * traded * costs.pip_size)
    else:
        undefined["break_even_spread_pips"] = "nothing was traded."
    if len(trades.pnl):
        win_rate = float((trades.pnl > 0.0).mean())
    else:
        undefined["win_rate"] = "no trade was closed."
    position = ledger[:, Column.SIDE].astype(np.int64)
    summary = BacktestSummary(
        n_bars=len(bars),
        n_days=len(daily_equity(time_ns, equity)[0]),
        first_time=_time(time_ns[0]),
        last_time=_time(time_ns[-1]),
        initial_equity=float(initial_equity),
        final_equity=float(equity[-1]),
        total_return_fraction=float(equity[-1]) / initial_equity - 1.0,
        sharpe_annualised=ratio,
        days_per_year=per_year,
        max_drawdown_fraction=drawdown(equity, initial_equity, within=equity),
        max_adverse_drawdown_fraction=drawdown(
            equity, initial_equity, within=ledger[:, Column.WORST]
        ),
        n_trades=len(trades.pnl),
        win_rate=win_rate,
        break_even_spread_pips=break_even,
        exposure_fraction=float((position != 0).mean()),
        gross_log_return=float(ledger[:, Column.GROSS_LOG].sum()),
        costs=CostTotals(**totals),
        open_position=_open_position(ledger, bars, time_ns, costs),
        unfilled_signal=_unfilled(last_signal, int(position[-1])),
        risk_events=risk_event_counts(ledger),
        n_blocked=int(ledger[:, Column.BLOCKED].sum()),
        undefined=undefined,
    )
    return BacktestReport(
        summary=summary,
        equity=equity,
        position=position,
        gross_log_pnl=np.ascontiguousarray(ledger[:, Column.GROSS_LOG]),
        trades=trades,
        ledger=ledger,
    )


def _unfilled(signal: int, side: int) -> str | None:
    follows = (signal == BUY and side != 1) or (signal == SELL and side != -1)
    return CLASS_NAMES[signal] if follows else None


def _open_position(
    ledger: FloatArray, bars: FloatArray, time_ns: IntArray, costs: CostModel
) -> OpenPosition | None:
    side = int(ledger[-1, Column.SIDE])
    if side == 0:
        return None
    entry = int(np.flatnonzero(ledger[:, Column.OPENED])[-1])
    rules = account_rules(costs, 1.0)
    opening = float(bars[entry, 0])
    price = opening + side * (float(rules[1]) + opening * float(rules[2]))
    units = float(ledger[-1, Column.UNITS])
    charged = units * opening * float(rules[3]) + float(ledger[entry + 1 :, Column.FINANCING].sum())
    return OpenPosition(
        side=side,
        units=units,
        entry_bar=entry,
        entry_time=_time(time_ns[entry]),
        entry_price=price,
        marked_pnl=side * units * (float(bars[-1, 3]) - price) - charged,
    )


def _time(nanoseconds: np.int64) -> str:
    text = iso(datetime.fromtimestamp(int(nanoseconds) // 1_000_000_000, tz=UTC))
    return text or ""


def _checked(
    open: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    time_ns: IntArray,
    signals: IntArray,
) -> tuple[FloatArray, IntArray, IntArray]:
    n = check_same_length(
        open=open, high=high, low=low, close=close, time_ns=time_ns, signals=signals
    )
    if n == 0:
        raise DataError("there are no bars to simulate.", code="DATA-Empty")
    bars = np.column_stack([open, high, low, close]).astype(np.float64)
    if not (np.issubdtype(signals.dtype, np.integer) and np.issubdtype(time_ns.dtype, np.integer)):
        raise DataError(
            f"signals and time_ns must be whole numbers; their types are {signals.dtype} and "
            f"{time_ns.dtype}."
        )
    times = np.ascontiguousarray(time_ns, dtype=np.int64)
    chosen = np.ascontiguousarray(signals, dtype=np.int64)
    body_low, body_high = bars[:, [0, 3]].min(axis=1), bars[:, [0, 3]].max(axis=1)
    no_bar = ~(
        np.isfinite(bars).all(axis=1)
        & (bars > 0.0).all(axis=1)
        & (bars[:, 2] <= body_low)
        & (body_high <= bars[:, 1])
    )
    _refuse(no_bar, "no bar: prices must be finite, above 0, and low <= open, close <= high")
    _refuse(np.append(False, np.diff(times) <= 0), "not later than the bar before")
    _refuse((chosen < BUY) | (chosen > SELL), "without a signal 0 BUY, 1 HOLD or 2 SELL")
    return bars, times, chosen


def _refuse(bad: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], rule: str) -> None:
    where = np.flatnonzero(bad)
    if where.size:
        raise DataError(f"{where.size} bars are {rule}; the first is bar {where[0]}.")


@register_warmup("account loop")
def _warm() -> None:
    price = np.array([1.0, 1.0])
    when = np.array([0, 3_600_000_000_000])
    simulate(price, price, price, price, when, np.array([BUY, HOLD]), CostModel())
