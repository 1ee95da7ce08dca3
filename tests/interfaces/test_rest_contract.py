"""The REST contract over a real workspace and ledger, with a fake service that runs nothing."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interfaces_world import TestClient

from marketlab.campaigns import Ledger, NewOperation, Workspace, shipped_strategy
from marketlab.core import ConflictError, DataNotAvailableError, RequestError, TransientError
from marketlab.core import NotFoundError as NotFound
from marketlab.interfaces import usecases
from marketlab.interfaces.rest import CompactJSON, create_app, shell_safe

BASE = "http://127.0.0.1:8000"
ENVELOPE = {
    "success",
    "error",
    "message",
    "error_code",
    "context",
    "details",
    "suggestion",
    "detail",
}


class FakeExecutor:
    """Runs nothing."""

    n_workers = 0

    def pump(self, timeout_seconds):
        import time

        time.sleep(0.01)

    def worker_pids(self):
        return {}


class FakeService:
    """Records operations and raises what a test tells it to."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.requests = []
        self.error = None

    def recover(self):
        return []

    def start_training(self, request):
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        strategy = shipped_strategy("v15_rsi_only").to_mapping()
        new = NewOperation(
            operation_type="training",
            strategy_name=request.strategy_name,
            symbol="EURUSD",
            timeframe="1h",
            request={"strategy": strategy, "dataset_id": "d" * 64, "most_seconds": 30.0},
        )
        return self.ledger.operation(self.ledger.create_operation(new))

    def cancel(self, operation_id, *, reason, force):
        if self.error is not None:
            raise self.error
        self.ledger.operation(operation_id)
        self.ledger.transition(operation_id, "cancelled")
        return {
            "operation_id": operation_id,
            "status": "cancelled",
            "cancelled_at": "now",
            "cancellation_reason": reason,
            "task_cancelled": True,
            "children_cancelled": 0,
        }

    def retry(self, operation_id):
        raise self.error

    def resume(self, operation_id):
        raise self.error


class World:
    """A client, and what stands behind it."""

    def __init__(self, client, session):
        self.client = client
        self.session = session
        self.service = session.service

    def start(self, **body):
        body.setdefault("strategy_name", "v15_rsi_only")
        return self.client.post("/api/v1/training/start", json=body)


def make_world(workspace, token=None):
    opened = contextlib.ExitStack()
    made = Workspace.at(workspace)
    ledger = Ledger(opened.enter_context(made.store()))
    session = usecases.Session(made, ledger, FakeExecutor(), FakeService(ledger))
    app = create_app(lambda: contextlib.nullcontext(session), token=token)
    return opened, app, session


@pytest.fixture
def world(workspace):
    opened, app, session = make_world(workspace)
    with opened, TestClient(app, base_url=BASE, raise_server_exceptions=False) as client:
        yield World(client, session)


