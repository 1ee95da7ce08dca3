"""Manifest schema v1 of the scaling lab: append-only lists of files with their MD5.

``data/raw/manifest.json`` and ``data/processed/manifest.json`` hold
``{"schema_version": 1, "entries": [...]}``. Ours adds `sha256` to an entry; files without it, of
the lab's own scripts, stay readable.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from marketlab.core import (
    Clock,
    ConfigError,
    ConflictError,
    DataNotAvailableError,
    FileLock,
    FrozenConfig,
    IntegrityError,
    MarketLabError,
    SystemClock,
    inside,
    write_json,
)
from marketlab.data._file_entries import (
    ProcessedEntry,
    ProcessedManifest,
    RawEntry,
    RawManifest,
    read_manifest,
    stamp_of,
)

FILE_MANIFEST = "manifest.json"
_STAGES: tuple[Literal["raw", "processed"], ...] = ("raw", "processed")
_TABLES = frozenset({".parquet", ".csv"})
_JOURNAL = "journal.sqlite"
_NO_RAW = RawManifest(schema_version=1, entries=())
_NO_PROCESSED = ProcessedManifest(schema_version=1, entries=())


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
        return read_manifest(RawManifest, self.root / "raw" / FILE_MANIFEST)

    def processed(self) -> ProcessedManifest:
        """Return the manifest of derived files; errors as in `raw`."""
        return read_manifest(ProcessedManifest, self.root / "processed" / FILE_MANIFEST)

    def register_raw(self, dataset: str, path: str) -> RawEntry:
        """Append the raw file `path` (relative to the data folder) and return its entry.

        Raises
        ------
        ConflictError (``DATA-FileReplaced``) if other bytes are registered under that path;
        DataNotAvailableError if there is no such file; ConfigError for a path outside ``raw``.
        """
        _check_stage(path, "raw")
        with FileLock(self.root / ".manifest.lock"):
            known = self._known_raw()
            md5, sha256 = self._hashes(path, known.entries)
            entry = RawEntry(
                dataset=dataset, path=path, md5=md5, downloaded_at=self._now(), sha256=sha256
            )
            made = RawManifest(schema_version=1, entries=(*known.entries, entry))
            write_json(self.root / "raw" / FILE_MANIFEST, made.to_mapping())
        return entry

    def register_processed(
        self, dataset: str, path: str, *, version: int, tier: str, sources: tuple[str, ...]
    ) -> ProcessedEntry:
        """Append the derived file `path`, made of the raw files `sources`.

        A source is the MD5 of a raw file, or its registered path for the latest one there.

        Raises
        ------
        As in `register_raw` (for ``processed``); ConflictError (``DATA-UnknownSource``) for a
        source that no raw entry has, (``DATA-VersionTaken``) for a version of the same dataset
        and tier that is registered with other bytes.
        """
        _check_stage(path, "processed")
        with FileLock(self.root / ".manifest.lock"):
            md5s = _source_md5s(self._known_raw(), sources)
            target = self.root / "processed" / FILE_MANIFEST
            known = self.processed() if target.is_file() else _NO_PROCESSED
            md5, sha256 = self._hashes(path, known.entries)
            entry = ProcessedEntry(
                dataset=dataset,
                version=version,
                tier=tier,
                path=path,
                md5=md5,
                generated_at=self._now(),
                source_raw_md5s=md5s,
                sha256=sha256,
            )
            _check_version(entry, known)
            write_json(
                target,
                ProcessedManifest(schema_version=1, entries=(*known.entries, entry)).to_mapping(),
            )
        return entry

    def described(self) -> frozenset[Path]:
        """Return the files, with the manifests themselves, that the manifests speak of.

        Of a manifest that is no valid one, `verify` tells; here it speaks of every table of its
        stage that is nobody else's.
        """
        found: set[Path] = set()
        for stage in _STAGES:
            path = self.root / stage / FILE_MANIFEST
            if not path.is_file():
                continue
            try:
                entries = (self.raw() if stage == "raw" else self.processed()).entries
                found |= {path, *(self.root / entry.path for entry in entries)}
            except IntegrityError:
                found |= {path, *self._tables(stage)}
        return frozenset(found)

    def latest(self) -> tuple[RawEntry | ProcessedEntry, ...]:
        """Return the latest entry of every registered path, raw files first; errors as in `raw`.

        An absent manifest has no entries.
        """
        found: dict[str, RawEntry | ProcessedEntry] = {}
        for stage in _STAGES:
            if (self.root / stage / FILE_MANIFEST).is_file():
                entries = (self.raw() if stage == "raw" else self.processed()).entries
                found |= {entry.path: entry for entry in sorted(entries, key=stamp_of)}
        return tuple(found.values())

    def checked(self, entry: RawEntry | ProcessedEntry) -> Path:
        """Return the file of an entry.

        Raises
        ------
        IntegrityError (``INTEGRITY-FileAltered``) if it is missing or not the one registered.
        """
        for finding in self._check(entry):
            raise IntegrityError(
                finding.message,
                code="INTEGRITY-FileAltered",
                field="path",
                value=entry.path,
                suggestion="Restore the file; `marketlab data verify` lists all such files.",
            )
        return inside(self.root, entry.path)

    def verify(self) -> list[FileFinding]:
        """Hash every registered file and return what is missing, altered, orphaned or stale.

        The latest entry of a path counts. A derived file is stale if a source has no raw entry, or
        is no longer the latest of its dataset. A manifest may be absent only where no file lies
        that it should describe: tables (``.parquet``, ``.csv``) that are neither in a dataset of
        the catalog nor in the folder of a fetch.
        """
        findings: list[FileFinding] = []
        for stage in _STAGES:
            path = self.root / stage / FILE_MANIFEST
            entries: tuple[RawEntry | ProcessedEntry, ...] = ()
            try:
                entries = (self.raw() if stage == "raw" else self.processed()).entries
            except DataNotAvailableError as error:
                stray = list(self._tables(stage))
                if stray:
                    text = f"{error.message[:-1]}, which should describe {stray[0]}."
                    findings.append(FileFinding(kind="missing", path=str(path), message=text))
            except MarketLabError as error:
                findings.append(FileFinding(kind="altered", path=str(path), message=error.message))
                continue
            latest = {entry.path: entry for entry in sorted(entries, key=stamp_of)}
            findings += [f for entry in latest.values() for f in self._check(entry)]
            findings += self._orphans(stage, set(latest))
        if not any(f.kind == "altered" and f.path.endswith(FILE_MANIFEST) for f in findings):
            findings += self._stale()
        return findings

    def _check(self, entry: RawEntry | ProcessedEntry) -> list[FileFinding]:
        try:
            path = inside(self.root, entry.path)
        except ConfigError as error:  # a link that leads out of the data folder
            return [FileFinding(kind="altered", path=entry.path, message=error.message)]
        if not path.is_file():
            text = f"{path} is registered and missing."
            return [FileFinding(kind="missing", path=entry.path, message=text)]
        md5, sha256 = _hash(path)
        if md5 == entry.md5 and entry.sha256 in {None, sha256}:
            return []
        text = f"{path} has MD5 {md5}, not {entry.md5}."
        return [FileFinding(kind="altered", path=entry.path, message=text)]

    def _orphans(self, stage: str, known: set[str]) -> list[FileFinding]:
        return [
            FileFinding(kind="orphan", path=name, message=f"{path} is in no manifest.")
            for path in self._tables(stage)
            if (name := path.relative_to(self.root).as_posix()) not in known
        ]

    def _tables(self, stage: str) -> Iterator[Path]:
        """Yield the files of a stage that its manifest should describe."""
        top = self.root / stage
        for path in sorted(top.rglob("*")):
            inner = path.relative_to(top).parts
            # Folders with a manifest or journal of their own belong to the catalog or a fetch.
            owned = any(
                (folder / name).is_file()
                for folder in path.parents
                if top in folder.parents
                for name in (FILE_MANIFEST, _JOURNAL)
            )
            hidden = any(part.startswith(".") for part in inner)
            if path.is_file() and path.suffix in _TABLES and not hidden and not owned:
                yield path

    def _stale(self) -> list[FileFinding]:
        raw = sorted(self._known_raw().entries, key=stamp_of)
        dataset = {entry.md5: entry.dataset for entry in raw}
        latest = {entry.dataset: entry.md5 for entry in raw}
        found = []
        target = self.root / "processed" / FILE_MANIFEST
        known = self.processed().entries if target.is_file() else ()
        current = {e.path: e for e in sorted(known, key=stamp_of)}
        for entry in current.values():
            for md5 in entry.source_raw_md5s:
                if latest.get(dataset.get(md5, "")) != md5:
                    why = "replaced by a newer file" if md5 in dataset else "in no raw entry"
                    text = f"{entry.path} was made from the raw file with MD5 {md5}, {why}."
                    found.append(FileFinding(kind="stale", path=entry.path, message=text))
        return found

    def _known_raw(self) -> RawManifest:
        return self.raw() if (self.root / "raw" / FILE_MANIFEST).is_file() else _NO_RAW

    def _hashes(
        self, path: str, known: tuple[RawEntry, ...] | tuple[ProcessedEntry, ...]
    ) -> tuple[str, str]:
        file = inside(self.root, path)
        if not file.is_file():
            raise DataNotAvailableError(f"there is no file {file}.", field="path", value=path)
        md5, sha256 = _hash(file)
        held = next(
            (e.md5 for e in sorted(known, key=stamp_of, reverse=True) if e.path == path), md5
        )
        if held != md5:
            raise ConflictError(
                f"{path} is registered with the MD5 {held}, and the file has {md5}.",
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


def _check_stage(path: str, stage: str) -> None:
    parts = PurePosixPath(path).parts
    if len(parts) < 2 or parts[0] != stage or ".." in parts:
        raise ConfigError(
            f"{path} does not lie in the folder {stage} of the data folder.",
            code="CONFIG-WrongFolder",
            field="path",
            value=path,
            suggestion=f"Put the file there and name it relative to the data folder: {stage}/….",
        )


def _source_md5s(raw: RawManifest, sources: tuple[str, ...]) -> tuple[str, ...]:
    by_path = {e.path: e.md5 for e in sorted(raw.entries, key=stamp_of)}
    md5s = {e.md5 for e in raw.entries}
    found = tuple(by_path.get(source, source) for source in sources)
    for md5 in found:
        if md5 not in md5s:
            raise ConflictError(
                f"no raw file with the MD5 {md5} is registered, nor one with that path.",
                code="DATA-UnknownSource",
                field="sources",
                value=md5,
                suggestion=f"Register the raw file first; known: {', '.join(by_path) or 'none'}.",
            )
    return found


def _check_version(entry: ProcessedEntry, known: ProcessedManifest) -> None:
    for held in known.entries:
        same = (held.dataset, held.version, held.tier) == (entry.dataset, entry.version, entry.tier)
        if same and held.md5 != entry.md5:
            raise ConflictError(
                f"version {entry.version} of {entry.dataset} (tier {entry.tier}) is registered as "
                f"{held.path} with the MD5 {held.md5}; {entry.path} has {entry.md5}.",
                code="DATA-VersionTaken",
                field="version",
                value=entry.version,
                suggestion="A version never changes: give the new file the next number.",
            )
