"""The thread that hands out jobs and takes in answers while the server serves."""

import logging
import threading
from types import TracebackType

from marketlab.core import Progress
from marketlab.interfaces.usecases import Session

log = logging.getLogger("marketlab.rest")

_PAUSE_SECONDS = 1.0
_JOIN_SECONDS = 10.0


class Pump:
    """Drives the executor of a session in a thread of its own, as long as the context lasts.

    ``trouble`` says what keeps it from working, None while all is well; it tries again for ever.
    At the end running jobs are asked to keep a checkpoint and stop.
    """

    def __init__(self, session: Session) -> None:
        self.trouble: str | None = None
        self._session = session
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="marketlab-pump", daemon=True)

    def __enter__(self) -> "Pump":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(_JOIN_SECONDS)
        for operation_id in self._session.executor.worker_pids():
            Progress.in_file(self._session.workspace.control(operation_id)).cancel()

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                self._session.executor.pump(0.2)
                self.trouble = None
            except Exception as error:  # one bad answer must not end the serving of all others
                if self.trouble is None:
                    log.exception("the executor does not work")
                self.trouble = f"{type(error).__name__}: {error}"
                self._stop.wait(_PAUSE_SECONDS)
