"""Walk-forward folds: train on what lies before each test block, purged by label end."""

from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from marketlab.core import ConfigError, DataError, FrozenConfig, IntArray
from marketlab.evaluation._base import (
    MAX_FOLDS,
    SPLITTERS,
    Fold,
    build_fold,
    check_fold_count,
    check_sample_table,
    no_fold,
)
from marketlab.evaluation._ratio_split import exact_share

_MONTHS = {"month": 1, "quarter": 3, "year": 12}


class _Blocks(NamedTuple):
    """The bars that carry samples, and where the test blocks begin among them."""

    bars: IntArray
    borders: IntArray  # positions in `bars`: first of each test block, and the end of the last
    first_train: int
    sealed: int


@SPLITTERS.register("walk_forward")
class PurgedWalkForward(FrozenConfig):
    """Expanding or rolling training windows, each followed by its test block, oldest first.

    Sizes are counted in *bars that carry a sample*, so that the samples of one bar stay together.
    The first training window is the first ``train_share`` of those that are not sealed (or
    ``train_bars``); what follows is cut into test blocks: ``n_folds`` of equal length, or one per
    ``step_bars`` (the last one may be shorter), or one per calendar month, quarter or year,
    beginning with the first that starts after the first training window. Every bar from the first
    test block to the sealed end is tested exactly once.

    **What the parts of a `Fold` mean here.** ``train`` is the window, ``validation`` its last
    ``validation_share`` (for early stopping and selection; none by default), ``test`` the block on
    which the fold is *scored*: nothing of a fold may be chosen by its test block. The period that
    nobody scores until the end is not the test block but ``sealed_share``, which lies outside every
    fold.

    A sample is kept iff ``end + embargo_bars`` lies before the first bar of the next part (for a
    test block: of the sealed period). Labels of one test block may read the next block's bars: no
    model of their own fold has trained there. Source: López de Prado (2018), section 7.4.1
    (purging) and chapter 12.2 (walk-forward).

    Parameters
    ----------
    train_share, train_bars : size of the first training window; exactly one. A rolling window
        keeps this many bars, an expanding one grows from there.
    n_folds, step_bars, step_period : how the rest is cut; exactly one.
    validation_share : share of each training window's bars, at its end, that validates.
    embargo_bars : further bars that must lie between a label's end and the next part.
    sealed_share : share of the bars, at the end, that no fold touches.
    """

    example: ClassVar[dict[str, Any]] = {
        "train_share": 0.4,
        "n_folds": 3,
        "validation_share": 0.2,
        "sealed_share": 0.1,
    }

    window: Literal["expanding", "rolling"] = "expanding"
    train_share: float | None = Field(default=None, gt=0, lt=1)
    train_bars: int | None = Field(default=None, ge=1)
    n_folds: int | None = Field(default=None, ge=1, le=MAX_FOLDS)
    step_bars: int | None = Field(default=None, ge=1)
    step_period: Literal["month", "quarter", "year"] | None = None
    validation_share: float = Field(default=0.0, ge=0, lt=1)
    embargo_bars: int = Field(default=0, ge=0)
    sealed_share: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for names in (("train_share", "train_bars"), ("n_folds", "step_bars", "step_period")):
            given = [name for name in names if getattr(self, name) is not None]
            if len(given) != 1:
                raise ConfigError(
                    f"give exactly one of {', '.join(names)}; received {given or 'none'}.",
                    code="CONFIG-DataSplit",
                    field=names[0],
                    value=given,
                )
        return self

    def folds(
        self, start: IntArray, end: IntArray, bar: IntArray, *, times: IntArray | None = None
    ) -> tuple[Fold, ...]:
        """Return the folds, oldest first (see `Splitter.folds`); ``step_period`` needs `times`.

        A table in which no test block fits gives one fold without samples that says so.
        """
        n_samples = check_sample_table(start, end, bar, times)
        if self.step_period is not None and times is None:
            raise DataError(
                f"folds by {self.step_period} need the closing time of every bar.",
                code="DATA-TimesMissing",
                suggestion="Pass times=bars.close_time_ns.",
            )
        blocks = self._blocks(bar, times)
        n_folds = len(blocks.borders) - 1
        if n_folds < 1:
            why = (
                f"{len(blocks.bars)} bars with samples hold no training window with a test block "
                f"after it; the window takes {blocks.first_train} of them and {blocks.sealed} are "
                "sealed."
            )
            return (no_fold(n_samples, why, parts=self._parts()),)
        check_fold_count(n_folds)
        shown = {"n_folds": n_folds, "window": self.window}
        return tuple(
            self._fold(end, bar, blocks, k, parts=self._parts(), details={"fold": k, **shown})
            for k in range(n_folds)
        )

    def final_fold(
        self, start: IntArray, end: IntArray, bar: IntArray, *, times: IntArray | None = None
    ) -> Fold:
        """Return the fold of the model that remains when the walk is over.

        Its training window ends where the sealed period begins (``validation`` is its last
        ``validation_share``), and its ``test`` part is the sealed period: empty by design without
        ``sealed_share``. Parameters and errors as for `folds`.
        """
        n_samples = check_sample_table(start, end, bar, times)
        bars = _distinct(bar)
        n_open = len(bars) - _floor_share(self.sealed_share, len(bars))
        first = self._first_train(n_open)
        if n_open < 1:
            return no_fold(n_samples, f"of {len(bars)} bars with samples all are sealed.")
        blocks = _Blocks(bars, np.array([n_open, len(bars)], dtype=np.int64), first, 0)
        parts = tuple(p for p in self._parts() if p != "test" or self.sealed_share)
        details = {"fold": "final", "window": self.window}
        return self._fold(end, bar, blocks, 0, parts=parts, details=details)

    def _first_train(self, n_open: int) -> int:
        """Return how many bars the first training window takes of those that are not sealed."""
        if self.train_bars is not None:
            return self.train_bars
        return _floor_share(self.train_share or 0.0, n_open)

    def _parts(self) -> tuple[str, ...]:
        return ("train", "validation", "test") if self.validation_share else ("train", "test")

    def _blocks(self, bar: IntArray, times: IntArray | None) -> _Blocks:
        bars = _distinct(bar)
        n_open = len(bars) - _floor_share(self.sealed_share, len(bars))
        first = self._first_train(n_open)
        rest = n_open - first
        if rest < 1 or first < 1:
            borders = np.empty(0, dtype=np.int64)
        elif self.n_folds is not None:
            borders = first + np.arange(self.n_folds + 1) * rest // self.n_folds
        elif self.step_bars is not None:
            borders = np.append(np.arange(first, n_open, self.step_bars), n_open)
        else:
            borders = _period_borders(times, bars[:n_open], first, _MONTHS[str(self.step_period)])
        return _Blocks(bars, borders.astype(np.int64), first, len(bars) - n_open)

    def _fold(
        self,
        end: IntArray,
        bar: IntArray,
        blocks: _Blocks,
        k: int,
        *,
        parts: tuple[str, ...],
        details: dict[str, Any],
    ) -> Fold:
        low, high = int(blocks.borders[k]), int(blocks.borders[k + 1])
        begin = max(0, low - blocks.first_train) if self.window == "rolling" else 0
        cut = low - _floor_share(self.validation_share, low - begin)
        first_sealed = len(blocks.bars) - blocks.sealed
        limits = {"train": (begin, cut), "validation": (cut, low), "test": (low, high)}
        after = {
            "train": _bar_at(blocks.bars, cut),
            "validation": _bar_at(blocks.bars, low),
            "test": _bar_at(blocks.bars, first_sealed),
        }
        kept_of, purged, first_of = {}, {}, {}
        for name in parts:
            a, b = (_position(bar, blocks.bars, at) for at in limits[name])
            kept = np.arange(a, b, dtype=np.int64)
            limit = after[name]
            if limit is not None:
                kept = kept[end[a:b] + self.embargo_bars < limit]
            kept_of[name], purged[name], first_of[name] = kept, b - a - len(kept), a
        first_test = first_of.get("test", _position(bar, blocks.bars, low))
        return build_fold(
            kept_of,
            purged,
            n_samples=len(bar),
            borders=(first_of.get("validation", first_test), first_test),
            details=details,
        )


def _distinct(bar: IntArray) -> IntArray:
    """Return the distinct values of an ascending array (np.unique hashes, and takes 50 times)."""
    if len(bar) == 0:
        return bar
    return bar[np.flatnonzero(np.diff(bar, prepend=bar[0] - 1))]


def _floor_share(share: float, n: int) -> int:
    """Return ``floor(share * n)`` with the share as written."""
    exact = exact_share(share)
    return exact.numerator * n // exact.denominator


def _bar_at(bars: IntArray, position: int) -> int | None:
    return int(bars[position]) if position < len(bars) else None


def _position(bar: IntArray, bars: IntArray, at: int) -> int:
    """Return the position of the first sample at or after the bar number `at` with samples."""
    return int(np.searchsorted(bar, bars[at], side="left")) if at < len(bars) else len(bar)


def _period_borders(times: IntArray | None, bars: IntArray, first: int, months: int) -> IntArray:
    """Return where calendar periods begin after the first training window, and the end."""
    assert times is not None
    closes = (times[bars] - 1).astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    period = closes // months
    starts = np.flatnonzero(np.diff(period) > 0) + 1
    starts = starts[starts >= first]
    return np.append(starts, len(bars)) if len(starts) else np.empty(0, dtype=np.int64)
