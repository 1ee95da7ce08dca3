"""What can be done with stored bars: look at their quality, fill, resample, hand out."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace
    from marketlab.data import BarFrame


def quality_data(
    workspace: "Workspace", reference: str, *, calendar: str, against: str | None = None
) -> dict[str, Any]:
    """Return the quality report of one data set, with its text under ``text``.

    With `against`, a reference to bars of another length, the finer of the two is resampled and
    compared with the coarser one: ``cross_check`` tells how.

    Raises
    ------
    ConfigError (``CONFIG-NotCoarser``) if both have bars of one length; errors of `cross_check`.
    """
    from marketlab.data import assess_quality, cross_check, parse_timeframe

    bars = _bars(workspace, reference)
    report = assess_quality(bars, bars.timeframe, calendar=calendar)
    checks = [check.to_mapping() for check in report.checks()]
    facts = {"dataset_id": bars.dataset_id, **report.to_mapping(), "checks": checks}
    if against is not None:
        other = _bars(workspace, against)
        pair = sorted((bars, other), key=lambda one: parse_timeframe(one.timeframe))
        found = cross_check(*pair, calendar=calendar, with_volume=all(b.has_volume for b in pair))
        facts["cross_check"] = {
            "fine": pair[0].dataset_id,
            "coarse": pair[1].dataset_id,
            "ok": found.mismatched == 0 and found.compared > 0,
            **found.to_mapping(),
        }
    return {**facts, "text": report.text()}


def fill_data(
    workspace: "Workspace", reference: str, *, limit: int, calendar: str
) -> dict[str, Any]:
    """Store one data set with its short gaps filled, as a version of its own that says so.

    Raises
    ------
    DataError (``DATA-NothingToFill``) if no gap is that short: nothing is stored then; errors of
    `fill_gaps`.
    """
    from marketlab.core import DataError
    from marketlab.data import fill_gaps

    bars = _bars(workspace, reference)
    done = fill_gaps(bars, calendar=calendar, limit=limit)
    added = done.bars.n_bars - bars.n_bars
    if not added:
        raise DataError(
            f"{bars.symbol} {bars.timeframe} has no gap of {limit} bar(s) or fewer by the calendar "
            f"{calendar!r}; {done.n_unfilled} bar(s) are missing in longer gaps.",
            code="DATA-NothingToFill",
            field="limit",
            value=limit,
            suggestion="`marketlab data quality` tells the gaps.",
        )
    return {
        "dataset_id": workspace.catalog.add(done.bars),
        "parent": bars.dataset_id,
        "symbol": bars.symbol,
        "timeframe": bars.timeframe,
        "n_bars": done.bars.n_bars,
        "filled": added,
        "unfilled": done.n_unfilled,
        "segments": int(done.segment[-1]) + 1,
    }


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

    Bars with filled gaps get a column `is_filled`.

    Raises
    ------
    ConfigError for another ending; ConflictError if the file exists.
    """
    import io

    import polars as pl

    from marketlab.core import ConfigError, ConflictError, atomic_write
    from marketlab.data import filled_mask

    if path.suffix not in {".csv", ".parquet"}:
        raise ConfigError(f"{path} must end in .csv or .parquet.", field="path", value=str(path))
    if path.exists():
        raise ConflictError(
            f"{path} exists and is not overwritten.", field="path", suggestion="Name a new file."
        )
    bars = _bars(workspace, reference)
    frame, mask = bars.frame, filled_mask(bars)
    if mask.any():
        frame = frame.with_columns(pl.Series("is_filled", mask))
    buffer = io.BytesIO()
    if path.suffix == ".csv":
        frame.write_csv(buffer, datetime_format="%Y-%m-%dT%H:%M:%S%.fZ")
    else:
        frame.write_parquet(buffer, compression="zstd")
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, buffer.getvalue())
    return {"dataset_id": bars.dataset_id, "path": str(path), "n_bars": bars.n_bars}


def dictionary_data(workspace: "Workspace") -> dict[str, Any]:
    """Write ``reports/data_dictionary.md`` of the workspace and return its path and text."""
    from marketlab.core import SystemClock, atomic_write, iso
    from marketlab.data import FileManifests, data_dictionary
    from marketlab.interfaces._lineage import table_notes

    catalog = workspace.require().catalog
    files = FileManifests(workspace.root / "data")
    text = data_dictionary(
        catalog,
        generated_at=iso(SystemClock().now()) or "",
        files=files,
        notes=table_notes(workspace),
    )
    path = workspace.root / "reports" / "data_dictionary.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, text)
    counts = {"datasets": len(catalog.list()), "registered_files": len(files.latest())}
    return {"path": str(path), **counts, "text": text}


def _bars(workspace: "Workspace", reference: str) -> "BarFrame":
    catalog = workspace.require().catalog
    if "/" in reference:
        symbol, _, timeframe = reference.partition("/")
        return catalog.find(symbol, timeframe)
    return catalog.load(reference)
