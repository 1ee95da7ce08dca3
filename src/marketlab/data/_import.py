"""Files of bars from elsewhere: read strictly, with a declared time zone, nothing guessed."""

import re
import zoneinfo
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

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
from marketlab.data._import_accept import (
    ACCEPTED,
    ROW_CODES,
    accept_rows,
    accepted_findings,
    check_codes,
    how_to_accept,
    told,
)
from marketlab.data._import_layouts import LaidOut, read_laid_out
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
_DECIMAL_COMMA = re.compile(r"^[+-]?\d+,\d+$")


class ImportOptions(FrozenConfig):
    """How to read a file of bars where its form does not say it.

    Attributes
    ----------
    columns : our name (time, open, high, low, close, volume) to the file's header; names left out
        are found by their usual headers, whatever their case.
    time_format : strptime format of the time column, or ``unix_s``, ``unix_ms``, ``unix_us``,
        ``unix_ns`` for counts since 1970. Without it only ISO 8601 (year first) is read, because
        ``1/4/1999`` has two meanings.
    layout : ``auto`` recognises the files of HistData, Dukascopy, MetaTrader, Interactive Brokers
        and Yahoo by their first lines; ``plain`` reads the file as a table with a header. Declared
        `columns` mean ``plain``.
    decimal : the mark before decimals in CSV files: a point, or a declared comma.
    source, licence : where the file comes from and under which terms, as told in reports.
    is_synthetic : declare made-up bars as such; the flag travels with everything made of them.
    leave_out : codes of findings in single rows (``DATA-CloseOutsideRange``, …) whose rows are
        left out instead of refusing the file.
    widen_range : set high and low to the extremes of a row's four prices where they exclude one.
        What either option did is told in the report, the provenance and the metadata.
    """

    columns: dict[str, str] = Field(default_factory=dict)
    time_format: str | None = None
    layout: Literal["auto", "plain"] = "auto"
    decimal: Literal[".", ","] = "."
    source: str | None = None
    licence: str = "not stated"
    is_synthetic: bool = False
    leave_out: tuple[str, ...] = ()
    widen_range: bool = False


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
        opens; daily and weekly bars end with the zone's calendar day or week. A zone that the
        file states itself ("Gmt time") need not be declared, and must not be contradicted.

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
    check_codes(chosen.leave_out)
    path = Path(path)
    try:
        laid_out = _read(path, chosen)
        return _import(path, laid_out, symbol, timeframe, timezone, chosen)
    except DataError as error:
        if path.name in error.message and error.code not in ROW_CODES:
            raise
        raise _named(error, path) from error


def _import(
    path: Path,
    laid_out: LaidOut,
    symbol: str,
    timeframe: str,
    timezone: str | None,
    chosen: ImportOptions,
) -> tuple[BarFrame, ValidationReport]:
    raw = laid_out.table
    headers = _match_headers(raw.columns, {**laid_out.columns, **chosen.columns}, path)
    times = _times(raw[headers["time"]], laid_out, timezone, chosen)
    table: dict[str, Any] = {"time": times.utc}
    for name in (*PRICES, "volume"):
        if name in headers:
            table[name] = _numbers(raw[headers[name]], headers[name], chosen.decimal)
    table["close_time"] = close_times(times, timeframe)
    frame, accepted = accept_rows(
        pl.DataFrame(table),
        timeframe,
        leave_out=chosen.leave_out,
        widen_range=chosen.widen_range,
    )
    bars = BarFrame.build(
        frame,
        symbol=symbol,
        timeframe=timeframe,
        source=chosen.source or f"file:{path.name}",
        provenance="; ".join([_provenance(path, times, laid_out), *map(told, accepted)]),
        licence=chosen.licence,
        is_synthetic=chosen.is_synthetic,
        metadata={ACCEPTED: accepted} if accepted else None,
    )
    report = _with_unread_columns(validate_bars(bars, timeframe), raw.columns, headers)
    told_too = (*accepted_findings(accepted), *report.findings)
    return bars, report.model_copy(update={"findings": told_too})


