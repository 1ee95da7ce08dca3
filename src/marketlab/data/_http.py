"""Requests over HTTP to one provider, and the bar sources that are made of them."""

import contextlib
import http.client
import re
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TypeVar
from urllib.parse import urlsplit

from marketlab.core import Clock, ConfigError, SystemClock
from marketlab.data._retry import (
    Answer,
    Broken,
    Fetched,
    MalformedBody,
    Refused,
    Retrier,
    Throttled,
)
from marketlab.data._source import ChunkRequest, Row, SourceFacts, SourceLimits

T = TypeVar("T")

_SHOWN_CHARACTERS = 500
_BLOCK = 65_536


@dataclass(frozen=True)
class _Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpSession:
    """Requests to one provider, on one kept-alive connection per thread.

    The retrier's `stop` ends all waiting; `abort` ends what is under way too.
    """

    def __init__(
        self,
        base_url: str,
        retrier: Retrier,
        *,
        headers: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.hostname is None:
            raise ConfigError(f"{base_url!r} is no address.", field="source", value=base_url)
        self.base_url = base_url.rstrip("/")
        self._retrier, self._policy = retrier, retrier.policy
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
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

        Timeouts, broken connections, 408 and 5xx, 429 and bodies that `parse` refuses are tried
        again as `Retrier.run` says.

        Raises
        ------
        RequestError for other 4xx and redirects, with the provider's words; errors of the retrier.
        """
        what = f"{name} ({self.base_url}{target})"

        def attempt() -> Answer[T]:
            reply = self._ask(target)
            if reply.status != 200:
                raise self._no_answer(reply)
            try:
                return Answer(parse(reply.body), self._skew(reply))
            except MalformedBody as error:
                shown = f"{len(reply.body)} bytes: {self._said(reply)}"
                raise MalformedBody(f"{error}", shown) from error

        return self._retrier.run(attempt, name=name, what=what)

    def abort(self) -> None:
        """Stop waiting and break what is under way."""
        self._retrier.stop.set()
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
            raise Broken(_words(error), stale=reused and closed) from error
        try:
            body = self._read(response)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Broken(_words(error)) from error
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

    def _no_answer(self, reply: _Reply) -> Broken | Throttled | Refused:
        said = f"status {reply.status}: {self._said(reply)}"
        if reply.status == 429:
            # A date is one of the provider's clock, which may be far from ours.
            now = _http_date(reply.headers.get("date")) or self._clock.now()
            return Throttled(said, retry_after(reply.headers.get("retry-after"), now))
        if reply.status == 408 or reply.status >= 500:
            return Broken(said)
        return Refused(said, access=reply.status in {401, 403})

    def _said(self, reply: _Reply) -> str:
        text = " ".join(reply.body.decode("utf-8", errors="replace").split())
        return self._retrier.hide(text)[:_SHOWN_CHARACTERS] or "(empty body)"

    def _skew(self, reply: _Reply) -> float:
        moment = _http_date(reply.headers.get("date"))
        return 0.0 if moment is None else (moment - self._clock.now()).total_seconds()


class HttpConnection:
    """The connection of an `HttpSource`: asks for a chunk's target and parses the body."""

    def __init__(self, session: HttpSession, parse: Callable[[bytes], list[Row]]) -> None:
        self._session, self._parse = session, parse

    def fetch(
        self, request: ChunkRequest, check: Callable[[list[Row]], T], *, name: str
    ) -> Fetched[T]:
        """Return what `check` makes of the request's rows; errors as in `HttpSession.get`."""
        parse = self._parse
        return self._session.get(request.target, lambda body: check(parse(body)), name=name)

    def abort(self) -> None:
        """Break what is under way."""
        self._session.abort()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


class HttpSource(ABC):
    """What sources over HTTP share; a subclass names itself and has `target` and `parse`."""

    name: str
    base_url: str
    limits: SourceLimits
    market: str
    symbol_form: re.Pattern[str]
    symbol_example: str
    headers: Mapping[str, str] = {}
    secrets: tuple[str, ...] = ()

    def check_symbol(self, symbol: str) -> None:
        """Raise `ConfigError` unless `symbol` is spelled as the provider spells it."""
        if not self.symbol_form.fullmatch(symbol):
            raise ConfigError(
                f"{self.name} spells its symbols like {self.symbol_example}; received {symbol!r}.",
                field="symbol",
                value=symbol,
            )

    @property
    def folder(self) -> str:
        """Folder of the source's chunks under the raw folder."""
        return self.name

    def calendar(self, symbol: str) -> str:
        """Return the name of the calendar that `symbol` trades on."""
        del symbol
        return self.market

    @abstractmethod
    def parse(self, body: bytes) -> list[Row]:
        """Return the bars of a body in the order received; a bar still open is malformed."""

    def connect(self, retrier: Retrier, clock: Clock) -> HttpConnection:
        """Return a connection to the provider."""
        session = HttpSession(self.base_url, retrier, headers=self.headers, clock=clock)
        return HttpConnection(session, self.parse)

    def facts(self, symbol: str, timeframe: str, start_s: int, end_s: int) -> SourceFacts:
        """Return what is known about the bars."""
        del symbol, timeframe, start_s, end_s
        return SourceFacts(
            source=self.name,
            provenance=f"requests to {self.base_url}",
            licence=f"terms of {self.name}",
        )


def retry_after(text: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for (a number, or an HTTP date).

    `now` is the time by the clock that wrote the date.
    """
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    moment = _http_date(text)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


@lru_cache(maxsize=16)  # a date stands in all answers of its second
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
