"""The calls, each a line or two over a use case.

Handlers that touch the disk are plain functions: the framework runs them in threads.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request

from marketlab.core import DataError, DataNotAvailableError, FrozenConfig
from marketlab.interfaces import usecases
from marketlab.interfaces.rest._body import read_body
from marketlab.interfaces.rest._response import CompactJSON

router = APIRouter(default_response_class=CompactJSON)
Answer = dict[str, Any]


class CancelRequest(FrozenConfig):
    """The optional body of a cancellation."""

    reason: str | None = None
    force: bool = False


def session_of(request: Request) -> usecases.Session:
    """Return the session that the server opened."""
    session: usecases.Session = request.app.state.session
    return session


def both(facts: Answer) -> Answer:
    """Return facts flat and under ``data``: callers read either."""
    return {"success": True, **facts, "data": facts}


# -- health ---------------------------------------------------------------------------------------


@router.get("/health")
def health(request: Request) -> Answer:
    """Say that the server lives; the only call that needs no token."""
    from marketlab import __version__

    trouble = request.app.state.pump.trouble
    status = "ok" if trouble is None else "degraded"
    return both({"status": status, "version": __version__, "trouble": trouble})


# -- training -------------------------------------------------------------------------------------


@router.post("/training/start")
@router.post("/trainings/start", include_in_schema=False)
async def start_training(
    request: Request, idempotency_key: Annotated[str | None, Header(max_length=200)] = None
) -> Answer:
    """Start one training. Each call starts a new run, unless it repeats an idempotency key."""
    from starlette.concurrency import run_in_threadpool

    from marketlab.campaigns import StartRequest

    body = await read_body(request, StartRequest)
    try:
        answer = await run_in_threadpool(
            usecases.start_training, session_of(request), body, idempotency_key=idempotency_key
        )
    except DataNotAvailableError as error:
        raise refused_start(error) from None
    return {"success": True, **answer}


def refused_start(error: DataNotAvailableError) -> DataError:
    """Return the error with status 400: a refused start is the caller's to change."""
    return DataError(
        error.message,
        code=error.code,
        field=error.field,
        value=error.value,
        suggestion=error.suggestion,
        details=error.details,
    )


@router.get("/trainings/{operation_id}/performance")
@router.get("/training/{operation_id}/performance", include_in_schema=False)
def performance(request: Request, operation_id: str) -> Answer:
    """Return the scores of a training."""
    return both(usecases.training_performance(session_of(request), operation_id))


# -- operations -----------------------------------------------------------------------------------


@router.get("/operations")
def list_operations(
    request: Request,
    *,
    status: str | None = None,
    operation_type: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
    offset: Annotated[int, Query(ge=0)] = 0,
    active_only: bool = False,
) -> Answer:
    """Return one page of operations, the newest first."""
    page = usecases.list_operations(
        session_of(request),
        status=status,
        operation_type=operation_type,
        limit=limit,
        offset=offset,
        active_only=active_only,
    )
    return {"success": True, **page}


@router.get("/operations/{operation_id}")
def show_operation(request: Request, operation_id: str) -> Answer:
    """Return the whole object of one operation."""
    return both(usecases.show_operation(session_of(request), operation_id))


@router.get("/operations/{operation_id}/children")
def children(request: Request, operation_id: str) -> Answer:
    """Return the children of an operation in the order of creation."""
    found = usecases.operation_children(session_of(request), operation_id)
    return {"success": True, "data": found, "total_count": len(found)}


@router.delete("/operations/{operation_id}")
async def cancel_operation(request: Request, operation_id: str) -> Answer:
    """Stop an operation and its children."""
    from starlette.concurrency import run_in_threadpool

    body = await read_body(request, CancelRequest)
    facts = await run_in_threadpool(
        usecases.cancel_operation,
        session_of(request),
        operation_id,
        reason=body.reason,
        force=body.force,
    )
    return both(facts)


@router.post("/operations/{operation_id}/retry")
def retry_operation(request: Request, operation_id: str) -> Answer:
    """Start a failed operation again, as a new one."""
    return both(usecases.retry_operation(session_of(request), operation_id))


@router.post("/operations/{operation_id}/resume")
def resume_operation(request: Request, operation_id: str) -> Answer:
    """Continue a cancelled or failed operation from its checkpoint."""
    return both(usecases.resume_operation(session_of(request), operation_id))


@router.get("/operations/{operation_id}/metrics")
def metrics(request: Request, operation_id: str) -> Answer:
    """Return the epochs so far and what they show."""
    return both(usecases.operation_metrics(session_of(request), operation_id))


@router.get("/operations/{operation_id}/results")
def results(request: Request, operation_id: str) -> Answer:
    """Return what an ended operation amounts to."""
    return both(usecases.operation_results(session_of(request), operation_id))


# -- checkpoints ----------------------------------------------------------------------------------


@router.get("/checkpoints")
def list_checkpoints(request: Request) -> Answer:
    """Return every checkpoint."""
    found = usecases.list_checkpoints(session_of(request))
    return {"success": True, "data": found, "total_count": len(found)}


@router.get("/checkpoints/stats")
def checkpoint_stats(request: Request) -> Answer:
    """Return how many checkpoints there are and how large."""
    return both(usecases.checkpoint_stats(session_of(request)))


@router.post("/checkpoints/cleanup")
def cleanup_checkpoints(
    request: Request, max_age_days: Annotated[float, Query(ge=0)] = 30.0
) -> Answer:
    """Delete old checkpoints."""
    return both(usecases.cleanup_checkpoints(session_of(request), max_age_days=max_age_days))


@router.get("/checkpoints/{operation_id}")
def show_checkpoint(request: Request, operation_id: str) -> Answer:
    """Return the checkpoint of one operation."""
    return both(usecases.checkpoint_facts(session_of(request), operation_id))


@router.delete("/checkpoints/{operation_id}")
def delete_checkpoint(request: Request, operation_id: str) -> Answer:
    """Delete the checkpoint of one operation."""
    return both(usecases.delete_checkpoint(session_of(request), operation_id))


# -- strategies -----------------------------------------------------------------------------------


@router.get("/strategies")
def list_strategies(request: Request) -> Answer:
    """Return every strategy file."""
    found = usecases.list_strategies(session_of(request).workspace)
    return {"success": True, "data": found, "strategies": found, "total_count": len(found)}


@router.post("/strategies/validate/{name}")
def validate_strategy(request: Request, name: str) -> Answer:
    """Check one strategy file."""
    return usecases.validate_strategy(session_of(request).workspace, name)


@router.get("/strategies/{name}/features")
def strategy_features(request: Request, name: str) -> Answer:
    """Return the resolved inputs of a strategy in their order."""
    return usecases.strategy_features(session_of(request).workspace, name)
