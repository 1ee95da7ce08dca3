"""What a label is, and the table of ways to make labels."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from marketlab.core import (
    BoolArray,
    DataError,
    FloatArray,
    IntArray,
    PluginRegistry,
    check_same_length,
)
from marketlab.labels._overlap import Overlap, disjoint_events, overlap_of

BUY, HOLD, SELL = 0, 1, 2
CLASS_NAMES = ("BUY", "HOLD", "SELL")
"""Names of the classes 0, 1, 2 wherever a label says a direction."""

Task: TypeAlias = Literal["classification", "regression"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelSet:
    """The labels of one series: what is to be predicted at each bar, and which bars say so.

    Attributes
    ----------
    bar : (n,) int64, ascending bar positions of the samples; bars without a label are absent.
    value : (n,) the target. int64 class indices where there are `class_names` (a direction is
        BUY 0, HOLD 1 or SELL 2; a yes-or-no label has 1 for yes), float64 where there are none.
    start, end : (n,) int64, first and last bar whose close the label reads. From the close of
        `end` on the label never changes, whatever comes later: a sample may train a model that is
        judged from bar b on only if ``end < b``.
    event : (n,) int64, the independent event that the sample belongs to (zigzag: the leg; else
        see `disjoint_events`); samples of one event say the same thing many times and are
        resampled together.
    weight : (n,) float64, weight of the sample in training; ones unless `with_weights` set it.
    class_names : names of the classes 0, 1, …; empty for a regression target.
    facts : JSON-ready facts, with the counts per class and the number of events.
    start_time_ns, end_time_ns : (n,) int64 nanoseconds of UTC, the closing times of `start` and
        `end`: the moments from which the first bar is known and from which the label is. None
        where labels were made of bare arrays.

    All arrays are read-only.
    """

    name: str
    bar: IntArray
    value: NDArray[Any]
    start: IntArray
    end: IntArray
    event: IntArray
    weight: FloatArray
    class_names: tuple[str, ...] = CLASS_NAMES
    facts: dict[str, Any] = field(default_factory=dict)
    start_time_ns: IntArray | None = None
    end_time_ns: IntArray | None = None

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in _COLUMNS}
        for name in _NEEDED:
            if given[name] is None:
                raise DataError(
                    f"a label without {name!r} cannot be split without leakage, or not at all.",
                    code="DATA-LabelEnd",
                    field=name,
                    suggestion="Say of each label which bars it reads, from its first to its last.",
                )
        arrays = {name: array for name, array in given.items() if array is not None}
        check_same_length(**arrays)
        wanted = np.dtype(np.int64 if self.class_names else np.float64)
        if self.value.dtype != wanted:
            raise DataError(
                f"the values of a {self.task} label are {wanted}; received {self.value.dtype}.",
                code="DATA-ShapeMismatch",
                field="value",
            )
        self._check_columns()
        for array in arrays.values():
            array.flags.writeable = False

    def _check_columns(self) -> None:
        for name in ("bar", "start", "end", "event"):
            column = getattr(self, name)
            if column.dtype.kind not in "iu":
                raise DataError(
                    f"{name} holds whole numbers, not {column.dtype}.",
                    code="DATA-ShapeMismatch",
                    field=name,
                )
        late = np.flatnonzero((self.end < self.bar) | (self.start > self.end) | (self.start < 0))
        if len(late):
            k = int(late[0])
            raise DataError(
                f"sample {k} lies at bar {self.bar[k]} and reads bars {self.start[k]} to "
                f"{self.end[k]}; a label reads bars of the series, in order, and is not known "
                "before its own bar.",
                code="DATA-LabelEnd",
                field="end",
            )
        if self.class_names and len(self.value):
            low, high = int(self.value.min()), int(self.value.max())
            if low < 0 or high >= len(self.class_names):
                raise DataError(
                    f"classes are 0 to {len(self.class_names) - 1}; received {low} to {high}.",
                    code="LABELS-UnknownClass",
                    field="value",
                )
        if not (np.isfinite(self.weight) & (self.weight >= 0.0)).all():
            raise DataError(
                "weights are finite and not negative.", code="DATA-ShapeMismatch", field="weight"
            )

    def __len__(self) -> int:
        return len(self.bar)

    @property
    def task(self) -> Task:
        """What a model of this label is: a classifier or a regression."""
        return "classification" if self.class_names else "regression"

    def counts(self) -> dict[str, int]:
        """Return how many samples each class has, zeros included; empty for a regression."""
        return _counts(self.value, self.class_names)

    def is_class(self, name: str) -> FloatArray:
        """Return the 0/1 target of one class, shape (n,): 1.0 where the label is `name`.

        Raises
        ------
        DataError if the label has no such class.
        """
        if name not in self.class_names:
            raise DataError(
                f"the label {self.name!r} has no class {name!r}.",
                code="LABELS-UnknownClass",
                field="name",
                suggestion=f"Its classes are: {', '.join(self.class_names) or 'none'}.",
            )
        out: FloatArray = (self.value == self.class_names.index(name)).astype(np.float64)
        return out

    @property
    def n_events(self) -> int:
        """Number of distinct events among the samples."""
        return _n_distinct(self.event)

    @cached_property
    def overlap(self) -> Overlap:
        """How much these samples say the same: concurrency per bar, uniqueness per sample."""
        return overlap_of(self.start, self.end)

    def summary(self) -> dict[str, Any]:
        """Return `facts` with the class rates and the overlap, JSON-ready."""
        counts, n_labels = self.counts(), max(1, len(self))
        rates = {name: count / n_labels for name, count in counts.items()}
        return {**self.facts, "rates": rates, "overlap": self.overlap.to_mapping()}

    def times(self, position: int) -> tuple[datetime, datetime]:
        """Return the aware UTC times of `start` and `end` of one sample.

        Raises
        ------
        DataError if the labels were made of bare arrays, which have no times.
        """
        if self.start_time_ns is None or self.end_time_ns is None:
            raise DataError(
                "these labels were made of arrays without times.",
                code="LABELS-NoTimes",
                suggestion="Make them from a BarFrame, or call with_times(close_time_ns).",
            )
        both = (self.start_time_ns[position], self.end_time_ns[position])
        first, last = (_EPOCH + timedelta(microseconds=int(ns) // 1000) for ns in both)
        return first, last

    def with_times(self, close_time_ns: IntArray) -> "LabelSet":
        """Return these labels with times, from the closing time of every bar, shape (n_bars,)."""
        return replace(
            self, start_time_ns=close_time_ns[self.start], end_time_ns=close_time_ns[self.end]
        )

    def with_weights(self, weight: FloatArray) -> "LabelSet":
        """Return these labels with other sample weights, shape (n,); see `sample_weights`."""
        return replace(self, weight=weight.copy())

    def restrict(self, which: IntArray | BoolArray) -> "LabelSet":
        """Return the samples chosen by a mask of shape (n,) or by ascending sample positions.

        Counts and events in `facts` are those of the samples that remain. Weights are kept, though
        uniqueness depends on which samples there are: weigh again after a split.
        """
        positions = np.flatnonzero(which) if which.dtype == np.bool_ else which
        if which.dtype == np.bool_ and len(which) != len(self):
            raise DataError(
                f"a mask over {len(self)} labels has {len(which)} entries.",
                code="DATA-ShapeMismatch",
            )
        given = {name: getattr(self, name) for name in _COLUMNS}
        kept: dict[str, Any] = {
            name: None if array is None else array[positions] for name, array in given.items()
        }
        facts = {**self.facts, **_counted(kept["value"], kept["event"], self.class_names)}
        return replace(self, **kept, facts=facts)


_NEEDED = ("bar", "value", "start", "end", "event", "weight")
_COLUMNS = ("bar", "value", "start", "end", "event", "weight", "start_time_ns", "end_time_ns")


def make_label_set(
    *,
    name: str,
    bar: IntArray,
    value: NDArray[Any],
    end: IntArray,
    facts: dict[str, Any],
    start: IntArray | None = None,
    event: IntArray | None = None,
    class_names: tuple[str, ...] = CLASS_NAMES,
) -> LabelSet:
    """Return a `LabelSet` whose facts count its samples, classes and events.

    `start` is `bar` if not given, `event` the groups of `disjoint_events`, weights are ones.
    """
    first = bar if start is None else start
    groups = disjoint_events(first, end) if event is None else event
    return LabelSet(
        name=name,
        bar=bar,
        value=value,
        start=first,
        end=end,
        event=groups,
        weight=np.ones(len(bar)),
        class_names=class_names,
        facts={**facts, **_counted(value, groups, class_names)},
    )


def _counts(value: NDArray[Any], class_names: tuple[str, ...]) -> dict[str, int]:
    if not class_names:
        return {}
    found = np.bincount(value, minlength=len(class_names))
    return {name: int(n) for name, n in zip(class_names, found, strict=True)}


def _counted(value: NDArray[Any], event: IntArray, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Return the facts that depend on which samples there are."""
    counts = _counts(value, class_names)
    facts: dict[str, Any] = {"n_labels": len(value), "n_events": _n_distinct(event)}
    if class_names:
        facts["counts"] = counts
        n_kinds = sum(n > 0 for n in counts.values())
    else:
        facts["distribution"] = _distribution(value)
        n_kinds = 0 if not len(value) else 1 if value.min() == value.max() else 2
    # One class or one value only: nothing can be learned, and the reader must be told.
    facts["is_degenerate"] = n_kinds < 2
    return facts


