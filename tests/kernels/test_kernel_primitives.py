"""The contract that every registered primitive keeps, found by itself from the registry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_references import REFERENCES

from marketlab.core import ConfigError
from marketlab.kernels import PRIMITIVES, kernel_sources_hash
from marketlab.kernels._gather import gather_rows

NAMES = PRIMITIVES.names()
VALUES = {
    "window": 7,
    "bars": 3,
    "n": 5,
    "ddof": 1,
    "newest": 1,
    "fill": 0.5,
    "low": -1.0,
    "high": 1.0,
    "a": -0.5,
    "b": 0.25,
    "c": 0.75,
    "d": 2.0,
    "kind": 1,
    "q": 0.3,
    "halflife": 2.5,
    "fast": 2,
    "slow": 30,
    "multiplier": 0.7,
    "step": 0.02,
    "limit": 0.2,
    "order": 3,
    "m": 2,
    "r": 0.35,
    "kmax": 3,
    "field": 0,
    "zone": 1,
}
WINDOWS = {"hurst_rs": 17, "dfa": 37, "sample_entropy": 13, "approximate_entropy": 12}
TOLERANCES = {"rolling_kurtosis": 1e-10, "rolling_skew": 1e-11, "dfa": 1e-9}


def parameters_of(name):
    params = {p.name: VALUES[p.name] for p in PRIMITIVES.get(name).parameters}
    return params | ({"window": WINDOWS[name]} if name in WINDOWS else {})


def series(kind, n=90, seed=0):
    """Return one adversarial column; the values stay near the memberships' parameters."""
    random = np.random.default_rng([seed, n])
    walk = np.cumsum(random.normal(0, 0.4, n))
    if kind == "flat":
        return np.full(n, 0.3)
    if kind == "steps":
        return np.round(walk)  # many equal values, zeros among them
    if kind == "falling":
        return -np.arange(n, dtype=float)
    if kind == "spikes":
        walk[random.integers(0, n, 4)] *= 1e12
    if kind == "missing":
        walk[random.random(n) < 0.1] = np.nan
    if kind == "late":
        walk[: n // 3] = np.nan
    return walk


KINDS = ("walk", "flat", "steps", "falling", "spikes", "missing", "late")


def columns(name, kind, n=90, seed=0):
    inputs = [series(kind, n, seed + 100 * i) for i in range(PRIMITIVES.get(name).n_inputs)]
    if name == "calendar":  # seconds, in years that have rules
        return [1e9 + 1e7 * x for x in inputs]
    if name in ("streak", "bars_since", "hold"):  # a condition that is often 0
        inputs[-1] = np.where(inputs[-1] < 0.0, 0.0, inputs[-1])
    return inputs


def in_blocks(name, inputs, sizes, state=None, start=0):
    """Run a primitive over blocks of the given sizes (the last repeats); return out and state."""
    definition = PRIMITIVES.get(name)
    params = definition.check(parameters_of(name))
    state = np.zeros(definition.state_size(params)) if state is None else state
    n = len(inputs[0])
    out = np.empty(n)
    at = start
    for size in [*sizes, *[sizes[-1]] * n]:
        stop = min(at + size, n)
        if stop == at:
            break
        block = [np.ascontiguousarray(x[at:stop]) for x in inputs]
        kernel, arguments = definition.bind(block, params, state, out[at:stop])
        kernel(*arguments)
        at = stop
    return out[start:], state


def same(a, b):
    return np.array_equal(a, b, equal_nan=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_block_size_changes_no_bit(name, kind):
    inputs = columns(name, kind)
    whole, state = in_blocks(name, inputs, [90])
    assert same(whole, PRIMITIVES.get(name).batch(*inputs, **parameters_of(name)))
    for sizes in ([1], [7], [13, 2, 40]):
        out, end = in_blocks(name, inputs, sizes)
        assert same(out, whole)
        assert same(end, state)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 999), cut=st.integers(1, 59))
def test_only_the_past_is_read(name, kind, seed, cut):
    inputs = columns(name, kind, 60, seed)
    whole, _ = in_blocks(name, inputs, [60])
    prefix, state = in_blocks(name, [x[:cut] for x in inputs], [cut])
    assert same(prefix, whole[:cut])
    altered = [np.concatenate([x[:cut], -3.0 * x[cut:] + 1.0]) for x in inputs]
    assert same(in_blocks(name, altered, [60])[0][:cut], whole[:cut])
    # A saved state goes on exactly where it was left.
    continued, _ = in_blocks(name, inputs, [1], state=state.copy(), start=cut)
    assert same(continued, whole[cut:])


