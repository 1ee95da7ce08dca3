"""One graph for many formulas: shared parts computed once, batch and stream from one plan.

Bars are computed in blocks of a few thousand, so every intermediate column stays in the
processor's cache and is never written to fresh memory; kernels carry their state from block to
block, which changes no bit of the result. A stream is the same plan with blocks of one bar.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from marketlab.core import (
    DataError,
    FloatArray,
    IntegrityError,
    Progress,
    check_same_length,
    content_id,
)
from marketlab.features._coarse import CoarseStage
from marketlab.features._expression import CONTEXT, Expression, sources_of, walk
from marketlab.kernels import PRIMITIVES, kernel_sources_hash

BLOCK_BARS = 4096


@dataclass(frozen=True)
class Graph:
    """The computation of several expressions in order.

    Attributes
    ----------
    nodes : every distinct expression needed, inputs before users.
    outputs : for each expression asked for, its position in `nodes`.
    """

    nodes: tuple[Expression, ...]
    outputs: tuple[int, ...]

    @classmethod
    def of(cls, expressions: Iterable[Expression]) -> "Graph":
        """Return the graph of `expressions`, each shared part once."""
        wanted = list(expressions)
        nodes = tuple(walk(*wanted))
        position = {node.key: i for i, node in enumerate(nodes)}
        return cls(nodes, tuple(position[expression.key] for expression in wanted))

    @cached_property
    def input_positions(self) -> tuple[tuple[int, ...], ...]:
        """For each node the positions of its inputs."""
        position = {node.key: i for i, node in enumerate(self.nodes)}
        return tuple(tuple(position[child.key] for child in node.inputs) for node in self.nodes)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The bar columns that are read, in bar order, joined series last."""
        return sources_of(*self.nodes)

    @cached_property
    def graph_id(self) -> str:
        """Identity of the computation: SHA-256 over the keys of all nodes."""
        return content_id([node.key for node in self.nodes])

    @cached_property
    def buffers(self) -> tuple[tuple[int, ...], int]:
        """For each node the number of its block buffer, and how many buffers there are.

        A buffer is used again once the last reader of its node is done. Outputs and constants
        keep theirs. Sources and values on coarser bars are filled before any kernel runs, so
        they get fresh ones.
        """
        last_use = list(range(len(self.nodes)))
        for i, inputs in enumerate(self.input_positions):
            for child in inputs:
                last_use[child] = i
        kept = set(self.outputs)
        free: list[int] = []
        assigned: list[int] = []
        count = 0
        for i, node in enumerate(self.nodes):
            # Taken before the inputs are freed: a kernel never writes onto what it reads.
            if free and node.operation not in _FILLED:
                assigned.append(free.pop())
            else:
                assigned.append(count)
                count += 1
            free.extend(
                assigned[child]
                for child in set(self.input_positions[i])
                if last_use[child] == i
                and child not in kept
                and self.nodes[child].operation != "const"
            )
        return tuple(assigned), count


_FILLED = ("source", "const", "coarse")
Step = tuple[Any, tuple[Any, ...]]


