"""Made-up bars: a random walk that looks like hourly EUR/USD, with or without a planted edge.

The signs of the returns are drawn apart from their sizes, so that without an edge they may be
flipped one by one and the bars are as likely as before: exactly what a sign-flip null assumes.
Each kind of chance has its own named stream and is drawn bar after bar, so the first n bars do
not depend on how many follow.
"""

import math
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from pydantic import AwareDatetime, Field, field_validator

from marketlab.core import BoolArray, FloatArray, FrozenConfig, IntArray, check_name, seed_streams
from marketlab.data._bars import BarFrame
from marketlab.data._timeframe import fixed_timeframe_ns, timeframe_ns

EDGE_WINDOW_BARS = 14
EDGE_FRACTION = 0.2

_HOUR_NS = 3_600_000_000_000
_DAY_NS = 24 * _HOUR_NS
_WEEK_NS = 7 * _DAY_NS
# Mean high-low range per UTC hour of the bundled eurusd_1h, in units of 0.001 % (2026-11-21).
_RANGE_BY_HOUR = np.array(
    [
        [104, 104, 83, 70, 64, 87, 143, 177],
        [166, 146, 138, 142, 194, 186, 206, 168],
        [146, 125, 128, 113, 84, 77, 78, 79],
    ],
    dtype=np.float64,
).ravel()
_SESSION = _RANGE_BY_HOUR / math.sqrt(float(np.mean(_RANGE_BY_HOUR**2)))
_MEAN_TICKS_PER_HOUR = 1_750.0


class SyntheticConfig(FrozenConfig):
    """Made-up bars of a currency pair.

    Attributes
    ----------
    start : bars open from here on, on the timeframe's grid counted from this moment.
    hourly_volatility : standard deviation of the log return of one hour, as a fraction, over all
        hours; 0.00095 is 0.095 %, about that of EUR/USD. Longer and shorter bars scale with the
        square root of time.
    volatility_spread, volatility_persistence : standard deviation and one-bar autocorrelation of
        the logarithm of the slow volatility factor; a spread of 0 switches it off.
    session_profile : volatility by UTC hour as in real EUR/USD; for bars of one hour or less.
    weekends : leave out the bars that open from Friday 22:00 to Sunday 22:00 UTC (of days:
        Saturdays and Sundays).
    weekend_gap : standard deviation of the jump from the last close to the first open after a
        weekend, as a fraction; elsewhere a bar opens at the last close.
    edge_strength : planted edge; the next close is higher with probability
        ``0.5 + edge_strength * s``, where s is +1 if the close lies in the lowest fifth of the
        range of the last 14 bars (this one included), -1 in the highest fifth, else 0.
    """

    symbol: str = "EURUSD"
    timeframe: str = "1h"
    n_bars: int = Field(default=50_565, ge=1, le=20_000_000)
    seed: int = 0
    start: AwareDatetime = datetime(2015, 1, 1, tzinfo=UTC)
    start_price: float = Field(default=1.1, gt=0.0)
    hourly_volatility: float = Field(default=0.00095, gt=0.0, le=0.05)
    volatility_spread: float = Field(default=0.4, ge=0.0, le=1.0)
    volatility_persistence: float = Field(default=0.995, ge=0.0, lt=1.0)
    session_profile: bool = True
    weekends: bool = True
    weekend_gap: float = Field(default=0.0, ge=0.0, le=0.05)
    edge_strength: float = Field(default=0.0, ge=0.0, le=0.5)

    @field_validator("timeframe")
    @classmethod
    def _known_timeframe(cls, name: str) -> str:
        fixed_timeframe_ns(name)
        return name

    @field_validator("symbol")
    @classmethod
    def _safe_symbol(cls, name: str) -> str:
        return check_name(name, field="symbol")


@dataclass(frozen=True, slots=True)
class _Chance:
    """Everything drawn for the path, shape (n_bars,) each; sizes are log returns."""

    size: FloatArray  # absolute close-to-close return
    coin: FloatArray  # uniform; below the probability of a rise means a rise
    gap: FloatArray  # jump from the last close to the open
    above: FloatArray  # how far the high lies above open and close
    below: FloatArray  # how far the low lies below open and close


