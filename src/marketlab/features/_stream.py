"""The same features one bar at a time, for a session that runs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from marketlab.core import DataError, FloatArray, IntegrityError
from marketlab.features._expression import CONTEXT, Expression
from marketlab.features._graph import Graph, check_stamp, stamp_state
from marketlab.features._runner import Runner


class FeatureStream:
    """Features of a growing series. Equal, bit for bit, to the batch over the same bars.

    Made by `FeatureSet.stream`. Not safe to share between threads.

    Attributes
    ----------
    names : feature names, in the order of `push`'s result.
    bars_seen : how many bars were pushed.
    """

    def __init__(
        self, base: Sequence[Expression], names: Sequence[str], lookback_periods: int
    ) -> None:
        self.names = tuple(names)
        self.bars_seen = 0
        self._graph = Graph.of(base)
        self._runner = Runner(self._graph, 1)
        self._outputs = [self._runner.output(i) for i in range(len(base))]
        # Row k holds the base features of k bars ago: read flat, this is the order of the names.
        self._history = np.full((lookback_periods + 1, len(base)), np.nan)

    def push(
        self,
        open: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        *,
        time: float = math.nan,
        close_time: float = math.nan,
        context: Mapping[str, float] = {},
    ) -> FloatArray:
        """Take the next closed bar and return its features, (n_features,); NaN in the warm-up.

        `time` and `close_time` (seconds of UTC) and `context` (joined series by name) are needed
        only by features that read them; a joined value may be NaN.

        Raises
        ------
        DataError if a price or time that is read is not finite, a volume negative, or a joined
        series absent; the stream is then as it was before.
        """
        values = {
            "open": open,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
            "time": time,
            "close_time": close_time,
        }
        for name in self._graph.sources:
            if name.startswith(CONTEXT):
                values[name] = _joined(name[len(CONTEXT) :], context)
            else:
                _check_value(name, values[name])
        self._runner.advance_bar(values)
        self._history[1:] = self._history[:-1]
        for i, buffer in enumerate(self._outputs):
            self._history[0, i] = buffer[0]
        self.bars_seen += 1
        return self._history.ravel().copy()

    def state(self) -> dict[str, Any]:
        """Return everything needed to go on, as named arrays (ready for `numpy.savez`)."""
        return {
            **stamp_state(self._graph),
            "bars_seen": np.array(self.bars_seen, dtype=np.int64),
            "history": self._history.copy(),
            **self._runner.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`; the next `push` gives what it would have given there.

        Raises
        ------
        IntegrityError if the state was saved by other kernel sources or for other features, or
        is incomplete; the stream is then as it was before.
        """
        check_stamp(self._graph, state)
        if "bars_seen" not in state or "history" not in state:
            raise IntegrityError("the saved stream state is incomplete.", code="STATE-Mismatch")
        history = np.asarray(state["history"])
        if history.shape != self._history.shape:
            raise IntegrityError(
                f"the saved state holds {history.shape[0] - 1} lags, this stream "
                f"{self._history.shape[0] - 1}.",
                code="STATE-Mismatch",
            )
        self._runner.restore(state)
        self._history[:] = history
        self.bars_seen = int(np.asarray(state["bars_seen"]))


def _joined(name: str, context: Mapping[str, float]) -> float:
    if name not in context:
        raise DataError(
            f"the joined series {name!r} is read and not there; received {sorted(context)}.",
            code="DATA-MissingColumn",
            field=name,
        )
    if math.isinf(context[name]):
        raise DataError(
            f"the joined series {name!r} must be finite or missing; received {context[name]!r}.",
            code="DATA-NotFinite",
            field=name,
        )
    return context[name]


def _check_value(name: str, value: float) -> None:
    if not math.isfinite(value) or (name == "volume" and value < 0.0):
        rule = "a finite number of at least 0" if name == "volume" else "a finite number"
        raise DataError(
            f"{name} of a bar must be {rule}; received {value!r}.",
            code="DATA-NotFinite" if not math.isfinite(value) else "DATA-NegativeVolume",
            field=name,
            value=value,
        )
