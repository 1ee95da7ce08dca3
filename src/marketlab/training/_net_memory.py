"""The memory of many nets: planned before the first one, and the rows that they share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from marketlab.core import IntArray, TransientError
from marketlab.training._config import Backend
from marketlab.training._net_family import family_of
from marketlab.training._net_job import NetJob

_Key = tuple[int, str]


@dataclass(frozen=True)
class NetMemory:
    """Bytes that a call needs beside what its jobs hold already.

    Attributes
    ----------
    rows : copies of matrices and labels whose type or layout kernels cannot read; once per
        matrix, however many nets read it. working : nets that are being trained at one time.
    results : weights and histories of all nets.
    """

    rows: int
    working: int
    results: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.rows + self.working + self.results

    def check(self, limit: int | None) -> None:
        """Refuse a plan beyond `limit`, or beyond what the machine has free.

        Raises
        ------
        TransientError (``SYSTEM-OutOfMemory``) with the three parts in its details.
        """
        bound = limit if limit is not None else int(psutil.virtual_memory().available)
        if self.total > bound:
            raise TransientError(
                f"the nets need {_mb(self.total)} (rows {_mb(self.rows)}, nets in training "
                f"{_mb(self.working)}, results {_mb(self.results)}); there are {_mb(bound)}.",
                code="SYSTEM-OutOfMemory",
                suggestion="Use fewer workers, or train the jobs in several calls.",
                details={"rows": self.rows, "working": self.working, "results": self.results},
            )


def plan_memory(
    jobs: Sequence[NetJob], *, workers: int, backend: Backend = "compiled"
) -> NetMemory:
    """Return what `fit_many` will need for these jobs, as an upper bound of its own arrays.

    Raises
    ------
    ConfigError if a job's model is of no known kind.
    """
    rows: dict[_Key, int] = {}
    working: list[int] = []
    results = 0
    for job in jobs:
        family = family_of(job)
        working.append(family.working_bytes(job))
        results += family.result_bytes(job)
        for key, array, dtype in _arrays(job):
            if _readable(array, dtype) is None:
                rows[key] = array.size * np.dtype(dtype).itemsize
    # The torch backend trains all nets of one shape at once.
    at_once = len(jobs) if backend == "torch" else min(workers, len(jobs))
    return NetMemory(sum(rows.values()), sum(sorted(working)[-at_once:]), results)


class SharedRows:
    """The matrices and labels of all jobs as kernels read them, each copied once at most."""

    def __init__(self, jobs: Sequence[NetJob]) -> None:
        self._held: dict[_Key, NDArray[Any]] = {}
        for job in jobs:
            for key, array, dtype in _arrays(job):
                if key not in self._held:
                    ready = _readable(array, dtype)
                    self._held[key] = np.array(array, dtype, order="C") if ready is None else ready

    def of(self, job: NetJob) -> tuple[NDArray[Any], IntArray]:
        """Return rows and labels of `job`."""
        (x, _, _), (y, _, _) = _arrays(job)
        return self._held[x], self._held[y]


def _arrays(job: NetJob) -> list[tuple[_Key, NDArray[Any], str]]:
    x, y, dtype = job.data.x, job.data.y, job.trainer.dtype
    return [((id(x), dtype), x, dtype), ((id(y), "int64"), y, "int64")]


def _readable(array: NDArray[Any], dtype: str) -> NDArray[Any] | None:
    """Return `array` itself if kernels can read it; a read-only one is another type to them."""
    fits = array.dtype == dtype and array.flags.c_contiguous and array.flags.writeable
    return np.asarray(array) if fits else None


def _mb(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:,.0f} MB"
