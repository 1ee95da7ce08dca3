"""The audit of features, and their picture."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace
    from marketlab.data import BarFrame
    from marketlab.features import FeatureTier


def check_features(
    workspace: "Workspace",
    *,
    table: str | None = None,
    tier: str | None = None,
    function: str | None = None,
    bars: "BarFrame | None" = None,
    context: Sequence[str] = (),
) -> dict[str, Any]:
    """Audit a stored table, a tier over bars, or a function ``module:name`` of bars.

    Writes the audit as Markdown to ``reports/`` and returns it with the path and the cache's notes.

    Raises
    ------
    ConfigError unless exactly one of the three is named, and bars for the latter two.
    """
    from marketlab.core import ConfigError, atomic_write
    from marketlab.features import TableStore, check_function, check_stored

    given = [each for each in (table, tier, function) if each is not None]
    if len(given) != 1 or (bars is None) != (table is not None):
        raise ConfigError(
            "check either a TABLE, or a --tier or a --callable over the bars of a symbol.",
            field="table",
            suggestion="For example `features check SPX_features_a20`, or --tier a20 --symbol SPX.",
        )
    notes: tuple[str, ...] = ()
    if bars is None:
        frame, stored = TableStore(workspace.require().root / "data").load(str(table))
        audit = check_stored(frame, stored.facts, workspace.catalog.load)
        what = f"{stored.name}_v{stored.version}"
    elif function is not None:
        audit, what = check_function(load_function(function), bars), function
    else:
        audit, what, notes = _check_tier(workspace, str(tier), bars, context)
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in what)
    path = workspace.root / "reports" / f"feature_audit_{safe}.md"
    atomic_write(path, audit.to_markdown())
    return {"checked": what, **audit.to_dict(), "report": str(path), "notes": list(notes)}


def _check_tier(
    workspace: "Workspace", name: str, bars: "BarFrame", given: Sequence[str]
) -> tuple[Any, str, tuple[str, ...]]:
    from marketlab.features import check_tier
    from marketlab.interfaces._features import find_context, load_tier

    tier, context = load_tier(name), find_context(workspace, given)
    matrix, notes = cached_matrix(workspace, tier, bars, context)
    what = f"{tier.file.name}_{bars.symbol}_{bars.timeframe}"
    return check_tier(tier, bars, context, matrix), what, notes


def cached_matrix(
    workspace: "Workspace", tier: "FeatureTier", bars: "BarFrame", context: dict[str, "BarFrame"]
) -> tuple[Any, tuple[str, ...]]:
    """Return a tier's values over bars from the workspace's cache, and what happened there."""
    from marketlab.features import FeatureMatrix, compute_tier, table_key
    from marketlab.interfaces._features import feature_cache

    found = feature_cache(workspace).get(
        table_key(tier, bars, context),
        lambda: compute_tier(tier, bars, context).values,
        about=f"{tier.file.name} over {bars.symbol} {bars.timeframe}",
    )
    matrix = FeatureMatrix(
        found.values, tier.names, tier.warm_up_bars, columns=tier.feature_columns
    )
    return matrix, found.notes


def load_function(reference: str) -> Callable[..., Any]:
    """Return the function ``module:name``; the current folder is looked in first.

    Raises
    ------
    ConfigError for another form, a module that cannot be imported, or a name that is no function.
    """
    import importlib

    from marketlab.core import ConfigError

    module_name, colon, name = reference.partition(":")
    if not colon or not module_name or not name:
        raise _refused(reference, "a function is module:name", "For example mine:my_features.")
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except ConfigError:
        raise
    except Exception as error:
        why = f"{module_name} cannot be imported: {type(error).__name__}: {error}"
        raise _refused(reference, why, f"Modules are looked for in {folder} first.") from error
    finally:
        sys.path.remove(folder)
    function = getattr(module, name, None)
    if not callable(function):
        raise _refused(reference, f"{module_name} has no function {name!r}", "Check the name.")
    found: Callable[..., Any] = function
    return found


def _refused(reference: str, rule: str, suggestion: str) -> Exception:
    from marketlab.core import ConfigError

    return ConfigError(
        f"{rule}.",
        code="CONFIG-UnknownCallable",
        field="callable",
        value=reference,
        suggestion=suggestion,
    )
