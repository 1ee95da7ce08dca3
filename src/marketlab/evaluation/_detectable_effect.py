"""The smallest true difference that a test of this size finds with the stated power.

Everything smaller is as likely as not called noise, so "no difference" then says little. The
multiplier is z_(1 - a/2) + z_power, 2.80 at 95 % and 80 % (Bloom 1995, "Minimum detectable
effects", Evaluation Review 19(5), 547-556). Numbers of samples are of *independent* ones: pass
effective sizes where samples overlap.
"""

import math
from statistics import NormalDist

from marketlab.core import check_at_least, check_between
from marketlab.evaluation._undefined import Metric, Undefined


def auc_standard_error(auc: float, n_positives: float, n_negatives: float) -> float:
    """Return the standard error of an AUC from its value and class sizes alone.

    Source: Hanley and McNeil (1982), Radiology 143, 29-36, eq. 1, with Q1 = A / (2 - A) and
    Q2 = 2 A^2 / (1 + A). From forecasts themselves `auc_interval` (DeLong) is the better one.
    """
    check_between("auc", auc, 0.5, 1.0)
    check_at_least("n_positives", n_positives, 1)
    check_at_least("n_negatives", n_negatives, 1)
    q1, q2, square = auc / (2 - auc), 2 * auc**2 / (1 + auc), auc**2
    top = auc * (1 - auc) + (n_positives - 1) * (q1 - square) + (n_negatives - 1) * (q2 - square)
    return math.sqrt(max(0.0, top) / (n_positives * n_negatives))


def detectable_auc_difference(
    auc: float,
    n_positives: float,
    n_negatives: float,
    *,
    correlation: float = 0.0,
    power: float = 0.80,
    level: float = 0.95,
) -> Metric:
    """Return the difference of two AUCs that is found with `power`.

    Parameters
    ----------
    auc : of the weaker model, 0.5 to 1. n_positives, n_negatives : samples of each class.
    correlation : between the two AUCs, 0 for models judged on different samples; two models on
        the same samples have 0.5 to 0.95 as a rule (`paired_auc_test` gives the one at hand;
        Hanley and McNeil 1983, Radiology 148, 839-843).

    Returns
    -------
    The difference, or `Undefined` where it would lead beyond 1.
    """
    check_between("correlation", correlation, 0.0, 0.999)
    error = auc_standard_error(auc, n_positives, n_negatives)
    effect = _multiplier(power, level) * error * math.sqrt(2.0 * (1.0 - correlation))
    return _within("auc", auc, effect)


def detectable_accuracy_difference(
    accuracy: float,
    n_samples: float,
    *,
    discordant_share: float | None = None,
    power: float = 0.80,
    level: float = 0.95,
) -> Metric:
    """Return the difference of two accuracies that is found with `power`.

    Parameters
    ----------
    accuracy : of the weaker model, 0 to 1.
    n_samples : independent samples of each model.
    discordant_share : for two models on the *same* samples, the share on which just one is right
        (McNemar's test; Connor 1987, "Sample size for testing differences in proportions for the
        paired-sample design", Biometrics 43, 207-211, solved for the difference). None: models
        on different samples, with variance 2 p (1 - p) / n.

    Returns
    -------
    The difference, or `Undefined` where it would lead beyond 1 or beyond the discordant share.
    """
    check_between("accuracy", accuracy, 0.0, 1.0)
    check_at_least("n_samples", n_samples, 1)
    if discordant_share is None:
        spread = math.sqrt(2.0 * accuracy * (1.0 - accuracy) / n_samples)
        return _within("accuracy", accuracy, _multiplier(power, level) * spread)
    check_between("discordant_share", discordant_share, 0.0, 1.0)
    a, b = _quantiles(power, level)
    root = a * math.sqrt(n_samples * discordant_share)
    inner = root**2 - (n_samples + b * b) * (a * a - b * b) * discordant_share
    effect = (root + math.sqrt(max(0.0, inner))) / (n_samples + b * b)
    if effect > discordant_share or discordant_share == 0.0:
        return Undefined(
            metric="detectable accuracy",
            reason=(
                f"{n_samples:,.0f} samples would need a difference of {effect:.3f}, and the models "
                f"differ on a share of {discordant_share:.3f} only."
            ),
            counts={"samples": n_samples, "discordant_share": discordant_share},
        )
    return _within("accuracy", accuracy, effect)


def detectable_mean_difference(
    standard_deviation: float,
    n_samples: float,
    *,
    correlation: float = 0.0,
    power: float = 0.80,
    level: float = 0.95,
) -> float:
    """Return the difference of two means that is found with `power`, unit of the deviation.

    Parameters
    ----------
    standard_deviation : of one sample, equal in both.
    n_samples : independent samples of each.
    correlation : between the two values of one sample, 0 for different samples; -1 to 1.
    """
    check_at_least("standard_deviation", standard_deviation, 0.0)
    check_at_least("n_samples", n_samples, 1)
    check_between("correlation", correlation, -1.0, 1.0)
    spread = standard_deviation * math.sqrt(2.0 * (1.0 - correlation) / n_samples)
    return _multiplier(power, level) * spread


def _quantiles(power: float, level: float) -> tuple[float, float]:
    check_between("power", power, 0.5, 0.999)
    check_between("level", level, 0.5, 0.999)
    normal = NormalDist()
    return normal.inv_cdf((1.0 + level) / 2.0), normal.inv_cdf(power)


def _multiplier(power: float, level: float) -> float:
    return sum(_quantiles(power, level))


def _within(what: str, value: float, effect: float) -> Metric:
    if effect == 0.0:
        return Undefined(
            metric=f"detectable {what}",
            reason=f"at {value:.3g} nothing varies, so no spread is known to measure against.",
            counts={what: value, "effect": effect},
        )
    if value + effect <= 1.0:
        return effect
    return Undefined(
        metric=f"detectable {what}",
        reason=(
            f"a difference of {effect:.3f} would be needed above {value:.3f}, and {what} ends at "
            "1: no improvement can be found with so few samples."
        ),
        counts={what: value, "effect": effect},
    )
