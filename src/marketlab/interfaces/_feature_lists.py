"""Every indicator and feature set with all there is to know about it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from marketlab.interfaces._features import load_tier

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace
    from marketlab.features import IndicatorDefinition

EXAMPLE_PERIOD = 14
"""Shown for a parameter that has no default."""


def list_features(name: str | None = None) -> dict[str, Any]:
    """Return every indicator and every shipped set, or one of them in full.

    Raises
    ------
    ConfigError for a name that is neither.
    """
    from marketlab.core import ConfigError, did_you_mean
    from marketlab.features import INDICATORS, shipped_feature_sets

    indicators, sets = INDICATORS.names(), shipped_feature_sets()
    if name is None:
        return {
            "indicators": [indicator_facts(INDICATORS.get(each)) for each in indicators],
            "sets": [{**set_facts(each), "columns": None} for each in sets],
        }
    if name in sets or name.endswith((".yaml", ".yml")):
        return {"indicators": [], "sets": [set_facts(name)]}
    if name in indicators:
        return {"indicators": [indicator_facts(INDICATORS.get(name))], "sets": []}
    raise ConfigError(
        f"{name!r} is neither an indicator nor a feature set.",
        code="CONFIG-UnknownName",
        field="name",
        value=name,
        suggestion=did_you_mean(name, [*indicators, *sets]),
    )


def indicator_facts(definition: "IndicatorDefinition") -> dict[str, Any]:
    """Return what there is to know about an indicator, JSON-ready.

    Inputs, ranges and warm-up are those at the defaults, a parameter without one at 14.
    """
    from marketlab.features import sources_of

    example = example_parameters(definition)
    built, ranges = definition.build(example), definition.ranges(example)
    return {
        "name": definition.name,
        "inputs": list(sources_of(*built.values())),
        "parameters": [
            {"name": p.name, "default": p.default}
            | ({} if p.is_column else {"low": p.low, "high": p.high})
            for p in definition.parameters
        ],
        "outputs": [
            {
                "name": output,
                "scale": ranges[output].scale,
                "range": _limits(ranges[output].low, ranges[output].high),
                "warm_up_bars": built[output].warm_up_bars,
            }
            for output in definition.output_names
        ],
        "at": example,
        "warm_up_bars": max(each.warm_up_bars for each in built.values()),
        "needs_volume": definition.needs_volume,
        "reference": definition.reference,
    }


def example_parameters(definition: "IndicatorDefinition") -> dict[str, Any]:
    """Return parameters with which an indicator can be shown: its defaults, else 14."""
    wanted = {
        p.name: min(max(EXAMPLE_PERIOD, p.low), p.high)
        for p in definition.parameters
        if p.default is None
    }
    return dict(definition.check(wanted))


def set_facts(name: str) -> dict[str, Any]:
    """Return what there is to know about a feature set, JSON-ready, its columns included."""
    tier = load_tier(name)
    return {
        "name": tier.file.name,
        "about": tier.file.about,
        "extends": tier.file.extends,
        "n_columns": len(tier.names),
        "warm_up_bars": tier.warm_up_bars,
        "needs_volume": tier.needs_volume,
        "context": dict(tier.context),
        "refused": dict(tier.file.refused),
        "design_id": tier.design_id,
        "columns": tier.describe(),
    }


def _limits(low: float, high: float) -> list[float | None]:
    return [end if abs(end) != float("inf") else None for end in (low, high)]


def write_dictionary(workspace: "Workspace", tiers: Sequence[str] = ()) -> dict[str, Any]:
    """Write ``reports/feature_dictionary.md`` with every indicator and set, and of `tiers`."""
    from marketlab.core import atomic_write
    from marketlab.features import INDICATORS, shipped_feature_sets
    from marketlab.interfaces._feature_dictionary import dictionary_text

    indicators = [indicator_facts(INDICATORS.get(each)) for each in INDICATORS.names()]
    sets = [set_facts(each) for each in [*shipped_feature_sets(), *tiers]]
    text = dictionary_text(indicators, sets)
    path = workspace.require().root / "reports" / "feature_dictionary.md"
    atomic_write(path, text)
    return {"path": str(path), "indicators": len(indicators), "sets": len(sets), "text": text}
