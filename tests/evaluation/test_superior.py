"""Reality check, SPA, StepM and model confidence set: arch, a second formula, size and power."""

import sys

import numpy as np
import pytest
from arch.bootstrap import MCS, SPA, StationaryBootstrap, StepM
from scipy import stats

from marketlab.core import ConfigError, DataError, stream_key
from marketlab.evaluation import (
    model_confidence_set,
    reality_check,
    superior_models,
    superior_predictive_ability,
)
from marketlab.evaluation._loss_tests import stationary_variance

NAMES = tuple("abcdefgh")
KNOWN = {"names": NAMES, "block_length": 5, "seed": 1, "n_resamples": 499}


def losses(seed, n=400, edges=(), m=8):
    """Benchmark and models of equal expected loss but for `edges` (column, advantage)."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=n)
    models = common[:, None] + rng.normal(size=(n, m)) * np.linspace(0.5, 3, m)
    for column, advantage in edges:
        models[:, column] -= advantage
    return common + rng.normal(size=n), models


def stream(name):
    return np.random.default_rng(stream_key(1, name))


class TestAgainstArch:
    @pytest.mark.parametrize("edge", [0.0, 0.15])
    def test_reality_check_is_the_upper_p(self, edge):
        benchmark, models = losses(3, edges=[(2, edge)])
        test = SPA(benchmark, models, block_size=5, reps=499, seed=stream("superior"))
        test.compute()
        value = reality_check(benchmark, models, **KNOWN)
        assert value.p.n_as_good == pytest.approx(test.pvalues["upper"] * 499)
        assert value.p.p == (value.p.n_as_good + 1) / 500
        assert value.p_upper == value.p_lower == value.p.p

    def test_spa_is_the_library_on_scaled_losses(self):
        benchmark, models = losses(4, edges=[(0, 0.1)])
        unscaled = SPA(benchmark, models, block_size=5, reps=499, seed=stream("superior"))
        unscaled.compute()
        omega = np.sqrt(unscaled._loss_diff_var)
        advantage = benchmark[:, None] - models
        np.testing.assert_allclose(np.sqrt(stationary_variance(advantage, 5)), omega, rtol=1e-9)
        test = SPA(
            np.zeros(400), -advantage / omega, block_size=5, reps=499, seed=stream("superior")
        )
        test.compute()
        value = superior_predictive_ability(benchmark, models, **KNOWN)
        assert value.p.n_as_good == pytest.approx(test.pvalues["consistent"] * 499)
        assert value.p_lower <= value.p.p <= value.p_upper

    def test_the_library_does_not_studentise(self):
        """Why columns are scaled here; if this fails, the library has been mended: look again."""
        benchmark, models = losses(5, edges=[(0, 0.1)])
        found = []
        for studentize in (True, False):
            test = SPA(benchmark, models, block_size=5, reps=199, studentize=studentize, seed=7)
            test.compute()
            found.append(test.pvalues.tolist())
        assert found[0] == found[1]

    def test_stepm(self):
        benchmark, models = losses(6, n=800, edges=[(0, 0.4), (1, 0.25)])
        advantage = benchmark[:, None] - models
        scaled = advantage / np.sqrt(stationary_variance(advantage, 5))
        theirs = StepM(np.zeros(800), -scaled, block_size=5, reps=499, seed=stream("superior"))
        theirs.compute()
        value = superior_models(benchmark, models, **KNOWN)
        assert value.superior == tuple(NAMES[i] for i in theirs.superior_models)
        assert {"a", "b"} <= set(value.superior)

    def test_confidence_set(self):
        _, models = losses(7, edges=[(0, 0.5), (1, 0.45)])
        theirs = MCS(
            models, size=0.1, reps=499, block_size=5, method="R", seed=stream("confidence_set")
        )
        theirs.compute()
        value = model_confidence_set(models, **KNOWN)
        for i, name in enumerate(NAMES):
            expected = (theirs.pvalues["Pvalue"][i] * 499 + 1) / 500
            assert value.p_values[name] == pytest.approx(min(expected, 1.0))
        assert value.included == tuple(n for n in NAMES if value.p_values[n] > 0.1)
        assert {"a", "b"} <= set(value.included)
        assert "with 90 % confidence" in value.sentence


def test_models_of_equal_mean_fall_one_by_one():
    """The library drops both models of a pair that ties with another: the best may fall."""
    rng = np.random.default_rng(3)
    models = rng.permuted(np.tile([0.0, 1.0], (8, 200)), axis=1).T
    library = MCS(models, size=0.1, reps=499, block_size=5, method="R", seed=1)
    library.compute()
    assert any(np.size(number) > 1 for number in library.pvalues.index)
    value = model_confidence_set(models, **KNOWN)
    assert value.included == NAMES
    assert min(value.p_values.values()) > 0.5
    models[:, 3] -= np.linspace(0.7, 0.9, 400)
    assert model_confidence_set(models, **KNOWN).included == ("d",)


def test_variance_is_that_of_the_stationary_bootstrap():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=301)
    values = noise[1:] + 0.7 * noise[:-1]
    means = StationaryBootstrap(8, values, seed=2).apply(np.mean, reps=4000).ravel()
    found = stationary_variance(values[:, None], 8)[0] / 300
    assert means.var() == pytest.approx(found, rel=0.08)


def test_one_model_is_a_t_test():
    benchmark, models = losses(9, n=2000, m=1, edges=[(0, 0.05)])
    difference = benchmark - models[:, 0]
    p = stats.ttest_1samp(difference, 0, alternative="greater").pvalue
    value = superior_predictive_ability(
        benchmark, models, names=("a",), block_length=1, seed=2, n_resamples=1999
    )
    assert value.p.p == pytest.approx(p, abs=4 * value.p.standard_error + 0.003)


def test_size_is_near_nominal_on_noise():
    found = {"spa": 0, "check": 0, "step": 0}
    quick = {"names": NAMES, "block_length": 1, "n_resamples": 199}
    for seed in range(100):
        benchmark, models = losses(100 + seed, n=120)
        found["spa"] += (
            superior_predictive_ability(benchmark, models, seed=seed, **quick).p.p <= 0.05
        )
        found["check"] += reality_check(benchmark, models, seed=seed, **quick).p.p <= 0.05
        if seed < 40:
            step = superior_models(benchmark, models, seed=seed, **quick)
            found["step"] += bool(step.superior)
    # 100 draws of 5 %: 5 expected; 13 or more in 0.15 % of cases, none in 0.6 %.
    assert 1 <= found["spa"] <= 12
    assert found["check"] <= 12
    assert found["step"] <= 7  # 40 draws: 2 expected, 8 or more in 0.1 %


def test_a_planted_winner_is_found_and_seeds_repeat():
    benchmark, models = losses(11, n=1000, edges=[(3, 0.5)])
    value = superior_predictive_ability(benchmark, models, **KNOWN)
    assert value.best_model == "d"
    assert value.p.p <= 0.01
    assert value.best_advantage == pytest.approx((benchmark - models[:, 3]).mean())
    assert "d, has a mean loss" in value.sentence
    assert "that is more than the luck of trying 8" in value.to_mapping()["sentence"]
    assert value == superior_predictive_ability(benchmark, models, **KNOWN)
    worse = superior_predictive_ability(benchmark - 2.0, models, **KNOWN)
    assert "above the benchmark's; that is not more than" in worse.sentence
    assert superior_models(benchmark - 2.0, models, **KNOWN).superior == ()


def test_the_last_models_may_fall_in_different_steps():
    """The library's StepM raises here: no model is left to take a maximum of."""
    rng = np.random.default_rng(4)
    benchmark = rng.normal(size=400)
    fails = 0
    for advantage in np.linspace(0.1, 0.14, 9):
        models = benchmark[:, None] + rng.normal(size=(400, 2)) - [[1.0, advantage]]
        value = superior_models(
            benchmark, models, names=("a", "b"), block_length=2, seed=1, n_resamples=199
        )
        fails += value.superior == ("a", "b") and value.n_steps == 2
    assert fails > 0


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "error", "text"),
        [
            ({"names": ("a",)}, DataError, "8.* and 1 names"),
            ({"names": ("a", "a", *"cdefgh")}, DataError, "two models are named 'a'"),
            ({"block_length": 21}, DataError, "20 blocks of 21 need 420 periods .* are 400"),
            ({"n_resamples": 99}, ConfigError, "must be at least 199"),
            ({"level": 0.0019}, ConfigError, "499 resamples give no p-value below 0.002"),
        ],
    )
    def test_settings(self, change, error, text):
        benchmark, models = losses(1)
        with pytest.raises(error, match=text):
            superior_models(benchmark, models, **{**KNOWN, **change})

    def test_losses(self):
        benchmark, models = losses(1)
        with pytest.raises(DataError, match=r"must have shape \(400,\); received \(399,\)"):
            superior_predictive_ability(benchmark[1:], models, **KNOWN)
        models[5, 5] = np.nan
        with pytest.raises(DataError, match=r"entry \(5, 5\) is nan"):
            superior_predictive_ability(benchmark, models, **KNOWN)
        models[:, 5] = benchmark + 0.5
        with pytest.raises(DataError, match="model 'f' differs from the benchmark by the constant"):
            reality_check(benchmark, models, **KNOWN)
        models[:, 6] = models[:, 5] + 1.0
        with pytest.raises(DataError, match="'f' and 'g' differ by a constant"):
            model_confidence_set(models, **KNOWN)
        with pytest.raises(DataError, match="needs 2 models or more; received 1"):
            model_confidence_set(models[:, :1], **{**KNOWN, "names": ("a",)})

    def test_without_arch_the_command_is_named(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "arch.bootstrap", None)
        with pytest.raises(ConfigError, match=r"pip install 'marketlab\[statistics\]'"):
            superior_predictive_ability(*losses(1), **KNOWN)
