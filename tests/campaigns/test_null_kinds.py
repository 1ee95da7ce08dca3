"""The null may refit nets and may draw other surrogates; each is one procedure on both sides."""

import copy

import numpy as np
import pytest
from campaign_world import mini_config, run_campaign

from marketlab.campaigns import CampaignConfig, NullConfig, parse_strategy
from marketlab.campaigns._null import Family, run_null_chunk
from marketlab.campaigns._null_net import net_seed
from marketlab.campaigns._prepare import prepare
from marketlab.campaigns._recipes import recipe_strategy
from marketlab.core import ConfigError
from marketlab.data import SyntheticConfig, synthetic_bars
from marketlab.evaluation import SURROGATES, JudgeInput, judge, max_statistic_p_values
from marketlab.models import MLPForecaster
from marketlab.training import TrainingData, fit

NEXT_BAR = {"source": "forward_return", "horizon": 1, "dead_zone": 0.0}
KINDS = [{"kind": name, **kind.example} for name, kind in SURROGATES.items()]


def strategy(name="next_bar_rsi", *, labels=NEXT_BAR, epochs=2, seed=None):
    mapping = copy.deepcopy(recipe_strategy("next_bar", name))
    mapping["training"].update(labels=labels, epochs=epochs)
    mapping["training"].pop("date_range", None)
    if seed is not None:
        mapping["training"]["seed"] = seed
    return parse_strategy(mapping, source=f"{name}.yaml")


@pytest.fixture(scope="module")
def bars():
    return synthetic_bars(SyntheticConfig(n_bars=2_000, seed=5, edge_strength=0.45))


@pytest.mark.parametrize("own_seed", [None, 99])
def test_on_the_real_bars_the_refitted_net_is_the_runs_own(bars, own_seed):
    design = strategy(seed=own_seed)
    prepared = prepare(design, bars)
    data = TrainingData(
        prepared.x("train", None),
        prepared.y("train"),
        prepared.x("validation", None),
        prepared.y("validation"),
        tuple(prepared.features.names),
    )
    model = design.model.architecture
    run = fit(data, model, design.training.trainer(), seed=7 if own_seed is None else own_seed)
    expected = MLPForecaster(run.best_weights, model).predict(data.x_validation)
    family = Family(bars, [design], null=NullConfig(statistic="net"))
    (refit,) = family.refits(0, seed=7)
    np.testing.assert_array_equal(refit.probabilities, expected)
    np.testing.assert_array_equal(refit.y, prepared.y("validation"))
    assert refit.train_counts.tolist() == np.bincount(prepared.y("train"), minlength=3).tolist()


def test_each_surrogate_has_a_seed_of_its_own_and_strategies_do_not_touch_each_other(bars):
    null = NullConfig(statistic="net")
    both = [strategy(), strategy("next_bar_williams")]
    together = [Family(bars, both, null=null).statistics(i, seed=3) for i in range(3)]
    alone = [
        [Family(bars, [each], null=null).statistics(i, seed=3)[0] for each in both]
        for i in range(3)
    ]
    np.testing.assert_array_equal(together, alone)
    assert len({net_seed(3, index) for index in range(200)}) == 200
    assert net_seed(3, 0) == 3


@pytest.mark.parametrize("block", KINDS, ids=lambda block: block["kind"])
@pytest.mark.parametrize("statistic", ["linear", "net"])
def test_a_planted_edge_is_far_from_every_kind_of_surrogate(bars, block, statistic):
    family = Family(
        bars,
        [strategy("next_bar_williams", epochs=8)],
        null=NullConfig(statistic=statistic, surrogate=block),
    )
    values = np.array([family.statistics(index, seed=1) for index in range(7)])
    assert np.isfinite(values).all()
    assert len(np.unique(values)) == 7
    if block["kind"] == "block_bootstrap":  # the edge lives within 14 bars: blocks keep some of it
        return
    found = max_statistic_p_values(values[0], values[1:])
    assert found.p_single[0] == pytest.approx(1 / 7)


def test_the_worker_job_gives_the_same_rows(bars, tmp_path):
    from marketlab.campaigns import Workspace

    workspace = Workspace.at(tmp_path / "ws").create()
    workspace.catalog.add(bars)
    designs = [strategy(), strategy("next_bar_williams")]
    null = NullConfig(statistic="net", surrogate={"kind": "random_walk", "returns": "resampled"})
    payload = {
        "dataset_id": bars.dataset_id,
        "strategies": [d.to_mapping() for d in designs],
        "seed": 4,
        "null": null.to_mapping(),
        "indices": [0, 2],
    }
    family = Family(bars, designs, null=null)
    expected = [family.statistics(i, seed=4).tolist() for i in (0, 2)]
    assert run_null_chunk(workspace.root, payload) == expected


