"""One GET with all that may go wrong: the only place that retries, waits and gives up."""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from marketlab.core import (
    CancelledError,
    Clock,
    ConfigError,
    DataError,
    FrozenConfig,
    RequestError,
    SystemClock,
    TransientError,
    seed_streams,
)
from marketlab.data._pace import TokenBucket

T = TypeVar("T")

REFUSED = "SOURCE-AccessRefused"
"""Code of the error for 401 and 403: further requests to that provider are useless."""

_SHOWN_CHARACTERS = 500
_BLOCK = 65_536


class RetryPolicy(FrozenConfig):
    """How often and how long; seconds. Jitter is full: a wait lies between zero and its bound."""

    attempts: int = 8
    throttled_attempts: int = 20
    malformed_attempts: int = 3
    base_seconds: float = 1.0
    cap_seconds: float = 60.0
    throttle_seconds: float = 5.0
    slow_down_seconds: float = 300.0
    timeout_seconds: float = 30.0
    most_bytes: int = 8_000_000


class MalformedBody(Exception):
    """A body with status 200 that is not what was asked for; may be asked for again."""


@dataclass(frozen=True)
class Fetched(Generic[T]):
    """What one request came to. `skew_seconds` is the provider's Date less our clock."""

    value: T
    attempts: int
    seconds: float
    skew_seconds: float


@dataclass(frozen=True)
class _Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


class _Broken(Exception):
    """The connection failed; `stale` if a kept connection had been closed by the other side."""

    def __init__(self, text: str, *, stale: bool) -> None:
        super().__init__(text)
        self.stale = stale


