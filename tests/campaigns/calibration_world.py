"""Worlds in which the judge is calibrated, and one campaign of 27 strategies through the pipeline.

Every bar's direction is a toss of its own; sizes, wicks and volumes are drawn apart from it. So
without an edge the signs of the returns are exchangeable, whatever volatility does.

The planted edge is known from what the inputs of all 27 strategies carry. ADX and RVI say nothing
about direction that both share, so it must be a state that is no direction. Two regimes take turns:

- *steps*: tiny bars without wicks, and a jump every 16 bars on 200 times the volume. Oscillators
  lie at an end of their range, ADX is high, Aroon's extremes lie apart.
- *megaphone*: each bar reaches above and below the one before while closes move less and less.
  Oscillators lie in the middle, ADX is low, both Aroon lines are at 100.

Fuzzy sets are tents, so a line on them tells the middle from the ends. After a bar of *steps* the
next close is higher with probability 0.5 + points / 100, after one of *megaphone* 0.5 - points /
100: the edge acts on every bar, and neither side is more frequent.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from marketlab.campaigns import load_campaign
from marketlab.campaigns._evidence import label_text
from marketlab.campaigns._null import Family
from marketlab.campaigns._null_config import NullConfig
from marketlab.campaigns._null_series import Refit
from marketlab.campaigns._recipes import recipe_strategy
from marketlab.campaigns._resolve import Experiment
from marketlab.campaigns._split_config import WalkForwardSplitConfig
from marketlab.campaigns._strategy import StrategyConfig, parse_strategy
from marketlab.campaigns._verdicts import duplicate_owners, family_evidence
from marketlab.core import seed_streams
from marketlab.data import BarFrame
from marketlab.evaluation import (
    JudgeInput,
    MaxStatisticResult,
    NullEvidence,
    Verdict,
    judge,
    max_statistic_p_values,
)
from marketlab.features import FeatureSet, bar_arrays, compute_many

NOISE_KINDS = ("constant", "autoregressive", "regimes", "unplanted")
"""The last is the world of the planted edge, without it."""
SPLITS: dict[str, dict[str, Any]] = {
    "ratio": {"train": 0.70, "validation": 0.15, "test": 0.15},
    "walk_forward": {
        "type": "walk_forward",
        "train_share": 0.30,
        "n_folds": 5,
        "validation_share": 0.05,
    },
}
NOISE_BARS = 7_000
"""A ratio split judges 1,044 of them and more."""
PLANTED_BARS = {"ratio": 50_200, "walk_forward": 71_600}
"""A ratio split judges 7,500 of them and more, the walk 50,000 and more."""

_HOUR_NS = 3_600_000_000_000
_START_NS = 1_420_070_400_000_000_000  # 2015-01-01
_SIGMA = 0.001  # of an hour's log return, as a fraction
_SPREAD, _PERSISTENCE = 0.5, 0.98  # of the logarithm of autoregressive volatility
_RATIO, _STAY_BARS = 3.0, 200  # of the two volatilities; mean length of a regime

_STATE_BARS = (160, 241)  # each stretch of a planted state has a length drawn evenly from these
_JUMP, _JUMP_EVERY, _JUMP_VOLUME = 0.002, 16, 200_000.0
_QUIET = 0.01 * _JUMP  # size of the bars between jumps
_FIRST, _SHRINKING, _WIDENING = 0.1 * _JUMP, 0.95, 1.5  # of the megaphone


# -- bars -----------------------------------------------------------------------------------------


def noise_bars(kind: str, seed: int, n_bars: int = NOISE_BARS) -> BarFrame:
    """Return bars of fair tosses; `kind` says how volatility goes."""
    if kind == "unplanted":
        return planted_bars(0.0, seed, n_bars)

    def stream(name: str) -> np.random.Generator:
        return seed_streams(seed, "calibration", kind, name)

    volatility = _SIGMA * _volatility(kind, stream("volatility"), n_bars)
    size = volatility * np.abs(stream("size").standard_normal(n_bars))
    # What the highest point of a Brownian bridge adds above its higher end (see synthetic_bars).
    wicks = [
        0.5
        * (np.sqrt(size**2 - 2.0 * volatility**2 * np.log1p(-stream(name).random(n_bars))) - size)
        for name in ("high", "low")
    ]
    noise = np.exp(0.3 * stream("volume").standard_normal(n_bars))
    return _bars(
        f"noise {kind}",
        np.where(stream("direction").random(n_bars) < 0.5, size, -size),
        (wicks[0], wicks[1]),
        1_750.0 * volatility / _SIGMA * noise,
    )


def _volatility(kind: str, rng: np.random.Generator, n_bars: int) -> np.ndarray:
    if kind == "constant":
        return np.ones(n_bars)
    if kind == "regimes":
        is_high = (np.cumsum(rng.random(n_bars) < 1.0 / _STAY_BARS) + rng.integers(2)) % 2 == 1
        return np.where(is_high, _RATIO, 1.0)
    if kind != "autoregressive":
        raise ValueError(f"no world {kind!r}; there are {', '.join(NOISE_KINDS)}")
    shocks = rng.standard_normal(n_bars).tolist()
    scale = _SPREAD * float(np.sqrt(1.0 - _PERSISTENCE**2))
    levels = [_SPREAD * shocks[0]]
    for shock in shocks[1:]:
        levels.append(_PERSISTENCE * levels[-1] + scale * shock)
    return np.exp(np.array(levels))


def planted_bars(points: float, seed: int, n_bars: int) -> BarFrame:
    """Return bars whose next direction is known with `points` percentage points above a toss."""
    state, size, wick, volume = _planted_path(seed, n_bars)
    chance = np.full(n_bars, 0.5)
    chance[1:] += points / 100.0 * state[:-1]
    toss = seed_streams(seed, "calibration", "planted", "direction").random(n_bars)
    return _bars(f"planted {points}", np.where(toss < chance, size, -size), (wick, wick), volume)


def planted_state(seed: int, n_bars: int) -> np.ndarray:
    """Return +1 (steps) or -1 (megaphone) of every bar: the direction that the next one favours."""
    return _planted_path(seed, n_bars)[0]


def _planted_path(seed: int, n_bars: int) -> tuple[np.ndarray, ...]:
    """Return state, size of the log return, wick on either side and volume, (n_bars,) each."""
    rng = seed_streams(seed, "calibration", "planted", "states")
    state, size, wick = np.empty(n_bars), np.empty(n_bars), np.zeros(n_bars)
    volume = np.full(n_bars, 1_000.0)
    sign, begin = rng.choice([-1.0, 1.0]), 0
    while begin < n_bars:
        here = slice(begin, min(n_bars, begin + int(rng.integers(*_STATE_BARS))))
        k = np.arange(here.stop - begin)
        state[here] = sign
        if sign > 0:
            jumps = k % _JUMP_EVERY == 0
            size[here] = np.where(jumps, _JUMP, _QUIET)
            volume[here][jumps] = _JUMP_VOLUME
        else:
            size[here] = _FIRST * _SHRINKING**k
            wick[here] = 5.0 * _FIRST + _WIDENING * np.cumsum(size[here])
        sign, begin = -sign, here.stop
    return state, size, wick, volume


def _bars(
    name: str, change: np.ndarray, wicks: tuple[np.ndarray, np.ndarray], volume: np.ndarray
) -> BarFrame:
    close = np.cumsum(change)
    opened = close - change
    prices = {
        "open": opened,
        "high": np.maximum(opened, close) + wicks[0],
        "low": np.minimum(opened, close) - wicks[1],
        "close": close,
    }
    return BarFrame.build(
        {
            "time": _START_NS + _HOUR_NS * np.arange(len(close)),
            **{key: np.exp(value) for key, value in prices.items()},
            "volume": np.maximum(1.0, np.rint(volume)),
        },
        symbol="EURUSD",
        timeframe="1h",
        source=f"calibration: {name}",
        is_synthetic=True,
        has_volume=True,
    )


# -- campaigns ------------------------------------------------------------------------------------


def family(split: str) -> list[StrategyConfig]:
    """Return the 27 shipped strategies of v1.5 with next-bar labels and one of `SPLITS`."""
    out = []
    for name in load_campaign("v15_synthetic").strategies.names:
        mapping = recipe_strategy("v15", name)
        mapping["training"]["labels"] = {"source": "forward_return", "horizon": 1}
        mapping["training"]["data_split"] = dict(SPLITS[split])
        del mapping["training"]["date_range"]
        out.append(parse_strategy(mapping, source=name))
    return out


@dataclass(frozen=True)
class Judged:
    """One campaign: the linear forecasts of every strategy, the family's null and the verdicts."""

    names: tuple[str, ...]
    refits: tuple[Refit, ...]
    result: MaxStatisticResult
    verdicts: tuple[Verdict, ...]
    processor_seconds: float

    @property
    def learned(self) -> list[str]:
        """Names of the strategies called learned."""
        return [n for n, v in zip(self.names, self.verdicts, strict=True) if v.learned]


