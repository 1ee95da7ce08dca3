"""The files of a finished fetch: canonical Parquet by dataset and `acquisition_summary.csv`."""

import csv
import io
from pathlib import Path

from marketlab.core import atomic_write, iso, write_json
from marketlab.data._acquire import DatasetState
from marketlab.data._catalog import Catalog
from marketlab.data._fetch_plan import FetchPlan

_HEADER = ("pair", "timeframe", "filename", "candles", "start", "end")
_COLUMNS = ("time", "open", "high", "low", "close", "volume")
_MINUTES = {"1m": "M1", "5m": "M5", "15m": "M15", "30m": "M30", "1h": "H1", "1d": "D1"}


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
        name = f"{each.symbol}_{_MINUTES[state.timeframe]}_{span}.parquet"
        facts = {
            "dataset_id": bars.dataset_id,
            "provider": state.source,
            "provider_symbol": state.symbol,
            "timeframe": state.timeframe,
            "price_type": str(bars.metadata["price_type"]),
            "volume_unit": str(bars.metadata["volume_unit"]),
            "plan_id": each.plan_id,
        }
        payload = io.BytesIO()
        bars.frame.select(_COLUMNS).write_parquet(payload, compression="snappy", metadata=facts)
        atomic_write(folder / name, payload.getvalue())
        first, last = (
            (iso(bars.times(at)) or "").replace("T", " ").replace("Z", "+00:00") for at in (0, -1)
        )
        short = _MINUTES[state.timeframe]
        writer.writerow((state.symbol, short, name, bars.n_bars, first, last))
    write_json(folder / "acquisition_status.json", [state.to_mapping() for state in states])
    path = folder / "acquisition_summary.csv"
    atomic_write(path, lines.getvalue())
    return path
