"""How often the strategy that was best in one half of the record is below the median in the other.

Combinatorially symmetric cross-validation: T periods are cut into S neighbouring blocks; each of
the C(S, S/2) choices of half the blocks is a training half, the rest (in order) its test half. The
strategy best in training has rank r among N in testing; omega = r / (N + 1) and the logit is
ln(omega / (1 - omega)). PBO is the share of logits <= 0.

Source: Bailey, Borwein, López de Prado and Zhu (2017), "The probability of backtest overfitting",
Journal of Computational Finance 20(4), 39-69: CSCV, the logits, performance degradation and the
probability of loss.

- T not divisible by S: the first T mod S blocks are one period longer; no period is dropped.
- Ties in testing get their mean rank; of equal training scores the first strategy is chosen.
  Scores that differ by rounding only (1e-12, means: of the largest return) are ties, so that
  copies of one strategy tie.
- A strategy that stays flat (every return exactly 0) through a half scores 0 there: it neither
  won nor lost. One whose returns are some other constant has no Sharpe ratio and is refused.
- With an odd N the middle rank has logit 0 and counts as overfitted, as in the paper, so that
  pure noise gives (N + 1) / (2 N) rather than 1/2; `share_at_median` says how much that is.
"""

from collections.abc import Iterator
from itertools import combinations, islice
from typing import Literal

import numpy as np

from marketlab.core import ConfigError, DataError, FloatArray, FrozenConfig, IntArray
from marketlab.evaluation._sharpe import check_finite

MIN_BLOCK_PERIODS = 5
MIN_STRATEGIES = 2
MAX_BLOCKS = 20  # C(20, 10) = 184,756 halves; the next is 705,432
_CHUNK = 4096

OverfittingMetric = Literal["sharpe", "mean"]


class OverfittingProbability(FrozenConfig):
    """What cross-validation of the *choice* says.

    Attributes
    ----------
    pbo : probability of backtest overfitting, share of logits <= 0; about 0.5 where the choice
        is no better than chance, near 0 where one strategy is truly better.
    share_at_median : share of logits that are exactly 0 (contained in `pbo`).
    median_logit : middle of the logits.
    degradation_slope, degradation_intercept : least squares of the test score on the training
        score of the chosen strategy over all halves; None where the training score never varies.
        What one half of a record has more than its mean the other has less, so the slope is below
        0 on pure noise (about -0.6 for 20 strategies) and near -1 where one true winner is always
        chosen: read it with `loss_probability`, not alone.
    loss_probability : share of halves in which the chosen strategy's test score is below 0.
    metric : "sharpe" per period or "mean" return.
    n_strategies, n_periods, n_blocks, n_halves : N, T, S, C(S, S/2).
    block_periods : shortest and longest block.
    most_chosen : column that was best in training most often. chosen_share : in which share.
    sentence : the finding.
    """

    pbo: float
    share_at_median: float
    median_logit: float
    degradation_slope: float | None
    degradation_intercept: float | None
    loss_probability: float
    metric: OverfittingMetric
    n_strategies: int
    n_periods: int
    n_blocks: int
    n_halves: int
    block_periods: tuple[int, int]
    most_chosen: int
    chosen_share: float
    sentence: str


def probability_of_backtest_overfitting(
    returns: FloatArray, *, n_blocks: int = 16, metric: OverfittingMetric = "sharpe"
) -> OverfittingProbability:
    """Return the probability that choosing the best strategy picks one below the median.

    Parameters
    ----------
    returns : ndarray of shape (T, N); fractions per period of every strategy among which the
        choice was made, over the same T periods, idle periods as 0.
    n_blocks : S, even, 4 to 20.
    metric : what the choice maximises.

    Raises
    ------
    ConfigError (CONFIG-Blocks) for an odd or too large S, or an unknown metric; DataError
    (DATA-TooFewStrategies) below 2 strategies, (DATA-TooFewReturns) where a block has less than 5
    periods, (DATA-NotFinite), (DATA-ConstantReturns).
    """
    table = _checked(returns, n_blocks, metric)
    sizes = _block_sizes(len(table), n_blocks)
    logits, trained, tested, chosen = _score_halves(table, sizes, metric)
    n_strategies = table.shape[1]
    counts = np.bincount(chosen, minlength=n_strategies)
    most = int(counts.argmax())
    pbo = float((logits <= 0.0).mean())
    slope, intercept = _degradation(trained, tested)
    loss = float((tested < 0.0).mean())
    share = float(counts[most] / len(chosen))
    return OverfittingProbability(
        pbo=pbo,
        share_at_median=float((logits == 0.0).mean()),
        median_logit=float(np.median(logits)),
        degradation_slope=slope,
        degradation_intercept=intercept,
        loss_probability=loss,
        metric=metric,
        n_strategies=n_strategies,
        n_periods=len(table),
        n_blocks=n_blocks,
        n_halves=len(logits),
        block_periods=(int(sizes.min()), int(sizes.max())),
        most_chosen=most,
        chosen_share=share,
        sentence=(
            f"Chosen on one half of the record, the best of {n_strategies} strategies is at or "
            f"below the median on the other half in {100 * pbo:.1f} % of {len(logits)} splits "
            f"(chance: about 50 %) and loses money in {100 * loss:.1f} %."
        ),
    )


