"""A plan resolves every name to a list and trains nothing; mistakes are found here."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from marketlab.campaigns._campaign_config import CampaignConfig
from marketlab.campaigns._dead_parameters import dead_parameters
from marketlab.campaigns._null_config import NullConfig
from marketlab.campaigns._prepare import Prepared, prepare, select_bars, split_facts
from marketlab.campaigns._resolve import Experiment, ensure_bars, resolve_experiment
from marketlab.campaigns._strategy import StrategyConfig
from marketlab.campaigns._workspace import Workspace
from marketlab.core import DataError, IntArray, MarketLabError, iso
from marketlab.data import BarFrame
from marketlab.features import (
    FeatureSet,
    audit_causality,
    bar_arrays,
    feature_health,
    feature_issues,
)
from marketlab.labels import degenerate_reasons
from marketlab.models import count_parameters

_AUDITED_BARS = 600  # the causality audit recomputes prefixes of so many

# One step of the compiled trainer at batch 32 for a 9-64-32-3 net, as measured (docs/LOG.md);
# only used to say beforehand about how long a run may take at most.
_SECONDS_PER_STEP = 60e-6


@dataclass(frozen=True)
class PlanRow:
    """What one strategy of a campaign resolves to; ``issues`` say what stands in the way."""

    strategy: str
    ok: bool
    issues: tuple[dict[str, Any], ...] = ()
    changes: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    parameters: int | None = None
    warm_up_bars: int | None = None
    n_bars: int | None = None
    first_time: str | None = None
    last_time: str | None = None
    label: str | None = None
    splits: dict[str, Any] | None = None
    config_id: str | None = None
    design_id: str | None = None
    duplicate_of: str | None = None
    most_steps: int | None = None
    most_seconds: float | None = None
    memory_bytes: int | None = None

    @property
    def n_features(self) -> int:
        """Number of inputs of the net."""
        return len(self.feature_names)


@dataclass(frozen=True)
class CampaignPlan:
    """Every strategy resolved, and the data they share."""

    name: str
    dataset: dict[str, Any]
    rows: tuple[PlanRow, ...]
    null: NullConfig

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way of any strategy."""
        return all(row.ok for row in self.rows)

    @property
    def null_seconds(self) -> float | None:
        """About how long refitting nets may take at most on one core; None for linear models."""
        if self.null.statistic != "net":
            return None
        return round(self.null.surrogates * sum(row.most_seconds or 0.0 for row in self.rows), 1)

    def to_mapping(self) -> dict[str, Any]:
        """Return the plan as JSON-ready facts."""
        return {
            "name": self.name,
            "ok": self.ok,
            "dataset": self.dataset,
            "surrogates": self.null.surrogates,
            "null": {
                **self.null.to_mapping(),
                "description": self.null.description,
                "most_seconds": self.null_seconds,
                "can_decide": self.null.tests_direction,
            },
            "rows": [{**asdict(row), "n_features": row.n_features} for row in self.rows],
        }


def dataset_facts(bars: BarFrame) -> dict[str, Any]:
    """Return what a report says of a data set, JSON-ready."""
    return {
        "symbol": bars.symbol,
        "timeframe": bars.timeframe,
        "dataset_id": bars.dataset_id,
        "n_bars": bars.n_bars,
        "first_time": iso(bars.times(0)),
        "last_time": iso(bars.times(bars.n_bars - 1)),
        "source": bars.source,
        "provenance": bars.provenance,
        "licence": bars.licence,
        "is_synthetic": bars.is_synthetic,
        "has_volume": bars.has_volume,
        "metadata": bars.metadata,
    }


def plan_campaign(workspace: Workspace, config: CampaignConfig) -> CampaignPlan:
    """Resolve a campaign; wrong strategies become rows with issues, not exceptions.

    Raises
    ------
    DataError if the bars themselves cannot be had.
    """
    bars = ensure_bars(workspace, config.data)
    rows: list[PlanRow] = []
    seen: dict[str, str] = {}
    for name in config.strategies.names:
        try:
            experiment = resolve_experiment(workspace, config, name, bars)
            row = plan_experiment(experiment, bars, compatibility=config.compatibility)
        except MarketLabError as error:
            row = PlanRow(strategy=name, ok=False, issues=_issues_of(error))
        if row.design_id is not None:
            owner = seen.setdefault(row.design_id, name)
            if owner != name:
                row = PlanRow(**{**row.__dict__, "duplicate_of": owner})
        rows.append(row)
    return CampaignPlan(
        name=config.name,
        dataset=dataset_facts(bars),
        rows=tuple(rows),
        null=config.null,
    )


