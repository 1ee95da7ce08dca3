"""Array types and the checks that guard public functions."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from marketlab.core._errors import ConfigError, DataError

FloatArray: TypeAlias = NDArray[np.float64]
Float32Array: TypeAlias = NDArray[np.float32]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]


def check_at_least(name: str, value: float, minimum: float) -> None:
    """Raise `ConfigError` unless ``value >= minimum``."""
    if not value >= minimum:
        raise ConfigError(f"must be at least {minimum}; received {value!r}.", field=name)


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Raise `ConfigError` unless ``low <= value <= high``."""
    if not low <= value <= high:
        raise ConfigError(f"must lie in [{low}, {high}]; received {value!r}.", field=name)


def check_same_length(**arrays: NDArray[Any]) -> int:
    """Return the common length of 1-D arrays; raise `DataError` naming both if they differ."""
    first_name, first = next(iter(arrays.items()))
    for name, array in arrays.items():
        if array.ndim != 1 or len(array) != len(first):
            raise DataError(
                f"{first_name} and {name} must be one-dimensional and of one length; "
                f"their shapes are {first.shape} and {array.shape}.",
                code="DATA-ShapeMismatch",
            )
    return len(first)
