"""The perceptron: size, first weights, layout and forward pass against plain NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError, stream_key
from marketlab.models import (
    ACTIVATIONS,
    MLPConfig,
    MLPForecaster,
    count_parameters,
    initial_weights,
    pack,
    unpack,
)

CAMPAIGN = MLPConfig(hidden_layers=(64, 32), dropout=0.2)


@pytest.mark.parametrize(("n_inputs", "expected"), [(9, 2819), (18, 3395), (27, 3971), (36, 4547)])
def test_parameter_count_of_the_campaign(n_inputs, expected):
    assert count_parameters(CAMPAIGN, n_inputs) == expected == 64 * n_inputs + 2243


def test_parameter_count_of_the_smoke_strategy():
    assert count_parameters(MLPConfig(hidden_layers=(32, 16)), 6) == 803


@given(
    hidden=st.lists(st.integers(1, 20), min_size=1, max_size=3),
    n_inputs=st.integers(1, 12),
    key=st.integers(0, 2**64 - 1),
)
@settings(deadline=None, max_examples=25)
def test_first_weights_have_the_bounds_of_torch_linear(hidden, n_inputs, key):
    config = MLPConfig(hidden_layers=tuple(hidden))
    weights = initial_weights(config, n_inputs, 3, key, "float64")
    fan_ins = [n_inputs, *hidden]
    for layer, fan_in in enumerate(fan_ins):
        for part in ("weight", "bias"):
            assert np.abs(weights[f"layers.{layer}.{part}"]).max() <= fan_in**-0.5
    assert sum(w.size for w in weights.values()) == count_parameters(config, n_inputs)
    assert list(weights) == [
        f"layers.{i}.{part}" for i in range(len(fan_ins)) for part in ("weight", "bias")
    ]


def test_first_weights_fill_their_range_evenly():
    weights = initial_weights(MLPConfig(hidden_layers=(400,)), 100, 3, 5, "float64")
    scaled = weights["layers.0.weight"].ravel() * 10.0  # bound is 1/sqrt(100)
    assert abs(scaled.mean()) < 0.01
    assert abs(scaled.std() - 3**-0.5) < 0.01


def test_precisions_start_from_the_same_numbers_and_seeds_from_others():
    exact = initial_weights(CAMPAIGN, 9, 3, stream_key(1, "initial weights"), "float64")
    single = initial_weights(CAMPAIGN, 9, 3, stream_key(1, "initial weights"), "float32")
    other = initial_weights(CAMPAIGN, 9, 3, stream_key(2, "initial weights"), "float64")
    for name, tensor in exact.items():
        np.testing.assert_array_equal(tensor.astype(np.float32), single[name])
        assert single[name].dtype == np.float32
        assert not np.array_equal(tensor, other[name])


@given(
    sizes=st.lists(st.integers(1, 20), min_size=1, max_size=3),
    n_inputs=st.integers(1, 12),
)
@settings(deadline=None, max_examples=25)
def test_pack_and_unpack_are_inverse(sizes, n_inputs):
    weights = initial_weights(MLPConfig(hidden_layers=tuple(sizes)), n_inputs, 3, 9, "float32")
    flat = pack(weights, "float32")
    again = unpack(flat, (n_inputs, *sizes, 3))
    assert list(again) == list(weights)
    for name, tensor in weights.items():
        np.testing.assert_array_equal(again[name], tensor)
    assert np.count_nonzero(flat) <= sum(w.size for w in weights.values())


def plain_forward(weights, activation, x):
    functions = {
        "relu": lambda z: np.maximum(z, 0),
        "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
        "tanh": np.tanh,
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    }
    n_layers = len(weights) // 2
    for layer in range(n_layers):
        x = x @ weights[f"layers.{layer}.weight"].T + weights[f"layers.{layer}.bias"]
        if layer < n_layers - 1:
            x = functions[activation](x)
    shifted = np.exp(x - x.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_forward_pass_against_numpy(activation):
    config = MLPConfig(hidden_layers=(11, 6), activation=activation, dropout=0.5)
    weights = initial_weights(config, 5, 3, 17, "float64")
    x = np.random.default_rng(0).normal(size=(133, 5)) * 3
    got = MLPForecaster(weights, config).predict(x)
    np.testing.assert_allclose(got, plain_forward(weights, activation, x), atol=1e-14)


@given(
    rows=st.integers(1, 140),
    start=st.integers(0, 60),
    hidden=st.sampled_from([(1,), (8,), (9, 3), (64, 32)]),
)
@settings(deadline=None, max_examples=25)
def test_any_slice_of_rows_gives_the_same_bits(rows, start, hidden):
    config = MLPConfig(hidden_layers=hidden)
    model = MLPForecaster(initial_weights(config, 7, 3, 1, "float32"), config)
    x = np.random.default_rng(1).normal(size=(200, 7)).astype(np.float32)
    whole = model.predict(x)
    np.testing.assert_array_equal(model.predict(x[start : start + rows]), whole[start:][:rows])


def test_logarithms_stay_finite_where_probabilities_vanish():
    config = MLPConfig(hidden_layers=(1,))
    weights = {
        "layers.0.weight": np.ones((1, 1)),
        "layers.0.bias": np.zeros(1),
        "layers.1.weight": np.array([[5000.0], [0.0], [0.0]]),
        "layers.1.bias": np.zeros(3),
    }
    p, logs = MLPForecaster(weights, config).predict_with_log(np.ones((1, 1)))
    np.testing.assert_array_equal(p, [[1.0, 0.0, 0.0]])
    np.testing.assert_array_equal(logs, [[0.0, -5000.0, -5000.0]])


def test_weights_of_another_net_are_refused():
    weights = initial_weights(MLPConfig(hidden_layers=(8,)), 5, 3, 1)
    with pytest.raises(DataError, match=r"hidden layers \[8\], the configuration has \[64, 32\]"):
        MLPForecaster(weights, CAMPAIGN)
    weights["layers.1.weight"] = np.zeros((3, 7), dtype=np.float32)
    with pytest.raises(DataError, match="the weights of layer 1 are missing or do not fit"):
        MLPForecaster(weights, MLPConfig(hidden_layers=(8,)))


@pytest.mark.parametrize(
    ("mapping", "text"),
    [
        ({"hidden_layers": []}, "at least 1 item"),
        ({"hidden_layers": [8, 0]}, "must be at least 1; received 0"),
        ({"hidden_layers": [8], "dropout": 1.0}, "less than 1; received 1.0"),
        ({"hidden_layers": [8], "activation": "gelu"}, "'relu', 'leaky_relu', 'tanh' or 'sigmoid'"),
        ({"hidden_layers": [8], "droput": 0.1}, "unknown key 'droput'"),
    ],
)
def test_bad_configurations_are_refused(mapping, text):
    with pytest.raises(ConfigError, match=text):
        MLPConfig.from_mapping(mapping)
