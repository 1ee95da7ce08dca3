"""Detectors name what went wrong, why, and what to do; a sound campaign gives none."""

from dataclasses import replace

import pytest
from campaign_report_world import campaign, failed, run

from marketlab.campaigns import dead_parameters, diagnose_campaign, shipped_strategy
from marketlab.campaigns._strategy import parse_strategy


def with_scores(made, **scores):
    """Return the run with other scores in its verdict."""
    return replace(made, verdict={**made.verdict, "scores": {**made.verdict["scores"], **scores}})


def sound(name="v15_rsi_only", seed=0):
    """Return a run without any fault, with a design of its own."""
    made = run(name, seed=seed)
    history = {**made.history, "train_loss": [1.0, 0.9 - seed / 100], "val_loss": [1.0, 0.95]}
    return replace(made, design_id=f"design {name}", duplicate_of=None, history=history)


def diagnoses(*runs):
    """Return what is found in a campaign of these runs."""
    return diagnose_campaign(campaign(list(runs)))


def test_sound_runs_have_no_diagnosis():
    assert diagnoses(sound(), sound("v15_adx_only", seed=1)) == ()


@pytest.mark.parametrize(
    ("buy", "cause", "remedy"),
    [
        (0.52, "the inputs tell the net nothing", "other inputs or another label"),
        (0.97, "97.0 % of the labels are BUY themselves", "more balanced classes"),
    ],
)
def test_collapse_says_whether_labels_or_inputs_are_to_blame(buy, cause, remedy):
    made = with_scores(
        sound(),
        collapsed=True,
        n_samples=1000,
        supports={"BUY": round(1000 * buy), "HOLD": 0, "SELL": round(1000 - 1000 * buy)},
        predicted_shares={"BUY": 0.997, "HOLD": 0.0, "SELL": 0.003},
    )
    (found,) = diagnoses(made)
    assert found.detector == "collapse"
    assert found.finding == "99.7 % of the forecasts are BUY."
    assert cause in found.cause
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("losses", "error_code", "text"),
    [
        ([], "TRAINING-Diverged", "stopped being finite in epoch 3"),
        ([1.0, 5.0], None, "grew from 1.0000 to 5.0000"),
        ([1.0, float("nan")], None, "is not a number after 2 epochs"),
    ],
)
def test_divergence(losses, error_code, text):
    made = replace(
        sound(),
        history={"train_loss": losses, "val_loss": losses},
        error_code=error_code,
        error="the loss stopped being finite in epoch 3, batch 2." if error_code else None,
    )
    (found,) = diagnoses(made)
    assert found.detector == "divergence"
    assert text in found.finding
    assert "training.learning_rate" in found.remedy


@pytest.mark.parametrize("losses", [[1.0, 1.09], [1.0, 0.5], [1.0]])
def test_a_loss_that_hardly_grows_is_no_divergence(losses):
    made = replace(sound(), history={"train_loss": losses, "val_loss": losses})
    assert diagnoses(made) == ()


def test_designs_that_train_alike_to_the_last_bit_have_a_dead_parameter():
    one, two = sound(), replace(sound("v15_adx_only"), history=sound().history)
    (found,) = diagnoses(one, two)
    assert found.detector == "dead parameter"
    assert found.strategies == ("v15_rsi_only", "v15_adx_only")
    assert "over 2 epochs" in found.finding
    almost = {**two.history, "val_loss": [1.0, 0.95 + 1e-15]}
    assert diagnoses(one, replace(two, history=almost)) == ()


def test_a_duplicate_is_told_once_and_not_as_a_dead_parameter():
    one = sound()
    two = replace(one, strategy="copy", duplicate_of=one.strategy)
    (found,) = diagnoses(one, two)
    assert found.detector == "duplicate experiment"
    assert found.strategies == ("v15_rsi_only", "copy")
    assert "Take copy out" in found.remedy


def test_a_run_without_verdict_and_history_is_left_alone():
    assert diagnoses(failed(sound()), failed(sound("v15_adx_only"))) == ()


# -- numbers that decide nothing ------------------------------------------------------------------


def changed(**blocks):
    """Return next_bar_rsi with entries added to some of its blocks."""
    mapping = shipped_strategy("next_bar_rsi").to_mapping()
    for block, entries in blocks.items():
        mapping[block] = {**mapping[block], **entries}
    return parse_strategy(mapping, source="test")


def test_every_number_of_a_plain_strategy_counts():
    assert dead_parameters(shipped_strategy("next_bar_rsi")) == ()


def test_a_parameter_that_only_an_unread_output_uses_is_dead():
    """The shipped strategies read %K of the stochastic; the period of %D decides nothing."""
    found = dead_parameters(shipped_strategy("next_bar_stochastic"))
    assert found == ("indicators.stochastic_14.d_period",)


def test_an_indicator_and_a_fuzzy_set_that_no_input_reads_are_dead():
    strategy = changed(
        indicators={"rsi_30": {"type": "rsi", "period": 30}},
        fuzzy_sets={"rsi_30": {"indicator": "rsi_30", "low": [0, 20, 40]}},
    )
    assert dead_parameters(strategy) == ("indicators.rsi_30.period", "fuzzy_sets.rsi_30.low")
