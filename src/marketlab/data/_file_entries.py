"""The entries of manifest schema v1 as files hold them: checked field by field when read."""

from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field

from marketlab.core import (
    DataNotAvailableError,
    FrozenConfig,
    IntegrityError,
    MarketLabError,
    from_mapping,
    read_json,
)

_M = TypeVar("_M", bound=FrozenConfig)


def _moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


def _inner(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or len(path.parts) < 2:
        raise ValueError("must be relative to the data folder, such as raw/SPY.parquet")
    return text


_Moment = Annotated[str, AfterValidator(_moment)]
_Inner = Annotated[str, AfterValidator(_inner)]
_Md5 = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class RawEntry(FrozenConfig):
    """One downloaded file; `path` is relative to the data folder."""

    dataset: str
    path: _Inner
    md5: _Md5
    downloaded_at: _Moment
    sha256: _Sha256 | None = None


class ProcessedEntry(FrozenConfig):
    """One derived file and the MD5 of every raw file that it was made from."""

    dataset: str
    version: int
    tier: str
    path: _Inner
    md5: _Md5
    generated_at: _Moment
    source_raw_md5s: tuple[_Md5, ...]
    sha256: _Sha256 | None = None


class RawManifest(FrozenConfig):
    """The raw files, oldest entry first."""

    schema_version: Literal[1]
    entries: tuple[RawEntry, ...]


class ProcessedManifest(FrozenConfig):
    """The derived files, oldest entry first."""

    schema_version: Literal[1]
    entries: tuple[ProcessedEntry, ...]


def stamp_of(entry: RawEntry | ProcessedEntry) -> datetime:
    """Return when an entry was made; a time without a zone, of the lab's scripts, is UTC."""
    text = entry.downloaded_at if isinstance(entry, RawEntry) else entry.generated_at
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def read_manifest(kind: type[_M], path: Path) -> _M:
    """Return the manifest in a file.

    Raises
    ------
    DataNotAvailableError if there is none; IntegrityError naming file and field if it is no valid
    one.
    """
    if not path.is_file():
        raise DataNotAvailableError(
            f"there is no manifest {path}.", suggestion="Register a file first."
        )
    try:
        return from_mapping(kind, _object(read_json(path)), source=str(path))
    except (MarketLabError, TypeError, ValueError) as error:
        field = getattr(error, "field", None)
        where = f" at {field}" if field else ""
        raise IntegrityError(
            f"{path} is no valid manifest of schema version 1{where}: "
            f"{getattr(error, 'message', str(error)).removeprefix(f'{path}: ')}",
            code="INTEGRITY-ManifestAltered",
            field=field,
            value=getattr(error, "value", None),
            suggestion="Restore the file from a copy; it is only ever appended to.",
        ) from error


def _object(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise TypeError(f"it holds a {type(content).__name__}, not an object.")
    return content
