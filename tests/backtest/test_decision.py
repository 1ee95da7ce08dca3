import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.backtest import (
    BUY,
    HOLD,
    SELL,
    DecisionPolicy,
    DecisionStream,
    decide,
    new_decision_state,
)
from marketlab.core import ConfigError, DataError

policies = st.builds(
    DecisionPolicy,
    confidence_threshold=st.sampled_from([0.0, 0.4, 0.6, 0.9, 1.0]),
    min_signal_separation=st.integers(0, 6),
    position_awareness=st.booleans(),
)


def forecasts(seed: int, n: int):
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet([0.4, 0.4, 0.4], size=n)
    rows[rng.random(n) < 0.1] = np.nan
    return rows


def oracle(policy: DecisionPolicy, rows):
    """The four rules as sentences, over the whole list of earlier signals."""
    out = []
    for row in rows:
        top = max(row)
        winners = [c for c in range(3) if row[c] == top]
        signal = winners[0] if len(winners) == 1 else HOLD
        earlier = [(t, s) for t, s in enumerate(out) if s != HOLD]
        if earlier:
            bar, side = earlier[-1]
            if len(out) - bar < policy.min_signal_separation:
                signal = HOLD
            if policy.position_awareness and signal == side:
                signal = HOLD
        if np.isnan(row).any() or top < policy.confidence_threshold:
            signal = HOLD
        out.append(signal)
    return out


@settings(deadline=None, max_examples=40)
@given(policies, st.integers(0, 2**31), st.integers(0, 120))
def test_compiled_decisions_are_those_of_the_written_rules(policy, seed, n):
    rows = forecasts(seed, n)
    assert decide(policy, rows).tolist() == oracle(policy, rows)


@settings(deadline=None, max_examples=25)
@given(policies, st.integers(0, 2**31), st.integers(1, 80), st.integers(0, 80))
def test_whole_series_blocks_and_single_bars_decide_alike(policy, seed, n, cut):
    rows = forecasts(seed, n)
    whole = decide(policy, rows)
    state = new_decision_state()
    first = decide(policy, rows[:cut], state=state)
    second = decide(policy, rows[cut:], state=state)
    np.testing.assert_array_equal(np.concatenate([first, second]), whole)
    stream = DecisionStream(policy)
    singles = [stream.push(row) for row in rows[:cut]]
    resumed = DecisionStream(policy, stream.state())
    singles += [resumed.push(row) for row in rows[cut:]]
    assert singles == whole.tolist()


@settings(deadline=None, max_examples=25)
@given(policies, st.integers(0, 2**31))
def test_swapping_buy_and_sell_swaps_every_decision(policy, seed):
    rows = forecasts(seed, 60)
    mirrored = np.ascontiguousarray(rows[:, ::-1])
    np.testing.assert_array_equal(decide(policy, mirrored), 2 - decide(policy, rows))


def test_each_rule_alone():
    buy, sell, hold = [0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.2, 0.7, 0.1]
    free = DecisionPolicy(
        confidence_threshold=0.0, min_signal_separation=0, position_awareness=False
    )
    rows = np.array([buy, buy, hold, sell, sell])
    assert decide(free, rows).tolist() == [BUY, BUY, HOLD, SELL, SELL]
    aware = free.model_copy(update={"position_awareness": True})
    assert decide(aware, rows).tolist() == [BUY, HOLD, HOLD, SELL, HOLD]
    sure = free.model_copy(update={"confidence_threshold": 0.71})
    assert decide(sure, rows).tolist() == [HOLD] * 5
    exact = free.model_copy(update={"confidence_threshold": 0.7})
    assert decide(exact, rows).tolist() == [BUY, BUY, HOLD, SELL, SELL]
    apart = free.model_copy(update={"min_signal_separation": 4})
    assert decide(apart, np.array([buy, sell, sell, sell, sell, buy])).tolist() == [
        BUY, HOLD, HOLD, HOLD, SELL, HOLD,
    ]  # fmt: skip


def test_a_tie_at_the_top_has_no_direction():
    free = DecisionPolicy(confidence_threshold=0.0, min_signal_separation=0)
    assert decide(free, np.array([[0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])).tolist() == [HOLD, HOLD]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.ones((4, 2)), r"shape \(n, 3\).*received \(4, 2\)"),
        (np.array([[0.2, 0.3, 0.5], [0.9, 0.9, 0.1]]), "1 of 2 rows.*first is row 1"),
        (np.array([[np.nan, 0.5, 0.5]]), "three numbers in"),
        (np.array([[-0.5, 0.5, 1.0]]), "first is row 0"),
    ],
)
def test_what_is_no_probability_is_refused(rows, message):
    with pytest.raises(DataError, match=message):
        decide(DecisionPolicy(), rows)


def test_a_misspelt_or_impossible_policy_is_refused():
    with pytest.raises(ConfigError, match="unknown key 'confidence_treshold'"):
        DecisionPolicy.from_mapping({"confidence_treshold": 0.6})
    with pytest.raises(ConfigError, match="less than or equal to 1"):
        DecisionPolicy.from_mapping({"confidence_threshold": 60.0})
