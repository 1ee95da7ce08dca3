"""Columns that say the same: constants, exact copies, and clusters of near-perfect correlation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from marketlab.core import FloatArray, IntArray
from marketlab.features._audit_table import MIN_ROWS, AuditFinding, AuditTable

CORRELATED_ABOVE = 0.999
_BLOCK_BARS = 16_384


@dataclass(frozen=True, slots=True)
class Cluster:
    """Columns connected by pairs with \\|correlation\\| above the threshold.

    Attributes
    ----------
    columns : in the order of the table; the first one is the one to keep.
    copies : those equal to the first one at every bar where both have a value.
    weakest : smallest \\|correlation\\| of two columns of the cluster; a chain of close
        neighbours can lie below the threshold.
    """

    columns: tuple[str, ...]
    copies: tuple[str, ...]
    weakest: float

    def to_dict(self) -> dict[str, Any]:
        """Return the cluster JSON-ready."""
        return {
            "columns": list(self.columns),
            "copies": list(self.copies),
            "weakest": self.weakest,
        }


@dataclass(frozen=True, slots=True)
class Redundancy:
    """What repeats what.

    Attributes
    ----------
    threshold : \\|correlation\\| above which two columns are connected.
    constant : columns with one value after the warm-up, with that value.
    clusters : of at least two columns, by connected components.
    """

    threshold: float
    constant: dict[str, float]
    clusters: tuple[Cluster, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result JSON-ready."""
        return {
            "threshold": self.threshold,
            "constant": dict(self.constant),
            "clusters": [cluster.to_dict() for cluster in self.clusters],
        }

    def findings(self) -> list[AuditFinding]:
        """Return the constants as errors, copies and clusters as warnings."""
        found = [
            AuditFinding(
                "error", "constant", (name,),
                f"{name} is {value:g} at every bar, so it carries no information.",
                "Remove it, or look at the series: an indicator of volume needs volume.",
            )
            for name, value in self.constant.items()
        ]  # fmt: skip
        for cluster in self.clusters:
            first, others = cluster.columns[0], cluster.columns[1:]
            if cluster.copies:
                found.append(
                    AuditFinding(
                        "warning", "duplicate", (first, *cluster.copies),
                        f"{', '.join(cluster.copies)} equals {first} at every bar where both "
                        "have a value.",
                        f"Keep {first} and leave the copies out of the model's inputs.",
                    )
                )  # fmt: skip
            if len(others) > len(cluster.copies):
                found.append(
                    AuditFinding(
                        "warning", "correlated", cluster.columns,
                        f"{', '.join(cluster.columns)} are connected by correlations above "
                        f"{self.threshold:g} in size (weakest pair {cluster.weakest:.4f}).",
                        f"Keep one of them, for example {first}, or use their differences.",
                    )
                )  # fmt: skip
        return found


def find_redundancy(table: AuditTable, *, threshold: float = CORRELATED_ABOVE) -> Redundancy:
    """Return constants and clusters of the columns after the warm-up.

    Pearson correlation over the bars where both columns have a value, at least 30 of them.
    """
    constant: dict[str, float] = {}
    varying: list[int] = []
    for i, name in enumerate(table.names):
        values = table.after_warm_up(i)
        present = values if np.isfinite(values).all() else values[np.isfinite(values)]
        if not present.size:
            continue
        if present.min() == present.max():
            constant[name] = float(present[0])
        elif present.size >= MIN_ROWS:
            varying.append(i)
    if len(varying) < 2:
        return Redundancy(threshold, constant, ())
    columns = [table.after_warm_up(i) for i in varying]
    size = np.abs(correlations(columns)[0])
    clusters = []
    for members in _components(size > threshold):
        copies = [
            k for k in members[1:] if _equal_where_both(columns[members[0]], columns[k])
        ]  # fmt: skip
        pairs = size[np.ix_(members, members)]
        clusters.append(
            Cluster(
                tuple(table.names[varying[k]] for k in members),
                tuple(table.names[varying[k]] for k in copies),
                float(np.nanmin(pairs)),
            )
        )
    return Redundancy(threshold, constant, tuple(clusters))


def correlations(columns: Sequence[FloatArray]) -> tuple[FloatArray, IntArray]:
    """Return correlations (F, F) over the bars that both columns have, and how many those are.

    NaN where fewer than 30 bars are common or a column does not vary on them. Two passes in
    blocks of bars: memory does not grow with their number, and centred sums lose no digits.
    """
    n_columns, n_bars = len(columns), len(columns[0])
    centre, width = np.empty(n_columns), np.empty(n_columns)
    for i, column in enumerate(columns):
        finite = np.isfinite(column)
        present = column if finite.all() else column[finite]
        centre[i] = present.mean() if present.size else 0.0
        deviation = present.std() if present.size else 0.0
        width[i] = deviation if deviation > 0.0 else 1.0
    products, sums, squares, common = (np.zeros((n_columns, n_columns)) for _ in range(4))
    block = np.empty((n_columns, min(_BLOCK_BARS, n_bars)))
    for start in range(0, n_bars, _BLOCK_BARS):
        stop = min(start + _BLOCK_BARS, n_bars)
        z = block[:, : stop - start]
        for i, column in enumerate(columns):
            np.divide(column[start:stop] - centre[i], width[i], out=z[i])
        finite = np.isfinite(z)
        if finite.all():
            products += z @ z.T
            sums += z.sum(axis=1)[:, None]
            squares += np.einsum("ij,ij->i", z, z)[:, None]
            common += stop - start
        else:
            mask = finite.astype(np.float64)
            z[~finite] = 0.0
            products += z @ z.T
            sums += z @ mask.T
            squares += (z * z) @ mask.T
            common += mask @ mask.T
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = products - sums * sums.T / common
        variance = squares - sums * sums / common
        # Below this a column is flat on the common bars but for rounding.
        variance[variance <= 1e-12 * np.maximum(squares, 1e-300)] = np.nan
        corr = covariance / np.sqrt(variance * variance.T)
    corr[common < MIN_ROWS] = np.nan
    return corr, common.astype(np.int64)


def _components(linked: np.ndarray) -> list[list[int]]:
    """Return the connected components of at least two members, each ascending."""
    n = len(linked)
    seen = np.zeros(n, dtype=bool)
    out = []
    for start in range(n):
        if seen[start]:
            continue
        members, queue = [], [start]
        seen[start] = True
        while queue:
            here = queue.pop()
            members.append(here)
            near = np.flatnonzero(linked[here] & ~seen)
            seen[near] = True
            queue.extend(near.tolist())
        if len(members) > 1:
            out.append(sorted(members))
    return out


def _equal_where_both(a: FloatArray, b: FloatArray) -> bool:
    return bool(((a == b) | ~np.isfinite(a) | ~np.isfinite(b)).all())
