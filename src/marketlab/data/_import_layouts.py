"""The files that well-known programs write, recognised by their first lines and nothing else.

A layout says how cells are parted, which of them make up the time and in what form it is written.
It does not say the zone, except where the file itself does (Dukascopy's "Gmt time" header,
Interactive Brokers' zone behind each time).
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import polars as pl

from marketlab.core import DataError

LayoutName: TypeAlias = Literal[
    "histdata", "dukascopy", "metatrader", "interactive_brokers", "yahoo", "plain"
]

_PRICES = ("open", "high", "low", "close")
_HEAD_BYTES = 8_192
_HISTDATA = re.compile(r"^\d{8} \d{6};")
_METATRADER_4 = re.compile(r"^\d{4}\.\d{2}\.\d{2},\d{2}:\d{2},")
_DUKASCOPY_TIMES = {"gmt time", "local time", "time (utc)"}
_IB_TIME = re.compile(r"^\d{8}(?:\s+\d{2}:\d{2}:\d{2}(?:\s+(\S+))?)?$")
_GMT = re.compile(r"GMT[+-]\d{4}$")


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A file's table of texts with what its layout says about reading it.

    `columns` maps our names to headers, `zone` is the one that the file states, `hint` tells what
    is known of the zone where the file states none.
    """

    name: LayoutName
    table: Any
    columns: dict[str, str] = field(default_factory=dict)
    time_format: str | None = None
    zone: str | None = None
    hint: str | None = None


def read_laid_out(path: Path, *, plain: bool) -> LaidOut:
    """Read a CSV file as texts; with `plain` no layout is looked for.

    Raises
    ------
    DataError (``DATA-Unparsable``) naming file and line, where the file is no table.
    """
    content = path.read_bytes()
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:  # MetaTrader writes UTF-16
        content = content.decode("utf-16").encode()
    lines = content[:_HEAD_BYTES].decode("utf-8-sig", errors="replace").splitlines()
    first = lines[0] if lines else ""
    separator = _separator(first)
    if not plain and _HISTDATA.match(first):
        return _histdata(_table(content, path, ";", ["time", *_PRICES, "volume"]))
    if not plain and _METATRADER_4.match(first):
        names = ["<DATE>", "<TIME>", *(f"<{name.upper()}>" for name in _PRICES), "<TICKVOL>"]
        return _metatrader(_table(content, path, ",", names))
    table = _table(content, path, separator, None)
    if not plain:
        headers = {header.strip().lower() for header in table.columns}
        for matches, read in _WITH_HEADER:
            if matches(headers):
                return read(table)
    return LaidOut("plain", table)


def _separator(first: str) -> str:
    if "\t" in first:
        return "\t"
    return ";" if first.count(";") >= len(_PRICES) else ","


def _table(content: bytes, path: Path, separator: str, names: list[str] | None) -> Any:
    try:
        return pl.read_csv(
            io.BytesIO(content),
            infer_schema=False,
            separator=separator,
            has_header=names is None,
            new_columns=names,
        )
    except (pl.exceptions.PolarsError, UnicodeError) as error:
        raise DataError(
            f"{path.name} cannot be read as CSV: {_first_odd_line(content, separator)}"
            f"{str(error).splitlines()[0]}.",
            code="DATA-Unparsable",
            field="path",
            suggestion="Cells are parted by commas, semicolons or tabs, alike on every line; "
            "numbers with a decimal comma need semicolons or tabs.",
        ) from error


def _first_odd_line(content: bytes, separator: str) -> str:
    lines = content.decode(errors="replace").splitlines()
    wanted = lines[0].count(separator) if lines else 0
    for number, line in enumerate(lines, start=1):
        if '"' not in line and line.count(separator) > wanted:
            cells = line.count(separator) + 1
            return f"line {number} has {cells} cells, the first line {wanted + 1}: {line[:80]!r}; "
    return ""


