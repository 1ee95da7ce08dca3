"""What a verdict rests on: the null is one procedure, the future is not read, noise stays noise.

The statistic is computed a second time here in plain numpy, from bars to skill, without any part
of the pipeline.
"""

import copy
from itertools import pairwise

import numpy as np
import pytest
from campaign_world import mini_config

from marketlab.campaigns import parse_strategy, quick_verdict
from marketlab.campaigns._causal_state import causal_state
from marketlab.campaigns._evidence import collect_evidence, load_evidence
from marketlab.campaigns._null import Family
from marketlab.campaigns._prepare import prepare, select_bars
from marketlab.campaigns._recipes import recipe_strategy
from marketlab.campaigns._resolve import resolve_experiment
from marketlab.data import BarFrame, SyntheticConfig, synthetic_bars
from marketlab.evaluation import (
    RatioSplit,
    _surrogate_markets,
    draw_signs,
    max_statistic_p_values,
)
from marketlab.features import INDICATORS, FeatureSet, audit_causality
from marketlab.features._expression import primitive, source
from marketlab.features._indicator import PERCENT, SINGLE, IndicatorDefinition, fixed
from marketlab.kernels import PRIMITIVES
from marketlab.kernels._primitives import Primitive
from marketlab.labels import (
    ForwardReturnLabelConfig,
    ZigzagLabelConfig,
    compute_labels,
)

NEXT_BAR = {"source": "forward_return", "horizon": 1, "dead_zone": 0.0}
ZIGZAG = {"source": "zigzag", "zigzag_threshold": 0.002}
PRICES = ("open", "high", "low", "close")


def strategy(name="next_bar_williams", *, labels=NEXT_BAR, epochs=6, raw=None, recipe="next_bar"):
    mapping = copy.deepcopy(recipe_strategy(recipe, name))
    mapping["training"].update(labels=labels, epochs=epochs)
    mapping["training"].pop("date_range", None)
    if raw is not None:
        mapping["indicators"]["extra"] = raw
        entry = {"raw_indicator": "extra", "timeframes": "all", "normalization": "zscore"}
        mapping["nn_inputs"] = [*mapping["nn_inputs"], entry]
    return parse_strategy(mapping, source=name)


def bars_of(*, seed, n_bars=3_000, edge=0.0):
    return synthetic_bars(SyntheticConfig(n_bars=n_bars, seed=seed, edge_strength=edge))


def altered_from(bars, first, *, seed=0):
    """The same series up to `first`, another market from there on."""
    scale = np.exp(np.random.default_rng(seed).normal(0.0, 0.05, bars.n_bars - first))
    table = {"time": bars.time_ns, "volume": bars.volume.copy()}
    for name in PRICES:
        table[name] = getattr(bars, name).copy()
        table[name][first:] *= scale
    table["volume"][first:] *= 3.0
    return BarFrame.build(
        table,
        symbol=bars.symbol,
        timeframe=bars.timeframe,
        source=bars.source,
        is_synthetic=True,
        has_volume=True,
    )


# -- the statistic a second time, in plain numpy --------------------------------------------------


def flipped(bars, signs):
    """Log returns of all four prices to the close before, times the sign of the bar."""
    logs = {name: np.log(getattr(bars, name)) for name in PRICES}
    before = np.r_[logs["close"][0], logs["close"][:-1]]
    turn = np.r_[1, signs[1:]]
    moves = {name: turn * (logs[name] - before) for name in PRICES}
    close = logs["close"][0] + np.cumsum(np.r_[0.0, moves["close"][1:]])
    base = np.r_[logs["close"][0], close[:-1]]
    out = {name: np.exp(base + moves[name]) for name in PRICES}
    high, low = np.maximum(out["high"], out["low"]), np.minimum(out["high"], out["low"])
    return out["close"], high, low


def williams_inputs(close, high, low):
    """Nine columns: three triangles of Williams %R(14), of this bar and the two before."""
    n = len(close)
    value = np.full(n, np.nan)
    for t in range(13, n):
        top, bottom = high[t - 13 : t + 1].max(), low[t - 13 : t + 1].min()
        value[t] = 100 * (close[t] - bottom) / (top - bottom) - 100
    sets = ((-100, -80, -60), (-65, -50, -35), (-40, -20, 0))
    now = [np.interp(value, s, (0.0, 1.0, 0.0), left=0.0, right=0.0) for s in sets]
    columns = [np.r_[np.full(lag, np.nan), c[: n - lag]] for lag in range(3) for c in now]
    return np.array(columns).T


def next_bar_labels(close):
    """bar, class, known at, and the sign of the last return as the state."""
    change = np.sign(np.diff(close))
    bar = np.arange(len(change))
    return bar, np.array([2, 1, 0])[change.astype(int) + 1], bar + 1, np.r_[0, change]


