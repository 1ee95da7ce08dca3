"""The audit: each check against an independent reference, each fault planted and found."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from feature_bars import bars
from feature_blocks import BLOCKS, raw_blocks
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError
from marketlab.features import FeatureSet, FeatureSetConfig
from marketlab.features._audit import audit_features
from marketlab.features._audit_checks import LogicRules, logic_findings, logic_rules
from marketlab.features._audit_table import AuditFinding, AuditTable
from marketlab.features._drift import drift_table
from marketlab.features._redundancy import correlations, find_redundancy
from marketlab.features._stationarity import (
    MAX_ROWS,
    dickey_fuller,
    half_life,
    mackinnon_critical,
    stationarity_hints,
)

DAY = 86_400_000_000_000


def noise(seed=0, n_columns=5, n=400):
    return np.random.default_rng(seed).normal(size=(n_columns, n))


def named(values):
    return [f"x{i}" for i in range(len(values))]


def table(values, **more):
    return AuditTable.of(more.pop("names", named(values)), values, **more)


def of_check(findings, check):
    return [item for item in findings if item.check == check]


# --- redundancy ---------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999), level=st.sampled_from([0.0, 1e6, -1e9]))
def test_correlations_are_those_of_numpy(seed, level):
    x = noise(seed, n=300)
    x[1] = x[0] + 0.01 * x[1]
    x += level
    np.testing.assert_allclose(correlations(list(x))[0], np.corrcoef(x), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999))
def test_correlations_of_gapped_columns_use_the_common_bars(seed):
    random = np.random.default_rng(seed)
    x = noise(seed, n=300)
    x[2] = x[0] * 2 + 0.1 * x[2]
    x[random.random(x.shape) < 0.2] = np.nan
    got, common = correlations(list(x))
    for i in range(5):
        for j in range(5):
            both = np.isfinite(x[i]) & np.isfinite(x[j])
            assert common[i, j] == both.sum()
            expected = np.corrcoef(x[i, both], x[j, both])[0, 1]
            assert got[i, j] == pytest.approx(expected, abs=1e-10)


def test_blocks_change_nothing(monkeypatch):
    x = noise(n=1000)
    x[3, 700:710] = np.nan
    whole = correlations(list(x))[0]
    monkeypatch.setattr("marketlab.features._redundancy._BLOCK_BARS", 64)
    np.testing.assert_allclose(correlations(list(x))[0], whole, atol=1e-13)


def test_too_few_common_bars_are_not_judged():
    x = noise(n=100)
    x[0, :60], x[1, 60:] = np.nan, np.nan
    assert np.isnan(correlations(list(x))[0][0, 1])


def test_copies_constants_and_clusters_are_found():
    x = noise(n_columns=8)
    x[1] = x[0]
    x[1, 0] = np.nan  # equal but for the first row, as in tier a500
    x[2] = -3 * x[0] + 7
    x[4] = 2.5
    x[6] = x[5] + 1e-3 * x[6]
    x[7] = x[2]
    result = find_redundancy(table(x, warm_up_bars=0))
    assert result.constant == {"x4": 2.5}
    assert [c.columns for c in result.clusters] == [("x0", "x1", "x2", "x7"), ("x5", "x6")]
    assert result.clusters[0].copies == (("x1", "x0"), ("x7", "x2"))
    assert result.clusters[0].weakest == pytest.approx(1.0)
    checks = [(f.severity, f.check, f.columns) for f in result.findings()]
    assert ("error", "constant", ("x4",)) in checks
    assert ("warning", "duplicate", ("x2", "x7")) in checks
    assert ("warning", "correlated", ("x5", "x6")) in checks


def test_a_chain_states_its_weakest_pair():
    random = np.random.default_rng(0)
    steps = random.normal(size=(30, 4000)) * 0.04
    x = random.normal(size=4000) + np.cumsum(steps, axis=0)
    result = find_redundancy(table(x), threshold=0.999)
    assert len(result.clusters[0].columns) == 30
    assert result.clusters[0].weakest == pytest.approx(np.abs(np.corrcoef(x)).min(), abs=1e-9)
    assert result.clusters[0].weakest < 0.99
    with pytest.raises(ConfigError, match=r"between 0 and 1; received 1\.5"):
        find_redundancy(table(x), threshold=1.5)


def test_below_the_threshold_is_no_cluster():
    x = noise(n_columns=2, n=5000)
    x[1] = x[0] + 0.1 * x[1]
    assert find_redundancy(table(x)).clusters == ()
    assert len(find_redundancy(table(x), threshold=0.98).clusters) == 1


# --- stationarity -------------------------------------------------------------------------------

# statsmodels 0.15.0: adfuller(x, maxlag=8, autolag=None, regression="c"), 600 values, seeds 1-3.
REFERENCE = {
    (1, "walk"): -1.785233130463484,
    (1, "recursive"): -3.6952784716127725,
    (1, "noise"): -8.315302529092708,
    (2, "walk"): 0.09588757251147657,
    (2, "recursive"): -5.443668078211373,
    (2, "noise"): -9.14760041890396,
    (3, "walk"): -0.3120153829802291,
    (3, "recursive"): -5.018443586754645,
    (3, "noise"): -7.654010443302684,
}


def series(seed, kind, n=600):
    e = np.random.default_rng(seed).normal(size=n)
    if kind == "noise":
        return e
    if kind == "walk":
        return np.cumsum(e)
    out = np.empty(n)
    out[0] = e[0]
    for i in range(1, n):
        out[i] = 0.9 * out[i - 1] + e[i]
    return out


@pytest.mark.parametrize(("seed", "kind"), REFERENCE)
def test_dickey_fuller_is_that_of_statsmodels(seed, kind):
    x = series(seed, kind)
    assert dickey_fuller(x, 8) == pytest.approx(REFERENCE[seed, kind], rel=1e-8)
    assert dickey_fuller(1e4 + 50 * x, 8) == pytest.approx(REFERENCE[seed, kind], rel=1e-6)


def test_critical_values_are_those_of_statsmodels():
    values = [mackinnon_critical(level, 591) for level in ("1%", "5%", "10%")]
    expected = [-3.4414632489439714, -2.866442840548375, -2.5693810879206143]
    assert values == pytest.approx(expected, rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999), lags=st.integers(0, 6))
def test_dickey_fuller_is_a_least_squares_t_value(seed, lags):
    y = series(seed, "recursive", 200)
    dy = np.diff(y)
    design = np.column_stack(
        [y[lags:-1], *(dy[lags - k : len(dy) - k] for k in range(1, lags + 1)), np.ones(199 - lags)]
    )
    beta, *_ = np.linalg.lstsq(design, dy[lags:], rcond=None)
    rest = dy[lags:] - design @ beta
    covariance = np.linalg.inv(design.T @ design) * (rest @ rest) / (len(rest) - lags - 2)
    assert dickey_fuller(y, lags) == pytest.approx(beta[0] / covariance[0, 0] ** 0.5, rel=1e-6)


def test_half_life_of_a_known_recursion():
    x = series(5, "recursive", 100_000)
    assert half_life(x) == pytest.approx(np.log(0.5) / np.log(0.9), rel=0.05)
    assert half_life(x[::3], 3) == pytest.approx(half_life(x), rel=0.1)
    assert half_life(np.array([1.0, -1.0] * 50)) == 0.0
    assert half_life(1.5 ** np.arange(60.0)) is None


def test_hints_name_what_wanders_and_what_was_not_tested():
    columns = {
        "price": series(1, "walk"),
        "oscillator": series(1, "recursive"),
        "monday": (np.arange(600) % 5 == 0).astype(float),
        "sawtooth": np.arange(600.0) % 5,
        "flat": np.full(600, 3.0),
        "gapped": np.where(np.arange(600) % 40 == 0, np.nan, series(2, "noise")),
        "long": series(3, "noise"),
    }
    hints = {
        hint.column: hint
        for hint in stationarity_hints(
            AuditTable.of(list(columns), list(columns.values()), scale_classes={"monday": "flag"})
        )
    }
    assert hints["price"].wanders is True
    assert hints["oscillator"].wanders is False
    assert "a flag column is not tested" in hints["monday"].reason
    assert "explains it exactly" in hints["sawtooth"].reason
    assert "constant" in hints["flat"].reason
    assert "only 39 values without a gap" in hints["gapped"].reason
    assert hints["long"].lags == 8


def test_a_long_column_is_thinned_and_says_so():
    x = series(0, "recursive", 3 * MAX_ROWS)
    hint = stationarity_hints(table([x]))[0]
    assert (hint.step, hint.wanders) == (3, False)
    assert hint.half_life_bars == pytest.approx(6.58, rel=0.15)


# --- drift --------------------------------------------------------------------------------------


def test_drift_by_hand():
    base, later = np.arange(100.0), np.arange(100.0) + 30
    parts = {"train": np.arange(100), "test": np.arange(100, 200)}
    (row,) = drift_table(table([np.concatenate([base, later])]), parts)
    # Deciles of the base hold 10 values each; of the later part 0, 0, 0, 10 … 10, 40.
    counts = np.array([0, 0, 0, 10, 10, 10, 10, 10, 10, 40])
    expected, got = np.full(10, 10.5 / 105), (counts + 0.5) / 105
    assert row.psi == pytest.approx(((got - expected) * np.log(got / expected)).sum(), rel=1e-12)
    assert row.mean_shift == pytest.approx(30 / base.std())
    assert row.spread_ratio == pytest.approx(1.0)
    assert row.is_strong


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999))
def test_one_distribution_does_not_drift_and_psi_is_never_negative(seed):
    rows = drift_table(table(noise(seed, n=6000)))
    assert all(0 <= row.psi < 0.05 and not row.is_strong for row in rows)


def test_few_values_are_bins_themselves():
    random = np.random.default_rng(0)
    flags = np.concatenate([random.random(1000) < 0.1, random.random(1000) < 0.9]).astype(float)
    same = (np.arange(2000) % 2).astype(float)
    fresh = np.concatenate([np.zeros(1000), np.ones(1000)])
    rows = drift_table(table([flags, same, fresh]))
    assert rows[0].psi > 2
    assert rows[1].psi == pytest.approx(0, abs=1e-12)
    assert rows[2].psi > 5
    assert (rows[2].mean_shift, rows[2].spread_ratio) == (None, None)


def test_short_and_unknown_parts():
    x = noise(n=200)
    x[0, 100:] = np.nan
    parts = {"train": np.arange(100), "test": np.arange(100, 200)}
    first = drift_table(table(x), parts)[0]
    assert (first.psi, first.mean_shift, first.rows) == (None, None, 0)
    with pytest.raises(DataError, match="at least two parts; received 1"):
        drift_table(table(x), {"train": np.arange(5)})
    with pytest.raises(DataError, match="part 'test' holds a position that is not a bar"):
        drift_table(table(x), {"train": np.arange(5), "test": np.array([200])})


# --- coverage, ranges, logic, known days --------------------------------------------------------


def test_coverage_below_100_percent_fails_the_verdict():
    x = noise(n_columns=3)
    whole = audit_features(table(x))
    assert whole.passed
    assert whole.verdict.startswith("Passed: 3 of 3 columns tested (100.0 %)")
    partly = audit_features(table(x), expected=[*named(x), "x3", "x4"])
    assert not partly.passed
    assert "3 of 5 columns tested (60.0 %)" in partly.verdict
    assert partly.coverage.missing == ("x3", "x4")
    assert "2 columns are expected and not there: x3, x4." in partly.findings[0].message
    assert not audit_features(table(x), expected=["x0", "x1"]).passed
    swapped = audit_features(table(x), expected=["x1", "x0", "x2"])
    assert not swapped.passed
    assert "not in the expected order" in swapped.findings[0].message


def test_missing_values_after_the_warm_up_fail_and_before_it_do_not():
    x = noise(n_columns=3)
    x[1, :10] = np.nan
    assert audit_features(table(x, warm_up_bars=10)).passed
    found = audit_features(table(x, warm_up_bars=9))
    assert not found.passed
    assert of_check(found.findings, "not_finite")[0].columns == ("x1",)
    x[2] = np.inf
    empty = audit_features(table(x, warm_up_bars=10))
    assert (empty.coverage.tested, empty.coverage.total) == (2, 3)


def test_ranges_and_flags():
    x = noise(n_columns=3)
    x[0] = np.abs(x[0]) % 1
    x[0, 77] = 1.5
    x[1] = x[1] > 0
    x[1, 5] = 2
    found = logic_findings(table(x, ranges={"x0": (0.0, 1.0)}, scale_classes={"x1": "flag"}))
    assert [f.columns for f in found] == [("x0",), ("x1",)]
    assert "leaves its declared range [0, 1] at 1 bars, the first one 77 (value 1.5)" in (
        found[0].message
    )


def counter(above):
    out, count = np.zeros(len(above)), 0
    for i, yes in enumerate(above):
        count = count + 1 if yes else 0
        out[i] = count
    return out


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999))
def test_right_counters_pass_and_broken_ones_are_found(seed):
    random = np.random.default_rng(seed)
    above = random.random(200) < 0.8
    signed = np.where(above, counter(above), -counter(~above))
    prices = np.cumsum(random.normal(size=200))
    age = np.array([min(i, 19) - np.argmax(prices[max(0, i - 19) : i + 1]) for i in range(200)])
    names = ["days_above_sma_9", "days_below_sma_9", "days_since_sma_9_50_cross",
             "days_since_52wk_high"]  # fmt: skip
    x = np.array([counter(above), counter(~above), signed, age], dtype=np.float64)
    rules = logic_rules(names)
    assert rules.exclusive == (("days_above_sma_9", "days_below_sma_9"),)
    assert (rules.runs, rules.ages) == (tuple(names[:3]), (names[3],))
    assert logic_findings(table(x, names=names)) == []
    for row in range(4):
        broken = x.copy()
        broken[row, 100] = 150
        found = logic_findings(table(broken, names=names))
        assert any(f.columns == (names[row],) for f in found)
    both = x.copy()
    both[1, 3:5] = [1, 2]
    both[0, 3:5] = [1, 2]
    assert any(f.columns == tuple(names[:2]) for f in logic_findings(table(both, names=names)))


def test_rules_of_ones_own_and_unknown_names():
    x = noise(n_columns=2)
    found = logic_findings(table(x), LogicRules(runs=("x0",)))
    assert found[0].columns == ("x0",)
    with pytest.raises(ConfigError, match="names 'x9', which is not a column"):
        logic_findings(table(x), LogicRules(ages=("x9",)))


def test_values_on_the_named_days():
    start = datetime(2020, 3, 1, tzinfo=UTC)
    n = 24 * 40
    time_ns = int(start.timestamp()) * 10**9 + np.arange(n) * 3600 * 10**9
    x = np.arange(float(n))[None, :]
    x[0, 24 * 22 + 23] = np.nan
    audit = audit_features(table(x, time_ns=time_ns))
    assert audit.historic["2020-03-16"] == {"x0": 24 * 15 + 23}
    assert audit.historic["2020-03-23"] == {"x0": None}
    assert audit.historic["2021-11-19"] is None
    assert "Not in the data: 2021-11-19" in audit.to_markdown()
    assert audit_features(table(x)).historic == {}


# --- the whole ----------------------------------------------------------------------------------


def test_a_feature_set_is_audited_and_the_report_is_json_and_markdown():
    features = FeatureSet(FeatureSetConfig.parse("1h", *raw_blocks(*BLOCKS), 1))
    matrix = features.compute(bars(n=1500))
    parts = {"train": np.arange(200, 1000), "test": np.arange(1000, 1500)}
    audit = audit_features(AuditTable.of_matrix(matrix), expected=features.names, parts=parts)
    assert audit.coverage.tested == len(features.names)
    assert of_check(audit.findings, "range") == []
    stored = json.loads(json.dumps(audit.to_dict(), allow_nan=False))
    assert stored["verdict"] == audit.verdict
    assert len(stored["drift"]) == len(features.names)
    text = audit.to_markdown()
    assert text.splitlines()[2] == audit.verdict
    for part in ("## Drift", "## Stationarity hints"):
        assert part in text


def test_extra_findings_count():
    leak = AuditFinding("error", "causality", ("x0",), "it reads the future.", "Remove it.")
    audit = audit_features(table(noise()), extra=[leak])
    assert not audit.passed
    assert audit.findings[0] == leak


def test_what_is_no_table_is_refused():
    x = noise(n_columns=2)
    with pytest.raises(DataError, match="distinct names, one per column"):
        AuditTable.of(["a", "a"], x)
    with pytest.raises(DataError, match="received 400 bars, a warm-up of 400"):
        table(x, warm_up_bars=400)
    with pytest.raises(DataError, match="scale_classes do not fit"):
        table(x, scale_classes=["price"])
    with pytest.raises(DataError, match="ranges do not fit"):
        table(x, ranges={"zz": (0, 1)})
