"""The database engine: a SQLite file in WAL mode, or any SQLAlchemy URL through ``DB_URL``."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from marketlab.core import (
    ConfigError,
    IntegrityError,
    MarketLabError,
    TransientError,
    canonical_json,
)

_BUSY_SECONDS = 30.0
_WRITES = "marketlab_writes"


class Store:
    """One database, for several threads and processes at once.

    Parameters
    ----------
    path : the SQLite file, made if absent; used unless a URL is given.
    url : SQLAlchemy URL; without it the environment variable ``DB_URL`` is read.

    A store may be pickled and may be used after a fork: each process opens its own connections.
    JSON columns refuse NaN and infinity. Nothing is connected before the first use.

    Raises
    ------
    ConfigError for a URL that cannot be used, or whose driver is not installed.
    """

    def __init__(self, path: Path | None = None, *, url: str | None = None) -> None:
        self.url = _resolve(path, url)
        self._engine: Engine | None = None
        self._owner = 0

    def __repr__(self) -> str:
        return f"Store({self.address!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "_engine": None, "_owner": 0}

    @property
    def address(self) -> str:
        """The URL without its password, for messages."""
        return self.url.render_as_string(hide_password=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a SQLite file."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine of this process."""
        if self._engine is None or self._owner != os.getpid():
            # After a fork the parent's connections must be left to the parent, not closed.
            if self._engine is not None:
                self._engine.dispose(close=False)
            self._engine = _make_engine(self.url)
            self._owner = os.getpid()
        return self._engine

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Yield a connection in a writing transaction: committed at the end, undone on an error.

        On SQLite the write lock is taken at once, so that a transaction that reads first and
        writes then cannot fail half-way because another process wrote in between.

        Raises
        ------
        TransientError (``STORE-Busy``) if another process holds the lock for 30 seconds, or the
        server cannot be reached; IntegrityError if the disk is full or the file is no database.
        """
        with self._translated(), self.engine.connect() as connection:
            connection = connection.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Yield a connection for reading one consistent state; what is written is undone.

        Errors as in `begin`.
        """
        with self._translated(), self.engine.connect() as connection:
            yield connection

    def dispose(self) -> None:
        """Close this process's connections; the store may be used again."""
        if self._engine is not None and self._owner == os.getpid():
            self._engine.dispose()
        self._engine = None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            translated = _translate(error, self.address)
            if translated is None:
                raise
            raise translated from error


def _resolve(path: Path | None, url: str | None) -> URL:
    given = url or os.environ.get("DB_URL")
    if given is None:
        if path is None:
            raise ConfigError(
                "a store needs a file or a URL.",
                code="STORE-NoAddress",
                suggestion="Give a workspace, or set DB_URL.",
            )
        return URL.create("sqlite", database=str(path.absolute()))
    try:
        parsed = make_url(given)
    except ArgumentError:
        raise ConfigError(
            "the database URL cannot be read (it is not shown: it may hold a password).",
            code="STORE-InvalidUrl",
            field="DB_URL",
            suggestion="Write sqlite:////absolute/path.db or postgresql+psycopg://user@host/name.",
        ) from None
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise ConfigError(
            "a SQLite database must be a file: several processes share it.",
            code="STORE-InvalidUrl",
            field="DB_URL",
            value=given,
        )
    return parsed


def _make_engine(url: URL) -> Engine:
    sqlite = url.get_backend_name() == "sqlite"
    options: dict[str, Any] = {"json_serializer": canonical_json}
    if sqlite:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        options["connect_args"] = {"timeout": _BUSY_SECONDS}
    else:
        options["pool_pre_ping"] = True
    try:
        engine = create_engine(url, **options)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        postgres = url.get_backend_name() == "postgresql"
        remedy = "pip install 'marketlab[postgres]'" if postgres else "pip install its driver"
        raise ConfigError(
            f"the driver of {url.drivername!r} is not installed ({error}).",
            code="STORE-DriverMissing",
            field="DB_URL",
            suggestion=f"Run: {remedy}.",
        ) from error
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling begins too late; ours begins where `_begin_sqlite` says.
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
        _switch_to_wal(cursor)
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
    finally:
        cursor.close()


def _switch_to_wal(cursor: Any) -> None:
    """Turn WAL on; the switch itself does not wait for locks, so it is tried again for a while."""
    import sqlite3

    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            mode = cursor.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= deadline:
                raise
            time.sleep(0.02)
    if mode != "wal":
        raise ConfigError(
            f"SQLite cannot use its write-ahead log here (journal mode is {mode!r}).",
            code="STORE-NoWal",
            suggestion="Put the workspace on a local disk.",
        )


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _translate(error: DBAPIError, address: str) -> MarketLabError | None:
    """Return what a driver's error means to the user; None for a mistake of ours."""
    text = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else "no reason given"
    lowered = text.lower()
    if "locked" in lowered or "busy" in lowered:
        return TransientError(
            f"the database {address} is locked by another process.",
            code="STORE-Busy",
            suggestion="Wait for it to end, then try again.",
        )
    if "disk is full" in lowered or "no space left" in lowered:
        return IntegrityError(
            f"the disk is full: the database {address} was not written.",
            code="STORAGE-Full",
            suggestion="Free some space, then resume: finished work is kept.",
        )
    if "not a database" in lowered or "malformed" in lowered:
        return IntegrityError(
            f"{address} is no readable database: {text}.",
            code="STORE-Corrupt",
            suggestion="Restore the file from a copy.",
        )
    if any(words in lowered for words in ("unable to open", "readonly", "disk i/o error")):
        return IntegrityError(
            f"the database {address} cannot be opened for writing: {text}.",
            code="STORAGE-WriteFailed",
            suggestion="Check that the folder exists and may be written.",
        )
    if error.connection_invalidated or "connection" in lowered:
        return TransientError(
            f"the database {address} cannot be reached: {text}",
            code="STORE-Unreachable",
            suggestion="Check that the server runs and DB_URL is right, then try again.",
        )
    return None
