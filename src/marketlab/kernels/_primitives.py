"""What a causal primitive is: what it reads, how much state it keeps, how it is called.

A primitive is never handed a later bar, and one kernel serves research (one call over many bars)
and live running (one call per bar), so whatever is composed of primitives is causal and equal in
both. A new one is a kernel file and one entry in a ``_table_*.py``; the contract suite in
``tests/kernels`` picks it up by itself.

This file and the tables compile nothing, yet decide the numbers that kernels receive (a smoothing
factor, say), so they must count among the kernel sources by which a saved state is known. The hash
takes every file that holds the mark @jit, and here it stands.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from marketlab.core import ConfigError, FloatArray, PluginRegistry

Number = int | float
Params = Mapping[str, Number]
Inputs = Sequence[FloatArray]
Call = tuple[Callable[..., Any], tuple[Any, ...]]
Bind = Callable[[Inputs, Params, FloatArray, FloatArray], Call]
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
    joint_warm_up : for a primitive whose inputs do not all count alike, returns the first bars
        that are missing from the parameters and those of each input; None: the largest of the
        inputs' plus its own.
    summary : what it computes, one line.
    rule : returns what is wrong with the parameters taken together (a sentence), or None.
    """

    name: str
    n_inputs: int
    parameters: tuple[Parameter, ...]
    memory: Memory
    bind: Bind
    state_size: Callable[[Params], int]
    own_warm_up: Callable[[Params], int]
    summary: str
    rule: Callable[[Params], str | None] | None = None
    joint_warm_up: Callable[[Params, Sequence[int]], int] | None = None

    def check(self, params: Params) -> dict[str, Number]:
        """Return `params` in declared order.

        Raises
        ------
        ConfigError for a missing or unknown one, one out of bounds, or a pair that breaks the rule.
        """
        names = [p.name for p in self.parameters]
        if sorted(names) != sorted(params):
            raise ConfigError(
                f"{self.name} takes the parameters {names}; received {sorted(params)}.",
                code="CONFIG-InvalidParameter",
            )
        checked = {p.name: p.check(params[p.name], of=self.name) for p in self.parameters}
        broken = self.rule(checked) if self.rule is not None else None
        if broken is not None:
            raise ConfigError(
                f"{broken} ({self.name}); received {checked}.",
                code="CONFIG-InvalidParameter",
                field=self.name,
                value=checked,
            )
        return checked

    def warm_up(self, params: Params, inputs: Sequence[int]) -> int:
        """Return how many first bars are missing, given those of the inputs."""
        if self.joint_warm_up is not None:
            return self.joint_warm_up(params, inputs)
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


MAX_WINDOW = 100_000
ANY = 1e300
WINDOW = Parameter("window", 2, MAX_WINDOW)
BARS = Parameter("bars", 1, MAX_WINDOW)
SPAN = Parameter("n", 2, MAX_WINDOW)


def no_bars(_: Params) -> int:
    """Return 0: no state, or no warm-up."""
    return 0


def calls(kernel: Callable[..., Any], *arguments: Number | str, stateless: bool = False) -> Bind:
    """Return the binding ``kernel(*inputs, *arguments, state, out)``.

    Parameters
    ----------
    arguments : a number as it is, or the name of a parameter.
    stateless : the kernel takes no state.
    """

    def bind(x: Inputs, params: Params, state: FloatArray, out: FloatArray) -> Call:
        values = [params[a] if isinstance(a, str) else a for a in arguments]
        return kernel, (*x, *values, out) if stateless else (*x, *values, state, out)

    return bind


def register(
    name: str,
    n_inputs: int,
    bind: Bind,
    summary: str,
    *,
    parameters: tuple[Parameter, ...] = (),
    memory: Memory = "none",
    state: Callable[[Params], int] = no_bars,
    warm_up: Callable[[Params], int] = no_bars,
    rule: Callable[[Params], str | None] | None = None,
    joint_warm_up: Callable[[Params, Sequence[int]], int] | None = None,
) -> None:
    """Add one primitive to `PRIMITIVES`."""
    PRIMITIVES.add(
        name,
        Primitive(
            name, n_inputs, parameters, memory, bind, state, warm_up, summary, rule, joint_warm_up
        ),
    )


def register_window(
    name: str,
    bind: Bind,
    summary: str,
    *,
    state: Callable[[int], int],
    n_inputs: int = 1,
    window: Parameter = WINDOW,
    extra: tuple[Parameter, ...] = (),
    rule: Callable[[Params], str | None] | None = None,
) -> None:
    """Add a primitive over the last `window` bars, missing before there are as many."""
    register(
        name,
        n_inputs,
        bind,
        summary,
        parameters=(window, *extra),
        memory="window",
        state=lambda p: state(int(p["window"])),
        warm_up=lambda p: int(p["window"]) - 1,
        rule=rule,
    )
