"""The table of datasets in the ledger: a view of the catalog's manifests."""

from sqlalchemy import JSON, Boolean, Column, Integer, String, Table

from marketlab.store import metadata

datasets = Table(
    "datasets",
    metadata,
    Column("dataset_id", String, primary_key=True),
    Column("symbol", String, nullable=False),
    Column("timeframe", String, nullable=False),
    Column("source", String, nullable=False),
    Column("n_bars", Integer, nullable=False),
    Column("first_time", String, nullable=False),
    Column("last_time", String, nullable=False),
    Column("is_synthetic", Boolean, nullable=False),
    Column("has_volume", Boolean, nullable=False),
    Column("path", String, nullable=False),
    Column("file_sha256", String, nullable=False),
    Column("added_at", String, nullable=False),
    Column("metadata", JSON(none_as_null=True), nullable=False),
)
"""One row per stored dataset; times are ISO 8601 in UTC."""
