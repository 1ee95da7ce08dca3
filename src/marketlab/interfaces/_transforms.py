"""What can be done with stored bars: look at their quality, resample, describe, hand out."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace
    from marketlab.data import BarFrame


def quality_data(workspace: "Workspace", reference: str, *, calendar: str) -> dict[str, Any]:
    """Return the quality report of one data set, with its text under ``text``."""
    from marketlab.data import assess_quality

    bars = _bars(workspace, reference)
    report = assess_quality(bars, bars.timeframe, calendar=calendar)
    return {"dataset_id": bars.dataset_id, **report.to_mapping(), "text": report.text()}


def resample_data(
    workspace: "Workspace", reference: str, *, timeframe: str, calendar: str
) -> dict[str, Any]:
    """Store one data set resampled to `timeframe` and return its facts and what was left out."""
    from marketlab.data import resample_bars

    bars = _bars(workspace, reference)
    done = resample_bars(bars, timeframe, calendar=calendar)
    dataset_id = workspace.catalog.add(done.bars)
    return {
        "dataset_id": dataset_id,
        "parent": bars.dataset_id,
        "symbol": bars.symbol,
        "timeframe": timeframe,
        "n_bars": done.bars.n_bars,
        **done.counts(),
    }


def export_data(workspace: "Workspace", reference: str, path: Path) -> dict[str, Any]:
    """Write one data set to a new ``.csv`` or ``.parquet`` file.

    Raises
    ------
    ConfigError for another ending; ConflictError if the file exists.
    """
    import io

    from marketlab.core import ConfigError, ConflictError, atomic_write

    if path.suffix not in {".csv", ".parquet"}:
        raise ConfigError(f"{path} must end in .csv or .parquet.", field="path", value=str(path))
    if path.exists():
        raise ConflictError(
            f"{path} exists and is not overwritten.", field="path", suggestion="Name a new file."
        )
    bars = _bars(workspace, reference)
    buffer = io.BytesIO()
    if path.suffix == ".csv":
        bars.frame.write_csv(buffer, datetime_format="%Y-%m-%dT%H:%M:%S%.fZ")
    else:
        bars.frame.write_parquet(buffer, compression="zstd")
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, buffer.getvalue())
    return {"dataset_id": bars.dataset_id, "path": str(path), "n_bars": bars.n_bars}


def dictionary_data(workspace: "Workspace") -> dict[str, Any]:
    """Write ``reports/data_dictionary.md`` of the workspace and return its path and text."""
    from marketlab.core import SystemClock, atomic_write, iso
    from marketlab.data import data_dictionary

    catalog = workspace.require().catalog
    text = data_dictionary(catalog, generated_at=iso(SystemClock().now()) or "")
    path = workspace.root / "reports" / "data_dictionary.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, text)
    return {"path": str(path), "datasets": len(catalog.list()), "text": text}


def _bars(workspace: "Workspace", reference: str) -> "BarFrame":
    catalog = workspace.require().catalog
    if "/" in reference:
        symbol, _, timeframe = reference.partition("/")
        return catalog.find(symbol, timeframe)
    return catalog.load(reference)
