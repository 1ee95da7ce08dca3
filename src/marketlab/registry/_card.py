"""A model card: one immutable folder with weights, identity and evidence, verified when read.

```
models/cards/<card_id>/
    weights.safetensors   the tensors
    card.json             everything needed to serve and to judge them
    files.json            SHA-256 of the two, written last
```
"""

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from marketlab.core import (
    ConfigError,
    FrozenConfig,
    IntegrityError,
    atomic_folder,
    atomic_write,
    check_name,
    content_id,
    file_sha256,
    read_json,
    require_utc,
    write_json,
)
from marketlab.registry._gates import GateReport

CARD_FILE = "card.json"
WEIGHTS_FILE = "weights.safetensors"
FILES_FILE = "files.json"

Weights = dict[str, NDArray[Any]]


class SplitFacts(FrozenConfig):
    """Which times the model has seen; ISO 8601 with offset, opens of bars.

    From `first_test_time` on nothing was used for training or choosing; a dry run starts there.
    """

    last_train_time: str
    first_test_time: str
    n_train: int = Field(ge=1)
    n_validation: int = Field(ge=0)
    n_test: int = Field(ge=0)

    def model_post_init(self, _context: Any, /) -> None:
        """Check that the test part lies after training."""
        last = _time(self.last_train_time, "split.last_train_time")
        first = _time(self.first_test_time, "split.first_test_time")
        if not last < first:
            raise ConfigError(
                f"the test part must begin after the last training bar; it begins at "
                f"{self.first_test_time} and training ends at {self.last_train_time}.",
                field="split.first_test_time",
            )

    def first_test_ns(self) -> int:
        """Return `first_test_time` in UTC nanoseconds."""
        moment = _time(self.first_test_time, "split.first_test_time")
        return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1_000


class CardContent(FrozenConfig):
    """What a producer states about a model; `ModelRegistry.register` makes a `ModelCard` of it.

    Mappings are those of the rooms' own configurations: `feature_set` of `FeatureSetConfig`,
    `model` of the model's configuration with its registered name under ``type``,
    `decision_policy` of `DecisionPolicy`, `standardizer` of `Standardizer` (None if no input is
    raw), `evidence` of `Verdict` (None if nobody judged).
    """

    schema_version: Literal[1] = 1
    name: str
    symbol: str
    timeframe: str
    run_id: str
    config_id: str
    dataset_id: str
    is_synthetic: bool
    feature_set: dict[str, Any]
    feature_names: tuple[str, ...] = Field(min_length=1)
    standardizer: dict[str, Any] | None
    model: dict[str, Any]
    decision_policy: dict[str, Any]
    labels: dict[str, Any]
    split: SplitFacts
    evidence: dict[str, Any] | None

    def model_post_init(self, _context: Any, /) -> None:
        """Check the name and the feature list."""
        check_name(self.name, field="name")
        twice = {n for n in self.feature_names if self.feature_names.count(n) > 1}
        if twice:
            raise ConfigError(
                f"feature names must differ; repeated: {', '.join(sorted(twice))}.",
                field="feature_names",
            )
        if not self.is_synthetic and self.evidence and self.evidence.get("is_synthetic"):
            raise ConfigError(
                "the evidence was won on synthetic bars and the card says real data.",
                code="REGISTRY-Synthetic",
                field="is_synthetic",
                suggestion="Synthetic stays synthetic: set `is_synthetic`.",
            )


class ModelCard(CardContent):
    """A stored model. `card_id` is the name and 12 hex digits of content and weights."""

    card_id: str
    weights_sha256: str
    gate_reports: tuple[GateReport, ...]
    code_version: str
    created_at: str


def card_id_of(content: CardContent, weights_sha256: str) -> str:
    """Return the id that this content with these weights has."""
    identity = {name: getattr(content, name) for name in CardContent.model_fields}
    identity["split"] = content.split.to_mapping()
    return f"{content.name}-{content_id({'content': identity, 'weights': weights_sha256})[:12]}"


