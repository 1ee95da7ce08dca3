"""What ships with the package: strategy families and campaigns ready to run."""

from pathlib import Path
from typing import Any

from marketlab.campaigns._campaign_config import CampaignConfig
from marketlab.campaigns._strategy import StrategyConfig, parse_strategy
from marketlab.core import NotFoundError, did_you_mean, from_mapping, load_yaml, load_yaml_file


def _folder() -> Path:
    return Path(__file__).parent / "recipes"


def recipe_names() -> list[str]:
    """Return the names of the shipped campaigns."""
    return sorted(path.stem for path in (_folder() / "campaigns").glob("*.yaml"))


def recipe_strategy_text(recipe: str, name: str) -> str:
    """Return the text of a shipped strategy file."""
    folder = _folder() / recipe
    families = sorted(p.name for p in _folder().iterdir() if p.is_dir() and p.name != "campaigns")
    if recipe not in families:
        raise NotFoundError(
            f"there is no strategy family {recipe!r}.",
            field="strategies.recipe",
            code="CONFIG-UnknownName",
            suggestion=did_you_mean(recipe, families),
        )
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise NotFoundError(
            f"the family {recipe!r} has no strategy {name!r}.",
            field="strategies.names",
            code="STRATEGY-NotFound",
            suggestion=did_you_mean(name, [p.stem for p in folder.glob("*.yaml")]),
        )
    return path.read_text(encoding="utf-8")


def load_campaign(reference: str) -> CampaignConfig:
    """Return a campaign by the path of its file or by the name of a shipped recipe.

    Raises
    ------
    NotFoundError if it is neither; ConfigError if the file breaks a rule.
    """
    path = Path(reference)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        if not path.is_file():
            raise NotFoundError(f"there is no campaign file {reference!r}.", field="campaign")
        return from_mapping(CampaignConfig, load_yaml_file(path), source=path.name)
    shipped = _folder() / "campaigns" / f"{reference}.yaml"
    if reference not in recipe_names():
        raise NotFoundError(
            f"there is no campaign file and no recipe {reference!r}.",
            field="campaign",
            suggestion=did_you_mean(reference, recipe_names()),
        )
    return from_mapping(CampaignConfig, load_yaml_file(shipped), source=shipped.name)


def recipe_strategy(recipe: str, name: str) -> dict[str, Any]:
    """Return a shipped strategy as plain data."""
    return load_yaml(recipe_strategy_text(recipe, name), source=f"{recipe}/{name}.yaml")


def shipped_strategy(name: str) -> StrategyConfig:
    """Return a shipped strategy by its name, whatever family it belongs to.

    Raises
    ------
    NotFoundError with close matches if none has that name.
    """
    files = {
        path.stem: path
        for path in sorted(_folder().glob("*/*.yaml"))
        if path.parent.name != "campaigns"
    }
    if name not in files:
        raise NotFoundError(
            f"no strategy called {name!r} ships with marketlab.",
            code="STRATEGY-NotFound",
            field="name",
            suggestion=did_you_mean(name, files),
        )
    return parse_strategy(load_yaml_file(files[name]), source=files[name].name)
