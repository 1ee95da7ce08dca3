"""The feature dictionary as Markdown, from the registry and the sets themselves."""

from collections.abc import Mapping, Sequence
from typing import Any


def dictionary_text(
    indicators: Sequence[Mapping[str, Any]], sets: Sequence[Mapping[str, Any]]
) -> str:
    """Return the dictionary of what `indicator_facts` and `set_facts` say."""
    about = (
        f"{len(indicators)} indicators and {len(sets)} feature sets. Every value is known at the "
        "close of its bar. Warm-up is the number of first bars without a value, at the "
        "parameters shown; on coarser bars it is the least it can be. Generated from the code."
    )
    lines = [
        "# Feature dictionary",
        "",
        about,
        "",
        "## Feature sets",
        "",
        *_table(
            ("set", "columns", "extends", "warm-up", "volume", "context"),
            [
                (
                    s["name"],
                    s["n_columns"],
                    s["extends"] or "",
                    s["warm_up_bars"],
                    "yes" if s["needs_volume"] else "",
                    ", ".join(s["context"]),
                )
                for s in sets
            ],
        ),
    ]
    for each in sets:
        lines += _set(each)
    lines += ["## Indicators", ""]
    for each in indicators:
        lines += _indicator(each)
    return "\n".join(lines).rstrip() + "\n"


def _set(facts: Mapping[str, Any]) -> list[str]:
    lines = [f"### {facts['name']}", ""]
    if facts["about"]:
        lines += [facts["about"].strip(), ""]
    lines += [f"- context `{name}`: {about}" for name, about in facts["context"].items()]
    lines += [""] if facts["context"] else []
    lines += _table(
        ("column", "scale", "range", "warm-up", "volume", "formula", "note"),
        [
            (
                c["name"],
                c["scale"],
                _range(c["range"]),
                c["warm_up_bars"],
                "yes" if c["needs_volume"] else "",
                f"`{c['formula']}`",
                c["note"],
            )
            for c in facts["columns"]
        ],
    )
    if facts["refused"]:
        lines += ["Refused, because they read the future:", ""]
        lines += [f"- `{name}`: {reason}" for name, reason in facts["refused"].items()]
        lines.append("")
    return lines


def _indicator(facts: Mapping[str, Any]) -> list[str]:
    lines = [f"### {facts['name']}", "", facts["reference"], ""]
    parameters = ", ".join(_parameter(p) for p in facts["parameters"]) or "none"
    lines += [
        f"- reads: {', '.join(facts['inputs'])}",
        f"- parameters: {parameters}",
    ]
    if facts["needs_volume"]:
        lines.append("- means nothing on a series without volume")
    at = ", ".join(f"{name} {value}" for name, value in facts["at"].items())
    lines += ["", f"At {at}:" if at else "It gives:", ""]
    return lines + _table(
        ("output", "scale", "range", "warm-up"),
        [(o["name"], o["scale"], _range(o["range"]), o["warm_up_bars"]) for o in facts["outputs"]],
    )


def _parameter(facts: Mapping[str, Any]) -> str:
    default = "" if facts["default"] is None else f" = {facts['default']}"
    limits = f" ({facts['low']} to {facts['high']})" if "low" in facts else " (a price column)"
    return f"`{facts['name']}{default}`{limits}"


def _range(limits: Sequence[float | None] | None) -> str:
    if limits is None or all(end is None for end in limits):
        return "unbounded"
    low, high = limits
    if high is None:
        return f"from {low:g}"
    return f"to {high:g}" if low is None else f"{low:g} to {high:g}"


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    cells = [header, ["---"] * len(header), *rows]
    texts = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in cells]
    return ["| " + " | ".join(row) + " |" for row in texts] + [""]
