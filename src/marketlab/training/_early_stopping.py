"""Which epoch is the best, and when enough epochs have brought nothing. Pure bookkeeping."""

from dataclasses import dataclass, replace

from marketlab.training._config import EarlyStoppingConfig


@dataclass(frozen=True)
class StopRecord:
    """The memory of early stopping after some epochs.

    Attributes
    ----------
    best_epoch, best_value : the best monitored value so far and its epoch (first of equals).
    reference : the monitored value at the last improvement by more than ``min_delta``.
    stale_epochs : epochs since that improvement.
    stopped : whether patience has run out.
    """

    best_epoch: int = -1
    best_value: float | None = None
    reference: float | None = None
    stale_epochs: int = 0
    stopped: bool = False

    def after(self, epoch: int, value: float, config: EarlyStoppingConfig) -> "StopRecord":
        """Return the record after `epoch`, whose monitored quantity was `value`."""
        sign = 1.0 if config.monitor == "val_loss" else -1.0
        out = self
        if self.best_value is None or sign * value < sign * self.best_value:
            out = replace(out, best_epoch=epoch, best_value=value)
        if self.reference is None or sign * (self.reference - value) > config.min_delta:
            return replace(out, reference=value, stale_epochs=0)
        stale = self.stale_epochs + 1
        return replace(out, stale_epochs=stale, stopped=config.enabled and stale >= config.patience)
