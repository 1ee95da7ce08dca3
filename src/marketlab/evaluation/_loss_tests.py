"""Losses side by side, checked, and the library that resamples them.

Convention everywhere: LOSSES, one row per period (or event) in time order, one column per model;
a smaller loss is better. For returns hand over their negatives.

The tests run on the library `arch` (extra ``statistics``), which brings pandas, scipy and
statsmodels: it is imported on use only.
"""

import math
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from marketlab.core import ConfigError, DataError, FloatArray, check_at_least, check_between
from marketlab.evaluation._bootstrap import MIN_EVENTS_FOR_INTERVAL
from marketlab.evaluation._sharpe import check_finite

MIN_BLOCKS = MIN_EVENTS_FOR_INTERVAL
"""Fewer blocks than this and a block bootstrap says nothing (as below 20 events no interval)."""
MIN_RESAMPLES = 199


def arch_bootstrap() -> Any:
    """Return the module `arch.bootstrap`, or say how to install it."""
    try:
        return import_module("arch.bootstrap")
    except ImportError as error:
        raise ConfigError(
            "the reality check, SPA, StepM and model confidence set need the package arch, which "
            "is not installed.",
            code="CONFIG-MissingExtra",
            field="arch",
            suggestion="Install it: pip install 'marketlab[statistics]'.",
        ) from error


def checked_losses(model_losses: FloatArray, names: Sequence[str], least: int) -> FloatArray:
    """Return losses as float64 (T, M); refuse wrong shapes, NaN and repeated names."""
    table: FloatArray = np.ascontiguousarray(model_losses, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(names):
        raise DataError(
            f"losses must have shape (T, M) with one name per model; received {table.shape} and "
            f"{len(names)} names.",
            code="DATA-ShapeMismatch",
        )
    if table.shape[1] < least:
        raise DataError(
            f"this comparison needs {least} models or more; received {table.shape[1]}.",
            code="DATA-TooFewStrategies",
            value=table.shape[1],
        )
    if len(set(names)) != len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise DataError(f"two models are named {twice!r}.", code="DATA-Names", value=twice)
    check_finite(table, "losses")
    return table


def check_settings(n_periods: int, block_length: int, n_resamples: int, level: float) -> None:
    """Refuse too few blocks, too few resamples or a level out of range."""
    check_at_least("block_length", block_length, 1)
    check_at_least("n_resamples", n_resamples, MIN_RESAMPLES)
    check_between("level", level, 0.001, 0.5)
    if level * (n_resamples + 1) < 1.0:
        raise ConfigError(
            f"{n_resamples} resamples give no p-value below {1 / (n_resamples + 1):.4g}, so the "
            f"level {level} cannot be reached.",
            code="CONFIG-TooFewResamples",
            field="n_resamples",
            value=n_resamples,
            suggestion=f"Use {math.ceil(1 / level)} resamples or more.",
        )
    if n_periods < MIN_BLOCKS * block_length:
        raise DataError(
            f"{MIN_BLOCKS} blocks of {block_length} need {MIN_BLOCKS * block_length} periods or "
            f"more; there are {n_periods}.",
            code="DATA-TooFewBlocks",
            field="block_length",
            value=block_length,
            suggestion="Use a longer record; a shorter block only where losses forget that soon.",
        )


def scaled_advantage(
    benchmark_loss: FloatArray, models: FloatArray, names: Sequence[str], block_length: int
) -> tuple[FloatArray, FloatArray]:
    """Return d = benchmark - model losses (T, M), and omega (M,) the deviation of sqrt(T) mean d.

    omega is that of the stationary bootstrap with mean block L (Politis and Romano 1994, "The
    stationary bootstrap", JASA 89, 1303-1313, the variance of the resampled mean):
    omega^2 = sum over lags k of c_k ((1 - k/T)(1 - 1/L)^k + (k/T)(1 - 1/L)^(T - k)), with
    autocovariances c_k; by FFT.
    """
    benchmark: FloatArray = np.ascontiguousarray(benchmark_loss, dtype=np.float64)
    if benchmark.shape != (len(models),):
        raise DataError(
            f"the benchmark's losses must have shape ({len(models)},); received {benchmark.shape}.",
            code="DATA-ShapeMismatch",
        )
    check_finite(benchmark, "the benchmark's losses")
    advantage = benchmark[:, None] - models
    flat = np.ptp(advantage, axis=0) <= 1e-12 * np.maximum(
        np.abs(models).max(axis=0), np.abs(benchmark).max()
    )
    if flat.any():
        which = int(np.flatnonzero(flat)[0])
        raise DataError(
            f"model {names[which]!r} differs from the benchmark by the constant "
            f"{advantage[0, which]:.6g} at every period, so there is nothing to resample.",
            code="DATA-ConstantLoss",
            value=names[which],
            suggestion="Leave out models that repeat the benchmark.",
        )
    return advantage, np.sqrt(stationary_variance(advantage, block_length))


def stationary_variance(values: FloatArray, block_length: int) -> FloatArray:
    """Return the variance of sqrt(T) times the resampled mean of each column (see above)."""
    n = len(values)
    centred = values - values.mean(axis=0)
    size = 1 << math.ceil(math.log2(2 * n))
    spectrum = np.abs(np.fft.rfft(centred, size, axis=0)) ** 2
    covariance = np.fft.irfft(spectrum, size, axis=0)[:n] / n
    lag = np.arange(1, n)
    stay = 1.0 - 1.0 / block_length
    weight = (1.0 - lag / n) * stay**lag + (lag / n) * stay ** (n - lag)
    total = covariance[0] + 2.0 * weight @ covariance[1:]
    # The weights are those of a resampling law, so the exact sum is above 0; rounding is not.
    return np.asarray(np.maximum(total, 1e-12 * covariance[0]))
