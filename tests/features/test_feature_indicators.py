"""The contract of every registered indicator, and its values against TA-Lib or plain Python."""

import math

import numpy as np
import pytest
import talib
from feature_bars import KINDS, bars, same
from flat_values import FLAT_VALUES
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError
from marketlab.features import INDICATORS, evaluate

NAMES = INDICATORS.names()
MAY_BE_MISSING = {  # by declaration: without volume, without returns or losses
    "mfi",
    "cmf",
    "vwma",
    "sharpe",
    "sortino",
    "sortino_losses",
}


def defaults(name, period=5):
    return INDICATORS.get(name).check(
        {
            p.name: period
            for p in INDICATORS.get(name).parameters
            if p.default is None and not p.is_column
        }
    )


def outputs(name, arrays, params=None, **options):
    definition = INDICATORS.get(name)
    built = definition.build(params or defaults(name))
    assert tuple(built) == definition.output_names
    return dict(zip(built, evaluate(list(built.values()), arrays, **options), strict=True))


def stacked(name, arrays, **options):
    return np.array(list(outputs(name, arrays, **options).values()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_declared_ranges_hold_and_blocks_change_no_bit(name, kind):
    arrays = bars(kind)
    params = defaults(name)
    ranges = INDICATORS.get(name).ranges(params)
    whole = outputs(name, arrays)
    warm_up = INDICATORS.get(name).warm_up(params)
    for output, values in whole.items():
        present = values[~np.isnan(values)]
        assert present.size
        assert present.min() >= ranges[output].low
        assert present.max() <= ranges[output].high
        if name not in MAY_BE_MISSING:
            assert np.isfinite(values[warm_up:]).all()
    for block_bars in (1, 7):
        assert same(stacked(name, arrays, block_bars=block_bars), np.array(list(whole.values())))


@pytest.mark.parametrize("name", NAMES)
def test_declared_warm_up_is_the_real_one(name):
    definition = INDICATORS.get(name)
    arrays = bars()
    for output, expression in definition.build(defaults(name)).items():
        values = outputs(name, arrays)[output]
        assert np.isnan(values[: expression.warm_up_bars]).all()
        assert np.isfinite(values[expression.warm_up_bars :]).all()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 99), cut=st.integers(2, 119))
def test_only_the_past_is_read(name, kind, seed, cut):
    arrays = bars(kind, 120, seed)
    whole = stacked(name, arrays)
    prefix = {key: column[:cut] for key, column in arrays.items()}
    assert same(stacked(name, prefix), whole[:, :cut])
    other = bars("walk", 120, seed + 1)
    altered = {k: np.concatenate([arrays[k][:cut], other[k][cut:]]) for k in arrays}
    assert same(stacked(name, altered)[:, :cut], whole[:, :cut])


@pytest.mark.parametrize("name", NAMES)
def test_definition_is_complete(name):
    definition = INDICATORS.get(name)
    params = defaults(name)
    assert len(definition.reference) > 30
    assert set(definition.ranges(params)) == set(definition.output_names)
    with pytest.raises(ConfigError) as unknown:
        definition.check({**params, "lenght": 3})
    assert unknown.value.code == "CONFIG-IndicatorCreationFailed"
    for parameter in definition.parameters:
        bad = "clsoe" if parameter.is_column else parameter.low - 1
        with pytest.raises(ConfigError, match=f"{parameter.name} of {name} must be"):
            definition.check({**params, parameter.name: bad})


# --- values from TA-Lib -------------------------------------------------------------------------

LONG = bars("gaps", 1500, 3)
OPEN, H, L, C, V = (LONG[k] for k in ("open", "high", "low", "close", "volume"))


def close_to(got, expected, *, first):
    """Compare from bar `first` on; both must have values there."""
    assert np.isfinite(expected[first:]).all()
    np.testing.assert_allclose(got[first:], expected[first:], rtol=1e-9, atol=1e-9)


def test_talib_rsi():
    close_to(
        outputs("rsi", LONG, {"period": 14, "source": "close"})["value"], talib.RSI(C, 14), first=14
    )


def test_talib_stochastic():
    got = outputs("stochastic", LONG, {"k_period": 14, "d_period": 3, "smooth_k": 3})
    k, d = talib.STOCH(H, L, C, 14, 3, 0, 3, 0)
    first = 14 + 3 + 3 - 3
    close_to(got["k"], k, first=first)
    close_to(got["d"], d, first=first)
    assert np.flatnonzero(np.isfinite(got["k"]))[0] == 15


def test_talib_williams_and_identity_with_raw_stochastic():
    got = outputs("williams_r", LONG, {"period": 14})["value"]
    close_to(got, talib.WILLR(H, L, C, 14), first=13)
    raw = outputs("stochastic", LONG, {"k_period": 14, "d_period": 1, "smooth_k": 1})["k"]
    assert same(got, raw - 100.0)


