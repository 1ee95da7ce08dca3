"""What a dataset was made from. It travels in the metadata, so a dataset's id does not know it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marketlab.data._catalog import Manifest

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


def children_of(dataset_id: str, manifests: Iterable["Manifest"]) -> list["Manifest"]:
    """Return the stored datasets that were made from `dataset_id` directly."""
    return [m for m in manifests if dataset_id in parents_of(m.metadata)]


def transform_of(metadata: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Return what made a dataset and its parameters; None for one that came from outside.

    A fetched dataset came from outside, too: its lineage names its raw chunks and no transform.
    """
    lineage = metadata.get(LINEAGE)
    if not isinstance(lineage, Mapping) or "transform" not in lineage:
        return None
    return str(lineage["transform"]), dict(lineage.get("parameters", {}))
