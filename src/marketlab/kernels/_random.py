"""Counter-based random numbers inside kernels: draw k needs no draw before it.

The generator is SplitMix64's output function (Steele, Lea and Flood 2014, "Fast splittable
pseudorandom number generators", OOPSLA) applied to ``key + (counter + 1) * golden``, with the
key of a named stream from `marketlab.core.stream_key`. Both trainers draw from it, so a compiled
net and its PyTorch reference see the same dropout masks and batches.
"""

import numpy as np

from marketlab.core import FloatArray, IntArray
from marketlab.kernels._jit import jit, register_warmup

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S30 = np.uint64(30)
_S27 = np.uint64(27)
_S31 = np.uint64(31)
_S11 = np.uint64(11)
_ONE = np.uint64(1)
_TO_UNIT = 1.0 / 9007199254740992.0  # 2**-53


@jit
def counter_bits(key: np.uint64, counter: np.uint64) -> np.uint64:
    """Return the 64 bits of draw `counter` of stream `key`."""
    z = key + (counter + _ONE) * _GOLDEN
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return z ^ (z >> _S31)


@jit
def counter_uniform(key: np.uint64, counter: np.uint64) -> float:
    """Return draw `counter` of stream `key` as a float64 in [0, 1)."""
    return float(counter_bits(key, counter) >> _S11) * _TO_UNIT


@jit
def fill_uniform(key: np.uint64, start: np.uint64, out: FloatArray) -> None:
    """Write draws ``start, start + 1, …`` of stream `key` into the 1-D `out`."""
    for i in range(out.shape[0]):
        out[i] = counter_uniform(key, start + np.uint64(i))


@jit
def fill_permutation(key: np.uint64, out: IntArray) -> None:
    """Write a permutation of ``0 … n-1`` into `out` (Fisher-Yates, draw i for step i)."""
    n = out.shape[0]
    for i in range(n):
        out[i] = i
    for i in range(n - 1, 0, -1):
        j = int(counter_uniform(key, np.uint64(i)) * (i + 1))
        swapped = out[i]
        out[i] = out[j]
        out[j] = swapped


@register_warmup("random streams")
def _warm() -> None:
    fill_uniform(np.uint64(1), np.uint64(0), np.empty(4))
    fill_permutation(np.uint64(1), np.empty(4, dtype=np.int64))
