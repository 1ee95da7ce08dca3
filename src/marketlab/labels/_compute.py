"""From a label block and bars to labels."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from marketlab.core import ConfigError, DataError, FloatArray, FrozenConfig
from marketlab.data import BarFrame
from marketlab.labels._base import LABELS, LabelSet
from marketlab.labels._config import LabelConfig
from marketlab.labels._names import block_of_name


class _Holder(FrozenConfig):
    labels: LabelConfig


def parse_label_config(block: Mapping[str, Any], *, source: str = "configuration") -> LabelConfig:
    """Return the checked label block.

    Raises
    ------
    ConfigError for an unknown source, an unknown key or a value out of its bounds; the field
    path begins with ``labels``.
    """
    if "source" not in block:
        raise ConfigError(
            "this required field is missing.",
            code="STRATEGY-ValidationFailed",
            field="labels.source",
            suggestion=f"Known: {', '.join(LABELS.names())}.",
        )
    LABELS.get(str(block["source"]), field="labels.source")
    return _Holder.from_mapping({"labels": dict(block)}, source=source).labels


def label_by_name(name: str, options: Mapping[str, Any] | None = None) -> LabelConfig:
    """Return the label block of a name and options.

    `name` is a source (``direction``) or the name of a touch label (``touch_up_high_h5_t100bps``,
    or its legacy alias ``label_h5_t1pct``, which take no further options but `allow`).

    Raises
    ------
    ConfigError for an unknown name, and as in `parse_label_config`.
    """
    given = dict(options or {})
    block = block_of_name(name)
    if block is None:
        return parse_label_config({**given, "source": name}, source=name)
    twice = sorted(set(given) & set(block))
    if twice:
        raise ConfigError(
            f"the name {name!r} already says {', '.join(twice)}.",
            field=f"labels.{twice[0]}",
            value=given[twice[0]],
            suggestion="Leave the option out, or give the source threshold_touch with options.",
        )
    return parse_label_config({**block, **given}, source=name)


def compute_labels(
    config: LabelConfig, bars: BarFrame | Mapping[str, FloatArray] | FloatArray
) -> LabelSet:
    """Return the labels of a series as `config` states them.

    Parameters
    ----------
    bars : bars, with which the labels get their times; or a mapping of arrays ``open, high, low,
        close``, each (n_bars,); or the closes alone, for labels that read nothing else.

    Returns
    -------
    LabelSet; ``facts["formula"]`` is the label's one name, ``facts["allowed"]`` what kinds of
    degenerate labels the block lets through.

    Raises
    ------
    DataError as in the label method; if a price column is missing; and if no bar has a whole
    horizon ahead (``LABELS-HorizonTooLong``).
    """
    source = LABELS.get(config.source)
    if isinstance(bars, BarFrame):
        arrays: Mapping[str, FloatArray] = bars.arrays()
    else:
        arrays = bars if isinstance(bars, Mapping) else {"close": bars}
    missing = [name for name in source.inputs if name not in arrays]
    if missing:
        raise DataError(
            f"the label {config.source!r} reads {', '.join(source.inputs)}; "
            f"{', '.join(missing)} not given.",
            code="DATA-MissingColumn",
            field=f"bars.{missing[0]}",
            suggestion="Give whole bars, not closes alone.",
        )
    _refuse_short(config, len(arrays[source.inputs[-1]]))
    labels = source.method(*(arrays[name] for name in source.inputs), **config.options())
    facts = {"formula": config.formula_name, **labels.facts, "allowed": list(config.allow)}
    labels = replace(labels, facts=facts)
    return labels.with_times(bars.close_time_ns) if isinstance(bars, BarFrame) else labels


def _refuse_short(config: LabelConfig, n_bars: int) -> None:
    if config.reach is not None and n_bars <= config.reach:
        raise DataError(
            f"a horizon of {config.reach} bars needs at least {config.reach + 1} bars; the series "
            f"has {n_bars}.",
            code="LABELS-HorizonTooLong",
            field="labels.horizon",
            value=config.reach,
            suggestion="Choose a shorter horizon, or give a longer series.",
        )
