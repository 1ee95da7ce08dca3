"""Drawing runs of events: the compiled part of the block bootstraps.

Blocks wrap around the end of the series. Stationary: lengths are geometric with mean L (Politis
and Romano 1994, "The stationary bootstrap", JASA 89, 1303-1313). Circular: all are L (Politis and
Romano 1992). The last block is cut so that each resample holds E events. A resample of sums costs
E / L steps, because sums of blocks are differences of one running sum.
"""

import math
from typing import Literal

import numpy as np

from marketlab.core import FloatArray, stream_key
from marketlab.kernels import counter_bits, jit, register_warmup

BlockMethod = Literal["stationary", "circular"]
_LOW_HALF = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_TO_UNIT = 1.0 / 4294967296.0
_LOG_FROM = 8.0  # mean length from which one logarithm beats a few multiplications


@jit
def block_span(bits: np.uint64, n_events: int, mean_length: float, fixed_length: int) -> int:
    """Return first event times 2^32 plus length of the block that `bits` draw.

    `fixed_length` 0: lengths are geometric with `mean_length`.
    """
    # Lemire (2019): the high half of a 32-bit draw times E is uniform below E.
    begin = ((bits >> _HALF) * np.uint64(n_events)) >> _HALF
    length = np.int64(max(1, fixed_length))
    if fixed_length == 0 and mean_length > 1.0:
        unit = (float(bits & _LOW_HALF) + 0.5) * _TO_UNIT
        stay = 1.0 - 1.0 / mean_length
        if mean_length > _LOG_FROM:
            length += np.int64(math.log(unit) / math.log(stay))
        else:  # the same inverse of the distribution, one factor at a time
            power = stay
            while unit < power:
                length += 1
                power *= stay
    return int((np.int64(begin) << 32) + length)


@jit
def _draw_sums(
    running: FloatArray, mean_length: float, fixed_length: int, key: np.uint64, out: FloatArray
) -> None:
    """Fill `out` (B, M) with sums over resampled events; `running` (2 E + 1, M) is of two laps."""
    n_events = (running.shape[0] - 1) // 2
    counter = np.uint64(0)
    for b in range(out.shape[0]):
        out[b] = 0.0
        left = n_events
        while left > 0:
            span = block_span(counter_bits(key, counter), n_events, mean_length, fixed_length)
            counter += np.uint64(1)
            begin = span >> 32
            end = begin + min(span & 0xFFFFFFFF, left)
            for m in range(out.shape[1]):
                out[b, m] += running[end, m] - running[begin, m]
            left -= end - begin


def resampled_sums(
    table: FloatArray, block_length: float, method: BlockMethod, n_resamples: int, seed: int
) -> FloatArray:
    """Return sums over the events of each resample, shape (B, M).

    Parameters
    ----------
    table : ndarray of shape (E, M); sums of each event, in time order. Centre what can be centred:
        sums of blocks are differences of running sums.
    block_length : in events, at least 1; rounded up for ``circular``.
    """
    running = np.zeros((2 * len(table) + 1, table.shape[1]))
    np.cumsum(np.concatenate([table, table]), axis=0, out=running[1:])
    out = np.empty((n_resamples, table.shape[1]))
    fixed = fixed_block_length(method, block_length)
    _draw_sums(running, float(block_length), fixed, block_key(seed, method), out)
    return out


def fixed_block_length(method: BlockMethod, block_length: float) -> int:
    """Return the length of all blocks, 0 where lengths are drawn."""
    return 0 if method == "stationary" else math.ceil(block_length)


def block_key(seed: int, method: BlockMethod) -> np.uint64:
    """Return the key of the stream of blocks: every score of one seed sees the same resamples."""
    return np.uint64(stream_key(seed, "block_bootstrap", method))


@register_warmup("block draws")
def _warm() -> None:
    resampled_sums(np.ones((40, 2)), 2.0, "stationary", 2, 0)
