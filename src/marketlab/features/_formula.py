"""A user's own features as indicators of a strategy: a formula, or a column of a feature file.

```yaml
indicators:
  stretch: {type: formula, formula: "close / sma(close, 20) - 1", scale: ratio, range: [-0.2, 0.2]}
  leg: {type: feature, set: features/mine.yaml, name: leg_per_atr}
```

The second becomes the first, with its text in full, when a strategy is loaded: its identity covers
what is computed, not where a file lay.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marketlab.core import ConfigError, did_you_mean
from marketlab.features._expression import CONTEXT, Expression, sources_of
from marketlab.features._feature_file import NamedFeature, load_feature_file
from marketlab.features._indicator import (
    INF,
    SCALES,
    SINGLE,
    IndicatorDefinition,
    OutputRange,
    ScaleClass,
    fixed,
)
from marketlab.features._text import format_expression, parse_expression

FORMULA = "formula"
FEATURE = "feature"
_FORMULA_KEYS = ("formula", "range", "scale")
_FEATURE_KEYS = ("set", "name")
_REFERENCE = "A formula of the strategy's own."

FormulaParameters = Mapping[str, int | float | str]


def formula_parameters(given: Mapping[str, Any]) -> dict[str, int | float | str]:
    """Return the checked parameters of a ``type: formula`` entry, its text in full.

    Parameters
    ----------
    given : formula; scale (one of `SCALES`); range ``[low, high]``, needed for scale bounded.

    Raises
    ------
    ConfigError for an unknown, missing or bad entry, a formula that cannot be read or looks
    forward, or one that reads a series beside the bars, which a strategy has none of.
    """
    _check_keys(given, _FORMULA_KEYS, needed=("formula", "scale"), kind=FORMULA)
    text, scale = given["formula"], given["scale"]
    if not isinstance(text, str):
        raise _error("formula", f"must be text; received {text!r}", "Put it in quotes.")
    if scale not in SCALES:
        raise _error("scale", f"there is no scale {scale!r}", did_you_mean(str(scale), SCALES))
    expression = parse_expression(text, field="formula")
    _refuse_context(expression)
    checked: dict[str, int | float | str] = {
        "formula": format_expression(expression),
        "scale": str(scale),
    }
    limits = given.get("range")
    if limits is None:
        if scale == "bounded":
            raise _error("range", "a bounded formula states its range", "Add range: [low, high].")
        return checked
    numbers = limits if isinstance(limits, list | tuple) and len(limits) == 2 else ()
    plain = [float(x) for x in numbers if isinstance(x, int | float) and type(x) is not bool]
    if len(plain) != 2 or not -INF < plain[0] < plain[1] < INF:
        rule = f"a range is [low, high], low below high; received {limits!r}"
        raise _error("range", rule, "For example [0, 100].")
    return {**checked, "low": plain[0], "high": plain[1]}


def formula_definition(parameters: FormulaParameters) -> IndicatorDefinition:
    """Return the indicator behind the parameters that `formula_parameters` gave."""
    expression = parse_expression(str(parameters["formula"]), field="formula")
    scale: ScaleClass = next(s for s in SCALES if s == parameters["scale"])
    low, high = float(parameters.get("low", -INF)), float(parameters.get("high", INF))
    return IndicatorDefinition(
        FORMULA,
        (),
        (SINGLE,),
        fixed(**{SINGLE: OutputRange(low, high, scale)}),
        lambda _: {SINGLE: expression},
        _REFERENCE,
        needs_volume="volume" in sources_of(expression),
    )


def resolve_feature(given: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """Return the ``type: formula`` entry that a ``type: feature`` entry stands for.

    Parameters
    ----------
    given : set (a shipped one by name, or a YAML file) and name (one of its columns).
    folder : where a relative path of a file begins; the current folder if None.

    Raises
    ------
    ConfigError for an unknown key, set or column, or a file that breaks a rule.
    """
    _check_keys(given, _FEATURE_KEYS, needed=_FEATURE_KEYS, kind=FEATURE)
    name, column = str(given["set"]), given["name"]
    is_file = name.endswith((".yaml", ".yml"))
    found = load_feature_file((folder or Path()) / name if is_file else name)
    item = next((each for each in found if each.name == column), None)
    if item is None:
        hint = did_you_mean(str(column), [each.name for each in found])
        raise _error("name", f"the feature set {found.name} has no column {column!r}", hint)
    _refuse_context(item.expression)
    return _entry(item)


def resolve_features(indicators: Any, folder: Path | None) -> Any:
    """Return a block `indicators` whose entries of type feature are formulas; others as they are.

    Raises
    ------
    ConfigError as `resolve_feature`, its field with the entry's path.
    """
    if not isinstance(indicators, Mapping):
        return indicators
    resolved: dict[Any, Any] = {}
    for name, entry in indicators.items():
        resolved[name] = entry
        if isinstance(entry, Mapping) and entry.get("type") == FEATURE:
            given = {str(k): v for k, v in entry.items() if k != "type"}
            try:
                resolved[name] = resolve_feature(given, folder)
            except ConfigError as error:
                raise ConfigError(
                    error.message,
                    code=error.code,
                    field=f"indicators.{name}" + (f".{error.field}" if error.field else ""),
                    value=error.value,
                    suggestion=error.suggestion,
                ) from None
    return resolved


def _entry(item: NamedFeature) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "type": FORMULA,
        "formula": format_expression(item.expression),
        "scale": item.range.scale,
    }
    if item.range.low > -INF and item.range.high < INF:
        entry["range"] = [item.range.low, item.range.high]
    return entry


def _refuse_context(expression: Expression) -> None:
    joined = [name for name in sources_of(expression) if name.startswith(CONTEXT)]
    if joined:
        raise ConfigError(
            f"it reads {joined[0]}, and a strategy reads the bars of one series only.",
            code="CONFIG-ContextInStrategy",
            field="formula",
            value=joined[0],
            suggestion="Build a table with `marketlab features build --context` instead.",
        )


def _check_keys(
    given: Mapping[str, Any], known: tuple[str, ...], *, needed: tuple[str, ...], kind: str
) -> None:
    for key in given:
        if key not in known:
            raise _error(key, f"{kind} takes {', '.join(known)}", did_you_mean(key, known))
    for key in needed:
        if key not in given:
            raise _error(key, f"{kind} needs {key!r}", "Add it.")


def _error(field: str, rule: str, suggestion: str) -> ConfigError:
    return ConfigError(
        f"{rule}.",
        code="CONFIG-IndicatorCreationFailed",
        field=field,
        suggestion=suggestion,
    )
