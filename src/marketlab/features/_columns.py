"""The resolved list of features: their names, their order, what each one is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from marketlab.features._config import FeatureSetConfig
from marketlab.features._expression import Expression
from marketlab.features._indicator import OutputRange, ScaleClass


@dataclass(frozen=True, slots=True)
class FeatureColumn:
    """One feature: the present value (lag 0) or an earlier one of a base expression.

    Attributes
    ----------
    feature_id : ``{timeframe}_{fuzzy_set}_{set}`` or ``{timeframe}_{reference}_raw``, with
        ``_lag_1``, ``_lag_2`` … for earlier bars.
    fuzzy_set, membership : None for a raw input.
    indicator_id, indicator_output : what it is computed from; output None if there is one only.
    base : position of the base expression among those of the feature set.
    low, high, scale : declared range and scale class of the feature itself.
    needs_volume : whether the indicator means nothing on a series without volume.
    """

    feature_id: str
    timeframe: str
    fuzzy_set: str | None
    membership: str | None
    indicator_id: str
    indicator_output: str | None
    lag: int
    normalization: str
    base: int
    low: float
    high: float
    scale: ScaleClass
    needs_volume: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of ``GET /strategies/{name}/features``."""
        return {
            "feature_id": self.feature_id,
            "timeframe": self.timeframe,
            "fuzzy_set": self.fuzzy_set,
            "membership": self.membership,
            "indicator_id": self.indicator_id,
            "indicator_output": self.indicator_output,
            "lag": self.lag,
            "normalization": self.normalization,
        }


_DEGREE = OutputRange(0.0, 1.0, "bounded")


def feature_columns(config: FeatureSetConfig) -> tuple[FeatureColumn, ...]:
    """Return the features in their order.

    The order of ``nn_inputs``, within a fuzzy set that of its sets as written; then all of lag 1
    in the same order, then lag 2 and so on.
    """
    present: list[FeatureColumn] = []
    for entry in config.nn_inputs:
        sets: Sequence[str | None] = (None,)
        degree = _DEGREE
        if entry.fuzzy_set is not None:
            fuzzy = config.fuzzy_set(entry.fuzzy_set)
            reference = fuzzy.reference
            sets = [item.name for item in fuzzy.sets]
        else:
            reference = str(entry.raw_indicator)
            degree = config.output(reference)[1]
        indicator_id, _, output = reference.partition(".")
        for name in sets:
            tail = f"{entry.fuzzy_set}_{name}" if name is not None else f"{reference}_raw"
            present.append(
                FeatureColumn(
                    feature_id=f"{config.timeframe}_{tail}",
                    timeframe=config.timeframe,
                    fuzzy_set=entry.fuzzy_set,
                    membership=name,
                    indicator_id=indicator_id,
                    indicator_output=output or None,
                    lag=0,
                    normalization=entry.normalization,
                    base=len(present),
                    low=degree.low,
                    high=degree.high,
                    scale=degree.scale,
                    needs_volume=config.indicator(indicator_id).definition.needs_volume,
                )
            )
    return tuple(
        column if lag == 0 else _lagged(column, lag)
        for lag in range(config.lookback_periods + 1)
        for column in present
    )


def _lagged(column: FeatureColumn, lag: int) -> FeatureColumn:
    return replace(column, feature_id=f"{column.feature_id}_lag_{lag}", lag=lag)


def base_expressions(config: FeatureSetConfig) -> tuple[Expression, ...]:
    """Return the expressions of the features of lag 0, in their order."""
    expressions: list[Expression] = []
    for entry in config.nn_inputs:
        if entry.fuzzy_set is not None:
            fuzzy = config.fuzzy_set(entry.fuzzy_set)
            x = config.output(fuzzy.reference)[0]
            expressions += [item.expression(x) for item in fuzzy.effective_sets]
        else:
            expressions.append(config.output(str(entry.raw_indicator))[0])
    return tuple(expressions)
