"""The tables that set all runs of a campaign side by side, and the looks at their test parts."""

from collections.abc import Mapping, Sequence
from typing import Any

from marketlab.campaigns._report_run_tables import NO_EVIDENCE
from marketlab.campaigns._report_tables import (
    MISSING,
    Table,
    absent,
    count,
    number,
    rule_name,
    signed,
)
from marketlab.campaigns._run_facts import RunFacts, p_text, percent
from marketlab.core import finite_or_none

_BPS = 10_000.0


def accuracies(facts: Sequence[RunFacts]) -> Table:
    """Return the scores that are shown and never decide, one line per run."""
    rows = tuple(
        (
            fact.run.strategy,
            percent(fact.accuracy),
            MISSING
            if fact.accuracy_low is None
            else f"{percent(fact.accuracy_low)} to {percent(fact.accuracy_high)}",
            percent(fact.balanced_accuracy),
            number(fact.mcc, 2),
            percent(fact.majority_accuracy),
            percent(fact.state_accuracy),
            _ece(fact),
            percent(fact.best_val_accuracy),
        )
        for fact in facts
    )
    heads = (
        "Strategy",
        ">Acc. %",
        ">95 %",
        ">Balanced %",
        ">MCC",
        ">Majority %",
        ">State %",
        ">ECE, points",
        ">Best epoch %",
    )
    foot = (
        "A dash: not defined (no sample, one class only, or fewer than 20 events for an interval). "
        "ECE: mean gap between the forecast and the observed share of BUY."
    )
    return Table("Accuracies of all runs: shown, and never deciding", heads, rows, foot)


def _ece(fact: RunFacts) -> str:
    value = finite_or_none(((fact.run.detail or {}).get("reliability") or {}).get("ece"))
    return MISSING if value is None else f"{100 * value:.1f}"


def all_baselines(facts: Sequence[RunFacts]) -> Table:
    """Return the log-loss of every rule on every run's judged part."""
    title = "Log-loss of every simple rule, by run"
    shown = [f for f in facts if (f.run.detail or {}).get("baselines")]
    if not shown:
        return absent(title, "no run was judged against a baseline.")
    details = [f.run.detail or {} for f in shown]
    losses = [{r["name"]: r["log_loss"] for r in d["baselines"]} for d in details]
    names = list(dict.fromkeys(name for found in losses for name in found))
    rows = tuple(
        (
            fact.run.strategy,
            number(fact.log_loss),
            *(number(found.get(name)) for name in names),
            rule_name(str(detail["best_baseline_inside_training"] or "none was chosen")),
        )
        for fact, found, detail in zip(shown, losses, details, strict=True)
    )
    heads = (
        "Strategy",
        ">Run",
        *(f">{rule_name(name)}" for name in names),
        "Chosen inside training",
    )
    foot = (
        "Less is better. Majority, even odds, the causal state and the one rule that was best "
        "inside training decide; the others are shown. A dash: it could not be fitted, or the run "
        "was made by an older version."
    )
    return Table(title, heads, rows, foot)


def all_trading(facts: Sequence[RunFacts]) -> Table:
    """Return the account of every run, one line each."""
    title = "Trading on the forecasts, by run"
    found = [(f, (f.run.detail or {}).get("trading") or {}) for f in facts]
    shown = [(fact, block) for fact, block in found if block.get("n_bars")]
    if not shown:
        said = {str(block["sentence"]) for _, block in found if block}
        return absent(title, "no run has an account: " + (" ".join(sorted(said)) or NO_EVIDENCE))
    rows = tuple(_trading_row(fact, block) for fact, block in shown)
    entries = [b["random_entry"] for _, b in shown if b["random_entry"]]
    lucky = sum(entry["p_value"] <= 0.05 for entry in entries)
    foot = (
        f"{lucky} of {len(entries)} runs beat random entry at 5 %, where about "
        f"{0.05 * len(entries):.1f} do by luck. "
        if entries
        else ""
    )
    foot += "Basis points of the stake. A dash: fewer than 20 closed trades. Trading never decides."
    heads = (
        "Strategy",
        ">Trades",
        ">Before, bps",
        ">After, bps",
        ">95 % after",
        ">Total %",
        ">Hold %",
        ">Entry p",
        ">Sharpe",
    )
    return Table(title, heads, rows, foot)


def _trading_row(fact: RunFacts, block: Mapping[str, Any]) -> tuple[str, ...]:
    before, after = block["before_costs"] or {}, block["after_costs"] or {}
    low, high = after.get("interval") or (None, None)
    entry, held = block["random_entry"] or {}, block["buy_and_hold"] or {}
    total = finite_or_none(block["total_return"])
    whole = finite_or_none(held.get("return_bps"))
    return (
        fact.run.strategy,
        count(block["n_trades"]),
        signed(before.get("bps_per_trade")),
        signed(after.get("bps_per_trade")),
        MISSING if low is None else f"{signed(low)} to {signed(high)}",
        MISSING if total is None else signed(100 * total),
        MISSING if whole is None else signed(100 * whole / _BPS),
        p_text(finite_or_none(entry.get("p_value"))),
        signed(block["sharpe_annualised"]),
    )


def openings(facts: Sequence[RunFacts]) -> Table:
    """Return every look at a sealed test part."""
    rows = tuple(
        (
            fact.run.strategy,
            str(k),
            str(look["opened_at"])[:16].replace("T", " "),
            str(look["reason"]),
            _look(look),
        )
        for fact in facts
        for k, look in enumerate(fact.run.openings, start=1)
    )
    if not rows:
        return absent("Looks at the sealed test part", "nobody looked at the test part.")
    heads = ("Strategy", ">Opening", "When (UTC)", "Reason given", "Outcome on the test part")
    return Table("Looks at the sealed test part", heads, rows)


def _look(look: Mapping[str, Any]) -> str:
    """Return what one look showed, and what had been seen of these days before it."""
    if look["outcome"] is None:
        return "no verdict: a replay, or a look that was interrupted"
    return f"{look['outcome']}. {look['sentence'] or ''} {look['seen_before'] or ''}".strip()