def synthetic_bars(config: SyntheticConfig) -> BarFrame:
    """Return made-up bars; the same config gives the same bars, in any process and any order.

    Between kinds of processors the last digits of exp and log may differ, and the id with them.

    The metadata holds the config and, under ``planted_edge``, the rule, its strength, the share
    of bars at which it acts (``active_share``) and the accuracy that nobody can beat in
    forecasting the direction of the next close (``best_attainable_accuracy``).
    """
    time_ns = _bar_times(config)
    volatility = _volatility(config, time_ns)
    chance = _draw(config, time_ns, volatility)
    prices, state = _walk(config, chance)
    active = float(np.mean(state[:-1] != 0)) if len(state) > 1 else 0.0
    planted: dict[str, Any] = {
        "rule": (
            "P(next close higher) = 0.5 + edge_strength * s; s = +1 with the close in the lowest "
            f"{EDGE_FRACTION:.0%} of the high-low range of the last {EDGE_WINDOW_BARS} bars, "
            f"-1 in the highest {EDGE_FRACTION:.0%}, else 0"
        ),
        "edge_strength": config.edge_strength,
        "active_share": active,
        "best_attainable_accuracy": 0.5 + config.edge_strength * active,
    }
    return BarFrame.build(
        {"time": time_ns, **prices, "volume": _ticks(config, volatility)},
        symbol=config.symbol,
        timeframe=config.timeframe,
        source=f"synthetic:seed={config.seed}",
        provenance=f"made up by marketlab, config {config.content_id()[:16]}",
        licence="none needed",
        is_synthetic=True,
        has_volume=True,
        metadata={"planted_edge": planted, "config": config.to_mapping()},
    )


def _bar_times(config: SyntheticConfig) -> IntArray:
    step = timeframe_ns(config.timeframe)
    start = int(config.start.timestamp() * 1_000_000) * 1000
    if not config.weekends or step >= _WEEK_NS:
        return start + step * np.arange(config.n_bars, dtype=np.int64)
    # Two sevenths of all bars fall away; a week more covers a start inside a weekend.
    n = config.n_bars * 7 // 5 + 2 * (_WEEK_NS // step) + 2
    times = start + step * np.arange(n, dtype=np.int64)
    return times[_is_open(times, step)][: config.n_bars]


def _is_open(times: IntArray, step: int) -> BoolArray:
    """Return which bars open while the market is open."""
    # 1970-01-01 was a Thursday: from Thursday 00:00 it is 46 hours to Friday 22:00.
    since_thursday = times % _WEEK_NS
    if step >= _DAY_NS:
        day = since_thursday // _DAY_NS  # 2 is Saturday, 3 is Sunday
        is_open: BoolArray = (day != 2) & (day != 3)
    else:
        is_open = (since_thursday < 46 * _HOUR_NS) | (since_thursday >= 94 * _HOUR_NS)
    return is_open


