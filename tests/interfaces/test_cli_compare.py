"""`marketlab compare`: the table, the sentence, the JSON, the refusals."""

import pytest
from interfaces_world import command


@pytest.fixture(scope="module")
def runs(lived_in):
    from marketlab.campaigns import Ledger, Workspace

    workspace = Workspace.at(lived_in)
    with workspace.store() as store:
        rows = Ledger(store).list_runs()
    return [row["run_id"] for row in rows], [row["operation_id"] for row in rows]


def test_two_runs_give_a_table_and_one_sentence(lived_in, runs, capfd):
    said = command(capfd, "compare", *runs[0], workspace=lived_in)
    assert said.code == 0
    assert said.err == ""
    lines = said.out.splitlines()
    assert lines[0].startswith("Compared on ")
    assert any(line.startswith("score ") and line.endswith("  detectable") for line in lines)
    facts = command(capfd, "compare", *runs[0], "--json", workspace=lived_in).json
    (pair,) = facts["pairs"]
    assert lines.count(pair["sentence"]) == 1
    assert pair["outcome"] in ("better", "worse", "no more than noise")
    assert f"{pair['log_loss']['difference']:.4f}" in said.out
    assert {run["run_id"] for run in facts["runs"]} == set(runs[0])
    assert all(run["n_dropped"] == run["n_judged"] - facts["n_samples"] for run in facts["runs"])


def test_operations_name_runs_too(lived_in, runs, capfd):
    by_run = command(capfd, "compare", *runs[0], "--json", workspace=lived_in).json
    by_operation = command(capfd, "compare", *runs[1], "--json", workspace=lived_in).json
    assert by_run == by_operation


def test_a_refusal_is_shown_once_with_the_way_out(lived_in, runs, capfd):
    said = command(capfd, "compare", runs[0][0], workspace=lived_in)
    assert said.code == 2
    assert said.out == ""
    assert "Error COMPARE-RunCount: runs: a comparison takes 2 to 10 runs; received 1." in said.err
    said = command(capfd, "compare", runs[0][0], "no-such-run", "--json", workspace=lived_in)
    assert said.code == 2
    assert said.json["error"]["code"] == "RUN-NotFound"
