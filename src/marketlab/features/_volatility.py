"""Average true range and the Relative Volatility Index."""

from marketlab.features._expression import Expression, primitive, source
from marketlab.features._indicator import (
    INDICATORS,
    PERCENT,
    PERIOD,
    PRICE,
    SINGLE,
    IndicatorDefinition,
    IndicatorParameter,
    Parameters,
    fixed,
)
from marketlab.features._momentum import percent_of
from marketlab.features._trend import true_range


def average_true_range(period: int) -> Expression:
    """Return Wilder's average of the true range; first value at bar `period`."""
    columns = (source(name) for name in ("high", "low", "close"))
    return primitive("average_true_range", *columns, n=period)


INDICATORS.add(
    "atr_wilder",
    IndicatorDefinition(
        "atr_wilder",
        (PERIOD,),
        (SINGLE,),
        fixed(value=PRICE),
        lambda p: {SINGLE: average_true_range(p["period"])},
        "Average true range, Wilder (1978), seeded by the mean of the first `period` true "
        "ranges; the first bar has none. Price units. First value at bar `period`, as in TA-Lib.",
    ),
)
INDICATORS.add(
    "atr_sma",
    IndicatorDefinition(
        "atr_sma",
        (PERIOD,),
        (SINGLE,),
        fixed(value=PRICE),
        lambda p: {SINGLE: primitive("rolling_mean", true_range(), window=p["period"])},
        "Simple mean of the last `period` true ranges (the original's ATR), price units.",
    ),
)


def _rvi_volatility(params: Parameters) -> dict[str, Expression]:
    close = source("close")
    deviation = primitive("rolling_std", close, window=params["period"], ddof=0)
    # Missing while the deviation is: until then no zero may seed the average.
    up, down = (
        primitive("wilder", primitive(side, deviation, close), n=params["smoothing"])
        for side in ("where_risen", "where_fallen")
    )
    return {SINGLE: percent_of(up, down, fill=0.5)}


INDICATORS.add(
    "rvi_volatility",
    IndicatorDefinition(
        "rvi_volatility",
        (PERIOD, IndicatorParameter("smoothing", default=14)),
        (SINGLE,),
        fixed(value=PERCENT),
        _rvi_volatility,
        "Relative Volatility Index, Dorsey (1993), Stocks & Commodities 11(6): the standard "
        "deviation of `period` closes, split by bars that closed up and down, each Wilder "
        "smoothed over `smoothing`; 100 up/(up + down). Unchanged closes count on neither side; "
        "nothing on either side gives 50. Not the Relative Vigor Index: that is rvi.",
    ),
)
