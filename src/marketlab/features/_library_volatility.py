"""Bands, channels and volatility estimators."""

from marketlab.features._define import define, numbers
from marketlab.features._indicator import INF, PERIOD, PRICE, UNIT, OutputRange

_ANY_PRICE = OutputRange(-INF, INF, "price")
_ANY_RATIO = OutputRange(-INF, INF, "ratio")
_POSITIVE = OutputRange(0.0, INF, "ratio")
_SHARE = OutputRange(0.0, 1.0, "bounded")

for _name, _ddof, _form in (
    ("bollinger", 0, "population standard deviation, as in TA-Lib"),
    ("bollinger_sample", 1, "sample standard deviation (divisor period - 1)"),
):
    define(
        _name,
        {
            "upper": "middle + reach",
            "middle": "middle",
            "lower": "middle - reach",
            "percent_b": "ratio(x - (middle - reach), (middle + reach) - (middle - reach), "
            "fill=0.5)",
            "width": "100 * (2 * reach) / middle",
        },
        {
            "upper": PRICE,
            "middle": PRICE,
            "lower": _ANY_PRICE,
            "percent_b": _ANY_RATIO,
            "width": _POSITIVE,
        },
        f"Bollinger bands, Bollinger (2001): mean of `period` prices plus and minus `deviations` "
        f"times their {_form}. percent_b: where the price stands between the bands, 0 to 1 "
        "inside, 0.5 where they coincide; width: their distance in percent of the middle.",
        parameters=numbers(period=20, deviations=2),
        let={
            "middle": "rolling_mean(x, period)",
            "reach": f"deviations * rolling_std(x, period, ddof={_ddof})",
        },
    )
define(
    "donchian",
    {
        "upper": "upper",
        "middle": "(upper + lower) / 2",
        "lower": "lower",
        "position": "ratio(close - lower, upper - lower, fill=0.5)",
    },
    {"upper": PRICE, "middle": PRICE, "lower": PRICE, "position": _SHARE},
    "Donchian channel (1960): highest high and lowest low of `period` bars, this one included, "
    "their middle, and where the close stands between them, 0-1. No range gives 0.5.",
    parameters=(PERIOD,),
    let={"upper": "rolling_max(high, period)", "lower": "rolling_min(low, period)"},
)
define(
    "ichimoku",
    {
        "tenkan": "tenkan",
        "kijun": "kijun",
        "span_a": "(tenkan + kijun) / 2",
        "span_b": "(rolling_max(high, senkou_period) + rolling_min(low, senkou_period)) / 2",
    },
    {"tenkan": PRICE, "kijun": PRICE, "span_a": PRICE, "span_b": PRICE},
    "Ichimoku, Hosoda (1969): middles of the range of `tenkan_period`, `kijun_period` and "
    "`senkou_period` bars (span_b) and the mean of the first two (span_a). The spans are not "
    "displaced, so they are what is known at this bar.",
    parameters=numbers(tenkan_period=9, kijun_period=26, senkou_period=52),
    let={
        "tenkan": "(rolling_max(high, tenkan_period) + rolling_min(low, tenkan_period)) / 2",
        "kijun": "(rolling_max(high, kijun_period) + rolling_min(low, kijun_period)) / 2",
    },
)
for _name, _range, _form in (
    ("supertrend", "atr_wilder", "Wilder's"),
    ("supertrend_sma", "atr_sma", "simple means, as in the neuro-fuzzy original"),
):
    define(
        _name,
        {
            "line": "supertrend(high, low, close, reach, multiplier)",
            "direction": "supertrend_direction(high, low, close, reach, multiplier)",
        },
        {"line": _ANY_PRICE, "direction": UNIT},
        "Supertrend, Seban: (high + low)/2 plus and minus `multiplier` average true ranges "
        f"({_form}), each band held until the close passes it; line is the band followed, "
        "direction 1 rising and -1 falling. It starts falling; the recurrence is that of "
        "TradingView's ta.supertrend.",
        parameters=numbers(period=10, multiplier=3),
        let={"reach": f"{_range}(period)"},
    )
define(
    "keltner",
    {"upper": "middle + reach", "middle": "middle", "lower": "middle - reach"},
    {"upper": _ANY_PRICE, "middle": PRICE, "lower": _ANY_PRICE},
    "Keltner channel in Raschke's form: EMA of `period` closes plus and minus `multiplier` average "
    "true ranges (Wilder) of `atr_period`.",
    parameters=numbers(period=20, atr_period=10, multiplier=2),
    let={"middle": "ema(close, period)", "reach": "multiplier * atr_wilder(atr_period)"},
)
define(
    "parkinson",
    "sqrt(rolling_mean(log(high / low) ** 2, period) / (4 * log_2))",
    _POSITIVE,
    "Volatility per bar from high and low, Parkinson (1980), Journal of Business 53: root of the "
    "mean squared log range of `period` bars over 4 ln 2. A window without range gives 0.",
    parameters=(PERIOD,),
    let={"log_2": "log(2)"},
)
define(
    "garman_klass",
    "sqrt(rolling_mean(0.5 * log(high / low) ** 2 - (2 * log_2 - 1) * log(close / open) ** 2, "
    "period))",
    _POSITIVE,
    "Volatility per bar from all four prices, Garman and Klass (1980), Journal of Business 53: "
    "root of the mean of 0.5 ln(high/low)^2 - (2 ln 2 - 1) ln(close/open)^2 over `period` bars.",
    parameters=(PERIOD,),
    let={"log_2": "log(2)"},
)
define(
    "rogers_satchell",
    "sqrt(max(rolling_mean(log(high / close) * log(high / open) + "
    "log(low / close) * log(low / open), period), 0))",
    _POSITIVE,
    "Volatility per bar that a drift does not raise, Rogers and Satchell (1991), Annals of Applied "
    "Probability 1: root of the mean of ln(h/c) ln(h/o) + ln(l/c) ln(l/o) over `period` bars.",
    parameters=(PERIOD,),
)
define(
    "yang_zhang",
    "sqrt(rolling_std(log(open / lag(close, 1)), period, ddof=1) ** 2 + "
    "share * rolling_std(log(close / open), period, ddof=1) ** 2 + "
    "(1 - share) * rogers_satchell(period) ** 2)",
    _POSITIVE,
    "Volatility per bar with its overnight part, Yang and Zhang (2000), Journal of Business 73: "
    "variance of ln(open/close before) plus k times that of ln(close/open) plus 1 - k times that "
    "of rogers_satchell, k = 0.34/(1.34 + (period + 1)/(period - 1)), over `period` bars.",
    parameters=(PERIOD,),
    let={"share": "0.34 / (1.34 + (period + 1) / (period - 1))"},
)
define(
    "realised_volatility",
    "rolling_std(log(x / lag(x, 1)), period, ddof=1)",
    _POSITIVE,
    "Volatility per bar from closes: sample standard deviation of `period` log returns. Times the "
    "root of the bars in a year it is annual.",
    parameters=numbers(period=20),
)
