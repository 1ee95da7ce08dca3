"""Made-up markets: many symbols with common stamps, and an edge whose ceiling is known.

Given volatilities, tails and jumps, which are driven by noise of their own, a return is normal
around its planted drift. So the call k(t), the direction that bar t shows in its wicks, is right
about the next h bars with probability Phi(k(t) D(t) / s(t)), D being the drift planted in them and
s the standard deviation of the rest; the mean of it is the accuracy that nobody can beat.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np

from marketlab.core import ConfigError, FloatArray, IntArray
from marketlab.data._bars import BarFrame
from marketlab.data._columns import Columns
from marketlab.data._market_config import MarketSymbol, SyntheticMarketConfig
from marketlab.data._market_path import BLOCK_BARS, Block, PathMaker, market_times


class SyntheticMarket:
    """Makes the bars of one config, whole or in pieces, in any order, always the same.

    Between kinds of processors the last digits of exp and log may differ, and ids with them.
    It keeps the prices at the borders of blocks it has passed, and nothing else of size but the
    bars' stamps; a piece from the middle costs the way to it once.
    """

    def __init__(self, config: SyntheticMarketConfig) -> None:
        self.config = config
        self._maker = PathMaker(config)
        self._anchors: dict[str, list[float]] = {}

    @cached_property
    def _times(self) -> IntArray:
        # Whole blocks: a block is never computed in part.
        n_blocks = -(-self.config.n_bars // BLOCK_BARS)
        return market_times(self.config, n_blocks * BLOCK_BARS)

    def bars(self, symbol: str) -> BarFrame:
        """Return all bars of `symbol`; the metadata says what is planted in them.

        Under ``planted_edge``: rule, strength, share of bars at which it acts, and
        ``best_attainable_accuracy`` in forecasting whether the close `edge_horizon_bars` bars
        later is higher (accurate to 1e-7 for the path; the empirical one scatters around it).

        Raises
        ------
        ConfigError for a symbol that the market does not have.
        """
        return self._frame(symbol, 0, self.config.n_bars, with_ceiling=True)

    def piece(self, symbol: str, first_bar: int, stop_bar: int) -> BarFrame:
        """Return the bars at positions `first_bar` to `stop_bar` - 1, equal to those of `bars`.

        Raises
        ------
        ConfigError for a symbol or positions that the market does not have.
        """
        if not 0 <= first_bar < stop_bar <= self.config.n_bars:
            raise ConfigError(
                f"bars {first_bar} to {stop_bar} are no piece of {self.config.n_bars} bars; "
                "0 <= first_bar < stop_bar <= n_bars must hold.",
                field="first_bar",
                value=first_bar,
            )
        return self._frame(symbol, first_bar, stop_bar, with_ceiling=False)

    def planted_edge(self, symbol: str, first_bar: int, stop_bar: int) -> dict[str, Any]:
        """Return what is planted in a piece: the facts under ``planted_edge`` of `bars`, for it.

        Raises
        ------
        ConfigError for a symbol that the market does not have.
        """
        entry = self.config.symbol(symbol)
        ceiling = _Ceiling(self.config)
        if self.config.edge_strength > 0.0:
            for number in range(first_bar // BLOCK_BARS, -(-stop_bar // BLOCK_BARS)):
                start = number * BLOCK_BARS
                span = slice(max(0, first_bar - start), min(BLOCK_BARS, stop_bar - start))
                ceiling.add(self._block(entry, number), span)
        return _planted(self.config, ceiling.value())

    def _frame(self, name: str, first: int, stop: int, *, with_ceiling: bool) -> BarFrame:
        config = self.config
        symbol = config.symbol(name)
        ceiling = _Ceiling(config) if with_ceiling and config.edge_strength > 0.0 else None
        columns = self._columns(symbol, first, stop, ceiling)
        metadata: dict[str, Any] = {"config": config.to_mapping()}
        if with_ceiling:
            metadata["planted_edge"] = _planted(config, 0.5 if ceiling is None else ceiling.value())
        else:
            metadata["piece"] = {"first_bar": first, "stop_bar": stop}
        return BarFrame.build(
            columns,
            symbol=name,
            timeframe=config.timeframe,
            source=f"synthetic-market:seed={config.seed}",
            provenance=f"made up by marketlab, config {config.content_id()[:16]}",
            licence="none needed",
            is_synthetic=True,
            has_volume=True,
            metadata=metadata,
        )

    def _columns(
        self, symbol: MarketSymbol, first: int, stop: int, ceiling: "_Ceiling | None"
    ) -> Columns:
        n = stop - first
        out: Columns = {"time": self._times[first:stop]}
        out |= {name: np.empty(n) for name in ("open", "high", "low", "close", "volume")}
        for number in range(first // BLOCK_BARS, -(-stop // BLOCK_BARS)):
            start = number * BLOCK_BARS
            last = self._anchor(symbol, number)
            block = self._block(symbol, number)
            if ceiling is not None:
                ceiling.add(block, slice(min(BLOCK_BARS, stop - start)))
            prices, last = _prices(block, last)
            self._remember(symbol, number + 1, last)
            low, high = max(first, start), min(stop, start + BLOCK_BARS)
            for name, values in prices.items():
                out[name][low - first : high - first] = values[low - start : high - start]
        return out

    def _block(self, symbol: MarketSymbol, number: int) -> Block:
        start = number * BLOCK_BARS
        before = int(self._times[max(0, start - 1)])
        times = self._times[start : start + BLOCK_BARS]
        return self._maker.block(symbol, number, times, before)

    def _anchor(self, symbol: MarketSymbol, number: int) -> float:
        """Return the logarithm of the last close before block `number`."""
        known = self._anchors.setdefault(symbol.name, [math.log(symbol.start_price)])
        while len(known) <= number:
            known.append(_prices(self._block(symbol, len(known) - 1), known[-1])[1])
        return known[number]

    def _remember(self, symbol: MarketSymbol, number: int, value: float) -> None:
        if len(self._anchors[symbol.name]) == number:
            self._anchors[symbol.name].append(value)


def synthetic_market(
    config: SyntheticMarketConfig, symbols: Sequence[str] | None = None
) -> dict[str, BarFrame]:
    """Return the bars of `symbols` (None: of all) by name, in the order asked.

    For long series take `iter_synthetic_market`, which holds one symbol at a time.
    """
    return {bars.symbol: bars for bars in iter_synthetic_market(config, symbols)}


def iter_synthetic_market(
    config: SyntheticMarketConfig, symbols: Sequence[str] | None = None
) -> Iterator[BarFrame]:
    """Yield the bars of one symbol after the other; unknown symbols are refused at the start."""
    names = [symbol.name for symbol in config.symbols] if symbols is None else list(symbols)
    for name in names:
        config.symbol(name)
    market = SyntheticMarket(config)
    return (market.bars(name) for name in names)


def _prices(block: Block, last: float) -> tuple[dict[str, FloatArray], float]:
    """Return the block's prices and volumes, and the logarithm of its last close."""
    path = np.empty(BLOCK_BARS + 1)
    path[0] = last
    path[1:] = block.gap + block.log_return
    path = np.cumsum(path)
    level = np.exp(path)
    open_, close = level[:-1], level[1:]
    if block.gap.any():
        open_ = open_ * np.exp(block.gap)
    return {
        "open": open_,
        "high": np.maximum(open_, close) * np.exp(block.above),
        "low": np.minimum(open_, close) * np.exp(-block.below),
        "close": close,
        "volume": block.volume,
    }, float(path[-1])


