"""What luck explains, in the three to six sentences that a person reads first."""

from typing import Any

SURE_RANKING = 0.1
"""Up to this share a ranking is said to hold up. Noise stays below it in 4 % of 300 draws for 3
runs, 2 % for 5 and 10, 1 % for 27, and for 2 runs below half of it in 7 %."""


def luck_sentences(luck: dict[str, Any]) -> list[str]:
    """Return the sentences: what was tried, the ranking, the best run, the account, the seal."""
    if luck["n_runs"] == 0:
        return [
            "No run of this campaign completed, so there is nothing that luck could explain.",
            _ledger(luck),
            _opened(luck["n_test_openings"]),
        ]
    out = [_tried(luck), _ranking(luck), _best(luck), _account(luck)]
    doubtful = _possibly_best(luck)
    if doubtful:
        out.insert(3, doubtful)
    if luck["n_test_openings"]:
        out.append(_opened(luck["n_test_openings"]))
    return out


def _ledger(luck: dict[str, Any]) -> str:
    n = luck["n_trials_in_ledger"]
    return f"The ledger counts {n:,} {'try' if n == 1 else 'tries'} on these data."


def _tried(luck: dict[str, Any]) -> str:
    n, total = luck["n_runs"], luck["n_trials"]
    text = f"{_designs(n)} stand behind the best one" if n > 1 else "One design was run"
    copies = len(luck["copies"])
    if copies:
        text += f" ({copies} {'copy is' if copies == 1 else 'copies are'} not counted as a run)"
    text += f"; with all earlier tries the ledger counts {total:,}" if total > n else ""
    found = luck["effective_trials"]
    if found.get("n_with_returns", 0) > 1:
        effective = found["n_effective"]
        text += (
            f", which amount to about {effective:.{0 if effective >= 10 else 1}f} independent "
            "ones, because their accounts rise and fall together"
            if effective < 0.9 * total
            else ", and they are as good as independent"
        )
    return f"{text}."


def _designs(n: int) -> str:
    return f"{n} different designs"


def _ranking(luck: dict[str, Any]) -> str:
    block = luck["overfitting"]
    if "undefined" in block:
        return f"Whether the ranking would hold up is unknown: {_lower(block['undefined'])}"
    pbo, by_luck = block["pbo"], block["by_luck"]
    holds = pbo <= (SURE_RANKING if block["n_runs"] > 2 else SURE_RANKING / 2)
    word = "The ranking holds up" if holds else "The ranking cannot be told from luck"
    return (
        f"{word}: the run that is best on one half of the samples falls into the lower half of the "
        f"field on the other in {100 * pbo:.0f} % of all ways to halve them, where pure luck gives "
        f"about {100 * by_luck:.0f} %."
    )


def _best(luck: dict[str, Any]) -> str:
    block, named = luck["superior"], luck["step_m"]
    if "undefined" in block:
        return (
            "Whether the best run beats its baseline by more than luck is unknown: "
            f"{_lower(block['undefined'])}"
        )
    size = f"{abs(block['best_advantage']):.4f} nats per sample"
    if block["best_advantage"] <= 0:
        return (
            f"No run beats its baseline on these samples: the best, {block['best']}, is {size} "
            "worse than its own."
        )
    n = block["n_runs"]
    who, luckiest = (
        ("best of them", f"the best of {n} that are no better than their baselines")
        if n > 1
        else ("one run", "a run that is no better than its baseline")
    )
    text = (
        f"The {who}, {block['best']}, is {size} better than its baseline; {luckiest} "
        f"does as well in {_often(block['spa']['p'])}"
    )
    names = named.get("names", [])
    if names:
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        many = "these can be named as better than their baselines"
        whom = many if len(names) > 1 else "it alone can be named as better than its baseline"
        return f"{text}, and {whom}: {shown}."
    return f"{text}, and no run can be named that beats its baseline."


def _often(p: float) -> str:
    """Return ``38 of 100 cases``, ``8 of 1,000 cases``."""
    return f"{round(100 * p)} of 100 cases" if p >= 0.0095 else f"{round(1000 * p)} of 1,000 cases"


def _possibly_best(luck: dict[str, Any]) -> str | None:
    block = luck["confidence_set"]
    if "undefined" in block:
        return None
    n, total = len(block["names"]), block["n_runs"]
    if n == 1:
        return (
            f"One run stands apart: {block['names'][0]} is better than every other of the {total} "
            "compared."
        )
    return (
        f"{n} of {total} runs cannot be told from the best one, so the places among them mean "
        "nothing."
    )


def _account(luck: dict[str, Any]) -> str:
    block = luck["sharpe"]
    if "undefined" in block:
        return str(block["undefined"])
    return str(block["sentence"])


def _opened(times: int) -> str:
    if times == 0:
        return "The test part is sealed."
    if times == 1:
        return "The days of the test part were opened once."
    return (
        f"The days of the test part were opened {times} times; each opening after the first counts "
        "as one more try, because what was seen once is no longer unseen."
    )


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
