"""The null with nets: every strategy of a recipe refitted on the real bars and on B surrogates.

Run: ``python benchmarks/bench_net_null.py v15_tenth 99 2`` (recipe, surrogates, workers). Net
against net: the statistic is the log-loss skill of the strategy's own net over the best causal
baseline on the judged part, for the real bars and for each surrogate, every net with a seed of its
own. Prints JSON lines: time and throughput, then p-values per strategy and for the family. The
judged part is the one that early stopping reads, on real bars and surrogates alike.
"""

import json
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from marketlab.campaigns import Workspace, load_campaign
from marketlab.campaigns._causal_state import causal_state
from marketlab.campaigns._null import Family, _surrogate
from marketlab.campaigns._prepare import usable
from marketlab.campaigns._resolve import ensure_bars, resolve_experiment
from marketlab.core import DataError, stream_key
from marketlab.evaluation import (
    causal_baselines,
    draw_signs,
    log_loss_skill,
    max_statistic_p_values,
)
from marketlab.features import Standardizer, bar_arrays
from marketlab.labels import compute_labels
from marketlab.models import MLPForecaster
from marketlab.training import NetData, NetJob, NetResult, fit_many

SERIES_AT_ONCE = 10  # their matrices are held together: some 100 MB for 27 strategies


@dataclass(frozen=True)
class Case:
    """One strategy on one series: its job and what its net is compared with."""

    index: int
    position: int
    job: NetJob
    state: np.ndarray


def cases_of(family: Family, index: int, seed: int) -> list[Case]:
    """Return the jobs of all strategies on surrogate `index`, 0 for the real bars."""
    out = []
    for group in family.groups:
        arrays = bar_arrays(group.bars)
        if index:
            signs = draw_signs(family.n_bars, seed, "null", index)
            arrays = _surrogate(arrays, signs[group.offset : group.offset + len(arrays["close"])])
        matrices = group.features.compute(arrays, recycle=True)
        members = zip(group.positions, group.strategies, group.feature_sets, matrices, strict=True)
        for position, strategy, feature_set, matrix in members:
            config = strategy.training.labels
            labels = compute_labels(config, arrays)
            labels = labels.restrict(usable(matrix, labels))
            fold = strategy.training.split().split(
                start=labels.start,
                end=labels.end,
                bar=labels.bar,
                times=group.bars.close_time_ns,
            )
            x = matrix.rows(labels.bar)
            if any(kind != "none" for kind in feature_set.normalization):
                scaler = Standardizer.fit(x[fold.train], tuple(feature_set.normalization))
                x = scaler.apply(x)
            try:
                data = NetData(x, labels.value, fold.train, fold.validation)
            except DataError as error:
                print(json.dumps({"skipped": strategy.name, "series": index, "why": str(error)}))
                continue
            key = stream_key(seed, "net null", strategy.name, index) >> 1
            job = NetJob(
                strategy.name, data, strategy.model.architecture, strategy.training.trainer(), key
            )
            state = causal_state(config, arrays["close"])[labels.bar]
            out.append(Case(index, position, job, state))
    return out


def skill(case: Case, result: NetResult) -> float:
    """Return the net's log-loss skill on the judged part, NaN without a net."""
    if result.best_weights is None:
        return float("nan")
    data = case.job.data
    rows = data.validation
    forecast = MLPForecaster(result.best_weights, case.job.model).predict(data.x[rows])
    baselines = causal_baselines(
        data.y[data.train],
        len(rows),
        state_train=case.state[data.train],
        state_eval=case.state[rows],
    )
    return log_loss_skill(data.y[rows], forecast, baselines)


def show(measure: str, **values: object) -> None:
    print(json.dumps({"measure": measure, **values}), flush=True)


def main(recipe: str, n_surrogates: int, workers: int) -> None:
    config = load_campaign(recipe)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.at(Path(folder) / "workspace").create()
        bars = ensure_bars(workspace, config.data)
        names = config.strategies.names
        strategies = [resolve_experiment(workspace, config, n, bars).strategy for n in names]
    family = Family(bars, strategies)
    spent = dict.fromkeys(("preparing", "training", "processor"), 0.0)
    counts: Counter[str] = Counter()
    table = np.full((n_surrogates + 1, len(names)), np.nan)
    began = time.perf_counter()
    for first in range(0, n_surrogates + 1, SERIES_AT_ONCE):
        chunk = range(first, min(first + SERIES_AT_ONCE, n_surrogates + 1))
        start = time.perf_counter()
        cases = [case for index in chunk for case in cases_of(family, index, config.seed)]
        spent["preparing"] += time.perf_counter() - start
        start, used = time.perf_counter(), time.process_time()
        results = fit_many([case.job for case in cases], workers=workers)
        spent["training"] += time.perf_counter() - start
        spent["processor"] += time.process_time() - used
        for case, result in zip(cases, results, strict=True):
            table[case.index, case.position] = skill(case, result)
            counts.update(epochs=result.n_epochs, steps=result.n_steps)
            counts[result.status] += 1
        show("progress", series=chunk.stop, seconds=round(time.perf_counter() - began, 1))
    show(
        "trained",
        recipe=recipe,
        bars=bars.n_bars,
        workers=workers,
        seconds={name: round(value, 1) for name, value in spent.items()},
        counts=dict(counts),
        nets_epochs_per_s=round(counts["epochs"] / spent["training"], 1),
        us_of_processor_per_step=round(spent["processor"] / counts["steps"] * 1e6, 1),
        load=os.getloadavg()[0],
    )
    scored = max_statistic_p_values(table[0], table[1:])
    for position, name in enumerate(names):
        values = [table[0, position], scored.p_single[position], scored.p_adjusted[position]]
        skill_, single, adjusted = (None if np.isnan(v) else round(float(v), 4) for v in values)
        show("null", strategy=name, skill_nats=skill_, p_single=single, p_family=adjusted)
    total = time.perf_counter() - began
    show("all", seconds=round(total, 1), target_seconds=480, judged_part=family.judged_part)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
