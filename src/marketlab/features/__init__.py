"""Past bars in, numbers known at each bar's close out: the same in research and in running."""

from marketlab.features import (  # noqa: F401 - they fill INDICATORS
    _library_averages,
    _library_momentum,
    _library_risk,
    _library_volatility,
    _library_volume,
    _momentum,
    _trend,
    _volatility,
    _volume,
)
from marketlab.features._adversarial import ADVERSARIAL_BARS, adversarial_bars
from marketlab.features._audit import FeatureAudit, audit_features
from marketlab.features._audit_checks import HISTORIC_DATES, LogicRules, logic_rules
from marketlab.features._audit_table import AuditFinding, AuditTable
from marketlab.features._bar_arrays import bar_arrays
from marketlab.features._cache import Cached, CacheEntry, FeatureCache
from marketlab.features._causality import (
    ArrayFunction,
    CausalityFinding,
    FeatureSource,
    audit_causality,
    causality_findings,
)
from marketlab.features._check_table import check_function, check_stored, check_tier
from marketlab.features._checks import semantic_issues as feature_issues
from marketlab.features._column_scaler import ColumnScaler
from marketlab.features._columns import FeatureColumn
from marketlab.features._combine import Combined, combine_daily, raw_daily
from marketlab.features._config import FeatureSetConfig, FuzzySetSpec, IndicatorSpec, InputSpec
from marketlab.features._context import join_context
from marketlab.features._define import define, numbers
from marketlab.features._expression import (
    COARSE_PERIODS,
    Expression,
    const,
    on_bars,
    primitive,
    source,
    sources_of,
)
from marketlab.features._feature_file import (
    FeatureFile,
    NamedFeature,
    load_feature_file,
    parse_feature_file,
    shipped_feature_sets,
)
from marketlab.features._feature_set import FeatureFamily, FeatureSet, compute_many
from marketlab.features._formula import resolve_features
from marketlab.features._fuzzy import MembershipSpec
from marketlab.features._graph import Graph
from marketlab.features._health import HealthFinding, feature_health, require_healthy
from marketlab.features._indicator import (
    INDICATORS,
    IndicatorDefinition,
    IndicatorParameter,
    OutputRange,
)
from marketlab.features._issues import Issue
from marketlab.features._leak_hints import leak_hints
from marketlab.features._matrix import FeatureMatrix
from marketlab.features._parse import parse_feature_blocks
from marketlab.features._runner import evaluate
from marketlab.features._scaler import SCALERS, Scaler, ScalerDefinition
from marketlab.features._scaling import ScalerStream, fit_scaler, restore_scaler
from marketlab.features._standardizer import Standardizer
from marketlab.features._stream import FeatureStream
from marketlab.features._table import FeatureTable, build_table, compute_tier
from marketlab.features._table_plan import TablePlan, plan_table, table_key
from marketlab.features._table_store import StoredTable, TableStore
from marketlab.features._text import format_expression, parse_expression
from marketlab.features._tier import FeatureTier
from marketlab.features._window_scaler import WindowScaler, windows_of

__all__ = [
    "ADVERSARIAL_BARS",
    "COARSE_PERIODS",
    "HISTORIC_DATES",
    "INDICATORS",
    "SCALERS",
    "ArrayFunction",
    "AuditFinding",
    "AuditTable",
    "CacheEntry",
    "Cached",
    "CausalityFinding",
    "ColumnScaler",
    "Combined",
    "Expression",
    "FeatureAudit",
    "FeatureCache",
    "FeatureColumn",
    "FeatureFamily",
    "FeatureFile",
    "FeatureMatrix",
    "FeatureSet",
    "FeatureSetConfig",
    "FeatureSource",
    "FeatureStream",
    "FeatureTable",
    "FeatureTier",
    "FuzzySetSpec",
    "Graph",
    "HealthFinding",
    "IndicatorDefinition",
    "IndicatorParameter",
    "IndicatorSpec",
    "InputSpec",
    "Issue",
    "LogicRules",
    "MembershipSpec",
    "NamedFeature",
    "OutputRange",
    "Scaler",
    "ScalerDefinition",
    "ScalerStream",
    "Standardizer",
    "StoredTable",
    "TablePlan",
    "TableStore",
    "WindowScaler",
    "adversarial_bars",
    "audit_causality",
    "audit_features",
    "bar_arrays",
    "build_table",
    "causality_findings",
    "check_function",
    "check_stored",
    "check_tier",
    "combine_daily",
    "compute_many",
    "compute_tier",
    "const",
    "define",
    "evaluate",
    "feature_health",
    "feature_issues",
    "fit_scaler",
    "format_expression",
    "join_context",
    "leak_hints",
    "load_feature_file",
    "logic_rules",
    "numbers",
    "on_bars",
    "parse_expression",
    "parse_feature_blocks",
    "parse_feature_file",
    "plan_table",
    "primitive",
    "raw_daily",
    "require_healthy",
    "resolve_features",
    "restore_scaler",
    "shipped_feature_sets",
    "source",
    "sources_of",
    "table_key",
    "windows_of",
]
