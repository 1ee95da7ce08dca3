"""Checkpoints: a folder that is whole or absent, verified when read, exact when resumed.

``model``, ``optimizer`` and ``best_model`` are safetensors files; ``state.json`` holds the rest
and the hash of every file. A new checkpoint is written beside the old one, which is moved aside
before the new one takes its name; if a process dies between the two, the old one is still read.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from marketlab.core import (
    Clock,
    IntegrityError,
    SystemClock,
    atomic_write,
    content_id,
    file_sha256,
    iso,
    read_json,
    storage_error,
    write_json,
)
from marketlab.models import Weights
from marketlab.training._early_stopping import StopRecord
from marketlab.training._metrics import EpochMetrics
from marketlab.training._state import TrainerState

CheckpointKind = Literal["periodic", "cancellation", "failure", "shutdown"]
FORMAT_VERSION = 1
_FILES = ("model.safetensors", "optimizer.safetensors", "best_model.safetensors")


def save_checkpoint(
    folder: Path,
    state: TrainerState,
    *,
    kind: CheckpointKind = "periodic",
    clock: Clock | None = None,
) -> None:
    """Write `state` to `folder`, in place of the checkpoint that stands there.

    Every file is whole after a killed process. A periodic one does not wait for the disk, so a
    power cut may damage it; the hashes in it then say so, and the run starts over.

    Raises
    ------
    IntegrityError (``STORAGE-Full`` or ``STORAGE-WriteFailed``); the old checkpoint stays.
    """
    from safetensors.numpy import save

    fresh, aside = _sibling(folder, "next"), _sibling(folder, "previous")
    moments = {f"moment_1.{n}": t for n, t in state.moment_1.items()}
    moments |= {f"moment_2.{n}": t for n, t in state.moment_2.items()}
    tensors: dict[str, Weights] = dict(
        zip(_FILES, (state.weights, moments, state.best_weights), strict=True)
    )
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for name, arrays in tensors.items():
            atomic_write(fresh / name, save(arrays), durable=kind != "periodic")
        content = _content(state, kind, iso((clock or SystemClock()).now()))
        content["files"] = {name: file_sha256(fresh / name) for name in _FILES}
        write_json(
            fresh / "state.json",
            {**content, "content_hash": content_id(content)},
            indent=None,
            durable=kind != "periodic",
        )
        if folder.exists():
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
        fresh.rename(folder)
    except OSError as error:
        raise storage_error(error, folder) from error
    shutil.rmtree(aside, ignore_errors=True)


def load_checkpoint(folder: Path) -> TrainerState:
    """Read and verify a checkpoint.

    Raises
    ------
    IntegrityError (``CHECKPOINT-Corrupt``) naming the file that is missing, truncated or changed.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    place = _place(folder)
    content = _read_state(place / "state.json")
    tensors: dict[str, Weights] = {}
    for name in _FILES:
        path = place / name
        if not path.is_file():
            raise _corrupt(path, "is missing")
        if file_sha256(path) != content["files"].get(name):
            raise _corrupt(path, "is not the file that was saved")
        try:
            tensors[name] = load(path.read_bytes())
        except SafetensorError as error:
            raise _corrupt(path, f"is no safetensors file ({error})") from error
    return _state(content, tensors)


def checkpoint_facts(folder: Path) -> dict[str, Any]:
    """Return ``kind``, ``saved_at``, ``epoch``, ``seed`` and hashes without reading weights.

    Raises
    ------
    IntegrityError as `load_checkpoint`.
    """
    content = _read_state(_place(folder) / "state.json")
    return {k: v for k, v in content.items() if k not in {"history", "files", "content_hash"}}


def checkpoint_exists(folder: Path) -> bool:
    """Return whether there is anything to resume from."""
    return _place(folder).is_dir()


def delete_checkpoint(folder: Path) -> None:
    """Remove a checkpoint and what an interrupted save may have left beside it."""
    for path in (folder, _sibling(folder, "next"), _sibling(folder, "previous")):
        shutil.rmtree(path, ignore_errors=True)


