"""Hints about columns that wander: a Dickey-Fuller regression and a half-life."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from marketlab.core import BoolArray, FloatArray, IntArray
from marketlab.features._audit_table import AuditFinding, AuditTable
from marketlab.features._products import add_products

MAX_ROWS = 20_000
"""Longer columns are thinned evenly to at most so many values, which keeps their span."""

_MIN_RUN = 50
_EXEMPT = ("flag", "calendar")
# MacKinnon (2010), table 2, one variable with a constant: b0 + b1/T + b2/T^2 + b3/T^3.
_MACKINNON = {
    "1%": (-3.43035, -6.5393, -16.786, -79.433),
    "5%": (-2.86154, -2.8903, -4.234, -40.040),
    "10%": (-2.56677, -1.5384, -2.809, 0.0),
}


@dataclass(frozen=True, slots=True)
class StationarityHint:
    """What one column's regression on its own past says. A hint: level shifts also look so.

    Attributes
    ----------
    column : its name.
    statistic : t-value of gamma in dy[t] = c + gamma y[t-1] + sum phi_i dy[t-i]; None if it
        cannot be computed (`reason` says why).
    critical : MacKinnon's critical values at 1, 5 and 10 %.
    lags, rows, step : lagged differences, rows of the regression, bars from value to value.
    half_life_bars : ln(1/2)/ln(rho) of a plain first-order regression; None if it does not return.
    wanders : whether the unit root is not rejected at 5 %; None if not tested.
    reason : why it was not tested, or "".
    """

    column: str
    statistic: float | None
    critical: dict[str, float]
    lags: int
    rows: int
    step: int
    half_life_bars: float | None
    wanders: bool | None
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return the hint JSON-ready."""
        return {name: getattr(self, name) for name in self.__slots__}


def stationarity_hints(table: AuditTable) -> tuple[StationarityHint, ...]:
    """Return one hint per column, of its longest stretch without a gap after the warm-up.

    Flags and calendar columns are exempt. The number of lags is floor((n - 1)^(1/3)).
    """
    return tuple(
        _hint(name, scale_class, table.after_warm_up(i))
        for i, (name, scale_class) in enumerate(zip(table.names, table.scale_classes, strict=True))
    )


def _hint(name: str, scale_class: str, values: FloatArray) -> StationarityHint:
    def untested(reason: str) -> StationarityHint:
        return StationarityHint(name, None, {}, 0, 0, 1, None, None, reason)

    if scale_class in _EXEMPT:
        return untested(f"a {scale_class} column is not tested")
    start, stop = _longest_run(np.isfinite(values))
    step = max(1, math.ceil((stop - start) / MAX_ROWS))
    y = values[start:stop:step]
    if len(y) < _MIN_RUN:
        return untested(f"only {len(y)} values without a gap; {_MIN_RUN} are needed")
    if y.min() == y.max():
        return untested("it is constant")
    lags = math.floor((len(y) - 1) ** (1 / 3))
    statistic = dickey_fuller(y, lags)
    if statistic is None:
        return untested("its past explains it exactly, so the regression has no error term")
    rows = len(y) - 1 - lags
    critical = {level: mackinnon_critical(level, rows) for level in _MACKINNON}
    return StationarityHint(
        name, statistic, critical, lags, rows, step, half_life(y, step),
        statistic >= critical["5%"], "",
    )  # fmt: skip


def _longest_run(present: BoolArray) -> tuple[int, int]:
    edges: IntArray = np.flatnonzero(np.diff(np.concatenate([[False], present, [False]])))
    if not edges.size:
        return 0, 0
    starts, stops = edges[::2], edges[1::2]
    longest = int(np.argmax(stops - starts))
    return int(starts[longest]), int(stops[longest])


def mackinnon_critical(level: str, rows: int) -> float:
    """Return MacKinnon's (2010) critical value at ``"1%"``, ``"5%"`` or ``"10%"`` for `rows`."""
    b0, b1, b2, b3 = _MACKINNON[level]
    return b0 + b1 / rows + b2 / rows**2 + b3 / rows**3


def dickey_fuller(y: FloatArray, lags: int) -> float | None:
    """Return the augmented Dickey-Fuller t-value with a constant and `lags` lagged differences.

    None if the regression has no unique solution or no error (a periodic or straight line).
    """
    y = (y - y.mean()) / y.std()
    change = np.diff(y)
    rows = len(change) - lags
    if rows <= lags + 2:
        return None
    # Rows: the level before, the lagged changes, 1, and last the change to be explained.
    data = np.ones((lags + 3, rows))
    data[0] = y[lags:-1]
    for lag in range(1, lags + 1):
        data[lag] = change[lags - lag : len(change) - lag]
    data[-1] = change[lags:]
    length = np.sqrt(np.einsum("ij,ij->i", data, data))
    if (length == 0.0).any():
        return None
    data /= length[:, None]
    gram = np.zeros((lags + 3, lags + 3))
    add_products(data, data, gram)
    values, vectors = np.linalg.eigh(gram[:-1, :-1])
    if values[0] <= 1e-11 * values[-1]:
        return None
    inverse = (vectors / values) @ vectors.T
    beta = inverse @ gram[:-1, -1]
    unexplained = 1.0 - float(beta @ gram[:-1, -1])
    if unexplained <= 1e-10:
        return None
    error = unexplained / (rows - lags - 2)
    return float(beta[0]) / math.sqrt(error * float(inverse[0, 0]))


def half_life(y: FloatArray, step: int = 1) -> float | None:
    """Return after how many bars half of a deviation is gone; 0 if at once, None if never."""
    centred = y - y.mean()
    before, after = centred[:-1] - centred[:-1].mean(), centred[1:] - centred[1:].mean()
    rho = float(before @ after) / float(before @ before)
    if rho >= 1.0:
        return None
    return 0.0 if rho <= 0.0 else step * math.log(0.5) / math.log(rho)


def stationarity_findings(hints: tuple[StationarityHint, ...]) -> list[AuditFinding]:
    """Return a hint for each column whose unit root is not rejected."""
    found = []
    for hint in hints:
        if not hint.wanders or hint.statistic is None:
            continue
        life = (
            "it does not return"
            if hint.half_life_bars is None
            else f"half-life {hint.half_life_bars:.0f} bars"
        )
        found.append(
            AuditFinding(
                "hint", "stationarity", (hint.column,),
                f"{hint.column} may wander: Dickey-Fuller t {hint.statistic:.2f}, not below "
                f"{hint.critical['5%']:.2f} (5 %, MacKinnon), {life}.",
                "Use its ratio to the price, its change, or scaling per window.",
            )
        )  # fmt: skip
    return found
