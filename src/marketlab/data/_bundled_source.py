"""The bundled real series as a source: read out of their wheels, with provenance and licence."""

import math
import os
from collections.abc import Callable, Mapping
from functools import cache

from marketlab.core import ConfigError, did_you_mean
from marketlab.data._bars import BarFrame
from marketlab.data._bundled import BUNDLED, BundledSeries, load_bundled
from marketlab.data._local import LocalSource, rows_between
from marketlab.data._source import SOURCES, ChunkRequest, Row, SourceFacts, SourceLimits


class Bundled(LocalSource):
    """The series of `BUNDLED` by symbol: EURUSD in hours; GOOG, SPX, IXIC and VIX in days."""

    name = "bundled"
    price_type = "not stated by the file"
    volume_unit = "not stated by the file"
    timeframes: Mapping[str, str] = {"1h": "1h", "1d": "1d"}

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        del environment  # the wheels' folder is `wheel_folder`, for all that reads them
        self.limits = SourceLimits(most_candles=5_000, requests_per_second=math.inf, concurrency=1)
        self._load = cache(load_bundled)

    def check_symbol(self, symbol: str) -> None:
        """Raise `ConfigError` unless a bundled series has `symbol`."""
        known = sorted({series.symbol for series in _all()})
        if symbol not in known:
            raise ConfigError(
                f"bundled has the symbols {', '.join(known)}; received {symbol!r}.",
                field="symbol",
                value=symbol,
                suggestion=did_you_mean(symbol, known),
            )

    def calendar(self, symbol: str) -> str:
        """Return ``fx`` for currencies, ``nyse`` for shares and indices of the United States."""
        return "fx" if symbol == "EURUSD" else "nyse"

    def target(self, symbol: str, timeframe: str, start_s: int, end_s: int) -> str:
        """Return file and range; errors if there is no such series, or its wheel is not here."""
        series = _series(symbol, timeframe)
        self._bars(symbol, timeframe)
        return f"{series.name} SHA-256 {series.content_sha256[:16]} from {start_s} to {end_s}"

    def rows(self, request: ChunkRequest, turn: Callable[[], None]) -> list[Row]:
        """Return the bars of `request`."""
        del turn
        bars = self._bars(request.symbol, request.timeframe)
        return rows_between(bars, request.start_s, request.end_s)

    def facts(self, symbol: str, timeframe: str, start_s: int, end_s: int) -> SourceFacts:
        """Return what is known about the series."""
        del start_s, end_s
        bars = self._bars(symbol, timeframe)
        return SourceFacts(
            source=bars.source,
            provenance=bars.provenance,
            licence=bars.licence,
            is_synthetic=bars.is_synthetic,
            metadata=bars.metadata,
        )

    def _bars(self, symbol: str, timeframe: str) -> BarFrame:
        return self._load(_series(symbol, timeframe).name)


def _all() -> list[BundledSeries]:
    return [BUNDLED.get(name) for name in BUNDLED.names()]


def _series(symbol: str, timeframe: str) -> BundledSeries:
    for series in _all():
        if (series.symbol, series.timeframe) == (symbol, timeframe):
            return series
    (known,) = (series.timeframe for series in _all() if series.symbol == symbol)
    raise ConfigError(
        f"bundled has {symbol} in bars of {known}, not of {timeframe}.",
        field="timeframe",
        value=timeframe,
        suggestion="Coarser bars can be resampled.",
    )


SOURCES.add("bundled", Bundled)
