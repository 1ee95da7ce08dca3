"""On-balance volume, Chaikin's lines and Klinger's oscillator: nothing without volume."""

from marketlab.features._define import define, numbers
from marketlab.features._indicator import INF, OutputRange

_ANY = OutputRange(-INF, INF, "count")
_START = "Depends on where the series starts."

define(
    "obv",
    "cumulative_sum(coalesce(sign(change(close, 1)), 1) * volume)",
    _ANY,
    "On-balance volume, Granville (1963): volume added on a higher close and taken off on a lower "
    f"one; the first bar counts its volume, as in TA-Lib. {_START}",
    needs_volume=True,
)
define(
    "accumulation_distribution",
    "cumulative_sum(ratio((close - low) - (high - close), high - low, fill=0) * volume)",
    _ANY,
    "Accumulation/distribution line, Chaikin (TA-Lib's AD): volume times where the close stands "
    f"in its bar, -1 to 1, added up; a bar without range counts 0. {_START}",
    needs_volume=True,
)
define(
    "adosc",
    "after(ewm_span(line, fast) - ewm_span(line, slow), slow - 1)",
    _ANY,
    "Chaikin oscillator (TA-Lib's ADOSC): exponential means of the accumulation/distribution line "
    "over `fast` and `slow` bars, both from its first value on; first value at bar slow - 1. "
    "Its start is forgotten as the means forget it.",
    parameters=numbers(fast=3, slow=10),
    ordered=(("fast", "slow"),),
    let={"line": "accumulation_distribution()"},
    needs_volume=True,
)
define(
    "volume_price_trend",
    "cumulative_sum(coalesce(change(close, 1) / lag(close, 1), 0) * volume)",
    _ANY,
    f"Volume price trend: volume times the simple return of its bar, added up. {_START}",
    needs_volume=True,
)
for _name, _force, _what in (
    (
        "klinger",
        "klinger_force(high, low, close, volume)",
        (
            "Klinger's volume force with its cumulative measure of the trend (1997, Stocks & "
            "Commodities 15(12))"
        ),
    ),
    (
        "klinger_simple",
        "volume * (high - low) * sign(change(high + low + close, 1))",
        (
            "volume times range, signed by the change of the typical price: a simpler force than "
            "Klinger's own, see klinger"
        ),
    ),
):
    define(
        _name,
        {"kvo": "spread", "signal": "average", "histogram": "spread - average"},
        {"kvo": _ANY, "signal": _ANY, "histogram": _ANY},
        "Klinger oscillator: exponential means over `fast` less `slow` bars of the force, their "
        f"mean over `signal` bars, all from the first value on. Force: {_what}.",
        parameters=numbers(fast=34, slow=55, signal=13),
        ordered=(("fast", "slow"),),
        let={
            "force": _force,
            "spread": "ewm_span(force, fast) - ewm_span(force, slow)",
            "average": "ewm_span(spread, signal)",
        },
        needs_volume=True,
    )