def _distribution(value: FloatArray) -> dict[str, Any] | None:
    if not len(value):
        return None
    found = np.quantile(value, _QUANTILES)
    quantiles = {f"{q:g}": float(x) for q, x in zip(_QUANTILES, found, strict=True)}
    extremes = {"min": float(value.min()), "max": float(value.max())}
    return {"mean": float(value.mean()), "std": float(value.std()), **extremes} | {
        "quantiles": quantiles
    }


def _n_distinct(event: IntArray) -> int:
    return int(np.count_nonzero(np.bincount(event)))


LabelMethod: TypeAlias = Callable[..., LabelSet]
"""``method(*arrays, **options) -> LabelSet``; the arrays are whole series, shape (n_bars,)."""


@dataclass(frozen=True)
class LabelSource:
    """One way to make labels.

    Attributes
    ----------
    method : called with the arrays that `inputs` names, in that order, and the options.
    inputs : price columns that the label reads.
    class_names : of the labels it makes; empty for a regression target.
    summary : what is predicted, one sentence. reference : where the formula comes from.
    """

    method: LabelMethod
    inputs: tuple[str, ...]
    class_names: tuple[str, ...]
    summary: str
    reference: str

    @property
    def task(self) -> Task:
        """What a model of this label is."""
        return "classification" if self.class_names else "regression"


LABELS: PluginRegistry[LabelSource] = PluginRegistry("label source", code="CONFIG-UnknownLabel")
"""Ways to make labels, by the name that `labels.source` gives."""
