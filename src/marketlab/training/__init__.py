"""Fits a model on a fold, repeatably and resumably."""

from marketlab.training._config import (
    Backend,
    EarlyStoppingConfig,
    Monitor,
    Optimizer,
    TrainerConfig,
)
from marketlab.training._data import TrainingData
from marketlab.training._fit import FitResult, OnEpoch, StoppingReason, fit
from marketlab.training._metrics import (
    ClassMetrics,
    EpochMetrics,
    ParameterStats,
    ValidationMetrics,
)
from marketlab.training._state import TrainerState, training_config_hash
