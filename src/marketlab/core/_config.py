"""Frozen configuration values: unknown keys refused, checked when built, identified by content."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from marketlab.core._errors import ConfigError, IntegrityError, did_you_mean

ConfigT = TypeVar("ConfigT", bound="FrozenConfig")
Migration = Callable[[dict[str, Any]], dict[str, Any]]


class FrozenConfig(BaseModel):
    """Base of every specification: frozen, keyword-only, strict, unknown keys refused.

    Text never becomes a number and a number never becomes text. ``content_id`` hashes the ordered
    content with defaults filled in, without the fields named in ``not_identity``.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )

    not_identity: ClassVar[frozenset[str]] = frozenset()

    def content_id(self) -> str:
        """Return the SHA-256 (64 hex digits) of this value's identity."""
        return content_id(self.identity())

    def identity(self) -> dict[str, Any]:
        """Return the content that makes this value what it is, JSON-ready, defaults filled in."""
        out: dict[str, Any] = {}
        for name in type(self).model_fields:
            if name not in self.not_identity:
                out[name] = _identity(getattr(self, name))
        return out

    def to_mapping(self) -> dict[str, Any]:
        """Return the whole content as plain JSON-ready values, in field order."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], *, source: str = "configuration") -> Self:
        """Build and check; every broken rule is named in one `ConfigError`."""
        return from_mapping(cls, mapping, source=source)


def _identity(value: Any) -> Any:
    if isinstance(value, FrozenConfig):
        return value.identity()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(k): _identity(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_identity(v) for v in value]
    return value


def canonical_json(value: Any) -> str:
    """Return the one JSON text of `value`: order kept, no spaces, floats by shortest repr.

    Raises
    ------
    IntegrityError if a float is not finite, which JSON cannot hold.
    """
    try:
        return json.dumps(
            value, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain
        )
    except ValueError as error:
        raise IntegrityError(
            "a value that should be stored as JSON holds NaN or infinity.",
            code="INTEGRITY-NotFinite",
        ) from error


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "item"):
        return value.item()
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no JSON form")


def finite_or_none(value: float | None) -> float | None:
    """Return `value` as a float, or None where it is missing, NaN or infinite."""
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def content_id(value: Any) -> str:
    """Return the SHA-256 (64 hex digits) of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def from_mapping(
    cls: type[ConfigT], mapping: Mapping[str, Any], *, source: str = "configuration"
) -> ConfigT:
    """Build `cls` from plain data by JSON rules; the one place that validates files and bodies.

    Raises
    ------
    ConfigError naming every broken rule with its field path, value and remedy.
    """
    try:
        return cls.model_validate_json(canonical_json(dict(mapping)))
    except ValidationError as error:
        issues = [_issue(cls, item) for item in error.errors(include_url=False)]
        first = issues[0]
        more = "" if len(issues) == 1 else f" ({len(issues) - 1} more below)"
        raise ConfigError(
            f"{source}: {first['message']}{more}",
            code=first["code"],
            field=first["field"],
            value=first["value"],
            suggestion=first["suggestion"],
            details={"issues": issues},
        ) from None


def _issue(cls: type[BaseModel], item: Any) -> dict[str, Any]:
    path = ".".join(_walk(cls, item["loc"])[1])
    kind = item["type"]
    suggestion: str | None = None
    if kind == "extra_forbidden":
        name = str(item["loc"][-1])
        suggestion = did_you_mean(name, _names_of(_walk(cls, item["loc"][:-1])[0]))
        message = f"unknown key {name!r}."
        code = "STRATEGY-ValidationFailed"
    elif kind == "missing":
        message = "this required field is missing."
        suggestion = "Add it."
        code = "STRATEGY-ValidationFailed"
    else:
        inner = item.get("ctx", {}).get("error")
        if isinstance(inner, ConfigError):
            message, suggestion = inner.message, inner.suggestion
            code = inner.code
            path = f"{path}.{inner.field}" if inner.field and path else inner.field or path
        else:
            text = item["msg"].removeprefix("Value error, ")
            # A rule about several keys at once is told without the whole mapping.
            message = f"{text}." if not item["loc"] else f"{text}; received {item['input']!r}."
            code = "CONFIG-Invalid"
    received = item.get("input")
    return {
        "field": path or None,
        "message": message,
        "code": code,
        "suggestion": suggestion,
        "value": None if kind == "missing" or not item["loc"] else repr(received)[:120],
    }


def _walk(cls: type[BaseModel], loc: tuple[Any, ...]) -> tuple[list[type[BaseModel]], list[str]]:
    """Return the models that may stand at `loc`, and the path as the file's writer sees it.

    pydantic puts the tag of a discriminated union into the location; the file has no such key.
    """
    models: list[type[BaseModel]] = [cls]
    path: list[str] = []
    for part in loc:
        fields = [m.model_fields[str(part)] for m in models if str(part) in m.model_fields]
        if fields:
            models = [model for field in fields for model in _models_in(field.annotation)]
        else:
            tagged = [m for m in models if _has_tag(m, part)]
            if len(models) > 1 and tagged:
                models = tagged
                continue
        path.append(str(part))
    return models, path


def _has_tag(model: type[BaseModel], part: Any) -> bool:
    return any(part in get_args(field.annotation) for field in model.model_fields.values())


def _names_of(models: list[type[BaseModel]]) -> list[str]:
    return [field.alias or name for m in models for name, field in m.model_fields.items()]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for arg in get_args(annotation) for model in _models_in(arg)]


def migrate_mapping(
    mapping: Mapping[str, Any], migrations: Mapping[int, Migration], *, current: int, source: str
) -> dict[str, Any]:
    """Bring `mapping` from its ``schema_version`` (default 1) to `current` by pure steps.

    Raises
    ------
    ConfigError if the version is newer than this program knows or has no migration.
    """
    out = dict(mapping)
    version = out.get("schema_version", 1)
    if not isinstance(version, int) or version < 1 or version > current:
        raise ConfigError(
            f"{source}: schema_version must be an integer from 1 to {current}.",
            field="schema_version",
            value=version,
            suggestion="Update marketlab, or correct the number.",
        )
    while version < current:
        if version not in migrations:
            raise ConfigError(
                f"{source}: no migration leads from schema version {version}.",
                field="schema_version",
                value=version,
            )
        out = migrations[version](out)
        version += 1
        out["schema_version"] = version
    return out
