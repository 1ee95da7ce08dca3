"""The block `labels` of a strategy file."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from marketlab.core import ConfigError, FloatArray, FrozenConfig
from marketlab.labels._base import LABELS, LabelSet


class ZigzagLabelConfig(FrozenConfig):
    """``{source: zigzag, zigzag_threshold: 0.025}``; see `zigzag_segment`."""

    source: Literal["zigzag"] = "zigzag"
    zigzag_threshold: float = Field(gt=0.0, lt=1.0)

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the label method."""
        return {"threshold": self.zigzag_threshold}


class ForwardReturnLabelConfig(FrozenConfig):
    """``{source: forward_return, horizon: 1, dead_zone: 0.0}``; see `forward_return`."""

    source: Literal["forward_return"] = "forward_return"
    horizon: int = Field(ge=1)
    dead_zone: float = Field(default=0.0, ge=0.0)

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the label method."""
        return {"horizon": self.horizon, "dead_zone": self.dead_zone}


LabelConfig: TypeAlias = Annotated[
    ZigzagLabelConfig | ForwardReturnLabelConfig, Field(discriminator="source")
]
"""A label block of any source, for use as a field; `source` decides which keys it may have."""


class _Holder(FrozenConfig):
    labels: LabelConfig


def parse_label_config(
    block: Mapping[str, Any], *, source: str = "configuration"
) -> ZigzagLabelConfig | ForwardReturnLabelConfig:
    """Return the checked label block.

    Raises
    ------
    ConfigError for an unknown source, an unknown key or a value out of its bounds; the field
    path begins with ``labels``.
    """
    if "source" not in block:
        raise ConfigError(
            "this required field is missing.",
            code="STRATEGY-ValidationFailed",
            field="labels.source",
            suggestion=f"Known: {', '.join(LABELS.names())}.",
        )
    LABELS.get(str(block["source"]), field="labels.source")
    return _Holder.from_mapping({"labels": dict(block)}, source=source).labels


def compute_labels(config: LabelConfig, close: FloatArray) -> LabelSet:
    """Return the labels of a series of closes, shape (n_bars,), as `config` states them.

    Raises
    ------
    DataError as in the label method.
    """
    return LABELS.get(config.source)(close, **config.options())
