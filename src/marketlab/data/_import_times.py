"""Times of an imported file, as moments of UTC; what a clock change leaves open is refused."""

import re
from dataclasses import dataclass
from typing import Any

import polars as pl

from marketlab.core import ConfigError, DataError
from marketlab.data._columns import nanoseconds
from marketlab.data._timeframe import fixed_timeframe_ns, parse_timeframe

_UNITS = {"unix_s": 1_000_000_000, "unix_ms": 1_000_000, "unix_us": 1_000, "unix_ns": 1}
_ISO = re.compile(
    r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?"
    r"(?:Z|[+-]\d{2}:?\d{2})?)?$"
)
# Only what follows a time of day is an offset: a date alone ends in -DD, too.
_OFFSET = r"[T ].*?(Z|[+-]\d{2}:?\d{2})$"
_LATEST_NS = 7.25e18  # early 2200; as far before 1970 it is 1740
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Times:
    """Moments as a polars series in UTC, the zone whose calendar they follow, and how we know."""

    utc: Any
    zone: str
    told: str


def read_times(series: Any, timezone: str | None, time_format: str | None) -> Times:
    """Return the moments of a time column; errors as in `import_bars`."""
    if series.null_count():
        rows = _rows(series.is_null())
        raise DataError(
            f"the time is missing on {series.null_count()} row(s), first at data row {rows[0]}.",
            code="DATA-MissingTime",
            field="time",
            details={"rows": rows},
        )
    if time_format in _UNITS:
        return _from_counts(series, time_format)
    if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone is not None:
        series = nanoseconds(series)
        utc = series.dt.convert_time_zone("UTC")
        _check_agreement(utc, series.dt.replace_time_zone(None), timezone)
        return Times(utc, timezone or "UTC", "times carry their zone")
    if isinstance(series.dtype, pl.Datetime) or series.dtype == pl.Date:
        if series.dtype == pl.Date:
            series = series.cast(pl.Datetime("us"))
        return _localised(nanoseconds(series), timezone)
    if series.dtype != pl.String:
        raise DataError(
            f"the time column holds {series.dtype}.",
            code="DATA-Unparsable",
            field="time",
            suggestion=f"Counts since 1970 need a time_format: {', '.join(_UNITS)}.",
        )
    return _from_text(series.str.strip_chars(), timezone, time_format)


def close_times(times: Times, timeframe: str) -> Any:
    """Return when each bar closes: days and weeks by the zone's calendar, others by duration."""
    if timeframe in {"1d", "1w"}:
        local = times.utc.dt.convert_time_zone(times.zone)
        return local.dt.offset_by(timeframe).dt.convert_time_zone("UTC")
    fixed_timeframe_ns(timeframe)
    return times.utc + parse_timeframe(timeframe)


def _from_counts(series: Any, time_format: str) -> Times:
    counts = series.cast(pl.Int64, strict=False) if series.dtype == pl.String else series
    if not counts.dtype.is_integer() or counts.null_count():
        bad = counts.is_null() if counts.null_count() else series.is_not_null()
        raise _unparsable(series, bad, time_format)
    unit = _UNITS[time_format]
    # A count of another unit than the one declared lies far outside: refused, not wrapped around.
    strange = (counts.cast(pl.Float64) * unit).abs() > _LATEST_NS
    if strange.any():
        raise _unparsable(series, strange, f"{time_format} (years 1700 to 2200)")
    utc = (counts.cast(pl.Int64) * unit).cast(pl.Datetime("ns", "UTC"))
    return Times(utc, "UTC", f"times are counts since 1970 UTC ({time_format})")


def _from_text(text: Any, timezone: str | None, time_format: str | None) -> Times:
    if time_format is not None:
        with_offset = "%z" in time_format or "%:z" in time_format or "%#z" in time_format
        parsed = _parse(text, time_format, with_offset=with_offset)
        if parsed.null_count():
            raise _unparsable(text, parsed.is_null(), time_format)
        if with_offset:
            if timezone is not None:
                raise ConfigError(
                    f"the format {time_format!r} reads offsets, so that the zone {timezone!r} "
                    "cannot be declared as well.",
                    field="timezone",
                    suggestion="Leave the zone out: the offsets say all.",
                )
            return Times(parsed, "UTC", "times carry their offset")
        return _localised(parsed, timezone)
    strange = ~text.str.contains(_ISO.pattern)
    if strange.any():
        raise _unparsable(text, strange, "ISO 8601 (2017-04-19 09:00:00)")
    offset = text.str.extract(_OFFSET)
    if 0 < offset.null_count() < len(text):
        rows = _rows(offset.is_null())
        raise DataError(
            f"some times carry an offset and some do not, first at data row {rows[0]}: "
            f"{text[rows[0]]!r}.",
            code="DATA-NaiveTime",
            field="time",
            suggestion="Export the file with offsets throughout, best in UTC.",
            details={"rows": rows},
        )
    has_offsets = offset.null_count() == 0
    naive = _parse_iso(text.str.replace(r"(Z|[+-]\d{2}:?\d{2})$", "") if has_offsets else text)
    if naive.null_count():
        raise _unparsable(text, naive.is_null(), "ISO 8601")
    if not has_offsets:
        return _localised(naive, timezone)
    seconds = _offset_seconds(offset)
    utc = (naive - seconds).dt.replace_time_zone("UTC")
    _check_agreement(utc, naive, timezone)
    return Times(utc, timezone or "UTC", "times carry their offset")


