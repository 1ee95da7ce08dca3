"""Time comes in as an argument: a clock that can be stopped in tests and driven in a replay."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from marketlab.core._errors import ConfigError


class Clock(Protocol):
    """Tells the time, aware and in UTC."""

    def now(self) -> datetime:
        """Return the present moment, aware, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment, aware, UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands until it is moved; a replay moves it to each bar's close."""

    def __init__(self, start: datetime) -> None:
        self._now = require_utc(start, field="start")

    def now(self) -> datetime:
        """Return the moment it was last moved to."""
        return self._now

    def move_to(self, moment: datetime) -> None:
        """Move forward to `moment`; going back is a mistake of ours."""
        if moment < self._now:
            raise AssertionError(f"clock moved back from {self._now} to {moment}")
        self._now = moment

    def advance(self, step: timedelta) -> None:
        """Move forward by `step`."""
        self.move_to(self._now + step)


def require_utc(moment: datetime, *, field: str) -> datetime:
    """Return `moment` in UTC; a naive one is refused, because its zone would be a guess."""
    if moment.tzinfo is None:
        raise ConfigError(
            "a time needs a zone; a naive one would be a guess.",
            field=field,
            value=moment.isoformat(),
            suggestion="Add 'Z' or an offset such as '+02:00'.",
        )
    return moment.astimezone(UTC)


def stamp(moment: datetime) -> str:
    """Return ``YYYYMMDD_HHMMSS`` in UTC, as run and operation ids use it."""
    return require_utc(moment, field="moment").strftime("%Y%m%d_%H%M%S")


def iso(moment: datetime | None) -> str | None:
    """Return ISO 8601 in UTC with 'Z', or None."""
    if moment is None:
        return None
    return require_utc(moment, field="moment").isoformat().replace("+00:00", "Z")
