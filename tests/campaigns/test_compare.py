"""Whether runs differ by more than noise, on the samples that all of them judged."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from marketlab.campaigns import Ledger, NewOperation, Workspace, compare_runs
from marketlab.campaigns._compare_pair import pair_outcome, pair_sentence, score_pair
from marketlab.campaigns._evidence import load_evidence
from marketlab.core import ConfigError, ConflictError, IntegrityError, NotFoundError
from marketlab.evaluation import detectable_mean_difference

BUY, SELL = 0, 2


def forecasts(y, skill, generator):
    """Return BUY and SELL probabilities that lean to the right side with `skill`."""
    lean = np.clip(0.5 + skill + 0.1 * generator.standard_normal(len(y)), 0.05, 0.95)
    out = np.zeros((len(y), 3))
    out[np.arange(len(y)), y] = lean
    out[np.arange(len(y)), 2 - y] = 1 - lean
    return out


@pytest.fixture
def world(finished, tmp_path):
    """A copy of the finished campaign: (workspace, ids of its two runs)."""
    workspace, _, results, _ = finished
    shutil.copytree(workspace.root, tmp_path / "ws")
    return Workspace.at(tmp_path / "ws"), [run.run_id for run in results.runs]


def compare(workspace, references):
    with workspace.store() as store:
        return compare_runs(workspace, Ledger(store), references)


def rewrite(workspace, run_id, **changes):
    folder = workspace.run_folder(run_id)
    replace(load_evidence(folder), **changes).save(folder)


def plant(workspace, ids, skills):
    """Give each run forecasts of its own skill on its own samples."""
    for k, (run_id, skill) in enumerate(zip(ids, skills, strict=True)):
        y = 2 * (load_evidence(workspace.run_folder(run_id)).y // 2)
        rewrite(
            workspace,
            run_id,
            y=y,
            probabilities=forecasts(y, skill, np.random.default_rng(k)),
        )


# -- the pair -------------------------------------------------------------------------------------


def pairs(n_events, skills, *, seed=0, per_event=2):
    generator = np.random.default_rng(seed)
    event = np.repeat(np.arange(n_events), per_event)
    y = 2 * generator.integers(0, 2, len(event))
    return y, *(forecasts(y, skill, generator) for skill in skills), event


def test_equal_skill_is_called_a_difference_in_about_one_of_twenty():
    outcomes = []
    for seed in range(100):
        scores = score_pair(*pairs(60, (0.02, 0.02), seed=seed), n_pairs=1)
        outcomes.append(pair_outcome(scores, scores.log_loss.p_value))
    found = sum(outcome in ("better", "worse") for outcome in outcomes)
    assert found <= 12  # 5 are expected; 13 or more come with a chance below 0.2 %
    assert set(outcomes) <= {"better", "worse", "no more than noise"}


def test_a_planted_difference_is_found_from_either_side():
    y, good, bad, event = pairs(300, (0.1, 0.0))
    there = score_pair(y, good, bad, event, n_pairs=1)
    back = score_pair(y, bad, good, event, n_pairs=1)
    assert pair_outcome(there, there.log_loss.p_value) == "better"
    assert pair_outcome(back, back.log_loss.p_value) == "worse"
    assert there.log_loss.difference == -back.log_loss.difference
    assert there.log_loss.high < 0 < back.log_loss.low
    assert there.accuracy.low > 0
    assert there.accuracy.p_value < 0.01
    assert there.auc.low > 0
    assert there.diebold_mariano_p < 0.01


def test_the_sentence_says_who_is_better_by_how_much():
    scores = score_pair(*pairs(300, (0.1, 0.0)), n_pairs=1)
    p = scores.log_loss.p_value
    said = pair_sentence("A", "B", scores, pair_outcome(scores, p), p)
    size = f"{-scores.log_loss.difference:.4f}"
    assert said.startswith(f"A is better than B: its log-loss is lower by {size} nats per sample (")
    assert f"{scores.log_loss.low:+.4f} to {scores.log_loss.high:+.4f}" in said
    assert said.endswith("300 events).")


def test_a_corrected_p_decides():
    scores = score_pair(*pairs(300, (0.1, 0.0)), n_pairs=1)
    assert pair_outcome(scores, 0.051) == "no more than noise"
    assert pair_outcome(scores, 0.05) == "better"


def test_more_pairs_ask_for_a_larger_difference():
    arrays = pairs(300, (0.1, 0.0))
    one, many = (score_pair(*arrays, n_pairs=n).log_loss.detectable for n in (1, 45))
    ratio = detectable_mean_difference(1.0, 1, level=1 - 0.05 / 45) / detectable_mean_difference(
        1.0, 1
    )
    assert many == pytest.approx(one * ratio)
    assert ratio > 1.4


def test_the_detectable_difference_is_2_80_standard_errors():
    y, first, second, event = pairs(400, (0.05, 0.0), per_event=1)
    loss = score_pair(y, first, second, event, n_pairs=1).log_loss
    rows = np.arange(len(y))
    change = np.log(second[rows, y]) - np.log(first[rows, y])
    plain = change.std(ddof=1) / np.sqrt(len(y))
    assert 2.80 * plain <= loss.detectable <= 2.81 * 1.3 * plain  # widened by dependence at most


@pytest.mark.parametrize("n_events", [1, 19])
def test_below_twenty_events_nothing_is_said(n_events):
    scores = score_pair(*pairs(n_events, (0.4, -0.4), per_event=50), n_pairs=1)
    assert scores.log_loss.p_value is None
    assert (scores.log_loss.low, scores.log_loss.high, scores.log_loss.detectable) == (None,) * 3
    assert (scores.accuracy.low, scores.accuracy.p_value) == (None, None)
    assert scores.diebold_mariano_p is None
    outcome = pair_outcome(scores, None)
    assert outcome == "insufficient data"
    said = pair_sentence("A", "B", scores, outcome, None)
    assert f"hold {n_events} independent events, and 20 are needed" in said


def test_the_same_forecast_twice_is_no_difference():
    y, first, _, event = pairs(40, (0.1, 0.0))
    scores = score_pair(y, first, first.copy(), event, n_pairs=1)
    assert pair_outcome(scores, scores.log_loss.p_value) == "no more than noise"
    said = pair_sentence("A", "B", scores, "no more than noise", None)
    assert "forecast the same on all 80 common samples" in said


def test_a_difference_without_spread_cannot_be_tested():
    n = 60
    y = np.zeros(n, dtype=np.int64)
    first, second = (np.tile([p, 0.0, 1 - p], (n, 1)) for p in (0.6, 0.5))
    scores = score_pair(y, first, second, np.arange(n), n_pairs=1)
    outcome = pair_outcome(scores, scores.log_loss.p_value)
    assert outcome == "insufficient data"
    assert "without any spread" in pair_sentence("A", "B", scores, outcome, None)
    assert scores.auc.first is None
    assert scores.auc.missing


# -- runs -----------------------------------------------------------------------------------------


def test_two_runs_of_equal_skill_are_no_more_than_noise(world):
    workspace, ids = world
    plant(workspace, ids, (0.05, 0.05))
    found = compare(workspace, ids)
    (pair,) = found.pairs
    assert pair.outcome == "no more than noise"
    assert pair.sentence.startswith("The difference between next_bar_rsi and next_bar_williams is")
    assert pair.p_value == pair.log_loss.p_value > 0.05
    assert any("SYNTHETIC" in note for note in found.notes)
    assert any("epoch was chosen" in note for note in found.notes)


def test_a_planted_difference_between_runs_is_found(world):
    workspace, ids = world
    plant(workspace, ids, (0.0, 0.1))
    assert compare(workspace, ids).pairs[0].outcome == "worse"
    assert compare(workspace, ids[::-1]).pairs[0].outcome == "better"


def test_the_common_samples_are_compared_by_date_and_the_others_counted(world):
    workspace, ids = world
    plant(workspace, ids, (0.0, 0.1))
    whole = compare(workspace, ids)
    one = load_evidence(workspace.run_folder(ids[0]))
    two = load_evidence(workspace.run_folder(ids[1]))
    shared = np.intersect1d(one.bar, two.bar)
    keep = one.bar >= shared[100]
    # The same bars, counted from another first one: positions differ, dates do not.
    clock = workspace.catalog.load(whole.dataset_id).time_ns
    rewrite(
        workspace,
        ids[0],
        y=one.y[keep],
        probabilities=one.probabilities[keep],
        state=one.state[keep],
        event=one.event[keep] - 7,
        bar=one.bar[keep] - 50,
        facts={**one.facts, "first_time_ns": int(clock[50])},
    )
    cut = compare(workspace, ids)
    assert cut.n_samples == whole.n_samples - 100
    assert [run.n_dropped for run in cut.runs] == [
        int(keep.sum()) - cut.n_samples,
        len(two.bar) - cut.n_samples,
    ]
    rows = np.isin(two.bar, shared[100:])
    loss = -np.log(two.probabilities[rows, two.y[rows]]).mean()
    assert cut.runs[1].log_loss == pytest.approx(loss, rel=1e-12)
    assert cut.pairs[0].outcome == "worse"


def test_fewer_than_twenty_common_events_are_insufficient_data(world):
    workspace, ids = world
    plant(workspace, ids, (0.0, 0.3))
    evidence = load_evidence(workspace.run_folder(ids[0]))
    rewrite(workspace, ids[0], event=np.arange(len(evidence.y)) * 12 // len(evidence.y))
    found = compare(workspace, ids)
    assert found.n_events <= 12
    assert found.pairs[0].outcome == "insufficient data"
    assert f"hold {found.n_events} independent events, and 20" in found.pairs[0].sentence


def test_three_runs_are_corrected_by_holm(world):
    workspace, ids = world
    third = copy_of(workspace, ids[1])
    plant(workspace, [*ids, third], (0.0, 0.1, 0.1))
    found = compare(workspace, [*ids, third])
    assert [p.outcome for p in found.pairs] == ["worse", "worse", "no more than noise"]
    raw = [p.log_loss.p_value for p in found.pairs]
    assert raw[0] == raw[1] == pytest.approx(1 / 2001)
    assert [p.p_value for p in found.pairs] == pytest.approx([3 / 2001, 3 / 2001, raw[2]])
    assert any("Holm over 3 pairs" in note for note in found.notes)
    assert found.runs[2].name == third  # two runs of one strategy go by their ids


def copy_of(workspace, run_id):
    """Give the workspace a second run of a strategy; return its id."""
    with workspace.store() as store:
        ledger = Ledger(store)
        row = ledger.run(run_id)
        old = ledger.operation(row["operation_id"])
        fields = {k: old[k] for k in NewOperation.__dataclass_fields__}
        operation_id = ledger.create_operation(NewOperation(**fields))
        ledger.require_transition(operation_id, "running")
        ledger.require_transition(operation_id, "completed")
        copied = ledger.operation(operation_id)["run_id"]
    shutil.copytree(workspace.run_folder(run_id), workspace.runs / copied)
    return copied


def change_request(workspace, run_id, change):
    with workspace.store() as store:
        ledger = Ledger(store)
        row = ledger.operation(ledger.run(run_id)["operation_id"])
        change(row["request"])
        ledger.update_operation(row["operation_id"], request=row["request"])


def test_different_labels_are_refused_with_their_class_mix(world):
    workspace, ids = world

    def other(request):
        request["strategy"]["training"]["labels"]["horizon"] = 5

    change_request(workspace, ids[1], other)
    with pytest.raises(ConflictError, match="answer different labels") as caught:
        compare(workspace, ids)
    assert caught.value.code == "COMPARE-OtherLabels"
    assert "next 5 bars" in caught.value.message
    assert caught.value.message.count("BUY") == 2


def test_labels_that_differ_on_common_samples_are_refused_and_counted(world):
    workspace, ids = world
    y = load_evidence(workspace.run_folder(ids[0])).y.copy()
    y[-3:] = 2 - y[-3:]
    y[-4] = 1
    rewrite(workspace, ids[0], y=y)
    with pytest.raises(ConflictError, match=r"on the label of [1-4] of") as caught:
        compare(workspace, ids)
    assert caught.value.code == "COMPARE-OtherLabels"


def test_different_data_sets_are_refused(world, tmp_path):
    from marketlab.data import SyntheticConfig, synthetic_bars

    workspace, ids = world
    other = workspace.catalog.add(synthetic_bars(SyntheticConfig(n_bars=5_000, seed=4)))
    change_request(workspace, ids[1], lambda request: request.update(dataset_id=other))
    with pytest.raises(ConflictError, match="different data sets") as caught:
        compare(workspace, ids)
    assert caught.value.code == "COMPARE-OtherData"
    assert other[:12] in caught.value.message


def test_judged_dates_without_any_in_common_are_refused_with_the_dates(world):
    workspace, ids = world
    evidence = load_evidence(workspace.run_folder(ids[0]))
    rewrite(workspace, ids[0], bar=evidence.bar - 2_000)
    with pytest.raises(ConflictError, match="no sample was judged by all") as caught:
        compare(workspace, ids)
    assert caught.value.code == "COMPARE-NoCommonSamples"
    assert f"next_bar_rsi: {len(evidence.bar):,} samples, 20" in caught.value.message


@pytest.mark.parametrize(
    ("fact", "shift", "said"),
    [
        ({"judged_part": "test"}, 0, "is of its test part; comparisons never read that"),
        ({"first_time_ns": 17}, 0, "names bars that its data set does not hold"),
        ({}, 10_000, "names bars that its data set does not hold"),
    ],
)
def test_evidence_that_cannot_be_is_refused(world, fact, shift, said):
    workspace, ids = world
    evidence = load_evidence(workspace.run_folder(ids[0]))
    rewrite(workspace, ids[0], facts={**evidence.facts, **fact}, bar=evidence.bar + shift)
    with pytest.raises(IntegrityError, match=said):
        compare(workspace, ids)


def test_wrong_requests_are_refused(world):
    workspace, ids = world
    with pytest.raises(ConfigError, match="takes 2 to 10 runs; received 1"):
        compare(workspace, ids[:1])
    with pytest.raises(ConfigError, match="received 11"):
        compare(workspace, ids[:1] * 11)
    with pytest.raises(ConfigError, match="named 2 times"):
        compare(workspace, [ids[0], ids[0]])
    with pytest.raises(NotFoundError, match="no run or operation 'nothing'"):
        compare(workspace, [ids[0], "nothing"])


def test_a_run_that_did_not_complete_is_refused(world):
    workspace, ids = world
    with workspace.store() as store:
        ledger = Ledger(store)
        old = ledger.operation(ledger.run(ids[0])["operation_id"])
        new = NewOperation(**{k: old[k] for k in NewOperation.__dataclass_fields__})
        pending = ledger.create_operation(new)
    with pytest.raises(ConflictError, match="is pending; only completed runs"):
        compare(workspace, [ids[1], pending])


def test_the_test_part_stays_sealed(world):
    workspace, ids = world
    compare(workspace, ids)
    with workspace.store() as store:
        ledger = Ledger(store)
        assert [ledger.test_openings(run_id) for run_id in ids] == [[], []]
    assert not list(workspace.runs.glob("*/test_evaluation_*"))
