"""Return per risk over a window: Sharpe, and Sortino in its two definitions."""

from marketlab.features._define import define, numbers
from marketlab.features._indicator import INF, OutputRange

_ANY_RATIO = OutputRange(-INF, INF, "ratio")
_RETURN = "x / lag(x, 1) - 1"
_YEAR = "Per bar: times the root of the bars in a year it is annual."

define(
    "sharpe",
    "rolling_mean(r, period) / rolling_std(r, period, ddof=1)",
    _ANY_RATIO,
    "Sharpe (1966), without a riskless rate: mean over sample deviation of the last `period` "
    f"simple returns. {_YEAR} Missing where all returns are equal.",
    parameters=numbers(period=20),
    let={"r": _RETURN},
)
define(
    "sortino",
    "rolling_mean(r, period) / rolling_std(min(r, 0), period, ddof=1)",
    _ANY_RATIO,
    "Sortino, deviation of the returns with gains set to 0: mean of the last `period` simple "
    f"returns over it. {_YEAR} Missing where no bar lost. sortino_losses is the other definition.",
    parameters=numbers(period=20),
    let={"r": _RETURN},
)
define(
    "sortino_losses",
    "rolling_mean(r, period) / sqrt((rolling_sum(loss ** 2, period) - total ** 2 / count) / "
    "(count - 1))",
    _ANY_RATIO,
    "Sortino, sample deviation of the losing bars alone: mean of the last `period` simple returns "
    f"over it. {_YEAR} Missing with fewer than two losing bars. sortino is the other definition.",
    parameters=numbers(period=20),
    let={
        "r": _RETURN,
        "loss": "min(r, 0)",
        "count": "rolling_sum(r < 0, period)",
        "total": "rolling_sum(loss, period)",
    },
)
