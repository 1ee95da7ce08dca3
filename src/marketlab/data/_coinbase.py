"""Coinbase Exchange candles: trades, newest first, both ends of a range included, 300 at most."""

import os
import re
from collections.abc import Mapping
from urllib.parse import urlencode

from marketlab.data._candles import rows_of
from marketlab.data._http import HttpSource
from marketlab.data._retry import MalformedBody
from marketlab.data._source import (
    SOURCES,
    Row,
    SourceLimits,
    address,
    parse_json,
    setting,
    time_of,
)


class Coinbase(HttpSource):
    """Public candles; address and pace from ``MARKETLAB_COINBASE_URL`` and ``…_RATE``."""

    name = "coinbase"
    price_type = "trade"
    volume_unit = "base"
    market = "24x7"
    symbol_form = re.compile(r"[A-Z0-9]{2,10}-[A-Z0-9]{2,10}")
    symbol_example = "BTC-USD"
    timeframes: Mapping[str, str] = {
        "1m": "60",
        "5m": "300",
        "15m": "900",
        "1h": "3600",
        "1d": "86400",
    }

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        declared = address(environment, "MARKETLAB_COINBASE_URL")
        self.base_url = declared or "https://api.exchange.coinbase.com"
        self.limits = SourceLimits(
            most_candles=300,
            requests_per_second=setting(environment, "MARKETLAB_COINBASE_RATE", 3.0),
            concurrency=int(setting(environment, "MARKETLAB_COINBASE_CONCURRENCY", 4)),
        )

    def target(self, symbol: str, timeframe: str, start_s: int, end_s: int) -> str:
        """Return the request; the last open is one bar before the end, as both are included."""
        step = int(self.timeframes[timeframe])
        query = {
            "start": time_of(start_s),
            "end": time_of(end_s - step),
            "granularity": self.timeframes[timeframe],
        }
        return f"/products/{symbol}/candles?{urlencode(query, safe=':')}"

    def parse(self, body: bytes) -> list[Row]:
        """Return the rows, which come as ``[time, low, high, open, close, volume]``."""
        value = parse_json(body)
        if not isinstance(value, list):
            raise MalformedBody(f"a list of candles was expected; received {body[:300]!r}")
        return rows_of(value, order=(0, 3, 2, 1, 4, 5))


SOURCES.add("coinbase", Coinbase)
