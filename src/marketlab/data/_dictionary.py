"""The data dictionary: what every stored dataset holds, in Markdown."""

from typing import Any

import polars as pl

from marketlab.data._bars import BarFrame
from marketlab.data._catalog import Catalog, Manifest
from marketlab.data._lineage import LINEAGE, parents_of

COLUMN_TEXTS = {
    "time": "opening time of the bar, UTC",
    "open": "first price, quote currency",
    "high": "highest price, quote currency",
    "low": "lowest price, quote currency",
    "close": "last price, quote currency",
    "volume": "traded volume in the source's unit; zeros if the source brought none",
    "close_time": "moment from which the bar is known, UTC",
}
"""Meaning of each column of bars; a test holds it to the columns that `BarFrame` has."""

_STATISTICS = ("count", "mean", "std", "min", "25%", "50%", "75%", "max")


def data_dictionary(catalog: Catalog, *, generated_at: str) -> str:
    """Return totals, lineage, columns and statistics of all datasets as Markdown.

    Every file is read and its hash checked; errors are those of `Catalog.load`. `generated_at` is
    printed as given.
    """
    manifests = catalog.list()
    rows = sum(m.n_bars for m in manifests)
    parts = [
        "# Data dictionary",
        f"Generated {generated_at}. {len(manifests)} dataset(s), {rows:,} rows.",
        "## Lineage",
        *([_lineage_table(manifests)] if manifests else ["No datasets are stored."]),
    ]
    for manifest in manifests:
        parts += _dataset(manifest, catalog.load(manifest.dataset_id))
    return "\n\n".join(parts) + "\n"


def _lineage_table(manifests: list[Manifest]) -> str:
    lines = []
    for m in manifests:
        lineage = m.metadata.get(LINEAGE, {})
        parents = ", ".join(f"`{parent[:12]}`" for parent in parents_of(m.metadata))
        parameters = lineage.get("parameters", {})
        told = ", ".join(f"{key} = {value}" for key, value in sorted(parameters.items()))
        transform = lineage.get("transform", "from outside")
        lines.append((f"`{m.dataset_id[:12]}`", parents or "none", transform, told or "none"))
    return _table(("dataset", "parents", "transform", "parameters"), lines)


def _dataset(manifest: Manifest, bars: BarFrame) -> list[str]:
    kind = "synthetic" if manifest.is_synthetic else "real"
    facts = [
        ("path", f"{manifest.folder}/bars.parquet"),
        ("dataset id", manifest.dataset_id),
        ("rows × columns", f"{manifest.n_bars:,} × {bars.frame.width}"),
        ("first and last bar", f"{manifest.first_time} to {manifest.last_time}"),
        ("kind", f"{kind}, {'with' if manifest.has_volume else 'without'} volume"),
        ("source", manifest.source),
        ("licence", manifest.licence),
    ]
    columns = [
        (f"`{name}`", str(kind), COLUMN_TEXTS[name]) for name, kind in bars.frame.schema.items()
    ]
    numbers = [
        (f"`{name}`", *_statistics(column))
        for name, column in zip(bars.frame.columns, bars.frame.get_columns(), strict=True)
        if column.dtype == pl.Float64
    ]
    return [
        f"## {manifest.symbol} {manifest.timeframe} ({manifest.dataset_id[:12]})",
        _table(("fact", "value"), facts),
        _table(("column", "type", "meaning"), columns),
        _table(("column", *_STATISTICS), numbers),
    ]


def _statistics(column: Any) -> tuple[str, ...]:
    std = column.std()
    quartiles = [column.quantile(q, interpolation="linear") for q in (0.25, 0.5, 0.75)]
    values = [column.mean(), std, column.min(), *quartiles, column.max()]
    return (str(len(column)), *("–" if v is None else f"{v:.6g}" for v in values))


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(c).replace('|', '/') for c in row)} |" for row in lines)
