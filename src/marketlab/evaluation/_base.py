"""What every splitter returns, and the table of splitters.

A splitter sees three integer columns of the sample table and, where it cuts by the calendar, the
closing time of each bar: the bar at which a sample is decided, and the first and last bar that its
label reads. It never sees a price or a class, so it cannot choose borders that flatter a model.

Bars are positions on ONE clock. Several symbols, of one bar length or of different ones, are first
brought onto a common clock by `common_clock`; then every splitter splits and purges in time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from marketlab.core import ConfigError, DataError, IntArray, PluginRegistry, check_same_length

PARTS = ("train", "validation", "test")
_WORDS = {"train": "training", "validation": "validation", "test": "test"}

MAX_FOLDS = 1_000
"""A splitter that would give more folds refuses: each holds positions of the whole table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Sample positions of the parts, purged by label end.

    Attributes
    ----------
    train, validation, test : ndarray of int64, ascending positions into the sample table.
    borders : positions of the first validation and the first test sample, before purging (both
        the first test sample where the splitter gives no validation).
    n_samples : size of the sample table that was split.
    purged_train, purged_validation, purged_test : samples taken out of each part, which would
        have read (or lain within the embargo of) bars of another part.
    outside : samples that the splitter gives to no part of this fold: before a rolling window,
        after its test block, between date ranges, sealed.
    parts : the parts this splitter gives; the others are empty by design, not by accident.
    causal : training, validation and test follow each other in time. False for combinatorial and
        chunk splits, which also train on what comes later; there no *read window* (from the first
        bar a label reads, or its own bar, to the last) of training meets one of a later part.
    degenerate_reasons : one sentence per part of `parts` that is empty. A fold with any cannot be
        judged; it is reported, not refused, so that a campaign can end with "insufficient data".
    warnings : sentences that a reader must see beside any score from this fold.
    details : JSON-ready facts of the splitter's own (test groups, number of the fold, …).
    """

    train: IntArray
    validation: IntArray
    test: IntArray
    borders: tuple[int, int]
    n_samples: int
    purged_train: int = 0
    purged_validation: int = 0
    purged_test: int = 0
    outside: int = 0
    parts: tuple[str, ...] = PARTS
    causal: bool = True
    degenerate_reasons: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part in (self.train, self.validation, self.test):
            part.setflags(write=False)

    def part(self, name: str) -> IntArray:
        """Return the positions of one part, by name."""
        positions: IntArray = getattr(self, name)
        return positions

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
            "outside": self.outside,
            "parts": list(self.parts),
            "causal": self.causal,
            "degenerate_reasons": list(self.degenerate_reasons),
            "warnings": list(self.warnings),
            "details": dict(self.details),
        }


class Splitter(Protocol):
    """Cuts a sample table into folds. Stateless: the same columns give the same folds.

    Implementations are `FrozenConfig` values (they are part of an experiment's identity) and
    name, in ``example``, settings with which the contract tests can build them.
    """

    example: ClassVar[dict[str, Any]]

    def folds(
        self, start: IntArray, end: IntArray, bar: IntArray, *, times: IntArray | None = None
    ) -> tuple[Fold, ...]:
        """Return the folds, oldest first.

        Parameters
        ----------
        start, end : ndarray of int64 of shape (n_samples,); first and last bar a label reads.
            ``end`` is also the bar at whose close the label is known.
        bar : ndarray of int64 of shape (n_samples,), ascending; the bar of each decision. Samples
            of one bar (several symbols on one clock) always fall on one side of a border.
        times : ndarray of int64 of shape (n_bars,); closing time of each bar of the clock in
            nanoseconds of UTC since 1970, ascending. Checked wherever it is given; needed by
            splitters that cut by the calendar.

        Raises
        ------
        DataError (DATA-Unordered, DATA-ShapeMismatch, DATA-LabelEnd) if the columns cannot be a
            sample table; DATA-TimesMissing if a calendar splitter gets no times.
        ConfigError (CONFIG-DataSplit) for more than `MAX_FOLDS` folds.
        """
        ...


SPLITTERS: PluginRegistry[type[Any]] = PluginRegistry("splitter", code="CONFIG-DataSplit")


def empty_part_reasons(
    parts: Mapping[str, IntArray], purged: Mapping[str, int], n_samples: int
) -> tuple[str, ...]:
    """Return one sentence per empty part; `parts` holds those that the splitter gives."""
    return tuple(
        f"the {_WORDS[name]} part is empty: of {n_samples} samples it got {purged[name]}, "
        f"and {purged[name]} of these were purged."
        for name, part in parts.items()
        if len(part) == 0
    )


def build_fold(
    parts: Mapping[str, IntArray],
    purged: Mapping[str, int],
    *,
    n_samples: int,
    borders: tuple[int, int],
    causal: bool = True,
    warnings: tuple[str, ...] = (),
    details: Mapping[str, Any] | None = None,
) -> Fold:
    """Return the fold of these parts; a part that is not in `parts` is empty by design.

    What is in no part and was not purged lies ``outside``.
    """
    kept = {name: parts.get(name, np.empty(0, dtype=np.int64)) for name in PARTS}
    n_kept = sum(len(part) for part in kept.values())
    return Fold(
        train=kept["train"],
        validation=kept["validation"],
        test=kept["test"],
        borders=borders,
        n_samples=n_samples,
        purged_train=purged.get("train", 0),
        purged_validation=purged.get("validation", 0),
        purged_test=purged.get("test", 0),
        outside=n_samples - n_kept - sum(purged.values()),
        parts=tuple(parts),
        causal=causal,
        degenerate_reasons=empty_part_reasons(parts, purged, n_samples),
        warnings=warnings,
        details=details or {},
    )


def no_fold(
    n_samples: int, why: str, *, parts: tuple[str, ...] = PARTS, causal: bool = True
) -> Fold:
    """Return a fold without samples, for a table too small to be split at all."""
    nothing = np.empty(0, dtype=np.int64)
    return Fold(
        train=nothing,
        validation=nothing.copy(),
        test=nothing.copy(),
        borders=(n_samples, n_samples),
        n_samples=n_samples,
        outside=n_samples,
        parts=parts,
        causal=causal,
        degenerate_reasons=tuple(f"the {_WORDS[name]} part is empty: {why}" for name in parts),
    )


def check_fold_count(n_folds: int) -> None:
    """Refuse a splitter whose settings give more than `MAX_FOLDS` folds."""
    if n_folds > MAX_FOLDS:
        raise ConfigError(
            f"these settings give {n_folds:,} folds; at most {MAX_FOLDS:,} are allowed.",
            code="CONFIG-DataSplit",
            value=n_folds,
            suggestion="Use fewer groups, or a longer step.",
        )


def check_times(times: IntArray, end: IntArray) -> None:
    """Refuse closing times that are no clock for labels that end at the bars `end`."""
    if times.ndim != 1 or times.dtype.kind not in "iu":
        raise DataError(
            "times holds one closing time per bar in integer nanoseconds, not an array of shape "
            f"{times.shape} and type {times.dtype}.",
            code="DATA-ShapeMismatch",
        )
    steps = np.diff(times)
    if np.any(steps <= 0):
        first = int(np.flatnonzero(steps <= 0)[0]) + 1
        raise DataError(
            f"times must ascend; bar {first} closes no later than bar {first - 1}.",
            code="DATA-Unordered",
        )
    if len(end) and int(end.max()) >= len(times):
        raise DataError(
            f"a label ends at bar {int(end.max())}, beyond the clock of {len(times)} bars.",
            code="DATA-LabelEnd",
            suggestion="Give the closing time of every bar that a label reads.",
        )


def check_sample_table(
    start: IntArray, end: IntArray, bar: IntArray, times: IntArray | None = None
) -> int:
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
    if times is not None:
        check_times(times, end)
    return n_samples
