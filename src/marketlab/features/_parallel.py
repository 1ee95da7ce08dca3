"""A graph over several cores: its outputs are dealt out so that little is computed twice."""

import threading
from collections.abc import Mapping

from marketlab.core import FloatArray, Progress
from marketlab.features._expression import Expression
from marketlab.features._graph import Graph
from marketlab.features._runner import BLOCK_BARS, Runner

# Work per bar in about nanoseconds; what is not named is one pass over the column. The numbers
# only share out the work, so that a wrong one costs balance and nothing else.
_COST = {
    "wilder": 4.0,
    "ema": 4.0,
    "ewm": 4.0,
    "rolling_std": 8.0,
    "rolling_max": 5.0,
    "rolling_min": 5.0,
    "bars_since_max": 5.0,
    "bars_since_min": 5.0,
    "rolling_rank": 20.0,
    "rolling_quantile": 36.0,
    "rolling_skew": 25.0,
    "rolling_kurtosis": 30.0,
    "rolling_mean_deviation": 15.0,
    "calendar": 5.0,
    "relative_strength": 4.0,
    "average_true_range": 4.0,
    "ema_gap": 4.0,
    "kama": 8.0,
    "supertrend": 8.0,
    "supertrend_direction": 8.0,
    "rolling_cov": 8.0,
    "rolling_corr": 12.0,
    "rolling_slope": 6.0,
    "permutation_entropy": 40.0,
    "approximate_entropy": 4000.0,
    "sample_entropy": 4000.0,
    "spectral_entropy": 4000.0,
    "hurst_rs": 2000.0,
    "dfa": 2500.0,
    "higuchi_fd": 700.0,
    "coarse": 5.0,
}
_COSTLY = 15.0
"""A part as costly as this is not computed twice."""


def run_graph(
    graph: Graph,
    arrays: Mapping[str, FloatArray],
    out: FloatArray,
    *,
    shift: int = 0,
    progress: Progress | None = None,
    threads: int = 1,
) -> None:
    """Write all outputs over all bars to ``out[output, shift:]`` with up to `threads` cores.

    Parameters
    ----------
    arrays : columns by name, each (n_bars,), checked.
    out : (n_outputs, shift + n_bars).

    Raises
    ------
    CancelledError if somebody asked to stop; whatever a thread raised.
    """
    n_bars = out.shape[1] - shift
    capacity = max(1, min(BLOCK_BARS, n_bars))
    if threads <= 1 or n_bars <= BLOCK_BARS:
        Runner(graph, capacity).run(arrays, out, shift=shift, progress=progress)
        return
    shares = deal(graph, threads)
    errors: list[BaseException] = []

    def work(outputs: list[int], told: Progress | None) -> None:
        try:
            part = Graph.of(graph.nodes[graph.outputs[o]] for o in outputs)
            rows = [out[o] for o in outputs]
            Runner(part, capacity).run_into(arrays, rows, shift=shift, progress=told)
        except BaseException as error:
            errors.append(error)

    others = [threading.Thread(target=work, args=(share, None)) for share in shares[1:]]
    for thread in others:
        thread.start()
    work(shares[0], progress)
    for thread in others:
        thread.join()
    if errors:
        raise errors[0]


def deal(graph: Graph, n: int) -> list[list[int]]:
    """Return outputs of a graph in up to `n` shares of about equal work.

    Outputs that read one costly part stay together, so that only cheap parts are computed twice.
    """
    cones = [_cone(graph, output) for output in graph.outputs]
    cost = [_cost(node) for node in graph.nodes]
    groups = _bound_together(cones, {i for i, each in enumerate(cost) if each >= _COSTLY})
    shares: list[list[int]] = [[] for _ in range(n)]
    have: list[set[int]] = [set() for _ in range(n)]
    needs = [set().union(*(cones[output] for output in group)) for group in groups]
    weights = [sum(cost[i] for i in need) for need in needs]
    for k in sorted(range(len(groups)), key=lambda k: (-weights[k], k)):
        after = [sum(cost[i] for i in have[share] | needs[k]) for share in range(n)]
        best = min(range(n), key=lambda share: (after[share], share))
        shares[best] += groups[k]
        have[best] |= needs[k]
    return [sorted(share) for share in shares if share]


def _bound_together(cones: list[set[int]], costly: set[int]) -> list[list[int]]:
    """Return the outputs grouped by the costly nodes that they share."""
    group_of = list(range(len(cones)))
    owner: dict[int, int] = {}

    def root(k: int) -> int:
        while group_of[k] != k:
            k = group_of[k]
        return k

    for output, cone in enumerate(cones):
        for node in sorted(cone & costly):
            first = owner.setdefault(node, output)
            group_of[root(output)] = root(first)
    groups: dict[int, list[int]] = {}
    for output in range(len(cones)):
        groups.setdefault(root(output), []).append(output)
    return list(groups.values())


def _cost(node: Expression) -> float:
    if node.operation in ("const", "source"):
        return 0.2
    return _COST.get(node.operation, 1.0)


def _cone(graph: Graph, top: int) -> set[int]:
    seen: set[int] = set()
    stack = [top]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(graph.input_positions[node])
    return seen
