"""The nets of a walk: one for each block, each trained only on what lies before its block.

Their forecasts, side by side, are what a walk-forward run is judged by. Each finished fold is kept
beside the run's checkpoint, so that a run that was stopped goes on with the next one; the same
folds and seeds give the same forecasts, so nothing depends on where it stopped.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from marketlab.campaigns._arrays_file import read_arrays
from marketlab.campaigns._prepare import Prepared
from marketlab.campaigns._strategy import StrategyConfig
from marketlab.core import (
    FloatArray,
    IntegrityError,
    Progress,
    atomic_write,
    canonical_json,
    iso,
    stream_key,
)
from marketlab.evaluation import Fold, classification_scores
from marketlab.features import Standardizer
from marketlab.models import MLPForecaster
from marketlab.training import Backend, TrainingData, fit


@dataclass(frozen=True)
class WalkForecast:
    """What the nets of a walk forecast, fold after fold.

    Attributes
    ----------
    probabilities : (n, 3) over the samples of ``Prepared.positions("walk-forward")``.
    folds : facts of each fold, JSON-ready: sizes, times, epochs and scores.
    """

    probabilities: FloatArray
    folds: list[dict[str, Any]]


def fold_seed(seed: int, k: int) -> int:
    """Return the seed of the net of fold `k`, 0-based."""
    return stream_key(seed, "fold", k) >> 1


def forecast_walk(
    strategy: StrategyConfig,
    prepared: Prepared,
    *,
    seed: int,
    backend: Backend = "compiled",
    kept: Path | None = None,
    progress: Progress | None = None,
    after_fold: Callable[[], None] = lambda: None,
) -> WalkForecast:
    """Train the net of each scored fold and forecast its block.

    Parameters
    ----------
    kept : folder for finished folds of this run; those that are there are not trained again. One
        that cannot be read is: the same fold and seed give the same forecasts.
    after_fold : called after each fold; an error that it raises ends the walk.

    Raises
    ------
    CancelledError when `progress` asks for it. DataError for a fold that nothing can be fitted on.
    """
    forecasts: list[FloatArray] = []
    facts: list[dict[str, Any]] = []
    scored = prepared.folds.scored
    for k, fold in enumerate(scored):
        if progress is not None:
            progress.net(1 + k, 1 + len(scored))  # the net that is kept was trained before
        path = None if kept is None else kept / f"fold_{k:04d}.npz"
        found = None if path is None else _kept(path, fold, fold_seed(seed, k))
        if found is None:
            found = _one(
                strategy, prepared, fold, fold_seed(seed, k), backend=backend, progress=progress
            )
            if path is not None:
                _write(path, *found)
        forecast, told = found
        forecasts.append(forecast)
        facts.append({"fold": k + 1, **told})
        after_fold()
    empty = np.empty((0, 3))
    return WalkForecast(np.concatenate([empty, *forecasts]), facts)


def _one(
    strategy: StrategyConfig,
    prepared: Prepared,
    fold: Fold,
    seed: int,
    *,
    backend: Backend,
    progress: Progress | None,
) -> tuple[FloatArray, dict[str, Any]]:
    bar, value = prepared.samples.bar, prepared.labels.value
    rows = {name: prepared.features.rows(bar[fold.part(name)]) for name in fold.parts}
    if any(kind != "none" for kind in prepared.normalization):
        scaler = Standardizer.fit(
            rows["train"], prepared.normalization, names=prepared.features.names
        )
        rows = {name: scaler.apply(x) for name, x in rows.items()}
    data = TrainingData(
        x_train=rows["train"],
        y_train=value[fold.train],
        x_validation=rows["validation"],
        y_validation=value[fold.validation],
        feature_names=tuple(prepared.features.names),
    )
    result = fit(
        data,
        strategy.model.architecture,
        strategy.training.trainer(),
        seed=seed,
        backend=backend,
        progress=progress,
    )
    net = MLPForecaster(result.best_weights, strategy.model.architecture)
    forecast = net.predict(rows["test"])
    scores = classification_scores(value[fold.test], forecast)
    judged = bar[fold.test]
    return forecast, {
        "train": len(fold.train),
        "validation": len(fold.validation),
        "scored": len(fold.test),
        "purged": fold.purged_train + fold.purged_validation + fold.purged_test,
        "first_time": iso(prepared.bars.times(int(judged[0]))) if len(judged) else None,
        "last_time": iso(prepared.bars.times(int(judged[-1]))) if len(judged) else None,
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "val_loss": result.history[result.best_epoch].val_loss,
        "log_loss": scores.log_loss,
        "accuracy": scores.accuracy,
        "seed": seed,
    }


def _write(path: Path, forecast: FloatArray, facts: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    told = np.frombuffer(canonical_json(facts).encode(), dtype=np.uint8)
    np.savez(buffer, forecast=forecast, facts=told)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, buffer.getvalue())


def _kept(path: Path, fold: Fold, seed: int) -> tuple[FloatArray, dict[str, Any]] | None:
    """Return a finished fold; None if there is none, or it is damaged or of another net."""
    if not path.is_file():
        return None
    try:
        arrays = read_arrays(path, suggestion="The fold is trained again.")
        told: dict[str, Any] = json.loads(arrays["facts"].tobytes())
        forecast: FloatArray = arrays["forecast"]
    except (IntegrityError, KeyError, ValueError):
        return None
    fits = forecast.shape == (len(fold.test), 3) and told.get("seed") == seed
    return (forecast, told) if fits else None
