"""Thousands of small nets in one call: seeds, surrogates and strategies, over the cores.

Nets are independent, so each is trained by one thread and gives what it gives alone. Threads, not
processes: the kernels run without the interpreter lock, so nothing is copied or pickled, no worker
must be started, and a memory-mapped matrix is read where it lies. No thread imports torch.
"""

import os
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from marketlab.core import (
    CancelledError,
    ConfigError,
    IntArray,
    MarketLabError,
    Progress,
    Slot,
    check_at_least,
)
from marketlab.training._config import Backend
from marketlab.training._net_family import family_of
from marketlab.training._net_job import NetHistory, NetJob, NetResult
from marketlab.training._net_memory import NetMemory, SharedRows, plan_memory

_TICK_SECONDS = 0.1


@dataclass(frozen=True)
class ManyState:
    """Where a call stands.

    Attributes
    ----------
    done, total : nets. failed : finished nets without weights, diverged ones among them.
    epochs : epochs of the finished nets. elapsed_seconds : since training began.
    eta_seconds : what the rest takes if it is like what was done; None before the first net.
    memory : what was planned before the first net.
    """

    done: int
    total: int
    failed: int
    epochs: int
    elapsed_seconds: float
    eta_seconds: float | None
    memory: NetMemory


OnTick: TypeAlias = Callable[[ManyState], None]


def fit_many(
    jobs: Sequence[NetJob],
    *,
    workers: int | None = None,
    backend: Backend = "compiled",
    device: str = "cpu",
    progress: Progress | None = None,
    on_tick: OnTick | None = None,
    memory_limit: int | None = None,
) -> list[NetResult]:
    """Train every job's net; return the results in the order of the jobs.

    On the compiled backend each net has, bit for bit, the weights, losses and stopping epoch that
    `fit` gives it alone, whatever the number of workers and the nets beside it.

    Parameters
    ----------
    workers : threads, one net each; None for one per core. The torch backend uses one.
    backend : ``compiled``, or ``torch``: all nets of one shape in one batch (`torch.func`),
        equal to the compiled ones up to rounding. It pays on a GPU only.
    device : of the torch backend, ``cpu``, ``cuda`` or ``cuda:1``.
    progress : shows finished nets as ``DONE`` of ``TOTAL`` and asks for cancellation.
    on_tick : called in this thread about ten times a second and at the end.
    memory_limit : bytes that the call may need; None for what the machine has free.

    Raises
    ------
    ConfigError, before any net is trained, for a job of an unknown kind or an option without
    effect. TransientError (``SYSTEM-OutOfMemory``), before any net is trained, if the plan exceeds
    the limit. CancelledError if `progress` asks for it; finished nets are dropped too. A net that
    diverges or fails is a result with its `error`.
    """
    count = workers if workers is not None else (os.cpu_count() or 1)
    check_at_least("workers", count, 1)
    if backend not in ("compiled", "torch"):
        raise ConfigError(
            "nets are fitted by 'compiled' or 'torch'.", field="backend", value=backend
        )
    if backend == "compiled" and device != "cpu":
        raise ConfigError(
            "the compiled backend runs on the cpu.",
            field="device",
            value=device,
            suggestion="Use backend='torch' for a GPU.",
        )
    shown = progress or Progress.in_memory()
    shown.enter("training")
    if not jobs:
        return []
    memory = plan_memory(jobs, workers=count, backend=backend)
    memory.check(memory_limit)
    watch = _Watch(jobs, memory, shown, on_tick)
    if backend == "torch":
        from marketlab.training._fit import torch_backend

        results: list[NetResult] = torch_backend("_torch_many").fit_batched(jobs, device, watch)
    else:
        results = _fit_on_cores(jobs, count, watch)
    watch.show(results)
    return results


class _Watch:
    """Tells those outside where a call stands."""

    def __init__(
        self, jobs: Sequence[NetJob], memory: NetMemory, progress: Progress, on_tick: OnTick | None
    ) -> None:
        self.progress, self.memory, self.on_tick = progress, memory, on_tick
        self.total, self.began = len(jobs), time.perf_counter()
        progress.step(0, self.total)

    def show(self, finished: Sequence[NetResult]) -> None:
        """Record the finished nets and call `on_tick`."""
        done = len(finished)
        self.progress.step(done, self.total)
        if self.on_tick is None:
            return
        elapsed = time.perf_counter() - self.began
        self.on_tick(
            ManyState(
                done=done,
                total=self.total,
                failed=sum(r.best_weights is None for r in finished),
                epochs=sum(r.n_epochs for r in finished),
                elapsed_seconds=elapsed,
                eta_seconds=elapsed * (self.total - done) / done if done else None,
                memory=self.memory,
            )
        )


def _fit_on_cores(jobs: Sequence[NetJob], workers: int, watch: _Watch) -> list[NetResult]:
    shared = SharedRows(jobs)
    control = threading.local()
    controls: list[NDArray[np.int64]] = []

    def equip() -> None:
        control.array = Progress.in_memory().array
        controls.append(control.array)

    def one(job: NetJob) -> NetResult:
        if watch.progress.cancelled:
            raise CancelledError("the nets were cancelled on request.")
        return _train(job, *shared.of(job), control.array)

    with ThreadPoolExecutor(workers, "marketlab-net", initializer=equip) as pool:
        futures = [pool.submit(one, job) for job in jobs]
        try:
            _wait(futures, watch)
        except BaseException:
            for future in futures:
                future.cancel()
            for array in controls:
                array[Slot.CANCEL] = 1
            raise
    return [future.result() for future in futures]


def _wait(futures: Sequence["Future[NetResult]"], watch: _Watch) -> None:
    finished: list[NetResult] = []
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=_TICK_SECONDS)
        watch.progress.raise_if_cancelled()
        finished += [future.result() for future in done]
        if pending:
            watch.show(finished)


def _train(job: NetJob, x: NDArray[Any], y: IntArray, control: NDArray[np.int64]) -> NetResult:
    """Train one net; what goes wrong with it is its result and stops no other."""
    began = time.perf_counter()
    try:
        return family_of(job).train(job, x, y, control)
    except CancelledError:
        raise
    except MarketLabError as error:
        why = (str(error), error.code)
    except MemoryError:
        why = ("the machine ran out of memory during this net.", "SYSTEM-OutOfMemory")
    except Exception as error:  # a mistake of ours must not take the other nets along
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{last.filename}:{last.lineno}"
        why = (f"{type(error).__name__}: {error} ({where})", "SYSTEM-Unexpected")
    return NetHistory().result(job, "failed", seconds=time.perf_counter() - began, error=why)
