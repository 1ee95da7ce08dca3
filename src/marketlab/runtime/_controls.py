"""What can hold a session back: the kill switch and the risk gate."""

from pathlib import Path

from marketlab.backtest import Permission, RiskEvent, RiskLimits, new_risk_state
from marketlab.backtest import risk_permission as _permission
from marketlab.backtest import risk_review as _review
from marketlab.core import atomic_write

_DAY_NS = 86_400_000_000_000


class KillSwitch:
    """A file that stops a session; looked at once per bar, before a signal is emitted.

    The session emits no further signal, closes its position at the next open and ends. A switch
    that cannot be looked at counts as on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def is_on(self) -> bool:
        """Return whether the file is there."""
        try:
            return self.path.exists()
        except OSError:
            return True

    def reason(self) -> str | None:
        """Return what was written into the file, or None if it is off or cannot be read."""
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None

    def turn_on(self, reason: str) -> None:
        """Write the file."""
        atomic_write(self.path, reason + "\n")

    def turn_off(self) -> None:
        """Remove the file; no error if it is off."""
        self.path.unlink(missing_ok=True)


class RiskGate:
    """The limits of the backtest, kept for a running session: the same object, the same steps."""

    def __init__(self, limits: RiskLimits, initial_equity: float) -> None:
        self.limits = limits
        self.initial_equity = initial_equity
        self._table = limits.to_array()
        self._state = new_risk_state(initial_equity)

    def permission(self, time_ns: int) -> Permission:
        """Return what may be filled at the open of the bar that opens at `time_ns`; call once."""
        return Permission(_permission(time_ns // _DAY_NS, self._table, self._state))

    def review(self, equity: float, *, opened: bool) -> RiskEvent:
        """Return what the equity at this bar's close sets off; call once per bar."""
        return RiskEvent(_review(equity, int(opened), self._table, self._state))

    @property
    def stopped(self) -> bool:
        """Whether trading has ended for good (drawdown or ruin)."""
        return bool(self._state[5])
