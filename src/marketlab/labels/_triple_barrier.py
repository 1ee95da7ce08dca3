"""Triple barrier: which of two levels scaled by volatility is reached first, or neither in time."""

import numpy as np
from pydantic import Field

from marketlab.core import ConfigError, FloatArray, FrozenConfig, IntArray
from marketlab.kernels import jit, register_warmup
from marketlab.labels._barriers import (
    BOTH_HIT,
    LOWER_HIT,
    NONE_HIT,
    UPPER_HIT,
    choose_entries,
)
from marketlab.labels._base import (
    BUY,
    CLASS_NAMES,
    HOLD,
    LABELS,
    SELL,
    LabelSet,
    LabelSource,
    make_label_set,
)
from marketlab.labels._checks import check_bars
from marketlab.labels._volatility import VolatilityMeasure, barrier_volatility, cusum_events

OUTCOMES = ("timeout", "upper", "lower", "both_in_one_bar")
"""What may happen to an entry, in the order of the codes."""


class TripleBarrierRule(FrozenConfig):
    """Where the barriers lie. With v the volatility of one bar at the entry, and c its close:

    upper ``c * (1 + up * v)``, lower ``c * (1 - down * v)``, vertical `horizon` bars later.

    volatility, span : see `barrier_volatility`. timeout_factor : without a touch the label is HOLD
    if ``|return| < v * sqrt(horizon) * timeout_factor``, else the sign of the return.
    cusum_threshold : label only the bars that `cusum_events` picks; None for every bar.
    """

    horizon: int = Field(default=50, ge=1)
    up: float = Field(default=2.0, gt=0.0)
    down: float = Field(default=1.5, gt=0.0)
    volatility: VolatilityMeasure = "atr"
    span: int = Field(default=50, ge=1)
    timeout_factor: float = Field(default=0.5, ge=0.0)
    cusum_threshold: float | None = Field(default=None, gt=0.0)


def triple_barrier(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    rule: TripleBarrierRule | None = None,
    events: IntArray | None = None,
) -> LabelSet:
    """Label each entry by the barrier that the next bars reach first.

    The entry is the close of bar t; the bars t+1 to t+horizon are looked at, high against the
    upper and low against the lower barrier, both inclusive. Upper is BUY, lower is SELL. Both in
    one bar: BUY if that bar's close is at or above the entry, else SELL. Neither: HOLD if the
    return to the close of bar t+horizon is smaller than ``v * sqrt(horizon) * timeout_factor``,
    else its sign.

    Parameters
    ----------
    high, low, close : (n_bars,), greater than zero.
    events : bar positions at which to label, ascending; with it no `cusum_threshold`.

    Returns
    -------
    LabelSet. `start` is the entry, `end` the bar of the touch, else ``t + horizon``. The last
    `horizon` bars have no label, touched or not: with the touched ones kept, the end of a series
    would show quick moves only. Bars whose volatility is unknown or zero have none either.
    ``facts["outcomes"]`` counts upper, lower, both and neither.

    Raises
    ------
    DataError for prices that are NaN, infinite, not positive or out of their order; ConfigError
    for events that are no bars, or events together with a filter.

    References
    ----------
    reference/neuro_fuzzy_campaign.md section 7.3; López de Prado, Advances in Financial Machine
    Learning, 2018, section 3.4.
    """
    options = rule or TripleBarrierRule()
    highs, lows, closes = check_bars(high, low, close)
    v = barrier_volatility(highs, lows, closes, measure=options.volatility, span=options.span)
    entries = choose_entries(v, options.horizon, entry_bars(closes, options, events))
    out = np.empty((2, len(entries.bar)), dtype=np.int64)
    outcomes = np.zeros(4, dtype=np.int64)
    scales = np.array([options.up, options.down, np.sqrt(options.horizon) * options.timeout_factor])
    prices = (highs, lows, closes)
    label_barriers(prices, entries.bar, entries.volatility, options.horizon, scales, out, outcomes)
    return make_label_set(
        name="triple_barrier",
        bar=entries.bar,
        value=out[0],
        end=out[1],
        facts={
            **options.to_mapping(),
            **entries.facts,
            "outcomes": dict(zip(OUTCOMES, outcomes.tolist(), strict=True)),
        },
    )


def entry_bars(
    close: FloatArray, rule: TripleBarrierRule, events: IntArray | None
) -> IntArray | None:
    """Return the bars at which labels may begin, None for all."""
    if rule.cusum_threshold is None:
        return events
    if events is not None:
        raise ConfigError(
            "events and cusum_threshold both choose the bars; give one of them.",
            code="LABELS-TwoFilters",
            field="cusum_threshold",
            value=rule.cusum_threshold,
        )
    return cusum_events(close, threshold=rule.cusum_threshold)


@jit
def label_barriers(
    prices: tuple[FloatArray, FloatArray, FloatArray],
    bar: IntArray,
    volatility: FloatArray,
    horizon: int,
    scales: FloatArray,
    out: IntArray,
    outcomes: IntArray,
) -> None:
    """Write class and end of each entry as the rows of `out`, and count the outcomes.

    `prices` are high, low and close; `scales` the multiples of volatility of the upper, the lower
    and the timeout rule. Takes the time of the bars walked, at most ``n * horizon``.
    """
    high, low, close = prices
    for i in range(bar.shape[0]):
        entry = close[bar[i]]
        upper = entry * (1.0 + scales[0] * volatility[i])
        lower = entry * (1.0 - scales[1] * volatility[i])
        last = bar[i] + horizon
        hit = NONE_HIT
        for k in range(bar[i] + 1, last + 1):
            if high[k] >= upper:
                hit = UPPER_HIT
            if low[k] <= lower:
                hit += LOWER_HIT
            if hit != NONE_HIT:
                last = k
                break
        change = (close[last] - entry) / entry
        if hit == UPPER_HIT:
            value = BUY
        elif hit == LOWER_HIT:
            value = SELL
        elif hit == BOTH_HIT:
            value = BUY if change >= 0.0 else SELL
        elif abs(change) < volatility[i] * scales[2] or change == 0.0:
            value = HOLD
        else:
            value = BUY if change > 0.0 else SELL
        out[0, i] = value
        out[1, i] = last
        outcomes[hit] += 1


@register_warmup("triple barrier")
def _warm() -> None:
    x, one = np.ones(3), np.zeros(1, np.int64)
    label_barriers((x, x, x), one, x, 2, x, np.zeros((2, 1), np.int64), np.zeros(4, np.int64))


LABELS.add(
    "triple_barrier",
    LabelSource(
        method=triple_barrier,
        inputs=("high", "low", "close"),
        class_names=CLASS_NAMES,
        summary="Which of two levels scaled by volatility the next bars reach first",
        reference="neuro_fuzzy_campaign.md 7.3 (triple barrier); López de Prado 2018, 3.4",
    ),
)
