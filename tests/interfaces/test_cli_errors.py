"""A mistake gives one clear message, the documented exit code, and no traceback."""

import json

import pytest
from interfaces_world import TINY, command

from marketlab.core import ConfigError, IntegrityError
from marketlab.interfaces import usecases
from marketlab.interfaces._envelope import error_envelope
from marketlab.interfaces.cli._app import error_lines


def refused(said, code, *texts):
    """Check an error shown to a person."""
    assert said.code == code
    assert said.out == ""
    assert said.err.startswith("Error"), said.err
    assert "Traceback" not in said.err
    for text in texts:
        assert text in said.err, said.err


def test_unknown_command(capfd):
    refused(command(capfd, "campain"), 2, "campain", "Help: marketlab --help")


def test_unknown_option_names_the_command_whose_help_to_read(capfd):
    said = command(capfd, "plan", "planted", "--wrokers", "2")
    refused(said, 2, "--wrokers", "Help: marketlab plan --help")


def test_missing_workspace_says_how_to_make_one(capfd, tmp_path):
    said = command(capfd, "operations", "list", workspace=tmp_path / "none")
    refused(
        said,
        2,
        "WORKSPACE-NotFound",
        f"there is no workspace at {tmp_path / 'none'}.",
        "What to do: Run `marketlab init` there, or give --workspace.",
    )


def test_workspace_that_is_a_file(capfd, tmp_path):
    (tmp_path / "file").write_text("")
    refused(command(capfd, "init", workspace=tmp_path / "file"), 2, "a workspace is a folder")


def test_unknown_recipe_lists_what_exists(capfd, workspace):
    said = command(capfd, "plan", "plantd", workspace=workspace)
    refused(said, 2, "no recipe 'plantd'", "Did you mean 'planted'?")


