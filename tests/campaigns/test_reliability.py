"""Races, deaths and full disks at the worst moment: nothing is lost, doubled or stuck for ever."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from campaign_world import mini_config

from marketlab.campaigns import CampaignRunner, Executor, Ledger, OperationService, Workspace
from marketlab.campaigns import _campaign as campaign_module
from marketlab.campaigns import _experiment as experiment_module
from marketlab.campaigns import _service as service_module
from marketlab.campaigns._executor import _Job, _Worker
from marketlab.campaigns._ledger import NewOperation
from marketlab.campaigns._resolve import ensure_bars, resolve_experiment
from marketlab.core import (
    CancelledError,
    ConflictError,
    IntegrityError,
    Progress,
    Slot,
    TransientError,
    check_name,
    write_json,
)

SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from campaign_world import mini_config
from marketlab.campaigns import CampaignRunner, Executor, Ledger, Workspace
if __name__ == "__main__":
    workspace = Workspace.at(sys.argv[1]).create()
    with workspace.store() as store:
        ledger = Ledger(store)
        with Executor(workspace, ledger, workers=2) as executor:
            runner = CampaignRunner(workspace, ledger, executor)
            campaign_id = runner.create(mini_config(epochs=3_000, n_bars=20_000))
            def tick(state):
                if all(row["epoch"] >= 2 for row in state.rows):
                    print("training", flush=True)
            runner.run(campaign_id, on_tick=tick)
"""


class _Pipe:
    """A worker's end of the pipe that remembers what it was sent."""

    def __init__(self):
        self.sent = []
        self.answers = []

    def send(self, job):
        self.sent.append(job)

    def recv(self):
        return self.answers.pop(0)


@pytest.fixture
def world(tmp_path):
    """A workspace whose executor has one worker made of paper."""
    workspace = Workspace.at(tmp_path / "ws").create()
    with workspace.store() as store:
        ledger = Ledger(store)
        executor = Executor(workspace, ledger, workers=1)
        with executor._lock:
            service = OperationService(workspace, ledger, executor)
            config = mini_config(epochs=4)
            bars = ensure_bars(workspace, config.data)
            experiment = resolve_experiment(workspace, config, "next_bar_rsi", bars)
            worker = _Worker(process=_FakeProcess(), connection=_Pipe(), ready=True)
            executor._workers.append(worker)
            yield SimpleNamespace(
                workspace=workspace,
                ledger=ledger,
                executor=executor,
                service=service,
                experiment=experiment,
                worker=worker,
                config=config,
            )


class _FakeProcess:
    pid = 4711
    exitcode = -9

    def __init__(self):
        self.killed = 0

    def kill(self):
        self.killed += 1

    def is_alive(self):
        return True


def _begin(world):
    """Create an operation and hand it to the worker of paper."""
    operation_id = world.service.create(world.experiment, surrogates=0)
    world.service.queue(operation_id)
    _hand_out(world.executor)
    return operation_id


def _hand_out(executor):
    while not executor._queue.empty():
        executor._waiting.append(executor._queue.get_nowait())
    executor._assign()


def _answer(world, word, value):
    job = world.worker.job
    world.worker.connection.answers.append((word, job.job_id, value))
    world.executor._receive(world.worker)


def _status(world, operation_id):
    return world.ledger.operation(operation_id)["status"]


DIED = {"failure_class": "transient", "text": "the worker process died", "code": "X-Y"}


# -- signals --------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_ctrl_c_of_a_terminal_reaches_the_workers_and_does_not_end_them(tmp_path):
    script = tmp_path / "campaign.py"
    script.write_text(SCRIPT.format(root=str(Path(__file__).parent)))
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "ws")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "training\n"
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" not in errors
    assert "CancelledError" in errors  # the script does not catch it
    workspace = Workspace.at(tmp_path / "ws")
    with workspace.store() as store:
        rows, _ = Ledger(store).list_operations()
        assert Ledger(store).list_campaigns()[0]["status"] == "cancelled"
    assert [row["status"] for row in rows] == ["cancelled", "cancelled"]
    assert [row["attempt"] for row in rows] == [1, 1]
    assert all(workspace.checkpoint(row["run_id"]).is_dir() for row in rows)