def _parse_iso(text: Any) -> Any:
    """Return naive moments of ISO texts without offset; null where a part is out of range."""
    full = text.str.replace("T", " ", literal=True)
    full = full.to_frame("t").select(
        pl.when(pl.col("t").str.len_chars() == 10)
        .then(pl.col("t") + " 00:00:00")
        .when(pl.col("t").str.len_chars() == 16)
        .then(pl.col("t") + ":00")
        .otherwise(pl.col("t"))
    )
    form = "%Y-%m-%d %H:%M:%S%.f"
    return nanoseconds(full.to_series().str.to_datetime(form, time_unit="us", strict=False))


def _offset_seconds(offset: Any) -> Any:
    parts = offset.str.replace("Z", "+00:00", literal=True).str.replace(":", "", literal=True)
    hours = parts.str.slice(1, 2).cast(pl.Int64)
    minutes = parts.str.slice(3, 2).cast(pl.Int64)
    sign = parts.str.starts_with("-").cast(pl.Int64) * -2 + 1
    return (sign * (hours * 3600 + minutes * 60) * 1_000_000_000).cast(pl.Duration("ns"))


def _parse(text: Any, time_format: str, *, with_offset: bool) -> Any:
    try:
        if with_offset:
            form, zone = time_format, "UTC"
            return nanoseconds(
                text.str.to_datetime(form, time_unit="us", time_zone=zone, strict=False)
            )
        # A format without hours gives dates, which polars parses apart.
        if not any(mark in time_format for mark in ("%H", "%I", "%T", "%R", "%X", "%c", "%s")):
            dates = text.str.to_date(time_format, strict=False)
            return nanoseconds(dates.cast(pl.Datetime("us")))
        return nanoseconds(text.str.to_datetime(time_format, time_unit="us", strict=False))
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"the format {time_format!r} cannot be used: {str(error).splitlines()[0]}.",
            code="DATA-Unparsable",
            field="time_format",
        ) from error


def _localised(naive: Any, timezone: str | None) -> Times:
    """Return moments from wall-clock times of a declared zone."""
    if timezone is None:
        raise DataError(
            f"the times carry no zone (first: {naive[0]}) and none is declared; it would be a "
            "guess.",
            code="DATA-NaiveTime",
            field="timezone",
            suggestion="Declare it, for example 'UTC' or 'America/New_York'.",
        )
    early = naive.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    if early.null_count():
        raise _clock_change(naive, early.is_null(), timezone, "does not exist", "NonexistentTime")
    late = naive.dt.replace_time_zone(timezone, ambiguous="latest", non_existent="null")
    twice = early != late
    if twice.any():
        raise _clock_change(naive, twice, timezone, "occurs twice", "AmbiguousTime")
    return Times(early.dt.convert_time_zone("UTC"), timezone, f"times are those of {timezone}")


def _clock_change(naive: Any, bad: Any, timezone: str, what: str, code: str) -> DataError:
    rows = _rows(bad)
    return DataError(
        f"{naive[rows[0]]} {what} in {timezone}, because the clocks change ({int(bad.sum())} such "
        f"row(s), first at data row {rows[0]}).",
        code=f"DATA-{code}",
        field="time",
        suggestion="Export the file in UTC or with offsets, or check the declared zone.",
        details={"rows": rows},
    )


def _check_agreement(utc: Any, local: Any, timezone: str | None) -> None:
    """Refuse a declared zone in which the times, which carry offsets, would read otherwise."""
    if timezone is None:
        return
    wall = utc.dt.convert_time_zone(timezone).dt.replace_time_zone(None)
    differs = wall != local
    if differs.any():
        row = _rows(differs)[0]
        raise DataError(
            f"the times carry offsets that contradict the declared zone {timezone!r}, first at "
            f"data row {row}: {local[row]} there, {wall[row]} by the zone.",
            code="DATA-ContradictingZone",
            field="timezone",
            suggestion="Leave the zone out: the offsets say all.",
        )


def _unparsable(series: Any, bad: Any, form: str) -> DataError:
    rows = _rows(bad)
    return DataError(
        f"the time is not in the form {form} on {int(bad.sum())} row(s), first at data row "
        f"{rows[0]}: {series[rows[0]]!r}.",
        code="DATA-Unparsable",
        field="time",
        suggestion="Give the option `time_format`, such as '%d.%m.%Y %H:%M'.",
        details={"rows": rows, "values": [str(series[row]) for row in rows]},
    )


def _rows(flags: Any) -> list[int]:
    return [int(row) for row in flags.arg_true().head(_EXAMPLES)]
