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
    assert migrate(store) == migrate(store) == "0001"
    with store.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [
            ("0001",)
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
    assert migrate(store) == "0001"


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
    assert [out.strip() for out, _ in said] == ["0001"] * 4, said
    shared = Store(path)
    assert _differences(shared) == []
    shared.dispose()


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
    assert migrate(postgres) == migrate(postgres) == "0001"
    assert _differences(postgres) == []
    with postgres.begin() as connection:
        table = marketlab.campaigns._tables.test_openings
        for reason in ("first", "second"):
            connection.execute(
                table.insert().values(run_id="r", opened_at="t", reason=reason, result={"x": 1})
            )
        assert [row.id for row in connection.execute(table.select())] == [1, 2]
