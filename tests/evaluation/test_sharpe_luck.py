"""Probabilistic and deflated Sharpe ratios, record lengths: hand values and purgedcv."""

import math

import numpy as np
import purgedcv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import (
    SharpeMoments,
    deflated_sharpe_ratio,
    effective_number_of_trials,
    expected_maximum,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    sharpe_moments,
)
from marketlab.evaluation._sharpe import psr, track_record_length


@st.composite
def return_series(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(30, 600))
    tail = draw(st.sampled_from([3, 6, 1000]))
    skew = draw(st.sampled_from([0.0, 0.5, -0.5]))
    noise = rng.standard_t(tail, size=n)
    return draw(st.sampled_from([-0.1, 0.0, 0.2])) + noise + skew * noise**2 / 2


def purged_moments(returns):
    """The sample moments as purgedcv takes them (deviation over n, bias-corrected shape)."""
    return SharpeMoments(
        sharpe=float(returns.mean() / returns.std()),
        skewness=float(stats.skew(returns, bias=False)),
        kurtosis=float(stats.kurtosis(returns, bias=False, fisher=False)),
        n_returns=len(returns),
    )


class TestMoments:
    @given(returns=return_series())
    @settings(deadline=None, max_examples=25)
    def test_agree_with_scipy(self, returns):
        moments = sharpe_moments(returns)
        assert moments.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-12)
        assert moments.skewness == pytest.approx(stats.skew(returns), rel=1e-9, abs=1e-12)
        plain = stats.kurtosis(returns, fisher=False)
        assert moments.kurtosis == pytest.approx(plain, rel=1e-10)
        assert moments.variance_factor > 0

    def test_kurtosis_is_plain(self):
        normal = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
        assert sharpe_moments(normal + 0.5).kurtosis == pytest.approx(3.0, abs=0.02)
        # At SR 0.5 and normal returns: 1 + (3 - 1) / 4 * 0.25 = 1.125; with excess 0.875.
        assert sharpe_moments(normal + 0.5).variance_factor == pytest.approx(1.125, abs=0.002)

    def test_standard_error_is_what_samples_show(self):
        rng = np.random.default_rng(1)
        samples = 0.3 + rng.exponential(size=(4000, 200)) - 1.0
        ratios = samples.mean(axis=1) / samples.std(axis=1, ddof=1)
        law = SharpeMoments(sharpe=0.3, skewness=2.0, kurtosis=9.0, n_returns=200)
        assert ratios.std() == pytest.approx(law.standard_error, rel=0.08)

    @pytest.mark.parametrize(
        ("returns", "text"),
        [
            (np.arange(29.0), "30 returns or more; the returns are 29"),
            (np.full(40, 0.01), "do not vary .every one is 0.01."),
            (np.zeros(40), "do not vary"),
            (np.r_[np.arange(39.0), np.nan], "entry 39 is nan"),
            (np.ones((40, 2)), "must be one-dimensional"),
        ],
    )
    def test_refusals(self, returns, text):
        with pytest.raises(DataError, match=text):
            sharpe_moments(returns)


