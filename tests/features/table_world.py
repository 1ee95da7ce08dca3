"""Stored-like bars for tests of tables: daily and hourly, with and without volume."""

import numpy as np
from feature_bars import bars as columns

from marketlab.data import BarFrame

DAY = 86_400_000_000_000
HOUR = 3_600_000_000_000


def frame(kind="walk", n=400, *, symbol="SPX", timeframe="1d", seed=0, first_day=15_000, **options):
    """Return bars that open every day (or hour) from `first_day` on, weekends left out."""
    arrays = columns(kind, n, seed=seed)
    if timeframe == "1d":
        days = first_day + np.arange(2 * n)
        days = days[(days + 3) % 7 < 5][:n]
        times = days * DAY
    else:
        times = first_day * DAY + np.arange(n) * HOUR
    skip = options.pop("skip", ())
    keep = np.setdiff1d(np.arange(n), skip)
    volume = options.pop("volume", True)
    table = {"time": times[keep], **{name: values[keep] for name, values in arrays.items()}}
    if not volume:
        del table["volume"]
    return BarFrame.build(table, symbol=symbol, timeframe=timeframe, source="test", **options)


def tier_file(folder, columns, *, name="mine", **blocks):
    """Write a feature file and return its path."""
    import json

    path = folder / f"{name}.yaml"
    path.write_text(json.dumps({"name": name, **blocks, "columns": columns}))
    return path
