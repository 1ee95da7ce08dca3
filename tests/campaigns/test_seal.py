"""The test part is sealed; each opening is an entry, and whoever saw the same days counts."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from evidence_world import market_bars, pretend_run, strategy_mapping, trainer
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.campaigns import Ledger, Workspace, open_seal, record_look
from marketlab.campaigns._looks import Stretch, market_of, percent, seen_before, stretch_of
from marketlab.campaigns._looks_before import looks_before
from marketlab.core import ConfigError, ConflictError, NotFoundError, RunRecord, from_mapping
from marketlab.core import read_json as read
from marketlab.data import SyntheticConfig, resample_bars, synthetic_bars
from marketlab.interfaces.cli import run as cli

T0 = datetime(2024, 1, 1, tzinfo=UTC)


def hours(first, last, *, timeframe="1h", market="EURUSD"):
    """Bars of which the first closes `first` hours after T0 and the last `last` hours."""
    ends = (T0 + timedelta(hours=first), T0 + timedelta(hours=last))
    return Stretch(market, market.split()[0], timeframe, *ends)


@pytest.fixture
def ledger(tmp_path):
    with Workspace.at(tmp_path / "ws").create().store() as store:
        made = Ledger(store)
        for run_id in ("a", "b", "c"):
            pretend_run(made, run_id, f"data {run_id}")
        yield made


def look(ledger, run_id, stretch, *, again=True):
    return ledger.record_test_opening(
        run_id, reason="a test", result=None, stretch=stretch, again=again
    )


# -- a real run -----------------------------------------------------------------------------------


def test_openings_are_recorded_fill_the_keys_and_count_for_every_run_of_the_days(finished):
    workspace, _, results, _ = finished
    other, run_id = (run.run_id for run in results.runs)
    folder = workspace.runs / run_id
    assert read(folder / "detailed_metrics.json")["test_metrics"]["test_accuracy"] is None
    with workspace.store() as store:
        ledger = Ledger(store)
        first = open_seal(workspace, ledger, run_id, reason="a test", surrogates=19)
        verdict = first["verdict"]
        assert verdict["judged_part"] == "test"
        assert verdict["outcome"] == "learned"
        assert verdict["n_trials"] == 1
        assert any("opened 1 time." in note for note in verdict["notes"])
        assert "No test part that was opened before overlaps this one in time." in verdict["notes"]
        assert first["seen_before"]["n_openings"] == 0
        stored = read(folder / "detailed_metrics.json")["test_metrics"]
        assert 0.5 < stored["test_accuracy"] < 0.7
        assert stored["seen_before"] == first["seen_before"]["sentence"]
        operation = ledger.operation(results.runs[1].operation_id)
        assert operation["result_summary"]["test_metrics"] == stored

        with pytest.raises(ConflictError, match="no longer unseen: 100 % of its time") as refused:
            open_seal(workspace, ledger, run_id, reason="curiosity", surrogates=19)
        assert refused.value.code == "RUN-TestPartSeen"
        assert f"by {run_id} on " in refused.value.message
        assert "(a test)" in refused.value.message
        assert "--again" in refused.value.suggestion
        assert refused.value.details["seen_before"]["run_ids"] == [run_id]
        assert len(ledger.test_openings(run_id)) == 1, "a refused opening records nothing"
        assert not (folder / "test_evaluation_2.json").exists()

        second = open_seal(workspace, ledger, run_id, reason="curiosity", surrogates=19, again=True)
        assert second["opening"] == second["verdict"]["n_trials"] == 2
        assert any("no longer unseen" in note for note in second["verdict"]["notes"])
        assert second["test_metrics"]["test_loss"] == stored["test_loss"]

        with pytest.raises(ConflictError, match=rf"by {run_id} on .*; {run_id} on "):
            open_seal(workspace, ledger, other, reason="the other design", surrogates=19)
        third = open_seal(
            workspace, ledger, other, reason="the other design", surrogates=19, again=True
        )
        assert third["opening"] == 1, "its own first"
        assert third["verdict"]["n_trials"] == 3, "but the third look at these days"
        null = third["verdict"]["null"]
        assert third["verdict"]["null_p"] == pytest.approx(min(1.0, 3 * null["p_adjusted"]))
        said = [note for note in third["verdict"]["notes"] if "earlier openings" in note]
        assert said == [third["seen_before"]["sentence"]]
        assert "2 earlier openings by 1 run overlap this test part: " in said[0]
        assert "counts as a trial, with this one 3." in said[0]
        openings = ledger.test_openings(run_id)
        assert [o["reason"] for o in openings] == ["a test", "curiosity"]
        assert openings[0]["symbol"] == "EURUSD"
        assert openings[0]["last_time"] == first["looked_at"]["last_time"]
    assert (folder / "test_evaluation_1.json").is_file()
    assert (folder / "test_evaluation_2.json").is_file()


def test_as_many_surrogates_are_drawn_as_the_openings_need(finished):
    workspace, _, results, _ = finished
    run_id = results.runs[1].run_id
    with workspace.store() as store:
        ledger = Ledger(store)
        bars = workspace.catalog.load(results.dataset["dataset_id"])
        while len(ledger.test_openings(run_id)) < 6:
            record_look(ledger, run_id, bars, first=4_500, reason="replay")
        opened = open_seal(workspace, ledger, run_id, reason="once more", again=True)
    verdict = opened["verdict"]
    assert verdict["null"]["n_surrogates"] == 20 * verdict["n_trials"] - 1
    assert verdict["null_p"] == pytest.approx(0.05)
    assert verdict["outcome"] == "learned"


def test_only_a_completed_known_run_can_be_opened(finished):
    workspace, _, results, _ = finished
    run_id = results.runs[0].run_id
    with workspace.store() as store:
        ledger = Ledger(store)
        before = ledger.test_openings(run_id)
        with pytest.raises(NotFoundError, match="there is no run"):
            open_seal(workspace, ledger, "nothing", reason="x")
        with pytest.raises(ConfigError, match="surrogates"):
            open_seal(workspace, ledger, run_id, reason="x", surrogates=0)
        row = ledger.run(run_id)
        ids = {key: row[key] for key in ("operation_id", "campaign_id", "design_id")}
        try:
            ledger.record_run(from_mapping(RunRecord, {**row["record"], "status": "failed"}), **ids)
            with pytest.raises(ConflictError, match="only a completed run"):
                open_seal(workspace, ledger, run_id, reason="x")
        finally:
            ledger.record_run(from_mapping(RunRecord, row["record"]), **ids)
        assert ledger.test_openings(run_id) == before


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """Runs on one market: an early range, all of it, all and one bar more, no test part."""
    workspace = Workspace.at(tmp_path_factory.mktemp("market") / "ws").create()
    ids = {}
    bars = market_bars(1_999)
    workspace.catalog.add(bars)
    day = [str(bars.times(position).date()) for position in (0, 1_200, 900)]
    saturday = {"start": "2015-04-18", "end": "2015-04-18"}
    no_test = {
        "type": "dates",
        "train": {"start": day[0], "end": day[2]},
        "validation": {"start": "2015-03-01", "end": "2015-04-15"},
        "test": saturday,
    }
    with workspace.store() as store, trainer(workspace, Ledger(store)) as train:
        ledger = Ledger(store)
        early = strategy_mapping(date_range={"start": day[0], "end": day[1]})
        ids["early"] = train("early", early)["run_id"]
        early_opening = open_seal(workspace, ledger, ids["early"], reason="look", surrogates=19)
        ids["whole"] = train("whole", strategy_mapping())["run_id"]
        ids["untested"] = train("untested", strategy_mapping(data_split=no_test))["run_id"]
        workspace.catalog.add(market_bars(2_000))
        ids["longer"] = train("longer", strategy_mapping())["run_id"]
    return workspace, ids, early_opening


def test_one_more_bar_does_not_begin_the_count_again(market, capfd):
    workspace, ids, _ = market
    place = ["--workspace", str(workspace.root), "evaluate", "--test", "--json"]
    with workspace.store() as store:
        ledger = Ledger(store)
        assert ledger.run(ids["whole"])["dataset_id"] != ledger.run(ids["longer"])["dataset_id"]
    assert cli([*place, ids["whole"], "--surrogates", "19"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["seen_before"]["n_openings"] == 0, "the early test part lies in its training part"
    assert cli([*place, ids["longer"], "--surrogates", "19"]) == 2
    refused = capfd.readouterr()
    assert "RUN-TestPartSeen" in refused.out + refused.err
    assert ids["whole"] in refused.out + refused.err
    with workspace.store() as store:
        assert Ledger(store).test_openings(ids["longer"]) == []
    assert cli([*place, ids["longer"], "--surrogates", "19", "--again"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["verdict"]["n_trials"] == 3, (
        "one opening, and one run that was judged on these days"
    )
    assert said["seen_before"]["run_ids"] == [ids["whole"]]
    assert 0.95 < said["seen_before"]["share"] < 1.0
    assert said["seen_before"]["sentence"] in said["verdict"]["notes"]


def test_a_run_is_told_that_it_trained_on_what_was_a_test_part(market):
    workspace, ids, early = market
    with workspace.store() as store:
        ledger = Ledger(store)
        assert looks_before(workspace, ledger, ledger.run(ids["early"])) == []
        (note,) = looks_before(workspace, ledger, ledger.run(ids["whole"]))
        opened = open_seal(workspace, ledger, ids["whole"], reason="x", surrogates=19, again=True)
    assert note.startswith("Bars of the training part (")
    assert f"were looked at as a test part once before, first on {datetime.now(UTC):%Y-}" in note
    assert f"by {ids['early']}: whoever chose this design may have known them." in note
    assert note in opened["verdict"]["notes"]
    assert early["verdict"]["notes"][-1] == early["seen_before"]["sentence"], "nothing to tell"


def test_an_empty_test_part_is_refused_with_the_remedy_and_records_nothing(market, capfd):
    workspace, ids, _ = market
    assert cli(["--workspace", str(workspace.root), "evaluate", ids["untested"], "--test"]) == 2
    said = capfd.readouterr().err
    assert f"the test part of {ids['untested']} is empty, so there is nothing to open." in said
    assert "a larger test share, later test days, or sealed_share above 0" in said
    with workspace.store() as store:
        assert Ledger(store).test_openings(ids["untested"]) == []


# -- which days -----------------------------------------------------------------------------------


def test_days_are_compared_over_runs_data_sets_and_timeframes(ledger):
    look(ledger, "a", hours(1, 48))
    seen = look(ledger, "b", hours(25, 72)).seen
    assert (seen.share, seen.run_ids) == (0.5, ("a",))
    daily = look(ledger, "c", hours(24, 96, timeframe="1d")).seen  # opens at T0
    assert daily.run_ids == ("a", "b")
    assert daily.share == 0.75
    assert look(ledger, "c", hours(97, 120)).seen.openings == (), "they only touch"
    pretend_run(ledger, "pounds", "data d")
    assert look(ledger, "pounds", hours(1, 48, market="GBPUSD")).seen.openings == ()
    first = ledger.test_openings("a")[0]
    assert (first["first_time"], first["last_time"]) == (
        "2024-01-01T01:00:00Z",
        "2024-01-03T00:00:00Z",
    )


def test_exactly_half_is_allowed_and_a_bar_more_is_not(ledger):
    look(ledger, "a", hours(1, 50))
    with pytest.raises(ConflictError, match="51 % of its time was looked at before, by a on"):
        look(ledger, "b", hours(1, 98), again=False)
    assert ledger.test_openings("b") == []
    assert look(ledger, "c", hours(1, 100), again=False).seen.share == 0.5


def test_openings_without_a_range_count_on_their_own_data_set(ledger):
    with ledger.store.begin() as connection:
        from marketlab.campaigns._tables import test_openings

        connection.execute(
            test_openings.insert().values(run_id="a", opened_at="2025-01-01", reason="old")
        )
    pretend_run(ledger, "a2", "data a")
    opening = look(ledger, "a2", hours(1, 10), again=False)
    assert opening.n_trials == 2
    assert opening.seen.to_mapping()["without_range"] == 1
    assert "(1 without a recorded range): 0 % of its time" in opening.seen.sentence
    assert look(ledger, "b", hours(50, 60)).n_trials == 1, "nobody knows that it is another market"


def test_the_names_of_many_runs_are_cut_short(ledger):
    for number in range(7):
        pretend_run(ledger, f"run{number}", "other data")
        look(ledger, f"run{number}", hours(1, 10))
    seen = look(ledger, "a", hours(1, 100)).seen
    assert "7 earlier openings by 7 runs overlap" in seen.sentence
    assert "by run0, run1, run2, run3, run4 and 2 more." in seen.sentence
    with pytest.raises(ConflictError, match=r"run4 on [0-9-]+ \(a test\); and 3 more\."):
        look(ledger, "b", hours(2, 9), again=False)


def test_another_seed_is_another_market_and_a_longer_walk_the_same():
    walks = [
        synthetic_bars(SyntheticConfig(n_bars=n, seed=seed)) for n, seed in ((300, 1), (300, 2))
    ]
    assert market_of(walks[0]) != market_of(walks[1])
    assert market_of(walks[0]) == market_of(walks[0].between(None, walks[0].times(200)))
    real = market_bars(300)
    assert market_of(real) == "EURUSD"
    whole = stretch_of(real, 0, 299)
    rows = [{"run_id": "a", "dataset_id": "x", "opened_at": "t", **whole.to_columns()}]
    assert seen_before(whole, "y", rows).share == 1.0
    fake = stretch_of(walks[0], 0, 299)
    assert seen_before(fake, "y", rows).openings == (), "a walk is no market"


def test_a_bar_opens_one_length_before_it_closes():
    fine = market_bars(480)
    coarse = resample_bars(fine, "4h").bars
    rows = [
        {"run_id": "a", "dataset_id": "x", "opened_at": "t", **stretch_of(fine, 0, 99).to_columns()}
    ]
    known = {int(t) for t in fine.close_time_ns[:100]}
    whole = [p for p in range(coarse.n_bars) if int(coarse.close_time_ns[p]) in known]
    seen = seen_before(stretch_of(coarse, whole[0], whole[-1]), "y", rows)
    assert seen.share == pytest.approx(1.0)


@settings(deadline=None, max_examples=40)
@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=6),
)
def test_the_share_is_that_of_the_bars_which_anybody_saw(mine, others):
    low, high = sorted(mine)
    spans = [sorted(other) for other in others]
    rows = [
        {"run_id": f"r{i}", "dataset_id": "x", "opened_at": "t", **hours(*span).to_columns()}
        for i, span in enumerate(spans)
    ]
    bars = set(range(low, high + 1))
    known = {bar for first, last in spans for bar in range(first, last + 1)}
    seen = seen_before(hours(low, high), "y", rows)
    assert seen.share == pytest.approx(len(bars & known) / len(bars))
    assert len(seen.openings) == sum(first <= high and low <= last for first, last in spans)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "0 %"),
        (0.004, "less than 1 %"),
        (0.5, "50 %"),
        (0.999, "more than 99 %"),
        (1, "100 %"),
    ],
)
def test_the_ends_of_a_share_are_said_only_where_they_are_meant(share, words):
    assert percent(share) == words


# -- at once --------------------------------------------------------------------------------------

_OPENER = """
import sys
from datetime import UTC, datetime
from marketlab.campaigns import Ledger, Workspace
from marketlab.campaigns._looks import Stretch
from marketlab.core import ConflictError

