"""Fuzzy sets over an indicator: what may be written, and the expression that computes it."""

import math
from collections.abc import Sequence
from typing import Any, Self

from pydantic import model_validator

from marketlab.core import ConfigError, FrozenConfig, did_you_mean
from marketlab.features._expression import Expression, primitive
from marketlab.kernels import MEMBERSHIPS, N_MEMBERSHIP_PARAMETERS

PARAMETER_WORDS = {
    "triangular": "left foot, peak, right foot",
    "trapezoidal": "left foot, left shoulder, right shoulder, right foot",
    "gaussian": "mean, sigma",
    "sigmoid": "centre, width",
    "shoulder_left": "peak, foot",
    "shoulder_right": "foot, peak",
}


class MembershipSpec(FrozenConfig):
    """One fuzzy set: a name, a function, its parameters in ascending order.

    triangular [a, b, c], trapezoidal [a, b, c, d], gaussian [mean, sigma > 0], sigmoid [centre,
    width != 0] (a negative width falls), shoulder_left [peak, foot], shoulder_right [foot, peak].
    """

    name: str
    type: str
    parameters: tuple[float, ...]

    @model_validator(mode="after")
    def _usable(self) -> Self:
        check_parameters(self.type, self.parameters)
        return self

    def peak(self) -> tuple[float, float]:
        """Return the first and last value of full membership (the centre, for a sigmoid)."""
        p = self.parameters
        return {
            "triangular": lambda: (p[1], p[1]),
            "trapezoidal": lambda: (p[1], p[2]),
            "gaussian": lambda: (p[0], p[0]),
            "sigmoid": lambda: (p[0], p[0]),
            "shoulder_left": lambda: (p[0], p[0]),
            "shoulder_right": lambda: (p[1], p[1]),
        }[self.type]()

    def expression(self, x: Expression) -> Expression:
        """Return the degree of membership of `x`, 0 to 1; missing where x is."""
        named = dict(zip("abcd", self.parameters, strict=False))
        return primitive(self.type, x, **named)


def check_parameters(kind: Any, parameters: Any) -> tuple[float, ...]:
    """Return the parameters of a fuzzy set as floats, checked against its function.

    Raises
    ------
    ConfigError for an unknown function, a wrong number of parameters (MF-InvalidParameterCount),
    or parameters out of order (MF-InvalidParameterOrder).
    """
    if kind not in MEMBERSHIPS:
        raise ConfigError(
            f"Invalid membership function {kind!r}.",
            code="MF-UnknownType",
            field="type",
            value=kind,
            suggestion=did_you_mean(str(kind), MEMBERSHIPS),
        )
    wanted = N_MEMBERSHIP_PARAMETERS[kind]
    form = f"[{PARAMETER_WORDS[kind]}]"
    numeric = isinstance(parameters, Sequence) and all(
        isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
        for v in parameters
    )
    if isinstance(parameters, str) or not numeric or len(parameters) != wanted:
        raise ConfigError(
            f"a {kind} set takes {wanted} finite numbers {form}; received {parameters!r}.",
            code="MF-InvalidParameterCount",
            field="parameters",
            value=parameters,
            suggestion=f"Write {wanted} numbers.",
        )
    points = tuple(float(v) for v in parameters)
    if not _in_order(kind, points):
        rule = {
            "gaussian": "needs sigma > 0",
            "sigmoid": "needs a width other than 0",
        }.get(kind, "needs ascending parameters with the first below the last")
        raise ConfigError(
            f"a {kind} set {form} {rule}; received {list(points)}.",
            code="MF-InvalidParameterOrder",
            field="parameters",
            value=parameters,
            suggestion="Put the numbers in that order.",
        )
    return points


def _in_order(kind: str, points: tuple[float, ...]) -> bool:
    if kind == "gaussian":
        return points[1] > 0.0
    if kind == "sigmoid":
        return points[1] != 0.0
    return list(points) == sorted(points) and points[0] < points[-1]


def with_shoulders(sets: Sequence[MembershipSpec]) -> tuple[MembershipSpec, ...]:
    """Return `sets` with the outer triangles opened to shoulders, so extremes are full members.

    The first [a, b, c] becomes shoulder_left [b, c], the last shoulder_right [a, b]. "First" and
    "last" are those of the written order.

    Raises
    ------
    ConfigError if there is one set only, or if the first or last is no triangle, or has no slope
    on the side that stays.
    """
    first, last = sets[0], sets[-1]
    usable = (
        len(sets) > 1
        and first.type == last.type == "triangular"
        and first.parameters[1] < first.parameters[2]
        and last.parameters[0] < last.parameters[1]
    )
    if not usable:
        raise ConfigError(
            "edges: shoulders needs at least two sets, the first and last of them triangular.",
            code="FUZZY-Edges",
            field="edges",
            value="shoulders",
            suggestion="Write `edges: triangles`, or the shoulders as sets of their own.",
        )
    left = MembershipSpec(name=first.name, type="shoulder_left", parameters=first.parameters[1:])
    right = MembershipSpec(name=last.name, type="shoulder_right", parameters=last.parameters[:2])
    return (left, *sets[1:-1], right)
