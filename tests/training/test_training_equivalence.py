"""The compiled trainer reproduces PyTorch: same first weights, batches, masks and updates."""

import numpy as np
import pytest
from training_cases import MODEL, largest_difference, make_data, trainer, without_time

from marketlab.models import ACTIVATIONS, MLPConfig
from marketlab.training import fit


def both(data, model, config, seed=3):
    return (
        fit(data, model, config, seed=seed, backend="compiled"),
        fit(data, model, config, seed=seed, backend="torch"),
    )


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_float64_weights_agree_to_1e_9_over_two_epochs(optimizer, activation):
    data = make_data(dtype=np.float64)
    model = MLPConfig(hidden_layers=(12, 7), activation=activation, dropout=0.3)
    config = trainer(
        epochs=2, dtype="float64", optimizer=optimizer, weight_decay=1e-2, batch_size=32
    )
    compiled, torch = both(data, model, config)
    assert largest_difference(compiled.last_weights, torch.last_weights) < 1e-9
    assert largest_difference(compiled.state.moment_1, torch.state.moment_1) < 1e-9
    assert largest_difference(compiled.state.moment_2, torch.state.moment_2) < 1e-9
    for one, other in zip(compiled.history, torch.history, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, abs=1e-9)
        assert one.train_accuracy == other.train_accuracy
        assert one.val_loss == pytest.approx(other.val_loss, abs=1e-9)
        assert one.gradient_norm_avg == pytest.approx(other.gradient_norm_avg, rel=1e-9)
        assert one.gradient_norm_max == pytest.approx(other.gradient_norm_max, rel=1e-9)
        assert one.validation.classes == other.validation.classes
        assert one.validation.entropy == pytest.approx(other.validation.entropy, abs=1e-9)


@pytest.mark.parametrize(
    ("hidden", "n_features", "batch_size", "n_train"),
    [((1,), 1, 1, 5), ((9,), 3, 7, 20), ((64, 32), 9, 32, 101), ((5, 4, 3), 10, 33, 100)],
)
def test_any_layer_and_batch_size(hidden, n_features, batch_size, n_train):
    data = make_data(n_train, 20, max(2, n_features), dtype=np.float64)
    model = MLPConfig(hidden_layers=hidden, dropout=0.2)
    config = trainer(epochs=2, dtype="float64", batch_size=batch_size)
    compiled, torch = both(data, model, config)
    assert compiled.n_steps == torch.n_steps == 2 * -(-n_train // batch_size)
    assert largest_difference(compiled.last_weights, torch.last_weights) < 1e-9


@pytest.mark.parametrize("clip", [0.01, 0.3, 100.0])
def test_gradient_clipping_agrees(clip):
    data = make_data(dtype=np.float64)
    config = trainer(epochs=2, dtype="float64", gradient_clip=clip, optimizer="sgd")
    compiled, torch = both(data, MODEL, config)
    assert largest_difference(compiled.last_weights, torch.last_weights) < 1e-9
    free = fit(data, MODEL, trainer(epochs=2, dtype="float64", optimizer="sgd"), seed=3)
    moved = largest_difference(free.last_weights, compiled.last_weights)
    assert (moved == 0.0) == (clip == 100.0)


def test_float32_weights_agree_to_1e_5_over_1000_steps():
    data = make_data(n_train=3200, n_validation=200, n_features=9)
    model = MLPConfig(hidden_layers=(64, 32), dropout=0.2)
    config = trainer(epochs=10, batch_size=32, weight_decay=1e-4)
    compiled, torch = both(data, model, config)
    assert compiled.n_steps == 1000
    assert largest_difference(compiled.last_weights, torch.last_weights) < 1e-5
    assert all(w.dtype == np.float32 for w in compiled.last_weights.values())


def test_torch_resumes_exactly_too():
    data, config = make_data(), trainer(epochs=4)
    states = []
    whole = fit(
        data, MODEL, config, seed=1, backend="torch", on_epoch=lambda _m, s: states.append(s)
    )
    again = fit(data, MODEL, config, seed=1, backend="torch", resume=states[1])
    assert largest_difference(whole.last_weights, again.last_weights) == 0.0
    assert [without_time(m) for m in whole.history] == [without_time(m) for m in again.history]


@pytest.mark.slow
def test_score_distributions_agree_beyond_the_exact_steps():
    """Over 20 seeds the best validation losses of both trainers come from one distribution.

    Criterion: the paired difference of best validation loss has a mean within 3 standard errors
    of zero or below 1e-4 nats, and the two-sample Kolmogorov-Smirnov distance is below 0.43, the
    5 % critical value for 20 against 20.
    """
    data = make_data(n_train=3000, n_validation=600, n_features=9)
    model = MLPConfig(hidden_layers=(64, 32), dropout=0.2)
    config = trainer(epochs=25, batch_size=32, weight_decay=1e-4)
    scores = np.array(
        [
            [min(m.val_loss for m in result.history) for result in both(data, model, config, seed)]
            for seed in range(20)
        ]
    )
    difference = scores[:, 0] - scores[:, 1]
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    assert abs(difference.mean()) < max(3 * error, 1e-4)
    grid = np.sort(scores.ravel())
    steps = [np.searchsorted(np.sort(column), grid, side="right") / 20 for column in scores.T]
    assert np.abs(steps[0] - steps[1]).max() < 0.43
