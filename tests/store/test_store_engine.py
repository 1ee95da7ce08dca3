import os
import pickle
import sqlite3
import subprocess
import sys
import threading

import pytest
from sqlalchemy import JSON, BigInteger, Column, MetaData, String, Table, insert, select, text

from marketlab.core import ConfigError, IntegrityError, TransientError
from marketlab.store import Store, _store

things = Table(
    "things",
    MetaData(),
    Column("name", String, primary_key=True),
    Column("seed", BigInteger, nullable=False),
    Column("config", JSON(none_as_null=True)),
    Column("summary", JSON(none_as_null=True)),
)
ROW = {"name": "a", "seed": 2**62, "config": {"b": 1, "a": None}}


@pytest.fixture(autouse=True)
def _no_url(monkeypatch):
    monkeypatch.delenv("DB_URL", raising=False)


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "folder" / "marketlab.db")
    with made.begin() as connection:
        things.create(connection)
    yield made
    made.dispose()


def test_sqlite_is_set_up_for_many_processes(store):
    with store.connect() as connection:
        facts = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    assert facts == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "synchronous": 1,
        "busy_timeout": 30_000,
    }


def test_a_row_comes_back_as_it_was_written(store):
    with store.begin() as connection:
        connection.execute(insert(things).values(**ROW))
    with store.connect() as connection:
        row = connection.execute(select(things)).mappings().one()
    assert dict(row) == {**ROW, "summary": None}
    assert list(row["config"]) == ["b", "a"]


def test_none_in_a_json_column_is_null(store):
    with store.begin() as connection:
        connection.execute(insert(things).values(**ROW, summary=None))
        found = connection.execute(
            text("SELECT count(*) FROM things WHERE summary IS NULL")
        ).scalar()
    assert found == 1


def test_json_refuses_nan(store):
    with (
        pytest.raises(Exception, match="holds NaN or infinity"),
        store.begin() as connection,
    ):
        connection.execute(insert(things).values(**{**ROW, "config": {"x": float("nan")}}))


def test_an_error_undoes_the_whole_transaction(store):
    def fail():
        with store.begin() as connection:
            connection.execute(insert(things).values(**ROW))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    with store.connect() as connection:
        assert connection.execute(select(things)).all() == []


def test_a_read_connection_keeps_nothing(store):
    with store.connect() as connection:
        connection.execute(insert(things).values(**ROW))
    with store.connect() as connection:
        assert connection.execute(select(things)).all() == []


def test_read_then_write_does_not_lose_updates_between_threads(store):
    with store.begin() as connection:
        connection.execute(insert(things).values(**{**ROW, "seed": 0}))

    def add():
        for _ in range(20):
            with store.begin() as connection:
                seed = connection.execute(select(things.c.seed)).scalar_one()
                connection.execute(things.update().values(seed=seed + 1))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.connect() as connection:
        assert connection.execute(select(things.c.seed)).scalar_one() == 80


def test_a_writer_does_not_stop_readers(store):
    with store.begin() as writer:
        writer.execute(insert(things).values(**ROW))
        with store.connect() as reader:
            assert reader.execute(select(things)).all() == []


def test_a_held_lock_becomes_a_clear_error(store, monkeypatch):
    monkeypatch.setattr(_store, "_BUSY_SECONDS", 0.05)
    other = Store(url=store.url.render_as_string())
    try:
        with (
            store.begin(),
            pytest.raises(TransientError, match="is locked by another process") as caught,
            other.begin(),
        ):
            pass
    finally:
        other.dispose()
    assert caught.value.code == "STORE-Busy"


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "x.db"
    path.write_bytes(b"this is no database, but long enough to be looked at" * 40)
    broken = Store(path)
    with (
        pytest.raises(IntegrityError, match="is no readable database") as caught,
        broken.connect() as connection,
    ):
        connection.execute(select(things))
    broken.dispose()
    assert caught.value.code == "STORE-Corrupt"
    assert str(path) in str(caught.value)


