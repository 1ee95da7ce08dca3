"""Runs of many folds: each block forecast by a net that had trained before it, judged together."""

import json

import numpy as np
import pytest
from campaign_world import mini_config, run_campaign
from test_split_config import WALK, parsed

from marketlab.campaigns import (
    CampaignRunner,
    Executor,
    Ledger,
    Overrides,
    StrategyConfig,
    Workspace,
    parse_strategy,
    quick_verdict,
)
from marketlab.campaigns._evidence import load_evidence
from marketlab.campaigns._null import Family
from marketlab.campaigns._null_config import NullConfig
from marketlab.campaigns._null_file import null_path, read_null
from marketlab.campaigns._prepare import prepare, split_facts
from marketlab.campaigns._recipes import recipe_strategy
from marketlab.campaigns._walk import fold_seed, forecast_walk
from marketlab.core import (
    CancelledError,
    IntegrityError,
    Progress,
    load_yaml_file,
    read_json,
    write_json,
)
from marketlab.data import SyntheticConfig, synthetic_bars
from marketlab.evaluation import PurgedWalkForward
from marketlab.models import MLPForecaster
from marketlab.training import TrainingData, fit

ROLLING = {**WALK, "window": "rolling", "embargo_bars": 3}


@pytest.fixture(scope="module")
def bars():
    return synthetic_bars(SyntheticConfig(n_bars=4_000, seed=3, edge_strength=0.35))


@pytest.mark.parametrize("split", [WALK, ROLLING], ids=["expanding", "rolling"])
def test_the_net_that_is_kept_trains_to_the_seal_and_the_blocks_tile_what_is_open(bars, split):
    prepared = prepare(parsed(split), bars)
    folds, final = prepared.folds.scored, prepared.fold
    walk = prepared.positions("walk-forward")
    assert len(folds) == 3
    np.testing.assert_array_equal(walk, np.unique(walk))
    open_bars = prepared.samples.n_samples - int(0.15 * prepared.samples.n_samples)
    sealed = prepared.rows("test")
    assert prepared.labels.end[walk].max() < sealed[0]
    assert prepared.labels.end[final.validation].max() < sealed[0]
    assert prepared.labels.end[final.train].max() < prepared.rows("validation")[0]
    n_purged = sum(fold.purged_test for fold in folds)
    assert len(walk) + n_purged == open_bars - int(0.4 * open_bars)
    if split is ROLLING:
        assert final.train[0] == final.borders[1] - int(0.4 * open_bars)
    else:
        assert final.train[0] == 0
    facts = split_facts(prepared)
    assert facts["walk-forward"]["samples"] == len(walk)
    assert facts["walk-forward"]["n_folds"] == 3


def test_without_a_sealed_share_the_test_part_is_empty_by_design():
    start = np.arange(400)
    walk = PurgedWalkForward(train_share=0.5, n_folds=2, validation_share=0.1)
    fold = walk.final_fold(start, start + 1, start)
    assert fold.parts == ("train", "validation")
    assert len(fold.test) == 0
    assert not fold.degenerate_reasons
    assert len(fold.train) + len(fold.validation) + fold.purged_train == 400
    sealed = walk.model_copy(update={"sealed_share": 0.25}).final_fold(start, start + 1, start)
    assert len(sealed.test) == 100
    assert sealed.validation[-1] == 298  # the label of 299 reads the first sealed bar


def test_every_fold_gives_what_its_net_gives_alone(bars):
    strategy = parsed(WALK, epochs=3)
    prepared = prepare(strategy, bars)
    found = forecast_walk(strategy, prepared, seed=5)
    at = 0
    for k, fold in enumerate(prepared.folds.scored):
        rows = {n: prepared.features.rows(prepared.samples.bar[fold.part(n)]) for n in fold.parts}
        data = TrainingData(
            rows["train"],
            prepared.labels.value[fold.train],
            rows["validation"],
            prepared.labels.value[fold.validation],
            tuple(prepared.features.names),
        )
        model = strategy.model.architecture
        alone = fit(data, model, strategy.training.trainer(), seed=fold_seed(5, k))
        expected = MLPForecaster(alone.best_weights, model).predict(rows["test"])
        np.testing.assert_array_equal(found.probabilities[at : at + len(fold.test)], expected)
        at += len(fold.test)
        assert found.folds[k]["scored"] == len(fold.test)
    assert at == len(found.probabilities)