# -- workers --------------------------------------------------------------------------------------


def test_a_worker_that_dies_before_it_is_ready_is_replaced(tmp_path):
    workspace = Workspace.at(tmp_path).create()
    with workspace.store() as store, Executor(workspace, Ledger(store), workers=1) as executor:
        executor._workers[0].process.kill()
        deadline = time.monotonic() + 60
        while not executor._workers[0].ready and time.monotonic() < deadline:
            executor.pump(0.1)
        assert executor._workers[0].ready


def test_workers_that_never_get_ready_end_with_one_clear_error(tmp_path):
    workspace = Workspace.at(tmp_path).create()
    with workspace.store() as store, Executor(workspace, Ledger(store), workers=1) as executor:

        def kill_all():
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                executor._workers[0].process.kill()
                executor.pump(0.1)

        with pytest.raises(TransientError, match=r'before it was ready, 3 times.*"__main__"'):
            kill_all()
        executor._workers[0].process.kill()
        with pytest.raises(TransientError, match="before it was ready"):
            kill_all()  # the same error, not one about a closed handle


def test_a_silent_worker_is_found_by_our_own_clock(world, monkeypatch):
    operation_id = _begin(world)
    world.executor.stall_seconds = 100.0
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = Progress.in_file(world.workspace.control(operation_id))
    world.worker.job.heard_at = now[0]
    # The machine slept: by its clock the last beat is hours old, and the worker beats again soon.
    progress.array[Slot.HEARTBEAT_NS] = time.time_ns() - 7_200_000_000_000
    now[0] += 101.0
    world.executor._end_unwanted()
    assert world.worker.process.killed == 0
    # The clock was set back: the last beat seems to lie in the future, and no other comes.
    progress.array[Slot.HEARTBEAT_NS] = time.time_ns() + 7_200_000_000_000
    world.executor._end_unwanted()
    now[0] += 101.0
    world.executor._end_unwanted()
    assert world.worker.process.killed == 1
    assert "no sign of life for 100 seconds" in world.executor._death(world.worker.job, -9)["text"]


# -- cancellation ---------------------------------------------------------------------------------


def test_a_cancellation_right_after_the_claim_is_kept(world, monkeypatch):
    claim = world.ledger.transition

    def claim_then_cancel(operation_id, to, **fields):
        done = claim(operation_id, to, **fields)
        if to == "running":
            world.service.cancel(operation_id, wait_seconds=0.0)
        return done

    monkeypatch.setattr(world.ledger, "transition", claim_then_cancel)
    operation_id = _begin(world)
    assert _status(world, operation_id) == "running"
    assert Progress.in_file(world.workspace.control(operation_id)).cancelled


def test_a_cancelled_run_whose_worker_dies_is_not_tried_again(world):
    operation_id = _begin(world)
    world.service.cancel(operation_id, wait_seconds=0.0)
    _answer(world, "error", DIED)
    world.executor._settle()
    assert _status(world, operation_id) == "cancelled"
    assert world.executor.idle


def test_a_cancellation_outlives_a_retry_that_it_met(world):
    operation_id = _begin(world)
    _answer(world, "error", DIED)
    thread = threading.Thread(target=world.service.cancel, args=(operation_id,))
    world.executor._settle()
    assert _status(world, operation_id) == "resuming"
    thread.start()
    thread.join(10.0)
    assert _status(world, operation_id) == "cancelled"


