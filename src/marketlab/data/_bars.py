"""The value that carries bars from their source to everything that reads them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl

from marketlab.core import (
    DataNotAvailableError,
    FloatArray,
    IntArray,
    check_name,
    require_utc,
)
from marketlab.data._columns import COLUMNS, PRICES, Columns, columns_of
from marketlab.data._timeframe import fixed_timeframe_ns, parse_timeframe
from marketlab.data._validate import ValidationReport, find_errors, time_text

_ID_SCHEMA = "marketlab-bars-1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PIECE = 32_768


@dataclass(frozen=True, eq=False, kw_only=True)
class BarFrame:
    """Checked bars of one series; immutable, ordered by time, one row per bar.

    `time` is the bar's open and `close_time` the moment from which the bar is known, both UTC.
    For bars that trade round the clock `close_time` is ``time + timeframe``. Daily bars are taken
    to be known at the end of their UTC day, which is later than the session's close of the markets
    bundled here: a statement on the safe side. Prices are in quote currency and greater than zero.

    Build one with `BarFrame.build`, which refuses bad bars; the fields are then taken as true.

    Attributes
    ----------
    frame : polars frame `time, open, high, low, close, volume, close_time`.
    dataset_id : SHA-256 of the content (symbol, timeframe, times, prices, volumes), 64 digits.
    is_synthetic : True for made-up or altered prices, and for everything cut from them.
    has_volume : False if the source brought none; `volume` is then zero throughout.
    metadata : JSON-ready facts, such as those of a planted edge.
    """

    frame: Any
    symbol: str
    timeframe: str
    source: str
    dataset_id: str
    is_synthetic: bool
    has_volume: bool
    provenance: str
    licence: str
    metadata: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        table: Any,
        *,
        symbol: str,
        timeframe: str,
        source: str,
        provenance: str = "",
        licence: str = "not stated",
        is_synthetic: bool = False,
        has_volume: bool | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Self:
        """Check `table` and return it as bars.

        Parameters
        ----------
        table : polars frame with aware times, or mapping of arrays with `time` in int64
            nanoseconds of UTC. Needs time, open, high, low, close; may bring volume, close_time.
        has_volume : None means: there is a volume column and it is not zero throughout.

        Raises
        ------
        DataError naming the first kind of trouble, its count and rows (all kinds in ``details``);
        ConfigError for an unknown timeframe or a symbol that is no safe name.
        """
        check_name(symbol, field="symbol")
        columns, with_volume = columns_of(table, timeframe)
        if has_volume is None:
            has_volume = with_volume and bool(np.any(columns["volume"] != 0.0))
        errors = tuple(find_errors(columns))
        report = ValidationReport(n_bars=len(columns["time"]), timeframe=timeframe, findings=errors)
        report.raise_if_refused(f"{symbol} {timeframe}")
        # Prices and volumes are new arrays already; times may still be those of the caller.
        owned = {name: np.array(columns[name]) for name in ("time", "close_time")}
        return cls(
            frame=_frame(columns | owned),
            symbol=symbol,
            timeframe=timeframe,
            source=source,
            dataset_id=_content_id(columns, symbol, timeframe, has_volume=has_volume),
            is_synthetic=is_synthetic,
            has_volume=has_volume,
            provenance=provenance,
            licence=licence,
            metadata=dict(metadata or {}),
        )

    @property
    def n_bars(self) -> int:
        """Number of bars."""
        return int(self.frame.height)

    def __len__(self) -> int:
        return self.n_bars

    def __repr__(self) -> str:
        kind = "synthetic " if self.is_synthetic else ""
        return (
            f"<{kind}BarFrame {self.symbol} {self.timeframe}: {self.n_bars} bars, "
            f"{self.times(0):%Y-%m-%d %H:%M} to {self.times(-1):%Y-%m-%d %H:%M} UTC, "
            f"{self.dataset_id[:12]}>"
        )

    @cached_property
    def open(self) -> FloatArray:
        """Opening prices, shape (n_bars,), read-only."""
        return _column(self.frame, "open")

    @cached_property
    def high(self) -> FloatArray:
        """Highest prices, shape (n_bars,), read-only."""
        return _column(self.frame, "high")

    @cached_property
    def low(self) -> FloatArray:
        """Lowest prices, shape (n_bars,), read-only."""
        return _column(self.frame, "low")

    @cached_property
    def close(self) -> FloatArray:
        """Closing prices, shape (n_bars,), read-only."""
        return _column(self.frame, "close")

    @cached_property
    def volume(self) -> FloatArray:
        """Volumes, shape (n_bars,), read-only; zeros if `has_volume` is False."""
        return _column(self.frame, "volume")

    @cached_property
    def time_ns(self) -> IntArray:
        """Opening times in nanoseconds of UTC since 1970, shape (n_bars,), read-only."""
        return _time_column(self.frame, "time")

    @cached_property
    def close_time_ns(self) -> IntArray:
        """Closing times in nanoseconds of UTC since 1970, shape (n_bars,), read-only."""
        return _time_column(self.frame, "close_time")

    def times(self, position: int) -> datetime:
        """Return the opening time of one bar, aware, UTC; negative positions count from the end."""
        return _EPOCH + timedelta(microseconds=int(self.time_ns[position]) // 1000)

    def arrays(self) -> dict[str, FloatArray]:
        """Return open, high, low, close and volume as read-only arrays of shape (n_bars,)."""
        return {
            "open": self.open,
            "high": self.high,
            "low": self.low,
            "close": self.close,
            "volume": self.volume,
        }

    def between(self, start: date | datetime | None, end: date | datetime | None) -> Self:
        """Return the bars that open from `start` to `end`, both included; None leaves a side open.

        A date means the whole UTC day. The flag `is_synthetic` and the metadata stay; the id is
        that of the remaining content.

        Raises
        ------
        DataNotAvailableError (``No data for EURUSD 1h between …``) if no bar is left;
        ConfigError for a naive datetime.
        """
        times = self.time_ns
        first = 0 if start is None else int(np.searchsorted(times, _lower_ns(start), side="left"))
        stop = len(times) if end is None else int(np.searchsorted(times, _upper_ns(end)))
        if stop <= first:
            covers = f"{time_text(int(times[0]))} to {time_text(int(times[-1]))}"
            raise DataNotAvailableError(
                f"No data for {self.symbol} {self.timeframe} between {start} and {end}; the series "
                f"{self.source!r} covers {covers}.",
                field="date_range",
                suggestion="Ask for dates inside the series, or add one that covers them.",
            )
        if first == 0 and stop == len(times):
            return self
        columns = {name: values[first:stop].copy() for name, values in self._columns().items()}
        return replace(
            self,
            frame=_frame(columns),
            dataset_id=self._id_of(columns),
            metadata={"cut_from": self.dataset_id, **self.metadata},
        )

    def replace_prices(
        self, open: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray
    ) -> Self:
        """Return bars with the same times and volumes and other prices (a surrogate).

        The result is synthetic and its provenance names the series it was made from.

        Raises
        ------
        DataError as in `build`.
        """
        columns = self._columns()
        for name, values in zip(PRICES, (open, high, low, close), strict=True):
            columns[name] = values
        return self.build(
            {name: columns[name] for name in COLUMNS},
            symbol=self.symbol,
            timeframe=self.timeframe,
            source=self.source,
            provenance=f"prices replaced in {self.dataset_id}",
            licence=self.licence,
            is_synthetic=True,
            has_volume=self.has_volume,
            metadata={"prices_replaced_in": self.dataset_id},
        )

    def _columns(self) -> Columns:
        return {"time": self.time_ns, **self.arrays(), "close_time": self.close_time_ns}

    def _id_of(self, columns: Columns) -> str:
        return _content_id(columns, self.symbol, self.timeframe, has_volume=self.has_volume)


def close_time(opens_at: datetime, timeframe: str) -> datetime:
    """Return when a bar that opened at `opens_at` is known, where the series states nothing else.

    Raises
    ------
    ConfigError for a naive time, an unknown timeframe, or one whose bars a calendar ends.
    """
    fixed_timeframe_ns(timeframe)
    return require_utc(opens_at, field="opens_at") + parse_timeframe(timeframe)


def _frame(columns: Columns) -> Any:
    """Return the columns as a frame, which may share their memory: nobody else may write it."""
    data = {name: columns[name] for name in COLUMNS}
    stamps = [pl.col(name).cast(pl.Datetime("ns", "UTC")) for name in ("time", "close_time")]
    return pl.DataFrame(data).with_columns(stamps)


def _column(frame: Any, name: str) -> FloatArray:
    out: FloatArray = np.ascontiguousarray(frame[name].to_numpy(), dtype=np.float64)
    out.flags.writeable = False
    return out


def _time_column(frame: Any, name: str) -> IntArray:
    out: IntArray = np.ascontiguousarray(frame[name].to_physical().to_numpy(), dtype=np.int64)
    out.flags.writeable = False
    return out


def _content_id(columns: Columns, symbol: str, timeframe: str, *, has_volume: bool) -> str:
    digest = hashlib.sha256(
        f"{_ID_SCHEMA}|{symbol}|{timeframe}|{has_volume}|{len(columns['time'])}\n".encode()
    )
    for name in COLUMNS:
        digest.update(f"{name}\n".encode())
        if name in {"time", "close_time"}:
            digest.update(np.ascontiguousarray(columns[name], dtype="<i8").data)
            continue
        for first in range(0, len(columns[name]), _PIECE):
            # Adding zero turns -0.0 into 0.0: equal numbers have equal ids.
            piece = columns[name][first : first + _PIECE] + 0.0
            digest.update(np.ascontiguousarray(piece, dtype="<f8").data)
    return digest.hexdigest()


def _lower_ns(bound: date | datetime) -> int:
    if not isinstance(bound, datetime):
        bound = datetime.combine(bound, time(), tzinfo=UTC)
    return _ns(require_utc(bound, field="start"))


def _upper_ns(bound: date | datetime) -> int:
    """Return the first nanosecond that lies after `bound`."""
    if isinstance(bound, datetime):
        return _ns(require_utc(bound, field="end")) + 1
    return _ns(datetime.combine(bound, time(), tzinfo=UTC) + timedelta(days=1))


def _ns(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
