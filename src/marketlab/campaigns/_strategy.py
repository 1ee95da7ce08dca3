"""A strategy: bars, indicators, fuzzy memberships and lags, a small net, a decision rule.

One YAML file in a strict grammar: an unknown key anywhere is an error that suggests the right one.
The blocks `indicators`, `fuzzy_sets` and `nn_inputs` belong to the features room, `labels` to the
labels room; this file joins them and says what makes two strategies the same experiment.
"""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from marketlab.backtest import DecisionPolicy
from marketlab.campaigns._split_config import RunFolds, SplitConfig, make_folds, parse_split
from marketlab.core import (
    ConfigError,
    FrozenConfig,
    IntArray,
    check_name,
    content_id,
    from_mapping,
    load_yaml_file,
    migrate_mapping,
)
from marketlab.data import parse_timeframe
from marketlab.features import (
    FeatureSet,
    FeatureSetConfig,
    Issue,
    feature_issues,
    resolve_features,
)
from marketlab.features._issues import Category
from marketlab.labels import LabelConfig, LabelSet
from marketlab.models import MLPConfig
from marketlab.training import EarlyStoppingConfig, TrainerConfig

SCHEMA_VERSION = 1


class SymbolsConfig(FrozenConfig):
    """Which symbol the strategy trains on; this version trains on one."""

    mode: Literal["single_symbol"] = "single_symbol"
    list: tuple[str, ...]

    @field_validator("list")
    @classmethod
    def _one(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) != 1:
            raise ValueError(f"single_symbol takes exactly one symbol, not {len(value)}")
        check_name(value[0], field="symbol")
        return value


class TimeframesConfig(FrozenConfig):
    """Which timeframe the strategy reads; this version reads one."""

    mode: Literal["single_timeframe"] = "single_timeframe"
    list: tuple[str, ...]
    base_timeframe: str

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.list != (self.base_timeframe,):
            raise ValueError(
                f"single_timeframe takes one timeframe, equal to base_timeframe "
                f"({self.base_timeframe!r}); the list is {list(self.list)!r}"
            )
        parse_timeframe(self.base_timeframe)
        return self


class TrainingDataConfig(FrozenConfig):
    """What is read. `history_required` is the least number of usable bars, at least 50."""

    symbols: SymbolsConfig
    timeframes: TimeframesConfig
    history_required: int = Field(default=200, ge=50)


class ModelFeaturesConfig(FrozenConfig):
    """How many earlier bars of each membership are inputs too; membership edges."""

    lookback_periods: int = Field(default=2, ge=0, le=20)
    edges: Literal["triangles", "shoulders"] = "triangles"


class ModelConfig(FrozenConfig):
    """The forecaster."""

    type: Literal["mlp"] = "mlp"
    architecture: MLPConfig
    features: ModelFeaturesConfig = ModelFeaturesConfig()


class FiltersConfig(FrozenConfig):
    """What holds a signal back."""

    min_signal_separation: int = Field(default=4, ge=0)
    volume_filter: Literal[False] = False


class DecisionsConfig(FrozenConfig):
    """How probabilities become signals."""

    output_format: Literal["classification"] = "classification"
    confidence_threshold: float = Field(default=0.6, ge=0.0, le=1.0)
    position_awareness: bool = True
    filters: FiltersConfig = FiltersConfig()

    def policy(self) -> DecisionPolicy:
        """Return the rule object that backtest and runtime share."""
        return DecisionPolicy(
            confidence_threshold=self.confidence_threshold,
            min_signal_separation=self.filters.min_signal_separation,
            position_awareness=self.position_awareness,
        )


class DateRange(FrozenConfig):
    """First and last day, both inclusive, UTC."""

    start: str
    end: str

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.first_day >= self.last_day:
            raise ValueError(f"start must be before end: {self.start} is not before {self.end}")
        return self

    @property
    def first_day(self) -> date:
        """The first day."""
        return _day("start", self.start)

    @property
    def last_day(self) -> date:
        """The last day."""
        return _day("end", self.end)


