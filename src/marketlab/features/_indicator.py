"""What an indicator is, and the table of all of them under one name per formula."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from marketlab.core import ConfigError, PluginRegistry, did_you_mean
from marketlab.features._expression import Expression

ScaleClass = Literal["price", "ratio", "bounded", "count", "flag", "calendar"]
SCALES: tuple[ScaleClass, ...] = ("price", "ratio", "bounded", "count", "flag", "calendar")
"""Scale classes. Scalers leave flags and calendar columns (a weekday, a month) as they are."""
PRICE_COLUMNS = ("open", "high", "low", "close")
MAX_PERIOD = 10_000
INF = float("inf")


@dataclass(frozen=True, slots=True)
class IndicatorParameter:
    """One parameter of an indicator.

    A parameter without `default` must be written. An integer one has inclusive bounds; the
    parameter ``source`` is the name of a price column.
    """

    name: str
    low: int = 2
    high: int = MAX_PERIOD
    default: int | str | None = None

    @property
    def is_column(self) -> bool:
        """Whether the value names a price column."""
        return isinstance(self.default, str)

    def check(self, value: Any, *, indicator: str) -> int | str:
        """Return `value`, or raise `ConfigError` (CONFIG-IndicatorCreationFailed)."""
        if self.is_column:
            if value in PRICE_COLUMNS:
                return str(value)
            rule = f"one of {', '.join(PRICE_COLUMNS)}"
            hint = did_you_mean(str(value), PRICE_COLUMNS)
        else:
            if (
                isinstance(value, int)
                and not isinstance(value, bool)
                and self.low <= value <= self.high
            ):
                return value
            rule = f"an integer from {self.low} to {self.high}"
            hint = "Write a value in that range."
        raise ConfigError(
            f"{self.name} of {indicator} must be {rule}; received {value!r}.",
            code="CONFIG-IndicatorCreationFailed",
            field=self.name,
            value=value,
            suggestion=hint,
        )


PERIOD = IndicatorParameter("period")
SOURCE = IndicatorParameter("source", default="close")


@dataclass(frozen=True, slots=True)
class OutputRange:
    """The values an output can take: inclusive ends, unit class."""

    low: float
    high: float
    scale: ScaleClass

    def __str__(self) -> str:
        return f"[{self.low:g}, {self.high:g}]"


PERCENT = OutputRange(0.0, 100.0, "bounded")
UNIT = OutputRange(-1.0, 1.0, "bounded")
PRICE = OutputRange(0.0, INF, "price")

Parameters = Mapping[str, Any]
SINGLE = "value"
"""Name of the output of an indicator that has one; references to it carry no dot."""


@dataclass(frozen=True, slots=True)
class IndicatorDefinition:
    """A formula over bars with everything a person or a validator needs to know about it.

    Attributes
    ----------
    name : the one name of the formula.
    parameters : declared parameters with bounds and defaults.
    output_names : ``("value",)`` for one output, else the names used after the dot.
    ranges : returns the declared range of each output for given parameters.
    build : returns the expression of each output for given, checked parameters.
    needs_volume : whether it is meaningless on a series without volume.
    reference : the formula, its source, its treatment of degenerate bars, where we differ.
    ordered : pairs of parameters of which the first must be below the second.
    """

    name: str
    parameters: tuple[IndicatorParameter, ...]
    output_names: tuple[str, ...]
    ranges: Callable[[Parameters], dict[str, OutputRange]]
    build: Callable[[Parameters], dict[str, Expression]]
    reference: str
    needs_volume: bool = False
    ordered: tuple[tuple[str, str], ...] = ()

    @property
    def is_single(self) -> bool:
        """Whether there is one output, referred to without a dot."""
        return self.output_names == (SINGLE,)

    def check(self, given: Parameters) -> dict[str, int | str]:
        """Return all parameters in declared order, defaults filled in.

        Raises
        ------
        ConfigError (CONFIG-IndicatorCreationFailed) for an unknown, missing or bad parameter.
        """
        known = {p.name for p in self.parameters}
        for name in given:
            if name not in known:
                raise ConfigError(
                    f"{self.name} has no parameter {name!r}; it takes {', '.join(sorted(known))}.",
                    code="CONFIG-IndicatorCreationFailed",
                    field=str(name),
                    value=given[name],
                    suggestion=did_you_mean(str(name), known),
                )
        out: dict[str, int | str] = {}
        for parameter in self.parameters:
            if parameter.name in given:
                out[parameter.name] = parameter.check(given[parameter.name], indicator=self.name)
            elif parameter.default is None:
                raise ConfigError(
                    f"{self.name} needs the parameter {parameter.name!r}, an integer from "
                    f"{parameter.low} to {parameter.high}.",
                    code="CONFIG-IndicatorCreationFailed",
                    field=parameter.name,
                    suggestion="Add it.",
                )
            else:
                out[parameter.name] = parameter.default
        self._check_order(out)
        return out

    def _check_order(self, params: Parameters) -> None:
        for low, high in self.ordered:
            if params[low] >= params[high]:
                raise ConfigError(
                    f"{low} of {self.name} must be below {high}; received {params[low]} and "
                    f"{params[high]}.",
                    code="CONFIG-IndicatorCreationFailed",
                    field=low,
                    value=params[low],
                    suggestion=f"Write a {low} below {params[high]}.",
                )

    def warm_up(self, params: Parameters) -> int:
        """Return how many first bars have no value, over all outputs."""
        return max(node.warm_up_bars for node in self.build(params).values())


INDICATORS: PluginRegistry[IndicatorDefinition] = PluginRegistry(
    "indicator", code="CONFIG-IndicatorTypeNotFound"
)


def fixed(**ranges: OutputRange) -> Callable[[Parameters], dict[str, OutputRange]]:
    """Return a range function for ranges that no parameter changes."""
    return lambda _: dict(ranges)