def test_talib_mfi():
    close_to(outputs("mfi", LONG, {"period": 14})["value"], talib.MFI(H, L, C, V, 14), first=14)


@pytest.mark.parametrize("name", ["adx", "adx_wilder"])
def test_talib_adx(name):
    # Three seeds of one recursion: TA-Lib's is period - 1 values. They meet as (13/14)^bars.
    got = outputs(name, LONG, {"period": 14})
    close_to(got["plus_di"], talib.PLUS_DI(H, L, C, 14), first=700)
    close_to(got["minus_di"], talib.MINUS_DI(H, L, C, 14), first=700)
    close_to(got["adx"], talib.ADX(H, L, C, 14), first=800)


def test_talib_aroon():
    arrays = bars("steps", 800, 5)  # many equal extremes: the tie rule matters
    got = outputs("aroon_inclusive", arrays, {"period": 25})
    down, up = talib.AROON(arrays["high"], arrays["low"], 25)
    close_to(got["up"], up, first=25)
    close_to(got["down"], down, first=25)
    oscillator = talib.AROONOSC(arrays["high"], arrays["low"], 25)
    close_to(got["oscillator"], oscillator, first=25)


def test_talib_averages():
    close_to(outputs("atr_wilder", LONG, {"period": 14})["value"], talib.ATR(H, L, C, 14), first=14)
    for name, reference in (("ema", talib.EMA), ("sma", talib.SMA)):
        got = outputs(name, LONG, {"period": 20, "source": "high"})["value"]
        close_to(got, reference(H, 20), first=19)


# --- values from plain Python -------------------------------------------------------------------


def mean(values):
    return math.fsum(values) / len(values)


def test_rsi_sma_by_hand():
    n, got = 9, outputs("rsi_sma", LONG, {"period": 9, "source": "close"})["value"]
    for t in range(n, 300):
        changes = np.diff(C[t - n : t + 1])
        up, down = mean(np.maximum(changes, 0)), mean(np.maximum(-changes, 0))
        assert got[t] == pytest.approx(100 - 100 / (1 + up / down), abs=1e-9)


def adx_from_the_first_bar(n, size):
    alpha, rows = 1 / n, []
    tr = pdm = mdm = adx = None
    for t in range(size):
        if t == 0:
            now = (H[0] - L[0], 0.0, 0.0)
        else:
            up, down = H[t] - H[t - 1], L[t - 1] - L[t]
            now = (
                max(H[t] - L[t], abs(H[t] - C[t - 1]), abs(L[t] - C[t - 1])),
                up if up > down and up > 0 else 0.0,
                down if down > up and down > 0 else 0.0,
            )
        if t == 0:
            tr, pdm, mdm = now
        else:
            tr, pdm, mdm = (
                (1 - alpha) * old + alpha * new
                for old, new in zip((tr, pdm, mdm), now, strict=True)
            )
        plus, minus = 100 * pdm / tr, 100 * mdm / tr
        dx = 100 * abs(plus - minus) / (plus + minus) if plus + minus else 0.0
        adx = dx if adx is None else (1 - alpha) * adx + alpha * dx
        rows.append((adx, plus, minus))
    return np.array(rows).T


def test_adx_is_the_original_formula():
    assert INDICATORS.canonical("adx_ewm") == "adx"
    n = 14
    got = stacked("adx", LONG, params={"period": n})
    expected = adx_from_the_first_bar(n, 400)
    assert np.isnan(got[:, : 2 * n]).all()
    np.testing.assert_allclose(got[:, 2 * n : 400], expected[:, 2 * n :], rtol=1e-9, atol=1e-9)


def test_adx_wilder_is_seeded_by_the_first_period_values():
    n = 14
    got = outputs("adx_wilder", LONG, {"period": n})
    up, down = np.diff(H), -np.diff(L)
    plus = np.where((up > down) & (up > 0), up, 0.0)
    true = np.maximum(H[1:] - L[1:], np.maximum(abs(H[1:] - C[:-1]), abs(L[1:] - C[:-1])))
    assert np.isnan(got["plus_di"][:n]).all()
    assert got["plus_di"][n] == pytest.approx(100 * plus[:n].sum() / true[:n].sum(), rel=1e-12)
    assert np.flatnonzero(np.isfinite(got["adx"]))[0] == 2 * n - 1


