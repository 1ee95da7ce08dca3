"""Helpers of this folder's tests: one command in process, one small campaign, a free port."""

import json
import socket
import warnings
from dataclasses import dataclass
from typing import Any

from marketlab.interfaces.cli import run

with warnings.catch_warnings():
    # starlette asks for httpx2, a package of its own; httpx does what these tests need
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

__all__ = ["TINY", "Said", "TestClient", "command", "free_port"]

TINY = """\
name: tiny
description: "Two strategies on few bars with a strong planted edge"
data: {synthetic: {symbol: EURUSD, timeframe: 1h, n_bars: 2600, seed: 15, edge_strength: 0.35}}
strategies: {recipe: next_bar, names: [next_bar_rsi, next_bar_williams]}
overrides: {date_range: data, epochs: 12}
null: {surrogates: 19}
seed: 15
"""


@dataclass(frozen=True)
class Said:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout; fails if there is anything else."""
        return json.loads(self.out)


def command(capfd, *arguments, workspace=None):
    """Run one command in this process."""
    capfd.readouterr()
    place = ["--workspace", str(workspace)] if workspace is not None else []
    code = run([*place, *map(str, arguments)])
    captured = capfd.readouterr()
    return Said(code, captured.out, captured.err)


def free_port():
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
