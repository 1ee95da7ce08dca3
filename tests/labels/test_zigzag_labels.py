import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError, DataNotAvailableError
from marketlab.data import fetch_bundled, load_bundled
from marketlab.kernels import ZIGZAG_STATE_SIZE, zigzag_extremes, zigzag_state
from marketlab.labels import BUY, HOLD, SELL, zigzag_segment, zigzag_segment_legacy

FIRST = [100, 101, 102, 103, 104, 105, 104, 102, 101, 100, 101, 103, 104]
SECOND = [100, 99, 98.5, 100, 103, 104, 103, 101, 100.5, 102, 102.5]

thresholds = st.sampled_from([0.005, 0.01, 0.025, 0.1])
walks = st.builds(
    lambda steps: 100.0 * np.cumprod(1.0 + np.array([0, *steps]) / 200.0),
    st.lists(st.integers(-6, 6), max_size=80),
)
"""Coarse steps of 0.5 %: ties and changes of exactly the threshold are common."""


def _oracle(close, threshold):
    """Extremes, and bars at which one is set or moved, from the words of the reference."""
    extremes, events, direction = [0], [], 0
    for t in range(1, len(close)):
        change = (close[t] - close[extremes[-1]]) / close[extremes[-1]]
        if direction == 0 and abs(change) >= threshold:
            direction = 1 if change > 0 else -1
            extremes.append(t)
            events.append(t)
        elif (direction == 1 and close[t] > close[extremes[-1]]) or (
            direction == -1 and close[t] < close[extremes[-1]]
        ):
            extremes[-1] = t
            events.append(t)
        elif (direction == 1 and change <= -threshold) or (direction == -1 and change >= threshold):
            direction = -direction
            extremes.append(t)
            events.append(t)
    return extremes, events


def _oracle_values(close, extremes):
    values = [HOLD] * len(close)
    for left, right in itertools.pairwise(extremes):
        for t in range(left + 1, right):
            values[t] = BUY if close[right] > close[left] else SELL
    return values


def _extremes(close, threshold):
    close = np.ascontiguousarray(close, dtype=np.float64)
    extreme, known_at = np.empty(len(close), np.int64), np.empty(len(close), np.int64)
    count = zigzag_extremes(close, threshold, extreme, known_at)
    return extreme[:count].tolist(), known_at.tolist()


def _by_bar(labels):
    return {
        int(bar): (int(value), int(start), int(end))
        for bar, value, start, end in zip(
            labels.bar, labels.value, labels.start, labels.end, strict=True
        )
    }


@pytest.mark.parametrize(
    ("close", "extremes", "values", "events"),
    [
        (FIRST, [0, 5, 9, 12], [1, 0, 0, 0, 0, 1, 2, 2, 2, 1, 0, 0, 1], [3, 4, 5, 7, 8, 9, 11, 12]),
        (SECOND, [0, 5, 8], [1, 0, 0, 0, 0, 1, 2, 2, 1, 1, 1], [4, 5, 7, 8]),
    ],
)
def test_the_two_examples_of_the_reference(close, extremes, values, events):
    close = np.array(close, dtype=float)
    found, known_at = _extremes(close, 0.025)
    assert found == extremes
    assert sorted(set(known_at) - {-1}) == events
    assert zigzag_segment_legacy(close, threshold=0.025).tolist() == values
    labels = zigzag_segment(close, threshold=0.025)
    last = extremes[-1]
    assert labels.bar.tolist() == list(range(last))
    assert labels.value.tolist() == values[:last]
    assert labels.facts["n_dropped_tail"] == len(close) - last


def test_starts_ends_and_events_written_out():
    labels = zigzag_segment(np.array(SECOND), threshold=0.025)
    assert labels.start.tolist() == [0, 0, 0, 0, 0, 0, 5, 5]
    assert labels.end.tolist() == [4, 4, 4, 4, 5, 7, 7, 8]
    assert labels.event.tolist() == [0, 0, 0, 0, 0, 1, 1, 1]
    assert labels.weight.tolist() == [1.0] * 8


@given(close=walks, threshold=thresholds)
def test_the_kernel_agrees_with_the_words_of_the_reference(close, threshold):
    extremes, events = _oracle(close.tolist(), threshold)
    found, known_at = _extremes(close, threshold)
    assert found == extremes
    for t, known in enumerate(known_at):
        assert known == next((k for k in events if k > t), -1)
    values = _oracle_values(close.tolist(), extremes)
    assert zigzag_segment_legacy(close, threshold=threshold).tolist() == values
    labels = zigzag_segment(close, threshold=threshold)
    assert labels.value.tolist() == values[: extremes[-1]]


