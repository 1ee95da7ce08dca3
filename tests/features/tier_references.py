"""Every column of the daily tiers once more, from pandas, NumPy and TA-Lib alone.

Written from the contract's formulas, sharing no line with the package.
"""

import itertools
import math

import numpy as np
import pandas as pd
import talib


def ewm(x, span):
    return x.ewm(span=span, adjust=False).mean()


def wma(x, n):
    return pd.Series(talib.WMA(x.to_numpy(), n))


def streak(condition):
    """Rows in a row for which it holds; condition is a bool series with pd.NA before it exists."""
    out, count = [], 0
    for value in condition:
        if value is None:
            out.append(np.nan)
            continue
        count = count + 1 if value else 0
        out.append(float(count))
    return pd.Series(out)


def side(a, b):
    """Whether a >= b, None while one is missing."""
    missing = np.isnan(a) | np.isnan(b)
    return [None if m else bool(x >= y) for m, x, y in zip(missing, a, b, strict=True)]


def both_present(condition, *inputs):
    missing = np.zeros(len(condition), dtype=bool)
    for x in inputs:
        missing |= np.isnan(np.asarray(x, dtype=float))
    pairs = zip(condition, missing, strict=True)
    return [None if m else bool(c) for c, m in pairs]


def days_since_change(states):
    """Days since a two-sided state last changed (or first existed), and the state."""
    days, last, count = [], None, 0
    for state in states:
        if state is None:
            days.append(np.nan)
            continue
        count = 0 if last is None or state != last else count + 1
        last = state
        days.append(float(count))
    return pd.Series(days)


def signed(days, states):
    factors = [np.nan if s is None else 1.0 if s else -1.0 for s in states]
    return days * pd.Series(factors)


def share_below(x, window):
    def one(part):
        return np.sum(part[:-1] < part[-1]) / (len(part) - 1)

    return x.rolling(window).apply(one, raw=True)


def mean_rank(x, window):
    return x.rolling(window).rank(method="average", pct=True)


def stochastic_of(x, window, empty):
    low, high = x.rolling(window).min(), x.rolling(window).max()
    out = 100 * (x - low) / (high - low)
    return out.where((high != low) | low.isna(), empty)


def schaff(close):
    line = pd.Series(talib.MACD(close.to_numpy(), 23, 50, 2)[0])
    # TA-Lib hides the first line value (its signal needs two): take it from the seeds.
    seeds = close[:50].to_numpy()
    line[49] = seeds[-23:].mean() - seeds.mean()
    soft = ewm(stochastic_of(line, 10, 50.0), 3)
    return ewm(stochastic_of(soft, 10, 50.0), 3).clip(0, 100)


def klinger_force(b):
    high, low, close, volume = (b[k].to_numpy() for k in ("high", "low", "close", "volume"))
    out, trend, measure = np.full(len(b), np.nan), 0, 0.0
    total, width = high + low + close, high - low
    for t in range(1, len(b)):
        now = 1 if total[t] > total[t - 1] else -1
        measure = measure + width[t] if now == trend else width[t - 1] + width[t]
        trend = now
        out[t] = 100 * now * volume[t] * abs(2 * (width[t] / measure - 1)) if measure else 0.0
    return pd.Series(out)


def klinger(force):
    line = ewm(force, 34) - ewm(force, 55)
    return line, ewm(line, 13)


def supertrend(b, period, multiplier):
    high, low, close = (b[k].to_numpy() for k in ("high", "low", "close"))
    atr, n = talib.ATR(high, low, close, period), len(b)
    line, direction = np.full(n, np.nan), np.full(n, np.nan)
    upper = lower = None
    side_now = -1
    for t in range(period, n):
        middle = (high[t] + low[t]) / 2
        top, bottom = middle + multiplier * atr[t], middle - multiplier * atr[t]
        if upper is not None:
            top = top if top < upper or close[t - 1] > upper else upper
            bottom = bottom if bottom > lower or close[t - 1] < lower else lower
        upper, lower = top, bottom
        if side_now < 0 and close[t] > upper:
            side_now = 1
        elif side_now > 0 and close[t] < lower:
            side_now = -1
        direction[t] = side_now
        line[t] = lower if side_now > 0 else upper
    return pd.Series(line), pd.Series(direction)


def losing_days_std(part):
    losses = part[part < 0]
    return np.std(losses, ddof=1) if len(losses) > 1 else np.nan


