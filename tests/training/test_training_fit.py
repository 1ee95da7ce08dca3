"""The loop: stopping rules, best weights, determinism, cancellation, resume, refusals."""

import builtins
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_cases import MODEL, assert_same_weights, make_data, trainer, without_time

from marketlab.core import (
    CancelledError,
    ConfigError,
    ConflictError,
    DataError,
    Progress,
    Slot,
    TrainingDivergedError,
)
from marketlab.models import MLPConfig, MLPForecaster
from marketlab.training import (
    EarlyStoppingConfig,
    StopRecord,
    TrainerConfig,
    TrainingData,
    fit,
)


def run_stop(values, **config):
    """Feed monitored values to the stop record; return it and the epoch after which it stopped."""
    settings_ = EarlyStoppingConfig(**config)
    record = StopRecord()
    for epoch, value in enumerate(values):
        record = record.after(epoch, value, settings_)
        if record.stopped:
            return record, epoch
    return record, None


def test_patience_15_leaves_at_least_16_rows():
    _, stopped = run_stop([1.0] * 100, patience=15)
    assert stopped == 15


def test_disabled_early_stopping_never_stops_but_keeps_the_best():
    record, stopped = run_stop([1.0, 0.5, *[2.0] * 50], enabled=False, patience=1)
    assert stopped is None
    assert (record.best_epoch, record.best_value) == (1, 0.5)


@pytest.mark.parametrize(
    ("min_delta", "expected"),
    [(0.25, 2), (0.125, None), (0.0, None)],
)
def test_min_delta_counts_only_what_is_better_by_more(min_delta, expected):
    # Steps of exactly 0.25: not *more* than 0.25, so they do not count at min_delta 0.25.
    _, stopped = run_stop([2.0, 1.75, 1.75, 1.5, 1.5], patience=2, min_delta=min_delta)
    assert stopped == expected


def test_small_gains_add_up_against_the_last_improvement():
    record, stopped = run_stop([1.0, 0.75, 0.5, 0.25], patience=2, min_delta=0.3)
    assert stopped is None
    assert record.reference == 0.5
    assert record.best_epoch == 3


def test_the_best_epoch_ignores_min_delta_and_ties_go_to_the_first():
    record, _ = run_stop([1.0, 0.9999, 0.9999], min_delta=0.5, patience=10)
    assert record.best_epoch == 1


def test_monitored_accuracy_is_better_when_larger():
    record, stopped = run_stop(
        [0.5, 0.6, 0.55, 0.58, 0.4], monitor="val_accuracy", patience=3, min_delta=0.0
    )
    assert record.best_epoch == 1
    assert stopped == 4


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_best_weights_are_those_of_the_best_epoch(monitor):
    data = make_data()
    config = trainer(
        epochs=12,
        learning_rate=0.05,
        early_stopping=EarlyStoppingConfig(enabled=False, monitor=monitor),
    )
    weights = {}
    result = fit(
        data,
        MODEL,
        config,
        seed=5,
        on_epoch=lambda m, s: weights.update(
            {m.epoch: {k: v.copy() for k, v in s.weights.items()}}
        ),
    )
    values = [m.val_loss if monitor == "val_loss" else -m.val_accuracy for m in result.history]
    assert result.best_epoch == int(np.argmin(values)) != 11
    assert_same_weights(result.best_weights, weights[result.best_epoch])
    assert_same_weights(result.last_weights, weights[11])
    # T8: what is evaluated has the score that was recorded for the best epoch.
    model = MLPForecaster(result.best_weights, MODEL)
    p, logs = model.predict_with_log(data.x_validation)
    best = result.history[result.best_epoch]
    assert best.val_loss == -float(logs[np.arange(len(p)), data.y_validation].mean())
    assert best.val_accuracy == (p.argmax(axis=1) == data.y_validation).mean()


def test_early_stopping_ends_the_run_and_marks_only_its_last_row():
    config = TrainerConfig(
        epochs=50,
        learning_rate=0.05,
        early_stopping=EarlyStoppingConfig(patience=3, min_delta=0.001),
    )
    result = fit(make_data(), MODEL, config, seed=1)
    assert result.stopped_early
    assert result.stopping_reason == "early_stopping"
    assert len(result.history) < 50
    assert [m.early_stopping_triggered for m in result.history] == [
        *[False] * (len(result.history) - 1),
        True,
    ]


def test_a_full_run_is_completed():
    result = fit(make_data(), MODEL, trainer(epochs=3), seed=1)
    assert (result.stopped_early, result.stopping_reason) == (False, "completed")
    assert result.n_steps == 3 * 10
    assert [m.epoch for m in result.history] == [0, 1, 2]


