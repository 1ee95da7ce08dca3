"""One request with all that may go wrong: the only place that retries, waits and gives up."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from marketlab.core import (
    CancelledError,
    DataError,
    FrozenConfig,
    MarketLabError,
    RequestError,
    TransientError,
    seed_streams,
)
from marketlab.data._pace import TokenBucket

T = TypeVar("T")

REFUSED = "SOURCE-AccessRefused"
"""Code of the error for 401 and 403: further requests to that provider are useless."""


class RetryPolicy(FrozenConfig):
    """How often and how long; seconds. Jitter is full: a wait lies between zero and its bound."""

    attempts: int = 8
    throttled_attempts: int = 20
    malformed_attempts: int = 3
    empty_attempts: int = 4
    base_seconds: float = 1.0
    cap_seconds: float = 60.0
    throttle_seconds: float = 5.0
    slow_down_seconds: float = 300.0
    timeout_seconds: float = 30.0
    most_bytes: int = 8_000_000


class Broken(Exception):
    """No answer came, or one that says "later": asked again after a growing wait.

    `stale` if a kept connection had been closed by the other side: asked again at once.
    """

    def __init__(self, text: str, *, stale: bool = False) -> None:
        super().__init__(text)
        self.stale = stale


class EmptyAnswer(Exception):
    """Nothing came where there must be something: asked again `empty_attempts` times."""


class Throttled(Exception):
    """The provider asks for fewer requests; `wait_seconds` if it says for how long."""

    def __init__(self, text: str, wait_seconds: float | None = None) -> None:
        super().__init__(text)
        self.wait_seconds = wait_seconds


class Refused(Exception):
    """The provider will never answer this request; with `access` none of this user's requests."""

    def __init__(self, text: str, *, access: bool = False) -> None:
        super().__init__(text)
        self.access = access


class MalformedBody(Exception):
    """An answer that is not what was asked for; may be asked for again.

    `received` shows the answer, where it is at hand.
    """

    def __init__(self, text: str, received: str = "") -> None:
        super().__init__(text)
        self.received = received


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What one attempt brought. `skew_seconds` is the provider's clock less ours."""

    value: T
    skew_seconds: float = 0.0


@dataclass(frozen=True)
class Fetched(Generic[T]):
    """What one request came to, after `attempts`."""

    value: T
    attempts: int
    seconds: float
    skew_seconds: float


class Retrier:
    """Runs the attempts of requests to one provider at its pace.

    `stop` ends all waiting. What is in `secrets` never appears in a message. Safe for several
    threads.
    """

    def __init__(
        self,
        pace: TokenBucket,
        policy: RetryPolicy,
        *,
        stop: threading.Event | None = None,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self.policy = policy
        self.stop = stop or threading.Event()
        self._pace = pace
        self._secrets = secrets

    def run(self, attempt: Callable[[], Answer[T]], *, name: str, what: str) -> Fetched[T]:
        """Call `attempt` until it returns, and return what it brought.

        `Broken` is tried again after growing random waits; `Throttled` after the wait asked for,
        at half the pace; `EmptyAnswer` and `MalformedBody` a few times. `name` tells the chunk,
        `what` the whole request, in messages.

        Raises
        ------
        RequestError for `Refused`; DataError for answers that stay malformed; TransientError if
        none comes; CancelledError when stopped; what `attempt` raises otherwise. Details hold the
        number of ``attempts``.
        """
        attempts = [0]
        try:
            return self._run(attempt, name, what, attempts)
        except MarketLabError as error:
            error.details["attempts"] = attempts[0]
            raise

    def _run(
        self, attempt: Callable[[], Answer[T]], name: str, what: str, attempts: list[int]
    ) -> Fetched[T]:
        started = time.monotonic()
        failures = empty = throttled = malformed = 0
        while True:
            self.wait_turn()
            attempts[0] += 1
            try:
                answer = attempt()
            except Broken as error:
                self._raise_if_stopped()
                failures += 1
                self._give_up(failures, self.policy.attempts, f"{error}", what)
                self._back_off(0 if error.stale else failures, name)
            except EmptyAnswer as error:
                empty += 1
                self._give_up(empty, self.policy.empty_attempts, f"{error}", what)
                self._back_off(empty, name)
            except Refused as error:
                raise self._refusal(what, error) from error
            except Throttled as error:
                throttled += 1
                self._give_up(throttled, self.policy.throttled_attempts, f"{error}", what)
                wait = error.wait_seconds
                self._pace.slow_down(self.policy.slow_down_seconds)
                self._pace.hold(min(self.policy.throttle_seconds if wait is None else wait, 3600.0))
            except MalformedBody as error:
                malformed += 1
                if malformed >= self.policy.malformed_attempts:
                    raise self._malformed(what, malformed, error) from error
                self._back_off(malformed, name)
            else:
                seconds = time.monotonic() - started
                return Fetched(answer.value, attempts[0], seconds, answer.skew_seconds)

    def wait_turn(self) -> None:
        """Wait for the moment at which the next request may start; CancelledError when stopped."""
        self._wait(self._pace.reserve())

    def hide(self, text: str) -> str:
        """Return `text` without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def _wait(self, seconds: float) -> None:
        if seconds > 0.0:
            self.stop.wait(seconds)
        self._raise_if_stopped()

    def _raise_if_stopped(self) -> None:
        if self.stop.is_set():
            raise CancelledError("the fetch was stopped; finished chunks are kept.")

    def _back_off(self, failures: int, name: str) -> None:
        if failures:
            bound = min(self.policy.cap_seconds, self.policy.base_seconds * 2.0 ** (failures - 1))
            self._wait(bound * float(seed_streams(0, "retry", name, failures).uniform()))

    def _give_up(self, count: int, most: int, text: str, what: str) -> None:
        if count >= most:
            raise TransientError(
                self.hide(f"{what} failed {count} times; the last time: {text}."),
                code="SOURCE-Unavailable",
                suggestion="Run the same command later: finished chunks are not asked for again.",
            )

    def _refusal(self, what: str, error: Refused) -> RequestError:
        return RequestError(
            self.hide(f"{what} was refused: {error}"),
            code=REFUSED if error.access else "SOURCE-Rejected",
            suggestion="Check the access token in the environment."
            if error.access
            else "Check symbol, timeframe and dates against what the provider offers.",
        )

    def _malformed(self, what: str, count: int, error: MalformedBody) -> DataError:
        return DataError(
            self.hide(f"{what} was answered {count} times by a body that is no answer: {error}"),
            code="SOURCE-Malformed",
            suggestion="See what the provider (or the proxy before it) sends.",
            details={"received": self.hide(error.received)},
        )
