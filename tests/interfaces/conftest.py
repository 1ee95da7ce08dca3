import os

import pytest
from interfaces_world import TINY

from marketlab.interfaces.cli import run


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("MARKETLAB_WORKSPACE", "MARKETLAB_TOKEN", "DB_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def lived_in(tmp_path_factory):
    """Return a workspace in which the tiny campaign was run; tests must not change it."""
    for name in ("MARKETLAB_WORKSPACE", "DB_URL"):
        os.environ.pop(name, None)
    folder = tmp_path_factory.mktemp("lived_in")
    (folder / "tiny.yaml").write_text(TINY)
    place = ["--workspace", str(folder / "ws")]
    assert run([*place, "init"]) == 0
    assert run([*place, "campaign", "run", str(folder / "tiny.yaml"), "--workers", "1"]) == 0
    return folder / "ws"


@pytest.fixture
def workspace(tmp_path):
    """Return a fresh workspace."""
    assert run(["--workspace", str(tmp_path / "ws"), "init"]) == 0
    return tmp_path / "ws"
