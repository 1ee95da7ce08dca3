"""RSI, Stochastic, Williams %R and the Relative Vigor Index."""

from marketlab.features._expression import Expression, const, primitive, source
from marketlab.features._indicator import (
    INDICATORS,
    PERCENT,
    PERIOD,
    SINGLE,
    SOURCE,
    UNIT,
    IndicatorDefinition,
    IndicatorParameter,
    OutputRange,
    Parameters,
    fixed,
)


def gains_and_losses(x: Expression) -> tuple[Expression, Expression]:
    """Return the upward and the downward part of each bar's change, both >= 0."""
    change = x.change()
    zero = const(0.0)
    return primitive("maximum", change, zero), primitive("maximum", -change, zero)


def percent_of(part: Expression, rest: Expression, *, fill: float) -> Expression:
    """Return ``100 part / (part + rest)``, and ``100 fill`` where both are 0."""
    return 100.0 * primitive("ratio", part, part + rest, fill=fill)


def _rsi_sma(params: Parameters) -> dict[str, Expression]:
    up, down = (
        primitive("rolling_mean", side, window=params["period"])
        for side in gains_and_losses(source(params["source"]))
    )
    return {SINGLE: percent_of(up, down, fill=0.5)}


INDICATORS.add(
    "rsi",
    IndicatorDefinition(
        "rsi",
        (PERIOD, SOURCE),
        (SINGLE,),
        fixed(value=PERCENT),
        lambda p: {SINGLE: primitive("relative_strength", source(p["source"]), n=p["period"])},
        "Relative Strength Index, Wilder (1978), New Concepts in Technical Trading Systems: "
        "100 U/(U+D) with Wilder averages of gains and losses, first value at bar `period` from "
        "the mean of that many changes. No loss gives 100, no change at all 50 (TA-Lib: 0).",
    ),
    aliases=("rsi_wilder",),
)
INDICATORS.add(
    "rsi_sma",
    IndicatorDefinition(
        "rsi_sma",
        (PERIOD, SOURCE),
        (SINGLE,),
        fixed(value=PERCENT),
        _rsi_sma,
        "RSI with simple means of the last `period` gains and losses (Cutler's RSI). "
        "No change at all gives 50.",
    ),
)


def raw_stochastic(period: int) -> Expression:
    """Return where the close stands in the range of the last `period` bars, 0–100; flat: 50."""
    highest = primitive("rolling_max", source("high"), window=period)
    lowest = primitive("rolling_min", source("low"), window=period)
    return 100.0 * primitive("ratio", source("close") - lowest, highest - lowest, fill=0.5)


def _mean(x: Expression, window: int) -> Expression:
    return x if window == 1 else primitive("rolling_mean", x, window=window)


def _stochastic(params: Parameters) -> dict[str, Expression]:
    k = _mean(raw_stochastic(params["k_period"]), params["smooth_k"])
    return {"k": k, "d": _mean(k, params["d_period"])}


INDICATORS.add(
    "stochastic",
    IndicatorDefinition(
        "stochastic",
        (
            IndicatorParameter("k_period"),
            IndicatorParameter("d_period", low=1, default=3),
            IndicatorParameter("smooth_k", low=1, default=3),
        ),
        ("k", "d"),
        fixed(k=PERCENT, d=PERCENT),
        _stochastic,
        "Stochastic oscillator, Lane: %K raw = 100 (close - lowest low)/(highest high - lowest "
        "low) over k_period bars, k = its mean of smooth_k, d = mean of k over d_period. A window "
        "without range gives 50; warm-up stays missing (the original wrote 50).",
    ),
)
INDICATORS.add(
    "williams_r",
    IndicatorDefinition(
        "williams_r",
        (PERIOD,),
        (SINGLE,),
        fixed(value=OutputRange(-100.0, 0.0, "bounded")),
        lambda p: {SINGLE: raw_stochastic(p["period"]) - 100.0},
        "Williams %R: raw %K of `period` bars minus 100, bar by bar. A window without range "
        "gives -50; warm-up stays missing (the original wrote -50).",
    ),
    aliases=("williamsr",),
)


def _swma(x: Expression) -> Expression:
    """Return the mean of the last four values with weights 1-2-2-1."""
    return (x + 2.0 * x.lag(1) + 2.0 * x.lag(2) + x.lag(3)) / 6.0


def _vigor(params: Parameters) -> Expression:
    body = _swma(source("close") - source("open"))
    bar_range = _swma(source("high") - source("low"))
    window = params["period"]
    return primitive("ratio", _mean(body, window), _mean(bar_range, window), fill=0.0)


def _rvi(params: Parameters) -> dict[str, Expression]:
    vigor = _vigor(params)
    return {"rvi": vigor, "signal": _mean(vigor, 4)}


def _rvi_swma(params: Parameters) -> dict[str, Expression]:
    vigor = _vigor(params)
    return {"rvi": vigor, "signal": _swma(vigor)}


_VIGOR = (
    "Relative Vigor Index, Ehlers (2002), Stocks & Commodities 20(1): close - open over high - "
    "low, both weighted 1-2-2-1 over four bars and averaged over `period`; signal = "
)
INDICATORS.add(
    "rvi",
    IndicatorDefinition(
        "rvi",
        (PERIOD,),
        ("rvi", "signal"),
        fixed(rvi=UNIT, signal=UNIT),
        _rvi,
        _VIGOR + "mean of the last four values (the original's). No range at all gives 0. Not the "
        "Relative Volatility Index: that is rvi_volatility.",
    ),
)
INDICATORS.add(
    "rvi_swma",
    IndicatorDefinition(
        "rvi_swma",
        (PERIOD,),
        ("rvi", "signal"),
        fixed(rvi=UNIT, signal=UNIT),
        _rvi_swma,
        _VIGOR + "the 1-2-2-1 weighted mean of the last four values. No range at all gives 0.",
    ),
)
