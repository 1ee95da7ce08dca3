"""Speed of the primitives: eight indicators as graphs beside TA-Lib, and each primitive alone.

One thread. Times are CPU time of this process (`time.process_time`), the least of ``--rounds``: a
shared machine disturbs it less. Ratios are within one run. Memory is recycled on both sides: our
matrix is allocated and touched before, and TA-Lib's results come from freed memory of the call
before (a first call, which touches fresh memory, is not counted). One JSON line per measure.

    python benchmarks/bench_kernels.py [--rounds 5] [--bars 3081668] [--block 4096 16384]
"""

import argparse
import json
import time

import numpy as np
import pandas as pd
import talib

from marketlab.features import INDICATORS, Graph, primitive, source
from marketlab.features._parallel import run_graph
from marketlab.features._runner import Runner
from marketlab.kernels import PRIMITIVES

LIMIT, PLAIN_LIMIT, TOGETHER_LIMIT = 2.5, 6.0, 1.0
ALONE = {
    "rolling_rank": [{"window": w, "kind": 1} for w in (20, 60, 1000, 10_000)],
    "rolling_quantile": [{"window": w, "q": 0.8} for w in (20, 1000, 10_000)],
    "rolling_std": [{"window": 20, "ddof": 1}],
    "rolling_skew": [{"window": 20}],
    "permutation_entropy": [{"window": 20, "order": 3}, {"window": 20, "order": 5}],
    "approximate_entropy": [{"window": 50, "m": 2, "r": 0.2}],
    "spectral_entropy": [{"window": 64}],
    "hurst_rs": [{"window": 128}],
    "dfa": [{"window": 128}],
    "higuchi_fd": [{"window": 64, "kmax": 5}],
    "calendar": [{"field": 0, "zone": 1}],
}


def make_bars(n):
    random = np.random.default_rng(0)
    close = 100.0 * np.exp(np.cumsum(random.normal(0, 2e-4, n)))
    open_ = np.concatenate([[100.0], close[:-1]])
    wick = np.abs(random.normal(0, 1e-4, (2, n)))
    high = np.maximum(open_, close) * (1 + wick[0])
    low = np.minimum(open_, close) * (1 - wick[1])
    volume = np.floor(random.uniform(1, 100, n))
    return {"open": open_, "high": high, "low": low, "close": close, "volume": volume}


def outputs(name, *chosen, **params):
    definition = INDICATORS.get(name)
    built = definition.build(definition.check(params))
    return [built[key] for key in chosen or built]


def indicators(bars):
    """Return per name our expressions and TA-Lib's call for the same numbers."""
    high, low, close, volume = (bars[k] for k in ("high", "low", "close", "volume"))
    mean = primitive("rolling_mean", source("close"), window=20)
    width = 2.0 * primitive("rolling_std", source("close"), window=20, ddof=0)
    return {
        "RSI": (outputs("rsi", period=14), lambda: talib.RSI(close, 14)),
        "ATR": (outputs("atr_wilder", period=14), lambda: talib.ATR(high, low, close, 14)),
        "MACD": (outputs("macd"), lambda: talib.MACD(close, 12, 26, 9)),
        "BBANDS": ([mean + width, mean, mean - width], lambda: talib.BBANDS(close, 20)),
        "ADX": (outputs("adx_wilder", "adx", period=14), lambda: talib.ADX(high, low, close, 14)),
        "STOCH": (
            outputs("stochastic", k_period=14, d_period=3, smooth_k=3),
            lambda: talib.STOCH(high, low, close, 14, 3, 0, 3, 0),
        ),
        "MFI": (outputs("mfi", period=14), lambda: talib.MFI(high, low, close, volume, 14)),
        "AROON": (
            outputs("aroon_inclusive", "up", "down", period=25),
            lambda: talib.AROON(high, low, 25),
        ),
        "MAX": (
            [primitive("rolling_max", source("high"), window=20)],
            lambda: talib.MAX(high, 20),
        ),
        "MIN": (
            [primitive("rolling_min", source("low"), window=20)],
            lambda: talib.MIN(low, 20),
        ),
    }


