"""The combined daily dataset from two stored series, with its raw files in the lab's manifest."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from marketlab.campaigns import Workspace
    from marketlab.data import BarFrame


def combine_data(
    workspace: "Workspace",
    symbol: str,
    context: str,
    *,
    tier: str = "a20",
    context_tier: str = "vix_c",
    name: str | None = None,
) -> dict[str, Any]:
    """Join two daily series with their feature columns by date; store table and raw files.

    Parameters
    ----------
    symbol, context : stored series by id, ``SYMBOL/1d`` or symbol.
    name : of the table; ``SPX_dataset_c`` and its like if not given.

    Raises
    ------
    As `marketlab.features.combine_daily`; ConfigError for another context than VIX under the
    name that means it.
    """
    from marketlab.core import ConfigError
    from marketlab.features import FeatureTier, TableStore, combine_daily
    from marketlab.interfaces._features import by_reference

    bars, beside = by_reference(workspace, symbol), by_reference(workspace, context)
    if name is None and context_tier == "vix_c" and "VIX" not in beside.symbol.upper():
        raise ConfigError(
            f"a dataset of the kind c holds the VIX, and the context is {beside.symbol}.",
            field="context",
            value=beside.symbol,
            suggestion="Choose the volatility index, or give the table a --name of its own.",
        )
    made = combine_daily(
        bars,
        beside,
        tier=FeatureTier.load(tier),
        context_tier=FeatureTier.load(context_tier),
    )
    root = workspace.root / "data"
    sources = tuple(_raw_md5(root, series) for series in (bars, beside))
    letter = "c" if context_tier == "vix_c" else context_tier
    chosen = name or f"{bars.symbol}_dataset_{letter}"
    stored = TableStore(root).add(chosen, made.frame, made.facts, tier=letter, sources=sources)
    days = made.frame["Date"]
    return {
        "name": chosen,
        "version": stored.version,
        "path": str(stored.path),
        "is_new": stored.is_new,
        "rows": made.frame.height,
        "columns": list(made.frame.columns),
        "first_date": str(days[0])[:10],
        "last_date": str(days[-1])[:10],
        "incomplete_dropped": made.incomplete_dropped,
        "only_in_series": made.only_series,
        "only_in_context": made.only_context,
        "source_raw_md5s": list(sources),
        "dataset_id": bars.dataset_id,
        "context_dataset_id": beside.dataset_id,
        "tiers": made.facts["tiers"],
        "is_synthetic": made.facts["is_synthetic"],
    }


def _raw_md5(root: "Path", bars: "BarFrame") -> str:
    """Return the MD5 of the series' raw file, written and registered if it is not there yet.

    ``raw/SPX.parquet`` for the first version of a series, ``raw/SPX_<id>.parquet`` for others: a
    raw file is never overwritten.
    """
    import hashlib

    from marketlab.core import DataNotAvailableError, FileLock, IntegrityError, atomic_write
    from marketlab.data import FileManifests

    content = _parquet(bars)
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    manifests = FileManifests(root)
    with FileLock(root / ".raw.lock"):
        try:
            entries = manifests.raw().entries
        except DataNotAvailableError:
            entries = ()
        if any(entry.md5 == md5 and (root / entry.path).is_file() for entry in entries):
            return md5
        path = f"raw/{bars.symbol}.parquet"
        if (root / path).exists() or any(entry.path == path for entry in entries):
            path = f"raw/{bars.symbol}_{bars.dataset_id[:12]}.parquet"
        if (root / path).exists():
            raise IntegrityError(
                f"{root / path} exists with other content; it is not overwritten.",
                code="STORAGE-Exists",
                suggestion="Move it away, then combine again.",
            )
        atomic_write(root / path, content)
        manifests.register_raw(f"{bars.symbol}.OHLCV.daily", path)
    return md5


def _parquet(bars: "BarFrame") -> bytes:
    import io

    from marketlab.features import raw_daily

    buffer = io.BytesIO()
    raw_daily(bars).write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
