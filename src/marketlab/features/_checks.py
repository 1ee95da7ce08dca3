"""Rules that a well-formed feature configuration must still meet: ranges, volume, dead parts."""

import math

import numpy as np

from marketlab.features._columns import feature_columns
from marketlab.features._config import FeatureSetConfig, FuzzySetSpec
from marketlab.features._indicator import OutputRange
from marketlab.features._issues import Issue, issue
from marketlab.kernels import PRIMITIVES

DEAD_BELOW = 0.05
"""A value at which every set of a fuzzy set is below this degree is in its dead zone."""

DEAD_SHARE = 0.05
"""Share of a declared range (or of bars) that may lie in the dead zone without a finding."""

_GRID_CELLS = 4000


def semantic_issues(config: FeatureSetConfig, *, has_volume: bool | None = None) -> list[Issue]:
    """Return all findings about a configuration that parsed; [] if there is nothing to say.

    Parameters
    ----------
    config : the parsed blocks.
    has_volume : whether the series has volume; None (not known yet) skips that rule.
    """
    found = _volume_issues(config) if has_volume is False else []
    for spec in config.fuzzy_sets:
        found += _range_issues(config, spec)
    return found + _name_issues(config) + _unused_issues(config) + _raw_issues(config)


def _volume_issues(config: FeatureSetConfig) -> list[Issue]:
    return [
        issue(
            "error",
            "indicators",
            "DATA-NoVolume",
            f"indicators.{spec.id}",
            f"{spec.type} needs volume and this series has none, so it would carry no information. "
            "Choose a series with (tick) volume, or remove the indicator.",
            indicator=spec.id,
            type=spec.type,
        )
        for spec in config.indicators
        if spec.definition.needs_volume
    ]


def _range_issues(config: FeatureSetConfig, spec: FuzzySetSpec) -> list[Issue]:
    path = f"fuzzy_sets.{spec.id}"
    _, declared = config.output(spec.reference)
    found = []
    for item in spec.effective_sets:
        low, high = item.peak()
        if high < declared.low or low > declared.high:
            shown = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            kind = config.indicator(spec.indicator).type
            found.append(
                issue(
                    "error",
                    "fuzzy_sets",
                    "FUZZY-RangeMismatch",
                    f"{path}.{item.name}",
                    f"the peak {shown} lies outside the range {declared} of {spec.reference} "
                    f"({kind}), so the set would never be reached. Choose sets inside the range, "
                    "or the indicator that was meant.",
                    peak=[low, high],
                    range=[declared.low, _plain(declared.high)],
                )
            )
    if found:
        return found
    if not math.isfinite(declared.high):
        return [
            issue(
                "warning",
                "fuzzy_sets",
                "FUZZY-Unbounded",
                path,
                f"{spec.reference} has no bounded range ({declared}, {declared.scale} scale), so "
                "fixed sets miss its values on another series or year.",
            )
        ]
    share, example = dead_share(spec, declared)
    if share <= DEAD_SHARE:
        return []
    return [
        issue(
            "warning",
            "fuzzy_sets",
            "FUZZY-DeadZone",
            path,
            f"in {100 * share:.1f} % of the range {declared} of {spec.reference} every set is "
            f"below {DEAD_BELOW}, for example at {example:g}; at most {100 * DEAD_SHARE:g} % is "
            "usual. Let neighbouring sets overlap.",
            share=share,
            example=example,
        )
    ]


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def dead_share(spec: FuzzySetSpec, declared: OutputRange) -> tuple[float, float]:
    """Return the share of a bounded range where all sets are below 0.05, and the first such value.

    Measured at the middles of 4,000 equal cells of the range.
    """
    width = (declared.high - declared.low) / _GRID_CELLS
    grid = np.asarray(declared.low + width * (np.arange(_GRID_CELLS) + 0.5), dtype=np.float64)
    highest = np.zeros(_GRID_CELLS)
    for item in spec.effective_sets:
        named = dict(zip("abcd", item.parameters, strict=False))
        np.maximum(highest, PRIMITIVES.get(item.type).batch(grid, **named), out=highest)
    dead = highest < DEAD_BELOW
    return float(dead.mean()), float(grid[int(np.argmax(dead))])


def _name_issues(config: FeatureSetConfig) -> list[Issue]:
    seen: set[str] = set()
    found = []
    for column in feature_columns(config):
        if column.feature_id in seen:
            found.append(
                issue(
                    "error",
                    "nn_inputs",
                    "STRATEGY-ValidationFailed",
                    "nn_inputs",
                    f"two inputs would both be called {column.feature_id!r}. Rename a fuzzy set "
                    "or one of its sets.",
                )
            )
        seen.add(column.feature_id)
    return found


def _unused_issues(config: FeatureSetConfig) -> list[Issue]:
    used_sets = {entry.fuzzy_set for entry in config.nn_inputs}
    used = {spec.indicator for spec in config.fuzzy_sets if spec.id in used_sets}
    used |= {str(entry.raw_indicator).partition(".")[0] for entry in config.nn_inputs}
    found = [
        issue(
            "warning",
            "indicators",
            "CONFIG-UnusedIndicator",
            f"indicators.{spec.id}",
            "no network input uses this indicator, so it changes nothing. Use it or remove it.",
        )
        for spec in config.indicators
        if spec.id not in used
    ]
    return found + [
        issue(
            "warning",
            "fuzzy_sets",
            "CONFIG-UnusedFuzzySet",
            f"fuzzy_sets.{spec.id}",
            "no network input uses this fuzzy set, so it changes nothing. Use it or remove it.",
        )
        for spec in config.fuzzy_sets
        if spec.id not in used_sets
    ]


def _raw_issues(config: FeatureSetConfig) -> list[Issue]:
    return [
        issue(
            "warning",
            "nn_inputs",
            "FEATURE-PriceScale",
            f"nn_inputs.{i}.normalization",
            f"{entry.raw_indicator} is in price units and enters as it is. Write zscore or minmax.",
        )
        for i, entry in enumerate(config.nn_inputs)
        if entry.raw_indicator is not None
        and entry.normalization == "none"
        and config.output(entry.raw_indicator)[1].scale == "price"
    ]