class TestProbabilisticSharpe:
    def test_worked_example(self):
        # z = (0.2 - 0.1) sqrt(100) / sqrt(1 + 0.5 * 0.2 + (6 - 1) / 4 * 0.04) = 1 / sqrt(1.15)
        moments = SharpeMoments(sharpe=0.2, skewness=-0.5, kurtosis=6.0, n_returns=101)
        assert psr(moments, 0.1) == pytest.approx(stats.norm.cdf(1 / math.sqrt(1.15)), abs=1e-14)
        assert psr(moments, 0.2) == 0.5
        # Two values and SR = 2 / skewness: the ratio has no first-order error, 1 - 2 + 1 = 0.
        certain = SharpeMoments(sharpe=1.0, skewness=2.0, kurtosis=5.0, n_returns=50)
        assert [psr(certain, b) for b in (0.9, 1.0, 1.1)] == [1.0, 0.5, 0.0]

    @given(returns=return_series(), benchmark=st.sampled_from([-0.1, 0.0, 0.15]))
    @settings(deadline=None, max_examples=25)
    def test_agrees_with_purgedcv(self, returns, benchmark):
        theirs = purgedcv.probabilistic_sharpe_ratio(returns, benchmark_skill=benchmark)
        assert psr(purged_moments(returns), benchmark) == pytest.approx(theirs, abs=1e-12)

    def test_own_moments_differ_from_purgedcv_by_order_one_over_n(self):
        returns = np.random.default_rng(3).normal(0.1, 1.0, 500)
        theirs = purgedcv.probabilistic_sharpe_ratio(returns, benchmark_skill=0.05)
        ours = probabilistic_sharpe_ratio(returns, benchmark=0.05).probability
        assert ours == pytest.approx(theirs, abs=0.002)

    def test_p_values_are_uniform_without_edge(self):
        rng = np.random.default_rng(5)
        found = [
            probabilistic_sharpe_ratio(rng.standard_t(5, size=250)).probability for _ in range(1000)
        ]
        assert 0.03 < np.mean(np.array(found) > 0.95) < 0.075
        assert stats.kstest(found, "uniform").pvalue > 0.01

    def test_says_what_it_found(self):
        value = probabilistic_sharpe_ratio(np.r_[np.full(20, 0.02), np.full(20, -0.01)])
        mapping = value.to_mapping()
        assert mapping["moments"]["n_returns"] == 40
        assert "from 40 returns exceeds 0.0000 with probability 0.9" in mapping["sentence"]
        assert "had it been the only one tried" in mapping["sentence"]

    def test_refuses_a_benchmark_that_is_no_number(self):
        with pytest.raises(DataError, match="benchmark must be finite"):
            probabilistic_sharpe_ratio(np.arange(40.0), benchmark=math.nan)


class TestTrackRecord:
    @given(
        sharpe=st.floats(0.02, 1.0),
        skewness=st.floats(-1.0, 1.0),
        kurtosis=st.floats(3.0, 12.0),
        target=st.floats(-0.5, 0.6),
    )
    @settings(deadline=None, max_examples=25)
    def test_agrees_with_purgedcv_and_inverts_psr(self, sharpe, skewness, kurtosis, target):
        moments = SharpeMoments(sharpe=sharpe, skewness=skewness, kurtosis=kurtosis, n_returns=100)
        mine = track_record_length(moments, target, 0.95)
        theirs = purgedcv.min_track_record_length(sharpe, target, 0.05, skewness, kurtosis)
        if mine is None:
            assert math.isinf(theirs)
        else:
            assert mine == theirs
            long = moments.model_copy(update={"n_returns": mine})
            assert psr(long, target) >= 0.95 - 1e-9
            short = moments.model_copy(update={"n_returns": max(1, mine - 1)})
            assert psr(short, target) <= 0.95 + 1e-9 or mine <= 2

    def test_tells_whether_the_record_suffices(self):
        returns = np.tile([0.02, -0.01], 200)
        value = minimum_track_record_length(returns)
        assert value.long_enough
        assert f"needs {value.n_needed} returns" in value.sentence
        hopeless = minimum_track_record_length(-returns)
        assert hopeless.n_needed is None
        assert not hopeless.long_enough
        assert "no length of such a record" in hopeless.sentence

    def test_refuses_a_confidence_of_half(self):
        with pytest.raises(ConfigError, match="confidence"):
            minimum_track_record_length(np.arange(40.0), confidence=0.5)


def correlated(rng, n_periods, n_trials, rho):
    common = rng.standard_normal((n_periods, 1))
    own = rng.standard_normal((n_periods, n_trials))
    return math.sqrt(rho) * common + math.sqrt(1 - rho) * own