def permutation_entropy(x, window, order):
    parts = np.lib.stride_tricks.sliding_window_view(x.to_numpy(), order)
    order_of = np.argsort(parts, axis=1, kind="stable") @ (order ** np.arange(order))
    code = np.concatenate([np.full(order - 1, -1), order_of])
    patterns, out = window - order + 1, np.full(len(x), np.nan)
    for t in range(window - 1, len(x)):
        _, counts = np.unique(code[t - patterns + 1 : t + 1], return_counts=True)
        shares = counts / patterns
        out[t] = -(shares * np.log(shares)).sum() / math.log(math.factorial(order))
    return pd.Series(out)


def weekly(b, function):
    """A function of completed weeks' closes, from the first row of the week after."""
    dates = pd.DatetimeIndex(b.date)
    week = pd.Series(dates.normalize() - pd.to_timedelta(dates.day_of_week, unit="D"))
    last = b.close.groupby(week.to_numpy()).last()
    values = pd.Series(function(last.to_numpy()), index=last.index).shift(1)
    return pd.Series(values.reindex(week).to_numpy())


def a20(b):
    h, lo, c, v = (b[k] for k in ("high", "low", "close", "volume"))
    out = {}
    for n in (9, 10):
        out[f"dema_{n}"] = talib.DEMA(c, n)
    out["sma_12"] = c.rolling(12).mean()
    for n in (20, 25):
        out[f"dema_{n}"] = talib.DEMA(c, n)
    out["sma_50"] = c.rolling(50).mean()
    out["dema_90"] = talib.DEMA(c, 90)
    for n in (100, 200):
        out[f"sma_{n}"] = c.rolling(n).mean()
    out["rsi_daily"] = talib.RSI(c, 14)
    out["rsi_weekly"] = weekly(b, lambda x: talib.RSI(x, 14))
    out["stochrsi_daily"] = talib.STOCHRSI(c, 14, 5, 3, 0)[0]
    out["stochrsi_weekly"] = weekly(b, lambda x: talib.STOCHRSI(x, 14, 5, 3, 0)[0])
    out["macd_line"] = talib.MACD(c, 12, 26, 9)[0]
    out["obv"] = talib.OBV(c, v)
    out["adosc"] = talib.ADOSC(h, lo, c, v, 3, 10)
    out["atr_14"] = talib.ATR(h, lo, c, 14)
    out["adx_14"] = talib.ADX(h, lo, c, 14)
    upper, _, lower = talib.BBANDS(c, 20, 2, 2, 0)
    out["bb_percent_b"] = (c - lower) / (upper - lower)
    out["vwap_20"] = (c * v).rolling(20).sum() / v.rolling(20).sum()
    return {k: pd.Series(np.asarray(x)) for k, x in out.items()}


def a50(b, f):
    o, c, v = (b[k] for k in ("open", "close", "volume"))
    out = {f"return_{n}d": c.pct_change(n) for n in (1, 5, 21, 63, 252)}
    r, rsi = out["return_1d"], f["rsi_daily"]
    out["qqe_fast"], out["qqe_slow"] = ewm(rsi, 5), ewm(rsi, 14)
    out["qqe_fast_slow_spread"] = out["qqe_fast"] - out["qqe_slow"]
    out["stc_value"] = schaff(c)
    out["stc_from_50"] = out["stc_value"] - 50
    realised = {n: 100 * math.sqrt(252) * np.log(c).diff().rolling(n).std() for n in (10, 21)}
    for n in (10, 21):
        out[f"vrp_{n}d"] = b.vix - realised[n]
    out["implied_vs_realized_ratio"] = b.vix / realised[21]
    scaled = {n: math.sqrt(252) * r.rolling(n).mean() for n in (20, 60)}
    for n in (20, 60):
        out[f"sharpe_{n}d"] = scaled[n] / r.rolling(n).std()
    for n in (20, 60):
        out[f"sortino_{n}d"] = scaled[n] / r.where(~(r > 0), 0.0).rolling(n).std()
    out["rsi_slope"] = rsi.diff(5)
    out["rsi_extreme_dist"] = np.minimum((rsi - 30).abs(), (rsi - 70).abs())
    out["price_pct_from_sma_50"] = 100 * (c - f["sma_50"]) / f["sma_50"]
    out["price_pct_from_sma_200"] = 100 * (c - f["sma_200"]) / f["sma_200"]
    out["sma_50_200_proximity"] = 100 * (f["sma_50"] - f["sma_200"]) / f["sma_200"]
    out["atr_pct"] = 100 * f["atr_14"] / c
    out["atr_pct_slope"] = out["atr_pct"].diff(5)
    upper, middle, lower = talib.BBANDS(c, 20, 2, 2, 0)
    out["bb_width"] = 100 * (upper - lower) / middle
    out["overnight_gap"] = 100 * (o - c.shift(1)) / c.shift(1)
    out["open_to_close_pct"] = 100 * (c - o) / o
    out["volume_ratio_20d"] = v / v.rolling(20).mean()
    out["kvo_signal"] = klinger(klinger_force(b))[1]
    out["macd_histogram"] = talib.MACD(c, 12, 26, 9)[2]
    return out


