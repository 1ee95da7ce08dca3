"""The tracker is what a case-sensitive grep counts: nothing in it may say a final status twice."""

import re
from textwrap import dedent

import pytest
from campaign_report_world import NAMES
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.campaigns._tracker import duration_text, tracker_text, write_tracker


def row(name="v15_rsi_only", status="completed", *, suffix="0a", **changes):
    base = {
        "operation_id": f"op_{suffix}",
        "strategy_name": name,
        "status": status,
        "started_at": "2026-11-21T10:15:01Z",
        "completed_at": "2026-11-21T10:15:09.500000Z",
        "error_message": None,
        "error_code": None,
        "failure_class": None,
        "run_id": f"EURUSD_{name}_20261121_101500_{suffix}",
        "retry_of": None,
        "attempt": 1,
        "warnings": [],
        "result_summary": None,
    }
    if status in ("pending", "running", "resuming"):
        base["completed_at"] = None
    if status == "pending":
        base["started_at"] = None
    return {**base, **changes}


def counts(text):
    """What the users' scripts count: lines with each word."""
    lines = text.splitlines()
    return sum("completed" in x for x in lines), sum("failed" in x for x in lines)


def test_a_campaign_that_has_not_begun_is_27_pending_rows():
    text = tracker_text([], NAMES)
    assert "| Completed | 0 |\n| Running | 0 |\n| Failed | 0 |\n| Pending | 27 |\n" in text
    assert text.startswith("# v1.5 Experiment Execution Log\n\n## Status Summary\n")
    lines = [line for line in text.splitlines() if line.startswith("| v15_")]
    assert lines == [f"| {name} | - | - | pending | - | - |" for name in NAMES]
    assert counts(text) == (0, 0)
    assert text.endswith("## Failures (if any)\n\nNone.\n")


def test_golden(tmp_path):
    path = tmp_path / "docs" / "EXECUTION_LOG.md"
    rows = [
        row("a", result_summary={"training_metrics": {"epochs_trained": 38}}),
        row("b", "failed", suffix="0b"),
        row(
            "b",
            "failed",
            suffix="0c",
            retry_of="op_0b",
            attempt=2,
            error_code="SYS-Died",
            failure_class="transient",
            error_message="the worker failed | it had completed\n3 epochs",
        ),
        row("c", "running", suffix="0d"),
    ]
    write_tracker(path, rows, ["a", "b", "c", "d"])
    assert path.read_text() == dedent(
        """\
        # v1.5 Experiment Execution Log

        ## Status Summary

        | Status | Count |
        |--------|-------|
        | Completed | 1 |
        | Running | 1 |
        | Failed | 1 |
        | Pending | 1 |

        ## Execution Log

        | Strategy | Started | Operation ID | Status | Duration | Notes |
        |----------|---------|--------------|--------|----------|-------|
        | a | 2026-11-21 10:15:01 | op_0a | completed | 8.5 s | 38 epochs |
        | b | 2026-11-21 10:15:01 | op_0c | failed | 8.5 s | SYS-Died; earlier operations: op_0b |
        | c | 2026-11-21 10:15:01 | op_0d | running | - | - |
        | d | - | - | pending | - | - |

        ## Failures (if any)

        ### b

        - **Error:** SYS-Died: the worker did not finish ¦ it had finished 3 epochs
        - **Logs:** operation op_0c, directory EURUSD_b_20261121_101500_0c below training_analytics/
        - **Action:** investigate
        """
    )


hostile = st.lists(
    st.sampled_from(
        [
            "failed",
            "completed",
            "fai",
            "led",
            "compl",
            "eted",
            "|",
            "\\",
            "\n",
            "\r",
            "\u2028",
            "\x00",
            "\x85",
            "`",
            "<b>",
            " ",
            "x",
            "é",
            "failed to",
        ]
    ),
    max_size=30,
).map("".join)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["completed", "failed", "cancelled", "running", "resuming", "pending"]),
            hostile,
            hostile,
        ),
        min_size=1,
        max_size=6,
    )
)
def test_hostile_texts_change_no_count(cases):
    rows = [
        row(
            f"s{i}",
            status,
            suffix=f"{i:02x}",
            error_message=text,
            error_code=code,
            failure_class="config",
        )
        for i, (status, text, code) in enumerate(cases)
    ]
    names = [f"s{i}" for i in range(len(cases))]
    text = tracker_text(rows, names)
    statuses = [status for status, _, _ in cases]
    assert counts(text) == (statuses.count("completed"), statuses.count("failed"))
    table = [line for line in text.splitlines() if line.startswith("| s")]
    assert [re.split(r" ?\| ?", line)[4] for line in table] == statuses
    assert all(line.count("|") == 7 for line in table)
    summary = dict(re.findall(r"^\| (\w+) \| (\d+) \|$", text, flags=re.MULTILINE))
    assert sum(map(int, summary.values())) == len(cases)