def zigzag_labels(close, threshold):
    """The rules of the reference, one bar after another."""
    extremes, state, known = [0], np.zeros(len(close)), np.full(len(close), -1)
    direction, settled = 0, 0
    for t in range(1, len(close)):
        change = close[t] / close[extremes[-1]] - 1.0
        new = (direction <= 0 and change >= threshold) or (direction >= 0 and change <= -threshold)
        moved = not new and direction * change > 0
        if new:
            direction = 1 if change > 0 else -1
            extremes.append(t)
        elif moved:
            extremes[-1] = t
        if new or moved:
            known[settled:t] = t
            settled = t
        state[t] = direction
    value = np.full(extremes[-1], 1)
    for left, right in pairwise(extremes):
        value[left + 1 : right] = 0 if close[right] > close[left] else 2
    return np.arange(extremes[-1]), value, known[: extremes[-1]], state


def newton(x, y):
    """Ridge of 1 on the distance from the smoothed log odds, to the optimum, in float64."""
    design = np.c_[np.ones(len(x)), x]
    share = (y.sum() + 1) / (len(y) + 2)
    anchor = np.r_[np.log(share / (1 - share)), np.zeros(x.shape[1])]
    beta = anchor.copy()
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ beta))
        gradient = design.T @ (p - y) + beta - anchor
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.eye(len(beta))
        beta -= np.linalg.solve(hessian, gradient)
    return beta


def statistic_by_hand(bars, signs, labels):
    close, high, low = flipped(bars, signs)
    x = williams_inputs(close, high, low)
    if labels["source"] == "zigzag":
        bar, value, end, state = zigzag_labels(close, labels["zigzag_threshold"])
    else:
        bar, value, end, state = next_bar_labels(close)
    kept = np.isfinite(x).all(axis=1)[bar]
    bar, value, end = bar[kept], value[kept], end[kept]
    first, second = 70 * len(bar) // 100, 85 * len(bar) // 100
    train = np.flatnonzero((np.arange(len(bar)) < first) & (end < bar[first]) & (value != 1))
    judged = np.arange(first, second)
    judged = judged[(end[judged] < bar[second]) & (value[judged] != 1)]
    y_train, y = value[train], value[judged]

    beta = newton(x[bar[train]], (y_train == 0).astype(float))
    buy = 1 / (1 + np.exp(-(beta[0] + x[bar[judged]] @ beta[1:])))

    def shares(of):
        counts = np.bincount(of, minlength=3) + 1.0
        counts[1] = 0.0  # HOLD occurs on neither side, so it is worth nothing to either
        return counts / counts.sum()

    overall = shares(y_train)
    half = (overall[0] + overall[2]) / 2
    by_state = {s: shares(y_train[state[bar[train]] == s]) for s in np.unique(state[bar[train]])}
    losses = [
        -np.log(overall[y]).mean(),
        -np.log(half) * np.ones(len(y)).mean(),
        -np.mean(
            [
                np.log(by_state.get(state[b], overall)[c])
                for b, c in zip(bar[judged], y, strict=True)
            ]
        ),
    ]
    model = -np.log(np.where(y == 0, buy, 1 - buy)).mean()
    return min(losses) - model


@pytest.mark.parametrize("labels", [NEXT_BAR, ZIGZAG], ids=["next bar", "zigzag"])
def test_the_statistic_is_what_it_says(labels):
    bars = bars_of(seed=11, edge=0.2)
    family = Family(bars, [strategy(labels=labels)])
    for index in (0, 1, 2):
        ones = np.ones(bars.n_bars)
        signs = draw_signs(bars.n_bars, 5, "null", index) if index else ones
        expected = statistic_by_hand(bars, signs, labels)
        assert abs(expected) > 1e-4
        assert family.statistics(index, seed=5)[0] == pytest.approx(expected, rel=0, abs=1e-6)


# -- one procedure for the real bars and for surrogates -------------------------------------------


@pytest.mark.parametrize("labels", [NEXT_BAR, ZIGZAG], ids=["next bar", "zigzag"])
def test_the_observed_statistic_is_that_of_the_surrogate_that_turns_nothing(labels, monkeypatch):
    bars = bars_of(seed=12)
    family = Family(bars, [strategy(labels=labels), strategy("next_bar_rsi", labels=labels)])
    observed = family.statistics(0, seed=1)
    monkeypatch.setattr(
        _surrogate_markets, "draw_signs", lambda n, *path: np.ones(n, dtype=np.int64)
    )
    np.testing.assert_allclose(family.statistics(3, seed=1), observed, rtol=1e-5, atol=1e-7)


