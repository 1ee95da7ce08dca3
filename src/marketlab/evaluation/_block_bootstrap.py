"""Intervals for events that depend on their neighbours: runs of events are drawn, not single ones.

Symbols: E events in time order; d_e and n_e the sum of values and the number of samples of event
e; r = sum d / sum n; L the block length, in events.

A block bootstrap knows the variance as badly as E / L independent blocks would, so quantiles of
resamples are stretched by the t quantile of E / L - 1 degrees of freedom over the normal one and
by sqrt(E / (E - L)): the expansion of Hesterberg (2015) with blocks for observations. Blocks also
cut dependence at their ends, which makes intervals too short at few events: where the leading
autocorrelations of events say more (`dependence_factor`), the interval is widened to that. How
often the intervals hold the truth is measured by ``benchmarks/coverage_intervals.py``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from marketlab.core import (
    ConfigError,
    FloatArray,
    FrozenConfig,
    IntArray,
    check_at_least,
    check_between,
)
from marketlab.evaluation._block_length import optimal_block_length
from marketlab.evaluation._blocks import BlockMethod, resampled_sums
from marketlab.evaluation._bootstrap import (
    MIN_EVENTS_FOR_INTERVAL,
    EventSums,
    dependence_factor,
    event_sums,
)
from marketlab.evaluation._distributions import student_quantile
from marketlab.evaluation._undefined import Undefined, in_order

_MIN_BLOCKS = 3.0


class BlockInterval(FrozenConfig):
    """A confidence interval from blocks of events.

    Attributes
    ----------
    estimate : mean per sample. low, high : ends of the interval, same unit.
    method, block_length : how events were drawn, and the (mean) length of blocks in events.
    standard_error : of the resamples times sqrt(E / (E - L)), or the linearised one times the
        dependence factor, whichever is larger.
    """

    estimate: float
    low: float
    high: float
    level: float
    n_events: int
    method: BlockMethod
    block_length: float
    standard_error: float
    n_resamples: int


@dataclass(frozen=True, slots=True)
class Draw:
    """How resamples are drawn, checked: method, block length (None: automatic), number, seed."""

    method: BlockMethod
    block_length: float | None
    n_resamples: int
    seed: int
    level: float

    def __post_init__(self) -> None:
        if self.method not in ("stationary", "circular"):
            raise ConfigError(
                f"must be 'stationary' or 'circular'; received {self.method!r}.",
                field="method",
                value=self.method,
            )
        check_at_least("n_resamples", self.n_resamples, 100)
        check_between("level", self.level, 0.5, 0.999)


def block_bootstrap_means(
    values: FloatArray,
    event: IntArray,
    *,
    block_length: float,
    method: BlockMethod = "stationary",
    n_resamples: int = 2000,
    seed: int,
) -> FloatArray:
    """Return the mean per sample of each resample, shape (B,).

    Parameters
    ----------
    values : ndarray of shape (n,), finite, in time order.
    event : ndarray of int64 of shape (n,), ascending; pass ``np.arange(n)`` for a plain series.
    block_length : in events, 1 to E; the mean length for ``stationary``, rounded up for
        ``circular``. n_resamples : 100 or more.

    Raises
    ------
    DataError for values that are not finite, arrays that do not fit, or without any event;
    ConfigError for numbers out of range.
    """
    in_order("event", event)
    sums = event_sums(values, event)
    check_between("block_length", block_length, 1, max(1, len(sums.total)))
    if len(sums.total) == 0:
        raise ConfigError("a bootstrap needs one event or more; received none.", field="event")
    mean = float(sums.total.sum() / sums.size.sum())
    return mean + _shifts(sums, mean, block_length, Draw(method, None, n_resamples, seed, 0.95))


def block_bootstrap_interval(
    values: FloatArray,
    event: IntArray,
    *,
    method: BlockMethod = "stationary",
    block_length: float | None = None,
    n_resamples: int = 2000,
    seed: int,
    level: float = 0.95,
) -> BlockInterval | Undefined:
    """Return a confidence interval of the mean per sample of serially dependent events.

    Parameters
    ----------
    values : ndarray of shape (n,), finite, in time order: losses, loss differences, returns.
    event : ndarray of int64 of shape (n,), ascending; pass ``np.arange(n)`` for a plain series.
    block_length : in events; None: `optimal_block_length` of d_e - r n_e, between 1 and E / 3.
    n_resamples : 100 or more. seed : names the random stream.

    Returns
    -------
    The interval, or `Undefined` below 20 events, below 3 blocks if a length is asked for, or if
    all events agree exactly (for a share of hits `share_interval` has one even then).

    Raises
    ------
    DataError for values that are not finite or arrays that do not fit; ConfigError for numbers
    out of range.
    """
    draw = Draw(method, block_length, n_resamples, seed, level)
    in_order("event", event)
    sums = event_sums(values, event)
    if len(sums.total) < MIN_EVENTS_FOR_INTERVAL:
        return too_few_events(len(sums.total))
    n_samples = float(sums.size.sum())
    mean = float(sums.total.sum() / n_samples)
    residual = sums.total - mean * sums.size
    if float(residual @ residual) <= (1e-12 * float(np.abs(sums.total).max())) ** 2:
        residual = np.zeros(len(residual))
    return interval_of(
        mean, residual / n_samples, lambda length: _shifts(sums, mean, length, draw), draw
    )


def interval_of(
    estimate: float,
    influence: FloatArray,
    resample: Callable[[float], FloatArray],
    draw: Draw,
) -> BlockInterval | Undefined:
    """Return the interval of any score of 20 events or more.

    Parameters
    ----------
    influence : ndarray of shape (E,); what each event adds to the score, linearised: the sum of
        squares is about the variance. It chooses the block length and the least width.
    resample : from a block length to the B resampled scores less the estimate.
    """
    n_events = len(influence)
    if not influence.any():
        return Undefined(
            metric="interval",
            reason=f"all {n_events} events agree exactly, so nothing shows how far chance reaches.",
            counts={"events": n_events, "estimate": estimate},
        )
    length = _chosen_length(influence, draw)
    n_blocks = n_events / length
    if n_blocks < _MIN_BLOCKS:
        return Undefined(
            metric="interval",
            reason=f"{n_events} events hold {n_blocks:.1f} blocks of {length:g}; 3 are needed.",
            counts={"events": n_events, "block_length": length},
        )
    shift = resample(length)
    if not np.isfinite(shift).all():
        lost = int((~np.isfinite(shift)).sum())
        return Undefined(
            metric="interval",
            reason=(
                f"{lost:,} of {len(shift):,} resamples do not define the score: too few events "
                "hold the rarer class or answer."
            ),
            counts={"events": n_events, "undefined_resamples": lost},
        )
    block_error = float(shift.std() * math.sqrt(n_blocks / (n_blocks - 1.0)))
    plain = math.sqrt(float(influence @ influence) * n_events / (n_events - 1))
    error = max(block_error, plain * dependence_factor(influence))
    widening = error / block_error if block_error > 0.0 else 1.0
    below, above = _stretched_ends(widening * shift, n_blocks, draw.level)
    return BlockInterval(
        estimate=estimate,
        low=estimate + below,
        high=estimate + above,
        level=draw.level,
        n_events=n_events,
        method=draw.method,
        block_length=length,
        standard_error=error,
        n_resamples=draw.n_resamples,
    )


def too_few_events(n_events: int) -> Undefined:
    """Return the reason why there is no interval below 20 events."""
    return Undefined(
        metric="interval",
        reason=f"an interval needs {MIN_EVENTS_FOR_INTERVAL} events; there are {n_events}.",
        counts={"events": n_events, "required": MIN_EVENTS_FOR_INTERVAL},
    )


def _shifts(sums: EventSums, mean: float, length: float, draw: Draw) -> FloatArray:
    """Return r* - r, shape (B,), from centred sums, so that no digits are lost."""
    table = np.column_stack([sums.total - mean * sums.size, sums.size])
    drawn = resampled_sums(table, length, draw.method, draw.n_resamples, draw.seed)
    return np.asarray(drawn[:, 0] / drawn[:, 1])


def _chosen_length(influence: FloatArray, draw: Draw) -> float:
    asked = draw.block_length
    if asked is not None:
        check_between("block_length", asked, 1, len(influence))
        return float(asked) if draw.method == "stationary" else float(math.ceil(asked))
    found = optimal_block_length(influence)
    if isinstance(found, Undefined):  # too small to differ by rounding
        return 1.0
    length = found.stationary if draw.method == "stationary" else math.ceil(found.circular)
    return float(min(max(1.0, length), len(influence) // 3))


def _stretched_ends(shift: FloatArray, n_blocks: float, level: float) -> tuple[float, float]:
    """Return the ends, as distances from the estimate.

    Quantiles are stretched, and not taken farther out in the tail, because a t quantile of few
    blocks would ask for order statistics that 2,000 resamples do not have.
    """
    tail = (1.0 - level) / 2.0
    stretch = math.sqrt(n_blocks / (n_blocks - 1.0)) * student_quantile(1.0 - tail, n_blocks - 1.0)
    stretch /= NormalDist().inv_cdf(1.0 - tail)
    rank = max(1, math.floor(tail * (len(shift) + 1)))
    parted = np.partition(shift, (rank - 1, len(shift) - rank))
    return stretch * min(0.0, float(parted[rank - 1])), stretch * max(0.0, float(parted[-rank]))
