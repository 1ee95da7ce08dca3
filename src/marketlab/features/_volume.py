"""Money Flow Index and Chaikin Money Flow: both mean nothing without volume."""

from marketlab.features._expression import Expression, primitive, source
from marketlab.features._indicator import (
    INDICATORS,
    PERCENT,
    PERIOD,
    SINGLE,
    UNIT,
    IndicatorDefinition,
    Parameters,
    fixed,
)


def _mfi(params: Parameters) -> dict[str, Expression]:
    typical = (source("high") + source("low") + source("close")) / 3.0
    flow = typical * source("volume")
    inflow, outflow = (
        primitive("rolling_sum", primitive(side, flow, typical), window=params["period"])
        for side in ("where_risen", "where_fallen")
    )
    return {SINGLE: 100.0 * (inflow / (inflow + outflow))}


INDICATORS.add(
    "mfi",
    IndicatorDefinition(
        "mfi",
        (PERIOD,),
        (SINGLE,),
        fixed(value=PERCENT),
        _mfi,
        "Money Flow Index, Quong and Soudack (1989): typical price times volume, summed over the "
        "last `period` bars by the sign of the typical price's change; 100 in/(in + out). No "
        "flow either way, as on a series without volume, gives a missing value (the original "
        "gave 100).",
        needs_volume=True,
    ),
)


def _cmf(params: Parameters) -> dict[str, Expression]:
    high, low, close = source("high"), source("low"), source("close")
    multiplier = primitive("ratio", (close - low) - (high - close), high - low, fill=0.0)
    volume = source("volume")
    window = params["period"]
    flow = primitive("rolling_sum", multiplier * volume, window=window)
    return {SINGLE: flow / primitive("rolling_sum", volume, window=window)}


INDICATORS.add(
    "cmf",
    IndicatorDefinition(
        "cmf",
        (PERIOD,),
        (SINGLE,),
        fixed(value=UNIT),
        _cmf,
        "Chaikin Money Flow: sum over `period` bars of volume times ((close - low) - (high - "
        "close))/(high - low), over the sum of volume. A bar without range counts 0; a window "
        "without volume gives a missing value (the original gave 0).",
        needs_volume=True,
    ),
)
