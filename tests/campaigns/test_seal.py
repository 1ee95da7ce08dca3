"""The test part is sealed; each opening is an entry, and a second one is reported."""

import pytest

from marketlab.campaigns import Ledger, open_seal
from marketlab.core import ConflictError, NotFoundError, read_json


def test_an_opening_is_recorded_fills_the_keys_and_a_second_one_is_reported(finished):
    workspace, _, results, _ = finished
    run_id = results.runs[1].run_id
    folder = workspace.runs / run_id
    assert read_json(folder / "detailed_metrics.json")["test_metrics"]["test_accuracy"] is None
    with workspace.store() as store:
        ledger = Ledger(store)
        first = open_seal(workspace, ledger, run_id, reason="a test", surrogates=19)
        verdict = first["verdict"]
        assert verdict["judged_part"] == "test"
        assert verdict["outcome"] == "learned"
        assert any("opened 1 time." in note for note in verdict["notes"])
        stored = read_json(folder / "detailed_metrics.json")["test_metrics"]
        assert 0.5 < stored["test_accuracy"] < 0.7
        assert (
            ledger.operation(results.runs[1].operation_id)["result_summary"]["test_metrics"]
            == stored
        )
        second = open_seal(workspace, ledger, run_id, reason="curiosity", surrogates=19)
        assert second["opening"] == 2
        assert any("no longer unseen" in note for note in second["verdict"]["notes"])
        assert second["test_metrics"]["test_loss"] == stored["test_loss"]
        openings = ledger.test_openings(run_id)
        assert [o["reason"] for o in openings] == ["a test", "curiosity"]
        assert ledger.count_opened_runs(results.dataset["dataset_id"]) == 1
    assert (folder / "test_evaluation_1.json").is_file()
    assert (folder / "test_evaluation_2.json").is_file()


def test_only_a_completed_known_run_can_be_opened(finished):
    workspace, _, results, _ = finished
    with workspace.store() as store:
        ledger = Ledger(store)
        with pytest.raises(NotFoundError, match="there is no run"):
            open_seal(workspace, ledger, "nothing", reason="x")
        row = ledger.run(results.runs[0].run_id)
        ledger.record_run(
            _as_failed(row),
            operation_id=row["operation_id"],
            campaign_id=row["campaign_id"],
            design_id=row["design_id"],
        )
        with pytest.raises(ConflictError, match="only a completed run"):
            open_seal(workspace, ledger, results.runs[0].run_id, reason="x")
        ledger.record_run(
            _as(row, "completed"),
            operation_id=row["operation_id"],
            campaign_id=row["campaign_id"],
            design_id=row["design_id"],
        )
        assert ledger.test_openings(results.runs[0].run_id) == []


def _as(row, status):
    from marketlab.core import RunRecord, from_mapping

    return from_mapping(RunRecord, {**row["record"], "status": status})


def _as_failed(row):
    return _as(row, "failed")
