"""The architecture as tests: floors, shop windows, size of files, what a bare import may load."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import marketlab

ROOT = Path(marketlab.__file__).parent
ROOMS = sorted(p.name for p in ROOT.iterdir() if (p / "__init__.py").is_file())
SOURCES = sorted(ROOT.rglob("*.py"))


def test_import_floors_hold():
    """import-linter's contracts (pyproject.toml) are kept; a gate that cannot run fails."""
    found = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_every_designed_room_exists():
    assert set(ROOMS) == {
        "core",
        "store",
        "data",
        "kernels",
        "features",
        "labels",
        "evaluation",
        "models",
        "backtest",
        "training",
        "registry",
        "campaigns",
        "runtime",
        "interfaces",
    }


@pytest.mark.parametrize("room", ROOMS)
def test_shop_window_exports_exactly_what_it_says(room):
    module = importlib.import_module(f"marketlab.{room}")
    tree = ast.parse((ROOT / room / "__init__.py").read_text())
    assert not [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)], (
        "a shop window holds no logic"
    )
    if room == "interfaces":  # its users are people and programs, through cli and rest
        return
    exported = module.__all__
    assert exported, f"{room} exports nothing"
    assert len(set(exported)) == len(exported)
    for name in exported:
        assert not name.startswith("_")
        assert hasattr(module, name), f"{room}.{name} is exported and missing"


def test_core_is_small_and_knows_no_market():
    lines = sum(len(p.read_text().splitlines()) for p in (ROOT / "core").glob("*.py"))
    assert lines < 1500
    words = ("candle", "ohlc", "zigzag", "backtest", "indicator")
    for path in (ROOT / "core").glob("*.py"):
        names = {n.id for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Name)}
        assert not [w for w in words if any(w in n.lower() for n in names)], path.name


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_stay_readable(path):
    assert len(path.read_text().splitlines()) <= 800, "split it"


def test_platform_only_calls_live_in_core():
    banned = {"fcntl", "msvcrt", "pwd", "resource"}
    for path in SOURCES:
        if path.relative_to(ROOT).parts[0] == "core":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not banned & {alias.name for alias in node.names}, path
            if isinstance(node, ast.ImportFrom):
                assert node.module not in banned, path


def test_importing_the_package_loads_nothing():
    code = (
        "import sys, marketlab;"
        "print(sorted(m for m in ('numpy', 'torch', 'polars') if m in sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_campaign_workers_never_load_torch():
    code = (
        "import sys, marketlab.campaigns._worker as w; w._jobs();"
        "print([m for m in ('torch', 'fastapi', 'matplotlib.pyplot') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
