"""What is kept of every run, finished or not."""

from typing import Literal

from pydantic import Field

from marketlab.core._config import FrozenConfig

RunStatus = Literal["pending", "resuming", "running", "completed", "failed", "cancelled"]


class RunRecord(FrozenConfig):
    """One run: what was asked, on which data, by which code, and how it ended.

    Times are ISO 8601 in UTC. ``error_class`` is a failure class of the error tree (config, data,
    transient, integrity, numeric, cancelled, bug).
    """

    run_id: str
    config_id: str
    dataset_id: str
    code_version: str
    environment: dict[str, str]
    seed: int
    status: RunStatus
    started_at: str
    finished_at: str | None = None
    duration_seconds: float | None = None
    error_class: str | None = None
    error_code: str | None = None
    error: str | None = None
    artefacts: dict[str, str] = Field(default_factory=dict)
