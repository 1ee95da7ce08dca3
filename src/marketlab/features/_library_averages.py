"""Moving averages beyond the simple and the exponential one."""

from marketlab.features._define import define, numbers
from marketlab.features._expression import Expression, primitive, source
from marketlab.features._indicator import (
    INDICATORS,
    INF,
    PERIOD,
    PRICE,
    SINGLE,
    SOURCE,
    IndicatorDefinition,
    IndicatorParameter,
    OutputRange,
    Parameters,
    fixed,
)

_ANY_PRICE = OutputRange(-INF, INF, "price")

define(
    "dema",
    "2 * ema(x, period) - ema(ema(x, period), period)",
    _ANY_PRICE,
    "Double exponential mean, Mulloy (1994), Stocks & Commodities 12(1): 2 EMA - EMA of EMA, each "
    "EMA started from the mean of its first `period` values, as in TA-Lib. First value at bar "
    "2 (period - 1). It can overshoot, even below 0.",
    parameters=(PERIOD,),
)
define(
    "tema",
    "3 * once - 3 * twice + ema(twice, period)",
    _ANY_PRICE,
    "Triple exponential mean, Mulloy (1994), Stocks & Commodities 12(2): 3 EMA - 3 EMA(EMA) + "
    "EMA(EMA(EMA)), seeds as in TA-Lib. First value at bar 3 (period - 1). It can overshoot.",
    parameters=(PERIOD,),
    let={"once": "ema(x, period)", "twice": "ema(once, period)"},
)
define(
    "wma",
    "rolling_wma(x, period)",
    PRICE,
    "Linearly weighted mean of the last `period` prices, weight 1 for the oldest (TA-Lib's WMA).",
    parameters=(PERIOD,),
)
define(
    "kama",
    "kama(x, period, fast, slow)",
    PRICE,
    "Adaptive mean, Kaufman (1995), Smarter Trading: speed by the efficiency of the last `period` "
    "changes, between those of `fast` and `slow` bars; a series that stands still counts as "
    "efficient. Starts from the close before its first value, at bar `period`, as in TA-Lib.",
    parameters=(PERIOD, *numbers(fast=2, slow=30)),
    ordered=(("fast", "slow"),),
)
define(
    "vwma",
    "rolling_sum(x * volume, period) / rolling_sum(volume, period)",
    PRICE,
    "Mean of the last `period` prices weighted by volume; with closes it is the rolling VWAP of "
    "the scaling laboratory. A window without volume gives a missing value.",
    parameters=(PERIOD,),
    needs_volume=True,
)


def _hull(params: Parameters) -> dict[str, Expression]:
    x, period = source(params["source"]), params["period"]
    fast = primitive("rolling_wma", x, window=period // 2)
    leading = 2.0 * fast - primitive("rolling_wma", x, window=period)
    return {SINGLE: primitive("rolling_wma", leading, window=int(period**0.5))}


INDICATORS.add(
    "hma",
    IndicatorDefinition(
        "hma",
        (IndicatorParameter("period", low=4), SOURCE),
        (SINGLE,),
        fixed(value=_ANY_PRICE),
        _hull,
        "Hull moving average, Hull (2005): WMA of 2 WMA(period/2) - WMA(period) over sqrt(period) "
        "bars, both lengths cut to whole numbers. It can overshoot, even below 0.",
    ),
)