@given(close=walks, threshold=thresholds)
def test_what_every_label_set_obeys(close, threshold):
    labels = zigzag_segment(close, threshold=threshold)
    n = len(labels)
    assert (labels.end > labels.bar).all()
    assert (labels.start <= labels.bar).all()
    assert (labels.end < len(close)).all()
    assert (np.diff(labels.end) >= 0).all()
    assert (np.diff(labels.event) >= 0).all()
    extremes, _ = _oracle(close.tolist(), threshold)
    assert labels.n_events == labels.facts["n_legs"] == len(extremes) - 1
    assert labels.counts() == labels.facts["counts"]
    assert sum(labels.counts().values()) == n == labels.facts["n_labels"]
    for t in range(n):
        left = max(e for e in extremes if e <= t)
        if t not in extremes:
            assert labels.start[t] == left
            assert labels.value[t] != HOLD
        else:
            assert labels.value[t] == HOLD
            assert labels.start[t] == max([e for e in extremes if e < t], default=0)
        assert labels.event[t] == extremes.index(left)


@given(close=walks, threshold=thresholds, data=st.data())
def test_bars_after_the_end_never_change_a_label(close, threshold, data):
    labels = zigzag_segment(close, threshold=threshold)
    if len(labels) == 0:
        return
    i = data.draw(st.integers(0, len(labels) - 1))
    end = int(labels.end[i])
    later = data.draw(st.lists(st.floats(1.0, 1e4), max_size=30))
    other = np.concatenate([close[: end + 1], later])
    assert _by_bar(zigzag_segment(other, threshold=threshold))[i] == _by_bar(labels)[i]


@given(close=walks, threshold=thresholds, data=st.data())
def test_labels_of_a_prefix_are_those_labels_of_the_whole_that_end_in_it(close, threshold, data):
    cut = data.draw(st.integers(0, len(close)))
    whole = _by_bar(zigzag_segment(close, threshold=threshold))
    part = _by_bar(zigzag_segment(close[:cut], threshold=threshold))
    assert part == {bar: label for bar, label in whole.items() if label[2] < cut}


@given(close=walks, threshold=thresholds)
def test_no_label_is_known_a_bar_earlier_than_it_says(close, threshold):
    """Before its end, a bar strictly inside a leg can still become either of two labels."""
    labels = zigzag_segment(close, threshold=threshold)
    for i in range(1, len(labels)):
        end = int(labels.end[i])
        futures = (1e-3, 1e6)
        seen = {
            _by_bar(zigzag_segment(np.append(close[:end], future), threshold=threshold)).get(
                i, (None,)
            )[0]
            for future in futures
        }
        assert len(seen) == 2, (i, end, seen)


@given(close=walks, threshold=thresholds, scale=st.sampled_from([2.0**-20, 0.5, 1024.0]))
def test_labels_do_not_depend_on_the_unit_of_price(close, threshold, scale):
    labels = zigzag_segment(close, threshold=threshold)
    assert _by_bar(zigzag_segment(close * scale, threshold=threshold)) == _by_bar(labels)


def test_labels_depend_on_nothing_but_the_arguments():
    close = np.array(FIRST, dtype=float)
    before = close.copy()
    once = zigzag_segment(close, threshold=0.025)
    zigzag_segment(np.array(SECOND), threshold=0.01)
    assert _by_bar(zigzag_segment(close, threshold=0.025)) == _by_bar(once)
    assert (close == before).all()
    strided = np.repeat(close, 2)[::2]
    assert _by_bar(zigzag_segment(strided, threshold=0.025)) == _by_bar(once)
    for array in (once.bar, once.value, once.start, once.end, once.event, once.weight):
        assert not array.flags.writeable


@given(close=walks, threshold=thresholds, data=st.data())
def test_the_known_leg_is_the_same_in_one_block_and_bar_by_bar(close, threshold, data):
    whole, state = np.empty(len(close)), np.zeros(ZIGZAG_STATE_SIZE)
    zigzag_state(close, threshold, state, whole)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(close)), max_size=6)))
    for edges in ([0, *cuts, len(close)], range(len(close) + 1)):
        parts, running = np.empty(len(close)), np.zeros(ZIGZAG_STATE_SIZE)
        for left, right in zip(list(edges)[:-1], list(edges)[1:], strict=True):
            zigzag_state(close[left:right], threshold, running, parts[left:right])
        assert parts.tobytes() == whole.tobytes()
        assert running.tobytes() == state.tobytes()


@given(close=walks, threshold=thresholds)
def test_the_known_leg_is_that_of_the_extremes_seen_so_far(close, threshold):
    out = np.empty(len(close))
    zigzag_state(close, threshold, np.zeros(ZIGZAG_STATE_SIZE), out)
    for t in range(len(close)):
        extremes, _ = _oracle(close[: t + 1].tolist(), threshold)
        expected = 0.0
        if len(extremes) > 1:
            expected = 1.0 if close[extremes[-1]] > close[extremes[-2]] else -1.0
        assert out[t] == expected


