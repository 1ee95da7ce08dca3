"""How one dataset of a fetch stands."""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from marketlab.core import MarketLabError
from marketlab.data._fetch_plan import DatasetPlan
from marketlab.data._fetch_quality import FetchQuality


@dataclass
class DatasetState:
    """How one dataset of a fetch stands; counts are those of the whole plan unless said.

    `symbol` is the name it is stored under, `provider_symbol` how its source spells it;
    `limit_per_second` the pace allowed, None if there is no limit; `last_errors` tells the latest
    chunks that were given up, with the number of attempts.
    """

    name: str
    source: str
    symbol: str
    provider_symbol: str
    timeframe: str
    start: str
    end: str
    n_chunks: int
    limit_per_second: float | None = None
    state: str = "pending"
    chunks: int = 0
    kept_chunks: int = 0
    candles: int = 0
    requests: int = 0
    failed: int = 0
    retries: int = 0
    seconds: float = 0.0
    message: str = ""
    last_errors: list[str] = field(default_factory=list)
    dataset_id: str | None = None
    error: MarketLabError | None = None
    quality: FetchQuality | None = None
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=50))
    settled: deque[float] = field(default_factory=lambda: deque(maxlen=50))

    @property
    def rate(self) -> float | None:
        """Chunks a second, of the latest 50 of this run; None before the first one."""
        if len(self.settled) > 1 and self.settled[-1] > self.settled[0]:
            return (len(self.settled) - 1) / (self.settled[-1] - self.settled[0])
        fresh = self.chunks - self.kept_chunks
        return fresh / self.seconds if fresh and self.seconds else None

    @property
    def eta_seconds(self) -> float | None:
        """Seconds left at the present rate; None if there is none yet."""
        rate = self.rate
        return (self.n_chunks - self.chunks) / rate if rate else None

    def to_mapping(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        facts = {
            key: value
            for key, value in vars(self).items()
            if key not in ("error", "quality", "latencies", "settled")
        }
        median = float(np.median(self.latencies)) if self.latencies else None
        quality = self.quality
        return facts | {
            "rate": self.rate,
            "eta_seconds": self.eta_seconds,
            "median_request_seconds": median,
            "verdict": None if quality is None else quality.verdict,
            "reasons": [] if quality is None else quality.reasons,
        }


def state_of(plan: DatasetPlan) -> DatasetState:
    """Return the state of a dataset before its fetch: pending, or blocked with the reason."""
    rate = math.inf if plan.source is None else plan.source.limits.requests_per_second
    state = DatasetState(
        name=plan.name,
        source=plan.request.source,
        symbol=plan.symbol,
        provider_symbol=plan.request.symbol,
        timeframe=plan.request.timeframe,
        start=plan.request.start,
        end=plan.request.end,
        n_chunks=len(plan.chunks),
        limit_per_second=rate if math.isfinite(rate) else None,
    )
    if plan.blocked is not None:
        state.state, state.error, state.message = "blocked", plan.blocked, plan.blocked.message
    return state
