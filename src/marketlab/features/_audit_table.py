"""What an audit reads: named columns over bars, with what is declared about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from marketlab.core import DataError, FloatArray, IntArray
from marketlab.features._matrix import FeatureMatrix

UNKNOWN = "unknown"
MIN_ROWS = 30
"""A column (or a pair) with fewer values after the warm-up is not judged, and said to be so."""

Severity = Literal["error", "warning", "hint"]


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One finding about one or several columns.

    Attributes
    ----------
    severity : an "error" fails the verdict; a "warning" is to be answered by a person; a "hint"
        is a statistic that may have an innocent reason.
    check : coverage, not_finite, constant, duplicate, correlated, range, logic, stationarity,
        drift or causality.
    columns : the columns concerned.
    message : what was found, in a sentence.
    remedy : what to do, in a sentence.
    """

    severity: Severity
    check: str
    columns: tuple[str, ...]
    message: str
    remedy: str

    def to_dict(self) -> dict[str, Any]:
        """Return the finding JSON-ready."""
        return {
            "severity": self.severity,
            "check": self.check,
            "columns": list(self.columns),
            "message": self.message,
            "remedy": self.remedy,
        }


@dataclass(frozen=True)
class AuditTable:
    """Columns to audit. Nothing is copied from a feature matrix.

    Attributes
    ----------
    names : column names, distinct.
    columns : for each its values over all bars, (n_bars,) float64.
    scale_classes : price, ratio, bounded, count, flag, calendar; "unknown" if nobody said.
    low, high : declared range of each column, (n_columns,), infinite if none.
    warm_up_bars : bars at the start that may be missing.
    time_ns : open time of each bar, UTC nanoseconds, ascending, or None.
    """

    names: tuple[str, ...]
    columns: tuple[FloatArray, ...]
    scale_classes: tuple[str, ...]
    low: FloatArray
    high: FloatArray
    warm_up_bars: int
    time_ns: IntArray | None

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        values: FloatArray | Sequence[FloatArray],
        *,
        scale_classes: Sequence[str] | Mapping[str, str] | None = None,
        ranges: Mapping[str, tuple[float, float]] | None = None,
        warm_up_bars: int = 0,
        time_ns: IntArray | None = None,
    ) -> "AuditTable":
        """Return the table of plain values (n_columns, n_bars).

        Parameters
        ----------
        scale_classes : one per column, or by name (columns without an entry are "unknown").
        ranges : declared (low, high) by column name.

        Raises
        ------
        DataError if shapes or names do not fit together, or no bar is left after the warm-up.
        """
        columns = tuple(np.asarray(column, dtype=np.float64) for column in values)
        lengths = {column.shape for column in columns}
        if len(columns) != len(names) or len(set(names)) != len(names) or len(lengths) != 1:
            raise DataError(
                f"an audit needs distinct names, one per column, and columns of one length; "
                f"received {len(names)} names ({len(set(names))} distinct), {len(columns)} columns "
                f"of {len(lengths)} shapes.",
                code="DATA-ShapeMismatch",
                field="values",
            )
        n_bars = len(columns[0])
        if not 0 <= warm_up_bars < n_bars or (time_ns is not None and len(time_ns) != n_bars):
            times = "none" if time_ns is None else str(len(time_ns))
            raise DataError(
                f"an audit needs bars after the warm-up and one time per bar; received {n_bars} "
                f"bars, a warm-up of {warm_up_bars}, {times} times.",
                code="DATA-TooShort",
                field="warm_up_bars",
                value=warm_up_bars,
                suggestion="Give a longer series.",
            )
        if isinstance(scale_classes, Mapping):
            classes = tuple(scale_classes.get(name, UNKNOWN) for name in names)
        else:
            classes = tuple(scale_classes) if scale_classes is not None else (UNKNOWN,) * len(names)
        declared = dict(ranges or {})
        for what, found in (("scale_classes", len(classes) != len(names)),
                            ("ranges", bool(set(declared) - set(names)))):  # fmt: skip
            if found:
                raise DataError(
                    f"{what} do not fit the {len(names)} columns of the audit.",
                    code="DATA-ShapeMismatch",
                    field=what,
                )
        inf = float("inf")
        low, high = np.array([declared.get(name, (-inf, inf)) for name in names]).T
        return cls(tuple(names), columns, classes, low, high, warm_up_bars, time_ns)

    @classmethod
    def of_matrix(
        cls,
        matrix: FeatureMatrix,
        *,
        scale_classes: Sequence[str] | Mapping[str, str] | None = None,
        warm_up_bars: int | None = None,
        time_ns: IntArray | None = None,
    ) -> "AuditTable":
        """Return the table of a feature matrix, with ranges and classes as its columns declare.

        `scale_classes` and `warm_up_bars` replace what the matrix says (columns on coarser bars
        can need longer than it knows). Errors as for `of`.
        """
        about = matrix.columns
        if scale_classes is None and about:
            scale_classes = [column.scale for column in about]
        return cls.of(
            matrix.names,
            [matrix.column(i) for i in range(matrix.n_features)],
            scale_classes=scale_classes,
            ranges={column.feature_id: (column.low, column.high) for column in about},
            warm_up_bars=matrix.warm_up_bars if warm_up_bars is None else warm_up_bars,
            time_ns=time_ns,
        )

    @property
    def n_bars(self) -> int:
        """Number of bars."""
        return len(self.columns[0])

    def after_warm_up(self, column: int) -> FloatArray:
        """Return one column without the warm-up, a view."""
        return self.columns[column][self.warm_up_bars :]