def look(month, again):
    ends = (datetime(2024, month, 2, tzinfo=UTC), datetime(2024, month, 9, tzinfo=UTC))
    stretch = Stretch("EURUSD", "EURUSD", "1h", *ends)
    try:
        opening = ledger.record_test_opening(
            sys.argv[2], reason="race", result=None, stretch=stretch, again=again
        )
    except ConflictError as error:
        return error.code
    return str(opening.n_trials)

with Workspace.at(sys.argv[1]).store() as store:
    ledger = Ledger(store)
    ledger.run(sys.argv[2])
    print("ready", flush=True)
    sys.stdin.readline()
    print(*(look(month, month > 6) for month in range(1, 13)))
"""


def test_two_processes_that_open_at_once_are_both_counted(ledger, tmp_path):
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", _OPENER, str(tmp_path / "ws"), run_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for run_id in ("a", "b")
    ]
    assert [opener.stdout.readline().strip() for opener in openers] == ["ready", "ready"]
    for opener in openers:
        opener.stdin.write("go\n")
        opener.stdin.flush()
    said = list(zip(*(opener.communicate()[0].split() for opener in openers), strict=True))
    assert [sorted(pair) for pair in said[:6]] == [["1", "RUN-TestPartSeen"]] * 6, "one of two"
    assert [sorted(pair) for pair in said[6:]] == [["1", "2"]] * 6, "the later one counts both"
    assert sum(len(ledger.test_openings(run_id)) for run_id in ("a", "b")) == 6 + 12
