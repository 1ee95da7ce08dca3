"""Effective trials, the best of N by luck, and the shortest backtest: hand values, purgedcv."""

import math

import numpy as np
import purgedcv
import pytest
from scipy import integrate, stats

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import (
    effective_number_of_trials,
    expected_maximum,
    minimum_backtest_length,
)


class TestExpectedMaximum:
    @pytest.mark.parametrize("n", [2, 3, 5, 10, 27, 100, 1000, 100_000])
    def test_is_near_the_integral(self, n):
        def weighted(x):
            return x * n * stats.norm.pdf(x) * stats.norm.cdf(x) ** (n - 1)

        truth = integrate.quad(weighted, -8, 8, points=[1, 3, 5])[0]
        assert expected_maximum(n) == pytest.approx(truth, abs=0.05)

    @pytest.mark.parametrize("n", [2, 10, 500])
    def test_is_the_formula_of_purgedcv(self, n):
        theirs = math.sqrt(purgedcv.minimum_backtest_length(n, target_sharpe=1.0))
        assert expected_maximum(n) == pytest.approx(theirs, abs=1e-12)

    def test_grows_from_nothing(self):
        values = [expected_maximum(n) for n in (1, 1.2, 1.7, 2, 2.5, 10)]
        assert values[0] == 0
        assert np.all(np.diff(values) > 0)
        with pytest.raises(ConfigError, match="n_trials"):
            expected_maximum(0.5)


class TestBacktestLength:
    def test_values_of_the_paper_and_purgedcv(self):
        # "Pseudo-mathematics": 45 variations need 5 years for an annual ratio of 1.
        assert minimum_backtest_length(45, annual_sharpe=1.0).years == pytest.approx(5.0, abs=0.15)
        for n, ratio in ((7, 0.5), (100, 2.0)):
            theirs = purgedcv.minimum_backtest_length(n, target_sharpe=ratio)
            mine = minimum_backtest_length(n, annual_sharpe=ratio)
            assert mine.years == pytest.approx(theirs, rel=1e-12)
            assert mine.years < mine.upper_bound_years

    def test_sentences(self):
        assert (
            "too short to say"
            in minimum_backtest_length(45, annual_sharpe=1.0, years_available=2.0).sentence
        )
        assert (
            "is longer"
            in minimum_backtest_length(45, annual_sharpe=1.0, years_available=9.0).sentence
        )
        assert minimum_backtest_length(1, annual_sharpe=1.0).years == 0.0
        with pytest.raises(ConfigError, match="annual_sharpe"):
            minimum_backtest_length(5, annual_sharpe=0.0)


def correlated(rng, n_periods, n_trials, rho):
    common = rng.standard_normal((n_periods, 1))
    own = rng.standard_normal((n_periods, n_trials))
    return math.sqrt(rho) * common + math.sqrt(1 - rho) * own


class TestEffectiveTrials:
    @pytest.mark.parametrize("rho", [0.0, 0.3, 0.8])
    def test_equal_correlation(self, rho):
        value = effective_number_of_trials(
            correlated(np.random.default_rng(2), 4000, 27, rho), n_trials=27
        )
        assert value.by_average_correlation == pytest.approx(rho + (1 - rho) * 27, abs=0.7)
        by_hand = 27**2 / (27 + 27 * 26 * rho**2)
        assert value.by_eigenvalues == pytest.approx(by_hand, rel=0.1)
        used = max(value.by_average_correlation, value.by_eigenvalues)
        assert value.n_effective == pytest.approx(used)

    def test_sampling_noise_does_not_lower_the_number(self):
        rng = np.random.default_rng(3)
        found = [
            effective_number_of_trials(rng.normal(size=(60, 27)), n_trials=27).by_eigenvalues
            for _ in range(40)
        ]
        assert np.mean(found) > 25.5  # 18.8 without the correction

    def test_the_eigenvalue_form_is_that_of_the_eigenvalues(self):
        table = correlated(np.random.default_rng(4), 100, 6, 0.5)
        values = np.linalg.eigvalsh(np.corrcoef(table.T))
        off = (values**2).sum() - 6 - 30 / 99
        expected = values.sum() ** 2 / (6 + off)
        found = effective_number_of_trials(table, n_trials=6).by_eigenvalues
        assert found == pytest.approx(expected, rel=1e-9)

    def test_copies_count_once_and_lost_trials_in_full(self):
        rng = np.random.default_rng(6)
        one = rng.normal(size=(200, 1))
        copies = effective_number_of_trials(np.repeat(one, 10, axis=1), n_trials=10)
        assert copies.n_effective == pytest.approx(1.0, abs=0.05)
        lost = effective_number_of_trials(np.repeat(one, 10, axis=1), n_trials=50)
        assert lost.n_effective == pytest.approx(41.0, abs=0.05)
        assert "40 without returns count as independent" in lost.sentence
        single = effective_number_of_trials(one, n_trials=1)
        assert single.n_effective == 1.0

    @pytest.mark.parametrize(
        ("table", "n_trials", "error", "text"),
        [
            (np.ones((20, 2)), 2, DataError, "30 periods or more; the table has 20"),
            (np.c_[np.arange(40.0), np.ones(40)], 2, DataError, "trial 1 do not vary"),
            (np.full((40, 2), np.nan), 2, DataError, r"entry \(0, 0\) is nan"),
            (np.arange(40.0), 1, DataError, r"shape \(T, M\)"),
            (np.eye(40), 39, ConfigError, "39 trials are fewer than the 40"),
        ],
    )
    def test_refusals(self, table, n_trials, error, text):
        with pytest.raises(error, match=text):
            effective_number_of_trials(table, n_trials=n_trials)
