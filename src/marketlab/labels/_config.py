"""The block `labels` of a strategy file: one way to make labels, with its options."""

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, model_validator

from marketlab.core import ConfigError, FrozenConfig
from marketlab.labels._degenerate import Degeneracy
from marketlab.labels._meta import PrimaryRule, TradeRule
from marketlab.labels._names import bps_text, generic_name
from marketlab.labels._triple_barrier import TripleBarrierRule


class LabelBlock(FrozenConfig):
    """What all label blocks share.

    allow : kinds of degenerate labels that are let through; not part of the block's identity,
        because it changes no label.
    """

    not_identity: ClassVar[frozenset[str]] = frozenset({"allow"})

    source: str
    allow: tuple[Degeneracy, ...] = ()

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the label method."""
        names = [name for name in type(self).model_fields if name not in {"source", "allow"}]
        return {name: getattr(self, name) for name in names}

    @property
    def reach(self) -> int | None:
        """How many bars after its own a label may read; None if that depends on the prices."""
        horizon: int | None = getattr(self, "horizon", None)
        return horizon

    @property
    def formula_name(self) -> str:
        """The one name of this label: its source and every option that is not the default."""
        return generic_name(self)

    @property
    def aliases(self) -> tuple[str, ...]:
        """Names that older files give to this label."""
        return ()


class ZigzagLabelConfig(LabelBlock):
    """``{source: zigzag, zigzag_threshold: 0.025}``; see `zigzag_segment`."""

    source: Literal["zigzag"] = "zigzag"
    zigzag_threshold: float = Field(gt=0.0, lt=1.0)

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the label method."""
        return {"threshold": self.zigzag_threshold}


class ZigzagNextLegLabelConfig(LabelBlock):
    """``{source: zigzag_next_leg, zigzag_threshold: 0.025}``; see `zigzag_next_leg`."""

    source: Literal["zigzag_next_leg"] = "zigzag_next_leg"
    zigzag_threshold: float = Field(gt=0.0, lt=1.0)

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the label method."""
        return {"threshold": self.zigzag_threshold}


class ForwardReturnLabelConfig(LabelBlock):
    """``{source: forward_return, horizon: 1, dead_zone: 0.0}``; see `forward_return`."""

    source: Literal["forward_return"] = "forward_return"
    horizon: int = Field(ge=1)
    dead_zone: float = Field(default=0.0, ge=0.0)


class DirectionLabelConfig(LabelBlock):
    """``{source: direction, horizon: 15, ties: drop}``; see `direction`."""

    source: Literal["direction"] = "direction"
    horizon: int = Field(ge=1)
    ties: Literal["drop", "down"] = "drop"


class ThresholdTouchLabelConfig(LabelBlock):
    """``{source: threshold_touch, horizon: 5, threshold: 0.01}``; see `threshold_touch`."""

    source: Literal["threshold_touch"] = "threshold_touch"
    horizon: int = Field(ge=1)
    threshold: float = Field(gt=0.0, lt=1.0)
    side: Literal["up", "down"] = "up"
    price: Literal["high_low", "close"] = "high_low"

    @property
    def formula_name(self) -> str:
        """Such as ``touch_up_high_h5_t100bps``: side, price, horizon, threshold in basis points."""
        canonical = "high" if self.side == "up" else "low"
        price = canonical if self.price == "high_low" else "close"
        return f"touch_{self.side}_{price}_h{self.horizon}_t{bps_text(self.threshold)}bps"

    @property
    def aliases(self) -> tuple[str, ...]:
        """``label_h{H}_t{P}pct`` for the canonical upside rule at a whole percent."""
        percent = bps_text(self.threshold / 100.0)
        if self.side != "up" or self.price != "high_low" or not percent.isdigit():
            return ()
        return (f"label_h{self.horizon}_t{percent}pct",)


class ForwardReturnValueLabelConfig(LabelBlock):
    """``{source: forward_return_value, horizon: 20}``; see `forward_return_value`."""

    source: Literal["forward_return_value"] = "forward_return_value"
    horizon: int = Field(default=20, ge=1)


class ForwardLogReturnLabelConfig(LabelBlock):
    """``{source: forward_log_return, horizon: 1}``; see `forward_log_return`."""

    source: Literal["forward_log_return"] = "forward_log_return"
    horizon: int = Field(default=1, ge=1)


class ScaledReturnLabelConfig(LabelBlock):
    """``{source: scaled_return, horizon: 15, train_bars: 20000}`` or ``p99:``; `scaled_return`."""

    source: Literal["scaled_return"] = "scaled_return"
    horizon: int = Field(default=15, ge=1)
    p99: float | None = Field(default=None, gt=0.0)
    train_bars: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_scale(self) -> "ScaledReturnLabelConfig":
        if (self.p99 is None) == (self.train_bars is None):
            raise ConfigError(
                "needs either p99 or train_bars, not both and not neither.",
                code="LABELS-NoScale",
                field="p99",
                suggestion="Give train_bars to fit the scale on training rows, or the p99 that a"
                " run stored.",
            )
        return self


class RealisedRangeLabelConfig(LabelBlock):
    """``{source: realised_range, horizon: 5}``; see `realised_range`."""

    source: Literal["realised_range"] = "realised_range"
    horizon: int = Field(ge=1)


class RealisedVolatilityLabelConfig(LabelBlock):
    """``{source: realised_volatility, horizon: 5}``; see `realised_volatility`."""

    source: Literal["realised_volatility"] = "realised_volatility"
    horizon: int = Field(ge=1)


class TripleBarrierLabelConfig(LabelBlock, TripleBarrierRule):
    """``{source: triple_barrier, horizon: 50, up: 2.0, down: 1.5}``; see `triple_barrier`."""

    source: Literal["triple_barrier"] = "triple_barrier"

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the label method."""
        return {"rule": _part(self, TripleBarrierRule)}


class _PrimaryBlock(LabelBlock, TradeRule):
    primary: PrimaryRule = "momentum"
    lookback: int = Field(default=20, ge=1)

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the label method."""
        rule = _part(self, TradeRule)
        return {"primary": self.primary, "lookback": self.lookback, "rule": rule}


class MetaLabelConfig(_PrimaryBlock):
    """``{source: meta_label, primary: momentum, lookback: 20}``; see `meta_label`."""

    source: Literal["meta_label"] = "meta_label"


class TradeReturnLabelConfig(_PrimaryBlock):
    """``{source: trade_return, primary: momentum, lookback: 20}``; see `trade_return`."""

    source: Literal["trade_return"] = "trade_return"


def _part(block: LabelBlock, rule: type[FrozenConfig]) -> FrozenConfig:
    return rule(**{name: getattr(block, name) for name in rule.model_fields})


LabelConfig: TypeAlias = Annotated[
    DirectionLabelConfig
    | ForwardLogReturnLabelConfig
    | ForwardReturnLabelConfig
    | ForwardReturnValueLabelConfig
    | MetaLabelConfig
    | RealisedRangeLabelConfig
    | RealisedVolatilityLabelConfig
    | ScaledReturnLabelConfig
    | ThresholdTouchLabelConfig
    | TradeReturnLabelConfig
    | TripleBarrierLabelConfig
    | ZigzagLabelConfig
    | ZigzagNextLegLabelConfig,
    Field(discriminator="source"),
]
"""A label block of any source, for use as a field; `source` decides which keys it may have."""
