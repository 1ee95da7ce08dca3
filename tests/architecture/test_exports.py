"""Export lists are held by a file, so that a change of a room's surface is a visible diff.

After an intended change: ``.venv/bin/python tests/architecture/test_exports.py`` rewrites it.
"""

import importlib
from pathlib import Path

FILE = Path(__file__).with_name("exports.txt")
ROOMS = (
    "core",
    "store",
    "kernels",
    "data",
    "features",
    "labels",
    "evaluation",
    "models",
    "backtest",
    "training",
    "registry",
    "campaigns",
    "runtime",
)


def exported() -> str:
    lines = []
    for room in ROOMS:
        names = sorted(importlib.import_module(f"marketlab.{room}").__all__)
        lines += [f"[{room}]", *names, ""]
    return "\n".join(lines)


def test_the_shop_windows_show_what_was_agreed():
    assert exported() == FILE.read_text(encoding="utf-8")


if __name__ == "__main__":
    FILE.write_text(exported(), encoding="utf-8")
