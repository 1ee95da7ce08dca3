"""Scaling of raw inputs, fitted on training rows and carried with the weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from marketlab.core import ConfigError, DataError, FloatArray, IntegrityError, did_you_mean

FloatT = TypeVar("FloatT", np.float32, np.float64)
_KINDS = ("none", "minmax", "zscore")


@dataclass(frozen=True)
class Standardizer:
    """``(x - shift) / scale`` per feature, with numbers that only training rows have decided.

    Attributes
    ----------
    normalization : per feature none (left as it is), minmax (training rows fill [0, 1]; later
        values may leave it) or zscore (training mean 0, population deviation 1).
    shift, scale : (n_features,) float64.
    """

    normalization: tuple[str, ...]
    shift: FloatArray
    scale: FloatArray

    @classmethod
    def fit(
        cls,
        x: NDArray[Any],
        normalization: Sequence[str] | str = "zscore",
        *,
        names: Sequence[str] | None = None,
    ) -> "Standardizer":
        """Return the scaling that the training rows `x` (n, n_features) decide.

        Parameters
        ----------
        normalization : one per feature (`FeatureSet.normalization`), or one for all.
        names : feature names, for messages.

        Raises
        ------
        ConfigError for an unknown normalization or a wrong number of them; DataError if there are
        no rows, a value is not finite, or a feature to be scaled is constant.
        """
        data = np.asarray(x, dtype=np.float64)
        if data.ndim != 2 or data.shape[0] == 0 or not np.isfinite(data).all():
            raise DataError(
                f"a standardizer is fitted on finite rows (n, n_features); received shape "
                f"{data.shape}, {int((~np.isfinite(data)).sum())} values not finite.",
                code="FEATURE-NotFinite",
            )
        kinds = cls._kinds(normalization, data.shape[1])
        shift, scale = np.zeros(len(kinds)), np.ones(len(kinds))
        for f, kind in enumerate(kinds):
            if kind == "none":
                continue
            low, high = float(data[:, f].min()), float(data[:, f].max())
            if low == high:
                name = names[f] if names is not None else f"feature {f}"
                raise DataError(
                    f"{name} is {low!r} in all {len(data)} training rows, so {kind} cannot scale "
                    "it.",
                    code="FEATURE-Constant",
                    field=name,
                    suggestion="Remove the input; it carries no information.",
                )
            if kind == "minmax":
                shift[f], scale[f] = low, high - low
            else:
                shift[f], scale[f] = float(data[:, f].mean()), float(data[:, f].std())
        return cls(kinds, shift, scale)

    @staticmethod
    def _kinds(normalization: Sequence[str] | str, n_features: int) -> tuple[str, ...]:
        single = isinstance(normalization, str)
        kinds = (str(normalization),) * n_features if single else tuple(normalization)
        for kind in kinds:
            if kind not in _KINDS:
                raise ConfigError(
                    f"Invalid normalization {kind!r}.",
                    code="CONFIG-UnknownName",
                    field="normalization",
                    value=kind,
                    suggestion=did_you_mean(kind, _KINDS),
                )
        if len(kinds) != n_features:
            raise ConfigError(
                f"{n_features} features need as many normalizations; received {len(kinds)}.",
                code="CONFIG-InvalidParameter",
                field="normalization",
            )
        return kinds

    @property
    def is_identity(self) -> bool:
        """Whether nothing is scaled."""
        return all(kind == "none" for kind in self.normalization)

    def apply(self, x: NDArray[FloatT]) -> NDArray[FloatT]:
        """Return `x` (n, n_features) or one row (n_features,) scaled, in its own float type.

        Raises
        ------
        DataError if the number of features is another than at fitting.
        """
        if x.shape[-1] != len(self.normalization):
            raise DataError(
                f"the standardizer was fitted on {len(self.normalization)} features; received "
                f"{x.shape[-1]}.",
                code="DATA-ShapeMismatch",
            )
        return ((x - self.shift) / self.scale).astype(x.dtype)

    def to_dict(self) -> dict[str, Any]:
        """Return the scaling JSON-ready; floats keep every bit."""
        return {
            "normalization": list(self.normalization),
            "shift": self.shift.tolist(),
            "scale": self.scale.tolist(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Standardizer":
        """Return the scaling that `to_dict` wrote.

        Raises
        ------
        IntegrityError if a part is missing, of another length, or not usable.
        """
        try:
            kinds = tuple(str(kind) for kind in stored["normalization"])
            shift = np.array(stored["shift"], dtype=np.float64)
            scale = np.array(stored["scale"], dtype=np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(
                f"a stored standardizer cannot be read: {error!r}.", code="INTEGRITY-Standardizer"
            ) from None
        same = shift.shape == scale.shape == (len(kinds),)
        if not same or not np.isfinite([shift, scale]).all() or not (scale > 0).all():
            raise IntegrityError(
                "a stored standardizer needs finite shifts and positive scales, one per feature.",
                code="INTEGRITY-Standardizer",
            )
        return cls(kinds, shift, scale)
