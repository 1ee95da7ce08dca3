"""Any exchange that the library ccxt knows: public candles, page by page until the end."""

import os
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from marketlab.core import Clock, ConfigError, SystemClock, did_you_mean
from marketlab.data._candles import rows_of
from marketlab.data._http import retry_after
from marketlab.data._local import LocalConnection, LocalSource, library
from marketlab.data._retry import Broken, MalformedBody, Refused, Retrier, Throttled
from marketlab.data._source import (
    SOURCES,
    ChunkRequest,
    Row,
    SourceFacts,
    SourceLimits,
    address,
    parse_json,
    setting,
    time_of,
)
from marketlab.data._timeframe import TIMEFRAMES

T = TypeVar("T")

_SYMBOL = re.compile(r"[A-Za-z0-9]{1,20}/[A-Za-z0-9]{1,20}(:[A-Za-z0-9]{1,20})?")
_SHOWN_CHARACTERS = 500
_USUAL_LIMIT = 100


class Ccxt(LocalSource):
    """Candles of one exchange, whose name at ccxt is ``MARKETLAB_CCXT_EXCHANGE``.

    ``MARKETLAB_CCXT_URL`` stands for the host of all its addresses,
    ``MARKETLAB_CCXT_REQUESTS_PER_SECOND`` for the pace that ccxt states for it. Symbols are
    spelled as ccxt does (``BTC/USD``); none is replaced by a similar one. An exchange that keeps
    its newest candles only (Kraken: 720) has no bars in an older range.
    """

    name = "ccxt"
    price_type = "trade"
    volume_unit = "base"

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._ccxt = library("ccxt", "ccxt")
        exchange = _exchange(self._ccxt, environment.get("MARKETLAB_CCXT_EXCHANGE", ""))
        self._exchange = exchange
        self.base_url = address(environment, "MARKETLAB_CCXT_URL")
        if self.base_url is not None:
            exchange.urls["api"] = _redirected(exchange.urls["api"], self.base_url)
        # Bars need no list of currencies, which would be one request more.
        exchange.has["fetchCurrencies"] = False
        self.timeframes: Mapping[str, str] = {
            name: name
            for name, length in TIMEFRAMES.items()
            if name in exchange.timeframes and length <= timedelta(days=1)
        }
        limit = exchange.features.get("spot", {}).get("fetchOHLCV", {}).get("limit")
        self.limits = SourceLimits(
            most_candles=int(limit or _USUAL_LIMIT),
            requests_per_second=setting(
                environment, "MARKETLAB_CCXT_REQUESTS_PER_SECOND", 1000.0 / exchange.rateLimit
            ),
            concurrency=1,  # an exchange object is for one thread
        )
        self._clock: Clock = SystemClock()

    @property
    def folder(self) -> str:
        """Folder of the exchange's chunks: two exchanges never share one."""
        return f"ccxt-{self._exchange.id}"

    def check_symbol(self, symbol: str) -> None:
        """Raise `ConfigError` unless `symbol` is spelled as ``BTC/USD`` or ``BTC/USDT:USDT``."""
        if not _SYMBOL.fullmatch(symbol):
            raise ConfigError(
                f"ccxt spells its symbols like BTC/USD; received {symbol!r}.",
                field="symbol",
                value=symbol,
            )

    def calendar(self, symbol: str) -> str:
        """Return ``24x7``."""
        del symbol
        return "24x7"

    def target(self, symbol: str, timeframe: str, start_s: int, end_s: int) -> str:
        """Return the request in words."""
        return f"{self._exchange.id} {symbol} {timeframe} {time_of(start_s)} to {time_of(end_s)}"

    def facts(self, symbol: str, timeframe: str, start_s: int, end_s: int) -> SourceFacts:
        """Return exchange and library version."""
        del symbol, timeframe, start_s, end_s
        where = f" at {self.base_url}" if self.base_url is not None else ""
        return SourceFacts(
            source=f"ccxt:{self._exchange.id}",
            provenance=f"candles of {self._exchange.id}{where} by ccxt {self._ccxt.__version__}",
            licence=f"terms of {self._exchange.id}",
        )

    def connect(self, retrier: Retrier, clock: Clock) -> LocalConnection:
        """Return a connection; the library waits for answers as long as the policy says."""
        self._clock = clock
        self._exchange.timeout = int(1000 * retrier.policy.timeout_seconds)
        self._exchange.enableRateLimit = False  # `retrier` keeps the pace
        return super().connect(retrier, clock)

    def rows(self, request: ChunkRequest, turn: Callable[[], None]) -> list[Row]:
        """Return the bars of `request`: short pages are followed by a question for the rest."""
        exchange = self._exchange
        if exchange.markets is None:
            self._call(exchange.load_markets)
            turn()
        if request.symbol not in exchange.markets:
            raise ConfigError(
                f"{exchange.id} has no symbol {request.symbol!r}.",
                code="SOURCE-UnknownSymbol",
                field="symbol",
                value=request.symbol,
                suggestion=did_you_mean(request.symbol, exchange.markets),
            )
        step = int(TIMEFRAMES[request.timeframe].total_seconds())
        rows: list[Row] = []
        since = request.start_s
        while True:
            wanted = (request.end_s - since) // step
            page = self._call(
                exchange.fetch_ohlcv, request.symbol, request.timeframe, since * 1000, wanted
            )
            self._check_answer(page)
            new = rows_of(page, unit=1000)
            rows += new
            last = max((row[0] for row in new if row[0] >= since), default=request.end_s)
            since = last + step
            if since >= request.end_s:
                return rows
            turn()

    def _check_answer(self, page: list[Any]) -> None:
        """Refuse what the library takes for no candles: a body that holds no list of them."""
        body = str(self._exchange.last_http_response)
        answer = parse_json(body.encode())
        if not page and not _has_empty_list(answer):
            shown = body[:_SHOWN_CHARACTERS]
            raise MalformedBody(f"there is no list of candles in {shown!r}", shown)

    def _call(self, ask: Callable[..., T], *arguments: Any) -> T:
        """Call the library; its errors become those of `Retrier.run`."""
        ccxt = self._ccxt
        try:
            return ask(*arguments)
        except ccxt.BaseError as error:
            raise self._explained(error) from error
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # What the library does with an answer of another form than the exchange's own.
            shown = str(self._exchange.last_http_response)[:_SHOWN_CHARACTERS]
            raise MalformedBody(f"{type(error).__name__}: {error}", shown) from error

    def _explained(self, error: Exception) -> Exception:
        ccxt = self._ccxt
        response = _response(error)
        status = None if response is None else int(response.status_code)
        text = " ".join(str(error).split())[:_SHOWN_CHARACTERS]
        said = text if status is None else f"status {status}: {text}"
        if isinstance(error, ccxt.RateLimitExceeded | ccxt.DDoSProtection) or status == 429:
            header = None if response is None else response.headers.get("Retry-After")
            return Throttled(said, retry_after(header, self._clock.now()))
        if isinstance(error, ccxt.AuthenticationError) or status in {401, 403}:
            return Refused(said, access=True)
        if status is not None and 400 <= status < 500 and status != 408:
            return Refused(said)
        # The bare ExchangeError is an answer that the library knows no kind of error for.
        if isinstance(error, ccxt.BadResponse) or type(error) is ccxt.ExchangeError:
            return MalformedBody(said)
        if isinstance(error, ccxt.OperationFailed):
            return Broken(said)
        return Refused(said)


