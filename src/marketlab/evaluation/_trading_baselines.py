"""What anybody earns without a forecast: by holding, and by entering at random.

A trade enters at ``price[entry]`` and leaves at ``price[leave]`` (opens, if fills are at the open
of a bar), long (+1) or short (-1). Its return in basis points is
side * (price[leave] / price[entry] - 1) * 10,000 less one round-trip cost.

Random entry keeps what is not skill: the number of trades, their holding times, their sides, the
cost, the stretch of bars. Only *when* is drawn anew: holding times in random order, the free bars
between them split at random, every arrangement without overlap being equally likely. In a rising
market random longs earn money too, and that is the figure a strategy must beat (the idea of Masters
2018, "Testing and Tuning Market Trading Systems", chapter on permutation; the stars-and-bars draw
is textbook combinatorics).
"""

import numpy as np

from marketlab.core import (
    ConfigError,
    DataError,
    FloatArray,
    FrozenConfig,
    IntArray,
    check_at_least,
    check_same_length,
    seed_streams,
)

_BPS = 10_000.0


class BuyAndHold(FrozenConfig):
    """One long trade over the whole stretch, after one round-trip cost."""

    first_bar: int
    last_bar: int
    return_bps: float
    cost_bps: float


class RandomEntry(FrozenConfig):
    """The observed trades beside random ones with the same holding times, sides and cost.

    Attributes
    ----------
    observed_bps, random_mean_bps, random_std_bps : mean return per trade, basis points.
    random_quantiles_bps : the 5, 50 and 95 % points over the draws.
    p_value : (1 + draws at least as good) / (1 + draws) (Davison and Hinkley 1997, eq. 4.11).
    monte_carlo_error : its standard error, from the number of draws.
    """

    n_trades: int
    n_draws: int
    cost_bps: float
    observed_bps: float
    random_mean_bps: float
    random_std_bps: float
    random_quantiles_bps: tuple[float, float, float]
    p_value: float
    monte_carlo_error: float


def trade_returns_bps(
    price: FloatArray, entry: IntArray, leave: IntArray, side: IntArray, *, cost_bps: float
) -> FloatArray:
    """Return the return of each trade after cost, basis points; any shape, as `entry`."""
    return np.asarray(side * (price[leave] / price[entry] - 1.0) * _BPS - cost_bps)


def buy_and_hold(
    price: FloatArray, *, first_bar: int, last_bar: int, cost_bps: float
) -> BuyAndHold:
    """Return what holding from `first_bar` to `last_bar` earned.

    Raises
    ------
    DataError if the bars lie outside the series or are in the wrong order, or a price is none.
    """
    one = np.array([first_bar]), np.array([last_bar])
    _check_trades(price, *one, np.array([1]), cost_bps)
    earned = trade_returns_bps(price, *one, np.array([1]), cost_bps=cost_bps)
    return BuyAndHold(
        first_bar=first_bar, last_bar=last_bar, return_bps=float(earned[0]), cost_bps=cost_bps
    )


def random_entry(
    price: FloatArray,
    entry: IntArray,
    leave: IntArray,
    side: IntArray,
    *,
    stretch: tuple[int, int],
    cost_bps: float,
    seed: int,
    n_draws: int = 1_000,
) -> RandomEntry:
    """Compare trades with random ones of the same holding times.

    Parameters
    ----------
    price : ndarray of shape (n_bars,), > 0.
    entry, leave : ndarray of int64 of shape (k,), ascending, entry < leave, no two trades at once.
    side : ndarray of int64 of shape (k,), +1 or -1; each holding time keeps its side.
    stretch : first and last bar in which random trades may lie; it holds the observed ones.
    cost_bps : of one round trip, the same for both. seed, n_draws : of the draws.

    Raises
    ------
    DataError (``DATA-Trades``) naming the first trade that breaks a rule, or without any trade.
    """
    check_at_least("n_draws", n_draws, 1)
    _check_trades(price, entry, leave, side, cost_bps)
    _check_stretch(price, entry, leave, stretch)
    rng = seed_streams(seed, "random entry")
    held = leave - entry
    k, free = len(entry), stretch[1] - stretch[0] - int(held.sum())
    order = rng.permuted(np.tile(np.arange(k), (n_draws, 1)), axis=1)
    gaps = np.empty((n_draws, k), dtype=np.int64)
    for row in gaps:
        row[:] = np.sort(rng.choice(free + k, k, replace=False, shuffle=False)) - np.arange(k)
    length = held[order]
    opens = stretch[0] + gaps + np.cumsum(length, axis=1) - length
    drawn = trade_returns_bps(price, opens, opens + length, side[order], cost_bps=cost_bps)
    means = drawn.mean(axis=1)
    observed = float(trade_returns_bps(price, entry, leave, side, cost_bps=cost_bps).mean())
    p = (1.0 + float(np.count_nonzero(means >= observed - 1e-9))) / (1.0 + n_draws)
    low, middle, high = (float(each) for each in np.quantile(means, [0.05, 0.5, 0.95]))
    return RandomEntry(
        n_trades=k,
        n_draws=n_draws,
        cost_bps=cost_bps,
        observed_bps=observed,
        random_mean_bps=float(means.mean()),
        random_std_bps=float(means.std()),
        random_quantiles_bps=(low, middle, high),
        p_value=p,
        monte_carlo_error=float(np.sqrt(p * (1.0 - p) / (1.0 + n_draws))),
    )


def _refuse(message: str) -> DataError:
    return DataError(message, code="DATA-Trades")


def _check_trades(
    price: FloatArray, entry: IntArray, leave: IntArray, side: IntArray, cost_bps: float
) -> None:
    if check_same_length(entry=entry, leave=leave, side=side) == 0:
        raise _refuse("there is no trade; without one there is nothing to compare.")
    if not 0.0 <= cost_bps < np.inf:
        raise ConfigError(
            f"a cost is finite and not negative; received {cost_bps!r}.",
            field="cost_bps",
            value=cost_bps,
        )
    wrong = (entry < 0) | (leave >= len(price)) | (entry >= leave) | (np.abs(side) != 1)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise _refuse(
            f"trade {first} runs from bar {entry[first]} to {leave[first]} with side "
            f"{side[first]}; a trade leaves after it enters, within {len(price)} bars, with side "
            "+1 or -1."
        )
    if not (np.isfinite(price).all() and (price > 0.0).all()):
        first = int(np.flatnonzero(~(np.isfinite(price) & (price > 0.0)))[0])
        raise DataError(
            f"prices are finite and positive; bar {first} has {price[first]!r}.",
            code="DATA-NotFinite",
            field="price",
        )


def _check_stretch(
    price: FloatArray, entry: IntArray, leave: IntArray, stretch: tuple[int, int]
) -> None:
    late = np.flatnonzero(entry[1:] < leave[:-1])
    if len(late):
        first = int(late[0]) + 1
        raise _refuse(
            f"trade {first} enters at bar {entry[first]}, before trade {first - 1} left at "
            f"{leave[first - 1]}; random entry compares one position at a time."
        )
    if not (0 <= stretch[0] <= entry[0] and leave[-1] <= stretch[1] < len(price)):
        raise _refuse(
            f"the trades run from bar {entry[0]} to {leave[-1]}, the stretch from {stretch[0]} to "
            f"{stretch[1]} of {len(price)} bars; it must hold them."
        )
