"""Checkpoints: exact, verified, replaced without a gap."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from training_cases import MODEL, assert_same_weights, make_data, trainer, without_time

from marketlab.core import CancelledError, IntegrityError, Progress
from marketlab.training import (
    Checkpointer,
    checkpoint_facts,
    delete_checkpoint,
    fit,
    load_checkpoint,
    save_checkpoint,
)

FILES = ["model.safetensors", "optimizer.safetensors", "best_model.safetensors", "state.json"]


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def state():
    return fit(make_data(), MODEL, trainer(epochs=2, learning_rate=0.02), seed=4).state


def test_a_checkpoint_reads_back_exactly(state, tmp_path):
    save_checkpoint(tmp_path / "op", state)
    back = load_checkpoint(tmp_path / "op")
    for name in ("weights", "moment_1", "moment_2", "best_weights"):
        assert_same_weights(getattr(back, name), getattr(state, name))
    assert back.history == state.history
    assert back.stop == state.stop
    assert (back.epoch, back.n_steps, back.seed) == (2, 20, 4)
    assert (back.config_hash, back.data_hash) == (state.config_hash, state.data_hash)
    assert names_in(tmp_path / "op") == sorted(FILES)
    assert names_in(tmp_path) == ["op"]


def test_resume_from_disk_equals_the_uninterrupted_run(tmp_path):
    data, config = make_data(), trainer(epochs=7, learning_rate=0.02)
    whole = fit(data, MODEL, config, seed=1)
    progress = Progress.in_memory()
    keeper = Checkpointer(tmp_path / "op", every_epochs=2)

    def on_epoch(metrics, state):
        keeper.on_epoch(metrics, state)
        if state.epoch == 5:
            progress.cancel()

    with pytest.raises(CancelledError):
        fit(data, MODEL, config, seed=1, on_epoch=on_epoch, progress=progress)
    assert load_checkpoint(tmp_path / "op").epoch == 4
    assert keeper.flush("cancellation")
    held = load_checkpoint(tmp_path / "op")
    assert held.epoch == 5
    assert checkpoint_facts(tmp_path / "op")["kind"] == "cancellation"
    again = fit(data, MODEL, config, seed=1, resume=held)
    assert_same_weights(again.last_weights, whole.last_weights)
    assert_same_weights(again.best_weights, whole.best_weights)
    assert [without_time(m) for m in again.history] == [without_time(m) for m in whole.history]
    keeper.delete()
    assert names_in(tmp_path) == []


def test_checkpoints_are_also_due_by_time(state, tmp_path):
    now = [0.0]
    keeper = Checkpointer(tmp_path / "op", every_epochs=1000, seconds=lambda: now[0])
    keeper.on_epoch(state.history[-1], state)
    assert not (tmp_path / "op").exists()
    now[0] = 300.0
    keeper.on_epoch(state.history[-1], state)
    assert load_checkpoint(tmp_path / "op").epoch == 2


def test_nothing_to_flush_before_the_first_epoch(tmp_path):
    assert not Checkpointer(tmp_path / "op").flush("failure")
    assert not (tmp_path / "op").exists()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "truncated", "changed"])
def test_damage_is_found_and_named(state, tmp_path, name, damage):
    folder = tmp_path / "op"
    save_checkpoint(folder, state)
    path = folder / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        place = len(content) - 40  # inside the last tensor, or the last digits of the JSON
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(IntegrityError, match=f"the checkpoint cannot be used: .*{name}") as caught:
        load_checkpoint(folder)
    assert caught.value.code == "CHECKPOINT-Corrupt"
    assert "start the run again" in caught.value.suggestion


def test_a_checkpoint_that_is_no_folder_at_all(tmp_path):
    with pytest.raises(IntegrityError, match=r"state\.json is missing"):
        load_checkpoint(tmp_path / "never")


def test_dying_between_the_two_renames_leaves_the_old_checkpoint(state, tmp_path):
    folder = tmp_path / "op"
    save_checkpoint(folder, state)
    folder.rename(tmp_path / ".op.previous")
    assert load_checkpoint(folder).epoch == 2
    save_checkpoint(folder, state)
    assert load_checkpoint(folder).epoch == 2
    delete_checkpoint(folder)
    assert names_in(tmp_path) == []


def test_a_half_written_successor_is_ignored_and_replaced(state, tmp_path):
    folder = tmp_path / "op"
    save_checkpoint(folder, state)
    shutil.copytree(folder, tmp_path / ".op.next")
    (tmp_path / ".op.next" / "state.json").write_text("{")
    assert load_checkpoint(folder).epoch == 2
    save_checkpoint(folder, state)
    assert names_in(tmp_path) == ["op"]


def test_state_json_holds_no_nan(state, tmp_path):
    save_checkpoint(tmp_path / "op", state)

    def refuse(text):
        raise AssertionError(text)

    json.loads((tmp_path / "op" / "state.json").read_text(), parse_constant=refuse)


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from training_cases import MODEL, make_data, trainer
from marketlab.training import *
root = Path(sys.argv[1])
facts = RunFacts(run_id="run_1", strategy="v15_rsi_only", operation_id="op_1", seed=1,
                 config={"name": "v15_rsi_only", "training": {"epochs": 100000}})
analytics = RunAnalytics(root / "runs" / "run_1", root / "failed" / "run_1", facts)
keeper = Checkpointer(root / "op", every_epochs=1)
def on_epoch(metrics, state):
    analytics.on_epoch(metrics, state)
    keeper.on_epoch(metrics, state)
    print(state.epoch, flush=True)
fit(make_data(), MODEL, trainer(epochs=100000), seed=1, on_epoch=on_epoch)
"""


def test_a_killed_process_leaves_valid_files(tmp_path):
    from marketlab.training import METRICS_COLUMNS, RUN_FILES

    here = str(Path(__file__).parent)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), here], stdout=subprocess.PIPE, text=True
    )
    try:
        for line in process.stdout:
            if int(line) >= 6:
                break
        time.sleep(0.0137)  # anywhere within writing or training
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    run = tmp_path / "runs" / "run_1"
    for name in RUN_FILES:
        assert (run / name).stat().st_size > 0
    rows = (run / "metrics.csv").read_text()
    assert rows.endswith("\n")
    cells = [line.split(",") for line in rows.splitlines()]
    assert all(len(row) == len(METRICS_COLUMNS) and all(row) for row in cells)
    assert [int(row[0]) for row in cells[1:]] == list(range(len(cells) - 1))
    assert len(cells) - 1 >= 6
    json.loads((run / "detailed_metrics.json").read_text())
    assert (run / "config.yaml").read_text().startswith("name: v15_rsi_only\n")
    state = load_checkpoint(tmp_path / "op")
    assert state.epoch == len(state.history) >= 6
