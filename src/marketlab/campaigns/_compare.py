"""Compares completed runs on the samples that all of them judged: is a difference more than noise?

Runs are comparable only on the same bars with the same labels. Their judged parts may differ (other
indicators warm up longer, another split ends elsewhere): compared is what all of them have, by
date, and how many samples each run lost by that is part of the answer. Only the stored evidence of
what a run was judged by is read; the sealed test part stays sealed.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from marketlab.campaigns._compare_pair import (
    Difference,
    Outcome,
    PairScores,
    pair_outcome,
    pair_sentence,
    score_pair,
)
from marketlab.campaigns._compare_runs import (
    JudgedRun,
    coarsest_events,
    common_labels,
    common_times,
    day,
    judged_runs,
    refuse_unlike,
)
from marketlab.campaigns._evidence import label_text
from marketlab.campaigns._ledger import Ledger
from marketlab.campaigns._trials import count_trials
from marketlab.campaigns._workspace import Workspace
from marketlab.core import ConfigError, FrozenConfig, IntArray
from marketlab.evaluation import CLASS_NAMES, adjust_p_values, classification_scores, count_events

MOST_RUNS = 10
"""Ten runs make 45 pairs; with many more no single difference of an ordinary size could stand."""


class ComparedRun(FrozenConfig):
    """One run of a comparison.

    ``first_time`` and ``last_time`` are of its own judged part; ``n_dropped`` of its ``n_judged``
    samples are not common to all runs. Scores are of the common samples.
    """

    name: str
    run_id: str
    strategy: str
    seed: int
    n_judged: int
    n_dropped: int
    first_time: str
    last_time: str
    log_loss: float
    accuracy: float


class ComparedPair(FrozenConfig):
    """What may be said of `first` against `second`.

    ``p_value`` decides: of the log-loss, by Holm over the pairs where there are several; None where
    it is undefined.
    """

    first: str
    second: str
    outcome: Outcome
    sentence: str
    n_samples: int
    n_events: int
    p_value: float | None
    log_loss: Difference
    accuracy: Difference
    auc: Difference
    diebold_mariano_p: float | None


class RunComparison(FrozenConfig):
    """Runs and pairs, the common samples, and what else the reader must know (``notes``)."""

    dataset_id: str
    label_text: str
    n_samples: int
    n_events: int
    first_time: str
    last_time: str
    class_counts: dict[str, int]
    runs: tuple[ComparedRun, ...]
    pairs: tuple[ComparedPair, ...]
    notes: tuple[str, ...]


def compare_runs(workspace: Workspace, ledger: Ledger, references: Sequence[str]) -> RunComparison:
    """Compare completed runs, named by run or operation id, pair by pair.

    Raises
    ------
    ConfigError for fewer than 2 or more than 10 runs, or one named twice; NotFoundError for an
    unknown one; ConflictError if one did not complete, or data, labels or judged dates differ;
    IntegrityError for damaged evidence.
    """
    if not 2 <= len(references) <= MOST_RUNS:
        raise ConfigError(
            f"a comparison takes 2 to {MOST_RUNS} runs; received {len(references)}.",
            code="COMPARE-RunCount",
            field="runs",
            value=len(references),
            suggestion="`marketlab campaign results` ranks a whole campaign.",
        )
    runs = judged_runs(workspace, ledger, references)
    refuse_unlike(runs)
    common = common_times(runs)
    rows = [np.searchsorted(run.time_ns, common) for run in runs]
    y = common_labels(runs, rows)
    event = coarsest_events(runs, rows)
    return RunComparison(
        dataset_id=runs[0].dataset_id,
        label_text=label_text(runs[0].strategy),
        n_samples=len(common),
        n_events=count_events(event),
        first_time=day(common[0]),
        last_time=day(common[-1]),
        class_counts={name: int((y == k).sum()) for k, name in enumerate(CLASS_NAMES)},
        runs=tuple(_compared_run(run, at, y) for run, at in zip(runs, rows, strict=True)),
        pairs=_pairs(runs, rows, y, event),
        notes=_notes(runs, count_trials(workspace, ledger, runs[0].dataset_id)),
    )


def _compared_run(run: JudgedRun, at: IntArray, y: IntArray) -> ComparedRun:
    scores = classification_scores(y, run.evidence.probabilities[at])
    assert scores.log_loss is not None
    assert scores.accuracy is not None
    return ComparedRun(
        name=run.name,
        run_id=run.run_id,
        strategy=run.strategy.name,
        seed=run.seed,
        n_judged=len(run.time_ns),
        n_dropped=len(run.time_ns) - len(at),
        first_time=day(run.time_ns[0]),
        last_time=day(run.time_ns[-1]),
        log_loss=scores.log_loss,
        accuracy=scores.accuracy,
    )


def _pairs(
    runs: Sequence[JudgedRun], rows: Sequence[IntArray], y: IntArray, event: IntArray
) -> tuple[ComparedPair, ...]:
    forecasts = [run.evidence.probabilities[at] for run, at in zip(runs, rows, strict=True)]
    wanted = list(combinations(range(len(runs)), 2))
    scored = [
        score_pair(y, forecasts[i], forecasts[j], event, n_pairs=len(wanted)) for i, j in wanted
    ]
    adjusted = _holm(scored)
    out = []
    for (i, j), scores, p_value in zip(wanted, scored, adjusted, strict=True):
        outcome = pair_outcome(scores, p_value)
        first, second = runs[i].name, runs[j].name
        out.append(
            ComparedPair(
                first=first,
                second=second,
                outcome=outcome,
                sentence=pair_sentence(first, second, scores, outcome, p_value),
                n_samples=scores.n_samples,
                n_events=scores.n_events,
                p_value=p_value,
                log_loss=scores.log_loss,
                accuracy=scores.accuracy,
                auc=scores.auc,
                diebold_mariano_p=scores.diebold_mariano_p,
            )
        )
    return tuple(out)


def _holm(scored: Sequence[PairScores]) -> list[float | None]:
    """Return the log-loss p of each pair, adjusted over all; pairs without one count as tests."""
    known = [
        (k, s.log_loss.p_value) for k, s in enumerate(scored) if s.log_loss.p_value is not None
    ]
    out: list[float | None] = [None] * len(scored)
    if known:
        decided = adjust_p_values([p for _, p in known], method="holm", n_tests=len(scored))
        for (k, _), p in zip(known, decided.adjusted, strict=True):
            out[k] = p
    return out


def _notes(runs: Sequence[JudgedRun], n_trials: int) -> tuple[str, ...]:
    out = [
        "Log-loss decides; accuracy and AUC stand beside it, each p on its own.",
        "The p of accuracy is a sign test's over events; its interval weighs samples.",
        "Detectable is the true difference that would be found with 80 % probability.",
    ]
    n_pairs = len(runs) * (len(runs) - 1) // 2
    if n_pairs > 1:
        out.append(
            f"p is corrected by Holm over {n_pairs} pairs; intervals are of each pair alone."
        )
    if n_trials > len(runs):
        out.append(
            f"{n_trials} experiments were made on these days of this market; if these {len(runs)} "
            "were picked for their scores, p is too small."
        )
    chosen = [bool(run.evidence.facts["selected_on_judged_part"]) for run in runs]
    if all(chosen):
        out.append("Each run's epoch was chosen on these samples too, so scores are optimistic.")
    elif any(chosen):
        favoured = ", ".join(run.name for run, each in zip(runs, chosen, strict=True) if each)
        out.append(f"The epoch was chosen on these samples for {favoured} only, which favours it.")
    for run in runs:
        out += [f"{run.name} is no evidence: {why}" for why in run.evidence.facts["exclusions"]]
    if any(run.evidence.facts["is_synthetic"] for run in runs):
        out.append("The bars are SYNTHETIC: this says nothing of a market.")
    return tuple(out)
