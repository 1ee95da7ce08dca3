"""Columns that say the same: constants, exact copies, and clusters of near-perfect correlation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from marketlab.core import ConfigError, FloatArray, IntArray
from marketlab.features._audit_table import MIN_ROWS, AuditFinding, AuditTable
from marketlab.features._products import add_products

CORRELATED_ABOVE = 0.999
_BLOCK_BARS = 16_384


@dataclass(frozen=True, slots=True)
class Cluster:
    """Columns connected by pairs with absolute correlation above the threshold.

    Attributes
    ----------
    columns : in the order of the table; the first one is the one to keep.
    copies : (copy, earlier column) that are equal at every bar where both have a value.
    weakest : smallest absolute correlation of two of its columns; a chain of close
        neighbours can lie below the threshold.
    """

    columns: tuple[str, ...]
    copies: tuple[tuple[str, str], ...]
    weakest: float

    def to_dict(self) -> dict[str, Any]:
        """Return the cluster JSON-ready."""
        return {
            "columns": list(self.columns),
            "copies": [list(pair) for pair in self.copies],
            "weakest": self.weakest,
        }


@dataclass(frozen=True, slots=True)
class Redundancy:
    """What repeats what.

    Attributes
    ----------
    threshold : absolute correlation above which two columns are connected.
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
            for copy, original in cluster.copies:
                found.append(
                    AuditFinding(
                        "warning",
                        "duplicate",
                        (original, copy),
                        f"{copy} equals {original} at every bar where both have a value.",
                        f"Keep {original} and leave {copy} out of the model's inputs.",
                    )
                )
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

    Raises
    ------
    ConfigError if `threshold` does not lie between 0 and 1.
    """
    if not 0.0 < threshold < 1.0:
        raise ConfigError(
            f"the correlation that connects columns lies between 0 and 1; received {threshold!r}.",
            code="CONFIG-InvalidParameter",
            field="threshold",
            value=threshold,
        )
    constant: dict[str, float] = {}
    varying: list[int] = []
    for i, name in enumerate(table.names):
        low, high = _extent(table.after_warm_up(i))
        if low == high:
            constant[name] = low
        elif low < high:
            varying.append(i)
    if len(varying) < 2:
        return Redundancy(threshold, constant, ())
    columns = [table.after_warm_up(i) for i in varying]
    size = np.abs(correlations(columns)[0])
    clusters = []
    for members in _components(size > threshold):
        copies = []
        for at, k in enumerate(members):
            earlier = (m for m in members[:at] if _equal_where_both(columns[m], columns[k]))
            original = next(earlier, None)
            if original is not None:
                copies.append((table.names[varying[k]], table.names[varying[original]]))
        pairs = size[np.ix_(members, members)]
        clusters.append(
            Cluster(
                tuple(table.names[varying[k]] for k in members),
                tuple(copies),
                float(np.nanmin(pairs)),
            )
        )
    return Redundancy(threshold, constant, tuple(clusters))


def correlations(columns: Sequence[FloatArray]) -> tuple[FloatArray, IntArray]:
    """Return correlations (F, F) over the bars that both columns have, and how many those are.

    NaN where fewer than 30 bars are common or a column does not vary on them. In blocks of
    bars: memory does not grow with their number, and centred sums lose no digits.
    """
    n_columns, n_bars = len(columns), len(columns[0])
    centre, width = np.array([_rough_scale(column) for column in columns]).T
    products, sums, squares, common = (np.zeros((n_columns, n_columns)) for _ in range(4))
    block = np.empty((n_columns, min(_BLOCK_BARS, n_bars)))
    for start in range(0, n_bars, _BLOCK_BARS):
        stop = min(start + _BLOCK_BARS, n_bars)
        z = block[:, : stop - start]
        for i, column in enumerate(columns):
            np.subtract(column[start:stop], centre[i], out=z[i])
            z[i] /= width[i]
        with np.errstate(invalid="ignore"):
            total = z.sum(axis=1)
        if np.isfinite(total).all():
            add_products(z, z, products)
            sums += total[:, None]
            squares += np.einsum("ij,ij->i", z, z)[:, None]
            common += stop - start
        else:
            finite = np.isfinite(z)
            mask = finite.astype(np.float64)
            z[~finite] = 0.0
            add_products(z, z, products)
            add_products(z, mask, sums)
            add_products(z * z, mask, squares)
            add_products(mask, mask, common)
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = products - sums * sums.T / common
        variance = squares - sums * sums / common
        # Below this a column is flat on the common bars but for rounding.
        variance[variance <= 1e-12 * np.maximum(squares, 1e-300)] = np.nan
        corr = covariance / np.sqrt(variance * variance.T)
    corr[common < MIN_ROWS] = np.nan
    return corr, common.astype(np.int64)


def _extent(values: FloatArray) -> tuple[float, float]:
    """Return least and greatest finite value; (NaN, NaN) if there is none."""
    low, high = float(np.fmin.reduce(values)), float(np.fmax.reduce(values))
    if np.isfinite([low, high]).all():
        return low, high
    present = values[np.isfinite(values)]
    return (float(present.min()), float(present.max())) if present.size else (np.nan, np.nan)


def _rough_scale(column: FloatArray) -> tuple[float, float]:
    """Return a centre and a width near those of the column: enough to lose no digits."""
    sample = column[:: max(1, len(column) // 20_000)]
    sample = sample[np.isfinite(sample)]
    deviation = float(sample.std()) if sample.size else 0.0
    return (float(sample.mean()) if sample.size else 0.0), (deviation if deviation > 0 else 1.0)


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
