"""Many nets in one call: each as if alone, over any number of workers, and what goes wrong."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_cases import MODEL, NO_STOP, assert_same_weights, largest_difference, trainer

from marketlab.core import (
    CancelledError,
    ConfigError,
    DataError,
    FrozenConfig,
    Progress,
    Slot,
    TransientError,
)
from marketlab.models import MLPConfig
from marketlab.training import (
    EarlyStoppingConfig,
    NetData,
    NetHistory,
    NetJob,
    TrainerConfig,
    TrainingData,
    fit,
    fit_many,
    plan_memory,
    register_net_family,
)

STOP = TrainerConfig(epochs=20, learning_rate=0.03, early_stopping=EarlyStoppingConfig(patience=3))


def make_rows(n=420, n_features=5, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    x = rng.random((n, n_features))
    score = x[:, 0] - x[:, 1] + 0.4 * rng.normal(size=n)
    y = np.where(score > 0, 0, 2)
    y[np.abs(score) < 0.05] = 1
    return x.astype(dtype), y


def make_net_data(n_train=300, n=420, first=0, **changes):
    x, y = make_rows(n, **changes)
    x[:first] = np.nan  # warm-up rows that no part names
    return NetData(x, y, np.arange(first, n_train), np.arange(n_train, n))


def alone(job, backend="compiled"):
    data = job.data
    parts = TrainingData(
        data.x[data.train],
        data.y[data.train],
        data.x[data.validation],
        data.y[data.validation],
        tuple(f"f{i}" for i in range(data.x.shape[1])),
    )
    return fit(parts, job.model, job.trainer, seed=job.seed, backend=backend)


def assert_as_alone(result, job):
    one = alone(job)
    assert_same_weights(result.best_weights, one.best_weights)
    assert result.train_loss.tolist() == [m.train_loss for m in one.history]
    assert result.validation_loss.tolist() == [m.val_loss for m in one.history]
    assert result.validation_accuracy.tolist() == [m.val_accuracy for m in one.history]
    assert (result.best_epoch, result.n_steps) == (one.best_epoch, one.n_steps)
    assert result.status == one.stopping_reason
    assert (result.name, result.seed) == (job.name, job.seed)


@given(
    activation=st.sampled_from(["relu", "tanh"]),
    optimizer=st.sampled_from(["adam", "adamw", "sgd"]),
    hidden=st.sampled_from([(12, 7), (9,), (16, 8, 3)]),
    clip=st.sampled_from([None, 0.05]),
    workers=st.integers(1, 3),
    batch_size=st.integers(5, 40),
)
@settings(deadline=None, max_examples=12)
def test_each_net_is_bit_for_bit_what_it_is_alone(
    activation, optimizer, hidden, clip, workers, batch_size
):
    config = STOP.model_copy(
        update={
            "optimizer": optimizer,
            "gradient_clip": clip,
            "batch_size": batch_size,
            "epochs": 6,
            "weight_decay": 1e-3,
        }
    )
    model = MLPConfig(hidden_layers=hidden, activation=activation, dropout=0.2)
    shared, other = make_net_data(first=7), make_net_data(n_train=233, n=300, seed=3)
    jobs = [NetJob(f"{i}", d, model, config, i) for i in range(2) for d in (shared, other)]
    for result, job in zip(fit_many(jobs, workers=workers), jobs, strict=True):
        assert_as_alone(result, job)


def test_every_net_stops_by_its_own_validation_rows():
    jobs = [NetJob("", make_net_data(seed=s), MODEL, STOP, s) for s in range(6)]
    results = fit_many(jobs, workers=2)
    assert len({r.n_epochs for r in results}) > 1
    assert {r.status for r in results} >= {"early_stopping"}
    for result, job in zip(results, jobs, strict=True):
        assert result.best_epoch == int(np.argmin(result.validation_loss))
        assert_as_alone(result, job)


@pytest.mark.parametrize("kind", ["read-only", "memory map", "float64", "Fortran order"])
def test_rows_that_kernels_cannot_read_are_copied_once_and_counted(kind, tmp_path):
    data = make_net_data()
    x = np.array(data.x)
    if kind == "read-only":
        x.flags.writeable = False
    elif kind == "memory map":
        np.save(tmp_path / "x.npy", x)
        x = np.load(tmp_path / "x.npy", mmap_mode="r")
    else:
        x = x.astype(np.float64) if kind == "float64" else np.asfortranarray(x)
    other = dataclasses.replace(data, x=x)
    jobs = [NetJob("", other, MODEL, trainer(), s) for s in range(3)]
    assert plan_memory(jobs, workers=1).rows == 420 * 5 * 4
    plain = [NetJob("", data, MODEL, trainer(), s) for s in range(3)]
    assert plan_memory(plain, workers=1).rows == 0
    for one, two in zip(fit_many(jobs, workers=2), fit_many(plain, workers=1), strict=True):
        assert_same_weights(one.best_weights, two.best_weights)


def test_a_diverged_net_is_a_result_and_stops_no_other():
    wild = trainer(learning_rate=1e30, optimizer="sgd")
    data = make_net_data()
    jobs = [NetJob("good", data, MODEL, trainer(), 1), NetJob("wild", data, MODEL, wild, 1)]
    good, bad = fit_many(jobs, workers=2)
    assert_as_alone(good, jobs[0])
    assert (bad.status, bad.best_weights, bad.error_code) == (
        "diverged",
        None,
        "TRAINING-Diverged",
    )
    assert "epoch 0, batch 1" in bad.error
    assert bad.n_epochs == bad.n_steps == 0


def test_divergence_in_validation_is_a_result():
    data = make_net_data()
    data.x[data.validation] = 3e38
    (result,) = fit_many([NetJob("", data, MODEL, trainer(), 1)])
    assert result.status == "diverged"
    assert "validation" in result.error


class _ToyConfig(FrozenConfig):
    fails: str = "no"


class _ToyFamily:
    """A kind of net of a test: its weights are its seed."""

    def result_bytes(self, job):
        return 8

    def working_bytes(self, job):
        return 1000

    def train(self, job, x, y, control):
        if job.model.fails == "data":
            raise DataError("a rule of this kind is broken.", code="TOY-Rule")
        if job.model.fails == "memory":
            raise MemoryError
        if job.model.fails == "bug":
            raise ZeroDivisionError("a mistake")
        history = NetHistory()
        history.add(1.0, float(x.sum()), float(y.sum()))
        weights = {"seed": np.array([job.seed])}
        return history.result(job, "completed", seconds=0.0, n_steps=1, best=(weights, 0))


register_net_family(_ToyConfig, _ToyFamily())


def test_another_kind_of_net_takes_the_same_interface():
    data = make_net_data()
    jobs = [NetJob("toy", data, _ToyConfig(), trainer(), 5), NetJob("", data, MODEL, STOP, 5)]
    toy, net = fit_many(jobs, workers=2)
    assert toy.best_weights["seed"] == 5
    assert toy.validation_loss.tolist() == [float(data.x.sum())]
    assert_as_alone(net, jobs[1])
    with pytest.raises(ConfigError, match="a kind of net has one family"):
        register_net_family(_ToyConfig, _ToyFamily())


@pytest.mark.parametrize(
    ("fails", "code", "text"),
    [
        ("data", "TOY-Rule", "a rule of this kind"),
        ("memory", "SYSTEM-OutOfMemory", "out of memory"),
        ("bug", "SYSTEM-Unexpected", r"ZeroDivisionError: a mistake .*test_training_many.py"),
    ],
)
def test_a_failed_net_is_a_result_and_stops_no_other(fails, code, text):
    data = make_net_data()
    jobs = [
        NetJob("bad", data, _ToyConfig(fails=fails), trainer(), 1),
        NetJob("good", data, MODEL, trainer(), 1),
    ]
    ticks = []
    bad, good = fit_many(jobs, workers=1, on_tick=ticks.append)
    assert (bad.status, bad.error_code, bad.best_weights) == ("failed", code, None)
    assert __import__("re").search(text, bad.error)
    assert_as_alone(good, jobs[1])
    assert (ticks[-1].done, ticks[-1].failed, ticks[-1].epochs) == (2, 1, 4)


def test_an_unknown_kind_is_refused_before_anything_is_trained():
    class Unknown(FrozenConfig):
        pass

    data, ticks = make_net_data(), []
    jobs = [NetJob("a", data, MODEL, STOP, 1), NetJob("b", data, Unknown(), STOP, 1)]
    with pytest.raises(ConfigError, match=r"job 'b' .* known: .*MLPConfig") as caught:
        fit_many(jobs, on_tick=ticks.append)
    assert caught.value.value == "Unknown"
    assert ticks == []


def test_memory_is_refused_before_the_first_net():
    jobs = [NetJob("", make_net_data(), MODEL, STOP, s) for s in range(4)]
    plan, ticks = plan_memory(jobs, workers=2), []
    with pytest.raises(TransientError, match=r"the nets need .* results") as caught:
        fit_many(jobs, workers=2, memory_limit=plan.total - 1, on_tick=ticks.append)
    assert caught.value.code == "SYSTEM-OutOfMemory"
    assert ticks == []
    assert len(fit_many(jobs, workers=2, memory_limit=plan.total)) == 4
    assert plan_memory(jobs, workers=1).working == plan.working // 2
    assert plan_memory(jobs, workers=1, backend="torch").working == plan.working * 2


def test_progress_counts_nets_and_the_ticks_carry_an_eta():
    progress, ticks = Progress.in_memory(), []
    jobs = [NetJob("", make_net_data(), MODEL, trainer(epochs=60), s) for s in range(30)]
    fit_many(jobs, workers=2, progress=progress, on_tick=ticks.append)
    assert (progress.array[Slot.DONE], progress.array[Slot.TOTAL]) == (30, 30)
    last = ticks[-1]
    assert (last.done, last.total, last.failed, last.epochs) == (30, 30, 0, 1800)
    assert last.eta_seconds == 0.0
    assert [t.done for t in ticks] == sorted(t.done for t in ticks)


def test_cancellation_ends_the_call_within_a_batch_or_two():
    progress = Progress.in_memory()
    long = trainer(epochs=100_000)
    jobs = [NetJob("", make_net_data(), MODEL, long, s) for s in range(4)]
    with pytest.raises(CancelledError):
        fit_many(jobs, workers=2, progress=progress, on_tick=lambda _: progress.cancel())
    assert progress.array[Slot.DONE] == 0


def test_an_error_of_the_listener_ends_the_call_too():
    def refuse(_state):
        raise RuntimeError("the screen is gone")

    jobs = [NetJob("", make_net_data(), MODEL, trainer(epochs=100_000), s) for s in range(3)]
    with pytest.raises(RuntimeError, match="the screen is gone"):
        fit_many(jobs, workers=2, on_tick=refuse)


def test_no_jobs_no_results():
    assert fit_many([]) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"workers": 0}, "workers: must be at least 1"),
        ({"backend": "jax"}, "'compiled' or 'torch'"),
        ({"device": "cuda"}, "compiled backend runs on the cpu"),
        ({"backend": "torch", "device": "toaster"}, "torch cannot use this device"),
    ],
)
def test_options_without_effect_are_refused(options, text):
    with pytest.raises(ConfigError, match=text):
        fit_many([NetJob("", make_net_data(), MODEL, STOP, 1)], **options)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"y": np.zeros(3, int)}, "each row needs one label"),
        ({"train": np.zeros(0, int)}, "the train part holds no rows"),
        ({"validation": np.array([420])}, "names rows 420 … 420; x has rows 0 … 419"),
        ({"train": np.array([-1])}, "names rows -1"),
        ({"train": np.array([0, 3])}, "row 3 of the train part"),
        ({"y": np.full(420, 3)}, "labels of the train part are 3 … 3"),
    ],
)
def test_bad_rows_are_refused(change, text):
    good = make_net_data()
    good.x[3] = np.nan
    with pytest.raises(DataError, match=text):
        dataclasses.replace(good, **{"train": np.arange(4, 300), **change})


CODE = """
import sys
sys.path.insert(0, sys.argv[1])
from test_training_many import MODEL, STOP, NetJob, fit_many, make_net_data
fit_many([NetJob("", make_net_data(), MODEL, STOP, s) for s in range(3)], workers=2)
print("torch" in sys.modules)
"""


def test_the_compiled_path_never_imports_torch():
    out = subprocess.run(
        [sys.executable, "-c", CODE, str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.returncode == 0, out.stderr
    assert out.stdout.strip() == "False"


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_torch_batch_equals_each_net_alone_to_1e_9_in_float64(optimizer, dropout):
    """Five nets, two matrices, unequal parts, own masks: both backends, best and all losses."""
    config = trainer(
        epochs=3, dtype="float64", optimizer=optimizer, weight_decay=1e-2, gradient_clip=0.5
    )
    model = MLPConfig(hidden_layers=(12, 7), activation="tanh", dropout=dropout)
    one = make_net_data(dtype=np.float64)
    two = make_net_data(n_train=201, n=301, seed=4, dtype=np.float64)
    jobs = [NetJob(f"{s}", one if s % 2 else two, model, config, s) for s in range(5)]
    batched = fit_many(jobs, backend="torch")
    for result, job in zip(batched, jobs, strict=True):
        (compiled,) = fit_many([job], workers=1)
        assert result.name == job.name
        assert largest_difference(result.best_weights, compiled.best_weights) < 1e-9
        np.testing.assert_allclose(result.validation_loss, compiled.validation_loss, atol=1e-9)
        np.testing.assert_allclose(result.train_loss, compiled.train_loss, atol=1e-9)
        np.testing.assert_array_equal(result.validation_accuracy, compiled.validation_accuracy)
        assert (result.best_epoch, result.n_steps) == (compiled.best_epoch, compiled.n_steps)


def test_a_torch_batch_equals_compiled_nets_to_1e_5_in_float32_over_100_steps():
    model = MLPConfig(hidden_layers=(64, 32), dropout=0.2)
    jobs = [
        NetJob("", make_net_data(), model, trainer(epochs=10, weight_decay=1e-4), s)
        for s in range(3)
    ]
    pairs = zip(fit_many(jobs, backend="torch"), fit_many(jobs, workers=1), strict=True)
    for batched, compiled in pairs:
        assert compiled.n_steps == batched.n_steps == 100
        assert largest_difference(batched.best_weights, compiled.best_weights) < 1e-5
        assert all(w.dtype == np.float32 for w in batched.best_weights.values())


def test_nets_leave_a_torch_batch_when_they_stop_or_diverge():
    stop = EarlyStoppingConfig(patience=1, min_delta=0.01)
    config = STOP.model_copy(update={"dtype": "float64", "epochs": 9, "early_stopping": stop})
    data = [make_net_data(seed=s, dtype=np.float64) for s in range(4)]
    data[1].x[data[1].validation] = 1e308
    jobs = [NetJob(f"{s}", d, MODEL, config, s) for s, d in enumerate(data)]
    results = fit_many(jobs, backend="torch")
    assert results[1].status == "diverged"
    assert results[1].best_weights is None
    kept = [results[0], *results[2:]]
    assert len({r.n_epochs for r in kept}) > 1
    for result, job in zip(kept, [jobs[0], *jobs[2:]], strict=True):
        (compiled,) = fit_many([job])
        assert (result.n_epochs, result.status) == (compiled.n_epochs, compiled.status)
        assert largest_difference(result.best_weights, compiled.best_weights) < 1e-7
    wild = trainer(learning_rate=1e30, optimizer="sgd", early_stopping=NO_STOP)
    (bad,) = fit_many([NetJob("", data[0], MODEL, wild, 1)], backend="torch")
    assert "epoch 0, batch 1" in bad.error


def test_a_torch_batch_can_be_cancelled_and_takes_perceptrons_only():
    progress = Progress.in_memory()
    job = NetJob("", make_net_data(), MODEL, trainer(epochs=1000), 1)
    with pytest.raises(CancelledError):
        fit_many([job], backend="torch", progress=progress, on_tick=lambda _: progress.cancel())
    with pytest.raises(ConfigError, match="batches on torch are of perceptrons"):
        fit_many([dataclasses.replace(job, model=_ToyConfig())], backend="torch")
