"""`data_split` of a strategy: shares or days, and what a strategy cannot be split by."""

import copy

import numpy as np
import pytest

from marketlab.campaigns import parse_strategy, quick_verdict
from marketlab.campaigns._evidence import collect_evidence
from marketlab.campaigns._prepare import prepare, split_facts
from marketlab.campaigns._recipes import recipe_strategy
from marketlab.core import ConfigError, DataNotAvailableError
from marketlab.data import SyntheticConfig, synthetic_bars

DAYS = {
    "type": "dates",
    "train": {"start": "2015-01-01", "end": "2015-06-30"},
    "validation": {"start": "2015-07-01", "end": "2015-08-31"},
    "test": {"start": "2015-09-01", "end": "2015-10-15"},
}

WALK = {
    "type": "walk_forward",
    "train_share": 0.4,
    "n_folds": 3,
    "validation_share": 0.2,
    "sealed_share": 0.15,
}


def parsed(split, **training):
    mapping = copy.deepcopy(recipe_strategy("next_bar", "next_bar_rsi"))
    mapping["training"].update({"data_split": split, **training})
    mapping["training"].pop("date_range", None)
    return parse_strategy(mapping, source="mine.yaml")


@pytest.fixture(scope="module")
def bars():
    return synthetic_bars(SyntheticConfig(n_bars=5_000, seed=3, edge_strength=0.35))


def test_ratio_may_be_named_and_is_the_same_experiment():
    plain = parsed({"train": 0.7, "validation": 0.15, "test": 0.15})
    named = parsed({"type": "ratio", "train": 0.7, "validation": 0.15, "test": 0.15})
    assert plain.training.data_split == {"train": 0.7, "validation": 0.15, "test": 0.15}
    assert named.content_id() == plain.content_id()


def test_days_are_kept_in_the_file_and_are_part_of_the_identity():
    strategy = parsed(DAYS)
    again = parse_strategy(strategy.to_mapping(), source="again.yaml")
    assert again == strategy
    assert again.content_id() == strategy.content_id()
    assert strategy.to_mapping()["training"]["data_split"] == {**DAYS, "embargo_bars": 0}
    later = copy.deepcopy(DAYS)
    later["test"]["end"] = "2015-10-16"
    assert parsed(later).content_id() != strategy.content_id()


def test_a_run_by_days_reads_exactly_these_days(bars):
    strategy = parsed(DAYS)
    prepared = prepare(strategy, bars)
    close = prepared.bars.close_time_ns
    for part in ("train", "validation", "test"):
        rows = prepared.rows(part)
        ends = prepared.labels.end[prepared.fold.part(part)]
        days = ((close[[rows[0], ends[-1]]] - 1) // 86_400_000_000_000).astype("M8[D]")
        asked = DAYS[part]
        assert np.datetime64(asked["start"]) <= days[0] <= days[1] <= np.datetime64(asked["end"])
        assert split_facts(prepared)[part]["samples"] == len(rows) > 500
    assert prepared.fold.outside > 0
    evidence = collect_evidence(
        strategy,
        prepared,
        np.full((len(prepared.rows("validation")), 3), 1 / 3),
        seed=1,
        degenerate=[],
        exclusions=[],
    )
    expected = len(prepared.rows("validation")) / prepared.samples.n_samples
    assert evidence.facts["judged_share"] == expected


def test_a_verdict_and_its_null_are_made_on_these_days(bars):
    verdict = quick_verdict(bars, parsed(DAYS, epochs=12), seed=3, surrogates=19)
    assert verdict.n_samples == len(prepare(parsed(DAYS), bars).rows("validation"))
    assert verdict.null.p_single == pytest.approx(0.05)


def test_days_outside_the_data_are_refused_before_any_work(bars):
    late = {**DAYS, "test": {"start": "2016-09-01", "end": "2017-12-31"}}
    with pytest.raises(DataNotAvailableError, match="test asks for 2016-09-01 to 2017") as caught:
        prepare(parsed(late), bars)
    assert caught.value.field == "training.data_split"


@pytest.mark.parametrize(
    ("split", "field", "text"),
    [
        ({"type": "date"}, "type", r"Invalid splitter 'date'. Did you mean 'dates'\?"),
        (
            {**WALK, "validation_share": 0.0},
            "validation_share",
            "validation_share must be above 0",
        ),
        ({**WALK, "n_folds": 1_001}, "n_folds", "less than or equal to 1000"),
        ({**WALK, "n_folds": 0}, "n_folds", "greater than or equal to 1"),
        ({**WALK, "train_bars": 500}, "train_share", "give exactly one of train_share, train_bars"),
        ({**WALK, "shares": 3}, "shares", "unknown key 'shares'"),
        ({"type": "combinatorial"}, "type", "its folds train on what comes after the blocks"),
        ({"type": "chunk"}, "type", "for hyper-parameter search only"),
        ({**DAYS, "trian": 1}, "trian", "unknown key 'trian'"),
        ({k: v for k, v in DAYS.items() if k != "test"}, "test", "required field is missing"),
        ({**DAYS, "containment": "whole_span"}, "containment", "unknown key 'containment'"),
        ({**DAYS, "validation": DAYS["train"]}, "validation", "train must end before validation"),
        ({**DAYS, "train": {"start": "2015-13-01", "end": "2016-01-01"}}, "train.start", "date"),
        ({"train": 0.7, "validation": 0.15, "test": "0.15"}, "test", "a share must be a number"),
        ({"train": 1.2, "validation": -0.1, "test": -0.1}, "train", "less than 1; received 1.2"),
        ([0.7, 0.15, 0.15], None, "the split must be a mapping"),
        ({"train": 0.7, "validation": 0.3}, None, "the split lacks test"),
    ],
)
def test_refuses_other_splits_with_their_field(split, field, text):
    with pytest.raises(ConfigError, match=text) as caught:
        parsed(split)
    expected = "training.data_split" if field is None else f"training.data_split.{field}"
    assert caught.value.field == expected
    assert caught.value.code == "CONFIG-DataSplit"
