"""One form for bars on their way in: numpy columns, times as int64 nanoseconds of UTC."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from marketlab.core import DataError, FloatArray, IntArray
from marketlab.data._timeframe import fixed_timeframe_ns, parse_timeframe

PRICES = ("open", "high", "low", "close")
COLUMNS = ("time", *PRICES, "volume", "close_time")

Columns: TypeAlias = dict[str, NDArray[Any]]


def columns_of(table: Any, timeframe: str) -> tuple[Columns, bool]:
    """Return the columns of a table of bars and whether it brought a volume column.

    `table` is a polars frame, or a mapping of equally long arrays. Times are aware datetimes in a
    frame and int64 nanoseconds of UTC in a mapping of arrays. A missing `close_time` becomes
    ``time + timeframe``; a missing `volume` becomes zeros. Values are not judged here.

    Raises
    ------
    DataError if a column is missing, has another type or length, or a time has no zone;
    ConfigError for an unknown timeframe, and where `close_time` is missing of bars of several
    trading days, whose end no length tells.
    """
    parse_timeframe(timeframe)
    frame = table if isinstance(table, pl.DataFrame) else pl.DataFrame(_one_dimensional(table))
    missing = [name for name in ("time", *PRICES) if name not in frame.columns]
    if missing:
        raise DataError(
            f"the bars have no column {', '.join(repr(name) for name in missing)}; "
            f"they have {', '.join(repr(name) for name in frame.columns) or 'none'}.",
            code="DATA-MissingColumn",
            field=missing[0],
            suggestion="Give time, open, high, low and close; volume is optional.",
        )
    out: Columns = {"time": _times(frame, "time")}
    for name in PRICES:
        out[name] = _numbers(frame, name)
    has_volume = "volume" in frame.columns
    out["volume"] = _numbers(frame, "volume") if has_volume else np.zeros(frame.height)
    if "close_time" in frame.columns:
        out["close_time"] = _times(frame, "close_time")
    else:
        out["close_time"] = out["time"] + fixed_timeframe_ns(timeframe)
    return out, has_volume


def _one_dimensional(table: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    arrays = {name: np.asarray(values) for name, values in table.items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    if any(len(shape) != 1 for shape in shapes.values()) or len(set(shapes.values())) > 1:
        raise DataError(
            f"the columns of bars must be one-dimensional and of one length; "
            f"their shapes are {shapes}.",
            code="DATA-ShapeMismatch",
        )
    return arrays


def _times(frame: Any, name: str) -> IntArray:
    series = frame[name]
    if series.null_count():
        rows = [int(row) for row in series.is_null().arg_true().head(5)]
        raise DataError(
            f"{name!r} is missing on {series.null_count()} row(s), first at row {rows[0]}.",
            code="DATA-MissingTime",
            field=name,
            details={"rows": rows},
        )
    if isinstance(series.dtype, pl.Datetime):
        if series.dtype.time_zone is None:
            raise DataError(
                f"{name!r} holds times without a zone; a zone would be a guess.",
                code="DATA-NaiveTime",
                field=name,
                suggestion="Convert them to UTC, or import the file with a declared timezone.",
            )
        series = nanoseconds(series.dt.convert_time_zone("UTC")).to_physical()
    elif series.dtype != pl.Int64:
        raise DataError(
            f"{name!r} must hold aware datetimes or int64 nanoseconds of UTC, not {series.dtype}.",
            code="DATA-WrongType",
            field=name,
        )
    times: IntArray = np.ascontiguousarray(series.to_numpy(), dtype=np.int64)
    return times


def nanoseconds(series: Any) -> Any:
    """Return a polars series of datetimes in nanoseconds, refusing years that these cannot hold.

    Raises
    ------
    DataError (``DATA-TimeOutOfRange``), where a plain conversion would wrap around in silence.
    """
    if series.dtype.time_unit == "ns":
        return series
    year = series.dt.year()
    bad = (year < 1700) | (year > 2200)
    if bad.any():
        row = int(bad.arg_true()[0])
        raise DataError(
            f"{int(bad.sum())} time(s) lie outside the years 1700 to 2200, first in the year "
            f"{year[row]} at row {row}.",
            code="DATA-TimeOutOfRange",
            field="time",
        )
    return series.dt.cast_time_unit("ns")


def _numbers(frame: Any, name: str) -> FloatArray:
    series = frame[name]
    if not series.dtype.is_numeric():
        raise DataError(
            f"{name!r} must hold numbers, not {series.dtype}.", code="DATA-WrongType", field=name
        )
    # Missing becomes NaN, which the validation names; adding zero turns -0.0 into 0.0.
    cast = series.cast(pl.Float64).to_numpy()
    numbers: FloatArray = np.ascontiguousarray(cast, dtype=np.float64) + 0.0
    return numbers
