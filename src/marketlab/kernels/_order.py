"""Rank and quantile over the last `window` values, from a window kept in order.

A new value replaces the oldest one: two binary searches and one move of the values between them.
That is about log2(window) comparisons plus a copy of at most `window` numbers per bar, so windows
of thousands stay fast (measured in ``benchmarks/bench_kernels.py``).
"""

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup

RANK_KINDS: dict[str, int] = {"below": 0, "average": 1, "at_most": 2}
"""Kind of `rolling_rank` -> its number; what each means is in its docstring."""

_BELOW, _AVERAGE = 0, 1
_SCANNED = 64
"""Up to so many ordered values are compared with all, which takes no mispredicted branch."""
_TOUCHED = 32
"""Up to so many, a replacement touches all of them rather than moving some."""


@jit
def _count_below(ordered: FloatArray, count: int, value: float) -> int:
    """Return how many of the first `count` ordered values are below `value`."""
    low = 0
    if count <= _SCANNED:
        for k in range(count):
            low += 1 if ordered[k] < value else 0
        return low
    while count > 1:
        half = count >> 1
        if ordered[low + half - 1] < value:
            low += half
        count -= half
    return low + 1 if count == 1 and ordered[low] < value else low


@jit
def _count_at_most(ordered: FloatArray, count: int, value: float) -> int:
    """Return how many of the first `count` ordered values are not above `value`."""
    low = 0
    while count > 1:
        half = count >> 1
        if ordered[low + half - 1] <= value:
            low += half
        count -= half
    return low + 1 if count == 1 and ordered[low] <= value else low


@jit
def _move_up(part: FloatArray) -> None:
    """Move all values one place on; the last one is lost."""
    carried = part[0]
    for k in range(1, part.shape[0]):
        moved = part[k]
        part[k] = carried
        carried = moved


@jit
def _replace(ordered: FloatArray, count: int, old: float, new: float) -> tuple[int, int]:
    """Take `old` out and put `new` in (NaN: nothing); return its place and the new count."""
    present = new == new
    place = _count_below(ordered, count, new) if present else count
    if old == old:
        gap = _count_below(ordered, count, old)
        if place > gap:
            place -= 1
            part = ordered[gap : place + 1]
            for k in range(part.shape[0] - 1):
                part[k] = part[k + 1]
        else:
            _move_up(ordered[place : gap + 1])
        count -= 1
    elif present:
        _move_up(ordered[place : count + 1])
    if present:
        ordered[place] = new
        count += 1
    return place, count


@jit
def _replace_scanned(ordered: FloatArray, old: float, new: float) -> None:
    """Take `old` out of a full short window and put `new` in; both are present.

    Every value is touched, with selections for branches: on random values the length of a move
    cannot be predicted, and a wrong guess costs more than the whole pass.
    """
    n = ordered.shape[0]
    gap, place = 0, 0
    for k in range(n):
        value = ordered[k]
        gap += 1 if value < old else 0
        place += 1 if value < new else 0
    if place > gap:
        place -= 1
        for k in range(n - 1):
            after = ordered[k + 1]
            ordered[k] = after if (k >= gap) & (k < place) else ordered[k]
    else:
        for k in range(n - 1, 0, -1):
            before = ordered[k - 1]
            ordered[k] = before if (k > place) & (k <= gap) else ordered[k]
    ordered[place] = new


@jit
def _counts(ring: FloatArray, value: float, seen: int) -> tuple[int, int, int]:
    """Return how many values of a ring are below `value`, not above it, and present."""
    below, at_most, present = 0, 0, 0
    for k in range(ring.shape[0]):
        other = ring[k]
        below += 1 if other < value else 0
        at_most += 1 if other <= value else 0
        present += 1 if other == other else 0
    return below, at_most, present if seen >= ring.shape[0] else 0


@jit
def rolling_rank(x: FloatArray, window: int, kind: int, state: FloatArray, out: FloatArray) -> None:
    """Write the rank of this bar's value among the last `window` values, 0 to 1.

    Kind 0 "below": values strictly below it, over ``window - 1`` (the share of the earlier ones).
    1 "average": mean rank of equal values over `window` (pandas ``rank(pct=True)``, qlib's Rank).
    2 "at_most": values not above it, itself counted, over `window`. NaN before there are `window`
    values and while one of them is missing. State (2 + 2 * window): bars seen, values present, the
    values as a ring, the present ones in order (not kept for windows that are compared with all).
    """
    seen = int(state[0])
    count = int(state[1])
    ring = state[2 : 2 + window]
    ordered = state[2 + window :]
    position = seen % window
    for i in range(out.shape[0]):
        value = x[i]
        old = ring[position] if seen >= window else np.nan
        ring[position] = value
        seen += 1
        position += 1
        if position == window:
            position = 0
        if window <= _SCANNED:
            below, end, count = _counts(ring, value, seen)
        else:
            below, count = _replace(ordered, count, old, value)
            end = below + 1
            if kind != _BELOW and end < count and ordered[end] == value:
                end = _count_at_most(ordered, count, value)
        if count < window:
            out[i] = np.nan
        elif kind == _BELOW:
            out[i] = below / (window - 1)
        else:
            out[i] = (below + 1 + end) / 2.0 / window if kind == _AVERAGE else end / window
    state[0], state[1] = seen, count


@jit
def rolling_quantile(
    x: FloatArray, window: int, q: float, state: FloatArray, out: FloatArray
) -> None:
    """Write the quantile `q` (0 to 1) of the last `window` values, interpolated linearly.

    NumPy's and pandas' default: position ``q (window - 1)`` in the ordered values. NaN before
    there are `window` values and while one of them is missing. State as of `rolling_rank`.
    """
    seen = int(state[0])
    count = int(state[1])
    ring = state[2 : 2 + window]
    ordered = state[2 + window :]
    position = seen % window
    lower = min(int(q * (window - 1)), window - 2)
    share = q * (window - 1) - lower
    for i in range(out.shape[0]):
        value = x[i]
        old = ring[position] if seen >= window else np.nan
        ring[position] = value
        if count == window and window <= _TOUCHED and value == value:
            _replace_scanned(ordered, old, value)
        else:
            _, count = _replace(ordered, count, old, value)
        seen += 1
        position += 1
        if position == window:
            position = 0
        if count < window:
            out[i] = np.nan
        else:
            step = ordered[lower + 1] - ordered[lower]
            out[i] = ordered[lower] + share * step if step > 0.0 else ordered[lower]
    state[0], state[1] = seen, count


@register_warmup("rolling order")
def _warm() -> None:
    x, out = np.ones(3), np.empty(3)
    rolling_rank(x, 2, 0, np.zeros(6), out)
    rolling_quantile(x, 2, 0.5, np.zeros(6), out)
