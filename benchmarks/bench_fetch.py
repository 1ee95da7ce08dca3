"""What a request costs beyond the provider's own time, and how well a rate limit is used.

Against a local server in a process of its own. Prints one JSON line per measure. The first
includes starting, checking and publishing, spread over its requests.
"""

import http.client
import json
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from marketlab.core import environment
from marketlab.data import Catalog, FetchRequest, acquire, plan_fetch

SERVER = Path(__file__).parents[1] / "tests" / "data" / "exchange_servers.py"


def run(latency: float, rate: float, n_requests: int, concurrency: int) -> tuple[float, float]:
    """Return (seconds of the fetch, seconds of the same requests by a bare client)."""
    server = subprocess.Popen(
        [sys.executable, str(SERVER), str(latency)], stdout=subprocess.PIPE, text=True
    )
    try:
        url = server.stdout.readline().strip()
        settings = {
            "MARKETLAB_COINBASE_URL": url,
            "MARKETLAB_COINBASE_RATE": str(rate),
            "MARKETLAB_COINBASE_CONCURRENCY": str(concurrency),
        }
        request = FetchRequest(
            source="coinbase",
            symbol="BTC-USD",
            timeframe="5m",
            start="2021-01-01",
            end=str(date(2021, 1, 1) + timedelta(hours=12 * n_requests)),
            candles_per_request=144,
        )
        plan = plan_fetch([request], environment=settings)
        targets = [chunk.target for chunk in plan.datasets[0].chunks]
        bare = min(bare_seconds(url, targets) for _ in range(2 if latency == 0.0 else 1))
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            (state,) = acquire(plan, Path(folder) / "raw", Catalog(Path(folder) / "processed"))
            seconds = time.perf_counter() - began
            assert state.state == "done", state.message
            assert state.requests == len(targets)
            return seconds, bare
    finally:
        server.kill()
        server.wait()


def bare_seconds(url: str, targets: list[str]) -> float:
    """Return the time of the same requests one after another, bodies read and thrown away."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    began = time.perf_counter()
    for target in targets:
        connection.request("GET", target)
        connection.getresponse().read()
    connection.close()
    return time.perf_counter() - began


def main() -> None:
    n_requests = 60
    many = 600
    fetch, bare = min(run(0.0, 1e6, many, 1) for _ in range(3))
    line = {
        "measure": "fetch_overhead",
        "requests": many,
        "milliseconds_a_request": round(fetch / many * 1e3, 3),
        "bare_client_milliseconds": round(bare / many * 1e3, 3),
        "overhead_milliseconds": round((fetch - bare) / many * 1e3, 3),
        "target_milliseconds": 2.0,
        "environment": environment(),
    }
    print(json.dumps(line))
    seconds, _ = run(0.15, 10.0, n_requests, 4)
    # The first request starts at once and the last one still takes its latency.
    least = (n_requests - 1) / 10.0 + 0.15
    line = {
        "measure": "fetch_at_limit",
        "requests": n_requests,
        "latency_seconds": 0.15,
        "limit_per_second": 10.0,
        "seconds": round(seconds, 3),
        "least_possible_seconds": round(least, 3),
        "over_the_limit_percent": round(100.0 * (seconds / least - 1.0), 2),
        "target_percent": 5.0,
        "environment": environment(),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
