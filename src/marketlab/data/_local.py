"""What sources share that are no HTTP sessions of ours: libraries, files, made-up markets."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from marketlab.core import Clock, ConfigError, DataError
from marketlab.data._bars import BarFrame
from marketlab.data._retry import Answer, Fetched, Retrier
from marketlab.data._source import ChunkRequest, Row
from marketlab.data._timeframe import timeframe_ns

T = TypeVar("T")

_NS = 1_000_000_000


class LocalSource(ABC):
    """A source whose `rows` are called, in a worker thread, where others send a request.

    Its errors are those of `Retrier.run`, and are treated as over HTTP.
    """

    name: str
    secrets: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Folder of the source's chunks under the raw folder."""
        return self.name

    @abstractmethod
    def rows(self, request: ChunkRequest, turn: Callable[[], None]) -> list[Row]:
        """Return the bars of `request`; call `turn` before any but the first question to others."""

    def connect(self, retrier: Retrier, clock: Clock) -> "LocalConnection":
        """Return a connection."""
        del clock
        return LocalConnection(self, retrier)


class LocalConnection:
    """The connection of a `LocalSource`."""

    def __init__(self, source: LocalSource, retrier: Retrier) -> None:
        self._source, self._retrier = source, retrier

    def fetch(
        self, request: ChunkRequest, check: Callable[[list[Row]], T], *, name: str
    ) -> Fetched[T]:
        """Return what `check` makes of the request's rows; errors as in `Retrier.run`."""

        def attempt() -> Answer[T]:
            return Answer(check(self._source.rows(request, self._retrier.wait_turn)))

        return self._retrier.run(attempt, name=name, what=f"{name} ({request.target})")

    def abort(self) -> None:
        """Begin no further attempt."""
        self._retrier.stop.set()

    def close(self) -> None:
        """Nothing is kept open."""


def library(module: str, extra: str) -> Any:
    """Return an optional library.

    Raises
    ------
    ConfigError (``CONFIG-MissingExtra``) with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"the source {extra!r} needs the package {module}, which cannot be imported: {error}.",
            code="CONFIG-MissingExtra",
            field="source",
            value=extra,
            suggestion=f"Install it: pip install 'marketlab[{extra}]'.",
        ) from error


def rows_between(bars: BarFrame, start_s: int, end_s: int) -> list[Row]:
    """Return the bars that open in ``[start_s, end_s)`` as rows.

    Raises
    ------
    DataError (``SOURCE-ClosesOffGrid``) if a bar does not close one bar length after its open:
    rows cannot tell that.
    """
    step = timeframe_ns(bars.timeframe)
    odd = np.flatnonzero((bars.close_time_ns - bars.time_ns != step) | (bars.time_ns % _NS != 0))
    if len(odd):
        raise DataError(
            f"the bar at {bars.times(int(odd[0])).isoformat()} does not open on a whole second or "
            f"does not close {bars.timeframe} later; a fetch keeps opens only.",
            code="SOURCE-ClosesOffGrid",
            field="timeframe",
            suggestion="Import the file instead: `marketlab data import` keeps closing times.",
        )
    opens = bars.time_ns // _NS
    span = slice(*np.searchsorted(opens, [start_s, end_s]).tolist())
    columns = (opens, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return list(zip(*(column[span].tolist() for column in columns), strict=True))