def test_every_primitive_has_a_second_formula():
    assert sorted(REFERENCES) == NAMES


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_values_of_a_second_formula(name, kind):
    inputs = columns(name, kind)
    if name == "sigmoid":
        inputs = [np.clip(x, -100, 100) for x in inputs]
    got = PRIMITIVES.get(name).batch(*inputs, **parameters_of(name))
    with np.errstate(all="ignore"):
        expected = np.array(
            REFERENCES[name](*[x.tolist() for x in inputs], **parameters_of(name)), dtype=float
        )
    assert np.array_equal(np.isnan(got), np.isnan(expected))
    scale = np.nanmax(np.abs(inputs[0])) if kind == "spikes" else 1.0
    tolerance = TOLERANCES.get(name, 1e-12)
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * max(1.0, scale) / 10)


@pytest.mark.parametrize("name", NAMES)
def test_declared_warm_up_is_the_real_one(name):
    definition = PRIMITIVES.get(name)
    params = parameters_of(name)
    inputs = [np.abs(x) + 0.1 for x in columns(name, "walk")]
    out = definition.batch(*inputs, **params)
    expected = definition.warm_up(params, [0] * definition.n_inputs)
    assert np.isnan(out[:expected]).all()
    assert np.isfinite(out[expected:]).all()


@pytest.mark.parametrize("name", [n for n in NAMES if PRIMITIVES.get(n).memory == "recursive"])
def test_a_recursion_emits_nan_and_holds_its_state(name):
    inputs = columns(name, "walk")
    gone = np.isnan(series("missing"))
    assert gone.any()
    for holey in [inputs] if name == "hold" else [inputs, inputs[:1]]:  # all inputs, or the first
        for x in holey:
            x[gone] = np.nan
        out = PRIMITIVES.get(name).batch(*inputs, **parameters_of(name))
        assert np.isnan(out[gone]).all()
        kept = PRIMITIVES.get(name).batch(*[x[~gone] for x in inputs], **parameters_of(name))
        assert same(out[~gone], kept)


@pytest.mark.parametrize("name", ["rolling_sum", "rolling_mean", "rolling_std", "rolling_max"])
def test_a_huge_value_leaves_no_trace(name):
    definition, params = PRIMITIVES.get(name), parameters_of(name)
    calm = series("walk", 400)
    wild = calm.copy()
    wild[50] = 1e15
    after = slice(50 + params["window"], None)
    assert same(definition.batch(wild, **params)[after], definition.batch(calm, **params)[after])


def test_flat_windows_have_no_deviation():
    out = PRIMITIVES.get("rolling_std").batch(np.full(50, 1.1), window=9, ddof=0)
    assert (out[8:] == 0.0).all()


@settings(max_examples=25, deadline=None)
@given(window=st.integers(2, 40), newest=st.integers(0, 1), seed=st.integers(0, 99))
def test_extremes_for_any_window(window, newest, seed):
    x = series("steps", 120, seed)
    for name in ("bars_since_max", "bars_since_min"):
        got = PRIMITIVES.get(name).batch(x, window=window, newest=newest)
        expected = REFERENCES[name](x.tolist(), window=window, newest=newest)
        assert same(got, np.array(expected))


def test_parameters_are_checked():
    wilder = PRIMITIVES.get("wilder")
    with pytest.raises(ConfigError, match=r"n of wilder must be an integer in \[2, 100000\]"):
        wilder.batch(np.ones(3), n=1)
    with pytest.raises(ConfigError, match=r"received 2\.5"):
        wilder.batch(np.ones(3), n=2.5)
    with pytest.raises(ConfigError, match=r"wilder takes the parameters \['n'\]; received \[\]"):
        wilder.batch(np.ones(3))
    with pytest.raises(ConfigError, match=r"Invalid primitive 'wildr'.*Did you mean 'wilder'"):
        PRIMITIVES.get("wildr")


def test_gathered_rows_are_the_columns():
    store = np.arange(12, dtype=np.float64).reshape(2, 6)
    store[1, 4] = np.nan
    out = np.empty((3, 3), dtype=np.float32)
    row, shift = np.array([0, 1, 0]), np.array([1, 1, 0])
    bad = gather_rows(store, row, shift, np.array([0, 3, 4]), out)
    assert bad == 1
    expected = np.array([[1, 7, 0], [4, np.nan, 3], [5, 11, 4]], dtype=np.float32)
    assert np.array_equal(out, expected, equal_nan=True)


def test_the_hash_of_kernel_sources_is_stable():
    assert kernel_sources_hash() == kernel_sources_hash()
    assert len(kernel_sources_hash()) == 16
