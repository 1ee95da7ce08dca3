"""Meta-labels: given the side of a primary rule, did its trade succeed, and what did it bring."""

from typing import Literal, TypeAlias

import numpy as np
from pydantic import Field

from marketlab.core import (
    DataError,
    FloatArray,
    FrozenConfig,
    IntArray,
    check_at_least,
    check_same_length,
)
from marketlab.labels._barriers import (
    BOTH_HIT,
    LOWER_HIT,
    NONE_HIT,
    UPPER_HIT,
    choose_entries,
    first_barrier,
)
from marketlab.labels._base import LABELS, LabelSet, LabelSource, make_label_set
from marketlab.labels._checks import check_bars, check_close, check_prices
from marketlab.labels._volatility import VolatilityMeasure, barrier_volatility

META_NAMES = ("FAILURE", "SUCCESS")
"""Names of the classes 0 and 1 of a meta-label."""

PrimaryRule: TypeAlias = Literal["momentum", "reversal"]


class TradeRule(FrozenConfig):
    """How a trade of the primary rule ends. With v the volatility of one bar at the entry:

    target at ``take_profit * v`` in the direction of the trade, stop at ``stop_loss * v`` against
    it, both as fractions of the entry; else the close `horizon` bars later.
    cost : of the round trip, a fraction of the entry, taken off every return.
    """

    horizon: int = Field(default=50, ge=1)
    take_profit: float = Field(default=2.0, gt=0.0)
    stop_loss: float = Field(default=1.5, gt=0.0)
    volatility: VolatilityMeasure = "atr"
    span: int = Field(default=50, ge=1)
    cost: float = Field(default=0.0, ge=0.0)


def primary_side(close: FloatArray, *, rule: PrimaryRule, lookback: int) -> IntArray:
    """Return the side of a simple rule at each bar's close, int64 (n_bars,): 1 long, -1 short.

    ``momentum``: the sign of the change over the last `lookback` bars; ``reversal``: its opposite.
    0 (no trade) for the first `lookback` bars and where the closes are equal.
    """
    check_at_least("lookback", lookback, 1)
    prices = check_close(close)
    side = np.zeros(len(prices), dtype=np.int64)
    side[lookback:] = np.sign(prices[lookback:] - prices[: max(0, len(prices) - lookback)])
    return side if rule == "momentum" else -side


def trade_return(
    open: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    side: IntArray,
    rule: TradeRule | None = None,
) -> LabelSet:
    """Return what each trade of the primary rule brings, after cost: the size to bet on.

    A trade is entered at the close of every bar whose side is not 0 and is looked at on the bars
    after it. A bar that opens beyond a level fills at its open, worse for a stop and better for a
    target; else the level itself. If one bar reaches both, the stop goes before the target, unless
    the bar opened beyond the target. Without a
    touch the trade ends at the close `horizon` bars later.

    Parameters
    ----------
    open, high, low, close : (n_bars,), greater than zero.
    side : (n_bars,) int64, 1 long, -1 short, 0 no trade, known at the close of its bar.

    Returns
    -------
    LabelSet with float values: the return of the trade in its own direction less `cost`, a
    fraction of the entry. `start` is the entry, `end` the bar of the exit. The last `horizon` bars
    have no label, nor have bars without a side or without a volatility.

    Raises
    ------
    DataError for bad prices, other sides and unequal lengths.

    References
    ----------
    López de Prado, Advances in Financial Machine Learning, 2018, sections 3.6 and 3.7; fills as in
    the backtest (next touch, stop first, gaps at the open).
    """
    options = rule or TradeRule()
    prices = (check_prices("open", open), *check_bars(high, low, close))
    check_same_length(open=prices[0], close=prices[3])
    bar, end, gain, facts = _trades(prices, _checked_side(side, prices[3]), options)
    return make_label_set(
        name="trade_return", bar=bar, value=gain, end=end, class_names=(), facts=facts
    )


