"""Baselines: class frequencies, overall and per causal state."""

import numpy as np
import pytest

from marketlab.core import ConfigError, DataError
from marketlab.models import MODELS, CausalStateConfig, MajorityConfig


def test_majority_gives_smoothed_training_frequencies():
    y = np.array([0] * 7 + [2] * 2)
    x = np.zeros((9, 4), dtype=np.float32)
    model = MODELS.get("majority").build(MajorityConfig(), x, y, 0)
    np.testing.assert_allclose(model.predict(x[:2]), [[8 / 12, 1 / 12, 3 / 12]] * 2)


def test_causal_state_counts_by_state():
    states = np.array([0, 0, 0, 1, 1], dtype=np.float32)[:, None]
    y = np.array([0, 0, 2, 2, 2])
    model = MODELS.get("causal_state").build(CausalStateConfig(n_states=3), states, y, 0)
    got = model.predict(np.array([[0], [1], [2]], dtype=np.float32))
    np.testing.assert_allclose(got, [[3 / 6, 1 / 6, 2 / 6], [1 / 5, 1 / 5, 3 / 5], [1 / 3] * 3])


@pytest.mark.parametrize("bad", [2.0, -1.0, 0.5])
def test_a_state_that_is_none_is_refused(bad):
    states = np.zeros((3, 1))
    model = MODELS.get("causal_state").build(CausalStateConfig(), states, np.array([0, 1, 2]), 0)
    states[1, 0] = bad
    with pytest.raises(DataError, match=f"row 1 has state {bad:g}; states are whole numbers 0 … 1"):
        model.predict(states)


def test_zero_smoothing_is_refused():
    with pytest.raises(ConfigError, match="greater than 0; received 0"):
        MajorityConfig.from_mapping({"smoothing": 0.0})
