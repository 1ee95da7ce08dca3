"""Primitives that carry something from bar to bar (the mark @jit: see ``_primitives.py``)."""

import math

from marketlab.kernels._accumulate import cumulative_sum
from marketlab.kernels._adaptive import kama
from marketlab.kernels._events import bars_since, hold, streak
from marketlab.kernels._primitives import ANY, MAX_WINDOW, SPAN, Parameter, calls, register
from marketlab.kernels._smoothing import smooth
from marketlab.kernels._stops import parabolic_sar, supertrend
from marketlab.kernels._volume_force import klinger_force

_AVERAGE_STATE = 2

register(
    "wilder",
    1,
    lambda x, p, state, out: (smooth, (*x, 1.0 / p["n"], int(p["n"]), state, out)),
    "Wilder's smoothing, alpha = 1/n, started from the mean of the first n values",
    parameters=(SPAN,),
    memory="recursive",
    state=lambda _: _AVERAGE_STATE,
    warm_up=lambda p: int(p["n"]) - 1,
)
register(
    "ema",
    1,
    lambda x, p, state, out: (smooth, (*x, 2.0 / (p["n"] + 1), int(p["n"]), state, out)),
    "exponential mean, alpha = 2/(n+1), started from the mean of the first n values",
    parameters=(SPAN,),
    memory="recursive",
    state=lambda _: _AVERAGE_STATE,
    warm_up=lambda p: int(p["n"]) - 1,
)
register(
    "ewm",
    1,
    lambda x, p, state, out: (smooth, (*x, 1.0 / p["n"], 1, state, out)),
    "exponential mean, alpha = 1/n, from the first value on, without a seed",
    parameters=(SPAN,),
    memory="recursive",
    state=lambda _: _AVERAGE_STATE,
)
register(
    "ewm_span",
    1,
    lambda x, p, state, out: (smooth, (*x, 2.0 / (p["n"] + 1), 1, state, out)),
    "exponential mean, alpha = 2/(n+1), from the first value on (pandas ewm(span=n))",
    parameters=(SPAN,),
    memory="recursive",
    state=lambda _: _AVERAGE_STATE,
)
register(
    "ewm_halflife",
    1,
    lambda x, p, state, out: (
        smooth,
        (*x, 1.0 - math.exp(-math.log(2.0) / p["halflife"]), 1, state, out),
    ),
    "exponential mean whose weights halve every `halflife` bars, from the first value on",
    parameters=(Parameter("halflife", 1e-3, MAX_WINDOW, integer=False),),
    memory="recursive",
    state=lambda _: _AVERAGE_STATE,
)
register(
    "cumulative_sum",
    1,
    calls(cumulative_sum),
    "sum of all values so far, compensated; depends on where the series starts",
    memory="recursive",
    state=lambda _: 2,
)
register(
    "streak",
    1,
    calls(streak),
    "bars in a row for which the condition is not 0, this one included",
    memory="recursive",
    state=lambda _: 1,
)
register(
    "bars_since",
    1,
    calls(bars_since),
    "bars since the condition was last not 0; missing before it ever was",
    memory="recursive",
    state=lambda _: 1,
)
register(
    "hold",
    2,
    calls(hold),
    "a at the last bar at which the condition b was not 0; missing before there was one",
    memory="recursive",
    state=lambda _: 2,
)
register(
    "kama",
    1,
    calls(kama, "n", "fast", "slow"),
    "adaptive mean of Kaufman: efficiency over n bars, speeds between 2/(slow+1) and 2/(fast+1)",
    parameters=(SPAN, Parameter("fast", 1, MAX_WINDOW), Parameter("slow", 1, MAX_WINDOW)),
    memory="recursive",
    state=lambda p: 4 + 3 * int(p["n"]),
    warm_up=lambda p: int(p["n"]),
    rule=lambda p: "fast must be below slow" if p["fast"] >= p["slow"] else None,
)
for _name, _direction, _summary in (
    ("supertrend", 0, "Supertrend line of high, low, close and an average true range"),
    ("supertrend_direction", 1, "direction of that Supertrend: 1 rising, -1 falling"),
):
    register(
        _name,
        4,
        calls(supertrend, "multiplier", _direction),
        _summary,
        parameters=(Parameter("multiplier", 0.0, ANY, integer=False),),
        memory="recursive",
        state=lambda _: 4,
    )
register(
    "parabolic_sar",
    2,
    calls(parabolic_sar, "step", "limit"),
    "parabolic stop and reverse of high and low",
    parameters=(
        Parameter("step", 0.0, 1.0, integer=False),
        Parameter("limit", 0.0, 1.0, integer=False),
    ),
    memory="recursive",
    state=lambda _: 7,
    warm_up=lambda _: 1,
    rule=lambda p: "step must not be above limit" if p["step"] > p["limit"] else None,
)
register(
    "klinger_force",
    4,
    calls(klinger_force),
    "Klinger's volume force of high, low, close and volume",
    memory="recursive",
    state=lambda _: 5,
    warm_up=lambda _: 1,
)
