"""Throughput of many small nets against eager PyTorch, and where a step's time goes, in one run.

Run: ``OPENBLAS_NUM_THREADS=1 python benchmarks/bench_many_nets.py``. One JSON line per measure.
The net is 9-64-32-3 with dropout 0.2, Adam with weight decay 1e-4, batches of 32 from 3,500 rows
(27 strategies on 5,000 bars have 3,452 to 3,486). The comparator is eager PyTorch with fused Adam,
one net after another on one thread, without validation; `fit_many` also judges 750 rows after each
epoch and keeps the best weights. Machines are shared, so all ways are timed in turns and the best
turn of each counts, by the clock and by the processor time that was used; on a loaded machine the
second is what to trust (per core: two free cores do twice as much). Synthetic inputs. Torch
batches are timed on the CPU to show that they do not pay there; on a GPU they were not timed.
"""

import json
import os
import platform
import time
from collections.abc import Callable

import numba
import numpy as np
import torch
from bench_training import Eager

from marketlab.core import code_version
from marketlab.models import MLPConfig, activate, add_product, add_transposed_product
from marketlab.training import (
    EarlyStoppingConfig,
    NetData,
    NetJob,
    TrainerConfig,
    TrainingData,
    fit,
    fit_many,
    plan_memory,
)
from marketlab.training import _step_kernel as step

N_TRAIN, N_VALIDATION, N_FEATURES, BATCH, TURNS = 3_500, 750, 9, 32, 4
N_STEPS = -(-N_TRAIN // BATCH)
MODEL = MLPConfig(hidden_layers=(64, 32), dropout=0.2)
CONFIG = TrainerConfig(
    weight_decay=1e-4, epochs=10, early_stopping=EarlyStoppingConfig(enabled=False)
)
NETS = 16
# Multiply-adds of one step: forward and weight gradient of (9 + 1)·64, 65·32 and 33·8 (padded),
# and the delta passed below, 32·64 and 3·32, for 32 rows.
MULTIPLY_ADDS = BATCH * (2 * (9 * 64 + 64 * 32 + 32 * 8) + 32 * 64 + 3 * 32)


def make_rows() -> NetData:
    rng = np.random.default_rng(0)
    n = N_TRAIN + N_VALIDATION
    x = rng.random((n, N_FEATURES)).astype(np.float32)
    y = np.where(x[:, 0] - x[:, 1] + 0.5 * rng.normal(size=n) > 0, 0, 2)
    return NetData(x, y, np.arange(N_TRAIN), np.arange(N_TRAIN, n))


class EagerOnParts(Eager):
    """The eager loop of bench_training on these rows."""

    def epoch(self) -> None:
        """One epoch on slices of a permuted tensor."""
        order = torch.randperm(N_TRAIN)
        x, y = self.x[order], self.y[order]
        for start in range(0, N_TRAIN, BATCH):
            self.step(x[start : start + BATCH], y[start : start + BATCH])


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def show(measure: str, value: float, unit: str, **more: object) -> None:
    line = {"measure": measure, "value": round(value, 3), "unit": unit, **more}
    print(json.dumps(line, ensure_ascii=False), flush=True)


def bench_throughput(data: NetData) -> None:
    parts = TrainingData(
        data.x[data.train],
        data.y[data.train],
        data.x[data.validation],
        data.y[data.validation],
        tuple(f"f{i}" for i in range(N_FEATURES)),
    )
    eager = EagerOnParts(parts)
    jobs = [NetJob(f"{s}", data, MODEL, CONFIG, s) for s in range(NETS)]
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "eager PyTorch, fused Adam, one thread": (lambda: [eager.epoch() for _ in range(3)], 3),
        "fit, with all metrics": (lambda: fit(parts, MODEL, CONFIG, seed=1), CONFIG.epochs),
        "fit_many, 1 worker": (lambda: fit_many(jobs, workers=1), NETS * CONFIG.epochs),
        "fit_many, 2 workers": (lambda: fit_many(jobs, workers=2), NETS * CONFIG.epochs),
    }
    for way, _ in ways.values():
        way()
    wall = dict.fromkeys(ways, float("inf"))
    used = dict.fromkeys(ways, float("inf"))
    for _ in range(TURNS):
        for name, (way, epochs) in ways.items():
            cpu = time.process_time()
            wall[name] = min(wall[name], seconds(way) / epochs)
            used[name] = min(used[name], (time.process_time() - cpu) / epochs)
    base = next(iter(ways))
    for name in ways:
        show(
            name,
            1.0 / wall[name],
            "nets·epochs/s",
            times_eager=round(wall[base] / wall[name], 1),
            us_of_processor_per_step=round(used[name] / N_STEPS * 1e6, 1),
            times_eager_per_processor_second=round(used[base] / used[name], 1),
        )
    memory = plan_memory([*jobs] * 170, workers=2)
    show("planned memory for 2,720 nets", memory.total / 2**20, "MB", results=memory.results)
    short = [NetJob("", data, MODEL, CONFIG.model_copy(update={"epochs": 1}), s) for s in range(8)]
    taken = seconds(lambda: fit_many(short, backend="torch", device="cpu"))
    show("torch.func batch of 8 on the CPU", 8 / taken, "nets·epochs/s")


