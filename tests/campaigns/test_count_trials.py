"""Experiments are counted by the days of the market, whatever data set and split shows them."""

import json
import time
from dataclasses import replace

import pytest
from campaign_world import mini_config, run_campaign
from evidence_world import market_bars, record_of, strategy_mapping, trainer

from marketlab.campaigns import Ledger, Workspace, open_seal
from marketlab.campaigns._ledger import NewOperation
from marketlab.campaigns._looks import Judged, stretch_of
from marketlab.campaigns._report_context import key_figures
from marketlab.campaigns._report_one import report_results
from marketlab.campaigns._results_files import report_facts, sealed_note
from marketlab.campaigns._results_table import results_table
from marketlab.campaigns._run_facts import run_facts
from marketlab.campaigns._trials import count_trials, judged_before
from marketlab.core import iso, read_json, write_json
from marketlab.data import SyntheticConfig, synthetic_bars
from marketlab.interfaces.usecases import results_mapping

PEEK = {"train": 0.80, "validation": 0.19, "test": 0.01}


class Books:
    """A ledger of runs that never were, on stored bars."""

    def __init__(self, workspace, ledger):
        self.workspace = workspace
        self.ledger = ledger

    def bars(self, n_bars=400, **how):
        made = market_bars(n_bars, **how)
        self.workspace.catalog.add(made)
        return made

    def run(self, bars, *, judged=None, train=None, seed=1, status="completed", **training):
        """Record a run whose parts are given by the positions of their first and last bars."""
        mapping = strategy_mapping(**training)
        name = f"run{len(self.ledger.list_runs())}"
        request = {
            "strategy": {**mapping, "name": name, "description": name},
            "dataset_id": bars.dataset_id,
            "config_id": f"{bars.dataset_id[:6]} {training} {seed}",
            "seed": seed,
            "backend": "compiled",
        }
        operation_id = self.ledger.create_operation(
            NewOperation("training", request, name, bars.symbol, bars.timeframe)
        )
        if status == "pending":
            return operation_id
        record = record_of(f"r_{name}", bars.dataset_id, status).model_copy(
            update={"config_id": request["config_id"]}
        )
        ids = {"operation_id": operation_id, "campaign_id": None, "design_id": "d"}
        self.ledger.record_run(record, **ids)
        self.ledger.transition(operation_id, "running")
        self.ledger.transition(operation_id, status)
        if judged or train:
            splits = {"validation": part(bars, judged), "train": part(bars, train)}
            self.ledger.update_operation(operation_id, result_summary={"splits": splits})
        return f"r_{name}"

    def count(self, bars, judged=None):
        splits = [{"validation": part(bars, judged)}] if judged else []
        return count_trials(self.workspace, self.ledger, bars.dataset_id, splits)

    def before(self, run_id, bars, first, last):
        run = self.ledger.run(run_id)
        return judged_before(self.workspace, self.ledger, run, stretch_of(bars, first, last))


def part(bars, positions):
    first, last = positions or (None, None)
    return {
        "first_time": None if first is None else iso(bars.times(first)),
        "last_time": None if last is None else iso(bars.times(last)),
    }


@pytest.fixture
def books(tmp_path):
    workspace = Workspace.at(tmp_path / "ws").create()
    with workspace.store() as store:
        yield Books(workspace, Ledger(store))


# -- trials ---------------------------------------------------------------------------------------


def test_one_bar_more_does_not_begin_the_count_again(books):
    bars, longer = books.bars(400), books.bars(401)
    for rate in (0.001, 0.002, 0.003):
        books.run(bars, judged=(300, 350), learning_rate=rate)
    assert books.count(longer, (301, 351)) == 3
    books.run(longer, judged=(301, 351), learning_rate=0.002, date_range={"start": "2015-01-02"})
    assert books.count(longer, (301, 351)) == 3, "the same design on one more bar is no new try"
    books.run(longer, judged=(301, 351), learning_rate=0.009)
    assert books.count(longer, (301, 351)) == books.count(bars, (300, 350)) == 4
    books.run(longer, judged=(301, 351), learning_rate=0.009, seed=2)
    assert books.count(bars, (300, 350)) == 5, "another seed is another trial"


def test_date_ranges_on_one_data_set_are_trials_of_their_own(books):
    bars, longer = books.bars(400), books.bars(401)
    for day in ("2015-01-02", "2015-01-03"):
        books.run(bars, judged=(300, 350), date_range={"start": day})
    assert books.count(bars) == 2
    books.run(longer, judged=(300, 350), date_range={"start": "2015-01-04"})
    assert books.count(bars) == books.count(longer) == 2


