"""PBO by CSCV: hand values, a plain-Python second formula, purgedcv, noise and a planted winner."""

import math
from itertools import combinations

import numpy as np
import purgedcv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import probability_of_backtest_overfitting


def slow_cscv(table, n_blocks):
    """The definition, one half after another, ranks by sorting."""
    blocks = np.array_split(np.arange(len(table)), n_blocks)
    logits, trained, tested = [], [], []
    for chosen in combinations(range(n_blocks), n_blocks // 2):
        inside = np.concatenate([blocks[i] for i in chosen])
        outside = np.concatenate([blocks[i] for i in range(n_blocks) if i not in chosen])
        train = table[inside].mean(axis=0) / table[inside].std(axis=0, ddof=1)
        test = table[outside].mean(axis=0) / table[outside].std(axis=0, ddof=1)
        best = int(np.argmax(train))
        omega = (1 + np.sum(test < test[best])) / (table.shape[1] + 1)
        logits.append(math.log(omega / (1 - omega)))
        trained.append(train[best])
        tested.append(test[best])
    return np.array(logits), np.array(trained), np.array(tested)


@given(
    seed=st.integers(0, 2**32 - 1),
    n_periods=st.integers(40, 90),
    n_strategies=st.integers(2, 7),
    n_blocks=st.sampled_from([4, 6, 8]),
)
@settings(deadline=None, max_examples=25)
def test_agrees_with_the_definition_and_purgedcv(seed, n_periods, n_strategies, n_blocks):
    rng = np.random.default_rng(seed)
    table = 0.01 * rng.standard_t(4, size=(n_periods, n_strategies)) + 0.002
    logits, trained, tested = slow_cscv(table, n_blocks)
    mine = probability_of_backtest_overfitting(table, n_blocks=n_blocks)
    assert mine.pbo == pytest.approx(np.mean(logits <= 1e-12))
    assert mine.median_logit == pytest.approx(np.median(logits))
    assert mine.loss_probability == np.mean(tested < 0)
    assert mine.degradation_slope == pytest.approx(np.polyfit(trained, tested, 1)[0], rel=1e-6)
    assert mine.degradation_intercept == pytest.approx(
        np.polyfit(trained, tested, 1)[1], rel=1e-6, abs=1e-9
    )
    theirs = purgedcv.probability_of_backtest_overfitting(table.T, n_splits=n_blocks)
    assert mine.pbo - mine.share_at_median == pytest.approx(theirs.pbo)  # theirs: below only
    assert mine.degradation_slope == pytest.approx(theirs.slope, rel=1e-9)
    assert mine.n_halves == theirs.n_combos == math.comb(n_blocks, n_blocks // 2)


def test_worked_example():
    # Four blocks; strategy 0 wins in blocks 0 and 1, strategy 1 in blocks 2 and 3.
    shape = np.tile([0.9, 1.1], 5)
    up, down = shape, -shape
    table = np.c_[np.r_[up, up, down, down], np.r_[down, down, up, up]]
    value = probability_of_backtest_overfitting(table, n_blocks=4, metric="mean")
    # {0,1} and {2,3}: the winner loses everything; the four mixed halves tie at 0: first column
    # chosen, tied in testing, mean rank 1.5 of 2, logit 0.
    assert value.pbo == 1.0
    assert value.share_at_median == pytest.approx(4 / 6)
    assert value.loss_probability == pytest.approx(2 / 6)
    assert value.degradation_slope == pytest.approx(-1.0)


def test_periods_that_do_not_divide_are_all_used():
    rng = np.random.default_rng(0)
    value = probability_of_backtest_overfitting(rng.normal(size=(107, 5)), n_blocks=10)
    assert value.block_periods == (10, 11)
    assert value.n_periods == 107


def test_copies_tie():
    one = np.random.default_rng(5).normal(size=(90, 1)) * 0.01
    for copies in (2, 3, 7):
        value = probability_of_backtest_overfitting(np.repeat(one, copies, axis=1), n_blocks=6)
        assert value.pbo == value.share_at_median == 1.0
        assert value.most_chosen == 0
        assert value.chosen_share == 1.0


@pytest.mark.parametrize("metric", ["sharpe", "mean"])
def test_noise_is_near_a_half(metric):
    rng = np.random.default_rng(1)
    found = [
        probability_of_backtest_overfitting(
            rng.normal(size=(200, 20)), n_blocks=8, metric=metric
        ).pbo
        for _ in range(100)
    ]
    assert 0.44 < np.mean(found) < 0.56


def test_a_planted_winner_is_kept():
    rng = np.random.default_rng(2)
    table = rng.normal(size=(1000, 27))
    table[:, 11] += 0.3
    value = probability_of_backtest_overfitting(table)
    assert value.pbo < 0.01
    assert value.loss_probability < 0.01
    assert value.most_chosen == 11
    assert value.chosen_share > 0.99
    assert value.n_halves == 12_870
    assert "best of 27 strategies" in value.to_mapping()["sentence"]


def test_idle_halves_score_zero_and_far_means_lose_no_digits():
    rng = np.random.default_rng(3)
    table = rng.normal(size=(80, 3))
    table[:40, 2] = 0.0
    table[:, 1] -= 5.0
    table[:, 0] -= 5.0
    value = probability_of_backtest_overfitting(table, n_blocks=4)
    # In the half without trades the idle strategy's 0 beats the losers' certain losses.
    assert value.most_chosen == 2
    assert value.chosen_share == 1.0
    shifted = rng.normal(size=(80, 4)) * 1e-6 + 1.0
    logits, *_ = slow_cscv(shifted, 4)
    again = probability_of_backtest_overfitting(shifted, n_blocks=4)
    assert again.pbo == np.mean(logits <= 1e-12)


@pytest.mark.parametrize(
    ("table", "kwargs", "error", "text"),
    [
        (np.ones((90, 3)), {"n_blocks": 5}, ConfigError, r"even and lie in \[4, 20\]; received 5"),
        (np.ones((90, 3)), {"n_blocks": 22}, ConfigError, "received 22"),
        (np.ones((90, 3)), {"metric": "calmar"}, ConfigError, "'sharpe' or 'mean'"),
        (np.ones((90, 1)), {}, DataError, r"2 strategies or more; received \(90, 1\)"),
        (np.ones((79, 3)), {}, DataError, r"16 blocks need 80 periods .* the record has 79"),
        (np.full((90, 3), np.nan), {}, DataError, "is nan"),
        (np.full((90, 3), 0.01), {}, DataError, "strategy 0 are one and the same number, not 0"),
    ],
)
def test_refusals(table, kwargs, error, text):
    with pytest.raises(error, match=text):
        probability_of_backtest_overfitting(table, **kwargs)
