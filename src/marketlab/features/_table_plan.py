"""What building a feature table takes, found out before anything is computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marketlab.core import ConfigError, DataError, content_id
from marketlab.data import BarFrame, parse_timeframe
from marketlab.features._context import join_rule, require_context
from marketlab.features._expression import COARSE_PERIODS, walk
from marketlab.features._memory import require_memory
from marketlab.features._text import format_expression
from marketlab.features._tier import FeatureTier
from marketlab.kernels import kernel_sources_hash

SCHEMA = "marketlab-features-1"


@dataclass(frozen=True)
class TablePlan:
    """What a build would do; making one computes no column.

    Attributes
    ----------
    warm_up_bars : first bars without a complete row (with coarser bars the least it can be).
    memory_bytes : of the matrix while it is computed.
    context : name to symbol, timeframe, id and the rule of the join.
    """

    tier: str
    symbol: str
    timeframe: str
    dataset_id: str
    n_bars: int
    n_columns: int
    warm_up_bars: int
    memory_bytes: int
    context: Mapping[str, Mapping[str, str]]

    def to_dict(self) -> dict[str, Any]:
        """Return the plan JSON-ready."""
        return {**self.__dict__, "context": {k: dict(v) for k, v in self.context.items()}}


def table_key(
    tier: FeatureTier, bars: BarFrame, context: Mapping[str, BarFrame] | None = None
) -> str:
    """Return the identity of a tier's values over bars: content, computation, program."""
    ids = sorted([name, series.dataset_id] for name, series in (context or {}).items())
    return content_id([SCHEMA, bars.dataset_id, tier.design_id, ids, kernel_sources_hash()])


def column_facts(tier: FeatureTier) -> list[dict[str, Any]]:
    """Return each column with the formula in full, which needs no other name to be read."""
    facts = []
    for item, described in zip(tier.file, tier.describe(), strict=True):
        facts.append({**described, "expression": format_expression(item.expression)})
    return facts


def plan_table(
    tier: FeatureTier, bars: BarFrame, context: Mapping[str, BarFrame] | None = None
) -> TablePlan:
    """Return what building the table takes; refuse what cannot be built.

    Raises
    ------
    ConfigError: a window longer than the data, ``on(…)`` for bars finer than these, a context
    series missing or not read, too little memory; DataError (``DATA-NoVolume``): volume is read
    and the series has none.
    """
    given = dict(context or {})
    require_context(tier.context, given)
    _require_volume(tier, bars)
    _require_coarser(tier, bars)
    _require_length(tier, bars)
    return TablePlan(
        tier=tier.file.name,
        symbol=bars.symbol,
        timeframe=bars.timeframe,
        dataset_id=bars.dataset_id,
        n_bars=bars.n_bars,
        n_columns=len(tier.names),
        warm_up_bars=tier.warm_up_bars,
        memory_bytes=require_memory(len(tier.names), bars.n_bars),
        context=context_facts(bars, given),
    )


def _require_volume(tier: FeatureTier, bars: BarFrame) -> None:
    on_volume = [item.name for item in tier.file if item.needs_volume]
    if on_volume and not bars.has_volume:
        raise DataError(
            f"{bars.symbol} {bars.timeframe} has no volume, and {_named(on_volume)} of "
            f"{tier.file.name} read it.",
            code="DATA-NoVolume",
            field=f"columns.{on_volume[0]}",
            value=bars.symbol,
            suggestion="Choose a series with volume, or a set without these columns.",
        )


def _require_coarser(tier: FeatureTier, bars: BarFrame) -> None:
    """Refuse ``on("1h", …)`` over daily bars, which would say the daily value under that name."""
    bar_s = parse_timeframe(bars.timeframe).total_seconds()
    for item in tier.file:
        for node in walk(item.expression):
            seconds = dict(node.params)["seconds"] if node.operation == "coarse" else bar_s
            if seconds < bar_s:
                period = next(name for name, each in COARSE_PERIODS.items() if each == seconds)
                raise ConfigError(
                    f"{item.name} of {tier.file.name} reads bars of {period}, and "
                    f"{bars.symbol} {bars.timeframe} has coarser ones already.",
                    code="CONFIG-FinerBars",
                    field=f"columns.{item.name}",
                    value=period,
                    suggestion="Take bars that are finer, or a set without these columns.",
                )


def _require_length(tier: FeatureTier, bars: BarFrame) -> None:
    longest = max(tier.file, key=lambda item: item.expression.warm_up_bars)
    if longest.expression.warm_up_bars >= bars.n_bars:
        long = [i.name for i in tier.file if i.expression.warm_up_bars >= bars.n_bars]
        raise ConfigError(
            f"{longest.name} of {tier.file.name} has its first value after "
            f"{longest.expression.warm_up_bars} bars, and {bars.symbol} {bars.timeframe} has "
            f"{bars.n_bars}; so it is with {_named(long)}.",
            code="CONFIG-WindowTooLong",
            field=f"columns.{longest.name}",
            value=longest.expression.warm_up_bars,
            suggestion="Take a longer series, or shorter windows.",
        )


def context_facts(bars: BarFrame, context: Mapping[str, BarFrame]) -> dict[str, dict[str, str]]:
    """Return which series are joined, and how, JSON-ready."""
    return {
        name: {
            "symbol": series.symbol,
            "timeframe": series.timeframe,
            "dataset_id": series.dataset_id,
            "joined": join_rule(bars, series),
        }
        for name, series in context.items()
    }


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"
