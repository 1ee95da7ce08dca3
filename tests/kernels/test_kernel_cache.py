"""An edited step must act at the next call, also where its caller's machine code is cached."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import marketlab

PROBE = """
import numpy as np
from marketlab.kernels._jit import jit
from marketlab.kernels._step import step


@jit
def total(x):
    out = 0.0
    for i in range(x.shape[0]):
        out += step(x[i])
    return out
"""
STEP = """
from marketlab.kernels._jit import jit


@jit
def step(value):
    return value * 2.0
"""
CALL = "import numpy as np; from marketlab.kernels._probe import total; print(total(np.ones(3)))"


def test_an_edited_step_acts_at_the_next_call(tmp_path):
    package = tmp_path / "marketlab"
    shutil.copytree(
        Path(marketlab.__file__).parent,
        package,
        ignore=lambda _, names: {n for n in names if n == "__pycache__"},
    )
    (package / "kernels" / "__init__.py").write_text("")
    step = package / "kernels" / "_step.py"
    step.write_text(STEP)
    (package / "kernels" / "_probe.py").write_text(PROBE)
    cache = tmp_path / "cache"

    def call():
        result = subprocess.run(
            [sys.executable, "-c", CALL],
            env={**os.environ, "MARKETLAB_CACHE": str(cache), "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return float(result.stdout)

    assert call() == 6.0
    assert len(list(cache.glob("kernels-*"))) == 1
    step.write_text(STEP.replace("2.0", "5.0"))
    assert call() == 15.0
    assert len(list(cache.glob("kernels-*"))) == 2


WARM = """
import importlib, sys
from marketlab.kernels import _jit
chosen = ["events", "lag", "running total", "smoothing"]
kept = {name: _jit._WARMUPS[name] for name in chosen}
_jit._WARMUPS.clear()
_jit._WARMUPS.update(kept)
_jit.os.cpu_count = lambda: int(sys.argv[1])
steps = list(_jit.warmup())
assert all(total == 4 and 0 <= at < 4 for _, at, total in steps), steps
assert [name for name, _, _ in steps] == [n for n in chosen if n in {s[0] for s in steps}], steps
print(len(steps))
"""


def test_a_cold_cache_is_filled_by_two_processes(tmp_path):
    def warm(cores):
        result = subprocess.run(
            [sys.executable, "-c", WARM, str(cores)],
            env={**os.environ, "MARKETLAB_CACHE": str(tmp_path / str(cores))},
            capture_output=True,
            text=True,
            check=True,
        )
        assert not result.stderr
        return int(result.stdout), {p.name for p in (tmp_path / str(cores)).rglob("*.nbi")}

    steps, files = warm(2)
    alone, same_files = warm(1)
    assert 1 <= steps <= 4
    assert alone == 4
    assert files == same_files
    assert len({name.split("-")[0] for name in files}) >= 4
    assert warm(2)[0] == 4  # a warm cache needs no helper
