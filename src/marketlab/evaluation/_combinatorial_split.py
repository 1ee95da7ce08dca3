"""Combinatorial purged cross-validation: every sample tested many times, whole paths rebuilt."""

from collections.abc import Sequence
from itertools import combinations
from math import comb
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from marketlab.core import BoolArray, ConfigError, DataError, FloatArray, FrozenConfig, IntArray
from marketlab.evaluation._base import (
    SPLITTERS,
    Fold,
    build_fold,
    check_fold_count,
    check_sample_table,
    no_fold,
)

_PARTS = ("train", "test")


@SPLITTERS.register("combinatorial")
class CombinatorialPurgedCV(FrozenConfig):
    """N groups in time order, each choice of k of them tested once by a model of the others.

    There are C(N, k) folds, in the lexicographic order of their test groups, and every sample is
    tested in ``n_paths`` = C(N - 1, k - 1) of them; `paths` says which fold tests which group on
    which path, and `recombine` puts the forecasts of all folds together into whole paths. ``k = 1``
    is purged k-fold.

    A fold has ``train`` and ``test`` and no validation: training lies on both sides of the test
    groups (``causal`` is False), so a score from here measures stability over history and is no
    forecast; a model that needs validation cuts it out of ``train``.

    A sample *reads* from ``min(start, bar)`` to ``end``. A training sample is taken out iff what it
    reads meets what any test sample reads, or begins within the embargo after it. Groups are equal
    in *bars that carry a sample* (the first ones get one more where they do not divide), so that
    the samples of one bar stay together.

    Source: López de Prado (2018), "Advances in Financial Machine Learning", sections 7.4
    (purging, snippet 7.1, and embargo) and 12.4 (folds and paths).

    Parameters
    ----------
    n_groups, n_test_groups : N >= 2 and 1 <= k < N; C(N, k) at most `MAX_FOLDS`.
    embargo_bars : bars after the last bar a test group reads in which no training sample may begin;
        None: the longest horizon, ``max(end - bar)`` over the table.
    """

    example: ClassVar[dict[str, Any]] = {"n_groups": 6, "n_test_groups": 2}

    n_groups: int = Field(ge=2)
    n_test_groups: int = Field(ge=1)
    embargo_bars: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _leaves_training(self) -> Self:
        if self.n_test_groups >= self.n_groups:
            raise ConfigError(
                f"n_test_groups must be below n_groups; received {self.n_test_groups} of "
                f"{self.n_groups}.",
                code="CONFIG-DataSplit",
                field="n_test_groups",
                value=self.n_test_groups,
            )
        check_fold_count(self.n_splits)
        return self

    @property
    def n_splits(self) -> int:
        """Number of folds, C(N, k)."""
        return comb(self.n_groups, self.n_test_groups)

    @property
    def n_paths(self) -> int:
        """Number of paths, and how often each sample is tested: C(N - 1, k - 1)."""
        return comb(self.n_groups - 1, self.n_test_groups - 1)

    def test_groups(self) -> tuple[tuple[int, ...], ...]:
        """Return the test groups of each fold, in the order of `folds`."""
        return tuple(combinations(range(self.n_groups), self.n_test_groups))

    def paths(self) -> IntArray:
        """Return which fold tests each group on each path, shape (n_paths, n_groups).

        The p-th fold (in order) that tests group g serves path p (López de Prado 2018, fig. 12.1).
        """
        testing: list[list[int]] = [[] for _ in range(self.n_groups)]
        for fold, groups in enumerate(self.test_groups()):
            for group in groups:
                testing[group].append(fold)
        return np.array(testing, dtype=np.int64).T.copy()

    def group_of(self, bar: IntArray) -> IntArray:
        """Return the group, 0 … N - 1, of each sample."""
        bars = np.unique(bar)
        size, more = divmod(len(bars), self.n_groups)
        sizes = np.full(self.n_groups, size, dtype=np.int64)
        sizes[:more] += 1
        group = np.repeat(np.arange(self.n_groups, dtype=np.int64), sizes)
        return group[np.searchsorted(bars, bar)]

    def folds(
        self, start: IntArray, end: IntArray, bar: IntArray, *, times: IntArray | None = None
    ) -> tuple[Fold, ...]:
        """Return the C(N, k) folds, in the order of `test_groups` (see `Splitter.folds`).

        A table with fewer bars than groups gives one fold without samples that says so.
        """
        n_samples = check_sample_table(start, end, bar, times)
        n_bars = len(np.unique(bar))
        if n_bars < self.n_groups:
            why = f"{n_bars} bars with samples cannot fill {self.n_groups} groups."
            return (no_fold(n_samples, why, parts=_PARTS, causal=False),)
        embargo = self.embargo_bars
        if embargo is None:
            embargo = int((end - bar).max())
        group = self.group_of(bar)
        low = np.minimum(start, bar)
        clear = self._clear_of(group, low, end, embargo)
        return tuple(
            self._fold(number, groups, group, clear, embargo)
            for number, groups in enumerate(self.test_groups())
        )

    def recombine(self, forecasts: Sequence[FloatArray], bar: IntArray) -> FloatArray:
        """Put forecasts of all folds together into whole paths.

        Parameters
        ----------
        forecasts : per fold, in order, an array whose first axis is that fold's ``test``.
        bar : (n_samples,) as given to `folds`.

        Returns
        -------
        ndarray of float64 of shape (n_paths, n_samples, …): each path forecasts every sample once.

        Raises
        ------
        DataError (DATA-ShapeMismatch) if a fold is missing or has another number of samples.
        """
        group = self.group_of(bar)
        tested = [np.flatnonzero(np.isin(group, chosen)) for chosen in self.test_groups()]
        got, want = [len(f) for f in forecasts], [len(t) for t in tested]
        if got != want:
            wrong = next((k for k, n in enumerate(want) if got[k : k + 1] != [n]), len(want))
            raise DataError(
                f"there must be one forecast per test sample of each of {len(want)} folds; fold "
                f"{wrong} has {got[wrong] if wrong < len(got) else 'none'} for "
                f"{want[wrong] if wrong < len(want) else 0} samples.",
                code="DATA-ShapeMismatch",
            )
        whole = np.empty((self.n_paths, len(bar), *forecasts[0].shape[1:]), dtype=np.float64)
        for path, folds in enumerate(self.paths()):
            for number, fold in enumerate(folds):
                mine = group[tested[fold]] == number
                whole[path, tested[fold][mine]] = forecasts[fold][mine]
        return whole

    def _clear_of(self, group: IntArray, low: IntArray, end: IntArray, embargo: int) -> BoolArray:
        """Return per group which samples read nothing that the group reads, shape (N, n).

        The windows that stick out of a group all hold a bar of it, so what a group reads outside
        its own bars is one stretch: comparing with its hull is comparing with every window.
        """
        clear = np.empty((self.n_groups, len(group)), dtype=np.bool_)
        for number in range(self.n_groups):
            mine = group == number
            first, last = int(low[mine].min()), int(end[mine].max())
            clear[number] = (end < first) | (low > last + embargo)
        return clear

    def _fold(
        self,
        number: int,
        groups: tuple[int, ...],
        group: IntArray,
        clear: BoolArray,
        embargo: int,
    ) -> Fold:
        tested = np.isin(group, groups)
        kept = ~tested & clear[list(groups)].all(axis=0)
        test = np.flatnonzero(tested).astype(np.int64)
        return build_fold(
            {"train": np.flatnonzero(kept).astype(np.int64), "test": test},
            {"train": int(np.count_nonzero(~tested & ~kept))},
            n_samples=len(group),
            borders=(int(test[0]), int(test[0])),
            causal=False,
            details={
                "fold": number,
                "n_folds": self.n_splits,
                "test_groups": list(groups),
                "embargo_bars": embargo,
            },
        )
