"""The judge is judged: a right one passes the selfcheck, and every broken one is caught."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selfcheck_world import NOISE, PLANTED, InlineExecutor

from marketlab.campaigns import (
    CanaryResult,
    _campaign,
    _canaries,
    _selfcheck,
    run_canaries,
    selfcheck,
)
from marketlab.campaigns._prepare import Prepared
from marketlab.core import ConfigError, DataError, Float32Array
from marketlab.evaluation import _judge
from marketlab.evaluation._scores import Scores
from marketlab.features import FeatureMatrix
from marketlab.registry import GateReport


def check(folder, **changes):
    """Run a small selfcheck in this process."""
    return selfcheck(folder, **{"workers": 1, "noise": NOISE, "planted": PLANTED, **changes})


def failed(report):
    """Return the names of the failed checks."""
    return {f"{item.part}: {item.name}" for item in report.checks if not item.passed}


@pytest.fixture(autouse=True)
def inline(monkeypatch):
    monkeypatch.setattr(_selfcheck, "Executor", InlineExecutor)


@pytest.fixture
def no_report(monkeypatch):
    """Leave out the campaign's report files, which no check reads and which take seconds."""
    monkeypatch.setattr(_campaign, "write_report", lambda *_: None)


@pytest.fixture(scope="module")
def canaries():
    return run_canaries(seed=15)


# -- a right judge --------------------------------------------------------------------------------


def test_a_right_judge_passes_and_says_what_came_out(tmp_path, monkeypatch):
    elsewhere = tmp_path / "mine.db"
    monkeypatch.setenv("DB_URL", f"sqlite:///{elsewhere}")
    steps = []
    report = check(tmp_path / "ws", on_step=steps.append)
    assert failed(report) == set()
    assert report.passed
    assert "noise failed and the planted edge was found" in report.sentence
    assert [step[:6] for step in steps] == ["1 of 3", "2 of 3", "3 of 3"]
    assert set(report.seconds) == {"canaries", "noise", "planted edge", "total"}
    found = {f"{item.part}: {item.name}": item.found for item in report.checks}
    assert "learned" not in found["noise: verdicts"]
    assert "learned" in found["planted edge: verdicts"]
    assert found["noise: gates"] == "dry run: none; live: none"
    assert not elsewhere.exists(), "the ledger of the user is left alone"


def test_every_canary_is_told_from_the_others(canaries):
    outcomes = {result.name: result.outcome for result in canaries}
    assert outcomes["oracle"] == "learned"
    assert outcomes["few events"] == "insufficient data"
    assert outcomes["inverted oracle"] == "worse than baseline"
    assert outcomes["coin"] in ("no evidence", "worse than baseline")
    assert outcomes["collapsed oracle"] == "no evidence"
    walks = [result for result in canaries if result.name.startswith("random walk")]
    assert len(walks) == 3
    for walk in walks:
        assert walk.outcome == "no evidence"
        assert walk.interval[0] > 0.0, "without this only half of the judge would be tried"
        assert walk.null_p > 0.05
        assert walk.n_events >= 100
    assert [r.name for r in canaries if r.passed_gates] == ["oracle"]


def test_canaries_repeat_bit_for_bit(canaries):
    assert run_canaries(seed=15) == canaries
    assert run_canaries(seed=16) != canaries


@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 2**31))
def test_the_first_five_canaries_do_not_depend_on_a_lucky_seed(seed):
    for result in _canaries._directions(seed):
        if result.name != "coin":  # one coin in forty has an interval above zero and p < 0.05
            assert result.as_expected, result


@pytest.mark.parametrize(
    ("change", "right"),
    [
        ({}, True),
        ({"outcome": "learned"}, False),
        ({"passed_gates": True}, False),
        ({"needs_interval_above_zero": True}, True),
        ({"needs_interval_above_zero": True, "interval": (-0.1, 0.1)}, False),
        ({"needs_interval_above_zero": True, "interval": None}, False),
    ],
)
def test_a_canary_is_as_expected_only_if_all_of_it_is(change, right):
    facts = {
        "name": "coin",
        "expected": ("no evidence",),
        "outcome": "no evidence",
        "should_pass_gates": False,
        "passed_gates": False,
        "n_events": 100,
        "interval": (0.1, 0.2),
        "null_p": 0.5,
    }
    assert CanaryResult(**{**facts, **change}).as_expected is right


