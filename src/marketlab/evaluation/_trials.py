"""How many independent trials stand behind the best one, and what luck alone gives the best of N.

Symbols: M trials with returns; R their correlation matrix, r its off-diagonal entries; N trials
in all, failed, pruned and repeated ones included; g Euler's constant 0.5772...

Expected maximum of N independent standard normal values (the False Strategy theorem):
E[max] = (1 - g) Phi^-1(1 - 1/N) + g Phi^-1(1 - 1/(N e)), 0 for N = 1.

Effective number, two estimates; the larger is used, since too small a number flatters:

- average correlation: rho + (1 - rho) M with rho the mean of r, not below 0 (Bailey and López de
  Prado 2014, "The deflated Sharpe ratio", Journal of Portfolio Management 40(5), 94-107, appendix
  on the number of independent trials);
- eigenvalues: (sum l)^2 / sum l^2 = M^2 / (M + sum of r^2), the participation ratio of the
  eigenvalues l of R (Bell and Dean 1970, "Atomic vibrations in vitreous silica", Discussions of
  the Faraday Society 50, 55-61). Sampling alone gives each r^2 a mean of 1 / (T - 1) over T
  periods, which is taken off; without that, 27 unrelated trials on 250 days would count as 24.

Trials whose returns are not at hand count as independent ones. A third estimate, by clusters of
the correlation matrix, is `clustered_trials`.
"""

import math
from statistics import NormalDist

import numpy as np

from marketlab.core import ConfigError, DataError, FloatArray, FrozenConfig, check_at_least
from marketlab.evaluation._sharpe import check_finite

EULER_GAMMA = 0.5772156649015329
_NORMAL = NormalDist()
MIN_PERIODS_FOR_CORRELATION = 30


class EffectiveTrials(FrozenConfig):
    """How many independent trials a search amounts to.

    Attributes
    ----------
    n_trials : in the ledger, whatever became of them. n_with_returns : those with returns, M.
    n_effective : the larger estimate plus the trials without returns.
    by_average_correlation, by_eigenvalues : estimates for the M trials with returns.
    average_correlation : mean off-diagonal correlation, as measured (it may be negative).
    sentence : the finding.
    """

    n_trials: int
    n_with_returns: int
    n_effective: float
    by_average_correlation: float
    by_eigenvalues: float
    average_correlation: float
    sentence: str


class BacktestLength(FrozenConfig):
    """Below how many years the best of N trials reaches a Sharpe ratio by luck.

    Attributes
    ----------
    years : MinBTL. upper_bound_years : 2 ln(N) / SR^2, the simple bound of the same paper.
    n_trials : independent trials. annual_sharpe : the ratio to be believed, annualised.
    years_available : None if not given. sentence : the finding.
    """

    years: float
    upper_bound_years: float
    n_trials: float
    annual_sharpe: float
    years_available: float | None
    sentence: str


def expected_maximum(n_trials: float) -> float:
    """Return the expected maximum of `n_trials` independent standard normal values.

    The approximation of the False Strategy theorem, within 0.05 of the true value for 2 or more.
    0 for one trial; between 1 and 2 it is drawn straight from 0 to the formula's value at 2,
    because the formula has none at 1.

    Raises
    ------
    ConfigError for less than one trial.
    """
    check_at_least("n_trials", n_trials, 1)
    if n_trials < 2.0:
        return (n_trials - 1.0) * expected_maximum(2.0)
    return (1.0 - EULER_GAMMA) * _NORMAL.inv_cdf(1.0 - 1.0 / n_trials) + (
        EULER_GAMMA * _NORMAL.inv_cdf(1.0 - 1.0 / (n_trials * math.e))
    )


def effective_number_of_trials(trial_returns: FloatArray, *, n_trials: int) -> EffectiveTrials:
    """Return how many independent trials a search of correlated ones amounts to.

    Parameters
    ----------
    trial_returns : ndarray of shape (T, M); returns of M trials over the same T periods, idle
        periods as 0. T is 30 or more, M is 1 or more.
    n_trials : all trials in the ledger, M or more.

    Raises
    ------
    DataError (DATA-TooFewReturns, DATA-NotFinite, DATA-ConstantReturns, DATA-ShapeMismatch);
    ConfigError (CONFIG-TrialCount) if the ledger counts fewer trials than have returns.
    """
    table = checked_trial_returns(trial_returns)
    n_periods, n_known = table.shape
    check_trial_count(n_trials, n_known)
    correlation = trial_correlations(table)
    n_pairs = n_known * (n_known - 1)
    off = correlation[~np.eye(n_known, dtype=bool)]
    rho = float(off.mean()) if n_pairs else 0.0
    by_correlation = max(rho, 0.0) + (1.0 - max(rho, 0.0)) * n_known
    squares = float(off @ off) - n_pairs / (n_periods - 1.0)
    by_eigenvalues = n_known**2 / (n_known + max(squares, 0.0))
    used = max(by_correlation, by_eigenvalues)
    effective = min(used + (n_trials - n_known), float(n_trials))
    unknown = n_trials - n_known
    rest = f", and {unknown} without returns count as independent" if unknown else ""
    return EffectiveTrials(
        n_trials=n_trials,
        n_with_returns=n_known,
        n_effective=effective,
        by_average_correlation=by_correlation,
        by_eigenvalues=by_eigenvalues,
        average_correlation=rho,
        sentence=(
            f"{n_trials} trials amount to {effective:.1f} independent ones: the {n_known} with "
            f"returns correlate by {rho:.2f} on average and amount to {used:.1f}{rest}."
        ),
    )


