"""Manifest schema v1 of the scaling lab: append-only lists of files with their MD5.

``data/raw/manifest.json`` and ``data/processed/manifest.json`` hold
``{"schema_version": 1, "entries": [...]}``. Ours adds `sha256` to an entry; files without it, of
the lab's own scripts, stay readable.
"""

import hashlib
from pathlib import Path
from typing import Literal, TypeVar

from marketlab.core import (
    Clock,
    ConflictError,
    DataNotAvailableError,
    FileLock,
    FrozenConfig,
    IntegrityError,
    MarketLabError,
    SystemClock,
    from_mapping,
    inside,
    read_json,
    write_json,
)

FILE_MANIFEST = "manifest.json"
_M = TypeVar("_M", bound=FrozenConfig)
_STAGES: tuple[Literal["raw", "processed"], ...] = ("raw", "processed")


class RawEntry(FrozenConfig):
    """One downloaded file; `path` is relative to the data folder."""

    dataset: str
    path: str
    md5: str
    downloaded_at: str
    sha256: str | None = None


class ProcessedEntry(FrozenConfig):
    """One derived file and the MD5 of every raw file that it was made from."""

    dataset: str
    version: int
    tier: str
    path: str
    md5: str
    generated_at: str
    source_raw_md5s: tuple[str, ...]
    sha256: str | None = None


class RawManifest(FrozenConfig):
    """The raw files, oldest entry first."""

    schema_version: Literal[1] = 1
    entries: tuple[RawEntry, ...] = ()


class ProcessedManifest(FrozenConfig):
    """The derived files, oldest entry first."""

    schema_version: Literal[1] = 1
    entries: tuple[ProcessedEntry, ...] = ()


class FileFinding(FrozenConfig):
    """Something that is not as the manifests say; every kind counts as a failure."""

    kind: Literal["missing", "altered", "orphan", "stale"]
    path: str
    message: str