def test_other_days_other_markets_and_other_walks_are_no_trials(books):
    bars = books.bars(400)
    books.run(bars, judged=(300, 350))
    books.run(books.bars(399), judged=(100, 150), learning_rate=0.01)
    assert books.count(bars, (300, 350)) == 1, "judged on other days"
    assert books.count(bars, (140, 160)) == 2
    books.run(books.bars(400, symbol="GBPUSD"), judged=(300, 350), learning_rate=0.02)
    walks = [synthetic_bars(SyntheticConfig(n_bars=400, seed=seed)) for seed in (5, 6)]
    for number, walk in enumerate(walks):
        books.workspace.catalog.add(walk)
        books.run(walk, judged=(300, 350), learning_rate=0.03 + 0.01 * number)
    assert [books.count(each, (300, 350)) for each in (bars, *walks)] == [1, 1, 1]
    shorter = walks[0].between(None, walks[0].times(380))
    books.workspace.catalog.add(shorter)
    books.run(shorter, judged=(300, 350), learning_rate=0.05)
    assert books.count(walks[0], (300, 350)) == 2, "a part of the same walk"


def test_failed_waiting_and_unknown_ones_count(books):
    bars, longer = books.bars(400), books.bars(401)
    books.run(longer, status="failed", learning_rate=0.01)
    books.run(longer, status="cancelled", learning_rate=0.02)
    books.run(longer, status="pending", learning_rate=0.03)
    assert books.count(bars, (300, 350)) == 3
    assert books.count(longer, (300, 350)) == 3
    gone = market_bars(402)  # never stored: nobody knows its days
    books.run(gone, learning_rate=0.04)
    assert books.count(bars, (300, 350)) == 4
    assert books.count(gone, (300, 350)) == 1


def test_a_ledger_of_years_is_counted_at_once(books):
    bars, longer = books.bars(400), books.bars(401)
    for rate in range(150):
        books.run((bars, longer)[rate % 2], judged=(300, 350), learning_rate=0.001 * (rate + 1))
    begun = time.process_time()
    assert books.count(bars, (300, 350)) == 150
    assert time.process_time() - begun < 0.3  # about 0.02


# -- judged on the days of a test part ------------------------------------------------------------


def test_runs_that_were_judged_on_the_test_days_are_trials_of_the_opening(books):
    bars, longer = books.bars(400), books.bars(401)
    mine = books.run(bars, train=(0, 250), judged=(251, 299))
    assert books.before(mine, bars, 301, 400 - 1) == Judged()
    names = [
        books.run(bars, judged=(200, 380), learning_rate=0.01 * k, data_split=PEEK) for k in (1, 2)
    ]
    names.append(books.run(longer, judged=(290, 320), learning_rate=0.01, data_split=PEEK))
    names.append(books.run(longer, judged=(251, 310), learning_rate=0.05))
    found = books.before(mine, bars, 301, 399)
    assert found.run_ids == tuple(names)
    assert found.n_experiments == 3, "two of the four are one design"
    assert found.share == pytest.approx(80 / 99)
    assert found.sentence.startswith("4 other runs were judged on 81 % of these days before")
    assert "3 different experiments, each of which counts as a trial." in found.sentence
    opening = books.ledger.record_test_opening(
        mine, reason="x", result=None, stretch=stretch_of(bars, 301, 399), judged=found
    )
    assert opening.n_trials == 4
    again = replace(opening.seen, openings=({"run_id": "a", "opened_at": "t", "first_time": "f"},))
    assert again.n_trials == 5
    assert "Each opening counts as a trial. 4 other runs" in again.sentence
    assert "That makes 5 trials with this opening." in again.sentence


def test_repeats_and_runs_that_are_cut_alike_are_no_looks(books):
    bars, longer = books.bars(400), books.bars(401)
    mine = books.run(bars, judged=(251, 299))
    books.run(bars, judged=(251, 299))
    books.run(bars, judged=(256, 304), learning_rate=0.01)  # a warm-up of five bars less
    assert books.before(mine, bars, 301, 399) == Judged()
    shifted = books.run(bars, judged=(256, 340), learning_rate=0.02)
    assert books.before(mine, bars, 301, 399).run_ids == (shifted,)
    repeat = books.run(longer, judged=(300, 350))
    found = books.before(mine, bars, 301, 399)
    assert found.run_ids == (shifted, repeat)
    assert found.n_experiments == 1, "this design on other data is no other try"


def test_who_trained_on_the_days_is_noted_and_no_trial(books):
    bars = books.bars(400)
    mine = books.run(bars, judged=(251, 299))
    books.run(bars, train=(200, 350), judged=(351, 352), data_split=PEEK, learning_rate=0.01)
    found = books.before(mine, bars, 301, 350)
    assert (found.run_ids, found.n_experiments, found.n_trained) == ((), 0, 1)
    assert found.trained_note == "1 other run trained on 100 % of these days."


def test_a_cancelled_run_showed_its_scores_all_the_same(books):
    bars = books.bars(400)
    mine = books.run(bars, judged=(251, 299))
    other = books.run(bars, status="cancelled", data_split=PEEK)
    assert books.before(mine, bars, 301, 399).run_ids == (), "it never came to its split"
    folder = books.workspace.runs / other
    folder.mkdir(parents=True)
    write_json(folder / "detailed_metrics.json", {"splits": {"validation": part(bars, (301, 390))}})
    assert books.before(mine, bars, 301, 399).n_experiments == 1


