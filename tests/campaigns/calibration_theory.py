"""What the calibration is read against: exact binomial limits, and power by normal theory."""

import math
from statistics import NormalDist

import numpy as np
from calibration_world import SPLITS

_NORMAL = NormalDist()
_TESTS = 27


def binomial_cdf(k: int, n: int, share: float) -> float:
    """Return P(X <= k) of n tosses."""
    return sum(math.comb(n, i) * share**i * (1.0 - share) ** (n - i) for i in range(k + 1))


def at_most(n: int, share: float, *, doubt: float = 0.001) -> int:
    """Return the most hits of n that a true `share` exceeds less often than `doubt`."""
    return next(k for k in range(n + 1) if 1.0 - binomial_cdf(k, n, share) < doubt)


def at_least(n: int, share: float, *, doubt: float = 0.001) -> int:
    """Return the fewest hits of n that a true `share` falls below less often than `doubt`."""
    return n - at_most(n, 1.0 - share, doubt=doubt)


def exact_interval(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a share."""
    tail = (1.0 - level) / 2.0

    def root(k: int, wanted: float) -> float:  # P(X <= k) falls with the share
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2.0
            if binomial_cdf(k, n, middle) > wanted:
                low = middle
            else:
                high = middle
        return (low + high) / 2.0

    return (
        0.0 if hits == 0 else root(hits - 1, 1.0 - tail),
        1.0 if hits == n else root(hits, tail),
    )


def power(
    points: float, split: str, bars: int, *, carried: float = 1.0, inputs: int = 9
) -> dict[str, float]:
    """Return the power of one strategy by two tests, from normal approximations.

    ``theory_accuracy``: the share of right directions against one half, one-sided, 5 % over 27
    tests: z = 2 e sqrt(n) for an edge e on n bars.

    ``theory_interval``: the judge's own condition, the 95 % interval of log-loss skill above zero.
    A line with log odds f + error, E f^2 = 16 e^2 c, E error^2 = 4 p / n_train, has a skill of
    2 e^2 c - p / (2 n_train) nats and a standard deviation of sqrt(4 e^2 c + p / n_train) per
    sample: even with c = 1 (all of the edge carried) and no estimated parameter its z is e sqrt(n),
    half of the other's, because forecasting 52 % costs in log-loss half of what it gains.
    Estimation of p parameters takes its part of the skill on top.

    ``theory_null``: the same skill against the best of 27 nulls, whose skills vary by
    sqrt(p / (n_train n)) about -p / (2 n_train).
    """
    edge, parameters = points / 100.0, 1 + inputs
    n, inverse = sizes(split, bars)
    signal = 2.0 * edge**2 * carried
    loss = 0.5 * parameters * inverse
    spread = math.sqrt((4.0 * edge**2 * carried + parameters * inverse) / n)
    threshold = _NORMAL.inv_cdf(1.0 - 0.05 / _TESTS)
    null = threshold * math.sqrt(parameters * inverse / n) - loss
    return {
        "scored": n,
        "theory_accuracy": round(_NORMAL.cdf(2.0 * edge * math.sqrt(n) - threshold), 3),
        "theory_interval": round(_NORMAL.cdf((signal - loss) / spread - _NORMAL.inv_cdf(0.975)), 3),
        "theory_null": round(_NORMAL.cdf((signal - loss - null) / spread), 3),
    }


def sizes(split: str, bars: int) -> tuple[int, float]:
    """Return the scored samples and the mean of 1 / n_train over them, warm-up left aside."""
    if split == "ratio":
        return int(0.15 * bars), 1.0 / (0.70 * bars)
    rule = SPLITS["walk_forward"]
    first, folds = rule["train_share"] * bars, rule["n_folds"]
    step = (bars - first) / folds
    trained = [(1.0 - rule["validation_share"]) * (first + k * step) for k in range(folds)]
    return int(bars - first), float(np.mean([1.0 / n for n in trained]))
