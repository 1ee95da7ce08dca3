import os
import subprocess
import sys
import uuid

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

import marketlab.campaigns._tables
import marketlab.data._tables
from marketlab.core import IntegrityError
from marketlab.store import Store, _migrate, metadata, migrate

HEAD = "0002"


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.delenv("DB_URL", raising=False)
    made = Store(tmp_path / "marketlab.db")
    yield made
    made.dispose()


@pytest.fixture
def postgres():
    """An empty schema of the server in MARKETLAB_TEST_PG, a SQLAlchemy URL."""
    address = os.environ.get("MARKETLAB_TEST_PG")
    if not address:
        pytest.skip("set MARKETLAB_TEST_PG to a postgresql+psycopg URL to run this")
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = Store(url=address)
    with admin.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    joiner = "&" if "?" in address else "?"
    made = Store(url=f"{address}{joiner}options=-csearch_path%3D{name}")
    yield made
    made.dispose()
    with admin.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    admin.dispose()


def _differences(store):
    with store.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), metadata)


def test_the_migrated_tables_are_those_that_the_rooms_declare(store):
    migrate(store)
    assert _differences(store) == []
    with store.connect() as connection:
        names = set(inspect(connection).get_table_names())
    assert names == {
        "alembic_version",
        "campaigns",
        "datasets",
        "operations",
        "runs",
        "test_openings",
    }


def test_the_comparison_would_see_a_difference(store):
    migrate(store)
    with store.begin() as connection:
        connection.execute(text("DROP INDEX ix_operations_status"))
        connection.execute(text("ALTER TABLE runs ADD COLUMN more VARCHAR"))
    assert len(_differences(store)) == 2


def test_migrating_twice_changes_nothing(store):
    assert migrate(store) == migrate(store) == HEAD
    with store.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [
            (HEAD,)
        ]


def test_the_chain_has_one_head_and_no_gap():
    scripts = ScriptDirectory.from_config(_migrate._config())
    assert len(scripts.get_heads()) == 1
    assert [script.revision for script in scripts.walk_revisions()][-1] == "0001"


def test_a_newer_database_is_refused_and_left_alone(store):
    migrate(store)
    with store.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(
        IntegrityError, match="revision '9999', which this version of marketlab does not know"
    ) as caught:
        migrate(store)
    assert caught.value.code == "STORE-NewerDatabase"
    assert "Update marketlab" in str(caught.value)


def test_a_migration_that_fails_leaves_nothing(store, monkeypatch):
    from alembic import command

    real = command.upgrade

    def broken(config, target):
        real(config, target)
        raise RuntimeError("the power went out")

    monkeypatch.setattr(command, "upgrade", broken)
    with pytest.raises(RuntimeError, match="power"):
        migrate(store)
    with store.connect() as connection:
        assert inspect(connection).get_table_names() == []
    monkeypatch.undo()
    assert migrate(store) == HEAD


def test_processes_may_migrate_at_once(tmp_path):
    path = tmp_path / "shared.db"
    code = (
        "import sys, pathlib; from marketlab.store import Store, migrate; "
        "print(migrate(Store(pathlib.Path(sys.argv[1]))))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "DB_URL"}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    said = [worker.communicate() for worker in workers]
    assert [out.strip() for out, _ in said] == [HEAD] * 4, said
    shared = Store(path)
    assert _differences(shared) == []
    shared.dispose()


def _at(store, revision):
    """Bring a database to an older revision, as the program of then left it."""
    from alembic import command

    config = _migrate._config()
    with store.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _run_of_then(connection, run_id, *, timeframe="4h", synthetic=False, splits=True, opened=1):
    part = {"samples": 2, "first_time": "2024-01-01T00:00:00Z", "last_time": "2024-01-02T20:00:00Z"}
    summary = {"splits": {"test": part}} if splits else {}
    verdict = {"is_synthetic": synthetic}
    operation = {
        "operation_id": f"op_{run_id}",
        "operation_type": "training",
        "status": "completed",
        "strategy_name": "s",
        "symbol": "EURUSD",
        "timeframe": timeframe,
        "created_at": "2026-01-01T00:00:00Z",
        "request": {},
        "attempt": 1,
        "result_summary": summary,
    }
    run = {
        "run_id": run_id,
        "operation_id": f"op_{run_id}",
        "config_id": "c",
        "design_id": "d",
        "dataset_id": "0123456789abcdef",
        "seed": 1,
        "status": "completed",
        "record": {},
        "verdict": verdict,
        "created_at": "2026-01-01T00:00:00Z",
    }
    tables = marketlab.campaigns._tables
    connection.execute(tables.operations.insert().values(**operation))
    connection.execute(tables.runs.insert().values(**run))
    for number in range(opened):
        connection.execute(
            text(
                "INSERT INTO test_openings (run_id, opened_at, reason) VALUES (:run, :at, 'then')"
            ),
            {"run": run_id, "at": f"2026-01-0{number + 1}T00:00:00Z"},
        )


def _upgraded(store):
    _at(store, "0001")
    with store.begin() as connection:
        _run_of_then(connection, "real", opened=2)
        _run_of_then(connection, "walk", timeframe="1d", synthetic=True)
        _run_of_then(connection, "monthly", timeframe="1mo")
        _run_of_then(connection, "silent", splits=False)
    assert migrate(store) == HEAD
    table = marketlab.campaigns._tables.test_openings
    with store.connect() as connection:
        return [
            dict(row) for row in connection.execute(table.select().order_by(table.c.id)).mappings()
        ]


def _check_upgraded(rows):
    assert [row["run_id"] for row in rows] == ["real", "real", "walk", "monthly", "silent"]
    assert [row["reason"] for row in rows] == ["then"] * 5
    assert [row["opened_at"][:10] for row in rows][:2] == ["2026-01-01", "2026-01-02"]
    times = [(row["market"], row["first_time"], row["last_time"]) for row in rows]
    assert times == [
        ("EURUSD", "2024-01-01T04:00:00Z", "2024-01-03T00:00:00Z"),
        ("EURUSD", "2024-01-01T04:00:00Z", "2024-01-03T00:00:00Z"),
        ("EURUSD synthetic 0123456789ab", "2024-01-02T00:00:00Z", "2024-01-03T20:00:00Z"),
        (None, None, None),
        (None, None, None),
    ]


def test_openings_of_before_get_the_days_that_their_run_told(store):
    _check_upgraded(_upgraded(store))
    assert _differences(store) == []


def test_migrations_import_no_room():
    code = (
        "import sys, pathlib; from marketlab.store import Store, migrate; "
        "migrate(Store(pathlib.Path(sys.argv[1]))); "
        "rooms = {n.split('.')[1] for n in sys.modules if n.startswith('marketlab.')}; "
        "print(sorted(rooms))"
    )
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", code, f"{folder}/x.db"],
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.strip() == "['core', 'store']"


def test_postgres_gets_the_same_tables(postgres):
    assert migrate(postgres) == migrate(postgres) == HEAD
    assert _differences(postgres) == []
    with postgres.begin() as connection:
        table = marketlab.campaigns._tables.test_openings
        for reason in ("first", "second"):
            connection.execute(
                table.insert().values(run_id="r", opened_at="t", reason=reason, result={"x": 1})
            )
        assert [row.id for row in connection.execute(table.select())] == [1, 2]


def test_postgres_upgrades_what_is_there(postgres):
    _check_upgraded(_upgraded(postgres))
