"""Threshold touch, direction, numeric targets and the next leg, each against its own words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_world import flat_or_not, walk

from marketlab.core import ConfigError, DataError, DataNotAvailableError
from marketlab.data import fetch_bundled, load_bundled
from marketlab.labels import (
    BUY,
    SELL,
    compute_labels,
    direction,
    forward_log_return,
    forward_return_value,
    label_by_name,
    realised_range,
    realised_volatility,
    scaled_return,
    threshold_touch,
    zigzag_next_leg,
)

horizons = st.integers(1, 8)


def _touch(bars, **options):
    return threshold_touch(bars["high"], bars["low"], bars["close"], **options)


@given(bars=flat_or_not, h=horizons, q=st.sampled_from([0.005, 0.02, 0.1]))
def test_touches_are_those_that_the_formula_says(bars, h, q):
    high, low, close = (bars[name].tolist() for name in ("high", "low", "close"))
    for side, price, column in (
        ("up", "high_low", high),
        ("up", "close", close),
        ("down", "high_low", low),
        ("down", "close", close),
    ):
        labels = _touch(bars, horizon=h, threshold=q, side=side, price=price)
        expected = []
        for t in range(len(close) - h):
            ahead = column[t + 1 : t + h + 1]
            level = close[t] * (1.0 + q) if side == "up" else close[t] * (1.0 - q)
            expected.append(int(max(ahead) >= level if side == "up" else min(ahead) <= level))
        assert labels.value.tolist() == expected
        assert labels.end.tolist() == [t + h for t in range(len(expected))]


def test_reaching_the_level_exactly_is_a_touch():
    close = np.array([100.0, 100.0, 100.0])
    high, low = np.array([100.0, 125.0, 100.0]), np.array([100.0, 75.0, 100.0])
    bars = {"high": high, "low": low, "close": close}
    for side in ("up", "down"):
        assert _touch(bars, horizon=1, threshold=0.25, side=side).value.tolist() == [1, 0]
        assert _touch(bars, horizon=1, threshold=0.2500001, side=side).value.tolist() == [0, 0]


def test_the_close_based_rule_is_another_label_with_fewer_touches():
    bars = walk(3_000, seed=2)
    canonical = _touch(bars, horizon=1, threshold=0.01)
    legacy = _touch(bars, horizon=1, threshold=0.01, price="close")
    assert canonical.facts["price"] == "high_low"
    assert (legacy.value <= canonical.value).all()
    assert legacy.counts()["TOUCH"] < 0.8 * canonical.counts()["TOUCH"]


def test_scaling_prices_by_a_power_of_two_changes_no_label():
    bars = walk(500, seed=4)
    scaled = {name: 4.0 * values for name, values in bars.items()}
    first, second = (_touch(b, horizon=3, threshold=0.01) for b in (bars, scaled))
    assert first.value.tolist() == second.value.tolist()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"horizon": 0, "threshold": 0.01}, "horizon: must be at least 1; received 0"),
        ({"horizon": 1, "threshold": 1.0}, "threshold: must lie between 0 and 1"),
        ({"horizon": 1, "threshold": float("nan")}, "both excluded; received nan"),
    ],
)
def test_touch_options_are_checked(options, match):
    with pytest.raises(ConfigError, match=match):
        _touch(walk(20, seed=0), **options)


def test_closes_outside_their_bar_and_unequal_lengths_are_refused():
    bars = walk(20, seed=0)
    bars["high"][4] = bars["close"][4] - 1.0
    with pytest.raises(DataError, match=r"1 close\(s\) lie outside the range .* at bar 4"):
        _touch(bars, horizon=1, threshold=0.01)
    bars["high"] = bars["high"][:-1]
    with pytest.raises(DataError, match=r"one length; their shapes are \(19,\) and \(20,\)"):
        _touch(bars, horizon=1, threshold=0.01)


def test_the_volatility_oracle_touches_one_percent_as_often_as_the_reference_measured():
    """reference/scaling_lab.md section 11: 9,000 days, first 300 skipped, 19-21 % positive."""
    rng = np.random.default_rng(11)
    z = rng.standard_t(6, (9_000, 40)) * np.sqrt(4.0 / 6.0)
    log_u = np.log(rng.uniform(size=(9_000, 40)))
    r, top, variance = np.empty((9_000, 40)), np.empty((9_000, 40)), np.full(40, 8.8e-5)
    for i in range(9_000):
        r[i] = np.sqrt(variance) * z[i] + 2e-4
        top[i] = (r[i] + np.sqrt(r[i] ** 2 - 2.0 * variance * log_u[i])) / 2.0
        variance = 2.2e-6 + (0.03 + 0.12 * (r[i] < 0)) * r[i] ** 2 + 0.885 * variance
    rates = []
    for moves, highest in zip(r.T, top.T, strict=True):
        close = 100.0 * np.exp(np.cumsum(moves))
        before = np.concatenate([[100.0], close[:-1]])
        labels = threshold_touch(
            np.maximum(before * np.exp(highest), close),  # equal but for the last digit
            np.minimum(before, close),
            close,
            horizon=1,
            threshold=0.01,
        )
        rates.append(labels.restrict(labels.bar >= 299).is_class("TOUCH").mean())
    assert 0.19 < np.mean(rates) < 0.21
    assert np.std(rates) < 0.02


def test_the_rates_of_the_sp500_are_these():
    try:
        fetch_bundled()
    except DataNotAvailableError as error:
        pytest.skip(f"the bundled series cannot be had here: {error}")
    bars, rates = load_bundled("sp500_1d"), {}
    for name in ("h1_t50", "h1_t100", "h2_t100", "h3_t100", "h5_t100", "h1_t200"):
        labels = compute_labels(label_by_name(f"touch_up_high_{name}bps"), bars)
        rates[name] = round(100.0 * labels.is_class("TOUCH").mean(), 1)
    assert rates == {
        "h1_t50": 46.9,
        "h1_t100": 21.8,
        "h2_t100": 35.9,
        "h3_t100": 45.5,
        "h5_t100": 57.1,
        "h1_t200": 5.3,
    }


@given(bars=flat_or_not, h=horizons)
def test_directions_look_at_two_closes_and_ties_are_counted(bars, h):
    close = np.round(bars["close"])
    dropped, down = direction(close, horizon=h), direction(close, horizon=h, ties="down")
    moves = [close[t + h] - close[t] for t in range(len(close) - h)]
    assert down.value.tolist() == [BUY if m > 0 else SELL for m in moves]
    assert dropped.bar.tolist() == [t for t, m in enumerate(moves) if m != 0]
    assert dropped.value.tolist() == [BUY if m > 0 else SELL for m in moves if m != 0]
    assert dropped.facts["n_ties"] == down.facts["n_ties"] == moves.count(0)
    assert dropped.facts["n_dropped_ties"] == moves.count(0)
    assert down.facts["n_dropped_ties"] == 0
    assert dropped.is_class("BUY").tolist() == [float(m > 0) for m in moves if m != 0]


@given(bars=flat_or_not, h=horizons)
def test_numeric_targets_are_those_that_the_formulas_say(bars, h):
    high, low, close = bars["high"], bars["low"], bars["close"]
    n = max(0, len(close) - h)
    simple, logs, spans, roots = [], [], [], []
    for t in range(n):
        simple.append((close[t + h] - close[t]) / close[t])
        logs.append(np.log(close[t + h] / close[t]))
        spans.append((high[t + 1 : t + h + 1].max() - low[t + 1 : t + h + 1].min()) / close[t])
        steps = np.log(close[t + 1 : t + h + 1] / close[t : t + h])
        roots.append(np.sqrt((steps**2).sum()))
    for labels, expected in (
        (forward_return_value(close, horizon=h), simple),
        (forward_log_return(close, horizon=h), logs),
        (realised_range(high, low, close, horizon=h), spans),
        (realised_volatility(close, horizon=h), roots),
    ):
        assert labels.task == "regression"
        assert labels.counts() == {}
        np.testing.assert_allclose(labels.value, expected, rtol=1e-12, atol=1e-15)


def test_realised_volatility_is_exact_after_a_huge_move_has_left_the_window():
    close = np.concatenate([[1.0, 1e6, 1.0], 100.0 + 1e-6 * np.arange(200)])
    labels = realised_volatility(close, horizon=5)
    steps = np.log(close[101:106] / close[100:105])
    assert labels.value[100] == pytest.approx(np.sqrt((steps**2).sum()), rel=1e-12)


def test_the_scaled_target_is_the_formula_with_a_scale_of_training_rows():
    close = walk(1_000, seed=7)["close"]
    labels = scaled_return(close, horizon=15, train_bars=600)
    change = (close[15:] - close[:-15]) / close[:-15]
    p99 = np.quantile(np.abs(change[:585]), 0.99)
    assert labels.facts["p99"] == p99
    assert labels.facts["n_train_rows"] == 585
    assert labels.value.tolist() == np.clip(change / (2 * p99) + 0.5, 0.0, 1.0).tolist()
    again = scaled_return(close, horizon=15, p99=labels.facts["p99"])
    assert again.value.tolist() == labels.value.tolist()


@given(stop=st.integers(200, 400), seed=st.integers(0, 9))
def test_no_bar_after_the_training_part_enters_the_scale(stop, seed):
    close = walk(420, seed=5)["close"]
    other = close.copy()
    other[stop:] *= np.exp(np.random.default_rng(seed).normal(0.0, 0.5, 420 - stop))
    first, second = (scaled_return(c, train_bars=stop) for c in (close, other))
    assert first.facts["p99"] == second.facts["p99"]
    known = first.end < stop
    assert first.value[known].tolist() == second.value[known].tolist()
    other[stop - 20 : stop] *= 100.0
    assert scaled_return(other, train_bars=stop).facts["p99"] != first.facts["p99"]


def test_a_scale_that_cannot_be_fitted_is_refused():
    close = walk(300, seed=1)["close"]
    for options in ({}, {"p99": 0.1, "train_bars": 200}):
        with pytest.raises(ConfigError, match="either p99 or train_bars") as caught:
            scaled_return(close, **options)
        assert caught.value.code == "LABELS-NoScale"
    with pytest.raises(ConfigError, match=r"greater than 0; received -0\.1"):
        scaled_return(close, p99=-0.1)
    with pytest.raises(DataError, match="at least 100 training rows; there are 85"):
        scaled_return(close, train_bars=100)
    with pytest.raises(DataError, match=r"\|return\| over 135 training rows is 0.0"):
        scaled_return(np.ones(300), train_bars=150)


@given(
    steps=st.lists(st.integers(-6, 6), max_size=70),
    threshold=st.sampled_from([0.005, 0.01, 0.025, 0.1]),
)
def test_the_next_leg_is_the_first_change_of_the_threshold(steps, threshold):
    close = 100.0 * np.cumprod(1.0 + np.array([0, *steps]) / 200.0)
    labels = zigzag_next_leg(close, threshold=threshold)
    expected = []
    for t in range(len(close)):
        for k in range(t + 1, len(close)):
            change = (close[k] - close[t]) / close[t]
            if abs(change) >= threshold:
                expected.append((t, BUY if change > 0 else SELL, k))
                break
    found = zip(labels.bar.tolist(), labels.value.tolist(), labels.end.tolist(), strict=True)
    assert list(found) == expected
    assert labels.facts["n_dropped_tail"] == len(close) - len(expected)


def test_long_waits_are_found_in_a_long_series():
    close = walk(6_000, seed=8, step=0.002)["close"]
    labels = zigzag_next_leg(close, threshold=0.04)
    for t in range(6_000):
        far = np.flatnonzero(np.abs(close[t + 1 :] - close[t]) / close[t] >= 0.04)
        at = np.searchsorted(labels.bar, t)
        is_labelled = at < len(labels) and labels.bar[at] == t
        assert is_labelled == (len(far) > 0)
        if is_labelled:
            assert labels.end[at] == t + 1 + far[0]
    assert labels.facts["known_after_bars"]["max"] > 500


def test_the_leg_a_bar_is_in_does_not_tell_the_next_one_on_a_random_walk():
    """Which the zigzag segment itself does not pass: its leg is told by the past at 60 %."""
    from marketlab.kernels import ZIGZAG_STATE_SIZE, zigzag_state
    from marketlab.labels import zigzag_segment

    agree = {"zigzag": [], "next": []}
    for seed in range(8):
        close = walk(20_000, seed, step=0.002)["close"]
        state = np.empty(len(close))
        zigzag_state(close, 0.01, np.zeros(ZIGZAG_STATE_SIZE), state)
        for key, labels in (
            ("zigzag", zigzag_segment(close, threshold=0.01)),
            ("next", zigzag_next_leg(close, threshold=0.01)),
        ):
            told = np.where(state[labels.bar] > 0, BUY, SELL)
            agree[key].append((told == labels.value).mean())
    assert np.mean(agree["zigzag"]) > 0.6
    assert abs(np.mean(agree["next"]) - 0.5) < 0.03