def _times(series: Any, laid_out: LaidOut, timezone: str | None, chosen: ImportOptions) -> Times:
    """Return the moments of the file; its layout's form and zone stand where none is declared."""
    stated = laid_out.zone
    if stated is not None and stated not in zoneinfo.available_timezones():
        if timezone is None:
            raise DataError(
                f"line 2 and the others state the time zone {stated!r}, which is unknown.",
                code="DATA-UnknownTimezone",
                field="timezone",
                value=stated,
                suggestion="Declare the zone that is meant, such as America/New_York (--timezone).",
            )
        stated = None
    if stated is not None and timezone is not None and not _same_zone(stated, timezone):
        raise DataError(
            f"the file states that its times are those of {stated}, which contradicts the "
            f"declared zone {timezone!r}.",
            code="DATA-ContradictingZone",
            field="timezone",
            suggestion="Leave the zone out: the file says it.",
        )
    time_format = chosen.time_format or laid_out.time_format
    try:
        return read_times(series, timezone or stated, time_format)
    except DataError as error:
        if error.code != "DATA-NaiveTime" or laid_out.hint is None:
            raise
        hint = f"Declare the zone: {laid_out.hint}"
        raise DataError(
            error.message, code=error.code, field="timezone", suggestion=hint
        ) from error


def _same_zone(one: str, other: str) -> bool:
    names = {"GMT", "Etc/UTC", "Etc/GMT", "UTC"}
    return one == other or {one, other} <= names


def _named(error: DataError, path: Path) -> DataError:
    """Return the error with the file's name in front, and with how to go on."""
    return DataError(
        error.message if path.name in error.message else f"{path.name}: {error.message}",
        code=error.code,
        field=error.field,
        value=error.value,
        suggestion=how_to_accept(error.code) if error.code in ROW_CODES else error.suggestion,
        details=error.details,
    )


def _check_zone(timezone: str | None) -> None:
    if timezone is not None and timezone not in zoneinfo.available_timezones():
        raise ConfigError(
            f"unknown time zone {timezone!r}.",
            code="CONFIG-UnknownTimezone",
            field="timezone",
            value=timezone,
            suggestion=did_you_mean(timezone, zoneinfo.available_timezones()),
        )


def _read(path: Path, chosen: ImportOptions) -> LaidOut:
    if not path.is_file():
        raise DataNotAvailableError(
            f"there is no file {str(path)!r}.", field="path", suggestion="Check the path."
        )
    kind = path.suffix.lower()
    try:
        if kind == ".csv":
            return read_laid_out(path, plain=chosen.layout == "plain" or bool(chosen.columns))
        if kind == ".parquet":
            return LaidOut("plain", pl.read_parquet(path))
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
                suggestion=f"Say which: --column {name}={found[0]} (`columns`).",
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
        suggestion=f"If it has another header, name it: --column {name}=HEADER (`columns`).",
    )


def _numbers(series: Any, header: str, decimal: str) -> Any:
    if series.dtype.is_numeric():
        return series.cast(pl.Float64)
    if series.dtype != pl.String:
        raise DataError(
            f"column {header!r} holds {series.dtype}, not numbers.",
            code="DATA-Unparsable",
            field=header,
        )
    texts = series.str.strip_chars()
    if decimal == ",":
        # A point in such a file would part thousands, or not: it makes the cell no number.
        texts = texts.str.replace_all(".", "?", literal=True).str.replace(",", ".", literal=True)
    numbers = texts.cast(pl.Float64, strict=False)
    bad = numbers.is_null()
    if bad.any():
        rows = [int(row) for row in bad.arg_true().head(_EXAMPLES)]
        raise DataError(
            f"column {header!r} holds no number on {int(bad.sum())} row(s), first at data row "
            f"{rows[0]}: {series[rows[0]]!r}.",
            code="DATA-Unparsable",
            field=header,
            suggestion=_number_hint(str(series[rows[0]]), decimal),
            details={"rows": rows, "values": [series[row] for row in rows]},
        )
    return numbers


def _number_hint(text: str, decimal: str) -> str:
    if decimal == "." and _DECIMAL_COMMA.match(text.strip()):
        return "This is written with a decimal comma: declare it (--decimal , or decimal=',')."
    mark = "a point" if decimal == "." else "the declared comma"
    return f"Correct or remove these rows; decimals are written with {mark}."


def _provenance(path: Path, times: Times, laid_out: LaidOut) -> str:
    layout = "" if laid_out.name == "plain" else f"; layout {laid_out.name}"
    return f"imported from {path.name} (SHA-256 {file_sha256(path)}){layout}; {times.told}"


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