def _checked(returns: FloatArray, n_blocks: int, metric: str) -> FloatArray:
    if n_blocks % 2 or not 4 <= n_blocks <= MAX_BLOCKS:
        raise ConfigError(
            f"n_blocks must be even and lie in [4, {MAX_BLOCKS}]; received {n_blocks}.",
            code="CONFIG-Blocks",
            field="n_blocks",
            value=n_blocks,
        )
    if metric not in ("sharpe", "mean"):
        raise ConfigError(
            f"metric must be 'sharpe' or 'mean'; received {metric!r}.",
            code="CONFIG-Blocks",
            field="metric",
            value=metric,
        )
    table: FloatArray = np.ascontiguousarray(returns, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < MIN_STRATEGIES:
        raise DataError(
            f"a choice needs returns of shape (T, N) of {MIN_STRATEGIES} strategies or more; "
            f"received {table.shape}.",
            code="DATA-TooFewStrategies",
        )
    if len(table) // n_blocks < MIN_BLOCK_PERIODS:
        raise DataError(
            f"{n_blocks} blocks need {n_blocks * MIN_BLOCK_PERIODS} periods or more "
            f"({MIN_BLOCK_PERIODS} each); the record has {len(table)}.",
            code="DATA-TooFewReturns",
            field="returns",
            value=len(table),
            suggestion="Use fewer blocks or a longer record.",
        )
    check_finite(table, "returns")
    return table


def _block_sizes(n_periods: int, n_blocks: int) -> IntArray:
    sizes = np.full(n_blocks, n_periods // n_blocks, dtype=np.int64)
    sizes[: n_periods % n_blocks] += 1
    return sizes


def _halves(n_blocks: int) -> Iterator[FloatArray]:
    """Yield indicator tables of shape (up to 4096, S): 1 where a block is in training."""
    choices = combinations(range(n_blocks), n_blocks // 2)
    while chunk := list(islice(choices, _CHUNK)):
        table = np.zeros((len(chunk), n_blocks))
        np.put_along_axis(table, np.array(chunk), 1.0, axis=1)
        yield table


def _score_halves(
    table: FloatArray, sizes: IntArray, metric: str
) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
    """Return logit, training and test score, and column of the chosen strategy, per half."""
    centre = table.mean(axis=0)  # sums of squares lose no digits around it
    centred = table - centre
    starts = np.r_[0, np.cumsum(sizes)[:-1]]
    sums = (
        np.add.reduceat(centred, starts, axis=0),
        np.add.reduceat(centred**2, starts, axis=0),
        np.add.reduceat((table != 0.0).astype(np.float64), starts, axis=0),
    )
    n_strategies = table.shape[1]
    rounding = 1e-12 * (float(np.abs(table).max()) if metric == "mean" else 1.0)
    logits, trained, tested, chosen = [], [], [], []
    for training in _halves(len(sizes)):
        score = _scores(training, sums, sizes, centre, metric)
        best = (score >= score.max(axis=1, keepdims=True) - rounding).argmax(axis=1)
        rows = np.arange(len(best))
        other = _scores(1.0 - training, sums, sizes, centre, metric)
        mine = other[rows, best]
        below = (other < mine[:, None] - rounding).sum(axis=1)
        tied = (np.abs(other - mine[:, None]) <= rounding).sum(axis=1)  # the chosen one included
        rank = below + (tied + 1) / 2.0
        logits.append(np.log(rank / (n_strategies + 1.0 - rank)))
        trained.append(score[rows, best])
        tested.append(np.where(np.abs(mine) <= rounding, 0.0, mine))
        chosen.append(best)
    return (
        np.concatenate(logits),
        np.concatenate(trained),
        np.concatenate(tested),
        np.concatenate(chosen),
    )


def _scores(
    half: FloatArray,
    sums: tuple[FloatArray, FloatArray, FloatArray],
    sizes: IntArray,
    centre: FloatArray,
    metric: str,
) -> FloatArray:
    """Return the score of each strategy on each half, shape (halves, N)."""
    count = (half @ sizes)[:, None]
    shift = (half @ sums[0]) / count
    idle = half @ sums[2] == 0.0
    mean = np.where(idle, 0.0, shift + centre)
    if metric == "mean":
        return np.asarray(mean)
    squares = np.maximum(half @ sums[1] - count * shift**2, 0.0)
    size = squares + count * mean**2
    constant = ~idle & (squares <= 1e-20 * size)
    if constant.any():
        column = int(np.argwhere(constant)[0, 1])
        raise DataError(
            f"the returns of strategy {column} are one and the same number, not 0, through half "
            "the record, so it has no Sharpe ratio there.",
            code="DATA-ConstantReturns",
            value=column,
            suggestion="Use the metric 'mean', or leave that strategy out and say so.",
        )
    deviation = np.sqrt(np.where(idle, 1.0, squares) / (count - 1.0))
    return np.asarray(mean / deviation)


def _degradation(trained: FloatArray, tested: FloatArray) -> tuple[float | None, float | None]:
    """Return slope and intercept of test on training score; None without variation."""
    centred = trained - trained.mean()
    variance = float(centred @ centred)
    if variance <= 1e-24 * max(float(trained @ trained), 1e-300):
        return None, None
    slope = float(centred @ tested) / variance
    return slope, float(tested.mean() - slope * trained.mean())
