"""Each window normalised by itself (RevIN on inputs), its level and spread kept beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from marketlab.core import DataError, FloatArray, IntArray, IntegrityError
from marketlab.features._column_scaler import ColumnScaler, fit_columns, restore_columns
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

_LEVEL, _SPREAD = "_window_level", "_window_spread"


@dataclass(frozen=True)
class WindowScaler:
    """``(x - mean) / deviation`` with the mean and sample deviation of the window itself.

    What this removes (a price's level, a volatility's height) is often what is to be learned, so
    each scaled column ``c`` has two further ones, ``c_window_level`` and ``c_window_spread``: the
    window's mean and deviation, the same at each of its rows, standardised by their mean and
    deviation over the training windows. A window whose deviation is at most 1e-8 is only centred;
    its spread column says so.

    Attributes
    ----------
    columns, scale_classes : what it was fitted on.
    window : rows of a window, at least 2.
    scaled : positions of the scaled columns.
    reasons : per column why it passes through; "" for a scaled one.
    extras : the scaler of the levels and spreads, fitted on the training windows.
    flat_share : per scaled column the share of training windows that were only centred.
    """

    columns: tuple[str, ...]
    scale_classes: tuple[str, ...]
    window: int
    scaled: tuple[int, ...]
    reasons: tuple[str, ...]
    extras: ColumnScaler
    flat_share: tuple[float, ...]

    @property
    def kind(self) -> str:
        """Its name in `SCALERS`."""
        return "window"

    @cached_property
    def output_columns(self) -> tuple[str, ...]:
        """The columns, then the levels, then the spreads of the scaled ones."""
        return self.columns + self.extras.columns

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What is scaled over which window, what is not and why, which windows were flat."""
        named = [self.columns[i] for i in self.scaled]
        flat = dict(zip(named, self.flat_share, strict=True))
        return {
            "scaler": self.kind,
            "window": self.window,
            "training_windows": self.extras.n_rows,
            "scaled": named,
            "not_scaled": {c: r for c, r in zip(self.columns, self.reasons, strict=True) if r}
            | self.extras.facts["not_scaled"],
            "share_of_flat_windows": {name: share for name, share in flat.items() if share > 0},
        }

    @cached_property
    def _positions(self) -> IntArray:
        return np.array(self.scaled, dtype=np.int64)

    def transform(self, x: NDArray[FloatT], columns: Sequence[str]) -> NDArray[FloatT]:
        """Return windows (…, window, F) as (…, window, F + 2 scaled), in their own float type.

        A missing value in a window leaves its column missing there. See `Scaler`.
        """
        return self._transform(x, columns, first=0)

    def transform_last(self, x: NDArray[FloatT], columns: Sequence[str]) -> NDArray[FloatT]:
        """Return only the last row of each window, (…, F + 2 scaled), for a model of single rows.

        Bit-equal to ``transform(x, columns)[..., -1, :]``.
        """
        return self._transform(x, columns, first=self.window - 1)[..., 0, :]

    def _transform(
        self, x: NDArray[FloatT], columns: Sequence[str], *, first: int
    ) -> NDArray[FloatT]:
        check_columns(self.columns, columns)
        check_unit(x, (self.window, len(self.columns)))
        level, spread = window_moments(x, self._positions)
        divisor = np.where(spread <= SKIP_AT_MOST, 1.0, spread)
        extra = self.extras.transform(np.concatenate([level, spread], -1), self.extras.columns)
        n = len(self.columns)
        shape = (*x.shape[:-2], self.window - first, n + extra.shape[-1])
        out = np.empty(shape, dtype=x.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            for k in range(first, self.window):
                row = x[..., k, :]
                out[..., k - first, :n] = row
                chosen = (row[..., self._positions] - level) / divisor
                out[..., k - first, self._positions] = chosen
                out[..., k - first, n:] = extra
        check_result(out, self.output_columns)
        return out

    def to_dict(self) -> dict[str, Any]:
        """Return the scaler JSON-ready; floats keep every bit."""
        return {
            "schema_version": 1,
            "scaler": self.kind,
            "columns": list(self.columns),
            "scale_classes": list(self.scale_classes),
            "window": self.window,
            "scaled": list(self.scaled),
            "reasons": list(self.reasons),
            "extras": self.extras.to_dict(),
            "flat_share": list(self.flat_share),
        }


def window_moments(x: NDArray[Any], columns: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and sample deviation over the rows of windows (…, window, F), each (…, chosen).

    Summed row after row in float64, so the result does not depend on how many windows come, and
    from the first row on, so a constant window has deviation 0 exactly.
    """
    window = x.shape[-2]
    start = x[..., 0, :][..., columns].astype(np.float64)
    total, squares = np.zeros_like(start), np.zeros_like(start)
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(1, window):
            total += x[..., k, :][..., columns] - start
        offset = total / window
        for k in range(window):
            off = (x[..., k, :][..., columns] - start) - offset
            squares += off * off
        return start + offset, np.sqrt(squares / (window - 1))


def windows_of(rows: NDArray[FloatT], window: int) -> NDArray[FloatT]:
    """Return every window of consecutive `rows` (n, F) as a view (n - window + 1, window, F).

    Raises
    ------
    DataError if there are fewer rows than one window.
    """
    if rows.ndim != 2 or not 2 <= window <= len(rows):
        raise DataError(
            f"windows of {window} rows need a window of at least 2 and as many rows (n, F); "
            f"received shape {rows.shape}.",
            code="DATA-TooShort",
            field="window",
            value=window,
        )
    return sliding_window_view(rows, window, axis=0).transpose(0, 2, 1)


def fit_windows(
    x: NDArray[Any], columns: Sequence[str], scale_classes: Sequence[str]
) -> WindowScaler:
    """Return the scaler for windows like the training windows `x` (n, window, F); see `Scaler`."""
    data = check_training(x, columns, scale_classes, n_axes=3)
    if data.shape[1] < 2:
        raise DataError(
            "a window needs at least 2 rows for a deviation; received 1.",
            code="DATA-TooShort",
            field="window",
            value=data.shape[1],
        )
    reasons = [reason_unscaled(c, s) for c, s in zip(columns, scale_classes, strict=True)]
    wanted = np.flatnonzero([not reason for reason in reasons])
    level, spread = window_moments(data, wanted)
    flat = (spread <= SKIP_AT_MOST).mean(axis=0)
    for position, share in zip(wanted.tolist(), flat.tolist(), strict=True):
        if share == 1.0:
            reasons[position] = (
                f"its deviation is not above {SKIP_AT_MOST:g} in any training window, so it is "
                "left as it is"
            )
    kept = flat < 1.0
    scaled = tuple(wanted[kept].tolist())
    names = [columns[i] for i in scaled]
    extras = fit_columns(
        "standard",
        {"ratio": "standard"},
        np.concatenate([level[:, kept], spread[:, kept]], axis=1),
        [name + _LEVEL for name in names] + [name + _SPREAD for name in names],
        ["ratio"] * (2 * len(names)),
    ) if names else ColumnScaler(
        "standard", (), (), (), (), np.zeros(0), np.ones(0), len(data)
    )  # fmt: skip
    return WindowScaler(
        tuple(columns), tuple(scale_classes), data.shape[1], scaled, tuple(reasons), extras,
        tuple(flat[kept].tolist()),
    )  # fmt: skip


def restore_windows(stored: Mapping[str, Any]) -> WindowScaler:
    """Return the scaler that `WindowScaler.to_dict` wrote.

    Raises
    ------
    IntegrityError if a part is missing or contradicts another.
    """
    try:
        scaler = WindowScaler(
            columns=tuple(str(name) for name in stored["columns"]),
            scale_classes=tuple(str(name) for name in stored["scale_classes"]),
            window=int(stored["window"]),
            scaled=tuple(int(i) for i in stored["scaled"]),
            reasons=tuple(str(reason) for reason in stored["reasons"]),
            extras=restore_columns(stored["extras"]),
            flat_share=tuple(float(share) for share in stored["flat_share"]),
        )
        version = int(stored["schema_version"])
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"a stored scaler cannot be read: {error!r}.", code="INTEGRITY-Scaler"
        ) from None
    n = len(scaler.columns)
    scaled = tuple(i for i, reason in enumerate(scaler.reasons) if not reason)
    names = [scaler.columns[i] for i in scaled] if len(scaler.reasons) == n else []
    expected = tuple(name + _LEVEL for name in names) + tuple(name + _SPREAD for name in names)
    lengths = len(scaler.reasons) == len(scaler.scale_classes) == n
    agrees = scaled == scaler.scaled and len(scaler.flat_share) == len(scaled)
    if version != 1 or not lengths or not agrees or scaler.extras.columns != expected:
        raise IntegrityError(
            "the parts of a stored window scaler contradict each other.", code="INTEGRITY-Scaler"
        )
    return scaler


SCALERS.add(
    "window",
    ScalerDefinition(
        fit_windows,
        restore_windows,
        True,
        "Per window and column (x - mean)/sample deviation of that window (Kim et al. 2022, "
        "RevIN, without its learned part and without an epsilon, which would distort columns as "
        "small as returns); mean and deviation stay as further columns.",
    ),
)