def test_unknown_key_of_a_campaign_file(capfd, workspace, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(TINY + "sead: 3\n")
    refused(command(capfd, "plan", path, workspace=workspace), 2, "sead", "Did you mean 'seed'?")


def test_campaign_with_a_doubled_key(capfd, workspace, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(TINY + "seed: 3\n")
    refused(command(capfd, "plan", path, workspace=workspace), 2, "seed")


def test_strategy_name_with_a_slash(capfd, workspace):
    said = command(capfd, "strategy", "validate", "../secret", workspace=workspace)
    refused(said, 2, "CONFIG-InvalidName", "'../secret'")


def test_path_that_leaves_the_workspace(capfd, workspace):
    said = command(capfd, "promote", "../../etc", workspace=workspace)
    refused(said, 2, "there is no card, run or operation '../../etc'")
    said = command(capfd, "rollback", "../../etc", workspace=workspace)
    refused(said, 2, "CONFIG-InvalidName")


def test_unknown_operation(capfd, workspace):
    for verb in ("show", "cancel", "retry", "resume"):
        said = command(capfd, "operations", verb, "op_x", workspace=workspace)
        assert said.code == 2
        assert "there is no operation 'op_x'" in said.err


def test_unknown_status_and_limit(capfd, workspace):
    said = command(capfd, "operations", "list", "--status", "runing", workspace=workspace)
    refused(said, 2, "there is no status 'runing'", "Did you mean 'running'")
    said = command(capfd, "operations", "list", "--limit", "0", workspace=workspace)
    refused(said, 2, "limit", "0")


def test_missing_data_is_exit_3(capfd, workspace):
    said = command(capfd, "data", "describe", "GBPUSD/1h", workspace=workspace)
    refused(said, 3, "No data for GBPUSD 1h")


def test_import_without_a_time_zone(capfd, workspace, tmp_path):
    path = tmp_path / "bars.csv"
    path.write_text("time,open,high,low,close\n2020-01-01 00:00:00,1,2,0.5,1.5\n")
    said = command(
        capfd,
        "data",
        "import",
        path,
        "--symbol",
        "EURUSD",
        "--timeframe",
        "1h",
        workspace=workspace,
    )
    refused(said, 3, "zone")


def test_port_in_use(capfd, workspace):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = command(capfd, "serve", "--port", port, workspace=workspace)
    refused(
        said,
        4,
        f"port {port} on 127.0.0.1 is in use by another program",
        f"Stop that program, or give another port: --port {port + 1}.",
    )


def test_listening_for_others_needs_a_token(capfd, workspace):
    said = command(capfd, "serve", "--host", "0.0.0.0", workspace=workspace)
    refused(said, 2, "SERVER-TokenRequired", "--token")
    said = command(capfd, "serve", "--host", "0.0.0.0", "--token", "short", workspace=workspace)
    refused(said, 2, "SERVER-TokenTooShort")


def test_json_errors_are_the_envelope_of_rest(capfd, workspace):
    said = command(capfd, "plan", "plantd", "--json", workspace=workspace)
    assert said.code == 2
    assert said.err == ""
    assert set(said.json) == set(error_envelope(ConfigError("x")))
    assert said.json["success"] is False
    assert said.json["error"]["code"] == said.json["error_code"] == "REQUEST-NotFound"
    assert said.json["message"] == said.json["detail"] == said.json["error"]["message"]


def test_json_usage_errors_too(capfd):
    said = command(capfd, "plan", "--json")
    assert said.code == 2
    assert said.json["error_code"] == "REQUEST-Usage"


def test_unexpected_error_says_how_to_report(capfd, workspace, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(usecases, "list_data", broken)
    said = command(capfd, "data", "list", workspace=workspace)
    assert said.code == 70
    assert said.out == ""
    assert "Unexpected error: ZeroDivisionError: boom" in said.err
    assert "Please report it" in said.err
    assert "Traceback" not in said.err
    loud = command(capfd, "-v", "data", "list", workspace=workspace)
    assert "Traceback" in loud.err
    machine = command(capfd, "data", "list", "--json", workspace=workspace)
    assert machine.json["error_code"] == "SYSTEM-Unexpected"


def test_exit_code_is_that_of_the_error(capfd, workspace, monkeypatch):
    def broken(*_, **__):
        raise IntegrityError("the file was altered.", code="X-Y", suggestion="Restore it.")

    monkeypatch.setattr(usecases, "list_data", broken)
    said = command(capfd, "data", "list", workspace=workspace)
    assert said.code == 6
    assert said.err == "Error X-Y: the file was altered.\n  What to do: Restore it.\n"


def test_interrupt_is_quiet(capfd, workspace, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(usecases, "list_data", interrupted)
    said = command(capfd, "data", "list", workspace=workspace)
    assert (said.code, said.err) == (130, "Stopped.\n")


def test_all_findings_are_listed_and_long_lists_cut():
    issues = [{"message": f"finding {i}", "strategy": "s"} for i in range(50)]
    lines = error_lines(ConfigError("bad.", field="a.b", value=3, details={"issues": issues}))
    assert lines[0] == "Error CONFIG-Invalid: a.b: bad."
    assert lines[1] == "  Received: 3"
    assert "    - s: finding 39" in lines
    assert "    - s: finding 40" not in lines
    assert lines[-1] == "    … and 10 more (--json lists them all)"


def test_envelope_keeps_details_and_lists_issues_once():
    error = ConfigError("bad.", details={"issues": [{"message": "m"}], "first": "2020"})
    body = json.loads(json.dumps(error_envelope(error)))
    assert body["details"] == {"first": "2020", "errors": [{"message": "m"}]}
    assert body["error"]["details"] == body["details"]
    assert "operation_id" not in json.dumps(body)


@pytest.mark.parametrize("path", ["bars.csv", "bars.txt"])
def test_import_of_a_file_that_is_not_there(capfd, workspace, tmp_path, path):
    said = command(
        capfd,
        "data",
        "import",
        tmp_path / path,
        "--symbol",
        "EURUSD",
        "--timeframe",
        "1h",
        "--timezone",
        "UTC",
        workspace=workspace,
    )
    assert said.code in (2, 3)
    assert path in said.err
