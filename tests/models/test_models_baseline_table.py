"""All baselines under one fold: what they know, what they find, and how the best is chosen.

The volatility oracle is that of `../shared/reference/scaling_lab.md`, section 11 (trap T7).
"""

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError, canonical_json
from marketlab.evaluation import RatioSplit, classification_scores, roc_auc
from marketlab.models import (
    BASELINES,
    VOLATILITY,
    BaselineData,
    BaselineTask,
    PriceBars,
    fit_baselines,
)

SPLIT = RatioSplit(train=0.6, validation=0.3, test=0.1)
VOLATILITIES = tuple(f"volatility_{name}" for name in VOLATILITY.names())


def oracle_bars(seed: int, n: int = 9_000, skip: int = 300) -> tuple[PriceBars, np.ndarray]:
    """Return bars of the oracle and the variance of each, known before it."""
    rng = np.random.default_rng(seed)
    z = rng.standard_t(6, n) / np.sqrt(1.5)
    v, r, variance = 8.8e-5, np.empty(n), np.empty(n)
    for t in range(n):
        variance[t] = v
        r[t] = np.sqrt(v) * z[t] + 2e-4
        v = 2.2e-6 + (0.03 + 0.12 * (r[t] < 0)) * r[t] ** 2 + 0.885 * v
    high = (r + np.sqrt(r**2 - 2 * variance * np.log(rng.random(n)))) / 2
    low = (r - np.sqrt(r**2 - 2 * variance * np.log(rng.random(n)))) / 2
    before = np.cumsum(r) - r
    prices = (np.exp(each)[skip:] for each in (before, before + high, before + low, before + r))
    return PriceBars(**dict(zip(("open", "high", "low", "close"), prices, strict=True))), variance[
        skip:
    ]


def touch_data(bars: PriceBars, variance: np.ndarray, **more) -> BaselineData:
    hit = bars.high[1:] >= bars.close[:-1] * 1.01
    bar = np.arange(bars.n_bars - 1)
    true_index = np.append(np.sqrt(variance[1:]), np.nan) * 100 * np.sqrt(252)
    columns = {
        "prices": bars,
        "bar": bar,
        "start": bar + 1,
        "end": bar + 1,
        "value": np.where(hit, 0, 1),
        "task": BaselineTask(kind="touch_up", horizon=1, threshold=0.01),
        "vix": true_index,  # an index that knows the true volatility
    }
    return BaselineData(**(columns | more))


def fold_of(data: BaselineData):
    return SPLIT.split(start=data.start, end=data.end, bar=data.bar)


BARS, VARIANCE = oracle_bars(0)
DATA = touch_data(BARS, VARIANCE)
FOLD = fold_of(DATA)
TABLE = fit_baselines(DATA, FOLD, seed=1)


@pytest.mark.parametrize("seed", range(5))
def test_the_volatility_oracle_of_trap_t7(seed):
    bars, variance = (BARS, VARIANCE) if seed == 0 else oracle_bars(seed)
    data = touch_data(bars, variance)
    hit = (data.value == 0).astype(np.int64)
    assert 0.18 < hit.mean() < 0.22
    true = roc_auc(hit, np.sqrt(variance[1:]))
    trailing = VOLATILITY.get("trailing_std").fit(bars, np.ones(len(hit) + 1, bool), 1).sigma[:-1]
    warm = np.isfinite(trailing)
    assert 0.685 < true < 0.735
    assert 0.665 < roc_auc(hit[warm], trailing[warm]) < 0.715
    assert roc_auc(hit[warm], trailing[warm]) < true


def test_every_volatility_baseline_has_skill_on_touch_labels_and_less_than_the_truth():
    rows = {row.name: row for row in TABLE.rows}
    truth = rows["vix_touch"]
    assert 0.69 < truth.auc < 0.74
    for name in VOLATILITIES:
        assert 0.66 < rows[name].auc < truth.auc
        assert truth.scores.log_loss < rows[name].scores.log_loss
        assert rows[name].scores.log_loss < rows["majority"].scores.log_loss - 0.02
    assert rows["label_persistence"].auc > 0.58
    assert rows["majority"].auc == 0.5


def test_calibration_brings_a_biased_index_to_the_level_of_the_labels():
    data = replace(DATA, vix=3.0 * DATA.vix)
    p = fit_baselines(data, FOLD, seed=1, names=("vix_touch",)).probabilities["vix_touch"]
    hit = data.value[FOLD.validation] == 0
    assert p[:, 0].mean() == pytest.approx(hit.mean(), abs=0.04)


