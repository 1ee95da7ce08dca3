"""Three kinds of market without the wanted edge, behind one interface, each with what it tests.

A surrogate keeps the number and times of the bars and makes their prices and volumes anew from a
named stream of chance. What its p-value can say depends on what it destroys: `tests`, `keeps` and
`breaks` are sentences for the report, and no other claim may be made from it.

A bar's *shape* is its open, high, low and close divided by the close before it. Chaining shapes
multiplies each by the surrogate's own last close; division and multiplication round
monotonically, so low <= open, close <= high stays exactly. Volume travels with its shape. Bar 0,
which has no close before it, is kept.

The sign flip is the judge's default: false alarms of 5 to 6 % at a nominal 5 %, where Gaussian
walks and bootstraps gave 1 to 7 % (measured when the judge was designed, linear statistic).
"""

from collections.abc import Mapping
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from pydantic import Field

from marketlab.core import (
    DataError,
    FloatArray,
    FrozenConfig,
    IntArray,
    PluginRegistry,
    check_same_length,
    seed_streams,
)
from marketlab.evaluation._shape_chains import (
    chain_normals,
    chain_shapes,
    follow_blocks,
    gap_and_body,
)
from marketlab.evaluation._surrogates import checked_prices, draw_signs, sign_flip_surrogate

OHLCV = ("open", "high", "low", "close", "volume")
MIN_SHAPES = 20
"""Fewer bars (or blocks) to draw from and every surrogate is nearly the same market."""


@runtime_checkable
class SurrogateMarket(Protocol):
    """Makes bars in which the wanted edge cannot be. Settings are a `FrozenConfig`.

    Attributes
    ----------
    tests : what a small p-value on these surrogates says, and what it does not.
    keeps, breaks : what of the real bars they still have, and what not.
    noise : what they are, as it stands after "against". tests_direction : whether a small p-value
        says that the direction of bars is forecast; only then may it decide a verdict.
    """

    tests: ClassVar[str]
    keeps: ClassVar[str]
    breaks: ClassVar[str]
    noise: ClassVar[str]
    tests_direction: ClassVar[bool]

    def draw(
        self, bars: Mapping[str, FloatArray], *, seed: int, path: tuple[str | int, ...] = ()
    ) -> dict[str, FloatArray]:
        """Return the surrogate bars, new arrays under the same five names.

        Parameters
        ----------
        bars : open, high, low, close, volume; each (n_bars,), prices finite and above 0, oldest
            first. Volume is carried, not looked at.
        seed, path : name the stream: one path per surrogate, the same one for all strategies.

        Raises
        ------
        DataError for other names, unequal lengths, prices not above 0 or too few bars.
        """
        ...


SURROGATES: PluginRegistry[type] = PluginRegistry("surrogate", code="CONFIG-Surrogate")


@SURROGATES.register("sign_flip")
class SignFlip(FrozenConfig):
    """Turns the direction of each bar by a fair coin (`sign_flip_surrogate`)."""

    example: ClassVar[dict[str, object]] = {}
    tests: ClassVar[str] = (
        "whether the direction of bars is forecast; exact where signs are exchangeable. For "
        "labels that only ask how far price moves (touches) it tests direction beyond volatility "
        "only, since volatility stays as forecastable as it was."
    )
    keeps: ClassVar[str] = (
        "the size of every return, gap and range at its time, clusters of volatility, sessions, "
        "volume"
    )
    breaks: ClassVar[str] = "drift, memory of direction, and any link from the past to direction"
    noise: ClassVar[str] = "surrogate bars without direction"
    tests_direction: ClassVar[bool] = True

    def draw(
        self, bars: Mapping[str, FloatArray], *, seed: int, path: tuple[str | int, ...] = ()
    ) -> dict[str, FloatArray]:
        """Return bars with signs drawn by ``draw_signs(n, seed, *path)``."""
        prices = _prices(bars, least=0)
        signs = draw_signs(len(bars["close"]), seed, *path)
        return _bars(sign_flip_surrogate(*prices, signs), bars["volume"].copy())


@SURROGATES.register("block_bootstrap")
class BlockBootstrap(FrozenConfig):
    """Chains blocks of neighbouring bars, drawn anywhere in the record (stationary bootstrap).

    Block lengths are geometric and blocks wrap around the record's end (Politis and Romano 1994,
    "The stationary bootstrap", JASA 89, 1303-1313), so every bar is equally likely everywhere.

    Attributes
    ----------
    mean_block_bars : mean length of a block. At least 20 blocks must fit into the record.
    """

    example: ClassVar[dict[str, object]] = {"mean_block_bars": 5}
    tests: ClassVar[str] = (
        "whether a forecast uses dependence that reaches further than a block. An edge that lives "
        "within a block survives in the surrogates, so a large p-value does not deny it; a small "
        "one says that more than short memory and the law of returns is at work."
    )
    keeps: ClassVar[str] = (
        "shapes of bars with their volume, drift, the law of returns, and dependence within blocks"
    )
    breaks: ClassVar[str] = (
        "dependence beyond a block, the time of day and week, the place of quiet and wild times"
    )
    noise: ClassVar[str] = "surrogate bars chained from blocks of the real ones"
    tests_direction: ClassVar[bool] = False
    mean_block_bars: int = Field(ge=1)

    def draw(
        self, bars: Mapping[str, FloatArray], *, seed: int, path: tuple[str | int, ...] = ()
    ) -> dict[str, FloatArray]:
        """Return bars chained from blocks."""
        prices = _prices(bars, least=1 + MIN_SHAPES * self.mean_block_bars)
        n_shapes = len(prices[3]) - 1
        stream = seed_streams(seed, "block_bootstrap", *path)
        fresh = stream.random(n_shapes) < 1.0 / self.mean_block_bars
        fresh[0] = True
        begins = stream.integers(0, n_shapes, size=int(np.count_nonzero(fresh)))
        drawn = np.empty(n_shapes, dtype=np.int64)
        follow_blocks(fresh, begins, drawn)
        return _chain(prices, bars["volume"], drawn)