def test_a_mistake_of_ours_stays_a_driver_error(store):
    with pytest.raises(Exception, match="no such table"), store.connect() as connection:
        connection.execute(text("SELECT * FROM no_table"))


def test_a_store_survives_pickling_and_disposal(store):
    with store.begin() as connection:
        connection.execute(insert(things).values(**ROW))
    again = pickle.loads(pickle.dumps(store))
    store.dispose()
    for each in (again, store):
        with each.connect() as connection:
            assert connection.execute(select(things.c.name)).scalar_one() == "a"
        each.dispose()


def test_a_forked_child_opens_its_own_connections(store):
    with store.connect() as connection:
        connection.execute(select(things))
    before = store.engine
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with store.begin() as connection:
                connection.execute(insert(things).values(**ROW))
            code = 0 if store.engine is not before else 2
        finally:
            os._exit(code)
    os.close(read)
    os.close(write)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert store.engine is before
    with store.connect() as connection:
        assert len(connection.execute(select(things)).all()) == 1


def test_the_address_is_the_url_then_the_environment_then_the_file(tmp_path, monkeypatch):
    assert Store(tmp_path / "a.db").address == f"sqlite:///{tmp_path}/a.db"
    monkeypatch.setenv("DB_URL", f"sqlite:///{tmp_path}/b.db")
    assert Store(tmp_path / "a.db").address.endswith("b.db")
    assert Store(tmp_path / "a.db", url=f"sqlite:///{tmp_path}/c.db").address.endswith("c.db")


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("nonsense", "cannot be read"),
        ("sqlite://", "must be a file"),
        ("sqlite:///:memory:", "must be a file"),
    ],
)
def test_urls_that_cannot_serve_are_refused(url, match):
    with pytest.raises(ConfigError, match=match):
        Store(url=url)


def test_without_any_address_the_way_out_is_told():
    with pytest.raises(ConfigError, match=r"needs a file or a URL\..*set DB_URL"):
        Store()


def test_passwords_are_not_shown():
    store = Store(url="postgresql://me:secret@nowhere/name")
    assert "secret" not in store.address
    assert "secret" not in repr(store)
    assert store.url.drivername == "postgresql+psycopg"


def test_a_missing_driver_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    store = Store(url="postgresql+psycopg://me@nowhere/name")
    with pytest.raises(ConfigError, match=r"pip install 'marketlab\[postgres\]'") as caught:
        _ = store.engine
    assert caught.value.code == "STORE-DriverMissing"


def test_an_unknown_dialect_is_a_config_error():
    with pytest.raises(ConfigError, match="is not installed"):
        _ = Store(url="nosuchbase://host/name").engine


def test_a_server_that_does_not_answer_is_transient():
    pytest.importorskip("psycopg")
    store = Store(url="postgresql://me:secret@127.0.0.1:1/name?connect_timeout=2")
    with (
        pytest.raises(TransientError, match="cannot be reached") as caught,
        store.connect(),
    ):
        pass
    store.dispose()
    assert "secret" not in str(caught.value)


def test_importing_the_store_loads_no_migration_tool():
    code = "import sys, marketlab.store; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_processes_write_at_once_without_loss(store, tmp_path):
    code = f"""
import sys
from pathlib import Path
from sqlalchemy import text
from marketlab.store import Store
store = Store(Path({str(store.url.database)!r}))
for i in range(25):
    with store.begin() as connection:
        connection.execute(text("INSERT INTO things (name, seed) VALUES (:name, :seed)"),
                           dict(name=sys.argv[1] + str(i), seed=i))
"""
    workers = [subprocess.Popen([sys.executable, "-c", code, f"w{i}-"]) for i in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    with sqlite3.connect(str(store.url.database)) as plain:
        assert plain.execute("SELECT count(*) FROM things").fetchone() == (75,)
    plain.close()
