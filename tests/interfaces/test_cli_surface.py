"""What the command line offers, and that asking it costs nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from interfaces_world import command

from marketlab.interfaces.cli import app

HEAVY = ("torch", "numpy", "sqlalchemy", "pydantic", "polars", "numba", "fastapi", "marketlab.core")

SURFACE = {
    "campaign": ["list", "report", "results", "resume", "run", "verify"],
    "compare": [],
    "data": [
        "combine",
        "describe",
        "dictionary",
        "export",
        "fetch",
        "fetch-bundled",
        "fill",
        "import",
        "list",
        "monitor",
        "quality",
        "register-processed",
        "register-raw",
        "resample",
        "synthetic",
        "synthetic-market",
        "verify",
    ],
    "demo": [],
    "doctor": [],
    "evaluate": [],
    "features": ["build", "cache", "check", "dictionary", "list", "plot"],
    "import-strategy": [],
    "init": [],
    "labels": ["build", "describe", "list"],
    "models": [],
    "operations": ["cancel", "list", "resume", "retry", "show"],
    "plan": [],
    "promote": [],
    "report": [],
    "rollback": [],
    "run": [],
    "selfcheck": [],
    "serve": [],
    "strategy": ["features", "import", "list", "validate"],
    "train": [],
    "warmup": [],
}


def commands():
    """Yield (path, command) of every command that does something."""
    for name, item in typer.main.get_command(app).commands.items():
        for sub, leaf in getattr(item, "commands", {}).items():
            yield f"{name} {sub}", leaf
        if not hasattr(item, "commands"):
            yield name, item


def test_the_verbs_are_these():
    found = typer.main.get_command(app).commands
    assert {n: sorted(getattr(c, "commands", {})) for n, c in sorted(found.items())} == SURFACE


def test_every_command_that_shows_facts_takes_json_and_a_workspace():
    options = {path: {o for p in leaf.params for o in p.opts} for path, leaf in commands()}
    without_json = {path for path, found in options.items() if "--json" not in found}
    without_workspace = {path for path, found in options.items() if "--workspace" not in found}
    assert without_json == {"serve"}
    assert without_workspace == {"selfcheck", "warmup"}


@pytest.mark.parametrize("path", [path for path, _ in commands()])
def test_every_command_explains_itself(path, capfd):
    said = command(capfd, *path.split(), "--help")
    assert said.code == 0
    assert said.out.startswith(f"Usage: marketlab {path}")
    assert said.err == ""


def test_without_arguments_it_says_what_to_do_first(capfd):
    said = command(capfd)
    assert said.code == 0
    assert said.out == (
        "marketlab trains families of small models on market data and says whether anything was "
        "learned.\n"
        "\n"
        "Start here:\n"
        "  marketlab doctor    check this machine\n"
        "  marketlab demo      see a planted edge found, noise refused, and real EURUSD judged\n"
        "  marketlab init      make a workspace of your own\n"
        "\n"
        "All commands: marketlab --help\n"
    )


def test_version(capfd):
    from marketlab import __version__

    assert command(capfd, "--version").out == f"marketlab {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], [], ["campaign", "run", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    # typer itself loads pydantic when it reads the options in front of a command
    heavy = HEAVY if len(arguments) < 2 else tuple(m for m in HEAVY if m != "pydantic")
    code = (
        "import sys, json\n"
        "from marketlab.interfaces.cli import run\n"
        f"code = run({arguments!r})\n"
        f"print(json.dumps([code, [m for m in {heavy!r} if m in sys.modules]]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []]


def test_module_can_be_run(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "marketlab.interfaces.cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.stdout.startswith("marketlab ")
    assert list(Path(tmp_path).iterdir()) == []