def test_a_label_that_nothing_can_be_fitted_on_has_no_number_on_either_side(bars):
    rare = {"source": "zigzag", "zigzag_threshold": 0.5}
    for statistic in ("linear", "net"):
        family = Family(bars, [strategy(labels=rare)], null=NullConfig(statistic=statistic))
        assert family.refits(0, seed=1) == [None]
        assert np.isnan(family.statistics(1, seed=1)).all()


def test_a_campaign_says_which_null_it_had(tmp_path):
    config = mini_config(n_bars=1_500, epochs=2).with_null(statistic="net")
    _, _, results, _ = run_campaign(tmp_path / "ws", config)
    assert results.null["model"] == "nets"
    assert results.null["surrogate"] == "sign_flip"
    assert "own net" in results.null["statistic"]
    verdict = results.runs[0].verdict
    assert verdict["null"]["model"] == "nets"
    assert "net refitted on each" in verdict["null"]["description"]
    # Net against net: what is compared is the very skill that the verdict is about.
    assert results.null["observed"][0] == pytest.approx(verdict["skill"], abs=1e-12)


@pytest.mark.parametrize(
    ("block", "field", "text"),
    [
        ({"surrogate": "sign_flop"}, "surrogate", "sign_flip"),
        ({"surrogate": {"kind": "block_bootstrap"}}, "surrogate", "mean_block_bars"),
        (
            {"surrogate": {"kind": "sign_flip", "blocks": 3}},
            "surrogate.blocks",
            "takes no settings",
        ),
        ({"surrogate": "random_walk"}, "surrogate.returns", "required field is missing"),
        ({"surrogate": 3}, "surrogate", "give a kind"),
        ({"statistic": "nets"}, "statistic", "linear"),
        ({"surrogates": 18}, "surrogates", "greater than or equal to 19"),
    ],
)
def test_bad_nulls_are_refused_by_name(block, field, text):
    with pytest.raises(ConfigError, match=text) as caught:
        NullConfig.from_mapping(block)
    assert caught.value.field.startswith(field)


def test_a_null_of_nets_is_refused_beside_another_backend():
    config = mini_config(backend="torch")
    with pytest.raises(ConfigError, match="refits compiled nets"):
        config.with_null(statistic="net")
    same = CampaignConfig.from_mapping(mini_config().to_mapping())
    assert same.with_null() is same
    assert same.with_null(surrogates=29).null.surrogates == 29


def test_only_sign_flips_decide(bars):
    from dataclasses import replace

    from marketlab.campaigns._quick import quick_verdict
    from marketlab.campaigns._verdicts import family_evidence

    verdict = quick_verdict(bars, strategy("next_bar_williams", epochs=8), seed=3, surrogates=19)
    assert verdict.null.tests_direction
    values = np.linspace(0.0, 1.0, 20)[:, None]
    result = max_statistic_p_values(np.array([2.0]), values[1:])
    walk = NullConfig(surrogate={"kind": "random_walk", "returns": "resampled"})
    assert not family_evidence(result, 0, walk).tests_direction
    assert family_evidence(result, 0, walk).noise == "random walks"
    judged = judge(replace(of_an_edge(), null=family_evidence(result, 0, NullConfig())))
    assert judged.outcome == "learned"
    shown = judge(replace(of_an_edge(), null=family_evidence(result, 0, walk)))
    assert shown.outcome == "no evidence"
    assert shown.null_p is None
    assert any("it decides nothing" in reason for reason in shown.reasons)


def of_an_edge():
    """Evidence of a strong edge on 300 events, without a null."""
    rng = np.random.default_rng(2)
    y = 2 * rng.integers(0, 2, size=300)
    forecast = np.full((300, 3), 0.0)
    forecast[np.arange(300), y], forecast[np.arange(300), 2 - y] = 0.7, 0.3
    return JudgeInput(
        y=y,
        probabilities=forecast,
        event=np.arange(300),
        bar=np.arange(300),
        train_counts=np.array([300, 0, 300]),
        baselines={},
        null=None,
        n_trials=1,
        seed=1,
        label_text="direction of the next bar",
        judged_share=0.15,
    )
