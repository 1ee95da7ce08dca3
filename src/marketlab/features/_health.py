"""Whether computed features carry information: constant, never reached, out of range, missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from marketlab.core import ConfigError, DataError, FloatArray
from marketlab.features._checks import DEAD_BELOW, DEAD_SHARE
from marketlab.features._columns import FeatureColumn
from marketlab.features._matrix import FeatureMatrix

HealthKind = Literal["not_finite", "out_of_range", "constant", "dead_zone"]
_NO_VOLUME = (
    "It is built on volume, and this series has none there. Choose a series with (tick) volume, "
    "or remove the indicator."
)


@dataclass(frozen=True, slots=True)
class HealthFinding:
    """One finding about a feature over the bars that were looked at.

    Attributes
    ----------
    severity : an "error" closes the gate, a "warning" is shown.
    kind : not_finite, out_of_range, constant (one value at every bar) or dead_zone (at more than
        5 % of the bars every set of a fuzzy set is below 0.05).
    feature : the feature, or for a dead zone the fuzzy set.
    message : what was found and what to do, in sentences.
    share : share of the bars concerned.
    """

    severity: Literal["error", "warning"]
    kind: HealthKind
    feature: str
    message: str
    share: float

    def to_dict(self) -> dict[str, Any]:
        """Return the finding JSON-ready."""
        return {
            "severity": self.severity,
            "kind": self.kind,
            "feature": self.feature,
            "message": self.message,
            "share": self.share,
        }


def feature_health(matrix: FeatureMatrix, positions: NDArray[Any]) -> list[HealthFinding]:
    """Return what is wrong with the present values (lag 0) of the features at `positions`.

    Parameters
    ----------
    matrix : features of all bars.
    positions : bars to look at: the training rows, so that nothing of the test part is seen.

    Raises
    ------
    DataError if there are no positions or one is not a bar.
    """
    chosen = np.array(positions, dtype=np.int64)
    if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= matrix.n_bars:
        raise DataError(
            f"feature health needs bars in [0, {matrix.n_bars - 1}]; received {chosen.size} "
            "positions.",
            code="FEATURE-Position",
        )
    found: list[HealthFinding] = []
    highest: dict[str, FloatArray] = {}
    for feature, name in enumerate(matrix.names):
        about = matrix.columns[feature] if matrix.columns else None
        if about is not None and about.lag > 0:
            continue
        values = matrix.column(feature)[chosen]
        found += _column_findings(name, values, about)
        if about is not None and about.fuzzy_set is not None:
            before = highest.get(about.fuzzy_set)
            highest[about.fuzzy_set] = values if before is None else np.fmax(before, values)
    return found + [item for name, best in highest.items() for item in _dead_zone(name, best)]


def _column_findings(
    name: str, values: FloatArray, about: FeatureColumn | None
) -> list[HealthFinding]:
    finite = np.isfinite(values)
    on_volume = about is not None and about.needs_volume
    found: list[HealthFinding] = []
    if not finite.all():
        share = float(1.0 - finite.mean())
        cure = _NO_VOLUME if on_volume else "Leave out the warm-up bars, or look at the bars there."
        found.append(
            HealthFinding(
                "error",
                "not_finite",
                name,
                f"{name} has no value at {int((~finite).sum())} of {len(values)} bars. {cure}",
                share,
            )
        )
    present = values[finite]
    if present.size == 0:
        return found
    if about is not None:
        outside = (present < about.low) | (present > about.high)
        if outside.any():
            found.append(
                HealthFinding(
                    "error",
                    "out_of_range",
                    name,
                    f"{name} leaves its declared range [{about.low:g}, {about.high:g}] at "
                    f"{int(outside.sum())} bars, for example with {float(present[outside][0])!r}. "
                    "The bars break a rule (a close outside high and low?), or the declaration "
                    "is wrong: validate the series.",
                    float(outside.mean()),
                )
            )
    if present.min() == present.max():
        cure = _NO_VOLUME if on_volume else "Choose sets that the indicator reaches, or remove it."
        found.append(
            HealthFinding(
                "error",
                "constant",
                name,
                f"{name} is {float(present[0]):g} at every bar, so it carries no information. "
                f"{cure}",
                1.0,
            )
        )
    return found


def _dead_zone(name: str, best: FloatArray) -> list[HealthFinding]:
    share = float((best < DEAD_BELOW).mean())
    if share <= DEAD_SHARE:
        return []
    return [
        HealthFinding(
            "warning",
            "dead_zone",
            name,
            f"at {100 * share:.1f} % of the bars every set of {name} is below {DEAD_BELOW}. "
            "Widen the sets, or write `edges: shoulders`.",
            share,
        )
    ]


def require_healthy(
    findings: Sequence[HealthFinding], *, allow_constant_features: bool = False
) -> None:
    """Raise the first error among `findings`, all of them in ``details["findings"]``.

    With `allow_constant_features` constant features pass; the run is then no evidence.

    Raises
    ------
    ConfigError (FEATURE-Constant) for a constant feature; DataError for missing values
    (FEATURE-NotFinite) or values out of range (FEATURE-OutOfRange).
    """
    errors = [
        item
        for item in findings
        if item.severity == "error" and not (allow_constant_features and item.kind == "constant")
    ]
    if not errors:
        return
    first = errors[0]
    more = "" if len(errors) == 1 else f" ({len(errors) - 1} more findings)"
    details = {"findings": [item.to_dict() for item in findings]}
    if first.kind == "constant":
        raise ConfigError(
            first.message + more, code="FEATURE-Constant", field=first.feature, details=details
        )
    code = "FEATURE-NotFinite" if first.kind == "not_finite" else "FEATURE-OutOfRange"
    raise DataError(first.message + more, code=code, field=first.feature, details=details)