def test_a_job_that_waits_twice_does_not_cancel_itself(world):
    operation_id = world.service.create(world.experiment, surrogates=0)
    world.service.queue(operation_id)
    world.service.queue(operation_id)  # resumed, cancelled while it waited, resumed again
    second = _Worker(process=_FakeProcess(), connection=_Pipe(), ready=True)
    world.executor._workers.append(second)
    _hand_out(world.executor)
    Progress.in_file(world.workspace.control(operation_id)).cancel()
    world.executor._settle()
    assert _status(world, operation_id) == "running"
    assert second.job is None
    assert Progress.in_file(world.workspace.control(operation_id)).cancelled


def test_a_job_whose_operation_went_to_another_process_is_left_alone(world):
    operation_id = world.service.create(world.experiment, surrogates=0)
    world.service.queue(operation_id)
    world.ledger.update_operation(operation_id, owner="executor-1-other")
    _hand_out(world.executor)
    world.executor._settle()
    assert world.worker.job is None
    assert _status(world, operation_id) == "pending"


def test_an_operation_of_a_dead_process_can_be_cancelled(world):
    operation_id = _begin(world)
    world.ledger.update_operation(operation_id, owner="executor-1-dead")
    said = world.service.cancel(operation_id, wait_seconds=5.0)
    assert said["task_cancelled"]


def test_a_run_that_is_cancelled_while_it_is_judged_keeps_its_checkpoint(world, monkeypatch):
    operation_id = _begin(world)
    payload = world.worker.connection.sent[0][2]

    def cancelled(*_args, **_kwargs):
        raise CancelledError("the work was cancelled on request.")

    with monkeypatch.context() as patch:
        patch.setattr(experiment_module, "collect_evidence", cancelled)
        with pytest.raises(CancelledError):
            experiment_module.run_training(world.workspace.root, payload)
    assert world.workspace.checkpoint(payload["run_id"]).is_dir()

    write = experiment_module.write_json

    def cancel_then_write(path, value, **kwargs):
        if path.name == "outcome.json":
            Progress.in_file(world.workspace.control(operation_id)).cancel()
        write(path, value, **kwargs)

    monkeypatch.setattr(experiment_module, "write_json", cancel_then_write)
    outcome = experiment_module.run_training(world.workspace.root, payload)  # too late
    assert outcome["record"]["status"] == "completed"


# -- answers and the ledger -----------------------------------------------------------------------


def test_an_answer_waits_until_the_ledger_can_take_it_in(world, monkeypatch):
    operation_id = _begin(world)
    _answer(world, "error", {**DIED, "failure_class": "data"})
    with monkeypatch.context() as patch:

        def full(*_args, **_kwargs):
            raise IntegrityError("the disk is full", code="STORAGE-Full")

        patch.setattr(world.ledger, "record_run", full)
        for _ in range(2):
            with pytest.raises(IntegrityError, match="full"):
                world.executor._settle()
    assert not world.executor.idle
    world.executor._settle()
    assert world.executor.idle
    row = world.ledger.operation(operation_id)
    assert row["status"] == "failed"
    assert world.ledger.run(row["run_id"])["status"] == "failed"  # every trial counts


def test_an_answer_that_can_never_be_recorded_ends_its_operation_only(world, monkeypatch):
    operation_id = _begin(world)
    _answer(world, "done", {"record": {}})
    with pytest.raises(Exception, match="required field"):
        world.executor._settle()
    assert _status(world, operation_id) == "failed"
    assert world.executor.idle


def test_a_claim_that_a_locked_ledger_refuses_is_made_again(world, monkeypatch):
    operation_id = world.service.create(world.experiment, surrogates=0)
    world.service.queue(operation_id)

    def busy(*_args, **_kwargs):
        raise TransientError("locked", code="STORE-Busy")

    with monkeypatch.context() as patch:
        patch.setattr(world.ledger, "transition", busy)
        with pytest.raises(TransientError):
            _hand_out(world.executor)
    world.executor._assign()
    assert _status(world, operation_id) == "running"