def test_same_seed_same_everything_other_seed_other_weights():
    data, config = make_data(), trainer()
    one, two = (fit(data, MODEL, config, seed=7) for _ in range(2))
    assert_same_weights(one.best_weights, two.best_weights)
    assert [without_time(m) for m in one.history] == [without_time(m) for m in two.history]
    other = fit(data, MODEL, config, seed=8)
    assert other.history[0].train_loss != one.history[0].train_loss


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 0.01},
        {"batch_size": 16},
        {"optimizer": "sgd"},
        {"optimizer": "adamw"},
        {"weight_decay": 0.1},
        {"gradient_clip": 0.01, "optimizer": "sgd"},
        {"dtype": "float64"},
        {"epochs": 5},
    ],
)
def test_every_option_changes_the_run(change):
    data = make_data()
    base = {"weight_decay": 0.01} | ({"optimizer": "sgd"} if "gradient_clip" in change else {})
    plain = fit(data, MODEL, trainer(**base), seed=1)
    changed = fit(data, MODEL, trainer(**(base | change)), seed=1)
    assert any(
        not np.array_equal(plain.last_weights[n], changed.last_weights[n])
        for n in plain.last_weights
    )


@pytest.mark.parametrize("change", [{"dropout": 0.0}, {"activation": "tanh"}])
def test_every_model_option_changes_the_run(change):
    data = make_data()
    other = MLPConfig(**(MODEL.model_dump() | change))
    one, two = (fit(data, m, trainer(epochs=1), seed=1) for m in (MODEL, other))
    assert one.history[0].train_loss != two.history[0].train_loss


def test_dropout_hits_the_stated_share_of_units():
    from marketlab.training._step_kernel import drop_out

    mask = np.ones((400, 64), dtype=np.float32)
    drop_out(mask, mask.copy(), 64, 400, 0.2, np.uint64(1), np.uint64(0), np.uint64(64))
    assert set(np.unique(mask)) == {np.float32(0.0), np.float32(1.25)}
    assert abs((mask == 0).mean() - 0.2) < 0.01


def test_training_learns_what_is_there():
    result = fit(make_data(2000, 500), MODEL, trainer(epochs=20, learning_rate=0.01), seed=1)
    assert result.history[-1].val_accuracy > 0.7  # noise leaves about 0.77 within reach
    assert result.history[-1].train_loss < result.history[0].train_loss


class CancelAfter:
    """Asks for cancellation in the epoch after `epochs` finished ones."""

    def __init__(self, epochs, progress):
        self.epochs, self.progress, self.states = epochs, progress, []

    def __call__(self, metrics, state):
        self.states.append(state)
        if state.epoch == self.epochs:
            self.progress.cancel()


@given(
    stop_after=st.integers(1, 7),
    optimizer=st.sampled_from(["adam", "sgd"]),
    monitor=st.sampled_from(["val_loss", "val_accuracy"]),
)
@settings(deadline=None, max_examples=12)
def test_resumed_equals_uninterrupted_bit_for_bit(stop_after, optimizer, monitor):
    data = make_data()
    config = TrainerConfig(
        epochs=8,
        learning_rate=0.03,
        optimizer=optimizer,
        early_stopping=EarlyStoppingConfig(patience=3, monitor=monitor),
    )
    whole = fit(data, MODEL, config, seed=2)
    progress = Progress.in_memory()
    watch = CancelAfter(stop_after, progress)
    try:
        fit(data, MODEL, config, seed=2, on_epoch=watch, progress=progress)
    except CancelledError:
        pass
    else:
        assert len(whole.history) <= stop_after
    resumed = fit(data, MODEL, config, seed=2, resume=watch.states[-1])
    assert_same_weights(resumed.best_weights, whole.best_weights)
    assert_same_weights(resumed.last_weights, whole.last_weights)
    assert_same_weights(resumed.state.moment_2, whole.state.moment_2)
    assert [without_time(m) for m in resumed.history] == [without_time(m) for m in whole.history]
    assert resumed.best_epoch == whole.best_epoch
    assert resumed.stopping_reason == whole.stopping_reason
    assert resumed.n_steps == whole.n_steps


def test_states_handed_out_do_not_change_afterwards():
    states, copies = [], []

    def keep(_metrics, state):
        states.append(state)
        copies.append({k: v.copy() for k, v in state.weights.items()})

    fit(make_data(), MODEL, trainer(), seed=1, on_epoch=keep)
    for state, copy in zip(states, copies, strict=True):
        assert_same_weights(state.weights, copy)


def test_cancellation_within_an_epoch_drops_the_partial_epoch():
    data = make_data()
    progress = Progress.in_memory()
    seen = []

    def on_epoch(metrics, state):
        seen.append(state)
        if metrics.epoch == 1:
            progress.array[Slot.CANCEL] = 1

    with pytest.raises(CancelledError):
        fit(data, MODEL, trainer(), seed=1, on_epoch=on_epoch, progress=progress)
    assert [s.epoch for s in seen] == [1, 2]
    assert progress.array[Slot.EPOCH] == 2
    assert progress.array[Slot.BATCH] == 0


