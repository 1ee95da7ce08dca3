"""Labels of which nothing can be learned are refused, with their counts."""

from collections.abc import Collection
from typing import Literal, TypeAlias, get_args

from marketlab.core import DataError
from marketlab.labels._base import CLASS_NAMES, HOLD, LabelSet

Degeneracy: TypeAlias = Literal["rare_class", "one_class", "constant_target"]
"""What a configuration may allow by name."""

RARE = 0.01
"""A class below this share of the labels (or one above its complement) is refused."""


def degenerate_reasons(labels: LabelSet, *, allow: Collection[Degeneracy] = ()) -> list[str]:
    """Return why these labels cannot carry a fit or a score; empty if they can.

    - no labels at all (cannot be allowed);
    - ``one_class``: all labels are of one class;
    - ``rare_class``: a class is less than 1 % of the labels, so that another may be above 99 %.
      HOLD of a direction is left out of this: a turning point or a tie is rare by nature;
    - ``constant_target``: all values of a regression target are equal.
    """
    if not len(labels):
        return ["there are no labels"]
    if labels.task == "regression":
        is_constant = bool(labels.value.min() == labels.value.max())
        if is_constant and "constant_target" not in allow:
            return [f"all {len(labels)} values are {float(labels.value[0]):g} (constant_target)"]
        return []
    counts = labels.counts()
    present = [name for name, n in counts.items() if n]
    if len(present) < 2:
        return (
            []
            if "one_class" in allow
            else [f"all {len(labels)} labels are {present[0]} (one_class)"]
        )
    if "rare_class" in allow:
        return []
    spared = CLASS_NAMES[HOLD] if labels.class_names == CLASS_NAMES else None
    return [
        f"{name} is {100.0 * n / len(labels):.2g} % of the labels, {n} of {len(labels)} "
        "(rare_class: below 1 %)"
        for name, n in counts.items()
        if name != spared and n < RARE * len(labels)
    ]


def refuse_degenerate(
    labels: LabelSet, *, allow: Collection[Degeneracy] = (), field: str = "labels"
) -> None:
    """Raise `DataError` if nothing can be learned of these labels; see `degenerate_reasons`.

    The counts of all classes and the number of independent events are in ``details``.
    """
    reasons = degenerate_reasons(labels, allow=allow)
    if not reasons:
        return
    counts = labels.counts()
    shown = ", ".join(f"{name} {n}" for name, n in counts.items())
    kinds = [kind for kind in get_args(Degeneracy) if any(kind in reason for reason in reasons)]
    # No labels at all cannot be allowed.
    by_name = "".join(
        f", or allow it by name: `allow: [{kind}]` in the block, `--allow {kind}` on the command"
        " line"
        for kind in kinds
    )
    raise DataError(
        f"the labels {labels.name!r} are degenerate: {'; '.join(reasons)}"
        + (f". Counts: {shown}." if shown else "."),
        code="LABELS-Degenerate",
        field=field,
        details={
            "reasons": reasons,
            "counts": counts,
            "n_labels": len(labels),
            "n_events": labels.n_events,
        },
        suggestion=f"Choose another threshold or horizon, give a longer series{by_name}.",
    )
