"""What a label is, and the table of ways to make labels."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from marketlab.core import (
    BoolArray,
    DataError,
    FloatArray,
    IntArray,
    PluginRegistry,
    check_same_length,
)

BUY, HOLD, SELL = 0, 1, 2
CLASS_NAMES = ("BUY", "HOLD", "SELL")
"""Names of the classes 0, 1, 2 everywhere."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelSet:
    """The labels of one series: what is to be predicted at each bar, and which bars say so.

    Attributes
    ----------
    bar : (n,) int64, ascending bar positions of the samples; bars without a label are absent.
    value : (n,) int64, class BUY 0, HOLD 1 or SELL 2.
    start, end : (n,) int64, first and last bar whose close the label reads. From the close of
        `end` on the label never changes, whatever comes later: a sample may train a model that is
        judged from bar b on only if ``end < b``.
    event : (n,) int64, the independent event that the sample belongs to (zigzag: the leg);
        samples of one event say the same thing many times and are resampled together.
    weight : (n,) float64, weight of the sample in training.
    facts : JSON-ready facts, with the counts per class and the number of events.

    All arrays are read-only.
    """

    name: str
    bar: IntArray
    value: IntArray
    start: IntArray
    end: IntArray
    event: IntArray
    weight: FloatArray
    class_names: tuple[str, ...] = CLASS_NAMES
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_same_length(
            bar=self.bar,
            value=self.value,
            start=self.start,
            end=self.end,
            event=self.event,
            weight=self.weight,
        )
        for array in (self.bar, self.value, self.start, self.end, self.event, self.weight):
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.bar)

    def counts(self) -> dict[str, int]:
        """Return how many samples each class has, zeros included."""
        found = np.bincount(self.value, minlength=len(self.class_names))
        return {name: int(n) for name, n in zip(self.class_names, found, strict=True)}

    @property
    def n_events(self) -> int:
        """Number of distinct events among the samples."""
        return _n_distinct(self.event)

    def restrict(self, which: IntArray | BoolArray) -> "LabelSet":
        """Return the samples chosen by a mask of shape (n,) or by ascending sample positions.

        Counts and events in `facts` are those of the samples that remain.
        """
        positions = np.flatnonzero(which) if which.dtype == np.bool_ else which
        if which.dtype == np.bool_ and len(which) != len(self):
            raise DataError(
                f"a mask over {len(self)} labels has {len(which)} entries.",
                code="DATA-ShapeMismatch",
            )
        return make_label_set(
            name=self.name,
            bar=self.bar[positions],
            value=self.value[positions],
            start=self.start[positions],
            end=self.end[positions],
            event=self.event[positions],
            facts=self.facts,
            weight=self.weight[positions],
        )


def make_label_set(
    *,
    name: str,
    bar: IntArray,
    value: IntArray,
    start: IntArray,
    end: IntArray,
    event: IntArray,
    facts: dict[str, Any],
    weight: FloatArray | None = None,
) -> LabelSet:
    """Return a `LabelSet` whose facts count its samples, classes and events."""
    found = np.bincount(value, minlength=len(CLASS_NAMES))
    counts = {name: int(n) for name, n in zip(CLASS_NAMES, found, strict=True)}
    present = [name for name, n in counts.items() if n]
    counted = {
        **facts,
        "n_labels": len(bar),
        "counts": counts,
        "n_events": _n_distinct(event),
        # One class only: nothing can be learned from these labels, and the reader must be told.
        "is_degenerate": len(present) < 2,
    }
    return LabelSet(
        name=name,
        bar=bar,
        value=value,
        start=start,
        end=end,
        event=event,
        weight=np.ones(len(bar)) if weight is None else weight,
        facts=counted,
    )


def _n_distinct(event: IntArray) -> int:
    return int(np.count_nonzero(np.bincount(event)))


LabelMethod: TypeAlias = Callable[..., LabelSet]
"""``method(close, *, …options) -> LabelSet``; `close` is the whole series, shape (n_bars,)."""

LABELS: PluginRegistry[LabelMethod] = PluginRegistry("label source", code="CONFIG-UnknownLabel")
"""Ways to make labels, by the name that `labels.source` gives."""


def check_close(close: FloatArray) -> FloatArray:
    """Return `close` as a contiguous float64 array, refusing what no label can be made of.

    Raises
    ------
    DataError if it is not one-dimensional, or holds NaN, infinity, zero or a negative price.
    """
    array: FloatArray = np.ascontiguousarray(close, dtype=np.float64)
    if array.ndim != 1:
        raise DataError(
            f"closes must be one-dimensional; their shape is {array.shape}.",
            code="DATA-ShapeMismatch",
            field="close",
        )
    # The negated comparison catches NaN as well.
    bad = ~((array > 0.0) & (array < np.inf))
    if bad.any():
        first = int(np.argmax(bad))
        raise DataError(
            f"{int(bad.sum())} close(s) are NaN, infinite, zero or negative; the first is "
            f"{array[first]!r} at bar {first}.",
            code="DATA-NotFinite",
            field="close",
        )
    return array