def repeated(function: Callable[..., object], *args: object) -> float:
    """Return the microseconds of one call, made from compiled code."""
    names = ", ".join(f"a{i}" for i in range(len(args)))
    space: dict[str, object] = {"call": function}
    exec(f"def loop(n, {names}):\n    for _ in range(n):\n        call({names})", space)
    loop = numba.njit(space["loop"])
    loop(1, *args)
    return min(seconds(lambda: loop(500, *args)) for _ in range(10)) / 500 * 1e6


def bench_parts() -> None:
    """Time the pieces of one step on their own; what they leave over is moving data about."""
    rng = np.random.default_rng(0)

    def rows(n: int, width: int) -> np.ndarray:
        return rng.random((n, width)).astype(np.float32)

    x, hidden, delta = rows(32, 9), rows(32, 64), rows(32, 64)
    wide, space = rows(32, 64), rng.random((8, 32, 64)).astype(np.float32)
    state = rng.random((4, 10 * 64 + 65 * 32 + 33 * 8)).astype(np.float32)
    products = sum(
        [
            *(repeated(add_product, a, w, wide, 32) for a, w in _shapes(x, hidden, rows)),
            *(
                repeated(add_transposed_product, a, delta, w, 32)
                for a, w in _shapes(x, hidden, rows)
            ),
            repeated(add_product, delta, rows(32, 64), wide, 32),
            repeated(add_product, delta, rows(3, 32), wide, 32),
        ]
    )
    key, zero = np.uint64(5), np.uint64(0)
    hyper = np.array([1e-3, 1e-4, 0.2, 0.0, 0.0, 0.0])
    parts = {
        "matrix products": products,
        "dropout draws": sum(
            repeated(step.drop_out, space[0], space[1], n, 32, 0.2, key, zero, np.uint64(96))
            for n in (64, 32)
        ),
        "softmax and loss in float64": repeated(
            step.cross_entropy, space[2], np.zeros(32, int), np.arange(32), 3, space[3], np.zeros(9)
        ),
        "Adam": repeated(step.update, state, hyper, 3),
        "activations": sum(repeated(activate, space[0], space[1], n, 32, 0) for n in (64, 32)),
    }
    for name, value in parts.items():
        show(f"part of a step: {name}", value, "us")
    show("multiply-adds of a step", MULTIPLY_ADDS / 1e3, "thousand")
    show("rate inside the matrix products", 2 * MULTIPLY_ADDS / products / 1e3, "GFLOP/s")


def _shapes(x: np.ndarray, hidden: np.ndarray, rows: Callable[[int, int], np.ndarray]) -> list:
    return [(x, rows(9, 64)), (hidden, rows(64, 32)), (hidden, rows(32, 8))]


def main() -> None:
    torch.set_num_threads(1)
    machine = {"machine": platform.processor() or platform.machine(), "code": code_version()}
    load = {"cores": os.cpu_count(), "load": os.getloadavg()[0]}
    print(json.dumps(machine | load | {"torch": torch.__version__, "numpy": np.__version__}))
    bench_throughput(make_rows())
    bench_parts()


if __name__ == "__main__":
    main()
