"""Runs a promoted model on a feed with simulated money; the code of research, bar by bar."""

from marketlab.runtime._controls import KillSwitch, RiskGate
from marketlab.runtime._feed import Bar, Feed, ReplayFeed, replay_start
from marketlab.runtime._journal import Journal, JournalWriter, MemoryJournal, read_journal
from marketlab.runtime._notifier import JournalNotifier, Notifier
from marketlab.runtime._proof import Difference, ReplayProof, prove_replay
from marketlab.runtime._session import DryRunSession
from marketlab.runtime._session_parts import Recorder, SessionConfig, SessionReport
from marketlab.runtime._state import TRANSITIONS, SessionState

__all__ = [
    "TRANSITIONS",
    "Bar",
    "Difference",
    "DryRunSession",
    "Feed",
    "Journal",
    "JournalNotifier",
    "JournalWriter",
    "KillSwitch",
    "MemoryJournal",
    "Notifier",
    "Recorder",
    "ReplayFeed",
    "ReplayProof",
    "RiskGate",
    "SessionConfig",
    "SessionReport",
    "SessionState",
    "prove_replay",
    "read_journal",
    "replay_start",
]
