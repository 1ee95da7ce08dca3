"""How many different ideas a search holds, from clusters of its trials' returns.

Symbols: M trials; r their correlations; d = sqrt((1 - r) / 2) the distance of two trials, 0 for
copies, 1 for opposites. As in the source, a trial is the *column* of its distances to all trials,
so that two trials are near if they stand alike to every other one.

Source: López de Prado and Lewis (2019), "Detection of false investment strategies using
unsupervised learning methods", Quantitative Finance 19(9), 1555-1565: the optimal number of
clusters (ONC) as an estimate of the number of independent trials. What differs here:

- Clusters come from average linkage (Sokal and Michener 1958, "A statistical method for
  evaluating systematic relationships", Univ. Kansas Sci. Bull. 38, 1409-1438) instead of k-means
  with random starts, so that equal returns give equal clusters without a seed.
- The number of clusters is the one of the largest mean silhouette (Rousseeuw 1987, "Silhouettes: a
  graphical aid to the interpretation and validation of cluster analysis", J. Comput. Appl. Math.
  20, 53-65), not of mean over deviation, which is infinite for exact copies. Where no number
  reaches more than 0.25 ("no substantial structure": Kaufman and Rousseeuw 1990, "Finding groups in
  data", table 2.4) all trials are one cluster.
- A cluster is not taken for one trial: with c members of mean correlation q (0 at least) it counts
  as q + (1 - q) c, the formula of Bailey and López de Prado (2014) for trials that correlate
  alike (see `_trials`). The number of clusters alone would call 27 unrelated trials a handful.
  Trials that stand alone are often gathered in one loose cluster; with q near 0 all of them count.
"""

import numpy as np

from marketlab.core import FloatArray, FrozenConfig, IntArray
from marketlab.evaluation._trials import checked_trial_returns, trial_correlations

MIN_SILHOUETTE = 0.25


class TrialClusters(FrozenConfig):
    """Clusters of correlated trials.

    Attributes
    ----------
    n_clusters : 1 where the trials show no groups. n_effective : independent trials, sum over
        clusters of q + (1 - q) c.
    clusters : columns of each cluster, the largest first. inner_correlation : q of each, as
        measured; 1 for a single trial.
    silhouette : mean silhouette of the clusters; 0 for one cluster.
    n_trials, n_periods : M and T. sentence : the finding.
    """

    n_clusters: int
    n_effective: float
    clusters: tuple[tuple[int, ...], ...]
    inner_correlation: tuple[float, ...]
    silhouette: float
    n_trials: int
    n_periods: int
    sentence: str


def clustered_trials(trial_returns: FloatArray) -> TrialClusters:
    """Return the clusters of correlated trials and how many independent ones they amount to.

    Parameters
    ----------
    trial_returns : ndarray of shape (T, M); returns of M trials over the same T periods, idle
        periods as 0. T is 30 or more, M is 1 or more. Time and memory grow with M^3 and M^2.

    Raises
    ------
    DataError as `effective_number_of_trials`.
    """
    table = checked_trial_returns(trial_returns)
    correlation = trial_correlations(table)
    label, silhouette = _best_clusters(correlation)
    members = [np.flatnonzero(label == k) for k in range(int(label.max()) + 1)]
    members.sort(key=lambda found: (-len(found), int(found[0])))
    inner = [_inner(correlation, found) for found in members]
    effective = sum(
        max(q, 0.0) + (1.0 - max(q, 0.0)) * len(found)
        for q, found in zip(inner, members, strict=True)
    )
    return TrialClusters(
        n_clusters=len(members),
        n_effective=float(effective),
        clusters=tuple(tuple(int(i) for i in found) for found in members),
        inner_correlation=tuple(inner),
        silhouette=silhouette,
        n_trials=table.shape[1],
        n_periods=len(table),
        sentence=_sentence(len(members), table.shape[1], float(effective)),
    )


def _sentence(n_clusters: int, n_trials: int, effective: float) -> str:
    if n_clusters == 1:
        groups = "They show no separate groups"
    else:
        groups = f"They fall into {n_clusters} groups"
    word = "trial" if n_trials == 1 else "trials"
    return f"{groups}, by which the {n_trials} {word} amount to {effective:.1f}."


def _inner(correlation: FloatArray, members: IntArray) -> float:
    c = len(members)
    if c == 1:
        return 1.0
    block = correlation[np.ix_(members, members)]
    return float(np.clip((block.sum() - np.trace(block)) / (c * (c - 1)), -1.0, 1.0))


def _best_clusters(correlation: FloatArray) -> tuple[IntArray, float]:
    """Return the cluster of each trial, and the mean silhouette."""
    n = len(correlation)
    one = np.zeros(n, dtype=np.int64)
    distance = np.sqrt(np.clip((1.0 - correlation) / 2.0, 0.0, 1.0))
    np.fill_diagonal(distance, 0.0)
    square = (distance**2).sum(axis=0)
    # Columns of the distance matrix as points; rounding must not make a copy's distance negative.
    apart = np.sqrt(np.maximum(square[:, None] + square - 2.0 * distance @ distance, 0.0))
    apart[apart <= 1e-6] = 0.0
    best, chosen = MIN_SILHOUETTE, one
    for label in _linkage(apart):
        mean = _silhouette(apart, label)
        if mean > best + 1e-12:
            best, chosen = mean, label
    return (chosen, best) if chosen is not one else (one, 0.0)


def _linkage(apart: FloatArray) -> list[IntArray]:
    """Return the clusterings of 2 to M - 1 clusters by average linkage, the fewest first."""
    n = len(apart)
    label = np.arange(n)
    size = np.ones(n)
    table = apart.copy()
    np.fill_diagonal(table, np.inf)
    found = []
    for _ in range(n - 2):
        a, b = sorted(int(i) for i in np.unravel_index(int(table.argmin()), table.shape))
        merged = (size[a] * table[a] + size[b] * table[b]) / (size[a] + size[b])
        table[a], table[:, a] = merged, merged
        table[a, a] = np.inf
        table[b], table[:, b] = np.inf, np.inf
        size[a] += size[b]
        label[label == b] = a
        found.append(np.unique(label, return_inverse=True)[1].astype(np.int64))
    return found[::-1]


def _silhouette(apart: FloatArray, label: IntArray) -> float:
    """Return the mean of (b - a) / max(a, b); 0 for a trial that is alone."""
    n_clusters = int(label.max()) + 1
    member = np.eye(n_clusters)[label]
    size = member.sum(axis=0)
    sums = apart @ member
    own = size[label]
    rows = np.arange(len(label))
    inside = sums[rows, label] / np.maximum(own - 1.0, 1.0)
    others = sums / size
    others[rows, label] = np.inf
    outside = others.min(axis=1)
    scale = np.maximum(inside, outside)
    value = np.where(scale > 0.0, (outside - inside) / np.where(scale > 0.0, scale, 1.0), 0.0)
    return float(np.where(own > 1.0, value, 0.0).mean())
