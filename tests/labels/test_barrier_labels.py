"""Triple barrier, event filter, volatility and meta-labels against loops over the bars."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_world import as_bars, flat_or_not, walk

from marketlab.core import ConfigError, DataError
from marketlab.labels import (
    BUY,
    HOLD,
    SELL,
    TradeRule,
    TripleBarrierRule,
    barrier_volatility,
    cusum_events,
    meta_label,
    primary_side,
    trade_return,
    triple_barrier,
)

HLC = ("high", "low", "close")


def _hlc(bars):
    return tuple(bars[name] for name in HLC)


def _ohlc(bars):
    return tuple(bars[name] for name in ("open", *HLC))


def _weighted(values, span):
    """Mean and unbiased deviation of the values so far, straight from the weights."""
    means, deviations, decay = [], [], 1.0 - 2.0 / (span + 1.0)
    for i in range(len(values)):
        seen = np.array(values[: i + 1])
        weight = np.where(np.isnan(seen), 0.0, decay ** np.arange(i, -1, -1.0))
        seen = np.nan_to_num(seen)
        total = weight.sum()
        mean = (weight * seen).sum() / total if total else np.nan
        means.append(mean)
        room = total - (weight**2).sum() / total if total else 0.0
        enough = (weight > 0).sum() > 1
        spread = (weight * (seen - mean) ** 2).sum()
        deviations.append(np.sqrt(spread / room) if enough else np.nan)
    return np.array(means), np.array(deviations)


@given(bars=flat_or_not, span=st.integers(1, 20))
def test_volatilities_are_weighted_means_and_deviations(bars, span):
    high, low, close = _hlc(bars)
    if len(close) == 0:
        return
    before = np.concatenate([close[:1], close[:-1]])
    gaps = np.maximum(high, before) - np.minimum(low, before)
    gaps[0] = high[0] - low[0]
    returns = np.concatenate([[np.nan], np.diff(np.log(close))])
    for measure, expected in (
        ("atr", _weighted((high - low) / close, span)[0]),
        ("true_range", _weighted(gaps / close, span)[0]),
        ("close", _weighted(returns, span)[1] if span > 1 else None),
    ):
        if expected is not None:
            found = barrier_volatility(high, low, close, measure=measure, span=span)
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_volatilities_agree_with_pandas():
    pandas = pytest.importorskip("pandas")
    high, low, close = _hlc(walk(3_000, seed=0))
    ranges = pandas.Series((high - low) / close).ewm(span=50).mean()
    returns = pandas.Series(np.log(close)).diff().ewm(span=50).std()
    np.testing.assert_allclose(barrier_volatility(high, low, close), ranges, rtol=1e-11)
    found = barrier_volatility(high, low, close, measure="close")
    np.testing.assert_allclose(found, returns, rtol=1e-9)


def _expected_triple(bars, rule, v):
    high, low, close = _hlc(bars)
    rows = []
    for t in range(len(close) - rule.horizon):
        if not v[t] > 0.0:
            continue
        upper, lower = close[t] * (1.0 + rule.up * v[t]), close[t] * (1.0 - rule.down * v[t])
        value, end = None, t + rule.horizon
        for k in range(t + 1, t + rule.horizon + 1):
            up, down = high[k] >= upper, low[k] <= lower
            if up or down:
                if up and down:
                    value = BUY if close[k] >= close[t] else SELL
                else:
                    value = BUY if up else SELL
                end = k
                break
        if value is None:
            change = (close[end] - close[t]) / close[t]
            quiet = abs(change) < v[t] * np.sqrt(rule.horizon) * rule.timeout_factor
            value = HOLD if quiet or change == 0.0 else BUY if change > 0.0 else SELL
        rows.append((t, value, end))
    return rows


rules = st.builds(
    TripleBarrierRule,
    horizon=st.integers(1, 9),
    up=st.sampled_from([0.3, 1.0, 4.0]),
    down=st.sampled_from([0.3, 1.5, 4.0]),
    volatility=st.sampled_from(["atr", "true_range", "close"]),
    span=st.integers(2, 12),
    timeout_factor=st.sampled_from([0.0, 0.2, 0.5]),
)


@given(bars=flat_or_not, rule=rules)
def test_triple_barriers_are_those_that_the_words_say(bars, rule):
    labels = triple_barrier(*_hlc(bars), rule=rule)
    v = barrier_volatility(*_hlc(bars), measure=rule.volatility, span=rule.span)
    expected = _expected_triple(bars, rule, v)
    found = zip(labels.bar.tolist(), labels.value.tolist(), labels.end.tolist(), strict=True)
    assert list(found) == expected
    assert labels.start.tolist() == labels.bar.tolist()
    assert sum(labels.facts["outcomes"].values()) == len(labels)


# Entry at 100 with a range of 2 %, so barriers at 104 and 97 (span 1: the volatility of bar 0).
ENTRY = (99.0, 100.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("bars", "value", "end"),
    [
        ([(100, 103, 1.0, 0), (103, 103, 0, 0)], BUY, 1),  # high 104 touches exactly
        ([(100, 98, 0, 1.0), (98, 98, 0, 0)], SELL, 1),  # low 97 touches exactly
        ([(100, 100, 5, 5), (100, 100, 0, 0)], BUY, 1),  # both, close at the entry
        ([(100, 99.9, 5, 5), (100, 100, 0, 0)], SELL, 1),  # both, close below it
        ([(100, 100, 0, 0), (100, 101, 4, 0)], BUY, 2),
        ([(100, 100, 0, 0), (100, 101.4, 0, 0)], HOLD, 2),  # 1.4 % < 2 % * sqrt(2) * 0.5
        ([(100, 100, 0, 0), (100, 101.5, 0, 0)], BUY, 2),
        ([(100, 100, 0, 0), (100, 98.5, 0, 0)], SELL, 2),
    ],
)
def test_barriers_written_out(bars, value, end):
    rule = TripleBarrierRule(horizon=2, span=1)
    labels = triple_barrier(*_hlc(as_bars([ENTRY, *bars])), rule=rule)
    assert (labels.value.tolist(), labels.end.tolist()) == ([value], [end])


def test_a_series_that_does_not_move_has_no_barriers():
    labels = triple_barrier(*_hlc(as_bars([(100.0, 100.0, 0.0, 0.0)] * 80)))
    assert len(labels) == 0
    assert labels.facts["n_dropped_no_volatility"] == 30


@given(
    steps=st.lists(st.integers(-8, 8), max_size=60), threshold=st.sampled_from([0.005, 0.02, 0.07])
)
def test_the_filter_picks_the_bars_that_the_sums_say(steps, threshold):
    close = 100.0 * np.exp(np.cumsum([0.0, *steps]) / 300.0)
    expected, up, down = [], 0.0, 0.0
    for t, change in enumerate(np.diff(np.log(close)), start=1):
        up, down = max(0.0, up + change), min(0.0, down + change)
        if up > threshold:
            up = 0.0
            expected.append(t)
        elif down < -threshold:
            down = 0.0
            expected.append(t)
    assert cusum_events(close, threshold=threshold).tolist() == expected


def test_a_filter_chooses_among_the_labels_and_changes_none():
    bars = walk(600, seed=9)
    every = triple_barrier(*_hlc(bars))
    some = triple_barrier(*_hlc(bars), rule=TripleBarrierRule(cusum_threshold=0.03))
    events = cusum_events(bars["close"], threshold=0.03)
    assert some.bar.tolist() == [t for t in events.tolist() if t < 550]
    assert 5 < len(some) < len(every)
    by_bar = dict(zip(every.bar.tolist(), every.value.tolist(), strict=True))
    assert some.value.tolist() == [by_bar[t] for t in some.bar.tolist()]
    given_bars = triple_barrier(*_hlc(bars), events=events)
    assert given_bars.value.tolist() == some.value.tolist()
    assert some.facts["n_dropped_filtered"] == 550 - len(some)


def test_wrong_events_are_refused():
    bars = walk(100, seed=0)
    for events in ([5, 5], [-1, 3], [3, 100]):
        with pytest.raises(ConfigError, match="ascending bar positions from 0 to 99"):
            triple_barrier(*_hlc(bars), events=np.array(events))
    with pytest.raises(ConfigError, match="both choose the bars; give one of them"):
        triple_barrier(
            *_hlc(bars), events=np.array([1]), rule=TripleBarrierRule(cusum_threshold=0.1)
        )
    with pytest.raises(ConfigError, match="cusum_threshold: must be greater than 0; received 0"):
        cusum_events(bars["close"], threshold=0)
    with pytest.raises(ConfigError, match="there is no volatility 'garch'"):
        barrier_volatility(*_hlc(bars), measure="garch")


def _expected_trades(bars, side, rule, v):
    first, high, low, close = (values.tolist() for values in _ohlc(bars))
    rows = []
    for t in range(len(close) - rule.horizon):
        if side[t] == 0 or not v[t] > 0.0:
            continue
        target = close[t] * (1.0 + side[t] * rule.take_profit * v[t])
        stop = close[t] * (1.0 - side[t] * rule.stop_loss * v[t])
        price, end = close[t + rule.horizon], t + rule.horizon
        for k in range(t + 1, t + rule.horizon + 1):
            best, worst = (high[k], low[k]) if side[t] > 0 else (low[k], high[k])
            if side[t] * (first[k] - target) >= 0:
                price, end = first[k], k
            elif side[t] * (worst - stop) <= 0:
                price = min(stop, first[k]) if side[t] > 0 else max(stop, first[k])
                end = k
            elif side[t] * (best - target) >= 0:
                price, end = target, k
            else:
                continue
            break
        rows.append((t, side[t] * (price - close[t]) / close[t] - rule.cost, end))
    return rows


trade_rules = st.builds(
    TradeRule,
    horizon=st.integers(1, 9),
    take_profit=st.sampled_from([0.3, 1.0, 3.0]),
    stop_loss=st.sampled_from([0.3, 1.5, 3.0]),
    span=st.integers(1, 12),
    cost=st.sampled_from([0.0, 0.002]),
)


@given(bars=flat_or_not, rule=trade_rules, data=st.data())
def test_trades_end_where_the_words_say(bars, rule, data):
    n_bars = len(bars["close"])
    side = np.array(
        data.draw(st.lists(st.integers(-1, 1), min_size=n_bars, max_size=n_bars)), np.int64
    )
    v = barrier_volatility(*_hlc(bars), span=rule.span)
    expected = _expected_trades(bars, side, rule, v)
    trades = trade_return(*_ohlc(bars), side=side, rule=rule)
    meta = meta_label(*_ohlc(bars), side=side, rule=rule)
    assert trades.bar.tolist() == meta.bar.tolist() == [row[0] for row in expected]
    assert trades.end.tolist() == meta.end.tolist() == [row[2] for row in expected]
    np.testing.assert_allclose(trades.value, [row[1] for row in expected], rtol=0, atol=1e-13)
    assert meta.value.tolist() == (trades.value > 0).astype(int).tolist()
    assert sum(trades.facts["outcomes"].values()) == len(expected)


def test_gaps_fill_at_the_open_and_a_stop_goes_before_a_target():
    rule = TradeRule(horizon=1, span=1)  # target 4 %, stop 3 % of the entry at 100
    for after, long, short in (
        ((106, 106, 0, 0), 0.06, -0.06),  # opens beyond a target, and beyond a stop at 103
        ((95, 95, 0, 0), -0.05, 0.05),
        ((100, 100, 9, 9), -0.03, -0.03),  # reaches both: the stop
        ((106, 100, 0, 9), 0.06, -0.06),  # opened beyond one: that one came first
        ((100, 102, 0, 0), 0.02, -0.02),
    ):
        bars = as_bars([ENTRY, after])
        for side, expected in ((1, long), (-1, short)):
            found = trade_return(*_ohlc(bars), side=np.array([side, 0]), rule=rule)
            assert found.value.tolist() == [pytest.approx(expected, abs=1e-12)], (after, side)


@given(bars=flat_or_not, lookback=st.integers(1, 12))
def test_sides_follow_the_last_change(bars, lookback):
    close = np.round(bars["close"])
    side = primary_side(close, rule="momentum", lookback=lookback)
    expected = [
        0 if t < lookback else int(np.sign(close[t] - close[t - lookback]))
        for t in range(len(close))
    ]
    assert side.tolist() == expected
    reverse = primary_side(close, rule="reversal", lookback=lookback)
    assert reverse.tolist() == [-s for s in expected]


def test_other_sides_are_refused():
    bars = walk(100, seed=0)
    for side in (np.full(100, 2), np.ones(100)):
        with pytest.raises(DataError, match=r"int64 array of 1 \(long\), -1 \(short\) and 0"):
            meta_label(*_ohlc(bars), side=side)
    with pytest.raises(DataError, match="side and close must be one-dimensional"):
        meta_label(*_ohlc(bars), side=np.ones(99, np.int64))


def test_cost_turns_successes_into_failures():
    bars = walk(2_000, seed=3)
    side = primary_side(bars["close"], rule="momentum", lookback=5)
    rates = [
        meta_label(*_ohlc(bars), side=side, rule=TradeRule(cost=cost)).is_class("SUCCESS").mean()
        for cost in (0.0, 0.1)
    ]
    assert 0.2 < rates[0] < 0.8
    assert rates[1] < 0.01
