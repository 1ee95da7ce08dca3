"""Makes a workspace ready for work: folders, ledger, bars in the catalog, strategy files."""

from dataclasses import dataclass
from pathlib import Path

from marketlab.campaigns._recipes import load_campaign
from marketlab.campaigns._resolve import apply_overrides, ensure_bars, strategy_mapping
from marketlab.campaigns._tracker import write_tracker
from marketlab.campaigns._workspace import Workspace
from marketlab.core import atomic_write, dump_yaml
from marketlab.data import BarFrame


@dataclass(frozen=True)
class Initialised:
    """What `initialise_workspace` made. `kept` files stood there before and were not touched."""

    workspace: Workspace
    bars: BarFrame | None
    written: tuple[Path, ...]
    kept: tuple[Path, ...]


def initialise_workspace(workspace: Workspace, *, recipe: str | None) -> Initialised:
    """Create the workspace; with a recipe, also its bars and its strategies with its overrides.

    Existing strategy files are kept as they are.

    Raises
    ------
    NotFoundError for an unknown recipe; DataError if its bars cannot be had.
    """
    workspace.create()
    with workspace.store():
        pass
    if recipe is None:
        return Initialised(workspace, None, (), ())
    config = load_campaign(recipe)
    bars = ensure_bars(workspace, config.data)
    written: list[Path] = []
    kept: list[Path] = []
    for name in config.strategies.names:
        path = workspace.strategies / f"{name}.yaml"
        if path.exists():
            kept.append(path)
            continue
        mapping, changes = apply_overrides(
            strategy_mapping(workspace, config, name), config.overrides, bars
        )
        head = "".join(f"# {recipe} changes {change}\n" for change in changes)
        atomic_write(path, head + dump_yaml(mapping))
        written.append(path)
    if not workspace.tracker.exists():
        write_tracker(workspace.tracker, [], config.strategies.names)
    return Initialised(workspace, bars, tuple(written), tuple(kept))
