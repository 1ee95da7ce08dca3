"""Maps a window of features to a forecast; knows nothing of loops, files or markets."""

from marketlab.models._base import MODELS, Arrays, Forecaster, ModelDefinition
from marketlab.models._baseline_base import (
    BASELINES,
    Baseline,
    BaselineData,
    BaselineTask,
    FittedBaseline,
)
from marketlab.models._baseline_table import (
    BaselineRow,
    BaselineTable,
    fit_baselines,
)
from marketlab.models._baselines import HALF_LIVES_BARS
from marketlab.models._boosting import BoostingConfig, BoostingForecaster, fit_boosting
from marketlab.models._dense import LANES, add_product, add_transposed_product
from marketlab.models._frequencies import (
    CausalStateConfig,
    CausalStateForecaster,
    MajorityConfig,
    MajorityForecaster,
)
from marketlab.models._garch import GarchFit, fit_garch, garch_volatility
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
from marketlab.models._volatility import (
    VOLATILITY,
    PriceBars,
    VolatilityForecast,
    VolatilityMethod,
    training_bars,
)

__all__ = [
    "ACTIVATIONS",
    "BASELINES",
    "HALF_LIVES_BARS",
    "LANES",
    "MODELS",
    "VOLATILITY",
    "Activation",
    "Arrays",
    "Baseline",
    "BaselineData",
    "BaselineRow",
    "BaselineTable",
    "BaselineTask",
    "BinaryLogisticFit",
    "BoostingConfig",
    "BoostingForecaster",
    "CausalStateConfig",
    "CausalStateForecaster",
    "FittedBaseline",
    "Forecaster",
    "GarchFit",
    "LinearDesign",
    "LogisticConfig",
    "LogisticForecaster",
    "MLPConfig",
    "MLPForecaster",
    "MajorityConfig",
    "MajorityForecaster",
    "ModelDefinition",
    "PriceBars",
    "VolatilityForecast",
    "VolatilityMethod",
    "Weights",
    "activate",
    "add_product",
    "add_transposed_product",
    "affine",
    "count_parameters",
    "fit_baselines",
    "fit_boosting",
    "fit_garch",
    "fit_logistic",
    "fit_logistic_binary",
    "fit_logistic_family",
    "forecast",
    "garch_volatility",
    "initial_weights",
    "layer_sizes",
    "pack",
    "sizes_of",
    "training_bars",
    "unpack",
]
