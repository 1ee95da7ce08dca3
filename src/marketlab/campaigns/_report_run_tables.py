"""The tables of one run: reliability, confusion, baselines, trading, folds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from marketlab.campaigns._report_tables import (
    Table,
    absent,
    count,
    number,
    rule_name,
    signed,
)
from marketlab.campaigns._run_facts import RunFacts, day, nats_text, p_with_error, percent
from marketlab.core import finite_or_none
from marketlab.evaluation import CLASS_NAMES

NO_EVIDENCE = "there is none: the run did not complete, or its evidence cannot be read."


def run_tables(fact: RunFacts) -> list[Table]:
    """Return the tables of one run: reliability, confusion, baselines, trading, folds."""
    detail = fact.run.detail
    if detail is None:
        titles = ("Reliability", "Confusion", "Baselines", "Trading")
        return [absent(title, NO_EVIDENCE) for title in titles]
    tables = [
        reliability(detail["reliability"], detail["auc"]),
        confusion(detail),
        baselines(detail),
        trading(detail["trading"]),
    ]
    return [*tables, folds(detail["folds"])] if detail["folds"] else tables


def reliability(block: Mapping[str, Any], auc: Mapping[str, Any]) -> Table:
    """Return forecast against observed share of BUY per bin."""
    title = "Reliability of P(BUY), bin by bin"
    if "undefined" in block:
        return absent(title, block["undefined"])
    rows = tuple(
        (
            f"{100 * row['low']:.1f} to {100 * row['high']:.1f}",
            percent(row["mean"]),
            percent(row["observed"]),
            "none"
            if row["interval_low"] is None
            else f"{percent(row['interval_low'])} to {percent(row['interval_high'])}",
            count(row["n_samples"]),
            count(row["n_events"]),
        )
        for row in block["rows"]
    )
    gap = finite_or_none(block["ece"])
    foot = (
        "Mean gap between forecast and observed share (ECE): "
        f"{'not defined' if gap is None else f'{100 * gap:.1f} points'}, which is above zero even "
        "for honest forecasts."
    )
    if any(row["interval_low"] is None for row in block["rows"]):
        foot += " No interval stands where a bin holds fewer than 20 events."
    if "undefined" in auc:
        foot += f" AUC of P(BUY): none; {auc['undefined']}"
    else:
        foot += f" AUC of P(BUY): {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})."
    heads = ("Bin, %", ">Forecast %", ">Observed %", ">95 % interval", ">Bars", ">Events")
    return Table(title, heads, rows, foot)


def confusion(detail: Mapping[str, Any]) -> Table:
    """Return how often each class was answered with each."""
    title = "Confusion: what was answered to what"
    counts = detail["confusion"]
    if not detail["n_samples"]:
        return absent(title, "there is no sample in the judged part.")
    rows = tuple(
        (name, *(count(c) for c in row), count(sum(row)), _share(row[k], sum(row)))
        for k, (name, row) in enumerate(zip(CLASS_NAMES, counts, strict=True))
    )
    answered = [sum(row[k] for row in counts) for k in range(len(CLASS_NAMES))]
    total = sum(answered)
    right = sum(counts[k][k] for k in range(len(CLASS_NAMES)))
    rows += (("all", *(count(n) for n in answered), count(total), _share(right, total)),)
    heads = ("True class", *(f">answered {n}" for n in CLASS_NAMES), ">Bars", ">Right %")
    return Table(title, heads, rows)


def _share(part: int, whole: int) -> str:
    return percent(part / whole) if whole else "none occurs"


def baselines(detail: Mapping[str, Any]) -> Table:
    """Return every baseline with what it scored, and how the deciding one was chosen."""
    title = "Baselines"
    if not detail["baselines"]:
        return absent(title, "none was scored: the run is not judged yet.")
    rows = tuple(
        (
            rule_name(row["name"]),
            "decides" if row["decides"] else "shown",
            number(row["log_loss"]),
            percent(row["accuracy"]),
            number(row["selection_log_loss"]),
            str(row["skipped"] or row["knows"] or "only the counts of the classes in training"),
        )
        for row in detail["baselines"]
    )
    foot = f"How the one to beat was named: {detail['baseline_selection']}"
    heads = (
        "Rule",
        "Role",
        ">Log-loss",
        ">Acc. %",
        ">Inside training",
        "What it knows, or why it is missing",
    )
    return Table(title, heads, rows, foot)


def trading(block: Mapping[str, Any]) -> Table:
    """Return the account that follows the forecasts, before and after costs."""
    title = "Trading on the forecasts"
    if not block["n_bars"]:
        return absent(title, str(block["sentence"]))
    why: Mapping[str, str] = block["undefined"]
    rows = (
        ("Closed trades", count(block["n_trades"])),
        ("Share of bars with a position", _percent_or(block["exposure"], why, "exposure", _plain)),
        ("Per trade before costs", _per_trade(block["before_costs"], why, "before_costs")),
        ("Per trade after costs", _per_trade(block["after_costs"], why, "after_costs")),
        ("Cost of a round trip", f"{number(block['cost_bps'], 2)} bps"),
        ("Total after costs", _percent_or(block["total_return"], why, "total_return")),
        ("Buy and hold", _held(block["buy_and_hold"], why)),
        ("Random entry", _random_entry(block["random_entry"], why)),
        (
            "Largest fall of the account",
            _percent_or(block["max_drawdown"], why, "max_drawdown", _plain),
        ),
        ("Sharpe ratio, annualised", _sharpe(block, why)),
    )
    foot = f"{block['sentence']} Trading is shown and never decides."
    return Table(title, ("What", "Value"), rows, foot)


def _because(why: Mapping[str, str], key: str) -> str:
    return f"none: {why.get(key, 'it is not defined here.')}"


def _percent_or(
    value: Any, why: Mapping[str, str], key: str, write: Callable[[float], str] = signed
) -> str:
    known = finite_or_none(value)
    return _because(why, key) if known is None else f"{write(100 * known)} %"


def _plain(value: float) -> str:
    return f"{value:.2f}"


def _per_trade(block: Mapping[str, Any] | None, why: Mapping[str, str], key: str) -> str:
    if block is None:
        return _because(why, key)
    low, high = block["interval"] or (None, None)
    around = (
        f"no interval: {why.get('interval', 'too few trades.')}"
        if low is None
        else f"95 % interval {signed(low)} to {signed(high)}"
    )
    return f"{signed(block['bps_per_trade'])} bps; {around}"


def _held(block: Mapping[str, Any] | None, why: Mapping[str, str]) -> str:
    if block is None:
        return _because(why, "buy_and_hold")
    return f"{signed(block['return_bps'], 1)} bps in all over the same bars"


def _random_entry(block: Mapping[str, Any] | None, why: Mapping[str, str]) -> str:
    if block is None:
        return _because(why, "random_entry")
    return (
        f"as good with p = {p_with_error(block['p_value'], block['monte_carlo_error'])} (same "
        "sides, holding times and costs)"
    )


def _sharpe(block: Mapping[str, Any], why: Mapping[str, str]) -> str:
    value = finite_or_none(block["sharpe_annualised"])
    if value is None:
        return _because(why, "sharpe_annualised")
    return f"{signed(value)} ({block['days_per_year']} days a year)"


def folds(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return what each fold of a walk-forward run scored."""
    cells = tuple(
        (
            str(row["fold"] + 1),
            f"{day(row['first_time'])} to {day(row['last_time'])}",
            count(row["n_samples"]),
            count(row["n_events"]),
            number(row["log_loss"]),
            number(row["baseline_log_loss"]),
            nats_text(finite_or_none(row["skill"])),
            percent(row["accuracy"]),
        )
        for row in rows
    )
    heads = (
        ">Fold",
        "Judged days",
        ">Bars",
        ">Events",
        ">Log-loss",
        ">Best rule",
        ">Skill, nats",
        ">Acc. %",
    )
    above = sum((finite_or_none(row["skill"]) or 0.0) > 0 for row in rows)
    foot = f"Each fold has a net of its own. In {above} of {len(rows)} the skill is above zero."
    return Table("Folds", heads, cells, foot)
