"""The Sharpe ratio of the best of many trials, less what luck gives the best of as many.

DSR = PSR(SR*), with SR* = sqrt(V) E[max of N]: V the variance of the trials' Sharpe ratios, N
their effective number, E[max] from the False Strategy theorem.

Source: Bailey and López de Prado (2014), "The deflated Sharpe ratio: correcting for selection
bias, backtest overfitting and non-normality", Journal of Portfolio Management 40(5), 94-107.
Kurtosis is plain, as in `_sharpe`.

V is not allowed below the variance that a Sharpe ratio without edge has by sampling alone,
1 / (n - 1): a handful of near-copies of one strategy has almost no spread, and would bring the
benchmark down to nothing however many trials the ledger counts. The copies lower N instead.
"""

import math

import numpy as np

from marketlab.core import (
    ConfigError,
    DataError,
    FloatArray,
    FrozenConfig,
    check_at_least,
)
from marketlab.evaluation._sharpe import SharpeMoments, check_finite, psr, sharpe_moments
from marketlab.evaluation._trials import check_trial_count, expected_maximum


class DeflatedSharpe(FrozenConfig):
    """Probability that the best of many trials has a true Sharpe ratio above luck's.

    Attributes
    ----------
    probability : DSR; above 0.95 the ratio is more than the luck of the search.
    benchmark : SR*, the Sharpe ratio per period expected of the best of N trials without edge.
    n_trials : in the ledger. n_effective : N, further openings of the test set included.
    sharpe_spread : sqrt(V) that was used, per period.
    spread_from_sampling : True where the trials' own spread was smaller than sampling error alone
        and the latter was used.
    n_test_openings : how often the sealed test set was opened; each after the first is one more
        independent trial.
    moments : of the judged returns. sentence : the finding.
    """

    probability: float
    benchmark: float
    n_trials: int
    n_effective: float
    sharpe_spread: float
    spread_from_sampling: bool
    n_test_openings: int
    moments: SharpeMoments
    sentence: str


def deflated_sharpe_ratio(
    returns: FloatArray,
    *,
    trial_sharpes: FloatArray,
    n_trials: int,
    n_effective: float | None = None,
    n_test_openings: int = 0,
) -> DeflatedSharpe:
    """Return the probability that the best trial's Sharpe ratio is more than luck.

    Parameters
    ----------
    returns : ndarray of shape (n,); of the chosen trial, fractions per period.
    trial_sharpes : ndarray of shape (M,); Sharpe ratio per period of every trial that has one,
        the chosen one included, on the same bars. Two or more, unless the ledger counts one.
    n_trials : all trials in the ledger, M or more.
    n_effective : independent trials among them, `EffectiveTrials.n_effective`; None takes all
        for independent.
    n_test_openings : openings of the sealed test set, 0 before the first.

    Raises
    ------
    DataError as `sharpe_moments`; (DATA-TooFewTrials) for less than two trial Sharpe ratios of
    several trials. ConfigError for counts that contradict each other.
    """
    moments = sharpe_moments(returns)
    spread, sampled = _spread(trial_sharpes, n_trials, moments.n_returns)
    independent = _independent(n_trials, n_effective, n_test_openings)
    benchmark = spread * expected_maximum(independent)
    probability = psr(moments, benchmark)
    return DeflatedSharpe(
        probability=probability,
        benchmark=benchmark,
        n_trials=n_trials,
        n_effective=independent,
        sharpe_spread=spread,
        spread_from_sampling=sampled,
        n_test_openings=n_test_openings,
        moments=moments,
        sentence=_sentence(moments, benchmark, probability, (n_trials, independent))
        + _openings(n_test_openings),
    )


def _spread(trial_sharpes: FloatArray, n_trials: int, n_returns: int) -> tuple[float, bool]:
    """Return sqrt(V) and whether it is the sampling error alone."""
    values = np.asarray(trial_sharpes, dtype=np.float64)
    if values.ndim != 1:
        raise DataError(
            f"trial_sharpes must be one-dimensional; the shape is {values.shape}.",
            code="DATA-ShapeMismatch",
        )
    check_at_least("n_trials", n_trials, 1)
    check_trial_count(n_trials, len(values))
    check_finite(values, "trial_sharpes")
    if n_trials > 1 and len(values) < 2:
        raise DataError(
            f"the spread of {n_trials} trials needs the Sharpe ratios of 2 or more of them; "
            f"{len(values)} came.",
            code="DATA-TooFewTrials",
            field="trial_sharpes",
            value=len(values),
            suggestion="Keep the returns of every trial, not only of the best.",
        )
    sampling = 1.0 / math.sqrt(n_returns - 1.0)
    own = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return max(own, sampling), own < sampling


def _independent(n_trials: int, n_effective: float | None, n_test_openings: int) -> float:
    check_at_least("n_test_openings", n_test_openings, 0)
    if n_effective is None:
        n_effective = float(n_trials)
    if not 1.0 <= n_effective <= n_trials:
        raise ConfigError(
            f"the effective number lies between 1 and the ledger's {n_trials} trials; received "
            f"{n_effective!r}.",
            code="CONFIG-TrialCount",
            field="n_effective",
            value=n_effective,
        )
    return float(n_effective + max(0, n_test_openings - 1))


def _sentence(
    moments: SharpeMoments, benchmark: float, probability: float, trials: tuple[int, float]
) -> str:
    word = "more" if probability > 0.95 else "no more"
    return (
        f"A Sharpe ratio of {moments.sharpe:.4f} per period, the best of {trials[0]} trials "
        f"({trials[1]:.1f} independent), stands against {benchmark:.4f} that luck alone is "
        f"expected to give; it is {word} than luck at 95 % (probability {probability:.3f})."
    )


def _openings(n_test_openings: int) -> str:
    if n_test_openings == 0:
        return " The test set is sealed."
    if n_test_openings == 1:
        return " The test set was opened once."
    return (
        f" The test set was opened {n_test_openings} times; each opening after the first counts "
        "as one more independent trial."
    )