def _volatility(config: SyntheticConfig, time_ns: IntArray) -> FloatArray:
    """Return the standard deviation of each bar's log return; its mean square is the one asked."""
    n, step = len(time_ns), timeframe_ns(config.timeframe)
    base = config.hourly_volatility * math.sqrt(step / _HOUR_NS)
    out: FloatArray = np.full(n, base)
    if config.session_profile and step <= _HOUR_NS:
        out *= _SESSION[time_ns // _HOUR_NS % 24]
    if config.volatility_spread > 0.0:
        noise = _stream(config, "volatility").standard_normal(n)
        out *= np.exp(_autoregression(config, noise) - config.volatility_spread**2)
    return out


def _autoregression(config: SyntheticConfig, noise: FloatArray) -> FloatArray:
    """Return a stationary AR(1) of the configured spread, driven by standard normal `noise`."""
    persistence, spread = config.volatility_persistence, config.volatility_spread
    scale = spread * math.sqrt(1.0 - persistence**2)
    values = []
    level = spread * float(noise[0])
    for shock in noise.tolist()[1:]:
        values.append(level)
        level = persistence * level + scale * shock
    values.append(level)
    return np.array(values)


def _draw(config: SyntheticConfig, time_ns: IntArray, volatility: FloatArray) -> _Chance:
    n = len(time_ns)
    size = volatility * np.abs(_stream(config, "size").standard_normal(n))
    gap = np.zeros(n)
    if config.weekend_gap > 0.0:
        after_hole = np.concatenate([[False], np.diff(time_ns) > timeframe_ns(config.timeframe)])
        gap[after_hole] = (_stream(config, "gap").standard_normal(n) * config.weekend_gap)[
            after_hole
        ]
    # The highest point of a Brownian bridge with ends 0 and r: (r + sqrt(r^2 - 2 v ln u)) / 2
    # above the start. What it adds above the higher end depends on |r| only, so it is the same
    # for rises and falls. High and low are drawn apart, where a bridge would tie them.
    excess = []
    for name in ("high", "low"):
        u = 1.0 - _stream(config, name).random(n)  # in (0, 1]
        excess.append(0.5 * (np.sqrt(size**2 - 2.0 * volatility**2 * np.log(u)) - size))
    coin = _stream(config, "direction").random(n)
    return _Chance(size=size, coin=coin, gap=gap, above=excess[0], below=excess[1])


def _walk(config: SyntheticConfig, chance: _Chance) -> tuple[dict[str, FloatArray], IntArray]:
    """Return the prices and the state s of every bar; bar 0 rises or falls evenly."""
    edge = config.edge_strength
    highs: deque[tuple[int, float]] = deque()
    lows: deque[tuple[int, float]] = deque()
    opens, tops, bottoms, closes, states = [], [], [], [], []
    last, state = math.log(config.start_price), 0
    rows = zip(
        chance.size.tolist(),
        chance.coin.tolist(),
        chance.gap.tolist(),
        chance.above.tolist(),
        chance.below.tolist(),
        strict=True,
    )
    for t, (size, coin, gap, above, below) in enumerate(rows):
        begin = last + gap
        last = last + size if coin < 0.5 + edge * state else last - size
        top = (begin if begin > last else last) + above
        bottom = (begin if begin < last else last) - below
        _push(highs, t, top)
        _push(lows, t, -bottom)
        state = _state(last, -lows[0][1], highs[0][1]) if t + 1 >= EDGE_WINDOW_BARS else 0
        opens.append(begin)
        tops.append(top)
        bottoms.append(bottom)
        closes.append(last)
        states.append(state)
    named = zip(("open", "high", "low", "close"), (opens, tops, bottoms, closes), strict=True)
    return {name: np.exp(np.array(values)) for name, values in named}, np.array(states)


def _push(window: deque[tuple[int, float]], t: int, value: float) -> None:
    """Add bar t to a window whose first entry is the largest value of its last 14 bars."""
    while window and window[-1][1] <= value:
        window.pop()
    window.append((t, value))
    if window[0][0] <= t - EDGE_WINDOW_BARS:
        window.popleft()


def _state(close: float, low: float, high: float) -> int:
    """Return s, from logarithms of prices; the fifths are taken of prices, as indicators do."""
    close, low, high = math.exp(close), math.exp(low), math.exp(high)
    width = high - low
    if width <= 0.0:
        return 0
    place = (close - low) / width
    if place <= EDGE_FRACTION:
        return 1
    return -1 if place >= 1.0 - EDGE_FRACTION else 0


def _ticks(config: SyntheticConfig, volatility: FloatArray) -> FloatArray:
    """Return tick volumes that follow volatility and say nothing about direction."""
    hours = timeframe_ns(config.timeframe) / _HOUR_NS
    relative = volatility / (config.hourly_volatility * math.sqrt(hours))
    noise = _stream(config, "ticks").standard_normal(len(volatility))
    ticks = _MEAN_TICKS_PER_HOUR * hours * relative * np.exp(0.3 * noise)
    return np.maximum(1.0, np.rint(ticks))


def _stream(config: SyntheticConfig, name: str) -> np.random.Generator:
    return seed_streams(config.seed, "synthetic_bars", name)
