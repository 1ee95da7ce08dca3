"""How fast one provider may be asked: a token bucket on an injected monotonic clock."""

import threading
import time
from collections.abc import Callable


class TokenBucket:
    """Hands out moments at which a request may start, `rate` of them a second.

    Safe for several threads. Nothing sleeps here: `reserve` says how long to wait.

    Parameters
    ----------
    rate : requests per second, greater than zero.
    burst : so many requests may start at once after a pause; 1 keeps them evenly spaced.
    monotonic : clock in seconds that never goes back.
    """

    def __init__(
        self,
        rate: float,
        *,
        burst: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate = rate
        self._burst = burst
        self._monotonic = monotonic
        self._next = monotonic()
        self._slow_until = 0.0
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take the next moment and return how many seconds lie before it."""
        with self._lock:
            now = self._monotonic()
            step = (2.0 if now < self._slow_until else 1.0) / self.rate
            start = max(self._next, now - (self._burst - 1.0) * step)
            self._next = start + step
            return max(0.0, start - now)

    def hold(self, seconds: float) -> None:
        """Let no request start for `seconds`: the provider asked for quiet."""
        with self._lock:
            self._next = max(self._next, self._monotonic() + seconds)

    def slow_down(self, seconds: float) -> None:
        """Halve the pace for `seconds`."""
        with self._lock:
            self._slow_until = self._monotonic() + seconds
