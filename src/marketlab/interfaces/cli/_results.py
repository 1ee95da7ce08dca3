"""What a campaign amounts to, in words: the table, why, where the reports are, what to try next."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from marketlab.campaigns import CampaignResults

_MOST_STATEMENTS = 4
_PLAIN_WIDTH = 120


def show_results(results: "CampaignResults", reports: Mapping[str, str]) -> None:
    """Print the results table, the finding with its reasons, the reports and what to try next."""
    from rich.console import Console

    from marketlab.campaigns._results_table import results_table

    console = Console() if sys.stdout.isatty() else Console(width=_PLAIN_WIDTH, color_system=None)
    console.print(results_table(results, width=console.width))
    for line in explanation(results):
        console.print(line, markup=False, highlight=False, soft_wrap=not console.is_terminal)
    if reports:
        console.print("\nReports", markup=False)
        for kind, path in reports.items():
            console.print(f"  {kind}: {path}", markup=False, highlight=False, soft_wrap=True)
    console.print("\nWhat to try next", markup=False)
    for line in next_steps(results):
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def explanation(results: "CampaignResults") -> list[str]:
    """Return the finding in one sentence, then why, then what would change it."""
    from marketlab.campaigns._run_facts import (
        outcome_counts,
        run_facts,
        statements,
    )

    facts = run_facts(results)
    counts = ", ".join(f"{n} {name}" for name, n in outcome_counts(facts).items() if n)
    lines = ["", f"Finding: {sentence(results)}"]
    lines.append(f"Verdicts: {counts or 'none'}; {len(results.not_completed)} did not complete.")
    for title, name in (("Why", "reasons"), ("What would change it", "would_change")):
        found = statements(facts, name)
        if found:
            lines += ["", title]
            lines += [f"  - {s.text} ({s.runs})" for s in found[:_MOST_STATEMENTS]]
        if len(found) > _MOST_STATEMENTS:
            lines.append(f"  … and {len(found) - _MOST_STATEMENTS} more in the report")
    return lines


def sentence(results: "CampaignResults") -> str:
    """Return the finding of a campaign in one sentence."""
    from marketlab.campaigns._run_facts import campaign_answer, run_facts

    return " ".join(part for part in campaign_answer(results, run_facts(results)) if part)


def next_steps(results: "CampaignResults") -> list[str]:
    """Return commands that go on from here, the most useful first."""
    outcomes = {(run.verdict or {}).get("outcome") for run in results.runs}
    learned = [r for r in results.runs if (r.verdict or {}).get("outcome") == "learned"]
    failed = [run for run in results.runs if run.status == "failed"]
    steps = []
    if failed:
        steps.append(
            f"marketlab operations show {failed[0].operation_id}    why {failed[0].strategy} failed"
        )
    if learned:
        steps.append(f"marketlab promote {learned[0].run_id}    let it serve in dry run")
        steps.append(f"marketlab run --replay {learned[0].strategy}    replay its held-out bars")
    if "insufficient data" in outcomes:
        if results.name == "v15_contract":
            steps.append(
                "marketlab campaign run v15_tenth    the same with thresholds that give events"
            )
        steps.append(
            "marketlab data import FILE --symbol … --timeframe … --timezone …    a longer series"
        )
    if not learned and results.name != "planted":
        steps.append(
            "marketlab campaign run planted    see that an edge is found where there is one"
        )
    if not results.dataset.get("is_synthetic"):
        steps.append("marketlab campaign run v15_sp500    the 27 strategies on 20 years of S&P 500")
    steps.append(f"marketlab campaign verify {results.campaign_id}    check the files of every run")
    return steps
