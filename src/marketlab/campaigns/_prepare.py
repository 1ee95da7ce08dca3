"""From bars to the arrays a trainer takes: the same walk for a plan, a run and a replay."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from marketlab.campaigns._split_config import RunFolds, refuse_uncovered_days
from marketlab.campaigns._strategy import StrategyConfig
from marketlab.core import (
    ConfigError,
    DataNotAvailableError,
    Float32Array,
    IntArray,
    Progress,
    iso,
)
from marketlab.data import BarFrame
from marketlab.evaluation import Fold
from marketlab.features import FeatureMatrix, FeatureSet, Standardizer, bar_arrays
from marketlab.labels import CLASS_NAMES, LABELS, LabelSet, compute_labels

# How far the first or last bar may lie inside the asked range: a weekend with a holiday.
_EDGE_DAYS = 7


@dataclass(frozen=True)
class SampleTable:
    """Which bar of which symbol each sample is. ``symbol_id`` is 0 while there is one symbol."""

    symbol_id: IntArray
    bar: IntArray

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.bar)


@dataclass(frozen=True)
class Prepared:
    """One experiment's arrays. Samples are the bars with every feature and a label."""

    bars: BarFrame
    features: FeatureMatrix
    normalization: tuple[str, ...]
    labels: LabelSet
    samples: SampleTable
    folds: RunFolds

    @property
    def fold(self) -> Fold:
        """The fold of the net that is kept."""
        return self.folds.final

    def positions(self, part: str) -> IntArray:
        """Return sample positions of one part: train, validation, test or walk-forward."""
        if part == "walk-forward":
            blocks = [fold.test for fold in self.folds.scored]
            return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.int64)
        return self.fold.part(part)

    def rows(self, part: str) -> IntArray:
        """Return the bar positions of one part."""
        return self.samples.bar[self.positions(part)]

    def x(self, part: str, standardizer: Standardizer | None) -> Float32Array:
        """Return float32 inputs of one part, shape (n_samples, n_features)."""
        rows = self.features.rows(self.rows(part))
        return rows if standardizer is None else standardizer.apply(rows)

    def fit_standardizer(self) -> Standardizer | None:
        """Return the scaler that the training rows decide, None if no input is to be scaled."""
        if all(kind == "none" for kind in self.normalization):
            return None
        rows = self.features.rows(self.rows("train"))
        return Standardizer.fit(rows, self.normalization, names=self.features.names)

    def y(self, part: str) -> IntArray:
        """Return class indices of one part."""
        return self.labels.value[self.positions(part)]

    def event(self, part: str) -> IntArray:
        """Return event ids of one part."""
        return self.labels.event[self.positions(part)]

    def n_events(self, part: str) -> int:
        """Return how many independent events one part holds."""
        return len(np.unique(self.event(part)))


def select_bars(bars: BarFrame, strategy: StrategyConfig) -> BarFrame:
    """Return the bars of the strategy's date range, both days inclusive.

    Raises
    ------
    DataNotAvailableError if the data do not reach both ends of the range (within a week), because
    a shorter series would be another experiment.
    """
    wanted = strategy.training.date_range
    if bars.symbol != strategy.symbol or bars.timeframe != strategy.timeframe:
        raise ConfigError(
            f"the strategy reads {strategy.symbol} {strategy.timeframe}, the bars are "
            f"{bars.symbol} {bars.timeframe}.",
            field="training_data",
            suggestion="Override symbol and timeframe in the campaign, or choose other data.",
        )
    if wanted is None:
        return bars
    first, last = bars.times(0).date(), bars.times(bars.n_bars - 1).date()
    late = (first - wanted.first_day).days
    early = (wanted.last_day - last).days
    if late > _EDGE_DAYS or early > _EDGE_DAYS:
        raise DataNotAvailableError(
            f"No data for {bars.symbol} {bars.timeframe} over the whole of {wanted.start} to "
            f"{wanted.end}: the stored bars run from {first} to {last}.",
            field="training.date_range",
            suggestion=f"Import a longer series, or ask for {first} to {last}"
            " (`date_range: data` in a campaign, start_date and end_date in a request).",
            details={"first": str(first), "last": str(last)},
        )
    return bars.between(wanted.first_day, wanted.last_day)


