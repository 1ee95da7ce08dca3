"""Local servers that speak the candle formats of Coinbase Exchange and OANDA v20, with faults.

Run as a program it serves until killed and prints its address: ``exchange_servers.py 0.15``
(seconds of latency).
"""

import json
import random
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

TOKEN = "secret-token-4711"
OANDA_STEPS = {"M1": 60, "M5": 300, "M15": 900, "M30": 1800, "H1": 3600}
YAHOO_STEPS = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600, "1d": 86400}
FAULTS = ("drop", "throttle", "error", "half", "wrong", "object", "slow", "repeat", "shuffle")


def candle(symbol, at, step):
    """The bar of one slot: made from its time alone, so that every server tells the same."""
    dice = random.Random(f"{symbol}{at}{step}")
    close = 100.0 + 10.0 * dice.random()
    open_ = close + dice.uniform(-1, 1)
    high, low = max(open_, close) + dice.random(), min(open_, close) - dice.random()
    prices = (round(v, 5) for v in (open_, high, low, close))
    return (*prices, dice.randint(1, 900))


def product(name):
    """One market as Coinbase lists it."""
    base, quote = name.split("-")
    steps = {"base_increment": "0.00000001", "quote_increment": "0.01", "min_market_funds": "1"}
    return {"id": name, "base_currency": base, "quote_currency": quote, **steps, "status": "online"}


