"""Findings of a validation, in the form that the REST endpoint and scripts read."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from marketlab.core import ConfigError

Severity = Literal["error", "warning"]
Category = Literal["structure", "indicators", "fuzzy_sets", "nn_inputs", "validation", "system"]


@dataclass(frozen=True)
class Issue:
    """One finding about a specification.

    Attributes
    ----------
    severity : an "error" forbids a run, a "warning" is shown.
    category : the block it belongs to.
    code : ``CATEGORY-Name``, stable, for programs.
    message : field path, rule, value received, valid values and close matches, in sentences.
    field : dotted path in the file.
    details : JSON-ready facts.
    """

    severity: Severity
    category: Category
    code: str
    message: str
    field: str
    details: dict[str, Any] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the finding JSON-ready."""
        return {
            "severity": self.severity,
            "category": self.category,
            "code": self.code,
            "message": self.message,
            "field": self.field,
            "details": self.details,
        }


def issue(
    severity: Severity,
    category: Category,
    code: str,
    path: str,
    sentence: str,
    **details: Any,
) -> Issue:
    """Return a finding whose message starts with its field path."""
    return Issue(severity, category, code, f"{path}: {sentence}", path, details)


def from_error(category: Category, path: str, error: ConfigError) -> Issue:
    """Return the finding for an error raised below `path`."""
    if error.field:
        path = f"{path}.{error.field}"
    sentence = error.message if error.suggestion is None else f"{error.message} {error.suggestion}"
    details = {} if error.value is None else {"value": repr(error.value)[:120]}
    return issue("error", category, error.code, path, sentence, **details)


def raise_errors(issues: list[Issue]) -> None:
    """Raise one `ConfigError` for all findings of severity error; do nothing without any."""
    errors = [item for item in issues if item.severity == "error"]
    if not errors:
        return
    first = errors[0]
    more = "" if len(errors) == 1 else f" ({len(errors) - 1} more below)"
    raise ConfigError(
        first.message.removeprefix(f"{first.field}: ") + more,
        code=first.code,
        field=first.field,
        value=first.details.get("value"),
        details={"issues": [item.to_dict() for item in errors]},
    )
