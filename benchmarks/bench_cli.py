"""How long `marketlab --help` takes, as a ratio to an empty typer program.

Both are started as processes, in turn, and the fastest of each counts: what is slower is the
machine's doing. The empty program prints plain help as ours does (``plain``), and once more with
typer's default of coloured help (``default``), which loads rich. Prints one JSON line.

    python benchmarks/bench_cli.py [--rounds 15]
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EMPTY = """\
import typer

app = typer.Typer({options})


@app.command()
def nothing() -> None:
    pass


app()
"""


def seconds(command):
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def measure(rounds):
    with tempfile.TemporaryDirectory() as folder:
        programs = {"ours": [sys.executable, "-m", "marketlab.interfaces.cli", "--help"]}
        for name, options in (("plain", "rich_markup_mode=None"), ("default", "")):
            path = Path(folder) / f"{name}.py"
            path.write_text(EMPTY.format(options=options))
            programs[name] = [sys.executable, str(path), "--help"]
        for command in programs.values():
            seconds(command)  # compile what Python compiles once
        times = {name: [] for name in programs}
        for _ in range(rounds):
            for name, command in programs.items():
                times[name].append(seconds(command))
    return {name: min(found) for name, found in times.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    best = measure(rounds)
    print(
        json.dumps(
            {
                "benchmark": "cli_help",
                "ratio": round(best["ours"] / best["plain"], 3),
                "ratio_to_default": round(best["ours"] / best["default"], 3),
                "limit": 1.5,
                "seconds": {name: round(value, 4) for name, value in best.items()},
                "rounds": rounds,
                "python": platform.python_version(),
                "cores": os.cpu_count(),
            }
        )
    )


if __name__ == "__main__":
    main()
