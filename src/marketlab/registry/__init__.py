"""Keeps candidates with their evidence and decides by gates which of them may run."""

from marketlab.registry._card import CardContent, ModelCard, SplitFacts, Weights
from marketlab.registry._gates import (
    DEFAULT_GATES,
    GATES,
    STAGES,
    Gate,
    GateInput,
    GateReport,
    GateResult,
    Stage,
    evaluate_gates,
)
from marketlab.registry._history import Promotion
from marketlab.registry._promoted import PromotedModel, assemble_model, load_promoted
from marketlab.registry._registry import CardEntry, ModelRegistry

__all__ = [
    "DEFAULT_GATES",
    "GATES",
    "STAGES",
    "CardContent",
    "CardEntry",
    "Gate",
    "GateInput",
    "GateReport",
    "GateResult",
    "ModelCard",
    "ModelRegistry",
    "PromotedModel",
    "Promotion",
    "SplitFacts",
    "Stage",
    "Weights",
    "assemble_model",
    "evaluate_gates",
    "load_promoted",
]
