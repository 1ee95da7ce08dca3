"""Labels dealt anew among the samples: a null for labels that lie wholly in the future.

Features at bar t and a label that reads only bars after t are independent under the null, so any
other label could have stood there (Fisher 1935; Good 2005, "Permutation, Parametric and Bootstrap
Tests of Hypotheses"). A zigzag label is the leg that bar t lies in: it starts at the leg's left
extreme, at or before t, and features know part of it. Its permutation would break a link that
chance alone makes (65 % accuracy on pure noise), call it skill, and is refused. So is that of a
label that starts at bar t itself, such as a return measured from the close of t.

Overlapping labels resemble their neighbours; dealt one by one they would look like more evidence
than they are. They are dealt in blocks at least as long as the overlap.
"""

import numpy as np

from marketlab.core import ConfigError, DataError, IntArray, check_same_length, seed_streams
from marketlab.evaluation._bootstrap import MIN_EVENTS_FOR_INTERVAL


def label_overlap(start: IntArray, end: IntArray) -> int:
    """Return by how many samples at most a label reaches into those after it; 0 without overlap.

    Parameters
    ----------
    start, end : ndarray of int64 of shape (n,); first and last bar a label reads, in time order.
    """
    n_samples = check_same_length(start=start, end=end)
    if n_samples == 0:
        return 0
    # The last sample that starts no later than this one ends; starts need not ascend.
    earliest = np.minimum.accumulate(start[::-1])[::-1]
    reach = np.searchsorted(earliest, end, side="right") - 1
    return int(max(0, (reach - np.arange(n_samples)).max()))


def permuted_labels(
    value: IntArray,
    start: IntArray,
    end: IntArray,
    bar: IntArray,
    *,
    seed: int,
    path: tuple[str | int, ...] = (),
    block_samples: int = 1,
) -> IntArray:
    """Return the labels dealt anew, in blocks, by the stream named by `seed` and `path`.

    Parameters
    ----------
    value : ndarray of int64 of shape (n,); label of each sample, in time order.
    start, end : (n,); first and last bar that each label reads. bar : (n,); bar of the decision.
    block_samples : neighbouring samples that stay together; more than `label_overlap`. The last,
        shorter block takes part like the others.

    Raises
    ------
    DataError (DATA-LabelPermutation) if any label reads its own bar or an earlier one;
    (DATA-TooFewBlocks) below 20 blocks. ConfigError (CONFIG-PermutationBlock) for a block no
    longer than the overlap.
    """
    n_samples = check_same_length(value=value, start=start, end=end, bar=bar)
    _refuse_past(start, bar)
    overlap = label_overlap(start, end)
    if block_samples <= overlap:
        raise ConfigError(
            f"a label reaches into up to {overlap} samples after it, so a block must hold "
            f"{overlap + 1} samples or more; received {block_samples}.",
            code="CONFIG-PermutationBlock",
            field="block_samples",
            value=block_samples,
            suggestion="Several times the overlap is better: every seam breaks some dependence.",
        )
    n_blocks = -(-n_samples // block_samples)
    if n_blocks < MIN_EVENTS_FOR_INTERVAL:
        raise DataError(
            f"a permutation needs {MIN_EVENTS_FOR_INTERVAL} blocks or more; {n_samples} samples "
            f"in blocks of {block_samples} give {n_blocks}.",
            code="DATA-TooFewBlocks",
            value=n_blocks,
        )
    order = seed_streams(seed, "label_permutation", *path).permutation(n_blocks)
    blocks = [value[i * block_samples : (i + 1) * block_samples] for i in order]
    return np.concatenate(blocks)


def _refuse_past(start: IntArray, bar: IntArray) -> None:
    past = start <= bar
    if past.any():
        first = int(np.flatnonzero(past)[0])
        raise DataError(
            f"labels may be permuted only where each starts after its bar; {int(past.sum())} of "
            f"{len(start)} do not (sample {first} lies at bar {int(bar[first])} and its label "
            f"starts at bar {int(start[first])}).",
            code="DATA-LabelPermutation",
            field="start",
            value=int(start[first]),
            suggestion="Use surrogate markets: SURROGATES.get('sign_flip').",
        )
