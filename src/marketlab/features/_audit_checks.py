"""Checks of an audit that need no statistics: coverage, ranges, logic, values on known days."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from marketlab.core import BoolArray, ConfigError, FloatArray, did_you_mean
from marketlab.features._audit_table import MIN_ROWS, AuditFinding, AuditTable

HISTORIC_DATES = (
    date(2020, 3, 16),
    date(2020, 3, 23),
    date(2021, 11, 19),
    date(2022, 6, 16),
    date(2023, 10, 27),
    date(2024, 7, 16),
)
"""Crash, its low, a peak, a low, a low, a peak: days on which a wrong formula shows."""

_NS_PER_DAY = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the columns that should be there was there and judged.

    Attributes
    ----------
    total, tested : columns expected, and those present with at least 30 finite values after the
        warm-up. Below 100 % the verdict fails.
    missing, unexpected : columns expected and absent, and the other way round.
    in_order : whether the common columns come in the expected order.
    present_share : per column the share of finite values after the warm-up.
    """

    total: int
    tested: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    in_order: bool
    present_share: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the result JSON-ready."""
        return {
            "total": self.total,
            "tested": self.tested,
            "missing": list(self.missing),
            "unexpected": list(self.unexpected),
            "in_order": self.in_order,
            "present_share": dict(self.present_share),
        }

    @property
    def sentence(self) -> str:
        """The coverage as a sentence."""
        share = 100 * self.tested / self.total if self.total else 0.0
        return f"{self.tested} of {self.total} columns tested ({share:.1f} %)."


def measure_coverage(table: AuditTable, expected: Sequence[str] | None = None) -> Coverage:
    """Return the coverage of the `expected` columns (by default those of the table itself)."""
    wanted = tuple(table.names if expected is None else expected)
    share: dict[str, float] = {}
    tested = set()
    for i, name in enumerate(table.names):
        finite = np.isfinite(table.after_warm_up(i))
        share[name] = float(finite.mean())
        if int(finite.sum()) >= MIN_ROWS:
            tested.add(name)
    common = [name for name in table.names if name in set(wanted)]
    return Coverage(
        total=len(wanted),
        tested=sum(name in tested for name in wanted),
        missing=tuple(name for name in wanted if name not in share),
        unexpected=tuple(name for name in table.names if name not in set(wanted)),
        in_order=common == [name for name in wanted if name in share],
        present_share=share,
    )


def coverage_findings(coverage: Coverage) -> list[AuditFinding]:
    """Return an error for all that is absent, unexpected, out of order or not finite."""
    found = []
    for names, message in (
        (coverage.missing, "expected and not there"),
        (coverage.unexpected, "there and not expected"),
    ):
        if names:
            shown = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
            found.append(
                AuditFinding(
                    "error", "coverage", names, f"{len(names)} columns are {message}: {shown}.",
                    "Compute exactly the columns of the list, under its names.",
                )
            )  # fmt: skip
    if not coverage.in_order:
        found.append(
            AuditFinding(
                "error", "coverage", (), "the columns are not in the expected order.",
                "Keep the order of the list; it is part of the contract.",
            )
        )  # fmt: skip
    for name, share in coverage.present_share.items():
        if share < 1.0:
            found.append(
                AuditFinding(
                    "error", "not_finite", (name,),
                    f"{name} has no finite value at {100 * (1 - share):.2f} % of the bars after "
                    "the warm-up.",
                    "Look at the bars there (gaps, no volume), or declare the longer warm-up.",
                )
            )  # fmt: skip
    return found


@dataclass(frozen=True, slots=True)
class LogicRules:
    """What must hold between values, by column name.

    Attributes
    ----------
    exclusive : pairs that are never above 0 at the same bar.
    runs : whole numbers whose size rises by 1, sign kept, or falls back to 0 or 1.
    ages : whole numbers of at least 0 that rise by 1, stay or fall (an extreme leaves a window).
    """

    exclusive: tuple[tuple[str, str], ...] = ()
    runs: tuple[str, ...] = ()
    ages: tuple[str, ...] = ()


_OPPOSITES = (
    ("days_above_upper_band", "days_below_lower_band"),
    ("days_rsi_overbought", "days_rsi_oversold"),
    ("consecutive_up_days", "consecutive_down_days"),
    ("is_monday", "is_friday"),
)
_RUN = re.compile(
    r"days_(above|below|rsi)_\w+|days_since_\w*cross\w*|consecutive_\w+|\w+_(duration|streak)"
)
_AGE = re.compile(r"days_since_52wk_\w+")


def logic_rules(names: Sequence[str]) -> LogicRules:
    """Return the rules that the naming of the tiers implies for `names`.

    ``days_above_X`` excludes ``days_below_X``; ``days_above_*``, ``days_since_*_cross``,
    ``consecutive_*``, ``*_duration`` and ``*_streak`` count runs; ``days_since_52wk_*`` are ages.
    """
    known = set(names)
    above = [(n, n.replace("days_above_", "days_below_", 1)) for n in names if "days_above_" in n]
    pairs = [*above, *_OPPOSITES]
    return LogicRules(
        exclusive=tuple(p for p in pairs if p[0] in known and p[1] in known),
        runs=tuple(name for name in names if _RUN.fullmatch(name)),
        ages=tuple(name for name in names if _AGE.fullmatch(name)),
    )


def logic_findings(table: AuditTable, rules: LogicRules | None = None) -> list[AuditFinding]:
    """Return an error for each broken rule, range and flag, with the first bar.

    Parameters
    ----------
    rules : by default those of `logic_rules`.

    Raises
    ------
    ConfigError if a rule names an unknown column.
    """
    rules = logic_rules(table.names) if rules is None else rules
    position = {name: i for i, name in enumerate(table.names)}

    def column(name: str) -> FloatArray:
        if name not in position:
            raise ConfigError(
                f"a logic rule names {name!r}, which is not a column of the audit.",
                code="CONFIG-UnknownName",
                field="rules",
                value=name,
                suggestion=did_you_mean(name, position),
            )
        return table.columns[position[name]]

    found = _range_findings(table)
    for first, second in rules.exclusive:
        both = (column(first) > 0) & (column(second) > 0)
        found += _broken(both, "logic", (first, second), "are both above 0", [column(first)])
    for name in rules.runs:
        values = column(name)
        text = "neither goes on by 1 nor falls back to 0 or 1"
        found += _broken(_bad_run(values), "logic", (name,), text, [values])
    for name in rules.ages:
        values = column(name)
        bad = (values[1:] > values[:-1] + 1) | (values[1:] < 0) | (values[1:] % 1 != 0)
        bad &= np.isfinite(values[1:]) & np.isfinite(values[:-1])
        text = "rises by more than 1, or is no whole number of at least 0"
        found += _broken(np.concatenate([[False], bad]), "logic", (name,), text, [values])
    return found


def _bad_run(values: FloatArray) -> BoolArray:
    before, after = values[:-1], values[1:]
    goes_on = (np.abs(after) == np.abs(before) + 1) & ((before == 0) | (after * before > 0))
    starts_anew = (after == 0) | (np.abs(after) == 1)
    bad = ~(goes_on | starts_anew) & np.isfinite(before) & np.isfinite(after)
    return np.concatenate([[False], bad])


def _range_findings(table: AuditTable) -> list[AuditFinding]:
    found = []
    for i, name in enumerate(table.names):
        values, low, high = table.columns[i], table.low[i], table.high[i]
        if np.isfinite(low) or np.isfinite(high):
            outside = (values < low) | (values > high)
            text = f"leaves its declared range [{low:g}, {high:g}]"
            found += _broken(outside, "range", (name,), text, [values])
        if table.scale_classes[i] == "flag":
            odd = np.isfinite(values) & (values != 0) & (values != 1)
            found += _broken(odd, "range", (name,), "is a flag and neither 0 nor 1", [values])
    return found


def _broken(
    bad: BoolArray, check: str, columns: tuple[str, ...], text: str, shown: Sequence[FloatArray]
) -> list[AuditFinding]:
    if not bad.any():
        return []
    first = int(np.argmax(bad))
    return [
        AuditFinding(
            "error", check, columns,
            f"{' and '.join(columns)} {text} at {int(bad.sum())} bars, the first one {first} "
            f"(value {float(shown[0][first])!r}).",
            "The formula, its declaration or the bars there are wrong: compare that bar by hand.",
        )
    ]  # fmt: skip


def historic_values(table: AuditTable) -> dict[str, dict[str, float | None] | None]:
    """Return the columns' values on the six named days, by ISO date.

    The last bar that opens on that UTC day; None for a day the data does not have, and for a
    value that is missing. Empty if the table carries no times.
    """
    if table.time_ns is None:
        return {}
    days = table.time_ns // _NS_PER_DAY
    out: dict[str, dict[str, float | None] | None] = {}
    for day in HISTORIC_DATES:
        number = (day - date(1970, 1, 1)).days
        bar = int(np.searchsorted(days, number, side="right")) - 1
        if bar < 0 or days[bar] != number:
            out[day.isoformat()] = None
            continue
        values = (float(column[bar]) for column in table.columns)
        out[day.isoformat()] = {
            name: value if np.isfinite(value) else None
            for name, value in zip(table.names, values, strict=True)
        }
    return out
