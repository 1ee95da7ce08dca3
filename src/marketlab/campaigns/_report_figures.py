"""The figures of a campaign's report, as SVG text that stands inside the page.

Colours are of Okabe and Ito (2008, "Color Universal Design") and never the only sign. matplotlib is
imported when a figure is drawn, without pyplot and without touching its global settings.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from marketlab.campaigns._run_facts import RunFacts
from marketlab.core import FloatArray, finite_or_none

BLUE, ORANGE, GREY, INK = "#0072b2", "#d55e00", "#8a8a8a", "#1a1a1a"
_PALE = "#cfd8dc"
_FONTS = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
_WIDTH = 11.0  # inches, 72 SVG points each
_COLUMNS = 6


@contextmanager
def _figure(name: str, height: float) -> Iterator[tuple[Any, list[str]]]:
    """Yield an empty figure and a list that holds its SVG text afterwards."""
    import matplotlib
    from matplotlib.figure import Figure

    settings = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,  # ids differ between the figures of one page and not between runs
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 9.0,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": GREY,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "text.color": INK,
    }
    out: list[str] = []
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        yield figure, out
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nothing)
    out.append(_inline(buffer.getvalue(), name))


def _inline(svg: str, name: str) -> str:
    """Return only the svg element: no prologue, no metadata, scalable, the page's fonts."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = body.replace("'DejaVu Sans', sans-serif", _FONTS.replace("'", "&apos;"))
    # Ids must differ between figures that stand on one page.
    body = re.sub(r'id="', f'id="{name}-', body)
    body = re.sub(r'href="#', f'href="#{name}-', body)
    body = body.replace("url(#", f"url(#{name}-")
    return re.sub(
        r'<svg([^>]*?) width="[^"]*"',
        r"<svg\1",
        re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1),
        count=1,
    ).strip()


# -- the null -------------------------------------------------------------------------------------


def null_matrices(null: Mapping[str, Any] | None) -> tuple[FloatArray, FloatArray] | None:
    """Return observed (S,) and null (B, S) with NaN for missing, or None if there is no null."""
    if not null or not null.get("null") or not null.get("observed"):
        return None
    observed = _floats(null["observed"])
    rows = np.array([_floats(row) for row in null["null"]], dtype=np.float64)
    if np.isnan(observed).all() or np.isnan(rows).all():
        return None
    return observed, rows


def _floats(values: Sequence[Any]) -> FloatArray:
    numbers = [finite_or_none(v) for v in values]
    return np.array([np.nan if v is None else v for v in numbers], dtype=np.float64)


