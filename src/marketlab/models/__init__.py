"""Maps a window of features to a forecast; knows nothing of loops, files or markets."""

from marketlab.models._base import MODELS, Arrays, Forecaster, ModelDefinition
from marketlab.models._dense import LANES, add_product, add_transposed_product
from marketlab.models._mlp import MLPForecaster
from marketlab.models._mlp_config import (
    ACTIVATIONS,
    Activation,
    MLPConfig,
    Weights,
    count_parameters,
    flat_size,
    initial_weights,
    layer_sizes,
    pack,
    sizes_of,
    unpack,
)
from marketlab.models._mlp_forward import activate, affine, forecast