def run_campaign(
    bars: BarFrame,
    strategies: Sequence[StrategyConfig],
    *,
    surrogates: int,
    seed: int,
    statistic: str = "linear",
) -> Judged:
    """Refit the family on the bars and on surrogates, and judge what the models forecast.

    `statistic` is ``linear`` or ``net``, as in `NullConfig`.

    As `judge_campaign` does: a design that stands twice counts once, and all experiments on the
    bars are those of the family. Only the gate before training stays open: in short noise DI never
    reaches its strong set, two strategies would be refused, and no refused one can raise an alarm.
    """
    began = time.process_time()
    null = NullConfig(surrogates=surrogates, statistic=statistic)
    fitted = Family(bars, strategies, null=null)
    real = fitted.refits(0, seed=seed)
    refits = tuple(refit for refit in real if refit is not None)
    if len(refits) < len(strategies):
        raise AssertionError("a strategy could not be refitted on the bars themselves")
    observed = np.array([refit.skill for refit in refits])
    drawn = np.array([fitted.statistics(b, seed=seed) for b in range(1, surrogates + 1)])
    result = max_statistic_p_values(observed, drawn)
    experiments = [Experiment(s, bars.dataset_id, seed, "compiled") for s in strategies]
    names = tuple(strategy.name for strategy in strategies)
    designs = {n: e.design_id for n, e in zip(names, experiments, strict=True)}
    repeated = duplicate_owners(names, designs)
    distinct = len({e.config_id for e in experiments})
    verdicts = tuple(
        _judge(
            refit,
            strategy,
            family_evidence(result, position, null, distinct=distinct),
            owner=repeated.get(strategy.name),
            n_trials=distinct,
            seed=seed,
        )
        for position, (strategy, refit) in enumerate(zip(strategies, refits, strict=True))
    )
    return Judged(names, refits, result, verdicts, time.process_time() - began)


