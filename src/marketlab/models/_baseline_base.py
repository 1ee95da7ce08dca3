"""What a baseline is given, what it promises, and the table in which each registers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from numpy.typing import NDArray
from pydantic import Field, model_validator

from marketlab.core import (
    ConfigError,
    DataError,
    FloatArray,
    FrozenConfig,
    IntArray,
    PluginRegistry,
    check_same_length,
)
from marketlab.models._volatility import PriceBars


class BaselineTask(FrozenConfig):
    """What the labels ask.

    ``touch_up`` (classes BUY where the level is touched, else HOLD) and ``touch_down`` (SELL, else
    HOLD) need `threshold`, a fraction of the last close. ``classes`` is any other label; volatility
    then enters by its logarithm. `horizon` is in bars; for labels without one, 1.
    """

    kind: Literal["classes", "touch_up", "touch_down"]
    horizon: int = Field(ge=1)
    threshold: float | None = Field(default=None, gt=0.0, lt=1.0)

    @model_validator(mode="after")
    def _level(self) -> "BaselineTask":
        if (self.threshold is None) != (self.kind == "classes"):
            raise ValueError("`threshold` belongs to touch labels, which need it; others have none")
        return self


@dataclass(frozen=True, kw_only=True)
class BaselineData:
    """One sample table with the bars it was made from; n samples, n_bars bars.

    Attributes
    ----------
    bar, start, end, value : (n,) int64 as in `LabelSet`; `bar` ascends.
    features : (n, F) finite, row i known at the close of bar[i]; None leaves those baselines out.
    state : (n,) integer codes known at the close of bar[i] (for zigzag the known leg); or None.
    vix : (n_bars,) index level known at each bar's close, in percent; NaN where there is none.
    bars_per_day : to bring an index of daily volatility to one bar; 1 for daily bars.
    """

    prices: PriceBars
    bar: IntArray
    start: IntArray
    end: IntArray
    value: IntArray
    task: BaselineTask
    features: NDArray[Any] | None = None
    state: IntArray | None = None
    vix: FloatArray | None = None
    bars_per_day: float = 1.0


class FittedBaseline(NamedTuple):
    """``forecast(positions) -> (len, 3)`` probabilities at sample positions; JSON-ready facts."""

    forecast: Callable[[IntArray], FloatArray]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Baseline:
    """One baseline.

    Attributes
    ----------
    knows : what its forecast at bar t reads, one line for the report.
    reads_features : whether it reads the strategy's own features; such a one never decides.
    decides : (data) to whether the best of these is what a model must beat, for labels like these.
    missing : (data) to the sentence why it does not apply, or None.
    fit : (data, training positions, seed). Raises `DataError` (MODEL-…) where these cannot carry
        it.
    """

    knows: str
    reads_features: bool
    decides: Callable[[BaselineData], bool]
    missing: Callable[[BaselineData], str | None]
    fit: Callable[[BaselineData, IntArray, int], FittedBaseline]


BASELINES: PluginRegistry[Baseline] = PluginRegistry("baseline", code="CONFIG-UnknownBaseline")


def check_baseline_data(data: BaselineData) -> None:
    """Refuse columns that do not fit each other or the bars."""
    n = check_same_length(bar=data.bar, start=data.start, end=data.end, value=data.value)
    n_bars = data.prices.n_bars
    for name, wanted in (("features", n), ("state", n), ("vix", n_bars)):
        each = getattr(data, name)
        if each is not None and len(each) != wanted:
            raise DataError(
                f"{name} has {len(each)} rows; {wanted} are needed.",
                code="DATA-ShapeMismatch",
                field=name,
            )
    if n and (int(data.bar.min()) < 0 or int(data.end.max()) >= n_bars):
        raise DataError(
            f"labels read bars {int(data.bar.min())} to {int(data.end.max())}; there are {n_bars}.",
            code="DATA-LabelEnd",
        )
    if not data.bars_per_day > 0.0:
        raise ConfigError(
            f"must be above 0; received {data.bars_per_day!r}.",
            field="bars_per_day",
            value=data.bars_per_day,
        )
