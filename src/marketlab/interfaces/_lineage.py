"""Where tables of features and labels come from: what their footers tell, beside the catalog."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace
    from marketlab.data import Catalog, CatalogFinding, Manifest, TableNote
    from marketlab.features import StoredTable

_LABEL_COLUMNS = {
    "bar": "position of the labelled bar in its dataset",
    "value": "the label: a class's index or a number, by the formula",
    "start": "position of the first bar that the label reads",
    "end": "position of the last bar that the label reads",
    "start_time": "close of the first bar that the label reads, UTC",
    "end_time": "close of the last bar that the label reads, UTC: the label is known from then",
    "event": "number of the independent event that the label belongs to",
    "uniqueness": "share of the label's span that no other label reads, 0 to 1",
    "weight": "weight of the sample in training",
}


def stored_tables(workspace: "Workspace") -> "list[StoredTable]":
    """Return every table of features or labels that the workspace keeps.

    Raises
    ------
    IntegrityError for a manifest of files that is none.
    """
    root = workspace.root / "data"
    if not (root / "processed" / "manifest.json").is_file():
        return []  # and nothing heavy is loaded
    from marketlab.features import TableStore

    return TableStore(root).list()


def find_table(tables: "Iterable[StoredTable]", reference: str) -> "StoredTable | None":
    """Return a table by its name (newest version), NAME/vN, or the path of its file."""
    from pathlib import Path

    name, _, version = reference.partition("/v")
    found = [t for t in tables if t.name == name and version in ("", str(t.version))]
    if not found and reference.endswith(".parquet"):
        found = [t for t in tables if t.path.resolve() == Path(reference).resolve()]
    return max(found, key=lambda each: each.version, default=None)


def table_parents(facts: Mapping[str, Any]) -> list[str]:
    """Return the ids of the datasets that a table was made from, each once."""
    ids = [facts.get("dataset_id")]
    ids += [series["dataset_id"] for series in facts.get("context", {}).values()]
    return list(dict.fromkeys(str(each) for each in ids if each))


def table_facts(
    workspace: "Workspace", table: "StoredTable", stored: "Mapping[str, Manifest]"
) -> dict[str, Any]:
    """Return what a table is and what it was made from, JSON-ready.

    Raises
    ------
    IntegrityError (``INTEGRITY-DatasetAltered``) if the file is not the one that was stored.
    """
    from marketlab.features import TableStore

    frame, _ = TableStore(workspace.root / "data").load(f"{table.name}/v{table.version}")
    transform, parameters = _made_by(table.facts)
    return {
        "table": table.name,
        "version": table.version,
        "path": str(table.path),
        "kind": _kind(table.facts),
        "is_synthetic": table.facts.get("is_synthetic"),
        "n_rows": frame.height,
        "columns": list(frame.columns),
        "made_by": {"transform": transform, "parameters": parameters},
        "parents": [dataset_facts(stored.get(p), p) for p in table_parents(table.facts)],
        "children": [],
    }


def dataset_facts(manifest: "Manifest | None", dataset_id: str) -> dict[str, Any]:
    """Return what names a relative among datasets; its id alone if it is not stored any more."""
    if manifest is None:
        return {"dataset_id": dataset_id, "stored": False}
    names = ("symbol", "timeframe", "n_bars", "source")
    facts = {name: getattr(manifest, name) for name in names}
    return {"dataset_id": dataset_id, "stored": True, **facts}


def child_tables(tables: "Iterable[StoredTable]", dataset_id: str) -> list[dict[str, Any]]:
    """Return the tables that were made from a dataset."""
    return [
        {
            "table": table.name,
            "version": table.version,
            "kind": _kind(table.facts),
            "stored": True,
        }
        for table in tables
        if dataset_id in table_parents(table.facts)
    ]


def stale_tables(workspace: "Workspace", catalog: "Catalog") -> "list[CatalogFinding]":
    """Return the tables that were made from datasets that are gone or replaced.

    Of manifests that cannot be read others tell; no table is called stale then.
    """
    from marketlab.core import IntegrityError
    from marketlab.data import CatalogFinding

    try:
        tables = stored_tables(workspace)
        return [
            CatalogFinding(kind="stale", path=str(table.path), message=f"{table.path} {text}")
            for table in tables
            for text in catalog.why_stale(table_parents(table.facts))
        ]
    except IntegrityError:
        return []


def table_notes(workspace: "Workspace") -> "dict[str, TableNote]":
    """Return what the data dictionary is to tell of each table, by its path in the manifest."""
    from marketlab.data import TableNote

    root = workspace.root / "data"
    return {
        table.path.relative_to(root).as_posix(): TableNote(
            kind=_kind(table.facts),
            parents=tuple(table_parents(table.facts)),
            columns=_meanings(table.facts),
        )
        for table in stored_tables(workspace)
    }


def _made_by(facts: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the command that makes such a table, and what it was told."""
    if facts.get("kind") == "labels":
        return "labels build", {name: facts[name] for name in ("formula", "weights")}
    context = {name: series["dataset_id"] for name, series in facts["context"].items()}
    if "joined" in facts:
        return "data combine", {"tiers": " and ".join(facts["tiers"]), "joined": facts["joined"]}
    return "features build", {"tier": facts["tier"], **context}


def _kind(facts: Mapping[str, Any]) -> str:
    kind = "synthetic" if facts.get("is_synthetic") else "real"
    if facts.get("kind") == "labels":
        return f"labels by {facts['formula']}, {kind}"
    if "joined" in facts:
        return f"combined dataset, tiers {' and '.join(facts['tiers'])}, {kind}"
    return f"features, tier {facts['tier']}, {kind}"


def _meanings(facts: Mapping[str, Any]) -> dict[str, str]:
    if facts.get("kind") == "labels":
        return _LABEL_COLUMNS
    # The second part of a combined dataset is computed over the context's own bars.
    names = iter([facts["symbol"], *facts["context"]] if "joined" in facts else [])
    over = {
        column: name
        for name, part in zip(names, facts["parts"], strict=False)
        for column in part["columns"]
    }
    return {
        column["name"]: _meaning(column, over.get(column["name"])) for column in facts["columns"]
    }


def _meaning(column: Mapping[str, Any], over: str | None) -> str:
    scale = column["scale"]
    if column.get("range"):
        low, high = column["range"]
        scale += f", {low:g} to {high:g}"
    text = f"`{column['formula']}`" + (f" of {over}" if over else "")
    note = f"; {column['note'].strip()}" if column.get("note") else ""
    return f"{text}; {scale}; known at the close of the bar{note}"