def test_a_missing_close_leaves_the_known_leg_as_it_was():
    close = np.array([100.0, np.nan, 103.0, np.nan, 102.9, 104.0])
    out, state = np.empty(6), np.zeros(ZIGZAG_STATE_SIZE)
    zigzag_state(close, 0.025, state, out)
    np.testing.assert_array_equal(out, [0.0, np.nan, 1.0, np.nan, 1.0, 1.0])
    assert state.tolist() == [104.0, 1.0]


@pytest.mark.parametrize("close", [[], [1.0], [1.0, 1.001, 1.0]])
def test_series_without_a_move_have_no_labels_and_say_so(close):
    labels = zigzag_segment(np.array(close), threshold=0.025)
    assert len(labels) == 0
    assert labels.facts["is_degenerate"]
    assert labels.facts["n_dropped_tail"] == len(close)
    assert labels.facts["counts"] == {"BUY": 0, "HOLD": 0, "SELL": 0}
    assert labels.facts["known_after_bars"] is None


def test_a_series_of_one_leg_is_degenerate_in_all_but_its_first_bar():
    labels = zigzag_segment(np.linspace(100, 200, 50), threshold=0.025)
    assert labels.facts["counts"] == {"BUY": 48, "HOLD": 1, "SELL": 0}
    assert labels.facts["n_legs"] == 1


@pytest.mark.parametrize(
    ("close", "match"),
    [
        ([1.0, np.nan], "the first is .*nan.* at bar 1"),
        ([1.0, 0.0, -1.0], r"2 close.s. are NaN.* at bar 1"),
        ([np.inf], "inf.* at bar 0"),
        ([[1.0]], "one-dimensional"),
    ],
)
def test_closes_that_cannot_be_labelled_are_refused(close, match):
    for method in (zigzag_segment, zigzag_segment_legacy):
        with pytest.raises(DataError, match=match):
            method(np.array(close), threshold=0.025)


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.0, 2.5, float("nan")])
def test_thresholds_out_of_bounds_are_refused(threshold):
    with pytest.raises(ConfigError, match=r"between 0 and 1.*2.5 % is written 0.025"):
        zigzag_segment(np.array(FIRST, dtype=float), threshold=threshold)


@pytest.fixture(scope="module")
def real():
    try:
        fetch_bundled()
    except DataNotAvailableError as error:
        pytest.skip(f"the bundled series cannot be had here: {error}")
    return load_bundled


# Legs per split: labelled bars from the warm-up on (29 bars of ADX and 2 lags), cut at 70 and
# 85 %, not purged; a leg counts in every part that has one of its bars, and an extreme belongs to
# the leg that it begins.
@pytest.mark.parametrize(
    ("name", "threshold", "n_extremes", "legs"),
    [
        ("eurusd_1h", 0.025, 4, (2, 2, 1)),
        ("eurusd_1h", 0.0025, 225, (147, 35, 43)),
        ("sp500_1d", 0.025, 388, (305, 46, 32)),
    ],
)
def test_extremes_and_legs_of_real_series(real, name, threshold, n_extremes, legs):
    labels = zigzag_segment(real(name).close, threshold=threshold)
    assert labels.facts["n_extremes"] == n_extremes
    used = labels.restrict(labels.bar >= 31)
    n = len(used)
    parts = np.split(used.event, [70 * n // 100, 85 * n // 100])
    assert tuple(len(np.unique(part)) for part in parts) == legs


def test_random_walks_have_as_many_extremes_as_measured():
    # Reference: mean over 60 walks 176 / 102 / 68 / 48 / 36.
    rng = np.random.default_rng(20261121)
    closes = [np.exp(np.cumsum(rng.normal(0, 0.00095, 50_565))) for _ in range(20)]
    hold = []
    for threshold, mean in ((0.015, 176), (0.02, 102), (0.025, 68), (0.03, 48), (0.035, 36)):
        found = [zigzag_segment(close, threshold=threshold) for close in closes]
        counts = np.array([labels.facts["n_extremes"] for labels in found])
        error = counts.std(ddof=1) * np.sqrt(1 / 20 + 1 / 60)
        assert abs(counts.mean() - mean) < 4 * error + 0.5
        legacy = [zigzag_segment_legacy(close, threshold=threshold) for close in closes]
        hold += [np.mean(values == HOLD) for values in legacy]
        if threshold == 0.025:
            delays = [labels.facts["known_after_bars"] for labels in found]
            assert np.mean([delay["mean"] for delay in delays]) == pytest.approx(135, abs=25)
            assert np.mean([delay["median"] for delay in delays]) == pytest.approx(77, abs=15)
    # Reference: 0.35 to 0.46 % of all bars, the open tail included.
    assert 0.003 < np.mean(hold) < 0.0055
