"""Part of a graph that lives on coarser bars: aggregated on the way, computed when complete.

The rules below decide values, so this file counts among the kernel sources by which saved states
and cached values are known. The hash takes every file that holds the mark @jit: here it stands.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from marketlab.core import FloatArray
from marketlab.features._expression import CONTEXT, Expression, coarse_sources
from marketlab.kernels import FIRST, HIGHEST, LAST, LOWEST, TOTAL, coarse_bars, spread

if TYPE_CHECKING:
    from marketlab.features._runner import Runner

_RULES = {
    "open": FIRST,
    "high": HIGHEST,
    "low": LOWEST,
    "close": LAST,
    "volume": TOTAL,
    "time": FIRST,
    "close_time": LAST,
}


class CoarseStage:
    """All expressions of a graph on the bars of one period, with their state.

    Parameters
    ----------
    nodes : the ``coarse`` expressions of that period.
    capacity : largest number of fine bars handed over at once.
    make_runner : returns a runner for expressions and a capacity.
    """

    def __init__(
        self,
        nodes: Sequence[Expression],
        capacity: int,
        make_runner: Callable[[Sequence[Expression], int], "Runner"],
    ) -> None:
        inner = [node.inner for node in nodes if node.inner is not None]
        read = {name for expression in inner for name in coarse_sources(expression)}
        # The kernel looks for the two times in the last rows.
        self._names = (*sorted(read - {"time", "close_time"}), "time", "close_time")
        rules = [LAST if name.startswith(CONTEXT) else _RULES[name] for name in self._names]
        self._rules = np.array(rules, dtype=np.int64)
        self._period_s = float(dict(nodes[0].params)["seconds"])
        # One bar may complete two: a period that ended in a gap, and its own.
        self._runner = make_runner(inner, capacity + 1)
        self._columns = np.empty((len(self._names), capacity))
        self._bars = np.empty((len(self._names), capacity + 1))
        self._complete = np.empty(capacity, dtype=np.int64)
        self._bar = np.zeros(2 + len(self._names))
        self._held = np.full((len(nodes), 1), np.nan)

    def advance(
        self, sources: Mapping[str, FloatArray], n_bars: int, outputs: Sequence[FloatArray]
    ) -> None:
        """Take the next `n_bars` fine bars; write the held value of each node to `outputs`."""
        columns = self._columns if n_bars == self._columns.shape[1] else self._columns[:, :n_bars]
        columns = np.ascontiguousarray(columns)
        for row, name in enumerate(self._names):
            columns[row] = sources[name][:n_bars]
        complete = self._complete[:n_bars]
        count = coarse_bars(columns, self._rules, self._period_s, self._bar, complete, self._bars)
        if count:
            self._runner.advance(dict(zip(self._names, self._bars, strict=True)), 0, count)
        for k, out in enumerate(outputs):
            spread(self._runner.output(k), complete, self._held[k], out[:n_bars])

    def reset(self) -> None:
        """Forget all bars."""
        self._bar.fill(0.0)
        self._held.fill(np.nan)
        self._runner.reset()

    def state(self) -> dict[str, FloatArray]:
        """Return everything needed to go on, by name."""
        inner = {f"inner.{name}": array for name, array in self._runner.state().items()}
        return {"bar": self._bar.copy(), "held": self._held.copy(), **inner}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state` whose names and shapes were checked."""
        self._bar[:] = np.asarray(state["bar"])
        self._held[:] = np.asarray(state["held"])
        mine = self._runner.state()
        self._runner.restore({name: state[f"inner.{name}"] for name in mine})
