"""What following the forecasts of one run would have earned, and what needs no forecast at all.

The strategy's own decision policy turns forecasts into signals by the step that a dry run uses;
signals fill at the next bar's open in a simulated account of fixed stake (no reinvestment), with
the costs of the symbol (`CostModel.for_symbol`). Bars between the judged ones (purged gaps between
walk-forward folds) bring no new signal; a position is held across them. Nothing of this enters the
verdict: a forecast may hold information and still not pay its costs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from marketlab.backtest import BacktestReport, CostModel, decide, simulate
from marketlab.campaigns._market_days import MarketDays, market_days
from marketlab.campaigns._prepare import Prepared
from marketlab.campaigns._strategy import StrategyConfig
from marketlab.core import ConfigError, DataError, FloatArray, IntArray
from marketlab.data import BarFrame
from marketlab.evaluation import (
    Undefined,
    annualised_sharpe,
    buy_and_hold,
    event_bootstrap_interval,
    random_entry,
    trade_returns_bps,
)

MIN_TRADES = 20
"""Closed trades below which neither an interval nor a comparison with random entry is given."""

_EQUITY = 10_000.0
_BPS = 10_000.0
_NUMBERS = (
    "exposure",
    "total_return",
    "max_drawdown",
    "cost_bps",
    "sharpe_annualised",
    "before_costs",
    "after_costs",
    "buy_and_hold",
    "random_entry",
)


@dataclass(frozen=True)
class RunTrading:
    """The account of one run over its judged bars.

    Attributes
    ----------
    daily_returns : (m,) after costs, change of equity within the day over the fixed stake, as a
        fraction, marked to market at the last close of each trading day; length 0 if there is no
        account.
    days : (m,) trading days, days since 1970 (UTC), ascending; those of the period that have bars.
    facts : JSON-ready; a figure that cannot be given is None, and ``undefined`` maps its name to
        the sentence why (``interval``: of before_costs and after_costs). Keys: sentence, n_bars,
        n_days, n_trades (closed), exposure (share of bars with a position), total_return and
        max_drawdown (fractions of the stake, after costs), cost_bps (one round trip), costs (the
        `CostModel`), before_costs and after_costs (each bps_per_trade, interval [low, high], level,
        hit_rate), sharpe_annualised (after costs), days_per_year, calendar, buy_and_hold and
        random_entry (mappings of `BuyAndHold` and `RandomEntry`), open_position, unfilled_signal,
        undefined.
    """

    daily_returns: FloatArray
    days: IntArray
    facts: dict[str, Any]


def trade_run(
    strategy: StrategyConfig,
    prepared: Prepared,
    rows: IntArray,
    probabilities: FloatArray,
    *,
    seed: int,
) -> RunTrading:
    """Follow forecasts from the first to the last judged bar.

    Parameters
    ----------
    rows : (n,) bar positions of the judged samples, strictly ascending.
    probabilities : (n, 3) forecasts known at the closes of these bars.
    seed : of the bootstrap over trades and of random entry.

    Raises
    ------
    DataError if `rows` do not ascend or do not fit `probabilities`. Too few bars or trades, and a
    symbol without a known pip, never raise: the facts say so.
    """
    if probabilities.shape != (len(rows), 3):
        raise DataError(
            f"{len(rows)} judged bars need forecasts of shape ({len(rows)}, 3), not "
            f"{probabilities.shape}.",
            code="DATA-ShapeMismatch",
            field="probabilities",
        )
    if np.any(np.diff(rows) <= 0):
        raise DataError(
            "rows must ascend, one judged sample per bar.", code="DATA-Unordered", field="rows"
        )
    if len(rows) == 0:
        return _no_account("there is no judged bar, so nothing was traded.")
    try:
        costs = CostModel.for_symbol(prepared.bars.symbol)
    except ConfigError as error:
        return _no_account(f"no account is kept: {error.message}")
    first, last = int(rows[0]), int(rows[-1])
    forecasts: FloatArray = np.full((last - first + 1, 3), np.nan)
    forecasts[rows - first] = probabilities
    signals = decide(strategy.decisions.policy(), forecasts)
    bars = prepared.bars
    part = slice(first, last + 1)
    report = simulate(
        bars.open[part],
        bars.high[part],
        bars.low[part],
        bars.close[part],
        bars.time_ns[part],
        signals,
        costs,
        _EQUITY,
    )
    market = market_days(bars, first, last)
    days, daily = daily_returns(market.day, report.equity)
    facts = _facts(bars, part, report, costs, seed)
    facts |= _daily_facts(daily, market, facts["undefined"])
    facts["sentence"] = _sentence(facts)
    return RunTrading(daily, days, facts)


def daily_returns(day: IntArray, equity: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the days (m,) and the change of equity in each over the stake (m,).

    Parameters
    ----------
    day : (n,) trading day of each bar, ascending. equity : (n,) at the bars' closes.
    """
    last = np.flatnonzero(np.append(day[1:] != day[:-1], True))
    return day[last], np.diff(equity[last], prepend=_EQUITY) / _EQUITY


def _no_account(why: str) -> RunTrading:
    empty: FloatArray = np.empty(0)
    facts: dict[str, Any] = {
        "sentence": why[0].upper() + why[1:],
        "n_bars": 0,
        "n_days": 0,
        "n_trades": 0,
        **dict.fromkeys(_NUMBERS),
        "costs": None,
        "days_per_year": None,
        "calendar": None,
        "open_position": None,
        "unfilled_signal": None,
        "undefined": dict.fromkeys(_NUMBERS, why),
    }
    return RunTrading(empty, np.empty(0, dtype=np.int64), facts)


