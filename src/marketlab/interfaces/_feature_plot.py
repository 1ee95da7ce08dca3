"""An indicator under its candles, as a PNG.

Colours are of Okabe and Ito (2008, "Color Universal Design"). matplotlib is imported when a figure
is drawn, without pyplot and without touching its global settings.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace
    from marketlab.core import FloatArray
    from marketlab.data import BarFrame
    from marketlab.features import Expression, OutputRange

_UP, _DOWN, _GREY, _INK = "#0072b2", "#d55e00", "#8a8a8a", "#1a1a1a"
_LINES = ("#000000", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_SIZE = (11.0, 6.5)
_MOST_BARS = 2000
_FLAT = 0.1

Shown = dict[str, tuple["Expression", "OutputRange"]]


def plot_feature(
    workspace: "Workspace",
    name: str,
    bars: "BarFrame",
    *,
    tier: str | None = None,
    context: Sequence[str] = (),
    last: int = 150,
    end: date | None = None,
    path: Path | None = None,
) -> dict[str, Any]:
    """Draw a column of a set, an indicator at its defaults, or a formula, and return where it is.

    Parameters
    ----------
    name : a column of `tier`; without a tier an indicator, or a formula such as ``rsi(5)``.
    last : how many bars to show, 5 to 2,000, those up to `end` (the last of the series if None).
    path : a file ending in .png; ``reports/features/…`` if not given.

    Raises
    ------
    ConfigError for an unknown name, a formula that cannot be read, or a bad number of bars;
    DataError if the bars shown have no value.
    """
    from marketlab.core import ConfigError, check_between
    from marketlab.features import bar_arrays, evaluate, join_context
    from marketlab.interfaces._features import find_context

    check_between("last", last, 5, _MOST_BARS)
    if path is not None and path.suffix != ".png":
        raise ConfigError(f"{path} must end in .png.", field="out", value=str(path))
    shown, made = _find(name, tier)
    joined = find_context(workspace, context)
    _require(shown, bars, joined)
    values = evaluate(
        [expression for expression, _ in shown.values()],
        bar_arrays(bars, join_context(bars, joined)),
    )
    stop = _stop(bars, end)
    part = slice(max(0, stop - last), stop)
    columns = {label: values[k][part] for k, label in enumerate(shown)}
    _require_values(columns, bars, part)
    target = path or workspace.root / "reports" / "features" / _file_name(bars, made)
    target.parent.mkdir(parents=True, exist_ok=True)
    ranges = {label: limits for label, (_, limits) in shown.items()}
    _draw(bars, part, columns, ranges, title=made, path=target)
    return {
        "path": str(target),
        "name": made,
        "dataset_id": bars.dataset_id,
        "first_time": bars.times(part.start).isoformat(),
        "last_time": bars.times(stop - 1).isoformat(),
        "n_bars": stop - part.start,
        "last_values": {label: float(column[-1]) for label, column in columns.items()},
    }


def _find(name: str, tier: str | None) -> tuple[Shown, str]:
    """Return what to draw by label, and its title."""
    from marketlab.core import ConfigError, did_you_mean
    from marketlab.features import INDICATORS, OutputRange, parse_expression
    from marketlab.interfaces._feature_lists import example_parameters
    from marketlab.interfaces._features import load_tier

    if tier is not None:
        found = load_tier(tier)
        for item in found.file:
            if item.name == name:
                return {name: (item.expression, item.range)}, f"{name} of {found.file.name}"
        raise ConfigError(
            f"the feature set {found.file.name} has no column {name!r}.",
            code="CONFIG-UnknownName",
            field="name",
            value=name,
            suggestion=did_you_mean(name, found.names),
        )
    if name in INDICATORS.names():
        definition = INDICATORS.get(name)
        at = example_parameters(definition)
        built, ranges = definition.build(at), definition.ranges(at)
        title = f"{definition.name}({', '.join(f'{k}={v}' for k, v in at.items())})"
        label = {output: output if len(built) > 1 else name for output in built}
        return {label[o]: (built[o], ranges[o]) for o in definition.output_names}, title
    expression = parse_expression(name, field="name")
    unbounded = OutputRange(float("-inf"), float("inf"), "ratio")
    return {name: (expression, unbounded)}, name


def _require(shown: Shown, bars: "BarFrame", joined: Mapping[str, Any]) -> None:
    from marketlab.core import ConfigError, DataError
    from marketlab.features import sources_of

    read = sources_of(*(expression for expression, _ in shown.values()))
    for name in read:
        series = name.removeprefix("context.")
        if series != name and series not in joined:
            raise ConfigError(
                f"it reads the context series {series!r}, which is not given.",
                code="CONFIG-MissingContext",
                field=name,
                suggestion=f"Give it, for example with --context {series}=VIX/1d.",
            )
    if "volume" in read and not bars.has_volume:
        raise DataError(
            f"it reads the volume, and {bars.symbol} {bars.timeframe} has none.",
            code="DATA-NoVolume",
            field="name",
            suggestion="Choose a series with volume.",
        )


def _require_values(columns: Mapping[str, "FloatArray"], bars: "BarFrame", part: slice) -> None:
    import numpy as np

    from marketlab.core import DataError

    if all(np.isnan(column).all() for column in columns.values()):
        raise DataError(
            f"there is no value at the bars {part.start} to {part.stop - 1} of {bars.symbol} "
            f"{bars.timeframe}.",
            code="FEATURE-AllMissing",
            field="name",
            suggestion="Show later bars, or take a longer series.",
        )


def _stop(bars: "BarFrame", end: date | None) -> int:
    return bars.n_bars if end is None else bars.between(None, end).n_bars


def _file_name(bars: "BarFrame", title: str) -> str:
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in title)[:80]
    return f"{bars.symbol}_{bars.timeframe}_{safe}.png"


def _draw(
    bars: "BarFrame",
    part: slice,
    columns: Mapping[str, "FloatArray"],
    ranges: Mapping[str, "OutputRange"],
    *,
    title: str,
    path: Path,
) -> None:
    """Draw candles with price-like lines on them and everything else beneath."""
    import io

    import matplotlib
    from matplotlib.figure import Figure

    from marketlab.core import atomic_write

    settings = {
        "font.size": 9.0,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": _GREY,
        "axes.labelcolor": _INK,
        "text.color": _INK,
    }
    high, low = bars.high[part].max(), bars.low[part].min()
    over = [n for n, column in columns.items() if _is_price(column, ranges[n], low, high)]
    under = [n for n in columns if n not in over]
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=_SIZE, layout="constrained")
        panels = _groups({n: columns[n] for n in under})
        heights = [3.0, *([2.0 / max(1, len(panels) - 0.5)] * len(panels))]
        grid = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)
        top = grid[0, 0]
        _candles(top, bars, part)
        for k, label in enumerate(over):
            top.plot(columns[label], color=_LINES[k % len(_LINES)], linewidth=1.2, label=label)
        top.set_title(f"{bars.symbol} {bars.timeframe}: {title}", loc="left")
        top.set_ylabel("price")
        if over:
            _legend(top, len(over))
        for k, panel in enumerate(panels):
            _panel(grid[k + 1, 0], panel, ranges)
        _dates(grid[-1, 0], bars, part)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    atomic_write(path, buffer.getvalue())


def _groups(columns: Mapping[str, "FloatArray"]) -> list[dict[str, "FloatArray"]]:
    """Return lines of about one size together: a line of a tenth of another's would be flat."""
    import numpy as np

    size = {n: float(np.nanmax(np.abs(c))) for n, c in columns.items() if not np.isnan(c).all()}
    groups: list[dict[str, FloatArray]] = []
    largest = 0.0
    for name in sorted(size, key=lambda n: -size[n]):
        if not groups or size[name] < _FLAT * largest:
            groups.append({})
            largest = size[name]
        groups[-1][name] = columns[name]
    return groups


