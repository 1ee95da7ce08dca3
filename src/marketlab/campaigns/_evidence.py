"""The arrays a verdict is computed from, kept with the run so that it can be judged again.

A campaign's null is known only when all surrogates are scored; until then a run has evidence and
no verdict. The file holds plain arrays (no pickles) and lies in the run's folder.
"""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from marketlab.campaigns._causal_state import causal_state
from marketlab.campaigns._prepare import Prepared
from marketlab.campaigns._split_config import part_share
from marketlab.campaigns._strategy import StrategyConfig
from marketlab.core import FloatArray, IntArray, IntegrityError, atomic_write, canonical_json
from marketlab.evaluation import JudgeInput, NullEvidence, Verdict, judge, state_baseline
from marketlab.evaluation._verdict import JudgedPart
from marketlab.labels import ForwardReturnLabelConfig, ZigzagLabelConfig

FILE = "evidence.npz"


@dataclass(frozen=True)
class Evidence:
    """What the judged part says, row by row, and what the judge must know about it.

    ``probabilities`` and ``state`` have shape (n, 3); the others (n,), ``train_counts`` (3,).
    ``facts`` holds label_text, judged_share, degenerate_reasons, exclusions, is_synthetic, seed,
    first_time_ns (of the bar that position 0 means),
    selected_on_judged_part (whether it also chose the epoch) and judged_part.
    """

    y: IntArray
    probabilities: FloatArray
    state: FloatArray
    event: IntArray
    bar: IntArray
    train_counts: IntArray
    facts: dict[str, Any]

    def verdict(
        self,
        *,
        null: NullEvidence | None,
        n_trials: int,
        exclusions: tuple[str, ...] = (),
        n_test_openings: int = 0,
    ) -> Verdict:
        """Judge this evidence beside a null."""
        return judge(
            JudgeInput(
                y=self.y,
                probabilities=self.probabilities,
                event=self.event,
                bar=self.bar,
                train_counts=self.train_counts,
                baselines={"causal state": self.state},
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
            )
        )

    def save(self, folder: Path) -> None:
        """Write the file; equal evidence gives equal bytes."""
        buffer = io.BytesIO()
        facts = np.frombuffer(canonical_json(self.facts).encode(), dtype=np.uint8)
        np.savez(
            buffer,
            y=self.y,
            probabilities=self.probabilities,
            state=self.state,
            event=self.event,
            bar=self.bar,
            train_counts=self.train_counts,
            facts=facts,
        )
        atomic_write(folder / FILE, buffer.getvalue())


def load_evidence(folder: Path) -> Evidence:
    """Read the evidence of a run.

    Raises
    ------
    IntegrityError if the file is missing or damaged.
    """
    try:
        # Read whole first: numpy leaves its own handle open when the archive is damaged.
        content = io.BytesIO((folder / FILE).read_bytes())
        with np.load(content, allow_pickle=False) as arrays:
            values = {name: arrays[name] for name in arrays.files}
        facts = json.loads(values.pop("facts").tobytes())
        return Evidence(facts=facts, **values)
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise IntegrityError(
            f"{folder / FILE} cannot be read: {error}.",
            code="STORAGE-Corrupt",
            suggestion="Run the strategy again; its other files are kept.",
        ) from error


def collect_evidence(
    strategy: StrategyConfig,
    prepared: Prepared,
    probabilities: FloatArray,
    *,
    seed: int,
    degenerate: list[str],
    exclusions: list[str],
    part: JudgedPart = "validation",
) -> Evidence:
    """Put together what the judge needs from one part of a fitted run."""
    state = causal_state(strategy.training.labels, prepared.bars.close)
    train, rows = prepared.rows("train"), prepared.rows(part)
    y_train = prepared.y("train")
    return Evidence(
        y=prepared.y(part),
        probabilities=probabilities,
        state=state_baseline(state[train], y_train, state[rows]),
        event=prepared.event(part),
        bar=rows,
        train_counts=np.bincount(y_train, minlength=3).astype(np.int64),
        facts={
            "label_text": label_text(strategy),
            "judged_part": part,
            "judged_share": part_share(strategy.training.data_split, prepared.fold, part),
            "degenerate_reasons": degenerate,
            "exclusions": exclusions,
            "is_synthetic": prepared.bars.is_synthetic,
            "seed": seed,
            "first_time_ns": int(prepared.bars.time_ns[0]),
            # The best epoch is chosen on validation even where early stopping is off.
            "selected_on_judged_part": part == "validation" and strategy.training.epochs > 1,
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
