"""How often the 95 % intervals of `marketlab.evaluation` hold the truth, by number of events.

Simulated series with a known mean; the table is for ``docs/LOG.md``. One standard error at 2,000
repeats is 0.5 points (the last five rows have a quarter of the repeats).

    python benchmarks/coverage_intervals.py [--repeats 2000]
"""

import argparse

import numpy as np

from marketlab.evaluation import (
    Undefined,
    auc_interval,
    binary_score_intervals,
    binary_scores,
    block_bootstrap_interval,
    event_bootstrap_interval,
    share_interval,
)

EVENTS = (20, 50, 100, 300, 1000)
RESAMPLES = 999


def independent(rng, n):
    return rng.exponential(size=n) - 1.0, np.arange(n), 0.0


def autoregressive(rng, n, rho):
    noise = rng.normal(size=n + 100)
    out = np.empty(n + 100)
    last = 0.0
    for k, value in enumerate(noise):
        last = rho * last + value
        out[k] = last
    return out[100:], np.arange(n), 0.0


def legs(rng, n):
    """Legs of exponential length, each with its own luck, linked to the leg before by 0.4."""
    length = 1 + rng.exponential(30.0, size=n).astype(np.int64)
    luck = autoregressive(rng, n, 0.4)[0]
    event = np.repeat(np.arange(n), length)
    return luck[event] + rng.normal(size=len(event)), event, 0.0


def shares(rng, n):
    """Wins of a tier: 5 samples an event that mostly agree, true share 0.75."""
    common = rng.random(n) < 0.75
    own = rng.random((n, 5)) < 0.75
    agree = rng.random((n, 5)) < 0.6
    return np.where(agree, common[:, None], own).astype(np.int64).ravel(), np.repeat(
        np.arange(n), 5
    )


def auc_sample(rng, n):
    """Events of 5 samples with a shared outcome and a shared part of the score; AUC 0.7602."""
    y = np.repeat((rng.random(n) < 0.4).astype(np.int64), 5)
    event = np.repeat(np.arange(n), 5)
    shared = np.repeat(rng.normal(size=n), 5)
    return y, y + np.sqrt(0.5) * (shared + rng.normal(size=len(y))), event


AUC_TRUTH = 0.7602499389065233  # Phi(1 / sqrt(2))
SERIES = {
    "independent, skewed": independent,
    "AR(1) 0.3": lambda rng, n: autoregressive(rng, n, 0.3),
    "AR(1) 0.6": lambda rng, n: autoregressive(rng, n, 0.6),
    "legs, neighbours 0.4": legs,
}


def held(interval, truth):
    if interval is None or isinstance(interval, Undefined):
        return None
    return interval.low <= truth <= interval.high


def cell(hits):
    known = [hit for hit in hits if hit is not None]
    if len(known) < len(hits) / 2:
        return "–"
    return f"{100 * np.mean(known):.1f}"


def mean_row(series, method, n_events, repeats):
    rng, hits = np.random.default_rng(n_events), []
    for k in range(repeats):
        values, event, truth = SERIES[series](rng, n_events)
        if method == "events":
            interval = event_bootstrap_interval(values, event, n_resamples=RESAMPLES, seed=k)
        else:
            interval = block_bootstrap_interval(
                values, event, method=method, n_resamples=RESAMPLES, seed=k
            )
        hits.append(held(interval, truth))
    return cell(hits)


def share_row(n_events, repeats):
    rng, hits = np.random.default_rng(n_events), []
    for _ in range(repeats):
        hit, event = shares(rng, n_events)
        hits.append(held(share_interval(hit, event), 0.75))
    return cell(hits)


def auc_row(n_events, repeats, *, clustered):
    rng, hits = np.random.default_rng(n_events), []
    for _ in range(repeats):
        y, score, event = auc_sample(rng, n_events)
        hits.append(held(auc_interval(y, score, event=event if clustered else None), AUC_TRUTH))
    return cell(hits)


SCORES = ("balanced_accuracy", "mcc", "precision", "auc", "pr_auc")


def score_rows(repeats):
    """Scores that are no means, resampled by event, on the samples of `auc_sample`."""
    rng = np.random.default_rng(0)

    def sample(n):
        y, score, event = auc_sample(rng, n)
        return y, 1.0 / (1.0 + np.exp(0.5 - score)), event

    truth = binary_scores(*sample(400_000)[:2])
    cells = {name: [] for name in SCORES}
    for n in EVENTS:
        hits = {name: [] for name in SCORES}
        for k in range(repeats):
            found = binary_score_intervals(*sample(n), n_resamples=499, seed=k)
            for name in SCORES:
                hits[name].append(held(found[name], getattr(truth, name)))
        for name in SCORES:
            cells[name].append(cell(hits[name]))
    for name in SCORES:
        print(f"| {name}, clustered: stationary | " + " | ".join(cells[name]) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2000)
    repeats = parser.parse_args().repeats
    print("| coverage of 95 % intervals, % | " + " | ".join(str(n) for n in EVENTS) + " |")
    print("|---|" + "---|" * len(EVENTS))
    rows = [
        (f"{series}: {method}", lambda n, s=series, m=method: mean_row(s, m, n, repeats))
        for series in SERIES
        for method in ("events", "stationary", "circular")
    ]
    rows.append(("share of clustered samples: Wilson", lambda n: share_row(n, repeats)))
    rows.append(("AUC, clustered: by event", lambda n: auc_row(n, repeats, clustered=True)))
    rows.append(("AUC, clustered: as if single", lambda n: auc_row(n, repeats, clustered=False)))
    for name, work in rows:
        print(f"| {name} | " + " | ".join(work(n) for n in EVENTS) + " |", flush=True)
    score_rows(max(1, repeats // 4))


if __name__ == "__main__":
    main()
