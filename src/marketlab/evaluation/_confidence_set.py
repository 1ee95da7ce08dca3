"""Which models cannot be told from the best one.

Models are dropped one by one, the worst first, until equal expected loss of the rest is no longer
refused; what is left contains the best model with probability 1 - level (Hansen, Lunde and Nason
2011, "The model confidence set", Econometrica 79(2), 453-497; range statistic T_R). A large set
says that the data do not separate the models, not that all of them are good: there is no
benchmark in it.

The library's elimination (arch 8.0.0) drops two models at once, the better of the pair among them,
where two pairs tie exactly for the worst, as models of equal mean loss do; its steps are therefore
taken here, and of ties the first model falls.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from marketlab.core import DataError, FloatArray, FrozenConfig, stream_key
from marketlab.evaluation._loss_tests import arch_bootstrap, check_settings, checked_losses


class ModelConfidenceSet(FrozenConfig):
    """The models that may be the best.

    Attributes
    ----------
    included : names in the set, in the order given. level : 1 less the set's confidence.
    p_values : name -> MCS p-value, (b + 1) / (B + 1); the best model of the sample has 1.
    n_models, n_periods, block_length, n_resamples : as given. sentence : the finding.
    """

    included: tuple[str, ...]
    level: float
    p_values: dict[str, float]
    n_models: int
    n_periods: int
    block_length: int
    n_resamples: int
    sentence: str


def model_confidence_set(
    model_losses: FloatArray,
    *,
    names: Sequence[str],
    block_length: int,
    seed: int,
    n_resamples: int = 999,
    level: float = 0.1,
) -> ModelConfidenceSet:
    """Return the set that holds the best model with probability 1 - level.

    Parameters
    ----------
    model_losses : ndarray of shape (T, M), M of 2 or more; smaller is better; time order.
    names : of the M models. block_length, seed, n_resamples : as in the SPA test. The resampled
        means of all pairs need 8 B M^2 bytes.
    level : 0.001 to 0.5.

    Raises
    ------
    DataError for losses that are not finite, two models of the same losses, or less than 20
    blocks; ConfigError without arch or for a number out of range.
    """
    table = checked_losses(model_losses, names, 2)
    check_settings(len(table), block_length, n_resamples, level)
    _refuse_twins(table, names)
    one_by_one = type("MCS", (arch_bootstrap().MCS,), {"_compute_r": _eliminate})
    computed = one_by_one(
        table,
        size=level,
        reps=n_resamples,
        block_size=block_length,
        method="R",
        bootstrap="stationary",
        seed=np.random.default_rng(stream_key(seed, "confidence_set")),
    )
    computed.compute()
    found = computed.pvalues["Pvalue"]
    p_values = {
        name: (min(round(float(found[i]) * n_resamples), n_resamples) + 1.0) / (n_resamples + 1.0)
        for i, name in enumerate(names)
    }
    included = tuple(name for name in names if p_values[name] > level)
    return ModelConfidenceSet(
        included=included,
        level=level,
        p_values=p_values,
        n_models=len(names),
        n_periods=len(table),
        block_length=block_length,
        n_resamples=n_resamples,
        sentence=(
            f"{len(included)} of {len(names)} models cannot be told from the best with "
            f"{100 * (1 - level):g} % confidence: {', '.join(included)}."
        ),
    )


def _eliminate(test: Any) -> None:
    """Drop models one by one, as the library's method R does where no two pairs tie."""
    losses = test._losses_arr
    mean = losses.mean(axis=0)
    star = np.array(
        [losses[data[0][0]].mean(axis=0) for data in test.bootstrap.bootstrap(test.reps)]
    )
    centred = star - mean
    drawn = centred[:, :, None] - centred[:, None, :]  # (B, M, M)
    deviation = np.sqrt((drawn**2).mean(axis=0) + np.eye(len(mean)))
    observed = (mean[:, None] - mean) / deviation
    drawn /= deviation
    left = np.arange(len(mean))
    eliminated = []
    while len(left) > 1:
        pairs = observed[np.ix_(left, left)]
        worst = int(pairs.argmax()) // len(left)
        chance = drawn[:, left[:, None], left].max(axis=(1, 2))
        eliminated.append((int(left[worst]), float((pairs.max() < chance).mean())))
        left = np.delete(left, worst)
    eliminated.append((int(left[0]), 1.0))
    test._pvalues = test._format_pvalues(eliminated)


def _refuse_twins(table: FloatArray, names: Sequence[str]) -> None:
    """Refuse two models whose losses differ by a constant: their difference has no variance."""
    scale = 1e-12 * max(float(np.abs(table).max()), 1e-300)
    for i in range(len(names) - 1):
        spread = np.ptp(table[:, i + 1 :] - table[:, i : i + 1], axis=0)
        if (spread <= scale).any():
            other = i + 1 + int(np.flatnonzero(spread <= scale)[0])
            raise DataError(
                f"the losses of {names[i]!r} and {names[other]!r} differ by a constant at every "
                "period, so resampling cannot tell them apart.",
                code="DATA-ConstantLoss",
                value=names[other],
                suggestion="Keep one of the two; duplicates are counted as trials elsewhere.",
            )
