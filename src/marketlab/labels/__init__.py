"""States what is to be predicted; the only room that looks forward."""

from marketlab.labels._base import (
    BUY,
    CLASS_NAMES,
    HOLD,
    LABELS,
    SELL,
    LabelMethod,
    LabelSet,
    LabelSource,
)
from marketlab.labels._compute import compute_labels, label_by_name, parse_label_config
from marketlab.labels._config import (
    DirectionLabelConfig,
    ForwardLogReturnLabelConfig,
    ForwardReturnLabelConfig,
    ForwardReturnValueLabelConfig,
    LabelBlock,
    LabelConfig,
    MetaLabelConfig,
    RealisedRangeLabelConfig,
    RealisedVolatilityLabelConfig,
    ScaledReturnLabelConfig,
    ThresholdTouchLabelConfig,
    TradeReturnLabelConfig,
    TripleBarrierLabelConfig,
    ZigzagLabelConfig,
    ZigzagNextLegLabelConfig,
)
from marketlab.labels._degenerate import Degeneracy, degenerate_reasons, refuse_degenerate
from marketlab.labels._direction import direction
from marketlab.labels._forward_return import forward_return
from marketlab.labels._meta import TradeRule, meta_label, primary_side, trade_return
from marketlab.labels._next_leg import zigzag_next_leg
from marketlab.labels._overlap import Overlap, disjoint_events, overlap_of, sample_weights
from marketlab.labels._realised import realised_range, realised_volatility
from marketlab.labels._return_targets import (
    forward_log_return,
    forward_return_value,
    scaled_return,
)
from marketlab.labels._touch import threshold_touch
from marketlab.labels._triple_barrier import TripleBarrierRule, triple_barrier
from marketlab.labels._volatility import barrier_volatility, cusum_events
from marketlab.labels._zigzag import zigzag_segment, zigzag_segment_legacy

__all__ = [
    "BUY",
    "CLASS_NAMES",
    "HOLD",
    "LABELS",
    "SELL",
    "Degeneracy",
    "DirectionLabelConfig",
    "ForwardLogReturnLabelConfig",
    "ForwardReturnLabelConfig",
    "ForwardReturnValueLabelConfig",
    "LabelBlock",
    "LabelConfig",
    "LabelMethod",
    "LabelSet",
    "LabelSource",
    "MetaLabelConfig",
    "Overlap",
    "RealisedRangeLabelConfig",
    "RealisedVolatilityLabelConfig",
    "ScaledReturnLabelConfig",
    "ThresholdTouchLabelConfig",
    "TradeReturnLabelConfig",
    "TradeRule",
    "TripleBarrierLabelConfig",
    "TripleBarrierRule",
    "ZigzagLabelConfig",
    "ZigzagNextLegLabelConfig",
    "barrier_volatility",
    "compute_labels",
    "cusum_events",
    "degenerate_reasons",
    "direction",
    "disjoint_events",
    "forward_log_return",
    "forward_return",
    "forward_return_value",
    "label_by_name",
    "meta_label",
    "overlap_of",
    "parse_label_config",
    "primary_side",
    "realised_range",
    "realised_volatility",
    "refuse_degenerate",
    "sample_weights",
    "scaled_return",
    "threshold_touch",
    "trade_return",
    "triple_barrier",
    "zigzag_next_leg",
    "zigzag_segment",
    "zigzag_segment_legacy",
]
