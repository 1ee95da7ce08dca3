"""How likely a price touches a level within a horizon, if all one knows is its volatility.

Symbols: q level as a fraction of the last close; H horizon in bars; sigma volatility of the log
return of one bar over that horizon.

For a driftless Brownian motion of the log price the reflection principle gives
P(max over H bars >= ln(1 + q)) = 2 Phi(-ln(1 + q) / (sigma sqrt(H))) = erfc(a / sqrt 2) with
a = ln(1 + q) / (sigma sqrt(H)) (Karatzas and Shreve 1991, "Brownian Motion and Stochastic
Calculus", section 2.6, eq. 6.2). Real prices drift, jump and have fat tails, so callers calibrate
this on training rows; what it cannot know is direction.
"""

import math
from typing import Literal

import numpy as np

from marketlab.core import ConfigError, DataError, FloatArray, check_at_least

TRADING_DAYS_PER_YEAR = 252
TouchSide = Literal["up", "down"]


def touch_probability(
    sigma: FloatArray, *, threshold: float, horizon: int, side: TouchSide = "up"
) -> FloatArray:
    """Return the probability that the level is touched within the next `horizon` bars.

    Parameters
    ----------
    sigma : ndarray of shape (n,), volatility per bar as a fraction (0.01 is 1 %), known when the
        forecast is made; NaN where there is none, which gives NaN. At 0 nothing is ever touched.
    threshold : q > 0 as a fraction; for ``down`` below 1.
    horizon : H >= 1, in bars.
    side : ``up`` for a high at or above close * (1 + q), ``down`` for a low at or below
        close * (1 - q), whose distance is -ln(1 - q).

    Raises
    ------
    ConfigError for a level or horizon out of range; DataError (``DATA-NotFinite``) for a negative
    or infinite volatility.
    """
    check_at_least("horizon", horizon, 1)
    if not 0.0 < threshold < (math.inf if side == "up" else 1.0):
        raise ConfigError(
            f"a touch level is a fraction above 0 (below 1 for a fall); received {threshold!r}.",
            field="threshold",
            value=threshold,
            suggestion="1 % is 0.01.",
        )
    wrong = (sigma < 0.0) | np.isinf(sigma)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"a volatility is finite and not negative; entry {first} is {sigma[first]!r}.",
            code="DATA-NotFinite",
            field="sigma",
        )
    distance = math.log1p(threshold) if side == "up" else -math.log1p(-threshold)
    with np.errstate(divide="ignore"):
        scaled = distance / (sigma * math.sqrt(2.0 * horizon))
    return np.fromiter(map(math.erfc, scaled.tolist()), dtype=np.float64, count=len(scaled))


def implied_daily_volatility(index: FloatArray) -> FloatArray:
    """Return VIX / (100 sqrt 252): the volatility of one trading day that an index level implies.

    Parameters
    ----------
    index : ndarray of shape (n,); annualised volatility in percent (VIX 20 is 1.26 % a day). NaN
        stays NaN.
    """
    return np.asarray(index / (100.0 * math.sqrt(TRADING_DAYS_PER_YEAR)))
