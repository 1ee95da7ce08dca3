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
