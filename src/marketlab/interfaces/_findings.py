"""What a campaign found, in words: the same sentences as in its report."""

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from marketlab.campaigns import CampaignResults

OUTCOMES = ("learned", "no evidence", "worse than baseline", "insufficient data")


def campaign_findings(results: "CampaignResults") -> dict[str, Any]:
    """Return the finding, the verdicts counted, reasons and remedies, JSON-ready.

    ``finding`` is one sentence and ``certainty`` a second one that may be empty. ``reasons`` and
    ``would_change`` list texts with the strategies they hold for, the commonest first;
    ``diagnoses`` what the detectors found, with cause and remedy.
    """
    from marketlab.campaigns import campaign_answer, diagnose_campaign, run_facts, statements

    facts = run_facts(results)
    finding, certainty = campaign_answer(results, facts)
    counts = Counter((run.verdict or {}).get("outcome") for run in results.completed)
    lists = {
        name: [
            {"text": s.text, "strategies": list(s.strategies), "holds_for": s.runs}
            for s in statements(facts, name)
        ]
        for name in ("reasons", "would_change")
    }
    return {
        "finding": finding,
        "certainty": certainty,
        "verdicts": {name: counts[name] for name in OUTCOMES},
        "not_completed": len(results.not_completed),
        "diagnoses": [found.to_mapping() for found in diagnose_campaign(results)],
        **lists,
    }


def results_table(results: "CampaignResults", *, width: int) -> "Table":
    """Return the ranking as a table for a console of `width` characters."""
    from marketlab.campaigns import results_table as table

    return table(results, width=width)


def results_csv(results: "CampaignResults") -> str:
    """Return one line per strategy as CSV."""
    from marketlab.campaigns import results_csv as csv

    return csv(results)
