import os
import shutil

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


@pytest.fixture(scope="session")
def blank(tmp_path_factory):
    """Return a new workspace that only serves as a template."""
    folder = tmp_path_factory.mktemp("blank") / "ws"
    assert run(["--workspace", str(folder), "init"]) == 0
    return folder


@pytest.fixture
def workspace(blank, tmp_path):
    """Return a fresh workspace."""
    shutil.copytree(blank, tmp_path / "ws")
    return tmp_path / "ws"
