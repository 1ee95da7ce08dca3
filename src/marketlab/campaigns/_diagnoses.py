"""What went wrong in the runs of a campaign, each with its cause and remedy in plain words.

The numbers are those of the judge and of the training files; nothing is scored again.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from marketlab.campaigns._results import CampaignResults, RunResult
from marketlab.core import FrozenConfig, TrainingDivergedError, finite_or_none
from marketlab.evaluation import COLLAPSE_SHARE

Detector = Literal["collapse", "divergence", "dead parameter", "duplicate experiment"]

LOSS_GREW = 1.10
"""Training diverged if its last loss is above this many times that of its first epoch."""


class Diagnosis(FrozenConfig):
    """One finding: what was seen, in which runs, why it happens, what to do."""

    detector: Detector
    strategies: tuple[str, ...]
    finding: str
    cause: str
    remedy: str


def diagnose_campaign(results: CampaignResults) -> tuple[Diagnosis, ...]:
    """Return what the detectors find, run by run in file order, then what pairs of runs show.

    - *collapse*: more than 90 % of the forecasts on the judged part are one class.
    - *divergence*: the loss stopped being finite, or the last training loss exceeds that of the
      first epoch by more than 10 %.
    - *dead parameter*: designs differ, and two or more epochs went alike to the last bit, so that
      what differs between them was not used.
    - *duplicate experiment*: one design (same inputs, labels, training, data and seed) under two
      names.
    """
    detectors: tuple[Callable[[RunResult], Iterator[Diagnosis]], ...] = (_collapse, _divergence)
    found = [item for run in results.runs for detect in detectors for item in detect(run)]
    return (*found, *_duplicates(results.runs), *_dead(results.runs))


def _collapse(run: RunResult) -> Iterator[Diagnosis]:
    scores = (run.verdict or {}).get("scores") or {}
    if not scores.get("collapsed"):
        return
    answers, labels = scores["predicted_shares"], scores["supports"]
    name = max(answers, key=lambda key: float(answers[key]))
    share = labels[name] / max(1, scores["n_samples"])
    missing = [key for key in ("BUY", "SELL") if not labels[key]]
    if missing:
        cause = f"the judged part holds no {' and no '.join(missing)} label at all."
        remedy = "Judge a longer part, or choose a label whose events are shorter."
    elif share > COLLAPSE_SHARE:
        cause = f"{100 * share:.1f} % of the labels are {name} themselves."
        remedy = "Choose a label with more balanced classes, such as a smaller threshold."
    else:
        cause = (
            f"only {100 * share:.1f} % of the labels are {name}: the inputs tell the net nothing "
            "that lowers its loss, and one answer for all is then the best it can do."
        )
        remedy = "Give it other inputs or another label; more epochs of the same change nothing."
    yield Diagnosis(
        detector="collapse",
        strategies=(run.strategy,),
        finding=f"{100 * answers[name]:.1f} % of the forecasts are {name}.",
        cause=cause,
        remedy=remedy,
    )


def _divergence(run: RunResult) -> Iterator[Diagnosis]:
    losses = [finite_or_none(value) for value in run.history.get("train_loss") or ()]
    finding = None
    if run.error_code == TrainingDivergedError.default_code:
        finding = run.error or "the loss stopped being finite."
    elif losses and losses[-1] is None:
        finding = f"the training loss is not a number after {len(losses)} epochs."
    elif len(losses) > 1 and losses[0] is not None and losses[-1] is not None:
        first, last = losses[0], losses[-1]
        if last > LOSS_GREW * first and not math.isclose(first, 0.0):
            finding = f"the training loss grew from {first:.4f} to {last:.4f} over the epochs."
    if finding is not None:
        yield Diagnosis(
            detector="divergence",
            strategies=(run.strategy,),
            finding=finding,
            cause="the steps are too large for the slope, or an input has a far larger scale than "
            "the others.",
            remedy="Lower training.learning_rate, set training.gradient_clip, or normalize the "
            "inputs.",
        )


def _duplicates(runs: Sequence[RunResult]) -> Iterator[Diagnosis]:
    for run in runs:
        if run.duplicate_of is not None:
            yield Diagnosis(
                detector="duplicate experiment",
                strategies=(run.duplicate_of, run.strategy),
                finding=f"{run.strategy} is the same design as {run.duplicate_of}.",
                cause="both read the same inputs, in another order or under other names, with the "
                "same label, training, data and seed; their scores differ by chance only.",
                remedy=f"Take {run.strategy} out, or change what it is meant to differ in.",
            )


def _dead(runs: Sequence[RunResult]) -> Iterator[Diagnosis]:
    """Compare each run with the first that went alike; duplicates are told as such already."""
    first: dict[tuple[tuple[float, ...], ...], RunResult] = {}
    for run in runs:
        losses = [tuple(run.history.get(name) or ()) for name in ("train_loss", "val_loss")]
        if run.status != "completed" or min(map(len, losses)) < 2:
            continue
        owner = first.setdefault(tuple(losses), run)
        if owner.design_id != run.design_id:
            yield Diagnosis(
                detector="dead parameter",
                strategies=(owner.strategy, run.strategy),
                finding=f"{run.strategy} is declared otherwise than {owner.strategy}, and trained "
                f"alike to the last bit over {len(losses[0])} epochs.",
                cause="what differs between the two is not used: another setting switches it off, "
                "or the bars never reach it.",
                remedy="Compare the two files, and remove the difference or make it count.",
            )
