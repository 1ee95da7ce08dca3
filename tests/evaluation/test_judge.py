"""The judge: every condition of *learned*, their precedence, and noise against a planted edge."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import (
    JudgeInput,
    NullEvidence,
    Verdict,
    adjusted_for_trials,
    causal_baselines,
    judge,
    log_loss_skill,
    majority_baseline,
    max_statistic_p_values,
    minimum_detectable_skill,
    null_evidence,
    sample_log_loss,
)
from marketlab.evaluation._judge import accuracy_points

SAMPLES_PER_EVENT = 20


def null(p=0.005, **changes):
    facts = {
        "p_adjusted": p,
        "p_single": p,
        "monte_carlo_error": None if p is None else float(np.sqrt(p * (1 - p) / 200)),
        "n_surrogates": 199,
        "family_size": 27,
        "same_procedure": True,
    }
    return NullEvidence(**{**facts, **changes})


def market(n_events, seed=0):
    """Labels of events in random directions: (y, event, bar); no HOLD."""
    rng = np.random.default_rng(seed)
    event = np.repeat(np.arange(n_events), SAMPLES_PER_EVENT)
    return 2 * rng.integers(0, 2, size=n_events)[event], event, np.arange(len(event)) + 1_000


def forecasts(y, event, strength, seed=1):
    """One opinion per event, right with probability (1 + strength) / 2, held with 62 %."""
    rng = np.random.default_rng(seed)
    n_events = int(event.max()) + 1 if len(event) else 0
    right = rng.random(n_events)[event] < (1 + strength) / 2
    said = np.where(right, y, 2 - y)
    out = np.full((len(y), 3), 0.01)
    out[np.arange(len(y)), said] = 0.62
    out[np.arange(len(y)), 2 - said] = 0.37
    return out


def evidence(n_events=300, strength=0.6, **changes):
    y, event, bar = market(n_events)
    facts = {
        "y": y,
        "probabilities": forecasts(y, event, strength),
        "event": event,
        "bar": bar,
        "train_counts": np.array([9_000, 300, 9_100]),
        "baselines": {},
        "null": null(),
        "n_trials": 27,
        "seed": 5,
        "label_text": "zigzag legs of 2.5 %",
        "judged_share": 0.15,
    }
    return JudgeInput(**{**facts, **changes})


def test_a_strong_edge_on_enough_events_is_learned():
    verdict = judge(evidence())
    assert verdict.outcome == "learned"
    assert verdict.learned
    assert verdict.reasons == ()
    assert verdict.skill_interval.low > 0
    assert verdict.n_events == 300
    assert verdict.sentence.startswith("The forecasts hold information on zigzag legs of 2.5 %")
    assert "says nothing yet about costs" in verdict.sentence
    assert "against surrogate bars without direction p = 0.005 (27 trials)" in verdict.sentence
    assert verdict.would_change[0].startswith("opening the sealed test part, once")
    assert "the test part is sealed" in verdict.notes[0]


# Each row breaks exactly one condition of a run that would otherwise be learned.
BROKEN = {
    "null p too large": ({"null": null(0.051)}, "no evidence", "p over a family of 27 is 0.051"),
    "no null": ({"null": None}, "no evidence", "no null was computed"),
    "null of another procedure": (
        {"null": null(same_procedure=False)},
        "no evidence",
        "was not made by the same procedure",
    ),
    "observed statistic missing": (
        {"null": null(None)},
        "no evidence",
        "the statistic could not be computed on the real bars",
    ),
    "trials outside the family": (
        {"null": null(0.02), "n_trials": 81},
        "no evidence",
        "0.06 after 81 trials in all",
    ),
    "excluded": (
        {"exclusions": ("features mfi_low, mfi_high are constant.",)},
        "no evidence",
        "excluded from evidence: features mfi_low, mfi_high are constant",
    ),
    "no skill": ({"strength": 0.19}, "no evidence", "it must lie above zero"),
    "inverted": ({"strength": -0.6}, "worse than baseline", "it must lie above zero"),
    "99 events": ({"n_events": 99}, "insufficient data", "99 independent events; 100 are needed"),
    "1 event": ({"n_events": 1}, "insufficient data", "holds 1 independent event; 100"),
    "19 events": ({"n_events": 19}, "insufficient data", "below 20 events there is no honest"),
    "no SELL in training": (
        {"train_counts": np.array([50, 2, 0])},
        "insufficient data",
        "no training sample is labelled SELL",
    ),
    "no training": (
        {"train_counts": np.zeros(3, dtype=np.int64)},
        "insufficient data",
        "the training part holds no sample",
    ),
    "degenerate fold": (
        {"degenerate_reasons": ("the test part is empty.",)},
        "insufficient data",
        "the test part is empty",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_one_broken_condition_is_enough(name):
    changes, outcome, text = BROKEN[name]
    verdict = judge(evidence(**changes))
    assert verdict.outcome == outcome
    assert any(text in reason for reason in verdict.reasons)
    assert verdict.would_change
    assert verdict.sentence.endswith(".")
    assert Verdict.from_mapping(verdict.to_mapping()) == verdict


def test_exactly_at_the_borders():
    assert judge(evidence(n_events=100)).outcome == "learned"
    assert judge(evidence(null=null(0.05))).outcome == "learned"


def test_collapse_prevents_learned():
    y, event, bar = market(300)
    # 95 % of the answers are BUY, and the few SELL answers are always right and sure.
    probabilities = np.tile([0.50, 0.01, 0.49], (len(y), 1))
    sold = (y == 2) & (np.arange(len(y)) % 11 == 0)
    probabilities[sold] = [0.0001, 0.0001, 0.9998]
    verdict = judge(evidence(y=y, event=event, bar=bar, probabilities=probabilities))
    assert verdict.skill_interval.low > 0
    assert verdict.outcome == "no evidence"
    assert any("the forecast collapsed" in r and "are BUY" in r for r in verdict.reasons)
    assert "gives nearly one answer only" in verdict.sentence


def test_a_judged_part_with_one_direction_is_insufficient():
    _, event, bar = market(300)
    y = np.zeros(len(event), dtype=np.int64)
    verdict = judge(evidence(y=y, event=event, bar=bar, probabilities=forecasts(y, event, 0.9)))
    assert verdict.outcome == "insufficient data"
    assert "no validation sample is labelled SELL." in verdict.reasons
    assert "because a class or a part of the split is empty" in verdict.sentence


def test_too_few_events_come_before_a_bad_score_and_before_all_else():
    verdict = judge(evidence(n_events=60, strength=-0.9))
    assert verdict.outcome == "insufficient data"
    assert verdict.skill_interval.high < 0  # shown, and no conclusion drawn
    excluded = judge(evidence(n_events=60, exclusions=("a duplicate.",), null=None))
    assert excluded.outcome == "insufficient data"
    assert excluded.excluded_from_evidence


def test_worse_than_baseline_comes_before_an_excluded_run():
    verdict = judge(evidence(strength=-0.6, exclusions=("a duplicate.",)))
    assert verdict.outcome == "worse than baseline"


def test_an_empty_part_is_a_verdict_and_no_crash():
    none = np.empty(0, dtype=np.int64)
    verdict = judge(
        evidence(
            y=none,
            event=none,
            bar=none,
            probabilities=np.empty((0, 3)),
            degenerate_reasons=("the validation part is empty.",),
            null=null(None),
        )
    )
    assert verdict.outcome == "insufficient data"
    assert verdict.sentence == (
        "This run cannot answer the question, because its validation part holds no sample."
    )
    assert (verdict.skill, verdict.best_baseline, verdict.accuracy_interval) == (None,) * 3
    assert (verdict.n_events, verdict.effective_events) == (0, 0.0)


def test_accuracy_never_decides():
    # Right 80 % of the time, but so sure of itself that its log-loss is worse than a coin's.
    y, event, bar = market(300)
    sure = forecasts(y, event, 0.6)
    said = sure.argmax(axis=1)
    probabilities = np.full((len(y), 3), 1e-6)
    probabilities[np.arange(len(y)), said] = 1 - 2e-6
    verdict = judge(evidence(y=y, event=event, bar=bar, probabilities=probabilities))
    assert verdict.scores.accuracy > 0.75
    assert verdict.accuracy_interval.low > 0.7
    assert verdict.outcome == "worse than baseline"


def test_seventy_percent_on_seven_events_says_nothing():
    # Trap T10: 7,585 bars and seven legs.
    y = np.repeat([0, 2, 0, 2, 0, 2, 0], 1_084)[:7_585]
    event = np.repeat(np.arange(7), 1_084)[:7_585]
    bar = np.arange(7_585)
    probabilities = forecasts(y, event, 0.5)
    verdict = judge(evidence(y=y, event=event, bar=bar, probabilities=probabilities))
    assert verdict.outcome == "insufficient data"
    assert verdict.skill_interval is None
    assert verdict.accuracy_interval is None
    assert verdict.sentence.startswith(
        "This run cannot answer the question: its validation part holds 7 independent events of "
        "zigzag legs of 2.5 % where 100 are needed"
    )
    # 93 more events at 7 per 7,585 bars: 100,773 bars, or 671,817 in all at 15 %.
    assert verdict.would_change[0] == (
        "about 93 more events to be judged at all: this series gives 0.92 events of zigzag legs "
        "of 2.5 % per 1,000 bars, so about 110,000 more bars in the validation part, 680,000 in "
        "all at its share of 15 %."
    )


def test_baselines_of_the_judge_cannot_be_left_out_or_replaced():
    y, event, bar = market(300)
    # Training saw 90 % BUY, the judged part half: a forecast that merely says 50:50 beats the
    # training frequencies by far, and is worth nothing.
    coin = np.tile([0.495, 0.01, 0.495], (len(y), 1))
    weak = np.tile([0.90, 0.05, 0.05], (len(y), 1))
    facts = {"y": y, "event": event, "bar": bar, "train_counts": np.array([9_000, 100, 900])}
    verdict = judge(evidence(probabilities=coin, baselines={"even_odds": weak}, **facts))
    assert verdict.best_baseline == "even_odds"
    assert verdict.outcome != "learned"
    assert abs(verdict.skill) < 0.01
    assert [b.name for b in verdict.baselines] == ["majority", "even_odds"]


def test_a_given_baseline_is_used_when_it_is_the_best():
    y, event, bar = market(300)
    knows = forecasts(y, event, 0.9, seed=8)
    verdict = judge(evidence(y=y, event=event, bar=bar, baselines={"state": knows}))
    assert verdict.best_baseline == "state"
    assert verdict.outcome == "worse than baseline"
    assert "the simple rule 'state'" in verdict.sentence


def test_what_is_only_shown_is_scored_and_decides_nothing():
    y, event, bar = market(300)
    knows = forecasts(y, event, 0.9, seed=8)
    facts = {"y": y, "event": event, "bar": bar}
    alone = judge(evidence(**facts))
    beside = judge(evidence(shown={"logistic": knows, "majority": knows}, **facts))
    assert [(b.name, b.decides) for b in beside.baselines] == [
        ("majority", True),
        ("even_odds", True),
        ("logistic", False),
    ]
    logistic = beside.baselines[-1]
    assert logistic.accuracy == pytest.approx(float((knows.argmax(axis=1) == y).mean()))
    assert logistic.log_loss < min(b.log_loss for b in beside.baselines[:2])
    assert any("A simpler model says more: logistic has" in note for note in beside.notes)
    same = {"baselines": alone.baselines, "notes": alone.notes}
    assert beside.model_copy(update=same) == alone
    against = judge(evidence(baselines={"logistic": knows}, **facts))
    assert against.outcome == "worse than baseline"


def test_a_verdict_written_before_there_were_shown_baselines_is_still_read():
    old = judge(evidence()).to_mapping()
    del old["minimum_detectable_accuracy_points"], old["null"]["noise"]
    for row in old["baselines"]:
        del row["decides"]
    verdict = Verdict.from_mapping(old)
    assert all(row.decides for row in verdict.baselines)
    assert verdict.minimum_detectable_accuracy_points is None


def test_a_forecast_equal_to_its_baseline_is_no_evidence():
    y, event, bar = market(300)
    same = causal_baselines(y, len(y))["majority"]
    counts = np.bincount(y, minlength=3)
    verdict = judge(evidence(probabilities=same, train_counts=counts, y=y, event=event, bar=bar))
    assert verdict.skill == pytest.approx(0.0, abs=1e-12)
    assert verdict.outcome == "no evidence"


def test_skill_of_the_verdict_is_the_statistic_of_the_null():
    given_evidence = evidence()
    verdict = judge(given_evidence)
    baselines = {
        "majority": np.tile((given_evidence.train_counts + 1) / 18_403, (6_000, 1)),
    }
    assert verdict.skill == pytest.approx(
        log_loss_skill(given_evidence.y, given_evidence.probabilities, baselines), abs=1e-4
    )
    assert verdict.skill_interval.estimate == pytest.approx(verdict.skill)


def test_trials_outside_the_family_share_its_five_percent():
    assert adjusted_for_trials(null(0.02), 27) == pytest.approx(0.02)
    assert adjusted_for_trials(null(0.02), 5) == pytest.approx(0.02)
    assert adjusted_for_trials(null(0.02), 54) == pytest.approx(0.04)
    assert adjusted_for_trials(null(0.5), 270) == 1.0
    assert adjusted_for_trials(None, 1) is None
    assert adjusted_for_trials(null(0.02, same_procedure=False), 27) is None


def test_null_evidence_is_one_strategy_of_the_family():
    result = max_statistic_p_values(
        np.array([np.nan, 9.0]), np.random.default_rng(0).normal(size=(39, 2))
    )
    lost = null_evidence(result, 0, same_procedure=True)
    assert (lost.p_adjusted, lost.p_single, lost.monte_carlo_error) == (None, None, None)
    kept = null_evidence(result, 1, same_procedure=False, description="logistic")
    assert (kept.p_adjusted, kept.n_surrogates, kept.family_size) == (1 / 40, 39, 2)
    assert (kept.same_procedure, kept.description) == (False, "logistic")


def test_minimum_detectable_skill_is_2_8_standard_errors():
    interval = judge(evidence()).skill_interval
    assert minimum_detectable_skill(interval) == pytest.approx(
        2.8016 * interval.standard_error, rel=1e-4
    )
    assert minimum_detectable_skill(None) is None


def exact_skill(points):
    """Return ln 2 less the entropy of a forecast that is right in 50 % + points."""
    p = 0.5 + points / 100
    return np.log(2) + p * np.log(p) + (1 - p) * np.log(1 - p)


@given(points=st.floats(0.1, 19.0))
@settings(deadline=None, max_examples=25)
def test_skill_in_points_of_accuracy_is_right_to_three_percent_and_never_too_small(points):
    said = accuracy_points(exact_skill(points))
    assert points * (1 - 1e-6) <= said <= 1.03 * points


def test_skill_in_points_of_accuracy_is_measured_by_honest_forecasts():
    rng = np.random.default_rng(4)
    y = 2 * rng.integers(0, 2, 400_000)
    says = np.where(rng.random(len(y)) < 0.6, y, 2 - y)
    p = np.where(says[:, None] == [0, 1, 2], 0.6, 0.4) * [1, 0, 1]
    even = {"even odds": np.tile([0.5, 0.0, 0.5], (len(y), 1))}
    assert accuracy_points(log_loss_skill(y, p, even)) == pytest.approx(10.0, abs=0.5)


def test_skill_in_points_of_accuracy_has_limits():
    assert accuracy_points(0.0) is None
    assert accuracy_points(-0.01) is None
    assert accuracy_points(0.08) == pytest.approx(20.0)
    assert accuracy_points(0.0801) is None


def test_the_detectable_effect_is_said_as_accuracy_where_hold_is_rare():
    weak = judge(evidence(n_events=3_000, strength=0.1))
    points = weak.minimum_detectable_accuracy_points
    assert points == pytest.approx(100 * np.sqrt(weak.minimum_detectable_skill / 2))
    told = [text for text in weak.would_change if text.startswith("a skill of about")]
    assert len(told) == 1
    assert told[0].endswith(
        f"can show with 80 % probability (over even odds it is worth about {points:.1f} percentage "
        "points of accuracy in a two-class label, by skill = 2 d² for a share of right answers of "
        "1/2 + d)."
    )
    many = np.array([9_000, 1_100, 9_000])
    three = judge(evidence(n_events=3_000, strength=0.1, train_counts=many))
    assert three.minimum_detectable_accuracy_points is None
    assert not any("percentage points" in text for text in three.would_change)
    few = judge(evidence(n_events=30, strength=0.1))
    assert few.minimum_detectable_skill > 0.08
    assert few.minimum_detectable_accuracy_points is None


def test_a_walk_forward_part_reads_well_everywhere():
    walk = {"judged_part": "walk-forward", "selected_on_judged_part": False}
    found = judge(evidence(**walk))
    assert found.learned
    assert "This was found on walk-forward data" in found.sentence
    assert " ".join(found.notes) == (
        "Judged on the test blocks of a walk forward, each forecast by a model trained before it; "
        "the test part is sealed."
    )
    assert found.would_change[0].startswith("opening the sealed test part, once")
    few = judge(evidence(n_events=40, **walk))
    assert "its walk-forward part holds 40 independent events" in few.sentence
    assert few.reasons[0].startswith("the walk-forward part holds 40 independent events; 100")
    y, event, _bar = market(300)
    one_sided = judge(evidence(y=np.zeros_like(y), probabilities=forecasts(y, event, 0.5), **walk))
    assert "no walk-forward sample is labelled SELL." in one_sided.reasons
    assert any(
        text.startswith("a walk-forward part with both directions in it")
        for text in one_sided.would_change
    )
    nothing = evidence(n_events=0, probabilities=np.empty((0, 3)), **walk)
    assert "its walk-forward part holds no sample" in judge(nothing).sentence


@given(gap=st.integers(0, 2_000), share=st.floats(0.2, 0.9))
@settings(deadline=None, max_examples=25)
def test_events_needed_do_not_depend_on_the_gaps_between_blocks(gap, share):
    bar = market(60)[2]
    blocks = bar + gap * (np.arange(len(bar)) // 400)  # three blocks of 400 judged bars
    verdict = judge(evidence(n_events=60, bar=blocks, judged_share=share))
    # 40 more events at 60 per 1,200 judged bars: 800 bars, and 800 / share in all.
    assert "gives 50 events of zigzag legs of 2.5 % per 1,000 bars" in verdict.would_change[0]
    assert "so about 800 more bars in the validation part" in verdict.would_change[0]
    in_all = float(verdict.would_change[0].split("part, ")[1].split(" in all")[0].replace(",", ""))
    assert 800 / share - 1e-6 <= in_all <= 1.1 * 800 / share


def test_the_noise_of_another_null_is_named():
    other = null(noise="bars drawn in blocks")
    assert "against bars drawn in blocks p = 0.005" in judge(evidence(null=other)).sentence


def test_what_would_change_is_computed():
    weak = judge(evidence(n_events=300, strength=0.15))
    assert weak.outcome == "no evidence"
    assert 0 < weak.skill < weak.minimum_detectable_skill
    needed = 300 * (weak.minimum_detectable_skill / weak.skill) ** 2
    text = weak.would_change[0]
    assert "for an interval above zero with 80 % probability" in text
    shown = float(text.split()[1].replace(",", ""))
    assert needed - 300 <= shown <= 1.1 * (needed - 300) + 1
    few = judge(evidence(null=null(0.1, n_surrogates=9)))
    assert "at least 19 surrogates: with 9 no p can reach 0.05." in few.would_change
    close = judge(evidence(null=null(0.06)))
    assert any("cannot be told from 0.05" in text for text in close.would_change)
    far = judge(evidence(null=null(0.5)))
    assert any("at most 5 % of surrogate markets reach" in text for text in far.would_change)
    bad = judge(evidence(strength=-0.1))
    assert any("only make its lack of skill more certain" in text for text in bad.would_change)


def test_notes_on_seal_selection_and_synthetic_bars():
    sealed = judge(evidence())
    assert any("also chose the epoch" in note for note in sealed.notes)
    alone = judge(evidence(null=None))
    assert any("no valid null makes up for it" in note for note in alone.notes)
    fixed = judge(evidence(selected_on_judged_part=False))
    assert not any("also chose the epoch" in note for note in fixed.notes)
    opened = judge(evidence(judged_part="test", n_test_openings=2))
    assert opened.notes[0] == "Judged on the test part, opened 2 times."
    assert any("no longer unseen" in note for note in opened.notes)
    assert opened.would_change == ()
    made = judge(evidence(is_synthetic=True))
    assert made.is_synthetic
    assert made.sentence.startswith("On synthetic bars, the forecasts hold information")
    assert any("says nothing of a market" in note for note in made.notes)


@pytest.mark.parametrize(
    ("kind", "changes", "text"),
    [
        (ConfigError, {"n_trials": 0}, "n_trials: must be at least 1; received 0"),
        (DataError, {"bar": np.arange(3)}, "y and bar must be one-dimensional and of one length"),
        (DataError, {"train_counts": np.zeros(2)}, "one count per class, 3 in all"),
        (DataError, {"bar": np.arange(6_000)[::-1]}, "bar must ascend"),
    ],
)
def test_refusals(kind, changes, text):
    with pytest.raises(kind, match=text):
        judge(evidence(**changes))


@given(
    n_events=st.integers(0, 140),
    strength=st.floats(-1, 1),
    p=st.one_of(st.none(), st.floats(0.001, 1)),
    trials=st.integers(1, 200),
    seed=st.integers(0, 10_000),
)
@settings(deadline=None, max_examples=40)
def test_learned_only_if_every_condition_holds(n_events, strength, p, trials, seed):
    y, event, bar = market(n_events, seed)
    probabilities = forecasts(y, event, strength, seed + 1)
    facts = {"y": y, "event": event, "bar": bar, "probabilities": probabilities}
    verdict = judge(evidence(null=null(p), n_trials=trials, **facts))
    conditions = (
        verdict.n_events >= 100
        and verdict.skill_interval.low > 0
        and p is not None
        and min(1, p * max(1, trials / 27)) <= 0.05
        and not verdict.scores.collapsed
    )
    assert verdict.learned == bool(conditions)
    assert verdict.learned == (not verdict.reasons)
    assert Verdict.from_mapping(verdict.to_mapping()) == verdict


def family(edge, seed, n_family=6, n_null=59, n_events=150):
    """A family of designs on one market and its surrogates, judged as a campaign does.

    A design is an opinion per event. Without an edge it is a coin; every surrogate draws new
    labels and new opinions. Design 0 gets the edge.
    """
    rng = np.random.default_rng([seed, 77])
    table = np.empty((n_null + 1, n_family))
    kept = []
    for row in range(n_null + 1):
        y, event, bar = market(n_events, int(rng.integers(2**31)))
        baselines = causal_baselines(np.array([0, 2] * 500), len(y))
        for s in range(n_family):
            strength = edge if (row == 0 and s == 0) else 0.19  # 0.19: the opinion pays for itself
            p = forecasts(y, event, strength, int(rng.integers(2**31)))
            table[row, s] = log_loss_skill(y, p, baselines)
            if row == 0:
                kept.append((y, event, bar, p, baselines))
    result = max_statistic_p_values(table[0], table[1:])
    verdicts = []
    for s, (y, event, bar, p, baselines) in enumerate(kept):
        facts = {"y": y, "event": event, "bar": bar, "probabilities": p, "baselines": baselines}
        made = null_evidence(result, s, same_procedure=True)
        counts = np.array([500, 0, 500])
        verdicts.append(
            judge(evidence(null=made, n_trials=n_family, train_counts=counts, **facts)).outcome
        )
    return verdicts


def test_noise_is_not_learned_and_a_planted_edge_is():
    noise = [family(0.19, seed) for seed in range(12)]
    # The family-wise level is 5 %: of twelve campaigns of pure chance, 0.6 are expected.
    assert sum("learned" in verdicts for verdicts in noise) <= 2
    planted = [family(0.75, seed) for seed in range(4)]
    assert all(verdicts[0] == "learned" for verdicts in planted)
    assert sum("learned" in verdicts[1:] for verdicts in planted) <= 1


@pytest.mark.slow
def test_family_wise_error_of_the_judge_is_at_most_five_percent():
    learned = [("learned" in family(0.19, seed, n_null=39)) for seed in range(200)]
    assert np.mean(learned) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_evidence_is_not_changed_by_being_judged():
    given_evidence = evidence()
    before = {
        f.name: np.array(getattr(given_evidence, f.name), copy=True)
        for f in dataclasses.fields(given_evidence)
        if isinstance(getattr(given_evidence, f.name), np.ndarray)
    }
    judge(given_evidence)
    for name, values in before.items():
        np.testing.assert_array_equal(getattr(given_evidence, name), values)


def test_constant_baselines_of_a_walk_are_those_of_each_fold():
    y, event, bar = market(300)
    knows = forecasts(y, event, 0.6, seed=8)
    counts = np.array([[80, 5, 20], [30, 5, 70]])
    fold = np.repeat([0, 1], [len(y) // 2, len(y) - len(y) // 2])
    base = evidence(y=y, event=event, bar=bar, probabilities=knows)
    walk = judge(dataclasses.replace(base, train_counts=counts, fold=fold))
    rows = np.concatenate([majority_baseline(counts[k], int((fold == k).sum())) for k in (0, 1)])
    majority = next(b for b in walk.baselines if b.name == "majority")
    assert majority.log_loss == pytest.approx(sample_log_loss(y, rows).mean())
    one = judge(
        dataclasses.replace(base, train_counts=counts[:1], fold=np.zeros(len(y), dtype=np.int64))
    )
    assert one == judge(dataclasses.replace(base, train_counts=counts[0]))
    empty = judge(
        dataclasses.replace(base, train_counts=np.array([[80, 0, 20], [0, 0, 70]]), fold=fold)
    )
    assert empty.outcome == "insufficient data"
    assert "no training sample is labelled BUY." in empty.reasons


def test_a_class_that_never_occurs_gives_nobody_skill():
    y, event, bar = market(200)
    half = np.tile([0.5, 0.0, 0.5], (len(y), 1))
    facts = {"y": y, "event": event, "bar": bar, "train_counts": np.array([300, 0, 300])}
    free = judge(evidence(probabilities=half, **facts))
    assert free.skill == pytest.approx(0.0, abs=1e-9)  # it was 1 / 603, with certainty
    assert free.outcome == "no evidence"
    padded = judge(evidence(probabilities=half * 0.8 + np.array([0.0, 0.2, 0.0]), **facts))
    assert padded.skill == pytest.approx(0.0, abs=1e-9)
    only = judge(evidence(probabilities=np.tile([0.0, 1.0, 0.0], (len(y), 1)), **facts))
    assert only.skill == pytest.approx(0.0, abs=1e-9)
    # Where HOLD does occur, it counts.
    held = {**facts, "train_counts": np.array([300, 30, 300])}
    assert judge(evidence(probabilities=half, **held)).skill > 0.03


@pytest.mark.parametrize(
    ("counts", "fold", "text"),
    [
        (np.ones((2, 3), dtype=np.int64), None, "for every fold that"),
        (np.ones(3, dtype=np.int64), np.zeros(300, dtype=np.int64), "for every fold that"),
        (np.ones((1, 3), dtype=np.int64), np.ones(300, dtype=np.int64), "it holds 1 to 1"),
    ],
)
def test_folds_that_do_not_fit_their_counts_are_refused(counts, fold, text):
    y, event, bar = market(300)
    base = evidence(y=y, event=event, bar=bar)
    if fold is not None:
        fold = np.resize(fold, len(y))
    with pytest.raises(DataError, match=text):
        judge(dataclasses.replace(base, train_counts=counts, fold=fold))
