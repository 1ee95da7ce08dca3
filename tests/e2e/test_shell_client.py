"""Plain shell scripts, made of bash, curl and jq, run against the real server unchanged."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from marketlab.campaigns import Workspace, initialise_workspace, shipped_strategy
from marketlab.core import atomic_write, dump_yaml
from marketlab.data import SyntheticConfig, synthetic_bars

HERE = Path(__file__).parent
GOOD = ("v15_rsi_only", "v15_stochastic_only", "v15_rsi_zigzag_1.5")
ALIAS = "v15_rsi_zigzag_1_5"
WITHOUT_DATA = "v15_williams_only"


def require(tool):
    """Skip where a developer lacks the tool; a CI machine must have it."""
    if shutil.which(tool) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{tool} is missing on the CI machine")
        pytest.skip(f"{tool} is not installed")


def short(name, date_range=None):
    """Return a shipped strategy for few bars: small legs, twelve epochs, all dates by default."""
    mapping = shipped_strategy(name).to_mapping()
    mapping["training"] |= {"epochs": 12, "date_range": date_range}
    mapping["training"]["labels"]["zigzag_threshold"] = 0.003
    return mapping


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    made = Workspace.at(tmp_path_factory.mktemp("shell") / "ws")
    initialise_workspace(made, recipe=None)
    made.catalog.add(synthetic_bars(SyntheticConfig(n_bars=2500, seed=7)))
    for name in GOOD:
        atomic_write(made.strategies / f"{name}.yaml", dump_yaml(short(name)))
    absent = short(WITHOUT_DATA, {"start": "2050-01-01", "end": "2051-12-31"})
    atomic_write(made.strategies / f"{WITHOUT_DATA}.yaml", dump_yaml(absent))
    return made


@pytest.fixture(scope="module")
def server(workspace):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "marketlab.interfaces.cli", "serve", "--port", str(port)]
    environment = {**os.environ, "MARKETLAB_WORKSPACE": "."}
    process = subprocess.Popen(
        [*command, "--workers", "1"],
        cwd=workspace.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    url = f"http://localhost:{port}/api/v1"
    try:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(f"{url}/health", timeout=1).close()
                break
            time.sleep(0.1)
        assert process.poll() is None, process.stdout.read()
        yield url
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def results(workspace, server):
    for tool in ("bash", "curl", "jq"):
        require(tool)
    environment = {**os.environ, "API_URL": server, "POLL_SECONDS": "0.5"}
    names = [*GOOD[:2], WITHOUT_DATA, GOOD[2], ALIAS]
    subprocess.run(
        ["bash", str(HERE / "run_client.sh"), *names],
        cwd=workspace.root,
        env=environment,
        check=True,
        timeout=120,
        capture_output=True,
    )
    return (workspace.root / "docs/agentic/v1.5/experiment_results.txt").read_text()


def test_runner_sees_every_strategy_complete_under_its_name_or_alias(results):
    lines = [line.split("|") for line in results.splitlines() if line.count("|") == 3]
    names = [line[0] for line in lines]
    assert names == [*GOOD, ALIAS]
    assert {line[1] for line in lines} == {"completed"}
    assert len({line[2] for line in lines}) == 4, "each start makes a new run"


def test_runner_prints_the_real_message_of_a_refused_start(results):
    after = results.split(f"{WITHOUT_DATA} refused:\n")[1].splitlines()[0]
    assert "No data for EURUSD 1h over the whole of 2050-01-01 to 2051-12-31" in after
    assert '"code":"DATA-NotAvailable"' in after
    assert "operation_id" not in after


def test_unquoted_bodies_come_through_as_one_line_of_json(results):
    import json

    bodies = [line for line in results.splitlines() if line.startswith("{")]
    assert len(bodies) == 5
    for body in bodies:
        json.loads(body)


def test_polling_an_unknown_operation_ends_the_loop(workspace, server, results):
    script = (
        f"RESPONSE=$(curl -s {server}/operations/op_training_20200101_000000_deadbeef); "
        "echo $RESPONSE | jq -r '(.data.status // .status) + \"|\" + (.data.error // .error)'"
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=workspace.root,
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    status, _, message = done.stdout.strip().partition("|")
    assert status == "failed"
    assert message == "there is no operation 'op_training_20200101_000000_deadbeef'."


def test_checker_finds_every_run_complete(workspace, results):
    done = subprocess.run(
        ["bash", str(HERE / "check_analytics.sh")],
        cwd=workspace.root,
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    lines = done.stdout.splitlines()
    assert lines[-2:] == ["Total runs: 4", "Complete analytics: 4"]
    found = [line.split() for line in lines[:-2]]
    assert sorted(words[1] for words in found) == sorted([*GOOD, GOOD[2]])
    assert {words[0] for words in found} == {"ok"}
    assert {words[2] for words in found} == {"13"}, "a header and twelve epochs"


def test_tracker_counts_by_grep(workspace, results):
    command = 'grep "completed" docs/agentic/v1.5/EXECUTION_LOG.md | wc -l'
    done = subprocess.run(
        ["bash", "-c", command], cwd=workspace.root, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "3"
