"""What every registered model must do; a new one is picked up by its registration."""

import numpy as np
import pytest

from marketlab.core import DataError, FrozenConfig
from marketlab.models import MODELS, MLPConfig, ModelDefinition

N_ROWS, N_FEATURES = 90, 5


def example_config(definition: ModelDefinition) -> FrozenConfig:
    required = {n for n, f in definition.config_type.model_fields.items() if f.is_required()}
    if not required:
        return definition.config_type()
    assert definition.config_type is MLPConfig
    return MLPConfig(hidden_layers=(7, 3))


def example_rows(definition: ModelDefinition, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, N_ROWS)
    if definition.reads == "state":
        return rng.integers(0, 2, (N_ROWS, 1)).astype(np.float32), y
    return rng.normal(size=(N_ROWS, N_FEATURES)).astype(np.float32), y


@pytest.fixture(params=MODELS.names())
def definition(request):
    return MODELS.get(request.param)


@pytest.fixture
def case(definition):
    x, y = example_rows(definition)
    config = example_config(definition)
    return definition, config, x, definition.build(config, x, y, 3)


def test_probabilities_are_float64_and_sum_to_one(case):
    _, _, x, model = case
    p = model.predict(x)
    assert p.shape == (N_ROWS, 3)
    assert p.dtype == np.float64
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-12)


def test_one_row_and_a_batch_agree_bit_for_bit(case):
    _, _, x, model = case
    whole = model.predict(x)
    alone = np.vstack([model.predict(x[i : i + 1]) for i in range(len(x))])
    np.testing.assert_array_equal(alone, whole)
    np.testing.assert_array_equal(model.predict(x[::-1]), whole[::-1])


def test_arrays_restore_the_same_model(case):
    definition, config, x, model = case
    again = definition.restore(config, model.to_arrays())
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.n_inputs == model.n_inputs == x.shape[1]


def test_arrays_are_copies(case):
    _, _, x, model = case
    before = model.predict(x)
    for array in model.to_arrays().values():
        array[...] = 0
    np.testing.assert_array_equal(model.predict(x), before)


def test_building_twice_gives_the_same_model(case):
    definition, config, x, model = case
    _, y = example_rows(definition)
    again = definition.build(config, x, y, 3)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_a_read_only_view_is_read_like_any_other(case):
    _, _, x, model = case
    frozen = x.copy()
    frozen.setflags(write=False)
    np.testing.assert_array_equal(model.predict(frozen), model.predict(x))


def test_wrong_number_of_features_is_refused(case):
    _, _, x, model = case
    with pytest.raises(DataError, match=rf"Shape mismatch: the model reads rows of {x.shape[1]}"):
        model.predict(np.zeros((2, x.shape[1] + 1), dtype=np.float32))


def test_missing_value_is_refused_by_row(case):
    _, _, x, model = case
    broken = x.copy()
    broken[4, 0] = np.nan
    with pytest.raises(DataError, match="row 4 holds a value that is missing or infinite"):
        model.predict(broken)


CLOSED_FORM = [name for name, each in MODELS.items() if each.fitted_by == "closed_form"]


@pytest.mark.parametrize("name", CLOSED_FORM)
def test_labels_are_checked_by_closed_form_fits(name):
    definition = MODELS.get(name)
    x, y = example_rows(definition)
    config = example_config(definition)
    with pytest.raises(DataError, match="labels are class indices 0 … 2"):
        definition.build(config, x, y + 1, 0)
    with pytest.raises(DataError, match="each row needs one label"):
        definition.build(config, x, y[:-1], 0)


def test_unknown_model_lists_what_exists():
    with pytest.raises(Exception, match=r"Invalid model 'mpl'.*Did you mean 'mlp'"):
        MODELS.get("mpl")
