"""The checks of run directories and campaigns: each planted fault must be found and named."""

import json
import shutil
from dataclasses import replace

import pytest
from campaign_report_world import NAMES, campaign, failed, run, write_run

from marketlab.campaigns._run_check import check_run, hash_faults
from marketlab.campaigns._tracker import write_tracker
from marketlab.campaigns._verify import (
    campaign_answers,
    required,
    verify_campaign,
    verify_runs,
)
from marketlab.campaigns._workspace import Workspace
from marketlab.core import file_sha256

RUN = "EURUSD_v15_rsi_only_20261121_101500_0a0b0c0d"


@pytest.fixture
def folder(tmp_path):
    return write_run(tmp_path / "runs" / RUN)


def edit(path, change):
    path.write_text(change(path.read_text()))


def test_a_whole_run_is_complete_and_both_counts_are_printed(folder):
    report = verify_runs(folder.parent)
    assert report.ok
    assert report.lines == (
        f"✓ {RUN}",
        "    20 epochs (21 lines with the header)",
        "",
        "Total runs: 1",
        "Complete analytics: 1",
        "Missing analytics: 0",
    )
    assert report.runs[0].last_val_accuracy == 0.56


def test_a_hundred_epochs_are_101_lines_and_accepted(tmp_path):
    check = check_run(write_run(tmp_path / RUN, epochs=100))
    assert check.complete
    assert (check.epochs, check.lines) == (100, 101)


@pytest.mark.parametrize("make", [True, False])
def test_an_empty_or_absent_folder_holds_no_run(tmp_path, make):
    runs = tmp_path / "runs"
    if make:
        runs.mkdir()
        (runs / "a_file.txt").write_text("not a run")
        (runs / ".hidden").mkdir()
    report = verify_runs(runs)
    assert report.ok
    assert report.lines[-3:] == ("Total runs: 0", "Complete analytics: 0", "Missing analytics: 0")
    assert report.to_mapping()["total_runs"] == 0


LAST = "19,0.68,0.69,0.55,0.56,"
FAULTS = [
    ("metrics.csv", lambda t: t[:-1], "the last line is not complete (no line end)"),
    ("metrics.csv", lambda t: t[:-40], "fields, the header has 24"),
    (
        "metrics.csv",
        lambda t: t.replace(LAST, "19,nan,0.69,0.55,0.56,"),
        "metrics.csv line 21: column 2 (train_loss) holds 'nan', not a finite number",
    ),
    ("metrics.csv", lambda t: t.replace(LAST, "19,0.68,inf,0.55,0.56,"), "'inf'"),
    (
        "metrics.csv",
        lambda t: t.replace(LAST, "19,0.68,,0.55,0.56,"),
        "column 3 (val_loss) is empty",
    ),
    (
        "metrics.csv",
        lambda t: t.replace(LAST, "19,0.68,0.69,0.55,1.56,"),
        "column 5 (val_acc) is 1.56, outside 0 to 1",
    ),
    (
        "metrics.csv",
        lambda t: t.replace(LAST, "18,0.68,0.69,0.55,0.56,"),
        "column 1 (epoch) holds 18, expected 19",
    ),
    ("metrics.csv", lambda t: t.replace(",medium,", ",nan,"), "column 18"),
    ("metrics.csv", lambda t: t.split("\n", 1)[1], "the header must name 24 columns"),
    ("metrics.csv", lambda t: "\n".join(t.split("\n")[:6]) + "\n", "expected 10 to 100"),
    ("metrics.csv", lambda _: "", "metrics.csv is empty"),
    ("metrics.csv", lambda t: t.split("\n")[0] + "\n", "0 epochs (1 lines with the header)"),
    ("detailed_metrics.json", lambda t: t[:-1], "detailed_metrics.json is not valid JSON"),
    ("detailed_metrics.json", lambda t: t.replace("}]", ', "x": NaN}]'), "it holds NaN"),
    ("detailed_metrics.json", lambda _: '{"epoch_metrics": [1]}', "holds 1 epochs, metrics.csv 20"),
    ("detailed_metrics.json", lambda _: "[]", "holds no list `epoch_metrics`"),
    ("alerts.txt", lambda _: "", "alerts.txt is empty"),
    (
        "config.yaml",
        lambda t: t.replace("v15_rsi_only", "v15_adx_only"),
        "names the strategy 'v15_adx_only', which is not in the directory's name",
    ),
    ("config.yaml", lambda t: "# made by hand\n" + t, "line 1 of config.yaml is not `name:"),
    ("config.yaml", lambda t: t + "status: [", "config.yaml cannot be read"),
]


