"""The real server in a process of its own: workers that die, cancel, resume, and its own end."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import httpx
import psutil
import pytest
from interfaces_world import free_port

from marketlab.campaigns import Workspace, initialise_workspace, shipped_strategy
from marketlab.core import atomic_write, dump_yaml
from marketlab.data import SyntheticConfig, synthetic_bars

SLOW_EPOCHS = 4000


class Server:
    """One server process."""

    def __init__(self, workspace, *options):
        self.port = free_port()
        command = [sys.executable, "-m", "marketlab.interfaces.cli", "serve", "--workers", "1"]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), "-w", str(workspace), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}/api/v1", timeout=30)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if self.http.get("/health").status_code == 200:
                    return
            if self.process.poll() is not None:
                pytest.fail(f"the server ended: {self.process.stdout.read()}")
            time.sleep(0.05)
        pytest.fail("the server did not answer")

    def start(self, name):
        answer = self.http.post("/training/start", json={"strategy_name": name})
        assert answer.status_code == 200, answer.text
        return answer.json()["operation_id"]

    def view(self, operation_id):
        return self.http.get(f"/operations/{operation_id}").json()["data"]

    def until(self, operation_id, wanted, seconds=60):
        """Poll until `wanted` of the view holds; return the views seen."""
        seen = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            seen.append(self.view(operation_id))
            if wanted(seen[-1]):
                return seen
            time.sleep(0.05)
        pytest.fail(f"it did not come to that: {seen[-1]}")

    def until_training(self, operation_id, epochs=12):
        return self.until(
            operation_id,
            lambda v: (
                v["status"] == "running" and v["progress"]["context"]["epoch_index"] >= epochs
            ),
        )

    def kill_worker(self):
        """Kill the worker as the system does when memory runs out; return its process id."""
        workers = [
            p
            for p in psutil.Process(self.process.pid).children()
            if "resource_tracker" not in " ".join(p.cmdline())
        ]
        (worker,) = workers
        worker.kill()
        return worker.pid

    def stop(self, number=signal.SIGTERM):
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.communicate(timeout=60)[0]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    made = Workspace.at(tmp_path_factory.mktemp("server") / "ws")
    initialise_workspace(made, recipe=None)
    made.catalog.add(synthetic_bars(SyntheticConfig(n_bars=3000, seed=7)))
    for name, epochs in (("fast", 12), ("slow", SLOW_EPOCHS)):
        mapping = shipped_strategy("next_bar_rsi").to_mapping() | {"name": name}
        mapping["training"] |= {"epochs": epochs, "date_range": None}
        mapping["training"]["early_stopping"] = {"enabled": False}
        atomic_write(made.strategies / f"{name}.yaml", dump_yaml(mapping))
    return made.root


@pytest.fixture(scope="module")
def server(workspace):
    running = Server(workspace)
    try:
        yield running
    finally:
        running.stop()


def is_final(view):
    return view["status"] in ("completed", "failed", "cancelled")


def test_a_run_from_start_to_result(server):
    operation_id = server.start("fast")
    views = server.until(operation_id, is_final)
    assert views[-1]["status"] == "completed"
    shares = [view["progress"]["percentage"] for view in views]
    assert shares == sorted(shares)
    assert shares[-1] == 100.0
    assert all(
        share < 100.0
        for view, share in zip(views, shares, strict=True)
        if view["status"] != "completed"
    )
    metrics = server.http.get(f"/operations/{operation_id}/metrics").json()
    assert [epoch["epoch"] for epoch in metrics["epochs"]] == list(range(12))
    assert set(metrics["epochs"][0]) == {
        "epoch",
        "train_loss",
        "train_accuracy",
        "val_loss",
        "val_accuracy",
        "learning_rate",
        "duration",
        "timestamp",
    }
    losses = [epoch["val_loss"] for epoch in metrics["epochs"]]
    assert metrics["best_val_loss"] == min(losses) == losses[metrics["best_epoch"]]
    assert metrics["epochs_since_improvement"] == 11 - metrics["best_epoch"]
    assert (metrics["total_epochs_planned"], metrics["total_epochs_completed"]) == (12, 12)
    results = server.http.get(f"/operations/{operation_id}/results").json()
    assert results["verdict"]["outcome"]
    assert results["results"]["test_metrics"]["test_accuracy"] is None, "the test part is sealed"
    performance = server.http.get(f"/trainings/{operation_id}/performance").json()
    assert performance["success"] is True
    assert performance["training_metrics"]["early_stopped"] is False
    assert performance["training_metrics"]["training_time_minutes"] > 0
    assert performance["model_info"]["parameters_count"] == 2819


def test_cancelled_runs_are_resumed_from_their_checkpoint(server):
    operation_id = server.start("slow")
    server.until_training(operation_id)
    no_checkpoint_needed = server.http.post(f"/operations/{operation_id}/resume")
    assert no_checkpoint_needed.status_code == 409
    answer = server.http.request(
        "DELETE", f"/operations/{operation_id}", json={"reason": "lunch"}
    ).json()
    assert answer["status"] == "cancelled"
    assert answer["cancellation_reason"] == "lunch"
    assert answer["task_cancelled"] is True
    again = server.http.delete(f"/operations/{operation_id}")
    assert again.status_code == 400
    (checkpoint,) = server.http.get("/checkpoints").json()["data"]
    assert checkpoint["operation_id"] == operation_id
    assert checkpoint["checkpoint_type"] == "cancellation"
    assert checkpoint["epoch"] >= 12
    assert server.http.get("/checkpoints/stats").json()["by_type"] == {"cancellation": 1}
    resumed = server.http.post(f"/operations/{operation_id}/resume").json()
    assert resumed["resumed_from"]["checkpoint_type"] == "cancellation"
    assert resumed["resumed_from"]["epoch"] == checkpoint["epoch"]
    server.until_training(operation_id, epochs=checkpoint["epoch"] + 1)
    server.http.delete(f"/operations/{operation_id}")
    assert server.http.delete(f"/checkpoints/{operation_id}").json()["deleted"] is True
    gone = server.http.post(f"/operations/{operation_id}/resume")
    assert gone.status_code == 404
    assert server.view(operation_id)["status"] == "cancelled", "a refusal changes nothing"


def test_a_worker_that_dies_twice_fails_its_run_with_the_reason_and_retry_runs(server):
    operation_id = server.start("slow")
    server.until_training(operation_id)
    first = server.kill_worker()
    views = server.until(
        operation_id, lambda v: v["attempt"] == 2 and v["status"] == "running", seconds=30
    )
    assert not any(is_final(view) for view in views), "one death is tried again by itself"
    server.until_training(operation_id)
    assert server.kill_worker() != first
    failed = server.until(operation_id, is_final)[-1]
    assert failed["status"] == "failed"
    assert "worker process died" in failed["error"]
    assert failed["failure_class"] == "transient"
    retried = server.http.post(f"/operations/{operation_id}/retry").json()
    assert retried["retry_of"] == operation_id
    server.until_training(retried["operation_id"])
    cancelled = server.http.delete(f"/operations/{retried['operation_id']}").json()
    assert cancelled["status"] == "cancelled"
    refused = server.http.post(f"/operations/{retried['operation_id']}/retry")
    assert refused.status_code == 400


def test_the_end_of_a_server_leaves_failed_runs_that_the_next_one_resumes(workspace):
    server = Server(workspace, "--token", "a-token-of-this-test")
    headers = {"Authorization": "Bearer a-token-of-this-test"}
    assert server.http.get("/operations").status_code == 401
    server.http.headers.update(headers)
    operation_id = server.start("slow")
    server.until_training(operation_id)
    said = server.stop(signal.SIGINT)
    assert said.startswith(f"marketlab serves http://127.0.0.1:{server.port}/api/v1 for ")
    assert "Traceback" not in said
    later = Server(workspace)
    try:
        view = later.view(operation_id)
        assert view["status"] == "failed"
        assert "resume" in view["error"]
        resumed = later.http.post(f"/operations/{operation_id}/resume")
        assert resumed.status_code == 200, resumed.text
        assert resumed.json()["resumed_from"]["epoch"] >= 10
        later.until_training(operation_id, epochs=resumed.json()["resumed_from"]["epoch"] + 1)
        os.kill(later.process.pid, signal.SIGKILL)
        later.process.wait()
    finally:
        later.stop()
    last = Server(workspace)
    try:
        assert last.view(operation_id)["status"] == "failed", "a killed server is noticed too"
        assert last.http.get("/operations?active_only=true").json()["active_count"] == 0
    finally:
        last.stop()
