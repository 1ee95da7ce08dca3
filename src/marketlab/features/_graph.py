"""One graph for many formulas: every shared part once, in an order in which it can be computed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from marketlab.core import (
    DataError,
    FloatArray,
    IntegrityError,
    check_same_length,
    content_id,
)
from marketlab.features._expression import CONTEXT, Expression, sources_of, walk
from marketlab.kernels import kernel_sources_hash

FILLED = ("source", "const", "coarse")
"""Operations whose values are there before any kernel runs."""


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
            if free and node.operation not in FILLED:
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