def _exchange(ccxt: Any, name: str) -> Any:
    if name not in ccxt.exchanges:
        raise ConfigError(
            "MARKETLAB_CCXT_EXCHANGE names one of the exchanges that ccxt knows, such as kraken; "
            f"received {name!r}.",
            code="SOURCE-MissingSetting" if not name else "SOURCE-UnknownExchange",
            field="source",
            value=name,
            suggestion=did_you_mean(name, ccxt.exchanges)
            if name
            else "For example MARKETLAB_CCXT_EXCHANGE=kraken.",
        )
    exchange = getattr(ccxt, name)()
    if exchange.has.get("fetchOHLCV") is not True:
        raise ConfigError(
            f"{name} has no candles of its own.",
            field="source",
            value=name,
        )
    return exchange


def _redirected(value: Any, base_url: str) -> Any:
    """Return addresses with `base_url` in the place of scheme and host, path kept."""
    if isinstance(value, dict):
        return {key: _redirected(each, base_url) for key, each in value.items()}
    if isinstance(value, str):
        return base_url + urlsplit(value).path
    return value


def _has_empty_list(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_empty_list(each) for each in value.values())
    return isinstance(value, list) and (not value or _has_empty_list(value[0]))


def _response(error: BaseException | None) -> Any:
    """Return the HTTP answer behind an error of the library, if there is one."""
    while error is not None:
        response = getattr(error, "response", None)
        if response is not None:
            return response
        error = error.__cause__ or error.__context__
    return None


SOURCES.add("ccxt", Ccxt)
