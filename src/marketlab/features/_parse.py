"""From raw YAML blocks to a checked configuration, collecting every mistake on the way."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from marketlab.core import ConfigError, did_you_mean
from marketlab.features._checks import semantic_issues
from marketlab.features._config import (
    FeatureSetConfig,
    FuzzySetSpec,
    IndicatorSpec,
    InputSpec,
)
from marketlab.features._expression import SOURCES
from marketlab.features._formula import FEATURE, FORMULA, formula_parameters, resolve_feature
from marketlab.features._fuzzy import MembershipSpec, check_parameters, with_shoulders
from marketlab.features._indicator import INDICATORS
from marketlab.features._issues import Category, Issue, from_error, issue, raise_errors

STRUCTURE = "STRATEGY-ValidationFailed"
MAX_LOOKBACK = 1000
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_EDGES = ("triangles", "shoulders")
_NORMALIZATIONS = ("none", "minmax", "zscore")
_INPUT_KEYS = ("fuzzy_set", "raw_indicator", "timeframes", "normalization")


def parse_feature_blocks(
    timeframe: str,
    indicators: Any,
    fuzzy_sets: Any,
    nn_inputs: Any,
    lookback: Any,
    *,
    has_volume: bool | None = None,
) -> tuple[FeatureSetConfig | None, list[Issue]]:
    """Return the configuration of raw blocks, None if it has errors, and all findings.

    Parameters
    ----------
    timeframe : timeframe of the bars, the only one that `nn_inputs` may name.
    indicators, fuzzy_sets, nn_inputs : the blocks as the YAML loader gives them.
    lookback : ``features.lookback_periods``, the number of lags.
    has_volume : whether the series has volume; None if it is not known yet.
    """
    parser = _Parser(timeframe)
    parser.indicators(indicators)
    parser.fuzzy_sets(fuzzy_sets)
    parser.inputs(nn_inputs)
    lags = parser.lookback(lookback)
    if any(item.severity == "error" for item in parser.issues):
        return None, parser.issues
    config = FeatureSetConfig(
        timeframe=timeframe,
        indicators=tuple(parser.known_indicators.values()),
        fuzzy_sets=tuple(parser.known_sets.values()),
        nn_inputs=tuple(parser.known_inputs),
        lookback_periods=lags,
    )
    issues = parser.issues + semantic_issues(config, has_volume=has_volume)
    broken = any(item.severity == "error" for item in issues)
    return (None if broken else config), issues


def parse_or_raise(
    timeframe: str, indicators: Any, fuzzy_sets: Any, nn_inputs: Any, lookback: Any
) -> FeatureSetConfig:
    """Return the configuration, or raise one `ConfigError` with all errors."""
    config, issues = parse_feature_blocks(timeframe, indicators, fuzzy_sets, nn_inputs, lookback)
    raise_errors(issues)
    if config is None:
        raise AssertionError("a configuration without errors was not built")
    return config


class _Parser:
    """Reads one block after the other; a later block may be read although an earlier one failed."""

    def __init__(self, timeframe: str) -> None:
        self.timeframe = timeframe
        self.issues: list[Issue] = []
        self.known_indicators: dict[str, IndicatorSpec] = {}
        self.known_sets: dict[str, FuzzySetSpec] = {}
        self.known_inputs: list[InputSpec] = []
        # Ids that were declared, rightly or not: a broken one is reported once, not at each use.
        self._declared_indicators: set[str] = set()
        self._declared_sets: set[str] = set()

    def _error(
        self, category: Category, path: str, sentence: str, *, code: str = STRUCTURE, **details: Any
    ) -> None:
        self.issues.append(issue("error", category, code, path, sentence, **details))

    def _mapping(self, category: Category, path: str, value: Any, form: str) -> dict[str, Any]:
        if isinstance(value, Mapping):
            return {str(key): item for key, item in value.items()}
        self._error(category, path, f"must be a mapping {form}; received {value!r:.120}.")
        return {}

    def _identifier(self, category: Category, path: str, name: str) -> bool:
        if not _IDENTIFIER.fullmatch(name):
            rule = "an id must be a letter followed by letters, digits, `_` or `-`"
        elif category == "indicators" and name in SOURCES:
            rule = f"an id may not be one of {', '.join(SOURCES)}"
        else:
            return True
        self._error(category, path, f"{rule}; received {name!r}.", value=name)
        return False

    def indicators(self, block: Any) -> None:
        blocks = self._mapping("indicators", "indicators", block, "{id: {type, parameters}}")
        if isinstance(block, Mapping) and not block:
            self._error("indicators", "indicators", "must declare at least one indicator.")
        for name, value in blocks.items():
            path = f"indicators.{name}"
            self._declared_indicators.add(name)
            if not self._identifier("indicators", path, name):
                continue
            if not isinstance(value, Mapping):
                form = "{type: rsi, period: 14}"
                self._error(
                    "indicators", path, f"must be a mapping like {form}; got {value!r:.80}."
                )
            elif "type" not in value:
                self._error("indicators", f"{path}.type", "this required field is missing. Add it.")
            else:
                self._indicator(name, path, value)

    def _indicator(self, name: str, path: str, value: Mapping[str, Any]) -> None:
        kind = value["type"]
        given = {str(k): v for k, v in value.items() if k != "type"}
        if kind in (FORMULA, FEATURE):
            self._formula(name, path, kind, given)
            return
        try:
            definition = INDICATORS.get(str(kind))
        except ConfigError as error:
            valid = [*INDICATORS.names(), FORMULA, FEATURE]
            self._error(
                "indicators",
                f"{path}.type",
                f"{error.message} {error.suggestion} Valid: {', '.join(valid)}.",
                code=error.code,
                value=str(kind),
                valid=valid,
            )
            return
        try:
            params = definition.check(given)
        except ConfigError as error:
            self.issues.append(from_error("indicators", path, error))
            return
        self.known_indicators[name] = IndicatorSpec(
            id=name, type=definition.name, parameters={**params}
        )

    def _formula(self, name: str, path: str, kind: str, given: Mapping[str, Any]) -> None:
        try:
            entry = resolve_feature(given, None) if kind == FEATURE else dict(given)
            params = formula_parameters({k: v for k, v in entry.items() if k != "type"})
        except ConfigError as error:
            self.issues.append(from_error("indicators", path, error))
            return
        self.known_indicators[name] = IndicatorSpec(id=name, type=FORMULA, parameters=params)

    def _reference(
        self, category: Category, path: str, value: Any
    ) -> tuple[str, str | None] | None:
        """Return (indicator id, output or None) of a checked reference, None after reporting."""
        if not isinstance(value, str):
            form = "an indicator id such as rsi_14 or adx_14.plus_di"
            self._error(category, path, f"must be {form}; received {value!r:.80}.")
            return None
        name, dot, output = value.partition(".")
        if name not in self._declared_indicators:
            known = sorted(self._declared_indicators)
            self._error(
                category,
                path,
                f"unknown indicator id {name!r}. {did_you_mean(name, known)} "
                f"Valid: {', '.join(known)}.",
                value=value,
                valid=known,
            )
            return None
        spec = self.known_indicators.get(name)
        if spec is None:
            return None  # its own mistake is reported where it is declared
        outputs = spec.definition.output_names
        if spec.definition.is_single:
            if not dot:
                return name, None
            self._error(
                category,
                path,
                f"{spec.type} has one output, so {value!r} takes no dot. Write {name!r}.",
                value=value,
            )
        elif output in outputs:
            return name, output
        else:
            valid = [f"{name}.{o}" for o in outputs]
            fault = f"has no output {output!r}" if dot else "has several outputs and needs a dot"
            self._error(
                category,
                path,
                f"{spec.type} {fault}; received {value!r}. {did_you_mean(value, valid)} "
                f"Valid: {', '.join(valid)}.",
                value=value,
                valid=valid,
            )
        return None

    def fuzzy_sets(self, block: Any) -> None:
        form = "{id: {indicator: …, set: [a, b, c]}}"
        for name, value in self._mapping("fuzzy_sets", "fuzzy_sets", block, form).items():
            path = f"fuzzy_sets.{name}"
            self._declared_sets.add(name)
            if not self._identifier("fuzzy_sets", path, name):
                continue
            if not isinstance(value, Mapping):
                self._error("fuzzy_sets", path, f"must be a mapping; received {value!r:.80}.")
                continue
            before = len(self.issues)
            spec = self._fuzzy_set(name, path, value)
            if spec is not None and len(self.issues) == before:
                self.known_sets[name] = spec

    def _fuzzy_set(self, name: str, path: str, value: Mapping[str, Any]) -> FuzzySetSpec | None:
        reference = None
        if "indicator" in value:
            reference = self._reference("fuzzy_sets", f"{path}.indicator", value["indicator"])
        else:
            self._error(
                "fuzzy_sets", f"{path}.indicator", "this required field is missing. Add it."
            )
        edges = value.get("edges", "triangles")
        if edges not in _EDGES:
            self._choice("fuzzy_sets", f"{path}.edges", edges, _EDGES)
            edges = "triangles"
        written = {str(k): v for k, v in value.items() if k not in ("indicator", "edges")}
        sets = [s for n, v in written.items() if (s := self._membership(f"{path}.{n}", n, v))]
        if not written:
            self._error("fuzzy_sets", path, "declares no set. Write at least one, name: [a, b, c].")
        if edges == "shoulders" and len(sets) == len(written) and sets:
            try:
                with_shoulders(sets)
            except ConfigError as error:
                self.issues.append(from_error("fuzzy_sets", path, error))
        if reference is None:
            return None
        return FuzzySetSpec(
            id=name, indicator=reference[0], output=reference[1], edges=edges, sets=tuple(sets)
        )

    def _membership(self, path: str, name: str, value: Any) -> MembershipSpec | None:
        if not self._identifier("fuzzy_sets", path, name):
            return None
        kind: Any = "triangular"
        parameters = value
        if isinstance(value, Mapping):
            unknown = [str(k) for k in value if k not in ("type", "parameters")]
            absent = [k for k in ("type", "parameters") if k not in value]
            for key in unknown:
                hint = did_you_mean(key, ("type", "parameters"))
                self._error("fuzzy_sets", f"{path}.{key}", f"unknown key {key!r}. {hint}")
            # A misspelt key is one mistake, not two.
            for key in absent if not unknown else ():
                self._error("fuzzy_sets", f"{path}.{key}", "this required field is missing.")
            if unknown or absent:
                return None
            kind, parameters = value["type"], value["parameters"]
        try:
            points = check_parameters(kind, parameters)
        except ConfigError as error:
            self.issues.append(from_error("fuzzy_sets", path, error))
            return None
        return MembershipSpec(name=name, type=str(kind), parameters=points)

    def _choice(self, category: Category, path: str, value: Any, valid: Sequence[str]) -> None:
        self._error(
            category,
            path,
            f"must be one of {', '.join(valid)}; received {value!r:.80}. "
            f"{did_you_mean(str(value), valid)}",
            value=str(value),
            valid=list(valid),
        )

    def inputs(self, block: Any) -> None:
        if not isinstance(block, Sequence) or isinstance(block, str) or not block:
            form = "[{fuzzy_set: rsi_14, timeframes: all}]"
            self._error(
                "nn_inputs", "nn_inputs", f"must be a list like {form}; received {block!r:.80}."
            )
            return
        seen: dict[tuple[str, str], str] = {}
        for i, value in enumerate(block):
            path = f"nn_inputs.{i}"
            if not isinstance(value, Mapping):
                self._error("nn_inputs", path, f"must be a mapping; received {value!r:.80}.")
                continue
            for key in value:
                if key not in _INPUT_KEYS:
                    hint = did_you_mean(str(key), _INPUT_KEYS)
                    self._error("nn_inputs", f"{path}.{key}", f"unknown key {key!r}. {hint}")
            self._input(path, value, seen)

    def _input(self, path: str, value: Mapping[str, Any], seen: dict[tuple[str, str], str]) -> None:
        given = [key for key in ("fuzzy_set", "raw_indicator") if value.get(key) is not None]
        if len(given) != 1:
            fault = "both are" if given else "neither is"
            self._error(
                "nn_inputs", path, f"needs one of fuzzy_set and raw_indicator; {fault} given."
            )
            return
        kind, name = given[0], value[given[0]]
        before = len(self.issues)
        if kind == "raw_indicator":
            self._reference("nn_inputs", f"{path}.raw_indicator", name)
        elif not isinstance(name, str) or name not in self._declared_sets:
            known = sorted(self._declared_sets)
            self._error(
                "nn_inputs",
                f"{path}.fuzzy_set",
                f"unknown fuzzy set {name!r}. {did_you_mean(str(name), known)} "
                f"Valid: {', '.join(known)}.",
                value=str(name),
                valid=known,
            )
        timeframes = self._timeframes(path, value.get("timeframes", "all"))
        normalization = value.get("normalization", "none")
        if "normalization" in value and kind == "fuzzy_set":
            self._error(
                "nn_inputs",
                f"{path}.normalization",
                "a fuzzy set lies in [0, 1] and takes no normalization. Remove the key.",
            )
        elif normalization not in _NORMALIZATIONS:
            self._choice("nn_inputs", f"{path}.normalization", normalization, _NORMALIZATIONS)
        if (kind, str(name)) in seen:
            self._error(
                "nn_inputs", path, f"{kind} {name!r} stands already at {seen[(kind, str(name))]}."
            )
        if len(self.issues) == before:
            seen[(kind, str(name))] = path
            self.known_inputs.append(
                InputSpec(
                    fuzzy_set=name if kind == "fuzzy_set" else None,
                    raw_indicator=name if kind == "raw_indicator" else None,
                    timeframes=timeframes,
                    normalization=normalization,
                )
            )

    def _timeframes(self, path: str, value: Any) -> Any:
        if value == "all":
            return "all"
        if isinstance(value, Sequence) and not isinstance(value, str) and value:
            unknown = [t for t in value if t != self.timeframe]
            if not unknown and len(value) == 1:
                return tuple(value)
            fault = f"unknown timeframe {unknown[0]!r}" if unknown else "a timeframe stands twice"
        else:
            fault = f"must be all or a list of timeframes; received {value!r:.80}"
        self._error(
            "nn_inputs",
            f"{path}.timeframes",
            f"{fault}. Valid: all, [{self.timeframe}].",
            valid=["all", [self.timeframe]],
        )
        return "all"

    def lookback(self, value: Any) -> int:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if whole and 0 <= value <= MAX_LOOKBACK:
            return int(value)
        self._error(
            "structure",
            "model.features.lookback_periods",
            f"must be an integer from 0 to {MAX_LOOKBACK}; received {value!r:.80}.",
        )
        return 0
