"""Coarser bars made of finer ones beside those that a source delivered."""

import numpy as np

from marketlab.core import FrozenConfig
from marketlab.data._bars import BarFrame
from marketlab.data._calendar import TradingCalendar
from marketlab.data._columns import PRICES
from marketlab.data._resample import resample_bars
from marketlab.data._validate import time_text

_SHOWN = 5


class CrossCheck(FrozenConfig):
    """Coarser bars made of finer ones beside those that a source delivered.

    Counts of bars; `times` are the first that differ. A bar that only one side has is no mismatch.
    """

    compared: int
    mismatched: int
    only_resampled: int
    only_fetched: int
    times: tuple[str, ...]


def cross_check(
    fine: BarFrame,
    coarse: BarFrame,
    *,
    calendar: str | TradingCalendar = "always",
    with_volume: bool = False,
) -> CrossCheck:
    """Resample `fine` to the timeframe of `coarse` and compare prices exactly (volume if asked).

    Raises
    ------
    Errors of `resample_bars`.
    """
    made = resample_bars(fine, coarse.timeframe, calendar=calendar).bars
    _, mine, theirs = np.intersect1d(
        made.time_ns, coarse.time_ns, assume_unique=True, return_indices=True
    )
    names = (*PRICES, "volume") if with_volume else PRICES
    differs = np.zeros(len(mine), dtype=np.bool_)
    for name in names:
        differs |= made.arrays()[name][mine] != coarse.arrays()[name][theirs]
    low, high = made.time_ns[0], made.time_ns[-1]
    in_reach = int(((coarse.time_ns >= low) & (coarse.time_ns <= high)).sum())
    at = made.time_ns[mine[differs]][:_SHOWN]
    return CrossCheck(
        compared=len(mine),
        mismatched=int(differs.sum()),
        only_resampled=made.n_bars - len(mine),
        only_fetched=in_reach - len(mine),
        times=tuple(time_text(int(t)) for t in at),
    )
