"""`data fetch` and `data monitor` against a local exchange."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from interfaces_world import command

sys.path.append(str(Path(__file__).parents[1] / "data"))
from exchange_servers import exchange

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
    assert "1 dataset(s), 1 requests, 1 of them still to make: at least 0 s." in told
    assert "pass: 96 bars, 100.000% of 96 open-market slots" in said.out
    again = command(capfd, "data", "fetch", *BTC, "--json", workspace=place)
    assert again.json["datasets"][0]["requests"] == 0
    seen = command(capfd, "data", "monitor", "--json", workspace=place)
    assert [(r["name"], r["state"], r["chunks"]) for r in seen.json] == [
        ("coinbase BTC-USD 1h", "done", 1)
    ]
    assert "coinbase BTC-USD 1h" in command(capfd, "data", "monitor", workspace=place).out
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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give either a recipe, or source"),
        (["--recipe", "curriculum"], "there is no fetch recipe 'curriculum'"),
        (BTC[:4], "timeframe"),
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
    (row,) = command(capfd, "data", "monitor", "--json", workspace=place).json
    assert row["state"] == "stopped"
    assert row["chunks"] >= 4