def a100(b, f):
    o, h, lo, c, v = (b[k] for k in ("open", "high", "low", "close", "volume"))
    r, out = f["return_1d"], {}
    out["return_1d_acceleration"] = r.diff()
    out["return_5d_acceleration"] = f["return_5d"].diff()
    out["qqe_slope"] = f["qqe_fast"].diff(5)
    out["stc_slope"] = f["stc_value"].diff(5)
    out["qqe_extreme_dist"] = pd.concat(
        [(f["qqe_fast"] - 20).abs(), (f["qqe_fast"] - 80).abs()], axis=1
    ).min(axis=1, skipna=False)
    out["stc_extreme_dist"] = np.minimum((f["stc_value"] - 25).abs(), (f["stc_value"] - 75).abs())
    rise, fall = h.diff().clip(lower=0), (-lo.diff()).clip(lower=0)
    up, down = rise.rolling(14).mean(), fall.rolling(14).mean()
    out["demarker_value"] = (up / (up + down)).where(up + down != 0, 0.5).where(up.notna())
    out["demarker_from_half"] = out["demarker_value"] - 0.5
    k, d = talib.STOCH(h, lo, c, 14, 3, 0, 3, 0)
    low, high = lo.rolling(14).min(), h.rolling(14).max()
    out["stoch_k_14"] = (100 * (c - low) / (high - low)).rolling(3).mean()
    np.testing.assert_allclose(out["stoch_k_14"][17:], k[17:], rtol=1e-9)
    out["stoch_d_14"] = d
    out["stoch_extreme_dist"] = np.minimum(
        (out["stoch_k_14"] - 20).abs(), (out["stoch_k_14"] - 80).abs()
    )
    out["cci_14"] = talib.CCI(h, lo, c, 14)
    out["mfi_14"] = talib.MFI(h, lo, c, v, 14)
    out["williams_r_14"] = talib.WILLR(h, lo, c, 14)
    out["vrp_5d"] = b.vix - 100 * math.sqrt(252) * np.log(c / c.shift()).rolling(5).std()
    out["vrp_slope"] = f["vrp_21d"].diff()
    out["sharpe_252d"] = math.sqrt(252) * r.rolling(252).mean() / r.rolling(252).std()
    bad = {n: r.rolling(n).apply(losing_days_std, raw=True) for n in (20, 252)}
    out["sortino_252d"] = math.sqrt(252) * r.rolling(252).mean() / bad[252]
    out["sharpe_slope_20d"] = f["sharpe_20d"].diff()
    out["sortino_slope_20d"] = (math.sqrt(252) * r.rolling(20).mean() / bad[20]).diff()
    out["var_95"] = r.rolling(20).quantile(0.05)
    out["var_99"] = r.rolling(20).quantile(0.01)
    parts = np.lib.stride_tricks.sliding_window_view(r.to_numpy(), 20)
    worst = np.where(parts <= np.quantile(parts, 0.05, axis=1)[:, None], parts, np.nan)
    out["cvar_95"] = np.concatenate(
        [np.full(19, np.nan), np.full(1, np.nan), np.nanmean(worst[1:], axis=1)]
    )
    out["sma_9_50_proximity"] = 100 * (c.rolling(9).mean() - f["sma_50"]) / f["sma_50"]
    out["sma_50_slope"], out["sma_200_slope"] = f["sma_50"].diff(5), f["sma_200"].diff(5)
    for n in (50, 200):
        out[f"days_since_sma_{n}_cross"] = days_since_change(side(c, f[f"sma_{n}"]))
    out["ema_12"], out["ema_26"] = talib.EMA(c, 12), talib.EMA(c, 26)
    out["atr_pct_percentile_60d"] = 100 * share_below(f["atr_pct"], 60)
    out["bb_width_percentile_60d"] = 100 * share_below(f["bb_width"], 60)
    year, spread = 100 * math.sqrt(252), np.log(h / lo) ** 2
    out["parkinson_volatility"] = year * np.sqrt(spread.rolling(20).mean() / (4 * math.log(2)))
    body = np.log(c / o) ** 2
    daily = 0.5 * spread - (2 * math.log(2) - 1) * body
    out["garman_klass_volatility"] = year * np.sqrt(daily.rolling(20).mean())
    out["vol_of_vol"] = (year * np.log(c).diff().rolling(5).std()).rolling(20).std()
    out["adx_slope"] = f["adx_14"].diff(5)
    out["di_spread"] = talib.PLUS_DI(h, lo, c, 14) - talib.MINUS_DI(h, lo, c, 14)
    out["aroon_oscillator"] = talib.AROONOSC(h, lo, 25)
    line, direction = supertrend(b, 10, 3)
    out["price_pct_from_supertrend"] = 100 * (c - line) / line
    out["supertrend_direction"] = direction
    obv = f["obv"]
    out["obv_slope"] = obv.diff(5) / obv.rolling(20).std()
    vpt = (r.fillna(0.0) * v).cumsum()
    out["volume_price_trend"] = vpt / vpt.rolling(20).mean().abs()
    ad = pd.Series(talib.AD(h, lo, c, v))
    out["accumulation_dist"] = ad / ad.rolling(20).mean().abs()
    kvo, kvo_signal = klinger(v * (h - lo) * np.sign(((h + lo + c) / 3).diff()))
    gap = kvo - kvo_signal
    out["kvo_histogram"] = gap / gap.rolling(20).std()
    wins, losses = r.clip(lower=0), r.clip(upper=0)
    out["expectancy_20d"] = wins.rolling(20).mean() + losses.rolling(20).mean()
    out["win_rate_20d"] = (r > 0).astype(float).where(r.notna()).rolling(20).mean()
    out["buying_pressure_ratio"] = ((c - lo) / (h - lo)).where(h > lo, 0.5)
    high, low = h.rolling(44).max(), lo.rolling(44).min()
    out["fib_range_position"] = (c - low) / (high - low)
    before_high, before_low = h.shift(1).rolling(20).max(), lo.shift(1).rolling(20).min()
    out["prior_high_20d_dist"] = 100 * (c - before_high) / before_high
    out["prior_low_20d_dist"] = 100 * (c - before_low) / before_low
    return out


