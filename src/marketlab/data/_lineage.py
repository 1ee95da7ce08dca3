"""What a dataset was made from. It travels in the metadata, so a dataset's id does not know it."""

from collections.abc import Mapping, Sequence
from typing import Any

LINEAGE = "lineage"


def lineage_of(
    transform: str, parents: Sequence[str], parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return metadata that names the parents' ids, the transform and its parameters as JSON."""
    return {
        LINEAGE: {
            "parents": list(parents),
            "transform": transform,
            "parameters": dict(parameters),
        }
    }


def parents_of(metadata: Mapping[str, Any]) -> list[str]:
    """Return the parents' ids that metadata names; none for a dataset that came from outside."""
    lineage = metadata.get(LINEAGE)
    if not isinstance(lineage, Mapping):
        return []
    return [str(parent) for parent in lineage.get("parents", [])]
