"""The leak audit is itself on trial: planted leaks are caught, their clean twins are not."""

import numpy as np
import pandas as pd
import pytest
from feature_blocks import BLOCKS, raw_blocks

from marketlab.core import ConfigError, DataError
from marketlab.features import (
    INDICATORS,
    FeatureMatrix,
    FeatureSet,
    FeatureSetConfig,
    FeatureStream,
    evaluate,
)
from marketlab.features._adversarial import ADVERSARIAL_BARS, adversarial_bars
from marketlab.features._audit import audit_features
from marketlab.features._audit_table import AuditTable
from marketlab.features._causality import audit_causality, causality_findings
from marketlab.features._leak_hints import leak_hints

KINDS = list(ADVERSARIAL_BARS)
MINUTES = 15


def column(compute):
    """Return a function of bars with one column `x`, computed from the close by `compute`."""
    return lambda bars: (["x"], compute(pd.Series(bars["close"])).to_numpy()[None, :])


def coarse_return(bars, *, known_at_close):
    """Return the last return of 15-bar bars, joined at their open (a leak) or at their close."""
    bar = np.round(bars["time"] / 3600.0).astype(np.int64)
    group = bar // MINUTES
    frame = pd.DataFrame({"group": group, "close": bars["close"]})
    coarse = frame.groupby("group")["close"].last().pct_change(fill_method=None)
    # A coarse bar is closed once its last fine bar is: then its own group may read it too.
    wanted = np.where(bar % MINUTES == MINUTES - 1, group, group - 1) if known_at_close else group
    return ["x"], coarse.reindex(wanted).to_numpy()[None, :]


LEAKS = {
    "centred mean": column(lambda c: c.rolling(21, center=True).mean()),
    "shift": column(lambda c: c.shift(-5) / c - 1),
    "back-fill": column(lambda c: c.rolling(30).mean().bfill()),
    "z-score": column(lambda c: (c - c.mean()) / c.std()),
    "open-time join": lambda bars: coarse_return(bars, known_at_close=False),
    "smoothed both ways": column(lambda c: c.ewm(span=9).mean()[::-1].ewm(span=9).mean()[::-1]),
    "rank in the whole": column(lambda c: c.rank()),
}
CLEAN = {
    "centred mean": column(lambda c: c.rolling(21).mean()),
    "shift": column(lambda c: c / c.shift(5) - 1),
    "back-fill": column(lambda c: c.rolling(30).mean()),
    "z-score": column(lambda c: (c - c.expanding(20).mean()) / c.expanding(20).std()),
    "open-time join": lambda bars: coarse_return(bars, known_at_close=True),
    "smoothed both ways": column(lambda c: c.ewm(span=9).mean()),
    "rank in the whole": column(lambda c: c.rolling(50).rank()),
}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_caught_by_both_checks(name, seed):
    found = audit_causality(LEAKS[name], adversarial_bars("walk", 500, seed=seed), seed=seed)
    assert {item.check for item in found} == {"future", "prefix"}
    assert {item.feature for item in found} == {"x"}
    assert all(item.bar < item.cut for item in found)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "missing"])
@pytest.mark.parametrize("name", CLEAN)
def test_its_clean_twin_passes(name, kind):
    assert audit_causality(CLEAN[name], adversarial_bars(kind, 400), seed=3) == []


def test_a_fill_of_missing_bars_is_caught_where_it_happens():
    bars = adversarial_bars("missing", 500)
    assert np.isnan(bars["close"]).any()
    backwards = audit_causality(column(lambda c: c.bfill()), bars)
    assert "future" in {item.check for item in backwards}
    assert np.isnan(bars["close"][backwards[0].bar])
    assert audit_causality(column(lambda c: c.ffill()), bars) == []


def test_a_leak_through_volume_and_through_the_number_of_bars():
    def by_volume(bars):
        return ["x"], (np.roll(bars["volume"], -1) * 1.0)[None, :]

    def by_length(bars):
        return ["x"], (np.arange(len(bars["close"]))[::-1] * 1.0)[None, :]

    for kind in ("walk", "zero_volume"):
        assert audit_causality(by_volume, adversarial_bars(kind, 200))
    found = audit_causality(by_length, adversarial_bars("walk", 200))
    assert {item.check for item in found} == {"prefix"}


