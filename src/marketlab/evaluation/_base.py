"""What every splitter returns, and the table of splitters.

A splitter sees three integer columns of the sample table and nothing else: the bar at which a
sample is decided, and the first and last bar that its label reads. It never sees a price or a
class, so it cannot choose borders that flatter a model.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from marketlab.core import DataError, IntArray, PluginRegistry, check_same_length


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Sample positions of the three parts, in time order and purged by label end.

    Attributes
    ----------
    train, validation, test : ndarray of int64, ascending positions into the sample table.
    borders : positions of the first validation and the first test sample, before purging.
    n_samples : size of the sample table that was split.
    purged_train, purged_validation, purged_test : samples taken out of each part, which would
        have read (or lain within the embargo of) bars of a later part.
    degenerate_reasons : one sentence per part that is empty. A fold with any cannot be judged;
        it is reported and not refused, so that a campaign can end with "insufficient data".
    """

    train: IntArray
    validation: IntArray
    test: IntArray
    borders: tuple[int, int]
    n_samples: int
    purged_train: int = 0
    purged_validation: int = 0
    purged_test: int = 0
    degenerate_reasons: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        for part in (self.train, self.validation, self.test):
            part.setflags(write=False)

    def facts(self) -> dict[str, Any]:
        """Return counts and borders as JSON-ready values."""
        return {
            "n_samples": self.n_samples,
            "borders": list(self.borders),
            "train": len(self.train),
            "validation": len(self.validation),
            "test": len(self.test),
            "purged_train": self.purged_train,
            "purged_validation": self.purged_validation,
            "purged_test": self.purged_test,
            "degenerate_reasons": list(self.degenerate_reasons),
        }


class Splitter(Protocol):
    """Cuts a sample table into folds. Stateless: the same columns give the same folds.

    Implementations are `FrozenConfig` values (they are part of an experiment's identity) and
    name, in ``example``, settings with which the contract tests can build them.
    """

    example: ClassVar[dict[str, Any]]

    def folds(self, start: IntArray, end: IntArray, bar: IntArray) -> tuple[Fold, ...]:
        """Return the folds, oldest first.

        Parameters
        ----------
        start, end : ndarray of int64 of shape (n_samples,); first and last bar a label reads.
            ``end`` is also the bar at whose close the label is known.
        bar : ndarray of int64 of shape (n_samples,), ascending; the bar of each decision. Samples
            of one bar (several symbols on one clock) always fall on one side of a border.

        Raises
        ------
        DataError (DATA-Unordered, DATA-ShapeMismatch, DATA-LabelEnd) if the columns cannot be a
            sample table.
        """
        ...


SPLITTERS: PluginRegistry[type[Any]] = PluginRegistry("splitter", code="CONFIG-DataSplit")


def check_sample_table(start: IntArray, end: IntArray, bar: IntArray) -> int:
    """Return the number of samples; refuse columns that cannot be a sample table."""
    n_samples = check_same_length(start=start, end=end, bar=bar)
    for name, column in (("start", start), ("end", end), ("bar", bar)):
        if column.dtype.kind not in "iu":
            raise DataError(
                f"{name} holds bar positions and must be of an integer type, not {column.dtype}.",
                code="DATA-ShapeMismatch",
            )
    steps = np.diff(bar)
    if np.any(steps < 0):
        first = int(np.flatnonzero(steps < 0)[0]) + 1
        raise DataError(
            f"samples must be in time order; sample {first} lies at bar {int(bar[first])}, after "
            f"one at bar {int(bar[first - 1])}.",
            code="DATA-Unordered",
            suggestion="Sort the sample table by bar.",
        )
    if np.any(end < bar):
        first = int(np.flatnonzero(end < bar)[0])
        raise DataError(
            f"a label cannot be known before its own bar; sample {first} lies at bar "
            f"{int(bar[first])} and its label ends at bar {int(end[first])}.",
            code="DATA-LabelEnd",
        )
    if np.any(start > end):
        first = int(np.flatnonzero(start > end)[0])
        raise DataError(
            f"a label must start no later than it ends; sample {first} reads bars "
            f"{int(start[first])} to {int(end[first])}.",
            code="DATA-LabelEnd",
        )
    return n_samples