def standardised(observed: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return observed (S,) in standard deviations of its column, and each surrogate's best (B,).

    The same scaling as `max_statistic_p_values`: over all B + 1 rows; surrogates without any value
    are left out.
    """
    table = np.vstack([observed, rows])
    present = ~np.isnan(table)
    count = np.maximum(present.sum(axis=0), 1)
    mean = np.where(present, table, 0.0).sum(axis=0) / count
    centred = np.where(present, table - mean, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / np.maximum(count - 1, 1))
    scaled = np.where(spread > 0, centred / np.where(spread > 0, spread, 1.0), 0.0)
    best = np.where(present, scaled, -np.inf).max(axis=1)[1:]
    return np.where(present[0], scaled[0], np.nan), best[np.isfinite(best)]


def null_histogram(null: Mapping[str, Any]) -> str:
    """Return the best of the family on each surrogate, and the observed strategies, as SVG."""
    matrices = null_matrices(null)
    if matrices is None:
        raise AssertionError("a histogram needs a null; ask null_matrices first")
    observed, best = standardised(*matrices)
    top = int(np.nanargmax(observed))
    with _figure("null-histogram", 2.9) as (figure, out):
        axes = figure.subplots()
        counts, _, _ = axes.hist(best, bins=_bins(best, observed), color=_PALE, edgecolor="white")
        tallest = float(counts.max())
        axes.vlines(observed, -0.10 * tallest, -0.02 * tallest, color=BLUE, linewidth=1.2)
        axes.vlines(observed[top], 0, 1.08 * tallest, color=ORANGE, linewidth=2)
        side = "right" if observed[top] > np.median(best) else "left"
        axes.text(
            observed[top],
            1.12 * tallest,
            f" best on the real bars: {null['names'][top]} ",
            color=ORANGE,
            ha=side,
            va="bottom",
        )
        axes.set_ylim(-0.14 * tallest, 1.35 * tallest)
        axes.set_xlabel("statistic, in standard deviations of each strategy's own null")
        axes.set_ylabel("surrogate markets")
        axes.spines["left"].set_bounds(0, tallest)
        step = max(1, round(tallest / 4))
        axes.set_yticks(np.arange(0, tallest + 1, step))
    return out[0]


def _bins(best: FloatArray, observed: FloatArray) -> FloatArray:
    low = min(float(best.min()), float(np.nanmin(observed)))
    high = max(float(best.max()), float(np.nanmax(observed)))
    return np.linspace(low - 1e-9, high + 1e-9, 31)


def null_strips(null: Mapping[str, Any]) -> str:
    """Return one row per strategy: middle 90 % of its null, its median, the observed value."""
    matrices = null_matrices(null)
    if matrices is None:
        raise AssertionError("strips need a null; ask null_matrices first")
    observed, rows = matrices
    names = [str(name) for name in null["names"]]
    with _figure("null-strips", 0.9 + 0.19 * len(names)) as (figure, out):
        axes = figure.subplots()
        axes.axvline(0.0, color=GREY, linewidth=0.8)
        for y in range(len(names)):
            known = rows[~np.isnan(rows[:, y]), y]
            if known.size:
                low, middle, high = np.quantile(known, [0.05, 0.5, 0.95])
                axes.hlines(y, low, high, color=_PALE, linewidth=7)
                axes.vlines(middle, y - 0.3, y + 0.3, color=GREY, linewidth=1.5)
        axes.plot(observed, np.arange(len(names)), "o", color=ORANGE, markersize=4.5)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("skill of the linear model over the best simple rule, nats per sample")
    return out[0]


# -- learning curves ------------------------------------------------------------------------------

# A panel is one unit wide and high; its plot leaves room for the title above and numbers below.
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.02, 0.92, 0.20, 0.86


def learning_curves(facts: Sequence[RunFacts]) -> str | None:
    """Return small multiples of training and validation loss as SVG; None if no run has any.

    All panels are drawn into one pair of axes: dozens of axes would take seconds.
    """
    shown = [f for f in facts if _series(f, "train_loss").size and _series(f, "val_loss").size]
    if not shown:
        return None
    n_rows = -(-len(shown) // _COLUMNS)
    scale = _range(shown)
    most = max(len(_series(f, "val_loss")) for f in shown)
    with _figure("learning-curves", 1.32 * n_rows) as (figure, out):
        figure.set_layout_engine("none")
        axes = figure.add_axes((0.045, 0.0, 0.955, 1.0))
        axes.set_axis_off()
        axes.set_xlim(0, _COLUMNS)
        axes.set_ylim(n_rows, 0)
        for k, fact in enumerate(shown):
            _Panel(axes, k, scale, most).draw(fact)
    return out[0]


def _series(fact: RunFacts, name: str) -> FloatArray:
    return _floats(fact.run.history.get(name) or ())


def _range(shown: Sequence[RunFacts]) -> tuple[float, float]:
    """One scale for all panels; the outermost 1 % of losses may leave it."""
    parts = [_series(f, name) for f in shown for name in ("train_loss", "val_loss")]
    every = np.concatenate([*parts, _floats([f.best_baseline_loss for f in shown])])
    every = every[~np.isnan(every)]
    low, high = np.quantile(every, [0.01, 0.99]) if every.size else (0.0, 1.0)
    margin = max(0.06 * (high - low), 1e-3)
    return float(low - margin), float(high + margin)


class _Panel:
    """One run's curves at place `k` of the grid."""

    def __init__(self, axes: Any, k: int, scale: tuple[float, float], most: int) -> None:
        self.axes = axes
        self.row, self.column = divmod(k, _COLUMNS)
        self.scale = scale
        self.most = max(1, most - 1)

    def x(self, epoch: Any) -> Any:
        return self.column + _LEFT + (_RIGHT - _LEFT) * np.asarray(epoch) / self.most

    def y(self, loss: Any) -> Any:
        low, high = self.scale
        share = (np.clip(loss, low, high) - low) / (high - low)
        return self.row + _BOTTOM - (_BOTTOM - _TOP) * share

    def draw(self, fact: RunFacts) -> None:
        train, validation = _series(fact, "train_loss"), _series(fact, "val_loss")
        left, right = self.column + _LEFT, self.column + _RIGHT
        top, bottom = self.row + _TOP, self.row + _BOTTOM
        draw = self.axes
        draw.plot([left, left, right], [top, bottom, bottom], color=GREY, linewidth=0.6)
        if fact.best_baseline_loss is not None:
            y = self.y(fact.best_baseline_loss)
            draw.plot([left, right], [y, y], color=GREY, linewidth=1, linestyle=(0, (4, 2)))
        best = fact.run.best_epoch
        if best is not None and best < len(validation):
            x = self.x(best)
            draw.plot([x, x], [top, bottom], color=GREY, linewidth=0.8, linestyle=":")
        draw.plot(self.x(np.arange(len(train))), self.y(train), color=BLUE, linewidth=1.1)
        draw.plot(
            self.x(np.arange(len(validation))), self.y(validation), color=ORANGE, linewidth=1.5
        )
        name = fact.run.strategy
        draw.text(left, top - 0.03, name[:30], fontsize=7.5, ha="left", va="bottom")
        end = len(validation) - 1
        draw.text(self.x(end), bottom + 0.02, str(end), fontsize=7, ha="center", va="top")
        if self.column == 0:
            for share in (0.1, 0.5, 0.9):
                loss = self.scale[0] + share * (self.scale[1] - self.scale[0])
                text = f"{loss:.3f}"
                draw.text(left - 0.02, self.y(loss), text, fontsize=7, ha="right", va="center")


# -- one interval in a table cell -----------------------------------------------------------------

_CELL, _HALF = (150, 18), 68


def interval_scale(facts: Sequence[RunFacts]) -> float | None:
    """Return the half-width of the common scale of the interval cells, None without intervals.

    Three times the median reach, so that one bad run does not flatten all others.
    """
    reaches = [
        max(abs(f.low), abs(f.high)) for f in facts if f.low is not None and f.high is not None
    ]
    if not reaches:
        return None
    return min(max(reaches), 3.0 * float(np.median(reaches))) or None


def interval_cell(fact: RunFacts, scale: float | None) -> str:
    """Return a small SVG of skill and interval around zero; empty where there is none."""
    if scale is None or fact.low is None or fact.high is None or fact.skill is None:
        return ""
    middle, y = _CELL[0] / 2, _CELL[1] / 2
    low, high, at = (_x(v, scale) for v in (fact.low, fact.high, fact.skill))
    colour = {"learned": BLUE, "worse than baseline": ORANGE}.get(fact.outcome or "", "#555555")
    fill = "white" if fact.outcome == "no evidence" else colour
    text = f"skill {fact.skill:+.4f}, 95 % interval {fact.low:+.4f} to {fact.high:+.4f}"
    arrows = ""
    if fact.low < -scale:
        arrows += (
            f'<path d="M{low + 5:.1f} {y - 4}L{low:.1f} {y}l5 4" fill="none" stroke="{colour}"/>'
        )
    if fact.high > scale:
        arrows += (
            f'<path d="M{high - 5:.1f} {y - 4}L{high:.1f} {y}l-5 4" fill="none" stroke="{colour}"/>'
        )
    return (
        f'<svg class="interval" viewBox="0 0 {_CELL[0]} {_CELL[1]}" role="img" '
        f'aria-label="{text}"><path d="M{middle} 0V{_CELL[1]}" stroke="#8a8a8a"/>'
        f'<path d="M{low:.1f} {y}H{high:.1f}" stroke="{colour}" stroke-width="2"/>{arrows}'
        f'<circle cx="{at:.1f}" cy="{y}" r="3.5" fill="{fill}" stroke="{colour}" '
        'stroke-width="1.5"/></svg>'
    )


def _x(value: float, scale: float) -> float:
    return _CELL[0] / 2 + _HALF * max(-1.0, min(1.0, value / scale))
