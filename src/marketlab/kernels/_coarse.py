"""Coarser bars out of finer ones as they come, and their values spread back over the finer bars.

Aggregation keeps the columns of the bar under way in its state; a coarse bar is handed on once it
is complete: with the fine bar whose close is the end of the period, or with the first fine bar of
a later period. So nothing that is handed on has a later close than the fine bar it comes with.
"""

import math

import numpy as np

from marketlab.core import FloatArray, IntArray
from marketlab.kernels._jit import jit, register_warmup

DAY_S = 86_400.0
WEEK_S = 604_800.0
MONTH_S = 2_678_400.0

FIRST, HIGHEST, LOWEST, LAST, TOTAL = 0, 1, 2, 3, 4
"""How a column of a coarse bar comes from those of its fine bars."""


@jit
def _period_of(time_s: float, period_s: float) -> float:
    """Return the number of the period that holds `time_s`: weeks begin on Monday, all in UTC."""
    if period_s == WEEK_S:
        return math.floor((time_s / DAY_S + 3.0) / 7.0)
    if period_s == MONTH_S:
        # Days to months after Hinnant, "chrono-compatible low-level date algorithms".
        z = math.floor(time_s / DAY_S) + 719_468.0
        era = math.floor(z / 146_097.0)
        day = z - era * 146_097.0
        year = math.floor(
            (
                day
                - math.floor(day / 1460.0)
                + math.floor(day / 36_524.0)
                - math.floor(day / 146_096.0)
            )
            / 365.0
        )
        of_year = day - (365.0 * year + math.floor(year / 4.0) - math.floor(year / 100.0))
        month = math.floor((5.0 * of_year + 2.0) / 153.0)  # 0 is March
        return 12.0 * (year + 400.0 * era) + month
    return math.floor(time_s / period_s)


@jit
def coarse_bars(
    columns: FloatArray,
    rules: IntArray,
    period_s: float,
    state: FloatArray,
    complete: IntArray,
    out: FloatArray,
) -> int:
    """Write the coarse bars that become complete, (n_columns, …); return how many.

    Parameters
    ----------
    columns : (n_columns, n_bars) fine columns; the last two are time and close time, seconds.
    rules : (n_columns,) how each is aggregated.
    period_s : seconds of the period (week and month stand for the calendar's).
    state : (2 + n_columns) whether a bar is under way, its period, its columns.
    complete : (n_bars,) for each fine bar how many coarse bars were complete at its close.
    out : (n_columns, n_bars + 1) receives them.
    """
    n_columns, n_bars = columns.shape
    count = 0
    for i in range(n_bars):
        period = _period_of(columns[n_columns - 2, i], period_s)
        if state[0] == 1.0 and state[1] != period:
            for c in range(n_columns):
                out[c, count] = state[2 + c]
            count += 1
            state[0] = 0.0
        is_new = state[0] == 0.0
        state[0] = 1.0
        state[1] = period
        for c in range(n_columns):
            value = columns[c, i]
            if is_new:
                state[2 + c] = value
            elif rules[c] == HIGHEST:
                state[2 + c] = max(state[2 + c], value)
            elif rules[c] == LOWEST:
                state[2 + c] = min(state[2 + c], value)
            elif rules[c] == LAST:
                state[2 + c] = value
            elif rules[c] == TOTAL:
                state[2 + c] += value
        if _period_of(columns[n_columns - 1, i], period_s) != period:
            for c in range(n_columns):
                out[c, count] = state[2 + c]
            count += 1
            state[0] = 0.0
        complete[i] = count
    return count


@jit
def spread(values: FloatArray, complete: IntArray, held: FloatArray, out: FloatArray) -> None:
    """Write for each fine bar the value of the newest complete coarse bar.

    `values` (n_coarse) are those of the block, `complete` as `coarse_bars` wrote it, and `held`
    (1,) carries the newest one from block to block.
    """
    last = held[0]
    for i in range(out.shape[0]):
        if complete[i] > 0:
            last = values[complete[i] - 1]
        out[i] = last
    held[0] = last


@register_warmup("coarse bars")
def _warm() -> None:
    columns = np.ones((3, 2))
    complete = np.zeros(2, dtype=np.int64)
    rules = np.array([LAST, FIRST, LAST], dtype=np.int64)
    coarse_bars(columns, rules, DAY_S, np.zeros(5), complete, np.zeros((3, 3)))
    spread(np.ones(1), complete, np.full(1, np.nan), np.zeros(2))
