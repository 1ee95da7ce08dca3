"""Where a campaign keeps the statistics of its surrogates, so that none is computed twice."""

from pathlib import Path
from typing import Any

from marketlab.campaigns._workspace import Workspace
from marketlab.core import IntegrityError, read_json

FORMAT = 2
"""Of the rows; raised whenever the statistic gets another meaning."""


def null_path(workspace: Workspace, campaign_id: str) -> Path:
    """Return the file of a campaign's surrogate statistics."""
    return workspace.root / "outputs" / "results" / campaign_id / "null.json"


def read_null(workspace: Workspace, campaign_id: str) -> dict[str, Any]:
    """Return what is stored so far: ``names`` of the family, ``rows`` by surrogate index.

    ``format`` tells which version computed the rows; rows of different ones must not be mixed.

    Raises
    ------
    IntegrityError (STORAGE-Corrupt) if the file is damaged.
    """
    path = null_path(workspace, campaign_id)
    if not path.is_file():
        return {"names": None, "rows": {}, "format": FORMAT}
    stored = read_json(path)
    if not _is_sound(stored):
        raise IntegrityError(
            f"{path} is damaged: it must hold the family's names and one row of numbers, as long "
            "as the names, for each surrogate.",
            code="STORAGE-Corrupt",
            suggestion=f"Delete it, then `marketlab campaign resume {campaign_id}`: the null is"
            " computed again, finished runs are kept.",
        )
    return {"format": 1, **stored}


def _is_sound(stored: Any) -> bool:
    if not isinstance(stored, dict):
        return False
    names, rows = stored.get("names"), stored.get("rows")
    if not isinstance(names, list) or not isinstance(rows, dict):
        return False
    return all(
        index.isdecimal() and isinstance(row, list) and len(row) == len(names)
        for index, row in rows.items()
    )