def meta_label(
    open: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    side: IntArray,
    rule: TradeRule | None = None,
) -> LabelSet:
    """Label each trade of the primary rule SUCCESS 1 iff its `trade_return` is greater than 0.

    The bet: a model of it answers whether to take the trade, not which way. Arguments, result and
    errors as in `trade_return`, with classes FAILURE 0 and SUCCESS 1.
    """
    trades = trade_return(open, high, low, close, side=side, rule=rule)
    facts = {k: v for k, v in trades.facts.items() if k != "distribution"}
    return make_label_set(
        name="meta_label",
        bar=trades.bar,
        value=(trades.value > 0.0).astype(np.int64),
        end=trades.end,
        event=trades.event,
        class_names=META_NAMES,
        facts={**facts, "mean_trade_return": float(trades.value.mean()) if len(trades) else None},
    )


def _checked_side(side: IntArray, close: FloatArray) -> IntArray:
    check_same_length(side=side, close=close)
    if side.dtype != np.int64 or (np.abs(side) > 1).any():
        raise DataError(
            "a side is an int64 array of 1 (long), -1 (short) and 0 (no trade).",
            code="LABELS-Side",
            field="side",
        )
    return side


def _trades(
    prices: tuple[FloatArray, ...], side: IntArray, rule: TradeRule
) -> tuple[IntArray, IntArray, FloatArray, dict[str, object]]:
    """Return entry bars, exit bars, returns after cost, and facts."""
    opens, highs, lows, closes = prices
    v = barrier_volatility(highs, lows, closes, measure=rule.volatility, span=rule.span)
    entries = choose_entries(v, rule.horizon, np.flatnonzero(side))
    bar, entry = entries.bar, closes[entries.bar]
    sign = side[bar].astype(np.float64)
    gain, loss = rule.take_profit * entries.volatility, rule.stop_loss * entries.volatility
    is_long = sign > 0.0
    upper = entry * (1.0 + np.where(is_long, gain, loss))
    lower = entry * (1.0 - np.where(is_long, loss, gain))
    end, hit = np.empty(len(bar), np.int64), np.empty(len(bar), np.int64)
    first_barrier(highs, lows, bar, upper, lower, rule.horizon, end, hit)
    timeout = hit == NONE_HIT
    first = opens[end]
    # Reached both: the stop, unless the bar opened beyond the target already.
    opened = np.where(is_long, first >= upper, first <= lower)
    at_target = np.where(is_long, hit == UPPER_HIT, hit == LOWER_HIT)
    at_target |= (hit == BOTH_HIT) & opened
    at_upper = at_target == is_long
    fill = np.where(at_upper, np.maximum(upper, first), np.minimum(lower, first))
    exit_price = np.where(timeout, closes[end], fill)
    result: FloatArray = sign * (exit_price - entry) / entry - rule.cost
    facts: dict[str, object] = {
        **rule.to_mapping(),
        **entries.facts,
        "outcomes": {
            "target": int(at_target.sum()),
            "stop": int((~at_target & ~timeout).sum()),
            "timeout": int(timeout.sum()),
        },
        "n_long": int(is_long.sum()),
        "n_short": int(len(bar) - is_long.sum()),
    }
    return bar, end, result, facts


def _meta_label_by_rule(
    *prices: FloatArray, primary: PrimaryRule, lookback: int, rule: TradeRule
) -> LabelSet:
    """Label the trades of a named rule; `prices` are open, high, low and close."""
    side = primary_side(prices[3], rule=primary, lookback=lookback)
    return meta_label(*prices, side=side, rule=rule)


def _trade_return_by_rule(
    *prices: FloatArray, primary: PrimaryRule, lookback: int, rule: TradeRule
) -> LabelSet:
    """Return what the trades of a named rule bring; `prices` are open, high, low and close."""
    side = primary_side(prices[3], rule=primary, lookback=lookback)
    return trade_return(*prices, side=side, rule=rule)


for _name, _method, _classes, _summary in (
    (
        "meta_label",
        _meta_label_by_rule,
        META_NAMES,
        "Whether a trade of the primary rule makes money",
    ),
    (
        "trade_return",
        _trade_return_by_rule,
        (),
        "What a trade of the primary rule brings, as a number",
    ),
):
    LABELS.add(
        _name,
        LabelSource(
            method=_method,
            inputs=("open", "high", "low", "close"),
            class_names=_classes,
            summary=_summary,
            reference="López de Prado 2018, 3.6 (meta-labeling) and 3.7 (size)",
        ),
    )
