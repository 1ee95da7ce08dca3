"""Formulas as values: an immutable graph of causal primitives with one canonical text each."""

from collections.abc import Mapping
from typing import Self

from marketlab.core import ConfigError, did_you_mean
from marketlab.kernels import PRIMITIVES

SOURCES = ("open", "high", "low", "close", "volume")
"""The columns of a bar, in the order in which a stream receives them."""

CLOCK = ("time", "close_time")
"""Open of the bar and moment from which it is known, in seconds of UTC since 1970."""

CONTEXT = "context."
"""Start of the name of a series joined to the bars, known at each bar's close; may be missing."""

_MINUTES = {"5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "8h": 480, "12h": 720}
COARSE_PERIODS: dict[str, int] = {
    **{name: 60 * minutes for name, minutes in _MINUTES.items()},
    "1d": 86_400,
    "1w": 7 * 86_400,
    "1mo": 31 * 86_400,
}
"""Periods of coarser bars with their seconds (of a month the longest)."""

Number = int | float


class Expression:
    """A number per bar, known at that bar's close.

    Build one from `source`, `const` and `primitive`, or with operators: ``+ - * / abs`` and
    ``-x``; ``a / b`` is missing where b is 0. Two expressions with one `key` are the same
    computation and are computed once.

    Attributes
    ----------
    operation : ``"source"``, ``"const"``, ``"coarse"`` or the name of a primitive.
    inputs : the expressions it reads.
    params : its numbers, in the primitive's order (the value of a const, the period of a coarse).
    key : canonical text with all parameters in full; equal keys mean equal values.
    warm_up_bars : bars at the start that are missing on complete data; for an expression on
        coarser bars the least it can be (each coarse bar holds one bar or more).
    inner : for ``"coarse"`` the expression that is computed on the coarse bars, else None.
    """

    __slots__ = ("inner", "inputs", "key", "operation", "params", "warm_up_bars")

    operation: str
    inputs: tuple["Expression", ...]
    params: tuple[tuple[str, Number], ...]
    key: str
    warm_up_bars: int
    inner: "Expression | None"

    def __init__(
        self,
        operation: str,
        inputs: tuple["Expression", ...],
        params: tuple[tuple[str, Number], ...],
        key: str,
        warm_up_bars: int,
        inner: "Expression | None" = None,
    ) -> None:
        values = (inner, inputs, key, operation, params, warm_up_bars)
        for name, value in zip(Expression.__slots__, values, strict=True):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an expression never changes; {name} cannot be set to {value!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"an expression never changes; {name} cannot be deleted")

    def __reduce__(self) -> tuple[object, ...]:
        return (
            Expression,
            (self.operation, self.inputs, self.params, self.key, self.warm_up_bars, self.inner),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"Expression({self.key})"

    def __add__(self, other: Self | Number) -> "Expression":
        return primitive("add", self, _expression(other))

    def __radd__(self, other: Number) -> "Expression":
        return primitive("add", const(other), self)

    def __sub__(self, other: Self | Number) -> "Expression":
        return primitive("sub", self, _expression(other))

    def __rsub__(self, other: Number) -> "Expression":
        return primitive("sub", const(other), self)

    def __mul__(self, other: Self | Number) -> "Expression":
        return primitive("mul", self, _expression(other))

    def __rmul__(self, other: Number) -> "Expression":
        return primitive("mul", const(other), self)

    def __truediv__(self, other: Self | Number) -> "Expression":
        return primitive("div", self, _expression(other))

    def __rtruediv__(self, other: Number) -> "Expression":
        return primitive("div", const(other), self)

    def __neg__(self) -> "Expression":
        return primitive("negative", self)

    def __abs__(self) -> "Expression":
        return primitive("absolute", self)

    def lag(self, bars: int) -> "Expression":
        """Return the value of `bars` bars ago (itself for 0)."""
        return self if bars == 0 else primitive("lag", self, bars=bars)

    def change(self, bars: int = 1) -> "Expression":
        """Return the difference to `bars` bars ago."""
        return self - self.lag(bars)


def source(name: str) -> Expression:
    """Return a column of the bar: a price, volume, a time, or a joined series ``context.NAME``.

    Raises
    ------
    ConfigError for any other name.
    """
    is_context = name.startswith(CONTEXT) and name[len(CONTEXT) :].isidentifier()
    if name not in (*SOURCES, *CLOCK) and not is_context:
        raise ConfigError(
            f"Invalid price column {name!r}.",
            code="CONFIG-UnknownName",
            field="source",
            value=name,
            suggestion=did_you_mean(name, (*SOURCES, *CLOCK)),
        )
    return Expression("source", (), (), name, 0)


def const(value: Number) -> Expression:
    """Return the same finite number at every bar."""
    number = float(value)
    return Expression("const", (), (("value", number),), repr(number), 0)


def primitive(name: str, *inputs: Expression, **params: Number) -> Expression:
    """Return the primitive `name` of `marketlab.kernels` applied to `inputs`.

    Raises
    ------
    ConfigError if the name is unknown, or inputs or parameters are not what it declares.
    """
    definition = PRIMITIVES.get(name)
    if len(inputs) != definition.n_inputs:
        raise ConfigError(
            f"{name} reads {definition.n_inputs} inputs; received {len(inputs)}.",
            code="CONFIG-InvalidParameter",
        )
    checked: Mapping[str, Number] = definition.check(params)
    parts = [node.key for node in inputs] + [f"{k}={v!r}" for k, v in checked.items()]
    return Expression(
        name,
        inputs,
        tuple(checked.items()),
        f"{name}({','.join(parts)})",
        definition.warm_up(checked, [node.warm_up_bars for node in inputs]),
    )


def on_bars(period: str, inner: Expression) -> Expression:
    """Return `inner` computed on the coarser bars of `period`, as known at each fine bar's close.

    A coarse bar counts from the close of its last fine bar if that is where the period ends, else
    from the first fine bar of a later period; until the next one ends, its value stays. The first
    coarse bar holds what the series has of it. Periods are cut in UTC; weeks begin on Monday.

    Parameters
    ----------
    period : one of `COARSE_PERIODS`: a number of minutes or hours that divides a day, 1d, 1w, 1mo.

    Raises
    ------
    ConfigError for another period, or if `inner` itself reads coarser bars.
    """
    if period not in COARSE_PERIODS:
        raise ConfigError(
            f"there are no bars of {period!r}; coarser bars are {', '.join(COARSE_PERIODS)}.",
            code="CONFIG-InvalidParameter",
            field="period",
            value=period,
            suggestion=did_you_mean(period, COARSE_PERIODS),
        )
    if any(node.operation == "coarse" for node in walk(inner)):
        raise ConfigError(
            f"on({period!r}, …) holds another on(…); bars are coarsened once.",
            code="CONFIG-InvalidParameter",
            field="on",
            suggestion="Write the coarser period alone.",
        )
    seconds = COARSE_PERIODS[period]
    return Expression(
        "coarse",
        tuple(source(name) for name in coarse_sources(inner)),
        (("seconds", seconds),),
        f"on({period!r},{inner.key})",
        inner.warm_up_bars + 1,
        inner,
    )


def walk(*roots: Expression) -> list[Expression]:
    """Return every distinct expression in `roots`, inputs before users; not what is inside `on`."""
    order: dict[str, Expression] = {}
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        node, is_done = stack.pop()
        if node.key in order:
            continue
        if is_done:
            order[node.key] = node
        else:
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(node.inputs))
    return list(order.values())


def sources_of(*roots: Expression) -> tuple[str, ...]:
    """Return the bar columns that `roots` read, in bar order, joined series last."""
    read = {node.key for node in walk(*roots) if node.operation == "source"}
    known = [name for name in (*SOURCES, *CLOCK) if name in read]
    return (*known, *sorted(name for name in read if name.startswith(CONTEXT)))


def coarse_sources(inner: Expression) -> tuple[str, ...]:
    """Return the fine columns behind `inner` on coarser bars: what it reads, and both times."""
    return sources_of(inner, *map(source, CLOCK))


def _expression(value: Expression | Number) -> Expression:
    return value if isinstance(value, Expression) else const(value)
