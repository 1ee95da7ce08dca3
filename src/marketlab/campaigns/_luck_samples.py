"""The samples on which runs of a campaign can be compared, and which of its runs are left out.

Runs are comparable if they judge the same label at the same times; the samples that all of them
share are the common ones. Losses are then summed over independent events (a zigzag leg, the bars
of one horizon), so that nothing downstream can tear an event apart: one *unit* is one event, or
several neighbouring ones where there are more than `MAX_UNITS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from marketlab.core import FloatArray, IntArray, MarketLabError
from marketlab.evaluation import sample_log_loss

MAX_UNITS = 4000
"""More units are merged with their neighbours: resampling takes time with their number."""

_TWIN = 1e-12


@dataclass(frozen=True)
class LuckRun:
    """What is asked of one completed run.

    Attributes
    ----------
    name : of the run. design_id : of its design; runs of one design enter once.
    time_ns : ndarray of int64 of shape (n,), strictly ascending; times of the judged samples.
    event : ndarray of int64 of shape (n,); independent event of each sample.
    y : ndarray of int64 of shape (n,); classes 0, 1, 2.
    probabilities, best_baseline : ndarrays of shape (n, 3); the run's forecast and that of the
        baseline it must beat.
    daily_returns : ndarray of shape (m,); fractions after costs. days : ndarray of int64 of shape
        (m,), strictly ascending; days since 1970 UTC. Both may be empty.
    label : the label in words, or empty. Runs whose words differ, or whose classes differ at a
        shared time, are not compared.
    label_has_begun : whether labels begin before their bar (zigzag legs). Then nets beat the simple
        rules on pure noise too, and comparisons with these rules are refused.
    """

    name: str
    time_ns: IntArray
    event: IntArray
    y: IntArray
    probabilities: FloatArray
    best_baseline: FloatArray
    daily_returns: FloatArray
    days: IntArray
    design_id: str
    label: str = ""
    label_has_begun: bool = False


@dataclass(frozen=True)
class CommonSamples:
    """Losses of the comparable runs on the samples that all of them share.

    Attributes
    ----------
    names : of the M runs, sorted. loss, skill : (n, M), nats per sample; skill is the loss of the
        run's best baseline less its own. event : (n,).
    left_out : name -> why it is not among them. label_has_begun : of any run, as in `LuckRun`.
    """

    names: tuple[str, ...] = ()
    loss: FloatArray = field(default_factory=lambda: np.empty((0, 0)))
    skill: FloatArray = field(default_factory=lambda: np.empty((0, 0)))
    event: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    left_out: dict[str, str] = field(default_factory=dict)
    label_has_begun: bool = False

    @property
    def n_samples(self) -> int:
        """Number of common samples."""
        return len(self.event)

    @property
    def n_events(self) -> int:
        """Number of independent events they belong to."""
        return int(np.count_nonzero(np.diff(self.event))) + 1 if self.n_samples else 0

    def units(self, values: FloatArray) -> FloatArray:
        """Return sums over units, shape (u, M), scaled so that their mean is that per sample."""
        if self.n_samples == 0:
            return np.empty((0, values.shape[1]))
        number = np.r_[0, np.cumsum(np.diff(self.event) != 0)]
        number //= -(-self.n_events // MAX_UNITS)
        starts = np.flatnonzero(np.r_[True, np.diff(number) != 0])
        sums = np.add.reduceat(values, starts, axis=0)
        return np.ascontiguousarray(sums * (len(starts) / self.n_samples))


def distinct_designs(runs: Sequence[LuckRun]) -> tuple[list[LuckRun], dict[str, str]]:
    """Return the first run of each design, sorted by name, and whose copy each other run is."""
    first: dict[str, LuckRun] = {}
    copies: dict[str, str] = {}
    for run in runs:
        owner = first.setdefault(run.design_id or f"run {run.name}", run)
        if owner is not run:
            copies[run.name] = owner.name
    return sorted(first.values(), key=lambda run: run.name), copies


def common_samples(runs: Sequence[LuckRun]) -> CommonSamples:
    """Return the losses of comparable runs (distinct designs, sorted by name)."""
    left_out: dict[str, str] = {}
    sound = []
    for run in runs:
        problem = _problem(run)
        if problem:
            left_out[run.name] = problem
        else:
            sound.append(run)
    group = _largest_group(sound, left_out)
    group = drop_short(group, [len(run.time_ns) for run in group], "judged samples", left_out)
    if not group:
        return CommonSamples(left_out=left_out)
    times = group[0].time_ns
    for run in group[1:]:
        times = np.intersect1d(times, run.time_ns, assume_unique=True)
    rows = [np.isin(run.time_ns, times, assume_unique=True) for run in group]
    own = [sample_log_loss(r.y[k], r.probabilities[k]) for r, k in zip(group, rows, strict=True)]
    base = [sample_log_loss(r.y[k], r.best_baseline[k]) for r, k in zip(group, rows, strict=True)]
    loss = np.column_stack(own)
    kept = _without_twins([run.name for run in group], loss, left_out)
    return CommonSamples(
        names=tuple(group[i].name for i in kept),
        loss=np.ascontiguousarray(loss[:, kept]),
        skill=np.ascontiguousarray((np.column_stack(base) - loss)[:, kept]),
        event=group[0].event[rows[0]],
        left_out=left_out,
        label_has_begun=any(run.label_has_begun for run in group),
    )


def drop_short(
    runs: list[LuckRun], sizes: Sequence[int], what: str, left_out: dict[str, str]
) -> list[LuckRun]:
    """Leave out runs with less than half of the usual size: they would cut all others short."""
    usual = int(np.median(sizes)) if runs else 0
    kept = []
    for run, size in zip(runs, sizes, strict=True):
        if 2 * size < usual:
            left_out[run.name] = f"it has {size:,} {what} where the others have about {usual:,}."
        else:
            kept.append(run)
    return kept


def _problem(run: LuckRun) -> str | None:
    """Return why the arrays of a run cannot be used, or None."""
    n = len(run.time_ns)
    if n == 0:
        return "it has no judged sample."
    if run.event.shape != (n,) or run.y.shape != (n,):
        return f"its {n:,} times, {len(run.event):,} events and {len(run.y):,} labels do not fit."
    if (np.diff(run.time_ns) <= 0).any():
        return "the times of its samples do not ascend."
    try:
        sample_log_loss(run.y, run.probabilities)
        sample_log_loss(run.y, run.best_baseline)
    except MarketLabError as error:
        return error.message
    return None


def _largest_group(runs: Sequence[LuckRun], left_out: dict[str, str]) -> list[LuckRun]:
    """Return the largest set of runs that judge one label; of equals, the one with most samples."""
    groups: list[list[LuckRun]] = []
    for run in runs:
        found = next((group for group in groups if _same_label(group[0], run)), None)
        if found is None:
            groups.append([run])
        else:
            found.append(run)
    if not groups:
        return []
    best = max(groups, key=lambda group: (len(group), max(len(run.y) for run in group)))
    many = "the one compared" if len(best) == 1 else f"the {len(best)} compared"
    for group in groups:
        for run in group if group is not best else ():
            left_out[run.name] = f"its label, or the time it judges, is not that of {many}."
    return best


def _same_label(first: LuckRun, second: LuckRun) -> bool:
    if first.label != second.label:
        return False
    _, here, there = np.intersect1d(
        first.time_ns, second.time_ns, assume_unique=True, return_indices=True
    )
    return len(here) > 0 and bool(np.array_equal(first.y[here], second.y[there]))


def _without_twins(names: Sequence[str], loss: FloatArray, left_out: dict[str, str]) -> list[int]:
    """Return the columns whose losses are not those of an earlier one."""
    kept: list[int] = []
    for i, name in enumerate(names):
        apart = np.abs(loss[:, kept] - loss[:, i : i + 1]).max(axis=0, initial=0.0)
        twin = np.flatnonzero(apart <= _TWIN) if len(loss) else np.empty(0, dtype=np.int64)
        if len(twin):
            left_out[name] = f"its losses are those of {names[kept[int(twin[0])]]} at every sample."
        else:
            kept.append(i)
    return kept
