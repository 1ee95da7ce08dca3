"""Research and running, side by side over the same bars, compared to the last bit.

The batch side computes all features at once, forecasts all rows, decides all bars and simulates
the account; the stream side is a real `DryRunSession` on a `ReplayFeed`. Numbers are compared as
bit patterns (every NaN counts as the same).
"""

import hashlib
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketlab.backtest import HOLD, Column, RiskLimits, decide, simulate
from marketlab.core import FrozenConfig, iso
from marketlab.data import BarFrame
from marketlab.features import bar_arrays
from marketlab.registry import PromotedModel
from marketlab.runtime._controls import KillSwitch, RiskGate
from marketlab.runtime._feed import ReplayFeed
from marketlab.runtime._journal import JournalWriter, MemoryJournal
from marketlab.runtime._session import DryRunSession
from marketlab.runtime._session_parts import Recorder, SessionConfig

PARTS = ("features", "probabilities", "signals", "account")

Table = NDArray[np.float64]


class Difference(FrozenConfig):
    """The first place where the two sides differ; values as exact hexadecimal floats."""

    part: str
    column: str
    position: int
    time: str
    batch: str
    stream: str


class ReplayProof(FrozenConfig):
    """What the comparison found over `n_bars` live bars.

    `equal` tells for features, probabilities, signals and account whether every bit agrees, and
    `batch_sha256` and `stream_sha256` hold the hash of each side. `n_signals` counts BUY and
    SELL. `final_equity` is that of the session, `override` the reason for which the model serves
    against its gates, if it does.
    """

    card_id: str
    dataset_id: str
    is_synthetic: bool
    override: str | None
    n_warm_up_bars: int
    n_bars: int
    n_forecasts: int
    n_signals: int
    equal: dict[str, bool]
    batch_sha256: dict[str, str]
    stream_sha256: dict[str, str]
    first_difference: Difference | None
    final_equity: float

    @property
    def passed(self) -> bool:
        """Whether both sides are the same in every part."""
        return all(self.equal.values())

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        kind = " SYNTHETIC" if self.is_synthetic else ""
        against = f" Promoted by OVERRIDE: {self.override}" if self.override else ""
        if self.first_difference is None:
            return (
                f"{self.card_id}: over {self.n_bars}{kind} bars with {self.n_signals} signals, "
                "features, probabilities, signals and account of the bar-by-bar session equal "
                "those of the batch to the last bit." + against
            )
        at = self.first_difference
        return (
            f"{self.card_id}: the session differs from the batch, first in {at.part} "
            f"({at.column}) at the bar of {at.time}: batch {at.batch}, session {at.stream}."
            + against
        )


def prove_replay(
    model: PromotedModel,
    bars: BarFrame,
    *,
    start: int,
    config: SessionConfig,
    limits: RiskLimits | None = None,
    journal: JournalWriter | None = None,
) -> ReplayProof:
    """Run both sides over ``bars[start:]`` (everything before is warm-up) and compare them.

    The session keeps its journal in memory if none is given, and has a kill switch that nobody
    can turn on.

    Raises
    ------
    ConfigError if `start` lies before the model's first held-out bar or outside the series, or
    the series is not the model's; see `DryRunSession`.
    """
    limits = limits or RiskLimits()
    streamed, facts = _streamed(model, bars, start, config, limits, journal or MemoryJournal())
    batch = _batch(model, bars, start, config, limits)
    difference = _first_difference(model, bars, start, batch, streamed)
    signals = batch["signals"][:, 0]
    return ReplayProof(
        card_id=model.card.card_id,
        dataset_id=bars.dataset_id,
        is_synthetic=model.card.is_synthetic or bars.is_synthetic,
        override=None if model.promotion is None else model.promotion.override,
        n_warm_up_bars=facts["n_warm_up_bars"],
        n_bars=len(signals),
        n_forecasts=int((~np.isnan(batch["probabilities"][:, 0])).sum()),
        n_signals=int((signals != HOLD).sum()),
        equal={part: _sha256(batch[part]) == _sha256(streamed[part]) for part in PARTS},
        batch_sha256={part: _sha256(batch[part]) for part in PARTS},
        stream_sha256={part: _sha256(streamed[part]) for part in PARTS},
        first_difference=difference,
        final_equity=float(streamed["account"][-1, Column.EQUITY]),
    )


