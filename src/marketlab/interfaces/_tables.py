"""What is wrong with the files of a workspace: data sets of the catalog, tables of the manifest."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from marketlab.campaigns import Workspace

_STAGES = ("raw", "processed")


def catalog_findings(workspace: "Workspace") -> list[dict[str, Any]]:
    """Return what is wrong with the catalog; what the file manifests describe is not its concern.

    Raises
    ------
    IntegrityError if a manifest cannot be read.
    """
    others = {str(path) for path in _described(workspace.root / "data")}
    return [f.to_mapping() for f in workspace.catalog.verify() if f.path not in others]


def table_findings(workspace: "Workspace") -> list[dict[str, Any]]:
    """Return what is wrong with the tables and raw files that the file manifests describe."""
    from marketlab.data import FileManifests

    root = workspace.root / "data"
    there = [stage for stage in _STAGES if (root / stage / "manifest.json").is_file()]
    if not there:
        return []
    # A workspace without raw files of the laboratory's kind needs no manifest of them.
    absent = {str(root / stage / "manifest.json") for stage in _STAGES if stage not in there}
    return [f.to_mapping() for f in FileManifests(root).verify() if f.path not in absent]


def _described(root: "Path") -> set["Path"]:
    from marketlab.data import FileManifests

    manifests = FileManifests(root)
    found: set[Path] = set()
    for stage in _STAGES:
        if (root / stage / "manifest.json").is_file():
            entries = (manifests.raw() if stage == "raw" else manifests.processed()).entries
            found.add(root / stage / "manifest.json")
            for entry in entries:
                path = root / entry.path
                found |= {path, *(p for p in path.parents if root / stage in p.parents)}
    return found
