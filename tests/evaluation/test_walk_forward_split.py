"""PurgedWalkForward against scikit-learn, purgedcv and a written-out rule."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from purgedcv import WalkForwardSplit
from sklearn.model_selection import TimeSeriesSplit

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import PurgedWalkForward

DAY_NS = 86_400 * 10**9


def table(n, horizon=0):
    bar = np.arange(n, dtype=np.int64)
    return bar, bar + horizon, bar.copy()


def build(**settings_):
    return PurgedWalkForward.from_mapping(settings_)


@given(
    n=st.integers(34, 200),
    n_folds=st.integers(2, 6),
    size=st.integers(1, 5),
    horizon=st.integers(0, 3),
)
@settings(deadline=None, max_examples=25)
def test_expanding_agrees_with_time_series_split(n, n_folds, size, horizon):
    train_bars = n - n_folds * size
    split = build(train_bars=train_bars, n_folds=n_folds)
    oracle = TimeSeriesSplit(n_folds, test_size=size, gap=horizon)
    ours = split.folds(*table(n, horizon))
    for fold, (train, test) in zip(ours, oracle.split(np.zeros(n)), strict=True):
        np.testing.assert_array_equal(fold.train, train)
        np.testing.assert_array_equal(fold.test, test)
    by_step = build(train_bars=train_bars, step_bars=size).folds(*table(n, horizon))
    assert [f.test.tolist() for f in by_step] == [f.test.tolist() for f in ours]


@given(n=st.integers(40, 200), n_folds=st.integers(1, 6), horizon=st.integers(0, 4))
@settings(deadline=None, max_examples=25)
def test_rolling_agrees_with_purgedcv(n, n_folds, horizon):
    window = n - 5 * n_folds
    split = build(train_bars=window, n_folds=n_folds, window="rolling")
    pred = pd.Series(pd.date_range("2020-01-01", periods=n, freq="D"))
    oracle = WalkForwardSplit(
        n_folds,
        5,
        train_size=window - horizon,  # it counts what purging leaves, we count the window
        window="sliding",
        prediction_times=pred,
        evaluation_times=pred + pd.Timedelta(days=horizon + 1),  # half-open there, closed here
    )
    ours = split.folds(*table(n, horizon))
    for fold, (train, test) in zip(ours, oracle.split(np.zeros((n, 1))), strict=True):
        np.testing.assert_array_equal(fold.train, train)
        np.testing.assert_array_equal(fold.test, test)


@st.composite
def irregular(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bar = np.sort(rng.integers(0, 120, size=draw(st.integers(20, 150)))).astype(np.int64)
    return bar - rng.integers(0, 9, len(bar)), bar + rng.integers(0, 9, len(bar)), bar


@given(
    columns=irregular(),
    window=st.sampled_from(["expanding", "rolling"]),
    cut=st.sampled_from([{"n_folds": 3}, {"step_bars": 7}]),
    embargo=st.integers(0, 4),
    sealed=st.sampled_from([0.0, 0.15]),
)
@settings(deadline=None, max_examples=40)
def test_the_rule_written_out(columns, window, cut, embargo, sealed):
    start, end, bar = columns
    split = build(
        train_share=0.5,
        window=window,
        embargo_bars=embargo,
        sealed_share=sealed,
        validation_share=0.25,
        **cut,
    )
    bars = sorted(set(bar.tolist()))
    n_open = len(bars) - len(bars) * 15 // 100 if sealed else len(bars)
    first = n_open // 2
    folds = split.folds(start, end, bar)
    blocks = [sorted(set(bar[fold.test].tolist())) for fold in folds]
    if sealed == 0.0:  # every bar after the first window is tested exactly once
        assert [b for block in blocks for b in block] == bars[first:]
    for k, fold in enumerate(folds):
        low = first + k * 7 if "step_bars" in cut else first + k * (n_open - first) // 3
        begin = low - first if window == "rolling" else 0
        at = low - (low - begin) // 4
        inside = {
            "train": (bars[begin:at], bars[at] if at < len(bars) else None),
            "validation": (bars[at:low], bars[low]),
        }
        for name, (mine, limit) in inside.items():
            expected = [
                i
                for i in range(len(bar))
                if bar[i] in mine and (limit is None or end[i] + embargo < limit)
            ]
            assert fold.part(name).tolist() == expected
        if sealed:
            assert end[fold.test].max(initial=-1) + embargo < bars[n_open]
            assert bar[fold.test].max(initial=-1) <= bars[n_open - 1]


def test_calendar_years_each_become_one_test_block():
    days = np.arange(np.datetime64("2018-01-01"), np.datetime64("2022-07-01"))
    times = (days.astype(np.int64) + 1) * DAY_NS  # daily bars that close at midnight
    start, end, bar = table(len(days))
    folds = build(train_bars=400, step_period="year").folds(start, end, bar, times=times)
    years = [np.unique(days[fold.test].astype("M8[Y]").astype(int) + 1970) for fold in folds]
    assert [year.tolist() for year in years] == [[2020], [2021], [2022]]
    assert days[folds[0].train[-1]] == np.datetime64("2019-12-31")  # the window grows to the border
    quarters = build(train_bars=400, step_period="quarter").folds(start, end, bar, times=times)
    assert len(quarters) == 13
    assert str(days[quarters[0].test[0]]) == "2019-04-01"
    assert len(build(train_bars=400, step_period="month").folds(start, end, bar, times=times)) == 40
    exact = build(train_bars=730, step_period="year").folds(start, end, bar, times=times)
    assert [len(fold.test) for fold in exact] == [366, 365, 181]  # 730 bars end with 2019
    with pytest.raises(DataError, match="folds by year need the closing time of every bar"):
        build(train_bars=400, step_period="year").folds(start, end, bar)


def test_the_sealed_share_is_read_by_no_label_of_any_fold():
    start, end, bar = table(100, 30)
    split = build(train_share=0.5, n_folds=4, sealed_share=0.2)
    folds = split.folds(start, end, bar)
    assert max(int(end[fold.part(p)].max(initial=0)) for fold in folds for p in fold.parts) < 80
    assert [len(fold.test) for fold in folds] == [10, 0, 0, 0]  # labels of 30 bars reach the seal
    assert folds[3].purged_test == 10


def test_what_is_not_asked_for_is_not_missing():
    fold = build(train_share=0.5, n_folds=2).folds(*table(100))[0]
    assert fold.parts == ("train", "test")
    assert fold.degenerate_reasons == ()
    assert fold.borders == (50, 50)
    assert fold.outside == 25
    assert fold.details == {"fold": 0, "n_folds": 2, "window": "expanding"}


def test_a_table_without_room_for_a_test_block_says_so():
    (fold,) = build(train_bars=50, n_folds=2).folds(*table(50))
    assert fold.degenerate_reasons[0] == (
        "the training part is empty: 50 bars with samples hold no training window with a test "
        "block after it; the window takes 50 of them and 0 are sealed."
    )
    assert fold.outside == 50


def test_labels_longer_than_the_window_leave_no_training():
    folds = build(train_share=0.2, n_folds=2, window="rolling").folds(*table(50, 20))
    assert (
        "the training part is empty: of 50 samples it got 10, and 10 of these were purged"
        in (folds[0].degenerate_reasons[0])
    )


@pytest.mark.parametrize(
    ("mapping", "text"),
    [
        ({"n_folds": 2}, "exactly one of train_share, train_bars; received none"),
        ({"train_share": 0.5, "train_bars": 5, "n_folds": 2}, "exactly one of train_share"),
        ({"train_share": 0.5}, "exactly one of n_folds, step_bars, step_period; received none"),
        ({"train_share": 0.5, "n_folds": 2, "step_bars": 3}, "received .'n_folds', 'step_bars'."),
        ({"train_share": 1.0, "n_folds": 2}, "less than 1"),
        ({"train_share": 0.5, "step_period": "week"}, "'quarter'"),
    ],
)
def test_refuses_settings_that_do_not_say_one_thing(mapping, text):
    with pytest.raises(ConfigError, match=text):
        build(**mapping)


def test_too_many_folds_are_refused_before_they_are_made():
    with pytest.raises(ConfigError, match="give 4,990 folds; at most 1,000"):
        build(train_bars=10, step_bars=1).folds(*table(5000))
