"""The log of a fetch, and how a fetch is seen from outside while it runs, hangs or was killed."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from exchange_servers import TOKEN, exchange
from fetch_world import QUICK, fetch, requests

from marketlab.core import ConflictError, FileLock, IntegrityError, ManualClock
from marketlab.data import (
    FetchLog,
    fetch_run,
    last_lines,
    load_fetch_recipe,
    plan_fetch,
    progress_of,
    read_fetches,
)
from marketlab.data._fetch_state import state_of

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO   |WARNING|ERROR  ) \S.*")
CHUNK = re.compile(r"\[(.+)\] Chunk (\d+)/(\d+): \d{4}-\d\d-\d\d \d\d:\d\d - (\d+) rows$")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def log_lines(raw):
    lines = (raw / "fetch_log.txt").read_text().splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    return [line[33:] for line in lines]


def chunks_in(lines):
    return [m.groups() for line in lines if (m := CHUNK.search(line))]


# -- the log --------------------------------------------------------------------------------------


def test_the_log_tells_the_whole_fetch(tmp_path):
    with exchange() as server:
        plan, _, states = fetch(tmp_path, server.environment)
    lines = log_lines(tmp_path / "raw")
    assert lines[0].startswith("==== fetch started: 2 dataset(s), 116 requests, process ")
    assert lines[1:5] == [
        "range: 2021-03-01 to 2021-03-21",
        "timeframes: 15m, 1h",
        "pairs: BTC-USD, EUR_USD",
        "== phase: requests to coinbase, oanda, side by side",
    ]
    told = chunks_in(lines)
    assert len(told) == plan.n_requests
    for each, state in zip(plan.datasets, states, strict=True):
        mine = [t for t in told if t[0] == each.name]
        assert sorted(int(t[1]) for t in mine) == list(range(1, len(each.chunks) + 1))
        assert {int(t[2]) for t in mine} == {len(each.chunks)}
        assert sum(int(t[3]) for t in mine) == state.candles
        header = f"[{each.name}] dataset 2021-03-01 to 2021-03-21: {len(each.chunks)} chunks, 0 "
        assert any(line.startswith(header) for line in lines)
        saved = f"[{each.name}] saved {each.symbol} {state.timeframe} {state.dataset_id}: "
        assert any(line.startswith(saved) for line in lines)
        total = f"[{each.name}] total {state.candles} candles in {len(each.chunks)} chunks, 0 retr"
        assert any(line.startswith(total) for line in lines)
    assert lines[-4].split() == ["dataset", "state", "chunks", "candles"]
    assert lines[-3].split()[-3:] == ["done", "96/96", "1920"]
    assert lines[-1] == "==== fetch ended: 2 done"
    assert last_lines(tmp_path / "raw", 2)[-1].endswith(lines[-1])


def test_a_failed_chunk_is_logged_with_its_attempts(tmp_path):
    policy = QUICK.model_copy(update={"attempts": 3})
    with exchange(faults=1.0, fault_names=("error",)) as server:
        _, _, (state,) = fetch(
            tmp_path, server.environment, wanted=requests(days=1)[1:], policy=policy
        )
    errors = [line for line in log_lines(tmp_path / "raw") if "FAILED" in line]
    assert "Chunk 1/1: 2021-03-01 00:00 - FAILED after 3 attempt(s): oanda EUR_USD 1h" in errors[0]
    assert "status 503" in errors[0]
    assert errors[1].startswith("[oanda EUR_USD 1h] FAILED: ")
    (told,) = state.last_errors
    assert told.endswith("(3 attempt(s))")


def test_a_killed_fetch_leaves_whole_lines_and_the_next_one_appends(tmp_path):
    with exchange(latency=0.02) as server:
        process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).parent / "fetch_world.py"),
                str(tmp_path),
                json.dumps(server.environment),
            ]
        )
        deadline = time.monotonic() + 30
        while sum(server.seen.values()) < 40 and time.monotonic() < deadline:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = log_lines(tmp_path / "raw")
        assert len(chunks_in(before)) >= 20
        assert not before[-1].startswith("==== fetch ended")
        plan, _, _ = fetch(tmp_path, server.environment)
    lines = log_lines(tmp_path / "raw")
    assert lines[: len(before)] == before
    assert sum(line.startswith("==== fetch started") for line in lines) == 2
    assert len({t[:2] for t in chunks_in(lines)}) >= plan.n_requests - 10  # those just under way
    assert lines[-1] == "==== fetch ended: 2 done"


def test_a_line_cut_by_a_full_disk_is_ended_before_the_next(tmp_path):
    (tmp_path / "fetch_log.txt").write_text("2026-01-01T00:00:00.000Z INFO    half a li")
    with FetchLog(tmp_path) as log:
        log.write("whole\nand on one line", level="WARNING")
    assert log_lines(tmp_path) == ["half a li", "whole and on one line"]


def test_lines_of_several_threads_do_not_mix(tmp_path):
    with FetchLog(tmp_path) as log:
        threads = [
            threading.Thread(target=lambda k=k: log.rows([f"{k} " * 200] * 50)) for k in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = log_lines(tmp_path)
    assert len(found) == 200
    assert all(len(set(line.split())) == 1 for line in found)


def test_no_log_is_told_apart_from_an_empty_one(tmp_path):
    assert last_lines(tmp_path) is None
    FetchLog(tmp_path).close()
    assert last_lines(tmp_path) == []


# -- from outside ---------------------------------------------------------------------------------


def curriculum():
    recipe = load_fetch_recipe("curriculum_2020_2023")
    return plan_fetch(recipe.requests(), environment={"MARKETLAB_OANDA_TOKEN": TOKEN})


def seen(raw, *, later=0.0):
    (each,) = read_fetches(raw, now=NOW.timestamp() + later)
    return each


def test_a_fetch_is_running_stale_stopped_or_ended(tmp_path):
    clock = ManualClock(NOW)
    with fetch_run(tmp_path, "curriculum_2020_2023", curriculum(), clock=clock) as run:
        states = run._states
        states[0].state = "running"
        run.tell("running")
        path = tmp_path / "runs/curriculum_2020_2023.json"
        kept = path.read_text()
        assert seen(tmp_path, later=5.0)["state"] == "running"
        stale = seen(tmp_path, later=31.0)
        assert (stale["state"], stale["datasets"][0]["state"]) == ("stale", "stale")
        assert stale["overall"]["eta_seconds"] is None
    assert seen(tmp_path)["state"] == "ended"
    path.write_text(kept)  # what a killed process leaves: its lock is gone, its file says running
    killed = seen(tmp_path, later=5.0)
    assert (killed["state"], killed["datasets"][0]["state"]) == ("stopped", "stopped")
    assert [row["state"] for row in killed["datasets"][1:]] == ["pending"] * 11
    with (
        pytest.raises(KeyboardInterrupt),
        fetch_run(tmp_path, "curriculum_2020_2023", curriculum(), clock=clock),
    ):
        raise KeyboardInterrupt
    assert seen(tmp_path)["state"] == "stopped"


def test_one_process_runs_a_fetch_and_watching_it_does_not_matter(tmp_path):
    plan = curriculum()
    with fetch_run(tmp_path, "one", plan):
        for _ in range(20):
            assert seen(tmp_path)["state"] in ("running", "stale")
        with (
            pytest.raises(ConflictError, match=r"one is being fetched by another process \(pro"),
            fetch_run(tmp_path, "one", plan),
        ):
            pass
    lock = FileLock(tmp_path / "runs/one.lock", timeout_seconds=0.0)
    stop = threading.Event()

    def watch():
        while not stop.is_set():
            read_fetches(tmp_path, now=0.0)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(30):
            with fetch_run(tmp_path, "one", plan):
                pass
    finally:
        stop.set()
        watcher.join()
    with lock:
        pass


def test_counts_and_time_left_are_those_of_the_plan():
    # The original told 2.8 % and 2.5 h here: it took 17,532 requests at the pace of its sleep.
    rows = [
        {
            "source": each.source.name,
            "state": "pending",
            "chunks": 0,
            "n_chunks": len(each.chunks),
            "rate": None,
            "failed": 0,
            "limit_per_second": 3.0,
        }
        for each in curriculum().datasets
    ]
    one_lane = [row | {"source": "both"} for row in rows]
    one_lane[0] |= {"state": "running", "chunks": 491, "rate": 1 / 3.4}
    sums = progress_of(one_lane, is_running=True)
    assert f"{sums['chunks'] / sums['n_chunks']:.1%}" == "11.3%"
    assert sums["eta_seconds"] / 3600 == pytest.approx(3.65, abs=0.01)
    # Side by side the slower source counts; before its first answer, by the pace allowed.
    rows[0] |= {"state": "running", "chunks": 451, "rate": 2.0}
    assert progress_of(rows, is_running=True)["eta_seconds"] == pytest.approx((4112 - 451) / 2.0)
    for row in rows:
        row |= {"state": "done", "chunks": row["n_chunks"]}
    done = progress_of(rows, is_running=False)
    assert (done["chunks"], done["n_chunks"], done["datasets_done"]) == (4358, 4358, 12)
    assert (done["rate"], done["eta_seconds"]) == (None, None)


def test_the_rate_is_that_of_the_latest_requests():
    state = state_of(curriculum().datasets[0])
    assert (state.rate, state.eta_seconds) == (None, None)
    state.chunks, state.seconds = 100, 1000.0
    state.settled.extend(100.0 + 0.5 * k for k in range(50))
    assert state.rate == pytest.approx(2.0)
    assert state.eta_seconds == pytest.approx((1403 + 48 - 100) / 2.0)


def test_a_broken_file_of_a_fetch_is_named(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/x.json").write_text("{")
    with pytest.raises(IntegrityError, match=r"x\.json cannot be read"):
        read_fetches(tmp_path, now=0.0)


def test_fetches_of_before_there_were_such_files_are_still_seen(tmp_path):
    with exchange() as server:
        fetch(tmp_path, server.environment)  # `acquire` alone writes journals, no file of a fetch
    found = read_fetches(tmp_path / "raw", now=time.time())
    assert sorted((f["name"], f["state"], f["overall"]["chunks"]) for f in found) == [
        ("coinbase BTC-USD 15m", "ended", 96),
        ("oanda EUR_USD 1h", "ended", 20),
    ]


def test_a_journal_that_is_just_being_made_is_no_error(tmp_path):
    folder = tmp_path / "coinbase/BTC_USD_1h"
    folder.mkdir(parents=True)
    sqlite3.connect(folder / "journal.sqlite").close()
    assert read_fetches(tmp_path, now=0.0) == []
