"""How far the values of later parts lie from those a model was trained on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketlab.core import DataError, FloatArray, IntArray
from marketlab.features._audit_table import MIN_ROWS, AuditFinding, AuditTable

PSI_STRONG = 0.25
SHIFT_STRONG = 1.0
_BINS = 10
_FEW_VALUES = 10
_PSI_ROWS = 200_000


@dataclass(frozen=True, slots=True)
class DriftRow:
    """One column in one part against the reference part (the first, usually training).

    Attributes
    ----------
    psi : population stability index over the reference's deciles (its values themselves if there
        are at most 10); below 0.1 little, above 0.25 much. None if a part is too short; parts
        above 200,000 values are thinned evenly for it.
    mean_shift : difference of means in deviations of the reference; None if that is 0.
    spread_ratio : deviation of the part over that of the reference; None if that is 0.
    rows : values in the part.
    """

    column: str
    part: str
    psi: float | None
    mean_shift: float | None
    spread_ratio: float | None
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """Return the row JSON-ready."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def is_strong(self) -> bool:
        """Whether PSI is above 0.25 or the mean moved by more than one deviation."""
        moved = self.mean_shift is not None and abs(self.mean_shift) > SHIFT_STRONG
        return moved or (self.psi is not None and self.psi > PSI_STRONG)


def drift_table(
    table: AuditTable, parts: Mapping[str, NDArray[Any]] | None = None
) -> tuple[DriftRow, ...]:
    """Return a row per column and later part; the first part is the reference.

    Parameters
    ----------
    parts : bar positions by name (``{"train": …, "validation": …, "test": …}``); by default the
        first and the last half of the bars after the warm-up.

    Raises
    ------
    DataError if there are not at least two parts, or a position is not a bar.
    """
    chosen = _parts(table, parts)
    reference, *later = chosen
    rows = []
    for i, name in enumerate(table.names):
        column = table.columns[i]
        base = _present(column, chosen[reference])
        thinned = _thinned(base)
        edges = _edges(thinned) if len(base) >= MIN_ROWS else None
        shares = None if edges is None else _shares(thinned, edges)
        for part in later:
            values = _present(column, chosen[part])
            enough = len(values) >= MIN_ROWS and len(base) >= MIN_ROWS
            width = float(base.std()) if enough and base.min() < base.max() else 0.0
            psi = None
            if edges is not None and shares is not None and enough:
                psi = _psi(shares, _shares(_thinned(values), edges))
            rows.append(
                DriftRow(
                    name, part, psi,
                    float(values.mean() - base.mean()) / width if width > 0 else None,
                    float(values.std()) / width if width > 0 else None,
                    len(values),
                )
            )  # fmt: skip
    return tuple(rows)


def _parts(
    table: AuditTable, parts: Mapping[str, NDArray[Any]] | None
) -> dict[str, IntArray | slice]:
    if parts is None:
        middle = (table.warm_up_bars + table.n_bars) // 2
        return {"first half": slice(table.warm_up_bars, middle), "last half": slice(middle, None)}
    chosen: dict[str, IntArray | slice] = {}
    for name, positions in parts.items():
        bars = np.asarray(positions, dtype=np.int64)
        if bars.size and (bars.min() < 0 or bars.max() >= table.n_bars):
            raise DataError(
                f"part {name!r} holds a position that is not a bar (0 to {table.n_bars - 1}).",
                code="FEATURE-Position",
                field="parts",
            )
        chosen[name] = bars
    if len(chosen) < 2:
        raise DataError(
            f"drift compares at least two parts; received {len(chosen)}.",
            code="DATA-TooShort",
            field="parts",
        )
    return chosen


def _present(column: FloatArray, bars: IntArray | slice) -> FloatArray:
    values = column[bars]
    finite = np.isfinite(values)
    return values if finite.all() else values[finite]


def _thinned(values: FloatArray) -> FloatArray:
    return values[:: max(1, math.ceil(len(values) / _PSI_ROWS))]


def _edges(base: FloatArray) -> FloatArray:
    """Return the inner borders of the bins: between few values, else deciles."""
    few = np.unique(base[:: max(1, len(base) // 1000)])
    if len(few) <= _FEW_VALUES:
        few = np.unique(base)
    if len(few) <= _FEW_VALUES:
        # A border just above each value, so that each is a bin and what lies beyond is another.
        return np.concatenate([[np.nextafter(few[0], -np.inf)], few])
    deciles = np.quantile(base, np.arange(1, _BINS) / _BINS)
    return np.unique(np.asarray(deciles, dtype=np.float64))


def _shares(values: FloatArray, edges: FloatArray) -> FloatArray:
    """Return the share of each bin, half an observation added to each so that none is 0."""
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    shares = (counts + 0.5) / (len(values) + 0.5 * len(counts))
    return np.asarray(shares, dtype=np.float64)


def _psi(expected: FloatArray, got: FloatArray) -> float:
    return float(((got - expected) * np.log(got / expected)).sum())


def drift_findings(table: AuditTable, rows: tuple[DriftRow, ...]) -> list[AuditFinding]:
    """Return a warning for each column that lies elsewhere in a later part."""
    scale_class = dict(zip(table.names, table.scale_classes, strict=True))
    worst: dict[str, DriftRow] = {}
    for row in rows:
        if row.is_strong and (row.column not in worst or _size(row) > _size(worst[row.column])):
            worst[row.column] = row
    found = []
    for name, row in worst.items():
        shift = "" if row.mean_shift is None else f", mean {row.mean_shift:+.2f} deviations"
        psi = "" if row.psi is None else f"PSI {row.psi:.2f}"
        remedy = (
            "It is in price units: use its ratio to the price, or scaling per window."
            if scale_class[name] == "price"
            else "Use scaling per window, a ratio or a rank, and compare the parts in the report."
        )
        found.append(
            AuditFinding(
                "warning", "drift", (name,),
                f"{name} lies elsewhere in {row.part}: {psi}{shift}.", remedy,
            )
        )  # fmt: skip
    return found


def _size(row: DriftRow) -> float:
    return max(row.psi or 0.0, abs(row.mean_shift or 0.0), math.ulp(0.0))