def test_only_the_leaking_column_is_named_and_the_audit_fails():
    def mixed(bars):
        close = pd.Series(bars["close"])
        return ["good", "bad"], np.array([close.shift(1), close.shift(-1)])

    bars = adversarial_bars("walk", 300)
    found = causality_findings(audit_causality(mixed, bars))
    assert [item.columns for item in found] == [("bad",)]
    assert "it reads the future" in found[0].message
    names, values = mixed(bars)
    audit = audit_features(AuditTable.of(names, values, warm_up_bars=1), extra=found)
    assert not audit.passed


def test_a_tolerance_forgives_rounding_and_no_more():
    def transformed(bars):  # a causal filter through the frequencies: rounding differs by length
        n = len(bars["close"])
        kernel = np.fft.rfft(np.ones(5) / 5, 2 * n)
        return ["x"], np.fft.irfft(np.fft.rfft(bars["close"], 2 * n) * kernel, 2 * n)[None, :n]

    bars = adversarial_bars("walk", 301)
    assert audit_causality(transformed, bars, min_bars=5)
    # An altered bar is up to fifty times a price, and so is its rounding.
    assert audit_causality(transformed, bars, tolerance=1e-9, min_bars=5) == []
    assert audit_causality(LEAKS["shift"], bars, tolerance=1e-9)


def test_functions_that_cannot_be_audited_are_refused():
    bars = adversarial_bars("walk", 100)
    random = np.random.default_rng(0)
    with pytest.raises(DataError, match="other values when called twice"):
        audit_causality(lambda b: (["x"], random.normal(size=(1, len(b["close"])))), bars)
    with pytest.raises(DataError, match=r"one value per bar, \(1, 100\); received \(1, 90\)"):
        audit_causality(lambda b: (["x"], b["close"][None, 10:]), bars)
    with pytest.raises(DataError, match="returns other columns for the first"):
        audit_causality(lambda b: ([f"x{len(b['close'])}"], b["close"][None, :]), bars)
    with pytest.raises(DataError, match="needs at least 105 bars"):
        audit_causality(CLEAN["shift"], bars, min_bars=95)


def test_a_function_that_writes_into_its_bars_fools_nobody():
    def vandal(bars):
        out = bars["close"][None, :].copy()
        bars["close"][:] = 0.0
        return ["x"], out

    bars = adversarial_bars("walk", 100)
    before = bars["close"].copy()
    assert audit_causality(vandal, bars) == []
    assert np.array_equal(bars["close"], before)


@pytest.mark.parametrize("kind", KINDS)
def test_feature_sets_pass_on_every_kind_of_bars(kind):
    features = FeatureSet(FeatureSetConfig.parse("1h", *raw_blocks(*BLOCKS), 1))
    bars = adversarial_bars(kind, 260)
    if kind == "missing":
        with pytest.raises(DataError, match="not a finite number at bar"):
            audit_causality(features, bars)
    else:
        assert audit_causality(features, bars) == []


class EveryIndicator:
    """All registered indicators, by their defaults or with 7 bars, as one source of features."""

    def __init__(self):
        found = {}
        for name, definition in INDICATORS.items():
            given = {p.name: max(7, p.low) for p in definition.parameters if p.default is None}
            built = definition.build(definition.check(given))
            found |= {f"{name}.{output}": expression for output, expression in built.items()}
        self.names, self.base = tuple(found), list(found.values())
        self.warm_up_bars = max(expression.warm_up_bars for expression in self.base)

    def compute(self, arrays):
        return FeatureMatrix(evaluate(self.base, arrays), self.names, self.warm_up_bars)

    def stream(self):
        return FeatureStream(self.base, self.names, 0)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "missing"])
def test_every_registered_indicator_is_causal_and_streams_bit_for_bit(kind):
    source = EveryIndicator()
    assert len(source.names) >= len(INDICATORS)
    n_bars = source.warm_up_bars + 300
    assert audit_causality(source, adversarial_bars(kind, n_bars), stream_bars=n_bars) == []


