"""What a source of bars is, by which one protocol all of them are asked."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Protocol, TypeAlias, TypeVar
from urllib.parse import urlsplit

from marketlab.core import Clock, ConfigError, PluginRegistry, iso, require_utc
from marketlab.data._calendar import CALENDARS
from marketlab.data._retry import Fetched, MalformedBody, Retrier
from marketlab.data._timeframe import parse_timeframe

T = TypeVar("T")

Row: TypeAlias = tuple[int, float, float, float, float, float]
"""Open time in seconds of UTC, open, high, low, close, volume."""


@dataclass(frozen=True, kw_only=True)
class SourceLimits:
    """What a source allows, and how much of it is used."""

    most_candles: int
    requests_per_second: float
    concurrency: int


@dataclass(frozen=True)
class ChunkRequest:
    """One request of a plan: the bars that open in ``[start_s, end_s)``, seconds of UTC.

    `target` is all that decides what is answered; another one is another request.
    """

    index: int
    symbol: str
    timeframe: str
    start_s: int
    end_s: int
    target: str

    @cached_property
    def name(self) -> str:
        """Name of the chunk's file, without suffix."""
        return f"{_compact(self.start_s)}_{_compact(self.end_s)}"


@dataclass(frozen=True, kw_only=True)
class SourceFacts:
    """What a source knows of a symbol's bars, as it stands in the published dataset."""

    source: str
    provenance: str
    licence: str
    is_synthetic: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)


class SourceConnection(Protocol):
    """Asks one source; used by several threads as the source's limits say."""

    def fetch(
        self, request: ChunkRequest, check: Callable[[list[Row]], T], *, name: str
    ) -> Fetched[T]:
        """Return what `check` makes of the rows of `request`, asked for as often as is right.

        A `MalformedBody` that `check` raises is asked about again. Raises as in `Retrier.run`.
        """
        ...

    def abort(self) -> None:
        """Break what is under way, where that can be done."""
        ...

    def close(self) -> None:
        """Let everything go; nothing is under way any more."""
        ...


class BarSource(Protocol):
    """Where bars come from: a provider over HTTP, a library, a file, a made-up market.

    Nothing is asked before `connect`, except that sources on this machine look at their files.
    What is in `secrets` is told nowhere.
    """

    name: str
    limits: SourceLimits
    secrets: tuple[str, ...]
    price_type: str
    volume_unit: str
    timeframes: Mapping[str, str]

    @property
    def folder(self) -> str:
        """Folder of the source's chunks under the raw folder."""
        ...

    def check_symbol(self, symbol: str) -> None:
        """Raise `ConfigError` if `symbol` is not in the source's spelling."""
        ...

    def calendar(self, symbol: str) -> str:
        """Return the name of the calendar (`CALENDARS`) by which `symbol` trades."""
        ...

    def target(self, symbol: str, timeframe: str, start_s: int, end_s: int) -> str:
        """Return what asks for the bars opening in ``[start_s, end_s)``, such as path and query."""
        ...

    def facts(self, symbol: str, timeframe: str, start_s: int, end_s: int) -> SourceFacts:
        """Return what is to be known about the bars opening in ``[start_s, end_s)``."""
        ...

    def connect(self, retrier: Retrier, clock: Clock) -> SourceConnection:
        """Return a connection; nothing is asked yet."""
        ...


SourceFactory: TypeAlias = Callable[[Mapping[str, str]], BarSource]
SOURCES: PluginRegistry[SourceFactory] = PluginRegistry("source", code="CONFIG-UnknownSource")
"""Sources by name; called with the environment they give a configured source.

Raises
------
ConfigError for wrong settings, and (``CONFIG-MissingExtra``) if a library is not installed.
"""


def plan_chunks(
    source: BarSource,
    symbol: str,
    timeframe: str,
    start: datetime,
    end: datetime,
    *,
    candles: int | None = None,
    clock: Clock,
) -> list[ChunkRequest]:
    """Return the requests for ``[start, end)``: half-open, none overlapping another.

    `candles` slots a request (None: as many as the provider allows).

    Raises
    ------
    ConfigError for a wrong symbol or timeframe, an empty range, bounds off the grid of bars, or a
    range that ends in the future; errors of the symbol's calendar, if it does not cover the range.
    """
    source.check_symbol(symbol)
    step = step_seconds(source, timeframe)
    most = source.limits.most_candles
    count = most if candles is None else candles
    if not 1 <= count <= most:
        raise ConfigError(
            f"{source.name} gives 1 to {most} candles a request; received {count}.",
            field="candles_per_request",
            value=count,
        )
    first, stop = _bounds(start, end, step, timeframe, clock)
    CALENDARS.get(source.calendar(symbol), field="calendar").sessions(
        first * 1_000_000_000, stop * 1_000_000_000
    )
    width = count * step
    edges = [(at, min(at + width, stop)) for at in range(first, stop, width)]
    return [
        ChunkRequest(k, symbol, timeframe, a, b, source.target(symbol, timeframe, a, b))
        for k, (a, b) in enumerate(edges)
    ]


def step_seconds(source: BarSource, timeframe: str) -> int:
    """Return the seconds of one bar; ConfigError for a timeframe the provider does not have."""
    step = parse_timeframe(timeframe)
    if timeframe not in source.timeframes:
        raise ConfigError(
            f"{source.name} has no {timeframe} bars.",
            field="timeframe",
            value=timeframe,
            suggestion=f"It has {', '.join(source.timeframes)}; coarser ones can be resampled.",
        )
    return int(step.total_seconds())


def time_of(seconds: int) -> str:
    """Return seconds of UTC as ISO 8601 with Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def setting(environment: Mapping[str, str], name: str, default: float) -> float:
    """Return a number greater than zero from the environment; ConfigError for anything else."""
    text = environment.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0.0):
        raise ConfigError(f"{name} must be a number greater than 0.", field=name, value=text)
    return value


def address(environment: Mapping[str, str], name: str) -> str | None:
    """Return an address from the environment, None if it is not set; ConfigError if it is none."""
    text = environment.get(name)
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(
            f"{name} is an address that starts with http:// or https://; received {text!r}.",
            field="source",
            value=text,
        )
    return text.rstrip("/")


def parse_json(body: bytes) -> object:
    """Return a JSON body; MalformedBody if it is none."""
    try:
        value: object = json.loads(body)
    except ValueError as error:
        raise MalformedBody(f"not JSON ({error}), {len(body)} bytes") from error
    return value


def _bounds(
    start: datetime, end: datetime, step: int, timeframe: str, clock: Clock
) -> tuple[int, int]:
    for bound, name in ((start, "start"), (end, "end")):
        moment = require_utc(bound, field=name)
        if moment.timestamp() % step:
            raise ConfigError(
                f"{iso(moment)} is no time at which a {timeframe} bar opens.",
                field=name,
                suggestion=f"Give a multiple of {timedelta(seconds=step)} of UTC.",
            )
    now = clock.now()
    if end > now:
        raise ConfigError(
            f"the range ends at {iso(end)}, which is in the future (it is {iso(now)}); "
            "only bars that have closed are fetched.",
            field="end",
            suggestion=f"Give {time_of(int(now.timestamp()) // step * step)} or an earlier end.",
        )
    if start >= end:
        raise ConfigError(
            f"the range is empty: it starts at {iso(start)} and ends before {iso(end)}.",
            field="start",
            suggestion="The start is included and the end is not; give a later end.",
        )
    return int(start.timestamp()), int(end.timestamp())


def _compact(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ")
