"""Bootstrap intervals and DeLong's test beside `arch` and scikit-learn, all in one run.

40,000 samples in 1,000 events, 10,000 resamples of the mean per sample. `arch` gets the sums per
event (it would need 40 times as long on samples) and the same ratio of sums; our figure includes
summing, the interval and, for stationary blocks, the automatic block length. The paired AUC test
stands beside two plain areas of scikit-learn, without any interval. Machines are shared, so the
best of ``--rounds`` turns counts; one JSON line per measure, the ratio is what to trust.

    python benchmarks/bench_evaluation.py [--rounds 5]
"""

import argparse
import json
import time

import numpy as np
from arch.bootstrap import CircularBlockBootstrap, IIDBootstrap, StationaryBootstrap
from sklearn.metrics import roc_auc_score

from marketlab.evaluation import (
    block_bootstrap_interval,
    event_bootstrap_interval,
    paired_auc_test,
)

N_SAMPLES, N_EVENTS, N_RESAMPLES, BLOCK = 40_000, 1_000, 10_000, 5


def make_sample():
    rng = np.random.default_rng(0)
    border = np.sort(rng.choice(np.arange(1, N_SAMPLES), N_EVENTS - 1, replace=False))
    event = np.searchsorted(border, np.arange(N_SAMPLES), side="right")
    return rng.normal(0.01, 1.0, N_SAMPLES) + 0.3 * rng.normal(size=N_EVENTS)[event], event


def ratio(total, size):
    return total.sum() / size.sum()


def best(work, rounds):
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    values, event = make_sample()
    sums = [np.bincount(event, weights=values), np.bincount(event).astype(float)]
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, N_SAMPLES)
    first, second = (y + rng.normal(size=N_SAMPLES) for _ in range(2))

    def blocks(method):
        return lambda: block_bootstrap_interval(
            values, event, method=method, block_length=BLOCK, n_resamples=N_RESAMPLES, seed=1
        )

    tasks = {
        "event_bootstrap": (
            lambda: event_bootstrap_interval(values, event, n_resamples=N_RESAMPLES, seed=1),
            lambda: IIDBootstrap(*sums, seed=1).apply(ratio, N_RESAMPLES),
            "arch",
        ),
        "stationary_bootstrap_automatic_length": (
            lambda: block_bootstrap_interval(values, event, n_resamples=N_RESAMPLES, seed=1),
            lambda: StationaryBootstrap(1, *sums, seed=1).apply(ratio, N_RESAMPLES),
            "arch",
        ),
        "stationary_bootstrap_blocks_of_5": (
            blocks("stationary"),
            lambda: StationaryBootstrap(BLOCK, *sums, seed=1).apply(ratio, N_RESAMPLES),
            "arch",
        ),
        "circular_bootstrap_blocks_of_5": (
            blocks("circular"),
            lambda: CircularBlockBootstrap(BLOCK, *sums, seed=1).apply(ratio, N_RESAMPLES),
            "arch",
        ),
        "paired_auc_test": (
            lambda: paired_auc_test(y, first, second),
            lambda: (roc_auc_score(y, first), roc_auc_score(y, second)),
            "two plain areas of scikit-learn",
        ),
    }
    for name, (ours, theirs, peer) in tasks.items():
        ours()  # compiles, or loads what was compiled
        mine = best(ours, rounds)
        other = best(theirs, max(1, rounds // 2))
        line = {
            "benchmark": name,
            "samples": N_SAMPLES,
            "events": N_EVENTS,
            "resamples": N_RESAMPLES if "bootstrap" in name else None,
            "seconds": round(mine, 4),
            "beside": peer,
            "peer_seconds": round(other, 4),
            "times_as_fast": round(other / mine, 1),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