def _facts(
    bars: BarFrame, part: slice, report: BacktestReport, costs: CostModel, seed: int
) -> dict[str, Any]:
    opens, trades, summary = bars.open[part], report.trades, report.summary
    undefined: dict[str, str] = {}
    before = trade_returns_bps(opens, trades.entry_bar, trades.exit_bar, trades.side, cost_bps=0.0)
    after: FloatArray = trades.pnl / _EQUITY * _BPS
    n_trades = len(after)
    # Of no trade there is no cost; the figure is then that of one at the mean price.
    cost_bps = float((before - after).mean()) if n_trades else _round_trip_bps(costs, opens)
    if n_trades == 0:
        why = f"no position was closed within {len(opens):,} bars."
        undefined |= dict.fromkeys(("before_costs", "after_costs", "random_entry"), why)
    elif n_trades < MIN_TRADES:
        why = (
            f"an interval and a comparison with random entry need {MIN_TRADES} closed trades; "
            f"there {'is' if n_trades == 1 else 'are'} {n_trades}."
        )
        undefined |= dict.fromkeys(("interval", "random_entry"), why)
    chance = None
    if n_trades >= MIN_TRADES:
        chance = random_entry(
            opens,
            trades.entry_bar,
            trades.exit_bar,
            trades.side,
            stretch=(1, len(opens) - 1),
            cost_bps=cost_bps,
            seed=seed,
        ).to_mapping()
    return {
        "n_bars": len(opens),
        "n_trades": n_trades,
        "exposure": summary.exposure_fraction,
        "total_return": summary.total_return_fraction,
        "max_drawdown": summary.max_drawdown_fraction,
        "costs": costs.to_mapping(),
        "cost_bps": cost_bps,
        "before_costs": _per_trade(before, seed),
        "after_costs": _per_trade(after, seed),
        "buy_and_hold": _held(opens, float(bars.close[part][-1]), cost_bps, undefined),
        "random_entry": chance,
        "open_position": (
            None if summary.open_position is None else summary.open_position.to_mapping()
        ),
        "unfilled_signal": summary.unfilled_signal,
        "undefined": undefined,
    }


def _round_trip_bps(costs: CostModel, opens: FloatArray) -> float:
    return costs.spread_pips * costs.pip_size / float(opens.mean()) * _BPS


def _per_trade(returns_bps: FloatArray, seed: int) -> dict[str, Any] | None:
    if len(returns_bps) == 0:
        return None
    each = np.arange(len(returns_bps), dtype=np.int64)
    interval = event_bootstrap_interval(returns_bps, each, seed=seed)
    return {
        "bps_per_trade": float(returns_bps.mean()),
        "interval": None if interval is None else [interval.low, interval.high],
        "level": None if interval is None else interval.level,
        "hit_rate": float((returns_bps > 0.0).mean()),
    }


def _held(
    opens: FloatArray, last_close: float, cost_bps: float, undefined: dict[str, str]
) -> dict[str, Any] | None:
    """Return one long trade from the first open that a signal can reach to the last close."""
    if len(opens) < 2:
        undefined["buy_and_hold"] = "one judged bar leaves no later open to buy at."
        return None
    prices: FloatArray = np.append(opens, last_close)
    return buy_and_hold(prices, first_bar=1, last_bar=len(opens), cost_bps=cost_bps).to_mapping()


def _daily_facts(
    daily: FloatArray, market: MarketDays, undefined: dict[str, str]
) -> dict[str, Any]:
    ratio = annualised_sharpe(daily, market.days_per_year)
    if isinstance(ratio, Undefined):
        undefined["sharpe_annualised"] = ratio.reason
    return {
        "n_days": len(daily),
        "sharpe_annualised": None if isinstance(ratio, Undefined) else ratio,
        "days_per_year": market.days_per_year,
        "calendar": market.calendar,
    }


def _sentence(facts: dict[str, Any]) -> str:
    """Return the finding in words, for the reader who hoped to earn something."""
    held = facts["buy_and_hold"]
    holding = "" if held is None else f" Holding earned {held['return_bps']:+.1f} bps in all."
    earned = f"{_BPS * facts['total_return']:+.1f} bps of the stake in all"
    if facts["n_trades"] == 0:
        return (
            f"The signals closed no position within {facts['n_bars']:,} bars; the account made "
            f"{earned}.{holding}"
        )
    after, before = facts["after_costs"], facts["before_costs"]
    one = facts["n_trades"] == 1
    trades = "One closed trade" if one else f"{facts['n_trades']:,} closed trades"
    mean = (
        f"{trades} earned {after['bps_per_trade']:+.2f} bps{'' if one else ' each'} after costs of "
        f"{facts['cost_bps']:.2f} bps ({before['bps_per_trade']:+.2f} before them), {earned}"
    )
    if after["interval"] is None:
        return f"{mean}; too few for an interval.{holding}"
    low, high = after["interval"]
    chance = facts["random_entry"]
    return (
        f"{mean}; the 95 % interval after costs is {low:+.2f} to {high:+.2f} bps. Trades of the "
        f"same sides and holding times entered at random earn as much with p = "
        f"{chance['p_value']:.2g} ({chance['n_draws']:,} draws).{holding}"
    )
