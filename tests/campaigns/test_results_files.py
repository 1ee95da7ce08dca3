"""CSV, lines, Markdown and the console table: one set of figures, said honestly."""

import csv
import io
from dataclasses import replace
from itertools import pairwise

import pytest
from campaign_report_world import NAMES, campaign, contract, failed, planted, run, verdict
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from marketlab.campaigns._findings import campaign_answer, duplicates, statements
from marketlab.campaigns._report_markdown import results_markdown
from marketlab.campaigns._results_files import experiment_results, result_records, results_csv
from marketlab.campaigns._results_table import results_table
from marketlab.campaigns._run_facts import nats_text, p_text, percent, ranked, run_facts
from marketlab.campaigns._verify import VerifyReport, verify_runs


def rows_of(results):
    return list(csv.DictReader(io.StringIO(results_csv(results))))


def answer_of(results):
    return campaign_answer(results, run_facts(results))


def test_csv_golden():
    made = verdict("no evidence", skill=0.002, events=100, accuracy=0.571, null_p=0.62)
    one = run(
        verdict=made,
        common_skill=0.0019,
        epochs=2,
        best_epoch=1,
        duration_seconds=1.25,
        history={"val_acc": [0.54, 0.58]},
        config_id="c1",
        design_id="d1",
    )
    lines = results_csv(campaign([one, failed(run("b", seed=1, config_id="c2", design_id="d2"))]))
    assert lines.splitlines() == [
        (
            "group,strategy,blocks,label,status,verdict,val_accuracy,balanced_accuracy,mcc,"
            "val_log_loss,skill,skill_low,skill_high,common_skill,rank,null_p,null_p_single,n_events,"
            "n_samples,best_baseline,best_baseline_accuracy,majority_accuracy,state_accuracy,"
            "own_majority_share,hold_share,collapsed,excluded_from_evidence,duplicate_of,"
            "best_val_accuracy,legacy_55_rule,epochs,best_epoch,stopped_early,n_features,parameters,"
            "duration_seconds,attempt,error_code,failure_class,operation_id,run_id,config_id,design_id,"
            "sentence,null_p_error,n_surrogates,minimum_detectable_skill,best_baseline_log_loss,"
            "effective_events,n_trials,n_test_openings,judged_part,val_accuracy_low,"
            "val_accuracy_high,n_trades,bps_per_trade,bps_per_trade_before_costs,total_return,"
            "random_entry_p,sharpe_annualised"
        ),
        (
            "single,v15_rsi_only,rsi_14,zigzag legs of 0.25 %,completed,no evidence,0.571,0.561,"
            "0.12,0.688,0.002,-0.007,0.011,0.0019,1,0.62,0.31,100,720,causal state,0.565,0.52,"
            "0.565,0.52,"
            "0.0277778,False,False,,0.58,True,2,1,True,9,2819,1.25,1,,,"
            "op_training_20261121_101500_00000000,"
            "EURUSD_v15_rsi_only_20261121_101500_00000000,c1,d1,"
            "On this evidence: no evidence.,0.049,99,0.0126,0.69,70,27,0,validation,,,40,-0.31,"
            "0.89,-0.0124,0.62,-0.8"
        ),
        "single,b,rsi_14,zigzag legs of 0.25 %,failed,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,"
        + lines.splitlines()[2].split(",")[35]
        + ",1,DATA-ConstantFeature,data,op_training_20261121_101500_00000001,"
        "EURUSD_b_20261121_101500_00000001,c2,d2,,,,,,,,0,,,,,,,,,",
    ]


def test_groups_come_from_declared_blocks_not_from_names():
    rows = rows_of(campaign())
    groups = {row["strategy"]: row["group"] for row in rows}
    assert [row["group"] for row in rows] == ["single"] * 9 + ["combination"] * 14 + ["zigzag"] * 4
    # Two sides of one indicator are one block; the trend line and its two sides are two.
    assert groups["v15_di_only"] == groups["v15_aroon_only"] == "single"
    assert groups["v15_adx_di"] == "combination"
    assert [r["strategy"] for r in rows[-4:]] == NAMES[-4:]


def test_one_row_per_strategy_with_its_failure():
    rows = rows_of(campaign())
    assert sorted(r["strategy"] for r in rows) == sorted(NAMES)
    row = next(r for r in rows if r["strategy"] == "v15_cmf_only")
    assert (row["status"], row["verdict"], row["error_code"]) == (
        "failed",
        "",
        "DATA-ConstantFeature",
    )


def test_the_legacy_rule_is_kept_as_a_column_and_reads_the_best_epoch():
    history = {"val_acc": [0.50, 0.5501, 0.51]}
    over = run("a", verdict=verdict(accuracy=0.51), history=history)
    under = run("b", verdict=verdict(accuracy=0.549), history={"val_acc": [0.549]})
    unknown = failed(run("c"))
    found = {
        r["strategy"]: r["legacy_55_rule"] for r in result_records(campaign([over, under, unknown]))
    }
    assert found == {"a": True, "b": False, "c": None}


