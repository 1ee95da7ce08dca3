"""Fused parts of indicators (the mark @jit: see ``_primitives.py``)."""

from marketlab.kernels._movement import (
    average_true_range,
    directional_movement,
    relative_strength,
    true_range,
    where_moved,
)
from marketlab.kernels._primitives import MAX_WINDOW, SPAN, Parameter, calls, register
from marketlab.kernels._smoothing import smooth_apart

register(
    "true_range",
    3,
    calls(true_range),
    "largest of high - low and the distances of both to the close before; high, low, close",
    memory="window",
    state=lambda _: 2,
    warm_up=lambda _: 1,
)
register(
    "average_true_range",
    3,
    calls(average_true_range, "n"),
    "Wilder's average of the true range of high, low, close",
    parameters=(SPAN,),
    memory="recursive",
    state=lambda _: 3,
    warm_up=lambda p: int(p["n"]),
)
for _name, _side, _summary in (
    ("plus_movement", 1.0, "Wilder's +DM of high and low: the rise of the high if it is larger"),
    ("minus_movement", -1.0, "Wilder's -DM of high and low: the fall of the low if it is larger"),
):
    register(
        _name,
        2,
        calls(directional_movement, _side),
        _summary,
        memory="window",
        state=lambda _: 3,
        warm_up=lambda _: 1,
    )
for _name, _side, _summary in (
    ("where_risen", 1.0, "a at bars at which b rose, else 0"),
    ("where_fallen", -1.0, "a at bars at which b fell, else 0"),
):
    register(
        _name,
        2,
        calls(where_moved, _side),
        _summary,
        memory="window",
        state=lambda _: 2,
        warm_up=lambda _: 1,
        # Only the second input is compared with the bar before.
        joint_warm_up=lambda _, inputs: max(inputs[0], inputs[1] + 1),
    )
register(
    "relative_strength",
    1,
    calls(relative_strength, "n"),
    "100 U / (U + D), Wilder averages of rises and falls of x; 50 where both are 0",
    parameters=(SPAN,),
    memory="recursive",
    state=lambda _: 4,
    warm_up=lambda p: int(p["n"]),
)
register(
    "ema_gap",
    1,
    calls(smooth_apart, "fast", "slow"),
    "EMA(fast) - EMA(slow), both started at the value `slow` from the mean of their last values",
    parameters=(Parameter("fast", 1, MAX_WINDOW), Parameter("slow", 2, MAX_WINDOW)),
    memory="recursive",
    state=lambda _: 3,
    warm_up=lambda p: int(p["slow"]) - 1,
    rule=lambda p: "fast must be below slow" if p["fast"] >= p["slow"] else None,
)