class Runner:
    """One evaluation of a graph: block buffers and the state of every kernel.

    Parameters
    ----------
    graph : what to compute.
    capacity : largest number of bars handed over at once.

    Not safe to share between threads.
    """

    def __init__(self, graph: Graph, capacity: int) -> None:
        self.graph = graph
        self.capacity = capacity
        assigned, count = graph.buffers
        self._buffers = [np.empty(capacity) for _ in range(count)]
        self._of_node = [self._buffers[b] for b in assigned]
        self._states: list[FloatArray] = []
        self._sources: dict[str, FloatArray] = {}
        coarse: dict[Any, list[int]] = {}
        for i, node in enumerate(graph.nodes):
            size = 0
            if node.operation == "const":
                self._of_node[i].fill(node.params[0][1])
            elif node.operation == "source":
                self._sources[node.key] = self._of_node[i]
            elif node.operation == "coarse":
                coarse.setdefault(node.params, []).append(i)
            else:
                size = PRIMITIVES.get(node.operation).state_size(dict(node.params))
            self._states.append(np.zeros(size))
        self._steps: dict[int, list[Step]] = {}
        self._stages = [
            (
                CoarseStage([graph.nodes[i] for i in members], capacity, _inner_runner),
                [self._of_node[i] for i in members],
            )
            for members in coarse.values()
        ]

    def _bound(self, n_bars: int) -> list[Step]:
        """Return kernels with their arguments for blocks of `n_bars`."""
        steps = self._steps.get(n_bars)
        if steps is None:
            views = [buffer[:n_bars] for buffer in self._of_node]
            steps = []
            for i, node in enumerate(self.graph.nodes):
                if node.operation in _FILLED:
                    continue
                inputs = [views[child] for child in self.graph.input_positions[i]]
                definition = PRIMITIVES.get(node.operation)
                steps.append(definition.bind(inputs, dict(node.params), self._states[i], views[i]))
            self._steps[n_bars] = steps
        return steps

    def advance(self, arrays: Mapping[str, FloatArray], start: int, stop: int) -> None:
        """Compute bars ``start … stop - 1``, which follow the ones computed before."""
        n_bars = stop - start
        for name, buffer in self._sources.items():
            buffer[:n_bars] = arrays[name][start:stop]
        self._compute(n_bars)

    def advance_bar(self, values: Mapping[str, float]) -> None:
        """Compute the next single bar."""
        for name, buffer in self._sources.items():
            buffer[0] = values[name]
        self._compute(1)

    def _compute(self, n_bars: int) -> None:
        for stage, outputs in self._stages:
            stage.advance(self._sources, n_bars, outputs)
        for kernel, arguments in self._bound(n_bars):
            kernel(*arguments)

    def output(self, position: int) -> FloatArray:
        """Return the block buffer of output `position` (valid until the next advance)."""
        return self._of_node[self.graph.outputs[position]]

    def reset(self) -> None:
        """Forget all bars: the next one is the first of another series."""
        for state in self._states:
            state.fill(0.0)
        for stage, _ in self._stages:
            stage.reset()

    def run(
        self,
        arrays: Mapping[str, FloatArray],
        out: FloatArray,
        *,
        shift: int = 0,
        progress: Progress | None = None,
    ) -> None:
        """Write all outputs over all bars to ``out[output, shift:]``; may be cancelled per block.

        Parameters
        ----------
        arrays : columns by name, each (n_bars,), checked.
        out : (n_outputs, shift + n_bars).
        """
        self.run_into(arrays, list(out), shift=shift, progress=progress)

    def run_into(
        self,
        arrays: Mapping[str, FloatArray],
        rows: Sequence[FloatArray],
        *,
        shift: int = 0,
        progress: Progress | None = None,
    ) -> None:
        """Write output k over all bars to ``rows[k][shift:]``; otherwise as `run`."""
        n_bars = len(rows[0]) - shift
        buffers = [self.output(i) for i in range(len(self.graph.outputs))]
        for start in range(0, n_bars, self.capacity):
            stop = min(start + self.capacity, n_bars)
            if progress is not None:
                progress.raise_if_cancelled()
                progress.step(start, n_bars)
            self.advance(arrays, start, stop)
            for row, buffer in zip(rows, buffers, strict=True):
                row[shift + start : shift + stop] = buffer[: stop - start]

    def state(self) -> dict[str, FloatArray]:
        """Return copies of the state arrays by ``<position>.<operation>``."""
        own = {
            f"{i:04d}.{node.operation}": self._states[i].copy()
            for i, node in enumerate(self.graph.nodes)
            if self._states[i].size
        }
        for k, (stage, _) in enumerate(self._stages):
            own |= {f"coarse.{k}.{name}": array for name, array in stage.state().items()}
        return own

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved `state`, written into the arrays the kernels already hold.

        Raises
        ------
        IntegrityError if an array is missing or has another shape.
        """
        mine = self.state()
        for name, array in mine.items():
            saved = np.asarray(state[name]) if name in state else None
            if saved is None or saved.shape != array.shape or saved.dtype != array.dtype:
                raise IntegrityError(
                    f"the saved state of {name} is missing or has another shape.",
                    code="STATE-Mismatch",
                    suggestion="Start the stream anew and feed it the warm-up bars again.",
                )
        for name in mine:
            if not name.startswith("coarse."):
                self._states[int(name[:4])][:] = np.asarray(state[name])
        for k, (stage, _) in enumerate(self._stages):
            stage.restore({name: state[f"coarse.{k}.{name}"] for name in stage.state()})


def _inner_runner(expressions: Sequence[Expression], capacity: int) -> Runner:
    return Runner(Graph.of(expressions), capacity)


def check_arrays(arrays: Mapping[str, FloatArray], needed: Sequence[str]) -> dict[str, FloatArray]:
    """Return the needed columns; refuse what a bar may not hold.

    A joined series may be missing (NaN) at some bars, a column of the bar may not.

    Raises
    ------
    DataError if a column is absent, of another length, holds NaN or infinity, or if a volume is
    negative; the message names the column and the first bar.
    """
    used: dict[str, FloatArray] = {}
    for name in needed:
        if name not in arrays:
            raise DataError(
                f"the column {name!r} is needed and not there; present: {sorted(arrays)}.",
                code="DATA-MissingColumn",
                field=name,
            )
        used[name] = np.asarray(arrays[name], dtype=np.float64)
    if not used:
        raise DataError("no column is read, so there is nothing to compute.", code="DATA-Empty")
    check_same_length(**used)
    for name, column in used.items():
        bad = np.isinf(column) if name.startswith(CONTEXT) else ~np.isfinite(column)
        if bad.any():
            first = int(np.argmax(bad))
            raise DataError(
                f"{name} is not a finite number at bar {first} "
                f"({int(bad.sum())} such bars); received {column[first]!r}.",
                code="DATA-NotFinite",
                field=name,
                suggestion="Validate the series and repair or cut the bars at their source.",
            )
    if "volume" in used and (used["volume"] < 0).any():
        first = int(np.argmax(used["volume"] < 0))
        raise DataError(
            f"volume is negative at bar {first}: {float(used['volume'][first])!r}.",
            code="DATA-NegativeVolume",
            field="volume",
            suggestion="A series without volume must be imported as such (has_volume: false).",
        )
    return used


def evaluate(
    expressions: Sequence[Expression],
    arrays: Mapping[str, FloatArray],
    *,
    block_bars: int = BLOCK_BARS,
) -> FloatArray:
    """Return the expressions over all bars, (n_expressions, n_bars); NaN where missing.

    `block_bars` changes speed, never a bit of the result. Errors as for features: `DataError`
    for absent, unequal or non-finite columns.
    """
    graph = Graph.of(expressions)
    used = check_arrays(arrays, graph.sources)
    n_bars = len(next(iter(used.values())))
    out = np.empty((len(expressions), n_bars))
    Runner(graph, max(1, min(block_bars, n_bars))).run(used, out)
    return out


def stamp_state(graph: Graph) -> dict[str, Any]:
    """Return the marks by which a saved state is known: computation and kernel sources."""
    return {
        "graph_id": np.array(graph.graph_id),
        "kernel_sources_hash": np.array(kernel_sources_hash()),
    }


def check_stamp(graph: Graph, state: Mapping[str, Any]) -> None:
    """Refuse a state saved by other kernels or for other features.

    Raises
    ------
    IntegrityError naming both sides.
    """
    for name, mine in stamp_state(graph).items():
        saved = str(np.asarray(state[name])) if name in state else "absent"
        if saved != str(mine):
            what = "other kernel sources" if name == "kernel_sources_hash" else "other features"
            raise IntegrityError(
                f"this stream state was saved by {what}: its {name} is {saved[:16]}, "
                f"the program's is {str(mine)[:16]}.",
                code="STATE-Mismatch",
                field=name,
                suggestion="Start the stream anew and feed it the warm-up bars again.",
            )
