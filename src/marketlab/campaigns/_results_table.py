"""The ranking as a console table: legible without colour, and in 100 columns."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from marketlab.campaigns._looks_before import SEALED_NOTE
from marketlab.campaigns._results import CampaignResults
from marketlab.campaigns._results_files import others_saw
from marketlab.campaigns._run_facts import RunFacts, nats_text, p_text, percent, ranked, run_facts

if TYPE_CHECKING:
    from rich.table import Table

_SHORT = {"worse than baseline": "worse", "insufficient data": "too few data"}
_STYLES = {"learned": "bold green", "worse than baseline": "red", "insufficient data": "dim"}


class _Column(NamedTuple):
    title: str
    width: int
    text: Callable[[RunFacts], str]
    right: bool = True
    spare: int = 0  # columns with the highest number are left out first; 0 always stays


def _interval(fact: RunFacts) -> str:
    if fact.low is None or fact.high is None:
        return "–"
    return f"{fact.low:+.3f}…{fact.high:+.3f}"


def _verdict(fact: RunFacts) -> str:
    outcome = fact.outcome or fact.run.status
    return _SHORT.get(outcome, outcome)


def _strategy(fact: RunFacts) -> str:
    return f"{fact.run.strategy}{' (=)' if fact.run.duplicate_of else ''}"


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value}"


_COLUMNS = (
    _Column("#", 2, lambda f: _count(f.position)),
    _Column("strategy", 27, _strategy, right=False),
    _Column("verdict", 12, _verdict, right=False),
    _Column("skill", 7, lambda f: nats_text(f.skill)),
    _Column("95 % interval", 13, _interval, spare=3),
    _Column("bal", 4, lambda f: percent(f.balanced_accuracy), spare=2),
    _Column("acc", 4, lambda f: percent(f.accuracy)),
    _Column("base", 4, lambda f: percent(f.best_baseline_accuracy), spare=1),
    _Column("null p", 6, lambda f: p_text(f.null_p)),
    _Column("events", 6, lambda f: _count(f.n_events)),
    _Column("ep", 3, lambda f: _count(f.run.epochs), spare=4),
)


def results_table(results: CampaignResults, *, width: int = 100) -> "Table":
    """Return the ranking for a console of `width` characters.

    Columns are left out from the least needed (epochs, interval, balanced accuracy, baseline)
    until the rest fits. The words say all that the colours say.
    """
    from rich.table import Table

    facts = ranked(run_facts(results))
    names = [len(_strategy(f)) for f in facts]
    columns = [c._replace(width=max([8, *names])) if c.title == "strategy" else c for c in _COLUMNS]
    columns = _fitting(columns, width)
    table = Table(
        box=None,
        padding=(0, 1, 0, 0),
        caption=_caption(results, columns),
        caption_justify="left",
        title=f"Campaign {results.campaign_id}",
        title_justify="left",
    )
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=True,
            min_width=min(column.width, 8),
            overflow="ellipsis",
        )
    for fact in facts:
        table.add_row(*(c.text(fact) for c in columns), style=_STYLES.get(fact.outcome or ""))
    return table


def _fitting(columns: list[_Column], width: int) -> list[_Column]:
    kept = list(columns)
    while sum(c.width + 1 for c in kept) > width + 1 and any(c.spare for c in kept):
        kept.remove(max(kept, key=lambda c: c.spare))
    return kept


def _caption(results: CampaignResults, columns: list[_Column]) -> str:
    titles = {c.title for c in columns}
    parts = ["skill: nats per sample over the best simple rule"]
    if "bal" in titles:
        parts.append("bal, acc, base: balanced accuracy, accuracy, that rule's accuracy, %")
    parts.append("null p: for the whole family")
    if any(run.duplicate_of for run in results.runs):
        parts.append("(=): design stands twice")
    opened, others = results.test_openings, others_saw(results)
    if opened or not others:
        parts.append(f"the test part was opened {opened} ×" if opened else SEALED_NOTE)
    if others:
        parts.append(f"of the test part's days: {others}")
    return "; ".join(parts)
