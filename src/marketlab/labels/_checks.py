"""What no label can be made of."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketlab.core import DataError, FloatArray, check_same_length
from marketlab.kernels import jit, register_warmup


def check_prices(name: str, values: NDArray[Any]) -> FloatArray:
    """Return `values` as a contiguous float64 array of prices.

    Raises
    ------
    DataError if it is not one-dimensional, or holds NaN, infinity, zero or a negative price.
    """
    array: FloatArray = np.ascontiguousarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise DataError(
            f"{name}s must be one-dimensional; their shape is {array.shape}.",
            code="DATA-ShapeMismatch",
            field=name,
        )
    count, first = count_bad(array)
    if count:
        raise DataError(
            f"{count} {name}(s) are NaN, infinite, zero or negative; the first is "
            f"{array[first]!r} at bar {first}.",
            code="DATA-NotFinite",
            field=name,
        )
    return array


def check_close(close: FloatArray) -> FloatArray:
    """Return `close` checked; see `check_prices`."""
    return check_prices("close", close)


def check_bars(
    high: FloatArray, low: FloatArray, close: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return high, low and close checked as prices, of one length and in their order.

    Raises
    ------
    DataError as in `check_prices`, for unequal lengths, and where a close lies outside its bar.
    """
    checked = check_prices("high", high), check_prices("low", low), check_prices("close", close)
    top, bottom, last = checked
    check_same_length(high=top, low=bottom, close=last)
    count, first = count_outside(top, bottom, last)
    if count:
        raise DataError(
            f"{count} close(s) lie outside the range of their bar; the first is "
            f"{last[first]!r} in [{bottom[first]!r}, {top[first]!r}] at bar {first}.",
            code="DATA-PriceOrder",
            field="close",
        )
    return checked


@jit
def count_bad(x: FloatArray) -> tuple[int, int]:
    """Return how many values are no prices, and the first; one pass without temporary arrays."""
    count = 0
    first = -1
    for i in range(x.shape[0]):
        # The negated comparison catches NaN as well.
        if not (x[i] > 0.0 and x[i] < np.inf):
            if count == 0:
                first = i
            count += 1
    return count, first


@jit
def count_outside(high: FloatArray, low: FloatArray, close: FloatArray) -> tuple[int, int]:
    """Return how many closes lie outside their bar, and the first."""
    count = 0
    first = -1
    for i in range(close.shape[0]):
        if high[i] < close[i] or low[i] > close[i]:
            if count == 0:
                first = i
            count += 1
    return count, first


@register_warmup("label checks")
def _warm() -> None:
    x = np.ones(2)
    count_bad(x)
    count_outside(x, x, x)