@settings(deadline=None, max_examples=25)
@given(st.text(max_size=60))
def test_lines_for_scripts_have_five_fields_whatever_the_error_says(text):
    one = failed(run(), error=text)
    lines = experiment_results(campaign([one])).splitlines()
    assert len(lines) == 1
    assert len(lines[0].split("|")) == 5
    name, status, seconds, operation, _ = lines[0].split("|")
    assert (name, status, operation) == (one.strategy, "failed", one.operation_id)
    assert seconds.isdigit()


@settings(deadline=None, max_examples=25)
@given(st.text(max_size=60))
def test_markdown_tables_hold_whatever_the_error_says(text):
    page = results_markdown(campaign([failed(run(), error=text), run("b", seed=2)]))
    section = page.split("## Failure patterns")[1].split("## ")[0]
    table = [line for line in section.split("\n") if line.startswith("|")]
    assert len(table) == 3
    assert table[2].replace("\\\\", "").replace("\\|", "").count("|") == 6


def test_only_evidence_is_ranked():
    facts = run_facts(campaign())
    by_name = {f.run.strategy: f for f in facts}
    assert by_name["v15_adx_rsi"].position is None  # the duplicate
    assert by_name["v15_cmf_only"].position is None  # the failure
    assert sorted(f.position for f in facts if f.position) == list(range(1, 26))
    order = ranked(facts)
    assert [f.run.strategy for f in order[-2:]] == ["v15_adx_rsi", "v15_cmf_only"]
    judged = [f for f in order if f.position]
    outcomes = [f.outcome for f in judged]
    assert outcomes == sorted(outcomes)  # learned, no evidence, worse than baseline
    for a, b in pairwise(judged):
        assert a.outcome != b.outcome or a.ranking_skill >= b.ranking_skill


def test_runs_with_too_little_data_keep_the_order_of_the_campaign():
    order = ranked(run_facts(contract()))
    assert [f.run.strategy for f in order] == NAMES
    assert all(f.position is None for f in order)


def test_shared_rows_decide_the_rank():
    a = run("a", verdict=verdict(skill=0.001), common_skill=0.004)
    b = run("b", verdict=verdict(skill=0.003), common_skill=0.002, seed=1)
    assert [f.run.strategy for f in ranked(run_facts(campaign([b, a])))] == ["a", "b"]


@pytest.mark.parametrize(
    ("results", "answer", "detail"),
    [
        (
            campaign(),
            "Nothing here shows that any of the 27 strategies learned anything.",
            (
                "The best of them, v15_mfi_adx_aroon, is 0.0050 nats per sample better than the "
                "best simple rule (95 % interval -0.0004 to +0.0105), and the best of as many "
                "strategies on noise does as well with p = 0.72 (both as linear models)."
            ),
        ),
        (
            contract(),
            "This campaign cannot answer its question: it holds too few independent events.",
            (
                "No validation part holds more than 12 where 100 are needed, so no accuracy "
                "here speaks for or against a design."
            ),
        ),
        (
            planted(),
            (
                "On synthetic bars, 2 of 3 strategies learned something that noise does not "
                "explain: next_bar_rsi, next_bar_stochastic."
            ),
            "The rest: 1 no evidence.",
        ),
        (
            campaign([failed(run())]),
            "No run of this campaign completed, so it says nothing about its one strategy.",
            "",
        ),
        (campaign([run(verdict=None)]), "1 of 1 runs completed and none is judged yet.", ""),
    ],
    ids=["nothing", "too few", "learned", "none completed", "not judged"],
)
def test_the_answer_of_a_campaign(results, answer, detail):
    assert answer_of(results) == (answer, detail)


def test_a_duplicate_or_excluded_learned_run_is_not_counted():
    good = verdict("learned", skill=0.01, events=400, null_p=0.01)
    runs = [
        run("a", verdict=good),
        run("b", verdict=good, duplicate_of="a", seed=1),
        run("c", verdict={**good, "excluded_from_evidence": True}, seed=2),
    ]
    answer, detail = answer_of(campaign(runs))
    assert answer == "1 of 3 strategies learned something that noise does not explain: a."
    assert detail == "The rest: 2 duplicate or excluded."


def test_the_part_that_was_judged_is_named():
    made = {**verdict("insufficient data", events=30), "judged_part": "walk-forward"}
    _, detail = answer_of(campaign([run(verdict=made)]))
    assert detail.startswith("No walk-forward part holds more than 30 where 100 are needed")


def test_runs_without_a_class_are_not_blamed_on_few_events():
    made = verdict("insufficient data", events=150)
    answer, detail = answer_of(campaign([run(verdict=made)]))
    assert "a class or a part of the split is empty" in detail
    assert "150" not in answer + detail