def slots(symbol, start, end, step):
    first = -(-start // step) * step
    return [(at, *candle(symbol, at, step)) for at in range(first, end, step)]


def new_york_opens(start, end):
    """9:30 of every weekday of the years asked, less Good Friday of 2021."""
    zone = ZoneInfo("America/New_York")
    day = datetime.fromtimestamp(start, zone).replace(hour=9, minute=30, second=0)
    while day.timestamp() < end:
        if day.weekday() < 5 and day.date().isoformat() != "2021-04-02":
            yield int(day.timestamp())
        day += timedelta(days=1)


def whole_slots(symbol, start, end, step):
    """The bars of slots, each made of its bars of five minutes."""
    out = []
    for at in range(-(-start // step) * step, end, step):
        parts = [candle(symbol, a, 300) for a in range(at, at + step, 300)]
        open_, high, low, close, volume = zip(*parts, strict=True)
        out.append((at, open_[0], max(high), min(low), close[-1], sum(volume)))
    return out


class Exchange(ThreadingHTTPServer):
    """Both formats on one port. `faults` is the share of requests that go wrong, by `seed`.

    `always` maps a path part to (status, body); `fault_names` limits the kinds.
    """

    daemon_threads = True
    request_queue_size = 128
    port = 0  # chosen once: the address is told in the dataset, which must not differ

    def __init__(self, *, faults=0.0, seed=0, latency=0.0, fault_names=FAULTS):
        super().__init__(("127.0.0.1", Exchange.port), _Handler)
        Exchange.port = self.server_address[1]
        self.faults, self.fault_names, self.latency = faults, fault_names, latency
        self.dice = random.Random(seed)
        self.lock = threading.Lock()
        self.always = {}
        self.script = []
        self.date_shift = timedelta(0)
        self.retry_after = "0"
        self.seen = Counter()
        self.told = Counter()
        self.empty = False
        self.page = None  # so many of a range's candles at most, the oldest ones
        self.slots = slots
        self.kept = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def environment(self):
        return {
            "MARKETLAB_COINBASE_URL": self.url,
            "MARKETLAB_OANDA_URL": self.url,
            "MARKETLAB_OANDA_TOKEN": TOKEN,
            "MARKETLAB_COINBASE_RATE": "5000",
            "MARKETLAB_OANDA_RATE": "5000",
        }

    def pick(self, path):
        with self.lock:
            self.seen[path] += 1
            name = None
            if self.script:
                name = self.script.pop(0)
            elif self.dice.random() < self.faults:
                name = self.dice.choice(self.fault_names)
            self.told[name] += 1
            return name

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        return

    def do_GET(self):
        server = self.server
        if self.path in {"/", "/v1/test/getcrumb"}:  # Yahoo's cookie and crumb
            return self.answer(200, b"crumb")
        if self.path == "/products":
            server.seen[self.path] += 1
            return self.answer(200, [product(name) for name in ("BTC-USD", "ETH-USD")])
        fault = server.pick(self.path)
        time.sleep(server.latency + (0.02 if fault == "slow" else 0.0))
        for part, (status, body) in server.always.items():
            if part in self.path:
                return self.answer(status, body)
        if server.kept is not None and self.path in server.kept:
            return self.answer(200, server.kept[self.path])
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        symbol = parts.path.split("/")[-2]
        if fault == "drop":
            self.close_connection = True
            return self.connection.close()
        if fault == "throttle":
            return self.answer(429, {"message": "slow down"}, {"Retry-After": server.retry_after})
        if fault == "error":
            return self.answer(503, {"message": "down for a moment"})
        if fault == "object":
            return self.answer(200, {"message": "maintenance"})
        if parts.path.startswith("/v8/finance/chart/"):
            value = self.yahoo(parts.path.split("/")[-1], query, fault)
        elif parts.path.startswith("/v3/"):
            value = self.oanda(symbol, query, fault)
        else:
            value = self.coinbase(symbol, query, fault)
        if value is None:
            return None
        if server.kept is not None:
            server.kept[self.path] = json.dumps(value).encode()
        return self.answer(200, value, half=fault == "half", wrong=fault == "wrong")

    def coinbase(self, symbol, query, fault):
        step = int(query["granularity"])
        start, end = (int(datetime.fromisoformat(query[k]).timestamp()) for k in ("start", "end"))
        if (end - start) // step + 1 > 300:
            self.answer(400, {"message": "granularity too small for the requested time range"})
            return None
        # rows before the start may come back, both ends are included, newest first
        begin = start - (2 * step if fault in ("repeat", "shuffle") else 0)
        rows = [] if self.server.empty else self.server.slots(symbol, begin, end + step, step)
        rows = rows[: self.server.page]
        out = [[at, low, high, o, c, v] for at, o, high, low, c, v in rows][::-1]
        return self.disturb(out, fault)

    def oanda(self, symbol, query, fault):
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            said = f"Insufficient authorization ({self.headers['Authorization']})"
            self.answer(401, {"errorMessage": said})
            return None
        step = OANDA_STEPS[query["granularity"]]
        start, end = (int(datetime.fromisoformat(query[k]).timestamp()) for k in ("from", "to"))
        if (end - start) // step > 5000:
            self.answer(400, {"errorMessage": "Maximum value for 'count' exceeded"})
            return None
        rows = [] if self.server.empty else self.server.slots(symbol, start, end, step)
        out = [
            {
                "complete": True,
                "volume": v,
                "time": f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}.000000000Z",
                "mid": {"o": f"{o:.5f}", "h": f"{h:.5f}", "l": f"{low:.5f}", "c": f"{c:.5f}"},
            }
            for at, o, h, low, c, v in rows
        ]
        return {"instrument": symbol, "candles": self.disturb(out, fault)}

    def yahoo(self, symbol, query, fault):
        meta = {
            "symbol": "OTHER" if fault == "other symbol" else symbol,
            "instrumentType": "EQUITY",
            "currency": "USD",
            "exchangeTimezoneName": "America/New_York" if symbol == "SPY" else "UTC",
            "dataGranularity": query["interval"],
            "validRanges": ["1d", "max"],
        }
        if "range" in query:  # the library asks for the zone so
            return {"chart": {"result": [{"meta": meta, "indicators": {"quote": [{}]}}]}}
        start, end = int(query["period1"]), int(query["period2"])
        if symbol == "SPY":
            opens = [at for at in new_york_opens(start, end) if start <= at < end]
            rows = [(at, *candle(symbol, at, 86400)) for at in opens]
        else:
            rows = slots(symbol, start, end, YAHOO_STEPS[query["interval"]])
        rows = [] if self.server.empty or fault == "empty" else self.disturb(rows, fault)
        days = [{"start": d, "end": d + 86400} for d in range(start - start % 86400, end, 86400)]
        meta["tradingPeriods"] = [[day | {"timezone": "UTC", "gmtoffset": 0} for day in days]]
        names = ("open", "high", "low", "close", "volume")
        columns = list(zip(*rows, strict=True))[1:] or [[]] * 5
        quote = dict(zip(names, map(list, columns), strict=True))
        if fault == "cells empty" and rows:
            for values in quote.values():
                values[1] = None
        adjusted = [{"adjclose": [value and value / 2.0 for value in quote["close"]]}]
        result = {"meta": meta, "timestamp": [row[0] for row in rows]}
        result["indicators"] = {"quote": [quote if rows else {}], "adjclose": adjusted}
        return {"chart": {"result": [result], "error": None}}

    def disturb(self, rows, fault):
        if fault == "repeat":
            return rows + rows[:7]
        if fault == "shuffle":
            return random.Random(len(rows)).sample(rows, len(rows))
        if fault == "conflict":
            other = json.loads(json.dumps(rows[0]))
            other[5] = other[5] + 1
            return [*rows, other]
        if fault == "open bar":
            return [*rows[:-1], rows[-1] | {"complete": False}]
        return rows

    def answer(self, status, value, headers=None, *, half=False, wrong=False):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        body = b"<html>gateway</html>" if wrong else body
        date = format_datetime(datetime.now(UTC) + self.server.date_shift, usegmt=True)
        lines = {"Date": date, "Content-Length": len(body), **(headers or {})}
        head = "".join(f"{key}: {text}\r\n" for key, text in lines.items())
        sent = body[: len(body) // 2] if half else body
        self.wfile.write(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + sent)
        if half:
            self.close_connection = True
            self.connection.close()


@contextmanager
def exchange(**options):
    """A running server, ended with the block."""
    server = Exchange(**options)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    process = Exchange(latency=float(sys.argv[1]))
    process.kept = {}  # the second time it answers at once
    print(process.url, flush=True)
    process.serve_forever()
