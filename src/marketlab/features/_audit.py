"""The audit of a feature table: every check, one verdict, findings in plain words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from marketlab.features._audit_checks import (
    Coverage,
    LogicRules,
    coverage_findings,
    historic_values,
    logic_findings,
    measure_coverage,
)
from marketlab.features._audit_report import audit_markdown
from marketlab.features._audit_table import AuditFinding, AuditTable
from marketlab.features._drift import DriftRow, drift_findings, drift_table
from marketlab.features._redundancy import CORRELATED_ABOVE, Redundancy, find_redundancy
from marketlab.features._stationarity import (
    StationarityHint,
    stationarity_findings,
    stationarity_hints,
)

_ORDER = {"error": 0, "warning": 1, "hint": 2}


@dataclass(frozen=True, slots=True)
class FeatureAudit:
    """What an audit saw and found.

    Attributes
    ----------
    n_bars, warm_up_bars : bars of the table, and those at its start that were left out.
    findings : errors first, then warnings, then hints.
    coverage, redundancy, stationarity, drift : the results behind them.
    historic : values on the named days, by ISO date; None for a day the data does not have.
    """

    n_bars: int
    warm_up_bars: int
    findings: tuple[AuditFinding, ...]
    coverage: Coverage
    redundancy: Redundancy
    stationarity: tuple[StationarityHint, ...]
    drift: tuple[DriftRow, ...]
    historic: dict[str, dict[str, float | None] | None]

    @property
    def passed(self) -> bool:
        """Whether every expected column was tested and no finding is an error."""
        complete = self.coverage.tested == self.coverage.total > 0
        return complete and not any(item.severity == "error" for item in self.findings)

    @property
    def verdict(self) -> str:
        """The verdict as a sentence."""
        count = {
            kind: sum(item.severity == kind for item in self.findings)
            for kind in ("error", "warning", "hint")
        }
        return (
            f"{'Passed' if self.passed else 'Failed'}: {self.coverage.sentence} "
            f"{count['error']} errors, {count['warning']} warnings, {count['hint']} hints."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything JSON-ready."""
        return {
            "schema_version": 1,
            "passed": self.passed,
            "verdict": self.verdict,
            "n_bars": self.n_bars,
            "warm_up_bars": self.warm_up_bars,
            "findings": [item.to_dict() for item in self.findings],
            "coverage": self.coverage.to_dict(),
            "redundancy": self.redundancy.to_dict(),
            "stationarity": [hint.to_dict() for hint in self.stationarity],
            "drift": [row.to_dict() for row in self.drift],
            "historic": self.historic,
        }

    def to_markdown(self) -> str:
        """Return the audit as a Markdown report."""
        return audit_markdown(self.to_dict())


def audit_features(
    table: AuditTable,
    *,
    expected: Sequence[str] | None = None,
    parts: Mapping[str, NDArray[Any]] | None = None,
    rules: LogicRules | None = None,
    threshold: float = CORRELATED_ABOVE,
    extra: Sequence[AuditFinding] = (),
) -> FeatureAudit:
    """Return the audit of a table; nothing is changed and nothing is dropped.

    Parameters
    ----------
    table : `AuditTable.of_matrix` or `AuditTable.of`.
    expected : the columns that should be there, in their order (a tier's list).
    parts : bar positions by name, the first one the reference of the drift (training).
    rules : logic between columns, by default what their names imply.
    threshold : absolute correlation above which columns are clustered, in (0, 1).
    extra : findings of other checks (causality) to be counted in the verdict.
    """
    coverage = measure_coverage(table, expected)
    redundancy = find_redundancy(table, threshold=threshold)
    hints = stationarity_hints(table)
    drift = drift_table(table, parts)
    findings = [
        *extra,
        *coverage_findings(coverage),
        *redundancy.findings(),
        *logic_findings(table, rules),
        *drift_findings(table, drift),
        *stationarity_findings(hints),
    ]
    return FeatureAudit(
        n_bars=table.n_bars,
        warm_up_bars=table.warm_up_bars,
        findings=tuple(sorted(findings, key=lambda item: _ORDER[item.severity])),
        coverage=coverage,
        redundancy=redundancy,
        stationarity=hints,
        drift=drift,
        historic=historic_values(table),
    )