class HttpSession:
    """Requests to one provider, on one kept-alive connection per thread.

    `stop` ends all waiting; `abort` ends what is under way too. What is in `secrets` never
    appears in a message.
    """

    def __init__(
        self,
        base_url: str,
        *,
        pace: TokenBucket,
        policy: RetryPolicy,
        headers: Mapping[str, str] | None = None,
        secrets: tuple[str, ...] = (),
        stop: threading.Event | None = None,
        clock: Clock | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(
                f"a provider's address starts with http:// or https://; received {base_url!r}.",
                field="base_url",
            )
        self.base_url = base_url.rstrip("/")
        self.stop = stop or threading.Event()
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self._pace, self._policy, self._secrets = pace, policy, secrets
        self._clock = clock or SystemClock()
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "marketlab",
            **(headers or {}),
        }
        self._local = threading.local()
        self._open: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()

    def get(self, target: str, parse: Callable[[bytes], T], *, name: str) -> Fetched[T]:
        """Ask for `target` (path and query) until `parse` accepts the body, and return its value.

        Timeouts, broken connections, 408 and 5xx are tried again after growing random waits; 429
        after what Retry-After says, at half the pace; bodies that `parse` refuses a few times.

        Raises
        ------
        RequestError for other 4xx and redirects, with the provider's words; DataError for bodies
        that stay malformed; TransientError if it never answers; CancelledError when stopped.
        """
        started = time.monotonic()
        failures = throttled = malformed = attempts = 0
        what = f"{name} ({self.base_url}{target})"
        while True:
            self._wait(self._pace.reserve())
            attempts += 1
            try:
                reply = self._ask(target)
            except _Broken as error:
                self._raise_if_stopped()
                failures += 1
                self._give_up(failures, self._policy.attempts, f"{error}", what)
                self._back_off(0 if error.stale else failures, name)
                continue
            if reply.status == 200:
                try:
                    value = parse(reply.body)
                except MalformedBody as error:
                    malformed += 1
                    if malformed >= self._policy.malformed_attempts:
                        raise self._malformed(what, malformed, reply, error) from error
                    self._back_off(malformed, name)
                    continue
                seconds = time.monotonic() - started
                return Fetched(value, attempts, seconds, self._skew(reply))
            if reply.status == 429:
                throttled += 1
                self._throttled(reply, throttled, what)
            elif reply.status == 408 or reply.status >= 500:
                failures += 1
                text = f"status {reply.status}: {self._said(reply)}"
                self._give_up(failures, self._policy.attempts, text, what)
                self._back_off(failures, name)
            else:
                raise self._final(reply, what)

    def abort(self) -> None:
        """Stop waiting and break what is under way."""
        self.stop.set()
        with self._lock:
            for connection in self._open:
                if connection.sock is not None:
                    with contextlib.suppress(OSError):
                        connection.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close every kept connection; call it when no request is under way."""
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()

    def hide(self, text: str) -> str:
        """Return `text` without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    # -- one attempt -------------------------------------------------------------------------------

    def _ask(self, target: str) -> _Reply:
        connection = self._connection()
        reused = connection.sock is not None
        try:
            connection.request("GET", self._prefix + target, headers=self._headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            closed = isinstance(error, http.client.RemoteDisconnected | ConnectionResetError)
            raise _Broken(_words(error), stale=reused and closed) from error
        try:
            body = self._read(response)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _Broken(_words(error), stale=False) from error
        headers = {key.lower(): value for key, value in response.getheaders()}
        return _Reply(response.status, headers, body)

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        deadline = time.monotonic() + 2.0 * self._policy.timeout_seconds
        blocks, total = [], 0
        while block := response.read1(_BLOCK):
            blocks.append(block)
            total += len(block)
            if total > self._policy.most_bytes:
                raise http.client.HTTPException(f"more than {self._policy.most_bytes} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError(f"the body was too slow: {total} bytes so far")
        if response.length:
            raise http.client.IncompleteRead(b"x" * total, response.length)
        response.close()  # `read1` leaves it open, and an open answer blocks the next request
        return b"".join(blocks)

    def _connection(self) -> http.client.HTTPConnection:
        kept: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if kept is None:
            kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            kept = kind(self._host, self._port, timeout=self._policy.timeout_seconds)
            self._local.connection = kept
            with self._lock:
                self._open.add(kept)
        return kept

    # -- what follows ------------------------------------------------------------------------------

    def _wait(self, seconds: float) -> None:
        if seconds > 0.0:
            self.stop.wait(seconds)
        self._raise_if_stopped()

    def _raise_if_stopped(self) -> None:
        if self.stop.is_set():
            raise CancelledError("the fetch was stopped; finished chunks are kept.")

    def _back_off(self, failures: int, name: str) -> None:
        if failures:
            bound = min(self._policy.cap_seconds, self._policy.base_seconds * 2.0 ** (failures - 1))
            self._wait(bound * float(seed_streams(0, "retry", name, failures).uniform()))

    def _throttled(self, reply: _Reply, throttled: int, what: str) -> None:
        text = f"status 429: {self._said(reply)}"
        self._give_up(throttled, self._policy.throttled_attempts, text, what)
        asked = retry_after(reply.headers.get("retry-after"), self._clock.now())
        wait = self._policy.throttle_seconds if asked is None else asked
        self._pace.slow_down(self._policy.slow_down_seconds)
        self._pace.hold(min(wait, 3600.0))

    def _give_up(self, count: int, most: int, text: str, what: str) -> None:
        if count >= most:
            raise TransientError(
                self.hide(f"{what} failed {count} times; the last time: {text}."),
                code="SOURCE-Unavailable",
                suggestion="Run the same command later: finished chunks are not asked for again.",
            )

    def _malformed(self, what: str, count: int, reply: _Reply, error: MalformedBody) -> DataError:
        shown = f"{len(reply.body)} bytes: {self._said(reply)}"
        return DataError(
            self.hide(f"{what} was answered {count} times by a body that is no answer: {error}"),
            code="SOURCE-Malformed",
            suggestion="See what the provider (or the proxy before it) sends.",
            details={"received": shown},
        )

    def _final(self, reply: _Reply, what: str) -> RequestError:
        refused = reply.status in {401, 403}
        return RequestError(
            self.hide(f"{what} was refused with status {reply.status}: {self._said(reply)}"),
            code=REFUSED if refused else "SOURCE-Rejected",
            suggestion="Check the access token in the environment."
            if refused
            else "Check symbol, timeframe and dates against what the provider offers.",
        )

    def _said(self, reply: _Reply) -> str:
        text = " ".join(reply.body.decode("utf-8", errors="replace").split())
        return self.hide(text)[:_SHOWN_CHARACTERS] or "(empty body)"

    def _skew(self, reply: _Reply) -> float:
        moment = _http_date(reply.headers.get("date"))
        return 0.0 if moment is None else (moment - self._clock.now()).total_seconds()


def retry_after(text: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for (a number, or an HTTP date)."""
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    moment = _http_date(text)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def _http_date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
