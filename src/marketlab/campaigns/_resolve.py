"""From a campaign file to explicit things: bars in the catalog, strategies with overrides."""

from dataclasses import dataclass
from typing import Any

from marketlab.campaigns._campaign_config import CampaignConfig, DataConfig, Overrides
from marketlab.campaigns._recipes import recipe_strategy
from marketlab.campaigns._strategy import (
    StrategyConfig,
    load_strategy_mapping,
    parse_strategy,
)
from marketlab.campaigns._workspace import Workspace
from marketlab.core import content_id
from marketlab.data import BarFrame, load_bundled, synthetic_bars
from marketlab.training import Backend


@dataclass(frozen=True)
class Experiment:
    """One strategy on one data set with one seed: everything that decides the numbers of a run.

    ``changes`` are the overrides that were applied, one sentence each.
    """

    strategy: StrategyConfig
    dataset_id: str
    seed: int
    backend: Backend
    changes: tuple[str, ...] = ()

    @property
    def config_id(self) -> str:
        """Hash of the ordered content, without names and descriptions."""
        return content_id(self._identity(self.strategy.identity()))

    @property
    def design_id(self) -> str:
        """Hash that is equal for experiments whose inputs differ in order only."""
        return content_id(self._identity(self.strategy.design_id()))

    def _identity(self, strategy: Any) -> dict[str, Any]:
        return {
            "strategy": strategy,
            "dataset_id": self.dataset_id,
            "seed": self.seed,
            "backend": self.backend,
        }


def ensure_bars(workspace: Workspace, data: DataConfig) -> BarFrame:
    """Return the campaign's bars, storing bundled or synthetic ones in the catalog first."""
    catalog = workspace.catalog
    if data.bundled is not None:
        bars = load_bundled(data.bundled)
    elif data.synthetic is not None:
        bars = synthetic_bars(data.synthetic)
    else:
        reference = data.catalog
        assert reference is not None
        if reference.dataset_id is not None:
            return catalog.load(reference.dataset_id)
        return catalog.find(reference.symbol, reference.timeframe)
    catalog.add(bars)
    return bars


def strategy_mapping(workspace: Workspace, config: CampaignConfig, name: str) -> dict[str, Any]:
    """Return a strategy's file as plain data: shipped, or of the workspace."""
    if config.strategies.recipe is not None:
        return recipe_strategy(config.strategies.recipe, name)
    return load_strategy_mapping(workspace.strategy_path(name))


def apply_overrides(
    mapping: dict[str, Any], overrides: Overrides, bars: BarFrame
) -> tuple[dict[str, Any], list[str]]:
    """Return the mapping with a campaign's overrides, and one sentence for each change."""
    out = _deep_copy(mapping)
    changes: list[str] = []
    training = out.setdefault("training", {})

    def change(block: dict[str, Any], key: str, value: Any, name: str) -> None:
        if block.get(key) != value:
            before = "not set" if block.get(key) is None else block[key]
            changes.append(f"{name}: {before} -> {value}")
            block[key] = value

    if overrides.date_range == "data":
        value = {
            "start": str(bars.times(0).date()),
            "end": str(bars.times(bars.n_bars - 1).date()),
        }
        change(training, "date_range", value, "training.date_range")
    elif overrides.date_range is not None:
        change(training, "date_range", overrides.date_range.to_mapping(), "training.date_range")
    if overrides.labels is not None:
        change(training, "labels", overrides.labels, "training.labels")
    if overrides.data_split is not None:
        change(training, "data_split", overrides.data_split, "training.data_split")
    labels = training.get("labels", {})
    if overrides.zigzag_scale is not None and "zigzag_threshold" in labels:
        scaled = float(f"{labels['zigzag_threshold'] * overrides.zigzag_scale:.10g}")
        change(labels, "zigzag_threshold", scaled, "training.labels.zigzag_threshold")
    for key in ("epochs", "allow_constant_features"):
        value = getattr(overrides, key)
        if value is not None:
            change(training, key, value, f"training.{key}")
    data = out.get("training_data", {})
    if overrides.symbol is not None:
        change(data["symbols"], "list", [overrides.symbol], "training_data.symbols.list")
    if overrides.timeframe is not None:
        frames = data["timeframes"]
        change(frames, "list", [overrides.timeframe], "training_data.timeframes.list")
        change(
            frames, "base_timeframe", overrides.timeframe, "training_data.timeframes.base_timeframe"
        )
    return out, changes


def resolve_experiment(
    workspace: Workspace, config: CampaignConfig, name: str, bars: BarFrame
) -> Experiment:
    """Return one strategy of a campaign as an experiment; `ConfigError` if its file is wrong."""
    mapping = strategy_mapping(workspace, config, name)
    changed, changes = apply_overrides(mapping, config.overrides, bars)
    strategy = parse_strategy(changed, source=f"{name}.yaml")
    seed = strategy.training.seed if strategy.training.seed is not None else config.seed
    return Experiment(
        strategy=strategy,
        dataset_id=bars.dataset_id,
        seed=seed,
        backend=config.backend,
        changes=tuple(changes),
    )


def _deep_copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _deep_copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_deep_copy(item) for item in value]
    return value
