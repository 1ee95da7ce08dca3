"""Feature sets as files: names and formulas in YAML, for tiers that we ship and for a user's own.

```yaml
name: mine
extends: a20
about: What the set is for.
context: {vix: close of the VIX, daily}
let: {leg: "close - lag(close, 5)"}
columns:
  leg_per_atr: {ratio: leg / atr_wilder(14)}
  rsi_daily: {bounded: rsi(14), range: [0, 100]}
```

A column is one entry: its scale class with its formula; `range` for bounded ones, `note` as wanted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

from marketlab.core import ConfigError, did_you_mean, load_yaml
from marketlab.features._expression import CLOCK, CONTEXT, SOURCES, Expression, source, sources_of
from marketlab.features._indicator import INF, SCALES, OutputRange, ScaleClass
from marketlab.features._text import Value, parse_expression

_KEYS = ("name", "about", "extends", "context", "let", "columns", "refused")
_UNBOUNDED = OutputRange(-INF, INF, "ratio")


@dataclass(frozen=True, slots=True)
class NamedFeature:
    """A feature with a name.

    Attributes
    ----------
    name : the column's name.
    formula : its text as written.
    expression : what it computes.
    range : declared range and scale class.
    note : what a reader must know besides.
    """

    name: str
    formula: str
    expression: Expression
    range: OutputRange
    note: str = ""

    @property
    def needs_volume(self) -> bool:
        """Whether it reads the volume."""
        return "volume" in sources_of(self.expression)


@dataclass(frozen=True)
class FeatureFile:
    """A feature set as a file states it, all names resolved.

    Attributes
    ----------
    features : every column in its order, those of `extends` first.
    context : the joined series that are read, name to description.
    refused : columns of the original that read the future, name to reason.
    """

    name: str
    about: str
    extends: str | None
    features: tuple[NamedFeature, ...]
    context: Mapping[str, str]
    refused: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Expression] = field(default_factory=dict)

    def __iter__(self) -> Iterator[NamedFeature]:
        return iter(self.features)


def shipped_feature_sets() -> list[str]:
    """Return the names of the feature sets that come with the package."""
    folder = resources.files("marketlab.features") / "sets"
    return sorted(
        item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml")
    )


def load_feature_file(name: str | Path, *, within: tuple[Path, ...] = ()) -> FeatureFile:
    """Return a feature set that comes with the package, by name, or one of your own, by path.

    `within` are the files that extend this one; a path of theirs begins at their folder.

    Raises
    ------
    ConfigError for an unknown name or key, a formula that cannot be read or looks forward, a name
    that is not known, defined twice or in terms of itself; with the field's path.
    """
    if isinstance(name, Path) or name.endswith((".yaml", ".yml")):
        path = (within[-1].parent if within else Path()) / name
        if path.resolve() in within:
            chain = " -> ".join(str(p.name) for p in (*within, path))
            rule = f"a set cannot extend itself: {chain}"
            raise _error(str(within[-1]), "extends", rule, "Cut the circle.")
        if not path.is_file():
            raise ConfigError(
                f"there is no feature file {path}.",
                code="CONFIG-UnknownName",
                field="tier",
                value=str(path),
                suggestion="Give the path of a YAML file, or the name of a shipped set: "
                f"{', '.join(shipped_feature_sets())}.",
            )
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            rule = f"the file cannot be read: {error}"
            raise _error(str(path), "tier", rule, "Give a text file in UTF-8.") from None
        return parse_feature_file(text, origin=str(path), within=(*within, path.resolve()))
    return _shipped(name)


@cache
def _shipped(name: str) -> FeatureFile:
    known = shipped_feature_sets()
    if name not in known:
        raise ConfigError(
            f"there is no feature set {name!r}.",
            code="CONFIG-UnknownName",
            field="tier",
            value=name,
            suggestion=did_you_mean(name, known),
        )
    text = (resources.files("marketlab.features") / "sets" / f"{name}.yaml").read_text("utf-8")
    found = parse_feature_file(text, origin=f"{name}.yaml")
    if found.name != name:
        raise AssertionError(f"{name}.yaml calls itself {found.name}")
    return found


def parse_feature_file(text: str, *, origin: str, within: tuple[Path, ...] = ()) -> FeatureFile:
    """Return the feature set of a file's text; `origin` names it in errors, `within` as above."""
    content = load_yaml(text, source=origin)
    for key in content:
        if key not in _KEYS:
            raise _error(origin, str(key), f"{key!r} is no key", did_you_mean(str(key), _KEYS))
    name = content.get("name")
    if not isinstance(name, str) or not name.isidentifier():
        raise _error(origin, "name", "the set needs a name of letters, digits and _", "Add it.")
    extends = content.get("extends")
    base = load_feature_file(str(extends), within=within) if extends is not None else None
    context = {**(base.context if base else {}), **_texts(content, "context", origin)}
    columns = _mapping(content, "columns", origin)
    if not columns and base is None:
        raise _error(origin, "columns", "the set has no columns", "Add at least one.")
    names = _Names(origin, base, context, _texts(content, "let", origin), columns)
    own = tuple(names.feature(column) for column in columns)
    # Those of `let` that no column reads are checked too.
    parts = {part: names.part(part) for part in names.let}
    return FeatureFile(
        name=name,
        about=str(content.get("about", "")),
        extends=None if extends is None else str(extends),
        features=(*(base.features if base else ()), *own),
        context=_read(context, (*(base.features if base else ()), *own)),
        refused={**(base.refused if base else {}), **_texts(content, "refused", origin)},
        parts={**(base.parts if base else {}), **parts},
    )


