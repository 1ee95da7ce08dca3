"""All baselines that apply to one fold, with their scores, and the one a model must beat.

The best is chosen inside the training part, never by the judged one: each baseline is fitted on
the earlier four fifths of training and scored on the purged last fifth; then all are fitted anew on
the whole of training. (The judge's `best_causal_baseline` picks with the judged part in hand,
which favours the baseline; this choice favours nobody.)
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from marketlab.core import ConfigError, DataError, FloatArray, FrozenConfig, IntArray
from marketlab.evaluation import (
    Fold,
    Metric,
    Scores,
    classification_scores,
    inner_holdout,
    roc_auc,
    sample_log_loss,
)
from marketlab.models._baseline_base import BASELINES, BaselineData, check_baseline_data

MIN_SELECTION_ROWS = 100
"""Held-out training rows below which no best baseline is named."""

_TOUCHED = {"touch_up": 0, "touch_down": 2}


class BaselineRow(FrozenConfig):
    """One baseline on the judged part.

    Attributes
    ----------
    knows : what its forecast at a bar reads. decides : see `Baseline`.
    selection_log_loss : on the held-out last fifth of training, nats per sample, fitted before it;
        None if it could not be fitted there, or decides nothing.
    scores : on the judged part. auc : of the touch, on the judged part, `Undefined` where one
        class alone occurs; None for other labels. facts : fitted parameters and counts, JSON-ready.
    """

    name: str
    knows: str
    decides: bool
    selection_log_loss: float | None
    scores: Scores
    auc: Metric | None
    facts: dict[str, Any]


@dataclass(frozen=True)
class BaselineTable:
    """Every applicable baseline of one fold.

    Attributes
    ----------
    rows : in the order of `BASELINES`. probabilities : name to (n_judged, 3).
    skipped : name to the sentence why it could not be computed.
    best : the deciding baseline with the lowest `selection_log_loss`; None if it cannot be said,
        and then `selection` says why. selection : how the best was chosen, one sentence.
    """

    rows: tuple[BaselineRow, ...]
    probabilities: dict[str, FloatArray]
    skipped: dict[str, str]
    best: str | None
    selection: str


def fit_baselines(
    data: BaselineData,
    fold: Fold,
    *,
    seed: int,
    part: Literal["validation", "test"] = "validation",
    names: tuple[str, ...] | None = None,
) -> BaselineTable:
    """Fit all baselines on the training samples of `fold` and score them on one part.

    Parameters
    ----------
    data : bars, sample table and task.
    seed : of boosting, the one baseline with chance in it.
    names : which ones; None for all registered that apply (one that needs a package that is not
        installed is then skipped, with the command that installs it).

    Raises
    ------
    DataError if columns do not fit each other, (``DATA-EmptySplit``) if training or the judged part
    is empty; ConfigError for an unknown name, or for a named one whose package is missing.
    """
    check_baseline_data(data)
    judged = fold.part(part)
    _check_parts(fold, len(data.bar), part)
    inner = inner_holdout(fold.train, data.end, data.bar)
    enough = len(inner.held_out) >= MIN_SELECTION_ROWS and len(inner.fit) >= MIN_SELECTION_ROWS
    rows: list[BaselineRow] = []
    skipped: dict[str, str] = {}
    probabilities: dict[str, FloatArray] = {}
    for name in BASELINES.names() if names is None else names:
        baseline = BASELINES.get(name, field="names")
        missing = baseline.missing(data)
        if missing is not None:
            skipped[name] = f"{missing}."
            continue
        try:
            fitted = baseline.fit(data, fold.train, seed)
        except DataError as error:
            skipped[name] = error.message
            continue
        except ConfigError as error:
            if error.code != "CONFIG-MissingExtra" or names is not None:
                raise
            skipped[name] = f"{error.message} {error.suggestion}"
            continue
        p = fitted.forecast(judged)
        probabilities[name] = p
        decides = baseline.decides(data)
        rows.append(
            BaselineRow(
                name=name,
                knows=baseline.knows,
                decides=decides,
                selection_log_loss=_inner_loss(name, data, inner.fit, inner.held_out, seed)
                if enough and decides
                else None,
                scores=classification_scores(data.value[judged], p),
                auc=_touch_auc(data, judged, p),
                facts=fitted.facts,
            )
        )
    best, sentence = _best(rows, len(inner.held_out), enough=enough)
    return BaselineTable(tuple(rows), probabilities, skipped, best, sentence)


def _inner_loss(
    name: str, data: BaselineData, fit: IntArray, held_out: IntArray, seed: int
) -> float | None:
    """Return the log-loss on the held-out training rows, None if it cannot be fitted before."""
    try:
        fitted = BASELINES.get(name).fit(data, fit, seed)
    except DataError:
        return None
    losses = sample_log_loss(data.value[held_out], fitted.forecast(held_out))
    return float(losses.mean())


def _best(rows: list[BaselineRow], n_held_out: int, *, enough: bool) -> tuple[str | None, str]:
    if not enough:
        return None, (
            f"no best baseline is named: training leaves {n_held_out} rows to choose on, "
            f"{MIN_SELECTION_ROWS} are needed on either side of the border."
        )
    losses = {
        row.name: row.selection_log_loss
        for row in rows
        if row.decides and row.selection_log_loss is not None
    }
    if not losses:
        return None, "no best baseline is named: none could be fitted inside training."
    best = min(losses, key=lambda name: losses[name])
    return best, (
        f"chosen by the log-loss on the last {n_held_out} training samples, fitted on those before "
        "them; the judged part was not looked at."
    )


def _touch_auc(data: BaselineData, judged: IntArray, p: FloatArray) -> Metric | None:
    column = _TOUCHED.get(data.task.kind)
    if column is None:
        return None
    hit = (data.value[judged] == column).astype(np.int64)
    return roc_auc(hit, np.ascontiguousarray(p[:, column]))


def _check_parts(fold: Fold, n_samples: int, part: str) -> None:
    if fold.n_samples != n_samples:
        raise DataError(
            f"the fold splits {fold.n_samples} samples, the table holds {n_samples}.",
            code="DATA-ShapeMismatch",
        )
    for name in ("train", part):
        if len(fold.part(name)) == 0:
            raise DataError(
                f"the {name} part is empty, so no baseline can be fitted and scored. "
                + " ".join(fold.degenerate_reasons),
                code="DATA-EmptySplit",
            )
