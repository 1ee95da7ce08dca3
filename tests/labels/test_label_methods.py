import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_world import rows_of

from marketlab.core import ConfigError, DataError, FrozenConfig
from marketlab.labels import (
    BUY,
    HOLD,
    SELL,
    ForwardReturnLabelConfig,
    LabelConfig,
    LabelSet,
    ZigzagLabelConfig,
    forward_return,
    parse_label_config,
)

BLOCKS = {
    "zigzag": {"source": "zigzag", "zigzag_threshold": 0.025},
    "forward_return": {"source": "forward_return", "horizon": 3, "dead_zone": 0.001},
}

closes = st.lists(st.floats(90.0, 110.0), max_size=60).map(lambda values: np.array(values, float))


def test_forward_returns_written_out():
    close = np.array([100.0, 101.0, 100.0, 100.0, 99.0, 100.0])
    labels = forward_return(close, horizon=2)
    assert labels.value.tolist() == [HOLD, SELL, SELL, HOLD]
    assert labels.start.tolist() == labels.bar.tolist() == [0, 1, 2, 3]
    assert labels.end.tolist() == [2, 3, 4, 5]
    assert labels.event.tolist() == [0, 0, 1, 1]
    assert labels.facts["n_events"] == 2


def test_the_dead_zone_includes_its_borders():
    close = np.array([100.0, 101.0, 102.5, 100.0, 99.0])
    assert forward_return(close, horizon=1, dead_zone=0.01).value.tolist() == [
        HOLD,
        BUY,
        SELL,
        HOLD,
    ]


@given(close=closes, horizon=st.integers(1, 70), dead_zone=st.sampled_from([0.0, 0.01]))
def test_forward_returns_look_at_exactly_two_closes(close, horizon, dead_zone):
    labels = forward_return(close, horizon=horizon, dead_zone=dead_zone)
    assert len(labels) == max(0, len(close) - horizon)
    for t, value in zip(labels.bar.tolist(), labels.value.tolist(), strict=True):
        change = (close[t + horizon] - close[t]) / close[t]
        assert value == (BUY if change > dead_zone else SELL if change < -dead_zone else HOLD)


@pytest.mark.parametrize(
    ("options", "match"),
    [({"horizon": 0}, "at least 1"), ({"horizon": 1, "dead_zone": -0.1}, "at least 0.0")],
)
def test_forward_return_options_are_checked(options, match):
    with pytest.raises(ConfigError, match=match):
        forward_return(np.array([1.0, 2.0]), **options)


def test_labels_of_one_class_are_told():
    labels = forward_return(np.linspace(1.0, 2.0, 20), horizon=1)
    assert labels.facts["counts"] == {"BUY": 19, "HOLD": 0, "SELL": 0}
    assert labels.facts["is_degenerate"]


@given(close=closes, data=st.data())
def test_restricting_by_mask_and_by_positions_agree(close, data):
    labels = forward_return(close, horizon=2)
    mask = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(labels), max_size=len(labels))), bool
    )
    by_mask, by_position = labels.restrict(mask), labels.restrict(np.flatnonzero(mask))
    assert rows_of(by_mask) == rows_of(by_position)
    assert by_mask.facts == by_position.facts
    assert by_mask.facts["n_labels"] == mask.sum()
    assert by_mask.facts["horizon"] == 2
    assert set(by_mask.bar.tolist()) == set(labels.bar[mask].tolist())


def test_a_mask_of_another_length_is_refused():
    labels = forward_return(np.array([1.0, 2.0, 3.0]), horizon=1)
    with pytest.raises(DataError, match="a mask over 2 labels has 3 entries"):
        labels.restrict(np.ones(3, dtype=bool))


def test_columns_of_different_length_are_refused():
    one, two = np.zeros(1, np.int64), np.zeros(2, np.int64)
    with pytest.raises(DataError, match="bar and value must be one-dimensional and of one length"):
        LabelSet(name="x", bar=one, value=two, start=one, end=one, event=one, weight=np.ones(1))


@pytest.mark.parametrize(
    ("block", "match"),
    [
        (
            {},
            r"labels.source: this required field is missing. Known: direction, forw",
        ),
        ({"source": "zigzg"}, "Invalid label source 'zigzg'. Did you mean 'zigzag'"),
        ({"source": "zigzag"}, "required field is missing"),
        ({"source": "zigzag", "zigzag_threshold": 2.5}, "less than 1; received 2.5"),
        ({"source": "zigzag", "zigzag_threshold": 0}, "greater than 0"),
        ({"source": "zigzag", "zigzag_threshold": "0.025"}, "valid number"),
        ({"source": "zigzag", "zigzag_threshold": 0.1, "horizon": 1}, "unknown key 'horizon'"),
        ({"source": "forward_return", "horizon": 0}, "greater than or equal to 1"),
        ({"source": "forward_return", "horizon": 1.5}, "valid integer"),
    ],
)
def test_blocks_that_break_a_rule_are_refused(block, match):
    with pytest.raises(ConfigError, match=match) as caught:
        parse_label_config(block)
    assert caught.value.field.startswith("labels")


def test_a_block_may_be_a_field_of_another_config():
    class Training(FrozenConfig):
        labels: LabelConfig

    training = Training.from_mapping({"labels": BLOCKS["zigzag"]})
    assert training.labels == ZigzagLabelConfig(zigzag_threshold=0.025)
    other = Training(labels=ForwardReturnLabelConfig(horizon=1))
    assert other.content_id() != training.content_id()