def _histdata(table: Any) -> LaidOut:
    return LaidOut(
        "histdata",
        table,
        time_format="%Y%m%d %H%M%S",
        hint="HistData says its times are New York's winter time all year: that is 'Etc/GMT+5'.",
    )


def _metatrader(table: Any) -> LaidOut:
    headers = {header.strip().lower(): header for header in table.columns}
    columns = {name: headers[f"<{name}>"] for name in _PRICES if f"<{name}>" in headers}
    for volume in ("<tickvol>", "<vol>"):
        if volume in headers:
            columns.setdefault("volume", headers[volume])
    moment, form = pl.col(headers["<date>"]), "%Y.%m.%d"
    if "<time>" in headers:
        moment = moment + " " + pl.col(headers["<time>"])
        seconds = str(table[headers["<time>"]][0]).count(":") == 2 if table.height else True
        form += " %H:%M:%S" if seconds else " %H:%M"
    parts = [headers[name] for name in ("<date>", "<time>") if name in headers]
    return LaidOut(
        "metatrader",
        table.with_columns(moment.alias("time")).drop(parts),
        columns={"time": "time", **columns},
        time_format=form,
        hint="MetaTrader writes its server's time; ask the broker which zone that is.",
    )


def _dukascopy(table: Any) -> LaidOut:
    headers = {header.strip().lower(): header for header in table.columns}
    (name,) = _DUKASCOPY_TIMES & headers.keys()
    first = str(table[headers[name]][0]) if table.height else ""
    form = "%Y.%m.%d %H:%M:%S" if first[4:5] == "." else "%d.%m.%Y %H:%M:%S"
    form += "%.f" if "." in first[19:20] else ""
    with_offset = _GMT.search(first) is not None
    return LaidOut(
        "dukascopy",
        table,
        columns={"time": headers[name]},
        time_format=form + (" GMT%z" if with_offset else ""),
        zone=None if name == "local time" else "UTC",
        hint="the file holds the local time of the computer that wrote it.",
    )


def _interactive_brokers(table: Any) -> LaidOut:
    headers = {header.strip().lower(): header for header in table.columns}
    times = table[headers["date"]].str.strip_chars().str.replace_all(r"\s+", " ")
    if table.height == 0 or times.null_count() or not _IB_TIME.match(times[0]):
        return LaidOut("interactive_brokers", table, columns={"time": headers["date"]})
    zones = times.str.extract(r"^\d{8} \d{2}:\d{2}:\d{2} (\S+)$")
    differs = zones.ne_missing(zones[0])
    if differs.any():
        row = int(differs.arg_true()[0])
        raise DataError(
            f"the times are of more than one zone: {zones[0]!r} at data row 0 and {zones[row]!r} "
            f"at data row {row}.",
            code="DATA-MixedZones",
            field="time",
            suggestion="Export the file with one zone throughout, best in UTC.",
            details={"rows": [row]},
        )
    bare = times.str.replace(r" [^ :]*[A-Za-z][^ :]*$", "")
    return LaidOut(
        "interactive_brokers",
        table.with_columns(bare.alias(headers["date"])),
        columns={"time": headers["date"]},
        time_format="%Y%m%d %H:%M:%S" if " " in bare[0] else "%Y%m%d",
        zone=zones[0],
        hint="Trader Workstation writes the zone of its own settings; declare that one.",
    )


def _yahoo(table: Any) -> LaidOut:
    return LaidOut("yahoo", table, hint="Yahoo's days are those of the exchange; declare its zone.")


_WITH_HEADER: tuple[tuple[Callable[[set[str]], bool], Callable[[Any], LaidOut]], ...] = (
    (lambda headers: "<date>" in headers and bool({"<open>", "<close>"} & headers), _metatrader),
    (lambda headers: len(_DUKASCOPY_TIMES & headers) == 1, _dukascopy),
    (lambda headers: {"date", "barcount", *_PRICES} <= headers, _interactive_brokers),
    (lambda headers: {"date", "adj close", *_PRICES} <= headers, _yahoo),
)
