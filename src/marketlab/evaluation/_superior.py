"""Is the best of many models better than a benchmark, and which of them are?

Symbols: d_k(t) benchmark's loss less model k's (positive: the model is better); H0: no model has a
positive mean of d. Resampling: stationary bootstrap (Politis and Romano 1994) of whole rows, so
that the models' dependence is kept.

- Reality check: max of mean d_k, every model recentred (White 2000, "A reality check for data
  snooping", Econometrica 68(5), 1097-1126). A crowd of hopeless models makes it blind.
- SPA: max of mean d_k / omega_k, models far below the benchmark not recentred, by the threshold
  sqrt(2 ln ln T) (Hansen 2005, "A test for superior predictive ability", Journal of Business and
  Economic Statistics 23(4), 365-380). `p_consistent` decides; `p_lower` and `p_upper` bound it.
- StepM: which models are better, at a held chance of any false name (Romano and Wolf 2005,
  "Stepwise multiple testing as formalized data snooping", Econometrica 73(4), 1237-1282).

The library's SPA (arch 8.0.0) takes a setting `studentize` but compares plain means whatever it
says; the columns are therefore divided by omega_k here, before they are handed over, which is the
studentised statistic exactly. Its p-values may be 0; ours are (b + 1) / (B + 1).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from marketlab.core import FloatArray, FrozenConfig, stream_key
from marketlab.evaluation._families import MonteCarloPValue, monte_carlo_p_value
from marketlab.evaluation._loss_tests import (
    arch_bootstrap,
    check_settings,
    checked_losses,
    scaled_advantage,
    stationary_variance,
)


class SuperiorAbility(FrozenConfig):
    """Whether the best model beats the benchmark by more than the luck of having tried many.

    Attributes
    ----------
    method : "spa" or "reality_check".
    p : the deciding p-value with its Monte-Carlo error (consistent for SPA, upper for White's).
    p_lower, p_upper : Hansen's bounds; equal to p in the reality check.
    best_model : the one with the largest statistic. best_advantage : its mean loss advantage.
    n_models, n_periods, block_length : what was compared. sentence : the finding.
    """

    method: str
    p: MonteCarloPValue
    p_lower: float
    p_upper: float
    best_model: str
    best_advantage: float
    n_models: int
    n_periods: int
    block_length: int
    sentence: str


class SuperiorModels(FrozenConfig):
    """Which models beat the benchmark.

    Attributes
    ----------
    superior : their names, in the order given. level : chance of any false name.
    n_steps : rounds of the step-down. n_models, n_periods, block_length, n_resamples : as given.
    sentence : the finding.
    """

    superior: tuple[str, ...]
    level: float
    n_steps: int
    n_models: int
    n_periods: int
    block_length: int
    n_resamples: int
    sentence: str


def superior_predictive_ability(
    benchmark_loss: FloatArray,
    model_losses: FloatArray,
    *,
    names: Sequence[str],
    block_length: int,
    seed: int,
    n_resamples: int = 999,
) -> SuperiorAbility:
    """Return Hansen's test that no model is better than the benchmark.

    Parameters
    ----------
    benchmark_loss : ndarray of shape (T,); smaller is better; time order.
    model_losses : ndarray of shape (T, M); of EVERY model tried, the failed ones' losses too.
    names : of the M models.
    block_length : mean block of the bootstrap, in rows; as long as losses remember. At least 20
        blocks must fit.
    seed : names the random stream. n_resamples : B, 199 or more.

    Raises
    ------
    DataError for losses that are not finite, do not vary against the benchmark, or leave less
    than 20 blocks; ConfigError without arch or for a number out of range.
    """
    return _ability("spa", benchmark_loss, model_losses, names, (block_length, n_resamples, seed))


def reality_check(
    benchmark_loss: FloatArray,
    model_losses: FloatArray,
    *,
    names: Sequence[str],
    block_length: int,
    seed: int,
    n_resamples: int = 999,
) -> SuperiorAbility:
    """Return White's test; see `superior_predictive_ability`, which has more power."""
    return _ability(
        "reality_check", benchmark_loss, model_losses, names, (block_length, n_resamples, seed)
    )


def superior_models(
    benchmark_loss: FloatArray,
    model_losses: FloatArray,
    *,
    names: Sequence[str],
    block_length: int,
    seed: int,
    n_resamples: int = 999,
    level: float = 0.05,
) -> SuperiorModels:
    """Return the models that beat the benchmark, by StepM (parameters as in the SPA test).

    `level` is the chance of any false name among them, 0.001 to 0.5.
    """
    table = checked_losses(model_losses, names, 1)
    check_settings(len(table), block_length, n_resamples, level)
    advantage, omega = scaled_advantage(benchmark_loss, table, names, block_length)
    test = _computed(advantage / omega, block_length, n_resamples, seed)
    remaining = np.ones(len(names), dtype=np.bool_)
    n_steps = 0
    while remaining.any():  # the library's own loop fails where the last models fall in steps
        test.subset(remaining)
        test.compute()
        better = test.better_models(level)
        n_steps += 1
        if len(better) == 0:
            break
        remaining[better] = False
    found = tuple(name for name, left in zip(names, remaining, strict=True) if not left)
    listed = f": {', '.join(found)}" if found else ""
    return SuperiorModels(
        superior=found,
        level=level,
        n_steps=n_steps,
        n_models=len(names),
        n_periods=len(table),
        block_length=block_length,
        n_resamples=n_resamples,
        sentence=(
            f"{len(found)} of {len(names)} models beat the benchmark at a {100 * level:g} % chance "
            f"of any false name{listed}."
        ),
    )


def _ability(
    method: str,
    benchmark_loss: FloatArray,
    model_losses: FloatArray,
    names: Sequence[str],
    settings: tuple[int, int, int],
) -> SuperiorAbility:
    block_length, n_resamples, seed = settings
    table = checked_losses(model_losses, names, 1)
    check_settings(len(table), block_length, n_resamples, 0.05)
    advantage, omega = scaled_advantage(benchmark_loss, table, names, block_length)
    studentised = method == "spa"
    statistic = advantage / omega if studentised else advantage
    found = _computed(statistic, block_length, n_resamples, seed).pvalues
    p = monte_carlo_p_value(
        round(found["consistent" if studentised else "upper"] * n_resamples), n_resamples
    )
    best = int(statistic.mean(axis=0).argmax())
    mean = float(advantage[:, best].mean())
    return SuperiorAbility(
        method=method,
        p=p,
        p_lower=_never_zero(found["lower"], n_resamples) if studentised else p.p,
        p_upper=_never_zero(found["upper"], n_resamples),
        best_model=names[best],
        best_advantage=mean,
        n_models=len(names),
        n_periods=len(table),
        block_length=block_length,
        sentence=_sentence(names[best], mean, len(names), p),
    )


def _computed(statistic: FloatArray, block_length: int, n_resamples: int, seed: int) -> Any:
    """Return the library's SPA over columns of advantages (losses against a benchmark of 0)."""
    library = arch_bootstrap()

    def by_fft(test: Any) -> None:
        test._loss_diff_var = stationary_variance(test._loss_diff, block_length)

    # The library's test but for the variance, whose loop over all lags takes time in T^2.
    linear_time = type("SPA", (library.SPA,), {"_compute_variance": by_fft})
    test = linear_time(
        np.zeros(len(statistic)),
        -statistic,
        block_size=block_length,
        reps=n_resamples,
        bootstrap="stationary",
        studentize=False,
        seed=np.random.default_rng(stream_key(seed, "superior")),
    )
    test.compute()
    return test


def _never_zero(share: float, n_resamples: int) -> float:
    return (round(share * n_resamples) + 1.0) / (n_resamples + 1.0)


def _sentence(name: str, mean: float, n_models: int, p: MonteCarloPValue) -> str:
    word = "is" if p.p <= 0.05 else "is not"
    doubt = (
        " The p-value is not settled: more resamples could turn it."
        if p.low <= 0.05 < p.high and not math.isclose(p.low, p.high)
        else ""
    )
    return (
        f"The best of {n_models} models, {name}, has a mean loss {abs(mean):.6g} "
        f"{'below' if mean >= 0 else 'above'} the benchmark's; that {word} more than the luck of "
        f"trying {n_models} (p = {p.p:.4f} ± {p.standard_error:.4f}).{doubt}"
    )
