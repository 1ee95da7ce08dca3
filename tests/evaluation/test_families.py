"""Families of p-values against statsmodels, Monte-Carlo p-values against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import adjust_p_values, monte_carlo_p_value

THEIRS = {
    "bonferroni": "bonferroni",
    "holm": "holm",
    "benjamini_hochberg": "fdr_bh",
    "benjamini_yekutieli": "fdr_by",
}


@pytest.mark.parametrize("method", sorted(THEIRS))
class TestEveryMethod:
    @given(
        values=st.lists(
            st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.01, 0.05, 1.0])),
            min_size=1,
            max_size=30,
        ),
        missing=st.integers(0, 5),
    )
    @settings(deadline=None, max_examples=15)  # statsmodels' Holm takes 0.1 s a call
    def test_agrees_with_statsmodels(self, method, values, missing):
        value = adjust_p_values(values, method=method, n_tests=len(values) + missing)
        filled = [*values, *[1.0] * missing]
        _, theirs, *_ = multipletests(filled, alpha=0.05, method=THEIRS[method])
        np.testing.assert_allclose(value.adjusted, theirs[: len(values)], rtol=1e-12, atol=1e-15)
        assert list(value.found) == [i for i, p in enumerate(value.adjusted) if p <= 0.05]
        assert value.n_tests == len(filled)

    def test_pure_noise_is_held(self, method):
        rng = np.random.default_rng(1)
        any_found = [
            bool(adjust_p_values(rng.random(27), method=method).found) for _ in range(1000)
        ]
        assert np.mean(any_found) < 0.07
        if method != "benjamini_yekutieli":
            assert np.mean(any_found) > 0.03

    def test_a_planted_test_is_found(self, method):
        p = np.random.default_rng(2).random(27)
        p[9] = 1e-5
        value = adjust_p_values(p, method=method)
        assert value.found == (9,)
        assert value.sentence.startswith("1 of 27 tests stand at 5 %")


def test_openings_are_tests():
    sealed = adjust_p_values([0.02], method="holm", n_test_openings=1)
    opened = adjust_p_values([0.02], method="holm", n_test_openings=3)
    assert sealed.n_tests == 1
    assert sealed.found == (0,)
    assert opened.n_tests == 3
    assert opened.adjusted == pytest.approx((0.06,))
    assert "opened 3 times" in opened.sentence
    assert opened.to_mapping()["n_test_openings"] == 3


@pytest.mark.parametrize(
    ("values", "kwargs", "error", "text"),
    [
        ([], {}, DataError, "one p-value or more"),
        ([0.1, np.nan], {}, DataError, "number 1 is nan"),
        ([1.5], {}, DataError, "number 0 is 1.5"),
        ([0.1], {"method": "sidak"}, ConfigError, "received 'sidak'"),
        ([0.1, 0.2], {"n_tests": 1}, ConfigError, "1 tests, fewer than the 2"),
        ([0.1], {"level": 0.9}, ConfigError, "level"),
    ],
)
def test_refusals(values, kwargs, error, text):
    with pytest.raises(error, match=text):
        adjust_p_values(values, **kwargs)


class TestMonteCarlo:
    @given(n=st.integers(1, 2000), share=st.floats(0, 1), confidence=st.sampled_from([0.9, 0.95]))
    @settings(deadline=None, max_examples=25)
    def test_interval_is_clopper_pearson(self, n, share, confidence):
        b = round(share * n)
        value = monte_carlo_p_value(b, n, confidence=confidence)
        low, high = proportion_confint(b, n, alpha=1 - confidence, method="beta")
        assert value.low == pytest.approx(low, abs=1e-9)
        assert value.high == pytest.approx(high, abs=1e-9)
        assert value.p == (b + 1) / (n + 1)
        assert value.low <= value.p <= max(value.high, 1.0)

    def test_worked_example(self):
        value = monte_carlo_p_value(0, 99)
        assert value.p == 0.01
        assert value.standard_error == pytest.approx((0.01 * 0.99 / 100) ** 0.5)
        assert value.low == 0.0
        assert value.high == pytest.approx(1 - 0.025 ** (1 / 99), abs=1e-12)
        assert value.sentence.startswith("0 of 99 draws of chance did at least as well: p = 0.0100")

    def test_standard_error_is_what_repeats_show(self):
        rng = np.random.default_rng(3)
        counts = stats.binom(99, 0.05).rvs(4000, random_state=rng)
        found = (counts + 1) / 100
        assert found.std() == pytest.approx(monte_carlo_p_value(4, 99).standard_error, rel=0.05)

    @pytest.mark.parametrize("args", [(1, 0), (-1, 9), (10, 9)])
    def test_refusals(self, args):
        with pytest.raises(ConfigError, match="received"):
            monte_carlo_p_value(*args)
