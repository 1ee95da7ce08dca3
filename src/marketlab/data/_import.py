"""Files of bars from elsewhere: read strictly, with a declared time zone, nothing guessed."""

import zoneinfo
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from marketlab.core import (
    ConfigError,
    DataError,
    DataNotAvailableError,
    FrozenConfig,
    did_you_mean,
    file_sha256,
)
from marketlab.data._bars import BarFrame
from marketlab.data._columns import PRICES
from marketlab.data._import_times import Times, close_times, read_times
from marketlab.data._timeframe import parse_timeframe
from marketlab.data._validate import Finding, ValidationReport, validate_bars

_KNOWN_HEADERS: Mapping[str, frozenset[str]] = {
    "time": frozenset({"time", "datetime", "date", "timestamp", "date_time", ""}),
    "open": frozenset({"open", "o"}),
    "high": frozenset({"high", "h"}),
    "low": frozenset({"low", "l"}),
    "close": frozenset({"close", "c"}),
    "volume": frozenset({"volume", "vol", "v", "tick_volume", "tickvolume", "tickvol"}),
}
_EXAMPLES = 5


class ImportOptions(FrozenConfig):
    """How to read a file of bars where its form does not say it.

    Attributes
    ----------
    columns : our name (time, open, high, low, close, volume) to the file's header; names left out
        are found by their usual headers, whatever their case.
    time_format : strptime format of the time column, or ``unix_s``, ``unix_ms``, ``unix_us``,
        ``unix_ns`` for counts since 1970. Without it only ISO 8601 (year first) is read, because
        ``1/4/1999`` has two meanings.
    source, licence : where the file comes from and under which terms, as told in reports.
    is_synthetic : declare made-up bars as such; the flag travels with everything made of them.
    """

    columns: dict[str, str] = Field(default_factory=dict)
    time_format: str | None = None
    source: str | None = None
    licence: str = "not stated"
    is_synthetic: bool = False


def import_bars(
    path: Path,
    *,
    symbol: str,
    timeframe: str,
    timezone: str | None = None,
    options: ImportOptions | None = None,
) -> tuple[BarFrame, ValidationReport]:
    """Read bars from a CSV or Parquet file (``.csv``, ``.parquet``).

    Parameters
    ----------
    timezone : IANA zone of times that state none ("UTC", "America/New_York"). Times with an
        offset of their own need none, and contradict a zone that says otherwise. Times are bar
        opens; daily and weekly bars end with the zone's calendar day or week.

    Returns
    -------
    The bars, and a report with everything odd about them: gaps, stale prices, columns left out.

    Raises
    ------
    DataNotAvailableError if there is no file; ConfigError for the options; DataError for times
    without a declared zone, times that the zone's clock change skips or repeats (the first is
    named), cells that are no numbers, missing columns, and bars that `BarFrame.build` refuses.
    """
    chosen = options or ImportOptions()
    parse_timeframe(timeframe)
    _check_zone(timezone)
    raw = _read(Path(path))
    headers = _match_headers(raw.columns, chosen.columns, path)
    times = read_times(raw[headers["time"]], timezone, chosen.time_format)
    table: dict[str, Any] = {"time": times.utc}
    for name in (*PRICES, "volume"):
        if name in headers:
            table[name] = _numbers(raw[headers[name]], headers[name])
    table["close_time"] = close_times(times, timeframe)
    bars = BarFrame.build(
        pl.DataFrame(table),
        symbol=symbol,
        timeframe=timeframe,
        source=chosen.source or f"file:{Path(path).name}",
        provenance=_provenance(Path(path), times),
        licence=chosen.licence,
        is_synthetic=chosen.is_synthetic,
    )
    return bars, _with_unread_columns(validate_bars(bars, timeframe), raw.columns, headers)


def _check_zone(timezone: str | None) -> None:
    if timezone is not None and timezone not in zoneinfo.available_timezones():
        raise ConfigError(
            f"unknown time zone {timezone!r}.",
            code="CONFIG-UnknownTimezone",
            field="timezone",
            value=timezone,
            suggestion=did_you_mean(timezone, zoneinfo.available_timezones()),
        )


