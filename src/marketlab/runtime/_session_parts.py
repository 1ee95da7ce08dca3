"""What a session is given, what it leaves behind, and what it refuses."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from pydantic import Field

from marketlab.backtest import CLASS_NAMES, AccountRow, BacktestReport, CostModel, RiskEvent
from marketlab.core import ConfigError, DataError, FloatArray, FrozenConfig, iso
from marketlab.registry import PromotedModel
from marketlab.runtime._controls import RiskGate
from marketlab.runtime._feed import Bar, Feed
from marketlab.runtime._state import SessionState


class SessionConfig(FrozenConfig):
    """The simulated account of a dry run. Limits belong to the risk gate."""

    costs: CostModel
    initial_equity: float = Field(default=10_000.0, gt=0.0)


@dataclass
class Recorder:
    """Keeps what a session computed at each live bar, for proofs; grows with every bar."""

    features: list[FloatArray] = field(default_factory=list)
    probabilities: list[FloatArray] = field(default_factory=list)
    signals: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class SessionReport:
    """How a session ended. `account` is None if no live bar came."""

    state: SessionState
    ended_by: str
    n_warm_up_bars: int
    n_bars: int
    n_signals: int
    is_synthetic: bool
    override: str | None
    account: BacktestReport | None


def check_fit(model: PromotedModel, feed: Feed, config: SessionConfig, risk_gate: RiskGate) -> None:
    """Refuse a feed, account or gate that is not the model's (ConfigError)."""
    card = model.card
    if (feed.symbol, feed.timeframe) != (card.symbol, card.timeframe):
        raise ConfigError(
            f"{card.card_id} was trained on {card.symbol} {card.timeframe}; the feed brings "
            f"{feed.symbol} {feed.timeframe}.",
            code="RUNTIME-OtherSeries",
            field="feed",
        )
    if model.feature_set.needs_volume and not feed.has_volume:
        raise ConfigError(
            f"the features of {card.card_id} read volume and the feed has none.",
            code="DATA-NoVolume",
            field="feed",
        )
    if risk_gate.initial_equity != config.initial_equity:
        raise ConfigError(
            f"the risk gate guards {risk_gate.initial_equity} and the account starts with "
            f"{config.initial_equity}; they must be equal.",
            field="initial_equity",
        )


def check_bar(bar: Bar, last_time_ns: int | None) -> None:
    """Refuse a bar that is not later than the last one, or whose numbers are no bar (DataError)."""
    if last_time_ns is not None and bar.time_ns <= last_time_ns:
        raise DataError(
            f"the bar of {bar_time(bar.time_ns)} is not later than the one before it.",
            code="RUNTIME-BarOrder",
        )
    prices = (bar.open, bar.high, bar.low, bar.close)
    ordered = 0.0 < bar.low <= min(bar.open, bar.close) and max(bar.open, bar.close) <= bar.high
    if not (ordered and math.isfinite(bar.high) and math.isfinite(bar.volume)):
        raise DataError(
            f"the bar of {bar_time(bar.time_ns)} is no bar: {prices}, volume {bar.volume}.",
            code="RUNTIME-BadBar",
        )


def bar_facts(
    bar: Bar, row: AccountRow, event: RiskEvent, probabilities: FloatArray | None, signal: int
) -> dict[str, Any]:
    """Return one bar's journal line; probabilities are None where there was no forecast."""
    known = probabilities is not None and not np.isnan(probabilities).any()
    return {
        "bar": bar_time(bar.time_ns),
        "position": bar.position,
        "open": bar.open,
        "close": bar.close,
        "probabilities": probabilities.tolist() if probabilities is not None and known else None,
        "signal": CLASS_NAMES[signal],
        "side": row.side,
        "opened": row.opened,
        "closed_pnl": row.closed_pnl,
        "costs": row.costs,
        "blocked": row.blocked,
        "equity": row.equity,
        "event": event.name.lower(),
    }


def bar_time(time_ns: int) -> str:
    """Return a bar's opening time as ISO 8601, UTC."""
    return iso(datetime.fromtimestamp(time_ns // 1_000_000_000, tz=UTC)) or ""
