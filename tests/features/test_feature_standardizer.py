"""Scaling of raw inputs: only training rows decide, and nothing is lost on the way to a file."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError, IntegrityError
from marketlab.features import Standardizer


def rows(seed=0, n=200):
    return np.random.default_rng(seed).normal([5, -3, 0.5], [2, 0.1, 1], (n, 3))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999))
def test_training_rows_are_scaled_as_promised(seed):
    x = rows(seed)
    out = Standardizer.fit(x, ("zscore", "minmax", "none")).apply(x)
    assert out[:, 0].mean() == pytest.approx(0, abs=1e-12)
    assert out[:, 0].std() == pytest.approx(1)
    assert (out[:, 1].min(), out[:, 1].max()) == (0.0, 1.0)
    assert np.array_equal(out[:, 2], x[:, 2])


def test_one_row_and_a_batch_agree_and_the_type_is_kept():
    x = rows().astype(np.float32)
    scaler = Standardizer.fit(x)
    batch = scaler.apply(x)
    assert batch.dtype == np.float32
    assert np.array_equal(batch[7], scaler.apply(x[7]))


def test_a_file_keeps_every_bit():
    scaler = Standardizer.fit(rows(), ("zscore", "minmax", "none"))
    again = Standardizer.from_dict(json.loads(json.dumps(scaler.to_dict())))
    assert np.array_equal(again.apply(rows(1)), scaler.apply(rows(1)))
    assert not again.is_identity
    assert Standardizer.fit(rows(), "none").is_identity


def test_refusals():
    x = rows()
    with pytest.raises(ConfigError, match=r"Invalid normalization 'zscor'.*Did you mean 'zscore'"):
        Standardizer.fit(x, "zscor")
    with pytest.raises(ConfigError, match="3 features need as many normalizations; received 1"):
        Standardizer.fit(x, ("zscore",))
    with pytest.raises(DataError, match=r"sma is 1\.0 in all 4 training rows, so zscore cannot"):
        Standardizer.fit(np.ones((4, 1)), names=["sma"])
    with pytest.raises(DataError, match="1 values not finite"):
        Standardizer.fit(np.array([[1.0], [np.nan]]))
    with pytest.raises(DataError, match="fitted on 3 features; received 2"):
        Standardizer.fit(x).apply(x[:, :2])
    stored = Standardizer.fit(x).to_dict()
    with pytest.raises(IntegrityError, match="cannot be read"):
        Standardizer.from_dict({"normalization": ["none"]})
    with pytest.raises(IntegrityError, match="finite shifts and positive scales"):
        Standardizer.from_dict({**stored, "scale": [0.0, 1.0, 1.0]})
