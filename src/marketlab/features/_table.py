"""Feature tables: a tier over bars, planned before it is computed and judged before it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from marketlab.core import (
    BoolArray,
    DataError,
    Progress,
)
from marketlab.data import BarFrame
from marketlab.features._bar_arrays import bar_arrays
from marketlab.features._context import join_context
from marketlab.features._matrix import FeatureMatrix
from marketlab.features._table_plan import SCHEMA, column_facts, context_facts, plan_table
from marketlab.features._tier import FeatureTier
from marketlab.kernels import kernel_sources_hash

BAR_COLUMNS = ("time", "close_time", "open", "high", "low", "close", "volume")


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Computed columns of a tier with the bars they belong to.

    Attributes
    ----------
    kept : bars whose rows the table holds, (n_bars,).
    warm_up_dropped : rows left out before the first complete one.
    missing_dropped : incomplete rows left out after it.
    missing : column name to how many of those rows it made incomplete.
    """

    tier: FeatureTier
    bars: BarFrame
    context: Mapping[str, BarFrame]
    matrix: FeatureMatrix
    kept: BoolArray
    warm_up_dropped: int
    missing_dropped: int
    missing: Mapping[str, int]

    @property
    def n_rows(self) -> int:
        """Rows of the table."""
        return int(self.kept.sum())

    def frame(self) -> Any:
        """Return the table: `time`, `close_time` (aware, UTC), OHLCV, the tier's columns.

        A missing value (only in tables that keep their warm-up) is NaN.
        """
        import polars as pl

        first = int(np.argmax(self.kept))
        whole = bool(self.kept[first:].all())
        rows: Any = slice(first, None) if whole else self.kept
        stamps = {
            "time": self.bars.time_ns[rows],
            "close_time": self.bars.close_time_ns[rows],
        }
        prices = {name: values[rows] for name, values in self.bars.arrays().items()}
        features = {name: self.matrix.column(k)[rows] for k, name in enumerate(self.matrix.names)}
        utc = [pl.col(name).cast(pl.Datetime("ns", "UTC")) for name in stamps]
        return pl.DataFrame({**stamps, **prices, **features}).with_columns(utc)

    def facts(self) -> dict[str, Any]:
        """Return what the table is made of, JSON-ready: enough to make it again."""
        first, last = np.flatnonzero(self.kept)[[0, -1]]
        return {
            "schema": SCHEMA,
            "tier": self.tier.file.name,
            "design_id": self.tier.design_id,
            "kernel_sources_hash": kernel_sources_hash(),
            "symbol": self.bars.symbol,
            "timeframe": self.bars.timeframe,
            "dataset_id": self.bars.dataset_id,
            "is_synthetic": self.bars.is_synthetic
            or any(series.is_synthetic for series in self.context.values()),
            "context": context_facts(self.bars, self.context),
            "columns": column_facts(self.tier),
            "parts": [
                {
                    "dataset_id": self.bars.dataset_id,
                    "columns": list(self.tier.names),
                    "context": context_facts(self.bars, self.context),
                }
            ],
            "n_bars": self.bars.n_bars,
            "n_rows": self.n_rows,
            "warm_up_dropped": self.warm_up_dropped,
            "missing_dropped": self.missing_dropped,
            "history_starts": self.bars.times(0).isoformat(),
            "first_time": self.bars.times(int(first)).isoformat(),
            "last_time": self.bars.times(int(last)).isoformat(),
        }


def compute_tier(
    tier: FeatureTier,
    bars: BarFrame,
    context: Mapping[str, BarFrame] | None = None,
    *,
    progress: Progress | None = None,
) -> FeatureMatrix:
    """Return a tier's columns over bars, its context joined as `join_context` says."""
    given = dict(context or {})
    plan_table(tier, bars, given)
    return tier.compute(bar_arrays(bars, join_context(bars, given)), progress=progress)


def build_table(
    tier: FeatureTier,
    bars: BarFrame,
    context: Mapping[str, BarFrame] | None = None,
    *,
    keep_warm_up: bool = False,
    allow_constant: bool = False,
    matrix: FeatureMatrix | None = None,
    progress: Progress | None = None,
) -> FeatureTable:
    """Return the table of a tier over bars, incomplete rows left out and counted.

    Parameters
    ----------
    context : series that the tier reads, by name.
    keep_warm_up : keep every row; missing values stay missing, they are never filled.
    allow_constant : take a column with one single value as it is.
    matrix : the values, if they are there already (from a cache).

    Raises
    ------
    As `plan_table`; DataError (``FEATURE-Constant``, ``FEATURE-AllMissing``, ``FEATURE-NoRows``)
    for a column or a table that says nothing; CancelledError if somebody asked to stop.
    """
    given = dict(context or {})
    if matrix is None:
        matrix = compute_tier(tier, bars, given, progress=progress)
    complete = np.asarray(matrix.complete_bars())
    _require_values(tier, matrix, complete, allow_constant=allow_constant)
    first = int(np.argmax(complete))
    kept = np.ones_like(complete) if keep_warm_up else complete
    missing = {} if keep_warm_up or complete[first:].all() else _missing(matrix, first)
    return FeatureTable(
        tier=tier,
        bars=bars,
        context=given,
        matrix=matrix,
        kept=kept,
        warm_up_dropped=0 if keep_warm_up else first,
        missing_dropped=0 if keep_warm_up else int((~complete[first:]).sum()),
        missing=missing,
    )


def _require_values(
    tier: FeatureTier, matrix: FeatureMatrix, complete: BoolArray, *, allow_constant: bool
) -> None:
    rows = complete if complete.any() else None
    for k, item in enumerate(tier.file):
        values = matrix.column(k)
        present = values[np.isfinite(values)] if rows is None else values[rows]
        if rows is None and present.size == 0:
            raise _empty(item.name, "has no value at any bar", "FEATURE-AllMissing")
        if rows is None or allow_constant or present.min() != present.max():
            continue
        raise DataError(
            f"{item.name} is {float(present[0]):g} in all {present.size} rows, so it says nothing.",
            code="FEATURE-Constant",
            field=f"columns.{item.name}",
            value=item.formula,
            suggestion="Leave the column out, take other bars, or allow it (--allow-constant).",
        )
    if rows is None:
        counts = {
            name: int(np.isfinite(matrix.column(k)).sum()) for k, name in enumerate(matrix.names)
        }
        least = min(counts, key=lambda name: counts[name])
        what = f"no bar has a value in every column; {least} has the fewest ({counts[least]})"
        raise _empty(least, what, "FEATURE-NoRows", sentence=True)


def _empty(name: str, what: str, code: str, *, sentence: bool = False) -> DataError:
    return DataError(
        f"{what}." if sentence else f"{name} {what}.",
        code=code,
        field=f"columns.{name}",
        suggestion="Look at the formula and at the series it reads; `marketlab features check` "
        "shows every column.",
    )


def _missing(matrix: FeatureMatrix, first: int) -> dict[str, int]:
    counts = {
        name: int((~np.isfinite(matrix.column(k)[first:])).sum())
        for k, name in enumerate(matrix.names)
    }
    return {name: count for name, count in counts.items() if count}
