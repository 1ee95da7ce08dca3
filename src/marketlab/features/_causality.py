"""Proof by trial that no feature reads a bar that was not yet closed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from marketlab.core import DataError, FloatArray
from marketlab.features._expression import SOURCES
from marketlab.features._feature_set import FeatureSet
from marketlab.features._graph import check_arrays

AuditKind = Literal["prefix", "future", "stream"]
_STREAM_BARS = 300


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
    feature_set: FeatureSet, arrays: Mapping[str, FloatArray], *, seed: int = 0
) -> list[CausalityFinding]:
    """Return every feature that does not depend on past bars alone; [] if all do.

    Compares bit by bit, at three cuts, the features of the whole series with those of its
    beginning and with those of a series altered after the cut, and over the first 300 bars with
    the stream.

    Parameters
    ----------
    arrays : bar columns by name, each (n_bars,), n_bars > warm-up + 10.
    seed : of the alterations.
    """
    columns = check_arrays(arrays, [name for name in SOURCES if name in arrays])
    n_bars = len(columns["close"])
    first = feature_set.warm_up_bars + 1
    if n_bars < first + 10:
        raise DataError(
            f"an audit needs at least {first + 10} bars (warm-up {first - 1}); received {n_bars}.",
            code="DATA-TooShort",
        )
    whole = feature_set.compute(columns).values
    random = np.random.default_rng(seed)
    found: list[CausalityFinding] = []
    for cut in sorted({first + 1, (first + n_bars) // 2, n_bars - 1}):
        kept = {name: column[:cut] for name, column in columns.items()}
        prefix = feature_set.compute(kept).values
        found += _compare("prefix", feature_set.names, whole[:, :cut], prefix, cut)
        altered = _altered(columns, cut, random)
        future = feature_set.compute(altered).values[:, :cut]
        found += _compare("future", feature_set.names, whole[:, :cut], future, cut)
    return found + _stream_findings(feature_set, columns, whole)


def _altered(
    columns: Mapping[str, FloatArray], cut: int, random: np.random.Generator
) -> dict[str, FloatArray]:
    """Return copies whose bars from `cut` on are scaled: prices together, volume by itself."""
    n_after = len(columns["close"]) - cut
    prices = np.exp(random.normal(0.0, 1.0, n_after))
    volumes = np.exp(random.normal(0.0, 3.0, n_after))
    out = {name: column.copy() for name, column in columns.items()}
    for name, column in out.items():
        column[cut:] *= volumes if name == "volume" else prices
    return out


def _compare(
    check: AuditKind, names: tuple[str, ...], expected: FloatArray, got: FloatArray, cut: int
) -> list[CausalityFinding]:
    different = (expected != got) & ~(np.isnan(expected) & np.isnan(got))
    return [
        CausalityFinding(check, names[f], cut, int(np.argmax(different[f])))
        for f in np.flatnonzero(different.any(axis=1))
    ]


def _stream_findings(
    feature_set: FeatureSet, columns: Mapping[str, FloatArray], whole: FloatArray
) -> list[CausalityFinding]:
    n_bars = min(whole.shape[1], max(_STREAM_BARS, feature_set.warm_up_bars + 20))
    stream = feature_set.stream()
    nothing = np.zeros(n_bars)
    bars = zip(*(columns.get(name, nothing)[:n_bars].tolist() for name in SOURCES), strict=True)
    rows = np.array([stream.push(*bar) for bar in bars])
    return _compare("stream", feature_set.names, whole[:, :n_bars], rows.T, n_bars)
