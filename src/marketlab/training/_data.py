"""What a net is fitted on."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketlab.core import DataError, IntArray, canonical_json

CLASS_NAMES = ("BUY", "HOLD", "SELL")


@dataclass(frozen=True)
class TrainingData:
    """Training and validation rows of one fold, already gathered and purged.

    Attributes
    ----------
    x_train, x_validation : ndarray of shape (n, F); finite; float32 as a rule.
    y_train, y_validation : int64 class indices, positions in `class_names`.
    feature_names : F names in column order.
    class_names : BUY, HOLD, SELL.

    Raises
    ------
    DataError if shapes do not agree, a part is empty, a value is not finite or a label is none.
    """

    x_train: NDArray[Any]
    y_train: IntArray
    x_validation: NDArray[Any]
    y_validation: IntArray
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...] = CLASS_NAMES

    def __post_init__(self) -> None:
        for part in ("train", "validation"):
            self._check(part, getattr(self, f"x_{part}"), getattr(self, f"y_{part}"))

    def _check(self, part: str, x: NDArray[Any], y: IntArray) -> None:
        if x.ndim != 2 or x.shape[1] != len(self.feature_names) or y.shape != x.shape[:1]:
            raise DataError(
                f"Shape mismatch: x_{part} has shape {x.shape} and y_{part} {y.shape}, but there "
                f"are {len(self.feature_names)} feature names.",
                code="MODEL-ShapeMismatch",
                suggestion="Check the fuzzy configuration: each name is one column.",
            )
        if len(x) == 0:
            raise DataError(
                f"the {part} part holds no rows, so there is nothing to fit or to judge.",
                code="DATA-EmptySplit",
                suggestion="Take a longer period, other split ratios or a lower label threshold.",
            )
        if not np.isfinite(x).all():
            row, column = np.argwhere(~np.isfinite(x))[0]
            raise DataError(
                f"x_{part} holds a value that is not finite: row {row}, feature "
                f"{self.feature_names[column]!r}.",
                code="DATA-NotFinite",
                suggestion="Leave out the warm-up bars, and look at the feature health report.",
            )
        names = self.class_names
        if y.min() < 0 or y.max() >= len(names):
            raise DataError(
                f"y_{part} holds {y.min()} … {y.max()}; they are positions in {names}.",
                code="MODEL-BadLabel",
            )

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 over names, shapes, types and bytes of all four arrays."""
        digest = hashlib.sha256()
        digest.update(canonical_json([self.feature_names, self.class_names]).encode())
        for array in (self.x_train, self.y_train, self.x_validation, self.y_validation):
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @cached_property
    def constant_features(self) -> tuple[str, ...]:
        """Names of columns that never change over the training rows: they can teach nothing."""
        flat = self.x_train.min(axis=0) == self.x_train.max(axis=0)
        return tuple(n for n, same in zip(self.feature_names, flat, strict=True) if same)
