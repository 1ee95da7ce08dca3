"""Each command once over a workspace in which a small campaign was run."""

import json
import shutil

import pytest
from interfaces_world import TINY, command

from marketlab.campaigns import shipped_strategy
from marketlab.core import dump_yaml


@pytest.fixture
def own(lived_in, tmp_path):
    """Return a copy of the lived-in workspace that a test may change."""
    shutil.copytree(lived_in, tmp_path / "ws", symlinks=True)
    return tmp_path / "ws"


def operations(capfd, workspace):
    said = command(capfd, "operations", "list", "--json", workspace=workspace)
    return {row["strategy_name"]: row for row in said.json["data"]}


# -- workspace and machine ------------------------------------------------------------------------


def test_init_twice_keeps_files(capfd, workspace):
    (workspace / "strategies" / "mine.yaml").write_text("name: mine\n")
    said = command(capfd, "init", workspace=workspace)
    assert said.code == 0
    assert said.out.startswith(f"The workspace is {workspace}.\n")
    assert (workspace / "strategies" / "mine.yaml").read_text() == "name: mine\n"
    assert (workspace / "docs/agentic/v1.5").is_dir()
    assert (workspace / "training_analytics/runs").is_dir()


def test_option_of_the_command_goes_before_that_in_front(capfd, tmp_path):
    said = command(capfd, "init", "-w", tmp_path / "b", "--json", workspace=tmp_path / "a")
    assert said.json["workspace"] == str(tmp_path / "b")
    assert not (tmp_path / "a").exists()


def test_workspace_from_the_environment(capfd, tmp_path, monkeypatch):
    monkeypatch.setenv("MARKETLAB_WORKSPACE", str(tmp_path / "env"))
    assert command(capfd, "init", "--json").json["workspace"] == str(tmp_path / "env")


def test_doctor_names_every_subject_with_a_remedy_where_it_is_not_well(capfd, lived_in):
    said = command(capfd, "doctor", "--json", workspace=lived_in)
    assert said.code == 0
    found = {f["subject"]: f for f in said.json["findings"]}
    assert list(found) == [
        "Python",
        "Versions",
        "Cores",
        "Memory",
        "Disk",
        "Kernel cache",
        "PyTorch",
        "Bundled data",
        "Workspace",
        "Ledger",
        "Port",
    ]
    assert found["Ledger"]["message"] == "2 operations, 0 active"
    for finding in found.values():
        assert (finding["remedy"] is None) == (finding["state"] == "ok")


def test_doctor_fails_with_exit_1_and_the_remedy(capfd, lived_in, monkeypatch):
    from marketlab.interfaces import _doctor

    monkeypatch.setattr(_doctor, "_NO_DISK_BYTES", 2**80)
    said = command(capfd, "doctor", workspace=lived_in)
    assert said.code == 1
    assert "fail  Disk:" in said.out
    assert "→ Free some space, or use another --workspace." in said.out


def test_doctor_without_a_workspace_says_init(capfd, tmp_path):
    said = command(capfd, "doctor", workspace=tmp_path / "none")
    assert said.code == 0
    assert f"warn  Workspace: there is none at {tmp_path / 'none'}" in said.out
    assert "Run `marketlab init`" in said.out


def test_doctor_sees_a_broken_ledger(capfd, workspace):
    (workspace / "marketlab.db").write_bytes(b"this is no database" * 100)
    said = command(capfd, "doctor", "--json", workspace=workspace)
    assert said.code == 1
    assert next(f for f in said.json["findings"] if f["subject"] == "Ledger")["state"] == "fail"


# -- data -----------------------------------------------------------------------------------------


def test_synthetic_list_describe_verify(capfd, workspace):
    made = command(
        capfd, "data", "synthetic", "--bars", 300, "--edge", 0.2, "--json", workspace=workspace
    ).json
    assert made["is_synthetic"] is True
    rows = command(capfd, "data", "list", "--json", workspace=workspace).json
    assert [row["dataset_id"] for row in rows] == [made["dataset_id"]]
    for reference in (made["dataset_id"][:10], "EURUSD/1h"):
        said = command(capfd, "data", "describe", reference, workspace=workspace)
        assert said.out.startswith("EURUSD 1h: 300 SYNTHETIC bars, 2015-01-01")
        assert made["dataset_id"] in said.out
    assert command(capfd, "data", "verify", workspace=workspace).code == 0


