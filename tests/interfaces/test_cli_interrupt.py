"""Ctrl-C stops the work, keeps what was done, and says how to go on."""

import os
import signal
import subprocess
import sys
import time

import pytest
from interfaces_world import command

from marketlab.campaigns import Ledger, NewOperation, Workspace, shipped_strategy
from marketlab.core import CancelledError, Progress, dump_yaml
from marketlab.interfaces import usecases

CAMPAIGN = """\
name: long
data: {synthetic: {symbol: EURUSD, timeframe: 1h, n_bars: 2600, seed: 15, edge_strength: 0.35}}
strategies: {names: [one, two]}
null: {surrogates: 19}
"""
EPOCHS = 300


@pytest.fixture
def prepared(workspace, tmp_path):
    for name in ("one", "two"):
        mapping = shipped_strategy("next_bar_rsi").to_mapping() | {"name": name}
        mapping["model"]["features"]["lookback_periods"] = 1 if name == "one" else 2
        mapping["training"] |= {"epochs": EPOCHS, "date_range": None}
        mapping["training"]["early_stopping"] = {"enabled": False}
        (workspace / "strategies" / f"{name}.yaml").write_text(dump_yaml(mapping))
    (tmp_path / "long.yaml").write_text(CAMPAIGN)
    return workspace


def test_interrupted_campaign_is_resumed_without_repeating_anything(capfd, prepared, tmp_path):
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "marketlab.interfaces.cli",
            "campaign",
            "run",
            str(tmp_path / "long.yaml"),
            "--workers",
            "1",
            "-w",
            str(prepared),
        ],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list(prepared.glob("training_analytics/runs/*/metrics.csv")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: workers get it too
    out, err = process.communicate(timeout=60)
    assert process.returncode == 5, err
    assert out == ""
    assert "Traceback" not in err
    assert "Error OPERATION-Cancelled: the campaign was stopped; finished runs are kept." in err
    advice = next(line for line in err.splitlines() if "What to do" in line)
    campaign_id = advice.split("campaign resume ")[1].rstrip("`.")
    before = command(capfd, "operations", "list", "--json", workspace=prepared).json["data"]
    assert {row["status"] for row in before} <= {"cancelled", "completed"}
    said = command(
        capfd, "campaign", "resume", campaign_id, "--workers", 1, "--json", workspace=prepared
    )
    assert said.code == 0, said.err
    assert [run["status"] for run in said.json["runs"]] == ["completed", "completed"]
    assert [run["epochs"] for run in said.json["runs"]] == [EPOCHS, EPOCHS]
    after = command(capfd, "operations", "list", "--json", workspace=prepared).json["data"]
    assert {row["operation_id"] for row in after} == {row["operation_id"] for row in before}


class FakeExecutor:
    """Works until it is told to stop."""

    def __init__(self, control):
        self.control = control
        self.dropped = False

    @property
    def idle(self):
        return Progress.in_file(self.control).cancelled

    def pump(self, timeout_seconds):
        pass

    def drop_waiting(self):
        self.dropped = True

    def worker_pids(self):
        return {self.control.name: 1}


def test_interrupted_training_asks_for_a_checkpoint_and_names_the_command(workspace):
    place = Workspace.at(workspace)

    def interrupt(_view):
        raise KeyboardInterrupt

    with place.store() as store:
        ledger = Ledger(store)
        new = NewOperation(
            operation_type="training", request={}, strategy_name="s", symbol="X", timeframe="1h"
        )
        operation_id = ledger.create_operation(new)
        executor = FakeExecutor(place.control(operation_id))
        session = usecases.Session(place, ledger, executor, None)
        with pytest.raises(CancelledError) as caught:
            usecases.follow(session, operation_id, interrupt)
    assert executor.dropped
    assert caught.value.suggestion == f"Go on with `marketlab operations resume {operation_id}`."
