"""The 33 one-minute columns on 3.08 million bars, beside pandas and beside TA-Lib with NumPy.

Both comparators compute the same columns, which is checked in the same run (after the warm-up,
to 1e-6). They may use what is fastest there: TA-Lib has no rolling quantile, so that one takes
pandas' compiled one. Every contender keeps all its columns, in fresh memory. ``--recycled`` writes
into one used matrix instead, as surrogates do. Then one bar at a time, and a fresh process.
Medians of ``--rounds``; one JSON line each.

    python benchmarks/bench_features.py [--rounds 3] [--bars 3081668]
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import numpy as np

from marketlab.features import FeatureFamily, FeatureTier

TIER = "minute_v1"
_FRESH = """
import time; started = time.perf_counter()
import numpy as np
from marketlab.features import FeatureTier
x = np.linspace(100.0, 200.0, 5000)
t = 60.0 * np.arange(5000)
arrays = dict(open=x, high=x + 1, low=x - 1, close=x, volume=x, time=t, close_time=t + 60)
FeatureTier.load("minute_v1").compute(arrays)
print(time.perf_counter() - started)
"""


def make_arrays(n):
    rng = np.random.default_rng(0)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, 5e-4, n)))
    open_ = np.concatenate([[100.0], close[:-1]])
    time_s = 1_577_836_800.0 + 60.0 * np.arange(n)
    return {
        "open": open_,
        "high": np.maximum(open_, close) * (1 + np.abs(rng.normal(0, 2e-4, n))),
        "low": np.minimum(open_, close) * (1 - np.abs(rng.normal(0, 2e-4, n))),
        "close": close,
        "volume": rng.integers(1, 500, n).astype(float),
        "time": time_s,
        "close_time": time_s + 60.0,
    }


def session_columns(time_s):
    hour = (time_s % 86_400 // 3600).astype(np.int64)
    session = hour // 8
    day = ((time_s // 86_400).astype(np.int64) + 3) % 7
    return {
        "session": session,
        "session_tokyo": session == 0,
        "session_london": session == 1,
        "session_new_york": session == 2,
        "day_of_week": day,
        "is_weekend": day >= 5,
    }


def regime_columns(atr, low, high):
    is_low = atr < low
    is_high = (atr >= high) & ~is_low
    medium = ~is_low & ~is_high
    return {
        "volatility_regime": 2 * is_high + medium,
        "volatility_low": is_low,
        "volatility_medium": medium,
        "volatility_high": is_high,
    }


def by_pandas(arrays):
    import pandas as pd

    frame = pd.DataFrame(arrays)
    close, volume = frame["close"], frame["volume"]
    out = session_columns(arrays["time"])
    out["spread"] = frame["high"] - frame["low"]
    out["spread_pct"] = 100 * out["spread"] / close
    before = close.shift(1)
    ranges = pd.concat(
        [out["spread"], (frame["high"] - before).abs(), (frame["low"] - before).abs()], axis=1
    ).max(axis=1)
    out["atr"] = ranges.rolling(14).mean()
    out["spread_atr_ratio"] = out["spread"] / (out["atr"] + 1e-8)
    out["volume_ma"] = volume.rolling(20).mean()
    out["volume_ratio"] = volume / (out["volume_ma"] + 1e-8)
    # Least squares over 0 … 19, from two rolling sums: pandas has no rolling slope.
    position = pd.Series(np.arange(len(volume), dtype=float))
    weighted = (volume * position).rolling(20).sum()
    total = volume.rolling(20).sum()
    out["volume_trend"] = (weighted - (position - 9.5) * total) / 665.0
    for n in (7, 14, 21, 50):
        out[f"sma_{n}"] = close.rolling(n).mean()
        out[f"price_sma_{n}_ratio"] = close / (out[f"sma_{n}"] + 1e-8)
    change = close.diff().fillna(0.0)
    gain = change.clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    loss = (-change).clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    out["rsi"] = 100 * gain / (gain + loss)
    fast = close.ewm(span=12, adjust=False).mean()
    out["macd"] = fast - close.ewm(span=26, adjust=False).mean()
    out["macd_signal"] = out["macd"].ewm(span=9, adjust=False).mean()
    out["macd_diff"] = out["macd"] - out["macd_signal"]
    middle, width = close.rolling(20).mean(), 2 * close.rolling(20).std(ddof=0)
    out["bb_high"], out["bb_low"] = middle + width, middle - width
    out["bb_width"] = (out["bb_high"] - out["bb_low"]) / (close + 1e-8)
    out["bb_position"] = (close - out["bb_low"]) / (out["bb_high"] - out["bb_low"] + 1e-8)
    window = out["atr"].rolling(20)
    return out | regime_columns(out["atr"], window.quantile(0.33), window.quantile(0.67))


def by_talib(arrays):
    import pandas as pd
    import talib

    close, high, low = arrays["close"], arrays["high"], arrays["low"]
    volume = arrays["volume"]
    out = session_columns(arrays["time"])
    out["spread"] = high - low
    out["spread_pct"] = 100 * out["spread"] / close
    out["atr"] = talib.SMA(talib.TRANGE(high, low, close), 14)
    out["spread_atr_ratio"] = out["spread"] / (out["atr"] + 1e-8)
    out["volume_ma"] = talib.SMA(volume, 20)
    out["volume_ratio"] = volume / (out["volume_ma"] + 1e-8)
    out["volume_trend"] = talib.LINEARREG_SLOPE(volume, 20)
    for n in (7, 14, 21, 50):
        out[f"sma_{n}"] = talib.SMA(close, n)
        out[f"price_sma_{n}_ratio"] = close / (out[f"sma_{n}"] + 1e-8)
    out["rsi"] = talib.RSI(close, 14)
    out["macd"], out["macd_signal"], out["macd_diff"] = talib.MACD(close, 12, 26, 9)
    out["bb_high"], _, out["bb_low"] = talib.BBANDS(close, 20, 2, 2)
    out["bb_width"] = (out["bb_high"] - out["bb_low"]) / (close + 1e-8)
    out["bb_position"] = (close - out["bb_low"]) / (out["bb_high"] - out["bb_low"] + 1e-8)
    window = pd.Series(out["atr"]).rolling(20)
    low_q, high_q = (window.quantile(q).to_numpy() for q in (0.33, 0.67))
    return out | regime_columns(out["atr"], low_q, high_q)


def timed(call, rounds):
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - started)
        del result
    return statistics.median(seconds)


def check_equal(tier, matrix, other, by):
    for k, name in enumerate(tier.names):
        mine, theirs = matrix.column(k)[2000:], np.asarray(other[name], dtype=float)[2000:]
        # A regime flips where the mean range equals its quantile up to rounding.
        share = np.mean(~np.isclose(mine, theirs, rtol=1e-6, atol=1e-6))
        if share > (1e-4 if name.startswith("volatility") else 0.0):
            raise SystemExit(f"{name} differs from {by} at {100 * share:.4f} % of the bars")


def say(measure, **facts):
    print(json.dumps({"measure": measure, **facts}), flush=True)


def stream_us(tier, arrays, bars=2000):
    stream = tier.stream()
    rows = [{k: float(v[i]) for k, v in arrays.items()} for i in range(bars)]
    for row in rows[: bars // 2]:
        stream.push(**row)
    started = time.perf_counter()
    for row in rows[bars // 2 :]:
        stream.push(**row)
    return (time.perf_counter() - started) / (bars // 2) * 1e6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bars", type=int, default=3_081_668)
    given = parser.parse_args()
    arrays = make_arrays(given.bars)
    tier = FeatureTier.load(TIER)
    small = {k: v[:10_000] for k, v in arrays.items()}
    check_equal(tier, tier.compute(small), by_pandas(small), "pandas")
    check_equal(tier, tier.compute(small), by_talib(small), "TA-Lib")
    pandas_s = timed(lambda: by_pandas(arrays), given.rounds)
    talib_s = timed(lambda: by_talib(arrays), given.rounds)
    family = FeatureFamily([tier])
    family.compute(arrays, recycle=True)
    ways = {
        "two threads, fresh memory": lambda: tier.compute(arrays, threads=2),
        "one thread, fresh memory": lambda: tier.compute(arrays, threads=1),
        "two threads, used memory": lambda: family.compute(arrays, recycle=True, threads=2),
        "one thread, used memory": lambda: family.compute(arrays, recycle=True),
    }
    for how, call in ways.items():
        ours = timed(call, given.rounds)
        facts = {"how": how, "seconds": round(ours, 3), "bars": given.bars}
        say("33 one-minute columns", **facts, over="pandas", ratio=round(pandas_s / ours, 2))
        say(
            "33 one-minute columns",
            **facts,
            over="TA-Lib and NumPy",
            ratio=round(talib_s / ours, 2),
        )
    say("comparators", pandas_seconds=round(pandas_s, 3), talib_seconds=round(talib_s, 3))
    say("stream, one bar, 33 columns", microseconds=round(stream_us(tier, arrays), 1), target=200)
    fresh = [
        float(
            subprocess.run([sys.executable, "-c", _FRESH], capture_output=True, check=True).stdout
        )
        for _ in range(given.rounds)
    ]
    say("fresh process to first matrix, warm cache", seconds=round(statistics.median(fresh), 2))


if __name__ == "__main__":
    main()
