"""Reads the older list form of a strategy and returns the dict form, saying what it changed.

The list form is never run: it is converted once, and every dropped or renamed key is named.
"""

from typing import Any

from marketlab.core import ConfigError
from marketlab.features import INDICATORS

# Keys of the older files that had no effect there (or named a parameter the indicator never had).
_WITHOUT_EFFECT = {
    "model.architecture": ("output_activation",),
    "model.features": ("include_price_context", "scale_features"),
    "training.labels": ("label_lookahead",),
}
_SECTIONS_DROPPED = ("scope", "deployment", "orchestrator", "risk_management", "backtesting")
_FROM_MODEL_TRAINING = (
    "learning_rate",
    "batch_size",
    "epochs",
    "optimizer",
    "early_stopping",
    "analytics",
    "weight_decay",
)
# Fuzzy keys of the older files that name an output column: key -> (set id, output, block prefix).
_OUTPUT_KEYS = {
    "adx": ("adx_{n}", "adx", "adx"),
    "di_plus": ("di_plus_{n}", "plus_di", "adx"),
    "di_minus": ("di_minus_{n}", "minus_di", "adx"),
    "aroon_up": ("aroon_up_{n}", "up", "aroon"),
    "aroon_down": ("aroon_down_{n}", "down", "aroon"),
}


def import_list_form(mapping: dict[str, Any], *, source: str) -> tuple[dict[str, Any], list[str]]:
    """Convert a list-form strategy.

    Returns
    -------
    The dict-form mapping (not yet validated) and one sentence for each change.

    Raises
    ------
    ConfigError if a fuzzy key names no indicator, since dropping it would change the experiment.
    """
    notes: list[str] = []
    old = {key: value for key, value in mapping.items() if key not in _SECTIONS_DROPPED}
    notes += [
        f"section `{k}` is dropped: nothing reads it" for k in _SECTIONS_DROPPED if k in mapping
    ]
    indicators = _indicators(old.get("indicators"), notes, source=source)
    fuzzy = _fuzzy(old.get("fuzzy_sets") or {}, indicators, notes, source=source)
    model, training = _model_and_training(old, notes)
    out = {
        "name": old.get("name"),
        "description": old.get("description", ""),
        "version": "3.0",
        "training_data": _training_data(old.get("training_data") or {}, notes),
        "indicators": indicators,
        "fuzzy_sets": fuzzy,
        "nn_inputs": [{"fuzzy_set": key, "timeframes": "all"} for key in fuzzy],
        "model": model,
        "training": training,
    }
    if "decisions" in old:
        out["decisions"] = old["decisions"]
    return out, notes


def _indicators(value: object, notes: list[str], *, source: str) -> dict[str, dict[str, Any]]:
    if not isinstance(value, list):
        raise ConfigError(
            f"{source}: the list form has `indicators` as a list; this file has "
            f"{type(value).__name__}.",
            field="indicators",
            suggestion="A file in the dict form needs no import.",
        )
    out: dict[str, dict[str, Any]] = {}
    for item in value:
        entry = {**item, **item.get("params", {})}
        entry.pop("params", None)
        kind = str(entry.pop("name"))
        identifier = str(entry.pop("feature_id"))
        definition = INDICATORS.get(kind, field=f"indicators.{identifier}.type")
        # The original's RVI files were written for a 0-100 range that its formula never had.
        name = "rvi_volatility" if kind == "rvi" else kind
        if name != kind:
            notes.append(f"indicator `{identifier}`: type `rvi` becomes `rvi_volatility` (0-100)")
            definition = INDICATORS.get(name)
        known = {parameter.name for parameter in definition.parameters}
        unknown = [key for key in entry if key not in known]
        notes += [f"indicator `{identifier}`: `{k}` is dropped: unknown" for k in unknown]
        entry = {key: value for key, value in entry.items() if key in known}
        out[identifier] = {"type": name, **entry}
    return out


