"""The view of an operation that the command line, REST and users' scripts read.

Its shape is the documented one: `status` is one of six words, `error` is a plain string, and
`progress` never falls and is 100 only when the operation is finished.
"""

from typing import Any

from marketlab.campaigns._workspace import Workspace
from marketlab.core import Progress


def operation_view(workspace: Workspace, row: dict[str, Any]) -> dict[str, Any]:
    """Return the whole documented object of one operation, JSON-ready."""
    request = row["request"]
    return {
        "operation_id": row["operation_id"],
        "task_id": row["operation_id"],
        "parent_operation_id": row["parent_operation_id"],
        "operation_type": row["operation_type"],
        "status": row["status"],
        "created_at": row["created_at"],
        "started_at": row["started_at"],
        "completed_at": row["completed_at"],
        "progress": progress_view(workspace, row),
        "metadata": {
            "symbol": row["symbol"],
            "timeframe": row["timeframe"],
            "mode": row["operation_type"],
            "start_date": request.get("start_date"),
            "end_date": request.get("end_date"),
            "parameters": {"strategy_name": row["strategy_name"], **request.get("parameters", {})},
        },
        "error": row["error_message"],
        "error_message": row["error_message"],
        "error_code": row["error_code"],
        "failure_class": row["failure_class"],
        "warnings": row["warnings"] or [],
        "errors": [row["error_message"]] if row["error_message"] else [],
        "result_summary": row["result_summary"],
        "metrics": (row["result_summary"] or {}).get("training_metrics"),
        "run_id": row["run_id"],
        "retry_of": row["retry_of"],
        "attempt": row["attempt"],
    }


def progress_view(workspace: Workspace, row: dict[str, Any]) -> dict[str, Any]:
    """Return the `progress` block: words and numbers out of the shared control array."""
    path = workspace.control(row["operation_id"])
    state = (Progress.in_file(path) if path.exists() else Progress.in_memory()).describe()
    finished = row["status"] == "completed"
    percentage = 100.0 if finished else min(99.0, state["percentage"])
    return {
        "percentage": percentage,
        "current_step": "finished" if finished else state["current_step"],
        "steps_completed": state["epoch_index"],
        "steps_total": state["total_epochs"],
        "items_processed": state["items_processed"],
        "items_total": state["items_total"],
        "current_item": row["strategy_name"],
        "context": {
            key: state[key]
            for key in (
                "phase_name",
                "epoch_index",
                "total_epochs",
                "batch_number",
                "batch_total_per_epoch",
            )
        },
    }


def operation_summary(workspace: Workspace, row: dict[str, Any]) -> dict[str, Any]:
    """Return the short form used in lists."""
    progress = progress_view(workspace, row)
    return {
        "operation_id": row["operation_id"],
        "operation_type": row["operation_type"],
        "status": row["status"],
        "created_at": row["created_at"],
        "progress_percentage": progress["percentage"],
        "current_step": progress["current_step"],
        "symbol": row["symbol"],
        "strategy_name": row["strategy_name"],
        "run_id": row["run_id"],
        "duration_seconds": duration_seconds(row),
    }


def duration_seconds(row: dict[str, Any]) -> float | None:
    """Return started-to-completed in seconds, None while either is missing."""
    from datetime import datetime

    if not row["started_at"] or not row["completed_at"]:
        return None
    started = datetime.fromisoformat(row["started_at"])
    return round((datetime.fromisoformat(row["completed_at"]) - started).total_seconds(), 3)
