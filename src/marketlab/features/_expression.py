"""Formulas as values: an immutable graph of causal primitives with one canonical text each."""

from collections.abc import Mapping
from typing import Self

from marketlab.core import ConfigError, did_you_mean
from marketlab.kernels import PRIMITIVES

SOURCES = ("open", "high", "low", "close", "volume")
"""The columns of a bar, in the order in which a stream receives them."""

Number = int | float


class Expression:
    """A number per bar, known at that bar's close.

    Build one from `source`, `const` and `primitive`, or with operators: ``+ - * / abs`` and
    ``-x``; ``a / b`` is missing where b is 0. Two expressions with one `key` are the same
    computation and are computed once.

    Attributes
    ----------
    operation : ``"source"``, ``"const"`` or the name of a primitive.
    inputs : the expressions it reads.
    params : its numbers, in the primitive's order (the name of a source, the value of a const).
    key : canonical text with all parameters in full; equal keys mean equal values.
    warm_up_bars : bars at the start that are missing on complete data.
    """

    __slots__ = ("inputs", "key", "operation", "params", "warm_up_bars")

    operation: str
    inputs: tuple["Expression", ...]
    params: tuple[tuple[str, Number], ...]
    key: str
    warm_up_bars: int

    def __init__(
        self,
        operation: str,
        inputs: tuple["Expression", ...],
        params: tuple[tuple[str, Number], ...],
        key: str,
        warm_up_bars: int,
    ) -> None:
        for name, value in zip(
            Expression.__slots__, (inputs, key, operation, params, warm_up_bars), strict=True
        ):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an expression never changes; {name} cannot be set to {value!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"an expression never changes; {name} cannot be deleted")

    def __reduce__(self) -> tuple[object, ...]:
        return (
            Expression,
            (self.operation, self.inputs, self.params, self.key, self.warm_up_bars),
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
    """Return a column of the bar.

    Raises
    ------
    ConfigError if `name` is not open, high, low, close or volume.
    """
    if name not in SOURCES:
        raise ConfigError(
            f"Invalid price column {name!r}.",
            code="CONFIG-UnknownName",
            field="source",
            value=name,
            suggestion=did_you_mean(name, SOURCES),
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


def _expression(value: Expression | Number) -> Expression:
    return value if isinstance(value, Expression) else const(value)
