"""The chance of a made-up market, block by block.

A series is a row of blocks of `BLOCK_BARS` bars. Each kind of chance in each block of each symbol
(or of the whole market) has a stream of its own, named by symbol and block, so any block can be
made at any time and is always the same. What runs on over the border of blocks is carried by
anchors that are functions of the blocks before: the volatility's AR(1) by the sum of what earlier
blocks leave behind (down to 1e-12 of it, blocks before the first bar included, so that the first
bar is as stationary as any other), the planted direction by the last one of the block before.
A block is always computed as a whole, so that cuts cannot change a digit.
"""

import functools
import math
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from marketlab.core import BoolArray, FloatArray, IntArray, seed_streams
from marketlab.data._market_config import MarketSymbol, SyntheticMarketConfig
from marketlab.data._timeframe import timeframe_ns

BLOCK_BARS = 16_384

_HOUR_NS = 3_600_000_000_000
_MINUTE_NS = 60_000_000_000
_DAY_NS = 24 * _HOUR_NS
_NEGLIGIBLE = 1e-12
_MARKET = "*"  # no symbol may be called so
# Relative volatility and volume at each UTC hour: Tokyo, London and New York in turn, the hours
# in which the latter two overlap the busiest. Shapes of our own choosing.
_VOLATILITY_BY_HOUR = (
    *(0.85, 0.85, 0.80, 0.75, 0.70, 0.70, 0.80, 1.10, 1.25, 1.15, 1.00, 1.00),
    *(1.20, 1.45, 1.50, 1.40, 1.25, 1.10, 1.00, 0.95, 0.85, 0.70, 0.65, 0.75),
)
_VOLUME_BY_HOUR = tuple(value**1.5 for value in _VOLATILITY_BY_HOUR)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of one symbol, shape (BLOCK_BARS,) each; returns and gaps are log returns."""

    gap: FloatArray  # from the last close to the open
    log_return: FloatArray  # from open to close
    drift: FloatArray  # the planted part of log_return
    variance: FloatArray  # of gap + log_return around the drift, known only to the generator
    direction: FloatArray  # +1 or -1: what the wicks show, and the sign of the next bar's drift
    above: FloatArray  # how far the high lies above open and close
    below: FloatArray  # how far the low lies below open and close
    volume: FloatArray


def market_times(config: SyntheticMarketConfig, n_bars: int) -> IntArray:
    """Return the opening times of the first `n_bars` bars, int64 nanoseconds of UTC."""
    step = timeframe_ns(config.timeframe)
    start = int(config.start.timestamp() * 1_000_000) * 1000
    week = 7 * _DAY_NS
    if config.calendar == "24x7" or step >= week:
        return start + step * np.arange(n_bars, dtype=np.int64)
    # Two sevenths of all bars fall away; some weeks more cover the ends.
    times = start + step * np.arange(n_bars * 7 // 5 + 3 * (week // step) + 3, dtype=np.int64)
    return times[_is_open(times, step)][:n_bars]


def _is_open(times: IntArray, step: int) -> BoolArray:
    if step >= _DAY_NS:
        day = times // _DAY_NS % 7  # day 0 of the epoch is a Thursday: 2 is Saturday
        on_weekdays: BoolArray = (day != 2) & (day != 3)
        return on_weekdays
    stamps = (
        pl.Series(times).cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone("America/New_York")
    )
    day = stamps.dt.weekday().to_numpy()  # Monday is 1
    hour = stamps.dt.hour().to_numpy()
    is_open: BoolArray = (day < 5) | ((day == 5) & (hour < 17)) | ((day == 7) & (hour >= 17))
    return is_open


@dataclass(slots=True)
class PathMaker:
    """Makes the blocks of one market; keeps only the anchors that it has computed."""

    config: SyntheticMarketConfig
    _left: dict[tuple[str, int], float] = field(default_factory=dict)

    def block(self, symbol: MarketSymbol, number: int, times: IntArray, before: int) -> Block:
        """Return block `number` of `symbol`.

        Parameters
        ----------
        times : opening times of the block's bars, shape (BLOCK_BARS,).
        before : opening time of the bar before, or that of the first bar if there is none.
        """
        config = self.config
        step = timeframe_ns(config.timeframe)
        base = symbol.hourly_volatility * math.sqrt(step / _HOUR_NS)
        log_volatility = self._log_volatility(symbol.name, number)
        volatility = base * np.exp(log_volatility - config.volatility_spread**2)
        minute = times // _MINUTE_NS % 1440
        with_session = config.session_profile and step <= _HOUR_NS
        if with_session:
            volatility *= _by_minute(_VOLATILITY_BY_HOUR, 2)[minute]
        noise, mixed = self._noise(symbol, number)
        spread = volatility * np.sqrt(mixed)
        direction, governing = self._direction(symbol.name, number)
        drift = governing * spread
        drift *= config.edge_strength / math.sqrt(config.edge_horizon_bars)
        jump, jump_variance = self._jumps(symbol.name, number, base)
        gap, gap_variance = self._gaps(symbol.name, number, np.diff(times, prepend=before) > step)
        log_return = drift + volatility * noise + jump
        above, below = self._wicks(symbol.name, number, log_return, spread, direction)
        volume = np.exp(log_volatility + 0.4 * self._normal(symbol.name, "volume", number) - 0.08)
        volume *= symbol.mean_volume * (0.5 + 0.6 * np.abs(log_return) / volatility)
        if with_session:
            volume *= _by_minute(_VOLUME_BY_HOUR, 1)[minute]
        return Block(
            gap=gap,
            log_return=log_return,
            drift=drift,
            variance=spread * spread + jump_variance + gap_variance,
            direction=direction,
            above=above,
            below=below,
            volume=volume,
        )

    def _stream(self, symbol: str, kind: str, number: int) -> np.random.Generator:
        return seed_streams(self.config.seed, "synthetic_market", symbol, kind, number)

    def _normal(self, symbol: str, kind: str, number: int) -> FloatArray:
        return self._stream(symbol, kind, number).standard_normal(BLOCK_BARS)

    def _noise(self, symbol: MarketSymbol, number: int) -> tuple[FloatArray, FloatArray]:
        """Return noise of variance 1, and its variance where the tails' mixing is known."""
        own = max(0.0, 1.0 - math.fsum(value * value for value in symbol.loadings))
        parts = [(f"{_MARKET}{k}", value) for k, value in enumerate(symbol.loadings)]
        noise, mixed = np.zeros(BLOCK_BARS), np.zeros(BLOCK_BARS)
        for name, weight in (*parts, (symbol.name, math.sqrt(own))):
            normal = self._normal(name, "noise", number)
            degrees = self.config.tail_degrees
            if degrees is None:
                mixed += weight * weight
            else:
                chance = self._stream(name, "tail", number).chisquare(degrees, BLOCK_BARS)
                mixing = (degrees - 2.0) / chance
                normal *= np.sqrt(mixing)
                mixed += weight * weight * mixing
            noise += weight * normal
        return noise, mixed

    def _log_volatility(self, symbol: str, number: int) -> FloatArray:
        share = self.config.volatility_common_share
        common = math.sqrt(share) * self._autoregression(_MARKET, number)
        own = math.sqrt(1.0 - share) * self._autoregression(symbol, number)
        return self.config.volatility_spread * (common + own)

    def _autoregression(self, symbol: str, number: int) -> FloatArray:
        """Return one block of a stationary AR(1) of variance 1."""
        phi = self.config.volatility_persistence
        local = self._local_autoregression(symbol, number)
        if phi == 0.0:
            return local
        over_a_block = phi**BLOCK_BARS
        n_before = 1
        while over_a_block**n_before > _NEGLIGIBLE:
            n_before += 1
        start = 0.0
        for back in range(n_before, 0, -1):
            start = over_a_block * start + self._left_by(symbol, number - back)
        return local + _powers(phi) * start

    def _local_autoregression(self, symbol: str, number: int) -> FloatArray:
        """Return the block's own share of the AR(1), as if all before it had been zero."""
        phi = self.config.volatility_persistence
        values = self._normal(symbol, "volatility", number) * math.sqrt(1.0 - phi * phi)
        # Each pass doubles how many earlier bars have been added in: y[t] = sum phi^j e[t - j].
        reach, factor = 1, phi
        while reach < BLOCK_BARS and factor > 1e-300:
            values[reach:] += factor * values[:-reach]
            reach, factor = 2 * reach, factor * factor
        self._left[symbol, number] = float(values[-1])
        return values

    def _left_by(self, symbol: str, number: int) -> float:
        if (symbol, number) not in self._left:
            self._local_autoregression(symbol, number)
        return self._left[symbol, number]

    def _direction(self, symbol: str, number: int) -> tuple[FloatArray, FloatArray]:
        """Return the direction that each bar shows, and the one that governs each bar's drift."""
        shown = self._shown(symbol, number)
        last = self._shown(symbol, number - 1)[-1:]
        return shown, np.concatenate([last, shown[:-1]])

    def _shown(self, symbol: str, number: int) -> FloatArray:
        chance = self._stream(symbol, "direction", number).random(BLOCK_BARS)
        first = 0 if chance[0] < 0.5 else 1
        turns = chance < 1.0 / self.config.edge_run_bars
        turns[0] = False
        out: FloatArray = np.where((first + np.cumsum(turns)) % 2 == 1, -1.0, 1.0)
        return out

    def _jumps(self, symbol: str, number: int, base: float) -> tuple[FloatArray, FloatArray]:
        size = self.config.jump_size * base
        stream = self._stream(symbol, "jump", number)
        here = stream.random(BLOCK_BARS) < self.config.jump_probability
        moves = size * stream.standard_normal(BLOCK_BARS)
        return np.where(here, moves, 0.0), np.where(here, size**2, 0.0)

    def _gaps(self, symbol: str, number: int, here: BoolArray) -> tuple[FloatArray, FloatArray]:
        size = self.config.weekend_gap
        if size == 0.0 or not here.any():
            return np.zeros(BLOCK_BARS), np.zeros(BLOCK_BARS)
        moves = size * self._normal(symbol, "gap", number)
        return np.where(here, moves, 0.0), np.where(here, size**2, 0.0)

    def _wicks(
        self,
        symbol: str,
        number: int,
        log_return: FloatArray,
        spread: FloatArray,
        direction: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """Return how far high and low lie outside open and close; the longer one shows direction.

        The highest point of a Brownian bridge with ends 0 and r lies (sqrt(r^2 - 2 v ln u) - |r|)/2
        above the higher end. Two are drawn apart; the longer is the lower wick where the planted
        direction is up. Sizes depend on |r| only, so they say nothing else about direction.
        """
        chance = 1.0 - self._stream(symbol, "wicks", number).random((2, BLOCK_BARS))  # in (0, 1]
        size = np.abs(log_return)
        wicks = np.sqrt(size * size - 2.0 * (spread * spread) * np.log(chance)) - size
        shorter, longer = 0.5 * wicks.min(axis=0), 0.5 * wicks.max(axis=0)
        is_up = direction > 0.0
        return np.where(is_up, shorter, longer), np.where(is_up, longer, shorter)


@functools.cache
def _by_minute(by_hour: tuple[float, ...], power: int) -> FloatArray:
    """Return the profile at each minute of the day; the mean of its `power` is 1."""
    hours = np.arange(1440) / 60.0
    values = np.interp(hours, np.arange(25) + 0.0, (*by_hour, by_hour[0]))
    out: FloatArray = values / np.mean(values**power) ** (1.0 / power)
    return out


@functools.cache
def _powers(phi: float) -> FloatArray:
    out: FloatArray = phi ** np.arange(1, BLOCK_BARS + 1, dtype=np.float64)
    return out
