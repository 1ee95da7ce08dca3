"""Files of bars on this machine as a source: read once, as strictly as an import."""

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from marketlab.core import (
    ConfigError,
    DataError,
    DataNotAvailableError,
    check_name,
    file_sha256,
    from_mapping,
)
from marketlab.data._bars import BarFrame
from marketlab.data._calendar import CALENDARS
from marketlab.data._import import ImportOptions, import_bars
from marketlab.data._local import LocalSource, rows_between
from marketlab.data._source import SOURCES, ChunkRequest, Row, SourceFacts, SourceLimits
from marketlab.data._timeframe import TIMEFRAMES

_SUFFIXES = (".csv", ".parquet")


class Files(LocalSource):
    """The files ``SYMBOL_TIMEFRAME.csv`` or ``.parquet`` of a folder, such as ``BTC-USD_5m.csv``.

    From the environment: ``MARKETLAB_FILES_PATH`` the folder; ``MARKETLAB_FILES_TIMEZONE`` the
    zone of times that state none (never guessed); ``MARKETLAB_FILES_CALENDAR`` by which the
    symbols trade (``24x7``); and, as in `ImportOptions`, ``…_LAYOUT``, ``…_DECIMAL``,
    ``…_TIME_FORMAT``, ``…_LICENCE`` and ``…_SYNTHETIC`` (``true`` for made-up bars).
    """

    name = "files"
    price_type = "not stated by the file"
    volume_unit = "not stated by the file"
    timeframes: Mapping[str, str] = {name: name for name in TIMEFRAMES if name != "1w"}

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        def told(name: str) -> str | None:
            return environment.get(f"MARKETLAB_FILES_{name}")

        self._root = _existing(told("PATH"))
        self._timezone = told("TIMEZONE")
        self._calendar = told("CALENDAR") or "24x7"
        CALENDARS.get(self._calendar, field="MARKETLAB_FILES_CALENDAR")
        options = {"layout": "LAYOUT", "decimal": "DECIMAL", "time_format": "TIME_FORMAT"}
        options |= {"licence": "LICENCE"}
        given = {key: value for key, name in options.items() if (value := told(name)) is not None}
        synthetic = {"is_synthetic": _flag(told("SYNTHETIC"))}
        self._options = from_mapping(ImportOptions, given | synthetic, source="MARKETLAB_FILES_*")
        self.limits = SourceLimits(most_candles=20_000, requests_per_second=math.inf, concurrency=1)
        self._read: dict[Path, tuple[tuple[int, int], str, BarFrame, list[str]]] = {}

    def check_symbol(self, symbol: str) -> None:
        """Raise `ConfigError` unless `symbol` can be part of a file's name."""
        check_name(symbol, field="symbol")

    def calendar(self, symbol: str) -> str:
        """Return the declared calendar."""
        del symbol
        return self._calendar

    def target(self, symbol: str, timeframe: str, start_s: int, end_s: int) -> str:
        """Return file, content and range; errors as in `import_bars`, which reads it here."""
        digest, _, _ = self._bars(symbol, timeframe)
        name = self._path(symbol, timeframe).name
        return f"{name} SHA-256 {digest} in {self._timezone} from {start_s} to {end_s}"

    def rows(self, request: ChunkRequest, turn: Callable[[], None]) -> list[Row]:
        """Return the bars of `request`; DataError if the file is not the one planned with."""
        del turn
        digest, bars, _ = self._bars(request.symbol, request.timeframe)
        path = self._path(request.symbol, request.timeframe)
        if digest not in request.target:
            raise DataError(
                f"{path} was altered after the fetch was planned.",
                code="SOURCE-FileAltered",
                field="symbol",
                suggestion="Run the same command again.",
            )
        return rows_between(bars, request.start_s, request.end_s)

    def facts(self, symbol: str, timeframe: str, start_s: int, end_s: int) -> SourceFacts:
        """Return the file's provenance, and what was odd about reading it."""
        del start_s, end_s
        digest, bars, warnings = self._bars(symbol, timeframe)
        return SourceFacts(
            source=bars.source,
            provenance=bars.provenance,
            licence=bars.licence,
            is_synthetic=bars.is_synthetic,
            metadata={"file_sha256": digest, "import_warnings": warnings},
        )

    def _bars(self, symbol: str, timeframe: str) -> tuple[str, BarFrame, list[str]]:
        """Return the file's SHA-256, its bars and warnings; read again if it was altered."""
        path = self._path(symbol, timeframe)
        facts = path.stat()
        stamp = (facts.st_mtime_ns, facts.st_size)
        if path not in self._read or self._read[path][0] != stamp:
            digest = file_sha256(path)
            bars, report = import_bars(
                path,
                symbol=symbol,
                timeframe=timeframe,
                timezone=self._timezone,
                options=self._options,
            )
            warnings = [finding.message for finding in report.warnings]
            self._read[path] = (stamp, digest, bars, warnings)
        return self._read[path][1:]

    def _path(self, symbol: str, timeframe: str) -> Path:
        wanted = [self._root / f"{symbol}_{timeframe}{suffix}" for suffix in _SUFFIXES]
        found = [path for path in wanted if path.is_file()]
        if len(found) == 2:
            raise ConfigError(
                f"there are both {found[0]} and {found[1].name}; which one is meant is not clear.",
                field="symbol",
                value=symbol,
                suggestion="Move one of them away.",
            )
        if not found:
            raise DataNotAvailableError(
                f"there is no file {wanted[0]} (nor {wanted[1].name}).",
                field="symbol",
                suggestion="Files are named SYMBOL_TIMEFRAME.csv in MARKETLAB_FILES_PATH.",
            )
        return found[0]


def _existing(path: str | None) -> Path:
    if not path:
        raise ConfigError(
            "files are read from the folder in MARKETLAB_FILES_PATH, which is not set.",
            code="SOURCE-MissingSetting",
            field="source",
            suggestion="Set it to a folder with files such as BTC-USD_5m.csv.",
        )
    if not Path(path).is_dir():
        raise ConfigError(
            f"MARKETLAB_FILES_PATH is no folder: {path!r}.",
            field="MARKETLAB_FILES_PATH",
            value=path,
        )
    return Path(path)


def _flag(text: str | None) -> bool:
    if text not in {None, "true", "false"}:
        raise ConfigError(
            f"MARKETLAB_FILES_SYNTHETIC is true or false; received {text!r}.",
            field="MARKETLAB_FILES_SYNTHETIC",
            value=text,
        )
    return text == "true"


SOURCES.add("files", Files)