def refused(answer, status, code, *texts):
    """Check an answer that is the documented error."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) - {"data"} == ENVELOPE
    assert body["success"] is False
    assert body["error"]["code"] == body["error_code"] == code
    assert body["error"]["message"] == body["message"] == body["detail"]
    assert body["details"] == body["error"]["details"]
    assert isinstance(body["details"]["errors"], list)
    assert '"operation_id":' not in answer.text
    assert "\n" not in answer.text
    for text in texts:
        assert text in answer.text, answer.text
    return body


# -- start ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["training", "trainings"])
def test_both_spellings_start_a_new_run_each(world, path):
    answers = [
        world.client.post(f"/api/v1/{path}/start", json={"strategy_name": "v15_rsi_only"})
        for _ in range(2)
    ]
    ids = set()
    for answer in answers:
        assert answer.status_code == 200
        body = answer.json()
        ids.add(body["operation_id"])
        assert body["operation_id"] == body["task_id"] == body["data"]["operation_id"]
        assert body["data"]["task_id"] == body["task_id"]
        assert body["status"] == "training_started"
        assert body["data"]["status"] == "pending"
        assert (body["symbol"], body["symbols"]) == ("EURUSD", ["EURUSD"])
        assert (body["timeframe"], body["timeframes"]) == ("1h", ["1h"])
        assert body["estimated_duration_minutes"] > 0
        assert body["success"] is True
        assert body["message"]
    assert len(ids) == 2


def test_body_fields_reach_the_service(world):
    world.start(
        symbols=["EURUSD"],
        timeframes=["1h"],
        start_date="2015-01-01",
        end_date="2023-12-31",
        task_id="mine",
        detailed_analytics=True,
        seed=4,
        repeats=2,
    )
    (request,) = world.service.requests
    assert (request.symbols, request.timeframes) == (("EURUSD",), ("1h",))
    assert (request.start_date, request.end_date) == ("2015-01-01", "2023-12-31")
    assert (request.task_id, request.seed, request.repeats) == ("mine", 4, 2)


def test_content_type_of_plain_curl_is_accepted(world):
    answer = world.client.post(
        "/api/v1/training/start",
        content=b'{"strategy_name":"v15_rsi_only"}',
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"strategy_name":', "not valid JSON"),
        (b"[1]", "must be a JSON object, not list"),
        (b'{"strategy_name": NaN}', "NaN"),
        (b"\xff\xfe", "not valid JSON"),
        (b"{}", "required field is missing"),
        (b'{"strategy_name": 3}', "strategy_name"),
        (b'{"strategy_name": "a", "epochs": 3}', "unknown key 'epochs'"),
        (b'{"strategy_name": "a", "repeats": 0}', "repeats"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a": "' + b"x" * 1_100_000 + b'"}', "larger than"),
    ],
    ids=["cut", "list", "nan", "bytes", "empty", "type", "unknown", "range", "deep", "large"],
)
def test_malformed_bodies_are_422(world, body, text):
    answer = world.client.post("/api/v1/training/start", content=body)
    facts = refused(answer, 422, answer.json()["error_code"], text)
    assert facts["context"]["failure_class"] == "config"
    assert world.service.requests == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RequestError("no."), 400),
        (NotFound("no.", code="STRATEGY-NotFound"), 404),
        (DataNotAvailableError("No data for EURUSD 1h."), 400),
        (TransientError("busy."), 503),
        (ConflictError("no."), 409),
        (ZeroDivisionError("boom"), 500),
    ],
)
def test_refused_start_has_the_status_of_its_error(world, error, status):
    world.service.error = error
    code = getattr(error, "code", "SYSTEM-Unexpected")
    refused(world.start(), status, code, str(error.args[0]))


def test_idempotency_key_is_allowed_and_lasts(world, workspace):
    headers = {"Idempotency-Key": "k1"}

    def send(client, **body):
        return client.post(
            "/api/v1/training/start",
            json={"strategy_name": "v15_rsi_only", **body},
            headers=headers,
        )

    first, second = send(world.client), send(world.client)
    assert first.json()["operation_id"] == second.json()["operation_id"]
    assert len(world.service.requests) == 1
    refused(send(world.client, seed=9), 409, "REQUEST-IdempotencyKeyReused", "k1")
    opened, app, _ = make_world(workspace)
    with opened, TestClient(app, base_url=BASE) as later:
        assert send(later).json()["operation_id"] == first.json()["operation_id"]


# -- operations -----------------------------------------------------------------------------------


def test_operation_is_flat_and_under_data(world):
    operation_id = world.start().json()["operation_id"]
    body = world.client.get(f"/api/v1/operations/{operation_id}").json()
    assert body["status"] == body["data"]["status"] == "pending"
    assert body["data"]["error"] is None
    assert body["data"]["error_message"] is None
    for key in (
        "operation_id",
        "parent_operation_id",
        "operation_type",
        "created_at",
        "started_at",
        "completed_at",
        "progress",
        "metadata",
        "warnings",
        "errors",
        "result_summary",
        "metrics",
        "run_id",
        "failure_class",
        "retry_of",
    ):
        assert key in body["data"], key
    assert set(body["data"]["progress"]) == {
        "percentage",
        "current_step",
        "steps_completed",
        "steps_total",
        "items_processed",
        "items_total",
        "current_item",
        "context",
    }


def test_failed_operation_shows_its_error_as_a_plain_string(world):
    operation_id = world.start().json()["operation_id"]
    world.session.ledger.transition(
        operation_id,
        "failed",
        error_message="Invalid indicator 'x'",
        error_code="A-B",
        failure_class="config",
    )
    data = world.client.get(f"/api/v1/operations/{operation_id}").json()["data"]
    assert data["status"] == "failed"
    assert data["error"] == data["error_message"] == "Invalid indicator 'x'"
    assert data["failure_class"] == "config"


@pytest.mark.parametrize("suffix", ["", "/children", "/metrics", "/results"])
def test_unknown_operation_ends_a_polling_loop(world, suffix):
    body = refused(
        world.client.get(f"/api/v1/operations/op_x{suffix}"),
        404,
        "OPERATION-NotFound",
        "there is no operation 'op_x'.",
    )
    assert body["data"] == {"status": "failed", "error": "there is no operation 'op_x'."}


def test_list_pages_filters_and_counts(world):
    ids = [world.start().json()["operation_id"] for _ in range(3)]
    world.session.ledger.transition(ids[0], "failed", error_message="x")
    get = world.client.get
    everything = get("/api/v1/operations").json()
    assert everything["total_count"] == 3
    assert everything["active_count"] == 2
    assert {row["operation_id"] for row in everything["data"]} == set(ids)
    assert set(everything["data"][0]) >= {
        "operation_id",
        "operation_type",
        "status",
        "created_at",
        "progress_percentage",
        "current_step",
        "symbol",
        "duration_seconds",
    }
    assert len(get("/api/v1/operations?limit=1").json()["data"]) == 1
    assert len(get("/api/v1/operations?offset=2").json()["data"]) == 1
    failed = get("/api/v1/operations?status=failed").json()
    assert [row["operation_id"] for row in failed["data"]] == [ids[0]]
    assert len(get("/api/v1/operations?active_only=true").json()["data"]) == 2
    assert get("/api/v1/operations?active_only=true&status=failed").json()["data"] == []
    assert get("/api/v1/operations?operation_type=backtesting").json()["total_count"] == 0


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "offset=-1"])
def test_bad_page_is_422(world, query):
    field = query.split("=")[0]
    refused(world.client.get(f"/api/v1/operations?{query}"), 422, "REQUEST-Invalid", field)


def test_unknown_status_is_400(world):
    refused(world.client.get("/api/v1/operations?status=runing"), 400, "CONFIG-Invalid", "running")


def test_children_in_order_of_creation(world):
    parent = world.start().json()["operation_id"]
    ledger = world.session.ledger
    new = {
        "operation_type": "training",
        "request": {},
        "strategy_name": "s",
        "symbol": "X",
        "timeframe": "1h",
    }
    made = [
        ledger.create_operation(NewOperation(**new, parent_operation_id=parent)) for _ in range(2)
    ]
    body = world.client.get(f"/api/v1/operations/{parent}/children").json()
    assert [row["operation_id"] for row in body["data"]] == sorted(
        made, key=lambda i: ledger.operation(i)["created_at"]
    )


def test_cancel_takes_a_reason_or_nothing(world):
    for body in ({"reason": "enough", "force": True}, None):
        operation_id = world.start().json()["operation_id"]
        answer = (
            world.client.request("DELETE", f"/api/v1/operations/{operation_id}", json=body)
            if body
            else world.client.delete(f"/api/v1/operations/{operation_id}")
        )
        facts = answer.json()
        assert facts["status"] == facts["data"]["status"] == "cancelled"
        assert facts["cancellation_reason"] == (body or {}).get("reason", "requested")
        assert {"cancelled_at", "task_cancelled", "children_cancelled"} <= set(facts)


def test_cancel_refuses_unknown_keys(world):
    operation_id = world.start().json()["operation_id"]
    answer = world.client.request(
        "DELETE", f"/api/v1/operations/{operation_id}", json={"raeson": 1}
    )
    refused(answer, 422, "STRATEGY-ValidationFailed", "raeson")


@pytest.mark.parametrize(
    ("verb", "error", "status"),
    [
        ("retry", RequestError("only a failed operation can be retried."), 400),
        ("resume", NotFound("no checkpoint.", code="CHECKPOINT-NotFound"), 404),
        ("resume", ConflictError("it is running."), 409),
        ("resume", TransientError("no worker process is free."), 503),
    ],
)
def test_retry_and_resume_statuses(world, verb, error, status):
    operation_id = world.start().json()["operation_id"]
    world.service.error = error
    refused(world.client.post(f"/api/v1/operations/{operation_id}/{verb}"), status, error.code)


def test_results_only_of_what_ended(world):
    operation_id = world.start().json()["operation_id"]
    url = f"/api/v1/operations/{operation_id}/results"
    refused(world.client.get(url), 400, "OPERATION-NotFinished", "pending")
    world.session.ledger.transition(operation_id, "failed", error_message="why")
    body = world.client.get(url).json()
    assert (body["status"], body["error"], body["results"]) == ("failed", "why", {})


def test_performance_and_metrics_before_anything_ran(world):
    operation_id = world.start().json()["operation_id"]
    body = world.client.get(f"/api/v1/trainings/{operation_id}/performance").json()
    assert (body["task_id"], body["status"]) == (operation_id, "pending")
    assert body["training_metrics"] == {"early_stopped": False, "training_time_minutes": None}
    metrics = world.client.get(f"/api/v1/operations/{operation_id}/metrics").json()
    assert metrics["epochs"] == []
    assert metrics["best_epoch"] is None
    assert (metrics["is_overfitting"], metrics["is_plateaued"]) == (False, False)
    assert metrics["total_epochs_planned"] == 100


# -- the rest -------------------------------------------------------------------------------------


def test_health_in_both_places(world):
    from marketlab import __version__

    for path in ("/health", "/api/v1/health"):
        body = world.client.get(path).json()
        assert body["status"] == body["data"]["status"] == "ok"
        assert body["version"] == __version__


def test_unknown_paths_and_methods_are_in_the_envelope(world):
    refused(world.client.get("/api/v1/nothing"), 404, "REQUEST-NotFound", "GET /api/v1/nothing")
    refused(world.client.put("/api/v1/operations"), 405, "REQUEST-MethodNotAllowed")


def test_strategies(world, workspace):
    text = json.dumps(shipped_strategy("v15_rsi_zigzag_1.5").to_mapping())
    (workspace / "strategies" / "v15_rsi_zigzag_1.5.yaml").write_text(text)
    for name in ("v15_rsi_zigzag_1.5", "v15_rsi_zigzag_1_5"):
        body = world.client.post(f"/api/v1/strategies/validate/{name}").json()
        assert body["success"] is True
        assert body["valid"] is True
        assert body["issues"] == []
        assert "rsi" in body["available_indicators"]
        features = world.client.get(f"/api/v1/strategies/{name}/features").json()
        assert features["count"] == len(features["features"]) == 9
        assert {
            "feature_id",
            "timeframe",
            "fuzzy_set",
            "membership",
            "indicator_id",
            "indicator_output",
        } <= set(features["features"][0])
    listed = world.client.get("/api/v1/strategies").json()
    assert [row["name"] for row in listed["data"]] == ["v15_rsi_zigzag_1.5"]
    refused(world.client.post("/api/v1/strategies/validate/none"), 404, "STRATEGY-NotFound")
    refused(world.client.get("/api/v1/strategies/none/features"), 404, "STRATEGY-NotFound")
    refused(world.client.post("/api/v1/strategies/validate/..secret"), 400, "CONFIG-InvalidName")
    slash = world.client.post("/api/v1/strategies/validate/..%2F..%2Fsecret")
    assert slash.status_code in (400, 404)
    assert set(slash.json()) - {"data"} == ENVELOPE


def test_checkpoints_of_nothing(world):
    get = world.client.get
    assert get("/api/v1/checkpoints").json()["data"] == []
    assert get("/api/v1/checkpoints/stats").json()["total_count"] == 0
    cleaned = world.client.post("/api/v1/checkpoints/cleanup?max_age_days=30").json()
    assert cleaned["deleted_count"] == 0
    refused(
        world.client.post("/api/v1/checkpoints/cleanup?max_age_days=-1"), 422, "REQUEST-Invalid"
    )
    operation_id = world.start().json()["operation_id"]
    for method in ("GET", "DELETE"):
        answer = world.client.request(method, f"/api/v1/checkpoints/{operation_id}")
        refused(answer, 404, "CHECKPOINT-NotFound")
    assert world.client.get("/api/v1/checkpoints/op_x").json()["data"]["status"] == "failed"


def test_checkpoint_of_a_damaged_folder_is_listed_with_its_problem(world, workspace):
    operation_id = world.start().json()["operation_id"]
    run_id = world.session.ledger.operation(operation_id)["run_id"]
    folder = workspace / "models" / "checkpoints" / run_id
    folder.mkdir(parents=True)
    (folder / "state.json").write_text("{")
    (item,) = world.client.get("/api/v1/checkpoints").json()["data"]
    assert item["operation_id"] == operation_id
    assert "state.json" in item["problem"]
    url = f"/api/v1/checkpoints/{operation_id}"
    refused(world.client.delete(url), 409, "CHECKPOINT-InUse", "pending")
    world.session.ledger.transition(operation_id, "failed", error_message="x")
    young = world.client.post("/api/v1/checkpoints/cleanup").json()
    assert young["deleted"] == []
    assert world.client.delete(url).json()["deleted"] is True
    assert not folder.exists()


def test_cleanup_deletes_by_age(world, workspace):
    operation_id = world.start().json()["operation_id"]
    run_id = world.session.ledger.operation(operation_id)["run_id"]
    folder = workspace / "models" / "checkpoints" / run_id
    folder.mkdir(parents=True)
    (folder / "state.json").write_text("{}")
    url = "/api/v1/checkpoints/cleanup?max_age_days=0"
    assert world.client.post(url).json()["deleted"] == [], "an active run keeps its checkpoint"
    world.session.ledger.transition(operation_id, "cancelled")
    assert world.client.post(url).json()["deleted"] == [operation_id]
    assert not folder.exists()


# -- who may call ---------------------------------------------------------------------------------


def test_with_a_token_only_health_is_open(workspace):
    opened, app, _ = make_world(workspace, token="a-long-enough-token")
    with opened, TestClient(app, base_url="http://desk.example:8000") as client:
        assert client.get("/health").status_code == 200
        assert client.get("/api/v1/health").status_code == 200
        for path in ("/api/v1/operations", "/docs", "/openapi.json", "/nothing"):
            answer = client.get(path)
            refused(answer, 401, "AUTH-TokenNeeded", "Bearer")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        for wrong in ("Bearer no", "Basic a-long-enough-token", "Bearer é", ""):
            headers = {"Authorization": wrong.encode()}
            assert client.get("/api/v1/operations", headers=headers).status_code == 401
        good = {"Authorization": "Bearer a-long-enough-token"}
        assert client.get("/api/v1/operations", headers=good).status_code == 200


def test_foreign_pages_and_names_are_refused(world):
    get = world.client.get
    assert get("/health", headers={"Origin": "http://127.0.0.1:8000"}).status_code == 200
    refused(get("/health", headers={"Origin": "http://evil.example"}), 403, "AUTH-ForeignOrigin")
    refused(get("/health", headers={"Origin": "null"}), 403, "AUTH-ForeignOrigin")
    refused(get("/health", headers={"Host": "evil.example:8000"}), 403, "AUTH-ForeignHost")


# -- bodies ---------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
@settings(deadline=None, max_examples=100)
def test_every_body_is_one_safe_line_of_json(value):
    text = CompactJSON(value).body.decode()
    assert not any(c in text for c in "*?\n\r\t\x00\x7f\u2028\x85")
    assert json.loads(text) == json.loads(json.dumps(shell_safe(value)))


def test_sanitising_changes_only_what_a_shell_would_expand():
    value = {"a*": "Did you mean 'rsi'?", "b": "two\n\tlines \x07", "c": ["π · 1/2", 1.5, None]}
    assert shell_safe(value) == {
        "a×": "Did you mean 'rsi'.",
        "b": "two lines  ",
        "c": ["π · 1/2", 1.5, None],
    }
    assert shell_safe([float("nan"), float("inf")]) == [None, None]


def test_suggestions_with_question_marks_leave_without(world):
    answer = world.client.get("/api/v1/operations?status=runing")
    assert "?" not in answer.text
    assert "Did you mean 'running'" in answer.json()["suggestion"]
