"""ADX with its directional indicators, Aroon, and plain moving averages."""

from functools import partial

from marketlab.features._expression import Expression, const, primitive, source
from marketlab.features._indicator import (
    INDICATORS,
    PERCENT,
    PERIOD,
    PRICE,
    SINGLE,
    SOURCE,
    IndicatorDefinition,
    OutputRange,
    Parameters,
    fixed,
)


def true_range() -> Expression:
    """Return the true range in price units; missing at the first bar, which has no close before."""
    return primitive("true_range", source("high"), source("low"), source("close"))


def _directional_movement() -> tuple[Expression, Expression]:
    """Return +DM and -DM; missing at the first bar."""
    high, low = source("high"), source("low")
    return primitive("plus_movement", high, low), primitive("minus_movement", high, low)


def _adx_of(
    smoother: str, period: int, moves: tuple[Expression, Expression], ranges: Expression
) -> dict[str, Expression]:
    smoothed_range = primitive(smoother, ranges, n=period)
    plus, minus = (
        primitive(
            "clip",
            100.0 * primitive("ratio", primitive(smoother, m, n=period), smoothed_range, fill=0.0),
            low=0.0,
            high=100.0,
        )
        for m in moves
    )
    strength = 100.0 * primitive("ratio", abs(plus - minus), plus + minus, fill=0.0)
    return {
        "adx": primitive(smoother, strength, n=period),
        "plus_di": plus,
        "minus_di": minus,
    }


def _adx_ewm(params: Parameters) -> dict[str, Expression]:
    zero = const(0.0)
    plus, minus = _directional_movement()
    moves = (primitive("coalesce", plus, zero), primitive("coalesce", minus, zero))
    first_too = primitive("coalesce", true_range(), source("high") - source("low"))
    outputs = _adx_of("ewm", params["period"], moves, first_too)
    # The recursion gives numbers from the first bar on; the original asks for 2n+1 bars.
    return {
        name: primitive("after", node, bars=2 * params["period"]) for name, node in outputs.items()
    }


def _adx_wilder(params: Parameters) -> dict[str, Expression]:
    return _adx_of("wilder", params["period"], _directional_movement(), true_range())


def _adx_talib(params: Parameters) -> dict[str, Expression]:
    """Return Wilder's form with TA-Lib's seeds: a first bar of 0 among the first `period`."""
    period, zero = params["period"], const(0.0)
    plus, minus = _directional_movement()
    moves = (primitive("coalesce", plus, zero), primitive("coalesce", minus, zero))
    outputs = _adx_of("wilder", period, moves, primitive("coalesce", true_range(), zero))
    lines = {n: primitive("after", outputs[n], bars=period) for n in ("plus_di", "minus_di")}
    plus, minus = lines["plus_di"], lines["minus_di"]
    strength = 100.0 * primitive("ratio", abs(plus - minus), plus + minus, fill=0.0)
    return {"adx": primitive("wilder", strength, n=period), **lines}


INDICATORS.add(
    "adx",
    IndicatorDefinition(
        "adx",
        (PERIOD,),
        ("adx", "plus_di", "minus_di"),
        fixed(adx=PERCENT, plus_di=PERCENT, minus_di=PERCENT),
        _adx_ewm,
        "Average Directional Index after Wilder (1978) with exponential smoothing of alpha = "
        "1/period from the first bar and no seed: the original's formula, and so what `adx` means "
        "in the campaign's files. All outputs are missing in the first 2 * period bars. A window "
        "without range or without movement gives 0. For Wilder's seeded form see adx_wilder; "
        "both agree once the start is forgotten.",
    ),
    aliases=("adx_ewm",),
)
INDICATORS.add(
    "adx_wilder",
    IndicatorDefinition(
        "adx_wilder",
        (PERIOD,),
        ("adx", "plus_di", "minus_di"),
        fixed(adx=PERCENT, plus_di=PERCENT, minus_di=PERCENT),
        _adx_wilder,
        "Average Directional Index, Wilder (1978): smoothing seeded by the mean of the first "
        "`period` values; directional indicators from bar `period`, adx from 2 * period - 1. "
        "TA-Lib seeds with period - 1 values; the difference fades as (1 - 1/period)^bars.",
    ),
)
INDICATORS.add(
    "adx_talib",
    IndicatorDefinition(
        "adx_talib",
        (PERIOD,),
        ("adx", "plus_di", "minus_di"),
        fixed(adx=PERCENT, plus_di=PERCENT, minus_di=PERCENT),
        _adx_talib,
        "Average Directional Index, Wilder (1978), with TA-Lib's seeds: movement and range start "
        "as the sum of the first period - 1 values, directional indicators come from bar "
        "`period`, adx from 2 * period - 1. No range or movement gives 0 (TA-Lib keeps the adx of "
        "the bar before).",
    ),
)


def _aroon(window: int, newest: int, params: Parameters) -> dict[str, Expression]:
    """Return Aroon over ``period + window`` bars (window 0: the current bar is one of `period`)."""
    period: int = params["period"]

    def line(name: str, column: str) -> Expression:
        since = primitive(name, source(column), window=period + window, newest=newest)
        return 100.0 * (period - since) / float(period)

    up, down = line("bars_since_max", "high"), line("bars_since_min", "low")
    return {"up": up, "down": down, "oscillator": up - down}


def _aroon_ranges(window: int, params: Parameters) -> dict[str, OutputRange]:
    lowest = 100.0 * (1 - window) / float(params["period"])
    line = OutputRange(lowest, 100.0, "bounded")
    return {
        "up": line,
        "down": line,
        "oscillator": OutputRange(lowest - 100.0, 100.0 - lowest, "bounded"),
    }


INDICATORS.add(
    "aroon",
    IndicatorDefinition(
        "aroon",
        (PERIOD,),
        ("up", "down", "oscillator"),
        partial(_aroon_ranges, 0),
        partial(_aroon, 0, 0),
        "Aroon, Chande (1995): 100 (period - bars since the extreme)/period over the last "
        "`period` bars including the present one, the oldest of equal extremes (the original's "
        "form). Range 100/period to 100.",
    ),
)
INDICATORS.add(
    "aroon_inclusive",
    IndicatorDefinition(
        "aroon_inclusive",
        (PERIOD,),
        ("up", "down", "oscillator"),
        partial(_aroon_ranges, 1),
        partial(_aroon, 1, 1),
        "Aroon, Chande (1995), over period + 1 bars, the newest of equal extremes: range 0 to "
        "100, as in TA-Lib.",
    ),
)
INDICATORS.add(
    "sma",
    IndicatorDefinition(
        "sma",
        (PERIOD, SOURCE),
        (SINGLE,),
        fixed(value=PRICE),
        lambda p: {SINGLE: primitive("rolling_mean", source(p["source"]), window=p["period"])},
        "Simple mean of the last `period` prices, in price units.",
    ),
)
INDICATORS.add(
    "ema",
    IndicatorDefinition(
        "ema",
        (PERIOD, SOURCE),
        (SINGLE,),
        fixed(value=PRICE),
        lambda p: {SINGLE: primitive("ema", source(p["source"]), n=p["period"])},
        "Exponential mean of prices, alpha = 2/(period + 1), started from the mean of the first "
        "`period` prices (as TA-Lib does), in price units.",
    ),
)
