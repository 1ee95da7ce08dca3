"""Indicators written as text: the grammar of `parse_expression`, with their numbers as names."""

from collections.abc import Mapping, Sequence

from marketlab.features._expression import Expression, source
from marketlab.features._indicator import (
    INDICATORS,
    SINGLE,
    SOURCE,
    IndicatorDefinition,
    IndicatorParameter,
    OutputRange,
    Parameters,
)
from marketlab.features._text import Value, parse_expression

INPUT = "x"
"""In a formula, the price that the indicator is taken of (close unless the caller says)."""


def numbers(**defaults: int) -> tuple[IndicatorParameter, ...]:
    """Return integer parameters from 1 (2 for a window's length) with their defaults."""
    return tuple(
        IndicatorParameter(name, low=1 if default == 1 else 2, default=default)
        for name, default in defaults.items()
    )


def define(
    name: str,
    formulas: str | Mapping[str, str],
    ranges: OutputRange | Mapping[str, OutputRange],
    reference: str,
    *,
    parameters: Sequence[IndicatorParameter] = (),
    let: Mapping[str, str] | None = None,
    needs_volume: bool = False,
    ordered: tuple[tuple[str, str], ...] = (),
    aliases: tuple[str, ...] = (),
) -> None:
    """Register an indicator.

    Parameters
    ----------
    formulas : one formula, or one per output. They read the columns of a bar, the parameters by
        name, the names of `let`, and ``x``: with it the indicator can be taken of any price or
        formula, and then it may not read ``close`` beside it.
    ranges : declared range and scale class, one or one per output.
    reference : the formula in words, its source, degenerate bars.
    let : parts that several formulas share, each may use those before it.
    ordered : pairs of parameters of which the first must be below the second.
    """
    outputs = {SINGLE: formulas} if isinstance(formulas, str) else dict(formulas)
    limits = {SINGLE: ranges} if isinstance(ranges, OutputRange) else dict(ranges)
    texts = [*(let or {}).values(), *outputs.values()]
    takes_input = any(INPUT in _words(text) for text in texts)
    declared = (*parameters, SOURCE) if takes_input else tuple(parameters)

    def build(params: Parameters) -> dict[str, Expression]:
        known: dict[str, Value] = {p.name: params[p.name] for p in parameters}
        if takes_input:
            known[INPUT] = source(params["source"])
        for part, text in (let or {}).items():
            known[part] = parse_expression(text, known, field=f"{name}.{part}")
        return {
            output: parse_expression(text, known, field=f"{name}.{output}")
            for output, text in outputs.items()
        }

    INDICATORS.add(
        name,
        IndicatorDefinition(
            name,
            declared,
            tuple(outputs),
            lambda _: dict(limits),
            build,
            reference,
            needs_volume=needs_volume,
            ordered=ordered,
        ),
        aliases=aliases,
    )


def _words(text: str) -> set[str]:
    cleaned = "".join(c if c.isalnum() or c == "_" else " " for c in text)
    return set(cleaned.split())
