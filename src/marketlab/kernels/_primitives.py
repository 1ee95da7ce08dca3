"""The table of causal primitives: what each reads, how much state it keeps, how it is called.

A primitive is never handed a later bar, and one kernel serves research (one call over many bars)
and live running (one call per bar), so whatever is composed of primitives is causal and equal in
both. A new one is a kernel file and one entry here; the contract suite in ``tests/kernels``
picks it up by itself.

This file compiles nothing, yet decides the numbers that kernels receive (a smoothing factor, say),
so it must count among the kernel sources by which a saved state is known. The hash takes every
file that holds the mark @jit, and here it stands.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from marketlab.core import ConfigError, FloatArray, PluginRegistry
from marketlab.kernels import _elementwise as element
from marketlab.kernels import _membership as fuzzy
from marketlab.kernels._lag import after, lag
from marketlab.kernels._rolling import (
    bars_since_extreme,
    rolling_extreme,
    rolling_std,
    rolling_sum,
)
from marketlab.kernels._smoothing import smooth

Number = int | float
Params = Mapping[str, Number]
Inputs = Sequence[FloatArray]
Call = tuple[Callable[..., Any], tuple[Any, ...]]
Memory = Literal["none", "window", "recursive"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number that a primitive takes, with its inclusive bounds."""

    name: str
    low: float
    high: float
    integer: bool = True

    def check(self, value: Number, *, of: str) -> Number:
        """Return `value` in its own type; raise `ConfigError` if it breaks the declaration."""
        right_type = isinstance(value, int if self.integer else int | float)
        if isinstance(value, bool) or not right_type or not self.low <= value <= self.high:
            kind = "an integer" if self.integer else "a number"
            raise ConfigError(
                f"{self.name} of {of} must be {kind} in [{self.low:g}, {self.high:g}]; "
                f"received {value!r}.",
                code="CONFIG-InvalidParameter",
                field=self.name,
                value=value,
            )
        return int(value) if self.integer else float(value)


@dataclass(frozen=True, slots=True)
class Primitive:
    """A causal operation on columns.

    Attributes
    ----------
    name : unique name, part of every expression's key.
    n_inputs : number of input columns.
    parameters : its numbers, in the order in which keys show them.
    memory : "none" (bar by bar), "window" (a missing input matters while it is in the window) or
        "recursive" (a missing input gives a missing output and leaves the state as it was).
    bind : returns the kernel and its arguments for given inputs, parameters, state and output.
    state_size : length of the float64 state array, which starts as zeros.
    own_warm_up : bars at the start that are missing even if the inputs are complete.
    summary : what it computes, one line.
    """

    name: str
    n_inputs: int
    parameters: tuple[Parameter, ...]
    memory: Memory
    bind: Callable[[Inputs, Params, FloatArray, FloatArray], Call]
    state_size: Callable[[Params], int]
    own_warm_up: Callable[[Params], int]
    summary: str

    def check(self, params: Params) -> dict[str, Number]:
        """Return `params` in declared order; raise `ConfigError` for a missing or unknown one."""
        names = [p.name for p in self.parameters]
        if sorted(names) != sorted(params):
            raise ConfigError(
                f"{self.name} takes the parameters {names}; received {sorted(params)}.",
                code="CONFIG-InvalidParameter",
            )
        return {p.name: p.check(params[p.name], of=self.name) for p in self.parameters}

    def warm_up(self, params: Params, inputs: Sequence[int]) -> int:
        """Return how many first bars are missing, given those of the inputs."""
        if self.name == "coalesce":
            return min(inputs)
        if self.name == "after":
            return max(*inputs, int(params["bars"]))
        return max(inputs) + self.own_warm_up(params)

    def batch(self, *inputs: FloatArray, **params: Number) -> FloatArray:
        """Return the primitive over whole columns of shape (n,), from a fresh state."""
        checked = self.check(params)
        columns = [np.array(x, dtype=np.float64) for x in inputs]
        out = np.empty_like(columns[0])
        kernel, arguments = self.bind(columns, checked, np.zeros(self.state_size(checked)), out)
        kernel(*arguments)
        return out


PRIMITIVES: PluginRegistry[Primitive] = PluginRegistry("primitive")


def _none(_: Params) -> int:
    return 0


def _add(
    name: str,
    n_inputs: int,
    bind: Callable[[Inputs, Params, FloatArray, FloatArray], Call],
    summary: str,
    *,
    parameters: tuple[Parameter, ...] = (),
    memory: Memory = "none",
    state: Callable[[Params], int] = _none,
    warm_up: Callable[[Params], int] = _none,
) -> None:
    PRIMITIVES.add(
        name, Primitive(name, n_inputs, parameters, memory, bind, state, warm_up, summary)
    )


def _binary(name: str, operation: int, summary: str) -> None:
    _add(name, 2, lambda x, _p, _s, out: (element.binary, (operation, *x, out)), summary)


def _unary(name: str, operation: int, summary: str) -> None:
    _add(name, 1, lambda x, _p, _s, out: (element.unary, (operation, *x, out)), summary)


_ANY = 1e300
_MAX_WINDOW = 100_000
WINDOW = Parameter("window", 2, _MAX_WINDOW)
BARS = Parameter("bars", 1, _MAX_WINDOW)
SPAN = Parameter("n", 2, _MAX_WINDOW)

