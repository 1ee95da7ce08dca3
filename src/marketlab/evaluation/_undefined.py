"""A score that cannot be computed is a value with a reason, never NaN and never a default."""

from typing import TypeAlias

import numpy as np
from pydantic import Field

from marketlab.core import DataError, FloatArray, FrozenConfig, IntArray, check_same_length

MIN_POSITIVES = 50
"""Fewest positives, and fewest negatives, on which models may be ranked.

76 positives already leave an AUC of 0.72 uncertain by 0.069 either way; trials that were ranked
on two positives (0.425 either way) ranked noise.
"""


class Undefined(FrozenConfig):
    """What stands where a number would, if the samples do not define it.

    It is not a number: arithmetic with it raises, so it cannot enter a mean unnoticed.

    Attributes
    ----------
    metric : name of the score.
    reason : one sentence, with the numbers.
    counts : those numbers, for programs.
    """

    metric: str
    reason: str
    counts: dict[str, float] = Field(default_factory=dict)

    @property
    def text(self) -> str:
        """What a report shows in the number's place."""
        return f"undefined: {self.reason}"


Metric: TypeAlias = float | Undefined


def ranking_refusal(n_positives: int, n_negatives: int) -> Undefined | None:
    """Return why models may not be ranked on these samples, or None if they may.

    The rule counts the smaller class: at least `MIN_POSITIVES` of each.
    """
    if min(n_positives, n_negatives) >= MIN_POSITIVES:
        return None
    return Undefined(
        metric="rank",
        reason=(
            f"models are ranked on {MIN_POSITIVES} positives and {MIN_POSITIVES} negatives or "
            f"more; there are {n_positives:,} and {n_negatives:,}."
        ),
        counts={"positives": n_positives, "negatives": n_negatives, "required": MIN_POSITIVES},
    )


def check_binary(name: str, y: IntArray) -> None:
    """Refuse anything but a 1-D integer array of 0 and 1."""
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise DataError(
            f"{name} must be a 1-D array of integers 0 and 1; received shape {y.shape}, {y.dtype}.",
            code="DATA-ShapeMismatch",
            field=name,
            suggestion="Convert truth values with .astype(np.int64).",
        )
    if y.size and (y.min() < 0 or y.max() > 1):
        raise DataError(
            f"{name} must hold 0 and 1 only; it ranges from {int(y.min())} to {int(y.max())}.",
            code="DATA-LabelRange",
            field=name,
            value=int(y.max()),
        )


def check_finite(**arrays: FloatArray) -> int:
    """Return the common length of 1-D arrays; refuse unequal lengths and values not finite."""
    n_samples = check_same_length(**arrays)
    for name, values in arrays.items():
        good = np.isfinite(values)
        if not good.all():
            bad = int(np.flatnonzero(~good)[0])
            raise DataError(
                f"{name} must be finite; entry {bad} is {values[bad]} "
                f"({int((~good).sum())} such entries).",
                code="DATA-NotFinite",
                field=name,
                value=float(values[bad]),
                suggestion="Drop the rows that have no value, and say how many they were.",
            )
    return n_samples


def check_shares(name: str, values: FloatArray) -> None:
    """Refuse anything but finite values from 0 to 1."""
    check_finite(**{name: values})
    if values.size and (values.min() < 0.0 or values.max() > 1.0):
        raise DataError(
            f"{name} must lie in [0, 1]; it ranges from {values.min():g} to {values.max():g}.",
            code="DATA-Probabilities",
            field=name,
            value=float(values.max()),
            suggestion="Scores that are no probabilities can still be ranked: use roc_auc.",
        )


def in_order(name: str, ids: IntArray) -> None:
    """Refuse ids that do not ascend: dependence is measured between neighbouring units."""
    if ids.dtype.kind not in "iu":
        raise DataError(
            f"{name} must hold integer ids, not {ids.dtype}.", code="DATA-ShapeMismatch", field=name
        )
    steps = np.diff(ids)
    if np.any(steps < 0):
        first = int(np.flatnonzero(steps < 0)[0]) + 1
        raise DataError(
            f"{name} must ascend: samples are in time order; entry {first} is {int(ids[first])} "
            f"after {int(ids[first - 1])}.",
            code="DATA-Unordered",
            field=name,
            value=int(ids[first]),
            suggestion="Sort the samples by time.",
        )
