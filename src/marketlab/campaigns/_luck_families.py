"""Which runs stand by their own null p-values, if the number of runs is paid for."""

import math
from collections.abc import Mapping

import numpy as np

from marketlab.campaigns._luck_ranking import Block, undefined
from marketlab.evaluation import adjust_p_values
from marketlab.evaluation._families import Adjustment

LEVEL = 0.05
_METHODS: tuple[Adjustment, ...] = ("bonferroni", "holm", "benjamini_hochberg")


def families_block(
    p_values: Mapping[str, float | None] | None,
    *,
    n_trials: int,
    n_test_openings: int,
    n_surrogates: int | None,
) -> Block:
    """Return the runs that stand by Bonferroni, Holm and Benjamini-Hochberg.

    Parameters
    ----------
    p_values : name of a distinct run -> its own p against its own null, not adjusted for the
        family (`p_single`); None where it has none, which counts as 1. None: no null.
    n_trials : tests that are paid for. n_surrogates : behind each p, if known.
    """
    known = {name: p for name, p in sorted((p_values or {}).items()) if _is_share(p)}
    if not known:
        held = "the campaign has no null" if not p_values else "none of its runs has one"
        return undefined(f"Families are corrected from the runs' own p-values, and {held}.")
    names = list(known)
    total = max(n_trials, len(p_values or {}))
    found = {
        method: adjust_p_values(
            [float(known[name] or 0.0) for name in names],
            method=method,
            level=LEVEL,
            n_tests=total,
            n_test_openings=n_test_openings,
        )
        for method in _METHODS
    }
    counted = found["holm"].n_tests
    stand = {method: [names[i] for i in decision.found] for method, decision in found.items()}
    return {
        "n_tests": counted,
        "level": LEVEL,
        "p_single": {name: float(known[name] or 0.0) for name in names},
        "without_p": sorted(set(p_values or {}) - set(names)),
        "adjusted": {
            method: dict(zip(names, decision.adjusted, strict=True))
            for method, decision in found.items()
        },
        "found": stand,
        "controls": {
            "bonferroni": "the chance of any false finding (FWER), whatever the dependence",
            "holm": "the chance of any false finding (FWER), whatever the dependence",
            "benjamini_hochberg": "the expected share of false findings among the findings (FDR), "
            "if the tests are independent or positively dependent",
        },
        "sentence": _sentence(stand, counted, n_surrogates),
    }


def _is_share(p: float | None) -> bool:
    return p is not None and bool(np.isfinite(p)) and 0.0 <= p <= 1.0


def _sentence(stand: Mapping[Adjustment, list[str]], total: int, n_surrogates: int | None) -> str:
    counts = [len(stand[method]) for method in _METHODS]
    text = (
        f"By their own p-values over {total} tests {counts[0]} runs stand at {100 * LEVEL:g} % "
        f"after Bonferroni and {counts[1]} after Holm, which hold the chance of any false finding "
        f"(FWER), and {counts[2]} after Benjamini and Hochberg, who hold the expected share of "
        "false ones among the findings (FDR). The verdicts use the null of the best run instead "
        "(max statistic): it holds the chance of any false finding as well, and is sharper because "
        "it knows how the runs depend on each other."
    )
    least = math.ceil(total / LEVEL) - 1
    if n_surrogates is not None and n_surrogates < least:
        text += (
            f" With {n_surrogates:,} surrogates no own p is below {1 / (n_surrogates + 1):.2g}, so "
            f"no single run can stand after Bonferroni or Holm however good it is; that needs "
            f"{least:,} surrogates."
        )
    return text
