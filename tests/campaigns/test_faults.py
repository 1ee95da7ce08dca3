"""Faults injected for real: a full disk, a corrupt checkpoint, a cancelled campaign."""

import subprocess

import pytest
from campaign_world import mini_config, numbers, weights

from marketlab.campaigns import CampaignRunner, Executor, Ledger, Workspace
from marketlab.core import CancelledError, MarketLabError, Progress


def _run(workspace, campaign_id=None, *, config=None, on_tick=None):
    """Create or go on with a campaign; return (campaign id, results or the error)."""
    with workspace.store() as store:
        ledger = Ledger(store)
        with Executor(workspace, ledger, workers=2) as executor:
            runner = CampaignRunner(workspace, ledger, executor)
            campaign_id = campaign_id or runner.create(config)
            try:
                return campaign_id, runner.run(campaign_id, on_tick=on_tick)
            except MarketLabError as error:
                return campaign_id, error


@pytest.fixture
def small_disk(tmp_path):
    """A file system that can be filled and then enlarged; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system is not permitted here")

    def enlarge():
        subprocess.run(["mount", "-o", "remount,size=200m", str(folder)], check=True)

    yield folder, enlarge
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_gives_one_clear_error_and_loses_nothing(small_disk):
    folder, enlarge = small_disk
    workspace = Workspace.at(folder / "ws").create()
    filler = folder / "filler"

    def fill(state):
        if any(row["epoch"] >= 2 for row in state.rows) and not filler.exists():
            try:
                with filler.open("wb") as handle:
                    while True:
                        handle.write(bytes(4096))
                        handle.flush()
            except OSError:
                pass

    config = mini_config(epochs=150)
    campaign_id, outcome = _run(workspace, config=config, on_tick=fill)
    if isinstance(outcome, MarketLabError):
        assert "full" in str(outcome).lower()
    else:
        errors = [run.error for run in outcome.runs if run.status == "failed"]
        assert errors
        assert all("disk is full" in error for error in errors)
    enlarge()
    filler.unlink()
    _, results = _run(workspace, campaign_id)
    assert len(results.completed) == 2


def test_a_corrupt_checkpoint_is_named_with_the_way_out(tmp_path):
    workspace = Workspace.at(tmp_path).create()

    def stop_late(state):
        for row in state.rows:
            if row["epoch"] >= 12:
                Progress.in_file(workspace.control(row["operation_id"])).cancel()

    config = mini_config(epochs=400, names=("next_bar_rsi",))
    campaign_id, first = _run(workspace, config=config, on_tick=stop_late)
    assert first.runs[0].status in {"cancelled", "completed"}
    if first.runs[0].status == "completed":
        pytest.skip("early stopping came before the cancellation")
    folder = workspace.checkpoint(first.runs[0].run_id)
    model = next(folder.glob("model*.safetensors"))
    model.write_bytes(model.read_bytes()[:-10])
    _, second = _run(workspace, campaign_id)
    assert second.runs[0].status == "failed"
    assert second.runs[0].error_code == "CHECKPOINT-Corrupt"
    assert model.name in second.runs[0].error


def test_ctrl_c_keeps_checkpoints_and_resume_gives_the_same_results(tmp_path, finished):
    workspace = Workspace.at(tmp_path).create()
    pressed = []

    def press(state):
        if not pressed and any(row["epoch"] >= 3 for row in state.rows):
            pressed.append(state)
            raise KeyboardInterrupt

    campaign_id, outcome = _run(workspace, config=mini_config(), on_tick=press)
    if pressed:
        assert isinstance(outcome, CancelledError)
        assert f"campaign resume {campaign_id}" in str(outcome)
    _, results = _run(workspace, campaign_id)
    reference_space, _, reference, _ = finished
    for a, b in zip(reference.runs, results.runs, strict=True):
        assert numbers(reference_space, a) == numbers(workspace, b)
        assert weights(reference_space, a) == weights(workspace, b)
        assert a.verdict == b.verdict
