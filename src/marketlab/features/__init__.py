"""Past bars in, numbers known at each bar's close out: the same in research and in running."""

from marketlab.features import _momentum, _trend, _volatility, _volume  # noqa: F401
from marketlab.features._causality import CausalityFinding, audit_causality
from marketlab.features._checks import semantic_issues as feature_issues
from marketlab.features._columns import FeatureColumn
from marketlab.features._config import FeatureSetConfig, FuzzySetSpec, IndicatorSpec, InputSpec
from marketlab.features._expression import Expression, const, primitive, source
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

__all__ = [
    "INDICATORS",
    "CausalityFinding",
    "Expression",
    "FeatureColumn",
    "FeatureFamily",
    "FeatureMatrix",
    "FeatureSet",
    "FeatureSetConfig",
    "FeatureStream",
    "FuzzySetSpec",
    "Graph",
    "HealthFinding",
    "IndicatorDefinition",
    "IndicatorParameter",
    "IndicatorSpec",
    "InputSpec",
    "Issue",
    "MembershipSpec",
    "OutputRange",
    "Standardizer",
    "audit_causality",
    "compute_many",
    "const",
    "evaluate",
    "feature_health",
    "feature_issues",
    "parse_feature_blocks",
    "primitive",
    "require_healthy",
    "source",
]
