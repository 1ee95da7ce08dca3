"""One fetch against a local exchange; as a program it is the process that gets killed."""

import json
import sys
from pathlib import Path

from marketlab.core import file_sha256
from marketlab.data import Catalog, FetchRequest, RetryPolicy, acquire, plan_fetch

QUICK = RetryPolicy(
    attempts=12,
    malformed_attempts=12,
    throttled_attempts=12,
    base_seconds=0.001,
    cap_seconds=0.01,
    throttle_seconds=0.01,
    slow_down_seconds=0.01,
    timeout_seconds=2.0,
)


def requests(*, days=20):
    """A coinbase and an oanda dataset."""
    span = {"start": "2021-03-01", "end": f"2021-03-{1 + days:02d}"}
    return [
        FetchRequest(
            source="coinbase", symbol="BTC-USD", timeframe="15m", candles_per_request=20, **span
        ),
        FetchRequest(
            source="oanda", symbol="EUR_USD", timeframe="1h", candles_per_request=24, **span
        ),
    ]


def fetch(root, environment, *, wanted=None, policy=QUICK, on_tick=None):
    plan = plan_fetch(wanted or requests(), environment=environment)
    catalog = Catalog(Path(root) / "processed")
    states = acquire(plan, Path(root) / "raw", catalog, policy=policy, on_tick=on_tick)
    return plan, catalog, states


def identity(catalog):
    """Id and file hash of every published dataset."""
    return {
        m.dataset_id: file_sha256(catalog.root / m.folder / "bars.parquet") for m in catalog.list()
    }


if __name__ == "__main__":
    fetch(sys.argv[1], json.loads(sys.argv[2]))
