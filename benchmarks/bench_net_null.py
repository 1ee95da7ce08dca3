"""A campaign whose null is made of nets: every strategy refitted in full on B surrogate markets.

Run: ``python benchmarks/bench_net_null.py v15_tenth 99 2`` (recipe, surrogates, workers). It is
the real campaign, from plan to reports, in a fresh workspace; prints progress, then one JSON line.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from bench_campaign import PeakMemory

from marketlab.campaigns import (
    CampaignRunner,
    CampaignState,
    Executor,
    Ledger,
    Workspace,
    load_campaign,
)
from marketlab.core import environment
from marketlab.kernels import warmup

TARGET_SECONDS = 480


def main(recipe: str, n_surrogates: int, workers: int) -> None:
    for _ in warmup():
        pass
    config = load_campaign(recipe).with_null(statistic="net", surrogates=n_surrogates)
    shown = [0.0]

    def tick(state: CampaignState) -> None:
        if state.elapsed_seconds - shown[0] >= 30.0:
            shown[0] = state.elapsed_seconds
            done = f"{state.null_done} of {state.null_total} series"
            print(f"{state.elapsed_seconds:.0f} s: {done}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.at(Path(folder) / "workspace").create()
        began = time.perf_counter()
        with PeakMemory() as memory, workspace.store() as store:
            ledger = Ledger(store)
            with Executor(workspace, ledger, workers=workers) as executor:
                runner = CampaignRunner(workspace, ledger, executor)
                results = runner.run(runner.create(config), on_tick=tick)
        seconds = time.perf_counter() - began
    null = results.null
    assert null is not None
    p_values = [p for p in null["p_adjusted"] if p is not None]
    print(
        json.dumps(
            {
                "measure": f"campaign {recipe} with a null of nets",
                "seconds": round(seconds, 1),
                "target_seconds": TARGET_SECONDS,
                "workers": workers,
                "n_bars": results.dataset["n_bars"],
                "nets": len(results.runs) * (1 + n_surrogates) + len(results.runs),
                "completed": len(results.completed),
                "least_p_of_the_family": min(p_values, default=None),
                "outcomes": [run.verdict["outcome"] for run in results.runs if run.verdict],
                "peak_memory_mb": round(memory.peak_bytes / 2**20),
                "load": os.getloadavg()[0],
                "environment": environment(),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
