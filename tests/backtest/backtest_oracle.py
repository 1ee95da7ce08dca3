"""A second account in plain Python: cash and units instead of running P&L, rules as sentences."""

import datetime as dt
import math


def account(open_, close, time_ns, signals, costs, initial, limits=None):
    """Return equity, side and closed net P&L per bar."""
    half = costs.spread_pips * costs.pip_size / 2
    slip, fee = costs.slippage_bps / 1e4, costs.commission_fraction
    cash, units = initial, 0.0  # units are signed here
    equity, sides, closed = [], [], []
    entry_cash = None
    day_start, today, trades_today, halted, stopped, due = initial, None, 0, False, False, False
    for t in range(len(open_)):
        day = dt.datetime.fromtimestamp(time_ns[t] // 10**9, tz=dt.UTC).date()
        if t:
            days = (time_ns[t] - time_ns[t - 1]) / (24 * 3600 * 1e9)
            cash -= abs(units) * close[t - 1] * costs.financing_bps_per_day / 1e4 * days
        if day != today:
            today, trades_today, halted = day, 0, False
            day_start = equity[-1] if equity else initial
        side = int(units > 0) - int(units < 0)
        want = side if not t or signals[t - 1] == 1 else (1 if signals[t - 1] == 0 else -1)
        if limits is not None and limits.max_trades_per_day is not None:
            full = trades_today >= limits.max_trades_per_day
            want = 0 if full and want != side else want
        if halted or stopped or due:
            want = 0
        due = False
        done = None
        if want != side:
            if side:
                price = open_[t] - side * (half + slip * open_[t])
                cash += units * price - abs(units) * open_[t] * fee
                done = cash - entry_cash
                units = 0.0
            if want:
                entry_cash = cash
                units = want * initial / open_[t]
                price = open_[t] + want * (half + slip * open_[t])
                cash -= units * price + abs(units) * open_[t] * fee
                trades_today += 1
        value = cash + units * close[t]
        equity.append(value)
        sides.append(want)
        closed.append(done)
        if not stopped:
            peak = max([initial, *equity])
            fall, loss = (peak - value) / peak, (day_start - value) / day_start
            if value <= 0 or _reached(fall, limits, "max_drawdown_fraction"):
                stopped = due = True
            elif not halted and _reached(loss, limits, "max_daily_loss_fraction"):
                halted = due = True
    return equity, sides, closed


def _reached(value, limits, name):
    limit = math.inf if limits is None else getattr(limits, name)
    return limit is not None and value >= limit
