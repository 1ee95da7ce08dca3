"""The combined daily dataset of the scaling laboratory: prices, indicators and VIX by date.

`SPY_dataset_c` and its like: Date, OHLCV, the twenty columns of a20 computed on the series, the
eight of vix_c computed on the volatility index's own bars, joined on the date, one row to one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from marketlab.core import ConfigError, DataError, IntArray
from marketlab.data import BarFrame
from marketlab.features._context import dates_of
from marketlab.features._table import compute_tier
from marketlab.features._table_plan import column_facts
from marketlab.features._tier import FeatureTier
from marketlab.kernels import kernel_sources_hash

SCHEMA = "marketlab-combined-1"
_INTEGERS = ("vix_regime",)  # in the laboratory's files a whole number
PRICES = ("Open", "High", "Low", "Close", "Volume")


@dataclass(frozen=True, eq=False)
class Combined:
    """The combined table with what was left out on the way.

    Attributes
    ----------
    frame : polars frame: Date (days without a zone), OHLCV, the tier's and the context's columns.
    only_series, only_context : days that one of the two series has and the other lacks.
    incomplete_dropped : common days without a value in every column.
    facts : what it was made from, JSON-ready.
    """

    frame: Any
    only_series: int
    only_context: int
    incomplete_dropped: int
    facts: dict[str, Any]


def combine_daily(
    bars: BarFrame, context: BarFrame, *, tier: FeatureTier, context_tier: FeatureTier
) -> Combined:
    """Return the inner join of a tier over `bars` and another one over `context`, by date.

    Raises
    ------
    ConfigError unless both series are daily; DataError (``DATA-NoOverlap``) if no date is common,
    (``FEATURE-NoRows``) if no common date is complete, (``DATA-DuplicateDate``) for a double date,
    (``DATA-NotKnownYet``) if a context value is known only after its day's bar closes.
    """
    for series in (bars, context):
        if series.timeframe != "1d":
            raise ConfigError(
                f"the combined dataset is daily, and {series.symbol} is {series.timeframe}.",
                code="CONFIG-NotDaily",
                field="timeframe",
                value=series.timeframe,
                suggestion="Resample it with `marketlab data resample ID --timeframe 1d`.",
            )
    mine, theirs = dates_of(bars), dates_of(context)
    dates, left, right = np.intersect1d(mine, theirs, assume_unique=True, return_indices=True)
    if not len(dates):
        raise DataError(
            f"{bars.symbol} ({_span(mine)}) and {context.symbol} ({_span(theirs)}) have no date "
            "in common.",
            code="DATA-NoOverlap",
            field="context",
            suggestion="Choose series that cover the same days.",
        )
    _require_known(bars, context, dates, left, right)
    own = compute_tier(tier, bars)
    beside = compute_tier(context_tier, context)
    columns = {name: own.column(k)[left] for k, name in enumerate(own.names)}
    for k, name in enumerate(beside.names):
        if name in columns:
            raise ConfigError(
                f"both feature sets have a column {name!r}.", code="CONFIG-NameTaken", field=name
            )
        columns[name] = beside.column(k)[right]
    complete = np.logical_and.reduce([np.isfinite(values) for values in columns.values()])
    if not complete.any():
        raise DataError(
            f"none of the {len(dates)} common dates has a value in every column: {tier.file.name} "
            f"needs {tier.warm_up_bars} bars before the first, {context_tier.file.name} "
            f"{context_tier.warm_up_bars}.",
            code="FEATURE-NoRows",
            field="context",
            suggestion="Choose series with a longer common history.",
        )
    prices = {
        name: values[left]
        for name, values in zip(PRICES, bars.arrays().values(), strict=True)
    }  # fmt: skip
    frame = _frame(dates[complete], {n: v[complete] for n, v in (prices | columns).items()})
    frame = frame.with_columns(_integers(frame.columns))
    dropped = int((~complete).sum())
    return Combined(
        frame=frame,
        only_series=len(mine) - len(dates),
        only_context=len(theirs) - len(dates),
        incomplete_dropped=dropped,
        facts={
            "schema": SCHEMA,
            "symbol": bars.symbol,
            "timeframe": "1d",
            "dataset_id": bars.dataset_id,
            "is_synthetic": bars.is_synthetic or context.is_synthetic,
            "context": {context.symbol: {"dataset_id": context.dataset_id}},
            "joined": "inner, on the date, one row to one",
            "kernel_sources_hash": kernel_sources_hash(),
            "tiers": {t.file.name: t.design_id for t in (tier, context_tier)},
            "columns": [*column_facts(tier), *column_facts(context_tier)],
            "parts": [
                {"dataset_id": b.dataset_id, "columns": list(t.names), "context": {}}
                for b, t in ((bars, tier), (context, context_tier))
            ],
            "history_starts": str(np.datetime64(int(mine[0]), "D")),
            "n_rows": int(complete.sum()),
            "incomplete_dropped": dropped,
        },
    )


def raw_daily(bars: BarFrame) -> Any:
    """Return bars in the laboratory's raw form: Date without a zone, Open … Volume."""
    return _frame(dates_of(bars), dict(zip(PRICES, bars.arrays().values(), strict=True)))


def _frame(dates: IntArray, columns: Mapping[str, Any]) -> Any:
    import polars as pl

    day = pl.col("Date").cast(pl.Int32).cast(pl.Date).cast(pl.Datetime("ns"))
    return pl.DataFrame({"Date": dates, **columns}).with_columns(day)


def _integers(columns: Sequence[str]) -> list[Any]:
    import polars as pl

    return [pl.col(name).cast(pl.Int64) for name in _INTEGERS if name in columns]


def _require_known(
    bars: BarFrame, context: BarFrame, dates: IntArray, left: IntArray, right: IntArray
) -> None:
    late = context.close_time_ns[right] > bars.close_time_ns[left]
    if late.any():
        at = np.datetime64(int(dates[int(np.argmax(late))]), "D")
        raise DataError(
            f"{context.symbol} of {at} is known only after {bars.symbol} closes on that date "
            f"({int(late.sum())} such days).",
            code="DATA-NotKnownYet",
            field="context",
            suggestion="Import both series with the same closing times.",
        )


def _span(dates: IntArray) -> str:
    first, last = (np.datetime64(int(d), "D") for d in (dates[0], dates[-1]))
    return f"{first} to {last}"