def _legend(axes: Any, count: int) -> None:
    """Above the axes on the right, where no line is."""
    place = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.98), "borderaxespad": 0.0}
    axes.legend(frameon=False, ncols=min(5, count), **place)


def _is_price(column: "FloatArray", limits: "OutputRange", low: float, high: float) -> bool:
    """Whether a line belongs on the candles: of the scale price and near the prices shown."""
    import numpy as np

    present = column[np.isfinite(column)]
    if limits.scale != "price" or not present.size:
        return False
    margin = high - low
    return bool(present.min() > low - margin and present.max() < high + margin)


def _candles(axes: Any, bars: "BarFrame", part: slice) -> None:
    import numpy as np

    opens, closes = bars.open[part], bars.close[part]
    x = np.arange(len(opens))
    for chosen, colour, fill in ((closes >= opens, _UP, "white"), (closes < opens, _DOWN, _DOWN)):
        at = x[chosen]
        axes.vlines(
            at, bars.low[part][chosen], bars.high[part][chosen], color=colour, linewidth=0.7
        )
        body = np.abs(closes - opens)[chosen]
        bottom = np.minimum(opens, closes)[chosen]
        axes.bar(at, body, 0.7, bottom, color=fill, edgecolor=colour, linewidth=0.7, zorder=2)
    axes.margins(x=0.01)


def _panel(
    axes: Any, columns: Mapping[str, "FloatArray"], ranges: Mapping[str, "OutputRange"]
) -> None:
    for k, (label, column) in enumerate(columns.items()):
        axes.plot(column, color=_LINES[k % len(_LINES)], linewidth=1.2, label=label)
    limits = {(ranges[n].low, ranges[n].high) for n in columns if ranges[n].scale == "bounded"}
    if len(limits) == 1 and all(ranges[n].scale == "bounded" for n in columns):
        low, high = limits.pop()
        axes.set_ylim(low - 0.03 * (high - low), high + 0.03 * (high - low))
        for end in (low, high):
            axes.axhline(end, color=_GREY, linewidth=0.6, linestyle=":")
    elif any(ranges[n].low < 0 for n in columns):
        axes.axhline(0.0, color=_GREY, linewidth=0.6)
    _legend(axes, len(columns))
    axes.set_ylabel(", ".join(sorted({str(ranges[n].scale) for n in columns})))


def _dates(axes: Any, bars: "BarFrame", part: slice) -> None:
    import numpy as np

    count = part.stop - part.start
    at = np.unique(np.linspace(0, count - 1, min(8, count)).astype(int))
    form = "%Y-%m-%d" if bars.timeframe in ("1d", "1w") else "%Y-%m-%d\n%H:%M"
    axes.set_xticks(at, [format(bars.times(part.start + int(k)), form) for k in at])
    axes.set_xlabel("open of the bar, UTC")
