"""The files of a finished fetch: canonical Parquet by dataset and `acquisition_summary.csv`."""

import csv
import io
from pathlib import Path

import polars as pl

from marketlab import __version__
from marketlab.core import IntegrityError, atomic_write, iso, write_json
from marketlab.data._bars import BarFrame
from marketlab.data._catalog import Catalog
from marketlab.data._fetch_plan import FetchPlan
from marketlab.data._fetch_state import DatasetState

_HEADER = ("pair", "timeframe", "filename", "candles", "start", "end")
_COLUMNS = ("time", "open", "high", "low", "close", "volume")
_SCHEMA_VERSION = "1"


def write_summary(
    plan: FetchPlan, states: list[DatasetState], catalog: Catalog, folder: Path, *, span: str
) -> Path:
    """Write the files that other tools expect of a fetch into `folder`; return the CSV's path.

    One Parquet file (Snappy) per dataset that did not fail its quality check, named such as
    ``BTC_USD_M5_<span>.parquet``; ``acquisition_summary.csv`` of those in the plan's order, in the
    provider's spelling; ``acquisition_status.json`` of all.
    """
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(_HEADER)
    for each, state in zip(plan.datasets, states, strict=True):
        if state.dataset_id is None or state.quality is None or state.quality.verdict == "fail":
            continue
        bars = catalog.load(state.dataset_id)
        short = _short(state.timeframe)
        name = f"{each.file_symbol}_{short}_{span}.parquet"
        _write_bars(bars, folder / name, state, plan_id=each.plan_id)
        first, last = (
            (iso(bars.times(at)) or "").replace("T", " ").replace("Z", "+00:00") for at in (0, -1)
        )
        writer.writerow((state.provider_symbol, short, name, bars.n_bars, first, last))
    write_json(folder / "acquisition_status.json", [state.to_mapping() for state in states])
    path = folder / "acquisition_summary.csv"
    atomic_write(path, lines.getvalue())
    return path


def _write_bars(bars: BarFrame, path: Path, state: DatasetState, *, plan_id: str) -> None:
    """Write canonical Parquet, looked at once more before it takes the name."""
    facts = {
        "schema_version": _SCHEMA_VERSION,
        "dataset_id": bars.dataset_id,
        "provider": state.source,
        "provider_symbol": state.provider_symbol,
        "pair": state.symbol,
        "timeframe": state.timeframe,
        "price_type": str(bars.metadata["price_type"]),
        "volume_unit": str(bars.metadata["volume_unit"]),
        "range": " to ".join(bars.metadata["range"]),
        "plan_id": plan_id,
        "software": f"marketlab {__version__}",
    }
    payload = io.BytesIO()
    table = bars.frame.select(_COLUMNS)
    table.write_parquet(payload, compression="snappy", metadata=facts)
    payload.seek(0)
    if not pl.read_parquet(payload).equals(table):
        raise IntegrityError(f"{path} did not come back as it was written; it was not kept.")
    atomic_write(path, payload.getvalue())


def _short(timeframe: str) -> str:
    """Return the file's name of a timeframe, such as M5, H1 or D1."""
    unit = timeframe.lstrip("0123456789")
    return f"{unit.upper()}{timeframe.removesuffix(unit)}"
