"""One cut by calendar days into train, validation and test, purged by label end."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from marketlab.core import BoolArray, ConfigError, DataError, FrozenConfig, IntArray
from marketlab.evaluation._base import SPLITTERS, Fold, build_fold, check_sample_table

_DAY_NS = 86_400 * 10**9
_EPOCH = date(1970, 1, 1)
# How far the first or last bar may lie inside the asked days: a weekend with a holiday.
_EDGE_DAYS = 7

Containment = Literal["bar_and_label", "label_window", "whole_span"]


class DayRange(FrozenConfig):
    """First and last day, both included, in UTC. A bar belongs to the day in which it closes."""

    start: date
    end: date

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start > self.end:
            raise ConfigError(
                f"start must not lie after end; {self.start} is after {self.end}.",
                code="CONFIG-DataSplit",
                field="start",
            )
        return self

    def bars(self, times: IntArray) -> tuple[int, int]:
        """Return the first bar of the range and the first bar after it."""
        day = (times - 1) // _DAY_NS
        first = np.searchsorted(day, (self.start - _EPOCH).days, side="left")
        stop = np.searchsorted(day, (self.end - _EPOCH).days, side="right")
        return int(first), int(stop)


@SPLITTERS.register("dates")
class DateSplit(FrozenConfig):
    """Train, validation and test by UTC days, each range with both days included.

    A bar belongs to the day in which it closes, for that is when it is known; one that closes at
    midnight belongs to the day that ends there. With ``a`` and ``b`` the first and last bar of a
    part, ``C`` the context and ``e`` the embargo, a sample at bar t whose label ends at bar u
    belongs to the part under

    - ``bar_and_label`` (default): ``a <= t`` and ``u <= b``. Inputs may reach back;
    - ``label_window``: ``a <= t + 1``, ``a <= u`` and ``u <= b``: the bars after t that the label
      reads lie in the part. Its first sample is decided at the close of the last bar before, which
      training labels may read: the windows do not overlap, but the rule
      "no training label reads a validation bar" holds for the bars after that one only;
    - ``whole_span``: ``a <= min(start, t - C + 1)`` and ``u <= b``: the legacy rule. It throws away
      the first C - 1 samples of every part, so that models of different C are scored on different
      days.

    Before a later part begins at bar ``l``, ``u + e < l`` is asked as well. Counts under the last
    two rules agree with the reference (``shared/reference/scaling_lab.md``, section 6).

    Parameters
    ----------
    train, validation, test : day ranges in this order, not overlapping; no test if it is None.
    embargo_bars : further bars that must lie between a label's end and the next part.
    context_bars : C; needed by ``whole_span`` and refused elsewhere.
    """

    example: ClassVar[dict[str, Any]] = {
        "train": {"start": "2020-01-01", "end": "2020-01-02"},
        "validation": {"start": "2020-01-03", "end": "2020-01-03"},
        "test": {"start": "2020-01-04", "end": "2020-01-05"},
    }

    train: DayRange
    validation: DayRange
    test: DayRange | None = None
    containment: Containment = "bar_and_label"
    embargo_bars: int = Field(default=0, ge=0)
    context_bars: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ranges = list(self.ranges().items())
        for (earlier, one), (later, other) in pairwise(ranges):
            if one.end >= other.start:
                raise ConfigError(
                    f"{earlier} must end before {later} starts; {earlier} ends on {one.end} and "
                    f"{later} starts on {other.start}.",
                    code="CONFIG-DataSplit",
                    field=later,
                )
        if (self.containment == "whole_span") != (self.context_bars is not None):
            raise ConfigError(
                "context_bars belongs to containment 'whole_span' and to no other; received "
                f"containment {self.containment!r} with context_bars {self.context_bars}.",
                code="CONFIG-DataSplit",
                field="context_bars",
                value=self.context_bars,
            )
        return self

    def ranges(self) -> dict[str, DayRange]:
        """Return the parts that are asked for, in time order."""
        asked = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: days for name, days in asked.items() if days is not None}

    def coverage_problems(self, times: IntArray) -> tuple[str, ...]:
        """Return where the bars end more than a week inside the asked days (empty: nowhere).

        Parameters
        ----------
        times : closing times as in `Splitter.folds`.
        """
        if not len(times):
            return ("there are no bars, so no day that is asked for is covered.",)
        first, last = _day_of(int(times[0])), _day_of(int(times[-1]))
        edge = timedelta(days=_EDGE_DAYS)
        problems = []
        for name, days in self.ranges().items():
            if first - days.start > edge or days.end - last > edge:
                problems.append(
                    f"{name} asks for {days.start} to {days.end}, but the bars run from {first} "
                    f"to {last} only."
                )
        return tuple(problems)

    def folds(
        self, start: IntArray, end: IntArray, bar: IntArray, *, times: IntArray | None = None
    ) -> tuple[Fold, ...]:
        """Return the one fold (see `Splitter.folds`); `times` are needed."""
        return (self.split(start, end, bar, times=times),)

    def split(
        self, start: IntArray, end: IntArray, bar: IntArray, *, times: IntArray | None = None
    ) -> Fold:
        """Cut the sample table; parameters and errors as in `Splitter.folds`."""
        n_samples = check_sample_table(start, end, bar, times)
        if times is None:
            raise DataError(
                "a split by dates needs the closing time of every bar.",
                code="DATA-TimesMissing",
                suggestion="Pass times=bars.close_time_ns.",
            )
        bounds = {name: days.bars(times) for name, days in self.ranges().items()}
        kept = {name: self._inside(start, end, bar, bounds, name) for name in bounds}
        used = np.any(list(kept.values()), axis=0)
        purged = {
            name: int(np.count_nonzero((bar >= a) & (bar < b) & ~used))
            for name, (a, b) in bounds.items()
        }
        reach = 1 if self.containment == "label_window" else 0
        later = [bounds[name][0] - reach for name in ("validation", "test") if name in bounds]
        firsts = [int(np.searchsorted(bar, at, side="left")) for at in later]
        return build_fold(
            {name: np.flatnonzero(mask).astype(np.int64) for name, mask in kept.items()},
            purged,
            n_samples=n_samples,
            borders=(firsts[0], firsts[1] if len(firsts) > 1 else n_samples),
            warnings=self.coverage_problems(times),
            details={"containment": self.containment},
        )

    def _inside(
        self,
        start: IntArray,
        end: IntArray,
        bar: IntArray,
        bounds: Mapping[str, tuple[int, int]],
        name: str,
    ) -> BoolArray:
        """Return which samples belong to one part."""
        first, stop = bounds[name]
        mask: BoolArray = end < stop
        if self.containment == "bar_and_label":
            mask &= bar >= first
        elif self.containment == "label_window":
            mask &= (bar + 1 >= first) & (end >= first)
        else:
            mask &= np.minimum(start, bar - (self.context_bars or 1) + 1) >= first
        names = list(bounds)
        for later in names[names.index(name) + 1 :]:
            mask &= end + self.embargo_bars < bounds[later][0]
        return mask


def date_split_conflicts(splits: Mapping[str, DateSplit]) -> tuple[str, ...]:
    """Return where one split uses days that another one holds back, in sentences.

    For studies of several levels, each starting from what the one before found: a level that
    trains or selects on days that another level calls validation or test has seen that level's
    answer, whatever the split inside each level is.

    Parameters
    ----------
    splits : name of each level and its split, on the same data.
    """
    found = []
    for one, first in splits.items():
        for other, second in splits.items():
            if one == other:
                continue
            for used, held in (("train", "validation"), ("train", "test"), ("validation", "test")):
                a, b = first.ranges().get(used), second.ranges().get(held)
                if a is None or b is None or a.end < b.start or b.end < a.start:
                    continue
                found.append(
                    f"{one} uses {max(a.start, b.start)} to {min(a.end, b.end)} as {used}, which "
                    f"{other} holds back as {held}."
                )
    return tuple(found)


def _day_of(closing_time_ns: int) -> date:
    seconds = (closing_time_ns - 1) // 10**9
    return datetime.fromtimestamp(seconds, UTC).date()
