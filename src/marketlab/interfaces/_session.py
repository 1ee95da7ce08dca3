"""Opens what an action needs of a workspace: its ledger, its workers, its service."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marketlab.campaigns import Executor, Ledger, OperationService, Workspace

MOST_WORKERS = 8

ACTIVE = ("pending", "resuming", "running")
FINAL = ("completed", "failed", "cancelled")
"""The six documented words for the state of an operation; there is no other."""

OnView = Callable[[dict[str, Any]], None]
"""Called with the documented view of an operation, a few times a second."""


@dataclass(frozen=True)
class Session:
    """One workspace, opened. ``executor`` runs no worker in a session that only steers."""

    workspace: "Workspace"
    ledger: "Ledger"
    executor: "Executor"
    service: "OperationService"


def default_workers() -> int:
    """Return how many workers are started if nobody says: the usable cores, at most 8."""
    from marketlab.core import usable_cores

    return max(1, min(usable_cores(), MOST_WORKERS))


@contextmanager
def open_session(
    workspace: "Workspace", *, workers: int | None = None, compatibility: str | None = None
) -> Iterator[Session]:
    """Open a workspace with running workers (the default number for None).

    ``compatibility="v15"`` lets runs with degenerate labels complete with that verdict.
    """
    count = workers or default_workers()
    opened = steering_session(workspace, workers=count, compatibility=compatibility)
    with opened as session, session.executor:
        yield session


@contextmanager
def steering_session(
    workspace: "Workspace", *, workers: int = 1, compatibility: str | None = None
) -> Iterator[Session]:
    """Open a workspace without starting a worker: for reading, and for steering other processes.

    Raises
    ------
    NotFoundError if there is no workspace.
    """
    from marketlab.campaigns import Executor, Ledger, OperationService

    workspace.require()
    with workspace.store() as store:
        ledger = Ledger(store)
        executor = Executor(workspace, ledger, workers=workers)
        service = OperationService(workspace, ledger, executor, compatibility=compatibility)
        yield Session(workspace, ledger, executor, service)


def follow(session: Session, operation_id: str, on_view: OnView | None) -> dict[str, Any]:
    """Pump until every queued job is final; return the view of the operation.

    Raises
    ------
    CancelledError after Ctrl-C, when the run has kept its checkpoint, saying how to resume.
    """
    from marketlab.campaigns import operation_view
    from marketlab.core import CancelledError, Progress

    def view() -> dict[str, Any]:
        row = session.ledger.operation(operation_id)
        return operation_view(session.workspace, row)

    def drive() -> None:
        while not session.executor.idle:
            session.executor.pump(0.1)
            if on_view is not None:
                on_view(view())

    try:
        drive()
    except KeyboardInterrupt:
        session.executor.drop_waiting()
        for job_id in session.executor.worker_pids():
            Progress.in_file(session.workspace.control(job_id)).cancel()
        drive()
        raise CancelledError(
            f"the operation {operation_id} was stopped on request.",
            suggestion=f"Go on with `marketlab operations resume {operation_id}`.",
        ) from None
    return view()
