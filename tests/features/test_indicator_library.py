"""The wider library against TA-Lib on ordinary and hostile bars, and against plain loops."""

import math

import numpy as np
import pandas as pd
import pytest
import talib
from feature_bars import bars, same
from flat_values import FLAT_VALUES

from marketlab.core import ConfigError
from marketlab.features import INDICATORS, evaluate
from marketlab.features import parse_expression as parse

KINDS = ("walk", "gaps", "steps", "falling", "jumps", "no_volume")


def value(formula, arrays):
    return evaluate([parse(formula)], arrays)[0]


def names(arrays):
    return [arrays[k] for k in ("high", "low", "close", "volume")]


# formula -> TA-Lib's call on high, low, close, volume
ORACLES = {
    "dema(12)": lambda h, lo, c, v: talib.DEMA(c, 12),
    "tema(12)": lambda h, lo, c, v: talib.TEMA(c, 12),
    "wma(12)": lambda h, lo, c, v: talib.WMA(c, 12),
    "kama(12)": lambda h, lo, c, v: talib.KAMA(c, 12),
    "macd().line": lambda h, lo, c, v: talib.MACD(c, 12, 26, 9)[0],
    "macd().signal": lambda h, lo, c, v: talib.MACD(c, 12, 26, 9)[1],
    "macd().histogram": lambda h, lo, c, v: talib.MACD(c, 12, 26, 9)[2],
    "macd(5, 30, 4).line": lambda h, lo, c, v: talib.MACD(c, 5, 30, 4)[0],
    "stochrsi(14).k": lambda h, lo, c, v: talib.STOCHRSI(c, 14, 5, 3, 0)[0],
    "stochrsi(14).d": lambda h, lo, c, v: talib.STOCHRSI(c, 14, 5, 3, 0)[1],
    "cci(14)": lambda h, lo, c, v: talib.CCI(h, lo, c, 14),
    "adx_talib(14).adx": lambda h, lo, c, v: talib.ADX(h, lo, c, 14),
    "adx_talib(14).plus_di": lambda h, lo, c, v: talib.PLUS_DI(h, lo, c, 14),
    "adx_talib(14).minus_di": lambda h, lo, c, v: talib.MINUS_DI(h, lo, c, 14),
    "bollinger().upper": lambda h, lo, c, v: talib.BBANDS(c, 20, 2, 2, 0)[0],
    "bollinger().middle": lambda h, lo, c, v: talib.BBANDS(c, 20, 2, 2, 0)[1],
    "bollinger().lower": lambda h, lo, c, v: talib.BBANDS(c, 20, 2, 2, 0)[2],
    "donchian(20).upper": lambda h, lo, c, v: talib.MAX(h, 20),
    "donchian(20).lower": lambda h, lo, c, v: talib.MIN(lo, 20),
    "obv()": lambda h, lo, c, v: talib.OBV(c, v),
    "accumulation_distribution()": lambda h, lo, c, v: talib.AD(h, lo, c, v),
    "adosc()": lambda h, lo, c, v: talib.ADOSC(h, lo, c, v, 3, 10),
}
# TA-Lib subtracts values that leave the window, so its error is one beside the largest price.
DRIFTS = {"wma(12)", "bollinger().upper", "bollinger().lower", "bollinger().middle", "cci(14)"}


@pytest.mark.parametrize(
    ("formula", "kind"),
    # Bars in steps leave the RSI where it was but for rounding: see the next test.
    [(f, k) for f in ORACLES for k in KINDS if (f[:8], k) != ("stochrsi", "steps")],
)
def test_talib(formula, kind):
    arrays = bars(kind, 900, 3)
    got, expected = value(formula, arrays), ORACLES[formula](*names(arrays))
    assert same(np.isnan(got), np.isnan(expected))
    size = np.nanmax(np.abs(expected))
    if formula in DRIFTS:
        size = max(size, arrays["close"].max())
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9 * size)


def test_stochastic_rsi_does_not_scale_rounding_up():
    close = bars("steps", 900, 3)["close"]
    got = value("stochrsi(14).k", {"close": close})
    rsi = pd.Series(talib.RSI(close, 14))
    width = (rsi.rolling(5).max() - rsi.rolling(5).min()).to_numpy()
    noise, usual = np.flatnonzero(width < 1e-9), np.flatnonzero(width > 1e-9)
    assert min(len(noise[noise >= 20]), len(usual[usual >= 20])) > 100
    assert (got[noise[noise >= 20]] == 0.0).all()
    expected = talib.STOCHRSI(close, 14, 5, 3, 0)[0]
    rows = usual[usual >= 20]
    np.testing.assert_allclose(got[rows], expected[rows], rtol=1e-9, atol=1e-7)


