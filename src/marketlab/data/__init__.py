"""Brings bars in, checks them, stores them by version."""

from marketlab.data._bars import BarFrame, close_time
from marketlab.data._bundled import (
    BUNDLED,
    BundledSeries,
    fetch_bundled,
    load_bundled,
    wheel_folder,
)
from marketlab.data._catalog import Catalog, CatalogFinding, Manifest
from marketlab.data._import import ImportOptions, import_bars
from marketlab.data._record import record_dataset
from marketlab.data._synthetic import SyntheticConfig, synthetic_bars
from marketlab.data._timeframe import TIMEFRAMES, parse_timeframe
from marketlab.data._validate import Finding, ValidationReport, validate_bars

__all__ = [
    "BUNDLED",
    "TIMEFRAMES",
    "BarFrame",
    "BundledSeries",
    "Catalog",
    "CatalogFinding",
    "Finding",
    "ImportOptions",
    "Manifest",
    "SyntheticConfig",
    "ValidationReport",
    "close_time",
    "fetch_bundled",
    "import_bars",
    "load_bundled",
    "parse_timeframe",
    "record_dataset",
    "synthetic_bars",
    "validate_bars",
    "wheel_folder",
]
