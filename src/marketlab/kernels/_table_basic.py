"""Primitives that look at one bar, or at the one value some bars ago (the mark @jit: see there)."""

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels import _calendar as clock
from marketlab.kernels import _elementwise as element
from marketlab.kernels import _membership as fuzzy
from marketlab.kernels._lag import after, lag
from marketlab.kernels._primitives import (
    ANY,
    BARS,
    Bind,
    Call,
    Inputs,
    Parameter,
    Params,
    calls,
    register,
)


def _binary(name: str, operation: int, summary: str) -> None:
    register(name, 2, lambda x, _p, _s, out: (element.binary, (operation, *x, out)), summary)


def _swapped(name: str, operation: int, summary: str) -> None:
    def bind(x: Inputs, _p: Params, _s: FloatArray, out: FloatArray) -> Call:
        return element.binary, (operation, x[1], x[0], out)

    register(name, 2, bind, summary)


def _unary(name: str, operation: int, summary: str) -> None:
    register(name, 1, lambda x, _p, _s, out: (element.unary, (operation, *x, out)), summary)


_binary("add", element.ADD, "a + b")
_binary("sub", element.SUB, "a - b")
_binary("mul", element.MUL, "a * b")
_binary("maximum", element.MAXIMUM, "the larger of a and b")
_binary("minimum", element.MINIMUM, "the smaller of a and b")
_binary("greater", element.GREATER, "1 where a > b, else 0")
_swapped("less", element.GREATER, "1 where a < b, else 0")
_binary("greater_equal", element.GREATER_EQUAL, "1 where a >= b, else 0")
_swapped("less_equal", element.GREATER_EQUAL, "1 where a <= b, else 0")
_binary("equal", element.EQUAL, "1 where a = b, else 0")
_binary("logical_and", element.AND, "1 where neither a nor b is 0, else 0")
_binary("logical_or", element.OR, "1 where a or b is not 0, else 0")
register(
    "coalesce",
    2,
    lambda x, _p, _s, out: (element.binary, (element.COALESCE, *x, out)),
    "a where it is there, else b",
    joint_warm_up=lambda _, inputs: min(inputs),
)
_binary("only_where", element.ONLY_WHERE, "a where b is not 0, else missing")
_unary("absolute", element.ABSOLUTE, "|x|")
_unary("negative", element.NEGATIVE, "-x")
_unary("log", element.LOG, "natural logarithm; missing for x <= 0")
_unary("sign", element.SIGN, "-1, 0 or 1")
_unary("sqrt", element.SQUARE_ROOT, "square root; missing for x < 0")
_unary("exp", element.EXPONENTIAL, "e to the power x")
_unary("floor", element.FLOOR, "the largest whole number that is not above x")
_unary("logical_not", element.NOT, "1 where x is 0, else 0")
_unary("is_present", element.IS_PRESENT, "1 where x is a finite number, else 0; never missing")
register("div", 2, calls(element.ratio, np.nan, stateless=True), "a / b; missing where b is 0")
register(
    "ratio",
    2,
    calls(element.ratio, "fill", stateless=True),
    "a / b; fill where b is 0",
    parameters=(Parameter("fill", -ANY, ANY, integer=False),),
)
register(
    "where",
    3,
    calls(element.where, stateless=True),
    "a where the condition is not 0, else b",
)
register(
    "clip",
    1,
    calls(element.clip, "low", "high", stateless=True),
    "x limited to [low, high]",
    parameters=(
        Parameter("low", -ANY, ANY, integer=False),
        Parameter("high", -ANY, ANY, integer=False),
    ),
    rule=lambda p: "low must not be above high" if p["low"] > p["high"] else None,
)
register(
    "lag",
    1,
    calls(lag, "bars"),
    "the value of `bars` bars ago",
    parameters=(BARS,),
    memory="window",
    state=lambda p: 1 + int(p["bars"]),
    warm_up=lambda p: int(p["bars"]),
)
register(
    "after",
    1,
    calls(after, "bars"),
    "x, missing in the first `bars` bars of the series",
    parameters=(BARS,),
    memory="window",
    state=lambda _: 1,
    warm_up=lambda p: int(p["bars"]),
    # Bars are counted from the start of the series, whenever the input begins.
    joint_warm_up=lambda p, inputs: max(*inputs, int(p["bars"])),
)


def _bind_calendar(x: Inputs, p: Params, _state: FloatArray, out: FloatArray) -> Call:
    field = int(p["field"])
    changes = clock.clock_changes(int(p["zone"]))
    unit, of_day = clock.seconds_per_unit(field), clock.day_table(field)
    return clock.calendar, (*x, *changes, unit, of_day, out)


register(
    "calendar",
    1,
    _bind_calendar,
    "a field of the local date and time, from seconds since 1970-01-01 UTC",
    parameters=(
        Parameter("field", 0, len(clock.CALENDAR_FIELDS) - 1),
        Parameter("zone", 0, len(clock.CALENDAR_ZONES) - 1),
    ),
)

_POINT = tuple(Parameter(name, -ANY, ANY, integer=False) for name in "abcd")
MEMBERSHIPS: dict[str, int] = {
    "triangular": fuzzy.TRIANGULAR,
    "trapezoidal": fuzzy.TRAPEZOIDAL,
    "gaussian": fuzzy.GAUSSIAN,
    "sigmoid": fuzzy.SIGMOID,
    "shoulder_left": fuzzy.SHOULDER_LEFT,
    "shoulder_right": fuzzy.SHOULDER_RIGHT,
}
"""Membership function -> number of its kernel; the parameters are in `membership`'s docstring."""

N_MEMBERSHIP_PARAMETERS = {
    "triangular": 3,
    "trapezoidal": 4,
    "gaussian": 2,
    "sigmoid": 2,
    "shoulder_left": 2,
    "shoulder_right": 2,
}


def _bind_membership(kind: int, n: int) -> Bind:
    def bind(x: Inputs, p: Params, _state: FloatArray, out: FloatArray) -> Call:
        points = [float(p[name]) for name in "abcd"[:n]] + [0.0] * (4 - n)
        return fuzzy.membership, (kind, *x, *points, out)

    return bind


for _name, _kind in MEMBERSHIPS.items():
    _n = N_MEMBERSHIP_PARAMETERS[_name]
    register(
        _name,
        1,
        _bind_membership(_kind, _n),
        f"degree of membership in a {_name.replace('_', ' ')} fuzzy set",
        parameters=_POINT[:_n],
    )
