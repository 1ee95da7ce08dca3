"""Labels for people: list the ways to make them, describe one, build a table of one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace
    from marketlab.data import BarFrame
    from marketlab.labels import LabelConfig, LabelSet

_COLUMNS = "time, bar, value, start, end, start_time, end_time, event, uniqueness, weight"


def list_labels() -> list[dict[str, Any]]:
    """Return every label source with what it predicts, what it reads and where it comes from."""
    from marketlab.labels import LABELS

    return [
        {
            "source": name,
            "task": source.task,
            "classes": list(source.class_names),
            "reads": list(source.inputs),
            "summary": source.summary,
            "reference": source.reference,
        }
        for name, source in LABELS.items()
    ]


def describe_label(name: str) -> dict[str, Any]:
    """Return one source with its options, their defaults and bounds; a touch name is resolved.

    Raises
    ------
    ConfigError for an unknown name.
    """
    from marketlab.labels import LABELS, label_by_name
    from marketlab.labels._names import block_of_name

    block = block_of_name(name)
    source = "threshold_touch" if block is not None else name
    LABELS.get(source, field="label")
    facts = next(row for row in list_labels() if row["source"] == source)
    facts["options"] = _options(source)
    if block is not None:
        config = label_by_name(name)
        facts |= {
            "formula": config.formula_name,
            "aliases": list(config.aliases),
            "block": config.to_mapping(),
        }
    return facts


def _options(source: str) -> list[dict[str, Any]]:
    """Return the options of one source as its block declares them."""
    from marketlab.labels import LabelConfig

    kinds = get_args(get_args(LabelConfig)[0])
    kind = next(k for k in kinds if k.model_fields["source"].default == source)
    schema = kind.model_json_schema()
    rows = []
    for name, info in kind.model_fields.items():
        if name == "source":
            continue
        declared = schema["properties"][name]
        parts = [declared, *declared.get("anyOf", ())]
        choices = [c for part in parts for c in part.get("enum", ())]
        bounds = [
            f"{sign} {part[key]:g}"
            for part in parts
            for key, sign in _BOUNDS.items()
            if part.get(key) is not None
        ]
        rows.append(
            {
                "name": name,
                "required": info.is_required(),
                "default": None if info.is_required() else declared.get("default"),
                "type": next((p["type"] for p in reversed(parts) if p.get("type") != "null"), "")
                if "anyOf" not in declared
                else declared["anyOf"][0]["type"],
                "choices": choices or declared.get("items", {}).get("enum", []),
                "bounds": " and ".join(bounds),
            }
        )
    return rows


_BOUNDS = {
    "exclusiveMinimum": ">",
    "minimum": ">=",
    "exclusiveMaximum": "<",
    "maximum": "<=",
}


def label_config(
    name: str, options: Sequence[str] = (), *, allow: Sequence[str] = ()
) -> "LabelConfig":
    """Return the label block of a name and ``KEY=VALUE`` options; a value is read as YAML.

    Raises
    ------
    ConfigError for another form, an option given twice, and as in `label_by_name`.
    """
    from marketlab.core import ConfigError, load_yaml
    from marketlab.labels import label_by_name

    given: dict[str, Any] = {}
    for text in options:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier() or key in given or not value:
            raise ConfigError(
                f"an option is KEY=VALUE, each key once; received {text!r}.",
                field="option",
                value=text,
                suggestion="For example --option horizon=5.",
            )
        given[key] = load_yaml(f"v: {value}", source=f"--option {text}")["v"]
    if allow:
        given["allow"] = list(allow)
    return label_by_name(name, given)


def build_labels(
    workspace: "Workspace",
    bars: "BarFrame",
    config: "LabelConfig",
    *,
    weights: str = "equal",
) -> dict[str, Any]:
    """Make the labels of stored bars, refuse degenerate ones, store them as a table.

    Returns
    -------
    The label's facts (counts, rates, events, overlap), first and last time, and under ``table``
    where the table lies: ``data/processed/v<N>/<SYMBOL>_<timeframe>_labels_<formula>.parquet`` with
    the columns time (open of the bar), bar, value, start, end, start_time, end_time (closes of
    start and end, UTC), event, uniqueness, weight.

    Raises
    ------
    DataError (``LABELS-Degenerate``, ``LABELS-HorizonTooLong``) before anything is written.
    """
    from marketlab.core import iso
    from marketlab.features import TableStore
    from marketlab.labels import compute_labels, refuse_degenerate, sample_weights

    labels = compute_labels(config, bars)
    refuse_degenerate(labels, allow=config.allow)
    weight = sample_weights(weights, labels.start, labels.end, bars.close)
    labels = labels.with_weights(weight)
    identity = {
        "kind": "labels",
        "dataset_id": bars.dataset_id,
        "is_synthetic": bars.is_synthetic,
        "labels": config.identity(),
        "formula": config.formula_name,
        "class_names": list(labels.class_names),
        "weights": weights,
    }
    store = TableStore(workspace.require().root / "data")
    name = f"{bars.symbol}_{bars.timeframe}_labels_{config.formula_name}"
    stored = store.add(name, _frame(labels, bars), identity, tier="labels")
    first, last = labels.times(0)[0], labels.times(len(labels) - 1)[1]
    return {
        **identity,
        "symbol": bars.symbol,
        "timeframe": bars.timeframe,
        "aliases": list(config.aliases),
        "task": labels.task,
        "first_time": iso(first),
        "last_time": iso(last),
        **labels.summary(),
        "table": {
            "name": stored.name,
            "version": stored.version,
            "path": str(stored.path),
            "is_new": stored.is_new,
            "columns": _COLUMNS.split(", "),
        },
    }


def _frame(labels: "LabelSet", bars: "BarFrame") -> Any:
    """Return the labels as a table with times."""
    import polars as pl

    def moments(name: str, values: Any) -> Any:
        return pl.Series(name, values).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")

    return pl.DataFrame(
        [
            moments("time", bars.time_ns[labels.bar]),
            *(pl.Series(n, getattr(labels, n)) for n in ("bar", "value", "start", "end")),
            moments("start_time", labels.start_time_ns),
            moments("end_time", labels.end_time_ns),
            pl.Series("event", labels.event),
            pl.Series("uniqueness", labels.overlap.uniqueness),
            pl.Series("weight", labels.weight),
        ]
    )
