"""What every way to make labels obeys, above all: nothing after `end` enters a label."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_world import (
    BARRIERS,
    BLOCKS,
    bar_arrays,
    cut,
    flat_or_not,
    joined,
    labels_of,
    rows_of,
    walk,
)

from marketlab.core import ConfigError, DataError
from marketlab.labels import LABELS, compute_labels, parse_label_config


def test_every_source_has_a_block_to_test():
    assert sorted({block["source"] for block in BLOCKS.values()}) == LABELS.names()


@pytest.mark.parametrize("variant", BLOCKS)
class TestContract:
    @given(bars=flat_or_not)
    def test_shapes_types_and_order(self, variant, bars):
        labels, n_bars = labels_of(variant, bars), len(bars["close"])
        if labels is None:
            return
        source = LABELS.get(BLOCKS[variant]["source"])
        assert labels.name == BLOCKS[variant]["source"]
        assert (labels.task, labels.class_names) == (source.task, source.class_names)
        for array in (labels.bar, labels.start, labels.end, labels.event):
            assert array.dtype == np.int64
            assert array.shape == (len(labels),)
            assert not array.flags.writeable
        if labels.task == "classification":
            assert labels.value.dtype == np.int64
            assert set(labels.value.tolist()) <= set(range(len(labels.class_names)))
        else:
            assert labels.value.dtype == np.float64
            assert np.isfinite(labels.value).all()
        assert (labels.weight == 1.0).all()
        assert (np.diff(labels.bar) > 0).all()
        assert (np.diff(labels.event) >= 0).all()
        assert ((labels.start >= 0) & (labels.start <= labels.bar)).all()
        assert ((labels.bar < labels.end) & (labels.end < n_bars)).all()

    @given(bars=flat_or_not)
    def test_facts_count_every_bar(self, variant, bars):
        labels, n_bars = labels_of(variant, bars), len(bars["close"])
        if labels is None:
            return
        facts = labels.facts
        dropped = sum(n for name, n in facts.items() if name.startswith("n_dropped_"))
        assert facts["n_bars"] == n_bars
        assert facts["n_labels"] == len(labels) == n_bars - dropped
        assert facts.get("counts", {}) == labels.counts()
        assert list(labels.counts()) == list(labels.class_names)
        assert facts["n_events"] == labels.n_events == len(set(labels.event.tolist()))
        assert facts["is_degenerate"] == (len(set(labels.value.tolist())) < 2)
        assert facts["formula"] == parse_label_config(BLOCKS[variant]).formula_name

    @given(bars=bar_arrays, later=bar_arrays, data=st.data())
    def test_bars_after_the_end_never_change_a_label(self, variant, bars, later, data):
        labels = labels_of(variant, bars)
        if labels is None or len(labels) == 0:
            return
        i = data.draw(st.integers(0, len(labels) - 1))
        bar = labels.bar[i]
        reach = parse_label_config(BLOCKS[variant]).reach or 0
        others = joined(cut(bars, labels.end[i] + 1), later)
        if len(others["close"]) <= bar + reach:
            # Barrier labels need their whole horizon, whatever came of it; so lengthen the series.
            others = joined(others, walk(bar + reach + 1, seed=0))
        events = BLOCKS[variant]["source"] not in BARRIERS
        other = rows_of(labels_of(variant, others), events=events)
        assert other[bar] == rows_of(labels, events=events)[bar]

    def test_the_bar_at_the_end_can_change_a_label(self, variant):
        bars = walk(400, seed=3)
        labels = labels_of(variant, bars)
        before, changed = rows_of(labels, events=False), 0
        for i in range(0, len(labels), max(1, len(labels) // 20)):
            for factor in (0.5, 2.0):
                others = {name: values.copy() for name, values in bars.items()}
                for values in others.values():
                    values[labels.end[i]] *= factor
                after = rows_of(labels_of(variant, others), events=False)
                changed += after.get(labels.bar[i]) != before[labels.bar[i]]
        assert changed >= 10

    @given(bars=bar_arrays, data=st.data())
    def test_a_prefix_has_the_labels_that_are_known_in_it(self, variant, bars, data):
        n_bars = len(bars["close"])
        stop = data.draw(st.integers(0, n_bars))
        whole, part = labels_of(variant, bars), labels_of(variant, cut(bars, stop))
        if whole is None:
            assert part is None
            return
        source = BLOCKS[variant]["source"]
        events = source not in BARRIERS
        reach = parse_label_config(BLOCKS[variant]).reach or 0
        expected = {
            bar: row
            for bar, row in rows_of(whole, events=events).items()
            if row[3] < stop and bar + reach < stop
        }
        assert (rows_of(part, events=events) if part is not None else {}) == expected

    @given(bars=bar_arrays)
    def test_the_input_is_read_only_and_gives_the_same_labels_again(self, variant, bars):
        first = labels_of(variant, bars)
        for values in bars.values():
            values.flags.writeable = False
        second = labels_of(variant, bars)
        if first is not None:
            assert rows_of(first) == rows_of(second)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, -1.0])
    def test_bad_closes_are_refused_naming_the_first(self, variant, bad):
        bars = walk(40, seed=1)
        bars["close"][[12, 20]] = bad
        with pytest.raises(DataError, match=r"2 close\(s\) are NaN, infinite, zero or .* bar 12"):
            labels_of(variant, bars)

    @pytest.mark.parametrize("column", ["open", "high", "low"])
    def test_other_columns_are_checked_where_they_are_read(self, variant, column):
        bars = walk(40, seed=1)
        clean = rows_of(labels_of(variant, bars))
        bars[column][7] = np.nan
        if column in LABELS.get(BLOCKS[variant]["source"]).inputs:
            with pytest.raises(DataError, match=rf"1 {column}\(s\) are NaN, .* at bar 7"):
                labels_of(variant, bars)
        else:
            assert rows_of(labels_of(variant, bars)) == clean

    def test_unknown_keys_are_refused(self, variant):
        with pytest.raises(ConfigError, match="unknown key 'label_lookahead'"):
            parse_label_config({**BLOCKS[variant], "label_lookahead": 20})

    def test_the_block_survives_a_round_trip(self, variant):
        config = parse_label_config(BLOCKS[variant])
        assert config.to_mapping().items() >= BLOCKS[variant].items()
        assert parse_label_config(config.to_mapping()) == config

    def test_allowing_a_degenerate_label_is_another_file_and_the_same_label(self, variant):
        config = parse_label_config(BLOCKS[variant])
        other = parse_label_config({**BLOCKS[variant], "allow": ["rare_class"]})
        assert other != config
        assert other.content_id() == config.content_id()
        assert other.formula_name == config.formula_name

    def test_a_horizon_longer_than_the_series_is_refused_with_both_numbers(self, variant):
        config = parse_label_config(BLOCKS[variant])
        if config.reach is None:
            return
        short = walk(config.reach, seed=0)
        with pytest.raises(DataError, match=rf"a horizon of {config.reach} bars") as caught:
            compute_labels(config, short)
        assert f"the series has {config.reach}." in str(caught.value)
        assert caught.value.code == "LABELS-HorizonTooLong"
        assert caught.value.field == "labels.horizon"
        assert compute_labels(config, walk(config.reach + 1, seed=0)).facts["n_bars"] > 0

    def test_missing_columns_are_named(self, variant):
        config = parse_label_config(BLOCKS[variant])
        if "high" not in LABELS.get(config.source).inputs:
            assert len(compute_labels(config, walk(60, seed=0)["close"]))
            return
        with pytest.raises(DataError, match=r"open, high, low|high, low") as caught:
            compute_labels(config, walk(60, seed=0)["close"])
        assert caught.value.code == "DATA-MissingColumn"


def test_every_variant_has_its_own_name():
    names = [parse_label_config(block).formula_name for block in BLOCKS.values()]
    assert len(set(names)) == len(BLOCKS)
