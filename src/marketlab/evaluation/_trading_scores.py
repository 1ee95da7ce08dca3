"""What positions earned per bar, per trade and per day, before and after costs, in basis points.

This scores forecasts; it keeps no account. Position x_t is held over the return r_t, one unit is
the whole (fixed) stake, gains are not reinvested: bps_t = 1e4 x_t r_t. A change of position costs
`cost_bps` per unit: c abs(x_t - x_t-1), from flat at the start to flat at the end. For fills, stops
and equity see `marketlab.backtest`.
"""

import math
from typing import NamedTuple

import numpy as np

from marketlab.core import (
    FloatArray,
    FrozenConfig,
    IntArray,
    check_at_least,
    check_same_length,
)
from marketlab.evaluation._binary_scores import mean_or_undefined
from marketlab.evaluation._block_bootstrap import BlockInterval, block_bootstrap_interval
from marketlab.evaluation._bootstrap import MIN_EVENTS_FOR_INTERVAL
from marketlab.evaluation._undefined import Metric, Undefined, check_finite, in_order

BPS = 1e4


class TradingSide(FrozenConfig):
    """Either before or after costs.

    Attributes
    ----------
    bps_per_bar, bps_per_day, bps_per_trade : means; of all bars and days, flat ones included.
    hit_rate : share of trades that gained; exactly 0 is no gain.
    sharpe : mean over deviation (n - 1) of daily bps, times sqrt(days_per_year); `Undefined`
        below 20 days or without spread. Never from per-trade or per-bar results, whose root of
        252 means nothing.
    daily_interval : of bps_per_day, by the stationary bootstrap over days.
    """

    bps_per_bar: Metric
    bps_per_day: Metric
    bps_per_trade: Metric
    hit_rate: Metric
    sharpe: Metric
    daily_interval: BlockInterval | Undefined


class TradingScores(FrozenConfig):
    """What positions scored.

    Attributes
    ----------
    n_bars, n_days, n_trades : a trade is a run of bars with positions of one sign.
    exposure : mean of abs(x). turnover_per_bar, turnover_per_day : mean of abs(x_t - x_t-1),
        the final close included.
    cost_bps : per unit of turnover, one way. days_per_year : of the market.
    before_costs, after_costs : the results.
    """

    n_bars: int
    n_days: int
    n_trades: int
    exposure: Metric
    turnover_per_bar: Metric
    turnover_per_day: Metric
    cost_bps: float
    days_per_year: int
    before_costs: TradingSide
    after_costs: TradingSide


class _Flows(NamedTuple):
    gross: FloatArray  # (n,) bps of each bar before costs
    turnover: FloatArray  # (n,) units traded at each bar, final close on the last
    trade: IntArray  # (n,) number of the trade, -1 where flat
    trade_turnover: FloatArray  # (n_trades,)


def trading_scores(
    position: FloatArray,
    return_fraction: FloatArray,
    day: IntArray,
    *,
    cost_bps: float,
    days_per_year: int,
    seed: int,
) -> TradingScores:
    """Score positions. No bar at all is allowed and gives `Undefined` scores.

    Parameters
    ----------
    position : ndarray of shape (n,), finite; units held over the return of the same row, decided
        before it began. Short is negative.
    return_fraction : ndarray of shape (n,), finite; simple return of the row. Returns of
        overlapping horizons would be counted several times: pass one bar's.
    day : ndarray of int64 of shape (n,), ascending; trading day of each row. Every day of the
        period belongs in it, flat ones too, or the ratio is of the active days only.
    cost_bps : per unit of turnover, one way (half the spread, slippage and commission); 0 or more.
    days_per_year : 252 for exchanges, 365 for crypto; at least 1.
    seed : of the bootstrap over days.

    Raises
    ------
    DataError for arrays that do not fit or are not finite; ConfigError for numbers out of range.
    """
    check_at_least("cost_bps", cost_bps, 0.0)
    check_at_least("days_per_year", days_per_year, 1)
    n = check_finite(position=position, return_fraction=return_fraction)
    check_same_length(position=position, day=day)
    in_order("day", day)
    flows = _flows(position, return_fraction)
    _, number = np.unique(day, return_inverse=True)
    n_days = int(number.max()) + 1 if n else 0
    n_trades = len(flows.trade_turnover)
    held = flows.trade >= 0
    trade_gross = np.bincount(flows.trade[held], weights=flows.gross[held], minlength=n_trades)
    sides = []
    for cost in (0.0, cost_bps):
        bars = flows.gross - cost * flows.turnover
        days = np.bincount(number, weights=bars, minlength=n_days).astype(np.float64)
        trades = np.asarray(trade_gross - cost * flows.trade_turnover, dtype=np.float64)
        sides.append(_side(bars, days, trades, days_per_year, seed))
    turnover = mean_or_undefined("turnover", flows.turnover)
    return TradingScores(
        n_bars=n,
        n_days=n_days,
        n_trades=n_trades,
        exposure=mean_or_undefined("exposure", np.abs(position)),
        turnover_per_bar=turnover,
        turnover_per_day=float(flows.turnover.sum() / n_days) if n_days else turnover,
        cost_bps=cost_bps,
        days_per_year=days_per_year,
        before_costs=sides[0],
        after_costs=sides[1],
    )