@pytest.mark.parametrize("word", ["failed", "completed"])
def test_a_strategy_with_a_counted_word_in_its_name_is_one_line(word):
    name = f"my_{word}_idea"
    text = tracker_text([row(name, "failed", error_message=word)], [name])
    assert counts(text) == (0, 1)


def test_statuses_without_a_column_are_placed_where_they_are_true():
    rows = [
        row("a", "resuming", suffix="01"),
        row("b", "cancelled", suffix="02", error_message="stopped by the user"),
    ]
    text = tracker_text(rows, ["a", "b"])
    assert "| Running | 1 |" in text
    assert "| Cancelled | 1 |" in text
    assert "| Failed | 0 |\n| Pending | 0 |" in text
    assert "| cancelled | 8.5 s | stopped by the user |" in text
    assert "| resuming |" in text


def test_without_a_cancelled_run_there_are_exactly_the_four_documented_rows():
    summary = tracker_text([row("a")], ["a"]).split("## Execution Log")[0]
    assert re.findall(r"^\| (\w+) \| \d", summary, flags=re.MULTILINE) == [
        "Completed",
        "Running",
        "Failed",
        "Pending",
    ]


def test_the_retry_is_shown_whatever_the_order_of_the_rows():
    old, new = row("a", "failed", suffix="01"), row("a", suffix="02")
    new["retry_of"] = old["operation_id"]
    for rows in ([old, new], [new, old]):
        text = tracker_text(rows, ["a"])
        assert counts(text) == (1, 0)
        assert f"earlier operations: {old['operation_id']} |" in text


def test_an_earlier_attempt_that_is_not_among_the_rows_is_still_named():
    text = tracker_text([row("a", retry_of="op_ff")], ["a"])
    assert "earlier operations: op_ff |" in text


def test_many_earlier_operations_are_counted_and_the_latest_named():
    rows = [row("a", suffix=f"{i:02x}") for i in range(30)]
    line = next(x for x in tracker_text(rows, ["a"]).splitlines() if x.startswith("| a "))
    assert "_1c" in line
    assert "_00" not in line
    assert "and 24 before" in line


def test_an_alias_and_a_strategy_outside_the_list_are_not_lost():
    rows = [row("v15_rsi_zigzag_1_5", suffix="01"), row("smoke", "running", suffix="02")]
    text = tracker_text(rows, ["v15_rsi_zigzag_1.5"])
    names = [line.split()[1] for line in text.splitlines() if "| op_" in line]
    assert names == ["v15_rsi_zigzag_1.5", "smoke"]
    assert "| Pending | 0 |" in text


@pytest.mark.parametrize(
    ("kind", "attempt", "action"),
    [
        ("config", 1, "retry (correct"),
        ("data", 1, "retry (check"),
        ("transient", 1, "retry (the"),
        ("transient", 2, "investigate"),
        ("bug", 1, "investigate"),
        (None, 1, "investigate"),
    ],
)
def test_the_action_follows_the_failure_class(kind, attempt, action):
    text = tracker_text([row("a", "failed", failure_class=kind, attempt=attempt)], ["a"])
    assert f"- **Action:** {action}" in text


def test_a_long_error_is_cut():
    text = tracker_text([row("a", "failed", error_message="x" * 5000)], ["a"])
    assert len(text) < 1500


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (8.44, "8.4 s"),
        (59.96, "60.0 s"),
        (185, "3 min 05 s"),
        (7620, "2 h 07 min"),
    ],
)
def test_durations_for_people(seconds, text):
    assert duration_text(seconds) == text
