"""Entropies and fractal measures of a window (the mark @jit: see ``_primitives.py``)."""

import math

from marketlab.kernels import _entropy as entropy
from marketlab.kernels import _fractal as fractal
from marketlab.kernels._primitives import (
    MAX_WINDOW,
    Parameter,
    Params,
    calls,
    register,
    register_window,
)

_MAX_ENTROPY = 1_000
_MAX_FRACTAL = 5_000
_LENGTH = Parameter("m", 1, 10)
_TOLERANCE = Parameter("r", 0.0, 10.0, integer=False)


def _two_values(window: int) -> int:
    return 2 + 2 * window


def _permutation_state(p: Params) -> int:
    window, order = int(p["window"]), int(p["order"])
    return 2 + window + 2 * (window - order + 1) + math.factorial(order)


register(
    "permutation_entropy",
    1,
    calls(entropy.permutation_entropy, "window", "order"),
    "entropy of the ordinal patterns of `order` values over its maximum, 0-1",
    parameters=(Parameter("window", 4, MAX_WINDOW), Parameter("order", 3, 5)),
    memory="window",
    state=_permutation_state,
    warm_up=lambda p: int(p["window"]) - 1,
    rule=lambda p: "window must be at least order + 1" if p["window"] <= p["order"] else None,
)
for _name, _measure, _summary in (
    ("approximate_entropy", entropy.APPROXIMATE, "approximate entropy, nats"),
    ("sample_entropy", entropy.SAMPLE, "sample entropy, nats; without a match its upper bound"),
):
    register_window(
        _name,
        calls(entropy.rolling_entropy, "window", _measure, "m", "r"),
        f"{_summary}: templates of m values within r standard deviations",
        window=Parameter("window", 4, _MAX_ENTROPY),
        extra=(_LENGTH, _TOLERANCE),
        state=_two_values,
        rule=lambda p: "window must be at least m + 3" if p["window"] < p["m"] + 3 else None,
    )
register_window(
    "spectral_entropy",
    calls(entropy.rolling_entropy, "window", entropy.SPECTRAL, 1, 0.0),
    "entropy of the periodogram over its maximum, 0-1; missing for a flat window",
    window=Parameter("window", 4, _MAX_ENTROPY),
    state=_two_values,
)
register_window(
    "hurst_rs",
    calls(fractal.rolling_fractal, "window", fractal.HURST, 0),
    "Hurst exponent by rescaled ranges; x are increments (returns)",
    window=Parameter("window", 16, _MAX_FRACTAL),
    state=_two_values,
)
register_window(
    "dfa",
    calls(fractal.rolling_fractal, "window", fractal.DFA, 0),
    "exponent of detrended fluctuations, order 1; x are increments (returns)",
    window=Parameter("window", 32, _MAX_FRACTAL),
    state=_two_values,
)
register_window(
    "higuchi_fd",
    calls(fractal.rolling_fractal, "window", fractal.HIGUCHI, "kmax"),
    "fractal dimension by curve lengths at steps 1 to kmax",
    window=Parameter("window", 5, _MAX_FRACTAL),
    extra=(Parameter("kmax", 2, 1_000),),
    state=_two_values,
    rule=lambda p: "window must be above 2 kmax" if p["window"] <= 2 * p["kmax"] else None,
)
register_window(
    "petrosian_fd",
    calls(fractal.rolling_fractal, "window", fractal.PETROSIAN, 0),
    "fractal dimension by the number of turning points",
    window=Parameter("window", 3, _MAX_FRACTAL),
    state=_two_values,
)
