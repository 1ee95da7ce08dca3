"""Whether folds can carry a fit and a score: no empty part, and enough positives in each."""

from collections.abc import Sequence

import numpy as np

from marketlab.core import DataError, IntArray
from marketlab.evaluation._base import Fold


def fold_problems(
    folds: Sequence[Fold], y: IntArray, *, positives: Sequence[int], minimum: int
) -> tuple[str, ...]:
    """Return why folds cannot be fitted or ranked, one sentence each; empty if all can.

    Parameters
    ----------
    folds : of one splitter.
    y : (n_samples,) int64, class of each sample of the table that was split.
    positives : the classes that are looked for (touch labels: 1; directions: BUY 0, SELL 2). Each
        must occur at least `minimum` times in every part the fold gives.
    minimum : at least 1 (a part without positives has no score at all); rankings by one part want
        50, below which a score's chance spread exceeds any difference worth ranking.

    Raises
    ------
    DataError if `y` does not belong to the table that was split, or `minimum` is below 1.
    """
    if minimum < 1:
        raise DataError(
            f"minimum must be at least 1; received {minimum}.",
            code="DATA-UnusableFold",
            field="minimum",
            value=minimum,
        )
    problems = []
    for number, fold in enumerate(folds):
        if fold.n_samples != len(y):
            raise DataError(
                f"fold {number} splits {fold.n_samples} samples, but there are {len(y)} classes.",
                code="DATA-ShapeMismatch",
            )
        problems += [f"fold {number}: {reason}" for reason in fold.degenerate_reasons]
        for name in fold.parts:
            classes = y[fold.part(name)]
            for wanted in positives if len(classes) else ():
                count = int(np.count_nonzero(classes == wanted))
                if count < minimum:
                    problems.append(
                        f"fold {number}: the {name} part holds {count} samples of class {wanted} "
                        f"among {len(classes)}; at least {minimum} are needed."
                    )
    return tuple(problems)


def require_usable_folds(
    folds: Sequence[Fold], y: IntArray, *, positives: Sequence[int], minimum: int
) -> None:
    """Raise `DataError` (DATA-UnusableFold) naming every problem of `fold_problems`."""
    problems = fold_problems(folds, y, positives=positives, minimum=minimum)
    if not folds:
        problems = ("there is no fold at all.",)
    if problems:
        more = f" ({len(problems) - 1} more in details)" if len(problems) > 1 else ""
        raise DataError(
            f"these folds cannot be judged: {problems[0]}{more}",
            code="DATA-UnusableFold",
            details={"problems": list(problems)},
            suggestion="Use fewer or longer parts, a longer series, or a more frequent label.",
        )
