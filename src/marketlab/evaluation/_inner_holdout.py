"""The last stretch of the training part, held out inside it: for stopping and for choosing.

Nothing of the judged part enters. The stretch comes last in time, so the room's one-sided purge
holds: a row before it is kept only if its label ended before the first held-out bar.
"""

from typing import NamedTuple

import numpy as np

from marketlab.core import ConfigError, IntArray


class InnerHoldout(NamedTuple):
    """Sample positions, ascending, and how many training samples were purged between the two."""

    fit: IntArray
    held_out: IntArray
    purged: int


def inner_holdout(
    train: IntArray, end: IntArray, bar: IntArray, *, share: float = 0.2
) -> InnerHoldout:
    """Split training positions into rows to fit on and a purged later stretch.

    Parameters
    ----------
    train : ascending positions into the sample table, as a `Fold` gives them.
    end, bar : ndarray of int64 of shape (n_samples,); last bar a label reads, and its own bar.
    share : of the training samples, to hold out; above 0 and below 1. Samples of one bar stay on
        one side, so the stretch may be a little longer.

    Returns
    -------
    Either part may be empty; whether that is enough is for the caller to say.
    """
    if not 0.0 < share < 1.0:
        raise ConfigError(
            f"the share to hold out lies between 0 and 1; received {share!r}.",
            field="share",
            value=share,
        )
    if len(train) == 0:
        return InnerHoldout(train, train, 0)
    first_bar = bar[train[min(len(train) - 1, int(len(train) * (1.0 - share)))]]
    later = bar[train] >= first_bar
    known = end[train] < first_bar
    return InnerHoldout(train[known & ~later], train[later], int(np.count_nonzero(~known & ~later)))
