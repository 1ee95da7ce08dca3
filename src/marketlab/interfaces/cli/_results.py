"""What a campaign amounts to, in words: the table, why, where the reports are, what to try next."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from marketlab.campaigns import CampaignResults

_MOST_STATEMENTS = 4
_PLAIN_WIDTH = 120


def show_table(results: "CampaignResults") -> "Console":
    """Print the results table; return the console it was printed on."""
    from rich.console import Console

    from marketlab.interfaces.usecases import results_table

    console = Console() if sys.stdout.isatty() else Console(width=_PLAIN_WIDTH, color_system=None)
    console.print(results_table(results, width=console.width))
    return console


def show_results(results: "CampaignResults", reports: Mapping[str, str]) -> None:
    """Print the results table, the finding with its reasons, the reports and what to try next."""
    from marketlab.interfaces.usecases import campaign_findings

    console = show_table(results)
    for line in finding_lines(campaign_findings(results)):
        console.print(line, markup=False, highlight=False, soft_wrap=not console.is_terminal)
    if reports:
        console.print("\nReports", markup=False)
        for kind, path in reports.items():
            console.print(f"  {kind}: {path}", markup=False, highlight=False, soft_wrap=True)
    console.print("\nWhat to try next", markup=False)
    for line in next_steps(results):
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def finding_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return the finding in a sentence or two, then why, then what would change it."""
    lines = ["", f"Finding: {sentence(facts)}"]
    ended = f"; {facts['not_completed']} did not complete" if facts["not_completed"] else ""
    lines.append(f"Verdicts: {verdict_counts(facts)}{ended}.")
    for title, name in (("Why", "reasons"), ("What would change it", "would_change")):
        lines += statement_lines(facts, name, title, most=_MOST_STATEMENTS)
    return lines + diagnosis_lines(facts)


def diagnosis_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return what the detectors found, cause and remedy below each; nothing if all is well."""
    found = facts["diagnoses"]
    lines = ["", "What went wrong"] if found else []
    for item in found[:_MOST_STATEMENTS]:
        lines.append(f"  - {item['detector']} in {' and '.join(item['strategies'])}: ")
        lines[-1] += item["finding"]
        lines += [f"    why: {item['cause']}", f"    what to do: {item['remedy']}"]
    if len(found) > _MOST_STATEMENTS:
        lines.append(f"  … and {len(found) - _MOST_STATEMENTS} more (--json lists them all)")
    return lines


def statement_lines(facts: Mapping[str, Any], name: str, title: str, *, most: int) -> list[str]:
    """Return the first texts of one kind with the strategies they hold for, under a title."""
    found = facts[name]
    if not found:
        return []
    lines = ["", title]
    lines += [f"  - {item['text']} ({item['holds_for']})" for item in found[:most]]
    if len(found) > most:
        lines.append(f"  … and {len(found) - most} more in the report")
    return lines


def sentence(facts: Mapping[str, Any]) -> str:
    """Return the finding of a campaign in a sentence or two."""
    return " ".join(part for part in (facts["finding"], facts["certainty"]) if part)


def verdict_counts(facts: Mapping[str, Any]) -> str:
    """Return the verdicts counted, in words."""
    counted = [f"{count} {name}" for name, count in facts["verdicts"].items() if count]
    return ", ".join(counted) or "none"


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
            steps.append("marketlab campaign run v15_tenth    smaller legs, so more events")
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
