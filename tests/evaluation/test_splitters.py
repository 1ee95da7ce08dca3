"""Contract of every registered splitter, and the exact borders of RatioSplit."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import SPLITTERS, RatioSplit

RATIOS = {"train": 0.70, "validation": 0.15, "test": 0.15}
HOUR_NS = 3_600 * 10**9
FIRST_NS = 1_577_836_800 * 10**9  # 2020-01-01 00:00 UTC: hourly bars 0 … 119 fill five days


@st.composite
def sample_tables(draw):
    """(start, end, bar) with gaps between samples, several samples per bar, long labels."""
    n = draw(st.integers(0, 120))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bar = np.cumsum(rng.integers(0, 4, size=n)).astype(np.int64)
    longest = draw(st.sampled_from([1, 5, 60]))
    return (
        bar - rng.integers(0, longest, size=n),
        bar + rng.integers(0, longest, size=n),
        bar,
    )


def plain(n):
    bar = np.arange(n, dtype=np.int64)
    return bar, bar.copy(), bar.copy()


def clock(n_bars):
    return FIRST_NS + HOUR_NS * np.arange(1, n_bars + 1, dtype=np.int64)


def folds_of(name, table):
    start, end, bar = table
    splitter = SPLITTERS.get(name).from_mapping(SPLITTERS.get(name).example)
    n_bars = 1 + (int(end.max()) if len(end) else 0)
    return splitter.folds(start, end, bar, times=clock(n_bars))


def reads_a_bar_of(reader, read, table):
    """Brute force: whether what any sample of `reader` reads holds the bar of one of `read`."""
    start, end, bar = table
    low, high, at = np.minimum(start, bar)[reader], end[reader], bar[read]
    return bool(np.any((low[:, None] <= at[None, :]) & (at[None, :] <= high[:, None])))


@pytest.mark.parametrize("name", SPLITTERS.names())
class TestEverySplitter:
    @given(table=sample_tables())
    @settings(deadline=None, max_examples=25)
    def test_no_training_label_reads_a_bar_of_another_part(self, name, table):
        for fold in folds_of(name, table):
            assert not reads_a_bar_of(fold.train, fold.validation, table)
            assert not reads_a_bar_of(fold.train, fold.test, table)

    @given(table=sample_tables())
    @settings(deadline=None, max_examples=25)
    def test_causal_parts_are_known_before_the_next_begins(self, name, table):
        _, end, bar = table
        for fold in folds_of(name, table):
            pairs = [("train", "validation"), ("train", "test"), ("validation", "test")]
            for earlier, later in pairs if fold.causal else ():
                if len(fold.part(earlier)) and len(fold.part(later)):
                    assert end[fold.part(earlier)].max() < bar[fold.part(later)].min()

    @given(table=sample_tables())
    @settings(deadline=None, max_examples=25)
    def test_parts_are_disjoint_ordered_and_accounted_for(self, name, table):
        bar = table[2]
        for fold in folds_of(name, table):
            parts = [fold.train, fold.validation, fold.test]
            together = np.concatenate(parts)
            assert together.dtype == np.int64
            assert all(np.all(np.diff(part) > 0) for part in parts)
            assert len(np.unique(together)) == len(together)
            if fold.causal:
                assert np.all(np.diff(together) > 0)
            purged = fold.purged_train + fold.purged_validation + fold.purged_test
            assert len(together) + purged + fold.outside == fold.n_samples == len(bar)
            assert min(purged, fold.outside) >= 0
            empty = [part for part in fold.parts if len(fold.part(part)) == 0]
            assert len(fold.degenerate_reasons) == len(empty)
            unused = {"train", "validation", "test"} - set(fold.parts)
            assert all(len(fold.part(part)) == 0 for part in unused)
            assert fold.facts()["train"] == len(fold.train)

    @given(table=sample_tables())
    @settings(deadline=None, max_examples=25)
    def test_samples_of_one_bar_stay_on_one_side(self, name, table):
        bar = table[2]
        for fold in folds_of(name, table):
            sides = [set(bar[fold.part(part)].tolist()) for part in fold.parts]
            assert sum(map(len, sides)) == len(set().union(*sides))

    def test_same_columns_give_same_folds_and_parts_are_read_only(self, name):
        first, second = folds_of(name, plain(200)), folds_of(name, plain(200))
        assert all(not fold.degenerate_reasons for fold in first)
        for one, other in zip(first, second, strict=True):
            np.testing.assert_array_equal(one.train, other.train)
            with pytest.raises(ValueError, match="read-only"):
                one.train[0] = 5

    def test_facts_are_json_and_the_settings_round_trip(self, name):
        splitter = SPLITTERS.get(name).from_mapping(SPLITTERS.get(name).example)
        again = SPLITTERS.get(name).from_mapping(splitter.to_mapping())
        assert again == splitter
        assert again.content_id() == splitter.content_id()
        for fold in folds_of(name, plain(200)):
            assert json.loads(json.dumps(fold.facts()))["n_samples"] == 200

    def test_unknown_keys_are_refused(self, name):
        mapping = {**SPLITTERS.get(name).example, "shuffle": True}
        with pytest.raises(ConfigError, match="unknown key 'shuffle'"):
            SPLITTERS.get(name).from_mapping(mapping)

    @pytest.mark.parametrize(
        ("table", "text"),
        [
            (([0, 1], [1, 2], [1, 0]), "samples must be in time order; sample 1 lies at bar 0"),
            (([0, 1], [1, 0], [0, 1]), "a label cannot be known before its own bar; sample 1"),
            (([5, 1], [1, 2], [0, 1]), "a label must start no later than it ends; sample 0"),
            (([0], [1, 2], [0, 1]), "start and end must be one-dimensional and of one length"),
        ],
    )
    def test_refuses_what_is_no_sample_table(self, name, table, text):
        splitter = SPLITTERS.get(name).from_mapping(SPLITTERS.get(name).example)
        with pytest.raises(DataError, match=text):
            splitter.folds(*(np.array(c, dtype=np.int64) for c in table))

    def test_refuses_times_as_floats(self, name):
        splitter = SPLITTERS.get(name).from_mapping(SPLITTERS.get(name).example)
        with pytest.raises(DataError, match="must be of an integer type, not float64"):
            splitter.folds(np.zeros(3), np.zeros(3), np.zeros(3))

    @pytest.mark.parametrize(
        ("times", "text"),
        [
            (clock(5), "a label ends at bar 5, beyond the clock of 5 bars"),
            (clock(6)[::-1].copy(), "times must ascend; bar 1 closes no later than bar 0"),
            (np.repeat(clock(3), 2), "times must ascend; bar 1 closes no later than bar 0"),
            (clock(6).astype(float), "integer nanoseconds, not an array of shape .6,. and type fl"),
        ],
    )
    def test_refuses_what_is_no_clock(self, name, times, text):
        splitter = SPLITTERS.get(name).from_mapping(SPLITTERS.get(name).example)
        with pytest.raises(DataError, match=text):
            splitter.folds(*plain(6), times=times)

    @pytest.mark.parametrize("n", [0, 1, 2])
    def test_tiny_tables_are_reported_and_do_not_crash(self, name, n):
        folds = folds_of(name, plain(n))
        assert any("part is empty" in r for fold in folds for r in fold.degenerate_reasons)


@pytest.mark.parametrize(
    ("n", "sizes"),
    [
        (50_565, (35_395, 7_585, 7_585)),
        (50_563, (35_394, 7_584, 7_585)),
        (1_000, (700, 150, 150)),
        (101, (70, 15, 16)),
    ],
)
def test_borders_of_the_reference(n, sizes):
    fold = RatioSplit(**RATIOS).split(*plain(n))
    assert fold.borders == (sizes[0], sizes[0] + sizes[1])
    assert (len(fold.train), len(fold.validation), len(fold.test)) == sizes
    assert fold.degenerate_reasons == ()


def test_borders_are_exact_where_binary_arithmetic_is_not():
    assert int(0.57 * 100) == 56  # 56.99999999999999
    assert RatioSplit(train=0.57, validation=0.01, test=0.42).borders(100) == (57, 58)
    assert 0.7 + 0.2 + 0.1 != 1.0  # in binary; as written they do sum to 1
    assert RatioSplit(train=0.7, validation=0.2, test=0.1).borders(10) == (7, 9)


@given(
    cuts=st.tuples(st.integers(1, 998), st.integers(1, 998)).filter(lambda c: sum(c) < 1000),
    n=st.integers(0, 10**7),
)
@settings(deadline=None, max_examples=50)
def test_any_thousandths_give_floor_borders(cuts, n):
    a, b = cuts
    split = RatioSplit(train=a / 1000, validation=b / 1000, test=(1000 - a - b) / 1000)
    assert split.borders(n) == (a * n // 1000, (a + b) * n // 1000)


def test_purge_table_written_out():
    #      train 0..6 | validation 7, 8 | test 9   (first validation bar 7, first test bar 9)
    bar = np.arange(10, dtype=np.int64)
    end = np.array([1, 6, 7, 4, 9, 6, 7, 8, 9, 9], dtype=np.int64)
    fold = RatioSplit(train=0.7, validation=0.2, test=0.1).split(bar, end, bar)
    assert fold.train.tolist() == [0, 1, 3, 5]
    assert fold.validation.tolist() == [7]
    assert fold.test.tolist() == [9]
    assert (fold.purged_train, fold.purged_validation, fold.purged_test) == (3, 1, 0)


def test_embargo_asks_for_more_empty_bars():
    start, end, bar = plain(10)
    fold = RatioSplit(train=0.7, validation=0.2, test=0.1, embargo_bars=2).split(start, end, bar)
    assert fold.train.tolist() == [0, 1, 2, 3, 4]
    assert fold.validation.tolist() == []
    assert len(fold.degenerate_reasons) == 1
    assert "the validation part is empty: of 10 samples it got 2" in fold.degenerate_reasons[0]


def test_straddling_labels_can_be_embargoed():
    bar = np.arange(20, dtype=np.int64)
    start = (bar // 4) * 4  # events of four bars: 12..15 begins before the border at 14
    end = bar.copy()
    plain_fold = RatioSplit(train=0.7, validation=0.2, test=0.1).split(start, end, bar)
    assert plain_fold.validation.tolist() == [14, 15, 16, 17]
    settings_ = {"train": 0.7, "validation": 0.2, "test": 0.1, "embargo_straddling_labels": True}
    fold = RatioSplit(**settings_).split(start, end, bar)
    assert fold.validation.tolist() == [16, 17]
    assert fold.test.tolist() == []  # 18 and 19 belong to the event that began at 16
    assert fold.train.tolist() == plain_fold.train.tolist()


def test_rows_of_one_bar_never_lie_on_both_sides():
    bar = np.repeat(np.arange(10, dtype=np.int64), 3)  # three symbols: 30 rows, border at 21
    bar[20:23] = 6  # rows 18..22 share bar 6
    bar.sort()
    fold = RatioSplit(train=0.7, validation=0.2, test=0.1).split(bar, bar, bar)
    assert not set(bar[fold.train]) & set(bar[fold.validation])
    assert fold.borders[0] == 18


@pytest.mark.parametrize("n", [0, 1, 2])
def test_tiny_tables_are_reported_and_do_not_crash(n):
    fold = RatioSplit(**RATIOS).split(*plain(n))
    assert fold.degenerate_reasons
    assert all("part is empty" in reason for reason in fold.degenerate_reasons)


@pytest.mark.parametrize(
    ("mapping", "code", "text"),
    [
        ({**RATIOS, "test": 0.2}, "CONFIG-DataSplit", r"received 0.7 \+ 0.15 \+ 0.2 = 1.05"),
        ({**RATIOS, "test_size": 0.1}, "STRATEGY-ValidationFailed", "unknown key 'test_size'"),
        ({**RATIOS, "train": 70}, "CONFIG-Invalid", "less than 1; received 70"),
        ({"train": 1.0, "validation": 0.0, "test": 0.0}, "CONFIG-Invalid", "less than 1"),
        ({**RATIOS, "embargo_bars": -1}, "CONFIG-Invalid", "greater than or equal to 0"),
        ({**RATIOS, "train": "0.7"}, "CONFIG-Invalid", "valid number; received '0.7'"),
        ({"train": 0.7, "validation": 0.3}, "STRATEGY-ValidationFailed", "required field"),
    ],
)
def test_refuses_bad_ratios(mapping, code, text):
    with pytest.raises(ConfigError, match=text) as caught:
        RatioSplit.from_mapping(mapping)
    assert caught.value.code == code


def test_unknown_splitter_names_what_exists():
    with pytest.raises(ConfigError, match=r"Invalid splitter 'ration'. Did you mean 'ratio'\?"):
        SPLITTERS.get("ration")