def test_recycled_memory_leaves_no_trace():
    bars = bars_of(seed=13)
    names = ("next_bar_williams", "next_bar_rsi", "next_bar_stochastic")
    strategies = [strategy(name, labels=ZIGZAG) for name in names]
    family = Family(bars, strategies)
    forward = [family.statistics(i, seed=2) for i in range(4)]
    backward = [family.statistics(i, seed=2) for i in reversed(range(4))][::-1]
    fresh = [Family(bars, strategies).statistics(i, seed=2) for i in range(4)]
    alone = [[Family(bars, [s]).statistics(i, seed=2)[0] for s in strategies] for i in range(4)]
    np.testing.assert_array_equal(forward, backward)
    np.testing.assert_array_equal(forward, fresh)
    # Another stride of the shared store may change the last bits of a float32 product.
    np.testing.assert_allclose(forward, alone, rtol=1e-4, atol=1e-7)


def test_equal_seeds_share_no_chance():
    """The coins of the made-up bars, and those of the surrogates, with one seed for both."""
    for seed in range(5):
        up = np.sign(np.diff(np.log(bars_of(seed=seed).close)))
        tosses = np.array([draw_signs(len(up) + 1, seed, "null", i)[1:] for i in range(1, 9)])
        agreement = np.vstack([up, tosses]) @ np.vstack([up, tosses]).T / np.sqrt(len(up))
        np.fill_diagonal(agreement, 0.0)
        assert np.abs(agreement).max() < 4.5  # standard normal, 36 pairs


def test_a_worker_and_a_notebook_compute_the_same(finished):
    workspace, _, results, _ = finished
    config = mini_config()
    bars = workspace.catalog.load(results.dataset["dataset_id"])
    run = results.runs[1]
    experiment = resolve_experiment(workspace, config, run.strategy, bars)
    here = quick_verdict(bars, experiment.strategy, seed=experiment.seed, surrogates=19)
    stored = run.verdict
    assert here.skill == pytest.approx(stored["skill"], abs=1e-9)
    assert here.skill_interval.low == pytest.approx(stored["skill_interval"]["low"], abs=1e-9)
    assert here.null.p_single == stored["null"]["p_single"]
    again = Family(bars, [experiment.strategy]).statistics(0, seed=config.seed)[0]
    assert again == pytest.approx(results.null["observed"][1], rel=1e-4, abs=1e-7)
    evidence = load_evidence(workspace.run_folder(run.run_id))
    assert evidence.facts["is_synthetic"]
    assert len(evidence.bar) == stored["n_samples"] == len(np.unique(evidence.event))


# -- the future -----------------------------------------------------------------------------------


def test_bars_after_the_validation_part_change_neither_evidence_nor_verdict():
    bars = bars_of(seed=14, edge=0.3)
    design = strategy(raw={"type": "atr_wilder", "period": 14})
    last = prepare(design, bars).labels.end[prepare(design, bars).fold.validation].max()
    other = altered_from(bars, int(last) + 1)
    assert not np.array_equal(other.close, bars.close)
    first, second = (quick_verdict(b, design, seed=3, surrogates=19) for b in (bars, other))
    assert first.to_mapping() == second.to_mapping()


def test_later_parts_change_nothing_in_training():
    bars = bars_of(seed=15)
    design = strategy(raw={"type": "atr_wilder", "period": 14})
    before = prepare(design, bars)
    after = prepare(design, altered_from(bars, int(before.rows("validation")[0])))
    scaler, other = before.fit_standardizer(), after.fit_standardizer()
    assert scaler.to_dict() == other.to_dict()
    np.testing.assert_array_equal(before.x("train", scaler), after.x("train", other))
    np.testing.assert_array_equal(before.y("train"), after.y("train"))
    assert not np.array_equal(before.x("validation", scaler), after.x("validation", other))


@pytest.mark.parametrize(
    "config",
    [ZigzagLabelConfig(zigzag_threshold=0.004), ForwardReturnLabelConfig(horizon=7)],
    ids=["zigzag", "forward return"],
)
def test_no_kept_training_label_reads_a_bar_of_the_judged_part(config):
    """The bars from the border on are replaced: no label that purging kept may change."""
    bars = bars_of(seed=16)
    labels = compute_labels(config, bars.close)
    fold = RatioSplit(train=0.7, validation=0.15, test=0.15).split(
        start=labels.start, end=labels.end, bar=labels.bar
    )
    border = int(labels.bar[fold.validation[0]])
    for seed in range(20):
        other = compute_labels(config, altered_from(bars, border, seed=seed).close)
        np.testing.assert_array_equal(other.value[fold.train], labels.value[fold.train])
        np.testing.assert_array_equal(other.bar[fold.train], labels.bar[fold.train])
    assert fold.purged_train > 0