def trial_correlations(table: FloatArray) -> FloatArray:
    """Return the correlation matrix (M, M) of checked returns (T, M)."""
    centred = table - table.mean(axis=0)
    unit = centred / np.sqrt((centred**2).sum(axis=0))
    return np.asarray(unit.T @ unit)


def checked_trial_returns(trial_returns: FloatArray) -> FloatArray:
    """Return returns as float64 (T, M); refuse what has no correlation."""
    table: FloatArray = np.ascontiguousarray(trial_returns, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 1:
        raise DataError(
            f"trial_returns must have shape (T, M) with M of 1 or more; received {table.shape}.",
            code="DATA-ShapeMismatch",
        )
    if table.shape[0] < MIN_PERIODS_FOR_CORRELATION:
        raise DataError(
            f"correlations of trials need {MIN_PERIODS_FOR_CORRELATION} periods or more; the "
            f"table has {table.shape[0]}.",
            code="DATA-TooFewReturns",
            value=table.shape[0],
        )
    check_finite(table, "trial_returns")
    constant = np.ptp(table, axis=0) <= 1e-12 * np.abs(table).max(axis=0)
    if constant.any():
        raise DataError(
            f"the returns of trial {int(np.flatnonzero(constant)[0])} do not vary, so it "
            "correlates with nothing.",
            code="DATA-ConstantReturns",
            suggestion="Leave it out of the table and keep it in n_trials.",
        )
    return table


def check_trial_count(n_trials: int, n_known: int) -> None:
    """Refuse a ledger count below the number of trials that were handed over."""
    if n_trials < n_known:
        raise ConfigError(
            f"the ledger's {n_trials} trials are fewer than the {n_known} handed over.",
            code="CONFIG-TrialCount",
            field="n_trials",
            value=n_trials,
            suggestion="Count every trial: failed, pruned and repeated ones too.",
        )


def minimum_backtest_length(
    n_trials: float, *, annual_sharpe: float, years_available: float | None = None
) -> BacktestLength:
    """Return the years below which the best of `n_trials` reaches `annual_sharpe` by luck.

    MinBTL = (E[max of N] / SR)^2 years, at most 2 ln(N) / SR^2: Bailey, Borwein, López de Prado
    and Zhu (2014), "Pseudo-mathematics and financial charlatanism", Notices of the AMS 61(5),
    458-471, the minimum backtest length. It assumes trials without edge, independent returns
    and an annual Sharpe ratio with standard error 1 / sqrt(years).

    Parameters
    ----------
    n_trials : independent trials, 1 or more, for example `EffectiveTrials.n_effective`.
    annual_sharpe : the annualised ratio that is to be believed, above 0.
    years_available : length of the record at hand; told in the sentence.

    Raises
    ------
    ConfigError for a number out of range.
    """
    check_at_least("n_trials", n_trials, 1)
    check_at_least("annual_sharpe", annual_sharpe, 1e-6)
    if years_available is not None:
        check_at_least("years_available", years_available, 0.0)
    years = (expected_maximum(n_trials) / annual_sharpe) ** 2
    sentence = (
        f"The best of {n_trials:.1f} independent trials without any edge is expected to show an "
        f"annual Sharpe ratio of {annual_sharpe:.2f} on {years:.2f} years"
    )
    if years_available is None:
        sentence += "; a shorter record says nothing."
    elif years_available >= years:
        sentence += f"; the record of {years_available:.2f} years is longer."
    else:
        sentence += f"; the record of {years_available:.2f} years is too short to say anything."
    return BacktestLength(
        years=years,
        upper_bound_years=2.0 * math.log(n_trials) / annual_sharpe**2,
        n_trials=float(n_trials),
        annual_sharpe=annual_sharpe,
        years_available=years_available,
        sentence=sentence,
    )