def test_hull_by_hand():
    close = bars(n=200)["close"]
    fast, slow = talib.WMA(close, 10), talib.WMA(close, 21)
    expected = talib.WMA(2 * fast - slow, 4)
    np.testing.assert_allclose(value("hma(21)", {"close": close}), expected, rtol=1e-12)
    with pytest.raises(ConfigError, match="period of hma must be an integer from 4"):
        parse("hma(3)")


def test_vwma_is_the_rolling_vwap_and_missing_without_volume():
    arrays = bars("no_volume", 300)
    c, v = pd.Series(arrays["close"]), pd.Series(arrays["volume"])
    total = v.rolling(20).sum()
    expected = ((c * v).rolling(20).sum() / total).where(total > 0)
    np.testing.assert_allclose(value("vwma(20)", arrays), expected, rtol=1e-9)
    assert np.isnan(value("vwma(20)", arrays)[130:190]).all()


def test_demarker_by_hand():
    arrays = bars("steps", 200)
    h, low = arrays["high"], arrays["low"]
    got, n = value("demarker(7)", arrays), 7
    for t in range(n, 200):
        up = sum(max(h[k] - h[k - 1], 0) for k in range(t - n + 1, t + 1))
        down = sum(max(low[k - 1] - low[k], 0) for k in range(t - n + 1, t + 1))
        assert got[t] == pytest.approx(up / (up + down) if up + down else 0.5, abs=1e-12)


def test_qqe_lines_are_pandas_means_of_the_rsi():
    close = bars(n=300)["close"]
    rsi = pd.Series(talib.RSI(close, 14))
    fast, slow = (rsi.ewm(span=n, adjust=False).mean() for n in (5, 14))
    for output, expected in (("fast", fast), ("slow", slow), ("spread", fast - slow)):
        got = value(f"qqe(14).{output}", {"close": close})
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


def test_ichimoku_reads_no_later_bar_and_is_not_displaced():
    arrays = bars(n=120)
    h, low, t = arrays["high"], arrays["low"], 100

    def middle(n):
        return (h[t - n + 1 : t + 1].max() + low[t - n + 1 : t + 1].min()) / 2

    assert value("ichimoku().tenkan", arrays)[t] == middle(9)
    assert value("ichimoku().kijun", arrays)[t] == middle(26)
    assert value("ichimoku().span_a", arrays)[t] == (middle(9) + middle(26)) / 2
    assert value("ichimoku().span_b", arrays)[t] == middle(52)


def test_supertrend_follows_the_close():
    arrays = bars("gaps", 500)
    line, direction = (value(f"supertrend().{x}", arrays) for x in ("line", "direction"))
    close = arrays["close"]
    assert set(direction[10:]) == {-1.0, 1.0}
    assert ((close >= line) == (direction > 0))[10:].all()
    assert not same(value("supertrend_sma().line", arrays), line)
    rising = (direction[11:] > 0) & (direction[10:-1] > 0)
    assert (np.diff(line[10:])[rising] >= 0).all()


def test_volatility_estimators_by_hand():
    arrays, n, t = bars("gaps", 100), 20, 77
    part = slice(t - n + 1, t + 1)
    spread = np.log(arrays["high"][part] / arrays["low"][part]) ** 2
    body = np.log(arrays["close"][part] / arrays["open"][part]) ** 2
    parkinson = math.sqrt(spread.mean() / (4 * math.log(2)))
    garman = math.sqrt((0.5 * spread - (2 * math.log(2) - 1) * body).mean())
    assert value("parkinson(20)", arrays)[t] == pytest.approx(parkinson, rel=1e-12)
    assert value("garman_klass(20)", arrays)[t] == pytest.approx(garman, rel=1e-12)
    o, h, lo, c = (np.log(arrays[k]) for k in ("open", "high", "low", "close"))
    drift_free = ((h - c) * (h - o) + (lo - c) * (lo - o))[part].mean()
    assert value("rogers_satchell(20)", arrays)[t] == pytest.approx(drift_free**0.5, rel=1e-9)
    overnight, day = (o[1:] - c[:-1])[t - n : t], (c - o)[part]
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    whole = overnight.var(ddof=1) + k * day.var(ddof=1) + (1 - k) * drift_free
    assert value("yang_zhang(20)", arrays)[t] == pytest.approx(whole**0.5, rel=1e-9)
    expected = np.diff(c)[t - n : t].std(ddof=1)
    assert value("realised_volatility(20)", arrays)[t] == pytest.approx(expected, rel=1e-9)


def test_returns_per_risk_by_hand():
    arrays, n, t = bars(n=100), 20, 77
    r = np.diff(arrays["close"]) / arrays["close"][:-1]
    part = r[t - n : t]
    for formula, risk in (
        ("sharpe(20)", part),
        ("sortino(20)", np.minimum(part, 0)),
        ("sortino_losses(20)", part[part < 0]),
    ):
        expected = part.mean() / risk.std(ddof=1)
        assert value(formula, arrays)[t] == pytest.approx(expected, rel=1e-9)


