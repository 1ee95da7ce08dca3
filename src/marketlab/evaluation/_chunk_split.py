"""The chunk split of the scaling laboratory: held-out chunks strewn over the series, HPO only."""

from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from marketlab.core import BoolArray, ConfigError, FrozenConfig, IntArray
from marketlab.evaluation._base import SPLITTERS, Fold, build_fold, check_sample_table, no_fold

_MIN_CHUNKS = 5


@SPLITTERS.register("chunk")
class ChunkSplit(FrozenConfig):
    """Hold out whole chunks of ``C + H`` rows. For hyper-parameter search only: not causal.

    Row 0 is the first row of the first sample's context, the last row the last one that any label
    reads; ``k = rows // (C + H)`` chunks, ``n_val = max(1, int(k * validation))`` and ``n_test``
    likewise. ``scattered``: the chunks are shuffled by ``default_rng(seed)``, the first ``n_val``
    validate, the next ``n_test`` test. ``contiguous``: the last ``n_test`` test, the ``n_val``
    before them validate. Training takes every sample whose span (first row of its context, or of
    its label where that lies earlier, to the label's end) touches no held-out row.

    ``samples_per_chunk="one"`` is the legacy rule, bit-exact: a held-out chunk gives the one sample
    whose span fills it. The number of samples is then the number of chunks, and the fold's warning
    says so. ``"dense"`` takes every sample whose label window (the bars after its own to the
    label's end) lies in the chunk, from the same training set; its inputs may reach back.

    Source: ``shared/reference/scaling_lab.md``, section 6 (ChunkSplitter), with its counts.

    Parameters
    ----------
    context_bars, horizon_bars : C and H.
    validation, test : shares of the chunks, below 1 in sum.
    seed : of the shuffle and of `hpo_subset`.
    hpo_share : share of the training samples that `hpo_subset` draws.
    """

    example: ClassVar[dict[str, Any]] = {"context_bars": 3, "horizon_bars": 1}

    context_bars: int = Field(ge=1)
    horizon_bars: int = Field(ge=1)
    validation: float = Field(default=0.15, gt=0, lt=1)
    test: float = Field(default=0.15, gt=0, lt=1)
    mode: Literal["scattered", "contiguous"] = "scattered"
    samples_per_chunk: Literal["one", "dense"] = "one"
    seed: int = Field(default=42, ge=0)
    hpo_share: float = Field(default=0.3, gt=0, le=1)

    @model_validator(mode="after")
    def _leaves_training(self) -> Self:
        if self.validation + self.test >= 1:
            raise ConfigError(
                "validation and test must sum to less than 1; received "
                f"{self.validation} + {self.test}.",
                code="CONFIG-DataSplit",
                value=(self.validation, self.test),
            )
        return self

    @property
    def chunk_bars(self) -> int:
        """Rows of one chunk, C + H."""
        return self.context_bars + self.horizon_bars

    def folds(
        self, start: IntArray, end: IntArray, bar: IntArray, *, times: IntArray | None = None
    ) -> tuple[Fold, ...]:
        """Return the one fold (see `Splitter.folds`)."""
        return (self.split(start, end, bar, times=times),)

    def split(
        self, start: IntArray, end: IntArray, bar: IntArray, *, times: IntArray | None = None
    ) -> Fold:
        """Cut the sample table; parameters and errors as in `Splitter.folds`."""
        n_samples = check_sample_table(start, end, bar, times)
        first_row = int(bar[0]) - self.context_bars + 1 if n_samples else 0
        n_rows = int(end.max()) - first_row + 1 if n_samples else 0
        n_chunks, n_validation, n_test = self._counts(n_rows)
        if n_chunks < _MIN_CHUNKS or n_validation + n_test >= n_chunks:
            why = (
                f"{n_rows} rows hold {n_chunks} chunks of {self.chunk_bars} rows; at least "
                f"{_MIN_CHUNKS} are needed, one of them for training, and {n_validation} + "
                f"{n_test} are held out."
            )
            return no_fold(n_samples, why, causal=False)
        role = self._roles(n_chunks, n_validation, n_test)
        held = {name: self._held(start, end, bar, first_row, role == k) for k, name in _HELD}
        low = np.minimum(start, bar - self.context_bars + 1) - first_row
        free = _rows_between(role >= 0, self.chunk_bars, low, end - first_row) == 0
        parts = {"train": np.flatnonzero(free).astype(np.int64), **held}
        unused = n_samples - sum(len(part) for part in parts.values())
        return build_fold(
            parts,
            {"train": unused, "validation": 0, "test": 0},
            n_samples=n_samples,
            borders=(_first(held["validation"], n_samples), _first(held["test"], n_samples)),
            causal=False,
            warnings=(self._warning(parts, n_samples, unused), *self._horizon_warning(bar, end)),
            details={"chunks": n_chunks, "chunk_bars": self.chunk_bars},
        )

    def hpo_subset(self, fold: Fold) -> IntArray:
        """Return the training positions that a search uses: a seeded draw of ``hpo_share``."""
        size = int(len(fold.train) * self.hpo_share)
        drawn = np.random.default_rng(self.seed).choice(fold.train, size, replace=False)
        return np.sort(drawn)

    def _counts(self, n_rows: int) -> tuple[int, int, int]:
        n_chunks = n_rows // self.chunk_bars
        return (
            n_chunks,
            max(1, int(n_chunks * self.validation)),
            max(1, int(n_chunks * self.test)),
        )

    def _roles(self, n_chunks: int, n_validation: int, n_test: int) -> IntArray:
        """Return per chunk 0 for validation, 1 for test, -1 for neither."""
        order = np.arange(n_chunks)
        if self.mode == "scattered":
            np.random.default_rng(self.seed).shuffle(order)
        else:
            order = np.roll(order, n_validation + n_test)
        role = np.full(n_chunks, -1, dtype=np.int64)
        role[order[:n_validation]] = 0
        role[order[n_validation : n_validation + n_test]] = 1
        return role

    def _held(
        self, start: IntArray, end: IntArray, bar: IntArray, first_row: int, chosen: BoolArray
    ) -> IntArray:
        """Return the samples that the chosen chunks give."""
        first_read = bar + 1 - first_row
        if self.samples_per_chunk == "one":
            first_read = np.minimum(start, bar - self.context_bars + 1) - first_row
        chunk = first_read // self.chunk_bars
        known = (chunk >= 0) & (chunk < len(chosen))
        inside = known & chosen[np.where(known, chunk, 0)]
        inside &= end - first_row < (chunk + 1) * self.chunk_bars
        if self.samples_per_chunk == "one":
            inside &= first_read == chunk * self.chunk_bars
        else:
            inside &= end > bar
        return np.flatnonzero(inside).astype(np.int64)

    def _warning(self, parts: dict[str, IntArray], n_samples: int, unused: int) -> str:
        rule = (
            "one sample per held-out chunk"
            if self.samples_per_chunk == "one"
            else "every sample whose label lies in a held-out chunk"
        )
        return (
            f"chunk split ({rule}): of {n_samples:,} samples {len(parts['train']):,} train, only "
            f"{len(parts['validation']):,} validate and {len(parts['test']):,} test; {unused:,} "
            "touch a held-out chunk and are not used. For hyper-parameter search only: it trains "
            "on what comes after validation."
        )

    def _horizon_warning(self, bar: IntArray, end: IntArray) -> tuple[str, ...]:
        longest = int((end - bar).max())
        if longest == self.horizon_bars:
            return ()
        text = (
            f"horizon_bars is {self.horizon_bars}, but labels read up to {longest} bars ahead; "
            "the chunks do not fit these labels."
        )
        return (text,)


_HELD = ((0, "validation"), (1, "test"))


def _first(part: IntArray, n_samples: int) -> int:
    return int(part[0]) if len(part) else n_samples


def _rows_between(held: BoolArray, chunk_bars: int, low: IntArray, high: IntArray) -> IntArray:
    """Return how many held-out rows lie in ``low … high`` of each sample."""
    rows = np.repeat(held, chunk_bars)
    before = np.concatenate([[0], np.cumsum(rows)])
    first = np.clip(low, 0, len(rows))
    stop = np.clip(high + 1, 0, len(rows))
    counts: IntArray = before[stop] - before[first]
    return counts
