"""Brings bars in, checks them, stores them by version."""

from marketlab.data._acquire import acquire
from marketlab.data._bars import BarFrame, close_time
from marketlab.data._bundled import (
    BUNDLED,
    BundledSeries,
    fetch_bundled,
    load_bundled,
    wheel_folder,
)
from marketlab.data._bundled_source import Bundled
from marketlab.data._calendar import (
    CALENDARS,
    AlwaysOpen,
    ExchangeSessions,
    FxWeek,
    Sessions,
    TradingCalendar,
    expected_bars,
    session_close_time,
)
from marketlab.data._catalog import Catalog, CatalogFinding, Manifest
from marketlab.data._ccxt import Ccxt
from marketlab.data._chunk_files import finished_chunks
from marketlab.data._coinbase import Coinbase
from marketlab.data._cross_check import CrossCheck, cross_check
from marketlab.data._dictionary import TableNote, data_dictionary, dataset_kind
from marketlab.data._fetch_log import FetchLog, last_lines
from marketlab.data._fetch_plan import (
    DatasetPlan,
    FetchPlan,
    FetchRecipe,
    FetchRequest,
    canonical_symbol,
    fetch_recipe_names,
    load_fetch_recipe,
    plan_fetch,
)
from marketlab.data._fetch_quality import FetchQuality
from marketlab.data._fetch_run import fetch_run, progress_of, read_fetches
from marketlab.data._fetch_state import DatasetState
from marketlab.data._fetch_summary import write_summary
from marketlab.data._file_manifest import FileFinding, FileManifests
from marketlab.data._files_source import Files
from marketlab.data._fill import FilledBars, fill_gaps, filled_mask
from marketlab.data._gaps import Coverage, find_gaps
from marketlab.data._import import ImportOptions, import_bars
from marketlab.data._join import ContextSeries, Joined, point_in_time_join
from marketlab.data._journal import read_journals
from marketlab.data._lineage import children_of, lineage_of, parents_of, transform_of
from marketlab.data._market import (
    SyntheticMarket,
    iter_synthetic_market,
    synthetic_market,
)
from marketlab.data._market_config import MarketSymbol, SyntheticMarketConfig, market_recipe
from marketlab.data._oanda import Oanda
from marketlab.data._quality import (
    QualityCheck,
    QualityReport,
    assess_quality,
    outlier_scores,
)
from marketlab.data._record import record_dataset
from marketlab.data._resample import Resampled, resample_bars
from marketlab.data._retry import RetryPolicy
from marketlab.data._source import SOURCES, BarSource
from marketlab.data._synthetic import SyntheticConfig, synthetic_bars
from marketlab.data._synthetic_source import Synthetic
from marketlab.data._timeframe import TIMEFRAMES, parse_timeframe
from marketlab.data._validate import Finding, ValidationReport, validate_bars
from marketlab.data._yfinance import Yfinance

__all__ = [
    "BUNDLED",
    "CALENDARS",
    "SOURCES",
    "TIMEFRAMES",
    "AlwaysOpen",
    "BarFrame",
    "BarSource",
    "Bundled",
    "BundledSeries",
    "Catalog",
    "CatalogFinding",
    "Ccxt",
    "Coinbase",
    "ContextSeries",
    "Coverage",
    "CrossCheck",
    "DatasetPlan",
    "DatasetState",
    "ExchangeSessions",
    "FetchLog",
    "FetchPlan",
    "FetchQuality",
    "FetchRecipe",
    "FetchRequest",
    "FileFinding",
    "FileManifests",
    "Files",
    "FilledBars",
    "Finding",
    "FxWeek",
    "ImportOptions",
    "Joined",
    "Manifest",
    "MarketSymbol",
    "Oanda",
    "QualityCheck",
    "QualityReport",
    "Resampled",
    "RetryPolicy",
    "Sessions",
    "Synthetic",
    "SyntheticConfig",
    "SyntheticMarket",
    "SyntheticMarketConfig",
    "TableNote",
    "TradingCalendar",
    "ValidationReport",
    "Yfinance",
    "acquire",
    "assess_quality",
    "canonical_symbol",
    "children_of",
    "close_time",
    "cross_check",
    "data_dictionary",
    "dataset_kind",
    "expected_bars",
    "fetch_bundled",
    "fetch_recipe_names",
    "fetch_run",
    "fill_gaps",
    "filled_mask",
    "find_gaps",
    "finished_chunks",
    "import_bars",
    "iter_synthetic_market",
    "last_lines",
    "lineage_of",
    "load_bundled",
    "load_fetch_recipe",
    "market_recipe",
    "outlier_scores",
    "parents_of",
    "parse_timeframe",
    "plan_fetch",
    "point_in_time_join",
    "progress_of",
    "read_fetches",
    "read_journals",
    "record_dataset",
    "resample_bars",
    "session_close_time",
    "synthetic_bars",
    "synthetic_market",
    "transform_of",
    "validate_bars",
    "wheel_folder",
    "write_summary",
]
