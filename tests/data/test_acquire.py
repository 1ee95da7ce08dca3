"""Acquisition against local exchanges: the same dataset whatever goes wrong on the way."""

import json
import random
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import polars as pl
import pytest
from exchange_servers import TOKEN, exchange
from fetch_world import QUICK, fetch, identity, requests

from marketlab.core import ConfigError, FileLock, IntegrityError, ManualClock
from marketlab.data import (
    FetchRequest,
    acquire,
    finished_chunks,
    load_fetch_recipe,
    plan_fetch,
    read_journals,
    write_summary,
)
from marketlab.data._http import retry_after
from marketlab.data._pace import TokenBucket

ENVIRONMENT = {"MARKETLAB_OANDA_TOKEN": TOKEN}


def one(source="coinbase", **changes):
    facts = {"source": source, "symbol": "BTC-USD" if source == "coinbase" else "EUR_USD"}
    facts |= {"timeframe": "1h", "start": "2021-03-01", "end": "2021-03-08"}
    return [FetchRequest(**(facts | changes))]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    with exchange() as server:
        plan, catalog, states = fetch(tmp_path_factory.mktemp("clean"), server.environment)
        assert [s.state for s in states] == ["done", "done"]
        assert sum(server.seen.values()) == plan.n_requests == 96 + 20
        assert max(server.seen.values()) == 1
    return identity(catalog)


# -- plans ----------------------------------------------------------------------------------------