class FileManifests:
    """Both manifests of one data folder (`root` holds ``raw`` and ``processed``)."""

    def __init__(self, root: Path, *, clock: Clock | None = None) -> None:
        self.root = root
        self._clock = clock or SystemClock()

    def raw(self) -> RawManifest:
        """Return the manifest of raw files.

        Raises
        ------
        DataNotAvailableError if there is none; IntegrityError if it is no valid one.
        """
        return _read(RawManifest, self.root / "raw" / FILE_MANIFEST)

    def processed(self) -> ProcessedManifest:
        """Return the manifest of derived files; errors as in `raw`."""
        return _read(ProcessedManifest, self.root / "processed" / FILE_MANIFEST)

    def register_raw(self, dataset: str, path: str) -> RawEntry:
        """Append the raw file `path` (relative to the data folder) and return its entry.

        Raises
        ------
        ConflictError (``DATA-FileReplaced``) if other bytes are registered under that path;
        DataNotAvailableError if there is no such file.
        """
        with FileLock(self.root / ".manifest.lock"):
            known = self._known_raw()
            md5, sha256 = self._hashes(path, {e.path: e.md5 for e in known.entries})
            entry = RawEntry(
                dataset=dataset, path=path, md5=md5, downloaded_at=self._now(), sha256=sha256
            )
            made = RawManifest(entries=(*known.entries, entry))
            write_json(self.root / "raw" / FILE_MANIFEST, made.to_mapping())
        return entry

    def register_processed(
        self, dataset: str, path: str, *, version: int, tier: str, sources: tuple[str, ...]
    ) -> ProcessedEntry:
        """Append the derived file `path`, made of the raw files with the MD5s `sources`.

        Raises
        ------
        As in `register_raw`; and ConflictError (``DATA-UnknownSource``) for an MD5 that no raw
        entry has.
        """
        with FileLock(self.root / ".manifest.lock"):
            raw = {e.md5 for e in self._known_raw().entries}
            unknown = [md5 for md5 in sources if md5 not in raw]
            if unknown:
                raise ConflictError(
                    f"no raw file with the MD5 {unknown[0]} is registered.",
                    code="DATA-UnknownSource",
                    field="sources",
                    value=unknown[0],
                    suggestion="Register the raw file first.",
                )
            target = self.root / "processed" / FILE_MANIFEST
            known = self.processed() if target.is_file() else ProcessedManifest()
            md5, sha256 = self._hashes(path, {e.path: e.md5 for e in known.entries})
            entry = ProcessedEntry(
                dataset=dataset,
                version=version,
                tier=tier,
                path=path,
                md5=md5,
                generated_at=self._now(),
                source_raw_md5s=sources,
                sha256=sha256,
            )
            write_json(target, ProcessedManifest(entries=(*known.entries, entry)).to_mapping())
        return entry

    def verify(self) -> list[FileFinding]:
        """Hash every registered file and return what is missing, altered, orphaned or stale.

        The latest entry of a path counts. A derived file is stale if a source has no raw entry, or
        is no longer the latest of its dataset. A missing manifest is a finding, too.
        """
        findings: list[FileFinding] = []
        for stage in _STAGES:
            path = self.root / stage / FILE_MANIFEST
            try:
                entries = (self.raw() if stage == "raw" else self.processed()).entries
            except DataNotAvailableError as error:
                findings.append(FileFinding(kind="missing", path=str(path), message=error.message))
                continue
            except MarketLabError as error:
                findings.append(FileFinding(kind="altered", path=str(path), message=error.message))
                continue
            latest = {entry.path: entry for entry in sorted(entries, key=_stamp)}
            findings += [f for entry in latest.values() for f in self._check(entry)]
            findings += self._orphans(stage, set(latest))
        if not any(f.path.endswith(FILE_MANIFEST) for f in findings):
            findings += self._stale()
        return findings

    def _check(self, entry: RawEntry | ProcessedEntry) -> list[FileFinding]:
        path = inside(self.root, entry.path)
        if not path.is_file():
            text = f"{path} is registered and missing."
            return [FileFinding(kind="missing", path=entry.path, message=text)]
        md5, sha256 = _hash(path)
        if md5 == entry.md5 and entry.sha256 in {None, sha256}:
            return []
        text = f"{path} has MD5 {md5}, not {entry.md5}."
        return [FileFinding(kind="altered", path=entry.path, message=text)]

    def _orphans(self, stage: str, known: set[str]) -> list[FileFinding]:
        files = sorted((self.root / stage).rglob("*.parquet"))
        names = [path.relative_to(self.root).as_posix() for path in files]
        text = "is in no manifest."
        # Folders with a manifest of their own are datasets of the catalog.
        return [
            FileFinding(kind="orphan", path=name, message=f"{path} {text}")
            for path, name in zip(files, names, strict=True)
            if name not in known and not _in_dataset(path, self.root / stage)
        ]

    def _stale(self) -> list[FileFinding]:
        raw = sorted(self.raw().entries, key=_stamp)
        dataset = {entry.md5: entry.dataset for entry in raw}
        latest = {entry.dataset: entry.md5 for entry in raw}
        found = []
        current = {e.path: e for e in sorted(self.processed().entries, key=_stamp)}
        for entry in current.values():
            for md5 in entry.source_raw_md5s:
                if latest.get(dataset.get(md5, "")) != md5:
                    why = "replaced by a newer file" if md5 in dataset else "in no raw entry"
                    text = f"{entry.path} was made from the raw file with MD5 {md5}, {why}."
                    found.append(FileFinding(kind="stale", path=entry.path, message=text))
        return found

    def _known_raw(self) -> RawManifest:
        return self.raw() if (self.root / "raw" / FILE_MANIFEST).is_file() else RawManifest()

    def _hashes(self, path: str, known: dict[str, str]) -> tuple[str, str]:
        file = inside(self.root, path)
        if not file.is_file():
            raise DataNotAvailableError(f"there is no file {file}.", field="path", value=path)
        md5, sha256 = _hash(file)
        if known.get(path, md5) != md5:
            raise ConflictError(
                f"{path} is registered with the MD5 {known[path]}, and the file has {md5}.",
                code="DATA-FileReplaced",
                field="path",
                value=path,
                suggestion="Give the new file a name of its own; a version never changes.",
            )
        return md5, sha256

    def _now(self) -> str:
        return self._clock.now().isoformat(timespec="microseconds").replace("+00:00", "Z")


def _hash(path: Path) -> tuple[str, str]:
    # MD5 is the lab's file identity, for compatibility; SHA-256 is what guards the content.
    both = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            for digest in both:
                digest.update(piece)
    return both[0].hexdigest(), both[1].hexdigest()


def _stamp(entry: RawEntry | ProcessedEntry) -> str:
    return entry.downloaded_at if isinstance(entry, RawEntry) else entry.generated_at


def _in_dataset(path: Path, stage: Path) -> bool:
    return path.parent != stage and (path.parent / FILE_MANIFEST).is_file()


def _read(kind: type[_M], path: Path) -> _M:
    if not path.is_file():
        raise DataNotAvailableError(
            f"there is no manifest {path}.", suggestion="Register a file first."
        )
    try:
        return from_mapping(kind, read_json(path), source=str(path))
    except (MarketLabError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"{path} is no valid manifest of schema version 1: {error}",
            code="INTEGRITY-ManifestAltered",
            suggestion="Restore the file from a copy; it is only ever appended to.",
        ) from error
