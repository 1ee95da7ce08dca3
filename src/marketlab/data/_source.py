"""What a provider of bars over HTTP is, and the bars of one request in their canonical form."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeAlias

from marketlab.core import Clock, ConfigError, DataError, PluginRegistry, iso, require_utc
from marketlab.data._http import MalformedBody
from marketlab.data._timeframe import parse_timeframe

Row: TypeAlias = tuple[int, float, float, float, float, float]
"""Open time in seconds of UTC, open, high, low, close, volume."""


@dataclass(frozen=True, kw_only=True)
class SourceLimits:
    """What a provider allows, and how much of it is used."""

    most_candles: int
    requests_per_second: float
    concurrency: int


@dataclass(frozen=True)
class ChunkRequest:
    """One request of a plan: the bars that open in ``[start_s, end_s)``, seconds of UTC."""

    index: int
    symbol: str
    timeframe: str
    start_s: int
    end_s: int
    target: str

    @property
    def name(self) -> str:
        """Name of the chunk's file, without suffix."""
        return f"{_compact(self.start_s)}_{_compact(self.end_s)}"


class BarSource(Protocol):
    """A provider of bars over HTTP. `parse` raises `MalformedBody` for what is no answer."""

    name: str
    base_url: str
    limits: SourceLimits
    headers: Mapping[str, str]
    secrets: tuple[str, ...]
    price_type: str
    volume_unit: str
    calendar: str
    timeframes: Mapping[str, str]

    def check_symbol(self, symbol: str) -> None:
        """Raise `ConfigError` if `symbol` is not in the provider's spelling."""
        ...

    def target(self, symbol: str, timeframe: str, start_s: int, end_s: int) -> str:
        """Return path and query that ask for the bars opening in ``[start_s, end_s)``."""
        ...

    def parse(self, body: bytes) -> list[Row]:
        """Return the bars of a body in the order received; a bar still open is malformed."""
        ...


SourceFactory: TypeAlias = Callable[[Mapping[str, str]], BarSource]
SOURCES: PluginRegistry[SourceFactory] = PluginRegistry("source", code="CONFIG-UnknownSource")
"""Providers over HTTP by name; called with the environment they give a configured source."""


@dataclass(frozen=True)
class Chunk:
    """The checked bars of one request; `payload` is their canonical form, `sha256` its hash."""

    rows: tuple[Row, ...]
    duplicates: int
    outside: int
    payload: bytes
    sha256: str


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
    range that ends in the future.
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


def canonical_chunk(rows: Sequence[Row], request: ChunkRequest, step: int, now_s: float) -> Chunk:
    """Return rows sorted, inside the request, each time once.

    Rows outside the request are dropped and counted (providers may send some), and so are equal
    repeats. Bars that have not closed at `now_s` are refused.

    Raises
    ------
    DataError naming both rows if one time came with different values; MalformedBody for a bar
    that is off the grid, not closed, or no possible candle.
    """
    kept: dict[int, Row] = {}
    duplicates = outside = 0
    for row in rows:
        if not request.start_s <= row[0] < request.end_s:
            outside += 1
            continue
        known = kept.get(row[0])
        if known is None:
            _check_row(row, step, now_s)
            kept[row[0]] = row
        elif known == row:
            duplicates += 1
        else:
            raise DataError(
                f"{request.symbol} {request.timeframe}: two different bars open at "
                f"{time_of(row[0])}: {known[1:]} and {row[1:]}.",
                code="SOURCE-ConflictingBars",
                suggestion="Ask the provider which one is right; nothing is chosen for you.",
            )
    ordered = tuple(kept[at] for at in sorted(kept))
    payload = json.dumps(ordered, separators=(",", ":")).encode()
    return Chunk(ordered, duplicates, outside, payload, hashlib.sha256(payload).hexdigest())


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


def parse_json(body: bytes) -> object:
    """Return a JSON body; MalformedBody if it is none."""
    try:
        value: object = json.loads(body)
    except ValueError as error:
        raise MalformedBody(f"not JSON ({error}), {len(body)} bytes") from error
    return value


def _check_row(row: Row, step: int, now_s: float) -> None:
    at, open_, high, low, close, volume = row
    if at % step:
        raise MalformedBody(f"the bar at {time_of(at)} is not on the grid of {step} s")
    if at + step > now_s:
        raise MalformedBody(f"the bar at {time_of(at)} has not closed yet")
    # Comparisons with NaN are false, so that it is refused here too.
    sane = 0.0 < low <= open_ <= high and low <= close <= high < math.inf
    if not (sane and 0.0 <= volume < math.inf):
        raise MalformedBody(f"the bar at {time_of(at)} is no possible candle: {row[1:]}")


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
