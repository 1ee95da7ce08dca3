import pytest
from registry_world import LEARNED

from marketlab.core import ConfigError
from marketlab.registry import DEFAULT_GATES, GATES, GateInput, evaluate_gates


def test_all_default_gates_pass_on_good_evidence_and_say_why():
    report = evaluate_gates(LEARNED, is_synthetic=False, stage="live")
    assert report.passed
    assert [r.gate for r in report.results] == list(DEFAULT_GATES)
    assert report.results[3].sentence == "240 independent events; at least 100 are needed."
    assert (report.results[4].value, report.results[4].threshold) == (0.01, 0.05)


@pytest.mark.parametrize("name", GATES.names())
def test_every_gate_answers_without_evidence_and_fails_unless_it_needs_none(name):
    for evidence in (None, {}, {"outcome": None, "n_events": None, "null_p": None}):
        facts = GateInput(evidence=evidence, is_synthetic=True, stage="live")
        result = GATES.get(name)(facts)
        assert result.gate == name
        assert result.sentence.endswith(".")
        if name != "evidence_present" or not evidence:
            assert not result.passed


@pytest.mark.parametrize(
    ("change", "gate", "sentence"),
    [
        ({"outcome": "no evidence"}, "learned", "The verdict is 'no evidence', not 'learned'."),
        ({"outcome": "worse than baseline"}, "learned", "not 'learned'"),
        ({"scores": {"collapsed": True}}, "not_collapsed", "One class takes more than 90%"),
        ({"scores": {"collapsed": None}}, "not_collapsed", "does not say"),
        ({"n_events": 99}, "enough_events", "99 independent events; at least 100"),
        ({"n_events": None}, "enough_events", "states no number"),
        ({"n_events": True}, "enough_events", "states no number"),
        ({"null_p": 0.0501}, "beats_luck", "0.0501; at most 0.05"),
        ({"null_p": None}, "beats_luck", "no p-value"),
        ({"null_p": float("nan")}, "beats_luck", "no p-value"),
        ({"null_p": -0.1}, "beats_luck", "-0.1"),
    ],
)
def test_each_gate_fails_alone_on_its_own_fact(change, gate, sentence):
    report = evaluate_gates({**LEARNED, **change}, is_synthetic=False)
    assert not report.passed
    assert [r.gate for r in report.failing] == [gate]
    assert sentence in report.failing[0].sentence


@pytest.mark.parametrize(("change"), [{"n_events": 100}, {"null_p": 0.05}])
def test_thresholds_are_inclusive(change):
    assert evaluate_gates({**LEARNED, **change}, is_synthetic=False).passed


def test_synthetic_data_reach_a_dry_run_and_no_further():
    assert evaluate_gates(LEARNED, is_synthetic=True, stage="dry_run").passed
    live = evaluate_gates(LEARNED, is_synthetic=True, stage="live")
    assert [r.gate for r in live.failing] == ["real_data"]
    assert "cannot go beyond a dry run" in live.failing[0].sentence


def test_an_unknown_gate_stage_or_empty_list_is_refused():
    with pytest.raises(ConfigError, match=r"Invalid gate 'learnt'.*Did you mean 'learned'"):
        evaluate_gates(LEARNED, is_synthetic=False, gates=("learnt",))
    with pytest.raises(ConfigError, match="a stage is one of dry_run, live; received 'paper'"):
        evaluate_gates(LEARNED, is_synthetic=False, stage="paper")
    with pytest.raises(ConfigError, match="none would let everything pass"):
        evaluate_gates(LEARNED, is_synthetic=False, gates=())