def test_what_comes_after_a_block_changes_none_of_its_forecasts(bars):
    strategy = parsed(WALK, epochs=2)
    prepared = prepare(strategy, bars)
    first = prepared.folds.scored[0]
    last = int(prepared.labels.end[first.test].max())
    prices = {n: v.copy() for n, v in bars.arrays().items()}
    for name in ("open", "high", "low", "close"):
        prices[name][last + 1 :] *= 1.7
    other = bars.replace_prices(*(prices[n] for n in ("open", "high", "low", "close")))
    before = forecast_walk(strategy, prepared, seed=5).probabilities
    after = forecast_walk(strategy, prepare(strategy, other), seed=5).probabilities
    # Its last samples may be purged or labelled anew; the net and all inputs before are the same.
    n = len(first.test) - 1
    np.testing.assert_array_equal(before[:n], after[:n])
    assert not np.array_equal(before[n + 1 :], after[n + 1 :])


def test_a_walk_that_was_stopped_goes_on_with_the_next_fold(bars, tmp_path):
    strategy = parsed(WALK, epochs=2)
    prepared = prepare(strategy, bars)
    whole = forecast_walk(strategy, prepared, seed=5)
    progress, done = Progress.in_memory(), []

    def after():
        done.append(progress.describe())
        if len(done) == 2:
            progress.cancel()

    with pytest.raises(CancelledError):
        forecast_walk(
            strategy, prepared, seed=5, kept=tmp_path, progress=progress, after_fold=after
        )
    assert len(list(tmp_path.iterdir())) == 2
    assert done[0]["current_step"].startswith("Net 2/4 · Epoch")
    assert done[0]["percentage"] < done[1]["percentage"] < 95
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    again = forecast_walk(strategy, prepared, seed=5, kept=tmp_path)
    np.testing.assert_array_equal(again.probabilities, whole.probabilities)
    assert again.folds == json.loads(json.dumps(whole.folds))
    assert all(path.read_bytes() == content for path, content in kept.items())
    for content in (b"", b"PK broken", kept[tmp_path / "fold_0000.npz"]):
        (tmp_path / "fold_0001.npz").write_bytes(content)  # the last is of another fold
        again = forecast_walk(strategy, prepared, seed=5, kept=tmp_path)
        np.testing.assert_array_equal(again.probabilities, whole.probabilities)
    assert (tmp_path / "fold_0001.npz").read_bytes() == kept[tmp_path / "fold_0001.npz"]


def test_the_net_null_on_the_real_bars_is_the_runs_own_forecast(bars):
    strategy = parsed(WALK, epochs=2)
    prepared = prepare(strategy, bars)
    own = forecast_walk(strategy, prepared, seed=11)
    family = Family(prepared.bars, [strategy], null=NullConfig(statistic="net"))
    (refit,) = family.refits(0, seed=11)
    np.testing.assert_array_equal(refit.probabilities, own.probabilities)
    np.testing.assert_array_equal(refit.bar, prepared.rows("walk-forward"))
    (other,) = family.refits(1, seed=11)
    assert not np.array_equal(other.probabilities[:50], refit.probabilities[:50])


def test_a_planted_edge_is_found_by_a_walk_and_a_walk_is_not_chosen_on_what_it_is_judged_by(bars):
    mapping = {**recipe_strategy("next_bar", "next_bar_williams")}
    mapping["training"] = {**mapping["training"], "data_split": WALK, "epochs": 12}
    mapping["training"].pop("date_range", None)
    strategy = parse_strategy(mapping, source="mine.yaml")
    verdict = quick_verdict(bars, strategy, seed=3, surrogates=19)
    assert verdict.judged_part == "walk-forward"
    assert verdict.outcome == "learned"
    assert verdict.n_samples == len(prepare(strategy, bars).rows("walk-forward"))
    assert not any("chosen on" in note or "selected" in note for note in verdict.notes)


