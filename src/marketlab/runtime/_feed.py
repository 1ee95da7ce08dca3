"""Where bars come from: a protocol, and the replay of stored bars."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from marketlab.core import Clock, ConfigError, DataError, ManualClock
from marketlab.data import BarFrame


class Bar(NamedTuple):
    """One closed bar; times in UTC nanoseconds, `position` counted from the feed's first bar."""

    position: int
    time_ns: int
    close_time_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Feed(Protocol):
    """Closed bars of one series, in order, each once.

    `history` gives the bars a model may warm up on, `live` those it acts on. A feed is read by
    one thread; `live` blocks until the next bar is closed and ends when the feed does.
    """

    symbol: str
    timeframe: str
    dataset_id: str
    is_synthetic: bool
    has_volume: bool

    @property
    def clock(self) -> Clock:
        """The clock by which this feed's bars become known."""
        ...

    def history(self) -> Iterator[Bar]:
        """Yield the bars before the first live one, oldest first."""
        ...

    def live(self) -> Iterator[Bar]:
        """Yield each bar once it is closed."""
        ...


class ReplayFeed:
    """Stored bars as if they came one by one; the clock is moved to each bar's close.

    Parameters
    ----------
    bars : the series.
    start : position of the first live bar, 0 <= start < n_bars.

    Raises
    ------
    ConfigError if `start` lies outside the series.
    """

    def __init__(self, bars: BarFrame, *, start: int) -> None:
        if not 0 <= start < bars.n_bars:
            raise ConfigError(
                f"must be a position from 0 to {bars.n_bars - 1}; received {start}.",
                code="RUNTIME-ReplayStart",
                field="start",
            )
        self.symbol = bars.symbol
        self.timeframe = bars.timeframe
        self.dataset_id = bars.dataset_id
        self.is_synthetic = bars.is_synthetic
        self.has_volume = bars.has_volume
        self._bars = bars
        self._start = start
        self._clock = ManualClock(bars.times(start))

    @property
    def clock(self) -> Clock:
        """The replay's own clock."""
        return self._clock

    def history(self) -> Iterator[Bar]:
        """Yield the bars before `start`; the clock stands."""
        yield from self._between(0, self._start)

    def live(self) -> Iterator[Bar]:
        """Yield the bars from `start` on, each after the clock reached its close."""
        from datetime import UTC, datetime, timedelta

        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        for bar in self._between(self._start, self._bars.n_bars):
            self._clock.move_to(epoch + timedelta(microseconds=bar.close_time_ns // 1000))
            yield bar

    def _between(self, first: int, stop: int) -> Iterator[Bar]:
        part = slice(first, stop)
        columns = (
            self._bars.time_ns,
            self._bars.close_time_ns,
            self._bars.open,
            self._bars.high,
            self._bars.low,
            self._bars.close,
            self._bars.volume,
        )
        rows = zip(*(column[part].tolist() for column in columns), strict=True)
        for position, row in enumerate(rows, start=first):
            yield Bar(position, *row)


def replay_start(bars: BarFrame, first_test_ns: int) -> int:
    """Return the position of the first bar that opens at or after `first_test_ns`.

    Raises
    ------
    DataError (``RUNTIME-NothingHeldOut``) if the series ends before.
    """
    start = int(np.searchsorted(bars.time_ns, first_test_ns, side="left"))
    if start == bars.n_bars:
        raise DataError(
            f"{bars.symbol} {bars.timeframe} ends before the model's first held-out bar.",
            code="RUNTIME-NothingHeldOut",
            suggestion="Replay a series that goes beyond what the model was trained on.",
        )
    return start
