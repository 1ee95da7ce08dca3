"""What runs inside a worker process: one job after another, from a pipe, until the pipe closes.

Workers are spawned, few and long-lived, so that imports and compiled kernels are paid once. They
never touch the ledger: they write their run's own files and send back facts. A job that raises
sends its error; a worker that dies sends nothing, and the supervisor knows by its sentinel.
"""

import contextlib
import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from marketlab.core import CancelledError, MarketLabError

Job = tuple[str, str, dict[str, Any]]
"""(job id, kind, payload)."""


def _jobs() -> dict[str, Callable[[Path, dict[str, Any]], Any]]:
    from marketlab.campaigns._experiment import run_training
    from marketlab.campaigns._null import run_null_chunk

    return {"training": run_training, "null": run_null_chunk}


def worker_main(connection: Connection, workspace_root: str) -> None:
    """Serve jobs until the supervisor closes the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it asks for cancellation by the control array
    jobs = _jobs()
    root = Path(workspace_root)
    with contextlib.suppress(BrokenPipeError, OSError):  # seen again by the first `recv`
        connection.send(("ready", os.getpid(), None))
    while True:
        try:
            job_id, kind, payload = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer: tuple[str, str, Any] = ("done", job_id, jobs[kind](root, payload))
        except CancelledError as error:
            answer = ("cancelled", job_id, error.to_dict())
        except MarketLabError as error:
            answer = ("error", job_id, {**error.to_dict(), "text": str(error)})
        except MemoryError:
            answer = ("error", job_id, _out_of_memory())
        except Exception as error:  # a mistake of ours must not take the other runs along
            answer = ("error", job_id, _unexpected(error))
        try:
            connection.send(answer)
        except (BrokenPipeError, OSError):
            return
        except Exception as error:  # an answer that cannot be pickled
            connection.send(("error", job_id, _unexpected(error)))


def _out_of_memory() -> dict[str, Any]:
    return {
        "code": "SYSTEM-OutOfMemory",
        "failure_class": "transient",
        "text": "the worker ran out of memory. Reduce batch_size, or use fewer --workers.",
        "details": {},
    }


def _unexpected(error: Exception) -> dict[str, Any]:
    return {
        "code": "SYSTEM-Unexpected",
        "failure_class": "bug",
        "text": f"{type(error).__name__}: {error}",
        "details": {"traceback": traceback.format_exc()[-4000:]},
    }
