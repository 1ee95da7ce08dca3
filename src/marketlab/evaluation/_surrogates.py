"""Markets in which nothing can be forecast, made from a real one by flipping signs.

If the direction of each bar is a fair coin given everything before it, a series with other tosses
is exactly as likely as the one that happened: same dates, same sizes of moves, same clusters of
volatility, same volume. Labels, features and fits made from such surrogates through the same
pipeline therefore score what chance alone scores (a randomisation test: Fisher 1935; for
conditionally symmetric returns see Good 2005, "Permutation, Parametric and Bootstrap Tests of
Hypotheses", 3.2).

What the null says, no less: direction has no drift and no memory. A market that rises steadily
breaks it without being forecastable in any interesting way; `marketlab.evaluation` therefore
measures skill against baselines that know the training drift, on both sides of the comparison.
"""

from typing import Any

import numpy as np

from marketlab.core import DataError, FloatArray, IntArray, check_same_length, seed_streams
from marketlab.kernels import jit, register_warmup


def draw_signs(n_bars: int, seed: int, *path: str | int) -> IntArray:
    """Return fair +1/-1 tosses of shape (n_bars,) from the stream named by `seed` and `path`.

    Use one path per surrogate, for example ``draw_signs(n, seed, "null", b)``, and the same one
    for every strategy: the family's p-values need all strategies on the same surrogate.
    """
    return 2 * seed_streams(seed, "signs", *path).integers(0, 2, size=n_bars) - 1


@jit
def _flip(
    prices: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    signs: IntArray,
    out: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
) -> None:
    """Rebuild the path; ratios stand for log returns, so no logarithm is taken."""
    opened, high, low, close = prices
    new_open, new_high, new_low, new_close = out
    n_bars = close.shape[0]
    if n_bars == 0:
        return
    new_open[0] = opened[0]
    new_high[0] = high[0]
    new_low[0] = low[0]
    new_close[0] = close[0]
    level = close[0]
    for t in range(1, n_bars):
        before = close[t - 1]
        if signs[t] > 0:
            new_open[t] = level * (opened[t] / before)
            new_high[t] = level * (high[t] / before)
            new_low[t] = level * (low[t] / before)
            level = level * (close[t] / before)
        else:
            new_open[t] = level * (before / opened[t])
            new_high[t] = level * (before / low[t])
            new_low[t] = level * (before / high[t])
            level = level * (before / close[t])
        new_close[t] = level


def sign_flip_surrogate(
    open: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    signs: IntArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return (open, high, low, close) with the log returns of chosen bars negated.

    With c' the new closes, bar t >= 1 becomes ``x'_t = c'_{t-1} * (x_t / c_{t-1}) ** sign_t`` for
    each of its four prices x, and where the sign is -1 high and low change places. Bar 0 is kept
    (its sign is not used). Gaps, ranges and the size of every return stay; so does
    ``low <= open, close <= high``, exactly, because division and multiplication round
    monotonically. Volume and times are not touched.

    Parameters
    ----------
    open, high, low, close : ndarray of shape (n_bars,); prices > 0 and finite, oldest first.
    signs : ndarray of int64 of shape (n_bars,); +1 keeps a bar's direction, -1 turns it.

    Raises
    ------
    DataError if lengths differ, a sign is neither +1 nor -1, or a price is not above 0 (a price
    that can be negative has no log return).
    """
    check_same_length(open=open, high=high, low=low, close=close, signs=signs)
    if not (np.abs(signs) == 1).all():
        bad = int(np.flatnonzero(np.abs(signs) != 1)[0])
        raise DataError(f"signs must be +1 or -1; sign {bad} is {signs[bad]}.", code="DATA-Signs")
    prices = (
        checked_prices("open", open),
        checked_prices("high", high),
        checked_prices("low", low),
        checked_prices("close", close),
    )
    n_bars = len(close)
    out = (np.empty(n_bars), np.empty(n_bars), np.empty(n_bars), np.empty(n_bars))
    _flip(prices, _read_only(np.ascontiguousarray(signs, dtype=np.int64)), out)
    return out


def checked_prices(name: str, values: FloatArray) -> FloatArray:
    good = (values > 0.0) & np.isfinite(values)
    if not good.all():
        bad = int(np.flatnonzero(~good)[0])
        raise DataError(
            f"{name} must be finite and above 0 to have a log return; bar {bad} is {values[bad]}.",
            code="DATA-Prices",
        )
    checked: FloatArray = _read_only(np.ascontiguousarray(values, dtype=np.float64))
    return checked


def _read_only(values: Any) -> Any:
    """Return a read-only view: bars are read-only, and one kind means one compilation."""
    view = values.view()
    view.flags.writeable = False
    return view


@register_warmup("sign-flip surrogate")
def _warm() -> None:
    one = np.ones(3)
    sign_flip_surrogate(one, one, one, one, np.array([1, -1, 1]))
