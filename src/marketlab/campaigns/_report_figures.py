"""The figures of a report, as SVG text that stands inside the page.

They are written by hand and coloured by the page's style sheet (classes, never fixed colours), so
they follow light and dark, print in ink, and cost milliseconds. The palette is of Okabe and Ito
(2008, "Color Universal Design"); a colour is never the only sign.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from marketlab.campaigns._run_facts import RunFacts
from marketlab.core import FloatArray, finite_or_none

_WIDE = 1120


def _svg(width: float, height: float, body: Iterable[str], *, label: str, name: str) -> str:
    return (
        f'<svg class="{name}" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(label)}" style="max-width: {1.05 * width:.0f}px">'
        f"{''.join(body)}</svg>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<path class="{kind}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def _rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" '
        f'height="{max(0.0, height):.1f}"/>'
    )


def _dot(x: float, y: float, radius: float, kind: str) -> str:
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "middle", kind: str = "t") -> str:
    return f'<text class="{kind} {anchor}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


@dataclass(frozen=True)
class _Axis:
    """Values between `low` and `high` as places between `start` and `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        share = (inside - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 7) -> list[float]:
        """Round values within, about `most` of them."""
        rough = (self.high - self.low) / most
        if rough <= 0:
            return [self.low]
        power = 10.0 ** np.floor(np.log10(rough))
        step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough)
        first = np.ceil(self.low / step - 1e-9)
        count = int(np.floor(self.high / step + 1e-9) - first) + 1
        return [float((first + k) * step) for k in range(max(0, count))]


def _tick_text(value: float) -> str:
    return f"{0.0 if abs(value) < 1e-12 else value:.4g}".replace("-", "−")


def _x_axis(axis: _Axis, y: float, title: str) -> list[str]:
    out = [_line(axis.start, y, axis.end, y, "ax")]
    for value in axis.ticks():
        out += [_line(axis.at(value), y, axis.at(value), y + 4, "ax")]
        out += [_text(axis.at(value), y + 16, _tick_text(value))]
    return [*out, _text((axis.start + axis.end) / 2, y + 32, title)]


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


def null_column(null: Mapping[str, Any] | None, strategy: str) -> tuple[float, FloatArray] | None:
    """Return one strategy's observed statistic and its values on surrogates; None without."""
    if null is None or null_matrices(null) is None or strategy not in null["names"]:
        return None
    place = list(null["names"]).index(strategy)
    observed = finite_or_none(null["observed"][place])
    values = _floats([row[place] for row in null["null"]])
    values = values[~np.isnan(values)]
    return None if observed is None or not values.size else (observed, values)


def _histogram(
    values: FloatArray, axis: _Axis, *, top: float, bottom: float, bins: int
) -> tuple[list[str], int]:
    """Return bars of `values`, and the count of the tallest."""
    counts, edges = np.histogram(values, bins=bins, range=(axis.low, axis.high))
    tallest = int(counts.max())
    out = []
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        height = (bottom - top) * count / max(1, tallest)
        x, width = axis.at(left), axis.at(right) - axis.at(left)
        if count:
            out.append(_rect(x + 0.5, bottom - height, width - 1, height, "pale"))
    return out, tallest


def _spanning(values: FloatArray, start: float, end: float) -> _Axis:
    low, high = float(values.min()), float(values.max())
    margin = 0.03 * (high - low) or max(1e-3, 0.1 * abs(high))
    return _Axis(low - margin, high + margin, start, end)


def null_histogram(null: Mapping[str, Any]) -> str:
    """Return the best of the family on each surrogate, and the observed strategies, as SVG."""
    matrices = null_matrices(null)
    if matrices is None:
        raise AssertionError("a histogram needs a null; ask null_matrices first")
    observed, best = standardised(*matrices)
    known = observed[~np.isnan(observed)]
    axis = _spanning(np.concatenate([best, known]), 34, _WIDE - 10)
    body, tallest = _histogram(best, axis, top=34, bottom=170, bins=30)
    body += [_text(28, 40, str(tallest), anchor="end"), _text(28, 170, "0", anchor="end")]
    body += [_line(axis.at(v), 174, axis.at(v), 186, "blue") for v in known]
    at = axis.at(float(known.max()))
    name = str(null["names"][int(np.nanargmax(observed))])
    side, gap = ("end", -6) if at > _WIDE / 2 else ("start", 6)
    body += [
        _line(at, 16, at, 172, "orange"),
        _text(at + gap, 22, f"best on the real bars: {name}", anchor=side, kind="t strong"),
        *_x_axis(axis, 188, "statistic, in standard deviations of each strategy's own null"),
    ]
    return _svg(_WIDE, 226, body, label="The family's null", name="wide")


def null_strips(null: Mapping[str, Any]) -> str:
    """Return one row per strategy: middle 90 % of its null, its median, the observed value."""
    matrices = null_matrices(null)
    if matrices is None:
        raise AssertionError("strips need a null; ask null_matrices first")
    observed, rows = matrices
    names = [str(name) for name in null["names"]]
    left = 14 + 6.2 * min(34, max(len(name) for name in names))
    both = np.concatenate([observed, rows.ravel()])
    every = both[~np.isnan(both)]
    low, high = np.quantile(every, [0.002, 0.998])
    ends = np.array([low, high, 0.0, *observed[~np.isnan(observed)]])
    axis = _spanning(ends, left, _WIDE - 10)
    bottom = 8 + 15 * len(names)
    body = [_line(axis.at(0.0), 4, axis.at(0.0), bottom, "ax")]
    for k, name in enumerate(names):
        y = 14 + 15 * k
        body.append(_text(left - 8, y + 4, name[:34], anchor="end"))
        known = rows[~np.isnan(rows[:, k]), k]
        if known.size:
            a, middle, b = (axis.at(float(v)) for v in np.quantile(known, [0.05, 0.5, 0.95]))
            body += [_rect(a, y - 4, b - a, 8, "pale"), _line(middle, y - 5, middle, y + 5, "mid")]
        if not np.isnan(observed[k]):
            body.append(_dot(axis.at(float(observed[k])), y, 3.5, "o-dot"))
    body += _x_axis(axis, bottom, "skill over the best simple rule, nats per sample")
    return _svg(_WIDE, bottom + 38, body, label="Each strategy and its null", name="wide")


def run_null(null: Mapping[str, Any] | None, strategy: str) -> str | None:
    """Return one strategy's null as a histogram with its observed value; None without a null."""
    column = null_column(null, strategy)
    if column is None:
        return None
    observed, values = column
    axis = _spanning(np.append(values, observed), 26, 410)
    body, tallest = _histogram(values, axis, top=28, bottom=128, bins=22)
    at = axis.at(observed)
    side, gap = ("end", -5) if at > 215 else ("start", 5)
    body += [
        _text(22, 34, str(tallest), anchor="end"),
        _text(22, 128, "0", anchor="end"),
        _line(at, 12, at, 128, "orange"),
        _text(at + gap, 18, f"real bars {_tick_text(observed)}", anchor=side, kind="t strong"),
        *_x_axis(axis, 128, "skill on surrogate markets, nats per sample"),
    ]
    return _svg(420, 166, body, label=f"Null of {strategy}", name="half")


# -- reliability ----------------------------------------------------------------------------------


def reliability_diagram(reliability: Mapping[str, Any]) -> str | None:
    """Return forecast against observed share of BUY with intervals and counts; None without."""
    rows = reliability.get("rows") or ()
    if not rows:
        return None
    ends = [finite_or_none(r[k]) for r in rows for k in ("mean", "observed")]
    ends += [finite_or_none(r[k]) for r in rows for k in ("interval_low", "interval_high")]
    known = np.array([v for v in ends if v is not None])
    low = max(0.0, float(known.min()) - 0.05)
    high = min(1.0, max(low + 0.1, float(known.max()) + 0.05))
    across, up = _Axis(low, high, 44, 300), _Axis(low, high, 206, 22)
    body = [_line(across.start, up.start, across.end, up.end, "dash")]
    body += [_line(44, 22, 44, 206, "ax")]
    for value in up.ticks(5):
        body += [_text(40, up.at(value) + 4, f"{100 * value:.0f}", anchor="end")]
    most = max(int(r["n_samples"]) for r in rows)
    for row in rows:
        x, y = across.at(row["mean"]), up.at(row["observed"])
        height = 20 * row["n_samples"] / most
        body.append(_rect(x - 3, 206 - height, 6, height, "pale"))
        if row["interval_low"] is not None:
            a, b = up.at(row["interval_low"]), up.at(row["interval_high"])
            body.append(_line(x, a, x, b, "blue"))
        body.append(_dot(x, y, 3.5, "b-dot" if row["interval_low"] is not None else "hollow"))
    percent = _Axis(100 * low, 100 * high, 44, 300)
    body += _x_axis(percent, 206, "forecast P(BUY), %")
    body.append(_text(44, 14, "observed BUY, %", anchor="start"))
    return _svg(310, 244, body, label="Reliability of P(BUY)", name="square")


# -- learning curves ------------------------------------------------------------------------------

_COLUMNS = 6


def learning_curves(facts: Sequence[RunFacts]) -> str | None:
    """Return small multiples of training and validation loss as SVG; None if no run has any."""
    shown = [f for f in facts if _series(f, "train_loss").size and _series(f, "val_loss").size]
    if not shown:
        return None
    columns = min(_COLUMNS, len(shown))
    width = max(_WIDE / _COLUMNS, min(420.0, _WIDE / columns))
    n_rows = -(-len(shown) // columns)
    low, high = _range(shown)
    most = max(1, max(len(_series(f, "val_loss")) for f in shown) - 1)
    body: list[str] = []
    for k, fact in enumerate(shown):
        row, column = divmod(k, columns)
        x, y = column * width + 40, row * 116.0
        across = _Axis(0, most, x, x + width - 54)
        body += _panel(fact, across, _Axis(low, high, y + 94, y + 18), first=column == 0)
    return _svg(40 + columns * width, 116 * n_rows, body, label="Learning curves", name="wide")


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


def _panel(fact: RunFacts, across: _Axis, up: _Axis, *, first: bool) -> list[str]:
    left, right, top, bottom = across.start, across.end, up.end, up.start
    out = [f'<path class="ax" d="M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}"/>']
    if fact.best_baseline_loss is not None:
        y = up.at(fact.best_baseline_loss)
        out.append(_line(left, y, right, y, "dash"))
    train, validation = _series(fact, "train_loss"), _series(fact, "val_loss")
    best = fact.run.best_epoch
    if best is not None and best < len(validation):
        out.append(_line(across.at(best), top, across.at(best), bottom, "dots"))
    out += [_curve(train, across, up, "blue"), _curve(validation, across, up, "orange")]
    end = len(validation) - 1
    out.append(_text(left, top - 5, fact.run.strategy[:28], anchor="start"))
    out.append(_text(across.at(end), bottom + 13, str(end)))
    if first:
        for share in (0.1, 0.9):
            value = up.low + share * (up.high - up.low)
            out.append(_text(left - 5, up.at(value) + 4, f"{value:.3f}", anchor="end"))
    return out


def _curve(values: FloatArray, across: _Axis, up: _Axis, kind: str) -> str:
    points = [
        f"{across.at(k):.1f},{up.at(float(v)):.1f}" for k, v in enumerate(values) if not np.isnan(v)
    ]
    return f'<polyline class="{kind}" points="{" ".join(points)}"/>'


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


_KINDS = {"learned": "blue", "worse than baseline": "orange"}


def interval_cell(fact: RunFacts, scale: float | None) -> str:
    """Return a small SVG of skill and interval around zero; empty where there is none."""
    if scale is None or fact.low is None or fact.high is None or fact.skill is None:
        return ""
    y = _CELL[1] / 2
    axis = _Axis(-scale, scale, _CELL[0] / 2 - _HALF, _CELL[0] / 2 + _HALF)
    low, high, at = (axis.at(v) for v in (fact.low, fact.high, fact.skill))
    kind = _KINDS.get(fact.outcome or "", "plain")
    dot = "hollow" if fact.outcome == "no evidence" else f"{kind[0]}-dot"
    body = [_line(_CELL[0] / 2, 0, _CELL[0] / 2, _CELL[1], "ax"), _line(low, y, high, y, kind)]
    if fact.low < -scale:
        body.append(f'<path class="{kind} beyond" d="M{low + 5:.1f} {y - 4}L{low:.1f} {y}l5 4"/>')
    if fact.high > scale:
        body.append(
            f'<path class="{kind} beyond" d="M{high - 5:.1f} {y - 4}L{high:.1f} {y}l-5 4"/>'
        )
    body.append(_dot(at, y, 3.5, dot))
    label = f"skill {fact.skill:+.4f}, 95 % interval {fact.low:+.4f} to {fact.high:+.4f}"
    return _svg(*_CELL, body, label=label, name="interval")