def directional(seed: int = 3) -> BaselineData:
    """Return next-bar directions that a known sign tells with probability 0.6, on oracle sizes."""
    bars, _ = oracle_bars(7)
    rng = np.random.default_rng(seed)
    n = bars.n_bars - 1
    sign = rng.choice([-1.0, 1.0], n)
    up = np.where(rng.random(n) < 0.6, sign, -sign)
    size = np.abs(np.log(bars.high[1:] / bars.low[1:]))
    close = np.exp(np.concatenate([[0.0], np.cumsum(up * size)]))
    opened = np.concatenate([[1.0], close[:-1]])
    prices = PriceBars(
        open=opened, high=np.maximum(opened, close), low=np.minimum(opened, close), close=close
    )
    bar = np.arange(n)
    return BaselineData(
        prices=prices,
        bar=bar,
        start=bar,
        end=bar + 1,
        value=np.where(up > 0, 0, 2),
        task=BaselineTask(kind="classes", horizon=1),
        features=np.column_stack([sign, rng.normal(size=n)]).astype(np.float32),
        state=sign.astype(np.int64),
    )


def test_on_a_planted_directional_edge_volatility_shows_no_skill():
    data = directional()
    table = fit_baselines(data, fold_of(data), seed=1)
    rows = {row.name: row for row in table.rows}
    even = rows["even_odds"].scores.log_loss
    for name in (*VOLATILITIES, "label_persistence"):
        assert rows[name].scores.log_loss > even - 0.002
        assert abs(rows[name].scores.balanced_accuracy - 0.5) < 0.03
    for name in ("causal_state", "logistic", "boosting"):  # the edge is 0.020 nats
        assert rows[name].scores.log_loss < even - 0.012
        assert 0.57 < rows[name].scores.accuracy < 0.63
    assert table.best == "causal_state"
    assert set(table.skipped) == {"vix_touch"}


def later_world(data: BaselineData, t: int, salt: int) -> BaselineData:
    """Return the same past with other bars after t and other labels that end after t."""
    rng = np.random.default_rng(salt)
    late = np.arange(data.prices.n_bars) > t
    factor = np.where(late, rng.uniform(0.5, 2.0, len(late)), 1.0)
    prices = PriceBars(
        open=data.prices.open * factor,
        high=data.prices.high * factor * np.where(late, 1.2, 1.0),
        low=data.prices.low * factor,
        close=data.prices.close * factor,
    )
    late_samples = data.bar > t
    features = np.where(late_samples[:, None], -3.0, data.features).astype(np.float32)
    return replace(
        data,
        prices=prices,
        value=np.where(data.end > t, 2 - data.value, data.value),
        features=features,
        state=np.where(late_samples, -data.state, data.state),
        vix=None if data.vix is None else np.where(late, 55.0, data.vix),
    )


def whole_data() -> BaselineData:
    rng = np.random.default_rng(11)
    n = len(DATA.bar)
    size = np.abs(DATA.prices.returns()[:-1])[:, None]
    features = np.hstack([100.0 * size, rng.normal(size=(n, 2))]).astype(np.float32)
    # Two bars to the end of each label, so that neighbours overlap and must not leak.
    return replace(
        DATA,
        bar=DATA.bar[:-2],
        start=DATA.bar[:-2] + 1,
        end=DATA.bar[:-2] + 2,
        value=DATA.value[:-2],
        features=features[:-2],
        state=rng.integers(0, 2, n)[:-2],
    )


WHOLE = whole_data()
DIRECTIONAL = directional()


@pytest.mark.parametrize("name", BASELINES.names())
@settings(max_examples=6)
@given(t=st.integers(5_300, 7_700), salt=st.integers(0, 10))
def test_nothing_after_t_changes_a_baseline_at_t(name, t, salt):
    data = DIRECTIONAL if name == "even_odds" else WHOLE  # touch labels have no two sides
    fold = fold_of(data)
    changed = later_world(data, t, salt)
    fit = BASELINES.get(name).fit
    before, after = (fit(each, fold.train, 1).forecast for each in (data, changed))
    past = fold.validation[data.bar[fold.validation] <= t]
    assert len(past)
    np.testing.assert_array_equal(before(past), after(past))


READS_LATER = {"majority", "even_odds"}


@pytest.mark.parametrize("name", [n for n in BASELINES.names() if n not in READS_LATER])
def test_the_changed_world_does_change_what_comes_after(name):
    """The test above could not fail if the altered bars were not read at all."""
    fold = fold_of(WHOLE)
    fit = BASELINES.get(name).fit
    before, after = (
        fit(each, fold.train, 1).forecast(fold.validation)
        for each in (WHOLE, later_world(WHOLE, 6_000, 1))
    )
    assert not np.array_equal(before, after)


@pytest.mark.parametrize("name", BASELINES.names())
def test_forecasts_are_probabilities_that_the_scores_take(name):
    data = DIRECTIONAL if name == "even_odds" else WHOLE
    fold = fold_of(data)
    p = BASELINES.get(name).fit(data, fold.train, 1).forecast(fold.test)
    assert p.shape == (len(fold.test), 3)
    assert classification_scores(data.value[fold.test], p).log_loss < 1.2
    again = BASELINES.get(name).fit(data, fold.train, 1).forecast(fold.test)
    np.testing.assert_array_equal(p, again)


