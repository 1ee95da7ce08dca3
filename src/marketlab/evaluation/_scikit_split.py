"""Any splitter as a scikit-learn cross-validator; scikit-learn itself is not needed."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from marketlab.core import DataError, IntArray
from marketlab.evaluation._base import Fold, Splitter


class ScikitSplit:
    """Give a splitter's folds as ``(train, scored)`` positions, as scikit-learn's ``cv=`` takes.

    What labels read cannot be seen in ``X`` and ``y``, so it is passed as ``groups``: an integer
    array of shape (n,), the last row each label reads (rows are then bars, and a label starts at
    its own row), or of shape (n, 3) with columns start, end, bar of `Splitter.folds`. Without it
    nothing could be purged, and the split is refused.

    Parameters
    ----------
    splitter : any value of `SPLITTERS`.
    scored : the part that scikit-learn scores on: ``"test"`` for walk-forward and combinatorial
        folds, ``"validation"`` where the test part is sealed. A part that is neither ``train`` nor
        scored is not used.
    times : closing times as in `Splitter.folds`, for splitters that cut by the calendar.
    """

    def __init__(
        self,
        splitter: Splitter,
        *,
        scored: Literal["validation", "test"],
        times: IntArray | None = None,
    ) -> None:
        self.splitter = splitter
        self.scored = scored
        self.times = times

    def split(
        self,
        X: Any,
        y: Any = None,
        groups: IntArray | None = None,
    ) -> Iterator[tuple[IntArray, IntArray]]:
        """Yield the training and the scored positions of each fold.

        Raises
        ------
        DataError (DATA-LabelEnd) without `groups`; (DATA-ShapeMismatch) if they do not fit `X` or
            `y`; (DATA-UnusableFold) if a part is empty, which no estimator could fit or score.
        """
        for name, column in (("X", X), ("y", y)):
            n_rows = None if column is None else np.shape(column)[0]
            if n_rows is not None and groups is not None and n_rows != len(groups):
                raise DataError(
                    f"groups has {len(groups)} rows and {name} has {n_rows}.",
                    code="DATA-ShapeMismatch",
                )
        for fold in self._folds(groups):
            yield fold.train, fold.part(self.scored)

    def get_n_splits(
        self,
        X: Any = None,  # noqa: ARG002 (scikit-learn's signature)
        y: Any = None,  # noqa: ARG002
        groups: IntArray | None = None,
    ) -> int:
        """Return the number of folds; errors as in `split`."""
        return len(self._folds(groups))

    def _folds(self, groups: IntArray | None) -> tuple[Fold, ...]:
        folds = self.splitter.folds(*_columns(groups), times=self.times)
        for number, fold in enumerate(folds):
            empty = len(fold.train) == 0 or len(fold.part(self.scored)) == 0
            if empty:
                why = " ".join(fold.degenerate_reasons) or f"it gives no {self.scored} part."
                raise DataError(
                    f"fold {number} cannot be fitted and scored: {why}",
                    code="DATA-UnusableFold",
                    suggestion="Use fewer folds, more samples, or score another part.",
                )
        return folds


def _columns(groups: IntArray | None) -> tuple[IntArray, IntArray, IntArray]:
    """Return start, end and bar."""
    if groups is None:
        raise DataError(
            "labels without ends cannot be purged; pass what they read as groups.",
            code="DATA-LabelEnd",
            suggestion="groups=labels.end, or np.column_stack([start, end, bar]).",
        )
    reads = np.asarray(groups)
    if reads.ndim == 1:
        bar = np.arange(len(reads), dtype=np.int64)
        return bar, reads, bar.copy()
    if reads.ndim == 2 and reads.shape[1] == 3:
        start, end, bar = (np.ascontiguousarray(reads[:, k]) for k in range(3))
        return start, end, bar
    raise DataError(
        f"groups must have shape (n,) or (n, 3); received {reads.shape}.",
        code="DATA-ShapeMismatch",
    )