def test_altered_bars_are_found(capfd, workspace):
    command(capfd, "data", "synthetic", "--bars", 300, workspace=workspace)
    next(workspace.rglob("bars.parquet")).write_bytes(b"PAR1")
    said = command(capfd, "data", "verify", workspace=workspace)
    assert said.code == 6
    assert "NOT all as they were stored" in said.out


def test_import_of_a_csv(capfd, workspace, tmp_path):
    path = tmp_path / "bars.csv"
    rows = [f"2020-01-0{d},{d}.0,{d}.5,{d - 0.5},{d}.2,{100 * d}" for d in (1, 2, 3)]
    path.write_text("\n".join(["stamp,open,high,low,close,volume", *rows]) + "\n")
    said = command(
        capfd,
        "data",
        "import",
        path,
        "--symbol",
        "ABC",
        "--timeframe",
        "1d",
        "--timezone",
        "UTC",
        "--time-column",
        "stamp",
        "--source",
        "a test",
        "--json",
        workspace=workspace,
    )
    assert said.code == 0, said.err
    assert (said.json["symbol"], said.json["n_bars"]) == ("ABC", 3)
    assert "a test" in (said.json["source"] + said.json["provenance"])


# -- strategies -----------------------------------------------------------------------------------


def test_validate_features_and_list(capfd, workspace):
    text = dump_yaml(shipped_strategy("v15_rsi_only").to_mapping())
    (workspace / "strategies" / "v15_rsi_only.yaml").write_text(text)
    broken = text.replace("period: 14", "perod: 14")
    (workspace / "strategies" / "broken.yaml").write_text(broken)
    good = command(capfd, "strategy", "validate", "v15_rsi_only", workspace=workspace)
    assert (good.code, good.out) == (0, "v15_rsi_only: the strategy is valid\n")
    bad = command(capfd, "strategy", "validate", "broken", "--json", workspace=workspace)
    assert bad.code == 2
    assert bad.json["valid"] is False
    assert "perod" in bad.json["issues"][0]["message"]
    features = command(
        capfd, "strategy", "features", "v15_rsi_only", "--json", workspace=workspace
    ).json
    assert features["count"] == 9
    assert features["features"][0]["feature_id"] == "1h_rsi_14_oversold"
    rows = command(capfd, "strategy", "list", "--json", workspace=workspace).json
    assert {row["name"]: row["valid"] for row in rows} == {"broken": False, "v15_rsi_only": True}


LIST_FORM = """\
name: old_rsi
description: "an older file"
version: "2.0"
training_data:
  symbols: {mode: single, symbol: EURUSD}
  timeframes: {mode: single, timeframe: 1h}
  history_required: 200
indicators:
  - {name: rsi, feature_id: rsi_14, period: 14, source: close}
fuzzy_sets:
  rsi_14:
    oversold: {type: triangular, parameters: [0, 30, 40]}
    overbought: {type: triangular, parameters: [60, 70, 100]}
model:
  type: mlp
  architecture: {hidden_layers: [8], activation: relu, dropout: 0.1, output_activation: softmax}
  features: {lookback_periods: 1, scale_features: true}
  training: {learning_rate: 0.001, batch_size: 32, epochs: 10, optimizer: adam}
decisions: {output_format: classification, confidence_threshold: 0.6}
training:
  method: supervised
  labels: {source: zigzag, zigzag_threshold: 0.02, label_lookahead: 20}
  data_split: {train: 0.7, validation: 0.15, test: 0.15}
"""


def test_import_strategy_prints_every_change_and_overwrites_nothing(capfd, workspace, tmp_path):
    (tmp_path / "old.yaml").write_text(LIST_FORM)
    said = command(capfd, "import-strategy", tmp_path / "old.yaml", workspace=workspace)
    assert said.code == 0, said.err
    for word in ("label_lookahead", "scale_features", "output_activation", "learning_rate"):
        assert word in said.out
    assert said.out.endswith(f"old_rsi is stored as {workspace}/strategies/old_rsi.yaml.\n")
    again = command(capfd, "strategy", "import", tmp_path / "old.yaml", workspace=workspace)
    assert again.code == 2
    assert "STRATEGY-Exists" in again.err
    other = command(
        capfd, "strategy", "import", tmp_path / "old.yaml", "--name", "new", workspace=workspace
    )
    assert other.code == 0
    assert command(capfd, "strategy", "validate", "new", workspace=workspace).code == 0


