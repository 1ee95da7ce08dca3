"""What every scaler promises, the table of all of them, and which columns none may touch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from marketlab.core import ConfigError, DataError, PluginRegistry, did_you_mean
from marketlab.features._expression import SOURCES

FloatT = TypeVar("FloatT", np.float32, np.float64)

SKIP_AT_MOST = 1e-8
"""A column whose denominator is no larger on the training rows is left as it is, and named."""

SCALED_CLASSES = ("price", "ratio", "bounded", "count")
PASSED_CLASSES = {
    "flag": "a flag passes through",
    "calendar": "a calendar column passes through",
    "label": "a label is never scaled",
}


class Scaler(Protocol):
    """Numbers that training rows have decided, applied alike in research and in running.

    Attributes
    ----------
    kind : its name in `SCALERS`.
    columns : the columns it was fitted on, in their order.
    output_columns : the columns it returns.
    window : rows of one unit: 1 for a scaler of single rows (a unit is ``(F,)``), else the length
        of the windows that are normalised by themselves (a unit is ``(window, F)``).
    """

    @property
    def kind(self) -> str: ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def output_columns(self) -> tuple[str, ...]: ...

    @property
    def window(self) -> int: ...

    @property
    def facts(self) -> dict[str, Any]:
        """JSON-ready: rows it was fitted on, what is scaled, what is not and why."""
        ...

    def transform(self, x: NDArray[FloatT], columns: Sequence[str]) -> NDArray[FloatT]:
        """Return units ``(…, F)`` or ``(…, window, F)`` scaled, in their own float type.

        Computed in float64 value by value, so one unit and many agree bit for bit. A missing
        value stays missing. Raises `DataError` for other columns, another order or shape, and for
        a result that the float type cannot hold.
        """
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the scaler JSON-ready, with its columns; floats keep every bit."""
        ...


@dataclass(frozen=True, slots=True)
class ScalerDefinition:
    """A way of scaling: how it is fitted, how it is read back, what it does.

    Attributes
    ----------
    fit : of training units (n, F) or (n, window, F), their columns and scale classes.
    restore : of what `Scaler.to_dict` wrote; raises `IntegrityError`.
    is_windowed : whether a unit is a window.
    reference : the formula and what it is good for.
    """

    fit: Callable[[NDArray[Any], Sequence[str], Sequence[str]], Scaler]
    restore: Callable[[Mapping[str, Any]], Scaler]
    is_windowed: bool
    reference: str


SCALERS: PluginRegistry[ScalerDefinition] = PluginRegistry("scaler")


def reason_unscaled(column: str, scale_class: str) -> str:
    """Return why a column passes through unchanged, or "" if it is to be scaled.

    Raises
    ------
    ConfigError for an unknown scale class.
    """
    if column.lower() in SOURCES:
        return "a column of the bar is never scaled"
    if scale_class in PASSED_CLASSES:
        return PASSED_CLASSES[scale_class]
    if scale_class not in SCALED_CLASSES:
        known = (*SCALED_CLASSES, *PASSED_CLASSES)
        raise ConfigError(
            f"Invalid scale class {scale_class!r} of {column}; known are {', '.join(known)}.",
            code="CONFIG-UnknownName",
            field="scale_classes",
            value=scale_class,
            suggestion=did_you_mean(scale_class, known),
        )
    return ""


def check_training(
    x: NDArray[Any], columns: Sequence[str], scale_classes: Sequence[str], *, n_axes: int
) -> NDArray[np.float64]:
    """Return training units as float64, or raise `DataError` saying what is wrong with them."""
    names = tuple(columns)
    if len(set(names)) != len(names) or len(scale_classes) != len(names):
        raise DataError(
            f"a scaler needs distinct columns and one scale class for each; received "
            f"{len(names)} columns ({len(set(names))} distinct) and {len(scale_classes)} classes.",
            code="DATA-ShapeMismatch",
            field="columns",
        )
    if x.ndim != n_axes or x.shape[-1] != len(names) or 0 in x.shape:
        wanted = "(n, columns)" if n_axes == 2 else "(n, window, columns)"
        raise DataError(
            f"a scaler is fitted on training rows {wanted} with n of at least 1 and "
            f"{len(names)} columns; received shape {x.shape}.",
            code="DATA-ShapeMismatch",
            field="x",
        )
    bad = ~np.isfinite(x)
    if bad.any():
        first = names[int(np.argwhere(bad)[0][-1])]
        raise DataError(
            f"a scaler is fitted on finite values; {int(bad.sum())} are not, the first in {first}.",
            code="FEATURE-NotFinite",
            field=first,
            suggestion="Choose rows after the warm-up, and look at the coverage of the column.",
        )
    # A view of overlapping windows stays a view: nothing is copied unless the type differs.
    return x if x.dtype == np.float64 else x.astype(np.float64)


def check_columns(fitted: tuple[str, ...], given: Sequence[str]) -> None:
    """Raise `DataError` unless the columns are those of fitting, in the same order."""
    if given is fitted or tuple(given) == fitted:
        return
    names = tuple(given)
    missing = [name for name in fitted if name not in names]
    added = [name for name in names if name not in fitted]
    if missing or added:
        what = "; ".join(
            f"{text} {', '.join(found[:5])}" + (" …" if len(found) > 5 else "")
            for text, found in (("missing", missing), ("not known to it", added))
            if found
        )
    elif len(names) != len(fitted):
        what = "a column is named twice"
    else:
        at = next(i for i, (a, b) in enumerate(zip(fitted, names, strict=True)) if a != b)
        what = f"the order differs from column {at} on: {names[at]} in place of {fitted[at]}"
    raise DataError(
        f"the scaler was fitted on {len(fitted)} columns and received {len(names)} others: {what}.",
        code="FEATURE-ColumnMismatch",
        field="columns",
        suggestion="Give the columns it was fitted on in their order, or fit a new scaler.",
    )


def check_unit(x: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Raise `DataError` unless `x` is float and ends in `shape`."""
    if x.dtype not in (np.float32, np.float64) or x.shape[-len(shape) :] != shape:
        raise DataError(
            f"the scaler takes float32 or float64 of shape (…, {', '.join(map(str, shape))}); "
            f"received {x.dtype} of shape {x.shape}.",
            code="DATA-ShapeMismatch",
            field="x",
        )


def check_result(out: NDArray[Any], columns: Sequence[str]) -> None:
    """Raise `DataError` if a scaled value is infinite."""
    # Two passes without a temporary as large as the rows; NaN is skipped by fmin and fmax.
    if out.size and np.isinf([np.fmax.reduce(out, None), np.fmin.reduce(out, None)]).any():
        name = columns[int(np.argwhere(np.isinf(out))[0][-1])]
        raise DataError(
            f"a value of {name} is infinite, or too large for {out.dtype} once scaled.",
            code="FEATURE-NotFinite",
            field=name,
            suggestion="Look at the bars there: a price or volume may be wrong.",
        )
