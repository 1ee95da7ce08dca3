"""What a kind of net must offer to be trained among many, and the table of those that do."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from marketlab.core import ConfigError, FrozenConfig, IntArray
from marketlab.models import MLPConfig
from marketlab.training._mlp_family import MLPFamily
from marketlab.training._net_job import NetJob, NetResult


class NetFamily(Protocol):
    """One kind of net: perceptrons today; anything that a row of features and a label can fit.

    A family is called from several threads at once, each with a job of its own, and keeps no
    state. It should hold the interpreter lock only between epochs, or the cores wait for it.
    """

    def result_bytes(self, job: NetJob) -> int:
        """Return what a finished net keeps."""
        ...

    def working_bytes(self, job: NetJob) -> int:
        """Return what one net needs while it is trained, beside the shared rows."""
        ...

    def train(
        self, job: NetJob, x: NDArray[Any], y: IntArray, control: NDArray[np.int64]
    ) -> NetResult:
        """Train one net, alone: the same job gives the same weights whatever runs beside it.

        Parameters
        ----------
        x, y : the rows of ``job.data``, writable and contiguous, `x` in the trainer's precision.
            They are shared with other nets and must not be changed.
        control : laid out as `Progress.array`; the caller sets its first element to cancel.

        Raises
        ------
        CancelledError when `control` asks for it. A loss that stops being finite is a result.
        """
        ...


_FAMILIES: dict[type[FrozenConfig], NetFamily] = {MLPConfig: MLPFamily()}


def register_net_family(config_type: type[FrozenConfig], family: NetFamily) -> None:
    """Let `fit_many` train nets whose configuration is a `config_type`.

    Raises
    ------
    ConfigError if that type has a family already.
    """
    if config_type in _FAMILIES:
        raise ConfigError(
            "a kind of net has one family.", field="config_type", value=config_type.__name__
        )
    _FAMILIES[config_type] = family


def family_of(job: NetJob) -> NetFamily:
    """Return the family that trains `job`.

    Raises
    ------
    ConfigError (``CONFIG-ModelTypeNotFound``) if its configuration is of no known kind.
    """
    family = _FAMILIES.get(type(job.model))
    if family is None:
        known = ", ".join(sorted(kind.__name__ for kind in _FAMILIES))
        raise ConfigError(
            f"job {job.name!r} has a model that cannot be trained among many; known: {known}.",
            code="CONFIG-ModelTypeNotFound",
            field="model",
            value=type(job.model).__name__,
            suggestion="Register its family with register_net_family.",
        )
    return family
