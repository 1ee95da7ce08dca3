"""Threads that work off requests and hand back what came, in the order in which it comes."""

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class Workers(Generic[Q, A]):
    """`count` threads that call `ask`; an executor's futures cost ten times as much a request.

    Used as a context by one thread. Leaving it drops what no thread has begun and waits for what
    is under way.
    """

    def __init__(self, count: int, ask: Callable[[Q], A], *, name: str) -> None:
        self._ask = ask
        self._todo: queue.SimpleQueue[Q | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Q, A | BaseException]] = queue.SimpleQueue()
        self._leaving = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name} {number}", daemon=True)
            for number in range(count)
        ]
        self.running = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaving = True
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()

    def submit(self, request: Q) -> None:
        """Let a thread ask for `request`."""
        self.running += 1
        self._todo.put(request)

    def finished(self, timeout_seconds: float) -> list[tuple[Q, A | BaseException]]:
        """Return all that is finished: the answer or the error of each; wait for the first one.

        Empty after `timeout_seconds`.
        """
        out = []
        try:
            out.append(self._done.get(timeout=timeout_seconds))
            while True:
                out.append(self._done.get_nowait())
        except queue.Empty:
            self.running -= len(out)
            return out

    def _work(self) -> None:
        while (request := self._todo.get()) is not None and not self._leaving:
            try:
                answer: A | BaseException = self._ask(request)
            except BaseException as error:  # handed to the thread that waits
                answer = error
            self._done.put((request, answer))
