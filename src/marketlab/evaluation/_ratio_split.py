"""One chronological cut into train, validation and test, purged by label end."""

from fractions import Fraction
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from marketlab.core import ConfigError, FrozenConfig, IntArray
from marketlab.evaluation._base import (
    SPLITTERS,
    Fold,
    check_sample_table,
    empty_part_reasons,
)


@SPLITTERS.register("ratio")
class RatioSplit(FrozenConfig):
    """Train, validation and test in time order, by exact shares of the usable samples.

    The borders are ``floor(train * n)`` and ``floor((train + validation) * n)``, computed on the
    decimal text of the ratios as fractions, so that 0.70 + 0.15 means exactly 85 %. Then, with
    ``v`` the bar of the first sample at or after the first border and ``t`` that of the second:

    - a training sample is kept iff ``end + embargo_bars < v``;
    - a validation sample is kept iff ``end + embargo_bars < t``.

    Purging only takes samples out of the earlier part; the borders never move. Source of purging
    by label end: López de Prado (2018), "Advances in Financial Machine Learning", section 7.4.1.

    Parameters
    ----------
    train, validation, test : shares of the samples; above 0 (test: 0 or more), exactly 1 in sum.
    embargo_bars : further bars that must lie between a label's end and the next part.
    embargo_straddling_labels : also take out validation (test) samples whose label reads bars
        before the part's border: for zigzag, the rest of the leg that began in the part before.
        Off by default: those labels are honest, but they share an event with earlier samples.
    """

    example: ClassVar[dict[str, Any]] = {"train": 0.7, "validation": 0.15, "test": 0.15}

    train: float = Field(gt=0, lt=1)
    validation: float = Field(gt=0, lt=1)
    test: float = Field(ge=0, lt=1)
    embargo_bars: int = Field(default=0, ge=0)
    embargo_straddling_labels: bool = False

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        shares = (self.train, self.validation, self.test)
        total = sum(map(exact_share, shares), Fraction(0))
        if total != 1:
            raise ConfigError(
                "train, validation and test must sum to exactly 1; received "
                f"{' + '.join(map(str, shares))} = {float(total):.12g}.",
                code="CONFIG-DataSplit",
                value=shares,
                suggestion="For example {train: 0.70, validation: 0.15, test: 0.15}.",
            )
        return self

    def borders(self, n_samples: int) -> tuple[int, int]:
        """Return the positions of the first validation and the first test sample."""
        first = exact_share(self.train)
        second = first + exact_share(self.validation)
        return (
            first.numerator * n_samples // first.denominator,
            second.numerator * n_samples // second.denominator,
        )

    def folds(
        self, start: IntArray, end: IntArray, bar: IntArray, *, times: IntArray | None = None
    ) -> tuple[Fold, ...]:
        """Return the one fold (see `Splitter.folds`)."""
        return (self.split(start, end, bar, times=times),)

    def split(
        self, start: IntArray, end: IntArray, bar: IntArray, *, times: IntArray | None = None
    ) -> Fold:
        """Cut the sample table; parameters and errors as in `Splitter.folds`.

        Empty parts do not raise: they are named in ``degenerate_reasons``.
        """
        n_samples = check_sample_table(start, end, bar, times)
        borders = tuple(_first_of_its_bar(bar, at) for at in self.borders(n_samples))
        train, purged_train = self._part(start, end, bar, low=0, high=borders[0])
        validation, purged_validation = self._part(start, end, bar, low=borders[0], high=borders[1])
        test, purged_test = self._part(start, end, bar, low=borders[1], high=n_samples)
        purged = {"train": purged_train, "validation": purged_validation, "test": purged_test}
        parts = {"train": train, "validation": validation, "test": test}
        return Fold(
            train=train,
            validation=validation,
            test=test,
            borders=(borders[0], borders[1]),
            n_samples=n_samples,
            purged_train=purged_train,
            purged_validation=purged_validation,
            purged_test=purged_test,
            degenerate_reasons=empty_part_reasons(parts, purged, n_samples),
        )

    def _part(
        self, start: IntArray, end: IntArray, bar: IntArray, *, low: int, high: int
    ) -> tuple[IntArray, int]:
        """Return the kept positions of samples ``low … high - 1`` and how many were purged."""
        kept = np.ones(high - low, dtype=np.bool_)
        if high < len(bar):  # a later part exists, whatever it is called
            kept &= end[low:high] + self.embargo_bars < bar[high]
        if self.embargo_straddling_labels and 0 < low < len(bar):
            kept &= start[low:high] >= bar[low]
        positions = np.flatnonzero(kept) + low
        return positions.astype(np.int64), int(len(kept) - len(positions))


def exact_share(share: float) -> Fraction:
    """Return the share as written: 0.15 is 15/100, not the nearest binary number."""
    return Fraction(str(share))


def _first_of_its_bar(bar: IntArray, position: int) -> int:
    """Move a border back to the first sample of its bar, so that no bar lies on both sides."""
    if position >= len(bar):
        return position
    return int(np.searchsorted(bar, bar[position], side="left"))
