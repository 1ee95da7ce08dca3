"""Checkpoints: what an interrupted run can go on from. There is at most one for each operation."""

import time
from pathlib import Path
from typing import Any

from marketlab.interfaces._session import ACTIVE, Session

_DAY_SECONDS = 86_400.0


def list_checkpoints(session: Session) -> list[dict[str, Any]]:
    """Return every checkpoint with the operation it belongs to, oldest first."""
    rows, _ = session.ledger.list_operations(operation_type="training")
    by_run = {row["run_id"]: row for row in rows}
    folder = session.workspace.root / "models" / "checkpoints"
    found = [
        _facts(path, by_run.get(path.name))
        for path in sorted(folder.glob("*"))
        if path.is_dir() and not path.name.startswith(".")
    ]
    return sorted(found, key=lambda item: str(item["created_at"]))


def checkpoint_facts(session: Session, operation_id: str) -> dict[str, Any]:
    """Return the checkpoint of one operation.

    Raises
    ------
    NotFoundError if the operation or its checkpoint does not exist.
    """
    row, path = _of(session, operation_id)
    return _facts(path, row)


def delete_checkpoint(session: Session, operation_id: str) -> dict[str, Any]:
    """Delete the checkpoint of one operation that is not being worked on.

    Raises
    ------
    ConflictError while the operation is pending, resuming or running.
    """
    from marketlab.core import ConflictError
    from marketlab.training import delete_checkpoint as delete_files

    row, path = _of(session, operation_id)
    if row["status"] in ACTIVE:
        raise ConflictError(
            f"the operation is {row['status']} and may need its checkpoint.",
            code="CHECKPOINT-InUse",
            field="status",
            value=row["status"],
            suggestion="Cancel the operation first.",
        )
    freed = _size(path)
    delete_files(path)
    return {"operation_id": operation_id, "deleted": True, "freed_bytes": freed}


def cleanup_checkpoints(session: Session, *, max_age_days: float = 30.0) -> dict[str, Any]:
    """Delete the checkpoints older than so many days, but none of an active operation."""
    from marketlab.core import ConfigError
    from marketlab.training import delete_checkpoint as delete_files

    if not max_age_days >= 0:
        raise ConfigError(
            f"max_age_days must be at least 0; received {max_age_days}.", field="max_age_days"
        )
    now = time.time()
    deleted, freed = [], 0
    for item in list_checkpoints(session):
        path = Path(item["path"])
        if item["status"] in ACTIVE or now - _modified(path) < max_age_days * _DAY_SECONDS:
            continue
        freed += item["size_bytes"]
        delete_files(path)
        deleted.append(item["operation_id"] or path.name)
    return {"deleted": deleted, "deleted_count": len(deleted), "freed_bytes": freed}


def checkpoint_stats(session: Session) -> dict[str, Any]:
    """Return how many checkpoints there are, of which kinds and how large."""
    items = list_checkpoints(session)
    kinds: dict[str, int] = {}
    for item in items:
        kinds[str(item["checkpoint_type"])] = kinds.get(str(item["checkpoint_type"]), 0) + 1
    return {
        "total_count": len(items),
        "total_size_bytes": sum(item["size_bytes"] for item in items),
        "by_type": kinds,
        "oldest": items[0]["created_at"] if items else None,
        "newest": items[-1]["created_at"] if items else None,
    }


def _of(session: Session, operation_id: str) -> tuple[dict[str, Any], Path]:
    from marketlab.core import NotFoundError

    row = session.ledger.operation(operation_id)
    path = session.workspace.checkpoint(row["run_id"]) if row["run_id"] else None
    if path is None or not path.is_dir():
        raise NotFoundError(
            f"the operation {operation_id} has no checkpoint.",
            code="CHECKPOINT-NotFound",
            field="operation_id",
            suggestion="Retry it from the beginning.",
        )
    return row, path


def _facts(path: Path, row: dict[str, Any] | None) -> dict[str, Any]:
    from marketlab.core import MarketLabError
    from marketlab.training import checkpoint_facts as read_facts

    facts: dict[str, Any] = {
        "operation_id": row["operation_id"] if row else None,
        "run_id": path.name,
        "status": row["status"] if row else None,
        "path": str(path),
        "size_bytes": _size(path),
        "checkpoint_type": None,
        "created_at": None,
        "epoch": None,
        "problem": None,
    }
    try:
        stored = read_facts(path)
    except MarketLabError as error:
        return {**facts, "problem": str(error)}
    return {
        **facts,
        "checkpoint_type": stored["kind"],
        "created_at": stored["saved_at"],
        "epoch": stored["epoch"],
    }


def _size(path: Path) -> int:
    return sum(item.stat().st_size for item in path.rglob("*") if item.is_file())


def _modified(path: Path) -> float:
    return max((item.stat().st_mtime for item in path.rglob("*")), default=path.stat().st_mtime)
