"""An audit as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_SEVERITY = {"error": "Errors", "warning": "Warnings", "hint": "Hints"}


def audit_markdown(audit: Mapping[str, Any]) -> str:
    """Return the Markdown report of ``FeatureAudit.to_dict()``."""
    lines = ["# Feature audit", "", audit["verdict"], ""]
    lines += [f"{audit['n_bars']} bars, the first {audit['warm_up_bars']} left out as warm-up.", ""]
    for severity, title in _SEVERITY.items():
        chosen = [item for item in audit["findings"] if item["severity"] == severity]
        if chosen:
            lines += [f"## {title}", ""]
            lines += [f"- **{i['check']}**: {i['message']} {i['remedy']}" for i in chosen]
            lines.append("")
    lines += _drift(audit["drift"])
    lines += _stationarity(audit["stationarity"])
    lines += _historic(audit["historic"])
    return "\n".join(lines).rstrip() + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(row) + " |" for row in cells] + [""]


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _drift(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    text = (
        "PSI over the deciles of the first part (below 0.1 little, above 0.25 much; neighbouring "
        "values depend on each other, so short parts look worse than they are); mean shift in "
        "deviations of the first part."
    )
    body = (
        [
            row["column"],
            row["part"],
            _number(row["psi"]),
            _number(row["mean_shift"], 2),
            _number(row["spread_ratio"], 2),
            str(row["rows"]),
        ]
        for row in rows
    )
    header = ["column", "part", "PSI", "mean shift", "spread ratio", "rows"]
    return ["## Drift", "", text, "", *_table(header, body)]


def _stationarity(hints: Sequence[Mapping[str, Any]]) -> list[str]:
    if not hints:
        return []
    text = (
        "Augmented Dickey-Fuller t-value with a constant against MacKinnon's 5 % value, and the "
        "half-life of a deviation. Hints: one column in twenty that wanders is missed at 5 %, and "
        "a shift of level looks like wandering."
    )
    body = (
        [
            hint["column"],
            _number(hint["statistic"], 2),
            _number(hint["critical"].get("5%"), 2),
            _number(hint["half_life_bars"], 1),
            hint["reason"] or ("wanders" if hint["wanders"] else "returns"),
        ]
        for hint in hints
    )
    header = ["column", "t", "5 % value", "half-life (bars)", "reading"]
    return ["## Stationarity hints", "", text, "", *_table(header, body)]


def _historic(historic: Mapping[str, Mapping[str, float | None] | None]) -> list[str]:
    if not historic:
        return []
    lines = ["## Values on named days", ""]
    absent = [day for day, values in historic.items() if values is None]
    if absent:
        lines += [f"Not in the data: {', '.join(absent)}.", ""]
    there = {day: values for day, values in historic.items() if values is not None}
    if there:
        names = next(iter(there.values()))
        body = (
            [name, *("–" if v[name] is None else f"{v[name]:.6g}" for v in there.values())]
            for name in names
        )
        lines += _table(["column", *there], body)
    return lines