def _judge(
    refit: Refit,
    strategy: StrategyConfig,
    null: NullEvidence,
    *,
    owner: str | None,
    n_trials: int,
    seed: int,
) -> Verdict:
    is_walk = isinstance(strategy.training.data_split, WalkForwardSplitConfig)
    return judge(
        JudgeInput(
            y=refit.y,
            probabilities=refit.probabilities,
            event=refit.event,
            bar=refit.bar,
            train_counts=refit.train_counts,
            baselines={"causal state": refit.baselines["state"]},
            null=null,
            n_trials=n_trials,
            seed=seed,
            label_text=label_text(strategy),
            judged_part="walk-forward" if is_walk else "validation",
            # A linear model chooses no epoch, and the nets of a walk choose it elsewhere.
            selected_on_judged_part=null.model == "nets" and not is_walk,
            exclusions=() if owner is None else (f"the same design as {owner}, in another order",),
            is_synthetic=True,
        )
    )


def carried(points: float, seed: int, n_bars: int) -> dict[str, tuple[float, float]]:
    """Return how much of the planted edge a line on each strategy's inputs can carry.

    The line is fitted by least squares to the state itself on the first half of the bars, which
    is what a logistic fit to tosses with a small edge tends to. By name: the share of the edge in
    accuracy that it keeps on the second half (the mean of state times the sign of the line), and
    the share in log-loss (the variance of the state that the line explains).
    """
    bars = planted_bars(points, seed, n_bars)
    state = planted_state(seed, n_bars)
    strategies = family("ratio")
    sets = [FeatureSet(strategy.feature_config()) for strategy in strategies]
    out = {}
    for strategy, matrix in zip(strategies, compute_many(sets, bar_arrays(bars)), strict=True):
        rows = np.arange(matrix.warm_up_bars, n_bars)
        x = np.column_stack([np.ones(len(rows)), matrix.rows(rows).astype(np.float64)])
        half = len(rows) // 2
        line = x[half:] @ np.linalg.lstsq(x[:half], state[rows[:half]], rcond=None)[0]
        right = state[rows[half:]]
        error = np.mean((right - line) ** 2) / right.var()
        out[strategy.name] = (float(np.mean(np.sign(line) * right)), float(1.0 - error))
    return out