def test_the_best_is_chosen_without_the_judged_part():
    changed = DATA.value.copy()
    judged = FOLD.validation
    changed[judged] = 1 - changed[judged]
    table = fit_baselines(replace(DATA, value=changed), FOLD, seed=1)
    assert table.best == TABLE.best
    for row, other in zip(TABLE.rows, table.rows, strict=True):
        assert row.selection_log_loss == other.selection_log_loss
        assert row.facts == other.facts
    assert "the judged part was not looked at" in TABLE.selection


def test_what_reads_the_features_is_shown_and_decides_nothing():
    data = replace(WHOLE, features=(WHOLE.value[:, None] == 0).astype(np.float32))  # it knows all
    table = fit_baselines(data, fold_of(data), seed=1)
    rows = {row.name: row for row in table.rows}
    assert rows["logistic"].scores.log_loss < rows[table.best].scores.log_loss
    assert rows["logistic"].selection_log_loss is None
    assert not rows["logistic"].decides
    assert rows[table.best].decides


def test_what_does_not_apply_is_skipped_with_the_reason():
    index = DATA.vix.copy()
    index[:7] = np.nan
    table = fit_baselines(replace(DATA, vix=index), FOLD, seed=1)
    assert table.skipped == {
        "boosting": "no feature matrix was given.",
        "causal_state": "no causal state was given.",
        "even_odds": "a touch label has no two sides to be even.",
        "logistic": "no feature matrix was given.",
        "vix_touch": "the volatility index is missing at 7 of 8699 samples.",
    }
    assert set(table.probabilities) == {row.name for row in table.rows}


def test_every_row_can_be_written_to_a_file():
    one_class = replace(DATA, value=np.where(DATA.bar > 5_000, 1, DATA.value))
    rows = fit_baselines(one_class, FOLD, seed=1).rows
    text = canonical_json([row.to_mapping() for row in rows])
    assert "NaN" not in text
    assert "undefined" in rows[0].auc.text


def test_rows_before_the_warm_up_are_counted():
    rows = {row.name: row for row in TABLE.rows}
    assert rows["volatility_trailing_std"].facts["n_rows_without_forecast"] == 20
    assert rows["volatility_ewma"].facts["n_rows_without_forecast"] == 0


def test_too_little_training_names_no_best_and_skips_what_cannot_be_fitted():
    few = replace(DATA, bar=DATA.bar[:200], start=DATA.start[:200], end=DATA.end[:200])
    few = replace(few, value=DATA.value[:200])
    table = fit_baselines(few, fold_of(few), seed=1)
    assert table.best is None
    assert "training leaves 24 rows to choose on, 100 are needed" in table.selection
    assert all(row.selection_log_loss is None for row in table.rows)
    table = fit_baselines(
        few,
        RatioSplit(train=0.4, validation=0.5, test=0.1).split(
            start=few.start, end=few.end, bar=few.bar
        ),
        seed=1,
    )
    assert "at least 100 training bars" in table.skipped["volatility_garch"]


def test_without_scikit_learn_boosting_is_skipped_unless_it_was_asked_for(monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    table = fit_baselines(WHOLE, fold_of(WHOLE), seed=1)
    assert "pip install 'marketlab[boosting]'" in table.skipped["boosting"]
    with pytest.raises(ConfigError, match="needs scikit-learn"):
        fit_baselines(WHOLE, fold_of(WHOLE), seed=1, names=("boosting",))


def test_folds_and_columns_that_do_not_fit_are_refused():
    other = RatioSplit(train=0.6, validation=0.3, test=0.1)
    half = other.split(start=DATA.start[:99], end=DATA.end[:99], bar=DATA.bar[:99])
    with pytest.raises(DataError, match="the fold splits 99 samples, the table holds 8699"):
        fit_baselines(DATA, half, seed=1)
    two = replace(DATA, bar=DATA.bar[:2], start=DATA.start[:2], end=DATA.end[:2])
    two = replace(two, value=DATA.value[:2])
    with pytest.raises(DataError, match="part is empty"):
        fit_baselines(two, fold_of(two), seed=1)
    with pytest.raises(DataError, match="vix has 5 rows; 8700 are needed"):
        fit_baselines(replace(DATA, vix=np.ones(5)), FOLD, seed=1)
    with pytest.raises(DataError, match="labels read bars 0 to 8700; there are 8700"):
        fit_baselines(replace(DATA, end=DATA.end + 1), FOLD, seed=1)
    with pytest.raises(ConfigError, match="Invalid baseline 'garhc'"):
        fit_baselines(DATA, FOLD, seed=1, names=("garhc",))
    with pytest.raises(ConfigError, match="above 0"):
        fit_baselines(replace(DATA, bars_per_day=0.0), FOLD, seed=1)


@pytest.mark.parametrize(
    "raw", [{"kind": "touch_up", "horizon": 1}, {"kind": "classes", "horizon": 1, "threshold": 0.1}]
)
def test_a_level_belongs_to_touch_labels(raw):
    with pytest.raises(ConfigError, match="`threshold` belongs to touch labels"):
        BaselineTask.from_mapping(raw)
