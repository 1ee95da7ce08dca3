"""Features for people: what is asked for, tables of it, what is kept."""

import time
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace
    from marketlab.core import Progress
    from marketlab.data import BarFrame
    from marketlab.features import FeatureTier

# About 25 ns a bar and column on one core, and a second to load the kernels; only told.
_SECONDS_PER_VALUE = 25e-9
_SECONDS_TO_START = 1.0


# -- what is asked for ----------------------------------------------------------------------------


def find_bars(
    workspace: "Workspace",
    *,
    symbol: str | None = None,
    timeframe: str | None = None,
    dataset: str | None = None,
) -> "BarFrame":
    """Return stored bars by symbol (and timeframe, if there are several) or by id.

    Raises
    ------
    ConfigError unless either a symbol or a dataset is named; DataNotAvailableError.
    """
    from marketlab.core import ConfigError, DataNotAvailableError, did_you_mean

    catalog = workspace.require().catalog
    if (symbol is None) == (dataset is None):
        raise ConfigError(
            "name either a symbol or a dataset.",
            field="symbol",
            suggestion="For example --symbol SPX, or --dataset with an id of `data list`.",
        )
    if dataset is not None:
        return by_reference(workspace, dataset)
    stored = catalog.list()
    frames = sorted({m.timeframe for m in stored if m.symbol == symbol})
    if not frames:
        known = sorted({m.symbol for m in stored})
        raise DataNotAvailableError(
            f"No data for {symbol} in {catalog.root}; stored are: "
            f"{', '.join(known) or 'no datasets at all'}.",
            field="symbol",
            value=symbol,
            suggestion=did_you_mean(str(symbol), known) if known else "Import bars first.",
        )
    if timeframe is None and len(frames) > 1:
        raise ConfigError(
            f"{symbol} is stored in several timeframes: {', '.join(frames)}.",
            field="timeframe",
            suggestion=f"Choose one, for example --timeframe {frames[0]}.",
        )
    return catalog.find(str(symbol), timeframe or frames[0])


def by_reference(workspace: "Workspace", reference: str) -> "BarFrame":
    """Return stored bars by id, prefix of it, ``SYMBOL/TIMEFRAME`` or ``SYMBOL`` alone."""
    catalog = workspace.require().catalog
    if "/" in reference:
        symbol, _, timeframe = reference.partition("/")
        return catalog.find(symbol, timeframe)
    if any(m.symbol == reference for m in catalog.list()):
        return find_bars(workspace, symbol=reference)
    return catalog.load(reference)


def find_context(workspace: "Workspace", given: Sequence[str]) -> dict[str, "BarFrame"]:
    """Return the series of ``NAME=REFERENCE`` options.

    Raises
    ------
    ConfigError for another form or a name given twice.
    """
    from marketlab.core import ConfigError

    found: dict[str, BarFrame] = {}
    for text in given:
        name, equals, reference = text.partition("=")
        if not equals or not name.isidentifier() or not reference or name in found:
            raise ConfigError(
                f"a context series is NAME=REFERENCE, each name once; received {text!r}.",
                field="context",
                value=text,
                suggestion="For example --context vix=VIX/1d.",
            )
        found[name] = by_reference(workspace, reference)
    return found


def parse_day(text: str | None) -> date | None:
    """Return a day like 2018-06-29, None for None; ConfigError for anything else."""
    from marketlab.core import ConfigError

    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"a day is written like 2018-06-29; received {text!r}.", field="end", value=text
        ) from None


def load_tier(name: str) -> "FeatureTier":
    """Return a shipped feature set by name, or a user's own by the path of its YAML file."""
    from marketlab.features import FeatureTier

    return FeatureTier.load(name)


# -- build ----------------------------------------------------------------------------------------


def plan_features(
    tier: "FeatureTier", bars: "BarFrame", context: Mapping[str, "BarFrame"]
) -> dict[str, Any]:
    """Return what a build takes, with a rough estimate of its seconds; refuse what cannot be."""
    from marketlab.core import usable_cores
    from marketlab.features import plan_table

    plan = plan_table(tier, bars, context).to_dict()
    values = plan["n_bars"] * plan["n_columns"]
    plan["estimated_seconds"] = round(
        _SECONDS_TO_START + values * _SECONDS_PER_VALUE / usable_cores(), 2
    )
    plan["is_synthetic"] = bars.is_synthetic
    return plan


def build_features(
    workspace: "Workspace",
    tier: "FeatureTier",
    bars: "BarFrame",
    context: Mapping[str, "BarFrame"],
    *,
    name: str | None = None,
    keep_warm_up: bool = False,
    allow_constant: bool = False,
    progress: "Progress | None" = None,
) -> dict[str, Any]:
    """Compute a tier over bars, store the table, and return where it lies and what it holds."""
    from marketlab.core import check_name
    from marketlab.features import TableStore, build_table

    chosen = check_name(name or table_name(bars, tier))  # before anything is computed
    started = time.monotonic()
    table = build_table(
        tier,
        bars,
        context,
        keep_warm_up=keep_warm_up,
        allow_constant=allow_constant,
        progress=progress,
    )
    computed = time.monotonic()
    store = TableStore(workspace.require().root / "data")
    stored = store.add(chosen, table.frame(), table.facts(), tier=tier.file.name)
    facts = {key: value for key, value in table.facts().items() if key != "columns"}
    return {
        "name": chosen,
        "version": stored.version,
        "path": str(stored.path),
        "is_new": stored.is_new,
        "size_bytes": stored.size_bytes,
        **facts,
        "columns": list(tier.names),
        "missing": dict(table.missing),
        "compute_seconds": round(computed - started, 3),
        "write_seconds": round(time.monotonic() - computed, 3),
    }


def table_name(bars: "BarFrame", tier: "FeatureTier") -> str:
    """Return a table's usual name: ``SPX_features_a20``, ``BTC_1m_features_minute_v1``."""
    frame = "" if bars.timeframe == "1d" else f"_{bars.timeframe}"
    return f"{bars.symbol}{frame}_features_{tier.file.name}"


# -- the cache ------------------------------------------------------------------------------------


def show_cache(workspace: "Workspace", *, clear: bool = False) -> dict[str, Any]:
    """Return what the feature cache holds, after emptying it if asked to."""
    from marketlab.core import SystemClock

    cache = feature_cache(workspace)
    deleted = cache.clear() if clear else 0
    entries, now = cache.entries(), SystemClock().now().timestamp()
    return {
        "folder": str(cache.root),
        "limit_bytes": cache.limit_bytes,
        "size_bytes": sum(entry.size_bytes for entry in entries),
        "deleted": deleted,
        "entries": [
            {
                "key": entry.key,
                "about": entry.about,
                "shape": list(entry.shape),
                "size_bytes": entry.size_bytes,
                "used_seconds_ago": max(0.0, round(now - entry.used_at, 1)),
            }
            for entry in entries
        ],
    }


def feature_cache(workspace: "Workspace") -> Any:
    """Return the feature cache of a workspace."""
    from marketlab.features import FeatureCache

    return FeatureCache(workspace.require().root / ".cache" / "features")