@pytest.mark.parametrize(("name", "change", "reason"), FAULTS)
def test_each_fault_is_found_and_named(folder, name, change, reason):
    edit(folder / name, change)
    report = verify_runs(folder.parent)
    assert not report.ok
    assert report.lines[0] == f"✗ {RUN}"
    assert any(reason in text for text in report.runs[0].reasons), report.runs[0].reasons
    assert any(line.startswith("    ") and reason in line for line in report.lines)


@pytest.mark.parametrize(
    "name", ["metrics.csv", "detailed_metrics.json", "alerts.txt", "config.yaml"]
)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    report = verify_runs(folder.parent)
    assert not report.ok
    assert f"    {name} is missing" in report.lines
    assert report.runs[0].missing_files == (name,)


def test_a_run_that_is_asked_for_must_be_there(folder):
    report = verify_runs(folder.parent, ["EURUSD_gone_20261121_101500_00000000"])
    assert not report.ok
    assert report.lines[:2] == (
        "✗ EURUSD_gone_20261121_101500_00000000",
        "    there is no such directory",
    )


def test_fewer_epochs_that_were_asked_for_are_accepted_and_said(tmp_path):
    check = check_run(write_run(tmp_path / RUN, epochs=3, asked=3))
    assert check.complete
    assert "fewer than 10 epochs, accepted: 3 epochs were asked" in check.notes
    assert not check_run(write_run(tmp_path / f"b{RUN}", epochs=4, asked=3)).complete


def test_a_short_patience_may_end_early_and_it_is_said(tmp_path):
    path = write_run(tmp_path / RUN, epochs=6)
    assert not check_run(path).complete
    edit(path / "config.yaml", lambda t: t.replace("patience: 15", "patience: 5"))
    check = check_run(path)
    assert check.complete
    assert "accepted: early stopping with patience 5 may end before" in check.notes[1]


def test_many_faults_are_summed_up(folder):
    edit(folder / "metrics.csv", lambda t: t.replace(",0.001,", ",nan,"))
    assert "metrics.csv: 15 more faults" in check_run(folder).reasons


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_run_that_ended_early_is_reported_as_such(tmp_path, status):
    write_run(tmp_path / "runs" / RUN, epochs=4, status=status)
    report = verify_runs(tmp_path / "runs")
    assert report.ok  # its analytics are not defective, they are short because the run was
    assert report.lines[0] == f"✗ {RUN}"
    assert f"the run's status is {status}" in report.lines[1]
    assert report.lines[-2:] == (
        "Missing analytics: 1",
        "Of the missing, runs that failed or were cancelled: 1",
    )


def test_a_run_under_way_is_not_complete(tmp_path):
    write_run(tmp_path / "runs" / RUN, status="running")
    assert not verify_runs(tmp_path / "runs").ok


@pytest.mark.parametrize(
    ("n", "need"), [(27, 25), (1, 1), (3, 3), (9, 9), (10, 10), (11, 10), (20, 19), (100, 91)]
)
def test_more_than_ninety_per_cent_must_complete(n, need):
    assert required(n) == need
    assert need / n > 0.9
    assert (need - 1) / n <= 0.9


# -- campaigns ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A campaign of 27 with one failure, its files and its tracker."""
    workspace = Workspace.at(tmp_path_factory.mktemp("ws")).create()
    results = campaign()
    for done in results.completed:
        write_run(workspace.runs / done.run_id, done.strategy)
    write_run(workspace.runs / "EURUSD_other_20261121_101500_99999999", "other", epochs=2)
    tracker(workspace, results)
    return workspace, results


def tracker(workspace, results):
    rows = [
        {
            "operation_id": r.operation_id,
            "strategy_name": r.strategy,
            "status": r.status,
            "started_at": None,
            "completed_at": None,
        }
        for r in results.runs
    ]
    write_tracker(workspace.tracker, rows, NAMES)


def test_a_good_campaign_passes_every_check_and_question(finished):
    workspace, results = finished
    report = verify_campaign(workspace, results)
    assert report.ok
    assert [(a.key, a.ok) for a in report.answers] == [
        ("Q3.1", True),
        ("Q3.2", True),
        ("Q3.3", True),
        ("Q3.4", True),
    ]
    assert report.answers[0].evidence[0] == "26 of 27 completed (96.3 %); 25 needed (above 90 %)"
    assert [c.key for c in report.checks] == ["1", "2", "3", "4", "5"]
    assert "the tracker agrees for every strategy" in report.checks[0].evidence
    assert len(report.runs) == 26  # the directory of another run is not counted
    assert "✓ Q3.4 Is data quality consistent?" in report.lines
    json.dumps(report.to_mapping(), allow_nan=False)


def test_a_tracker_that_differs_is_named(finished):
    workspace, results = finished
    kept = workspace.tracker.read_text()
    edit(workspace.tracker, lambda t: t.replace("| completed |", "| running |", 1))
    report = verify_campaign(workspace, results)
    workspace.tracker.write_text(kept)
    assert not report.ok
    assert "the tracker differs for v15_rsi_only" in report.checks[0].evidence