def weights_bytes(weights: Weights) -> bytes:
    """Return the safetensors file of `weights`; the same tensors give the same bytes.

    Raises
    ------
    ConfigError if there is no tensor or one holds NaN or infinity.
    """
    from safetensors.numpy import save

    if not weights:
        raise ConfigError("a model without weights cannot be registered.", field="weights")
    tensors = {name: np.ascontiguousarray(weights[name]) for name in sorted(weights)}
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ConfigError(
                f"tensor {name!r} holds NaN or infinity; such a model cannot be served.",
                field="weights",
            )
    return bytes(save(tensors))


def write_card(folder: Path, card: ModelCard, payload: bytes) -> None:
    """Write the folder, whole or not at all; files are read-only afterwards."""
    with atomic_folder(folder) as scratch:
        atomic_write(scratch / WEIGHTS_FILE, payload)
        write_json(scratch / CARD_FILE, card.to_mapping())
        hashes = {name: file_sha256(scratch / name) for name in (CARD_FILE, WEIGHTS_FILE)}
        write_json(scratch / FILES_FILE, {"schema_version": 1, "sha256": hashes})
        for path in scratch.iterdir():
            path.chmod(0o444)


def folder_sha256(folder: Path) -> str:
    """Return the SHA-256 of the folder's list of hashes, which stands for all its files."""
    return file_sha256(folder / FILES_FILE)


def verify_card(folder: Path, *, folder_hash: str | None = None) -> None:
    """Check every file against its recorded hash, and the list against `folder_hash` if given.

    Raises
    ------
    IntegrityError (``REGISTRY-Altered``) naming the file that is altered, missing or unknown.
    """
    listed = read_json(folder / FILES_FILE)
    if folder_hash is not None and folder_sha256(folder) != folder_hash:
        raise _altered(folder, FILES_FILE, "is not the one that was promoted")
    hashes = listed.get("sha256") if isinstance(listed, dict) else None
    if not isinstance(hashes, dict) or set(hashes) != {CARD_FILE, WEIGHTS_FILE}:
        raise _altered(folder, FILES_FILE, "does not list the card and its weights")
    for path in sorted(folder.iterdir()):
        if path.name not in hashes and path.name != FILES_FILE:
            raise _altered(folder, path.name, "does not belong to the card")
    for name, expected in hashes.items():
        if not (folder / name).is_file():
            raise _altered(folder, name, "is missing")
        if file_sha256(folder / name) != expected:
            raise _altered(folder, name, "was altered after it was stored")


def read_card(folder: Path, *, folder_hash: str | None = None) -> tuple[ModelCard, Weights]:
    """Return card and weights of a verified folder; errors as `verify_card`."""
    from safetensors.numpy import load_file

    verify_card(folder, folder_hash=folder_hash)
    card = ModelCard.from_mapping(read_json(folder / CARD_FILE), source=str(folder / CARD_FILE))
    if card.card_id != folder.name or card_id_of(card, card.weights_sha256) != card.card_id:
        raise _altered(folder, CARD_FILE, "does not belong to this folder")
    if file_sha256(folder / WEIGHTS_FILE) != card.weights_sha256:
        raise _altered(folder, WEIGHTS_FILE, "is not the one that the card names")
    weights: Weights = load_file(folder / WEIGHTS_FILE)
    return card, weights


def _altered(folder: Path, name: str, what: str) -> IntegrityError:
    return IntegrityError(
        f"card {folder.name}: {name} {what}.",
        code="REGISTRY-Altered",
        suggestion="Restore the folder from a backup, or train and register the model again.",
        details={"card": folder.name, "file": name},
    )


def _time(text: str, field: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"a time in ISO 8601 is needed; received {text!r}.", field=field
        ) from None
    return require_utc(moment, field=field)
