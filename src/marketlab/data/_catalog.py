"""Stored bars: one immutable folder per version, found by symbol and timeframe.

A folder ``<symbol>_<timeframe>_<first 12 digits of the id>`` holds ``bars.parquet`` and, written
last, ``manifest.json``. The files are the whole truth; nothing here needs a database.

How a change is noticed at the speed of the disk: the manifest holds the hash of the Parquet file,
and the file's footer holds a seal, the manifest's facts with the dataset's id, written by the
process that had the bars in its hands. File hash and seal together tie bars and manifest to each
other, so the id need not be computed again; files without a seal (of earlier versions) get their
bars hashed on every load. See `_catalog_file.py` and `_stamp.py` for when a file is hashed.
"""

import builtins
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Literal, TypeAlias

from marketlab.core import (
    Clock,
    ConflictError,
    DataNotAvailableError,
    FileLock,
    FrozenConfig,
    IntegrityError,
    MarketLabError,
    NotFoundError,
    SystemClock,
    atomic_folder,
    file_sha256,
    from_mapping,
    iso,
    read_json,
    storage_error,
    write_json,
)
from marketlab.data._bars import BarFrame
from marketlab.data._catalog_file import (
    forget,
    read_stored,
    seal_problem,
    stamp_new,
    write_sealed,
)
from marketlab.data._fill import FILLED
from marketlab.data._lineage import parents_of
from marketlab.data._stamp import STAMP

_MANIFEST = "manifest.json"
_BARS = "bars.parquet"
_LOCK = ".catalog.lock"
_SHORTEST_PREFIX = 8
_SEALED = (
    *("dataset_id", "symbol", "timeframe", "source", "provenance", "licence"),
    *("n_bars", "first_time", "last_time", "is_synthetic", "has_volume", "metadata"),
)


class Manifest(FrozenConfig):
    """What one stored dataset is; times are ISO 8601, UTC; first and last are bar opens."""

    schema_version: Literal[1] = 1
    dataset_id: str
    symbol: str
    timeframe: str
    source: str
    provenance: str
    licence: str
    n_bars: int
    first_time: str
    last_time: str
    is_synthetic: bool
    has_volume: bool
    file_sha256: str
    added_at: str
    metadata: dict[str, Any]

    @property
    def folder(self) -> str:
        """Name of the dataset's folder in the catalog."""
        return f"{self.symbol}_{self.timeframe}_{self.dataset_id[:12]}"


class CatalogFinding(FrozenConfig):
    """Something in the catalog's folder that is not as it was stored."""

    kind: Literal["missing", "altered", "orphan", "stale"]
    path: str
    message: str


Manifests: TypeAlias = list[Manifest]
CatalogFindings: TypeAlias = list[CatalogFinding]


