"""Past bars in, numbers known at each bar's close out: the same in research and in running."""

from marketlab.features import _momentum, _trend, _volatility, _volume  # noqa: F401
from marketlab.features._bar_arrays import bar_arrays
from marketlab.features._causality import CausalityFinding, audit_causality
from marketlab.features._checks import semantic_issues as feature_issues
from marketlab.features._columns import FeatureColumn
from marketlab.features._config import FeatureSetConfig, FuzzySetSpec, IndicatorSpec, InputSpec
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
from marketlab.features._fuzzy import MembershipSpec
from marketlab.features._graph import Graph, evaluate
from marketlab.features._health import HealthFinding, feature_health, require_healthy
from marketlab.features._indicator import (
    INDICATORS,
    IndicatorDefinition,
    IndicatorParameter,
    OutputRange,
)
from marketlab.features._issues import Issue
from marketlab.features._matrix import FeatureMatrix
from marketlab.features._parse import parse_feature_blocks
from marketlab.features._standardizer import Standardizer
from marketlab.features._stream import FeatureStream
from marketlab.features._text import format_expression, parse_expression
from marketlab.features._tier import FeatureTier

__all__ = [
    "COARSE_PERIODS",
    "INDICATORS",
    "CausalityFinding",
    "Expression",
    "FeatureColumn",
    "FeatureFamily",
    "FeatureFile",
    "FeatureMatrix",
    "FeatureSet",
    "FeatureSetConfig",
    "FeatureStream",
    "FeatureTier",
    "FuzzySetSpec",
    "Graph",
    "HealthFinding",
    "IndicatorDefinition",
    "IndicatorParameter",
    "IndicatorSpec",
    "InputSpec",
    "Issue",
    "MembershipSpec",
    "NamedFeature",
    "OutputRange",
    "Standardizer",
    "audit_causality",
    "bar_arrays",
    "compute_many",
    "const",
    "define",
    "evaluate",
    "feature_health",
    "feature_issues",
    "format_expression",
    "load_feature_file",
    "numbers",
    "on_bars",
    "parse_expression",
    "parse_feature_blocks",
    "parse_feature_file",
    "primitive",
    "require_healthy",
    "shipped_feature_sets",
    "source",
    "sources_of",
]
