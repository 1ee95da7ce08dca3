"""The primitives a second time, in the plainest Python: one window, one bar at a time."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from kernel_recursive_references import RECURSIVE_REFERENCES
from kernel_window_references import WINDOW_REFERENCES

Series = list[float]
NAN = math.nan


def _per_bar(function: Callable[..., float]) -> Callable[..., Series]:
    def run(*inputs: Series, **params: float) -> Series:
        return [function(*bar, **params) for bar in zip(*inputs, strict=True)]

    return run


def _windowed(function: Callable[..., float]) -> Callable[..., Series]:
    def run(x: Series, *, window: int, **params: float) -> Series:
        out = []
        for t in range(len(x)):
            part = x[t - window + 1 : t + 1] if t >= window - 1 else []
            missing = not part or any(math.isnan(v) for v in part)
            out.append(NAN if missing else function(part, **params))
        return out

    return run


def _any_nan(*values: float) -> bool:
    return any(math.isnan(v) for v in values)


def _compared(compare: Callable[[float, float], bool]) -> Callable[..., Series]:
    return _per_bar(lambda a, b: NAN if _any_nan(a, b) else float(compare(a, b)))


def _ratio(a: float, b: float, fill: float = NAN) -> float:
    if _any_nan(a, b):
        return NAN
    return fill if b == 0 else a / b


def _where(condition: float, a: float, b: float) -> float:
    if math.isnan(condition):
        return NAN
    return a if condition != 0 else b


def _clip(x: float, low: float, high: float) -> float:
    return NAN if math.isnan(x) else min(max(x, low), high)


def _lag(x: Series, *, bars: int) -> Series:
    return ([NAN] * bars + x)[: len(x)]


def _after(x: Series, *, bars: int) -> Series:
    return [NAN if t < bars else v for t, v in enumerate(x)]


def _smoothed(x: Series, alpha: float, seed: int) -> Series:
    present = [v for v in x if not math.isnan(v)]
    values: Series = []
    for t, v in enumerate(present):
        if t < seed - 1:
            values.append(NAN)
        elif t == seed - 1:
            values.append(math.fsum(present[:seed]) / seed)
        else:
            values.append((1 - alpha) * values[-1] + alpha * v)
    held = iter(values)
    return [NAN if math.isnan(v) else next(held) for v in x]


def _since(sign: float) -> Callable[..., float]:
    def function(part: Series, newest: int) -> float:
        best = max(sign * v for v in part)
        ages = [len(part) - 1 - i for i, v in enumerate(part) if sign * v == best]
        return float(min(ages) if newest else max(ages))

    return function


def _triangular(x: float, a: float, b: float, c: float) -> float:
    if math.isnan(x):
        return NAN
    if x == b:
        return 1.0
    if x <= a or x >= c:
        return 0.0
    return (x - a) / (b - a) if x < b else (c - x) / (c - b)


def _trapezoidal(x: float, a: float, b: float, c: float, d: float) -> float:
    if math.isnan(x):
        return NAN
    rise = 1.0 if x >= b else 0.0 if x <= a else (x - a) / (b - a)
    fall = 1.0 if x <= c else 0.0 if x >= d else (d - x) / (d - c)
    return min(rise, fall)


def _left(x: float, a: float, b: float) -> float:
    return NAN if math.isnan(x) else 1.0 if x <= a else 0.0 if x >= b else (b - x) / (b - a)


def _right(x: float, a: float, b: float) -> float:
    return NAN if math.isnan(x) else 0.0 if x <= a else 1.0 if x >= b else (x - a) / (b - a)


def _mean_deviation(part: Series, ddof: int) -> float:
    mean = math.fsum(part) / len(part)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in part) / (len(part) - ddof))


def _true_range(high: Series, low: Series, close: Series) -> Series:
    before = [NAN, *close[:-1]]
    return [
        NAN if _any_nan(h, lo, c) else max(h - lo, abs(h - c), abs(lo - c))
        for h, lo, c in zip(high, low, before, strict=True)
    ]


def _average_true_range(high: Series, low: Series, close: Series, n: int) -> Series:
    bars = list(zip(high, low, close, strict=True))
    whole = [bar for bar in bars if not _any_nan(*bar)]
    ranges = _true_range(*map(list, zip(*whole, strict=True)))
    held = iter([NAN, *_smoothed(ranges[1:], 1 / n, n)])
    return [NAN if _any_nan(*bar) else next(held) for bar in bars]


def _movement(high: Series, low: Series, side: int) -> Series:
    out = [NAN]
    for t in range(1, len(high)):
        moves = (high[t] - high[t - 1], low[t - 1] - low[t])[::side]
        mine = moves[0] if moves[0] > max(moves[1], 0.0) else 0.0
        out.append(NAN if _any_nan(*moves) else mine)
    return out


def _where_moved(value: Series, x: Series, side: float) -> Series:
    change = [NAN, *[b - a for a, b in pairwise(x)]]
    return [
        NAN if _any_nan(v, c) else v * (side * c > 0) for v, c in zip(value, change, strict=True)
    ]


def _relative_strength(x: Series, n: int) -> Series:
    present = [v for v in x if not math.isnan(v)]
    changes = [b - a for a, b in pairwise(present)]
    up = _smoothed([max(c, 0.0) for c in changes], 1 / n, n)
    down = _smoothed([max(-c, 0.0) for c in changes], 1 / n, n)
    values = [NAN]
    for u, d in zip(up, down, strict=True):
        values.append(50.0 if u + d == 0 else 100 - 100 / (1 + u / d) if d else 100 * u / (u + d))
    held = iter(values)
    return [NAN if math.isnan(v) else next(held) for v in x]


def _ema_gap(x: Series, fast: int, slow: int) -> Series:
    present = [v for v in x if not math.isnan(v)]
    quick = [NAN] * (slow - fast) + _smoothed(present[slow - fast :], 2 / (fast + 1), fast)
    steady = _smoothed(present, 2 / (slow + 1), slow)
    held = iter([q - s for q, s in zip(quick, steady, strict=True)])
    return [NAN if math.isnan(v) else next(held) for v in x]


REFERENCES: dict[str, Callable[..., Series]] = {
    "add": _per_bar(lambda a, b: a + b),
    "sub": _per_bar(lambda a, b: a - b),
    "mul": _per_bar(lambda a, b: a * b),
    "div": _per_bar(_ratio),
    "maximum": _per_bar(lambda a, b: NAN if _any_nan(a, b) else max(a, b)),
    "minimum": _per_bar(lambda a, b: NAN if _any_nan(a, b) else min(a, b)),
    "greater": _compared(lambda a, b: a > b),
    "less": _compared(lambda a, b: a < b),
    "greater_equal": _compared(lambda a, b: a >= b),
    "less_equal": _compared(lambda a, b: a <= b),
    "equal": _compared(lambda a, b: a == b),
    "logical_and": _compared(lambda a, b: bool(a) and bool(b)),
    "logical_or": _compared(lambda a, b: bool(a) or bool(b)),
    "logical_not": _per_bar(lambda x: NAN if math.isnan(x) else float(not x)),
    "is_present": _per_bar(lambda x: float(math.isfinite(x))),
    "only_where": _per_bar(lambda a, b: NAN if math.isnan(b) or b == 0 else a),
    "sqrt": _per_bar(lambda x: math.sqrt(x) if x >= 0 else NAN),
    "exp": _per_bar(lambda x: math.inf if x > 709 else math.exp(x)),
    "floor": _per_bar(lambda x: NAN if math.isnan(x) else float(math.floor(x))),
    "coalesce": _per_bar(lambda a, b: b if math.isnan(a) else a),
    "absolute": _per_bar(abs),
    "negative": _per_bar(lambda x: -x),
    "log": _per_bar(lambda x: math.log(x) if x > 0 else NAN),
    "sign": _per_bar(lambda x: NAN if math.isnan(x) else float(np.sign(x))),
    "ratio": _per_bar(_ratio),
    "where": _per_bar(_where),
    "clip": _per_bar(_clip),
    "lag": _lag,
    "after": _after,
    "wilder": lambda x, n: _smoothed(x, 1 / n, n),
    "ema": lambda x, n: _smoothed(x, 2 / (n + 1), n),
    "ewm": lambda x, n: _smoothed(x, 1 / n, 1),
    "ewm_span": lambda x, n: _smoothed(x, 2 / (n + 1), 1),
    "ewm_halflife": lambda x, halflife: _smoothed(x, 1 - 0.5 ** (1 / halflife), 1),
    "rolling_sum": _windowed(math.fsum),
    "rolling_mean": _windowed(lambda part: math.fsum(part) / len(part)),
    "rolling_max": _windowed(max),
    "rolling_min": _windowed(min),
    "rolling_std": _windowed(_mean_deviation),
    "bars_since_max": _windowed(_since(1.0)),
    "bars_since_min": _windowed(_since(-1.0)),
    "triangular": _per_bar(_triangular),
    "trapezoidal": _per_bar(_trapezoidal),
    "gaussian": _per_bar(lambda x, a, b: math.exp(-(((x - a) / b) ** 2) / 2)),
    "sigmoid": _per_bar(lambda x, a, b: 1 / (1 + math.exp(-(x - a) / b))),
    "shoulder_left": _per_bar(_left),
    "shoulder_right": _per_bar(_right),
    "true_range": _true_range,
    "average_true_range": _average_true_range,
    "plus_movement": lambda high, low: _movement(high, low, 1),
    "minus_movement": lambda high, low: _movement(high, low, -1),
    "where_risen": lambda value, x: _where_moved(value, x, 1.0),
    "where_fallen": lambda value, x: _where_moved(value, x, -1.0),
    "relative_strength": _relative_strength,
    "ema_gap": _ema_gap,
    **WINDOW_REFERENCES,
    **RECURSIVE_REFERENCES,
}