def test_import_refuses_an_indicator_that_nothing_reads(capfd, workspace, tmp_path):
    extra = "  - {name: williams_r, feature_id: williams_14, period: 14}\nfuzzy_sets:"
    (tmp_path / "old.yaml").write_text(LIST_FORM.replace("fuzzy_sets:", extra))
    said = command(capfd, "import-strategy", tmp_path / "old.yaml", workspace=workspace)
    assert said.code == 2
    assert "williams_14" in said.err
    assert not (workspace / "strategies" / "old_rsi.yaml").exists()


# -- plan, campaign -------------------------------------------------------------------------------


def test_plan_is_all_numbers_and_trains_nothing(capfd, workspace, tmp_path):
    (tmp_path / "c.yaml").write_text(TINY)
    said = command(capfd, "plan", tmp_path / "c.yaml", workspace=workspace)
    assert said.code == 0
    assert said.out.startswith("tiny: 2 strategies on 2600 SYNTHETIC bars of EURUSD 1h")
    assert "Nothing stands in the way." in said.out
    assert command(capfd, "operations", "list", "--json", workspace=workspace).json["data"] == []


def test_plan_that_cannot_run_is_exit_2_and_says_why(capfd, workspace, tmp_path):
    text = TINY.replace("date_range: data", "date_range: {start: '2030-01-01', end: '2031-01-01'}")
    (tmp_path / "c.yaml").write_text(text)
    said = command(capfd, "plan", tmp_path / "c.yaml", workspace=workspace)
    assert said.code == 2
    assert "This campaign cannot run as it is." in said.out
    assert "No data for EURUSD 1h over the whole of 2030-01-01 to 2031-01-01" in said.out
    run = command(capfd, "campaign", "run", tmp_path / "c.yaml", workspace=workspace)
    assert run.code in (2, 3)
    assert "2 of 2 strategies cannot run" in run.err


def test_campaign_list_results_report_verify(capfd, lived_in):
    listed = command(capfd, "campaign", "list", "--json", workspace=lived_in).json
    (row,) = listed["campaigns"]
    assert (row["name"], row["status"]) == ("tiny", "completed")
    assert "planted" in listed["recipes"]
    text = command(capfd, "campaign", "results", "tiny", workspace=lived_in).out
    for title in ("Finding: ", "Verdicts: ", "Reports\n", "What to try next\n"):
        assert title in text
    assert "next_bar_williams" in text
    facts = command(
        capfd, "campaign", "results", row["campaign_id"], "--json", workspace=lived_in
    ).json
    assert [run["status"] for run in facts["runs"]] == ["completed", "completed"]
    assert sum(facts["findings"]["verdicts"].values()) == 2
    csv = command(capfd, "campaign", "results", "tiny", "--csv", workspace=lived_in).out
    assert len(csv.splitlines()) == 3
    report = command(capfd, "campaign", "report", "tiny", "--json", workspace=lived_in).json
    assert report["html"].endswith("report.html")
    verify = command(capfd, "campaign", "verify", "tiny", "--json", workspace=lived_in)
    assert verify.code == 0, verify.json["lines"]
    assert verify.json["total_runs"] == verify.json["complete_analytics"] == 2


def test_verify_fails_on_a_damaged_file(capfd, own):
    next(own.glob("training_analytics/runs/*/detailed_metrics.json")).write_text("{")
    said = command(capfd, "campaign", "verify", workspace=own)
    assert said.code == 1
    assert "detailed_metrics.json is not valid JSON" in said.out


def test_unknown_campaign_names_the_latest(capfd, lived_in):
    said = command(capfd, "campaign", "results", "nope", workspace=lived_in)
    assert said.code == 2
    assert "there is no campaign 'nope'" in said.err
    assert "tiny_" in said.err


# -- operations -----------------------------------------------------------------------------------


