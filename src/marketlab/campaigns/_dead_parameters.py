"""Finds declared numbers that decide nothing: changed, they leave the design as it was.

A person who turns such a number runs the same experiment again and reads chance as an effect.
"""

import copy
from collections.abc import Iterator
from typing import Any

from marketlab.campaigns._strategy import StrategyConfig, parse_strategy
from marketlab.core import ConfigError

_FACTORS = (1.25, 0.8, 2.0, 0.5)
"""A number is changed by the first of these that the grammar accepts."""

_Path = tuple[str, ...]


def dead_parameters(strategy: StrategyConfig) -> tuple[str, ...]:
    """Return the numbers of `indicators` and `fuzzy_sets` whose change cannot alter the run.

    Each is changed on its own (all corners of one membership together) and the design ids are
    compared: equal ids mean equal inputs of the net. Names are paths, like
    ``indicators.rsi_14.period``. A number of which no other value is allowed is not judged, and
    neither are the source text of a formula, nor `decisions`, which act after training.

    Costs one feature graph per number, some milliseconds each; nothing is computed on bars.
    """
    mapping = strategy.to_mapping()
    design = strategy.design_id()
    return tuple(".".join(path) for path in _numbers(mapping) if _changed(mapping, path) == design)


def _numbers(mapping: dict[str, Any]) -> Iterator[_Path]:
    for block in ("indicators", "fuzzy_sets"):
        for name, entry in mapping[block].items():
            for key, value in entry.items():
                corners = isinstance(value, list) and all(map(_is_number, value))
                if corners or _is_number(value):
                    yield block, name, key


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _changed(mapping: dict[str, Any], path: _Path) -> str | None:
    """Return the design id with one number changed; None if no change is allowed."""
    block, name, key = path
    old = mapping[block][name][key]
    for factor in _FACTORS:
        new = _scaled(old, factor)
        if new == old:
            continue
        other = copy.deepcopy(mapping)
        other[block][name][key] = new
        try:
            return parse_strategy(other, source="changed").design_id()
        except ConfigError:
            continue
    return None


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, list):
        return [_scaled(item, factor) for item in value]
    return round(value * factor) if isinstance(value, int) else value * factor
