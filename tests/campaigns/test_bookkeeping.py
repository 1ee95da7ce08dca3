"""Exclusions, duplicates and trials are kept straight: each of these once gave a wrong verdict."""

import copy

import pytest
from campaign_world import mini_config, run_campaign

from marketlab.campaigns import (
    Executor,
    Ledger,
    OperationService,
    Overrides,
    StartRequest,
    StrategiesConfig,
    Workspace,
    open_seal,
    parse_strategy,
    quick_verdict,
)
from marketlab.campaigns._recipes import recipe_strategy
from marketlab.campaigns._verdicts import duplicate_owners
from marketlab.core import atomic_write, dump_yaml
from marketlab.data import SyntheticConfig, synthetic_bars


def _with_a_set_that_is_never_reached(name):
    mapping = copy.deepcopy(recipe_strategy("next_bar", name))
    (sets,) = mapping["fuzzy_sets"].values()
    sets["beyond"] = [99.9, 99.95, 100] if name != "next_bar_williams" else [-0.001, -0.0005, 0]
    mapping["training"]["allow_constant_features"] = True
    mapping["training"]["epochs"] = 8
    return mapping


def test_an_excluded_run_stays_excluded_in_a_notebook_and_behind_the_seal(tmp_path):
    workspace = Workspace.at(tmp_path).create()
    mapping = _with_a_set_that_is_never_reached("next_bar_rsi")
    atomic_write(workspace.strategies / "next_bar_rsi.yaml", dump_yaml(mapping))
    config = mini_config(edge=0.4).model_copy(
        update={
            "strategies": StrategiesConfig(names=("next_bar_rsi",)),
            "overrides": Overrides(date_range="data"),
        }
    )
    _, _, results, _ = run_campaign(tmp_path, config)
    run = results.runs[0]
    assert run.verdict["exclusions"]
    assert run.verdict["outcome"] == "no evidence"
    bars = synthetic_bars(SyntheticConfig(n_bars=5_000, seed=3, edge_strength=0.4))
    quick = quick_verdict(bars, parse_strategy(mapping, source="s"), surrogates=19)
    assert quick.excluded_from_evidence
    with workspace.store() as store:
        opened = open_seal(workspace, Ledger(store), run.run_id, reason="test", surrogates=19)
    assert opened["verdict"]["excluded_from_evidence"]
    assert opened["verdict"]["outcome"] != "learned"


def test_the_first_completed_strategy_in_file_order_owns_a_design():
    names = ("a", "b", "c")
    assert duplicate_owners(names, {"a": "x", "b": "x", "c": "y"}) == {"b": "a"}
    assert duplicate_owners(names, {"c": "x", "b": "x"}) == {"c": "b"}  # a did not complete
    assert duplicate_owners(names, {"b": "x"}) == {}


def test_a_copy_under_other_names_is_the_same_design():
    mapping = copy.deepcopy(recipe_strategy("v15", "v15_rsi_adx"))
    renamed = copy.deepcopy(mapping)
    renamed["indicators"]["strength"] = renamed["indicators"].pop("adx_14")
    sets = renamed["fuzzy_sets"].pop("adx_14")
    renamed["fuzzy_sets"]["other"] = {**sets, "indicator": "strength.adx"}
    renamed["nn_inputs"][1]["fuzzy_set"] = "other"
    renamed["decisions"]["confidence_threshold"] = 0.9
    first = parse_strategy(mapping, source="a")
    second = parse_strategy(renamed, source="b")
    assert first.content_id() != second.content_id()
    assert first.design_id() == second.design_id()
    renamed["training"]["learning_rate"] = 0.01
    assert parse_strategy(renamed, source="c").design_id() != first.design_id()


def test_repeats_of_one_request_all_count_as_trials(tmp_path):
    workspace = Workspace.at(tmp_path).create()
    bars = synthetic_bars(SyntheticConfig(n_bars=3_000, seed=3))
    workspace.catalog.add(bars)
    mapping = copy.deepcopy(recipe_strategy("next_bar", "next_bar_rsi"))
    mapping["training"]["epochs"] = 2
    atomic_write(workspace.strategies / "next_bar_rsi.yaml", dump_yaml(mapping))
    with workspace.store() as store:
        ledger = Ledger(store)
        with Executor(workspace, ledger, workers=2) as executor:
            service = OperationService(workspace, ledger, executor, surrogates=19)
            service.start_training(StartRequest(strategy_name="next_bar_rsi", repeats=3))
            while not executor.idle:
                executor.pump(0.1)
        verdicts = [run["verdict"] for run in ledger.list_runs()]
        operations, _ = ledger.list_operations()
    assert [v["n_trials"] for v in verdicts] == [3, 3, 3]
    assert all(row["result_summary"]["verdict"]["outcome"] for row in operations)
    for verdict in verdicts:
        assert verdict["null_p"] == pytest.approx(min(1.0, 3 * verdict["null"]["p_adjusted"]))


def test_runs_of_different_ranges_are_not_ranked_on_shared_positions(tmp_path):
    workspace = Workspace.at(tmp_path).create()
    for name, start in (("next_bar_rsi", "2015-01-01"), ("next_bar_williams", "2015-02-02")):
        mapping = copy.deepcopy(recipe_strategy("next_bar", name))
        mapping["training"]["epochs"] = 2
        mapping["training"]["date_range"] = {"start": start, "end": "2015-07-01"}
        atomic_write(workspace.strategies / f"{name}.yaml", dump_yaml(mapping))
    config = mini_config(n_bars=3_100).model_copy(
        update={
            "strategies": StrategiesConfig(names=("next_bar_rsi", "next_bar_williams")),
            "overrides": Overrides(),
        }
    )
    try:
        _, _, results, _ = run_campaign(tmp_path, config)
    except Exception as error:  # the later range must be covered; say so if it is not
        pytest.fail(str(error))
    assert [run.common_skill for run in results.runs] == [None, None]