@pytest.mark.parametrize(
    "config",
    [ZigzagLabelConfig(zigzag_threshold=0.002), ForwardReturnLabelConfig(horizon=7)],
    ids=["zigzag", "forward return"],
)
def test_the_causal_state_knows_no_later_bar(config):
    close = bars_of(seed=17, n_bars=800).close
    whole = causal_state(config, close)
    for cut in (8, 100, 411, 799):
        np.testing.assert_array_equal(causal_state(config, close[:cut]), whole[:cut])


def test_evidence_rows_lie_on_their_own_bars():
    bars = bars_of(seed=18)
    design = strategy(labels=ZIGZAG)
    prepared = prepare(design, select_bars(bars, design))
    rows = prepared.rows("validation")
    uniform = np.full((len(rows), 3), 1 / 3)
    evidence = collect_evidence(design, prepared, uniform, seed=0, degenerate=[], exclusions=[])
    labels = compute_labels(design.training.labels, bars.close)
    np.testing.assert_array_equal(labels.value[evidence.bar], evidence.y)
    np.testing.assert_array_equal(labels.event[evidence.bar], evidence.event)
    state = causal_state(design.training.labels, bars.close)
    for code in np.unique(state[evidence.bar]):
        assert len(np.unique(evidence.state[state[evidence.bar] == code], axis=0)) == 1


# -- what noise, an edge and a leak come to -------------------------------------------------------


def p_values(design, seeds, *, edge=0.0, n_bars=3_000, surrogates=19):
    out = []
    for seed in seeds:
        family = Family(bars_of(seed=seed, n_bars=n_bars, edge=edge), [design])
        rows = np.array([family.statistics(i, seed=seed) for i in range(surrogates + 1)])
        out.append(max_statistic_p_values(rows[0], rows[1:]).p_adjusted[0])
    return np.array(out)


@pytest.mark.parametrize("labels", [NEXT_BAR, ZIGZAG], ids=["next bar", "zigzag"])
def test_noise_passes_the_null_about_as_often_as_it_says(labels):
    found = p_values(strategy(labels=labels), range(100, 140))
    assert (found <= 0.05).sum() <= 8  # 2 expected of 40; more than 8 in one of 5,000
    assert 8 <= (found <= 0.5).sum() <= 32


def test_a_planted_edge_is_seen_through_the_null():
    found = p_values(strategy(), range(200, 206), edge=0.35, n_bars=5_000)
    assert (found <= 0.05).sum() >= 5


@pytest.mark.slow
@pytest.mark.parametrize("labels", [NEXT_BAR, ZIGZAG], ids=["next bar", "zigzag"])
def test_noise_is_seldom_called_learned(labels):
    """Bars to verdict, net included; at most 5 % in the long run."""
    design = strategy("next_bar_rsi", labels=labels, epochs=8)
    outcomes = [
        quick_verdict(bars_of(seed=s, n_bars=9_000), design, seed=s, surrogates=39).outcome
        for s in range(1_000, 1_060)
    ]
    assert outcomes.count("learned") <= 9  # 3 expected of 60 at most; more than 9 in one of 900


def _peek(x, _state, out):
    """A kernel that reads the next bar."""
    out[-1] = 50.0
    out[:-1] = np.where(x[1:] > x[:-1], 90.0, 10.0)


@pytest.fixture
def leaking_indicator(monkeypatch):
    """An indicator whose value is the direction of the next bar; gone after the test."""
    peek = Primitive(
        "peek",
        1,
        (),
        "none",
        lambda inputs, _params, state, out: (_peek, (inputs[0], state, out)),
        lambda _params: 0,
        lambda _params: 0,
        "reads the next bar",
    )
    monkeypatch.setitem(PRIMITIVES._items, "peek", peek)
    definition = IndicatorDefinition(
        "peeker",
        (),
        (SINGLE,),
        fixed(value=PERCENT),
        lambda _params: {SINGLE: primitive("peek", source("close"))},
        "reads the next bar",
    )
    monkeypatch.setitem(INDICATORS._items, "peeker", definition)


def test_a_feature_that_reads_the_next_bar_is_not_called_learned(leaking_indicator):
    """It leaks on surrogates as well, so perfect forecasts are what noise scores there too."""
    mapping = copy.deepcopy(recipe_strategy("next_bar", "next_bar_rsi"))
    mapping["indicators"] = {"rsi_14": {"type": "peeker"}}
    sets = {"indicator": "rsi_14", "low": [0, 10, 60], "high": [40, 90, 100]}
    mapping["fuzzy_sets"] = {"rsi_14": sets}
    mapping["training"]["epochs"] = 4
    design = parse_strategy(mapping, source="leak")
    bars = bars_of(seed=19)
    verdict = quick_verdict(bars, design, seed=1, surrogates=19)
    assert verdict.scores.accuracy > 0.99
    assert verdict.skill_interval.low > 0.5
    assert verdict.null_p > 0.05
    assert verdict.outcome == "no evidence"
    assert audit_causality(FeatureSet(design.feature_config()), bars.arrays())