class _Ceiling:
    """Adds up Phi(k D / s) over the bars whose horizon lies within the series."""

    def __init__(self, config: SyntheticMarketConfig) -> None:
        self._horizon = config.edge_horizon_bars
        self._tail = np.empty((3, 0))  # direction, drift, variance of the last `horizon` bars
        self._sum, self._count = 0.0, 0

    def add(self, block: Block, span: slice) -> None:
        new = np.stack([block.direction, block.drift, block.variance])[:, span]
        rows = np.concatenate([self._tail, new], axis=1)
        h = self._horizon
        n = rows.shape[1] - h
        if n > 0:
            sums = np.cumsum(np.concatenate([np.zeros((2, 1)), rows[1:]], axis=1), axis=1)
            drift, variance = sums[:, h + 1 :] - sums[:, 1:-h]
            chance = np.interp(rows[0, :n] * drift / np.sqrt(variance), *_normal_table())
            self._sum += float(chance.sum())
            self._count += n
        self._tail = rows[:, max(0, n) :]

    def value(self) -> float:
        """Return the mean so far; 0.5 for a series that is shorter than the horizon."""
        return self._sum / self._count if self._count else 0.5


@cache
def _normal_table() -> tuple[FloatArray, FloatArray]:
    """Return points and the normal distribution function there, for interpolation to 1e-7."""
    points = np.linspace(-9.0, 9.0, 36_001)
    return points, np.array([0.5 * math.erfc(-x / math.sqrt(2.0)) for x in points.tolist()])


def _planted(config: SyntheticMarketConfig, ceiling: float) -> dict[str, Any]:
    return {
        "rule": (
            "a bar whose lower wick is longer than its upper one shows the direction +1, else -1; "
            "the next bar drifts that way by edge_strength / sqrt(horizon_bars) of its standard "
            "deviation; forecast the sign of the close horizon_bars later less the close"
        ),
        "edge_strength": config.edge_strength,
        "horizon_bars": config.edge_horizon_bars,
        "active_share": 1.0 if config.edge_strength > 0.0 else 0.0,
        "best_attainable_accuracy": ceiling,
    }
