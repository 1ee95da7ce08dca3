"""The states of a session and the only ways between them."""

from enum import StrEnum

from marketlab.core import ConflictError


class SessionState(StrEnum):
    """Where a session is."""

    CREATED = "created"  #: checked, nothing read
    WARMING_UP = "warming_up"  #: history goes through the features, no forecast
    RUNNING = "running"  #: each bar is forecast, decided and accounted
    STOPPING = "stopping"  #: killed; the position closes at the next open
    STOPPED = "stopped"  #: ended as intended
    FAILED = "failed"  #: ended by an error, which is in the journal


TRANSITIONS: dict[SessionState, frozenset[SessionState]] = {
    SessionState.CREATED: frozenset({SessionState.WARMING_UP}),
    SessionState.WARMING_UP: frozenset({SessionState.RUNNING, SessionState.FAILED}),
    SessionState.RUNNING: frozenset(
        {SessionState.STOPPING, SessionState.STOPPED, SessionState.FAILED}
    ),
    SessionState.STOPPING: frozenset({SessionState.STOPPED, SessionState.FAILED}),
    SessionState.STOPPED: frozenset(),
    SessionState.FAILED: frozenset(),
}


def moved(present: SessionState, target: SessionState) -> SessionState:
    """Return `target` if the table allows it.

    Raises
    ------
    ConflictError (``RUNTIME-State``) naming both states.
    """
    if target not in TRANSITIONS[present]:
        raise ConflictError(
            f"a session that is {present} cannot become {target}.",
            code="RUNTIME-State",
            suggestion="Start a new session; one object runs once.",
        )
    return target