def averages(b, f):
    c, v, out = b.close, b.volume, {}
    for n in (9, 20, 50, 100):
        out[f"tema_{n}"] = talib.TEMA(c, n)
    for n in (10, 20, 50, 200):
        out[f"wma_{n}"] = talib.WMA(c, n)
    for n in (10, 20, 50):
        out[f"kama_{n}"] = talib.KAMA(c, n)
    for n, half, root in ((9, 4, 3), (21, 10, 4), (50, 25, 7)):
        out[f"hma_{n}"] = wma(2 * wma(c, half) - wma(c, n), root)
    for n in (10, 20, 50):
        out[f"vwma_{n}"] = (c * v).rolling(n).sum() / v.rolling(n).sum()
    out = {name: pd.Series(np.asarray(x)) for name, x in out.items()}
    out["tema_20_slope"] = out["tema_20"].diff(5)
    out["price_pct_from_tema_50"] = 100 * (c / out["tema_50"] - 1)
    out["price_pct_from_kama_20"] = 100 * (c / out["kama_20"] - 1)
    return out


def durations(b, f):
    c, out = b.close, {}
    lines = {"sma_9": c.rolling(9).mean(), **{k: f[k] for k in ("sma_50", "sma_200")}}
    lines |= {k: f[k] for k in ("tema_20", "kama_20", "vwma_20")}
    for name, line in lines.items():
        above = side(c, line)
        out[f"days_above_{name}"] = streak(above)
        out[f"days_below_{name}"] = streak([None if x is None else not x for x in above])
    pairs = {
        "sma_9_50": ("sma_9", "sma_50"),
        "sma_50_200": ("sma_50", "sma_200"),
        "tema_sma_50": ("tema_20", "sma_50"),
        "kama_sma_50": ("kama_20", "sma_50"),
        "sma_9_200": ("sma_9", "sma_200"),
    }
    for name, (fast, slow) in pairs.items():
        states = side(lines[fast], lines[slow])
        out[f"days_since_{name}_cross"] = signed(days_since_change(states), states)
    for fast, slow, name in (
        ("tema_20", "sma_50", "tema_20_sma_50"),
        ("kama_20", "sma_50", "kama_20_sma_50"),
        ("sma_9", "sma_200", "sma_9_200"),
    ):
        out[f"{name}_proximity"] = 100 * (lines[fast] - lines[slow]) / lines[slow]
    return out


