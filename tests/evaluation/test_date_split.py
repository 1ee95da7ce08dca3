"""DateSplit: the three containments, whole days, and levels that look at each other's answers."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import DateSplit, DayRange, date_split_conflicts

DAY_NS = 86_400 * 10**9
FIRST = np.datetime64("2001-01-01")


def day(row):
    return str(FIRST + row)


def daily(n):
    """Closing times of n daily bars; bar i opens at 00:00 of day i and closes at midnight."""
    first = int((FIRST - np.datetime64("1970-01-01")).astype(int))
    return (first + 1 + np.arange(n, dtype=np.int64)) * DAY_NS


def table(n, context, horizon):
    bar = np.arange(context - 1, n - horizon, dtype=np.int64)
    return bar.copy(), bar + horizon, bar


def split_at(n, v, s, **settings_):
    return DateSplit.from_mapping(
        {
            "train": {"start": day(0), "end": day(v - 1)},
            "validation": {"start": day(v), "end": day(s - 1)},
            "test": {"start": day(s), "end": day(n - 1)},
            **settings_,
        }
    )


def sizes(fold):
    return len(fold.train), len(fold.validation), len(fold.test)


@pytest.mark.parametrize(
    ("context", "horizon", "strict", "corrected"),
    [
        (60, 1, (7277, 442, 201), (7277, 502, 261)),
        (80, 1, (7257, 422, 181), (7257, 502, 261)),
        (80, 3, (7255, 420, 179), (7255, 500, 259)),
        (80, 5, (7253, 418, 177), (7253, 498, 257)),
        (120, 1, (7217, 382, 141), (7217, 502, 261)),
        (252, 1, (7085, 250, 9), (7085, 502, 261)),
    ],
)
def test_the_table_of_the_reference(context, horizon, strict, corrected):
    n, v, s = 8100, 7337, 7839  # shared/reference/scaling_lab.md, section 6
    columns = table(n, context, horizon)
    legacy = split_at(n, v, s, containment="whole_span", context_bars=context)
    assert sizes(legacy.split(*columns, times=daily(n))) == strict
    window = split_at(n, v, s, containment="label_window")
    assert sizes(window.split(*columns, times=daily(n))) == corrected
    default = split_at(n, v, s).split(*columns, times=daily(n))
    # The bar before a border is decided in the part before, so each later part has one sample less.
    assert sizes(default) == (corrected[0], corrected[1] - 1, corrected[2] - 1)
    assert default.warnings == ()


@pytest.mark.parametrize(
    ("n", "v", "s", "strict"),
    [(8022, 7284, 7786, (7204, 422, 156)), (7977, 7239, 7741, (7159, 422, 156))],
)
def test_older_builds_of_the_reference(n, v, s, strict):
    split = split_at(n, v, s, containment="whole_span", context_bars=80)
    assert sizes(split.split(*table(n, 80, 1), times=daily(n))) == strict


@given(
    seed=st.integers(0, 2**32 - 1),
    containment=st.sampled_from(["bar_and_label", "label_window", "whole_span"]),
    embargo=st.integers(0, 3),
)
@settings(deadline=None, max_examples=25)
def test_membership_by_brute_force_on_the_days_themselves(seed, containment, embargo):
    rng = np.random.default_rng(seed)
    n = 60
    times = daily(n)[np.sort(rng.choice(n, 40, replace=False))]  # days without a bar
    bar = np.sort(rng.integers(0, 36, size=50)).astype(np.int64)
    start, end = bar - rng.integers(0, 3, size=50), np.minimum(bar + rng.integers(0, 6, 50), 39)
    context = {"context_bars": 2} if containment == "whole_span" else {}
    split = split_at(n, 30, 45, containment=containment, embargo_bars=embargo, **context)
    fold = split.split(start, end, bar, times=times)
    days = [
        date.fromisoformat(str(d)) for d in (times - 1).astype("datetime64[ns]").astype("M8[D]")
    ]
    expected = {"train": [], "validation": [], "test": []}
    ranges = split.ranges()
    for i in range(50):
        for name, asked in ranges.items():
            inside = [k for k, d in enumerate(days) if asked.start <= d <= asked.end]
            lowest = {
                "bar_and_label": bar[i],
                "label_window": min(bar[i] + 1, end[i]) if end[i] > bar[i] else bar[i],
                "whole_span": min(start[i], bar[i] - 1),
            }[containment]
            fits = lowest in inside and end[i] in inside
            after = [r.start for later, r in ranges.items() if r.start > asked.end]
            reach = end[i] + embargo
            clear = all(not (reach < 40 and days[reach] >= d) for d in after)
            clear &= all(reach < 40 or all(d < first for d in days) for first in after)
            if fits and clear:
                expected[name].append(i)
    assert {name: fold.part(name).tolist() for name in expected} == expected


def test_both_days_are_included_and_midnight_closes_the_day_before():
    hours = 24 * 4
    times = daily(1)[0] - DAY_NS + (1 + np.arange(hours, dtype=np.int64)) * 3_600 * 10**9
    bar = np.arange(hours, dtype=np.int64)
    split = DateSplit(
        train=DayRange(start=date(2001, 1, 1), end=date(2001, 1, 2)),
        validation=DayRange(start=date(2001, 1, 3), end=date(2001, 1, 3)),
    )
    fold = split.split(bar, bar, bar, times=times)
    assert fold.train.tolist() == list(range(48))  # bar 47 closes on 3 January at 00:00
    assert fold.validation.tolist() == list(range(48, 72))
    assert fold.outside == 24
    assert fold.parts == ("train", "validation")
    assert fold.borders == (48, 96)


def test_label_window_shares_no_bar_after_the_decision():
    n, v, s = 100, 70, 85
    start, end, bar = table(n, 1, 4)
    fold = split_at(n, v, s, containment="label_window").split(start, end, bar, times=daily(n))
    assert bar[fold.validation[0]] == v - 1
    assert end[fold.train].max() == v - 1 < bar[fold.validation].min() + 1


def test_days_that_the_bars_do_not_reach_are_told():
    split = split_at(400, 200, 300)
    fold = split.split(*table(250, 1, 1), times=daily(250))
    assert len(fold.warnings) == 2
    assert fold.warnings[0] == (
        f"validation asks for {day(200)} to {day(299)}, but the bars run from {day(0)} to "
        f"{day(249)} only."
    )
    assert any("the test part is empty" in reason for reason in fold.degenerate_reasons)
    assert split.coverage_problems(np.empty(0, np.int64)) == (
        "there are no bars, so no day that is asked for is covered.",
    )


def test_dates_need_times():
    with pytest.raises(DataError, match="needs the closing time of every bar") as caught:
        split_at(10, 5, 8).split(*table(10, 1, 1))
    assert caught.value.code == "DATA-TimesMissing"


GOOD = {
    "train": {"start": "2020-01-01", "end": "2021-12-31"},
    "validation": {"start": "2022-01-01", "end": "2022-12-31"},
}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"validation": {"start": "2021-12-31", "end": "2022-12-31"}},
            "train must end before validation starts; train ends on 2021-12-31",
        ),
        ({"test": {"start": "2022-06-01", "end": "2022-06-02"}}, "validation must end before test"),
        ({"test": {"start": "2023-06-01", "end": "2023-05-31"}}, "start must not lie after end"),
        ({"test": {"start": "2023-02-30", "end": "2023-05-31"}}, "valid date"),
        ({"test": {"start": "2023-02-01T05:00:00", "end": "2023-05-31"}}, "date"),
        ({"containment": "whole_span"}, "'whole_span' with context_bars None"),
        ({"context_bars": 60}, "'bar_and_label' with context_bars 60"),
        ({"containment": "strict"}, "'whole_span'"),
    ],
)
def test_refuses_days_that_are_no_split(changes, text):
    with pytest.raises(ConfigError, match=text):
        DateSplit.from_mapping({**GOOD, **changes})


def level(train, validation, test=None):
    spans = {"train": train, "validation": validation, "test": test}
    return DateSplit.from_mapping(
        {k: {"start": v[0], "end": v[1]} for k, v in spans.items() if v is not None}
    )


def test_the_curriculum_that_leaks_by_design_is_named():
    """The four levels of the original on BTC (acquisition_and_curriculum.md 3.3, trap 14)."""
    levels = {
        "L1": level(("2020-01-01", "2021-09-30"), ("2021-10-01", "2021-12-31")),
        "L2": level(("2022-01-01", "2022-10-15"), ("2022-10-16", "2022-12-31")),
        "L3": level(("2020-01-01", "2022-12-31"), ("2023-01-01", "2023-12-31")),
        "L4": level(
            ("2020-01-01", "2022-05-31"),
            ("2022-06-01", "2022-12-31"),
            ("2023-01-01", "2023-12-31"),
        ),
    }
    found = date_split_conflicts(levels)
    assert "L2 uses 2022-06-01 to 2022-10-15 as train, which L4 holds back as validation." in found
    assert "L3 uses 2023-01-01 to 2023-12-31 as validation, which L4 holds back as test." in found
    clean = {"one": levels["L1"], "two": level(("2022-01-01", "2022-02-01"), GOOD_LATER)}
    assert date_split_conflicts(clean) == ()
    touching = {"one": levels["L1"], "two": level(("2019-01-01", "2021-10-01"), GOOD_LATER)}
    assert date_split_conflicts(touching) == (
        "two uses 2021-10-01 to 2021-10-01 as train, which one holds back as validation.",
    )


GOOD_LATER = ("2022-02-02", "2022-03-01")
