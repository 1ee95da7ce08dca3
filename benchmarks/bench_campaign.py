"""The main job: 27 strategies on real and on synthetic bars, plan to reports, with peak memory.

Prints one JSON line per measure. The comparator of the synthetic campaign is the published time of
the campaign that it replaces (23 min 20 s for 25 completed runs on about 50,565 hourly bars);
ratios against eager PyTorch on the same machine are in bench_training.py.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from marketlab.campaigns import CampaignRunner, Executor, Ledger, Workspace, load_campaign
from marketlab.core import environment
from marketlab.kernels import warmup

ORIGINAL_SECONDS = 23 * 60 + 20


class PeakMemory:
    """Samples the memory of this process and its children five times a second."""

    def __enter__(self) -> "PeakMemory":
        self.peak_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(0.2):
            total = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak_bytes = max(self.peak_bytes, total)


def run(recipe: str, root: Path, workers: int = 2) -> dict[str, object]:
    """Run one recipe in a fresh workspace and return what was measured."""
    workspace = Workspace.at(root / recipe).create()
    began = time.perf_counter()
    with PeakMemory() as memory, workspace.store() as store:
        ledger = Ledger(store)
        with Executor(workspace, ledger, workers=workers) as executor:
            runner = CampaignRunner(workspace, ledger, executor)
            results = runner.run(runner.create(load_campaign(recipe)))
    seconds = time.perf_counter() - began
    rows, _ = _operations(workspace)
    metrics = [r["result_summary"]["training_metrics"] for r in rows if r["result_summary"]]
    steps = sum(m["n_steps"] for m in metrics)
    return {
        "measure": f"campaign {recipe}",
        "seconds": round(seconds, 2),
        "workers": workers,
        "n_bars": results.dataset["n_bars"],
        "completed": len(results.completed),
        "surrogates": results.null["n_surrogates"] if results.null else 0,
        "epochs": sum(m["epochs_trained"] for m in metrics),
        "steps": steps,
        "us_per_step_with_validation": round(
            1e6 * sum(m["epoch_seconds"] for m in metrics) / steps, 1
        ),
        "peak_memory_mb": round(memory.peak_bytes / 2**20),
    }


def _operations(workspace: Workspace) -> tuple[list[dict[str, object]], int]:
    with workspace.store() as store:
        return Ledger(store).list_operations(operation_type="training")


def cold_compile(root: Path) -> dict[str, object]:
    """Compile everything into an empty cache."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "marketlab.interfaces.cli", "warmup"],
        env={**__import__("os").environ, "MARKETLAB_CACHE": str(root / "cold")},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return {
        "measure": "cold compilation of everything",
        "seconds": round(time.perf_counter() - began, 2),
        "target_seconds": 30,
    }


def main() -> None:
    for _ in warmup():
        pass
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        lines = [cold_compile(root)]
        for recipe, target in (("v15_contract", 60), ("v15_tenth", 60), ("v15_synthetic", 90)):
            line = {**run(recipe, root), "target_seconds": target}
            if recipe == "v15_synthetic":
                line["comparator"] = "the original campaign, published"
                line["comparator_seconds"] = ORIGINAL_SECONDS
                line["ratio"] = round(ORIGINAL_SECONDS / float(line["seconds"]), 1)
            lines.append(line)
        for line in lines:
            print(json.dumps({**line, "environment": environment()}), flush=True)


if __name__ == "__main__":
    main()
