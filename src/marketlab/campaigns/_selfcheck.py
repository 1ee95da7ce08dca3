"""Proves on this machine that noise fails and an edge is found, by the pipeline real runs take.

Three parts: canaries (forecasts of known worth, `run_canaries`); a campaign on bars without any
edge; the same campaign on bars with a planted one. Campaigns are planned, trained in worker
processes, scored beside surrogates and judged like any other, in a folder of their own.

Bars that were made up have one more use: nobody can know their next direction better than the
rule that made them. An accuracy whose whole 95 % interval lies above that bound can only come
from a label that leaked into the inputs, whatever the verdict says.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from marketlab.campaigns._campaign import CampaignRunner, OnTick
from marketlab.campaigns._campaign_config import CampaignConfig
from marketlab.campaigns._canaries import CanaryResult, run_canaries
from marketlab.campaigns._executor import Executor
from marketlab.campaigns._ledger import Ledger
from marketlab.campaigns._recipes import load_campaign
from marketlab.campaigns._results import CampaignResults, RunResult
from marketlab.campaigns._workspace import Workspace
from marketlab.core import ConfigError, DataError, FrozenConfig, IntegrityError
from marketlab.registry import evaluate_gates
from marketlab.store import Store, migrate

OnStep = Callable[[str], None]
"""Called with one line before each part."""


class CheckResult(FrozenConfig):
    """One thing that must hold: what was expected, what came out, in words."""

    part: str
    name: str
    expected: str
    found: str
    passed: bool


class SelfcheckReport(FrozenConfig):
    """All checks, the seconds of each part, and one sentence. ``passed`` only if all checks did."""

    passed: bool
    sentence: str
    checks: tuple[CheckResult, ...]
    seconds: dict[str, float]


def selfcheck(
    folder: Path,
    *,
    workers: int,
    noise: CampaignConfig | None = None,
    planted: CampaignConfig | None = None,
    on_step: OnStep | None = None,
    on_tick: OnTick | None = None,
) -> SelfcheckReport:
    """Check the judge and the pipeline around it; about a minute on two cores.

    Parameters
    ----------
    folder : where the campaigns' workspace is made; its own ledger, whatever ``DB_URL`` says.
    workers : processes that train.
    noise, planted : campaigns on synthetic next-bar bars without and with an edge; the shipped
        recipes of these names for None. Their seeds fix every number.
    on_step, on_tick : told what begins, and how the running campaign stands.

    Raises
    ------
    ConfigError if a campaign is not on synthetic bars of that kind. What the *pipeline* refuses or
    breaks (its ConfigError, DataError or IntegrityError) is a failed check, not an exception.
    """
    campaigns = {
        "noise": _checked("noise", noise or load_campaign("noise")),
        "planted edge": _checked("planted", planted or load_campaign("planted")),
    }
    work = _Work(Workspace.at(folder).create(), workers, on_step or (lambda _: None), on_tick)
    with work.part("canaries", "1 of 3: forecasts of known worth through judge and gates"):
        work.checks += [_canary_check(result) for result in run_canaries()]
    steps = ("2 of 3: a campaign on pure noise", "3 of 3: the same campaign with a planted edge")
    for (name, config), step in zip(campaigns.items(), steps, strict=True):
        with work.part(name, step):
            work.checks += work.campaign(name, config)
    failed = [check for check in work.checks if not check.passed]
    return SelfcheckReport(
        passed=not failed,
        sentence=_sentence(failed, len(work.checks)),
        checks=tuple(work.checks),
        seconds={**work.seconds, "total": round(sum(work.seconds.values()), 1)},
    )


def _sentence(failed: list[CheckResult], n: int) -> str:
    if not failed:
        return (
            f"The judge can be trusted on this machine: all {n} checks came out as they must; "
            "noise failed and the planted edge was found."
        )
    names = ", ".join(f"{check.part}: {check.name}" for check in failed)
    return (
        f"Do not trust verdicts of this installation: {len(failed)} of {n} checks came out wrong "
        f"({names})."
    )


def _checked(name: str, config: CampaignConfig) -> CampaignConfig:
    synthetic = config.data.synthetic
    strength = None if synthetic is None else synthetic.edge_strength
    if strength is None or (strength > 0.0) != (name == "planted"):
        wanted = "above 0" if name == "planted" else "0"
        raise ConfigError(
            f"the {name} campaign of a selfcheck must be on synthetic bars with an edge_strength "
            f"{'of ' if wanted == '0' else ''}{wanted}; it is {strength}.",
            field=f"{name}.data.synthetic.edge_strength",
            value=strength,
            suggestion="Leave it out to take the shipped recipe.",
        )
    return config


@dataclass
class _Work:
    workspace: Workspace
    workers: int
    on_step: OnStep
    on_tick: OnTick | None
    checks: list[CheckResult] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str, step: str) -> Iterator[None]:
        self.on_step(step)
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 1)

    def campaign(self, part: str, config: CampaignConfig) -> list[CheckResult]:
        """Run one campaign and check it; what stops it is the one failed check."""
        try:
            results = self._run(config)
        except (ConfigError, DataError, IntegrityError) as error:
            return [
                CheckResult(
                    part=part,
                    name="it runs",
                    expected="the campaign runs to its verdicts",
                    found=f"it was stopped: {error}",
                    passed=False,
                )
            ]
        strength = results.dataset["metadata"]["planted_edge"]
        bound = float(strength["best_attainable_accuracy"])
        return [
            _outcome_check(part, results),
            _bound_check(part, results, bound),
            _gates_check(part, results),
        ]

    def _run(self, config: CampaignConfig) -> CampaignResults:
        path = self.workspace.root / "selfcheck.db"
        store = Store(url=f"sqlite:///{path}")
        try:
            migrate(store)
            ledger = Ledger(store)
            with Executor(self.workspace, ledger, workers=self.workers) as executor:
                runner = CampaignRunner(self.workspace, ledger, executor)
                return runner.run(runner.create(config), on_tick=self.on_tick)
        finally:
            store.dispose()


# -- the checks -----------------------------------------------------------------------------------


def _canary_check(result: CanaryResult) -> CheckResult:
    gates = "pass" if result.should_pass_gates else "do not pass"
    expected = f"{' or '.join(result.expected)}; the gates {gates}"
    if result.needs_interval_above_zero:
        expected += "; an interval above zero that only the surrogates explain"
    found = f"{result.outcome}; the gates {'pass' if result.passed_gates else 'do not pass'}"
    if result.interval is not None:
        found += f"; skill {result.interval[0]:+.4f} to {result.interval[1]:+.4f} nats"
    if result.null_p is not None:
        found += f", p {result.null_p:.3g}"
    return CheckResult(
        part="canaries",
        name=result.name,
        expected=expected,
        found=f"{found}, {result.n_events:,} events",
        passed=result.as_expected,
    )


def _outcome_check(part: str, results: CampaignResults) -> CheckResult:
    runs, learned = results.runs, [r for r in results.runs if _outcome(r) == "learned"]
    complete = len(results.completed) == len(runs) and all(r.verdict for r in runs)
    if part == "noise":
        expected, passed = f"none of {len(runs)} strategies learned", not learned
    else:
        expected, passed = f"at least one of {len(runs)} strategies learned", bool(learned)
    return CheckResult(
        part=part,
        name="verdicts",
        expected=f"{expected}; all are judged",
        found="; ".join(f"{run.strategy} {_outcome_text(run)}" for run in runs),
        passed=passed and complete,
    )


def _bound_check(part: str, results: CampaignResults, bound: float) -> CheckResult:
    found, passed = [], True
    for run in results.runs:
        interval = (run.verdict or {}).get("accuracy_interval")
        if interval is None:
            found.append(f"{run.strategy} has no interval")
            passed = False
            continue
        passed = passed and interval["low"] <= bound
        ends = f"{100 * interval['low']:.1f} to {100 * interval['high']:.1f} %"
        found.append(f"{run.strategy} {ends}")
    return CheckResult(
        part=part,
        name="no leak",
        expected=f"no accuracy certainly above {100 * bound:.1f} %, the most these bars allow",
        found="; ".join(found),
        passed=passed,
    )


def _gates_check(part: str, results: CampaignResults) -> CheckResult:
    """Check that the gates let through to a dry run what was learned, and nothing to live."""
    answers = {
        stage: [
            run.strategy
            for run in results.runs
            if evaluate_gates(run.verdict, is_synthetic=True, stage=stage).passed
        ]
        for stage in ("dry_run", "live")
    }
    learned = [run.strategy for run in results.runs if _outcome(run) == "learned"]
    return CheckResult(
        part=part,
        name="gates",
        expected="those that learned may go to a dry run, none to live: the bars are made up",
        found=f"dry run: {', '.join(answers['dry_run']) or 'none'}; "
        f"live: {', '.join(answers['live']) or 'none'}",
        passed=answers["dry_run"] == learned and not answers["live"],
    )


def _outcome(run: RunResult) -> str | None:
    return None if run.verdict is None else str(run.verdict["outcome"])


def _outcome_text(run: RunResult) -> str:
    if run.verdict is None:
        return f"{run.status} without a verdict ({run.error or 'no message'})"
    p = run.verdict["null_p"]
    return f"{run.verdict['outcome']} (p {'unknown' if p is None else f'{p:.2g}'})"