def test_the_tracker_of_another_campaign_is_not_held_against_this_one(finished):
    workspace, results = finished
    others = tuple(replace(r, operation_id=f"op_other_{i}") for i, r in enumerate(results.runs))
    report = verify_campaign(workspace, replace(results, runs=others))
    assert report.checks[0].ok
    assert "the tracker shows other operations" in report.checks[0].evidence[1]


def test_a_deleted_directory_and_a_truncated_file_are_found(finished, tmp_path):
    workspace, results = finished
    shutil.copytree(workspace.root, tmp_path / "copy")
    copy = Workspace.at(tmp_path / "copy")
    first, second = results.completed[:2]
    shutil.rmtree(copy.runs / first.run_id)
    edit(copy.runs / second.run_id / "metrics.csv", lambda t: t[:-30])
    report = verify_campaign(copy, results)
    passed = {c.key: c.ok for c in (*report.checks, *report.answers)}
    assert not passed["Q3.2"]
    assert not passed["Q3.4"]
    assert not passed["5"]
    assert passed["2"]  # 25 of 27 directories are enough
    quality = report.answers[3].evidence
    assert quality[0] == "26 runs read, 2 with a corrupted or truncated file"
    assert any(second.run_id in text for text in quality)


def test_24_of_27_fails_and_25_passes(finished):
    _, results = finished
    for n_failed, passes in ((2, True), (3, False)):
        runs = [
            failed(r, code=f"MODEL-{i}") if i < n_failed else replace(r, status="completed")
            for i, r in enumerate(results.runs)
        ]
        answer = campaign_answers(replace(results, runs=tuple(runs)), None)[0]
        assert answer.ok is passes


@pytest.mark.parametrize(
    ("code", "kind", "systematic"),
    [
        ("SYSTEM-WorkerDied", "transient", True),
        ("STORAGE-Full", "integrity", True),
        ("SYSTEM-Unexpected", "bug", True),
        ("DATA-ConstantFeature", "data", False),
    ],
)
def test_a_shared_infrastructure_code_is_a_systematic_failure(code, kind, systematic):
    runs = [run(name, seed=i) for i, name in enumerate(NAMES)]
    runs[:2] = [failed(r, code=code, kind=kind) for r in runs[:2]]
    answer = campaign_answers(campaign(runs), None)[2]
    assert answer.ok is not systematic
    assert f"{code}: 2" in answer.evidence
    assert (f"points to infrastructure: {code}" in answer.evidence) is systematic


def test_one_infrastructure_failure_is_not_a_pattern():
    runs = [run(name, seed=i) for i, name in enumerate(NAMES)]
    runs[0] = failed(runs[0], code="SYSTEM-WorkerDied", kind="transient")
    assert campaign_answers(campaign(runs), None)[2].ok


def test_without_files_two_questions_are_not_passed():
    answers = campaign_answers(campaign(), None)
    assert [a.ok for a in answers] == [True, False, True, False]
    assert answers[1].evidence == ("not checked: the files were not read",)


def test_a_campaign_in_which_all_failed_is_reported(tmp_path):
    workspace = Workspace.at(tmp_path).create()
    report = verify_campaign(workspace, campaign([failed(run())], null=None))
    assert not report.ok
    assert not any(a.ok for a in report.answers)


def test_model_files_are_hashed_again_where_a_run_lists_them(folder):
    model = folder / "model"
    model.mkdir()
    (model / "weights.safetensors").write_bytes(b"weights")
    assert hash_faults(folder) == []
    listed = {"sha256": {"weights.safetensors": file_sha256(model / "weights.safetensors")}}
    (model / "files.json").write_text(json.dumps(listed))
    assert hash_faults(folder) == []
    (model / "weights.safetensors").write_bytes(b"other")
    assert hash_faults(folder) == [
        f"{RUN}: model/weights.safetensors is not the file that was stored"
    ]
    (model / "weights.safetensors").unlink()
    assert hash_faults(folder) == [f"{RUN}: model/weights.safetensors is missing"]
    (model / "files.json").write_text("[]")
    assert "cannot be read" in hash_faults(folder)[0]


def test_a_changed_model_file_fails_the_campaign(finished, tmp_path):
    workspace, results = finished
    shutil.copytree(workspace.root, tmp_path / "copy")
    copy = Workspace.at(tmp_path / "copy")
    model = copy.runs / results.completed[0].run_id / "model"
    model.mkdir()
    (model / "files.json").write_text(json.dumps({"sha256": {"weights.safetensors": "0" * 64}}))
    report = verify_campaign(copy, results)
    assert not report.ok
    assert report.checks[-1].key == "6"
