"""Scalers by name: fit, read back (the older format too), and one row at a time."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketlab.core import ConfigError, IntegrityError
from marketlab.features import _window_scaler  # noqa: F401
from marketlab.features._column_scaler import ColumnScaler, fit_columns, restore_columns
from marketlab.features._scaler import SCALERS, FloatT, Scaler, check_columns, check_unit
from marketlab.features._standardizer import Standardizer

_OLD_NAMES = {"zscore": "standard", "minmax": "min_max", "none": "none"}


def fit_scaler(
    kind: str | Mapping[str, str],
    x: NDArray[Any],
    columns: Sequence[str],
    scale_classes: Sequence[str],
) -> Scaler:
    """Return the scaler that training rows decide. Give it no other rows.

    Parameters
    ----------
    kind : a name of `SCALERS`, or scale class to column method (``{"price": "robust", "ratio":
        "standard"}``) for a scaler with several methods.
    x : training rows (n, n_columns); windows (n, window, n_columns) for kind ``"window"``.
    columns : their names.
    scale_classes : price, ratio, bounded and count are scaled; flag, calendar and label columns
        and those of the bar itself (open … volume) pass through.

    Raises
    ------
    ConfigError for an unknown kind, method or class; DataError for unusable rows.
    """
    if isinstance(kind, str):
        return SCALERS.get(kind, field="scaler").fit(x, columns, scale_classes)
    return fit_columns("by_class", kind, x, columns, scale_classes)


def restore_scaler(stored: Mapping[str, Any], columns: Sequence[str] | None = None) -> Scaler:
    """Return the scaler that `to_dict` wrote.

    Parameters
    ----------
    columns : the columns that it must be for. What a `Standardizer` wrote carries none, so it can
        only be read with them; its numbers stay bit for bit.

    Raises
    ------
    IntegrityError for an unreadable or unknown scaler; DataError if it is for other columns.
    """
    if "normalization" in stored and "scaler" not in stored:
        return _from_standardizer(Standardizer.from_dict(stored), columns)
    name = stored.get("scaler")
    if name == "by_class":
        scaler: Scaler = restore_columns(stored)
    elif isinstance(name, str) and name in SCALERS:
        scaler = SCALERS.get(name).restore(stored)
    else:
        raise IntegrityError(
            f"a stored scaler names {name!r}; known are {', '.join(SCALERS.names())}, by_class.",
            code="INTEGRITY-Scaler",
            field="scaler",
            value=name,
        )
    if columns is not None:
        check_columns(scaler.columns, columns)
    return scaler


def _from_standardizer(old: Standardizer, columns: Sequence[str] | None) -> ColumnScaler:
    if columns is None or len(columns) != len(old.normalization):
        given = "none" if columns is None else str(len(columns))
        raise ConfigError(
            f"a standardizer of {len(old.normalization)} columns carries no names, so they must be "
            f"given; received {given}.",
            code="FEATURE-ColumnMismatch",
            field="columns",
            suggestion="Give the names of the feature set that it was fitted with.",
        )
    return ColumnScaler(
        kind="by_class",
        columns=tuple(columns),
        scale_classes=("unknown",) * len(columns),
        methods=tuple(_OLD_NAMES[kind] for kind in old.normalization),
        reasons=tuple(
            "its configuration says normalization: none" if kind == "none" else ""
            for kind in old.normalization
        ),
        shift=old.shift,
        scale=old.scale,
        n_rows=0,
    )


class ScalerStream:
    """A scaler in a running session: rows come one by one.

    Parameters
    ----------
    scaler : what to apply.
    dtype : float type of the rows, float32 as in research unless said otherwise.

    Not safe to share between threads.
    """

    def __init__(self, scaler: Scaler, dtype: type[Any] = np.float32) -> None:
        self.scaler = scaler
        self.dtype = np.dtype(dtype)
        self._rows: deque[NDArray[Any]] = deque(maxlen=scaler.window)

    def push(self, row: NDArray[FloatT], columns: Sequence[str]) -> NDArray[Any] | None:
        """Take the next row (F,) and return the newest unit scaled; None while a window fills.

        Bit-equal to `Scaler.transform` of the same rows. Errors as there; a refused row is not
        kept.
        """
        check_columns(self.scaler.columns, columns)
        check_unit(row, (len(self.scaler.columns),))
        with np.errstate(over="ignore"):  # an infinite value is refused by the scaler
            values = row.astype(self.dtype)
        if self.scaler.window == 1:
            return self.scaler.transform(values, columns)
        unit = [*self._rows, values][-self.scaler.window :]
        full = len(unit) == self.scaler.window
        out = self.scaler.transform(np.stack(unit), columns) if full else None
        self._rows.append(values)
        return out