def _batch(
    model: PromotedModel, bars: BarFrame, start: int, config: SessionConfig, limits: RiskLimits
) -> dict[str, Table]:
    matrix = model.feature_set.compute(bar_arrays(bars))
    positions = np.arange(start, bars.n_bars, dtype=np.int64)
    probabilities = model.forecast(matrix.rows(positions, allow_missing=True))
    signals = decide(model.policy, probabilities)
    part = slice(start, None)
    report = simulate(
        bars.open[part],
        bars.high[part],
        bars.low[part],
        bars.close[part],
        bars.time_ns[part],
        signals,
        config.costs,
        config.initial_equity,
        limits=limits,
    )
    return {
        "features": matrix.values[:, part].T,
        "probabilities": probabilities,
        "signals": signals.astype(np.float64).reshape(-1, 1),
        "account": report.ledger,
    }


def _streamed(
    model: PromotedModel,
    bars: BarFrame,
    start: int,
    config: SessionConfig,
    limits: RiskLimits,
    journal: JournalWriter,
) -> tuple[dict[str, Table], dict[str, Any]]:
    recorder = Recorder()
    with tempfile.TemporaryDirectory(prefix="marketlab-proof-") as folder:
        report = DryRunSession(
            model,
            ReplayFeed(bars, start=start),
            config=config,
            journal=journal,
            risk_gate=RiskGate(limits, config.initial_equity),
            kill_switch=KillSwitch(Path(folder) / "KILL"),
        ).run(recorder=recorder)
    if report.account is None:
        raise AssertionError("a replay feed has at least one live bar")
    tables = {
        "features": np.array(recorder.features),
        "probabilities": np.array(recorder.probabilities),
        "signals": np.array(recorder.signals, dtype=np.float64).reshape(-1, 1),
        "account": report.account.ledger,
    }
    return tables, {"n_warm_up_bars": report.n_warm_up_bars}


def _bits(table: Table) -> NDArray[np.int64]:
    plain = np.where(np.isnan(table), np.nan, table)  # one bit pattern for every NaN
    return np.ascontiguousarray(plain, dtype=np.float64).view(np.int64)


def _sha256(table: Table) -> str:
    digest = hashlib.sha256(str(table.shape).encode())
    digest.update(_bits(table).astype("<i8").tobytes())
    return digest.hexdigest()


def _first_difference(
    model: PromotedModel,
    bars: BarFrame,
    start: int,
    batch: dict[str, Table],
    streamed: dict[str, Table],
) -> Difference | None:
    names = {
        "features": model.feature_set.names,
        "probabilities": ("BUY", "HOLD", "SELL"),
        "signals": ("signal",),
        "account": tuple(column.name.lower() for column in Column),
    }
    for part in PARTS:
        one, other = batch[part], streamed[part]
        if one.shape != other.shape:
            return Difference(
                part=part,
                column="shape",
                position=start,
                time=_text(bars, start),
                batch=str(one.shape),
                stream=str(other.shape),
            )
        where = np.argwhere(_bits(one) != _bits(other))
        if len(where):
            row, column = (int(value) for value in where[0])
            return Difference(
                part=part,
                column=names[part][column],
                position=start + row,
                time=_text(bars, start + row),
                batch=float(one[row, column]).hex(),
                stream=float(other[row, column]).hex(),
            )
    return None


def _text(bars: BarFrame, position: int) -> str:
    moment = datetime.fromtimestamp(int(bars.time_ns[position]) // 1_000_000_000, tz=UTC)
    return iso(moment) or ""