def prepare(
    strategy: StrategyConfig, bars: BarFrame, *, progress: Progress | None = None
) -> Prepared:
    """Compute features, labels and the purged split of one strategy.

    Samples are the bars after warm-up whose features are all finite and whose label is settled.

    Raises
    ------
    DataNotAvailableError if the bars do not cover the days that a split by dates asks for.
    """
    refuse_uncovered_days(strategy.training.data_split, bars.close_time_ns)
    refuse_other_tasks(strategy)
    enter: Callable[[str], None] = progress.enter if progress is not None else (lambda _: None)
    enter("computing_indicators")
    feature_set = FeatureSet(strategy.feature_config())
    arrays = bar_arrays(bars)
    enter("creating_features")
    matrix = feature_set.compute(arrays, progress)
    enter("generating_labels")
    labels = compute_labels(strategy.training.labels, bars)
    enter("combining_data")
    labels = labels.restrict(usable(matrix, labels))
    samples = SampleTable(symbol_id=np.zeros(len(labels.bar), dtype=np.int64), bar=labels.bar)
    enter("splitting_data")
    folds = strategy.training.folds(labels, bars.close_time_ns)
    return Prepared(
        bars=bars,
        features=matrix,
        normalization=tuple(feature_set.normalization),
        labels=labels,
        samples=samples,
        folds=folds,
    )


def refuse_other_tasks(strategy: StrategyConfig) -> None:
    """Raise `ConfigError` unless the label's classes are those that nets and verdicts answer in."""
    name = strategy.training.labels.source
    classes = LABELS.get(name).class_names
    if classes != CLASS_NAMES:
        kind = f"has the classes {', '.join(classes)}" if classes else "is a number"
        known = [key for key, item in LABELS.items() if item.class_names == CLASS_NAMES]
        raise ConfigError(
            f"a strategy is trained and judged on BUY, HOLD and SELL; the label {name!r} {kind}.",
            code="LABELS-OtherTask",
            field="training.labels.source",
            value=name,
            suggestion=f"Use one of {', '.join(known)}; the others can be made and studied with"
            " `marketlab labels build`.",
        )


def usable(matrix: FeatureMatrix, labels: LabelSet) -> IntArray:
    """Return the sample positions whose bar is past warm-up and has only finite features."""
    after = labels.bar >= matrix.warm_up_bars
    return np.flatnonzero(after & matrix.complete_bars()[labels.bar])


def split_facts(prepared: Prepared) -> dict[str, Any]:
    """Return sizes, times, classes and events of each part, JSON-ready.

    ``train``, ``validation`` and ``test`` are of the net that is kept. A walk has one part more,
    ``walk-forward``: the blocks that its nets forecast, with their number as ``n_folds``.
    """
    facts: dict[str, Any] = {}
    parts = ["train", "validation", "test"]
    if prepared.folds.scored:
        parts.append("walk-forward")
    for part in parts:
        rows = prepared.rows(part)
        counts = np.bincount(prepared.y(part), minlength=3) if len(rows) else np.zeros(3, int)
        facts[part] = {
            "samples": len(rows),
            "first_time": iso(prepared.bars.times(int(rows[0]))) if len(rows) else None,
            "last_time": iso(prepared.bars.times(int(rows[-1]))) if len(rows) else None,
            "classes": {n: int(c) for n, c in zip(("BUY", "HOLD", "SELL"), counts, strict=True)},
            "events": prepared.n_events(part),
        }
    if prepared.folds.scored:
        facts["walk-forward"]["n_folds"] = len(prepared.folds.scored)
    facts["purged_train"] = int(prepared.fold.purged_train)
    facts["purged_validation"] = int(prepared.fold.purged_validation)
    return facts