class _Names(Mapping[str, Value]):
    """The names that a file's formulas may use, each resolved when it is first read."""

    def __init__(
        self,
        origin: str,
        base: FeatureFile | None,
        context: Mapping[str, str],
        let: Mapping[str, str],
        columns: Mapping[str, Any],
    ) -> None:
        self.origin, self.let, self.columns = origin, let, columns
        self._known: dict[str, Value] = {}
        if base is not None:
            self._known |= base.parts
            self._known |= {item.name: item.expression for item in base}
        self._known |= {name: source(CONTEXT + name) for name in context}
        self._open: list[str] = []
        taken = {*self._known, *SOURCES, *CLOCK}
        for where, name in [("let", n) for n in let] + [("columns", n) for n in columns]:
            if not str(name).isidentifier():
                rule = f"{name!r} is no name: letters, digits and _ only"
                raise _error(origin, f"{where}.{name}", rule, "Rename it.")
            if name in taken:
                raise _error(origin, f"{where}.{name}", f"{name!r} is taken", "Rename it.")
            taken.add(name)

    def __contains__(self, name: object) -> bool:
        return name in self._known or name in self.let or name in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter({**self._known, **self.let, **self.columns})

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __getitem__(self, name: str) -> Value:
        if name in self._known:
            return self._known[name]
        if name in self._open:
            cycle = " -> ".join([*self._open[self._open.index(name) :], name])
            raise _error(
                self.origin,
                self._path(name),
                f"it is defined in terms of itself: {cycle}",
                "Cut it.",
            )
        self._open.append(name)
        text = self.let[name] if name in self.let else _formula(self, name)[1]
        value = parse_expression(text, self, field=f"{self.origin}: {self._path(name)}")
        self._open.pop()
        self._known[name] = value
        return value

    def _path(self, name: str) -> str:
        return f"{'let' if name in self.let else 'columns'}.{name}"

    def part(self, name: str) -> Expression:
        """Return what a name of `let` stands for."""
        return cast("Expression", self[name])

    def feature(self, name: str) -> NamedFeature:
        """Return a column, resolved."""
        scale, text = _formula(self, name)
        entry = self.columns[name]
        limits = _UNBOUNDED if scale != "flag" else OutputRange(0.0, 1.0, scale)
        given = entry.get("range")
        if given is not None:
            limits = _limits(self.origin, name, given)
        elif scale == "bounded":
            rule = "a bounded column states its range"
            raise _error(self.origin, f"columns.{name}.range", rule, "Add `range: [low, high]`.")
        return NamedFeature(
            name,
            text,
            cast("Expression", self[name]),
            OutputRange(limits.low, limits.high, scale),
            str(entry.get("note", "")),
        )


def _formula(names: _Names, name: str) -> tuple[ScaleClass, str]:
    entry, path = names.columns[name], f"columns.{name}"
    wanted = f"Write `{{ratio: FORMULA}}`; the scale classes are {', '.join(SCALES)}."
    if not isinstance(entry, dict):
        raise _error(names.origin, path, "a column is its scale class with its formula", wanted)
    for key in entry:
        if key not in (*SCALES, "range", "note"):
            hint = did_you_mean(str(key), (*SCALES, "range", "note"))
            if not str(key).isidentifier():  # YAML has cut a formula at its comma
                hint = 'Put a formula with a comma in quotes: {ratio: "close / sma(close, 20)"}.'
            raise _error(names.origin, f"{path}.{key}", f"{key!r} is no key", hint)
    scales = [scale for scale in SCALES if scale in entry]
    if len(scales) != 1:
        raise _error(names.origin, path, f"it has {len(scales)} scale classes", wanted)
    text = entry[scales[0]]
    if not isinstance(text, str | int | float):
        raise _error(names.origin, path, "the formula is no text", wanted)
    return scales[0], str(text)


def _limits(origin: str, name: str, given: Any) -> OutputRange:
    pair = given if isinstance(given, list) and len(given) == 2 else []
    numbers = [float(x) for x in pair if isinstance(x, int | float) and not isinstance(x, bool)]
    if len(numbers) != 2 or numbers[0] >= numbers[1]:
        rule = f"a range is [low, high], low below high; received {given!r}"
        raise _error(origin, f"columns.{name}.range", rule, "For example [0, 100].")
    low, high = numbers
    return OutputRange(low, high, "bounded")


def _read(context: Mapping[str, str], features: tuple[NamedFeature, ...]) -> dict[str, str]:
    read = set(sources_of(*(item.expression for item in features)))
    return {name: text for name, text in context.items() if CONTEXT + name in read}


def _mapping(content: Mapping[str, Any], key: str, origin: str) -> dict[str, Any]:
    value = content.get(key, {})
    if not isinstance(value, dict):
        raise _error(origin, key, f"{key} must be a mapping of names", "Write `name: value` lines.")
    return {str(name): item for name, item in value.items()}


def _texts(content: Mapping[str, Any], key: str, origin: str) -> dict[str, str]:
    values = _mapping(content, key, origin)
    for name, text in values.items():
        if not isinstance(text, str | int | float):
            raise _error(origin, f"{key}.{name}", "the value must be text", "Put it in one line.")
    return {name: str(text) for name, text in values.items()}


def _error(origin: str, path: str, rule: str, suggestion: str) -> ConfigError:
    return ConfigError(
        f"{origin}: {path}: {rule}.",
        code="CONFIG-InvalidFeatureFile",
        field=path,
        suggestion=suggestion,
    )
