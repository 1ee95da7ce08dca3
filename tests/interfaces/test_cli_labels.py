"""`marketlab labels list|describe|build` from the outside."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from interfaces_world import command

from marketlab.data import SyntheticConfig, synthetic_bars
from marketlab.labels import LABELS, compute_labels, label_by_name


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    from marketlab.interfaces.cli import run

    folder = tmp_path_factory.mktemp("labels") / "ws"
    assert run(["init", "--workspace", str(folder)]) == 0
    made = ["data", "synthetic", "--bars", "800", "--seed", "4", "--workspace", str(folder)]
    assert run(made) == 0
    return folder


def _build(capfd, place, *arguments):
    return command(
        capfd, "labels", "build", "--symbol", "EURUSD", *arguments, "--workspace", str(place)
    )


def test_list_names_every_source(capfd):
    rows = command(capfd, "labels", "list", "--json").json
    assert [row["source"] for row in rows] == LABELS.names()
    said = command(capfd, "labels", "list")
    assert said.code == 0
    assert all(f"\n{name} " in said.out for name in LABELS.names())
    assert all(row["summary"] in said.out and row["reference"] for row in rows)


@pytest.mark.parametrize("name", LABELS.names())
def test_describe_shows_every_option(capfd, name):
    facts = command(capfd, "labels", "describe", name, "--json").json
    said = command(capfd, "labels", "describe", name)
    assert said.out.startswith(f"{name}: {facts['summary']}.\n")
    assert all(f"\n{option['name']} " in said.out for option in facts["options"])
    assert all(option["choices"] or option["type"] for option in facts["options"])


def test_describe_resolves_old_names(capfd):
    facts = command(capfd, "labels", "describe", "label_h5_t1pct", "--json").json
    assert facts["formula"] == "touch_up_high_h5_t100bps"
    assert facts["block"]["threshold"] == 0.01
    said = command(capfd, "labels", "describe", "touch_up_high_h5_t100bps")
    assert "touch_up_high_h5_t100bps, also known as label_h5_t1pct" in said.out
    wrong = command(capfd, "labels", "describe", "touch_up")
    assert (wrong.code, "Invalid label source 'touch_up'" in wrong.err) == (2, True)


def test_build_stores_a_table_with_times(place, capfd):
    arguments = ("--label", "triple_barrier", "--option", "horizon=5", "--weights", "uniqueness")
    facts = _build(capfd, place, *arguments, "--json").json
    bars = synthetic_bars(SyntheticConfig(n_bars=800, seed=4))
    labels = compute_labels(label_by_name("triple_barrier", {"horizon": 5}), bars)
    table = pl.read_parquet(facts["table"]["path"])
    assert table.columns == facts["table"]["columns"]
    for name in ("bar", "value", "start", "end", "event"):
        assert table[name].to_list() == getattr(labels, name).tolist()
    assert table["weight"].to_list() == table["uniqueness"].to_list()
    np.testing.assert_allclose(table["uniqueness"], labels.overlap.uniqueness)
    row = table.row(17, named=True)
    assert row["time"] == bars.times(int(labels.bar[17]))
    for moment, bar in (("start_time", "start"), ("end_time", "end")):
        close = bars.close_time_ns[row[bar]] / 1e9
        assert row[moment] == datetime.fromtimestamp(close, UTC)
    assert facts["counts"] == labels.counts()
    assert facts["n_events"] == labels.n_events
    assert facts["is_synthetic"] is True
    assert "data/processed/" in facts["table"]["path"]
    again = _build(capfd, place, *arguments)
    assert again.out.startswith("triple_barrier_h5 of EURUSD 1h: ")
    assert "SYNTHETIC bars" in again.out
    assert f"stored before in {facts['table']['path']}" in again.out


def test_build_tells_the_distribution_of_a_number(place, capfd):
    said = _build(capfd, place, "--label", "realised_volatility", "--option", "horizon=4")
    assert said.code == 0
    assert "  mean 0.00" in said.out
    assert "  independent events: 199; samples that read one bar: 4.0 on average, 4 at most" in (
        said.out
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--label", "label_h1_t5pct"), 3, "all 799 labels are NO_TOUCH"),
        (("--label", "direction", "--option", "horizon=800"), 3, "needs at least 801 bars"),
        (("--label", "direction"), 2, "labels.horizon"),
        (("--label", "direction", "--option", "horizon"), 2, "an option is KEY=VALUE"),
        (("--label", "direction", "--option", "horizon=two"), 2, "valid integer"),
        (("--label", "directon", "--option", "horizon=2"), 2, "Did you mean 'direction'"),
        (("--label", "label_h2_t0pct"), 2, "Write basis points"),
        (
            ("--label", "direction", "--option", "horizon=2", "--weights", "sqrt"),
            2,
            "there is no weighting 'sqrt'",
        ),
        (("--label", "scaled_return", "--option", "train_bars=60"), 3, "at least 100 training"),
    ],
)
def test_what_cannot_be_built_is_refused_and_nothing_is_written(
    place, capfd, arguments, code, words
):
    before = sorted(place.rglob("*.parquet"))
    said = _build(capfd, place, *arguments)
    assert said.code == code
    assert words in said.err
    assert sorted(place.rglob("*.parquet")) == before


def test_a_degenerate_label_is_built_when_it_is_allowed_by_name(place, capfd):
    refused = _build(capfd, place, "--label", "label_h2_t5pct", "--json")
    assert refused.code == 3
    error = refused.json["error"]
    assert error["code"] == "LABELS-Degenerate"
    allowed = _build(capfd, place, "--label", "label_h2_t5pct", "--allow", "one_class", "--json")
    assert allowed.code == 0
    assert allowed.json["counts"] == {"NO_TOUCH": 798, "TOUCH": 0}
    assert allowed.json["is_degenerate"] is True
