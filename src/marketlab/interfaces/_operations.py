"""Training operations: start, steer, look at. One operation is one run of one strategy."""

import threading
from typing import TYPE_CHECKING, Any

from marketlab.interfaces._session import (
    ACTIVE,
    FINAL,
    OnView,
    Session,
    default_workers,
    follow,
    open_session,
)

if TYPE_CHECKING:
    from marketlab.campaigns import StartRequest, Workspace

_MOST_ROWS = 1000
_start_lock = threading.Lock()


# -- start ----------------------------------------------------------------------------------------


def start_training(
    session: Session, request: "StartRequest", *, idempotency_key: str | None = None
) -> dict[str, Any]:
    """Check, record and queue one training; return the documented answer.

    With `idempotency_key` a second call with the same key and request returns the first one's
    operation. Without a key every call starts a new run.

    Raises
    ------
    ConflictError if the key was used with another request; MarketLabError for a refused start.
    """
    if idempotency_key is None:
        return _started(session.service.start_training(request))
    with _start_lock:
        earlier = _find_key(session, idempotency_key, request)
        if earlier is not None:
            return _started(earlier)
        row = session.service.start_training(request)
        stamped = {
            **row["request"],
            "idempotency_key": idempotency_key,
            "idempotency_body": request.content_id(),
        }
        session.ledger.update_operation(row["operation_id"], request=stamped)
        return _started(row)


def _find_key(session: Session, key: str, request: "StartRequest") -> dict[str, Any] | None:
    from marketlab.core import ConflictError

    rows, _ = session.ledger.list_operations(operation_type="training", newest_first=True)
    for row in rows:
        if row["request"].get("idempotency_key") != key:
            continue
        if row["request"].get("idempotency_body") != request.content_id():
            raise ConflictError(
                f"the idempotency key {key!r} was used with another request.",
                code="REQUEST-IdempotencyKeyReused",
                field="Idempotency-Key",
                suggestion="Use a new key for a new request.",
            )
        return row
    return None


def _started(row: dict[str, Any]) -> dict[str, Any]:
    operation_id, name = row["operation_id"], row["strategy_name"]
    seconds = row["request"].get("most_seconds")  # None in a record of an older version
    return {
        "operation_id": operation_id,
        "task_id": operation_id,
        "status": "training_started",
        "message": f"training of {name} started as {operation_id}",
        "strategy_name": name,
        "symbol": row["symbol"],
        "symbols": [row["symbol"]],
        "timeframe": row["timeframe"],
        "timeframes": [row["timeframe"]],
        "run_id": row["run_id"],
        "estimated_duration_minutes": None
        if seconds is None
        else round(max(seconds / 60.0, 0.01), 2),
        "data": {
            "operation_id": operation_id,
            "task_id": operation_id,
            "status": row["status"],
        },
    }


def train(
    workspace: "Workspace",
    request: "StartRequest",
    *,
    workers: int | None = None,
    on_view: OnView | None = None,
) -> dict[str, Any]:
    """Train one strategy in this process and return the view of the finished operation."""
    workspace.require().strategy_path(request.strategy_name)  # before workers are started
    with open_session(
        workspace, workers=workers or min(request.repeats, default_workers())
    ) as session:
        row = session.service.start_training(request)
        return follow(session, row["operation_id"], on_view)


# -- steer ----------------------------------------------------------------------------------------


def cancel_operation(
    session: Session, operation_id: str, *, reason: str | None = None, force: bool = False
) -> dict[str, Any]:
    """Stop an operation and its children; it keeps a checkpoint unless `force`."""
    said = reason or "requested"
    return dict(session.service.cancel(operation_id, reason=said, force=force))


def retry_operation(session: Session, operation_id: str) -> dict[str, Any]:
    """Start a failed operation again, as a new one; return the new one's view."""
    return _view(session, session.service.retry(operation_id))


