"""A whole campaign: files, ledger, verdicts, and what a second look at them gives."""

import csv
import json

import numpy as np
import pytest
from campaign_world import mini_config, numbers, run_campaign, weights

from marketlab.campaigns import Ledger, plan_campaign, verify_campaign
from marketlab.campaigns._evidence import load_evidence
from marketlab.campaigns._trials import count_trials
from marketlab.core import ConfigError, IntegrityError, read_json


def test_the_planted_edge_is_learned(finished):
    _, _, results, _ = finished
    by_name = {run.strategy: run for run in results.runs}
    assert by_name["next_bar_williams"].verdict["outcome"] == "learned"
    assert by_name["next_bar_williams"].verdict["null_p"] == pytest.approx(1 / 20)
    assert results.dataset["is_synthetic"]
    assert by_name["next_bar_williams"].verdict["is_synthetic"]


def test_noise_is_no_evidence(tmp_path):
    _, _, results, _ = run_campaign(tmp_path, mini_config(edge=0.0, epochs=4))
    assert {run.verdict["outcome"] for run in results.runs} <= {
        "no evidence",
        "worse than baseline",
    }


def test_every_run_leaves_its_files_and_its_record(finished):
    workspace, campaign_id, results, _ = finished
    for run in results.runs:
        folder = workspace.runs / run.run_id
        names = {p.name for p in folder.iterdir()}
        assert {
            "metrics.csv",
            "detailed_metrics.json",
            "alerts.txt",
            "config.yaml",
            "verdict.json",
            "evidence.npz",
            "outcome.json",
            "model",
        } <= names
        assert (folder / "config.yaml").read_text().splitlines()[0] == f"name: {run.strategy}"
        rows = list(csv.reader((folder / "metrics.csv").read_text().splitlines()))
        assert len(rows) == run.epochs + 1
        assert len(rows[0]) == 24
        assert not workspace.checkpoint(run.run_id).exists()
    with workspace.store() as store:
        ledger = Ledger(store)
        recorded = ledger.list_runs(campaign_id=campaign_id)
        assert {r["status"] for r in recorded} == {"completed"}
        assert count_trials(workspace, ledger, recorded[0]["dataset_id"]) == 2


def test_test_keys_are_present_and_sealed(finished):
    workspace, _, results, _ = finished
    metrics = read_json(workspace.runs / results.runs[0].run_id / "detailed_metrics.json")
    assert metrics["test_metrics"]["test_accuracy"] is None
    assert "sealed" in metrics["test_metrics"]["reason"]


def test_progress_was_shown_and_never_fell(finished):
    _, _, results, states = finished
    assert states
    assert states[-1].null_done == states[-1].null_total == 20
    for name in {run.strategy for run in results.runs}:
        seen = [row["percentage"] for s in states for row in s.rows if row["strategy"] == name]
        assert seen == sorted(seen)


def test_verification_answers_the_questions(finished):
    workspace, _, results, _ = finished
    report = verify_campaign(workspace, results)
    assert report.ok, "\n".join(report.lines)


def test_reports_and_tracker_exist(finished):
    workspace, campaign_id, _, _ = finished
    found = {p.suffix for p in (workspace.root / "reports" / campaign_id).rglob("*")}
    assert {".html", ".md"} <= found
    tracker = workspace.tracker.read_text()
    assert tracker.count("completed") == 2
    assert "failed" not in tracker


def test_the_same_seed_gives_the_same_numbers(finished, tmp_path):
    workspace, _, results, _ = finished
    other, _, again, _ = run_campaign(tmp_path, mini_config())
    for first, second in zip(results.runs, again.runs, strict=True):
        assert numbers(workspace, first) == numbers(other, second)
        assert first.verdict == second.verdict
        assert weights(workspace, first) == weights(other, second)
    assert results.null["null"] == again.null["null"]


def test_the_campaign_ranks_on_common_rows(finished):
    workspace, _, results, _ = finished
    bars = [set(load_evidence(workspace.runs / r.run_id).bar.tolist()) for r in results.runs]
    assert bars[0] != bars[1]  # their warm-ups differ, so a comparison needs the intersection
    assert all(run.common_skill is not None for run in results.runs)


def test_damaged_evidence_is_refused(finished, tmp_path):
    workspace, _, results, _ = finished
    source = workspace.runs / results.runs[0].run_id / "evidence.npz"
    (tmp_path / "evidence.npz").write_bytes(source.read_bytes()[:-200])
    with pytest.raises(IntegrityError, match="cannot be read"):
        load_evidence(tmp_path)


def test_null_statistics_are_finite_and_differ_between_surrogates(finished):
    _, _, results, _ = finished
    null = np.array(results.null["null"], dtype=float)
    assert null.shape == (19, 2)
    assert np.isfinite(null).all()
    assert len(np.unique(null[:, 0])) == 19


def test_a_wrong_strategy_stops_the_campaign_before_anything_is_recorded(tmp_path):
    from marketlab.campaigns import CampaignRunner, Executor, Overrides, Workspace

    workspace = Workspace.at(tmp_path).create()
    config = mini_config().model_copy(
        update={"overrides": Overrides(date_range="data", labels={"source": "zigzag"})}
    )
    with workspace.store() as store:
        ledger = Ledger(store)
        runner = CampaignRunner(workspace, ledger, Executor(workspace, ledger, workers=1))
        with pytest.raises(ConfigError, match="2 of 2 strategies cannot run") as caught:
            runner.create(config)
        assert len(caught.value.details["issues"]) == 2
        assert ledger.list_campaigns() == []


def test_degenerate_labels_are_refused_unless_the_campaign_declares_compatibility(tmp_path):
    from marketlab.campaigns import Overrides, Workspace

    workspace = Workspace.at(tmp_path).create()
    labels = {"source": "zigzag", "zigzag_threshold": 0.025}
    overrides = Overrides(date_range="data", labels=labels)
    strict = mini_config(edge=0.0, n_bars=1_500).model_copy(update={"overrides": overrides})
    plan = plan_campaign(workspace, strict)
    assert not plan.ok
    assert plan.rows[0].issues[0]["code"] == "DATA-EmptySplit"
    assert "part is empty: of" in plan.rows[0].issues[0]["message"]
    labels["zigzag_threshold"] = 0.022
    fewer = Overrides(date_range="data", labels=labels)
    plan = plan_campaign(workspace, strict.model_copy(update={"overrides": fewer}))
    assert plan.rows[0].issues[0]["code"] == "LABELS-Degenerate"
    json.dumps(plan.to_mapping())
