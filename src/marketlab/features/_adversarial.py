"""Bars that break naive formulas, for tests of anything that computes on bars."""

import numpy as np

from marketlab.core import ConfigError, FloatArray, did_you_mean

ADVERSARIAL_BARS = {
    "walk": "an ordinary random walk",
    "flat": "the middle third stands still: no range, no change",
    "constant": "one price from the first bar to the last",
    "gaps": "jumps at the open of a day, and days without bars",
    "no_volume": "the middle third has no volume",
    "zero_volume": "no bar has volume",
    "jumps": "prices change by a factor of twenty at single bars",
    "ticks": "prices on a coarse grid: ties, bars without range",
    "rising": "every bar closes higher",
    "falling": "every bar closes lower",
    "huge": "prices of a thousand million, volumes of 1e15",
    "tiny": "prices of a ten-millionth, volumes below 1",
    "missing": "stretches of missing prices, for what allows them (feature sets refuse them)",
}
"""Kinds of bars, with what is odd about them."""

_START = 1_583_107_200.0  # Monday 2020-03-02, 00:00 UTC
_DAY = 24


def adversarial_bars(
    kind: str, n_bars: int = 600, *, seed: int = 0, bar_seconds: float = 3600.0
) -> dict[str, FloatArray]:
    """Return consistent columns open, high, low, close, volume, time, close_time, each (n_bars,).

    Parameters
    ----------
    kind : a name of `ADVERSARIAL_BARS`.
    n_bars : at least 30.
    seed : equal arguments give equal bars.
    bar_seconds : length of a bar; times are seconds of UTC.

    Raises
    ------
    ConfigError for an unknown kind or too few bars.
    """
    if kind not in ADVERSARIAL_BARS:
        raise ConfigError(
            f"Invalid kind of bars {kind!r}.",
            code="CONFIG-UnknownName",
            field="kind",
            value=kind,
            suggestion=did_you_mean(kind, ADVERSARIAL_BARS),
        )
    if n_bars < 30:
        raise ConfigError(
            f"adversarial bars need at least 30 bars to be odd in; received {n_bars}.",
            code="CONFIG-InvalidParameter",
            field="n_bars",
            value=n_bars,
        )
    random = np.random.default_rng([seed, n_bars, list(ADVERSARIAL_BARS).index(kind)])
    arrays = _prices(kind, _returns(kind, n_bars, random), random)
    steps = np.ones(n_bars)
    if kind == "gaps":
        steps[5 * _DAY :: 5 * _DAY] = 1 + 2 * _DAY
    arrays["time"] = _START + bar_seconds * (np.cumsum(steps) - 1)
    arrays["close_time"] = arrays["time"] + bar_seconds
    return arrays


def _returns(kind: str, n: int, random: np.random.Generator) -> FloatArray:
    returns: FloatArray = random.normal(0.0, 0.003, n)
    if kind == "gaps":
        returns[::_DAY] *= 20
    elif kind == "jumps":
        returns[random.integers(1, n, max(3, n // 100))] += random.choice([-3.0, 3.0])
    elif kind == "rising":
        returns = np.abs(returns) + 1e-4
    elif kind == "falling":
        returns = -np.abs(returns) - 1e-4
    return returns


def _prices(kind: str, returns: FloatArray, random: np.random.Generator) -> dict[str, FloatArray]:
    n = len(returns)
    level = {"huge": 1e9, "tiny": 1e-7}.get(kind, 100.0)
    close = level * np.exp(np.cumsum(returns))
    open_ = np.concatenate([[level], close[:-1]])
    if kind == "gaps":
        open_[::_DAY] = close[::_DAY] * 0.999
    if kind == "ticks":
        open_, close = np.round(open_), np.round(close)
    reach = np.abs(random.normal(0.0, 0.001, (2, n))) * (kind != "ticks")
    arrays = {
        "open": open_,
        "high": np.maximum(open_, close) * (1 + reach[0]),
        "low": np.minimum(open_, close) * (1 - reach[1]),
        "close": close,
        "volume": random.integers(1, 500, n) * {"huge": 2e12, "tiny": 1e-3}.get(kind, 1.0),
    }
    middle = slice(n // 3, 2 * n // 3)
    if kind in ("flat", "constant"):
        still = middle if kind == "flat" else slice(None)
        for name in ("open", "high", "low", "close"):
            arrays[name][still] = close[n // 3] if kind == "flat" else level
    elif kind in ("no_volume", "zero_volume"):
        arrays["volume"][middle if kind == "no_volume" else slice(None)] = 0.0
    elif kind == "missing":
        for start in (n // 5, n // 2, (4 * n) // 5):
            for name in ("open", "high", "low", "close"):
                arrays[name][start : start + 1 + n // 60] = np.nan
    return arrays