def bands(b, f):
    h, lo, c, out = b.high, b.low, b.close, {}
    upper, _, lower = (pd.Series(np.asarray(x)) for x in talib.BBANDS(c, 20, 2, 2, 0))
    rsi = f["rsi_daily"]
    out["pct_from_upper_band"] = 100 * (c - upper) / upper
    out["pct_from_lower_band"] = 100 * (c - lower) / lower
    out["days_above_upper_band"] = streak(both_present(c > upper, upper))
    out["days_below_lower_band"] = streak(both_present(c < lower, lower))
    middle, reach = talib.EMA(c, 20), 1.5 * talib.ATR(h, lo, c, 20)
    squeeze = both_present((upper < middle + reach) & (lower > middle - reach), upper, reach)
    out["bb_squeeze_indicator"] = pd.Series([np.nan if x is None else float(x) for x in squeeze])
    out["bb_squeeze_duration"] = streak(squeeze)
    out["rsi_distance_from_50"] = rsi - 50
    out["days_rsi_overbought"] = streak(both_present(rsi > 70, rsi))
    out["days_rsi_oversold"] = streak(both_present(rsi < 30, rsi))
    out["rsi_percentile_60d"] = share_below(f["rsi_to_rank"], 60)
    for n in (20, 50):
        out[f"zscore_from_{n}d_mean"] = (c - c.rolling(n).mean()) / c.rolling(n).std()
    high, low = c.rolling(252).max(), c.rolling(252).min()
    out["percentile_in_52wk_range"] = 100 * (c - low) / (high - low)
    out["distance_from_52wk_high_pct"] = 100 * (c - high) / high
    out["days_since_52wk_high"] = c.rolling(252).apply(lambda x: np.argmax(x[::-1]), raw=True)
    out["days_since_52wk_low"] = c.rolling(252).apply(lambda x: np.argmin(x[::-1]), raw=True)
    step = c.diff()
    out["consecutive_up_days"] = streak(both_present(step > 0, step))
    out["consecutive_down_days"] = streak(both_present(step < 0, step))
    out["up_days_ratio_20d"] = (step > 0).astype(float).where(step.notna()).rolling(20).mean()
    mean_range = (h - lo).rolling(5).mean()
    out["range_compression_5d"] = mean_range / mean_range.shift(15)
    return out


def signals(b, f):
    o, h, lo, c, v = (b[k] for k in ("open", "high", "low", "close", "volume"))
    out = {}
    line, signal, histogram = (pd.Series(np.asarray(x)) for x in talib.MACD(c, 12, 26, 9))
    out["macd_signal"] = signal
    out["macd_histogram_slope"] = histogram.diff(5)
    out["days_since_macd_cross_signal"] = days_since_change(side(line, signal))
    out["macd_signal_proximity"] = 100 * (line - signal) / c
    r = c.pct_change()
    z_volume = (v - v.rolling(20).mean()) / v.rolling(20).std()
    out["volume_trend_5d"] = z_volume.diff(5)
    out["consecutive_volume_increase"] = streak(both_present(v.diff() > 0, v.diff()))
    out["volume_price_confluence"] = z_volume * (r - r.rolling(20).mean()) / r.rolling(20).std()
    heavy = (v > v.rolling(20).mean()).astype(float).where(v.rolling(20).mean().notna())
    total = heavy.rolling(20).sum()
    bias = (heavy * np.sign(r)).rolling(20).sum() / total
    out["high_volume_direction_bias"] = bias.where(total != 0, 0.0)
    date = pd.DatetimeIndex(b.date)
    out["trading_day_of_week"] = date.day_of_week
    out["is_monday"] = date.day_of_week == 0
    out["is_friday"] = date.day_of_week == 4
    days = date.to_numpy().astype("datetime64[D]")
    following = (days.astype("datetime64[M]") + 1).astype("datetime64[D]")
    out["days_to_month_end"] = np.busday_count(days + 1, following)
    out["month_of_year"] = date.month
    out["is_quarter_end_month"] = np.isin(date.month, (3, 6, 9, 12))
    width, body = h - lo, (c - o).abs()
    out["candle_body_pct"] = 100 * body / o
    out["body_to_range_ratio"] = body / width
    out["upper_wick_pct"] = 100 * (h - np.maximum(o, c)) / width
    out["lower_wick_pct"] = 100 * (np.minimum(o, c) - lo) / width
    out["doji_indicator"] = body / width < 0.1
    out["range_vs_avg_range"] = width / width.rolling(20).mean()
    return {name: pd.Series(np.asarray(x, dtype=float)) for name, x in out.items()}