class Catalog:
    """The datasets under `root` (in a workspace: ``data/processed``).

    Safe for several processes: writers hold a file lock, readers see whole folders only. A stored
    dataset is never overwritten.
    """

    def __init__(self, root: Path, *, clock: Clock | None = None) -> None:
        self.root = root
        self._clock = clock or SystemClock()

    def add(self, bars: BarFrame) -> str:
        """Store `bars` and return their id; bars that are stored already are left as they are.

        Raises
        ------
        ConflictError if the same content is stored with another `is_synthetic`;
        IntegrityError if the folder is taken by something else, or the disk is full
        (``STORAGE-Full``) or cannot be written.
        """
        folder = self.root / f"{bars.symbol}_{bars.timeframe}_{bars.dataset_id[:12]}"
        try:
            with FileLock(self.root / _LOCK):
                stored = {m.dataset_id: m for m in self.list()}.get(bars.dataset_id)
                if stored is not None:
                    _check_same_kind(stored, bars)
                    return stored.dataset_id
                with atomic_folder(folder) as scratch:
                    self._write(bars, scratch)
        except OSError as error:
            raise storage_error(error, folder / _BARS) from error
        return bars.dataset_id

    def _write(self, bars: BarFrame, scratch: Path) -> None:
        write_sealed(bars, scratch / _BARS, _facts(self._manifest(bars, "")))
        manifest = self._manifest(bars, file_sha256(scratch / _BARS))
        stamp_new(scratch / _BARS, manifest.file_sha256)
        write_json(scratch / _MANIFEST, manifest.to_mapping())

    def load(self, dataset_id: str) -> BarFrame:
        """Return a stored dataset by its id, or by a prefix of it of 8 digits or more.

        The file and its seal are checked against the manifest. A file is hashed once, and again
        whenever its size, place or time of change differ; a stamp beside it (``.bars.stamp``)
        carries that to later processes.

        Raises
        ------
        NotFoundError if no dataset has the id, or several have the prefix;
        IntegrityError (``INTEGRITY-DatasetAltered``) if a file is not the one stored.
        """
        return self._load(self._by_id(dataset_id))

    def _load(self, manifest: Manifest) -> BarFrame:
        path = self.root / manifest.folder / _BARS
        if not path.is_file():
            raise _altered(f"{path} is missing.")
        frame, found = read_stored(path)
        self._check_file(path, manifest, found)
        if frame is None:
            raise _altered(f"{path} cannot be read.")
        return BarFrame(
            frame=frame,
            symbol=manifest.symbol,
            timeframe=manifest.timeframe,
            source=manifest.source,
            dataset_id=manifest.dataset_id,
            is_synthetic=manifest.is_synthetic,
            has_volume=manifest.has_volume,
            provenance=manifest.provenance,
            licence=manifest.licence,
            metadata=manifest.metadata,
        )

    def _check_file(self, path: Path, manifest: Manifest, found: str) -> None:
        """Raise unless the file, with SHA-256 `found`, is the one that the manifest describes."""
        if found != manifest.file_sha256:
            raise _altered(f"{path} has SHA-256 {found}, not {manifest.file_sha256}.")
        problem = seal_problem(path, _facts(manifest))
        if problem is not None:
            raise _altered(f"{path} {problem}")

    def find(self, symbol: str, timeframe: str) -> BarFrame:
        """Return the dataset to use for a symbol and timeframe: the first of `candidates`.

        Raises
        ------
        DataNotAvailableError (``No data for EURUSD 1h …``) with what is stored instead;
        IntegrityError as in `load`.
        """
        found = self.candidates(symbol, timeframe)
        if not found:
            have = sorted({f"{m.symbol} {m.timeframe}" for m in self.list()})
            raise DataNotAvailableError(
                f"No data for {symbol} {timeframe} in {self.root}; stored are: "
                f"{', '.join(have) or 'no datasets at all'}.",
                field="symbol",
                suggestion="Add it with `marketlab data`, or ask for one of those stored.",
            )
        return self._load(found[0])

    def candidates(self, symbol: str, timeframe: str) -> Manifests:
        """Return the datasets of a symbol and timeframe in their order of preference.

        Real bars come before synthetic ones, and among each those as they came before those with
        filled gaps, which must be asked for by id. Then the newest added comes first, and of two
        added at the same moment the one with the greater id.
        """
        found = [m for m in self.list() if (m.symbol, m.timeframe) == (symbol, timeframe)]
        found.sort(key=lambda m: (m.added_at, m.dataset_id), reverse=True)
        return sorted(found, key=lambda m: (m.is_synthetic, FILLED in m.metadata))

    def list(self) -> Manifests:
        """Return all manifests, by symbol, timeframe and time of adding.

        Raises
        ------
        IntegrityError if a manifest cannot be read.
        """
        # A hidden folder is what a writer was killed in, just before it got its name.
        paths = (p for p in self.root.glob(f"*/{_MANIFEST}") if not p.parent.name.startswith("."))
        manifests = [_read_manifest(path) for path in sorted(paths)]
        key = ("symbol", "timeframe", "added_at", "dataset_id")
        return sorted(manifests, key=lambda m: tuple(str(getattr(m, name)) for name in key))

    def verify(self, *, described: Collection[Path] = ()) -> CatalogFindings:
        """Hash every file, stamped or not; return what is missing, altered, stale or stray.

        A dataset is stale if one that it was made from is gone, or has been replaced: a newer one
        of the same symbol, timeframe and source is stored. `described` are files in the catalog's
        folder that others keep account of (`FileManifests`); they, and the folders that hold
        them, are left out.
        """
        others = {folder for path in described for folder in (path, *path.parents)}
        findings: CatalogFindings = []
        for path in sorted(self.root.iterdir()) if self.root.is_dir() else []:
            if path.name != _LOCK and path not in others:
                findings += self._verify_entry(path)
        return findings + self._stale()

    def why_stale(self, parents: Iterable[str]) -> builtins.list[str]:
        """Return in words which of the datasets `parents` are gone or have been replaced.

        For what was made from them and is kept elsewhere, such as tables of features; an empty
        list means that all of them are stored and the newest of their series.

        Raises
        ------
        IntegrityError as in `list`.
        """
        known, newest = self._versions()
        return [text for parent in parents if (text := _why_stale(parent, known, newest))]

    def _versions(self) -> tuple[dict[str, Manifest], dict[tuple[str, ...], Manifest]]:
        """Return the stored datasets by id, and the newest of each series."""
        known = {m.dataset_id: m for m in self.list()}
        by_age = sorted(known.values(), key=lambda m: (m.added_at, m.dataset_id))
        return known, {_series(m): m for m in by_age}

    def _stale(self) -> CatalogFindings:
        try:
            known, newest = self._versions()
        except IntegrityError:
            return []  # the manifest that cannot be read is a finding already
        return [
            _finding("stale", self.root / m.folder, text)
            for m in known.values()
            for parent in parents_of(m.metadata)
            if (text := _why_stale(parent, known, newest))
        ]

    def _verify_entry(self, path: Path) -> CatalogFindings:
        if path.name.startswith("."):
            return [_finding("orphan", path, "was left by a stopped run and may be deleted.")]
        if not (path / _MANIFEST).is_file():
            text = "is no dataset, and holds nothing that a manifest of files registers."
            return [_finding("orphan", path, text)]
        findings = [
            _finding("orphan", extra, "belongs to no dataset.")
            for extra in sorted(path.iterdir())
            if extra.name not in {_MANIFEST, _BARS, STAMP}
        ]
        try:
            manifest = _read_manifest(path / _MANIFEST)
        except MarketLabError as error:
            text = error.message.removeprefix(f"{path / _MANIFEST} ")
            return [*findings, _finding("altered", path / _MANIFEST, text)]
        if not (path / _BARS).is_file():
            return [*findings, _finding("missing", path / _BARS, "is missing.")]
        if manifest.folder != path.name:
            text = f"is the manifest of {manifest.folder}, not of {path.name}."
            return [*findings, _finding("altered", path / _MANIFEST, text)]
        try:
            self._check_file(path / _BARS, manifest, file_sha256(path / _BARS))
        except MarketLabError as error:
            forget(path / _BARS)
            findings.append(_finding("altered", path / _BARS, error.message))
        return findings

    def _by_id(self, dataset_id: str) -> Manifest:
        known = self.list()
        found = [m for m in known if m.dataset_id.startswith(dataset_id)]
        if len(found) == 1 and len(dataset_id) >= _SHORTEST_PREFIX:
            return found[0]
        what = "several datasets" if len(found) > 1 else "no dataset"
        rule = f"; give {_SHORTEST_PREFIX} digits or more" if found else ""
        raise NotFoundError(
            f"{what} with the id {dataset_id!r} in {self.root}{rule}.",
            code="DATA-UnknownDataset",
            field="dataset_id",
            value=dataset_id,
            suggestion=f"Known: {', '.join(m.dataset_id[:12] for m in known) or 'none'}.",
        )

    def _manifest(self, bars: BarFrame, sha256: str) -> Manifest:
        return Manifest(
            dataset_id=bars.dataset_id,
            symbol=bars.symbol,
            timeframe=bars.timeframe,
            source=bars.source,
            provenance=bars.provenance,
            licence=bars.licence,
            n_bars=bars.n_bars,
            first_time=iso(bars.times(0)) or "",
            last_time=iso(bars.times(-1)) or "",
            is_synthetic=bars.is_synthetic,
            has_volume=bars.has_volume,
            file_sha256=sha256,
            added_at=self._clock.now().isoformat(timespec="microseconds").replace("+00:00", "Z"),
            metadata=bars.metadata,
        )


