"""p-values of a family: exact under exchangeability, never below the single one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import DataError
from marketlab.evaluation import max_statistic_p_values

seeds = st.integers(0, 2**32 - 1)


def slow_reference(observed, null):
    """The definition with loops, for complete tables."""
    table = np.vstack([observed, null])
    z = (table - table.mean(axis=0)) / table.std(axis=0, ddof=1)
    count = len(null)
    adjusted = [
        (1 + sum(max(row) >= z[0, s] for row in z[1:])) / (count + 1) for s in range(z.shape[1])
    ]
    single = [
        (1 + sum(row[s] >= z[0, s] for row in z[1:])) / (count + 1) for s in range(z.shape[1])
    ]
    return np.array(adjusted), np.array(single)


@given(seed=seeds, n_family=st.integers(1, 6), n_null=st.integers(1, 40))
@settings(deadline=None, max_examples=25)
def test_agrees_with_the_definition(seed, n_family, n_null):
    rng = np.random.default_rng(seed)
    observed, null = rng.normal(size=n_family), rng.normal(size=(n_null, n_family))
    result = max_statistic_p_values(observed, null)
    adjusted, single = slow_reference(observed, null)
    np.testing.assert_allclose(result.p_adjusted, adjusted)
    np.testing.assert_allclose(result.p_single, single)
    assert (result.p_adjusted >= result.p_single).all()
    assert (result.p_single >= 1 / (n_null + 1)).all()
    assert result.n_family == n_family
    if n_family == 1:
        np.testing.assert_allclose(result.p_adjusted, result.p_single)


@given(seed=seeds)
@settings(deadline=None, max_examples=25)
def test_monotone_and_free_of_units(seed):
    rng = np.random.default_rng(seed)
    observed, null = rng.normal(size=4), rng.normal(size=(60, 4))
    one = max_statistic_p_values(observed, null)
    better = observed.copy()
    better[2] += 3.0
    assert max_statistic_p_values(better, null).p_adjusted[2] <= one.p_adjusted[2]
    assert max_statistic_p_values(better, null).p_single[2] <= one.p_single[2]
    scale, shift = np.array([1e-4, 1.0, 50.0, 7.0]), np.array([3.0, 0.0, -9.0, 1.0])
    other = max_statistic_p_values(observed * scale + shift, null * scale + shift)
    np.testing.assert_allclose(other.p_adjusted, one.p_adjusted)
    np.testing.assert_allclose(other.standardised, one.standardised, atol=1e-6)


def simulate_family(n_family, link, repeats, n_null, seed):
    """Smallest adjusted p of each simulated family without any edge."""
    rng = np.random.default_rng(seed)
    out = np.empty(repeats)
    scales = 10.0 ** rng.uniform(-3, 1, size=n_family)
    for k in range(repeats):
        shared = rng.standard_t(5, size=(n_null + 1, 1))
        table = (link * shared + rng.standard_t(5, size=(n_null + 1, n_family))) * scales
        out[k] = np.nanmin(max_statistic_p_values(table[0], table[1:]).p_adjusted)
    return out


@pytest.mark.parametrize("link", [0.0, 3.0])
def test_best_of_a_family_without_edge_is_uniform(link):
    p = simulate_family(12, link, repeats=1_500, n_null=59, seed=4)
    for level in (0.05, 0.1, 0.25, 0.5):
        assert np.mean(p <= level) == pytest.approx(level, abs=3.5 * np.sqrt(level / 1_500))


def test_missing_surrogates_keep_it_exact():
    rng = np.random.default_rng(9)
    p = []
    for _ in range(1_500):
        table = rng.normal(size=(60, 6))
        table[rng.random((60, 6)) < 0.15] = np.nan
        got = max_statistic_p_values(table[0], table[1:]).p_adjusted
        p.append(np.nanmin(got) if np.isfinite(got).any() else 1.0)
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 / 1_500)
    assert np.mean(np.array(p) <= 0.05) >= 0.02


def test_a_true_edge_is_found_in_a_family():
    rng = np.random.default_rng(2)
    observed, null = rng.normal(size=27), rng.normal(size=(199, 27))
    observed[3] = 8.0
    result = max_statistic_p_values(observed, null)
    assert result.p_adjusted[3] == pytest.approx(1 / 200)
    assert (np.delete(result.p_adjusted, 3) > 0.05).all()


def test_wide_strategies_do_not_hide_narrow_ones():
    # Without studentising, the sd of 15 of a 3.5 % threshold would drown everything else.
    rng = np.random.default_rng(2)
    null = rng.normal(size=(199, 2)) * [15.0, 0.1]
    assert max_statistic_p_values(np.array([0.0, 0.6]), null).p_adjusted[1] == pytest.approx(
        1 / 200
    )


def test_worked_counts_and_monte_carlo_error():
    null = np.arange(19, dtype=float)[:, None]
    result = max_statistic_p_values(np.array([17.0]), null)
    assert result.p_single[0] == pytest.approx(3 / 20)  # 17 and 18 reach 17
    assert result.monte_carlo_error[0] == pytest.approx(np.sqrt(0.15 * 0.85 / 20))
    assert max_statistic_p_values(np.array([99.0]), null).p_adjusted[0] == pytest.approx(1 / 20)


def test_missing_observed_gets_no_p_but_stays_in_the_family():
    rng = np.random.default_rng(0)
    null = rng.normal(size=(99, 2))
    result = max_statistic_p_values(np.array([np.nan, 1.5]), null)
    assert np.isnan(result.p_adjusted[0])
    assert np.isnan(result.p_single[0])
    assert result.p_adjusted[1] > max_statistic_p_values(np.array([1.5]), null[:, 1:]).p_adjusted[0]


def test_missing_surrogates_are_left_out_and_counted():
    null = np.arange(24.0).reshape(24, 1)
    null[[2, 4, 9]] = np.nan
    result = max_statistic_p_values(np.array([50.0]), null)
    assert result.n_surrogates.tolist() == [21]
    assert result.p_adjusted[0] == pytest.approx(1 / 22)


def test_too_few_complete_surrogates_give_no_p_for_the_family():
    null = np.random.default_rng(1).normal(size=(40, 2))
    null[:12, 0] = np.nan
    null[12:21, 1] = np.nan  # 19 complete ones are left
    assert np.isfinite(max_statistic_p_values(np.array([0.1, 0.2]), null).p_adjusted).all()
    null[21, 1] = np.nan
    result = max_statistic_p_values(np.array([0.1, 0.2]), null)
    assert np.isnan(result.p_adjusted).all()
    assert np.isfinite(result.p_single).all()
    assert result.n_surrogates.tolist() == [28, 30]
    # A strategy without a value on the real bars needs none on surrogates either.
    assert np.isfinite(max_statistic_p_values(np.array([0.1, np.nan]), null).p_adjusted[0])
    assert np.isnan(max_statistic_p_values(np.array([5.0]), np.full((9, 1), np.nan)).p_adjusted)


def test_missing_surrogates_do_not_make_the_family_pass_more_often():
    rng, passed = np.random.default_rng(5), 0
    for _ in range(400):
        table = rng.normal(size=(60, 8))
        null = np.where(rng.random((59, 8)) < 0.06, np.nan, table[1:])
        passed += bool((max_statistic_p_values(table[0], null).p_adjusted <= 0.05).any())
    assert passed <= 33  # 20 expected, standard deviation 4.4


def test_a_score_that_no_surrogate_moves_is_no_evidence():
    result = max_statistic_p_values(
        np.array([0.1, 4.0]), np.c_[np.full(99, 0.1), np.linspace(-1, 1, 99)]
    )
    assert result.p_adjusted[0] == 1.0
    assert result.standardised[0] == 0.0
    assert result.p_adjusted[1] == pytest.approx(1 / 100)


@pytest.mark.parametrize(
    ("observed", "null", "text"),
    [
        (np.zeros(2), np.zeros((5, 3)), r"shape \(S,\) and the null \(B, S\); received \(2,\)"),
        (np.zeros(2), np.zeros((0, 2)), "needs at least one surrogate"),
        (
            np.array([np.inf]),
            np.zeros((5, 1)),
            "a statistic is infinite; a missing one must be NaN",
        ),
    ],
)
def test_refusals(observed, null, text):
    with pytest.raises(DataError, match=text):
        max_statistic_p_values(observed, null)
