"""Yahoo's chart data by the library yfinance: unadjusted for dividends, checked, never guessed."""

import os
import re
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from marketlab.core import Clock, ConfigError, MarketLabError, SystemClock
from marketlab.data._calendar import CALENDARS
from marketlab.data._fetch_holes import is_closed
from marketlab.data._http import retry_after
from marketlab.data._local import LocalConnection, LocalSource, library
from marketlab.data._retry import Broken, EmptyAnswer, MalformedBody, Refused, Retrier, Throttled
from marketlab.data._source import (
    SOURCES,
    ChunkRequest,
    Row,
    SourceFacts,
    SourceLimits,
    address,
    setting,
    time_of,
)

_SYMBOL = re.compile(r"\^?[A-Z0-9][A-Z0-9.\-]{0,19}(=X)?")
_COIN = re.compile(r"[A-Z0-9]+-(USD|USDT|EUR|GBP|BTC|ETH)")
_UNITED_STATES = {"^GSPC", "^DJI", "^IXIC", "^NDX", "^RUT", "^VIX"}
_SUFFIXES = {"L": "london", "DE": "xetra", "T": "tokyo"}
_CHART = "/v8/finance/chart/"
_PRICES = ("Open", "High", "Low", "Close")
_SHOWN_CHARACTERS = 500
_TOLD = (Broken, EmptyAnswer, MalformedBody, Refused, Throttled, MarketLabError)


class Yfinance(LocalSource):
    """Bars from Yahoo, symbols in its spelling: ``SPY``, ``^VIX``, ``BTC-USD``, ``EURUSD=X``.

    From the environment: ``MARKETLAB_YFINANCE_URL`` stands for all of Yahoo's hosts,
    ``MARKETLAB_YFINANCE_REQUESTS_PER_SECOND`` is the pace (1), ``MARKETLAB_YFINANCE_CALENDAR``
    names the calendar where the spelling does not say the exchange.

    A daily bar's `time` is the date of its session at 00:00 UTC, and it counts as known at the end
    of that UTC day, which is after the close of the exchanges known here.
    """

    name = "yfinance"
    price_type = "trade, adjusted by Yahoo for splits until the fetch, not for dividends"
    volume_unit = "as Yahoo states it"
    # Yahoo's half hours are left out: the library makes them of quarters.
    timeframes: Mapping[str, str] = {"1m": "1m", "5m": "5m", "15m": "15m", "1h": "1h", "1d": "1d"}

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._yfinance = library("yfinance", "yfinance")
        # Errors are to be raised, not logged.
        self._yfinance.config.debug.hide_exceptions = False
        self.base_url = address(environment, "MARKETLAB_YFINANCE_URL")
        self._declared = environment.get("MARKETLAB_YFINANCE_CALENDAR")
        if self._declared is not None:
            CALENDARS.get(self._declared, field="MARKETLAB_YFINANCE_CALENDAR")
        self.limits = SourceLimits(
            most_candles=10_000,  # of minutes just under the week that Yahoo gives at once
            requests_per_second=setting(environment, "MARKETLAB_YFINANCE_REQUESTS_PER_SECOND", 1.0),
            concurrency=1,  # the library has one session for all threads
        )
        self._clock: Clock = SystemClock()
        self._timeout = 30.0
        self._session: Any = None

    def check_symbol(self, symbol: str) -> None:
        """Raise `ConfigError` unless `symbol` may be one of Yahoo's and its calendar is known."""
        if not _SYMBOL.fullmatch(symbol):
            raise ConfigError(
                f"yfinance spells its symbols like SPY, ^VIX, BTC-USD or EURUSD=X; received "
                f"{symbol!r}.",
                field="symbol",
                value=symbol,
            )
        self.calendar(symbol)

    def calendar(self, symbol: str) -> str:
        """Return the declared calendar, else the one that Yahoo's spelling of `symbol` says."""
        if self._declared is not None:
            return self._declared
        if symbol.endswith("=X"):
            return "fx"
        if _COIN.fullmatch(symbol):
            return "24x7"
        stem, _, suffix = symbol.partition(".")
        if symbol in _UNITED_STATES or (stem[0] != "^" and not suffix):
            return "nyse"
        if suffix in _SUFFIXES:
            return _SUFFIXES[suffix]
        raise ConfigError(
            f"Yahoo's spelling {symbol!r} does not say by which calendar it trades.",
            field="symbol",
            value=symbol,
            suggestion=f"Set MARKETLAB_YFINANCE_CALENDAR to one of {', '.join(CALENDARS.names())}.",
        )

    def target(self, symbol: str, timeframe: str, start_s: int, end_s: int) -> str:
        """Return the request in words; ConfigError for days of currencies."""
        if timeframe == "1d" and self.calendar(symbol) == "fx":
            raise ConfigError(
                f"a daily bar of {symbol} at Yahoo is a London day, not a trading day of the FX "
                "week; its date would be a guess.",
                field="timeframe",
                value=timeframe,
                suggestion="Fetch 1h and resample it.",
            )
        return f"yahoo chart {symbol} {timeframe} {time_of(start_s)} to {time_of(end_s)}"

    def facts(self, symbol: str, timeframe: str, start_s: int, end_s: int) -> SourceFacts:
        """Return library version and address."""
        del symbol, timeframe, start_s, end_s
        where = f" at {self.base_url}" if self.base_url is not None else ""
        version = self._yfinance.__version__
        return SourceFacts(
            source="yfinance",
            provenance=f"Yahoo's chart data{where} by yfinance {version}, auto_adjust off",
            licence="Yahoo's terms: personal use",
        )

    def connect(self, retrier: Retrier, clock: Clock) -> LocalConnection:
        """Return a connection with a session of its own."""
        self._clock, self._timeout = clock, retrier.policy.timeout_seconds
        self._session = _session_class()(self.base_url, clock)
        # The library's own code uses what pandas 3.1 is going to drop, which users cannot mend.
        warnings.filterwarnings("ignore", module=r"yfinance\.")
        return super().connect(retrier, clock)

    def rows(self, request: ChunkRequest, turn: Callable[[], None]) -> list[Row]:
        """Return the bars of `request`; an empty table while the market was open is a failure."""
        del turn
        table = self._table(request)
        if table.empty:
            if is_closed(self.calendar(request.symbol), request.start_s, request.end_s):
                return []
            raise EmptyAnswer("the table is empty, although the market was open")
        if request.timeframe == "1d":
            opens = [_midnight(stamp) for stamp in table.index]
        else:
            opens = [int(stamp.timestamp()) for stamp in table.index]
        columns = [table[name].astype(float).tolist() for name in (*_PRICES, "Volume")]
        rows = zip(opens, *columns, strict=True)
        # Yahoo marks slots without trade by empty cells: no bar, as others send none.
        return [row for row in rows if not all(price != price for price in row[1:5])]

    def _table(self, request: ChunkRequest) -> Any:
        yfinance = self._yfinance
        # The library keeps answers, failures among them, and would give them back on a retry.
        yfinance.data.YfData.cache_get.cache_clear()
        start, end = (datetime.fromtimestamp(s, UTC) for s in (request.start_s, request.end_s))
        days = request.timeframe == "1d"
        try:
            ticker = yfinance.Ticker(request.symbol, session=self._session)
            table = ticker.history(
                start=f"{start:%Y-%m-%d}" if days else start,
                end=f"{end:%Y-%m-%d}" if days else end,
                interval=request.timeframe,
                auto_adjust=False,
                actions=False,
                keepna=True,
                timeout=self._timeout,
            )
            meta = dict(ticker.history_metadata) if not table.empty else {}
        except _TOLD:
            raise
        except yfinance.exceptions.YFRateLimitError as error:
            raise Throttled(str(error)) from error
        except yfinance.exceptions.YFPricesMissingError as error:
            if '"chart"' not in self._session.last:
                text = "an object with a chart was expected"
                raise MalformedBody(text, self._session.last) from error
            raise EmptyAnswer(str(error)) from error
        except OSError as error:  # of the connection; those of the library's session are OSErrors
            raise Broken(f"{type(error).__name__}: {error}") from error
        except Exception as error:
            # What the library does with an answer of another form than Yahoo's own.
            raise MalformedBody(f"{type(error).__name__}: {error}", self._session.last) from error
        for key, wanted in (("symbol", request.symbol), ("dataGranularity", request.timeframe)):
            if not table.empty and meta.get(key) != wanted:
                raise MalformedBody(f"the answer has {key} {meta.get(key)!r}, not {wanted!r}")
        return table