def test_operations_show_has_verdict_and_whole_object(capfd, lived_in):
    row = operations(capfd, lived_in)["next_bar_rsi"]
    facts = command(
        capfd, "operations", "show", row["operation_id"], "--json", workspace=lived_in
    ).json
    assert facts["status"] == "completed"
    assert facts["progress"]["percentage"] == 100.0
    assert facts["verdict"]["is_synthetic"] is True
    assert facts["verdict"]["sentence"].startswith("On synthetic bars, ")
    text = command(capfd, "operations", "show", row["operation_id"], workspace=lived_in).out
    assert text.startswith(f"{row['operation_id']}: completed\n")
    assert "  verdict    " in text


def test_finished_operations_cannot_be_cancelled_or_retried(capfd, lived_in):
    row = operations(capfd, lived_in)["next_bar_rsi"]
    for verb in ("cancel", "retry"):
        said = command(capfd, "operations", verb, row["operation_id"], workspace=lived_in)
        assert said.code == 2
        assert "completed" in said.err


def test_train_ends_with_a_verdict_and_repeats_get_their_own_seeds(capfd, own):
    mapping = shipped_strategy("next_bar_rsi").to_mapping()
    mapping["training"]["epochs"] = 12
    mapping["training"].pop("date_range", None)
    (own / "strategies" / "next_bar_rsi.yaml").write_text(dump_yaml(mapping))
    said = command(
        capfd,
        "train",
        "next_bar_rsi",
        "--seed",
        5,
        "--repeats",
        2,
        "--workers",
        1,
        "--json",
        workspace=own,
    )
    assert said.code == 0, said.err
    facts = json.loads(said.out)
    assert facts["status"] == "completed"
    assert facts["verdict"]["sentence"]
    rows = command(capfd, "operations", "list", "--json", workspace=own).json
    assert rows["total_count"] == 4


def test_train_of_a_strategy_without_data(capfd, own):
    mapping = shipped_strategy("next_bar_rsi").to_mapping()
    (own / "strategies" / "next_bar_rsi.yaml").write_text(dump_yaml(mapping))
    said = command(capfd, "train", "next_bar_rsi", "--symbol", "GBPUSD", workspace=own)
    assert said.code == 3
    assert "No data for GBPUSD 1h" in said.err


# -- models ---------------------------------------------------------------------------------------


def test_promote_replay_and_rollback(capfd, own):
    rows = operations(capfd, own)
    first, second = (rows[n]["run_id"] for n in ("next_bar_williams", "next_bar_rsi"))
    refused = command(capfd, "promote", second, workspace=own)
    promoted = []
    for run_id in (first, second):
        said = command(capfd, "promote", run_id, "--override", "a test", "--json", workspace=own)
        assert said.code == 0, said.err
        promoted.append(said.json)
    if promoted[1]["failing_gates"]:
        assert refused.code == 2
        assert "REGISTRY-GatesFailed" in refused.err
    models = command(capfd, "models", "--json", workspace=own).json
    assert {m["stage"] for m in models} == {"dry_run"}
    assert {m["is_synthetic"] for m in models} == {True}
    said = command(capfd, "run", "--replay", "next_bar_williams", "--json", workspace=own)
    assert said.code == 0, said.err
    proof = said.json
    assert proof["passed"] is True
    assert proof["equal"] == dict.fromkeys(
        ("features", "probabilities", "signals", "account"), True
    )
    assert proof["batch_sha256"] == proof["stream_sha256"]
    assert proof["n_bars"] > 300
    text = command(capfd, "run", "--replay", "next_bar_williams", workspace=own).out
    assert "to the last bit" in text
    assert proof["batch_sha256"]["signals"][:16] in text
    assert "SYNTHETIC" in text
    back = command(capfd, "rollback", "next_bar_williams", workspace=own)
    assert back.code == 2
    assert "REGISTRY-NoPrevious" in back.err


def test_replay_of_what_was_never_promoted(capfd, lived_in):
    said = command(capfd, "run", "--replay", "next_bar_rsi", workspace=lived_in)
    assert said.code == 2
    assert "nothing is promoted under 'next_bar_rsi'" in said.err


def test_altered_weights_are_not_served(capfd, own):
    run_id = operations(capfd, own)["next_bar_williams"]["run_id"]
    card = command(capfd, "promote", run_id, "--override", "t", "--json", workspace=own).json
    weights = own / "models" / "cards" / card["card_id"] / "weights.safetensors"
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    said = command(capfd, "run", "--replay", "next_bar_williams", workspace=own)
    assert said.code == 6
    assert "weights.safetensors was altered" in said.err