def milliseconds(work, rounds):
    work()
    taken = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return 1e3 * min(taken)


def show(measure, **facts):
    facts = {k: round(v, 2) if isinstance(v, float) else v for k, v in facts.items()}
    print(json.dumps({"measure": measure, **facts}), flush=True)


def graph_time(expressions, bars, block, rounds):
    graph = Graph.of(expressions)
    out = np.zeros((len(expressions), len(bars["close"])))
    return milliseconds(lambda: Runner(graph, block).run(bars, out), rounds)


def against_talib(bars, block, rounds):
    table = indicators(bars)
    sums = [0.0, 0.0]
    together = []
    for name, (expressions, theirs) in table.items():
        ours = graph_time(expressions, bars, block, rounds)
        talib_ms = milliseconds(theirs, rounds)
        plain = name in ("MAX", "MIN")
        show(
            name,
            block=block,
            ms=ours,
            talib_ms=talib_ms,
            ratio=ours / talib_ms,
            limit=PLAIN_LIMIT if plain else LIMIT,
        )
        if not plain:
            sums = [sums[0] + ours, sums[1] + talib_ms]
            together += expressions
    ours = graph_time(together, bars, block, rounds)
    show(
        "eight as one graph",
        block=block,
        ms=ours,
        ms_one_by_one=sums[0],
        talib_ms=sums[1],
        ratio=ours / sums[1],
        limit=TOGETHER_LIMIT,
    )
    theirs = [call for name, (_, call) in table.items() if name not in ("MAX", "MIN")]
    two_threads(together, theirs, bars, rounds)


def two_threads(expressions, theirs, bars, rounds):
    """Time the graph over two cores by the clock, as `FeatureTier.compute` uses them."""
    graph = Graph.of(expressions)
    out = np.zeros((len(expressions), len(bars["close"])))
    ours = wall_ms(lambda: run_graph(graph, bars, out, threads=2), rounds)
    talib_ms = sum(wall_ms(call, rounds) for call in theirs)
    show(
        "eight as one graph, two threads, by the clock",
        ms=ours,
        talib_ms=talib_ms,
        ratio=ours / talib_ms,
        limit=TOGETHER_LIMIT,
    )


def wall_ms(work, rounds):
    best = float("inf")
    for _ in range(rounds + 1):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return 1e3 * best


def alone(bars, rounds):
    """Time single primitives on 200,000 bars, beside pandas where it has the same."""
    x = np.ascontiguousarray(bars["close"][:200_000])
    for name, variants in ALONE.items():
        for params in variants:
            definition = PRIMITIVES.get(name)
            checked = definition.check(params)
            column = 1e9 + 60.0 * np.arange(len(x)) if name == "calendar" else x
            n = 20_000 if name.endswith("entropy") or "window" not in params else len(x)
            out = np.zeros(n)

            def ours(definition=definition, checked=checked, column=column[:n], out=out):
                state = np.zeros(definition.state_size(checked))
                kernel, arguments = definition.bind([column], checked, state, out)
                kernel(*arguments)

            ns = 1e6 * milliseconds(ours, rounds) / n
            theirs = pandas_call(name, params, pd.Series(x))
            pandas_ns = None if theirs is None else 1e6 * milliseconds(theirs, 1) / len(x)
            show(
                name,
                **params,
                ns_per_bar=ns,
                pandas_ns_per_bar=pandas_ns,
                ratio=None if pandas_ns is None else ns / pandas_ns,
            )


def pandas_call(name, params, series):
    rolling = series.rolling(params.get("window", 2))
    return {
        "rolling_rank": lambda: rolling.rank(pct=True),
        "rolling_quantile": lambda: rolling.quantile(params["q"]),
        "rolling_std": rolling.std,
        "rolling_skew": rolling.skew,
    }.get(name)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bars", type=int, default=3_081_668)
    parser.add_argument("--block", type=int, nargs="+", default=[4096])
    given = parser.parse_args()
    bars = make_bars(given.bars)
    for block in given.block:
        against_talib(bars, block, given.rounds)
    alone(bars, given.rounds)


if __name__ == "__main__":
    main()