def test_repeats_only_are_said_to_be_repeats():
    said = Judged(run_ids=("a",), share=0.5).sentence
    assert said == (
        "1 other run was judged on 50 % of these days before, in validation or a walk forward (a): "
        "repeats of this experiment."
    )


# -- real runs ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """Two designs that peek at the days that `a` seals; `a` is opened; `c` seals them as well."""
    workspace = Workspace.at(tmp_path_factory.mktemp("trials") / "ws").create()
    workspace.catalog.add(market_bars(2_000))
    with workspace.store() as store:
        ledger = Ledger(store)
        with trainer(workspace, ledger, surrogates=19) as train:
            ids = {}
            for name, how in (
                ("peek1", {"data_split": PEEK, "learning_rate": 0.001}),
                ("peek2", {"data_split": PEEK, "learning_rate": 0.002}),
                ("a", {}),
                ("sealed", {"learning_rate": 0.004}),
            ):
                ids[name] = train(name, strategy_mapping(**how))["run_id"]
            before = ledger.run(ids["sealed"])["verdict"]
            opened = open_seal(workspace, ledger, ids["a"], reason="look", surrogates=19)
            ids["c"] = train("c", strategy_mapping(learning_rate=0.003))["run_id"]
    return workspace, ids, opened, before


def test_an_opening_pays_for_the_runs_that_were_judged_on_its_days(market):
    _, ids, opened, _ = market
    verdict, seen = opened["verdict"], opened["seen_before"]
    assert verdict["n_trials"] == seen["n_trials"] == 3
    assert seen["n_openings"] == 0
    judged = seen["judged_before"]
    assert judged["run_ids"] == [ids["peek1"], ids["peek2"]]
    assert judged["n_experiments"] == 2
    assert 0.9 < judged["share"] < 1.0
    assert "2 other runs were judged on 95 % of these days before" in seen["sentence"]
    assert seen["sentence"] in verdict["notes"]
    assert verdict["null_p"] == pytest.approx(min(1.0, 3 * verdict["null"]["p_adjusted"]))


def test_a_verdict_says_who_saw_the_test_part(market):
    workspace, ids, _, before = market
    assert before["notes"][0] == "Judged on the validation part; the test part is sealed."
    verdict = read_json(workspace.runs / ids["c"] / "verdict.json")
    assert verdict["notes"][0].startswith(
        "Judged on the validation part; the test part was not opened for this run, but 100 % of "
        f"its days were seen by {ids['a']}, on 20"
    )


@pytest.mark.parametrize("name", ["c", "sealed"])
def test_a_report_calls_nothing_sealed_that_another_run_opened(market, name):
    workspace, ids, _, _ = market
    with workspace.store() as store:
        results, _ = report_results(workspace, Ledger(store), ids[name])
    note = sealed_note(results)
    assert note.startswith("The test part was not opened for this run, but 100 % of its days were")
    assert ids["a"] in note
    facts = report_facts(results)
    assert facts["test_part"] == note
    assert facts["test_openings"] == 0
    assert facts["runs"][0]["seen_by_others"]["run_ids"] == [ids["a"]]
    assert "sealed." not in facts["runs"][0]["notes"][0], "also where it was judged before the look"
    assert results.luck["n_test_openings"] == 1
    assert "100 % of its days were seen by" in results_table(results).caption
    shown = {
        figure: (value, why) for figure, value, why in key_figures(results, run_facts(results))
    }
    assert shown["Test part"][0] == "seen by others"
    assert ids["a"] in shown["Test part"][1]


def test_a_report_of_the_opened_run_says_its_own_opening_only(market):
    workspace, ids, _, _ = market
    with workspace.store() as store:
        results, _ = report_results(workspace, Ledger(store), ids["a"])
    assert sealed_note(results).startswith("The test part was opened once; what it showed")
    assert "Besides" not in sealed_note(results)
    notes = report_facts(results)["runs"][0]["notes"]
    assert notes[0] == "Judged on the validation part; the test part was opened once."
    assert results.luck["n_test_openings"] == 1


def test_a_look_inside_a_campaign_is_its_own_and_another_run_s(tmp_path):
    workspace, campaign_id, _, _ = run_campaign(tmp_path, mini_config(n_bars=2_000, epochs=2))
    with workspace.store() as store:
        ledger = Ledger(store)
        first, second = (row["run_id"] for row in ledger.list_runs(campaign_id=campaign_id))
        opened = open_seal(workspace, ledger, first, reason="look", surrogates=19)
        whole, kind = report_results(workspace, ledger, campaign_id)
        one, _ = report_results(workspace, ledger, second)
    assert opened["verdict"]["n_trials"] == 1, "the same bars and the same split are no looks"
    assert kind == "campaign"
    assert sealed_note(whole).startswith("The test part was opened once for runs of this campaign")
    assert "Besides" not in sealed_note(whole)
    assert whole.seen_by_others is None
    assert whole.luck["n_test_openings"] == 1
    assert {run.verdict["n_trials"] for run in whole.runs} == {2}
    assert sealed_note(one).startswith("The test part was not opened for this run, but ")
    assert first in sealed_note(one)
    json.dumps(results_mapping(one), allow_nan=False)
