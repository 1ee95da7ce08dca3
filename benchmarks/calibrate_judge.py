"""Calibration of the judge: how often noise is called learned, and how often an edge is found.

    python benchmarks/calibrate_judge.py noise regimes 200
    python benchmarks/calibrate_judge.py --statistic net noise regimes 20
    python benchmarks/calibrate_judge.py power 2 50 --split walk_forward
    python benchmarks/calibrate_judge.py carry         # how much of the edge each strategy carries
    python benchmarks/calibrate_judge.py summary       # all that is stored, beside the theory

One campaign is 27 strategies of v1.5 with next-bar labels on made-up bars, refitted with linear
models (or their own nets) on the bars and on B sign-flipped surrogates, judged on these forecasts
(`tests/campaigns/calibration_world.py`). Campaigns are appended to ``--results`` one JSON line
each; what stands there is not computed again, so a run may be stopped and started at will.

B = 19 is the default: the test is exact at any B, p = 1/20 is the least that 5 % needs, and since
p then asks that no surrogate's best be as good, more surrogates buy little against an edge that is
far from all of them. Times are of the processor.
"""

import argparse
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy; processes are the parallelism
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "campaigns"))

import calibration_theory as theory
import calibration_world as world
import numpy as np


@dataclass(frozen=True)
class Campaign:
    """What decides the numbers of one campaign; ``world`` is a kind of noise or an edge."""

    task: str
    world: str
    split: str
    bars: int
    surrogates: int
    repeat: int
    statistic: str = "linear"


def calibrate(campaign: Campaign) -> dict:
    """Run one campaign and return its JSON line."""
    bars = (
        world.noise_bars(campaign.world, campaign.repeat, campaign.bars)
        if campaign.task == "noise"
        else world.planted_bars(float(campaign.world), campaign.repeat, campaign.bars)
    )
    judged = world.run_campaign(
        bars,
        world.family(campaign.split),
        surrogates=campaign.surrogates,
        seed=campaign.repeat,
        statistic=campaign.statistic,
    )
    return {
        **asdict(campaign),
        "n_events": min(v.n_events for v in judged.verdicts),
        "learned": judged.learned,
        "p_best": round(float(judged.result.p_adjusted.min()), 4),
        "n_p": int((judged.result.p_adjusted <= 0.05).sum()),
        "n_interval": sum(v.skill_interval.low > 0.0 for v in judged.verdicts),
        "outcomes": dict(Counter(v.outcome for v in judged.verdicts)),
        "skill": [round(1e6 * v.skill, 1) for v in judged.verdicts],  # millionths of a nat
        "low": [round(1e6 * v.skill_interval.low, 1) for v in judged.verdicts],
        "accuracy": [round(v.scores.accuracy, 5) for v in judged.verdicts],
        "processor_s": round(judged.processor_seconds, 1),
    }


def run(campaigns: list[Campaign], results: Path, processes: int) -> None:
    """Compute what `results` lacks, print and keep it, and print the summary of all of them."""
    stored = {key_of(line): line for line in read(results)}
    missing = [c for c in campaigns if c not in stored]
    with results.open("a", encoding="utf-8") as file:
        for line in computed(missing, processes):
            text = json.dumps(line)
            print(text, flush=True)
            print(text, file=file, flush=True)
            stored[key_of(line)] = line
    summarise([stored[c] for c in campaigns])


def computed(campaigns: list[Campaign], processes: int) -> Iterator[dict]:
    if processes == 1:
        yield from map(calibrate, campaigns)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(calibrate, c) for c in campaigns]):
            yield future.result()


def key_of(line: dict) -> Campaign:
    known = Campaign.__dataclass_fields__
    return Campaign(**{name: value for name, value in line.items() if name in known})


def read(results: Path) -> list[dict]:
    if not results.is_file():
        return []
    return [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]


# -- what comes out -------------------------------------------------------------------------------


def summarise(lines: list[dict]) -> None:
    """Print one JSON line per kind of campaign, with exact intervals and what theory says."""
    groups = defaultdict(list)
    for line in lines:
        key = key_of(line)
        groups[key.task, key.world, key.split, key.bars, key.surrogates, key.statistic].append(line)
    for (task, name, split, bars, surrogates, statistic), group in sorted(groups.items()):
        hits = sum(bool(line["learned"]) for line in group)
        print(
            json.dumps(
                {
                    "summary": task,
                    "world": name,
                    "split": split,
                    "bars": bars,
                    "surrogates": surrogates,
                    "statistic": statistic,
                    "campaigns": len(group),
                    "with_a_learned_one": hits,
                    "share": round(hits / len(group), 3),
                    "interval_95": [round(v, 3) for v in theory.exact_interval(hits, len(group))],
                    "p_at_most_005": sum(line["n_p"] > 0 for line in group),
                    "interval_above_zero": sum(line["n_interval"] > 0 for line in group),
                    "least_events": min(line["n_events"] for line in group),
                    "processor_s": round(float(np.mean([g["processor_s"] for g in group])), 1),
                    **({} if task == "noise" else theory.power(float(name), split, bars)),
                }
            ),
            flush=True,
        )


def carry() -> None:
    """Print for each strategy the shares of the edge that a line on its inputs can carry."""
    for name, (accuracy, log_loss) in world.carried(2.0, 0, world.PLANTED_BARS["ratio"]).items():
        line = {"strategy": name, "accuracy": round(accuracy, 3), "log_loss": round(log_loss, 3)}
        print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path("calibration.jsonl"))
    parser.add_argument("--processes", type=int, choices=(1, 2), default=1)
    parser.add_argument("--surrogates", type=int, default=19)
    parser.add_argument("--bars", type=int)
    parser.add_argument("--statistic", choices=("linear", "net"), default="linear")
    tasks = parser.add_subparsers(dest="task", required=True)
    noise = tasks.add_parser("noise")
    noise.add_argument("kind", choices=world.NOISE_KINDS)
    noise.add_argument("campaigns", type=int)
    power = tasks.add_parser("power")
    power.add_argument("points", type=float)
    power.add_argument("campaigns", type=int, metavar="repeats")
    power.add_argument("--split", choices=tuple(world.SPLITS), default="walk_forward")
    tasks.add_parser("carry")
    tasks.add_parser("summary")
    asked = parser.parse_args()
    if asked.task == "carry":
        carry()
    elif asked.task == "summary":
        summarise(read(asked.results))
    else:
        is_noise = asked.task == "noise"
        name = asked.kind if is_noise else f"{asked.points:g}"
        split = "ratio" if is_noise else asked.split
        bars = asked.bars or (world.NOISE_BARS if is_noise else world.PLANTED_BARS[split])
        run(
            [
                Campaign(asked.task, name, split, bars, asked.surrogates, k, asked.statistic)
                for k in range(asked.campaigns)
            ],
            asked.results,
            asked.processes,
        )


if __name__ == "__main__":
    main()
