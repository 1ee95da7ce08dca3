"""From a card to something that forecasts: the one path that serving code uses."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from marketlab.backtest import DecisionPolicy
from marketlab.core import Float32Array, FloatArray, IntegrityError
from marketlab.features import FeatureSet, FeatureSetConfig, Standardizer
from marketlab.models import MODELS, Forecaster
from marketlab.registry._card import ModelCard, Weights
from marketlab.registry._history import Promotion
from marketlab.registry._registry import ModelRegistry


@dataclass(frozen=True)
class PromotedModel:
    """A verified model, ready to forecast.

    `promotion` is None for a candidate that was assembled without being promoted.
    """

    card: ModelCard
    feature_set: FeatureSet
    forecaster: Forecaster
    standardizer: Standardizer | None
    policy: DecisionPolicy
    promotion: Promotion | None

    def forecast(self, rows: Float32Array) -> FloatArray:
        """Return probabilities (n, 3) of BUY, HOLD, SELL for float32 feature rows (n, F).

        A row with a missing or infinite feature (warming up, or a window without trades) gets
        three NaN, which means no forecast. Rows do not influence each other.
        """
        out = np.full((len(rows), 3), np.nan)
        ready = np.isfinite(rows).all(axis=1)
        if ready.any():
            chosen = np.ascontiguousarray(rows[ready])
            if self.standardizer is not None:
                chosen = self.standardizer.apply(chosen)
            out[ready] = self.forecaster.predict(chosen)
        return out


def load_promoted(root: Path, name: str) -> PromotedModel:
    """Return what serves under `name` in the workspace `root`, verified file by file.

    Raises
    ------
    NotFoundError if nothing is promoted under `name`; IntegrityError if a file, the link or the
    registry was altered, or the card's features, weights and model do not fit each other.
    """
    card, weights, promotion = ModelRegistry(root).load_current(name)
    return assemble_model(card, weights, promotion)


def assemble_model(
    card: ModelCard, weights: Weights, promotion: Promotion | None = None
) -> PromotedModel:
    """Build the parts that a card describes and check that they fit; errors as `load_promoted`."""
    feature_set = FeatureSet(FeatureSetConfig.from_mapping(card.feature_set, source="feature_set"))
    if feature_set.names != card.feature_names:
        raise _misfit(
            card,
            f"its feature list has {len(card.feature_names)} names, and its feature set makes "
            f"{len(feature_set.names)}" + _first_difference(card.feature_names, feature_set.names),
        )
    forecaster = _forecaster(card, weights)
    if forecaster.n_inputs != len(card.feature_names):
        raise _misfit(
            card,
            f"its weights read {forecaster.n_inputs} features and it lists "
            f"{len(card.feature_names)}",
        )
    standardizer = None if card.standardizer is None else Standardizer.from_dict(card.standardizer)
    scaled = ("none",) * len(card.feature_names)
    if standardizer is not None:
        scaled = standardizer.normalization
    if scaled != feature_set.normalization:
        raise _misfit(card, "its standardizer is not the one that its feature set asks for")
    return PromotedModel(
        card=card,
        feature_set=feature_set,
        forecaster=forecaster,
        standardizer=standardizer,
        policy=DecisionPolicy.from_mapping(card.decision_policy, source="decision_policy"),
        promotion=promotion,
    )


def _forecaster(card: ModelCard, weights: Weights) -> Forecaster:
    settings: Mapping[str, Any] = card.model
    definition = MODELS.get(str(settings.get("type")), field="model.type")
    if definition.reads != "features":
        raise _misfit(card, f"a model of type {settings['type']!r} reads no feature rows")
    rest = {key: value for key, value in settings.items() if key != "type"}
    return definition.restore(definition.config_type.from_mapping(rest, source="model"), weights)


def _first_difference(listed: tuple[str, ...], made: tuple[str, ...]) -> str:
    for position, (one, other) in enumerate(zip(listed, made, strict=False)):
        if one != other:
            return f"; the first difference is at {position}: {one!r} and {other!r}"
    return ""


def _misfit(card: ModelCard, what: str) -> IntegrityError:
    return IntegrityError(
        f"card {card.card_id} cannot be served: {what}.",
        code="REGISTRY-Misfit",
        suggestion="Register the model again from its run; a served model is never adapted.",
    )