def _fuzzy(
    value: dict[str, Any], indicators: dict[str, Any], notes: list[str], *, source: str
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, sets in value.items():
        identifier, reference = _reference(str(key), indicators, source=source)
        if identifier != key:
            notes.append(f"fuzzy set `{key}` becomes `{identifier}`, reading `{reference}`")
        block: dict[str, Any] = {"indicator": reference}
        for name, membership in sets.items():
            if name == "input_transform":
                if membership not in ({"type": "identity"}, "identity", None):
                    raise ConfigError(
                        f"{source}: input_transform {membership!r} has no counterpart.",
                        field=f"fuzzy_sets.{key}.input_transform",
                        suggestion="Use an indicator whose range is bounded.",
                    )
                notes.append(f"fuzzy set `{key}`: identity input_transform is dropped")
                continue
            triangular = isinstance(membership, dict) and membership.get("type") == "triangular"
            block[name] = membership["parameters"] if triangular else membership
        out[identifier] = block
    return out


def _reference(key: str, indicators: dict[str, Any], *, source: str) -> tuple[str, str]:
    lowered = key.lower()
    for prefix in sorted(_OUTPUT_KEYS, key=len, reverse=True):
        pattern, output, kind = _OUTPUT_KEYS[prefix]
        rest = lowered.removeprefix(prefix).lstrip("_")
        if lowered.startswith(prefix) and (rest.isdigit() or not rest):
            owners = [i for i, spec in indicators.items() if spec["type"] == kind]
            if len(owners) == 1:
                period = rest or str(indicators[owners[0]].get("period", ""))
                return pattern.format(n=period), f"{owners[0]}.{output}"
    if key in indicators:
        definition = INDICATORS.get(indicators[key]["type"])
        single = definition.is_single
        return key, key if single else f"{key}.{definition.output_names[0]}"
    raise ConfigError(
        f"{source}: the fuzzy set {key!r} names no indicator of this file.",
        field=f"fuzzy_sets.{key}",
        code="CONFIG-UnknownName",
        suggestion=f"The indicators are {', '.join(indicators)}.",
    )


def _training_data(value: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    symbols = dict(value.get("symbols", {}))
    frames = dict(value.get("timeframes", {}))
    names = symbols.get("list") or [symbols.get("symbol")]
    lists = frames.get("list") or [frames.get("timeframe")]
    for block, key, mode in (
        (symbols, "symbols", "single_symbol"),
        (frames, "timeframes", "single_timeframe"),
    ):
        if block.get("mode") == "single":
            notes.append(f"training_data.{key}.mode `single` becomes `{mode}`")
            block["mode"] = mode
    return {
        "symbols": {"mode": symbols.get("mode", "single_symbol"), "list": names},
        "timeframes": {
            "mode": frames.get("mode", "single_timeframe"),
            "list": lists,
            "base_timeframe": frames.get("base_timeframe", lists[0]),
        },
        "history_required": value.get("history_required", 200),
    }


def _model_and_training(
    old: dict[str, Any], notes: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    model = {**old.get("model", {})}
    training = {**old.get("training", {})}
    moved = model.pop("training", {})
    for key, value in moved.items():
        if key not in _FROM_MODEL_TRAINING:
            notes.append(f"model.training.{key} is dropped: unknown")
            continue
        notes.append(f"model.training.{key} moves to training.{key}")
        training[key] = value
    for path, keys in _WITHOUT_EFFECT.items():
        head, tail = path.split(".")
        owner = model if head == "model" else training
        block = dict(owner.get(tail, {}))
        present = [key for key in keys if key in block]
        notes += [f"{path}.{k}: {block[k]} is dropped: it had no effect" for k in present]
        kept = {key: value for key, value in block.items() if key not in present}
        if kept:
            owner[tail] = kept
    if "fitness_metrics" in training:
        training.pop("fitness_metrics")
        notes.append("training.fitness_metrics is dropped: it had no effect")
    return model, training