def test_a_start_that_cannot_be_queued_does_not_stay_pending(world, monkeypatch):
    def full(*_args, **_kwargs):
        raise IntegrityError("the disk is full", code="STORAGE-Full")

    with monkeypatch.context() as patch:
        patch.setattr(service_module, "write_tracker", full)
        with pytest.raises(IntegrityError):
            world.service.create(world.experiment, surrogates=0)
    (row,), _ = world.ledger.list_operations()
    assert row["status"] == "failed"
    assert "could not be queued: the disk is full" in row["error_message"]


def test_a_retry_is_never_seen_as_the_end_and_keeps_its_count(world, monkeypatch):
    seen = []
    change = world.ledger.transition

    def watch(operation_id, to, **fields):
        seen.append(to)
        return change(operation_id, to, **fields)

    monkeypatch.setattr(world.ledger, "transition", watch)
    operation_id = _begin(world)
    _answer(world, "error", DIED)
    world.executor._settle()
    world.executor._assign()
    _answer(world, "error", DIED)
    world.executor._settle()
    assert seen == ["running", "resuming", "running", "failed"]
    assert world.ledger.operation(operation_id)["attempt"] == 2
    again = world.service.retry(operation_id)
    _hand_out(world.executor)
    assert world.ledger.operation(again["operation_id"])["attempt"] == 3


def test_the_tracker_shows_a_run_as_soon_as_it_begins(world):
    _begin(world)
    assert "| running |" in world.workspace.tracker.read_text()


def test_names_of_any_allowed_length_give_ids_of_allowed_length(world):
    long = "n" * 120
    operation_id = world.ledger.create_operation(
        NewOperation("training", {}, strategy_name=long, symbol="S" * 120, timeframe="1h")
    )
    check_name(world.ledger.operation(operation_id)["run_id"] + ".lock")
    check_name(world.ledger.create_campaign(name=long, config_id="", seed=0, config={}) + ".lock")


# -- several processes ----------------------------------------------------------------------------


def test_recover_does_not_fail_what_another_process_recovered_first(world, monkeypatch):
    operation_id = _begin(world)
    world.ledger.update_operation(operation_id, owner="executor-1-dead")

    def meanwhile(_workspace, owner):
        world.ledger.update_operation(operation_id, owner="executor-2-alive")
        return owner != "executor-1-dead"

    monkeypatch.setattr(service_module, "owner_is_alive", meanwhile)
    assert world.service.recover() == []
    assert _status(world, operation_id) == "running"


def test_a_resumed_operation_belongs_to_its_executor_at_once(world, monkeypatch):
    operation_id = _begin(world)
    world.ledger.transition(operation_id, "failed", owner="executor-1-dead")
    run_id = world.ledger.operation(operation_id)["run_id"]
    world.workspace.checkpoint(run_id).mkdir()
    facts = {"kind": "periodic", "saved_at": "", "epoch": 1}
    monkeypatch.setattr(service_module, "checkpoint_facts", lambda _folder: facts)
    owners = []
    read = world.ledger.operation
    monkeypatch.setattr(
        world.service, "queue", lambda i, _finished: owners.append(read(i)["owner"])
    )
    world.service.resume(operation_id)
    assert owners == [world.executor.owner]


def test_a_result_that_no_supervisor_took_in_is_neither_lost_nor_made_twice(world):
    operation_id = _begin(world)
    payload = world.worker.connection.sent[0][2]
    experiment_module.run_training(world.workspace.root, payload)
    world.ledger.update_operation(operation_id, owner="executor-1-dead")
    assert world.service.recover() == []
    row = world.ledger.operation(operation_id)
    assert row["status"] == "completed"
    assert world.ledger.run(row["run_id"])["status"] == "completed"
    # The orphan may also end after the next process has called it failed.
    world.ledger.transition(operation_id, "failed", only_from=("completed",))
    resumed = world.service.resume(operation_id)
    assert resumed["resumed_from"]["checkpoint_type"] == "result"
    assert resumed["resumed_from"]["epoch"] >= 1


