"""The strict grammar of features: indicators, fuzzy sets and network inputs, as frozen values."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import model_validator

from marketlab.core import ConfigError, FrozenConfig
from marketlab.features._expression import Expression
from marketlab.features._formula import FORMULA, formula_definition
from marketlab.features._fuzzy import MembershipSpec, with_shoulders
from marketlab.features._indicator import INDICATORS, SINGLE, IndicatorDefinition, OutputRange

Edges = Literal["triangles", "shoulders"]
Normalization = Literal["none", "minmax", "zscore"]


class IndicatorSpec(FrozenConfig):
    """One declared indicator: its id in the file, the one name of its type, all parameters.

    Of type ``formula`` the parameters are its text, scale and range.
    """

    id: str
    type: str
    parameters: dict[str, int | float | str]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        definition = self.definition
        if self.type != FORMULA and definition.check(self.parameters) != self.parameters:
            raise ConfigError(
                f"indicator {self.id!r} must state every parameter of {self.type}.",
                code="CONFIG-IndicatorCreationFailed",
            )
        return self

    @property
    def definition(self) -> IndicatorDefinition:
        """The formula behind `type`."""
        if self.type == FORMULA:
            return formula_definition(self.parameters)
        return INDICATORS.get(self.type)


class FuzzySetSpec(FrozenConfig):
    """Fuzzy sets over one output of one indicator.

    `output` is the name after the dot, or None for an indicator with one output. `edges:
    shoulders` opens the first and last triangle so that extremes are full members.
    """

    id: str
    indicator: str
    output: str | None = None
    edges: Edges = "triangles"
    sets: tuple[MembershipSpec, ...]

    @property
    def reference(self) -> str:
        """The output as the file writes it: ``id`` or ``id.output``."""
        return self.indicator if self.output is None else f"{self.indicator}.{self.output}"

    @property
    def effective_sets(self) -> tuple[MembershipSpec, ...]:
        """The sets that are computed, after `edges`."""
        return with_shoulders(self.sets) if self.edges == "shoulders" else self.sets


class InputSpec(FrozenConfig):
    """One entry of ``nn_inputs``: all sets of a fuzzy set, or one indicator output as it is."""

    fuzzy_set: str | None = None
    raw_indicator: str | None = None
    timeframes: Literal["all"] | tuple[str, ...] = "all"
    normalization: Normalization = "none"


class FeatureSetConfig(FrozenConfig):
    """What a network reads: the blocks `indicators`, `fuzzy_sets` and `nn_inputs` and the lags.

    Build it with `parse` from a file's blocks, which reports every broken rule at once.
    """

    timeframe: str
    indicators: tuple[IndicatorSpec, ...]
    fuzzy_sets: tuple[FuzzySetSpec, ...] = ()
    nn_inputs: tuple[InputSpec, ...]
    lookback_periods: int = 0

    @model_validator(mode="after")
    def _linked(self) -> Self:
        known = {
            spec.id if spec.definition.is_single else f"{spec.id}.{output}"
            for spec in self.indicators
            for output in spec.definition.output_names
        }
        read = {spec.reference for spec in self.fuzzy_sets}
        read |= {i.raw_indicator for i in self.nn_inputs if i.raw_indicator is not None}
        sets = {i.fuzzy_set for i in self.nn_inputs if i.fuzzy_set is not None}
        absent = sorted(read - known) + sorted(sets - {spec.id for spec in self.fuzzy_sets})
        if absent or not self.nn_inputs:
            what = f"{absent[0]!r} is read and not declared" if absent else "no input is declared"
            raise ConfigError(
                f"the feature configuration is not complete: {what}.",
                code="STRATEGY-ValidationFailed",
                field="nn_inputs",
                suggestion="Build it with FeatureSetConfig.parse, which says where.",
            )
        return self

    @classmethod
    def parse(
        cls,
        timeframe: str,
        indicators: Mapping[str, Any],
        fuzzy_sets: Mapping[str, Any],
        nn_inputs: list[Any],
        lookback: int,
    ) -> "FeatureSetConfig":
        """Return the checked configuration of raw YAML blocks.

        Raises
        ------
        ConfigError whose ``details["issues"]`` lists every broken rule, with field path, value,
        valid values and close matches.
        """
        from marketlab.features._parse import parse_or_raise

        return parse_or_raise(timeframe, indicators, fuzzy_sets, nn_inputs, lookback)

    def indicator(self, indicator_id: str) -> IndicatorSpec:
        """Return the declared indicator of that id (which parsing has checked)."""
        return next(spec for spec in self.indicators if spec.id == indicator_id)

    def fuzzy_set(self, set_id: str) -> FuzzySetSpec:
        """Return the declared fuzzy set of that id (which parsing has checked)."""
        return next(spec for spec in self.fuzzy_sets if spec.id == set_id)

    def output(self, reference: str) -> tuple[Expression, OutputRange]:
        """Return expression and declared range of ``id`` or ``id.output``."""
        indicator_id, _, name = reference.partition(".")
        spec = self.indicator(indicator_id)
        name = name or SINGLE
        definition = spec.definition
        return (
            definition.build(spec.parameters)[name],
            definition.ranges(spec.parameters)[name],
        )

    def with_edges(self, edges: Edges) -> "FeatureSetConfig":
        """Return this configuration with `edges` on every fuzzy set.

        Raises
        ------
        ConfigError (FUZZY-Edges) if a fuzzy set has no outer triangles to open.
        """
        sets = tuple(spec.model_copy(update={"edges": edges}) for spec in self.fuzzy_sets)
        for spec in sets:
            _ = spec.effective_sets
        return self.model_copy(update={"fuzzy_sets": sets})
