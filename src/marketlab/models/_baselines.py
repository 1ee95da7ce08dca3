"""The baselines that a forecast is read against: how each is fitted, and what it may know.

Every fit sees the labels and bars of given *training* samples only; every forecast at a sample
reads bars up to its own, or labels that have ended by then. What reads the strategy's own features
(logistic, boosting) is shown beside a score and decides nothing: a net that finds a linear edge is
no worse for it that a line finds it too. The others decide where they know something of the answer
without any skill: frequencies and the causal state always; ended labels where labels begin before
their bar, so that part of the answer lies in the past already (zigzag legs); volatility where the
label only asks how far price moves (touches). Elsewhere they too are models of their own.

Under a combinatorial fold a training sample that lies after a judged block reads that block's bars
and ended labels as its past, as its features do; the embargo is what keeps the two apart.
"""

import numpy as np

from marketlab.core import DataError, FloatArray, IntArray
from marketlab.evaluation import (
    class_counts,
    even_odds_baseline,
    implied_daily_volatility,
    inner_holdout,
    label_persistence,
    majority_baseline,
    state_baseline,
    touch_probability,
)
from marketlab.models._baseline_base import BASELINES, Baseline, BaselineData, FittedBaseline
from marketlab.models._boosting import BoostingConfig, fit_boosting
from marketlab.models._calibrated import Calibrated
from marketlab.models._volatility import VOLATILITY, VolatilityMethod, training_bars

HALF_LIVES_BARS = (3.0, 10.0, 30.0)


def _always(_data: BaselineData) -> str | None:
    return None


def _never(_data: BaselineData) -> bool:
    return False


def _decides(_data: BaselineData) -> bool:
    return True


def _for_touches(data: BaselineData) -> bool:
    return data.task.kind != "classes"


def _for_begun_labels(data: BaselineData) -> bool:
    return bool(np.any(data.start < data.bar))


def _missing_sides(data: BaselineData) -> str | None:
    return None if data.task.kind == "classes" else "a touch label has no two sides to be even"


def _fit_majority(data: BaselineData, train: IntArray, _seed: int) -> FittedBaseline:
    counts = class_counts(data.value[train])
    return FittedBaseline(lambda at: majority_baseline(counts, len(at)), {})


def _fit_even_odds(data: BaselineData, train: IntArray, _seed: int) -> FittedBaseline:
    counts = class_counts(data.value[train])
    return FittedBaseline(lambda at: even_odds_baseline(counts, len(at)), {})


def _fit_state(data: BaselineData, train: IntArray, _seed: int) -> FittedBaseline:
    state = data.state
    assert state is not None
    seen, y = state[train], data.value[train]
    facts = {"n_states": len(np.unique(seen))}
    return FittedBaseline(lambda at: state_baseline(seen, y, state[at]), facts)


def _fit_persistence(data: BaselineData, train: IntArray, _seed: int) -> FittedBaseline:
    """Calibrate the decayed shares of known labels; the half-life with the best training loss."""
    counts = class_counts(data.value[train])
    shares = majority_baseline(counts, 1)
    best: tuple[float, float, Calibrated] | None = None
    for half_life in HALF_LIVES_BARS:
        known = label_persistence(data.value, data.start, data.end, data.bar, half_life=half_life)
        logs = np.log((known + shares) / (known.sum(axis=1, keepdims=True) + 1.0))
        model = Calibrated(logs, data.value, train)
        chosen = model.forecast(train)[np.arange(len(train)), data.value[train]]
        loss = float(-np.log(chosen).mean())
        if best is None or loss < best[0]:
            best = (loss, half_life, model)
    assert best is not None
    return FittedBaseline(best[2].forecast, {"half_life_bars": best[1], **best[2].facts})


def _volatility_column(data: BaselineData, sigma: FloatArray) -> FloatArray:
    """Return the one column that volatility gives: log odds of the touch, or log volatility."""
    at_samples: FloatArray = sigma[data.bar]
    if data.task.threshold is None:
        with np.errstate(divide="ignore"):
            logs = np.log(at_samples)
        return np.where(np.isfinite(logs), logs, np.nan)[:, None]
    p = np.clip(
        touch_probability(
            at_samples,
            threshold=data.task.threshold,
            horizon=data.task.horizon,
            side="up" if data.task.kind == "touch_up" else "down",
        ),
        1e-6,
        1.0 - 1e-6,
    )
    return np.asarray(np.log(p / (1.0 - p)))[:, None]


