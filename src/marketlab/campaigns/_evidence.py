"""The arrays a verdict is computed from, kept with the run so that it can be judged again.

A campaign's null is known only when all surrogates are scored; until then a run has evidence and
no verdict. The file holds plain arrays (no pickles) and lies in the run's folder.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from marketlab.campaigns._arrays_file import read_arrays
from marketlab.campaigns._causal_state import causal_state
from marketlab.campaigns._prepare import Prepared
from marketlab.campaigns._run_baselines import fit_run_baselines
from marketlab.campaigns._run_trading import trade_run
from marketlab.campaigns._split_config import part_share
from marketlab.campaigns._strategy import StrategyConfig
from marketlab.core import (
    Float32Array,
    FloatArray,
    IntArray,
    IntegrityError,
    atomic_write,
    canonical_json,
)
from marketlab.evaluation import (
    JudgeInput,
    NullEvidence,
    Verdict,
    absent_classes,
    even_odds_baseline,
    judge,
    majority_baseline,
    state_baseline,
    without_classes,
)
from marketlab.evaluation._verdict import JudgedPart
from marketlab.labels import ForwardReturnLabelConfig, ZigzagLabelConfig

FILE = "evidence.npz"
_FORMAT = 2
"""Of the file; raised whenever a field or a fact is added, dropped or gets another meaning."""

_OF_THE_JUDGE = ("majority", "even_odds", "causal_state")
"""Baselines that every forecast is judged against, whatever was chosen inside training."""


@dataclass(frozen=True)
class Evidence:
    """What the judged part says, row by row, and what the judge must know about it.

    ``probabilities`` and ``state`` have shape (n, 3), read over the classes that occur at all (see
    `absent_classes`); y, event, bar and ``fold`` (n,): the fold
    whose net made the forecast, 0-based. ``train_counts`` (n_folds, 3): training samples of each
    class. ``best`` (n, 3) is the baseline chosen inside training (no rows if none could be), and
    ``shown`` (k, n, 3) are those that decide nothing, in float32, by the names in ``facts``.
    ``daily_returns`` and ``days`` (m,) are of the account that follows the forecasts (see
    `RunTrading`).

    ``facts`` holds format, label_text, judged_share, degenerate_reasons, exclusions, is_synthetic,
    seed, first_time_ns (of the bar that position 0 means), selected_on_judged_part (whether it also
    chose the epoch), judged_part, labels_begin_before (their own bar, as zigzag legs do), folds
    (facts of each fold of a walk), shown (names), best_baseline_inside_training,
    baseline_selection and baseline_table (see `RunBaselines`), and trading (see `RunTrading`).
    """

    y: IntArray
    probabilities: FloatArray
    state: FloatArray
    event: IntArray
    bar: IntArray
    fold: IntArray
    train_counts: IntArray
    best: FloatArray
    shown: Float32Array
    daily_returns: FloatArray
    days: IntArray
    facts: dict[str, Any]

    def verdict(
        self,
        *,
        null: NullEvidence | None,
        n_trials: int,
        exclusions: tuple[str, ...] = (),
        n_test_openings: int = 0,
        test_note: str = "the test part is sealed",
    ) -> Verdict:
        """Judge this evidence beside a null; `test_note` is as in `JudgeInput`."""
        return judge(
            JudgeInput(
                y=self.y,
                probabilities=self.probabilities,
                event=self.event,
                bar=self.bar,
                train_counts=self.train_counts,
                fold=self.fold,
                baselines=self.deciding(),  # the judge makes majority and even odds itself
                shown=self._shown(),
                null=null,
                n_trials=max(1, n_trials),
                seed=self.facts["seed"],
                label_text=self.facts["label_text"],
                judged_share=self.facts["judged_share"],
                degenerate_reasons=tuple(self.facts["degenerate_reasons"]),
                exclusions=(*self.facts["exclusions"], *exclusions),
                is_synthetic=self.facts["is_synthetic"],
                selected_on_judged_part=self.facts["selected_on_judged_part"],
                judged_part=self.facts["judged_part"],
                n_test_openings=n_test_openings,
                test_note=test_note,
            )
        )

    def deciding(self) -> dict[str, FloatArray]:
        """Return what the forecasts are judged against, (n, 3) each, as the judge reads it."""
        absent = absent_classes(self.train_counts, self.y)
        out = {
            name: without_classes(np.concatenate([make(c, 1) for c in self.train_counts]), absent)
            for name, make in (("majority", majority_baseline), ("even_odds", even_odds_baseline))
        }
        out = {name: rows[self.fold] for name, rows in out.items()}
        out["causal state"] = self.state
        best = self.facts["best_baseline_inside_training"]
        return out if len(self.best) == 0 or best in _OF_THE_JUDGE else {**out, best: self.best}

    def _shown(self) -> dict[str, FloatArray]:
        every = zip(self.facts["shown"], self.shown, strict=True)
        wide = {name: rows.astype(np.float64) for name, rows in every}
        return {name: rows / rows.sum(axis=1, keepdims=True) for name, rows in wide.items()}

    def save(self, folder: Path) -> None:
        """Write the file; equal evidence gives equal bytes."""
        buffer = io.BytesIO()
        facts = np.frombuffer(canonical_json(self.facts).encode(), dtype=np.uint8)
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "facts"}
        np.savez(buffer, facts=facts, **arrays)
        atomic_write(folder / FILE, buffer.getvalue())


def load_evidence(folder: Path) -> Evidence:
    """Read the evidence of a run.

    Raises
    ------
    IntegrityError if the file is missing or damaged (STORAGE-Corrupt), or was written by a version
    that kept less than a verdict needs today (RUN-OlderEvidence).
    """
    again = "Run the strategy again; its other files are kept."
    values = read_arrays(folder / FILE, suggestion=again)
    try:
        facts = json.loads(values.pop("facts").tobytes())
    except (KeyError, ValueError) as error:
        raise IntegrityError(
            f"{folder / FILE} cannot be read: {error}.", code="STORAGE-Corrupt", suggestion=again
        ) from error
    if facts.get("format") != _FORMAT or values.keys() != _names() - {"facts"}:
        raise IntegrityError(
            f"{folder / FILE} was written by another version of marketlab, which kept other facts "
            "than a verdict needs today.",
            code="RUN-OlderEvidence",
            suggestion="Train the strategy again to judge, compare or report it; a campaign does so"
            " when it is resumed.",
        )
    return Evidence(facts=facts, **values)


def _names() -> set[str]:
    return {f.name for f in fields(Evidence)}


def collect_evidence(
    strategy: StrategyConfig,
    prepared: Prepared,
    probabilities: FloatArray,
    *,
    seed: int,
    degenerate: list[str],
    exclusions: list[str],
    part: JudgedPart = "validation",
    folds: Sequence[Mapping[str, Any]] = (),
    boosting: bool = False,
) -> Evidence:
    """Put together what the judge needs from one part of a fitted run.

    `probabilities` are of the samples of that part, in their order; `folds` are facts to be shown;
    `boosting` fits that baseline too, which costs more than all others together.
    """
    value, bar = prepared.labels.value, prepared.samples.bar
    known = causal_state(strategy.training.labels, prepared.bars.close)[bar]
    judged = prepared.folds.judged(part)
    states = [state_baseline(known[f.train], value[f.train], known[f.judged]) for f in judged]
    rows = [(f.train, f.judged) for f in judged]
    fitted = fit_run_baselines(strategy, prepared, rows, seed=seed, with_boosting=boosting)
    account = trade_run(strategy, prepared, prepared.rows(part), probabilities, seed=seed)
    shown = [n for n in fitted.probabilities if n != fitted.best and n not in _OF_THE_JUDGE]
    nothing = np.empty((0, 3))
    y = prepared.y(part)
    counts = np.array([np.bincount(value[f.train], minlength=3) for f in judged])
    absent = absent_classes(counts, y)
    return Evidence(
        y=y,
        probabilities=without_classes(probabilities, absent),
        state=without_classes(np.concatenate([nothing, *states]), absent),
        event=prepared.event(part),
        bar=prepared.rows(part),
        fold=np.repeat(np.arange(len(judged)), [len(f.judged) for f in judged]),
        train_counts=counts,
        best=nothing
        if fitted.best is None
        else without_classes(fitted.probabilities[fitted.best], absent),
        shown=np.array(
            [without_classes(fitted.probabilities[n], absent) for n in shown], dtype=np.float32
        ).reshape(len(shown), -1, 3),
        daily_returns=account.daily_returns,
        days=account.days,
        facts={
            "format": _FORMAT,
            "label_text": label_text(strategy),
            "judged_part": part,
            "judged_share": part_share(strategy.training.data_split, prepared.folds, part),
            "degenerate_reasons": degenerate,
            "exclusions": exclusions,
            "is_synthetic": prepared.bars.is_synthetic,
            "seed": seed,
            "first_time_ns": int(prepared.bars.time_ns[0]),
            # The best epoch is chosen on validation even where early stopping is off.
            "selected_on_judged_part": part == "validation" and strategy.training.epochs > 1,
            "labels_begin_before": bool(np.any(prepared.labels.start < prepared.labels.bar)),
            "folds": [dict(fold) for fold in folds],
            "shown": shown,
            "best_baseline_inside_training": fitted.best,
            "baseline_selection": fitted.selection,
            "baseline_table": fitted.table,
            "trading": account.facts,
        },
    )


def exclusions_of(warnings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return why a run with these warnings is no evidence: unhealthy features, missing volume."""
    return [w["message"] for w in warnings if w["code"].startswith(("FEATURE", "DATA-NoVolume"))]


def label_text(strategy: StrategyConfig) -> str:
    """Return the label in words."""
    labels = strategy.training.labels
    if isinstance(labels, ZigzagLabelConfig):
        return f"zigzag legs of {100 * labels.zigzag_threshold:g} %"
    if not isinstance(labels, ForwardReturnLabelConfig):
        return labels.formula_name.replace("_", " ")
    bars = "next bar" if labels.horizon == 1 else f"next {labels.horizon} bars"
    dead = f", dead zone {100 * labels.dead_zone:g} %" if labels.dead_zone else ""
    return f"direction of the {bars}{dead}"
