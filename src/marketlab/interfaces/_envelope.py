"""The one form in which errors leave the program, for REST bodies and for ``--json``.

It is a superset of what callers read (``.error.message // .detail // .message``).
"""

from typing import Any

from marketlab.core import MarketLabError


def error_envelope(error: MarketLabError) -> dict[str, Any]:
    """Return the documented error object; it never holds an ``operation_id``."""
    facts = error.to_dict()
    details = dict(error.details)
    listed = [_plain_issue(item) for item in details.pop("issues", None) or ()]
    text = f"{error.field}: {error.message}" if error.field else error.message
    return envelope(
        code=error.code,
        message=text,
        suggestion=error.suggestion,
        context={
            "field": error.field,
            "value": facts["value"],
            "failure_class": error.failure_class,
        },
        details={**details, "errors": listed},
    )


def envelope(
    *,
    code: str,
    message: str,
    suggestion: str | None = None,
    context: dict[str, Any] | None = None,
    details: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the error object from its parts."""
    shown = {"errors": [], **(details or {})}
    return {
        "success": False,
        "error": {"code": code, "message": message, "details": shown},
        "message": message,
        "error_code": code,
        "context": context or {},
        "details": shown,
        "suggestion": suggestion,
        "detail": message,
    }


def _plain_issue(item: Any) -> dict[str, Any]:
    to_dict = getattr(item, "to_dict", None)
    return dict(to_dict() if to_dict is not None else item)