def _fit_volatility(
    data: BaselineData, train: IntArray, method: VolatilityMethod
) -> FittedBaseline:
    used = training_bars(train, data.bar, data.end, data.prices.n_bars)
    found = method.fit(data.prices, used, data.task.horizon)
    model = Calibrated(_volatility_column(data, found.sigma), data.value, train)
    return FittedBaseline(model.forecast, {**found.facts, **model.facts})


def _missing_vix(data: BaselineData) -> str | None:
    if data.task.threshold is None:
        return "an implied touch probability needs a touch label"
    if data.vix is None:
        return "no volatility index was given"
    missing = int(np.count_nonzero(~np.isfinite(data.vix[data.bar])))
    if missing:
        return f"the volatility index is missing at {missing} of {len(data.bar)} samples"
    return None


def _fit_vix(data: BaselineData, train: IntArray, _seed: int) -> FittedBaseline:
    assert data.vix is not None
    sigma = implied_daily_volatility(data.vix) / np.sqrt(data.bars_per_day)
    model = Calibrated(_volatility_column(data, sigma), data.value, train)
    return FittedBaseline(model.forecast, {"bars_per_day": data.bars_per_day, **model.facts})


def _missing_features(data: BaselineData) -> str | None:
    return "no feature matrix was given" if data.features is None else None


def _missing_state(data: BaselineData) -> str | None:
    return "no causal state was given" if data.state is None else None


def _fit_logistic(data: BaselineData, train: IntArray, _seed: int) -> FittedBaseline:
    assert data.features is not None
    model = Calibrated(np.asarray(data.features, dtype=np.float64), data.value, train)
    return FittedBaseline(model.forecast, model.facts)


def _fit_boosting(data: BaselineData, train: IntArray, seed: int) -> FittedBaseline:
    features = data.features
    assert features is not None
    inner = inner_holdout(train, data.end, data.bar)
    if len(inner.fit) == 0:
        raise DataError(
            f"of {len(train)} training rows none is left before the held-out ones, "
            f"{inner.purged} were purged.",
            code="MODEL-TooFewRows",
        )
    where = np.searchsorted(train, inner.fit), np.searchsorted(train, inner.held_out)
    model = fit_boosting(
        features[train], data.value[train], BoostingConfig(), seed=seed, stopping=where
    )
    facts = {
        "n_rounds": model.n_rounds,
        "n_stopping_rows": len(inner.held_out),
        "n_purged_before_them": inner.purged,
    }
    return FittedBaseline(lambda at: model.predict(features[at]), facts)


def _add_volatility(name: str, method: VolatilityMethod) -> None:
    BASELINES.add(
        f"volatility_{name}",
        Baseline(
            knows=method.knows,
            reads_features=False,
            decides=_for_touches,
            missing=_always,
            fit=lambda data, train, _seed: _fit_volatility(data, train, method),
        ),
    )


BASELINES.add(
    "majority",
    Baseline("class counts of training", False, _decides, _always, _fit_majority),
)
BASELINES.add(
    "even_odds",
    Baseline(
        "class counts of training, BUY and SELL alike",
        False,
        _decides,
        _missing_sides,
        _fit_even_odds,
    ),
)
BASELINES.add(
    "causal_state",
    Baseline("the state at the bar's close", False, _decides, _missing_state, _fit_state),
)
BASELINES.add(
    "label_persistence",
    Baseline(
        "labels that ended by the bar's close",
        False,
        _for_begun_labels,
        _always,
        _fit_persistence,
    ),
)
BASELINES.add(
    "vix_touch",
    Baseline(
        "the volatility index at the bar's close", False, _for_touches, _missing_vix, _fit_vix
    ),
)
BASELINES.add(
    "logistic",
    Baseline(
        "the strategy's features at the bar's close",
        True,
        _never,
        _missing_features,
        _fit_logistic,
    ),
)
BASELINES.add(
    "boosting",
    Baseline(
        "the strategy's features at the bar's close",
        True,
        _never,
        _missing_features,
        _fit_boosting,
    ),
)
for _name, _method in VOLATILITY.items():
    _add_volatility(_name, _method)