_binary("add", element.ADD, "a + b")
_binary("sub", element.SUB, "a - b")
_binary("mul", element.MUL, "a * b")
_binary("maximum", element.MAXIMUM, "the larger of a and b")
_binary("minimum", element.MINIMUM, "the smaller of a and b")
_binary("greater", element.GREATER, "1 where a > b, else 0")
_binary("coalesce", element.COALESCE, "a where it is there, else b")
_unary("absolute", element.ABSOLUTE, "|x|")
_unary("negative", element.NEGATIVE, "-x")
_unary("log", element.LOG, "natural logarithm; missing for x <= 0")
_unary("sign", element.SIGN, "-1, 0 or 1")
_add(
    "div",
    2,
    lambda x, _p, _s, out: (element.ratio, (*x, np.nan, out)),
    "a / b; missing where b is 0",
)
_add(
    "ratio",
    2,
    lambda x, p, _s, out: (element.ratio, (*x, float(p["fill"]), out)),
    "a / b; fill where b is 0",
    parameters=(Parameter("fill", -_ANY, _ANY, integer=False),),
)
_add(
    "where",
    3,
    lambda x, _p, _s, out: (element.where, (*x, out)),
    "a where the condition is not 0, else b",
)
_add(
    "clip",
    1,
    lambda x, p, _s, out: (element.clip, (*x, float(p["low"]), float(p["high"]), out)),
    "x limited to [low, high]",
    parameters=(
        Parameter("low", -_ANY, _ANY, integer=False),
        Parameter("high", -_ANY, _ANY, integer=False),
    ),
)
_add(
    "lag",
    1,
    lambda x, p, state, out: (lag, (*x, int(p["bars"]), state, out)),
    "the value of `bars` bars ago",
    parameters=(BARS,),
    memory="window",
    state=lambda p: 1 + int(p["bars"]),
    warm_up=lambda p: int(p["bars"]),
)
_add(
    "after",
    1,
    lambda x, p, state, out: (after, (*x, int(p["bars"]), state, out)),
    "x, missing in the first `bars` bars of the series",
    parameters=(BARS,),
    memory="window",
    state=lambda _: 1,
    warm_up=lambda p: int(p["bars"]),
)
_add(
    "wilder",
    1,
    lambda x, p, state, out: (smooth, (*x, 1.0 / p["n"], int(p["n"]), state, out)),
    "Wilder's smoothing, alpha = 1/n, started from the mean of the first n values",
    parameters=(SPAN,),
    memory="recursive",
    state=lambda _: 2,
    warm_up=lambda p: int(p["n"]) - 1,
)
_add(
    "ema",
    1,
    lambda x, p, state, out: (smooth, (*x, 2.0 / (p["n"] + 1), int(p["n"]), state, out)),
    "exponential mean, alpha = 2/(n+1), started from the mean of the first n values",
    parameters=(SPAN,),
    memory="recursive",
    state=lambda _: 2,
    warm_up=lambda p: int(p["n"]) - 1,
)
_add(
    "ewm",
    1,
    lambda x, p, state, out: (smooth, (*x, 1.0 / p["n"], 1, state, out)),
    "exponential mean, alpha = 1/n, from the first value on, without a seed",
    parameters=(SPAN,),
    memory="recursive",
    state=lambda _: 2,
)


def _window(
    name: str,
    bind: Callable[[Inputs, Params, FloatArray, FloatArray], Call],
    summary: str,
    *,
    extra: tuple[Parameter, ...] = (),
    state: Callable[[int], int] = lambda window: 3 + 2 * window,
) -> None:
    _add(
        name,
        1,
        bind,
        summary,
        parameters=(WINDOW, *extra),
        memory="window",
        state=lambda p: state(int(p["window"])),
        warm_up=lambda p: int(p["window"]) - 1,
    )


_window(
    "rolling_sum",
    lambda x, p, state, out: (rolling_sum, (*x, int(p["window"]), 1.0, state, out)),
    "sum of the last `window` values",
)
_window(
    "rolling_mean",
    lambda x, p, state, out: (
        rolling_sum,
        (*x, int(p["window"]), float(p["window"]), state, out),
    ),
    "mean of the last `window` values",
)
_window(
    "rolling_max",
    lambda x, p, state, out: (rolling_extreme, (*x, int(p["window"]), 1.0, state, out)),
    "largest of the last `window` values",
)
_window(
    "rolling_min",
    lambda x, p, state, out: (rolling_extreme, (*x, int(p["window"]), -1.0, state, out)),
    "smallest of the last `window` values",
)
_window(
    "rolling_std",
    lambda x, p, state, out: (rolling_std, (*x, int(p["window"]), int(p["ddof"]), state, out)),
    "standard deviation of the last `window` values, divisor window - ddof",
    extra=(Parameter("ddof", 0, 1),),
    state=lambda window: 4 + 3 * window,
)
for _name, _sign in (("bars_since_max", 1.0), ("bars_since_min", -1.0)):
    _window(
        _name,
        lambda x, p, state, out, sign=_sign: (  # type: ignore[misc]
            bars_since_extreme,
            (*x, int(p["window"]), sign, int(p["newest"]), state, out),
        ),
        "bars since the extreme of the last `window` values; of equals the oldest, or newest (1)",
        extra=(Parameter("newest", 0, 1),),
        state=lambda window: 3 + window,
    )

_POINT = tuple(Parameter(name, -_ANY, _ANY, integer=False) for name in "abcd")
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


def _bind_membership(kind: int, n: int) -> Callable[[Inputs, Params, FloatArray, FloatArray], Call]:
    def bind(x: Inputs, p: Params, _state: FloatArray, out: FloatArray) -> Call:
        points = [float(p[name]) for name in "abcd"[:n]] + [0.0] * (4 - n)
        return fuzzy.membership, (kind, *x, *points, out)

    return bind


for _name, _kind in MEMBERSHIPS.items():
    _n = N_MEMBERSHIP_PARAMETERS[_name]
    _add(
        _name,
        1,
        _bind_membership(_kind, _n),
        f"degree of membership in a {_name.replace('_', ' ')} fuzzy set",
        parameters=_POINT[:_n],
    )
