"""Scaling column by column: standard, robust and min-max, each from the training rows alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketlab.core import ConfigError, FloatArray, IntegrityError
from marketlab.features._scaler import (
    SCALERS,
    SKIP_AT_MOST,
    FloatT,
    ScalerDefinition,
    check_columns,
    check_result,
    check_training,
    check_unit,
    reason_unscaled,
)

METHODS = {
    "standard": "standard deviation",
    "robust": "interquartile range",
    "min_max": "range",
}
"""Ways to scale one column, with the name of what they divide by."""


@dataclass(frozen=True)
class ColumnScaler:
    """``(x - shift) / scale`` per column. Bit-equal for a batch of rows and for one row.

    Attributes
    ----------
    kind : standard, robust, min_max, or by_class (several methods).
    columns, scale_classes : what it was fitted on.
    methods : per column standard, robust, min_max or none.
    reasons : per column why its method is none; "" for a scaled one.
    shift, scale : (n_columns,) float64; 0 and 1 where the method is none.
    n_rows : training rows that decided; 0 if read from an older file, which does not say.
    """

    kind: str
    columns: tuple[str, ...]
    scale_classes: tuple[str, ...]
    methods: tuple[str, ...]
    reasons: tuple[str, ...]
    shift: FloatArray
    scale: FloatArray
    n_rows: int

    @property
    def output_columns(self) -> tuple[str, ...]:
        """The columns themselves."""
        return self.columns

    @property
    def window(self) -> int:
        """One row is scaled at a time."""
        return 1

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What was scaled on how many rows, and what was not and why."""
        return {
            "scaler": self.kind,
            "training_rows": self.n_rows,
            "scaled": [c for c, m in zip(self.columns, self.methods, strict=True) if m != "none"],
            "not_scaled": {c: r for c, r in zip(self.columns, self.reasons, strict=True) if r},
        }

    def transform(self, x: NDArray[FloatT], columns: Sequence[str]) -> NDArray[FloatT]:
        """Return rows (…, n_columns) scaled, in their own float type; see `Scaler`."""
        check_columns(self.columns, columns)
        check_unit(x, (len(self.columns),))
        with np.errstate(over="ignore", invalid="ignore"):
            out: NDArray[FloatT] = ((x - self.shift) / self.scale).astype(x.dtype)
        check_result(out, self.columns)
        return out

    def to_dict(self) -> dict[str, Any]:
        """Return the scaler JSON-ready; floats keep every bit."""
        return {
            "schema_version": 1,
            "scaler": self.kind,
            "columns": list(self.columns),
            "scale_classes": list(self.scale_classes),
            "methods": list(self.methods),
            "reasons": list(self.reasons),
            "shift": self.shift.tolist(),
            "scale": self.scale.tolist(),
            "training_rows": self.n_rows,
        }


def fit_columns(
    kind: str,
    method_of: Mapping[str, str],
    x: NDArray[Any],
    columns: Sequence[str],
    scale_classes: Sequence[str],
) -> ColumnScaler:
    """Return the scaler that the training rows `x` (n, n_columns) decide.

    Parameters
    ----------
    method_of : scale class to method, for every class that is to be scaled.

    Raises
    ------
    ConfigError for an unknown method or a class without one; DataError for unusable rows.
    """
    for method in method_of.values():
        if method not in METHODS:
            raise ConfigError(
                f"a column is scaled by {', '.join(METHODS)}; received {method!r}.",
                code="CONFIG-UnknownName",
                field="method_of",
                value=method,
            )
    data = check_training(x, columns, scale_classes, n_axes=2)
    shift, scale = np.zeros(data.shape[1]), np.ones(data.shape[1])
    methods, reasons = [], []
    for i, (name, scale_class) in enumerate(zip(columns, scale_classes, strict=True)):
        reason = reason_unscaled(name, scale_class)
        method = "none"
        if not reason:
            if scale_class not in method_of:
                raise ConfigError(
                    f"{name} is of class {scale_class}, for which no method is given "
                    f"(given: {', '.join(method_of)}).",
                    code="CONFIG-InvalidParameter",
                    field=f"method_of.{scale_class}",
                    suggestion=f"Name one of {', '.join(METHODS)} for it.",
                )
            method = method_of[scale_class]
            centre, width = _measure(method, np.ascontiguousarray(data[:, i]))
            if width <= SKIP_AT_MOST:
                reason = (
                    f"its {METHODS[method]} on the training rows is {width:g}, not above "
                    f"{SKIP_AT_MOST:g}, so it is left as it is"
                )
                method = "none"
            else:
                shift[i], scale[i] = centre, width
        methods.append(method)
        reasons.append(reason)
    return ColumnScaler(
        kind, tuple(columns), tuple(scale_classes), tuple(methods), tuple(reasons), shift, scale,
        len(data),
    )  # fmt: skip


def _measure(method: str, values: FloatArray) -> tuple[float, float]:
    """Return what is taken off and what is divided by; exactly 0 for a constant column."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low, 0.0
    if method == "min_max":
        return low, high - low
    if method == "robust":
        quarter, middle, three = np.percentile(values, [25, 50, 75])
        return float(middle), float(three - quarter)
    return float(values.mean()), float(values.std())


def restore_columns(stored: Mapping[str, Any]) -> ColumnScaler:
    """Return the scaler that `ColumnScaler.to_dict` wrote.

    Raises
    ------
    IntegrityError if a part is missing, of another length, or not usable.
    """
    try:
        texts = {
            part: tuple(str(item) for item in stored[part])
            for part in ("columns", "scale_classes", "methods", "reasons")
        }
        shift = np.array(stored["shift"], dtype=np.float64)
        scale = np.array(stored["scale"], dtype=np.float64)
        scaler = ColumnScaler(
            kind=str(stored["scaler"]), shift=shift, scale=scale,
            n_rows=int(stored["training_rows"]), **texts,
        )  # fmt: skip
        version = int(stored["schema_version"])
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"a stored scaler cannot be read: {error!r}.", code="INTEGRITY-Scaler"
        ) from None
    n = len(scaler.columns)
    same = all(len(part) == n for part in texts.values()) and shift.shape == scale.shape == (n,)
    known = all(m in METHODS or m == "none" for m in scaler.methods)
    usable = same and np.isfinite([shift, scale]).all() and (scale > 0).all()
    if version != 1 or not known or not usable:
        raise IntegrityError(
            "a stored scaler needs schema_version 1, known methods, finite shifts and positive "
            "scales, one per column.",
            code="INTEGRITY-Scaler",
        )
    return scaler


for _name, _text in (
    ("standard", "(x - mean)/population standard deviation."),
    ("robust", "(x - median)/(75 % - 25 % quantile, linear): outliers decide nothing."),
    ("min_max", "(x - min)/(max - min): training rows fill [0, 1], later values may leave it."),
):
    SCALERS.add(
        _name,
        ScalerDefinition(
            partial(
                fit_columns, _name, dict.fromkeys(("price", "ratio", "bounded", "count"), _name)
            ),
            restore_columns,
            False,
            f"Per column {_text} A denominator of at most 1e-8 leaves the column as it is.",
        ),
    )