# -- broken ones ----------------------------------------------------------------------------------


def test_a_judge_whose_p_is_always_zero_is_caught(monkeypatch):
    monkeypatch.setattr(_judge, "adjusted_for_trials", lambda *_: 0.0)
    wrong = {result.name for result in run_canaries() if not result.as_expected}
    assert wrong == {"random walk 1 of 3", "random walk 2 of 3", "random walk 3 of 3"}


def test_a_judge_that_never_finds_anything_is_caught(monkeypatch):
    monkeypatch.setattr(_judge, "adjusted_for_trials", lambda *_: 1.0)
    assert "oracle" in {result.name for result in run_canaries() if not result.as_expected}


def test_a_judge_that_sees_no_collapse_is_caught(monkeypatch):
    real = _judge.classification_scores

    def blind(y, probabilities) -> Scores:
        return real(y, probabilities).model_copy(update={"collapsed": False})

    monkeypatch.setattr(_judge, "classification_scores", blind)
    wrong = {result.name for result in run_canaries() if not result.as_expected}
    assert wrong == {"collapsed oracle"}


@pytest.mark.usefixtures("no_report")
def test_gates_that_always_pass_are_caught(tmp_path, monkeypatch):
    def open_gates(_evidence, *, is_synthetic, stage="dry_run"):
        return GateReport(stage=stage, passed=True, results=())

    monkeypatch.setattr(_canaries, "evaluate_gates", open_gates)
    monkeypatch.setattr(_selfcheck, "evaluate_gates", open_gates)
    report = check(tmp_path)
    assert not report.passed
    assert {"canaries: coin", "canaries: inverted oracle", "noise: gates"} <= failed(report)
    assert "planted edge: gates" in failed(report)
    assert "canaries: oracle" not in failed(report)
    assert report.sentence.startswith("Do not trust verdicts of this installation:")


@pytest.mark.usefixtures("no_report")
def test_labels_in_the_inputs_of_the_net_are_caught(tmp_path, monkeypatch):
    """The null does not see this leak, and no verdict would show it: the bound does."""
    honest = Prepared.x

    def leaky(self, part, standardizer) -> Float32Array:
        x = honest(self, part, standardizer).copy()
        x[:, 0] = 3.0 * (self.y(part) - 1)
        return x

    monkeypatch.setattr(Prepared, "x", leaky)
    report = check(tmp_path)
    assert {"noise: no leak", "planted edge: no leak"} <= failed(report)
    found = {f"{item.part}: {item.name}": item for item in report.checks}["noise: no leak"]
    assert "50.0 %, the most these bars allow" in found.expected


@pytest.mark.usefixtures("no_report")
def test_features_that_see_the_next_bar_are_caught(tmp_path, monkeypatch):
    """Net and null both leak here, so the leak would even pass for noise."""
    honest = FeatureMatrix.rows

    def shifted(self, positions) -> Float32Array:
        return honest(self, np.minimum(positions + 1, self.values.shape[1] - 1))

    monkeypatch.setattr(FeatureMatrix, "rows", shifted)
    report = check(tmp_path)
    assert "noise: no leak" in failed(report)


@pytest.mark.usefixtures("no_report")
def test_a_pipeline_that_stops_is_a_failed_check(tmp_path, monkeypatch):
    def refuse(*_args, **_more):
        raise DataError("a feature knows the future: rsi_14.", code="FEATURE-Leak")

    monkeypatch.setattr("marketlab.campaigns._plan.refuse_leaks", refuse)
    report = check(tmp_path)
    assert failed(report) == {"noise: it runs", "planted edge: it runs"}
    assert "knows the future" in {i.name: i.found for i in report.checks}["it runs"]


@pytest.mark.parametrize("change", [{"noise": PLANTED}, {"planted": NOISE}])
def test_a_campaign_of_the_wrong_kind_is_refused(tmp_path, change):
    with pytest.raises(ConfigError, match="selfcheck must be on synthetic bars") as caught:
        check(tmp_path, **change)
    assert caught.value.field.endswith("edge_strength")
    assert list(tmp_path.iterdir()) == []
