"""`data fetch` and `data monitor` against a local exchange."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from interfaces_world import command

sys.path.append(str(Path(__file__).parents[1] / "data"))
from exchange_servers import exchange, whole_slots

from marketlab.core import FileLock

RANGE = ["--start", "2021-03-01", "--end", "2021-03-05"]
BTC = ["--source", "coinbase", "--symbol", "BTC-USD", "--timeframe", "1h", *RANGE]
RECIPE = """\
name: two_2021
description: "Two datasets"
start: "2021-03-01"
end: "2021-03-05"
timeframes: [1h]
symbols:
  - {source: coinbase, symbol: BTC-USD}
  - {source: oanda, symbol: EUR_USD}
"""


@pytest.fixture
def place(tmp_path, capfd):
    assert command(capfd, "init", workspace=tmp_path / "ws").code == 0
    return tmp_path / "ws"


@pytest.fixture
def server(monkeypatch):
    with exchange() as running:
        for key, value in running.environment.items():
            monkeypatch.setenv(key, value)
        yield running


def test_one_dataset_is_fetched_listed_and_seen(place, server, capfd):
    assert command(capfd, "data", "monitor", workspace=place).code == 1
    said = command(capfd, "data", "fetch", *BTC, workspace=place)
    assert said.code == 0, said.err
    told = said.out + said.err
    assert "2021-03-01 to 2021-03-05: 1 dataset, 1 request." in told
    assert "That takes a second at the allowed pace (coinbase 5000/s)." in told
    assert "pass: 96 bars, 100.000% of 96 open-market slots" in said.out
    again = command(capfd, "data", "fetch", *BTC, "--json", workspace=place)
    assert again.json["datasets"][0]["requests"] == 0
    seen = command(capfd, "data", "monitor", "--json", workspace=place)
    (fetch,) = seen.json["fetches"]
    assert (fetch["name"], fetch["state"]) == ("coinbase_BTC_USD_1h", "ended")
    (row,) = fetch["datasets"]
    assert (row["name"], row["state"], row["chunks"]) == ("coinbase BTC-USD 1h", "done", 1)
    stored = next(place.glob("data/processed/BTCUSD_1h_*/bars.parquet"))
    assert row["file_bytes"] == stored.stat().st_size
    shown = command(capfd, "data", "monitor", workspace=place).out
    assert "coinbase_BTC_USD_1h: ended\n1/1 requests (100.0%), 1/1 datasets" in shown
    assert shown.splitlines()[-1].endswith("==== fetch ended: 1 done")
    assert "Next: `marketlab data describe BTCUSD/1h`" in said.out
    listed = command(capfd, "data", "list", workspace=place).out
    assert listed.splitlines()[-1].split()[1:3] == ["BTCUSD", "1h"]
    assert listed.splitlines()[-1].split()[-1] == "BTC-USD"
    described = command(capfd, "data", "describe", "BTCUSD/1h", workspace=place).out
    assert "source      coinbase, which spells it BTC-USD" in described
    assert "  kind        raw bars, real, with volume\n" in described
    assert "  made from   raw/coinbase/BTC_USD_1h, answers to 1 request(s)\n" in described
    text = command(capfd, "data", "dictionary", "--json", workspace=place).json["text"]
    assert "| kind | raw bars, real, with volume |" in text
    assert "` | `raw/coinbase/BTC_USD_1h`, 1 request(s) | from outside | none |" in text
    assert command(capfd, "data", "verify", workspace=place).code == 0


def test_a_recipe_goes_on_without_the_source_that_has_no_token(
    place, server, capfd, monkeypatch, tmp_path
):
    recipe = tmp_path / "two_2021.yaml"
    recipe.write_text(RECIPE)
    monkeypatch.delenv("MARKETLAB_OANDA_TOKEN")
    said = command(capfd, "data", "fetch", "--recipe", recipe, workspace=place)
    assert said.code == 4
    assert "MARKETLAB_OANDA_TOKEN is not set" in said.out + said.err
    summary = place / "data/historical/two_2021/acquisition_summary.csv"
    assert summary.read_text().count("\n") == 2
    status = json.loads((summary.parent / "acquisition_status.json").read_text())
    assert [row["state"] for row in status] == ["done", "blocked"]
    assert "1 dataset(s) cannot be asked for, and their requests are not counted" in said.err
    assert "Next: set up the source named above, then run the same command again." in said.out
    log = (place / "data/raw/fetch_log.txt").read_text()
    assert "[oanda EUR_USD 1h] not fetched: " in log
    assert "saved file BTC_USD_H1_2021.parquet: 96 candles" in log


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give either a recipe, or source"),
        (["--recipe", "curriculum"], "there is no fetch recipe 'curriculum'"),
        (BTC[:4], "timeframe and start and end not given."),
        ([*BTC, "--recipe", "curriculum_2020_2023"], "give either a recipe"),
    ],
)
def test_a_wrong_call_is_explained(place, server, capfd, arguments, said):
    answer = command(capfd, "data", "fetch", *arguments, workspace=place)
    assert answer.code == 2
    assert said in answer.err
    assert not server.seen


def test_control_c_keeps_what_is_done_and_says_how_to_go_on(place, server, capfd):
    server.latency = 0.05
    long = [*BTC[:-4], "--start", "2020-01-01", "--end", "2023-01-01"]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "marketlab.interfaces.cli",
            "--workspace",
            str(place),
            "data",
            "fetch",
            *long,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"MARKETLAB_WORKSPACE": str(place)},
    )
    deadline = time.monotonic() + 30
    while sum(server.seen.values()) < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Finished chunks are kept; run the same command again to resume." in out
    (seen,) = command(capfd, "data", "monitor", "--json", workspace=place).json["fetches"]
    (row,) = seen["datasets"]
    assert (seen["state"], row["state"]) == ("stopped", "stopped")
    assert row["chunks"] >= 4


# -- a recipe from start to end -------------------------------------------------------------------

TWELVE = """\
name: small_2021
description: "As the curriculum, four days long"
start: "2021-03-01"
end: "2021-03-05"
timeframes: [5m, 15m, 1h]
candles_per_request: {coinbase: 290, oanda: 4900}
symbols:
  - {source: coinbase, symbol: BTC-USD}
  - {source: coinbase, symbol: ETH-USD}
  - {source: oanda, symbol: EUR_USD}
  - {source: oanda, symbol: GBP_USD}