def _flows(position: FloatArray, return_fraction: FloatArray) -> _Flows:
    n = len(position)
    path = np.concatenate([[0.0], position, [0.0]])
    sign = np.sign(path)
    steps = np.abs(np.diff(path))  # (n + 1,); the last one closes
    turnover = steps[:n].copy()
    if n:
        turnover[-1] += steps[-1]
    opens = (sign[1:-1] != 0) & (sign[1:-1] != sign[:-2])
    trade = np.where(sign[1:-1] != 0, np.cumsum(opens) - 1, -1)
    n_trades = int(opens.sum())
    # A reversal closes one trade and opens the next: each pays for its own part.
    same = (sign[1:-1] == sign[:-2]) & (trade >= 0)
    paid = np.where(same, steps[:n], np.abs(position))
    held = trade >= 0
    per_trade = np.bincount(trade[held], weights=paid[held], minlength=n_trades).astype(np.float64)
    closes = held & (sign[1:-1] != sign[2:])
    per_trade += np.bincount(trade[closes], weights=np.abs(position[closes]), minlength=n_trades)
    return _Flows(BPS * position * return_fraction, turnover, trade.astype(np.int64), per_trade)


def _side(
    bars: FloatArray, days: FloatArray, trades: FloatArray, days_per_year: int, seed: int
) -> TradingSide:
    none = Undefined(metric="bps_per_trade", reason="there is no trade.", counts={"trades": 0})
    n_trades = len(trades)
    return TradingSide(
        bps_per_bar=mean_or_undefined("bps_per_bar", bars),
        bps_per_day=mean_or_undefined("bps_per_day", days),
        bps_per_trade=float(trades.mean()) if n_trades else none,
        hit_rate=float((trades > 0).mean()) if n_trades else none,
        sharpe=annualised_sharpe(days, days_per_year),
        daily_interval=block_bootstrap_interval(
            days, np.arange(len(days), dtype=np.int64), seed=seed
        ),
    )


def annualised_sharpe(daily: FloatArray, days_per_year: int) -> Metric:
    """Return mean / deviation (n - 1) * sqrt(days_per_year) of daily results (Sharpe 1994).

    `Undefined` below 20 days or if all days are equal. Autocorrelated days make it too large or
    too small (Lo 2002, "The statistics of Sharpe ratios", Fin. Analysts J. 58(4)); see
    `effective_sample_size`.
    """
    n = check_finite(daily=daily)
    check_at_least("days_per_year", days_per_year, 1)
    if n < MIN_EVENTS_FOR_INTERVAL or np.ptp(daily) == 0:
        what = "that differ" if n >= MIN_EVENTS_FOR_INTERVAL else f"or more; there are {n}"
        return Undefined(
            metric="sharpe",
            reason=f"a ratio needs {MIN_EVENTS_FOR_INTERVAL} daily results {what}.",
            counts={"days": n, "required": MIN_EVENTS_FOR_INTERVAL},
        )
    return float(daily.mean() / daily.std(ddof=1) * math.sqrt(days_per_year))
