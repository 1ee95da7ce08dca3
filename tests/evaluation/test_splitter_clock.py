"""Several symbols on one clock: splits and purging in time, by brute force on the times."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import DataError
from marketlab.evaluation import CombinatorialPurgedCV, PurgedWalkForward, RatioSplit, common_clock

HOUR = 3_600 * 10**9


def series(hours, n, offset=0):
    opens = (offset + hours * np.arange(n, dtype=np.int64)) * HOUR
    return opens, opens + hours * HOUR


@st.composite
def panels(draw):
    """Two or three symbols of different bars, with samples and labels of different horizons."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    frames = draw(st.lists(st.sampled_from([1, 3, 4, 24]), min_size=2, max_size=3))
    found = []
    opens, closes = [], []
    for number, hours in enumerate(frames):
        n = 240 // hours
        one, other = series(hours, n, offset=int(rng.integers(0, 5)))
        opens.append(one)
        closes.append(other)
        bar = np.sort(rng.integers(0, n, size=rng.integers(3, 40)))
        end = np.minimum(bar + rng.integers(0, 6, len(bar)), n - 1)
        start = np.maximum(bar - rng.integers(0, 4, len(bar)), 0)
        found += [(number, b, s, e) for b, s, e in zip(bar, start, end, strict=True)]
    rng.shuffle(found)
    symbol_id, bar, start, end = np.array(found, dtype=np.int64).T
    return opens, closes, {"symbol_id": symbol_id, "bar": bar, "start": start, "end": end}


def in_time(opens, closes, columns, row):
    """(opening time of the label's first bar, decision time, time the label is known)."""
    symbol = columns["symbol_id"][row]
    return (
        opens[symbol][columns["start"][row]],
        closes[symbol][columns["bar"][row]],
        closes[symbol][columns["end"][row]],
    )


@given(panel=panels(), walk=st.booleans())
@settings(deadline=None, max_examples=25)
def test_no_training_label_is_unknown_when_the_next_part_begins(panel, walk):
    opens, closes, columns = panel
    clock = common_clock(opens, closes, **columns)
    splitter = RatioSplit(train=0.6, validation=0.2, test=0.2)
    if walk:
        splitter = PurgedWalkForward(train_share=0.5, n_folds=2, validation_share=0.3)
    for fold in splitter.folds(clock.start, clock.end, clock.bar, times=clock.times):
        parts = [
            [in_time(opens, closes, columns, clock.order[i]) for i in fold.part(name)]
            for name in ("train", "validation", "test")
        ]
        for earlier, later in ((0, 1), (0, 2), (1, 2)):
            for _, _, known in parts[earlier]:
                assert all(known < decided for _, decided, _ in parts[later])


@given(panel=panels())
@settings(deadline=None, max_examples=25)
def test_combinatorial_labels_do_not_overlap_in_time(panel):
    opens, closes, columns = panel
    clock = common_clock(opens, closes, **columns)
    split = CombinatorialPurgedCV(n_groups=3, n_test_groups=1, embargo_bars=0)
    for fold in split.folds(clock.start, clock.end, clock.bar, times=clock.times):
        tests = [in_time(opens, closes, columns, clock.order[i]) for i in fold.test]
        for i in fold.train:
            first, decided, known = in_time(opens, closes, columns, clock.order[i])
            for other_first, other_decided, other_known in tests:
                assert decided != other_decided
                assert known <= other_first or other_known <= first


def test_a_slow_bar_is_one_tick_at_its_close_and_begins_at_the_first_fast_bar():
    fast, slow = series(1, 12), series(4, 3)
    clock = common_clock(
        [fast[0], slow[0]],
        [fast[1], slow[1]],
        symbol_id=np.array([0, 1, 1]),
        bar=np.array([3, 0, 1]),
        start=np.array([3, 0, 1]),
        end=np.array([5, 1, 2]),
    )
    assert clock.times.tolist() == (HOUR * np.arange(1, 13)).tolist()
    assert clock.order.tolist() == [0, 1, 2]
    assert clock.bar.tolist() == [3, 3, 7]  # 04:00 for both, then 08:00
    assert clock.start.tolist() == [3, 0, 4]  # the slow bar holds the hours from its open on
    assert clock.end.tolist() == [5, 7, 11]


def test_one_symbol_keeps_its_own_bars():
    opens, closes = series(1, 50)
    bar = np.arange(5, 40)
    clock = common_clock(
        [opens], [closes], symbol_id=np.zeros(35, np.int64), bar=bar, start=bar - 2, end=bar + 3
    )
    for name, column in (("bar", bar), ("start", bar - 2), ("end", bar + 3)):
        np.testing.assert_array_equal(getattr(clock, name), column)
    np.testing.assert_array_equal(clock.times, closes)
    with pytest.raises(ValueError, match="read-only"):
        clock.bar[0] = 1


ONE = {"symbol_id": [0], "bar": [1], "start": [1], "end": [2]}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"symbol_id": [1]}, "symbol_id 1 names none of 1 series"),
        ({"end": [9]}, "symbol 0 reads bars 1 to 9; its series has bars 0 to 4"),
        ({"start": [-1]}, "symbol 0 reads bars -1 to 2"),
        ({"end": [0], "start": [0]}, "a label cannot be known before its own bar"),
        ({"bar": [1, 2]}, "one-dimensional and of one length"),
    ],
)
def test_refuses_samples_that_lie_in_no_series(changes, text):
    opens, closes = series(1, 5)
    columns = {k: np.array(v, dtype=np.int64) for k, v in {**ONE, **changes}.items()}
    with pytest.raises(DataError, match=text):
        common_clock([opens], [closes], **columns)


def test_refuses_series_that_are_no_bars():
    opens, closes = series(1, 5)
    columns = {k: np.array(v, dtype=np.int64) for k, v in ONE.items()}
    with pytest.raises(DataError, match="must close after they open and one after another"):
        common_clock([closes], [opens], **columns)
    with pytest.raises(DataError, match="received 1 and 2 series"):
        common_clock([opens], [closes, closes], **columns)
    with pytest.raises(DataError, match="times of symbol 0 must be integer nanoseconds"):
        common_clock([opens.astype(float)], [closes], **columns)
