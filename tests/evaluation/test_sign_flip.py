"""Sign-flip surrogates: same sizes, other directions, valid bars."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import DataError
from marketlab.evaluation import draw_signs, sign_flip_surrogate


@st.composite
def bars(draw):
    """Valid OHLC with gaps, dojis, flat bars and clustered volatility."""
    n = draw(st.integers(1, 120))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.sampled_from([0.0, 0.0005, 0.02, 0.3]))
    close = 100.0 * np.exp(np.cumsum(size * rng.standard_t(4, size=n).clip(-8, 8)))
    opened = np.r_[close[0], close[:-1]] * np.exp(size * rng.normal(size=n) / 3)
    top = np.maximum(opened, close) * np.exp(size * rng.exponential(0.5, size=n))
    bottom = np.minimum(opened, close) * np.exp(-size * rng.exponential(0.5, size=n))
    signs = 2 * rng.integers(0, 2, size=n) - 1
    return (opened, top, bottom, close), signs


@given(case=bars())
@settings(deadline=None, max_examples=50)
def test_bars_stay_bars_exactly(case):
    ohlc, signs = case
    opened, high, low, close = sign_flip_surrogate(*ohlc, signs)
    assert (high >= np.maximum(opened, close)).all()
    assert (low <= np.minimum(opened, close)).all()
    assert (low > 0).all()


@given(case=bars())
@settings(deadline=None, max_examples=50)
def test_sizes_stay_and_signs_turn(case):
    ohlc, signs = case
    out = sign_flip_surrogate(*ohlc, signs)
    before, after = np.diff(np.log(ohlc[3])), np.diff(np.log(out[3]))
    np.testing.assert_allclose(after, signs[1:] * before, rtol=1e-7, atol=1e-12)
    # Open, and the range, relative to the close before, follow the same rule.
    gap = np.log(ohlc[0][1:] / ohlc[3][:-1])
    np.testing.assert_allclose(
        np.log(out[0][1:] / out[3][:-1]), signs[1:] * gap, rtol=1e-7, atol=1e-12
    )
    np.testing.assert_allclose(
        np.log(out[1] / out[2]), np.log(ohlc[1] / ohlc[2]), rtol=1e-7, atol=1e-12
    )


@given(case=bars())
@settings(deadline=None, max_examples=25)
def test_all_plus_is_identity_and_twice_is_identity(case):
    ohlc, signs = case
    kept = sign_flip_surrogate(*ohlc, np.ones_like(signs))
    twice = sign_flip_surrogate(*sign_flip_surrogate(*ohlc, signs), signs)
    for original, one, two in zip(ohlc, kept, twice, strict=True):
        np.testing.assert_allclose(one, original, rtol=1e-12)
        np.testing.assert_allclose(two, original, rtol=1e-12)


@given(case=bars())
@settings(deadline=None, max_examples=25)
def test_later_signs_change_no_earlier_bar(case):
    ohlc, signs = case
    cut = len(signs) // 2
    other = signs.copy()
    other[cut:] *= -1
    for one, two in zip(
        sign_flip_surrogate(*ohlc, signs), sign_flip_surrogate(*ohlc, other), strict=True
    ):
        np.testing.assert_array_equal(one[:cut], two[:cut])


def test_worked_example():
    out = sign_flip_surrogate(
        np.array([10.0, 10.0, 22.0]),
        np.array([12.0, 25.0, 40.0]),
        np.array([8.0, 8.0, 16.0]),
        np.array([10.0, 20.0, 40.0]),
        np.array([-1, -1, 1]),  # the first bar is kept whatever its sign
    )
    np.testing.assert_allclose(out[0], [10, 10, 5.5])
    np.testing.assert_allclose(out[1], [12, 12.5, 10])
    np.testing.assert_allclose(out[2], [8, 4, 4])
    np.testing.assert_allclose(out[3], [10, 5, 10])


def test_agrees_with_the_definition_in_logarithms():
    rng = np.random.default_rng(3)
    close = 1.1 * np.exp(np.cumsum(rng.normal(0, 0.001, size=50_565)))
    signs = draw_signs(len(close), 7, "null", 0)
    path = np.log(close[0]) + np.r_[0.0, np.cumsum(signs[1:] * np.diff(np.log(close)))]
    out = sign_flip_surrogate(close, close, close, close, signs)
    np.testing.assert_allclose(out[3], np.exp(path), rtol=1e-9)


def test_inputs_are_not_touched_and_read_only_bars_are_fine():
    close = np.array([1.0, 2.0, 3.0])
    close.setflags(write=False)
    out = sign_flip_surrogate(close, close, close, close, np.array([1, -1, 1]))
    assert close.tolist() == [1.0, 2.0, 3.0]
    assert not any(np.shares_memory(x, close) for x in out)


def test_signs_are_fair_named_and_repeatable():
    one = draw_signs(10_000, 3, "null", 0)
    assert set(one.tolist()) == {-1, 1}
    assert abs(one.mean()) < 0.04
    np.testing.assert_array_equal(one, draw_signs(10_000, 3, "null", 0))
    other = draw_signs(10_000, 3, "null", 1)
    assert abs(np.mean(one * other)) < 0.04


def test_no_bars_give_no_bars():
    none = np.empty(0)
    assert all(len(x) == 0 for x in sign_flip_surrogate(none, none, none, none, draw_signs(0, 1)))


@pytest.mark.parametrize(
    ("close", "signs", "text"),
    [
        ([1.0, 2.0], [1, 0], r"signs must be \+1 or -1; sign 1 is 0"),
        ([1.0, -2.0], [1, 1], "close must be finite and above 0 .* bar 1 is -2.0"),
        ([1.0, np.nan], [1, 1], "close must be finite and above 0"),
        ([1.0], [1, 1], "open and close must be one-dimensional"),
    ],
)
def test_refusals(close, signs, text):
    one = np.ones(2)
    with pytest.raises(DataError, match=text):
        sign_flip_surrogate(one, one, one, np.array(close), np.array(signs))
