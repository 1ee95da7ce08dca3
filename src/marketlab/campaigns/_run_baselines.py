"""The baselines of one run: fitted anew on each fold's training samples, scored on the judged rows.

Those that decide for labels of this kind (see `BASELINES`) are compared *inside* training, on its
held-out last fifth, and the best of them is what the forecasts must beat; the judged rows have no
say in it. The others are shown beside it.

Boosting is left out unless asked for: fitted and refitted it costs 0.2 to 0.4 s of processor time
on 5,000 bars, and scikit-learn's import 1.7 s per process, where all other baselines together take
0.1 s and a whole run of the recipe about 1 s (November 2026).

Most baselines read prices and labels only, so runs of one campaign that differ in their inputs
alone share them: the last few results are kept in the process, by a hash of all they were made of.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from marketlab.campaigns._causal_state import causal_state
from marketlab.campaigns._prepare import Prepared
from marketlab.campaigns._strategy import StrategyConfig
from marketlab.core import ConfigError, DataError, Float32Array, FloatArray, IntArray
from marketlab.evaluation import Fold, classification_scores
from marketlab.features import Standardizer
from marketlab.labels import (
    BUY,
    CLASS_NAMES,
    HOLD,
    SELL,
    LabelConfig,
    LabelSet,
    ThresholdTouchLabelConfig,
)
from marketlab.models import BASELINES, BaselineData, BaselineTask, PriceBars, fit_baselines

FoldRows = tuple[IntArray, IntArray]
"""Training positions and judged positions into the sample table."""

NO_BOOSTING = (
    "boosting decides nothing and costs several times as much as all other baselines together, so "
    "it is fitted only where it is asked for."
)


@dataclass(frozen=True)
class RunBaselines:
    """Every baseline of one run.

    Attributes
    ----------
    probabilities : name to (n_judged, 3), rows in the order of the judged rows over all folds;
        only baselines that could be fitted on every fold.
    best : the deciding baseline with the least log-loss held out inside training, folds weighted
        by their judged rows; None if it cannot be said.
    selection : how it was chosen, or why none was; one sentence.
    table : JSON-ready, one mapping per registered baseline: name, knows, decides, skipped (the
        sentence why it is missing, else None), selection_log_loss (None for those that do not
        decide), log_loss and accuracy on the judged rows, facts of the fit on the last fold.
    """

    probabilities: dict[str, FloatArray]
    best: str | None
    selection: str
    table: list[dict[str, Any]]


class _Used(NamedTuple):
    """A fold with judged rows; ``at`` begins the sentences about it where there are several."""

    train: IntArray
    judged: IntArray
    at: str


@dataclass
class _Found:
    """What one baseline gave so far, fold after fold."""

    skipped: str | None = None
    parts: list[FloatArray] = field(default_factory=list)
    selection: list[float | None] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, probabilities: FloatArray, facts: dict[str, Any], loss: float | None) -> None:
        self.parts.append(probabilities)
        self.selection.append(loss)
        self.facts = facts


def fit_run_baselines(
    strategy: StrategyConfig,
    prepared: Prepared,
    folds: Sequence[FoldRows],
    *,
    seed: int,
    with_boosting: bool = False,
) -> RunBaselines:
    """Fit and score all baselines that apply to a run.

    Parameters
    ----------
    folds : (training positions, judged positions) of each fold, as of `Prepared.judged_folds`. A
        fold without judged rows is passed over.
    seed : of boosting, the one baseline with chance in it.
    with_boosting : see the top of this file.

    Returns
    -------
    Empty parts, and baselines that cannot be fitted on one of the folds, never raise: they are
    skipped with a sentence. No baseline but ``label_persistence`` reads a judged label, and that
    one reads only those that have ended by the forecast's bar.
    """
    several = len(folds) > 1
    used = [
        _Used(train, judged, f"fold {number} of {len(folds)}: " if several else "")
        for number, (train, judged) in enumerate(folds, start=1)
        if len(judged)
    ]
    data = baseline_data(strategy.training.labels, prepared)
    decide = {name for name, baseline in BASELINES.items() if baseline.decides(data)}
    empty = _empty_part(used)
    if empty is not None:
        found = {name: _Found(skipped=empty) for name in BASELINES.names()}
        sentence = f"no best baseline is named: {empty}"
        return RunBaselines({}, None, sentence, _table(found, decide, None))
    shared = _shared(prepared.bars.dataset_id, data, used)
    found = dict(shared.found)
    if not with_boosting:
        found["boosting"] = _Found(skipped=NO_BOOSTING)
    _fit_on_features(prepared, data, used, found, seed)
    losses = _selection_losses(
        {name: found[name] for name in decide}, [len(each.judged) for each in used]
    )
    truth = data.value[np.concatenate([each.judged for each in used])]
    return RunBaselines(
        probabilities={
            name: np.concatenate(found[name].parts)
            for name in BASELINES.names()
            if not found[name].skipped
        },
        best=min(losses, key=lambda name: losses[name]) if losses else None,
        selection=_selection(shared.told),
        table=_table(found, decide, truth, losses),
    )


def baseline_data(labels: LabelConfig, prepared: Prepared) -> BaselineData:
    """Return the run's sample table for the baselines, without features.

    Bars carry no volatility index, so the implied touch probability is skipped.
    """
    bars, table = prepared.bars, prepared.labels
    return BaselineData(
        prices=PriceBars(open=bars.open, high=bars.high, low=bars.low, close=bars.close),
        bar=table.bar,
        start=table.start,
        end=table.end,
        value=_classes(labels, table),
        task=baseline_task(labels),
        state=causal_state(labels, bars.close)[table.bar],
    )


def baseline_task(labels: LabelConfig) -> BaselineTask:
    """Return what the labels ask: a touch of a level, or a class; horizon 1 where there is none."""
    if isinstance(labels, ThresholdTouchLabelConfig):
        return BaselineTask(
            kind="touch_up" if labels.side == "up" else "touch_down",
            horizon=labels.horizon,
            threshold=labels.threshold,
        )
    return BaselineTask(kind="classes", horizon=labels.reach or 1)


def _classes(labels: LabelConfig, table: LabelSet) -> IntArray:
    """Return BUY, HOLD, SELL; a touch is BUY (up) or SELL (down), no touch HOLD."""
    if isinstance(labels, ThresholdTouchLabelConfig) and table.class_names != CLASS_NAMES:
        touched = BUY if labels.side == "up" else SELL
        return np.where(table.value == 1, touched, HOLD).astype(np.int64)
    values: IntArray = table.value
    return values


def _empty_part(used: list[_Used]) -> str | None:
    if not used:
        return "no judged sample is left."
    for each in used:
        if len(each.train) == 0:
            return f"{each.at}no training sample is left."
    return None


class _Shared(NamedTuple):
    """Every baseline without features, and whether and how a best one was chosen on each fold."""

    found: dict[str, _Found]
    told: list[tuple[bool, str]]


_KEPT: OrderedDict[str, _Shared] = OrderedDict()
_MOST_KEPT = 8


def _shared(dataset_id: str, data: BaselineData, used: list[_Used]) -> _Shared:
    """Fit what reads no features on all folds, or return what an equal table gave before."""
    key = _key(dataset_id, data, used)
    if key not in _KEPT:
        _KEPT[key] = _fit_without_features(data, used)
        while len(_KEPT) > _MOST_KEPT:
            _KEPT.popitem(last=False)
    _KEPT.move_to_end(key)
    return _KEPT[key]


def _key(dataset_id: str, data: BaselineData, used: list[_Used]) -> str:
    assert data.state is not None
    names = " ".join(BASELINES.names())
    digest = hashlib.sha256(f"{dataset_id} {data.task.content_id()} {names}".encode())
    for array in (data.bar, data.start, data.end, data.value, data.state):
        digest.update(np.ascontiguousarray(array).tobytes())
    for each in used:
        digest.update(f"{each.at} {len(each.train)} {len(each.judged)}".encode())
        digest.update(each.train.tobytes())
        digest.update(each.judged.tobytes())
    return digest.hexdigest()


def _fit_without_features(data: BaselineData, used: list[_Used]) -> _Shared:
    found = {name: _Found() for name, baseline in BASELINES.items() if not baseline.reads_features}
    told: list[tuple[bool, str]] = []
    for each in used:
        first = int(each.judged[0])
        fold = Fold(
            train=each.train.copy(),
            validation=each.judged.copy(),
            test=np.empty(0, dtype=np.int64),
            borders=(first, first),
            n_samples=len(data.bar),
            parts=("train", "validation"),
        )
        names = tuple(name for name, so_far in found.items() if not so_far.skipped)
        # None of them draws: the seed is for boosting.
        table = fit_baselines(data, fold, seed=0, names=names)
        for row in table.rows:
            found[row.name].add(table.probabilities[row.name], row.facts, row.selection_log_loss)
        for name, sentence in table.skipped.items():
            found[name].skipped = f"{each.at}{sentence}"
        told.append((table.best is not None, f"{each.at}{table.selection}"))
    return _Shared(found, told)


def _fit_on_features(
    prepared: Prepared, data: BaselineData, used: list[_Used], found: dict[str, _Found], seed: int
) -> None:
    """Add the baselines that read features; they decide nothing and need no held-out stretch."""
    rows = prepared.features.rows(prepared.labels.bar)
    names = [name for name in BASELINES.names() if name not in found]
    found |= {name: _Found() for name in names}
    for each in used:
        wanted = [name for name in names if not found[name].skipped]
        try:
            inputs = _inputs(prepared, rows, each.train)
        except DataError as error:  # such as a feature that is constant in these training rows
            for name in wanted:
                found[name].skipped = f"{each.at}{error.message}"
            continue
        table = replace(data, features=inputs)
        for name in wanted:
            _add_one(name, table, each, found[name], seed)


def _inputs(prepared: Prepared, rows: Float32Array, train: IntArray) -> Float32Array:
    """Return the features of all samples as the net reads them, scaled by the training rows."""
    if all(kind == "none" for kind in prepared.normalization):
        return rows
    scaler = Standardizer.fit(rows[train], prepared.normalization, names=prepared.features.names)
    return scaler.apply(rows)


def _add_one(name: str, data: BaselineData, used: _Used, found: _Found, seed: int) -> None:
    baseline = BASELINES.get(name)
    missing = baseline.missing(data)
    if missing is not None:
        found.skipped = f"{used.at}{missing}."
        return
    try:
        fitted = baseline.fit(data, used.train, seed)
    except DataError as error:
        found.skipped = f"{used.at}{error.message}"
    except ConfigError as error:
        if error.code != "CONFIG-MissingExtra":
            raise
        found.skipped = f"{error.message} {error.suggestion}"
    else:
        found.add(fitted.forecast(used.judged), fitted.facts, None)


def _selection_losses(found: dict[str, _Found], weights: list[int]) -> dict[str, float]:
    """Return the held-out loss of the deciding baselines that have one in every fold."""
    out: dict[str, float] = {}
    for name, each in found.items():
        known = [loss for loss in each.selection if loss is not None]
        if not each.skipped and len(known) == len(weights):
            out[name] = float(np.average(known, weights=weights))
    return out


def _selection(told: list[tuple[bool, str]]) -> str:
    """Return how the best was chosen, or what kept it from being chosen on the first such fold."""
    failed = [sentence for chosen, sentence in told if not chosen]
    if failed or len(told) == 1:
        return failed[0] if failed else told[0][1]
    return (
        f"chosen by the log-loss on the held-out last fifth of training of each of {len(told)} "
        "folds, weighted by their judged rows; the judged rows were not looked at."
    )


def _table(
    found: dict[str, _Found],
    decide: set[str],
    truth: IntArray | None,
    losses: dict[str, float] | None = None,
) -> list[dict[str, Any]]:
    out = []
    for name, baseline in BASELINES.items():
        each = found[name]
        row: dict[str, Any] = {
            "name": name,
            "knows": baseline.knows,
            "decides": name in decide,
            "skipped": each.skipped,
            "selection_log_loss": None,
            "log_loss": None,
            "accuracy": None,
            "facts": {},
        }
        if each.skipped is None and truth is not None:
            scores = classification_scores(truth, np.concatenate(each.parts))
            row |= {
                "selection_log_loss": (losses or {}).get(name),
                "log_loss": scores.log_loss,
                "accuracy": scores.accuracy,
                "facts": dict(each.facts),
            }
        out.append(row)
    return out