def _midnight(stamp: Any) -> int:
    return int(datetime(stamp.year, stamp.month, stamp.day, tzinfo=UTC).timestamp())


@cache
def _session_class() -> Any:
    backend = library("curl_cffi.requests", "yfinance")

    class Session(backend.Session):  # type: ignore[misc, name-defined]
        """The library's own kind of session, that tells failures apart and may be redirected."""

        def __init__(self, base_url: str | None, clock: Clock) -> None:
            super().__init__(impersonate="chrome")
            self._base_url, self._clock = base_url, clock
            self.last = ""

        def request(self, method: str, url: str, **options: Any) -> Any:
            path = urlsplit(url).path
            if self._base_url is not None:
                url = self._base_url + path
            answer = super().request(method, url, **options)
            if path.startswith(_CHART):
                self.last = " ".join(answer.text.split())[:_SHOWN_CHARACTERS]
                self._check(answer)
            return answer

        def _check(self, answer: Any) -> None:
            said = f"status {answer.status_code}: {self.last}"
            if answer.status_code == 429:
                wait = retry_after(answer.headers.get("Retry-After"), self._clock.now())
                raise Throttled(said, wait)
            if answer.status_code == 408 or answer.status_code >= 500:
                raise Broken(said)
            if answer.status_code >= 400:
                raise Refused(said, access=answer.status_code in {401, 403})

    return Session


SOURCES.add("yfinance", Yfinance)
