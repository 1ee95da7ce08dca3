"""Speed of the compiled trainer against eager PyTorch, all in one run on one core.

Run: ``OPENBLAS_NUM_THREADS=1 python benchmarks/bench_training.py``. One JSON line per measure.
The net is 9-64-32-3 with dropout 0.2, Adam with weight decay 1e-4, batches of 32 from 35,395 rows
(the campaign). The compiled epoch also measures gradient norms, training loss and accuracy; the
eager loops do not, and use fused Adam on one thread. Machines are shared, so the three are timed
in turns and the best turn of each counts; the ratios are what to trust. Synthetic inputs.
"""

import json
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from marketlab.core import Progress, code_version
from marketlab.models import MLPConfig, MLPForecaster, fit_logistic_binary, initial_weights
from marketlab.training import (
    EarlyStoppingConfig,
    RunAnalytics,
    RunFacts,
    TrainerConfig,
    TrainingData,
    fit,
)
from marketlab.training._compiled_engine import CompiledEngine
from marketlab.training._engine import EngineRequest

N_TRAIN, N_VALIDATION, N_FEATURES, BATCH, TURNS = 35_395, 7_585, 9, 32, 3
N_STEPS = -(-N_TRAIN // BATCH)
MODEL = MLPConfig(hidden_layers=(64, 32), dropout=0.2)
CONFIG = TrainerConfig(
    weight_decay=1e-4, epochs=20, early_stopping=EarlyStoppingConfig(enabled=False)
)


def make_data() -> TrainingData:
    rng = np.random.default_rng(0)
    n = N_TRAIN + N_VALIDATION
    x = rng.random((n, N_FEATURES)).astype(np.float32)
    y = np.where(x[:, 0] - x[:, 1] + 0.5 * rng.normal(size=n) > 0, 0, 2)
    names = tuple(f"f{i}" for i in range(N_FEATURES))
    return TrainingData(x[:N_TRAIN], y[:N_TRAIN], x[N_TRAIN:], y[N_TRAIN:], names)


class Eager:
    """The usual PyTorch step."""

    def __init__(self, data: TrainingData) -> None:
        torch.manual_seed(0)
        self.x, self.y = torch.from_numpy(data.x_train), torch.from_numpy(data.y_train)
        nn = torch.nn
        self.net = nn.Sequential(
            *(nn.Linear(N_FEATURES, 64), nn.ReLU(), nn.Dropout(0.2)),
            *(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 3)),
        )
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(
            self.net.parameters(), lr=1e-3, weight_decay=1e-4, fused=True
        )
        dataset = torch.utils.data.TensorDataset(self.x, self.y)
        self.loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH, shuffle=True)

    def step(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Forward, backward, update."""
        self.optimizer.zero_grad()
        self.loss(self.net(x), y).backward()
        self.optimizer.step()

    def epoch(self) -> None:
        """One epoch on slices of a permuted tensor."""
        order = torch.randperm(N_TRAIN)
        x, y = self.x[order], self.y[order]
        for start in range(0, N_TRAIN, BATCH):
            self.step(x[start : start + BATCH], y[start : start + BATCH])

    def loader_epoch(self) -> None:
        """One epoch through a DataLoader."""
        for x, y in self.loader:
            self.step(x, y)


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def show(measure: str, value: float, unit: str) -> None:
    print(json.dumps({"measure": measure, "value": round(value, 3), "unit": unit}), flush=True)


def bench_epochs(data: TrainingData) -> None:
    engine = CompiledEngine(EngineRequest(data, MODEL, CONFIG, 1, None))
    progress = Progress.in_memory()
    engine.run_epoch(0, progress)
    eager = Eager(data)
    ways: dict[str, Callable[[], object]] = {
        "compiled": lambda: [engine.run_epoch(e, progress) for e in range(4)],
        "eager": eager.epoch,
        "dataloader": eager.loader_epoch,
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(TURNS):
        for name, way in ways.items():
            taken = seconds(way) / (4 if name == "compiled" else 1)
            best[name] = min(best[name], taken)
    for name, taken in best.items():
        show(f"{name} step", taken / N_STEPS * 1e6, "us")
    show("eager / compiled, per epoch", best["eager"] / best["compiled"], "ratio")
    show("dataloader / compiled, per epoch", best["dataloader"] / best["compiled"], "ratio")


def bench_fit(data: TrainingData) -> None:
    plain = min(seconds(lambda: fit(data, MODEL, CONFIG, seed=1)) for _ in range(TURNS))
    show("fit, one epoch with validation and metrics", plain / CONFIG.epochs * 1e3, "ms")
    writing = 0.0
    config = CONFIG.model_copy(update={"epochs": 100})
    with tempfile.TemporaryDirectory() as folder:
        facts = RunFacts("run", "v15_rsi_only", None, 1, {"name": "v15_rsi_only"})
        writer = RunAnalytics(Path(folder) / "runs" / "run", Path(folder) / "failed", facts)

        def on_epoch(metrics, state):
            nonlocal writing
            writing += seconds(lambda: writer.on_epoch(metrics, state))

        small = TrainingData(
            data.x_train[:64],
            data.y_train[:64],
            data.x_validation,
            data.y_validation,
            data.feature_names,
        )
        fit(small, MODEL, config, seed=1, on_epoch=on_epoch)
    show("run files, mean per epoch over 100 epochs", writing / 100 * 1e3, "ms")


def bench_models(data: TrainingData) -> None:
    model = MLPForecaster(initial_weights(MODEL, N_FEATURES, 3, 1), MODEL)
    row = data.x_train[:1]
    model.predict(row)
    one = min(seconds(lambda: [model.predict(row) for _ in range(1000)]) for _ in range(TURNS))
    show("forecast of one row", one / 1000 * 1e6, "us")
    many = min(seconds(lambda: model.predict(data.x_train)) for _ in range(TURNS))
    show("forecast per row in a batch", many / N_TRAIN * 1e6, "us")
    rng = np.random.default_rng(0)
    for n, f in ((35_000, 36), (3_500, 18)):
        columns = rng.random((f, n)).astype(np.float32)
        y = (rng.random(n) < 0.25 + 0.5 * columns[0]).astype(np.int8)
        best = min(seconds(lambda x=columns.T, y=y: fit_logistic_binary(x, y)) for _ in range(20))
        show(f"two-class logistic fit, {n} x {f}, float32", best * 1e3, "ms")


def main() -> None:
    torch.set_num_threads(1)
    machine = {"machine": platform.processor() or platform.machine(), "code": code_version()}
    print(json.dumps(machine | {"torch": torch.__version__, "numpy": np.__version__}))
    data = make_data()
    bench_epochs(data)
    bench_fit(data)
    bench_models(data)


if __name__ == "__main__":
    main()
