"""Errors, grouped by what the reader must do.

MarketLabError
├── RequestError          change the request         exit 2   HTTP 400
│   ├── ConfigError       a specification breaks a rule
│   ├── NotFoundError     a name or id is unknown    exit 2   HTTP 404
│   ├── ConflictError     the state forbids it       exit 2   HTTP 409
│   └── NotFittedError    a forecast was asked of an unfitted model
├── DataError             look at the data           exit 3   HTTP 400
│   └── DataNotAvailableError   nothing is stored for it  exit 3   HTTP 503
├── TransientError        try again                  exit 4   HTTP 503
├── CancelledError        somebody asked to stop     exit 5   HTTP 409
└── IntegrityError        stop: a promise is broken  exit 6   HTTP 500
    └── TrainingDivergedError   numbers stopped being finite

A message names the thing, the rule, the value received and the way out. Errors are raised once
and shown once, by the interface on top.
"""

import difflib
from collections.abc import Iterable
from typing import Any, ClassVar


class MarketLabError(Exception):
    """Base of every error a user can meet.

    Parameters
    ----------
    message : one sentence with the rule and the value received.
    code : ``CATEGORY-Name``, stable, for programs.
    field : dotted path of the offending field, if there is one.
    value : what was received (shown by ``repr``).
    suggestion : the way out, one sentence.
    details : JSON-ready facts for programs.
    """

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    failure_class: ClassVar[str] = "bug"
    default_code: ClassVar[str] = "SYSTEM-Error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        value: object = None,
        suggestion: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.field = field
        self.value = value
        self.suggestion = suggestion
        self.details = details or {}

    def __str__(self) -> str:
        text = f"{self.field}: {self.message}" if self.field else self.message
        return f"{text} {self.suggestion}" if self.suggestion else text

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors travel from worker processes; keyword-only fields need this to survive pickling.
        return (_rebuild, (type(self), self.message, self.to_dict()))

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON-ready facts (``value`` as its ``repr``)."""
        return {
            "code": self.code,
            "message": self.message,
            "field": self.field,
            "value": None if self.value is None else repr(self.value)[:200],
            "suggestion": self.suggestion,
            "details": self.details,
            "failure_class": self.failure_class,
        }


def _rebuild(cls: type[MarketLabError], message: str, facts: dict[str, Any]) -> MarketLabError:
    keep = {key: facts[key] for key in ("code", "field", "suggestion", "details")}
    return cls(message, **keep)


class RequestError(MarketLabError):
    """The request must change."""

    exit_code = 2
    http_status = 400
    failure_class = "config"
    default_code = "REQUEST-Invalid"


class ConfigError(RequestError, ValueError):
    """A specification breaks a rule (a `ValueError`, so that validators may raise it)."""

    default_code = "CONFIG-Invalid"


class NotFoundError(RequestError):
    """A name or an id is unknown."""

    http_status = 404
    default_code = "REQUEST-NotFound"


class ConflictError(RequestError):
    """The present state forbids the request."""

    http_status = 409
    default_code = "REQUEST-Conflict"


class NotFittedError(RequestError):
    """A forecast was asked of a model that was not fitted."""

    default_code = "MODEL-NotFitted"


class DataError(MarketLabError):
    """The data must be looked at."""

    exit_code = 3
    http_status = 400
    failure_class = "data"
    default_code = "DATA-Invalid"


class DataNotAvailableError(DataError):
    """Nothing is stored for what was asked."""

    http_status = 503
    default_code = "DATA-NotAvailable"


class TransientError(MarketLabError):
    """The same request may go through later: a worker died, a resource is busy."""

    exit_code = 4
    http_status = 503
    failure_class = "transient"
    default_code = "SYSTEM-Transient"


class CancelledError(MarketLabError):
    """Somebody asked for the work to stop, and it did, keeping a checkpoint."""

    exit_code = 5
    http_status = 409
    failure_class = "cancelled"
    default_code = "OPERATION-Cancelled"


class IntegrityError(MarketLabError):
    """A stored thing is not what its record says, or cannot be stored: stop and look."""

    exit_code = 6
    failure_class = "integrity"
    default_code = "INTEGRITY-Broken"


class TrainingDivergedError(IntegrityError):
    """Loss or weights stopped being finite."""

    failure_class = "numeric"
    default_code = "TRAINING-Diverged"


def did_you_mean(name: str, known: Iterable[str], *, most: int = 3) -> str:
    """Return ``"Did you mean 'x' or 'y'?"`` for close matches, else the list of what exists."""
    names = sorted({str(k) for k in known})
    lowered = {n.lower(): n for n in names}
    close = difflib.get_close_matches(name.lower(), list(lowered), n=most, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(repr(lowered[c]) for c in close)}?"
    shown = ", ".join(names[:40]) + (", …" if len(names) > 40 else "")
    return f"Known: {shown}." if names else "Nothing is registered yet."