def _read(path: Path) -> Any:
    if not path.is_file():
        raise DataNotAvailableError(
            f"there is no file {str(path)!r}.", field="path", suggestion="Check the path."
        )
    kind = path.suffix.lower()
    try:
        if kind == ".csv":
            return pl.read_csv(path, infer_schema=False)
        if kind == ".parquet":
            return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError, UnicodeError) as error:
        raise DataError(
            f"{path.name} cannot be read as {kind[1:].upper()}: {str(error).splitlines()[0]}.",
            code="DATA-Unparsable",
            field="path",
        ) from error
    raise DataError(
        f"{path.name} is neither .csv nor .parquet.",
        code="DATA-UnknownFormat",
        field="path",
        suggestion="Convert it to one of the two.",
    )


def _match_headers(headers: list[str], declared: Mapping[str, str], path: Path) -> dict[str, str]:
    """Return the file's header of each of our columns that it has."""
    out: dict[str, str] = {}
    for name, header in declared.items():
        if name not in _KNOWN_HEADERS:
            raise ConfigError(
                f"unknown column name {name!r}.",
                field="columns",
                value=name,
                suggestion=did_you_mean(name, _KNOWN_HEADERS),
            )
        if header not in headers:
            raise _missing(name, f"{header!r}", headers, path)
        out[name] = header
    for name, usual in _KNOWN_HEADERS.items():
        if name in out:
            continue
        found = [h for h in headers if h.strip().strip("<>").lower() in usual]
        found = [h for h in found if h not in out.values()]
        if len(found) > 1:
            raise DataError(
                f"{path.name} has more than one column that may be {name!r}: "
                f"{', '.join(repr(h) for h in found)}.",
                code="DATA-AmbiguousColumn",
                field=name,
                suggestion=f"Say which: columns={{'{name}': '{found[0]}'}}.",
            )
        if found:
            out[name] = found[0]
        elif name != "volume":
            raise _missing(name, f"for {name!r}", headers, path)
    return out


def _missing(name: str, what: str, headers: list[str], path: Path) -> DataError:
    shown = ", ".join(repr(h) for h in headers)
    return DataError(
        f"{path.name} has no column {what}; it has {shown}.",
        code="DATA-MissingColumn",
        field=name,
        suggestion="Name the header with the option `columns`.",
    )


def _numbers(series: Any, header: str) -> Any:
    if series.dtype.is_numeric():
        return series.cast(pl.Float64)
    if series.dtype != pl.String:
        raise DataError(
            f"column {header!r} holds {series.dtype}, not numbers.",
            code="DATA-Unparsable",
            field=header,
        )
    numbers = series.str.strip_chars().cast(pl.Float64, strict=False)
    bad = numbers.is_null()
    if bad.any():
        rows = [int(row) for row in bad.arg_true().head(_EXAMPLES)]
        raise DataError(
            f"column {header!r} holds no number on {int(bad.sum())} row(s), first at data row "
            f"{rows[0]}: {series[rows[0]]!r}.",
            code="DATA-Unparsable",
            field=header,
            suggestion="Correct or remove these rows; decimals are written with a point.",
            details={"rows": rows, "values": [series[row] for row in rows]},
        )
    return numbers


def _provenance(path: Path, times: Times) -> str:
    return f"imported from {path.name} (SHA-256 {file_sha256(path)}); {times.told}"


def _with_unread_columns(
    report: ValidationReport, headers: list[str], used: Mapping[str, str]
) -> ValidationReport:
    unread = [header for header in headers if header not in used.values()]
    if not unread:
        return report
    finding = Finding(
        severity="warning",
        code="DATA-UnknownColumn",
        message=f"column(s) left out: {', '.join(repr(header) for header in unread)}.",
        count=len(unread),
    )
    return report.model_copy(update={"findings": (*report.findings, finding)})