def test_aroon_of_the_original_by_hand():
    arrays, n = bars("steps", 300, 5), 25
    got = outputs("aroon", arrays, {"period": n})
    for t in range(n - 1, 300):
        window = arrays["high"][t - n + 1 : t + 1]
        since = n - 1 - int(np.argmax(window))  # argmax takes the oldest of equals
        assert got["up"][t] == pytest.approx(100 * (n - since) / n)
        window = arrays["low"][t - n + 1 : t + 1]
        assert got["down"][t] == pytest.approx(100 * (1 + int(np.argmin(window))) / n)
    assert got["up"][n - 1 :].min() >= 100 / n


def test_cmf_by_hand():
    n, got = 20, outputs("cmf", LONG, {"period": 20})["value"]
    multiplier = ((C - L) - (H - C)) / (H - L)
    for t in range(n - 1, 300):
        part = slice(t - n + 1, t + 1)
        expected = math.fsum(multiplier[part] * V[part]) / math.fsum(V[part])
        assert got[t] == pytest.approx(expected, abs=1e-12)


def test_vigor_by_hand():
    n = 10
    got, other = outputs("rvi", LONG, {"period": n}), outputs("rvi_swma", LONG, {"period": n})

    def weighted(x, t):
        return (x[t] + 2 * x[t - 1] + 2 * x[t - 2] + x[t - 3]) / 6

    vigor = np.full(300, np.nan)
    for t in range(n + 2, 300):
        span = range(t - n + 1, t + 1)
        vigor[t] = mean([weighted(C - OPEN, s) for s in span]) / mean(
            [weighted(H - L, s) for s in span]
        )
        assert got["rvi"][t] == pytest.approx(vigor[t], abs=1e-12)
        if t >= n + 5:
            assert got["signal"][t] == pytest.approx(mean(vigor[t - 3 : t + 1]), abs=1e-12)
            assert other["signal"][t] == pytest.approx(weighted(vigor, t), abs=1e-12)


def test_relative_volatility_by_hand():
    n, smoothing = 10, 14
    got = outputs("rvi_volatility", LONG, {"period": n, "smoothing": smoothing})["value"]
    deviation = np.array([np.std(C[max(0, t - n + 1) : t + 1]) for t in range(300)])
    change = np.diff(C, prepend=np.nan)[:300]
    sides = [np.where(change > 0, deviation, 0.0), np.where(change < 0, deviation, 0.0)]
    first = n - 1 + smoothing - 1
    up, down = (mean(side[n - 1 : first + 1]) for side in sides)
    for t in range(first, 300):
        if t > first:
            up += (sides[0][t] - up) / smoothing
            down += (sides[1][t] - down) / smoothing
        assert got[t] == pytest.approx(100 * up / (up + down), abs=1e-9)


def test_atr_sma_by_hand():
    got = outputs("atr_sma", LONG, {"period": 14})["value"]
    true = np.maximum(H[1:] - L[1:], np.maximum(abs(H[1:] - C[:-1]), abs(L[1:] - C[:-1])))
    assert np.isnan(got[:14]).all()
    for t in range(14, 200):
        assert got[t] == pytest.approx(mean(true[t - 14 : t]), rel=1e-12)


# --- degenerate bars ----------------------------------------------------------------------------


def test_degenerate_bars_give_the_stated_values():
    n = 120
    flat = dict.fromkeys(("open", "high", "low", "close"), np.full(n, 1.1))
    flat["volume"] = np.ones(n)
    expected = {
        "rsi": [50.0],
        "rsi_sma": [50.0],
        "stochastic": [50.0, 50.0],
        "williams_r": [-50.0],
        "mfi": [np.nan],
        "adx": [0.0, 0.0, 0.0],
        "adx_wilder": [0.0, 0.0, 0.0],
        "cmf": [0.0],
        "rvi": [0.0, 0.0],
        "rvi_swma": [0.0, 0.0],
        "rvi_volatility": [50.0],
        "atr_wilder": [0.0],
        "atr_sma": [0.0],
        "sma": [1.1],
        "ema": [1.1],
        "aroon": [20.0, 20.0, 0.0],  # the oldest of equals, period 5
        "aroon_inclusive": [100.0, 100.0, 0.0],
    }
    in_library = {formula.partition("(")[0] for formula in FLAT_VALUES}
    assert sorted({*expected, *in_library}) == NAMES
    for name, values in expected.items():
        np.testing.assert_allclose(stacked(name, flat)[:, -1], values, rtol=1e-15)


def test_only_gains_are_100_and_only_losses_0():
    rising = np.linspace(1, 2, 60)
    arrays = {"close": rising}
    assert (outputs("rsi", arrays)["value"][5:] == 100.0).all()
    assert (outputs("rsi", {"close": rising[::-1].copy()})["value"][5:] == 0.0).all()


def test_without_volume_mfi_and_cmf_are_missing_not_100():
    arrays = {**bars(), "volume": np.zeros(260)}
    for name in ("mfi", "cmf"):
        assert np.isnan(stacked(name, arrays)).all()