def test_the_kernel_reads_the_cancel_flag_before_each_batch():
    from marketlab.training._compiled_engine import CompiledEngine
    from marketlab.training._config import TrainerConfig as Config
    from marketlab.training._engine import EngineRequest

    engine = CompiledEngine(EngineRequest(make_data(), MODEL, Config(epochs=1), 1, None))
    before = engine.snapshot()
    progress = Progress.in_memory()
    progress.cancel()
    with pytest.raises(CancelledError):
        engine.run_epoch(0, progress)
    assert_same_weights(engine.snapshot().weights, before.weights)
    assert progress.array[Slot.BATCH] == 0


def test_progress_shows_epochs_and_batches():
    progress = Progress.in_memory()
    texts = []
    fit(
        make_data(),
        MODEL,
        trainer(epochs=2),
        seed=1,
        progress=progress,
        on_epoch=lambda _m, _s: texts.append(progress.describe()["current_step"]),
    )
    assert texts == ["Epoch 1/2 · Batch 10/10", "Epoch 2/2 · Batch 10/10"]
    assert progress.seconds_since_beat() < 60


@pytest.mark.parametrize("backend", ["compiled", "torch"])
def test_divergence_names_epoch_and_batch(backend):
    seen = []
    config = trainer(learning_rate=1e30, optimizer="sgd")
    with pytest.raises(TrainingDivergedError, match="epoch 0, batch 1") as caught:
        fit(
            make_data(),
            MODEL,
            config,
            seed=1,
            backend=backend,
            on_epoch=lambda m, _s: seen.append(m),
        )
    assert caught.value.details == {"epoch": 0, "batch": 1}
    assert "learning_rate" in caught.value.suggestion
    assert seen == []


def test_divergence_in_validation_is_named():
    data = make_data()
    bad = TrainingData(
        data.x_train,
        data.y_train,
        np.full_like(data.x_validation, 3e38),
        data.y_validation,
        data.feature_names,
    )
    with pytest.raises(TrainingDivergedError, match="epoch 0, validation"):
        fit(bad, MODEL, trainer(), seed=1)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("seed", {"seed": 2}),
        ("backend", {"backend": "torch"}),
        ("config_hash", {"config": trainer(epochs=9)}),
        ("data_hash", {"data": make_data(seed=1)}),
    ],
)
def test_resuming_something_else_is_a_conflict(field, change):
    asked = {"data": make_data(), "model": MODEL, "config": trainer(epochs=1), "seed": 1}
    state = fit(**asked).state
    with pytest.raises(ConflictError, match="the checkpoint was made with another") as caught:
        fit(**(asked | change), resume=state)
    assert caught.value.field == field
    assert caught.value.code == "CHECKPOINT-Mismatch"


def test_unknown_backend_is_refused():
    with pytest.raises(ConfigError, match="'compiled' or 'torch'"):
        fit(make_data(), MODEL, trainer(), seed=1, backend="jax")


def test_missing_torch_says_how_to_get_it(monkeypatch):
    real_import = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "torch" or name.startswith("torch."):
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return real_import(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "marketlab.training._torch_engine", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigError, match=r"pip install 'marketlab\[deep\]' -c constraints.txt"):
        fit(make_data(), MODEL, trainer(), seed=1, backend="torch")


def test_importing_the_room_imports_no_torch():
    import subprocess

    code = "import sys, marketlab.training; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"x_train": np.zeros((3, 4), np.float32)}, "there are 5 feature names"),
        (
            {"x_validation": np.zeros((0, 5), np.float32), "y_validation": np.zeros(0, int)},
            "no rows",
        ),
        ({"x_train": np.full((300, 5), np.nan, np.float32)}, "row 0, feature 'f0'"),
        ({"y_train": np.full(300, 3)}, "y_train holds 3 … 3"),
    ],
)
def test_bad_data_is_refused(change, text):
    good = make_data()
    fields = {name: getattr(good, name) for name in good.__dataclass_fields__}
    with pytest.raises(DataError, match=text):
        TrainingData(**(fields | change))


@pytest.mark.parametrize(
    ("mapping", "text"),
    [
        ({"learning_rate": 0.0}, "greater than 0"),
        ({"batch_size": 0}, "greater than or equal to 1"),
        ({"optimizer": "rmsprop"}, "'adam', 'adamw' or 'sgd'"),
        ({"early_stopping": {"patience": 0}}, "greater than or equal to 1"),
        ({"early_stopping": {"monitor": "loss"}}, "'val_loss' or 'val_accuracy'"),
        ({"lerning_rate": 0.1}, "unknown key 'lerning_rate'"),
    ],
)
def test_bad_trainer_configurations_are_refused(mapping, text):
    with pytest.raises(ConfigError, match=text):
        TrainerConfig.from_mapping(mapping)
