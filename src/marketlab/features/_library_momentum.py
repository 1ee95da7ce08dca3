"""Oscillators of price: MACD, stochastic RSI, CCI, DeMarker, QQE lines, Schaff trend cycle."""

from marketlab.features._define import define, numbers
from marketlab.features._indicator import INF, PERCENT, PERIOD, OutputRange

_ANY_PRICE = OutputRange(-INF, INF, "price")
_ANY_RATIO = OutputRange(-INF, INF, "ratio")
_FROM_HALF = OutputRange(0.0, 1.0, "bounded")

_MACD_LINE = "ema_gap(x, fast, slow)"

define(
    "macd",
    {
        "line": "after(joint, slow + signal - 2)",
        "signal": "average",
        "histogram": "joint - average",
    },
    {"line": _ANY_PRICE, "signal": _ANY_PRICE, "histogram": _ANY_PRICE},
    "Moving average convergence divergence, Appel (1979): EMA(fast) - EMA(slow), its EMA(signal), "
    "and their difference. Both EMAs start at bar slow - 1 from the mean of their last values, and "
    "all outputs at bar slow + signal - 2, as in TA-Lib. `fast` must be below `slow`.",
    parameters=numbers(fast=12, slow=26, signal=9),
    ordered=(("fast", "slow"),),
    let={"joint": _MACD_LINE, "average": "ema(joint, signal)"},
)
define(
    "stochrsi",
    {"k": "after(fast, period + k_period + d_period - 2)", "d": "rolling_mean(fast, d_period)"},
    {"k": PERCENT, "d": PERCENT},
    "Stochastic RSI, Chande and Kroll (1994): place of RSI(period) in its range of `k_period` "
    "bars, 0-100, and the mean of `d_period` of them. No range gives 0, and one below 1e-9 is "
    "none: an unchanged close moves the RSI by rounding alone (TA-Lib scales that up). Both start "
    "at bar period + k_period + d_period - 2, as in TA-Lib.",
    parameters=(PERIOD, *numbers(k_period=5, d_period=3)),
    let={
        "strength": "rsi(x, period)",
        "lowest": "rolling_min(strength, k_period)",
        "width": "rolling_max(strength, k_period) - lowest",
        "fast": "100 * ratio(strength - lowest, width if width > 1e-9 else 0, fill=0)",
    },
)
define(
    "cci",
    "ratio(typical - rolling_mean(typical, period), "
    "0.015 * rolling_mean_deviation(typical, period), fill=0)",
    _ANY_RATIO,
    "Commodity channel index, Lambert (1980): (high + low + close)/3 less its mean of `period`, "
    "over 0.015 times the mean absolute deviation from it. A flat window gives 0.",
    parameters=(PERIOD,),
    let={"typical": "(high + low + close) / 3"},
)
define(
    "demarker",
    "ratio(up, up + down, fill=0.5)",
    _FROM_HALF,
    "DeMarker (1994), The New Science of Technical Analysis: mean rise of the high over `period` "
    "bars, over that plus the mean fall of the low. No rise and no fall gives 0.5.",
    parameters=(PERIOD,),
    let={
        "up": "rolling_mean(max(change(high, 1), 0), period)",
        "down": "rolling_mean(max(-change(low, 1), 0), period)",
    },
)
define(
    "qqe",
    {"fast": "quick", "slow": "steady", "spread": "quick - steady"},
    {"fast": PERCENT, "slow": PERCENT, "spread": OutputRange(-100.0, 100.0, "bounded")},
    "RSI smoothed twice, the lines of the quantitative qualitative estimation without its bands "
    "(the scaling laboratory's form): exponential means of RSI(period) over `fast` and `slow` "
    "bars, both from the first RSI on, and their difference.",
    parameters=(PERIOD, *numbers(fast=5, slow=14)),
    ordered=(("fast", "slow"),),
    let={
        "quick": "clip(ewm_span(rsi(x, period), fast), 0, 100)",
        "steady": "clip(ewm_span(rsi(x, period), slow), 0, 100)",
    },
)
define(
    "stc",
    "clip(ewm_span(twice, smooth), 0, 100)",
    PERCENT,
    "Schaff trend cycle, Schaff (1999): the MACD line (fast, slow; seeds as in TA-Lib), its place "
    "in its range of `cycle` bars, an exponential mean over `smooth` bars from the first value "
    "on, and both once more. No range gives 50.",
    parameters=numbers(fast=23, slow=50, cycle=10, smooth=3),
    ordered=(("fast", "slow"),),
    let={
        "joint": _MACD_LINE,
        "floor_1": "rolling_min(joint, cycle)",
        "once": "100 * ratio(joint - floor_1, rolling_max(joint, cycle) - floor_1, fill=0.5)",
        "soft": "ewm_span(once, smooth)",
        "floor_2": "rolling_min(soft, cycle)",
        "twice": "100 * ratio(soft - floor_2, rolling_max(soft, cycle) - floor_2, fill=0.5)",
    },
)
