"""How the facts of `marketlab features …` read as text."""

from typing import Any

from marketlab.interfaces.cli._shell import table


def plan_lines(plan: dict[str, Any]) -> list[str]:
    """Return what a build would do."""
    kind = ", synthetic" if plan["is_synthetic"] else ""
    text = (
        f"{plan['tier']} over {plan['symbol']} {plan['timeframe']} "
        f"({plan['dataset_id'][:12]}{kind}): {plan['n_columns']} columns, {plan['n_bars']} bars, "
        f"warm-up {plan['warm_up_bars']} bars or more, {plan['memory_bytes'] / 1e6:.1f} MB, "
        f"about {max(1, round(plan['estimated_seconds']))} s."
    )
    lines = [text]
    lines += [
        f"  {name} is {c['symbol']} {c['timeframe']} ({c['dataset_id'][:12]}), joined {c['joined']}"
        for name, c in plan["context"].items()
    ]
    return lines


def built_lines(facts: dict[str, Any]) -> list[str]:
    """Return what a build made and left out."""
    dropped = f"{facts['warm_up_dropped']} row(s) before the first complete one left out"
    if facts["missing_dropped"]:
        causes = ", ".join(f"{name} {count}" for name, count in list(facts["missing"].items())[:4])
        dropped += f", {facts['missing_dropped']} incomplete later ones as well (missing: {causes})"
    verb = "is stored as" if facts["is_new"] else "was stored already:"
    took = f"{facts['compute_seconds']:.2f} s computing, {facts['write_seconds']:.2f} s writing"
    size = f"{facts['n_rows']} rows x {len(facts['columns'])} columns"
    return [
        f"{facts['name']} v{facts['version']} {verb} {facts['path']}",
        f"  {size}, {facts['first_time'][:10]} to {facts['last_time'][:10]}; {dropped}.",
        f"  {facts['size_bytes'] / 1e6:.1f} MB; {took}.",
    ]


def audit_lines(facts: dict[str, Any]) -> list[str]:
    """Return the errors and warnings of an audit, and its verdict."""
    lines = []
    for severity, most in (("error", 20), ("warning", 10)):
        found = [item for item in facts["findings"] if item["severity"] == severity]
        lines += [f"{severity} ({i['check']}): {i['message']} {i['remedy']}" for i in found[:most]]
        if len(found) > most:
            lines.append(f"… and {len(found) - most} more {severity}s")
    return [*lines, f"{facts['checked']}: {facts['verdict']}", f"  Report: {facts['report']}"]


def overview(facts: dict[str, Any]) -> list[str]:
    """Return one line per indicator and per set."""
    rows = [
        (
            i["name"],
            ", ".join(
                p["name"] if p["default"] is None else f"{p['name']}={p['default']}"
                for p in i["parameters"]
            ),
            ", ".join(_output(o) for o in i["outputs"]),
            i["warm_up_bars"],
            "yes" if i["needs_volume"] else "",
        )
        for i in facts["indicators"]
    ]
    lines = table(("indicator", "parameters", "outputs and range", "warm-up", "volume"), rows)
    lines += ["", *table(
        ("set", "columns", "warm-up", "volume", "context", "about"),
        [
            (
                s["name"],
                s["n_columns"],
                s["warm_up_bars"],
                "yes" if s["needs_volume"] else "",
                ", ".join(s["context"]),
                s["about"].strip().split(". ")[0][:70],
            )
            for s in facts["sets"]
        ],
    )]  # fmt: skip
    return [*lines, "", "`marketlab features list NAME` shows one in full."]


def _output(output: dict[str, Any]) -> str:
    name = "" if output["name"] == "value" else output["name"]
    return " ".join(word for word in (name, _limits(output["range"]), output["scale"]) if word)


def _limits(limits: list[float | None] | None) -> str:
    low, high = limits or (None, None)
    if high is None:
        return "" if low is None else f">= {low:g}"
    return f"<= {high:g}" if low is None else f"[{low:g}, {high:g}]"


def in_full(facts: dict[str, Any]) -> list[str]:
    """Return all there is to know about an indicator or a set."""
    lines: list[str] = []
    for each in facts["indicators"]:
        lines += [each["name"], f"  {each['reference']}", f"  reads {', '.join(each['inputs'])}"]
        for p in each["parameters"]:
            limits = f", {p['low']} to {p['high']}" if "low" in p else ", a price column"
            default = "must be given" if p["default"] is None else f"default {p['default']}"
            lines.append(f"  parameter {p['name']}: {default}{limits}")
        at = ", ".join(f"{name} {value}" for name, value in each["at"].items())
        lines += [
            f"  output {o['name']}: {_limits(o['range']) or 'unbounded'} {o['scale']}, warm-up "
            f"{o['warm_up_bars']}{f' at {at}' if at else ''}"
            for o in each["outputs"]
        ]
        if each["needs_volume"]:
            lines.append("  means nothing on a series without volume")
    for each in facts["sets"]:
        lines += [f"{each['name']}: {each['about'].strip()}", ""]
        lines += [f"context {name}: {about}" for name, about in each["context"].items()]
        lines += table(
            ("column", "scale", "range", "warm-up", "volume", "formula"),
            [
                (
                    c["name"],
                    c["scale"],
                    _limits(c["range"]),
                    c["warm_up_bars"],
                    "yes" if c["needs_volume"] else "",
                    c["formula"],
                )
                for c in each["columns"]
            ],
        )
        lines += [f"refused {name}: {reason}" for name, reason in each["refused"].items()]
    return lines