def test_returns_per_risk_are_missing_without_losses():
    rising = {"close": 100.0 * 1.01 ** np.arange(60) + np.arange(60) % 2 * 0.1}
    assert np.isfinite(value("sharpe(20)", rising)[30:]).all()
    assert np.isnan(value("sortino(20)", rising)).all()
    assert np.isnan(value("sortino_losses(20)", rising)).all()


def test_keltner_by_hand():
    arrays = bars(n=100)
    h, low, c, _ = names(arrays)
    expected = talib.EMA(c, 20) + 2 * talib.ATR(h, low, c, 10)
    np.testing.assert_allclose(value("keltner().upper", arrays), expected, rtol=1e-12)
    assert value("keltner().lower", arrays)[50] == pytest.approx(
        2 * talib.EMA(c, 20)[50] - expected[50]
    )


def test_bands_of_both_deviations():
    arrays = bars(n=60)
    part = arrays["close"][30:50]
    for name, ddof in (("bollinger", 0), ("bollinger_sample", 1)):
        reach = 2 * part.std(ddof=ddof)
        assert value(f"{name}().upper", arrays)[49] == pytest.approx(part.mean() + reach, rel=1e-12)
        place = (part[-1] - part.mean() + reach) / (2 * reach)
        assert value(f"{name}().percent_b", arrays)[49] == pytest.approx(place, rel=1e-9)
        width = 100 * 2 * reach / part.mean()
        assert value(f"{name}().width", arrays)[49] == pytest.approx(width, rel=1e-9)


def test_the_two_klinger_oscillators_differ_in_their_force_only():
    arrays = bars("walk", 400)
    h, low, c, v = names(arrays)
    price = pd.Series(h + low + c)
    simple = pd.Series(v * (h - low)) * np.sign(price.diff())
    force = pd.Series(value("klinger_force(high, low, close, volume)", arrays))
    for name, x in (("klinger", force), ("klinger_simple", simple)):
        kvo = x.ewm(span=34, adjust=False).mean() - x.ewm(span=55, adjust=False).mean()
        signal = kvo.ewm(span=13, adjust=False).mean()
        size = 1e-9 * np.abs(x).max()
        np.testing.assert_allclose(value(f"{name}().kvo", arrays), kvo, atol=size)
        np.testing.assert_allclose(value(f"{name}().signal", arrays), signal, atol=size)
        np.testing.assert_allclose(value(f"{name}().histogram", arrays), kvo - signal, atol=size)


def test_volume_price_trend_by_hand():
    arrays = bars(n=50)
    c, v = pd.Series(arrays["close"]), arrays["volume"]
    expected = (c.pct_change().fillna(0.0) * v).cumsum()
    np.testing.assert_allclose(value("volume_price_trend()", arrays), expected, rtol=1e-9)


def test_any_price_can_be_averaged():
    arrays = bars(n=100)
    middle = (arrays["high"] + arrays["low"]) / 2
    got = value("dema((high + low) / 2, 9)", arrays)
    np.testing.assert_allclose(got, talib.DEMA(middle, 9), rtol=1e-12)
    assert value("macd(high, 12, 26, 9).line", arrays)[60] == pytest.approx(
        talib.MACD(arrays["high"], 12, 26, 9)[0][60], rel=1e-9
    )


ORDERED = [name for name in INDICATORS.names() if INDICATORS.get(name).ordered]


@pytest.mark.parametrize("name", ORDERED)
def test_a_fast_length_above_the_slow_one_is_refused_with_both(name):
    assert {"macd", "stc", "qqe", "kama", "adosc", "klinger"} <= set(ORDERED)
    definition = INDICATORS.get(name)
    params = {p.name: 5 for p in definition.parameters if p.default is None and not p.is_column}
    with pytest.raises(ConfigError, match=f"fast of {name} must be below slow; received 70 and 60"):
        definition.check({**params, "fast": 70, "slow": 60})
    with pytest.raises(ConfigError, match="fast of macd must be below slow") as found:
        parse("macd(26, 12, 9).line")
    assert found.value.code == "CONFIG-IndicatorCreationFailed"


@pytest.mark.parametrize("formula", FLAT_VALUES)
def test_bars_that_stand_still_give_the_stated_values(formula):
    n = 200
    flat = dict.fromkeys(("open", "high", "low", "close"), np.full(n, 1.1))
    flat["volume"] = np.ones(n)
    expected = pytest.approx(FLAT_VALUES[formula], rel=1e-12, abs=1e-12, nan_ok=True)
    assert value(formula, flat)[-1] == expected


def test_every_library_indicator_that_reads_volume_says_so():
    for name in INDICATORS.names():
        definition = INDICATORS.get(name)
        params = {p.name: 5 for p in definition.parameters if p.default is None and not p.is_column}
        texts = [node.key for node in definition.build(definition.check(params)).values()]
        assert definition.needs_volume == any("volume" in text for text in texts), name