def test_a_campaign_is_run_by_one_process_at_a_time(world):
    runner = CampaignRunner(world.workspace, world.ledger, world.executor)
    campaign_id = runner.create(world.config)
    other = CampaignRunner(world.workspace, world.ledger, world.executor)

    def run_it_again(*_args):
        other.run(campaign_id)

    runner._run = run_it_again
    with pytest.raises(ConflictError, match="run by another process"):
        runner.run(campaign_id)


def test_a_campaign_that_cannot_go_on_is_not_running_for_ever(world, monkeypatch):
    runner = CampaignRunner(world.workspace, world.ledger, world.executor)
    campaign_id = runner.create(world.config)

    def broken(*_args):
        raise IntegrityError("the null could not be computed", code="NULL-Failed")

    monkeypatch.setattr(campaign_module._CampaignWork, "queue_null", broken)
    with pytest.raises(IntegrityError):
        runner.run(campaign_id)
    assert world.ledger.campaign(campaign_id)["status"] == "failed"


def test_a_campaign_goes_on_with_the_strategies_and_bars_it_began_with(world):
    source = Path(campaign_module.__file__).parent / "recipes" / "next_bar"
    text = next(source.rglob("next_bar_rsi.yaml")).read_text()
    path = world.workspace.strategies / "next_bar_rsi.yaml"
    path.write_text(text)
    config = mini_config(epochs=4, names=("next_bar_rsi",)).model_copy(
        update={
            "strategies": mini_config().strategies.model_copy(
                update={"recipe": None, "names": ("next_bar_rsi",)}
            )
        }
    )
    runner = CampaignRunner(world.workspace, world.ledger, world.executor)
    campaign_id = world.ledger.create_campaign(
        name="mini", config_id="x", seed=7, config=config.to_mapping()
    )
    first = campaign_module._CampaignWork(runner, campaign_id, config)
    first.queue_runs()
    path.write_text(text.replace("period: 14", "period: 21"))
    assert path.read_text() != text
    later = campaign_module._CampaignWork(runner, campaign_id, config)
    later.queue_runs()
    assert later.strategies == first.strategies
    assert later.bars.dataset_id == first.bars.dataset_id


# -- the control array ----------------------------------------------------------------------------


def test_a_control_array_is_never_emptied_by_who_opens_it(tmp_path, monkeypatch):
    path = tmp_path / "op"
    first = Progress.in_file(path)
    first.cancel()
    monkeypatch.setattr(Path, "exists", lambda _path: False)  # seen just before it was made
    assert Progress.in_file(path).cancelled
    monkeypatch.undo()
    assert first.cancelled
    path.write_bytes(b"")  # made by somebody who died at once
    assert not np.any(Progress.in_file(path).array)


def test_a_checkpoint_that_is_being_replaced_is_found(tmp_path, world):
    from marketlab.training import checkpoint_exists, checkpoint_facts

    operation_id = _begin(world)
    payload = world.worker.connection.sent[0][2]
    Progress.in_file(world.workspace.control(operation_id)).cancel()
    folder = tmp_path / "run"
    aside = tmp_path / ".run.previous"
    assert not checkpoint_exists(folder)
    aside.mkdir()
    write_json(aside / "state.json", {"payload": payload["run_id"]})
    assert checkpoint_exists(folder)
    with pytest.raises(IntegrityError, match=r"\.run\.previous"):
        checkpoint_facts(folder)


def test_a_killed_job_ends_the_worker_that_has_it_and_no_other(world):
    operation_id = _begin(world)
    assert world.executor.kill(operation_id)
    assert world.worker.process.killed == 0  # the pump does it, if it has the job still
    world.worker.job = _Job("other", "null", {}, lambda *_: None)
    world.executor._end_unwanted()
    assert world.worker.process.killed == 0
    assert not world.executor.kill(operation_id)
