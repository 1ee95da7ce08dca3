"""What features read of a series of bars: its columns, its times, and series joined to it.

The units of times decide values, so this file counts among the kernel sources by which cached
values are known. The hash takes every file that holds the mark @jit: here it stands.
"""

from collections.abc import Mapping

import numpy as np

from marketlab.core import FloatArray
from marketlab.data import BarFrame
from marketlab.features._expression import CONTEXT


def bar_arrays(
    bars: BarFrame, context: Mapping[str, FloatArray] | None = None
) -> dict[str, FloatArray]:
    """Return the arrays that feature sets compute on, each (n_bars,).

    Columns of the bar, ``time`` and ``close_time`` in seconds of UTC (exact to a microsecond),
    and each joined series of `context` (values known at each bar's close, NaN where there is
    none) as ``context.NAME``.
    """
    joined = {CONTEXT + name: values for name, values in (context or {}).items()}
    return {
        **bars.arrays(),
        "time": _seconds(bars.time_ns),
        "close_time": _seconds(bars.close_time_ns),
        **joined,
    }


def _seconds(time_ns: np.ndarray[tuple[int], np.dtype[np.int64]]) -> FloatArray:
    return np.asarray(time_ns / 1e9, dtype=np.float64)