class Checkpointer:
    """Keeps the latest state and saves it every so many epochs or seconds, whichever is first.

    Pass `on_epoch` to `fit`; call `flush` when the run was cancelled or failed, so that the last
    finished epoch is on disk, and `delete` when it succeeded.
    """

    def __init__(
        self,
        folder: Path,
        *,
        every_epochs: int = 10,
        every_seconds: float = 300.0,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.every_epochs = every_epochs
        self.every_seconds = every_seconds
        self._seconds = seconds
        self._saved_at = seconds()
        self._saved_epoch = 0
        self._latest: TrainerState | None = None

    def on_epoch(self, _metrics: EpochMetrics, state: TrainerState) -> None:
        """Take note of `state`, and save it if one is due."""
        self._latest = state
        due = state.epoch % self.every_epochs == 0
        if due or self._seconds() - self._saved_at >= self.every_seconds:
            self.flush("periodic")

    def flush(self, kind: CheckpointKind) -> bool:
        """Save the latest state unless it is saved; return whether a checkpoint exists."""
        if self._latest is None:
            return checkpoint_exists(self.folder)
        if self._latest.epoch != self._saved_epoch or kind != "periodic":
            save_checkpoint(self.folder, self._latest, kind=kind)
            self._saved_epoch = self._latest.epoch
            self._saved_at = self._seconds()
        return True

    def delete(self) -> None:
        """Remove the checkpoint: the run has its result."""
        delete_checkpoint(self.folder)


def _place(folder: Path) -> Path:
    previous = _sibling(folder, "previous")  # it stands while its successor is put in place
    return previous if not folder.exists() and previous.exists() else folder


def _sibling(folder: Path, word: str) -> Path:
    return folder.with_name(f".{folder.name}.{word}")


def _content(state: TrainerState, kind: str, saved_at: str | None) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "saved_at": saved_at,
        "epoch": state.epoch,
        "n_steps": state.n_steps,
        "seed": state.seed,
        "backend": state.backend,
        "config_hash": state.config_hash,
        "data_hash": state.data_hash,
        "stop": asdict(state.stop),
        "history": [metrics.to_mapping() for metrics in state.history],
    }


def _read_state(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise _corrupt(path, "is missing")
    try:
        content = read_json(path)
    except IntegrityError as error:
        raise _corrupt(path, "is not whole") from error
    if not isinstance(content, dict):
        raise _corrupt(path, "is not whole")
    stated = content.pop("content_hash", None)
    if content_id(content) != stated:
        raise _corrupt(path, "is not the file that was saved")
    if content.get("format_version") != FORMAT_VERSION:
        raise _corrupt(path, f"has format version {content.get('format_version')!r}")
    return content


def _state(content: dict[str, Any], tensors: dict[str, Weights]) -> TrainerState:
    moments = tensors["optimizer.safetensors"]
    first, second = (
        {n.removeprefix(p): t for n, t in moments.items() if n.startswith(p)}
        for p in ("moment_1.", "moment_2.")
    )
    return TrainerState(
        weights=_ordered(tensors["model.safetensors"]),
        moment_1=_ordered(first),
        moment_2=_ordered(second),
        n_steps=content["n_steps"],
        epoch=content["epoch"],
        stop=StopRecord(**content["stop"]),
        best_weights=_ordered(tensors["best_model.safetensors"]),
        history=tuple(EpochMetrics.from_mapping(m) for m in content["history"]),
        seed=content["seed"],
        backend=content["backend"],
        config_hash=content["config_hash"],
        data_hash=content["data_hash"],
    )


def _ordered(tensors: Weights) -> Weights:
    """Return tensors layer by layer, weight before bias: safetensors files sort by name."""
    return {
        f"layers.{layer}.{part}": tensors[f"layers.{layer}.{part}"]
        for layer in range(len(tensors) // 2)
        for part in ("weight", "bias")
    }


def _corrupt(path: Path, what: str) -> IntegrityError:
    return IntegrityError(
        f"the checkpoint cannot be used: {path} {what}.",
        code="CHECKPOINT-Corrupt",
        suggestion=f"Delete the folder {path.parent} and start the run again from the beginning.",
    )
