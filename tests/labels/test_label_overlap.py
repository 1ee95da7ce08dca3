"""Concurrency, uniqueness, weights and independent events; times; what is refused as degenerate."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_world import BLOCKS, labels_of, walk

from marketlab.core import ConfigError, DataError
from marketlab.data import SyntheticConfig, synthetic_bars
from marketlab.labels import (
    compute_labels,
    degenerate_reasons,
    direction,
    disjoint_events,
    forward_return_value,
    label_by_name,
    overlap_of,
    parse_label_config,
    refuse_degenerate,
    sample_weights,
    threshold_touch,
)

spans = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), max_size=25).map(
    lambda pairs: (
        np.array([s for s, _ in sorted(pairs)], np.int64),
        np.array([s + n for s, n in sorted(pairs)], np.int64),
    )
)


@given(spans=spans)
def test_concurrency_and_uniqueness_count_shared_returns(spans):
    start, end = spans
    found = overlap_of(start, end)
    last = int(end.max()) if len(end) else -1
    count = [int(((start < b) & (b <= end)).sum()) for b in range(last + 1)]
    assert found.concurrency.tolist() == count
    unique = [
        np.mean([1.0 / count[b] for b in range(s + 1, e + 1)]) for s, e in zip(*spans, strict=True)
    ]
    np.testing.assert_allclose(found.uniqueness, unique, rtol=1e-12)
    facts = found.to_mapping()
    if len(start):
        assert facts["max_concurrency"] == max(count)
        assert facts["mean_concurrency"] == pytest.approx(np.mean([c for c in count if c]))
        assert facts["effective_n"] == pytest.approx(sum(unique))
    else:
        assert set(facts.values()) == {None}


@given(spans=spans)
def test_there_are_as_many_events_as_samples_can_be_chosen_without_overlap(spans):
    start, end = spans
    event = disjoint_events(start, end)
    most, boundary = 0, -1
    for e, s in sorted(zip(end.tolist(), start.tolist(), strict=True)):
        if s >= boundary:
            most, boundary = most + 1, e
    assert len(set(event.tolist())) == most
    assert event.tolist() == sorted(event.tolist())
    # Two events on, nothing is shared with the sample that closed the event before the last.
    for number in range(most - 1):
        closes = end[event == number].min()
        assert (start[event > number] >= closes).all()


def test_labels_of_one_horizon_have_one_event_per_horizon():
    bar = np.arange(100)
    assert disjoint_events(bar, bar + 7).tolist() == (bar // 7).tolist()


@pytest.mark.parametrize("variant", BLOCKS)
def test_average_uniqueness_of_real_labels_lies_between_zero_and_one(variant):
    summary = labels_of(variant, walk(500, seed=1)).summary()
    overlap = summary["overlap"]
    assert 0.0 < overlap["average_uniqueness"] <= 1.0 + 1e-9
    assert overlap["effective_n"] == pytest.approx(
        overlap["average_uniqueness"] * summary["n_labels"]
    )
    assert sum(summary["rates"].values()) == pytest.approx(1.0 if summary["rates"] else 0.0)


@given(spans=spans, seed=st.integers(0, 99))
def test_weights_are_those_of_the_book(spans, seed):
    start, end = spans
    close = walk(50, seed)["close"]
    count = overlap_of(start, end).concurrency
    shares = np.diff(np.log(close), prepend=np.log(close[0]))
    raw = [
        abs(sum(shares[b] / count[b] for b in range(s + 1, e + 1)))
        for s, e in zip(start.tolist(), end.tolist(), strict=True)
    ]
    weight = sample_weights("return_attribution", start, end, close)
    expected = np.array(raw) * len(raw) / sum(raw) if raw else np.zeros(0)
    np.testing.assert_allclose(weight, expected, rtol=1e-9, atol=1e-12)
    unique = sample_weights("uniqueness", start, end, close)
    assert unique.tolist() == overlap_of(start, end).uniqueness.tolist()
    assert sample_weights("equal", start, end, close).tolist() == [1.0] * len(start)


def test_weights_are_carried_and_kept_by_a_restriction():
    labels = direction(walk(40, seed=0)["close"], horizon=4)
    weight = sample_weights("uniqueness", labels.start, labels.end, walk(40, seed=0)["close"])
    weighted = labels.with_weights(weight)
    assert weighted.weight.tolist() == weight.tolist()
    assert (labels.weight == 1.0).all()
    kept = weighted.restrict(np.arange(5, 9))
    assert kept.weight.tolist() == weight[5:9].tolist()
    assert kept.overlap.to_mapping()["max_concurrency"] == 4


def test_spans_and_weights_that_mean_nothing_are_refused():
    two = np.array([3, 4])
    with pytest.raises(DataError, match=r"1 sample\(s\) end at or before .* from bar 4 to bar 4"):
        overlap_of(two, np.array([5, 4]))
    with pytest.raises(DataError, match="in the order of their start"):
        disjoint_events(np.array([4, 3]), np.array([5, 5]))
    with pytest.raises(ConfigError, match="no weighting 'sqrt'"):
        sample_weights("sqrt", two, two + 1, np.ones(9))
    with pytest.raises(DataError, match="none of the 2 samples reads a return other than zero"):
        sample_weights("return_attribution", two, two + 1, np.ones(9))


def test_times_are_the_closes_of_start_and_end():
    bars = synthetic_bars(SyntheticConfig(n_bars=300, seed=1))
    for variant, block in BLOCKS.items():
        labels = compute_labels(parse_label_config(block), bars)
        for i in range(0, len(labels), 37):
            first, last = labels.times(i)
            assert (first.tzinfo, last.tzinfo) == (UTC, UTC), variant
            for moment, bar in ((first, labels.start[i]), (last, labels.end[i])):
                assert moment == datetime.fromtimestamp(bars.close_time_ns[bar] / 1e9, UTC)
            assert last > first
        part = labels.restrict(np.arange(len(labels) // 2))
        assert part.end_time_ns.tolist() == labels.end_time_ns[: len(part)].tolist()
    with pytest.raises(DataError, match="made of arrays without times"):
        direction(bars.close, horizon=1).times(0)


def _touch(n_touch, n):
    close = np.full(n + 1, 100.0)
    high = close.copy()
    high[1 : n_touch + 1] = 110.0
    return threshold_touch(high, close, close, horizon=1, threshold=0.05)


@pytest.mark.parametrize(
    ("n_touch", "reason", "kind"),
    [
        (0, "all 1000 labels are NO_TOUCH", "one_class"),
        (1000, "all 1000 labels are TOUCH", "one_class"),
        (9, "TOUCH is 0.9 % of the labels, 9 of 1000", "rare_class"),
        (991, "NO_TOUCH is 0.9 % of the labels, 9 of 1000", "rare_class"),
    ],
)
def test_degenerate_classes_are_refused_with_the_counts_unless_allowed(n_touch, reason, kind):
    labels = _touch(n_touch, 1000)
    assert labels.counts() == {"NO_TOUCH": 1000 - n_touch, "TOUCH": n_touch}
    with pytest.raises(DataError, match=reason) as caught:
        refuse_degenerate(labels, field="training.labels")
    error = caught.value
    assert (error.code, error.field) == ("LABELS-Degenerate", "training.labels")
    assert error.details["counts"] == labels.counts()
    assert f"NO_TOUCH {1000 - n_touch}, TOUCH {n_touch}" in error.message
    assert f"allow: [{kind}]" in error.suggestion
    assert f"--allow {kind}" in error.suggestion
    other = {"one_class": "rare_class", "rare_class": "one_class"}[kind]
    assert degenerate_reasons(labels, allow=(other,))
    refuse_degenerate(labels, allow=(kind,))


def test_one_percent_is_enough():
    refuse_degenerate(_touch(10, 1000))
    refuse_degenerate(_touch(990, 1000))


def test_hold_may_be_rare_and_a_missing_direction_may_not():
    rising = np.cumprod(np.full(300, 1.01))
    labels = labels_of("zigzag", walk(3_000, seed=1))
    assert labels.counts()["HOLD"] > 0
    refuse_degenerate(labels)
    with pytest.raises(DataError, match="all 299 labels are BUY"):
        refuse_degenerate(direction(rising, horizon=1))


def test_constant_targets_and_empty_sets_are_refused():
    flat = forward_return_value(np.ones(50), horizon=2)
    with pytest.raises(DataError, match=r"all 48 values are 0 \(constant_target\)"):
        refuse_degenerate(flat)
    refuse_degenerate(flat, allow=("constant_target",))
    with pytest.raises(DataError, match="there are no labels") as caught:
        refuse_degenerate(flat.restrict(np.arange(0)), allow=("constant_target",))
    assert "allow" not in caught.value.suggestion


@pytest.mark.parametrize(
    ("name", "formula", "aliases"),
    [
        ("label_h5_t1pct", "touch_up_high_h5_t100bps", ("label_h5_t1pct",)),
        ("touch_up_high_h1_t50bps", "touch_up_high_h1_t50bps", ()),
        ("touch_up_close_h2_t100bps", "touch_up_close_h2_t100bps", ()),
        ("touch_down_low_h3_t200bps", "touch_down_low_h3_t200bps", ()),
        ("touch_up_high_h1_t2p5bps", "touch_up_high_h1_t2p5bps", ()),
    ],
)
def test_old_and_new_names_lead_to_one_label(name, formula, aliases):
    config = label_by_name(name)
    assert (config.formula_name, config.aliases) == (formula, aliases)
    assert label_by_name(formula) == config


def test_names_in_basis_points_do_not_collide():
    names = [
        label_by_name("zigzag", {"zigzag_threshold": t}).formula_name
        for t in (0.02, 0.025, 0.03, 0.035)
    ]
    assert names == ["zigzag_t200bps", "zigzag_t250bps", "zigzag_t300bps", "zigzag_t350bps"]


def test_names_that_say_nothing_are_refused():
    with pytest.raises(ConfigError, match=r"rounded to 0.*touch_up_high_h2_t50bps"):
        label_by_name("label_h2_t0pct")
    with pytest.raises(ConfigError, match="already says horizon"):
        label_by_name("label_h2_t1pct", {"horizon": 3})
    with pytest.raises(ConfigError, match=r"Invalid label source 'tripple_barrier'\. Did you mean"):
        label_by_name("tripple_barrier")
    assert label_by_name("label_h2_t1pct", {"allow": ["rare_class"]}).allow == ("rare_class",)


def test_a_class_that_a_label_lacks_is_refused():
    with pytest.raises(DataError, match=r"no class 'UP'\. Its classes are: NO_TOUCH, TOUCH"):
        _touch(3, 10).is_class("UP")
