"""Are the files of a run, and of a whole campaign, what their readers will take them for?

`verify_runs` checks run directories one by one. `verify_campaign` asks the five end-to-end checks
and the four questions of a campaign about that campaign's own operations; directories of other
runs are not counted.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from marketlab.campaigns._results import CampaignResults, RunResult
from marketlab.campaigns._run_check import RUN_FILES, RunCheck, check_run, hash_faults
from marketlab.campaigns._workspace import Workspace

_INFRASTRUCTURE = ("transient", "integrity", "bug")
_INFRASTRUCTURE_CODES = ("SYSTEM-", "STORAGE-", "CHECKPOINT-", "INTEGRITY-")


@dataclass(frozen=True)
class Check:
    """One question with its answer and what the answer rests on."""

    key: str
    question: str
    ok: bool
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class VerifyReport:
    """What was checked. ``lines`` is the text for people, without colour."""

    ok: bool
    lines: tuple[str, ...]
    runs: tuple[RunCheck, ...] = ()
    checks: tuple[Check, ...] = ()
    answers: tuple[Check, ...] = ()

    def to_mapping(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        runs = [{**asdict(run), "complete": run.complete} for run in self.runs]
        return {
            "ok": self.ok,
            "total_runs": len(self.runs),
            "complete_analytics": sum(run.complete for run in self.runs),
            "runs": runs,
            "checks": [asdict(check) for check in self.checks],
            "answers": [asdict(answer) for answer in self.answers],
            "lines": list(self.lines),
        }


def required(n_strategies: int) -> int:
    """Return how many of `n_strategies` must complete: the smallest count above 90 % (27: 25)."""
    return 9 * n_strategies // 10 + 1


# -- run directories ------------------------------------------------------------------------------


def verify_runs(runs_dir: Path, run_ids: Iterable[str] | None = None) -> VerifyReport:
    """Check the files of run directories.

    Parameters
    ----------
    runs_dir : the folder that holds one directory per run; absent or empty means no run.
    run_ids : which to check, in this order; each must be there. None: all, by name.

    A run whose config.yaml says ``status: failed`` or ``cancelled`` is reported as such: it counts
    under missing analytics, and does not make the report not ok. A run that asked for fewer than
    10 epochs (or may stop before) is accepted with fewer rows, and a note says so.
    """
    if run_ids is None:
        found = sorted(p.name for p in runs_dir.iterdir()) if runs_dir.is_dir() else []
        chosen = [n for n in found if (runs_dir / n).is_dir() and not n.startswith(".")]
    else:
        chosen = list(run_ids)
    checks = tuple(check_run(runs_dir / run_id) for run_id in chosen)
    lines = _run_lines(checks)
    ok = all(check.complete or check.ended_early for check in checks)
    return VerifyReport(ok=ok, lines=tuple(lines), runs=checks)


def _run_lines(checks: Sequence[RunCheck]) -> list[str]:
    lines: list[str] = []
    for check in checks:
        lines.append(f"{'✓' if check.complete else '✗'} {check.run_id}")
        lines += [f"    {reason}" for reason in check.reasons]
        lines += [f"    {note}" for note in check.notes]
    complete = sum(check.complete for check in checks)
    early = sum(check.ended_early for check in checks)
    lines += ["", f"Total runs: {len(checks)}", f"Complete analytics: {complete}"]
    lines += [f"Missing analytics: {len(checks) - complete}"]
    if early:
        lines.append(f"Of the missing, runs that failed or were cancelled: {early}")
    return lines


# -- a campaign -----------------------------------------------------------------------------------


def verify_campaign(workspace: Workspace, results: CampaignResults) -> VerifyReport:
    """Run the five end-to-end checks over one campaign and answer Q3.1 to Q3.4.

    Counts are of this campaign's operations. Model files whose SHA-256 a run lists are hashed
    again. The report is ok if every check passes and every question is answered yes.
    """
    report = verify_runs(workspace.runs, [r.run_id for r in results.completed if r.run_id])
    model_faults = [
        fault
        for run in results.completed
        if run.run_id
        for fault in hash_faults(workspace.runs / run.run_id)
    ]
    checks = _five_checks(workspace, results, report)
    if model_faults:
        changed = tuple(_first(model_faults))
        checks = (*checks, Check("6", "Are the model files unchanged?", False, changed))
    answers = campaign_answers(results, report)
    ok = all(c.ok for c in checks) and all(a.ok for a in answers)
    lines = [f"Campaign {results.campaign_id}: {len(results.runs)} strategies", "", "Runs", ""]
    lines += list(report.lines)
    lines += ["", "End-to-end checks", ""]
    lines += check_lines(checks)
    lines += ["", "Questions", ""]
    lines += check_lines(answers)
    return VerifyReport(ok, tuple(lines), report.runs, checks, answers)


def check_lines(checks: Iterable[Check]) -> list[str]:
    """Return one `✓` or `✗` line per check with its evidence indented below."""
    lines: list[str] = []
    for check in checks:
        lines.append(f"{'✓' if check.ok else '✗'} {check.key} {check.question}")
        lines += [f"    {text}" for text in check.evidence]
    return lines


def _five_checks(
    workspace: Workspace, results: CampaignResults, report: VerifyReport
) -> tuple[Check, ...]:
    n, need = len(results.runs), required(len(results.runs))
    done = len(results.completed)
    folders = [workspace.runs / run.run_id for run in results.runs if run.run_id]
    present = sum(folder.is_dir() for folder in folders)
    both = sum(all((f / name).is_file() for name in RUN_FILES[:2]) for f in folders)
    failed = [run for run in results.runs if run.status == "failed"]
    shared = shared_codes(results.runs)
    last = [(r.run_id, r.last_val_accuracy) for r in report.runs]
    wrong = [run_id for run_id, value in last if value is None or not 0.0 <= value <= 1.0]
    codes = f"codes shared by several: {', '.join(shared) or 'none'}"
    shown = ", ".join(f"{value:.4f}" for _, value in last[:5] if value is not None) or "none"
    tracked = _tracker_check(workspace, results)
    return (
        Check(
            "1",
            "Enough operations completed, and the tracker says the same?",
            done >= need and tracked[0],
            (f"{done} of {n}, {need} needed", tracked[1]),
        ),
        Check("2", "Enough run directories?", present >= need, (f"{present}, {need} needed",)),
        Check(
            "3",
            "Enough directories with metrics.csv and detailed_metrics.json?",
            both >= need,
            (f"{both}, {need} needed",),
        ),
        Check(
            "4",
            "Few failures, without a common pattern?",
            len(failed) <= n - need and not shared,
            (f"{len(failed)} failed, at most {n - need} allowed", codes),
        ),
        Check(
            "5",
            "Is every last validation accuracy a number in 0 to 1?",
            bool(last) and not wrong,
            (f"{len(last)} files read, {len(wrong)} wrong", f"the first five: {shown}"),
        ),
    )


def _tracker_check(workspace: Workspace, results: CampaignResults) -> tuple[bool, str]:
    """Compare the tracker with the operations, unless it is another campaign's."""
    path = workspace.tracker
    if not path.is_file():
        return True, "there is no tracker file; the operations table was counted"
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    differing = [
        run.strategy
        for run in results.runs
        if not any(run.operation_id in row and f"| {run.status} |" in row for row in rows)
    ]
    if len(differing) == len(results.runs):
        return True, "the tracker shows other operations; the operations table was counted"
    if differing:
        return False, f"the tracker differs for {', '.join(differing)}"
    return True, "the tracker agrees for every strategy"