def plan_experiment(
    experiment: Experiment, bars: BarFrame, *, compatibility: str | None
) -> PlanRow:
    """Resolve one experiment on its bars.

    Raises
    ------
    MarketLabError for everything that would also stop the run.
    """
    strategy = experiment.strategy
    selected = select_bars(bars, strategy)
    if not strategy.training.allow_constant_features:
        refuse_without_volume(experiment, has_volume=bars.has_volume)
    prepared = prepare(strategy, selected)
    issues = check_prepared(experiment, prepared, compatibility=compatibility)
    refuse_leaks(strategy, selected)
    issues += [_dead_parameter(name) for name in dead_parameters(strategy)]
    trainer = strategy.training.trainer()
    nets = (*prepared.folds.scored, prepared.fold)
    steps = sum(-(-len(fold.train) // trainer.batch_size) for fold in nets) * trainer.epochs
    n_features = len(prepared.features.names)
    return PlanRow(
        strategy=strategy.name,
        ok=True,
        issues=tuple(issues),
        changes=experiment.changes,
        feature_names=tuple(prepared.features.names),
        parameters=count_parameters(strategy.model.architecture, n_features),
        warm_up_bars=prepared.features.warm_up_bars,
        n_bars=selected.n_bars,
        first_time=iso(selected.times(0)),
        last_time=iso(selected.times(selected.n_bars - 1)),
        label=prepared.labels.name,
        splits=split_facts(prepared),
        config_id=experiment.config_id,
        design_id=experiment.design_id,
        most_steps=steps,
        most_seconds=round(steps * _SECONDS_PER_STEP * max(1.0, trainer.batch_size / 32), 1),
        memory_bytes=8 * n_features * selected.n_bars + 4 * n_features * prepared.samples.n_samples,
    )


def check_prepared(
    experiment: Experiment, prepared: Prepared, *, compatibility: str | None
) -> list[dict[str, Any]]:
    """Refuse what must not be trained; return warnings for what may but is not evidence.

    Raises
    ------
    DataError for a split that leaves nothing to train on or to judge, for unhealthy features
    (unless ``allow_constant_features``) and for degenerate labels (unless the campaign declares
    ``compatibility: v15``).
    """
    strategy = experiment.strategy
    warnings = [
        _warning(i.code, i.message)
        for i in feature_issues(strategy.feature_config(), has_volume=prepared.bars.has_volume)
    ]
    if prepared.bars.n_bars < strategy.training_data.history_required:
        raise DataError(
            f"the series holds {prepared.bars.n_bars} bars; the strategy requires "
            f"{strategy.training_data.history_required}.",
            field="training_data.history_required",
            code="DATA-TooShort",
            suggestion="Import a longer series.",
        )
    empty = empty_parts(prepared)
    if empty:
        raise DataError(
            f"nothing can be trained and judged on this split: {'; '.join(empty)}",
            code="DATA-EmptySplit",
            field="training.data_split",
            details={"splits": split_facts(prepared)},
            suggestion="Give a longer series, other shares of the split, or labels that read fewer"
            " bars.",
        )
    degenerate = degenerate_labels(prepared)
    if degenerate and compatibility != "v15":
        raise DataError(
            f"the labels are degenerate: {'; '.join(degenerate)}.",
            code="LABELS-Degenerate",
            field="training.labels",
            details={"splits": split_facts(prepared)},
            suggestion="Lower the threshold, give a longer series, or allow it by name in the label"
            " block, as in `allow: [rare_class]`.",
        )
    warnings += [_warning("LABELS-Degenerate", reason) for reason in degenerate]
    warnings += unhealthy(experiment, prepared)
    return warnings


def refuse_leaks(strategy: StrategyConfig, bars: BarFrame) -> None:
    """Raise `DataError` if a feature of the first bars changes when later bars do."""
    feature_set = FeatureSet(strategy.feature_config())
    n_bars = max(_AUDITED_BARS, feature_set.warm_up_bars + 50)
    arrays = {name: values[:n_bars] for name, values in bar_arrays(bars).items()}
    found = audit_causality(feature_set, arrays)
    if found:
        raise DataError(
            f"a feature knows the future: {found[0].message}",
            code="FEATURE-Leak",
            suggestion="Only causal primitives may be used; report this, it is our mistake.",
        )


def refuse_without_volume(experiment: Experiment, *, has_volume: bool) -> None:
    """Raise `DataError` if the strategy reads volume and the series has none."""
    issues = feature_issues(experiment.strategy.feature_config(), has_volume=has_volume)
    errors = [i for i in issues if i.severity == "error"]
    if errors:
        raise DataError(
            errors[0].message.removeprefix(f"{errors[0].field}: "),
            code=errors[0].code,
            field=errors[0].field,
        )


def unhealthy(experiment: Experiment, prepared: Prepared) -> list[dict[str, Any]]:
    """Return warnings for unhealthy features, or raise `DataError` unless they are allowed."""
    rows = prepared.rows("train")
    if not len(rows):
        return []
    findings = [f for f in feature_health(prepared.features, rows) if f.severity == "error"]
    if findings and not experiment.strategy.training.allow_constant_features:
        raise DataError(
            "; ".join(f.message for f in findings[:4])
            + (f"; and {len(findings) - 4} more" if len(findings) > 4 else ""),
            code=f"FEATURE-{findings[0].kind}",
            field=f"features.{findings[0].feature}",
            suggestion="Use an indicator that varies on these bars, or set"
            " training.allow_constant_features: true (the run is then no evidence).",
        )
    return [_warning(f"FEATURE-{f.kind}", f.message) for f in findings]


def empty_parts(prepared: Prepared) -> list[str]:
    """Return a sentence for each part that a net needs and that holds no sample."""
    scored = prepared.folds.scored
    named = [("", prepared.fold)]
    named += [(f"fold {k} of {len(scored)}: ", fold) for k, fold in enumerate(scored, start=1)]
    needed = ("the training part", "the validation part")
    out = [
        f"{where}{reason}"
        for where, fold in named
        for reason in fold.degenerate_reasons
        if reason.startswith(needed)
    ]
    if scored and not len(prepared.positions("walk-forward")):
        out.append("no block of the walk holds a sample.")
    return out


def degenerate_labels(prepared: Prepared) -> list[str]:
    """Return why the labels cannot carry a fit or a score (empty if they can).

    Of a walk every training window is looked at, and all its blocks together.
    """
    reasons: list[str] = []
    named = [("train", prepared.fold.train), ("validation", prepared.fold.validation)]
    scored = prepared.folds.scored
    if scored:
        for number, fold in enumerate(scored, start=1):
            which = f"of fold {number} of {len(scored)}"
            named += [(f"train {which}", fold.train), (f"validation {which}", fold.validation)]
        named.append(("walk-forward", prepared.positions("walk-forward")))
    for name, positions in named:
        reasons += _degenerate_part(prepared, name, positions)
    return reasons


def _degenerate_part(prepared: Prepared, name: str, positions: IntArray) -> list[str]:
    counts = np.bincount(prepared.labels.value[positions], minlength=3)
    if len(positions) == 0:
        return [f"the {_part_text(name)} is empty after purging"]
    if counts[0] == 0 or counts[2] == 0:
        missing = [f"no {n}" for n, c in (("BUY", counts[0]), ("SELL", counts[2])) if not c]
        return [f"the {_part_text(name)} has {' and '.join(missing)} sample"]
    labels = prepared.labels.restrict(positions)
    found = degenerate_reasons(labels, allow=labels.facts["allowed"])
    return [f"in the {_part_text(name)} {reason}" for reason in found]


def _part_text(name: str) -> str:
    """Return "train part", or "train part of fold 2 of 5"."""
    head, _, rest = name.partition(" ")
    return f"{head} part {rest}".strip()


def _dead_parameter(name: str) -> dict[str, Any]:
    return _warning(
        "STRATEGY-DeadParameter",
        f"{name} can be changed without any effect: nothing that the net reads depends on it.",
    )


def _warning(code: str, message: str) -> dict[str, Any]:
    return {"severity": "warning", "code": code, "message": message}


def _issues_of(error: MarketLabError) -> tuple[dict[str, Any], ...]:
    listed: Sequence[Any] = error.details.get("issues") or [error.to_dict()]
    return tuple(
        {
            "severity": "error",
            "code": item.get("code"),
            "field": item.get("field"),
            "message": item.get("message"),
            "suggestion": item.get("suggestion"),
        }
        if isinstance(item, dict)
        else {
            "severity": item.severity,
            "code": item.code,
            "field": item.field,
            "message": item.message,
            "suggestion": None,
        }
        for item in listed
    )
