"""Kill -9 of everything at a random moment, then resume: the results equal an undisturbed run's."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from campaign_world import mini_config, numbers, run_campaign, weights

from marketlab.campaigns import CampaignRunner, Executor, Ledger, Workspace

SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from campaign_world import mini_config, run_campaign
if __name__ == "__main__":
    run_campaign(sys.argv[1], mini_config(epochs=60, n_bars=6_000))
"""


def _start(tmp_path, workspace):
    script = tmp_path / "campaign.py"
    script.write_text(SCRIPT.format(root=str(Path(__file__).parent)))
    return subprocess.Popen([sys.executable, str(script), str(workspace)])


def _wait_for(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def _resume(root):
    workspace = Workspace.at(root)
    with workspace.store() as store:
        ledger = Ledger(store)
        (row,) = ledger.list_campaigns()
        with Executor(workspace, ledger, workers=2) as executor:
            results = CampaignRunner(workspace, ledger, executor).run(row["campaign_id"])
        return workspace, results


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    root = tmp_path_factory.mktemp("undisturbed")
    workspace, _, results, _ = run_campaign(root, mini_config(epochs=60, n_bars=6_000))
    return workspace, results


def _assert_equal(undisturbed, resumed):
    (first_space, first), (second_space, second) = undisturbed, resumed
    assert len(second.completed) == len(first.completed) == 2
    for a, b in zip(first.runs, second.runs, strict=True):
        assert numbers(first_space, a) == numbers(second_space, b)
        assert weights(first_space, a) == weights(second_space, b)
        assert a.verdict == b.verdict
    assert first.null["null"] == second.null["null"]


def test_kill_minus_nine_in_training_then_resume(tmp_path, undisturbed):
    root = tmp_path / "ws"
    process = _start(tmp_path, root)
    checkpoints = root / "models" / "checkpoints"
    found = _wait_for(lambda: checkpoints.is_dir() and any(checkpoints.glob("*/state.json")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert found, "no checkpoint appeared before the end"
    _assert_equal(undisturbed, _resume(root))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(6))
def test_kill_minus_nine_at_random_moments(tmp_path, undisturbed, number):
    root = tmp_path / "ws"
    process = _start(tmp_path, root)
    assert _wait_for((root / "marketlab.db").exists)
    with Workspace.at(root).store() as store:
        assert _wait_for(lambda: Ledger(store).list_campaigns())
    time.sleep(random.Random(number).uniform(0.0, 8.0))
    process.kill()
    process.wait()
    _assert_equal(undisturbed, _resume(root))


def test_a_killed_worker_fails_only_its_run_and_is_tried_once_more(tmp_path):
    workspace = Workspace.at(tmp_path).create()
    killed = []

    def kill_once(state):
        if killed:
            return
        pids = executor.worker_pids()
        for row in state.rows:
            if row["status"] == "running" and row["epoch"] >= 2:
                pid = pids.get(row["operation_id"])
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(row["strategy"])
                    return

    with workspace.store() as store:
        ledger = Ledger(store)
        with Executor(workspace, ledger, workers=2) as executor:
            runner = CampaignRunner(workspace, ledger, executor)
            campaign_id = runner.create(mini_config(epochs=200, n_bars=6_000))
            results = runner.run(campaign_id, on_tick=kill_once)
    assert killed
    assert len(results.completed) == 2
    run = next(r for r in results.runs if r.strategy == killed[0])
    assert run.attempt == 2
    assert any("died" in text for text in run.warnings)
