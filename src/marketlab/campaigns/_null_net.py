"""The net statistic: the strategy's own net, refitted with its own stopping on every series.

On the real bars it is, bit for bit, the run's own net; each surrogate has a seed of its own. All
nets of one series go to `fit_many` together and share their inputs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from marketlab.campaigns._null_series import Refit, SeriesTask
from marketlab.campaigns._walk import fold_seed
from marketlab.core import DataError, Progress, stream_key
from marketlab.evaluation import causal_baselines, class_counts
from marketlab.models import MLPForecaster
from marketlab.training import NetData, NetJob, NetResult, fit_many


class _Nets(NamedTuple):
    task: SeriesTask
    jobs: list[NetJob]


def refit_nets(
    tasks: Sequence[SeriesTask], *, seed: int, index: int, progress: Progress | None = None
) -> list[Refit | None]:
    """Train the nets of every strategy on one series; None where one could not be trained.

    Parameters
    ----------
    seed : the campaign's; a strategy with a seed of its own keeps that. index : of the surrogate,
        0 for the real bars.
    """
    planned = [_plan(task, seed, index) for task in tasks]
    jobs = [job for nets in planned if nets is not None for job in nets.jobs]
    results = iter(fit_many(jobs, workers=1, progress=progress))
    return [
        None if nets is None else _refit(nets, [next(results) for _ in nets.jobs])
        for nets in planned
    ]


def net_seed(seed: int, index: int) -> int:
    """Return the seed of a strategy's net on surrogate `index`; on the real bars the run's own."""
    return seed if index == 0 else stream_key(seed, "net null", index) >> 1


def _plan(task: SeriesTask, seed: int, index: int) -> _Nets | None:
    training = task.strategy.training
    base = net_seed(training.seed if training.seed is not None else seed, index)
    x = task.x()
    jobs = []
    for k, fold in enumerate(task.folds):
        try:
            data = NetData(
                task.scaled(x, fold.train), task.labels.value, fold.train, fold.validation
            )
        except DataError:  # an empty part: no net, so no number
            return None
        jobs.append(
            NetJob(
                name=task.strategy.name,
                data=data,
                model=task.strategy.model.architecture,
                trainer=training.trainer(),
                seed=fold_seed(base, k) if task.is_walk else base,
            )
        )
    return _Nets(task, jobs)


def _refit(nets: _Nets, results: Sequence[NetResult]) -> Refit | None:
    task, labels = nets.task, nets.task.labels
    if not all(len(fold.judged) for fold in task.folds):
        return None
    forecasts, baselines = [], []
    for fold, job, result in zip(task.folds, nets.jobs, results, strict=True):
        if result.best_weights is None:
            return None
        net = MLPForecaster(result.best_weights, task.strategy.model.architecture)
        forecasts.append(net.predict(np.ascontiguousarray(job.data.x[fold.judged])))
        baselines.append(
            causal_baselines(
                labels.value[fold.train],
                len(fold.judged),
                state_train=task.state[fold.train],
                state_eval=task.state[fold.judged],
            )
        )
    rows = np.concatenate([fold.judged for fold in task.folds])
    trained = np.concatenate([labels.value[fold.train] for fold in task.folds])
    return Refit(
        y=labels.value[rows],
        probabilities=np.concatenate(forecasts),
        baselines={n: np.concatenate([b[n] for b in baselines]) for n in baselines[0]},
        event=labels.event[rows],
        bar=labels.bar[rows],
        train_counts=class_counts(trained),
    )
