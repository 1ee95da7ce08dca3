"""The tables of a report, once, as text cells: HTML and Markdown show the same ones.

A figure that is not defined is a dash whose reason stands below the table, or a sentence where the
whole table is missing. No cell is empty.
"""

from dataclasses import dataclass
from typing import Any

from marketlab.campaigns._run_facts import (
    RunFacts,
    nats_text,
    p_text,
    p_with_error,
    percent,
)
from marketlab.core import finite_or_none
from marketlab.evaluation import MIN_EVENTS_TO_JUDGE

MISSING = "–"


@dataclass(frozen=True)
class Table:
    """One table; ``heads`` that begin with ``>`` stand over numbers. ``foot`` may be empty."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    foot: str = ""
    missing: str = ""

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """Heading and whether it holds numbers, per column."""
        return [(head.removeprefix(">"), head.startswith(">")) for head in self.heads]


def absent(title: str, why: str) -> Table:
    """Return a table that is one sentence: why there is nothing to show."""
    return Table(title, (), (), missing=why[:1].upper() + why[1:])


def number(value: Any, digits: int = 4) -> str:
    """Return a plain number, a dash if there is none."""
    known = finite_or_none(value)
    return MISSING if known is None else f"{known:.{digits}f}"


def signed(value: Any, digits: int = 2) -> str:
    """Return a number with its sign, a dash if there is none."""
    known = finite_or_none(value)
    if known is None:
        return MISSING
    text = f"{known:+.{digits}f}"
    return text[1:] if float(text) == 0.0 else text


def count(value: Any) -> str:
    """Return a whole number with its thousands apart, a dash if there is none."""
    return MISSING if value is None else f"{int(value):,}"


# -- the numbers beside a score -------------------------------------------------------------------


def numbers(fact: RunFacts) -> Table:
    """Return what stands beside a run's score, each with what it means."""
    rows = (
        (
            "Skill",
            "not defined: no sample was judged"
            if fact.skill is None
            else f"{nats_text(fact.skill)} nats per sample",
            (
                "log-loss of the best simple rule less that of the run; above zero is better than "
                "needing no model"
            ),
        ),
        ("95 % interval", _interval(fact), "from independent events; it must lie above zero"),
        ("Baseline to beat", _baseline(fact), "the best of the simple rules that decide"),
        ("Null p", _null(fact), "how often as many strategies on noise do as well; 0.05 is asked"),
        (
            "Independent events",
            _events(fact),
            f"bars of one event are one observation; {MIN_EVENTS_TO_JUDGE} are needed",
        ),
        (
            "Trials",
            "unknown" if fact.n_trials is None else f"{fact.n_trials:,}",
            "all when it was judged: failed, pruned and repeated ones count",
        ),
        (
            "Detectable effect",
            "unknown: it needs an interval"
            if fact.detectable is None
            else f"{fact.detectable:.4f} nats per sample",
            "a true skill this large is found in 4 of 5 cases; less is often missed",
        ),
        ("Accuracy", _accuracy(fact), "shown, and never decides"),
    )
    return Table("The score and what stands beside it", ("What", "Value", "Meaning"), rows)


def _interval(fact: RunFacts) -> str:
    if fact.low is None or fact.high is None:
        events = "" if fact.n_events is None else f", there are {fact.n_events}"
        return f"none: an interval needs 20 independent events{events}"
    return f"{nats_text(fact.low)} to {nats_text(fact.high)}"


def _baseline(fact: RunFacts) -> str:
    if fact.best_baseline is None or fact.best_baseline_loss is None:
        return "none could be scored"
    own = "" if fact.log_loss is None else f"; the run {fact.log_loss:.4f}"
    return f"{rule_name(fact.best_baseline)}: log-loss {fact.best_baseline_loss:.4f}{own}"


def _null(fact: RunFacts) -> str:
    if fact.null_p is None:
        return "none: no null was computed, or it does not count"
    alone = "" if fact.null_p_single is None else f"; alone {p_text(fact.null_p_single)}"
    family = f", family of {fact.family_size}{alone}" if (fact.family_size or 0) > 1 else ""
    p = p_with_error(fact.null_p, fact.null_error)
    p += " (± Monte-Carlo error)" if "±" in p else ""
    return f"{p}, {count(fact.n_surrogates)} surrogates{family}"


def _events(fact: RunFacts) -> str:
    if fact.n_events is None:
        return "unknown: the run has no verdict"
    worth = (
        ""
        if fact.effective_events is None
        else f", worth {fact.effective_events:,.0f} of equal length"
    )
    return f"{fact.n_events:,} in {count(fact.n_samples)} judged bars{worth}"


def _accuracy(fact: RunFacts) -> str:
    if fact.accuracy is None:
        return "not defined: no sample was judged"
    around = (
        " (no interval)"
        if fact.accuracy_low is None or fact.accuracy_high is None
        else f" ({percent(fact.accuracy_low)} to {percent(fact.accuracy_high)})"
    )
    balanced = (
        "not defined" if fact.balanced_accuracy is None else f"{percent(fact.balanced_accuracy)} %"
    )
    rule = (
        ""
        if fact.best_baseline_accuracy is None
        else f"; the baseline {percent(fact.best_baseline_accuracy)} %"
    )
    return f"{percent(fact.accuracy)} %{around}; balanced {balanced}{rule}"


def rule_name(name: str) -> str:
    """Return a baseline's name in words."""
    return name.replace("_", " ")
