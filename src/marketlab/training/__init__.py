"""Fits a model on a fold, repeatably and resumably."""

from marketlab.training._alerts import Alert, AlertConfig
from marketlab.training._analytics import RUN_FILES, RunAnalytics, RunFacts
from marketlab.training._checkpoint import (
    Checkpointer,
    CheckpointKind,
    checkpoint_exists,
    checkpoint_facts,
    delete_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from marketlab.training._config import (
    Backend,
    EarlyStoppingConfig,
    Monitor,
    Optimizer,
    TrainerConfig,
)
from marketlab.training._data import TrainingData
from marketlab.training._early_stopping import StopRecord
from marketlab.training._fit import FitResult, OnEpoch, StoppingReason, fit
from marketlab.training._fit_many import ManyState, OnTick, fit_many
from marketlab.training._indicators import (
    class_balance_score,
    convergence,
    overfitting_score,
    signal_strength,
)
from marketlab.training._metrics import (
    ClassMetrics,
    EpochMetrics,
    ParameterStats,
    ValidationMetrics,
)
from marketlab.training._net_family import NetFamily, register_net_family
from marketlab.training._net_job import NetData, NetHistory, NetJob, NetResult, NetStatus
from marketlab.training._net_memory import NetMemory, plan_memory
from marketlab.training._run_files import METRICS_COLUMNS
from marketlab.training._state import TrainerState, training_config_hash

__all__ = [
    "METRICS_COLUMNS",
    "RUN_FILES",
    "Alert",
    "AlertConfig",
    "Backend",
    "CheckpointKind",
    "Checkpointer",
    "ClassMetrics",
    "EarlyStoppingConfig",
    "EpochMetrics",
    "FitResult",
    "ManyState",
    "Monitor",
    "NetData",
    "NetFamily",
    "NetHistory",
    "NetJob",
    "NetMemory",
    "NetResult",
    "NetStatus",
    "OnEpoch",
    "OnTick",
    "Optimizer",
    "ParameterStats",
    "RunAnalytics",
    "RunFacts",
    "StopRecord",
    "StoppingReason",
    "TrainerConfig",
    "TrainerState",
    "TrainingData",
    "ValidationMetrics",
    "checkpoint_exists",
    "checkpoint_facts",
    "class_balance_score",
    "convergence",
    "delete_checkpoint",
    "fit",
    "fit_many",
    "load_checkpoint",
    "overfitting_score",
    "plan_memory",
    "register_net_family",
    "save_checkpoint",
    "signal_strength",
    "training_config_hash",
]
