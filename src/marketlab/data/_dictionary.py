"""The data dictionary: what every stored dataset and registered file holds, in Markdown."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import polars as pl

from marketlab.data._bars import BarFrame
from marketlab.data._catalog import Catalog, Manifest
from marketlab.data._file_entries import ProcessedEntry, RawEntry
from marketlab.data._file_manifest import FileManifests
from marketlab.data._lineage import LINEAGE, parents_of, transform_of

COLUMN_TEXTS = {
    "time": "opening time of the bar, UTC",
    "open": "first price, quote currency",
    "high": "highest price, quote currency",
    "low": "lowest price, quote currency",
    "close": "last price, quote currency",
    "volume": "traded volume in the source's unit; zeros if the source brought none",
    "close_time": "moment from which the bar is known, UTC",
    "date": "day of the row, by the exchange's calendar",
}
"""Meaning of each column of bars; a test holds it to the columns that `BarFrame` has."""

_TRANSFORM_KINDS = {"resample_bars": "resampled bars", "fill_gaps": "bars with filled gaps"}

_STATISTICS = ("count", "mean", "std", "min", "25%", "50%", "75%", "max")


@dataclass(frozen=True)
class TableNote:
    """What those who make a registered table know of it and its file manifest does not.

    Attributes
    ----------
    kind : what the table is.
    parents : ids of the datasets that it was made from.
    columns : what each column means, by its name; others are described as those of bars.
    """

    kind: str
    parents: tuple[str, ...]
    columns: Mapping[str, str]


def data_dictionary(
    catalog: Catalog,
    *,
    generated_at: str,
    files: FileManifests | None = None,
    notes: Mapping[str, TableNote] | None = None,
) -> str:
    """Return totals, lineage, columns and statistics of all datasets as Markdown.

    Every file is read and its hash checked; errors are those of `Catalog.load` and
    `FileManifests.checked`. `generated_at` is printed as given. With `files`, the registered raw
    and derived tables follow: the latest entry of each path, with what `notes` tells of the path.
    """
    told = notes or {}
    manifests = catalog.list()
    rows = sum(m.n_bars for m in manifests)
    entries = files.latest() if files is not None else ()
    tables = [(entry, _read_table(files.checked(entry))) for entry in entries] if files else []
    counted = f" {len(tables)} registered file(s), " if tables else ""
    counted += f"{sum(table.height for _, table in tables):,} rows." if tables else ""
    parts = [
        "# Data dictionary",
        f"Generated {generated_at}. {len(manifests)} dataset(s), {rows:,} rows.{counted}",
        "## Lineage",
        *([_lineage_table(manifests)] if manifests else ["No datasets are stored."]),
    ]
    if tables:
        parts.append(_file_lineage([entry for entry, _ in tables], told))
    for manifest in manifests:
        parts += _dataset(manifest, catalog.load(manifest.dataset_id))
    for entry, table in tables:
        parts += _file(entry, table, told.get(entry.path))
    return "\n\n".join(parts) + "\n"


def _lineage_table(manifests: list[Manifest]) -> str:
    lines = []
    for m in manifests:
        lineage = m.metadata.get(LINEAGE, {})
        parents = ", ".join(f"`{parent[:12]}`" for parent in parents_of(m.metadata))
        if "raw_folder" in lineage:
            parents = f"`raw/{lineage['raw_folder']}`, {lineage['n_requests']} request(s)"
        parameters = lineage.get("parameters", {})
        told = ", ".join(f"{key} = {value}" for key, value in sorted(parameters.items()))
        transform = lineage.get("transform", "from outside")
        lines.append((f"`{m.dataset_id[:12]}`", parents or "none", transform, told or "none"))
    return _table(("dataset", "parents", "transform", "parameters"), lines)


def _dataset(manifest: Manifest, bars: BarFrame) -> list[str]:
    facts = [
        ("path", f"{manifest.folder}/bars.parquet"),
        ("dataset id", manifest.dataset_id),
        ("rows × columns", f"{manifest.n_bars:,} × {bars.frame.width}"),
        ("first and last bar", f"{manifest.first_time} to {manifest.last_time}"),
        ("kind", dataset_kind(manifest)),
        ("source", manifest.source),
        ("licence", manifest.licence),
    ]
    return [
        f"## {manifest.symbol} {manifest.timeframe} ({manifest.dataset_id[:12]})",
        _table(("fact", "value"), facts),
        *_contents(bars.frame),
    ]


def dataset_kind(manifest: Manifest) -> str:
    """Return what a stored dataset is, by its metadata."""
    made = transform_of(manifest.metadata)
    what = "raw bars" if made is None else _TRANSFORM_KINDS.get(made[0], f"made by {made[0]}")
    kind = "synthetic" if manifest.is_synthetic else "real"
    return f"{what}, {kind}, {'with' if manifest.has_volume else 'without'} volume"


def file_kind(entry: RawEntry | ProcessedEntry) -> str:
    """Return what a registered file is, by its registered dataset and tier, not by its name."""
    if isinstance(entry, RawEntry):
        return "raw"
    parts, tier = entry.dataset.lower().split("."), entry.tier.lower()
    if "labels" in parts or tier in {"labels", "thresholds"}:
        return "labels"
    if {"dataset", "combined"} & {*parts, tier}:
        return f"combined, tier {entry.tier}"
    if tier in {"c", "vix"}:
        return f"VIX features, tier {entry.tier}"
    if tier[:1] == "a" and tier[1:].isdigit():
        return f"indicators, tier {entry.tier}"
    return f"bars, tier {entry.tier}" if "ohlcv" in parts else f"table, tier {entry.tier}"


def _kind(entry: RawEntry | ProcessedEntry, note: TableNote | None) -> str:
    return file_kind(entry) if note is None else note.kind


def _file_lineage(entries: list[RawEntry | ProcessedEntry], notes: Mapping[str, TableNote]) -> str:
    paths = {entry.md5: entry.path for entry in entries if isinstance(entry, RawEntry)}
    lines = []
    for entry in entries:
        sources = () if isinstance(entry, RawEntry) else entry.source_raw_md5s
        told = ", ".join(f"`{paths.get(md5, md5)}`" for md5 in sources) or "none"
        note = notes.get(entry.path)
        made = ", ".join(f"`{parent[:12]}`" for parent in note.parents) if note else ""
        lines.append((f"`{entry.path}`", told, _kind(entry, note), entry.dataset, made or "none"))
    return _table(("file", "raw sources", "kind", "dataset", "made from"), lines)


def _file(entry: RawEntry | ProcessedEntry, table: Any, note: TableNote | None) -> list[str]:
    facts = [
        ("dataset", entry.dataset),
        ("kind", _kind(entry, note)),
        ("MD5", entry.md5),
        ("rows × columns", f"{table.height:,} × {table.width}"),
    ]
    if isinstance(entry, ProcessedEntry):
        facts.insert(2, ("version", str(entry.version)))
    facts += [
        (f"range of `{name}`", f"{table[name].min()} to {table[name].max()}")
        for name, kind in table.schema.items()
        if kind.is_temporal() and table.height
    ]
    meanings = note.columns if note is not None else {}
    return [f"## {entry.path}", _table(("fact", "value"), facts), *_contents(table, meanings)]


def _read_table(path: Any) -> Any:
    if PurePosixPath(path).suffix == ".csv":
        return pl.read_csv(path, try_parse_dates=True)
    return pl.read_parquet(path)


def _contents(table: Any, meanings: Mapping[str, str] | None = None) -> list[str]:
    """Return the table of columns, and that of the numbers in them."""
    texts = COLUMN_TEXTS | dict(meanings or {})
    columns = [
        (f"`{name}`", str(kind), texts.get(name, COLUMN_TEXTS.get(name.lower(), "–")))
        for name, kind in table.schema.items()
    ]
    numbers = [
        (f"`{name}`", *_statistics(table[name]))
        for name, kind in table.schema.items()
        if kind.is_numeric()
    ]
    out = [_table(("column", "type", "meaning"), columns)]
    return [*out, _table(("column", *_STATISTICS), numbers)] if numbers else out


def _statistics(column: Any) -> tuple[str, ...]:
    std = column.std()
    quartiles = [column.quantile(q, interpolation="linear") for q in (0.25, 0.5, 0.75)]
    values = [column.mean(), std, column.min(), *quartiles, column.max()]
    return (str(len(column)), *("–" if v is None else f"{v:.6g}" for v in values))


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(c).replace('|', '/') for c in row)} |" for row in lines)
