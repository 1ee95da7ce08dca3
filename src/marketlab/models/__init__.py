"""Maps a window of features to a forecast; knows nothing of loops, files or markets."""

from marketlab.models._base import MODELS, Arrays, Forecaster, ModelDefinition
from marketlab.models._dense import LANES, add_product, add_transposed_product
from marketlab.models._frequencies import (
    CausalStateConfig,
    CausalStateForecaster,
    MajorityConfig,
    MajorityForecaster,
)
from marketlab.models._logistic import LogisticConfig, LogisticForecaster, fit_logistic
from marketlab.models._logistic_family import (
    BinaryLogisticFit,
    LinearDesign,
    fit_logistic_binary,
    fit_logistic_family,
)
from marketlab.models._mlp import MLPForecaster
from marketlab.models._mlp_config import (
    ACTIVATIONS,
    Activation,
    MLPConfig,
    Weights,
    count_parameters,
    initial_weights,
    layer_sizes,
    pack,
    sizes_of,
    unpack,
)
from marketlab.models._mlp_forward import activate, affine, forecast

__all__ = [
    "ACTIVATIONS",
    "LANES",
    "MODELS",
    "Activation",
    "Arrays",
    "BinaryLogisticFit",
    "CausalStateConfig",
    "CausalStateForecaster",
    "Forecaster",
    "LinearDesign",
    "LogisticConfig",
    "LogisticForecaster",
    "MLPConfig",
    "MLPForecaster",
    "MajorityConfig",
    "MajorityForecaster",
    "ModelDefinition",
    "Weights",
    "activate",
    "add_product",
    "add_transposed_product",
    "affine",
    "count_parameters",
    "fit_logistic",
    "fit_logistic_binary",
    "fit_logistic_family",
    "forecast",
    "initial_weights",
    "layer_sizes",
    "pack",
    "sizes_of",
    "unpack",
]
