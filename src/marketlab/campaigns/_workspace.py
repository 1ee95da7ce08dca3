"""The folder in which everything lies, with the layout that users' scripts already know."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from marketlab.core import (
    ConfigError,
    NotFoundError,
    atomic_write,
    check_name,
    did_you_mean,
    inside,
)
from marketlab.data import Catalog
from marketlab.store import Store, migrate

FOLDERS = (
    "data/raw",
    "data/processed",
    "strategies",
    "training_analytics/runs",
    "training_analytics/failed",
    "outputs/training",
    "outputs/results",
    "models/checkpoints",
    "models/cards",
    "models/promoted",
    "reports",
    "docs/agentic/v1.5",
    ".control",
)


@dataclass(frozen=True)
class Workspace:
    """Paths of one workspace. Nothing is created until `create`."""

    root: Path

    @classmethod
    def at(cls, path: str | Path | None = None) -> "Workspace":
        """Return the workspace at `path`, else ``$MARKETLAB_WORKSPACE``, else ``./workspace``."""
        chosen = path or os.environ.get("MARKETLAB_WORKSPACE") or "workspace"
        return cls(Path(chosen).expanduser().resolve())

    def create(self) -> "Workspace":
        """Make the folders and the ledger if they are not there; existing files stay."""
        if self.root.exists() and not self.root.is_dir():
            raise ConfigError(
                f"{self.root} is a file; a workspace is a folder.",
                field="workspace",
                suggestion="Give another path with --workspace.",
            )
        for folder in FOLDERS:
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        ignore = self.root / ".gitignore"
        if not ignore.exists():
            atomic_write(ignore, "*\n")
        return self

    def require(self) -> "Workspace":
        """Return self if the workspace exists.

        Raises
        ------
        NotFoundError telling to run ``marketlab init``.
        """
        if not (self.root / "strategies").is_dir():
            raise NotFoundError(
                f"there is no workspace at {self.root}.",
                code="WORKSPACE-NotFound",
                suggestion="Run `marketlab init` there, or give --workspace.",
            )
        return self

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Yield the migrated ledger database (``DB_URL``, else ``marketlab.db`` here)."""
        store = Store(path=self.root / "marketlab.db")
        try:
            migrate(store)
            yield store
        finally:
            store.dispose()

    @property
    def catalog(self) -> Catalog:
        """The bars of this workspace."""
        return Catalog(self.root / "data" / "processed")

    @property
    def strategies(self) -> Path:
        """Folder of strategy files."""
        return self.root / "strategies"

    @property
    def runs(self) -> Path:
        """Folder of run directories."""
        return self.root / "training_analytics" / "runs"

    @property
    def failed_runs(self) -> Path:
        """Folder of runs that failed before their first complete epoch."""
        return self.root / "training_analytics" / "failed"

    @property
    def tracker(self) -> Path:
        """The execution tracker that users' scripts grep."""
        return self.root / "docs" / "agentic" / "v1.5" / "EXECUTION_LOG.md"

    def checkpoint(self, run_id: str) -> Path:
        """Return the checkpoint folder of a run."""
        return inside(self.root, "models", "checkpoints", check_name(run_id, field="run_id"))

    def control(self, operation_id: str) -> Path:
        """Return the file of an operation's progress array."""
        return inside(self.root, ".control", check_name(operation_id, field="operation_id"))

    def run_folder(self, run_id: str) -> Path:
        """Return the folder of a run, under ``runs`` or under ``failed``."""
        check_name(run_id, field="run_id")
        for base in (self.runs, self.failed_runs):
            if (base / run_id).is_dir():
                return base / run_id
        known = [p.name for p in self.runs.iterdir()] if self.runs.is_dir() else []
        raise NotFoundError(
            f"there is no run {run_id!r}.",
            code="RUN-NotFound",
            field="run_id",
            suggestion=did_you_mean(run_id, known),
        )

    def strategy_path(self, name: str) -> Path:
        """Return the file of a strategy by its name, its dotted name or its alias with ``_``.

        Raises
        ------
        NotFoundError if there is none; ConfigError for a name that is no plain name.
        """
        check_name(name, field="strategy_name")
        files = {path.stem: path for path in sorted(self.strategies.glob("*.yaml"))}
        if name in files:
            return files[name]
        aliases = {stem.replace(".", "_"): path for stem, path in files.items()}
        alias = name.replace(".", "_")
        if alias in aliases:
            return aliases[alias]
        raise NotFoundError(
            f"there is no strategy file for {name!r} in {self.strategies}.",
            code="STRATEGY-NotFound",
            field="strategy_name",
            value=name,
            suggestion=did_you_mean(name, files),
        )
