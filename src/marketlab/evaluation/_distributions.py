"""Student's t by the incomplete beta function, so that no statistics package is needed at run time.

Source: P(|T| > t) = I_x(v / 2, 1 / 2), x = v / (v + t^2) (DLMF 8.17.2 and 8.17.22, the continued
fraction, evaluated by Lentz's method; Abramowitz-Stegun 26.7.1).
"""

import math
from statistics import NormalDist

_TINY = 1e-300
_MANY = 1e7  # degrees of freedom from which the normal distribution is exact to 1e-7


def student_two_sided(t: float, freedom: float) -> float:
    """Return P(abs(T) > abs(t)) for Student's t with `freedom` > 0 degrees, whole or not."""
    if freedom > _MANY:
        return math.erfc(abs(t) / math.sqrt(2.0))
    total = freedom + t * t
    return _incomplete_beta(freedom / 2.0, 0.5, freedom / total, t * t / total)


def normal_two_sided(z: float) -> float:
    """Return P(abs(Z) > abs(z)) of the standard normal distribution."""
    return math.erfc(abs(z) / math.sqrt(2.0))


def student_quantile(probability: float, freedom: float) -> float:
    """Return the quantile of Student's t, for probabilities from 0.5 to 1, by bisection."""
    tail = 2.0 * (1.0 - probability)
    low, high = 0.0, NormalDist().inv_cdf(probability) + 1.0
    while student_two_sided(high, freedom) > tail:
        low, high = high, 2.0 * high
    while high - low > 1e-12 * high:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if student_two_sided(middle, freedom) > tail:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """Return I_x(a, b), regularised; `rest` is 1 - x, given so that no digits are lost."""
    if x <= 0.0 or rest <= 0.0:
        return 0.0 if x <= 0.0 else 1.0
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    )
    front = math.exp(log_front)
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(a, b, x) / a
    return 1.0 - front * _fraction(b, a, rest) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction of DLMF 8.17.22 by the modified Lentz method."""
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1.0))
    out = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1.0 / _away(1.0 + even * d)
        c = _away(1.0 + even / c)
        out *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1.0 / _away(1.0 + odd * d)
        c = _away(1.0 + odd / c)
        step = d * c
        out *= step
        if abs(step - 1.0) < 1e-15:
            return out
    raise AssertionError("the continued fraction of the incomplete beta function did not settle")


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
