"""States what is to be predicted; the only room that looks forward."""

from marketlab.labels._base import BUY, CLASS_NAMES, HOLD, LABELS, SELL, LabelMethod, LabelSet
from marketlab.labels._config import (
    ForwardReturnLabelConfig,
    LabelConfig,
    ZigzagLabelConfig,
    compute_labels,
    parse_label_config,
)
from marketlab.labels._forward_return import forward_return
from marketlab.labels._zigzag import zigzag_segment, zigzag_segment_legacy

__all__ = [
    "BUY",
    "CLASS_NAMES",
    "HOLD",
    "LABELS",
    "SELL",
    "ForwardReturnLabelConfig",
    "LabelConfig",
    "LabelMethod",
    "LabelSet",
    "ZigzagLabelConfig",
    "compute_labels",
    "forward_return",
    "parse_label_config",
    "zigzag_segment",
    "zigzag_segment_legacy",
]