@SURROGATES.register("random_walk")
class RandomWalk(FrozenConfig):
    """A walk whose bars know nothing of each other.

    Attributes
    ----------
    returns : "resampled" chains shapes of single bars drawn with replacement. "gaussian" draws
        each bar's gap (open over the close before) and body (close over open) as one pair of
        normal log returns with the record's means, variances and covariance; the shadows beyond
        open and close, and the volume, come from a bar drawn with replacement.
    """

    example: ClassVar[dict[str, object]] = {"returns": "gaussian"}
    tests: ClassVar[str] = (
        "whether bars depend on the past in any way. Real markets do (volatility clusters), so a "
        "small p-value does not say that direction can be forecast; only a forecast that cannot "
        "beat this null has certainly learned nothing."
    )
    keeps: ClassVar[str] = (
        "drift, variance of returns and shapes of bars ('resampled': the whole law of returns)"
    )
    breaks: ClassVar[str] = (
        "every dependence between bars: direction, volatility, volume, sessions ('gaussian': also "
        "fat tails)"
    )
    noise: ClassVar[str] = "random walks"
    tests_direction: ClassVar[bool] = False
    returns: Literal["gaussian", "resampled"]

    def draw(
        self, bars: Mapping[str, FloatArray], *, seed: int, path: tuple[str | int, ...] = ()
    ) -> dict[str, FloatArray]:
        """Return bars of a walk."""
        prices = _prices(bars, least=1 + MIN_SHAPES)
        stream = seed_streams(seed, "random_walk", self.returns, *path)
        drawn = 1 + stream.integers(0, len(prices[3]) - 1, size=len(prices[3]) - 1)
        if self.returns == "resampled":
            return _chain(prices, bars["volume"], drawn)
        return _gaussian(prices, bars["volume"], drawn, stream)


_Prices = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


def _prices(bars: Mapping[str, FloatArray], *, least: int) -> _Prices:
    """Return checked open, high, low, close; refuse what cannot be chained."""
    if sorted(bars) != sorted(OHLCV):
        raise DataError(
            f"a surrogate is made from {', '.join(OHLCV)}; received {', '.join(sorted(bars))}.",
            code="DATA-Columns",
            suggestion="Derive other columns from the surrogate bars.",
        )
    n_bars = check_same_length(**{name: bars[name] for name in OHLCV})
    if n_bars < least:
        raise DataError(
            f"this surrogate needs {least} bars or more to draw from; there are {n_bars}.",
            code="DATA-TooFewBars",
            value=n_bars,
            suggestion="Use a longer record, or a shorter block.",
        )
    return (
        checked_prices("open", bars["open"]),
        checked_prices("high", bars["high"]),
        checked_prices("low", bars["low"]),
        checked_prices("close", bars["close"]),
    )


def _chain(prices: _Prices, volume: FloatArray, drawn: IntArray) -> dict[str, FloatArray]:
    """Return bar 0 followed by the shapes of the bars `drawn`, each with its volume."""
    out = _empty(len(prices[3]))
    chain_shapes(prices, drawn, out)
    return _bars(out, _carried(volume, drawn))


def _gaussian(
    prices: _Prices, volume: FloatArray, drawn: IntArray, stream: np.random.Generator
) -> dict[str, FloatArray]:
    """Return a normal walk with the gaps and bodies of the record, and shadows of bars `drawn`."""
    moments = np.empty(5)
    gap_and_body(prices[0], prices[3], moments)
    out = _empty(len(prices[3]))
    chain_normals(prices, drawn, moments, stream.standard_normal((len(drawn), 2)), out)
    return _bars(out, _carried(volume, drawn))


def _empty(n_bars: int) -> _Prices:
    return np.empty(n_bars), np.empty(n_bars), np.empty(n_bars), np.empty(n_bars)


def _carried(volume: FloatArray, drawn: IntArray) -> FloatArray:
    out = np.empty(len(volume))
    out[0] = volume[0]
    np.take(volume, drawn, out=out[1:], mode="clip")  # the mode that needs no second copy
    return out


def _bars(prices: _Prices, volume: FloatArray) -> dict[str, FloatArray]:
    """Return the five columns; refuse a path that left the range of numbers."""
    low, high = prices[2], prices[1]
    if len(low) and not (low.min() > 0.0 and np.isfinite(high.max())):
        raise DataError(
            "the surrogate's prices left the range of float64; the record's drift or volatility "
            "per bar is too large to be chained over its length.",
            code="DATA-Prices",
            suggestion="Look for bad ticks, or use the sign flip.",
        )
    return dict(zip(OHLCV, (*prices, volume), strict=True))
