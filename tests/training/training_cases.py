"""Small training problems that every test file here uses."""

import numpy as np

from marketlab.models import MLPConfig
from marketlab.training import EarlyStoppingConfig, TrainerConfig, TrainingData

MODEL = MLPConfig(hidden_layers=(12, 7), dropout=0.2)
NO_STOP = EarlyStoppingConfig(enabled=False)


def make_data(n_train=300, n_validation=120, n_features=5, seed=0, dtype=np.float32):
    """Rows whose class depends on the features, with noise; HOLD is rare."""
    rng = np.random.default_rng(seed)
    x = rng.random((n_train + n_validation, n_features))
    score = x[:, 0] - x[:, 1] + 0.4 * rng.normal(size=len(x))
    y = np.where(score > 0, 0, 2)
    y[np.abs(score) < 0.05] = 1
    x = x.astype(dtype)
    return TrainingData(
        x[:n_train],
        y[:n_train],
        x[n_train:],
        y[n_train:],
        tuple(f"f{i}" for i in range(n_features)),
    )


def trainer(**changes):
    """A short run without early stopping, unless `changes` say otherwise."""
    return TrainerConfig(**({"epochs": 4, "early_stopping": NO_STOP} | changes))


def assert_same_weights(left, right):
    assert list(left) == list(right)
    for name, tensor in left.items():
        np.testing.assert_array_equal(tensor, right[name])


def largest_difference(left, right):
    return max(float(np.abs(left[n].astype(float) - right[n].astype(float)).max()) for n in left)


def without_time(metrics):
    """An epoch's metrics without what the clock wrote."""
    return {
        k: v
        for k, v in metrics.to_mapping().items()
        if k not in {"duration_seconds", "finished_at"}
    }
