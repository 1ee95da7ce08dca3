"""p-values against a null, for one strategy and for the best of a family.

Symbols: S strategies; B surrogates; row b of the null holds the statistics of all strategies on
*one* surrogate, so that their dependence is kept.

Each strategy's column, the observed value among it, is centred and scaled; the family's p-value
of strategy s is the share of rows whose best strategy does at least as well (single-step maxT:
Westfall and Young 1993, "Resampling-Based Multiple Testing", 2.3; Romano and Wolf 2005, "Exact and
approximate stepdown methods for multiple hypothesis testing", JASA 100, 94-108). The observed
row counts as one of B + 1, so p is never 0 and the test is exact at any B (Phipson and Smyth 2010,
"Permutation p-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9(1), 39). The scale
must come from all B + 1 rows: taken from the surrogates alone, the observed row would not be
exchangeable with them.

Missing statistics (NaN: a surrogate without events or with one empty part) are kept out on
purpose. The family's p is taken over the surrogates on which every strategy has a value that has
one on the real bars: the best of fewer strategies is lower by itself, and counting such rows let a
family of 27 with 40 % missing pass in 9 % of cases instead of 5. ``n_surrogates`` says how many
values each strategy had. Replacing NaN by a small value would make chance look weaker than it is;
by a large one, stronger.
"""

from dataclasses import dataclass

import numpy as np

from marketlab.core import DataError, FloatArray, IntArray

MIN_COMPLETE = 19
"""Surrogates with a value for every strategy below which no p could reach 5 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxStatisticResult:
    """p-values of S strategies; every array has shape (S,).

    Attributes
    ----------
    p_adjusted : of the family; the chance that the *best* of S strategies without any edge does
        as well as this one did. NaN where the observed statistic is NaN, and everywhere if fewer
        than `MIN_COMPLETE` surrogates are complete (all of them, where there are fewer surrogates).
    p_single : of the strategy alone, information only.
    standardised : observed statistic in standard deviations of its null (0 where it has none).
    monte_carlo_error : standard error of p_adjusted that more surrogates would lower.
    n_surrogates : surrogates with a value for the strategy.
    n_family : number of strategies, S; all of them are in the maximum.
    """

    p_adjusted: FloatArray
    p_single: FloatArray
    standardised: FloatArray
    monte_carlo_error: FloatArray
    n_surrogates: IntArray
    n_family: int


def max_statistic_p_values(observed: FloatArray, null: FloatArray) -> MaxStatisticResult:
    """Return single and family-adjusted p-values; large statistics are good ones.

    Parameters
    ----------
    observed : ndarray of shape (S,); statistic of each strategy on the real bars. NaN: the run
        could not be scored; it gets no p, and its surrogates stay in the family.
    null : ndarray of shape (B, S); row b from surrogate b, by the same procedure. NaN: missing.

    Raises
    ------
    DataError if the shapes do not fit, there is no surrogate or no strategy, or a value is
    infinite.
    """
    n_family = _check(observed, null)
    table = np.vstack([observed, null])  # (B + 1, S); row 0 is the observed one
    scaled = _standardise(table)
    present = ~np.isnan(scaled)
    best = np.where(present, scaled, -np.inf).max(axis=1)  # (B + 1,)
    usable = present[1:, present[0]].all(axis=1)
    n_rows = int(usable.sum())
    n_each = present[1:].sum(axis=0)
    with np.errstate(invalid="ignore"):
        beaten_alone = (scaled[1:] >= scaled[0]).sum(axis=0)
        beaten_by_best = (best[1:, None][usable] >= scaled[0]).sum(axis=0)
    p_single = (1.0 + beaten_alone) / (n_each + 1.0)
    # The two are taken over different rows; the family's p may still never fall below the single.
    p_adjusted = np.maximum((1.0 + beaten_by_best) / (n_rows + 1.0), p_single)
    if n_rows < min(MIN_COMPLETE, len(null)):
        p_adjusted[:] = np.nan
    missing = np.isnan(observed)
    p_single[missing] = np.nan
    p_adjusted[missing] = np.nan
    return MaxStatisticResult(
        p_adjusted=p_adjusted,
        p_single=p_single,
        standardised=scaled[0],
        monte_carlo_error=np.sqrt(p_adjusted * (1.0 - p_adjusted) / (n_rows + 1.0)),
        n_surrogates=n_each.astype(np.int64),
        n_family=n_family,
    )


def _check(observed: FloatArray, null: FloatArray) -> int:
    if observed.ndim != 1 or null.ndim != 2 or null.shape[1] != len(observed):
        raise DataError(
            "the observed statistics must have shape (S,) and the null (B, S); received "
            f"{observed.shape} and {null.shape}.",
            code="DATA-ShapeMismatch",
        )
    if null.size == 0:
        raise DataError(
            f"a p-value needs at least one surrogate and one strategy; received {null.shape}.",
            code="DATA-ShapeMismatch",
        )
    if np.isinf(observed).any() or np.isinf(null).any():
        raise DataError(
            "a statistic is infinite; a missing one must be NaN.",
            code="DATA-NotFinite",
            suggestion="Look at the probabilities: log-loss is clipped and cannot be infinite.",
        )
    return len(observed)


def _standardise(table: FloatArray) -> FloatArray:
    """Centre and scale each column over all rows that have a value; a constant column gives 0.

    A constant column (a strategy whose score no surrogate moves) ties with every row, hence p 1.
    """
    present = ~np.isnan(table)
    count = np.maximum(present.sum(axis=0), 1)
    mean = np.where(present, table, 0.0).sum(axis=0) / count
    centred = np.where(present, table - mean, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / np.maximum(count - 1, 1))
    constant = spread <= 1e-12 * np.maximum(np.abs(mean), np.finfo(np.float64).tiny)
    scaled = np.where(constant, 0.0, centred / np.where(constant, 1.0, spread))
    return np.asarray(np.where(present, scaled, np.nan))
