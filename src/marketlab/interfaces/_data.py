"""Bringing bars in, listing, describing and verifying what is stored."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace
    from marketlab.data import FileManifests

OnStep = Callable[[str, int, int], None]


def import_data(
    workspace: "Workspace",
    path: Path,
    *,
    symbol: str,
    timeframe: str,
    timezone: str | None,
    options: dict[str, Any],
) -> dict[str, Any]:
    """Read bars from a CSV or Parquet file into the catalog; see `marketlab.data.import_bars`.

    `options` is the mapping of `ImportOptions` (columns, time_format, source, licence, …).
    """
    from marketlab.core import from_mapping
    from marketlab.data import ImportOptions, import_bars

    workspace.require()
    bars, report = import_bars(
        path,
        symbol=symbol,
        timeframe=timeframe,
        timezone=timezone,
        options=from_mapping(ImportOptions, options, source="options"),
    )
    dataset_id = workspace.catalog.add(bars)
    return {**_manifest(workspace, dataset_id), "report": report.to_mapping()}


def make_synthetic(workspace: "Workspace", options: dict[str, Any]) -> dict[str, Any]:
    """Store made-up bars; `options` is the mapping of `SyntheticConfig`."""
    from marketlab.core import from_mapping
    from marketlab.data import SyntheticConfig, synthetic_bars

    workspace.require()
    bars = synthetic_bars(from_mapping(SyntheticConfig, options, source="options"))
    return _manifest(workspace, workspace.catalog.add(bars))


def make_market(
    workspace: "Workspace",
    recipe: str,
    *,
    n_symbols: int,
    options: dict[str, Any],
    on_step: OnStep | None = None,
) -> dict[str, Any]:
    """Store the symbols of a made-up market, one after the other, and return their manifests.

    `options` are fields of `SyntheticMarketConfig` that go before the recipe's (n_bars, seed, …).
    Not more than one symbol is held in memory.
    """
    from marketlab.core import from_mapping
    from marketlab.data import SyntheticMarketConfig, iter_synthetic_market, market_recipe

    workspace.require()
    plain = market_recipe(recipe, n_symbols=n_symbols).to_mapping()
    config = from_mapping(SyntheticMarketConfig, {**plain, **options}, source="options")
    ids: list[str] = []
    series = iter_synthetic_market(config)
    for position, symbol in enumerate(config.symbols):
        if on_step is not None:
            on_step(symbol.name, position, len(config.symbols))
        ids.append(workspace.catalog.add(next(series)))
    stored = {m.dataset_id: dict(m.to_mapping()) for m in workspace.catalog.list()}
    return {"recipe": recipe, "datasets": [stored[dataset_id] for dataset_id in ids]}


def fetch_bundled(workspace: "Workspace | None", on_step: OnStep | None = None) -> dict[str, Any]:
    """Download the real series, and store them in the catalog of `workspace` if one is given."""
    from marketlab.data import BUNDLED, load_bundled
    from marketlab.data import fetch_bundled as fetch_wheels

    wheels = fetch_wheels(on_step)
    stored: dict[str, str] = {}
    if workspace is not None:
        catalog = workspace.catalog
        stored = {name: catalog.add(load_bundled(name)) for name in BUNDLED.names()}
    return {"wheels": [str(path) for path in wheels], "series": BUNDLED.names(), "stored": stored}


def list_data(workspace: "Workspace") -> list[dict[str, Any]]:
    """Return the manifests of all stored bars."""
    return [m.to_mapping() for m in workspace.require().catalog.list()]


def describe_data(workspace: "Workspace", reference: str) -> dict[str, Any]:
    """Return manifest, kind, findings and lineage of one data set, or of one table made from it.

    `reference` is a data set's id, a prefix of it, or ``SYMBOL/TIMEFRAME``; or a table of features
    or labels: its name, NAME/vN or path. Parents that are not stored any more come with their id
    alone. Children are data sets and tables.

    Raises
    ------
    As `Catalog.load` and `Catalog.find`; IntegrityError for a table that is missing or altered.
    """
    from marketlab.data import children_of, dataset_kind, parents_of, transform_of, validate_bars
    from marketlab.interfaces import _lineage

    catalog = workspace.require().catalog
    stored = {m.dataset_id: m for m in catalog.list()}
    tables = _lineage.stored_tables(workspace)
    found = _lineage.find_table(tables, reference)
    if found is not None:
        return _lineage.table_facts(workspace, found, stored)
    files = _files(workspace)
    for entry in files.latest():
        if entry.dataset == reference.partition("/v")[0]:
            files.checked(entry)  # its file is gone or no table any more
    if "/" in reference:
        symbol, _, timeframe = reference.partition("/")
        bars = catalog.find(symbol, timeframe)
    else:
        bars = catalog.load(reference)
    report = validate_bars(bars, bars.timeframe)
    manifest = stored[bars.dataset_id]
    made = transform_of(manifest.metadata)
    children = [
        _lineage.dataset_facts(m, m.dataset_id)
        for m in children_of(bars.dataset_id, stored.values())
    ]
    return {
        **manifest.to_mapping(),
        "kind": dataset_kind(manifest),
        "made_by": None if made is None else {"transform": made[0], "parameters": made[1]},
        "parents": [
            _lineage.dataset_facts(stored.get(p), p) for p in parents_of(manifest.metadata)
        ],
        "children": [*children, *_lineage.child_tables(tables, bars.dataset_id)],
        "report": report.to_mapping(),
    }


def verify_data(workspace: "Workspace") -> dict[str, Any]:
    """Read every stored and every registered file again; return what is not as it was."""
    from marketlab.interfaces._lineage import stale_tables

    catalog = workspace.require().catalog
    files = _files(workspace)
    described = files.described()
    findings = [f.to_mapping() for f in catalog.verify(described=described)]
    findings += [f.to_mapping() for f in files.verify()]
    findings += [f.to_mapping() for f in stale_tables(workspace, catalog)]
    registered = sum(path.name != "manifest.json" for path in described)
    # Counted by folder: a manifest that cannot be read is among the findings.
    datasets = len(list(catalog.root.glob("[!.]*/manifest.json")))
    return {
        "ok": not findings,
        "datasets": datasets,
        "registered_files": registered,
        "findings": findings,
    }


def register_raw(workspace: "Workspace", dataset: str, file: Path) -> dict[str, Any]:
    """Enter a file under ``data/raw`` in the manifest there; see `FileManifests.register_raw`."""
    files = _files(workspace.require())
    return dict(files.register_raw(dataset, _inner(files.root, file)).to_mapping())


def register_processed(
    workspace: "Workspace",
    dataset: str,
    file: Path,
    *,
    version: int,
    tier: str,
    sources: list[str],
) -> dict[str, Any]:
    """Enter a file under ``data/processed`` in the manifest there.

    `sources` are MD5s or registered paths of raw files; see `FileManifests.register_processed`.
    """
    files = _files(workspace.require())
    entry = files.register_processed(
        dataset, _inner(files.root, file), version=version, tier=tier, sources=tuple(sources)
    )
    return dict(entry.to_mapping())


def _files(workspace: "Workspace") -> "FileManifests":
    from marketlab.data import FileManifests

    return FileManifests(workspace.root / "data")


def _inner(root: Path, file: Path) -> str:
    """Return a file's path relative to the data folder; relative ones are so already."""
    from marketlab.core import ConfigError

    if not file.is_absolute():
        return file.as_posix()
    if root.resolve() not in file.resolve().parents:
        raise ConfigError(
            f"{file} does not lie in the data folder {root}.",
            code="CONFIG-PathOutsideWorkspace",
            field="file",
            value=str(file),
            suggestion="Copy the file there first, under raw or processed.",
        )
    return file.resolve().relative_to(root.resolve()).as_posix()


def _manifest(workspace: "Workspace", dataset_id: str) -> dict[str, Any]:
    found = next(m for m in workspace.catalog.list() if m.dataset_id == dataset_id)
    return dict(found.to_mapping())
