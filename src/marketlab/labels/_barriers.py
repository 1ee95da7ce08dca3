"""Which of two price levels is reached first: the walk that barrier labels share."""

from dataclasses import dataclass

import numpy as np

from marketlab.core import ConfigError, FloatArray, IntArray
from marketlab.kernels import jit, register_warmup

NONE_HIT, UPPER_HIT, LOWER_HIT, BOTH_HIT = 0, 1, 2, 3


@dataclass(frozen=True, eq=False)
class Entries:
    """The bars at whose close a barrier label begins, and why others do not.

    bar : (n,) int64. volatility : (n,) greater than zero. facts : counts of dropped bars.
    """

    bar: IntArray
    volatility: FloatArray
    facts: dict[str, int]


def choose_entries(volatility: FloatArray, horizon: int, candidates: IntArray | None) -> Entries:
    """Return the bars with a whole horizon ahead, chosen by a filter, that have a volatility.

    Parameters
    ----------
    volatility : (n_bars,), NaN where there is none yet; zero on a series that did not move.
    candidates : ascending bar positions, None for every bar.

    Raises
    ------
    ConfigError if candidates are not ascending or lie outside the series.
    """
    n_bars = len(volatility)
    n_whole = max(0, n_bars - horizon)
    if candidates is None:
        chosen = np.arange(n_whole)
    else:
        if len(candidates) and (
            (np.diff(candidates) <= 0).any() or candidates[0] < 0 or candidates[-1] >= n_bars
        ):
            raise ConfigError(
                f"events must be ascending bar positions from 0 to {n_bars - 1}.",
                code="LABELS-Order",
                field="events",
            )
        chosen = candidates[candidates < n_whole].astype(np.int64)
    moves = volatility[chosen] > 0.0
    bar = chosen if moves.all() else chosen[moves]
    facts = {
        "n_bars": n_bars,
        "n_dropped_tail": n_bars - n_whole,
        "n_dropped_filtered": n_whole - len(chosen),
        "n_dropped_no_volatility": len(chosen) - len(bar),
    }
    return Entries(bar, volatility[bar], facts)


@jit
def first_barrier(
    high: FloatArray,
    low: FloatArray,
    bar: IntArray,
    upper: FloatArray,
    lower: FloatArray,
    horizon: int,
    end: IntArray,
    hit: IntArray,
) -> None:
    """Write the first bar of ``bar + 1 … bar + horizon`` that reaches a level, and which one.

    Reaching is inclusive, on high and low. `end` is ``bar + horizon`` where neither is reached.
    Takes the time of the bars walked, at most ``n * horizon``.
    """
    for i in range(bar.shape[0]):
        first = bar[i] + 1
        found = 0
        last = bar[i] + horizon
        for k in range(first, first + horizon):
            if high[k] >= upper[i]:
                found = 1
            if low[k] <= lower[i]:
                found += 2
            if found > 0:
                last = k
                break
        end[i] = last
        hit[i] = found


@register_warmup("label barriers")
def _warm() -> None:
    x, one = np.ones(3), np.zeros(1, np.int64)
    first_barrier(x, x, one, x, x, 2, one.copy(), one.copy())
