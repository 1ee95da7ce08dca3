"""The audit of what a person has: a tier over bars, a stored table, a function of their own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from marketlab.core import DataError, FloatArray, IntArray, MarketLabError
from marketlab.data import BarFrame
from marketlab.features._audit import FeatureAudit, audit_features
from marketlab.features._audit_table import AuditFinding, AuditTable
from marketlab.features._bar_arrays import bar_arrays
from marketlab.features._causality import ArrayFunction, audit_causality, causality_findings
from marketlab.features._context import join_context
from marketlab.features._feature_file import FeatureFile, NamedFeature
from marketlab.features._indicator import INF, OutputRange
from marketlab.features._leak_hints import leak_hints
from marketlab.features._matrix import FeatureMatrix
from marketlab.features._text import parse_expression
from marketlab.features._tier import FeatureTier
from marketlab.kernels import kernel_sources_hash

_CAUSALITY_BARS = 3000
_DAY_NS = 86_400_000_000_000
_PARTS = (("first 70 %", 0.0, 0.7), ("next 15 %", 0.7, 0.85), ("last 15 %", 0.85, 1.0))

FindBars = Callable[[str], BarFrame]
"""Returns the stored bars of a dataset id; raises `MarketLabError` if there are none."""


def check_tier(
    tier: FeatureTier, bars: BarFrame, context: Mapping[str, BarFrame], matrix: FeatureMatrix
) -> FeatureAudit:
    """Return the audit of a tier's columns over bars, `matrix` being their values.

    Causality is tried on the first 3,000 bars after the longest warm-up.
    """
    # With coarser bars the warm-up in fine bars is known only from the values.
    complete = np.asarray(matrix.complete_bars())
    first = int(np.argmax(complete)) if complete.any() else matrix.warm_up_bars
    table = AuditTable.of(
        matrix.names,
        [matrix.column(k) for k in range(matrix.n_features)],
        scale_classes=[column.scale for column in tier.feature_columns],
        ranges={c.feature_id: (c.low, c.high) for c in tier.feature_columns},
        warm_up_bars=first,
        time_ns=bars.time_ns,
    )
    return audit_features(
        table,
        expected=tier.names,
        parts=_parts(first, bars.n_bars),
        extra=_causality(tier, bars, context, first),
    )


def check_stored(frame: Any, facts: Mapping[str, Any], find_bars: FindBars) -> FeatureAudit:
    """Return the audit of a stored table.

    Its columns are computed again from the data sets it names and compared with what the file
    holds, and their formulas are tried for causality. What cannot be done is a warning.
    """
    names = [column["name"] for column in facts["columns"]]
    present = [name for name in names if name in frame.columns]
    times = _times(frame)
    table = AuditTable.of(
        present,
        [frame[name].cast(float).to_numpy() for name in present],
        scale_classes={c["name"]: c["scale"] for c in facts["columns"]},
        ranges={c["name"]: tuple(c["range"]) for c in facts["columns"] if c["range"]},
        warm_up_bars=_first_complete(frame, present),
        time_ns=times,
    )
    extra: list[AuditFinding] = []
    for part in facts["parts"]:
        extra += _check_part(part, facts, frame, times, find_bars)
    if frame.height >= 100:
        lower = {name.lower(): name for name in frame.columns}
        prices = {n: frame[lower[n]].to_numpy() for n in ("open", "high", "low", "close")}
        extra += leak_hints(table, prices)
    parts = _parts(table.warm_up_bars, table.n_bars)
    return audit_features(table, expected=names, parts=parts, extra=extra)


def check_function(function: Callable[..., Any], bars: BarFrame) -> FeatureAudit:
    """Return the audit of a user's own function of bars.

    Parameters
    ----------
    function : takes a mapping of arrays (n_bars,) open, high, low, close, volume, time, close_time
        (seconds of UTC); returns a mapping of names to values (n_bars,), or names and values
        (n_columns, n_bars). Missing values are NaN.
    """
    wrapped = _named(function)
    arrays = {n: values[:_CAUSALITY_BARS] for n, values in bar_arrays(bars).items()}
    extra = causality_findings(audit_causality(wrapped, arrays))
    names, values = wrapped(bar_arrays(bars))
    complete = np.isfinite(values).all(axis=0)
    first = int(np.argmax(complete)) if complete.any() else 0
    table = AuditTable.of(names, values, warm_up_bars=first, time_ns=bars.time_ns)
    parts = _parts(first, bars.n_bars)
    return audit_features(table, expected=names, parts=parts, extra=extra)


def _named(function: Callable[..., Any]) -> ArrayFunction:
    def call(arrays: Mapping[str, FloatArray]) -> tuple[Sequence[str], FloatArray]:
        made = function(dict(arrays))
        if isinstance(made, Mapping):
            columns = [np.asarray(values, dtype=np.float64) for values in made.values()]
            names: Sequence[str] = [str(name) for name in made]
        elif isinstance(made, tuple) and len(made) == 2:
            names, columns = [str(name) for name in made[0]], list(made[1])
        else:
            raise DataError(
                f"the function returned a {type(made).__name__}.",
                code="FEATURE-CallableResult",
                field="callable",
                suggestion="Return a mapping of names to arrays with one value per bar.",
            )
        n_bars = len(arrays["close"])
        for name, values in zip(names, columns, strict=False):
            if np.shape(values) != (n_bars,):
                raise DataError(
                    f"{name} has the shape {np.shape(values)}, and there are {n_bars} bars.",
                    code="DATA-ShapeMismatch",
                    field="callable",
                    value=name,
                    suggestion="Leave missing values missing (NaN); drop no bars.",
                )
        return names, np.array(columns, dtype=np.float64)

    return call


def _causality(
    tier: FeatureTier, bars: BarFrame, context: Mapping[str, BarFrame], first: int
) -> list[AuditFinding]:
    n_bars = min(bars.n_bars, first + _CAUSALITY_BARS)
    arrays = bar_arrays(bars, join_context(bars, context))
    try:
        found = audit_causality(tier, {name: values[:n_bars] for name, values in arrays.items()})
    except DataError as error:
        return [_warning("causality", (), f"Causality was not tried: {error.message}", "")]
    return causality_findings(found)


def _check_part(
    part: Mapping[str, Any],
    facts: Mapping[str, Any],
    frame: Any,
    times: IntArray,
    find_bars: FindBars,
) -> list[AuditFinding]:
    names = tuple(part["columns"])
    try:
        bars = find_bars(part["dataset_id"])
        context = {n: find_bars(c["dataset_id"]) for n, c in part["context"].items()}
        tier = _tier_again(facts, names, part["context"])
        matrix = tier.compute(bar_arrays(bars, join_context(bars, context)))
    except MarketLabError as error:
        text = f"The columns were not computed again: {error.message}"
        return [_warning("reproduction", names, text, "Store the data sets that the table names.")]
    rows = np.minimum(np.searchsorted(_day_or_time(bars, frame), times), bars.n_bars - 1)
    if (_day_or_time(bars, frame)[rows] != times).any():
        text = "The table has rows at times that its data set has not."
        return [_error("reproduction", names, text, "Build the table again.")]
    found = _differences(matrix, rows, frame, str(facts["kernel_sources_hash"]))
    first = int(np.argmax(matrix.complete_bars()))
    return found + _causality(tier, bars, context, first)


def _differences(
    matrix: FeatureMatrix, rows: IntArray, frame: Any, kernels: str
) -> list[AuditFinding]:
    other = [
        name
        for k, name in enumerate(matrix.names)
        if name in frame.columns
        and not np.array_equal(
            matrix.column(k)[rows], frame[name].cast(float).to_numpy(), equal_nan=True
        )
    ]
    if not other:
        return []
    named = ", ".join(other[:5]) + (f" and {len(other) - 5} more" if len(other) > 5 else "")
    text = f"Computed again from the same bars, {named} differ from what the table holds."
    if kernels != kernel_sources_hash():
        text += " It was made by another version of the kernels."
        return [_warning("reproduction", tuple(other), text, "Build the table again.")]
    return [_error("reproduction", tuple(other), text, "The file was changed; build it again.")]


def _tier_again(
    facts: Mapping[str, Any], names: Sequence[str], context: Mapping[str, Any]
) -> FeatureTier:
    """Return the tier that a table's own record of its formulas describes."""
    items = []
    for column in facts["columns"]:
        if column["name"] in names:
            low, high = column["range"] or (-INF, INF)
            items.append(
                NamedFeature(
                    column["name"],
                    column["formula"],
                    parse_expression(column["expression"], field=column["name"]),
                    OutputRange(low, high, column["scale"]),
                )
            )
    about = {name: str(each["symbol"]) for name, each in context.items()}
    return FeatureTier(FeatureFile("table", "", None, tuple(items), about))


def _parts(first: int, n_bars: int) -> dict[str, IntArray]:
    length = n_bars - first
    return {
        name: np.arange(first + int(length * low), first + int(length * high), dtype=np.int64)
        for name, low, high in _PARTS
    }


def _times(frame: Any) -> IntArray:
    name = "time" if "time" in frame.columns else "Date"
    return np.asarray(frame[name].to_physical().to_numpy(), dtype=np.int64)


def _day_or_time(bars: BarFrame, frame: Any) -> IntArray:
    if "time" in frame.columns:
        return bars.time_ns
    return bars.time_ns // _DAY_NS * _DAY_NS


def _first_complete(frame: Any, names: Sequence[str]) -> int:
    complete = np.logical_and.reduce([np.isfinite(frame[n].cast(float).to_numpy()) for n in names])
    return int(np.argmax(complete)) if complete.any() else 0


def _warning(check: str, columns: tuple[str, ...], message: str, remedy: str) -> AuditFinding:
    return AuditFinding("warning", check, columns, message, remedy)


def _error(check: str, columns: tuple[str, ...], message: str, remedy: str) -> AuditFinding:
    return AuditFinding("error", check, columns, message, remedy)
