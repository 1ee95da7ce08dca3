"""The linear statistic: a logistic model of BUY against SELL on the strategy's own inputs.

It says what the inputs are worth to a line, in a hundredth of the time that nets take. Samples of
HOLD are left out on both sides, and the forecasts leave it nothing.
"""

import numpy as np

from marketlab.campaigns._null_series import Refit, SeriesTask
from marketlab.campaigns._split_config import JudgedFold
from marketlab.core import DataError, Float32Array, FloatArray, IntArray
from marketlab.evaluation import causal_baselines, class_counts
from marketlab.evaluation._scores import BUY, HOLD
from marketlab.models import fit_logistic_binary

_L2 = 1.0  # ridge on the coefficients, in units of one sample's log-likelihood


def refit_linear(task: SeriesTask) -> Refit | None:
    """Fit on the training rows of each fold and forecast its judged rows.

    None where a fold has nothing to fit, nothing is judged or a fit did not converge: then there
    is no number to compare.
    """
    x = task.x()
    directed = task.labels.value != HOLD
    forecasts: list[FloatArray] = []
    baselines: list[dict[str, FloatArray]] = []
    judged_rows: list[IntArray] = []
    counts = np.zeros(3, dtype=np.int64)
    for fold in task.folds:
        train = fold.train[directed[fold.train]]
        judged = fold.judged[directed[fold.judged]]
        y_train = task.labels.value[train]
        if np.count_nonzero(class_counts(y_train)) < 2:
            return None
        forecast = _forecast(task, x, JudgedFold(train, fold.validation, judged))
        if forecast is None:
            return None
        known = causal_baselines(
            y_train, len(judged), state_train=task.state[train], state_eval=task.state[judged]
        )
        forecasts.append(np.column_stack([forecast, np.zeros(len(judged)), 1.0 - forecast]))
        baselines.append(known)
        judged_rows.append(judged)
        counts += class_counts(y_train)
    rows = np.concatenate(judged_rows)
    if len(rows) == 0:
        return None
    return Refit(
        y=task.labels.value[rows],
        probabilities=np.concatenate(forecasts),
        baselines={n: np.concatenate([b[n] for b in baselines]) for n in baselines[0]},
        event=task.labels.event[rows],
        bar=task.labels.bar[rows],
        train_counts=counts,
    )


def _forecast(task: SeriesTask, x: Float32Array, fold: JudgedFold) -> FloatArray | None:
    """Return P(BUY) against SELL of the judged rows, None if nothing can be fitted."""
    try:
        scaled = task.scaled(x, fold.train)
    except DataError:  # an input that never changes in these training rows
        return None
    is_buy = (task.labels.value[fold.train] == BUY).astype(np.int64)
    model = fit_logistic_binary(scaled[fold.train], is_buy, l2=_L2)
    if not model.converged:
        return None
    odds = np.clip(model.log_odds(scaled[fold.judged]).astype(np.float64), -40.0, 40.0)
    return np.asarray(1.0 / (1.0 + np.exp(-odds)))
