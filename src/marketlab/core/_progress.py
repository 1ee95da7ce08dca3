"""Progress and cancellation as one small shared array.

A worker's kernels write it and read the cancel flag once per block; the CLI, the REST server and
the supervisor read it from other processes. It lies in a memory-mapped file, so it needs no
pipes and survives its writer. Slots are int64; a torn read cannot happen on the platforms we run.
"""

import os
import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from marketlab.core import _platform
from marketlab.core._errors import CancelledError
from marketlab.core._files import storage_error

PHASES = (
    "pending",
    "loading_data",
    "computing_indicators",
    "generating_fuzzy",
    "creating_features",
    "generating_labels",
    "combining_data",
    "splitting_data",
    "creating_model",
    "training",
    "evaluating",
    "writing_results",
    "finished",
)
"""Phases of a training run in their order; the array holds the position."""


class Slot(IntEnum):
    """Positions in the control array."""

    CANCEL = 0
    PHASE = 1
    EPOCH = 2
    EPOCHS = 3
    BATCH = 4
    BATCHES = 5
    DONE = 6
    TOTAL = 7
    HEARTBEAT_NS = 8
    NET = 9  # of several nets that one run trains, one after another
    NETS = 10


N_SLOTS = 16


class Progress:
    """A view of one control array. `array` goes to kernels; everything else is for people."""

    def __init__(self, array: NDArray[np.int64]) -> None:
        self.array = array

    @classmethod
    def in_memory(cls) -> Self:
        """Return a private one, for callers that show nothing."""
        return cls(np.zeros(N_SLOTS, dtype=np.int64))

    @classmethod
    def in_file(cls, path: Path) -> Self:
        """Return the one that lies in `path`, created if absent, shared by all who open it.

        Raises
        ------
        IntegrityError (``STORAGE-Full``) if there is no room for it.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                # Never emptied and filled again: two who create it at once would take each
                # other's cancellation away, and a reader between the two would die of SIGBUS.
                if os.fstat(descriptor).st_size < N_SLOTS * 8:
                    _platform.allocate(descriptor, N_SLOTS * 8)
            finally:
                os.close(descriptor)
            return cls(np.memmap(path, dtype=np.int64, mode="r+", shape=(N_SLOTS,)))
        except OSError as error:
            raise storage_error(error, path) from error

    def enter(self, phase: str) -> None:
        """Record that `phase` begins, beat, and stop here if cancellation was asked for."""
        self.array[Slot.PHASE] = PHASES.index(phase)
        self.beat()
        self.raise_if_cancelled()

    def finish(self) -> None:
        """Record that all is done; it is too late to cancel."""
        self.array[Slot.PHASE] = len(PHASES) - 1
        self.beat()

    def beat(self) -> None:
        """Record that the worker lives."""
        self.array[Slot.HEARTBEAT_NS] = time.time_ns()

    def step(self, done: int, total: int) -> None:
        """Record `done` of `total` items."""
        self.array[Slot.DONE] = done
        self.array[Slot.TOTAL] = total
        self.beat()

    def net(self, k: int, n_nets: int) -> None:
        """Record that net `k` of `n_nets`, 0-based, is trained next."""
        self.array[Slot.EPOCH] = self.array[Slot.BATCH] = 0
        self.array[Slot.NET], self.array[Slot.NETS] = k, n_nets
        self.beat()

    def cancel(self) -> None:
        """Ask the worker to stop at its next block."""
        self.array[Slot.CANCEL] = 1

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to stop."""
        return bool(self.array[Slot.CANCEL])

    def raise_if_cancelled(self) -> None:
        """Raise `CancelledError` if somebody asked to stop."""
        if self.cancelled:
            raise CancelledError("the work was cancelled on request.")

    def seconds_since_beat(self, now_ns: Callable[[], int] = time.time_ns) -> float | None:
        """Return the age of the last heartbeat in seconds, None before the first."""
        beat = int(self.array[Slot.HEARTBEAT_NS])
        return None if beat == 0 else max(0.0, (now_ns() - beat) / 1e9)

    def percentage(self) -> float:
        """Return 0–100: 10 for the phases before training, 85 for epochs, the rest for the end.

        It is 100 only in the phase ``finished``.
        """
        phase = int(self.array[Slot.PHASE])
        training = PHASES.index("training")
        if phase == len(PHASES) - 1:
            return 100.0
        if phase < training:
            return round(10.0 * phase / training, 2)
        if phase > training:
            return 95.0 + 2.0 * (phase - training)
        epochs = max(1, int(self.array[Slot.EPOCHS]))
        batches = max(1, int(self.array[Slot.BATCHES]))
        part = (int(self.array[Slot.EPOCH]) + int(self.array[Slot.BATCH]) / batches) / epochs
        net, nets = int(self.array[Slot.NET]), max(1, int(self.array[Slot.NETS]))
        return round(10.0 + 85.0 * min(1.0, (net + min(1.0, part)) / nets), 2)

    def describe(self) -> dict[str, Any]:
        """Return the state in words and numbers, JSON-ready."""
        read = {slot.name.lower(): int(self.array[slot]) for slot in Slot}
        phase = PHASES[read["phase"]]
        step = phase.replace("_", " ")
        if phase == "training":
            step = (
                f"Epoch {read['epoch'] + 1}/{read['epochs']} · "
                f"Batch {read['batch']}/{read['batches']}"
            )
            if read["nets"] > 1:
                step = f"Net {read['net'] + 1}/{read['nets']} · {step}"
        return {
            "percentage": self.percentage(),
            "current_step": step,
            "phase_name": phase,
            "epoch_index": read["epoch"],
            "total_epochs": read["epochs"],
            "batch_number": read["batch"],
            "batch_total_per_epoch": read["batches"],
            "items_processed": read["done"],
            "items_total": read["total"],
        }