def _day(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{field} must be a day like 2015-01-01, not {text!r}") from None


class AnalyticsConfig(FrozenConfig):
    """Which files a run leaves. All are required by the campaign's checker."""

    enabled: Literal[True] = True
    export_csv: Literal[True] = True
    export_json: Literal[True] = True
    export_alerts: Literal[True] = True


class TrainingConfig(FrozenConfig):
    """How the net is fitted and on what it is judged."""

    method: Literal["supervised"] = "supervised"
    labels: LabelConfig
    data_split: SplitConfig
    date_range: DateRange | None = None
    learning_rate: float = Field(default=0.001, gt=0)
    batch_size: int = Field(default=32, ge=1)
    epochs: int = Field(default=100, ge=1)
    optimizer: Literal["adam"] = "adam"
    weight_decay: float = Field(default=0.0001, ge=0)
    loss: Literal["cross_entropy"] = "cross_entropy"
    gradient_clip: float | None = Field(default=None, gt=0)
    early_stopping: EarlyStoppingConfig = EarlyStoppingConfig()
    analytics: AnalyticsConfig = AnalyticsConfig()
    allow_constant_features: bool = False
    seed: int | None = Field(default=None, ge=0)

    @field_validator("data_split", mode="before")
    @classmethod
    def _split(cls, value: Any) -> SplitConfig:
        return parse_split(value)

    def folds(self, labels: LabelSet, close_time_ns: IntArray) -> RunFolds:
        """Cut the samples into the folds of one run (see `make_folds`)."""
        return make_folds(self.data_split, labels, close_time_ns)

    def trainer(self) -> TrainerConfig:
        """Return what the trainer needs to know."""
        return TrainerConfig(
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            epochs=self.epochs,
            optimizer=self.optimizer,
            weight_decay=self.weight_decay,
            gradient_clip=self.gradient_clip,
            early_stopping=self.early_stopping,
        )


class StrategyConfig(FrozenConfig):
    """One strategy file, checked. `config_id` leaves out name and description."""

    not_identity: ClassVar[frozenset[str]] = frozenset({"name", "description", "version"})

    schema_version: Literal[1] = 1
    name: str
    description: str = ""
    version: str = "3.0"
    training_data: TrainingDataConfig
    indicators: dict[str, Any]
    fuzzy_sets: dict[str, Any] = Field(default_factory=dict)
    nn_inputs: tuple[Any, ...]
    model: ModelConfig
    decisions: DecisionsConfig = DecisionsConfig()
    training: TrainingConfig

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        return check_name(value)

    @property
    def symbol(self) -> str:
        """The one symbol."""
        return self.training_data.symbols.list[0]

    @property
    def timeframe(self) -> str:
        """The one timeframe."""
        return self.training_data.timeframes.base_timeframe

    def feature_config(self) -> FeatureSetConfig:
        """Return the checked feature blocks; `ConfigError` lists every broken rule."""
        config = FeatureSetConfig.parse(
            self.timeframe,
            self.indicators,
            self.fuzzy_sets,
            list(self.nn_inputs),
            self.model.features.lookback_periods,
        )
        edges = self.model.features.edges
        return config if edges == "triangles" else config.with_edges(edges)

    def design_id(self) -> str:
        """Return an identity that is equal for strategies whose runs can differ by chance only.

        What the net reads counts, not the order or the names of indicators and sets; decisions
        act after training and do not count.
        """
        identity = self.identity()
        for block in ("indicators", "fuzzy_sets", "nn_inputs", "decisions"):
            identity.pop(block)
        identity["inputs"] = FeatureSet(self.feature_config()).design_id
        return content_id(identity)


def load_strategy_mapping(path: Path) -> dict[str, Any]:
    """Read a strategy file; columns of feature files that it names stand in it as formulas.

    The paths of those files begin at the strategy's folder.
    """
    return _with_formulas(load_yaml_file(path), path.parent)


def _with_formulas(mapping: dict[str, Any], folder: Path | None) -> dict[str, Any]:
    if "indicators" not in mapping:
        return mapping
    return {**mapping, "indicators": resolve_features(mapping["indicators"], folder)}


def parse_strategy(mapping: dict[str, Any], *, source: str) -> StrategyConfig:
    """Build a strategy from plain data, feature blocks included.

    Entries of type feature become formulas first, so that identities cover what is computed.

    Raises
    ------
    ConfigError naming every broken rule of the grammar (``details["issues"]``).
    """
    if isinstance(mapping.get("indicators"), list) or "nn_inputs" not in mapping:
        raise ConfigError(
            f"{source} is in the older list form (indicators as a list, or no nn_inputs).",
            code="STRATEGY-ListForm",
            field="indicators",
            suggestion="Convert it with `marketlab import-strategy FILE`.",
        )
    migrated = migrate_mapping(
        _with_formulas(mapping, None), {}, current=SCHEMA_VERSION, source=source
    )
    strategy = from_mapping(StrategyConfig, migrated, source=source)
    strategy.feature_config()
    return strategy


def load_strategy(path: Path) -> StrategyConfig:
    """Read and check one strategy file."""
    return parse_strategy(load_strategy_mapping(path), source=path.name)


def strategy_issues(
    mapping: dict[str, Any], *, source: str, has_volume: bool | None
) -> tuple[StrategyConfig | None, list[Issue]]:
    """Return the strategy (None if it cannot be built) and everything there is to say about it."""
    try:
        strategy = parse_strategy(mapping, source=source)
    except ConfigError as error:
        raw = error.details.get("issues") or [error.to_dict()]
        return None, [_as_issue(item) for item in raw]
    issues = list(feature_issues(strategy.feature_config(), has_volume=has_volume))
    if strategy.training.allow_constant_features:
        issues = [
            replace(i, severity="warning") if i.code == "DATA-NoVolume" else i for i in issues
        ]
    return strategy, issues


_CATEGORIES: dict[str, Category] = {
    "indicators": "indicators",
    "fuzzy_sets": "fuzzy_sets",
    "nn_inputs": "nn_inputs",
}


def _as_issue(item: Any) -> Issue:
    if isinstance(item, Issue):
        return item
    field = item.get("field") or ""
    head = field.split(".")[0]
    text = item["message"]
    if item.get("suggestion"):
        text = f"{text} {item['suggestion']}"
    if field and not text.startswith(f"{field}: "):
        text = f"{field}: {text}"
    return Issue(
        severity="error",
        category=item.get("category") or _CATEGORIES.get(head, "structure"),
        code=item.get("code") or "STRATEGY-ValidationFailed",
        message=text,
        field=field,
        details={"value": item.get("value")},
    )
