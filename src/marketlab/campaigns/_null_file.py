"""Where a campaign keeps the statistics of its surrogates, so that none is computed twice."""

from pathlib import Path
from typing import Any

from marketlab.campaigns._workspace import Workspace
from marketlab.core import read_json


def null_path(workspace: Workspace, campaign_id: str) -> Path:
    """Return the file of a campaign's surrogate statistics."""
    return workspace.root / "outputs" / "results" / campaign_id / "null.json"


def read_null(workspace: Workspace, campaign_id: str) -> dict[str, Any]:
    """Return what is stored so far: ``names`` of the family, ``rows`` by surrogate index."""
    path = null_path(workspace, campaign_id)
    if not path.is_file():
        return {"names": None, "rows": {}}
    stored: dict[str, Any] = read_json(path)
    return stored