def regimes(b, f):
    h, lo, c, out = b.high, b.low, b.close, {}

    def middle(n):
        return (h.rolling(n).max() + lo.rolling(n).min()) / 2

    out["tenkan_sen"], out["kijun_sen"] = middle(9), middle(26)
    a = (middle(9) + middle(26)) / 2
    out["senkou_span_a"], out["senkou_span_b"] = a, middle(52)
    top, bottom = np.maximum(a, middle(52)), np.minimum(a, middle(52))
    place = np.where(c > top, 1.0, np.where(c < bottom, -1.0, 0.0))
    out["price_vs_cloud"] = pd.Series(np.where(top.isna(), np.nan, place))
    out["cloud_thickness_pct"] = 100 * (top - bottom) / c
    upper, lower = h.rolling(20).max(), lo.rolling(20).min()
    out["donchian_upper_20"], out["donchian_lower_20"] = upper, lower
    out["donchian_position"] = (c - lower) / (upper - lower)
    out["donchian_width_pct"] = 100 * (upper - lower) / c
    out["pct_to_donchian_breakout"] = 100 * (upper - c) / c
    rank = mean_rank(c, 20)
    by_rsi = rank - mean_rank(f["rsi_to_rank"], 20)
    by_obv = rank - mean_rank(f["obv"], 20)
    out["price_rsi_divergence"], out["price_obv_divergence"] = by_rsi, by_obv
    out["divergence_streak"] = streak(both_present(by_rsi.abs() > 0.2, by_rsi))
    out["divergence_magnitude"] = (by_rsi.abs() + by_obv.abs()) / 2
    for k in (3, 4, 5):
        out[f"permutation_entropy_order{k}"] = permutation_entropy(c, 20, k)
    out["entropy_trend_5d"] = out["permutation_entropy_order3"].diff(5)
    for name, x in (("atr_regime", f["atr_pct"]), ("trend_strength", f["adx_14"])):
        out[f"{name}_pct_60d"] = share_below(x, 60)
        out[f"{name}_rolling_q"] = out[f"{name}_pct_60d"]
    level = out["atr_regime_pct_60d"]
    state = pd.Series(np.select([level.isna(), level > 0.7, level < 0.3], [np.nan, 1.0, -1.0], 0.0))
    out["vol_regime_state"] = state
    out["regime_consistency"] = state.rolling(20).apply(lambda x: np.mean(x == x[-1]), raw=True)
    changed = (state != state.shift()).astype(float).where(state.notna() & state.shift().notna())
    out["regime_transition_prob"] = changed.rolling(20).mean()
    return out


def references(bars, rsi_to_rank):
    """Return name to series of all 206 columns, in order, from a table with date and vix."""
    out = a20(bars)
    for part in (a50, a100, averages, durations, bands, signals, regimes):
        columns = part(bars, {**out, "rsi_to_rank": rsi_to_rank})
        out |= {name: pd.Series(np.asarray(x, dtype=float)) for name, x in columns.items()}
    return out


def vix_c(close):
    """Return the eight columns of the VIX, row by row."""
    rows = []
    for t in range(59, len(close)):
        x, last20 = close[t], close[t - 19 : t + 1]
        spread = np.std(last20, ddof=1)
        rows.append(
            (
                x,
                close[t - 9 : t + 1].mean(),
                last20.mean(),
                100 * sum(y < x for y in itertools.islice(close, t - 59, t)) / 59,
                (x - last20.mean()) / spread if spread else 0.0,
                0 if x < 15 else 1 if x < 25 else 2,
                100 * (x - close[t - 1]) / close[t - 1],
                100 * (x - close[t - 5]) / close[t - 5],
            )
        )
    return np.array(rows).T
