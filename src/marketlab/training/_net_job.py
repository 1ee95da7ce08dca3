"""One of many nets: what it is trained on, how, and what came of it."""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from marketlab.core import DataError, FloatArray, FrozenConfig, IntArray
from marketlab.models import Weights
from marketlab.training._config import TrainerConfig

NetStatus: TypeAlias = Literal["completed", "early_stopping", "diverged", "failed"]


@dataclass(frozen=True, eq=False)
class NetData:
    """Rows of one series and the two parts of one fold. Shared by all jobs that hold it.

    Attributes
    ----------
    x : ndarray of shape (n, F), float32 or float64. It may be a memory map, and rows that no part
        names may hold anything (warm-up bars).
    y : ndarray of shape (n,), int64 class indices of the rows that a part names.
    train, validation : int64 positions of rows of `x`, already purged.
    n_classes : classes that the net tells apart.

    Raises
    ------
    DataError if shapes do not agree, a part is empty or names a row that is not there, or a row
    that it names holds a value that is not finite or a label that is none.
    """

    x: NDArray[Any]
    y: IntArray
    train: IntArray
    validation: IntArray
    n_classes: int = 3

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or self.y.shape != self.x.shape[:1]:
            raise DataError(
                f"Shape mismatch: x has shape {self.x.shape} and y {self.y.shape}; each row "
                "needs one label.",
                code="MODEL-ShapeMismatch",
            )
        for part in ("train", "validation"):
            self._check(part, getattr(self, part))

    def _check(self, part: str, rows: IntArray) -> None:
        if len(rows) == 0:
            raise DataError(
                f"the {part} part holds no rows, so there is nothing to fit or to judge.",
                code="DATA-EmptySplit",
                field=part,
                suggestion="Take a longer period, other split ratios or a lower label threshold.",
            )
        if rows.min() < 0 or rows.max() >= len(self.x):
            raise DataError(
                f"the {part} part names rows {rows.min()} … {rows.max()}; x has rows 0 … "
                f"{len(self.x) - 1}.",
                code="DATA-NoSuchRow",
                field=part,
            )
        finite = np.isfinite(self.x[rows]).all(axis=1)
        if not finite.all():
            raise DataError(
                f"row {rows[~finite][0]} of the {part} part holds a value that is not finite.",
                code="DATA-NotFinite",
                field=part,
                suggestion="Leave out the warm-up bars, and look at the feature health report.",
            )
        labels = self.y[rows]
        if labels.min() < 0 or labels.max() >= self.n_classes:
            raise DataError(
                f"labels of the {part} part are {labels.min()} … {labels.max()}; they are class "
                f"indices 0 … {self.n_classes - 1}.",
                code="MODEL-BadLabel",
                field=part,
            )


@dataclass(frozen=True)
class NetJob:
    """One net to train.

    Attributes
    ----------
    name : what the caller calls it (strategy, surrogate, seed); it is not interpreted.
    data : its rows. model : its kind; the type of the configuration chooses the `NetFamily`.
    trainer : optimiser, epochs, early stopping. seed : chooses first weights, orders, masks.
    """

    name: str
    data: NetData
    model: FrozenConfig
    trainer: TrainerConfig
    seed: int


@dataclass(frozen=True)
class NetResult:
    """What came of one net.

    Attributes
    ----------
    status : ``completed`` (all epochs), ``early_stopping``, ``diverged`` (a loss stopped being
        finite) or ``failed``; the last two have no weights, and `error` says why in a sentence.
    best_weights : weights after `best_epoch` (0-based, the first of equals), None if `error`.
    train_loss, validation_loss : nats per row, one number per finished epoch.
    validation_accuracy : share of right answers, one number per finished epoch.
    n_steps : optimiser steps of the finished epochs. seconds : wall time of this net, or of its
        batch of nets where several are trained together.
    """

    name: str
    seed: int
    status: NetStatus
    best_weights: Weights | None
    best_epoch: int
    n_steps: int
    train_loss: FloatArray
    validation_loss: FloatArray
    validation_accuracy: FloatArray
    seconds: float
    error: str | None = None
    error_code: str | None = None

    @property
    def n_epochs(self) -> int:
        """Epochs that were finished."""
        return len(self.train_loss)


@dataclass
class NetHistory:
    """The numbers that a net leaves epoch by epoch; grows while it is trained."""

    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)

    def add(self, train_loss: float, validation_loss: float, validation_accuracy: float) -> None:
        """Take in one finished epoch."""
        self.train_loss.append(train_loss)
        self.validation_loss.append(validation_loss)
        self.validation_accuracy.append(validation_accuracy)

    def result(
        self,
        job: NetJob,
        status: NetStatus,
        *,
        seconds: float,
        n_steps: int = 0,
        best: tuple[Weights | None, int] = (None, -1),
        error: tuple[str, str] | None = None,
    ) -> NetResult:
        """Return the result of `job`; `best` is weights and epoch, `error` sentence and code."""
        return NetResult(
            name=job.name,
            seed=job.seed,
            status=status,
            best_weights=best[0],
            best_epoch=best[1],
            n_steps=n_steps,
            train_loss=np.array(self.train_loss),
            validation_loss=np.array(self.validation_loss),
            validation_accuracy=np.array(self.validation_accuracy),
            seconds=seconds,
            error=None if error is None else error[0],
            error_code=None if error is None else error[1],
        )