def shared_codes(runs: Iterable[RunResult]) -> list[str]:
    """Return the error codes that two or more failed runs share."""
    return [code for code, n in failure_counts(runs).items() if n > 1]


def failure_counts(runs: Iterable[RunResult]) -> dict[str, int]:
    """Return how many failed runs carry each error code, the most frequent first."""
    counts = Counter(run.error_code or "no code" for run in runs if run.status == "failed")
    return dict(counts.most_common())


def campaign_answers(results: CampaignResults, report: VerifyReport | None) -> tuple[Check, ...]:
    """Answer Q3.1 to Q3.4.

    `report` is `verify_runs` over the completed runs; without one, Q3.2 and Q3.4 are not answered
    and count as not passed.
    """
    n, need = len(results.runs), required(len(results.runs))
    done = len(results.completed)
    others = Counter(run.status for run in results.not_completed)
    rest = ", ".join(f"{count} {status}" for status, count in others.items()) or "none"
    percent = 100 * done / n if n else 0.0
    return (
        Check(
            "Q3.1",
            "Did all strategies complete training?",
            done >= need,
            (
                f"{done} of {n} completed ({percent:.1f} %); {need} needed (above 90 %)",
                f"others: {rest}",
            ),
        ),
        _files_answer(results, report),
        _pattern_answer(results, allowed=n - need),
        _quality_answer(report),
    )


def _files_answer(results: CampaignResults, report: VerifyReport | None) -> Check:
    question = "Are there analytics for each run?"
    if report is None:
        return Check("Q3.2", question, False, ("not checked: the files were not read",))
    lacking = [
        f"{check.run_id}: {', '.join(check.missing_files)} missing or empty"
        for check in report.runs
        if check.missing_files
    ]
    nameless = [f"{run.strategy}: no run id" for run in results.completed if not run.run_id]
    whole = len(report.runs) - len(lacking)
    evidence = [f"{whole} of {len(results.completed)} completed runs have all four files"]
    evidence += _first([*lacking, *nameless])
    ok = bool(results.completed) and whole == len(results.completed)
    return Check("Q3.2", question, ok, tuple(evidence))


def _pattern_answer(results: CampaignResults, *, allowed: int) -> Check:
    counts = failure_counts(results.runs)
    failed = sum(counts.values())
    systematic = [code for code in shared_codes(results.runs) if _is_infrastructure(code, results)]
    evidence = [f"{failed} failed, at most {allowed} allowed"]
    evidence += [f"{code}: {n}" for code, n in counts.items()]
    evidence += [f"points to infrastructure: {code}" for code in systematic]
    ok = not systematic and failed <= allowed
    return Check("Q3.3", "Is it free of systematic failures?", ok, tuple(evidence))


def _is_infrastructure(code: str, results: CampaignResults) -> bool:
    classes = {r.failure_class for r in results.runs if r.error_code == code}
    by_class = any(name in _INFRASTRUCTURE for name in classes)
    return by_class or code.startswith(_INFRASTRUCTURE_CODES)


def _quality_answer(report: VerifyReport | None) -> Check:
    question = "Is data quality consistent?"
    if report is None:
        return Check("Q3.4", question, False, ("not checked: the files were not read",))
    bad = [check for check in report.runs if not check.complete]
    evidence = [f"{len(report.runs)} runs read, {len(bad)} with a corrupted or truncated file"]
    evidence += _first([f"{check.run_id}: {check.reasons[0]}" for check in bad])
    return Check("Q3.4", question, bool(report.runs) and not bad, tuple(evidence))


def _first(texts: list[str], *, limit: int = 3) -> list[str]:
    """Return the first few texts and how many more there are; each run's own line has them all."""
    more = len(texts) - limit
    return [*texts[:limit], *([f"and {more} more"] if more > 0 else [])]