class TestDeflatedSharpe:
    @given(returns=return_series(), n=st.integers(2, 500), spread=st.floats(0.3, 0.6))
    @settings(deadline=None, max_examples=25)
    def test_agrees_with_purgedcv(self, returns, n, spread):
        trial_sharpes = np.array([-spread, spread])
        value = deflated_sharpe_ratio(returns, trial_sharpes=trial_sharpes, n_trials=n)
        variance = float(trial_sharpes.var(ddof=1))
        theirs = purgedcv.deflated_sharpe_ratio_full(returns, n, variance)
        assert value.benchmark == pytest.approx(theirs.sr_star, rel=1e-12)
        again = psr(purged_moments(returns), value.benchmark)
        assert again == pytest.approx(theirs.dsr, abs=1e-12)

    def test_one_trial_is_the_probabilistic_ratio(self):
        returns = np.random.default_rng(1).normal(0.1, 1, 200)
        value = deflated_sharpe_ratio(returns, trial_sharpes=np.array([0.1]), n_trials=1)
        assert value.benchmark == 0.0
        assert value.probability == probabilistic_sharpe_ratio(returns).probability
        assert "The test set is sealed." in value.sentence

    def test_copies_cannot_hide_the_ledger(self):
        returns = np.random.default_rng(1).normal(0.2, 1, 400)
        value = deflated_sharpe_ratio(returns, trial_sharpes=np.full(5, 0.2), n_trials=100)
        assert value.spread_from_sampling
        assert value.sharpe_spread == pytest.approx(1 / math.sqrt(399))
        assert value.benchmark == pytest.approx(expected_maximum(100) / math.sqrt(399))

    def test_openings_count_and_are_named(self):
        returns = np.random.default_rng(1).normal(0.1, 1, 400)

        def opened(times):
            return deflated_sharpe_ratio(
                returns, trial_sharpes=np.array([0.1, -0.1]), n_trials=3, n_test_openings=times
            )

        assert opened(0).n_effective == opened(1).n_effective == 3
        assert opened(4).n_effective == 6
        assert opened(4).probability < opened(1).probability
        assert "opened once" in opened(1).sentence
        assert "opened 4 times; each opening after the first" in opened(4).sentence

    @pytest.mark.parametrize("rho", [0.0, 0.5])
    def test_the_best_of_noise_is_rarely_believed(self, rho):
        rng = np.random.default_rng(7)
        believed = 0
        for _ in range(200):
            table = correlated(rng, 250, 27, rho)
            ratios = table.mean(axis=0) / table.std(axis=0, ddof=1)
            effective = effective_number_of_trials(table, n_trials=27).n_effective
            value = deflated_sharpe_ratio(
                table[:, ratios.argmax()],
                trial_sharpes=ratios,
                n_trials=27,
                n_effective=effective,
            )
            believed += value.probability > 0.95
        assert believed <= 6  # 3 %; undeflated, more than half of the best pass 0.95

    def test_a_true_edge_is_found(self):
        rng = np.random.default_rng(8)
        table = rng.normal(size=(1000, 27))
        table[:, 4] += 0.25
        ratios = table.mean(axis=0) / table.std(axis=0, ddof=1)
        value = deflated_sharpe_ratio(table[:, 4], trial_sharpes=ratios, n_trials=27)
        assert value.probability > 0.99
        assert "is more than luck at 95 %" in value.sentence

    @pytest.mark.parametrize(
        ("kwargs", "error", "text"),
        [
            ({"trial_sharpes": np.array([0.1]), "n_trials": 9}, DataError, "9 trials needs .* 1 c"),
            ({"trial_sharpes": np.zeros(3), "n_trials": 2}, ConfigError, "2 trials are fewer"),
            (
                {"trial_sharpes": np.array([0.1, np.inf]), "n_trials": 2},
                DataError,
                "entry 1 is inf",
            ),
            (
                {"trial_sharpes": np.zeros(3), "n_trials": 3, "n_effective": 4.0},
                ConfigError,
                "between 1 and the ledger's 3",
            ),
        ],
    )
    def test_refusals(self, kwargs, error, text):
        with pytest.raises(error, match=text):
            deflated_sharpe_ratio(np.arange(40.0), **kwargs)