"""


@pytest.fixture
def twelve(tmp_path):
    path = tmp_path / "small_2021.yaml"
    path.write_text(TWELVE)
    return path


def test_the_curriculum_is_told_before_it_starts(place, server, capfd, monkeypatch):
    monkeypatch.setenv("MARKETLAB_COINBASE_RATE", "3")
    monkeypatch.setenv("MARKETLAB_OANDA_RATE", "2")
    from marketlab.interfaces import usecases

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(usecases, "fetch", stop)
    said = command(capfd, "data", "fetch", "--recipe", "curriculum_2020_2023", workspace=place)
    assert said.code == 130
    assert said.err.splitlines()[:3] == [
        "curriculum_2020_2023: BTC-USD, ETH-USD, EUR_USD, GBP_USD at 5m, 15m, 1h",
        "2020-01-01 to 2024-01-01: 12 datasets, 4,358 requests.",
        "That takes at least 22 min 51 s at the allowed pace (coinbase 3/s, oanda 2/s).",
    ]
    assert not server.seen


def test_a_recipe_whose_one_symbol_fails_is_told_and_resumed(place, server, twelve, capfd):
    server.slots = whole_slots
    server.always["/products/ETH-USD"] = (400, {"message": "no such [bold]product"})
    said = command(capfd, "data", "fetch", "--recipe", twelve, workspace=place)
    assert said.code == 4
    plan = 2 * (4 + 2 + 1) + 2 * 3
    assert f"12 datasets, {plan} requests." in said.err
    assert f"{plan - 7}/{plan} requests (65.0%), 9/12 datasets, 7 failed chunk(s)" in said.out
    assert "no such [bold]product" in said.out
    assert "(1 attempt(s)) … and 3 more" in said.out
    assert "Next: 3 dataset(s) with 7 request(s) are left." in said.out
    seen = command(capfd, "data", "monitor", workspace=place).out
    rows = [line.split()[:5] for line in seen.splitlines()]
    assert ["coinbase", "ETH-USD", "5m", "failed", "0/4"] in rows
    assert "no such [bold]product" in seen
    summary = place / "data/historical/small_2021/acquisition_summary.csv"
    assert [line.split(",")[0] for line in summary.read_text().splitlines()] == [
        *("pair", "BTC-USD", "BTC-USD", "BTC-USD", "EUR_USD", "EUR_USD", "EUR_USD"),
        *("GBP_USD", "GBP_USD", "GBP_USD"),
    ]
    server.always.clear()
    server.seen.clear()
    done = command(capfd, "data", "fetch", "--recipe", twelve, workspace=place)
    assert done.code == 0, done.out
    assert f"{plan - 7} of them are done, 7 are left." in done.err
    assert sum(server.seen.values()) == 7
    assert "strategies ask for symbol BTCUSD, timeframe 5m, and so on" in done.out
    assert len(summary.read_text().splitlines()) == 13
    status = json.loads((summary.parent / "acquisition_status.json").read_text())
    assert [row["state"] for row in status] == ["done"] * 12


def test_bars_that_fail_their_checks_are_kept_out_of_the_summary(place, server, tmp_path, capfd):
    def with_a_hole(symbol, start, end, step):
        rows = whole_slots(symbol, start, end, step)
        return [row for row in rows if not 1614643200 <= row[0] < 1614643200 + 10 * 3600]

    server.slots = with_a_hole
    recipe = tmp_path / "two_2021.yaml"
    recipe.write_text(RECIPE.replace("oanda, symbol: EUR_USD", "coinbase, symbol: ETH-USD"))
    said = command(capfd, "data", "fetch", "--recipe", recipe, workspace=place)
    assert said.code == 3
    assert "done: fail" in said.out
    reason = "the hole from 2021-03-02T00:00:00Z lasts 10.0 open hours without a known cause"
    assert f"coinbase ETH-USD 1h: fail: {reason}" in said.out
    assert "Next: read why it failed its checks in the report" in said.out
    folder = place / "data/historical/two_2021"
    assert (folder / "acquisition_summary.csv").read_text().count("\n") == 1
    assert list(folder.glob("*.parquet")) == []
    status = json.loads((folder / "acquisition_status.json").read_text())
    assert [(row["state"], row["verdict"]) for row in status] == [("done", "fail")] * 2


# -- bad input ------------------------------------------------------------------------------------


def dataset(**changes):
    facts = {"source": "coinbase", "symbol": "BTC-USD", "timeframe": "1h"}
    facts |= {"start": "2021-03-01", "end": "2021-03-05"} | changes
    return [part for key, value in facts.items() for part in (f"--{key}", value)]


def stored(place):
    return [p for p in (place / "data").rglob("*") if p.name in ("bars.parquet", "manifest.json")]


@pytest.mark.parametrize(
    ("changes", "said", "asked"),
    [
        ({"symbol": "BTCUSD"}, "coinbase spells its symbols like BTC-USD; received 'BTCUSD'", 0),
        ({"source": "oanda"}, "oanda spells its symbols like EUR_USD; received 'BTC-USD'", 0),
        ({"end": "2021-03-01"}, "the range is empty", 0),
        ({"end": "2999-01-01"}, "which is in the future", 0),
        ({"symbol": "XYZ-USD"}, 'status 404: {"message": "NotFound"}', 1),
        ({"symbol": "MNT-USD"}, 'received b\'{"message": "maintenance"}\'', 3),
    ],
)
def test_bad_input_is_named_and_nothing_is_published(place, server, capfd, changes, said, asked):
    server.always["/products/XYZ-USD"] = (404, {"message": "NotFound"})
    server.always["/products/MNT-USD"] = (200, {"message": "maintenance"})
    answer = command(capfd, "data", "fetch", *dataset(**changes), workspace=place)
    assert answer.code in (2, 3)
    assert said in answer.err
    assert sum(server.seen.values()) == asked
    assert stored(place) == []


@pytest.mark.parametrize(
    ("token", "said", "asked"),
    [
        ("", "MARKETLAB_OANDA_TOKEN is not set", 0),
        ("wrong-0815", "Insufficient authorization (Bearer ***)", 1),
    ],
)
def test_a_token_that_opens_nothing(place, server, capfd, monkeypatch, token, said, asked):
    monkeypatch.setenv("MARKETLAB_OANDA_TOKEN", token)
    wanted = dataset(source="oanda", symbol="EUR_USD")
    answer = command(capfd, "data", "fetch", *wanted, workspace=place)
    assert answer.code == 2
    assert said in answer.err
    assert sum(server.seen.values()) == asked
    assert stored(place) == []
    files = [p for p in place.rglob("*") if p.is_file()]
    assert not any(b"wrong-0815" in p.read_bytes() for p in files)


def test_two_fetches_of_one_dataset(place, server, capfd):
    with FileLock(place / "data/raw/runs/coinbase_BTC_USD_1h.lock"):
        second = command(capfd, "data", "fetch", *BTC, workspace=place)
    assert second.code == 2
    assert "coinbase_BTC_USD_1h is being fetched by another process" in second.err
    with FileLock(place / "data/raw/coinbase/BTC_USD_1h/.lock"):  # as part of a recipe
        second = command(capfd, "data", "fetch", *BTC, workspace=place)
    assert second.code == 2
    assert "coinbase BTC-USD 1h is being fetched by another process" in second.err
    assert not server.seen
    assert stored(place) == []


def test_a_disk_that_fills_up(place, server, capfd):
    """A real one, by a limit on the size of files, in a process of its own."""
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        "from marketlab.interfaces.cli import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    wanted = ["--workspace", str(place), "data", "fetch", *dataset(timeframe="5m")]
    done = subprocess.run(
        [sys.executable, "-c", code, *wanted], capture_output=True, text=True, check=False
    )
    assert done.returncode == 6, done.stderr
    assert re.search(r"Error STORAGE-\w+: .*", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert stored(place) == []
    again = command(capfd, "data", "fetch", *dataset(timeframe="5m"), workspace=place)
    assert again.code == 0, again.err
    assert command(capfd, "data", "verify", workspace=place).code == 0


# -- watching -------------------------------------------------------------------------------------


def program(place, *arguments):
    return [
        *(sys.executable, "-m", "marketlab.interfaces.cli", "--workspace", str(place)),
        *map(str, arguments),
    ]


def on_terminal(arguments, columns, lines=24):
    """Run a program on a terminal of its own; yield what it wrote, piece by piece."""
    leader, follower = pty.openpty()
    size = {"COLUMNS": str(columns), "LINES": str(lines), "TERM": "xterm"}
    process = subprocess.Popen(
        arguments, stdin=follower, stdout=follower, stderr=follower, env=os.environ | size
    )
    os.close(follower)
    text = ""
    try:
        while select.select([leader], [], [], 30)[0]:
            try:
                piece = os.read(leader, 65_536)
            except OSError:  # the other end was closed
                break
            text += piece.decode()
            yield process, text
    finally:
        process.kill()
        process.wait()
        os.close(leader)


def test_watching_goes_on_until_the_fetch_ends(place, server, twelve, capfd):
    server.latency = 0.15
    fetch = subprocess.Popen(
        program(place, "data", "fetch", "--recipe", twelve),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while sum(server.seen.values()) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    said = command(capfd, "data", "monitor", "--follow", workspace=place)
    assert fetch.wait(timeout=30) == 0
    assert said.code == 0
    assert "small_2021: ended" in said.out
    assert "12/12 datasets" in said.out


def watch_and_leave(place, columns):
    """Return what `monitor --follow` drew on a terminal, and all it wrote after Ctrl-C."""
    drawn = text = ""
    for process, text in on_terminal(program(place, "data", "monitor", "-f"), columns):
        if not drawn and "datasets" in text:
            drawn = text
            process.send_signal(signal.SIGINT)
    return drawn, text


def test_the_table_fits_the_terminal_and_control_c_leaves_it(place, server, twelve):
    server.latency = 4.0  # the fetch must outlast both monitors on a busy machine
    server.always["/products/ETH-USD"] = (400, {"message": "no " * 200})
    fetch = subprocess.Popen(
        program(place, "data", "fetch", "--recipe", twelve),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while sum(server.seen.values()) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        for columns, name in ((80, "BTC-USD 5m"), (120, "coinbase BTC-USD 5m")):
            drawn, text = watch_and_leave(place, columns)
            assert "Left; the fetch goes on." in text
            assert "Traceback" not in text
            lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn).replace("\r", "").splitlines()
            assert max(len(line) for line in lines) <= columns
            assert len(lines) <= 24
            assert any(line.startswith(name) for line in lines)
        assert fetch.poll() is None
    finally:
        fetch.kill()
        fetch.wait()


def test_a_low_terminal_shows_what_is_not_done():
    from marketlab.interfaces.cli._fetch_view import _screen

    row = {"rate": None, "eta_seconds": None, "candles": 1, "retries": 0, "failed": 0}
    row |= {"n_chunks": 4, "chunks": 4, "message": "", "verdict": "pass"}
    rows = [row | {"name": f"x {k}", "state": "done" if k < 9 else "running"} for k in range(12)]
    overall = {"chunks": 1, "n_chunks": 2, "datasets_done": 9, "n_datasets": 12, "failed": 0}
    view = {"datasets": rows, "overall": overall | {"rate": None, "eta_seconds": None}}
    text = _screen(view, ["a line of the log"], (80, 12)).plain
    assert len(text.splitlines()) <= 12
    names = [line.split()[0] for line in text.splitlines()[2:5]]
    assert names == ["9", "10", "11"]
    assert "1/2 requests (50.0%), 9/12 datasets" in text
    assert len(_screen(view, [], (80, 24)).plain.splitlines()) == 2 + 12 + 2
