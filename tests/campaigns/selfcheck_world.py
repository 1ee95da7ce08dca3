"""Small campaigns for a selfcheck, and an executor that works in this process.

Worker processes are fresh interpreters: what a test breaks here would still be whole there.
"""

import os
import queue
from types import SimpleNamespace

from campaign_world import mini_config

from marketlab.campaigns._executor import Executor
from marketlab.campaigns._worker import _jobs


class InlineExecutor(Executor):
    """Runs one queued job per pump, in this process."""

    def __enter__(self):
        self._lock.__enter__()
        return self

    def pump(self, timeout_seconds=0.1):
        try:
            job = self._queue.get_nowait()
        except queue.Empty:
            return
        here = SimpleNamespace(process=SimpleNamespace(pid=os.getpid()))
        if job.kind == "training":
            assert self._claim(job, here)
        self._finish(job, "done", _jobs()[job.kind](self.workspace.root, job.payload))


NOISE = mini_config(edge=0.0, n_bars=2_600, epochs=4)
PLANTED = mini_config(edge=0.45, n_bars=4_000, epochs=10)
