"""Answers about one strategy file: is it valid, and which inputs does it give the net."""

from typing import Any

from marketlab.campaigns._strategy import (
    load_strategy,
    load_strategy_mapping,
    strategy_issues,
)
from marketlab.campaigns._workspace import Workspace
from marketlab.core import ConfigError, DataError
from marketlab.features import INDICATORS, FeatureSet


def validate_strategy_file(workspace: Workspace, name: str) -> dict[str, Any]:
    """Return the documented answer of a validation, JSON-ready.

    Raises
    ------
    NotFoundError if there is no such file.
    """
    path = workspace.strategy_path(name)
    try:
        mapping = load_strategy_mapping(path)
    except ConfigError as error:
        issues = [
            {
                "severity": "error",
                "category": "structure",
                "message": str(error),
                "details": error.details,
            }
        ]
        return _answer(path.stem, issues)
    _, found = strategy_issues(
        mapping, source=path.name, has_volume=_has_volume(workspace, mapping)
    )
    return _answer(path.stem, [item.to_dict() for item in found])


def _answer(name: str, issues: list[dict[str, Any]]) -> dict[str, Any]:
    errors = sum(item["severity"] == "error" for item in issues)
    valid = errors == 0
    return {
        "success": True,
        "valid": valid,
        "strategy_name": name,
        "issues": issues,
        "available_indicators": INDICATORS.names(),
        "message": "the strategy is valid" if valid else f"the strategy has {errors} error(s)",
    }


def _has_volume(workspace: Workspace, mapping: dict[str, Any]) -> bool | None:
    """Return whether the stored series of the strategy has volume; None if it is not stored."""
    try:
        data = mapping["training_data"]
        symbol, timeframe = data["symbols"]["list"][0], data["timeframes"]["base_timeframe"]
        return workspace.catalog.find(symbol, timeframe).has_volume
    except (KeyError, IndexError, TypeError, ConfigError, DataError):
        return None


def strategy_features(workspace: Workspace, name: str) -> dict[str, Any]:
    """Return the resolved inputs of a strategy in their order, JSON-ready."""
    strategy = load_strategy(workspace.strategy_path(name))
    columns = FeatureSet(strategy.feature_config()).columns
    return {
        "success": True,
        "strategy_name": strategy.name,
        "features": columns,
        "count": len(columns),
    }
