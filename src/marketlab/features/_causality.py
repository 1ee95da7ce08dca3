"""Proof by trial that no feature reads a bar that was not yet closed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from marketlab.core import DataError, FloatArray, check_same_length
from marketlab.features._audit_table import AuditFinding
from marketlab.features._expression import CLOCK, CONTEXT, SOURCES
from marketlab.features._graph import check_arrays
from marketlab.features._matrix import FeatureMatrix
from marketlab.features._stream import FeatureStream

AuditKind = Literal["prefix", "future", "stream"]
ArrayFunction = Callable[[Mapping[str, FloatArray]], tuple[Sequence[str], FloatArray]]
"""Bars in (columns by name, each (n_bars,)), names and values (n_features, n_bars) out."""

_STREAM_BARS = 300
_RANDOM_CUTS = 6


class FeatureSource(Protocol):
    """What computes features over history and bar by bar: a `FeatureSet`, a `FeatureTier`."""

    names: tuple[str, ...]
    warm_up_bars: int

    def compute(self, arrays: Mapping[str, FloatArray], /) -> FeatureMatrix: ...

    def stream(self) -> FeatureStream: ...


@dataclass(frozen=True, slots=True)
class CausalityFinding:
    """A feature that changed although the past did not.

    Attributes
    ----------
    check : "prefix" (later bars were removed), "future" (later bars were altered) or "stream"
        (bars came one by one).
    feature : name of the feature.
    cut : number of bars kept.
    bar : first bar whose value changed.
    """

    check: AuditKind
    feature: str
    cut: int
    bar: int

    @property
    def message(self) -> str:
        """The finding as a sentence."""
        what = {
            "prefix": "the bars after it are removed",
            "future": "the bars after it are altered",
            "stream": "the bars come one by one",
        }[self.check]
        return (
            f"{self.feature} at bar {self.bar} changes when {what} (cut after {self.cut} bars): "
            "it reads the future."
        )


def audit_causality(
    source: FeatureSource | ArrayFunction,
    arrays: Mapping[str, FloatArray],
    *,
    seed: int = 0,
    tolerance: float = 0.0,
    min_bars: int = 0,
    stream_bars: int = _STREAM_BARS,
) -> list[CausalityFinding]:
    """Return every feature that does not depend on past bars alone; [] if none was seen.

    Compares the features of the whole series with those of its beginning and with those of a
    series altered after the cut, at several cuts; a feature set also with its stream, which
    is saved and restored half way. A trial and no proof: a leak that acts only at rare bars can
    lie between the cuts.

    Parameters
    ----------
    source : a feature set or tier, or any function of bars that returns (names, values
        (n_features, n_bars)); a function is also cut inside its warm-up, which finds back-fill.
    arrays : bar columns by name, each (n_bars,), n_bars > warm-up + 10; `time` and `close_time`
        stay as they are, all else is altered after a cut. A function receives all of them.
    seed : of the alterations and of the cuts.
    tolerance : relative difference that counts as none. 0 is right for what computes bar after
        bar; a function with transforms over the whole series may need 1e-9.
    min_bars : fewest bars that a function accepts.
    stream_bars : bars that go through the stream, at least warm-up + 20 of them.

    Raises
    ------
    DataError for too few bars, or a function that gives other values when called twice, other
    columns for a part of the bars, or not one value per bar.
    """
    if callable(source):
        return _audit_function(source, arrays, seed, tolerance, min_bars)
    known = [n for n in arrays if n in (*SOURCES, *CLOCK) or n.startswith(CONTEXT)]
    columns = check_arrays(arrays, known)
    n_bars = len(columns[known[0]])
    first = source.warm_up_bars + 1
    _require_bars(n_bars, first)
    whole = source.compute(columns).values
    random = np.random.default_rng(seed)
    found: list[CausalityFinding] = []
    middle = (first + n_bars) // 2
    # Two neighbouring cuts: a coarser bar cannot end at both.
    for cut in sorted({first + 1, middle, middle + 1, n_bars - 1}):
        prefix = source.compute(_first(columns, cut)).values
        found += _compare("prefix", source.names, whole[:, :cut], prefix, cut, tolerance)
        altered = source.compute(_altered(columns, cut, random)).values[:, :cut]
        found += _compare("future", source.names, whole[:, :cut], altered, cut, tolerance)
    return found + _stream_findings(source, columns, whole, stream_bars)


def causality_findings(found: Iterable[CausalityFinding]) -> list[AuditFinding]:
    """Return one error per leaking feature for a `FeatureAudit`, with its first finding."""
    first: dict[str, CausalityFinding] = {}
    for item in found:
        first.setdefault(item.feature, item)
    return [
        AuditFinding(
            "error",
            "causality",
            (name,),
            item.message,
            "Remove it, or compute it from bars that are closed (a lag, a trailing window, a "
            "coarser bar joined at its close).",
        )
        for name, item in first.items()
    ]


def _audit_function(
    function: ArrayFunction,
    arrays: Mapping[str, FloatArray],
    seed: int,
    tolerance: float,
    min_bars: int,
) -> list[CausalityFinding]:
    columns = {name: np.asarray(column) for name, column in arrays.items()}
    n_bars = check_same_length(**columns)
    names, whole = _call(function, columns, n_bars)
    again = _call(function, columns, n_bars)[1]
    if _compare("future", names, whole, again, n_bars, 0.0):
        raise DataError(
            "the function gives other values when called twice on the same bars, so nothing can "
            "be said about its features.",
            code="FEATURE-NotRepeatable",
            suggestion="Seed its random numbers and let it keep nothing between calls.",
        )
    present = np.isfinite(whole)
    first = max(min_bars, int(np.argmax(present, axis=1).max(initial=0)) + 1)
    _require_bars(n_bars, first)
    random = np.random.default_rng(seed)
    prefix_cuts, future_cuts = _cuts(columns, n_bars, first, random)
    found: list[CausalityFinding] = []
    for cut in future_cuts:
        values = _call(function, _altered(columns, cut, random), n_bars, names)[1]
        found += _compare("future", names, whole[:, :cut], values[:, :cut], cut, tolerance)
    for cut in prefix_cuts:
        values = _call(function, _first(columns, cut), cut, names)[1]
        found += _compare("prefix", names, whole[:, :cut], values, cut, tolerance)
    return found


def _cuts(
    columns: Mapping[str, FloatArray], n_bars: int, first: int, random: np.random.Generator
) -> tuple[list[int], list[int]]:
    """Return cuts for the prefix and for the altered series.

    Random neighbours, so that no coarser bar ends at both; for the altered series also cuts
    inside the warm-up and inside stretches of missing input, where values may be filled in.
    """
    chosen = random.integers(first + 1, n_bars - 1, _RANDOM_CUTS)
    late = {first + 1, n_bars - 1, *chosen.tolist(), *(chosen + 1).tolist()}
    early = {2**k for k in range(n_bars.bit_length()) if 2**k < n_bars}
    for column in columns.values():
        missing = ~np.isfinite(column)
        edges = np.flatnonzero(missing[1:] & ~missing[:-1])[:3]
        early |= {int(bar) + 2 for bar in edges if bar + 2 < n_bars}
    return sorted(late), sorted(late | early)


def _call(
    function: ArrayFunction,
    columns: Mapping[str, FloatArray],
    n_bars: int,
    expected: Sequence[str] | None = None,
) -> tuple[tuple[str, ...], FloatArray]:
    # Copies, so that a function that writes into its input cannot fool the comparison.
    given, values = function({name: column.copy() for name, column in columns.items()})
    names, out = tuple(given), np.array(values, dtype=np.float64)
    if out.shape != (len(names), n_bars) or not names:
        raise DataError(
            f"the function must return one row per name and one value per bar, "
            f"({len(names)}, {n_bars}); received {out.shape}.",
            code="DATA-ShapeMismatch",
            suggestion="Leave missing values missing (NaN); drop no bars.",
        )
    if expected is not None and names != tuple(expected):
        raise DataError(
            f"the function returns other columns for the first {n_bars} bars than for all.",
            code="FEATURE-ColumnMismatch",
            field="names",
            suggestion="Choose the columns before looking at the bars.",
        )
    return names, out


def _require_bars(n_bars: int, first: int) -> None:
    if n_bars < first + 10:
        raise DataError(
            f"an audit needs at least {first + 10} bars (warm-up {first - 1}); received {n_bars}.",
            code="DATA-TooShort",
        )


def _first(columns: Mapping[str, FloatArray], cut: int) -> dict[str, FloatArray]:
    return {name: column[:cut] for name, column in columns.items()}


def _altered(
    columns: Mapping[str, FloatArray], cut: int, random: np.random.Generator
) -> dict[str, FloatArray]:
    """Return copies whose bars from `cut` on are scaled: prices together, volume by itself."""
    n_after = len(next(iter(columns.values()))) - cut
    prices = np.exp(random.normal(0.0, 1.0, n_after))
    volumes = np.exp(random.normal(0.0, 3.0, n_after))
    out = {name: column.copy() for name, column in columns.items()}
    for name, column in out.items():
        if name == "volume":
            later = column[cut:]
            column[cut:] = np.where(later == 0.0, 1000.0, later) * volumes
        elif name not in CLOCK:
            column[cut:] *= prices
    return out


def _compare(
    check: AuditKind,
    names: tuple[str, ...],
    expected: FloatArray,
    got: FloatArray,
    cut: int,
    tolerance: float,
) -> list[CausalityFinding]:
    different = (expected != got) & ~(np.isnan(expected) & np.isnan(got))
    if tolerance > 0.0:
        with np.errstate(invalid="ignore"):
            size = np.maximum(np.abs(expected), np.abs(got))
            different &= ~(np.abs(expected - got) <= tolerance * size)
    return [
        CausalityFinding(check, names[f], cut, int(np.argmax(different[f])))
        for f in np.flatnonzero(different.any(axis=1))
    ]


def _stream_findings(
    source: FeatureSource, columns: Mapping[str, FloatArray], whole: FloatArray, wanted: int
) -> list[CausalityFinding]:
    n_bars = min(whole.shape[1], max(wanted, source.warm_up_bars + 20))
    stream = source.stream()
    lists = {name: column[:n_bars].tolist() for name, column in columns.items()}
    joined = [name for name in lists if name.startswith(CONTEXT)]
    clock = [name for name in CLOCK if name in lists]
    nothing = [0.0] * n_bars
    prices = [lists.get(name, nothing) for name in SOURCES]
    rows = np.empty((n_bars, len(source.names)))
    for t in range(n_bars):
        if t == n_bars // 2:
            saved, stream = stream.state(), source.stream()
            stream.restore(saved)
        rows[t] = stream.push(
            *(column[t] for column in prices),
            **{name: lists[name][t] for name in clock},
            context={name[len(CONTEXT) :]: lists[name][t] for name in joined},
        )
    return _compare("stream", source.names, whole[:, :n_bars], rows.T, n_bars, 0.0)
