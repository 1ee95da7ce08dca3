"""p-values of a family, and how exact a p-value from draws of chance is.

Adjusted p-values of K tests, p_(1) <= ... <= p_(K), g the sum of 1/i for i = 1..K:

- bonferroni: min(1, K p). Holds the chance of *any* false finding, whatever the dependence.
- holm: running maximum of min(1, (K - i + 1) p_(i)) (Holm 1979, "A simple sequentially rejective
  multiple test procedure", Scandinavian Journal of Statistics 6, 65-70). As Bonferroni, and never
  weaker.
- benjamini_hochberg: running minimum from above of min(1, K p_(i) / i) (Benjamini and Hochberg
  1995, "Controlling the false discovery rate", JRSS B 57, 289-300). Holds the expected *share* of
  false findings among the findings, for independent or positively dependent tests.
- benjamini_yekutieli: the same times g, for any dependence (Benjamini and Yekutieli 2001, "The
  control of the false discovery rate in multiple testing under dependency", Annals of Statistics
  29, 1165-1188).

A Monte-Carlo p-value of b draws (surrogates, resamples) at least as good among B is
(b + 1) / (B + 1), never 0 (Phipson and Smyth 2010, "Permutation p-values should never be zero",
Stat. Appl. Genet. Mol. Biol. 9(1), 39). Its standard error is
sqrt(p (1 - p) / (B + 1)); its interval, for the p that infinitely many draws would give, is
that of Clopper and Pearson (1934, "The use of confidence or fiducial limits", Biometrika 26,
404-413) for b of B.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from marketlab.core import (
    ConfigError,
    DataError,
    FloatArray,
    FrozenConfig,
    IntArray,
    check_at_least,
    check_between,
)

Adjustment = Literal["bonferroni", "holm", "benjamini_hochberg", "benjamini_yekutieli"]
_PROMISE: dict[str, str] = {
    "bonferroni": "the chance of any false finding is held",
    "holm": "the chance of any false finding is held",
    "benjamini_hochberg": "the expected share of false findings is held, if the tests are "
    "independent or positively dependent",
    "benjamini_yekutieli": "the expected share of false findings is held",
}


class FamilyDecision(FrozenConfig):
    """Which tests of a family stand.

    Attributes
    ----------
    method : of adjustment. level : of the family.
    n_tests : K, tests without a p-value and further openings of the test set included.
    n_test_openings : how often the sealed test set was opened.
    adjusted : adjusted p-value of each test, in the order given.
    found : positions of the tests whose adjusted p is at most `level`.
    sentence : the finding and what it promises.
    """

    method: Adjustment
    level: float
    n_tests: int
    n_test_openings: int
    adjusted: tuple[float, ...]
    found: tuple[int, ...]
    sentence: str


class MonteCarloPValue(FrozenConfig):
    """A p-value from draws of chance (surrogates, resamples) with its Monte-Carlo error.

    Attributes
    ----------
    p : (b + 1) / (B + 1). standard_error : sqrt(p (1 - p) / (B + 1)).
    low, high : Clopper-Pearson interval at `confidence` for the p of infinitely many draws.
    n_as_good : b. n_draws : B. sentence : the finding.
    """

    p: float
    standard_error: float
    low: float
    high: float
    confidence: float
    n_as_good: int
    n_draws: int
    sentence: str


def adjust_p_values(
    p_values: Sequence[float] | FloatArray,
    *,
    method: Adjustment = "benjamini_hochberg",
    level: float = 0.05,
    n_tests: int | None = None,
    n_test_openings: int = 0,
) -> FamilyDecision:
    """Return adjusted p-values of a family and which of its tests stand.

    Parameters
    ----------
    p_values : one per test, each in [0, 1].
    method : see the module; `holm` where one false finding is one too many.
    level : of the family, 0.0001 to 0.5.
    n_tests : all tests made, those without a p-value included (they count as p = 1); None: as
        many as came.
    n_test_openings : openings of the sealed test set; each after the first counts as one more
        test of p = 1.

    Raises
    ------
    DataError (DATA-PValue) for no p-value at all or one outside [0, 1]; ConfigError for an
    unknown method, a level out of range or fewer tests than p-values.
    """
    values = _checked(p_values)
    check_between("level", level, 1e-4, 0.5)
    check_at_least("n_test_openings", n_test_openings, 0)
    if method not in _PROMISE:
        raise ConfigError(
            f"method must be one of {', '.join(_PROMISE)}; received {method!r}.",
            code="CONFIG-Adjustment",
            field="method",
            value=method,
        )
    known = len(values)
    if n_tests is not None and n_tests < known:
        raise ConfigError(
            f"the family has {n_tests} tests, fewer than the {known} p-values handed over.",
            code="CONFIG-TrialCount",
            field="n_tests",
            value=n_tests,
        )
    total = (known if n_tests is None else n_tests) + max(0, n_test_openings - 1)
    adjusted = _METHODS[method](values, total)
    found = tuple(int(i) for i in np.flatnonzero(adjusted <= level))
    opened = (
        f" The test set was opened {n_test_openings} times, each after the first counts as a test."
        if n_test_openings > 1
        else ""
    )
    return FamilyDecision(
        method=method,
        level=level,
        n_tests=total,
        n_test_openings=n_test_openings,
        adjusted=tuple(float(p) for p in adjusted),
        found=found,
        sentence=(
            f"{len(found)} of {total} tests stand at {100 * level:g} % after the correction of "
            f"{method.replace('_', '-').title()}: {_PROMISE[method]}.{opened}"
        ),
    )


def _checked(p_values: Sequence[float] | FloatArray) -> FloatArray:
    values: FloatArray = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise DataError(
            f"a family needs one p-value or more in one dimension; received {values.shape}.",
            code="DATA-PValue",
        )
    good = (values >= 0.0) & (values <= 1.0)
    if not good.all():
        bad = int(np.flatnonzero(~good)[0])
        raise DataError(
            f"a p-value lies in [0, 1]; number {bad} is {values[bad]}.",
            code="DATA-PValue",
            value=float(values[bad]),
            suggestion="Leave out a test without a p-value and count it in n_tests.",
        )
    return values


def _in_order(values: FloatArray) -> tuple[IntArray, FloatArray]:
    order = np.argsort(values, kind="stable")
    return order, values[order]


def _back(order: IntArray, ranked: FloatArray) -> FloatArray:
    out = np.empty(len(order))
    out[order] = np.minimum(ranked, 1.0)
    return out


def _bonferroni(values: FloatArray, total: int) -> FloatArray:
    return np.asarray(np.minimum(values * total, 1.0))


def _holm(values: FloatArray, total: int) -> FloatArray:
    order, ranked = _in_order(values)
    return _back(order, np.maximum.accumulate(ranked * (total - np.arange(len(ranked)))))


def _hochberg(values: FloatArray, total: int) -> FloatArray:
    order, ranked = _in_order(values)
    scaled = ranked * total / np.arange(1, len(ranked) + 1)
    return _back(order, np.minimum.accumulate(scaled[::-1])[::-1])


def _yekutieli(values: FloatArray, total: int) -> FloatArray:
    order, ranked = _in_order(values)
    harmonic = float((1.0 / np.arange(1, total + 1)).sum())
    scaled = ranked * (total * harmonic) / np.arange(1, len(ranked) + 1)
    return _back(order, np.minimum.accumulate(scaled[::-1])[::-1])


_METHODS: dict[str, Callable[[FloatArray, int], FloatArray]] = {
    "bonferroni": _bonferroni,
    "holm": _holm,
    "benjamini_hochberg": _hochberg,
    "benjamini_yekutieli": _yekutieli,
}


def monte_carlo_p_value(
    n_as_good: int, n_draws: int, *, confidence: float = 0.95
) -> MonteCarloPValue:
    """Return the p-value of b draws at least as good among B, with its error.

    Parameters
    ----------
    n_as_good : b, 0 to B. n_draws : B, 1 or more. confidence : of the interval, 0.5 to 0.999.

    Raises
    ------
    ConfigError for a number out of range.
    """
    check_at_least("n_draws", n_draws, 1)
    check_between("n_as_good", n_as_good, 0, n_draws)
    check_between("confidence", confidence, 0.5, 0.999)
    p = (n_as_good + 1.0) / (n_draws + 1.0)
    low, high = clopper_pearson(n_as_good, n_draws, confidence)
    return MonteCarloPValue(
        p=p,
        standard_error=math.sqrt(p * (1.0 - p) / (n_draws + 1.0)),
        low=low,
        high=high,
        confidence=confidence,
        n_as_good=n_as_good,
        n_draws=n_draws,
        sentence=(
            f"{n_as_good} of {n_draws} draws of chance did at least as well: p = {p:.4f}, with "
            f"endless draws between {low:.4f} and {high:.4f} ({100 * confidence:g} %)."
        ),
    )


def clopper_pearson(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    """Return the exact interval of a share, by bisection of the binomial tails."""
    tail = (1.0 - confidence) / 2.0
    counts = np.arange(trials + 1)
    log_choose = np.array(
        [math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) for k in counts]
    )

    def mass(share: float, wanted: slice) -> float:
        k = counts[wanted]
        terms = log_choose[wanted] + k * math.log(share) + (trials - k) * math.log1p(-share)
        return float(np.exp(terms).sum())

    low = _root(lambda q: mass(q, slice(successes, None)) - tail) if successes > 0 else 0.0
    high = _root(lambda q: tail - mass(q, slice(0, successes + 1))) if successes < trials else 1.0
    return low, high


def _root(rising: Callable[[float], float]) -> float:
    """Return where a rising function of a share crosses 0."""
    below, above = 0.0, 1.0
    for _ in range(60):
        middle = (below + above) / 2.0
        if rising(middle) < 0.0:
            below = middle
        else:
            above = middle
    return (below + above) / 2.0