def resume_operation(session: Session, operation_id: str) -> dict[str, Any]:
    """Continue a cancelled or failed operation from its checkpoint; return view and origin."""
    row = session.service.resume(operation_id)
    return {**_view(session, row), "resumed_from": row["resumed_from"]}


# -- look at --------------------------------------------------------------------------------------


def list_operations(
    session: Session,
    *,
    status: str | None = None,
    operation_type: str | None = None,
    active_only: bool = False,
    limit: int = 10,
    offset: int = 0,
) -> dict[str, Any]:
    """Return one page of operations, newest first, with how many match and how many are active.

    Raises
    ------
    ConfigError for an unknown status, or a limit outside 1 to 1,000, or an offset below 0.
    """
    from marketlab.campaigns import operation_summary
    from marketlab.core import ConfigError, check_between, did_you_mean

    known = (*ACTIVE, *FINAL)
    if status is not None and status not in known:
        raise ConfigError(
            f"there is no status {status!r}.",
            field="status",
            value=status,
            suggestion=did_you_mean(status, known),
        )
    check_between("limit", limit, 1, _MOST_ROWS)
    if offset < 0:
        raise ConfigError(f"offset must be at least 0; received {offset}.", field="offset")
    wanted = tuple(s for s in known if status in (None, s) and (s in ACTIVE or not active_only))
    rows, total = session.ledger.list_operations(
        statuses=wanted,
        operation_type=operation_type,
        limit=limit,
        offset=offset,
        newest_first=True,
    )
    _, active = session.ledger.list_operations(
        statuses=ACTIVE, operation_type=operation_type, limit=1
    )
    return {
        "data": [operation_summary(session.workspace, row) for row in rows],
        "total_count": total,
        "active_count": active,
    }


def show_operation(session: Session, operation_id: str) -> dict[str, Any]:
    """Return the whole documented object of one operation."""
    return _view(session, session.ledger.operation(operation_id))


def operation_children(session: Session, operation_id: str) -> list[dict[str, Any]]:
    """Return the children of an operation in the order of creation."""
    session.ledger.operation(operation_id)
    rows, _ = session.ledger.list_operations(parent=operation_id)
    return [_view(session, row) for row in rows]


def _view(session: Session, row: dict[str, Any]) -> dict[str, Any]:
    from marketlab.campaigns import operation_view

    return dict(operation_view(session.workspace, row))


def operation_results(session: Session, operation_id: str) -> dict[str, Any]:
    """Return what an ended operation amounts to, its verdict included.

    Raises
    ------
    RequestError (400) unless it completed or failed.
    """
    from marketlab.core import MarketLabError, RequestError

    row = session.ledger.operation(operation_id)
    if row["status"] not in ("completed", "failed"):
        raise RequestError(
            f"results exist once an operation completed or failed; this one is {row['status']}.",
            code="OPERATION-NotFinished",
            field="status",
            value=row["status"],
            suggestion="Ask again later.",
        )
    verdict = None
    if row["run_id"] is not None and row["status"] == "completed":
        try:
            verdict = session.ledger.run(row["run_id"])["verdict"]
        except MarketLabError:
            verdict = None  # completed in a version that kept no run record
    return {
        "operation_id": operation_id,
        "operation_type": row["operation_type"],
        "status": row["status"],
        "run_id": row["run_id"],
        "error": row["error_message"],
        "results": row["result_summary"] or {},
        "verdict": verdict,
    }


def training_performance(session: Session, operation_id: str) -> dict[str, Any]:
    """Return the scores of a training as the documented performance call gives them."""
    row = session.ledger.operation(operation_id)
    summary = row["result_summary"] or {}
    metrics = dict(summary.get("training_metrics") or {})
    seconds = metrics.get("training_time")
    metrics["early_stopped"] = bool(summary.get("stopped_early", False))
    metrics["training_time_minutes"] = None if seconds is None else round(seconds / 60.0, 3)
    return {
        "task_id": operation_id,
        "status": row["status"],
        "training_metrics": metrics,
        "test_metrics": summary.get("test_metrics"),
        "model_info": summary.get("model_info"),
    }
