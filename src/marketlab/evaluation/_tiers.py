"""Calibration of confidence tiers: does *high* win as often as it says, and more than *medium*?"""

from typing import NamedTuple

import numpy as np

from marketlab.core import FloatArray, FrozenConfig, IntArray, check_same_length
from marketlab.evaluation._reliability import ShareInterval, share_interval
from marketlab.evaluation._undefined import Metric, Undefined, check_binary, check_shares

MIN_TIER_SAMPLES = 200
"""A perfectly calibrated tier at 0.75 shows 0.024 mean error with 200 samples, 0.049 with 50."""


class _Tier(NamedTuple):
    name: str
    low: float
    nominal: float
    tradable: bool


_TIERS = (
    _Tier("high", 0.75, 0.75, True),
    _Tier("medium", 0.65, 0.65, True),
    _Tier("low", 0.0, 0.55, False),
)


class TierRow(FrozenConfig):
    """One tier of confidence; a mean of no sample is `Undefined`.

    Attributes
    ----------
    name, n_samples : high (confidence of 0.75 or more), medium (0.65 or more) or low.
    mean_confidence, observed : what was forecast and what share was right.
    interval : of the observed share, from events.
    counted : whether the tier has the 200 samples to enter the error.
    """

    name: str
    n_samples: int
    mean_confidence: Metric
    observed: Metric
    interval: ShareInterval | Undefined
    counted: bool


class TierCalibration(FrozenConfig):
    """Calibration by tiers.

    Attributes
    ----------
    tier_mae : sum of n_t * abs(mean confidence - observed) over the sum of n_t, of the tiers with
        200 samples or more. `Undefined` if neither *high* nor *medium* has them: a model that is
        never confident is not calibrated where it would trade. The promotion gate asks for 0.05.
    tier_mae_legacy : unweighted mean of abs(0.75 or 0.65 - observed) over the tradable tiers that
        hold any sample; information only, for comparison with older reports.
    high_beats_medium : whether *high* was right more often than *medium*; `Undefined` unless both
        count.
    tiers : high, medium, low.
    """

    tier_mae: Metric
    tier_mae_legacy: Metric
    high_beats_medium: bool | Undefined
    tiers: tuple[TierRow, ...]


def tier_calibration(right: IntArray, confidence: FloatArray, event: IntArray) -> TierCalibration:
    """Return the calibration of confidence tiers against the direction, costs left out.

    Parameters
    ----------
    right : ndarray of int64 of shape (n,); 1 where the chosen class was right.
    confidence : ndarray of shape (n,); probability of the *chosen* class (for two classes
        max(p, 1 - p), so shorts count like longs).
    event : ndarray of int64 of shape (n,); id of the independent event of each sample.

    Raises
    ------
    DataError for arrays that do not fit or are out of range.
    """
    check_binary("right", right)
    check_same_length(right=right, confidence=confidence, event=event)
    check_shares("confidence", confidence)
    upper = 2.0
    rows = []
    for tier in _TIERS:
        inside = (confidence >= tier.low) & (confidence < upper)
        upper = tier.low
        rows.append(_row(tier, right[inside], confidence[inside], event[inside]))
    high, medium = rows[0], rows[1]
    return TierCalibration(
        tier_mae=_mae(rows),
        tier_mae_legacy=_legacy(rows),
        high_beats_medium=_beats(high, medium),
        tiers=tuple(rows),
    )


def _row(tier: _Tier, right: IntArray, confidence: FloatArray, event: IntArray) -> TierRow:
    n = len(right)
    none = Undefined(metric=tier.name, reason=f"tier {tier.name} holds no sample.")
    return TierRow(
        name=tier.name,
        n_samples=n,
        mean_confidence=float(confidence.mean()) if n else none,
        observed=float(right.mean()) if n else none,
        interval=share_interval(right, event),
        counted=n >= MIN_TIER_SAMPLES,
    )


def _mae(rows: list[TierRow]) -> Metric:
    valid = [row for row in rows if row.counted]
    if not any(tier.tradable and row.counted for tier, row in zip(_TIERS, rows, strict=True)):
        sizes = {row.name: float(row.n_samples) for row in rows}
        return Undefined(
            metric="tier_mae",
            reason=(
                f"a tradable tier needs {MIN_TIER_SAMPLES} samples; high holds "
                f"{rows[0].n_samples:,} and medium {rows[1].n_samples:,}."
            ),
            counts=sizes,
        )
    gaps = [abs(_number(row.mean_confidence) - _number(row.observed)) for row in valid]
    return float(np.average(gaps, weights=[row.n_samples for row in valid]))


def _legacy(rows: list[TierRow]) -> Metric:
    gaps = [
        abs(tier.nominal - _number(row.observed))
        for tier, row in zip(_TIERS, rows, strict=True)
        if tier.tradable and row.n_samples
    ]
    if not gaps:
        return Undefined(
            metric="tier_mae_legacy", reason="no sample has a confidence of 0.65 or more."
        )
    return float(np.mean(gaps))


def _beats(high: TierRow, medium: TierRow) -> bool | Undefined:
    if high.counted and medium.counted:
        return _number(high.observed) > _number(medium.observed)
    return Undefined(
        metric="high_beats_medium",
        reason=(
            f"both tiers need {MIN_TIER_SAMPLES} samples; high holds {high.n_samples:,} and "
            f"medium {medium.n_samples:,}."
        ),
    )


def _number(value: Metric) -> float:
    assert not isinstance(value, Undefined), "a tier with samples has a mean"
    return value
