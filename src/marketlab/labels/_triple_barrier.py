"""Triple barrier: which of two levels scaled by volatility is reached first, or neither in time."""

import numpy as np
from pydantic import Field

from marketlab.core import ConfigError, FloatArray, FrozenConfig, IntArray
from marketlab.labels._barriers import (
    LOWER_HIT,
    NONE_HIT,
    UPPER_HIT,
    Entries,
    choose_entries,
    first_barrier,
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
    bar, entry = entries.bar, closes[entries.bar]
    end, hit = np.empty(len(bar), np.int64), np.empty(len(bar), np.int64)
    upper = entry * (1.0 + options.up * entries.volatility)
    lower = entry * (1.0 - options.down * entries.volatility)
    first_barrier(highs, lows, bar, upper, lower, options.horizon, end, hit)
    return make_label_set(
        name="triple_barrier",
        bar=bar,
        value=_values(hit, entry, closes[end], _quiet(entries, options)),
        end=end,
        facts={**options.to_mapping(), **entries.facts, "outcomes": outcomes(hit)},
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


def outcomes(hit: IntArray) -> dict[str, int]:
    """Return how often each barrier was reached first."""
    found = np.bincount(hit, minlength=4)
    names = ("timeout", "upper", "lower", "both_in_one_bar")
    return {name: int(n) for name, n in zip(names, found, strict=True)}


def _quiet(entries: Entries, rule: TripleBarrierRule) -> FloatArray:
    """Return the size of return below which a timeout says nothing."""
    out: FloatArray = entries.volatility * np.sqrt(rule.horizon) * rule.timeout_factor
    return out


def _values(hit: IntArray, entry: FloatArray, last: FloatArray, quiet: FloatArray) -> IntArray:
    change = (last - entry) / entry
    by_close = np.where(change >= 0.0, BUY, SELL)
    value = np.where(hit == UPPER_HIT, BUY, np.where(hit == LOWER_HIT, SELL, by_close))
    still = (hit == NONE_HIT) & ((np.abs(change) < quiet) | (change == 0.0))
    value[still] = HOLD
    return value


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
