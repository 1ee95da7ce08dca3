"""What a campaign amounts to, finished or not: the one value that all reports are views of."""

from dataclasses import dataclass, field
from typing import Any

from marketlab.campaigns._looks import Seen


@dataclass(frozen=True)
class RunResult:
    """One strategy of a campaign as it ended.

    ``verdict`` is `Verdict.to_mapping()` (None if the run did not complete); ``splits`` is
    `split_facts`; ``history`` holds epoch, train_loss, val_loss, train_acc, val_acc lists.
    ``common_skill`` is the log-loss skill over the best causal baseline on the validation rows that
    all comparable runs of the campaign share (None where there is no comparison). ``detail`` is
    `run_detail` (None without readable evidence). ``openings`` are the looks at the sealed test
    part, oldest first: opened_at, reason, outcome, sentence, seen_before. ``seen_by_others`` are
    the openings by other runs that showed days of it, None if there is none.
    """

    strategy: str
    description: str
    blocks: tuple[str, ...]
    operation_id: str
    run_id: str | None
    status: str
    started_at: str | None
    duration_seconds: float | None
    attempt: int
    error: str | None
    error_code: str | None
    failure_class: str | None
    warnings: tuple[str, ...]
    config_id: str
    design_id: str
    duplicate_of: str | None
    n_features: int | None
    parameters: int | None
    label: str
    epochs: int | None
    best_epoch: int | None
    stopped_early: bool | None
    splits: dict[str, Any] | None
    verdict: dict[str, Any] | None
    common_skill: float | None = None
    history: dict[str, list[float]] = field(default_factory=dict)
    detail: dict[str, Any] | None = None
    openings: tuple[dict[str, Any], ...] = ()
    seen_by_others: Seen | None = None

    @property
    def n_test_openings(self) -> int:
        """How often the sealed test part of this run was looked at."""
        return len(self.openings)


@dataclass(frozen=True)
class CampaignResults:
    """A campaign: its specification, its data, its runs in file order, its null.

    ``test_openings`` counts how often the sealed test part of any of its runs was looked at;
    ``seen_by_others`` are looks at the same days by runs that are none of these, with the largest
    share of a test part that they showed (None if there is none).
    ``luck`` is `campaign_luck` over the judged runs (None before any is judged).
    """

    campaign_id: str
    name: str
    description: str
    status: str
    compatibility: str | None
    config: dict[str, Any]
    dataset: dict[str, Any]
    seed: int
    created_at: str
    finished_at: str | None
    duration_seconds: float | None
    runs: tuple[RunResult, ...]
    null: dict[str, Any] | None
    environment: dict[str, str]
    test_openings: int = 0
    seen_by_others: Seen | None = None
    luck: dict[str, Any] | None = None

    @property
    def completed(self) -> list[RunResult]:
        """Runs that completed."""
        return [run for run in self.runs if run.status == "completed"]

    @property
    def not_completed(self) -> list[RunResult]:
        """Runs that did not complete (failed, cancelled or not reached)."""
        return [run for run in self.runs if run.status != "completed"]