def test_the_curriculum_has_as_many_requests_as_the_reference_counts():
    plan = plan_fetch(load_fetch_recipe("curriculum_2020_2023").requests(), environment=ENVIRONMENT)
    assert plan.n_requests == 4358
    counts = [len(each.chunks) for each in plan.datasets]
    assert counts == [1451, 484, 121] * 2 + [86, 29, 8] * 2
    last = [(e.chunks[-1].end_s - e.chunks[-1].start_s) // e.step for e in plan.datasets]
    assert last == [268, 186, 264] * 2 + [4268, 3056, 764] * 2
    assert [e.name for e in plan.datasets][:4] == [
        "coinbase BTC-USD 5m",
        "coinbase BTC-USD 15m",
        "coinbase BTC-USD 1h",
        "coinbase ETH-USD 5m",
    ]
    assert plan.seconds() == pytest.approx(4112 / 3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"symbol": "BTCUSD"}, "coinbase spells its symbols like BTC-USD; received 'BTCUSD'"),
        ({"timeframe": "4h"}, "coinbase has no 4h bars"),
        ({"timeframe": "7m"}, "Invalid timeframe '7m'"),
        ({"source": "coinbas"}, "Invalid source 'coinbas'"),
        ({"end": "2021-03-01"}, "the range is empty"),
        ({"start": "2021-03-09"}, "the range is empty"),
        ({"end": "2999-01-01"}, "in the future"),
        ({"start": "yesterday"}, "'yesterday' is no date"),
        ({"start": "2021-03-01T00:00:00"}, "has no zone"),
        ({"start": "2021-03-01T00:10:00Z"}, "is no time at which a 1h bar opens"),
        ({"candles_per_request": 301}, "gives 1 to 300 candles a request; received 301"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_asked(changes, said):
    with pytest.raises(ConfigError, match=r"(?s).*" + said.replace("(", r"\(")):
        plan_fetch(one(**changes), environment=ENVIRONMENT)


def test_a_bar_that_has_not_closed_is_not_planned():
    clock = ManualClock(datetime(2021, 3, 7, 23, 59, 59, tzinfo=UTC))
    with pytest.raises(ConfigError, match="ends at 2021-03-08T00:00:00Z, which is in the future"):
        plan_fetch(one(), environment=ENVIRONMENT, clock=clock)


def test_a_missing_token_stops_its_own_source_only(tmp_path):
    with pytest.raises(ConfigError, match="MARKETLAB_OANDA_TOKEN is not set"):
        plan_fetch(one("oanda"), environment={})
    with exchange() as server:
        environment = server.environment | {"MARKETLAB_OANDA_TOKEN": ""}
        _, catalog, states = fetch(tmp_path, environment)
    assert [s.state for s in states] == ["done", "blocked"]
    assert len(catalog.list()) == 1


# -- faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_faults_change_nothing_in_what_is_published(tmp_path, undisturbed, seed):
    with exchange(faults=0.4, seed=seed) as server:
        _, catalog, states = fetch(tmp_path, server.environment)
    assert [(s.state, s.message) for s in states if s.state != "done"] == []
    assert {"drop", "throttle", "error", "half", "wrong", "object", "repeat"} <= set(server.told)
    assert sum(s.retries for s in states) > 20
    assert identity(catalog) == undisturbed
    lines = (tmp_path / "raw/coinbase/BTC_USD_15m/journal.jsonl").read_text().splitlines()
    assert sum(json.loads(line)["duplicates"] for line in lines) > 0
    assert sum(json.loads(line)["outside"] for line in lines) > 0


def test_a_second_fetch_asks_nothing_and_a_damaged_chunk_is_asked_for_again(tmp_path, undisturbed):
    with exchange() as server:
        plan, catalog, _ = fetch(tmp_path, server.environment)
        server.seen.clear()
        fetch(tmp_path, server.environment)
        assert server.seen == {}
        damaged = sorted((tmp_path / "raw/coinbase/BTC_USD_15m/chunks").iterdir())[3]
        damaged.write_bytes(damaged.read_bytes()[:-9])
        (
            tmp_path / "raw/oanda/EUR_USD_1h/chunks" / "20210305T000000Z_20210306T000000Z.json"
        ).unlink()
        assert len(finished_chunks(plan.datasets[0], tmp_path / "raw")) == 95
        fetch(tmp_path, server.environment)
        asked = list(server.seen)
    assert len(asked) == 2
    assert identity(catalog) == undisturbed


def killed_fetches(tmp_path, undisturbed, count, seed):
    """Kill a faulty fetch `count` times, each in a folder of its own; finish each."""
    dice = random.Random(seed)
    for number in range(count):
        root = tmp_path / str(number)
        with exchange(faults=0.2, seed=dice.random(), latency=0.004) as server:
            here = Path(__file__).parent
            arguments = [sys.executable, here / "fetch_world.py", root]
            process = subprocess.Popen(
                [*map(str, arguments), json.dumps(server.environment)], stderr=subprocess.DEVNULL
            )
            wanted = dice.randint(1, 120)
            deadline = time.monotonic() + 30
            while sum(server.seen.values()) < wanted and time.monotonic() < deadline:
                if process.poll() is not None:
                    break
                time.sleep(0.001)
            time.sleep(dice.random() * 0.02)
            process.kill()
            process.wait()
            server.faults = 0.0
            plan = plan_fetch(requests(), environment=server.environment)
            missing = sum(
                len(e.chunks) - len(finished_chunks(e, root / "raw")) for e in plan.datasets
            )
            server.seen.clear()
            _, catalog, states = fetch(root, server.environment)
            assert sum(server.seen.values()) == missing
        assert [s.state for s in states] == ["done", "done"]
        assert identity(catalog) == undisturbed
        assert [f for f in catalog.verify() if f.kind != "orphan"] == []


def test_a_killed_fetch_resumes_to_the_same_bytes(tmp_path, undisturbed):
    killed_fetches(tmp_path, undisturbed, 6, seed=11)


@pytest.mark.slow
def test_a_fetch_killed_at_200_moments_resumes_to_the_same_bytes(tmp_path, undisturbed):
    killed_fetches(tmp_path, undisturbed, 200, seed=12)


# -- what cannot be repaired ----------------------------------------------------------------------


def failed(root, server, wanted, **options):
    _, catalog, (state,) = fetch(root, server.environment, wanted=wanted, **options)
    assert state.state == "failed"
    assert catalog.list() == []
    return state.error


def test_the_providers_words_are_in_the_message(tmp_path):
    with exchange() as server:
        server.always["/products/XYZ-USD"] = (404, {"message": "NotFound: no such product"})
        error = failed(tmp_path, server, one(symbol="XYZ-USD"))
        assert sum(server.seen.values()) == 1
    assert "status 404" in error.message
    assert "NotFound: no such product" in error.message
    assert "/products/XYZ-USD/candles?start=2021-03-01T00:00:00Z" in error.message
    assert error.exit_code == 2


def test_a_wrong_token_stops_at_once_and_is_told_nowhere(tmp_path):
    with exchange() as server:
        environment = server.environment | {"MARKETLAB_OANDA_TOKEN": "wrong-token-0815"}
        wanted = one("oanda", candles_per_request=10)
        _, _, (state,) = fetch(tmp_path, environment, wanted=wanted)
        assert sum(server.seen.values()) <= 4
    assert state.error.code == "SOURCE-AccessRefused"
    assert "Insufficient authorization (Bearer ***)" in state.message
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"wrong-token-0815" not in path.read_bytes()


@pytest.mark.parametrize(
    ("fault", "source", "said"),
    [
        ("object", "coinbase", 'a list of candles was expected; received b\'{"message": '),
        ("wrong", "coinbase", "not JSON (Expecting value: line 1 column 1 (char 0)), 20 bytes"),
        ("error", "coinbase", "failed 3 times; the last time: status 503: "),
        ("half", "coinbase", "IncompleteRead("),
        ("throttle", "coinbase", "failed 3 times; the last time: status 429: "),
        ("open bar", "oanda", "the bar at 2021-03-07T23:00:00Z is not complete"),
        ("conflict", "coinbase", "two different bars open at 2021-03-07T23:00:00Z: ("),
    ],
)
def test_what_stays_wrong_is_an_error_with_request_and_reason(tmp_path, fault, source, said):
    policy = QUICK.model_copy(
        update={"attempts": 3, "malformed_attempts": 3, "throttled_attempts": 3}
    )
    with exchange(faults=1.0, fault_names=(fault,)) as server:
        error = failed(tmp_path, server, one(source), policy=policy)
        assert sum(server.seen.values()) == (1 if fault == "conflict" else 3)
    assert said in error.message


def test_an_open_market_without_bars_is_asked_twice_and_nothing_is_published(tmp_path):
    with exchange() as server:
        server.empty = True
        error = failed(tmp_path, server, one())
        assert sum(server.seen.values()) == 2
        failed(tmp_path / "b", server, one("oanda", start="2021-03-06", end="2021-03-07"))
        assert sum(server.seen.values()) == 3  # a Saturday is closed: once is enough
    assert error.message.startswith("coinbase BTC-USD 1h has no bars from 2021-03-01")


def test_five_failed_chunks_in_a_row_stop_a_dataset(tmp_path):
    with exchange() as server:
        server.always["/candles"] = (400, {"message": "no"})
        failed(tmp_path, server, one(candles_per_request=2))
        assert 5 <= sum(server.seen.values()) <= 5 + 8


def test_two_fetches_of_one_dataset_at_once(tmp_path):
    with exchange() as server, FileLock(tmp_path / "raw/coinbase/BTC_USD_1h/.lock"):
        error = failed(tmp_path, server, one())
        assert server.seen == {}
    assert error.message.startswith("coinbase BTC-USD 1h is being fetched by another process")


def test_an_interrupt_keeps_what_is_finished(tmp_path, undisturbed):
    def interrupt(states):
        if sum(state.chunks for state in states) >= 10:
            raise KeyboardInterrupt

    with exchange(latency=0.02) as server:
        with pytest.raises(KeyboardInterrupt):
            fetch(tmp_path, server.environment, on_tick=interrupt)
        assert threading.active_count() < 30
        stopped = read_journals(tmp_path / "raw")
        assert {facts["state"] for facts in stopped} == {"stopped"}
        assert sum(facts["chunks"] for facts in stopped) >= 10
        _, catalog, _ = fetch(tmp_path, server.environment)
    assert identity(catalog) == undisturbed


def test_a_providers_wrong_clock_is_told_and_decides_nothing(tmp_path):
    with exchange() as server:
        server.date_shift = timedelta(hours=-9)
        _, _, (state,) = fetch(tmp_path, server.environment, wanted=one())
    assert state.state == "done"
    assert any("clock differs from this machine's by 32" in w for w in state.quality.warnings)


def test_a_date_to_retry_after_is_read_by_the_providers_clock(tmp_path):
    with exchange() as server:
        server.date_shift = timedelta(hours=9)
        until = datetime.now(UTC) + server.date_shift + timedelta(seconds=1)
        server.script, server.retry_after = ["throttle"], format_datetime(until, usegmt=True)
        started = time.monotonic()
        _, _, (state,) = fetch(tmp_path, server.environment, wanted=one())
    assert (state.state, state.retries) == ("done", 1)
    assert time.monotonic() - started < 20


def test_a_full_disk_is_one_clear_error(tmp_path, undisturbed):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=320k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        with exchange() as server:
            _, catalog, states = fetch(disk, server.environment)
            errors = [s.error for s in states if s.error is not None]
            assert errors
            assert all(isinstance(e, IntegrityError) for e in errors)
            assert all("the disk is full" in e.message for e in errors)
            assert [f for f in catalog.verify() if f.kind != "orphan"] == []
            subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
            _, catalog, states = fetch(disk, server.environment)
            assert [s.state for s in states] == ["done", "done"]
            assert identity(catalog) == undisturbed
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


# -- small parts ----------------------------------------------------------------------------------


def test_the_bucket_keeps_the_pace():
    now = [0.0]
    bucket = TokenBucket(4.0, monotonic=lambda: now[0])
    assert [bucket.reserve() for _ in range(3)] == [0.0, 0.25, 0.5]
    now[0] = 10.0
    assert [bucket.reserve() for _ in range(2)] == [0.0, 0.25]
    bucket.hold(3.0)
    assert bucket.reserve() == 3.0
    bucket.slow_down(60.0)
    assert bucket.reserve() == 3.25
    assert bucket.reserve() == 3.75


def test_retry_after_is_seconds_or_a_date():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert retry_after("7", now) == 7.0
    assert retry_after(format_datetime(now + timedelta(seconds=90), usegmt=True), now) == 90.0
    assert retry_after(format_datetime(now - timedelta(seconds=9), usegmt=True), now) == 0.0
    assert retry_after("soon", now) is None
    assert retry_after(None, now) is None


def test_a_throttling_provider_is_given_the_time_it_asks_for(tmp_path):
    with exchange() as server:
        server.script, server.retry_after = ["throttle"], "1"
        began = time.monotonic()
        fetch(tmp_path, server.environment, wanted=one())
    assert 1.0 <= time.monotonic() - began < 3.0


def test_the_summary_has_the_agreed_columns(tmp_path):
    with exchange() as server:
        plan, catalog, states = fetch(tmp_path, server.environment)
    path = write_summary(plan, states, catalog, tmp_path / "historical", span="2021")
    assert path.read_text().splitlines() == [
        "pair,timeframe,filename,candles,start,end",
        (
            "BTC-USD,M15,BTC_USD_M15_2021.parquet,1920,"
            "2021-03-01 00:00:00+00:00,2021-03-20 23:45:00+00:00"
        ),
        (
            "EUR_USD,H1,EUR_USD_H1_2021.parquet,480,"
            "2021-03-01 00:00:00+00:00,2021-03-20 23:00:00+00:00"
        ),
    ]
    stored = path.parent / "BTC_USD_M15_2021.parquet"
    assert pl.read_parquet_schema(stored) == {
        "time": pl.Datetime("ns", "UTC"),
        **dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64),
    }
    facts = pl.read_parquet_metadata(stored)
    assert (facts["provider_symbol"], facts["pair"]) == ("BTC-USD", "BTCUSD")
    assert facts["range"] == "2021-03-01T00:00:00Z to 2021-03-21T00:00:00Z"
    assert (facts["price_type"], facts["volume_unit"]) == ("trade", "base")
    assert (
        "pass: 1920 bars, 100.000%"
        in (tmp_path / "raw/coinbase/BTC_USD_15m/quality.md").read_text()
    )


def test_a_recipe_blocked_entirely_fetches_nothing(tmp_path):
    plan = plan_fetch([*one(), *one("oanda")], environment={})
    assert [each.blocked is not None for each in plan.datasets] == [False, True]
    assert acquire(plan_fetch([], environment={}), tmp_path, None) == []
