"""OANDA v20 candles: mid prices as text, ticks, oldest first, `to` excluded, 5,000 at most."""

import os
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from marketlab.core import ConfigError
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


class Oanda(HttpSource):
    """Candles for the holder of a token: ``MARKETLAB_OANDA_TOKEN``, ``…_URL``, ``…_RATE``."""

    name = "oanda"
    price_type = "mid"
    volume_unit = "ticks"
    market = "fx"
    symbol_form = re.compile(r"[A-Z0-9]{2,10}_[A-Z0-9]{2,10}")
    symbol_example = "EUR_USD"
    timeframes: Mapping[str, str] = {
        "1m": "M1",
        "5m": "M5",
        "15m": "M15",
        "30m": "M30",
        "1h": "H1",
    }

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        token = environment.get("MARKETLAB_OANDA_TOKEN", "").strip()
        if not token:
            raise ConfigError(
                "oanda answers holders of a token only, and MARKETLAB_OANDA_TOKEN is not set.",
                code="SOURCE-MissingToken",
                field="source",
                suggestion="Set it in the environment (never on a command line), then try again.",
            )
        if not token.isascii() or not token.isprintable():
            raise ConfigError(
                "MARKETLAB_OANDA_TOKEN holds characters that no token has.",
                code="SOURCE-MissingToken",
                field="source",
            )
        declared = address(environment, "MARKETLAB_OANDA_URL")
        self.base_url = declared or "https://api-fxtrade.oanda.com"
        self.headers = {
            "Authorization": f"Bearer {token}",
            "Accept-Datetime-Format": "RFC3339",
        }
        self.secrets = (token,)
        self.limits = SourceLimits(
            most_candles=5000,
            requests_per_second=setting(environment, "MARKETLAB_OANDA_RATE", 2.0),
            concurrency=int(setting(environment, "MARKETLAB_OANDA_CONCURRENCY", 2)),
        )

    def target(self, symbol: str, timeframe: str, start_s: int, end_s: int) -> str:
        """Return the request; `to` is excluded."""
        query = {
            "from": time_of(start_s),
            "to": time_of(end_s),
            "granularity": self.timeframes[timeframe],
            "price": "M",
        }
        return f"/v3/instruments/{symbol}/candles?{urlencode(query, safe=':')}"

    def parse(self, body: bytes) -> list[Row]:
        """Return the rows; a candle that is not `complete` is malformed."""
        value = parse_json(body)
        if not isinstance(value, dict) or not isinstance(value.get("candles"), list):
            raise MalformedBody(f"an object with candles was expected; received {body[:300]!r}")
        return [_row(item) for item in value["candles"]]


def _row(item: Any) -> Row:
    try:
        moment = datetime.fromisoformat(item["time"])
        mid = item["mid"]
        at, volume = int(moment.timestamp()), float(item["volume"])
        open_, high, low, close = (float(mid[key]) for key in ("o", "h", "l", "c"))
        complete = item["complete"]
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise MalformedBody(f"this is no candle: {str(item)[:200]}") from error
    if complete is not True:
        raise MalformedBody(f"the bar at {time_of(at)} is not complete")
    if moment.utcoffset() is None or moment.microsecond:
        raise MalformedBody(f"the time {item['time']!r} has no zone or lies within a second")
    return (at, open_, high, low, close, volume)


SOURCES.add("oanda", Oanda)