def test_a_campaign_of_walks_stores_its_folds_and_reports_the_same_as_a_notebook(tmp_path):
    config = mini_config(n_bars=3_000, epochs=3, names=("next_bar_rsi",))
    changed = config.model_copy(
        update={"overrides": Overrides(date_range="data", epochs=3, data_split=WALK)}
    )
    workspace, _, results, _ = run_campaign(tmp_path / "ws", changed)
    run = results.runs[0]
    assert run.status == "completed", run.error
    evidence = load_evidence(workspace.run_folder(run.run_id))
    assert evidence.facts["judged_part"] == run.verdict["judged_part"] == "walk-forward"
    assert [fold["fold"] for fold in evidence.facts["folds"]] == [1, 2, 3]
    assert np.bincount(evidence.fold).tolist() == [f["scored"] for f in evidence.facts["folds"]]
    assert evidence.train_counts.shape == (3, 3)
    assert evidence.facts["selected_on_judged_part"] is False
    written = workspace.run_folder(run.run_id) / "config.yaml"
    strategy = load_strategy_of(written)
    bars = workspace.catalog.load(results.dataset["dataset_id"])
    here = quick_verdict(bars, strategy, seed=7, surrogates=19)
    assert here.skill == pytest.approx(run.verdict["skill"], abs=1e-12)


def load_strategy_of(path):
    """Return the resolved strategy that stands at the head of a run's config.yaml."""
    written = load_yaml_file(path)
    mapping = {name: written[name] for name in StrategyConfig.model_fields if name in written}
    return parse_strategy(mapping, source="config.yaml")


def test_a_campaign_trains_again_what_cannot_be_judged(tmp_path):
    """Evidence of another version, or an empty file after a full disk."""
    config = mini_config(n_bars=1_500, epochs=1, surrogates=19)
    workspace, campaign_id, first, _ = run_campaign(tmp_path / "ws", config)
    older, damaged = (workspace.run_folder(run.run_id) for run in first.runs)
    with np.load(older / "evidence.npz") as arrays:
        kept = {name: arrays[name] for name in arrays.files if name != "fold"}
    np.savez(older / "evidence.npz", **kept)
    with pytest.raises(IntegrityError, match="another version of marketlab") as caught:
        load_evidence(older)
    assert caught.value.code == "RUN-OlderEvidence"
    (damaged / "evidence.npz").write_bytes(b"")
    with pytest.raises(IntegrityError, match="cannot be read"):
        load_evidence(damaged)
    with workspace.store() as store, Executor(workspace, Ledger(store), workers=2) as executor:
        again = CampaignRunner(workspace, Ledger(store), executor).run(campaign_id)
    assert [run.status for run in again.runs] == ["completed"] * 2
    assert {run.run_id for run in again.runs}.isdisjoint(run.run_id for run in first.runs)
    assert [r.verdict["skill"] for r in again.runs] == [r.verdict["skill"] for r in first.runs]
    assert [r.verdict["n_trials"] for r in again.runs] == [2, 2]


@pytest.mark.parametrize(
    "damage",
    [
        lambda stored: {},
        lambda stored: {**stored, "rows": {**stored["rows"], "3": [0.1]}},
        lambda stored: {**stored, "rows": {**stored["rows"], "x": stored["rows"]["3"]}},
    ],
)
def test_a_damaged_null_is_refused_with_what_to_do(finished, tmp_path, damage):
    workspace, campaign_id, _, _ = finished
    copy = Workspace.at(tmp_path / "ws").create()
    write_json(null_path(copy, campaign_id), damage(read_json(null_path(workspace, campaign_id))))
    with pytest.raises(IntegrityError, match="campaign resume") as caught:
        read_null(copy, campaign_id)
    assert caught.value.code == "STORAGE-Corrupt"