def _series(m: Manifest) -> tuple[str, ...]:
    return (m.symbol, m.timeframe, m.source, str(m.is_synthetic))


def _why_stale(
    parent: str, known: dict[str, Manifest], newest: dict[tuple[str, ...], Manifest]
) -> str | None:
    held = known.get(parent)
    if held is None:
        return f"was made from {parent}, which is not stored any more."
    newer = newest[_series(held)]
    if newer is held:
        return None
    return f"was made from {parent}, which {newer.dataset_id} has replaced."


def _check_same_kind(stored: Manifest, bars: BarFrame) -> None:
    if stored.is_synthetic != bars.is_synthetic:
        kinds = {True: "synthetic", False: "real"}
        raise ConflictError(
            f"the same bars are stored as {kinds[stored.is_synthetic]} and now come as "
            f"{kinds[bars.is_synthetic]}: {stored.dataset_id}.",
            code="DATA-SyntheticFlagConflict",
            field="is_synthetic",
            suggestion="Synthetic stays synthetic; find out where the file comes from.",
        )


def _read_manifest(path: Path) -> Manifest:
    try:
        return from_mapping(Manifest, read_json(path), source=str(path))
    except (MarketLabError, TypeError, ValueError) as error:
        field = getattr(error, "field", None)
        raise IntegrityError(
            f"{path} is no valid manifest{f' at {field}' if field else ''}: "
            f"{getattr(error, 'message', str(error)).removeprefix(f'{path}: ')}",
            code="INTEGRITY-DatasetAltered",
            field=field,
            value=getattr(error, "value", None),
            suggestion="Restore the file, or delete the dataset's folder and add it again.",
        ) from error


def _facts(manifest: Manifest) -> dict[str, Any]:
    """Return what a manifest says about the bars themselves: what the file's seal repeats."""
    return {name: getattr(manifest, name) for name in _SEALED}


def _altered(problem: str) -> IntegrityError:
    return IntegrityError(
        f"the stored dataset is not the one its manifest describes: {problem}",
        code="INTEGRITY-DatasetAltered",
        suggestion="Delete its folder and add the dataset again.",
    )


def _finding(
    kind: Literal["missing", "altered", "orphan", "stale"], path: Path, text: str
) -> CatalogFinding:
    return CatalogFinding(kind=kind, path=str(path), message=f"{path} {text}")
