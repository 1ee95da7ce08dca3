"""Made-up markets as a source: the recipes ``null`` and ``planted``, the same however chunked."""

import math
import os
from collections.abc import Callable, Mapping

from marketlab.core import ConfigError
from marketlab.data._local import LocalSource, rows_between
from marketlab.data._market import SyntheticMarket
from marketlab.data._market_config import market_recipe
from marketlab.data._source import SOURCES, ChunkRequest, Row, SourceFacts, SourceLimits, time_of


class Synthetic(LocalSource):
    """One-minute bars of the market recipes; a symbol is ``null/BTC-USD`` or ``planted/ETH-USD``.

    Coarser bars are resampled from them, so that all timeframes tell of one market. What is
    published is marked as synthetic, and tells the edge that is planted in the range fetched. The
    recipe stays in the stored symbol (PLANTEDBTCUSD, NULLBTCUSD), so that nobody who asks for
    BTCUSD gets a made-up market, nor one recipe's bars for the other's.
    """

    name = "synthetic"
    price_type = "made up"
    volume_unit = "base"
    timeframes: Mapping[str, str] = {"1m": "1m"}

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        del environment  # nothing about it can be configured
        self.limits = SourceLimits(most_candles=32_768, requests_per_second=math.inf, concurrency=1)
        self._markets: dict[str, SyntheticMarket] = {}

    def check_symbol(self, symbol: str) -> None:
        """Raise `ConfigError` unless `symbol` is a recipe, ``/`` and one of its symbols."""
        if symbol.count("/") != 1:
            raise ConfigError(
                "synthetic spells its symbols as recipe/symbol, like planted/BTC-USD; received "
                f"{symbol!r}.",
                field="symbol",
                value=symbol,
            )
        market, name = self._market(symbol)
        market.config.symbol(name)

    def calendar(self, symbol: str) -> str:
        """Return the calendar of the recipe."""
        return self._market(symbol)[0].config.calendar

    def target(self, symbol: str, timeframe: str, start_s: int, end_s: int) -> str:
        """Return market and positions of the bars; ConfigError outside of the market's range."""
        del timeframe
        config = self._market(symbol)[0].config
        first, stop = self._positions(symbol, start_s, end_s)
        if first < 0 or stop > config.n_bars:
            begin = int(config.start.timestamp())
            raise ConfigError(
                f"the made-up market covers {time_of(begin)} to "
                f"{time_of(begin + 60 * config.n_bars)}, not all of {time_of(start_s)} to "
                f"{time_of(end_s)}.",
                field="start" if first < 0 else "end",
            )
        return f"made up, config {config.content_id()[:16]} {symbol} bars {first} to {stop}"

    def rows(self, request: ChunkRequest, turn: Callable[[], None]) -> list[Row]:
        """Return the bars of `request`."""
        del turn
        market, name = self._market(request.symbol)
        piece = market.piece(name, *self._positions(request.symbol, request.start_s, request.end_s))
        return rows_between(piece, request.start_s, request.end_s)

    def facts(self, symbol: str, timeframe: str, start_s: int, end_s: int) -> SourceFacts:
        """Return config, and what is planted in the range."""
        del timeframe
        market, name = self._market(symbol)
        config = market.config
        first, stop = self._positions(symbol, start_s, end_s)
        return SourceFacts(
            source=f"synthetic-market:seed={config.seed}",
            provenance=f"made up by marketlab, config {config.content_id()[:16]}",
            licence="none needed",
            is_synthetic=True,
            metadata={
                "recipe": symbol.partition("/")[0],
                "config": config.to_mapping(),
                "piece": {"first_bar": first, "stop_bar": stop},
                "planted_edge": market.planted_edge(name, first, stop),
            },
        )

    def _market(self, symbol: str) -> tuple[SyntheticMarket, str]:
        recipe, _, name = symbol.partition("/")
        if recipe not in self._markets:
            self._markets[recipe] = SyntheticMarket(market_recipe(recipe))
        return self._markets[recipe], name

    def _positions(self, symbol: str, start_s: int, end_s: int) -> tuple[int, int]:
        """Return first and stop position; the recipes' markets never close."""
        begin = int(self._market(symbol)[0].config.start.timestamp())
        return (start_s - begin) // 60, (end_s - begin) // 60


SOURCES.add("synthetic", Synthetic)
