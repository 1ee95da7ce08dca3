"""`marketlab report`: a page and Markdown of one run or campaign, the same facts as JSON."""

import html
import json
import shutil
from pathlib import Path

import pytest
from interfaces_world import command


@pytest.fixture(scope="module")
def place(lived_in, tmp_path_factory):
    """Return a copy of the workspace, because reports write into it."""
    folder = tmp_path_factory.mktemp("report") / "ws"
    shutil.copytree(lived_in, folder)
    return folder


@pytest.fixture(scope="module")
def rows(place):
    from marketlab.campaigns import Ledger, Workspace

    with Workspace.at(place).store() as store:
        ledger = Ledger(store)
        return ledger.list_runs(), ledger.list_campaigns()


def test_a_run_goes_by_its_id_its_operation_and_its_strategy(place, rows, capfd):
    run = rows[0][0]
    name = "next_bar_rsi" if "next_bar_rsi" in run["run_id"] else "next_bar_williams"
    told = [
        command(capfd, "report", reference, workspace=place)
        for reference in (run["run_id"], run["operation_id"], name)
    ]
    assert [said.code for said in told] == [0, 0, 0]
    assert told[0].out == told[1].out == told[2].out
    assert told[0].out.startswith(f"# Run {run['run_id']}\n")
    assert run["verdict"]["sentence"] in told[0].out
    page = Path(told[0].err.strip().removeprefix("Page: "))
    assert page == place / "reports" / "runs" / run["run_id"] / "report.html"
    shown = html.unescape(page.read_text()).replace("−", "-")
    assert run["verdict"]["sentence"] in shown
    assert (page.parent / "REPORT.md").read_text() == told[0].out


def test_json_holds_the_facts_and_where_the_files_are(place, rows, capfd):
    run = rows[0][0]
    said = command(capfd, "report", run["run_id"], "--json", workspace=place)
    assert said.err == ""
    facts = said.json
    assert facts["kind"] == "run"
    (record,) = facts["facts"]["runs"]
    judged = run["verdict"]
    assert record["skill"] == judged["skill"]
    assert record["null_p"] == judged["null_p"]
    assert record["n_events"] == judged["n_events"]
    assert record["n_trials"] == judged["n_trials"]
    assert record["minimum_detectable_skill"] == judged["minimum_detectable_skill"]
    assert record["detail"]["confusion"] == judged["scores"]["confusion"]
    decide = [b for b in record["detail"]["baselines"] if b["decides"]]
    assert {b["name"]: b["log_loss"] for b in decide} == {
        b["name"]: b["log_loss"] for b in judged["baselines"] if b["decides"]
    }
    stored = json.loads(Path(facts["reports"]["json"]).read_text())
    assert stored == facts["facts"]


def test_a_campaign_goes_by_id_and_name(place, rows, capfd):
    campaign_id = rows[1][0]["campaign_id"]
    by_id = command(capfd, "report", campaign_id, workspace=place)
    by_name = command(capfd, "report", "tiny", workspace=place)
    assert by_id.out == by_name.out
    assert by_id.out.startswith("# Results of campaign tiny")
    for part in ("## How far luck explains it", "**Trading on the forecasts, by run**"):
        assert part in by_id.out
    told = command(capfd, "campaign", "results", "tiny", "--json", workspace=place).json
    facts = command(capfd, "report", "tiny", "--json", workspace=place).json["facts"]
    assert [r["strategy"] for r in told["records"]] == [r["strategy"] for r in facts["runs"]]
    for short, whole in zip(told["records"], facts["runs"], strict=True):
        assert short.items() <= whole.items()


def test_a_run_of_no_campaign_is_reported_with_its_own_null(place, capfd):
    from marketlab.campaigns import shipped_strategy
    from marketlab.core import dump_yaml

    mapping = shipped_strategy("next_bar_stochastic").to_mapping()
    mapping["training"]["epochs"] = 2
    mapping["training"]["date_range"] = None
    (place / "strategies" / "alone.yaml").write_text(dump_yaml({**mapping, "name": "alone"}))
    trained = command(capfd, "train", "alone", "--workers", "1", workspace=place)
    assert trained.code == 0, trained.err
    facts = command(capfd, "report", "alone", "--json", workspace=place).json["facts"]
    assert facts["campaign_id"] == facts["runs"][0]["run_id"]
    assert facts["null"]["names"] == ["alone"]
    assert facts["null"]["n_surrogates"] == 99
    assert facts["luck"]["n_runs"] == 1
    said = command(capfd, "report", "alone", workspace=place)
    assert f"Run `{facts['campaign_id']}`, seed" in said.out
    assert "surrogate markets reach the real one" in said.out


def test_what_is_unknown_is_refused_with_the_names_there_are(place, capfd):
    said = command(capfd, "report", "next_bar_rsy", workspace=place)
    assert said.code == 2
    assert said.out == ""
    assert "Error REPORT-NotFound" in said.err
    assert "next_bar_rsi" in said.err
