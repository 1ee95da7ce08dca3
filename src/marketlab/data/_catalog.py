"""Stored bars: one immutable folder per version, found by symbol and timeframe.

A folder ``<symbol>_<timeframe>_<first 12 digits of the id>`` holds ``bars.parquet`` and, written
last, ``manifest.json``. The files are the whole truth; nothing here needs a database.
"""

from pathlib import Path
from typing import Any, Literal, TypeAlias

import polars as pl

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

_MANIFEST = "manifest.json"
_BARS = "bars.parquet"
_LOCK = ".catalog.lock"
_SHORTEST_PREFIX = 8


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

    kind: Literal["missing", "altered", "orphan"]
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
        IntegrityError if the folder is taken by something else, or the disk is full.
        """
        with FileLock(self.root / _LOCK):
            stored = {m.dataset_id: m for m in self.list()}.get(bars.dataset_id)
            if stored is not None:
                _check_same_kind(stored, bars)
                return stored.dataset_id
            folder = self.root / f"{bars.symbol}_{bars.timeframe}_{bars.dataset_id[:12]}"
            with atomic_folder(folder) as scratch:
                try:
                    bars.frame.write_parquet(scratch / _BARS, compression="zstd")
                except OSError as error:
                    raise storage_error(error, folder / _BARS) from error
                manifest = self._manifest(bars, file_sha256(scratch / _BARS))
                write_json(scratch / _MANIFEST, manifest.to_mapping())
        return bars.dataset_id

    def load(self, dataset_id: str) -> BarFrame:
        """Return a stored dataset by its id, or by a prefix of it of 8 digits or more.

        The file and the content are checked against the manifest on every load.

        Raises
        ------
        NotFoundError if no dataset has the id, or several have the prefix;
        IntegrityError (``INTEGRITY-DatasetAltered``) if a file is not the one stored.
        """
        return self._load(self._by_id(dataset_id))

    def _load(self, manifest: Manifest) -> BarFrame:
        path = self.root / manifest.folder / _BARS
        problem = _file_problem(path, manifest)
        if problem is not None:
            raise _altered(problem)
        bars = BarFrame.build(
            pl.read_parquet(path),
            symbol=manifest.symbol,
            timeframe=manifest.timeframe,
            source=manifest.source,
            provenance=manifest.provenance,
            licence=manifest.licence,
            is_synthetic=manifest.is_synthetic,
            has_volume=manifest.has_volume,
            metadata=manifest.metadata,
        )
        if bars.dataset_id != manifest.dataset_id:
            raise _altered(f"{path} holds the bars {bars.dataset_id}, not {manifest.dataset_id}.")
        return bars

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

        Real bars come before synthetic ones; among each, the newest added comes first, and of
        two added at the same moment the one with the greater id.
        """
        found = [m for m in self.list() if (m.symbol, m.timeframe) == (symbol, timeframe)]
        found.sort(key=lambda m: (m.added_at, m.dataset_id), reverse=True)
        return sorted(found, key=lambda m: m.is_synthetic)

    def list(self) -> Manifests:
        """Return all manifests, by symbol, timeframe and time of adding.

        Raises
        ------
        IntegrityError if a manifest cannot be read.
        """
        manifests = [_read_manifest(path) for path in sorted(self.root.glob(f"*/{_MANIFEST}"))]
        key = ("symbol", "timeframe", "added_at", "dataset_id")
        return sorted(manifests, key=lambda m: tuple(str(getattr(m, name)) for name in key))

    def verify(self) -> CatalogFindings:
        """Read every file and return what is missing, altered, or stored by nobody."""
        findings: CatalogFindings = []
        for path in sorted(self.root.iterdir()) if self.root.is_dir() else []:
            if path.name != _LOCK:
                findings += self._verify_entry(path)
        return findings

    def _verify_entry(self, path: Path) -> CatalogFindings:
        if not (path / _MANIFEST).is_file():
            text = (
                "is no dataset: it has no manifest.json; left by a stopped run, it may be deleted."
            )
            return [_finding("orphan", path, text)]
        findings = [
            _finding("orphan", extra, "belongs to no dataset.")
            for extra in sorted(path.iterdir())
            if extra.name not in {_MANIFEST, _BARS}
        ]
        try:
            manifest = _read_manifest(path / _MANIFEST)
        except MarketLabError as error:
            return [*findings, _finding("altered", path / _MANIFEST, error.message)]
        if not (path / _BARS).is_file():
            return [*findings, _finding("missing", path / _BARS, "is missing.")]
        if manifest.folder != path.name:
            text = f"is the manifest of {manifest.folder}, not of {path.name}."
            return [*findings, _finding("altered", path / _MANIFEST, text)]
        try:
            self._load(manifest)
        except MarketLabError as error:
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
        raise IntegrityError(
            f"{path} is no valid manifest: {error}",
            code="INTEGRITY-DatasetAltered",
            suggestion="Restore the file, or delete the dataset's folder and add it again.",
        ) from error


def _file_problem(path: Path, manifest: Manifest) -> str | None:
    if not path.is_file():
        return f"{path} is missing."
    found = file_sha256(path)
    if found != manifest.file_sha256:
        return f"{path} has SHA-256 {found}, not {manifest.file_sha256}."
    return None


def _altered(problem: str) -> IntegrityError:
    return IntegrityError(
        f"the stored dataset is not the one its manifest describes: {problem}",
        code="INTEGRITY-DatasetAltered",
        suggestion="Delete its folder and add the dataset again.",
    )


def _finding(
    kind: Literal["missing", "altered", "orphan"], path: Path, text: str
) -> CatalogFinding:
    return CatalogFinding(kind=kind, path=str(path), message=f"{path} {text}")
