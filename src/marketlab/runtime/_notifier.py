"""Who is told about a signal or a stop. Nothing here reaches a network."""

from collections.abc import Mapping
from typing import Any, Protocol

from marketlab.runtime._journal import JournalWriter


class Notifier(Protocol):
    """Delivers a message to a person; must not raise for a message that cannot be delivered."""

    def notify(self, subject: str, facts: Mapping[str, Any]) -> None:
        """Deliver `subject` with JSON-ready facts, which carry ``is_synthetic``."""
        ...


class JournalNotifier:
    """Writes each message into the journal, as what would have been sent."""

    def __init__(self, journal: JournalWriter) -> None:
        self._journal = journal

    def notify(self, subject: str, facts: Mapping[str, Any]) -> None:
        """Write one line of kind ``notification``."""
        self._journal.append({"kind": "notification", "subject": subject, **facts})