def test_markdown_answers_the_four_questions(tmp_path):
    results = campaign()
    page = results_markdown(results)
    assert "| Q3.1 | Did all strategies complete training? | yes | 26 of 27 completed" in page
    assert "| Q3.2 | Are there analytics for each run? | not checked |" in page
    read = results_markdown(results, verify_runs(tmp_path, [r.run_id for r in results.completed]))
    assert "| Q3.2 | Are there analytics for each run? | **no** | 0 of 26 completed runs" in read


def test_markdown_says_what_the_reader_needs():
    page = results_markdown(campaign())
    for text in (
        "**Nothing here shows that any of the 27 strategies learned anything.**",
        "0 learned, 19 no evidence, 7 worse than baseline, 0 insufficient data, 1 without",
        "| DATA-ConstantFeature | data | 1 | v15_cmf_only |",
        "v15_rsi_adx = v15_adx_rsi",
        "What would change the verdict:",
        "## What went wrong in training",
        "v15_adx_rsi is the same design as v15_rsi_adx.",
        "## How far luck explains it",
        "**Trading on the forecasts**",
        "**Log-loss of every simple rule, by run**",
        "It tests whether the direction of bars is forecast.",
        "The test part is sealed",
        "runs pass it. The old rule",
    ):
        assert text in page, text


def test_a_pair_of_duplicates_measures_chance():
    a = run("a", verdict=verdict(skill=0.004, accuracy=0.60))
    b = run("b", verdict=verdict(skill=0.001, accuracy=0.57), duplicate_of="a", seed=1)
    pair = duplicates(run_facts(campaign([a, b])))[0]
    assert pair.skill_difference == pytest.approx(0.003)
    assert pair.accuracy_difference == pytest.approx(0.03)
    broken = duplicates(run_facts(campaign([failed(a), b])))[0]
    assert broken.accuracy_difference is None
    assert "| a = b | – and 57.0 | – |" in results_markdown(campaign([failed(a), b]))


def test_equal_reasons_are_said_once():
    found = statements(run_facts(contract()), "reasons")
    assert found[0].text.startswith("the validation part holds 7 independent events")
    assert found[0].runs == "shown for v15_rsi_only; 26 more with figures of their own"
    same = next(s for s in found if s.text.startswith("below 20 events"))
    assert same.runs == "27 runs"


def test_a_campaign_without_runs_or_with_nothing_finished_has_all_files():
    pending = replace(
        run(),
        status="pending",
        verdict=None,
        splits=None,
        history={},
        epochs=None,
        duration_seconds=None,
        run_id=None,
        operation_id="-",
        blocks=(),
        label="",
    )
    for results in (campaign([pending], null=None), campaign([], null=None)):
        assert results_csv(results).endswith("\n")
        assert "No run" in results_markdown(results)
        experiment_results(results)
        results_table(results)
    assert "v15_rsi_only|pending||-|" in experiment_results(campaign([pending], null=None))


def test_nan_figures_become_missing_ones():
    made = verdict()
    made["scores"]["accuracy"] = float("nan")
    record = result_records(campaign([run(verdict=made, common_skill=float("nan"))]))[0]
    assert record["val_accuracy"] is None
    assert record["rank"] == 1


# -- console --------------------------------------------------------------------------------------


def printed(results, width):
    console = Console(width=width, no_color=True, file=io.StringIO(), color_system=None)
    console.print(results_table(results, width=width))
    return console.file.getvalue()


@pytest.mark.parametrize("results", [campaign(), contract(), planted()], ids=lambda r: r.name)
def test_the_table_fits_100_columns_with_every_word_whole(results):
    text = printed(results, 100)
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text.replace("…+", "").replace("…-", "").replace("…0", "")
    for one in results.runs:
        assert one.strategy in text
    for title in ("verdict", "skill", "95 % interval", "null p", "events", "ep"):
        assert title in text


@pytest.mark.parametrize("width", [60, 72, 80, 90, 100, 140])
def test_the_table_never_outgrows_its_console(width):
    lines = printed(campaign(), width).splitlines()
    assert max(map(len, lines)) <= width
    assert any("verdict" in line and "skill" in line for line in lines)


def test_the_table_says_in_words_what_colour_would():
    text = printed(campaign(), 100)
    assert "no evidence" in text
    assert "worse" in text
    assert "failed" in text
    assert "v15_adx_rsi (=)" in text
    assert "too few data" in printed(contract(), 100)


@pytest.mark.parametrize(
    ("call", "value", "text"),
    [
        (p_text, None, "–"),
        (p_text, 0.01, "0.01"),
        (p_text, 0.0123, "0.012"),
        (p_text, 0.62, "0.62"),
        (p_text, 1.0, "1.00"),
        (percent, None, "–"),
        (percent, 0.5714, "57.1"),
        (nats_text, None, "–"),
        (nats_text, -0.00001, "0.0000"),
        (nats_text, 0.0123, "+0.0123"),
    ],
)
def test_figures_as_text(call, value, text):
    assert call(value) == text


def test_a_report_is_not_a_pass_by_default():
    assert not VerifyReport(ok=False, lines=()).to_mapping()["ok"]