# --- the bars themselves ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [30, 601])
def test_bars_are_consistent_and_repeatable(kind, n):
    bars = adversarial_bars(kind, n, seed=4)
    again = adversarial_bars(kind, n, seed=4)
    assert all(np.array_equal(bars[name], again[name], equal_nan=True) for name in bars)
    o, h, low, c = (bars[name] for name in ("open", "high", "low", "close"))
    there = np.isfinite(c)
    assert there.all() == (kind != "missing")
    assert (h >= np.maximum(o, c))[there].all()
    assert (low <= np.minimum(o, c))[there].all()
    assert (low[there] > 0).all()
    assert (bars["volume"] >= 0).all()
    assert (np.diff(bars["time"]) > 0).all()
    assert (bars["close_time"][:-1] <= bars["time"][1:]).all()
    assert all(column.shape == (n,) and column.dtype == np.float64 for column in bars.values())


def test_bars_are_as_odd_as_they_say():
    bars = {kind: adversarial_bars(kind, 600) for kind in KINDS}
    assert np.ptp(bars["flat"]["high"][200:400]) == 0
    assert np.ptp(bars["constant"]["close"]) == np.ptp(bars["constant"]["high"]) == 0
    assert np.diff(bars["gaps"]["time"]).max() > 40 * 3600
    assert (bars["no_volume"]["volume"][200:400] == 0).all()
    assert not bars["zero_volume"]["volume"].any()
    assert np.abs(np.diff(np.log(bars["jumps"]["close"]))).max() > 2.9
    assert (bars["ticks"]["high"] == bars["ticks"]["low"]).any()
    assert (np.diff(bars["rising"]["close"]) > 0).all()
    assert (np.diff(bars["falling"]["close"]) < 0).all()
    with pytest.raises(ConfigError, match=r"Invalid kind of bars 'gap'.*Did you mean 'gaps'"):
        adversarial_bars("gap")
    with pytest.raises(ConfigError, match="at least 30 bars"):
        adversarial_bars("walk", 29)


# --- finished tables ----------------------------------------------------------------------------

TABLE_BARS = adversarial_bars("walk", 5000, seed=1)


def hints_of(functions, bars=TABLE_BARS):
    values = [functions[name](bars)[1][0] for name in functions]
    return leak_hints(AuditTable.of(list(functions), values), bars)


def test_a_clean_table_gives_no_hint():
    assert hints_of(CLEAN) == ()
    plain = {
        "close": column(lambda c: c),
        "sma_1": column(lambda c: c.rolling(1).mean()),
        "return": column(lambda c: c.pct_change()),
        "noise": column(lambda c: c * 0 + np.random.default_rng(0).normal(size=len(c))),
        "month": column(lambda c: c * 0 + np.arange(len(c)) // 700),
    }
    assert hints_of(plain) == ()


def test_leaks_leave_hints_in_a_finished_table():
    messages = dict.fromkeys(LEAKS, "")
    for item in hints_of(LEAKS):
        messages[item.columns[0]] += item.message
    assert "equals the return of the next 5 bars" in messages["shift"]
    assert "its warm-up looks filled backwards" in messages["back-fill"]
    assert "mean 0 and deviation 1 over the whole table" in messages["z-score"]
    assert "over the close) has correlation +" in messages["centred mean"]
    assert "over the close) has correlation +" in messages["smoothed both ways"]
    assert "with the return of the next" in messages["open-time join"]
    assert all(item.severity == "hint" for item in hints_of(LEAKS))
    assert all("A hint and no proof" in item.remedy for item in hints_of(LEAKS))


def test_an_equal_later_price_is_named_and_a_later_open_that_is_a_close_is_not():
    found = hints_of({"next": column(lambda c: c.shift(-3)), "flat": column(lambda c: c * 0)})
    assert any("equals the close of 3 bars later" in item.message for item in found)
    assert {item.columns[0] for item in found} == {"next"}
    assert np.array_equal(TABLE_BARS["open"][1:], TABLE_BARS["close"][:-1])


def test_leak_hints_need_the_bars_of_the_table():
    table = AuditTable.of(["x"], [TABLE_BARS["close"]])
    with pytest.raises(DataError, match="the close of the same bars"):
        leak_hints(table, {"open": TABLE_BARS["open"]})
    with pytest.raises(DataError, match=r"of \[4999\] bars for 5000 rows"):
        leak_hints(table, {"close": TABLE_BARS["close"][1:]})
