"""Each user action once. The command line and REST call these and add nothing but their form.

Nothing heavy is imported on top: the command line loads this file when a command runs, and each
function imports what it needs. Functions return JSON-ready facts unless they say otherwise.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marketlab.interfaces._checkpoints import (
    checkpoint_facts,
    checkpoint_stats,
    cleanup_checkpoints,
    delete_checkpoint,
    list_checkpoints,
)
from marketlab.interfaces._combine import combine_data
from marketlab.interfaces._compare import compare
from marketlab.interfaces._data import (
    describe_data,
    fetch_bundled,
    import_data,
    list_data,
    make_market,
    make_synthetic,
    register_processed,
    register_raw,
    verify_data,
)
from marketlab.interfaces._doctor import diagnose
from marketlab.interfaces._feature_check import check_features
from marketlab.interfaces._feature_lists import list_features, write_dictionary
from marketlab.interfaces._feature_plot import plot_feature
from marketlab.interfaces._features import (
    build_features,
    find_bars,
    find_context,
    load_tier,
    parse_day,
    plan_features,
    show_cache,
)
from marketlab.interfaces._fetch import fetch, monitor_fetches, plan_fetch
from marketlab.interfaces._findings import campaign_findings, results_csv, results_table
from marketlab.interfaces._labels import (
    build_labels,
    describe_label,
    label_config,
    list_labels,
)
from marketlab.interfaces._metrics import operation_metrics
from marketlab.interfaces._models import (
    evaluate_test,
    list_models,
    promote,
    replay,
    rollback,
)
from marketlab.interfaces._operations import (
    cancel_operation,
    list_operations,
    operation_children,
    operation_results,
    resume_operation,
    retry_operation,
    show_operation,
    start_training,
    train,
    training_performance,
)
from marketlab.interfaces._report import report
from marketlab.interfaces._selfcheck import run_selfcheck
from marketlab.interfaces._session import (
    Session,
    default_workers,
    follow,
    open_session,
    steering_session,
)
from marketlab.interfaces._transforms import (
    dictionary_data,
    export_data,
    fill_data,
    quality_data,
    resample_data,
)

if TYPE_CHECKING:
    from marketlab.campaigns import CampaignResults, CampaignState, VerifyReport, Workspace

__all__ = [
    "Session",
    "build_features",
    "build_labels",
    "campaign_findings",
    "campaign_report",
    "campaign_results",
    "cancel_operation",
    "check_features",
    "checkpoint_facts",
    "checkpoint_stats",
    "cleanup_checkpoints",
    "combine_data",
    "compare",
    "default_workers",
    "delete_checkpoint",
    "describe_data",
    "describe_label",
    "diagnose",
    "dictionary_data",
    "evaluate_test",
    "export_data",
    "fetch",
    "fetch_bundled",
    "fill_data",
    "find_bars",
    "find_context",
    "follow",
    "import_data",
    "import_strategy",
    "init_workspace",
    "label_config",
    "list_campaigns",
    "list_checkpoints",
    "list_data",
    "list_features",
    "list_labels",
    "list_models",
    "list_operations",
    "list_strategies",
    "load_tier",
    "make_market",
    "make_synthetic",
    "monitor_fetches",
    "open_session",
    "operation_children",
    "operation_metrics",
    "operation_results",
    "parse_day",
    "plan",
    "plan_features",
    "plan_fetch",
    "plot_feature",
    "promote",
    "quality_data",
    "recover",
    "register_processed",
    "register_raw",
    "replay",
    "report",
    "report_paths",
    "resample_data",
    "results_csv",
    "results_mapping",
    "results_table",
    "resume_campaign",
    "resume_operation",
    "retry_operation",
    "rollback",
    "run_campaign",
    "run_selfcheck",
    "show_cache",
    "show_operation",
    "start_training",
    "steering_session",
    "strategy_features",
    "train",
    "training_performance",
    "validate_strategy",
    "verify",
    "verify_data",
    "warm_up",
    "write_dictionary",
]

OnTick = Callable[["CampaignState"], None]
OnStep = Callable[[str, int, int], None]
"""Called as (name, position, total) before each of several steps."""


# -- workspace ------------------------------------------------------------------------------------


def init_workspace(workspace: "Workspace", *, recipe: str | None = None) -> dict[str, Any]:
    """Create folders and ledger; with a recipe, also its bars and strategies; no file is replaced.

    Raises
    ------
    NotFoundError for an unknown recipe; DataError if its bars cannot be had.
    """
    from marketlab.campaigns import initialise_workspace

    made = initialise_workspace(workspace, recipe=recipe)
    return {
        "workspace": str(workspace.root),
        "recipe": recipe,
        "dataset_id": made.bars.dataset_id if made.bars is not None else None,
        "strategies_written": [path.stem for path in made.written],
        "strategies_kept": [path.stem for path in made.kept],
    }


def warm_up(on_step: OnStep | None = None) -> dict[str, Any]:
    """Compile every kernel of every room; later processes load them from the cache."""
    import importlib
    import time

    from marketlab.kernels import cache_folder, warmup

    rooms = (
        "features",
        "labels",
        "evaluation",
        "models",
        "training",
        "backtest",
        "runtime",
        "campaigns",
    )
    for room in rooms:  # importing a room registers its kernels
        importlib.import_module(f"marketlab.{room}")
    started = time.monotonic()
    count = 0
    for name, position, total in warmup():
        count = total
        if on_step is not None:
            on_step(name, position, total)
    return {
        "kernels": count,
        "seconds": round(time.monotonic() - started, 1),
        "cache": str(cache_folder()),
    }


def recover(workspace: "Workspace") -> list[str]:
    """Mark operations failed whose process ended, so that they can be resumed; return their ids."""
    with steering_session(workspace) as session:
        return list(session.service.recover())


# -- strategies -----------------------------------------------------------------------------------


def list_strategies(workspace: "Workspace") -> list[dict[str, Any]]:
    """Return every strategy file with what it reads; a broken one is listed with its problem."""
    from marketlab.campaigns import load_strategy
    from marketlab.core import MarketLabError

    listed = []
    for path in sorted(workspace.require().strategies.glob("*.yaml")):
        entry: dict[str, Any] = {"name": path.stem, "valid": True, "problem": None}
        try:
            strategy = load_strategy(path)
            entry |= {
                "description": strategy.description,
                "symbol": strategy.symbol,
                "timeframe": strategy.timeframe,
                "indicators": sorted(strategy.indicators),
            }
        except MarketLabError as error:
            entry |= {"valid": False, "problem": str(error)}
        listed.append(entry)
    return listed


def validate_strategy(workspace: "Workspace", name: str) -> dict[str, Any]:
    """Return the documented answer on one strategy file; NotFoundError if there is none."""
    from marketlab.campaigns import validate_strategy_file

    return dict(validate_strategy_file(workspace.require(), name))


def strategy_features(workspace: "Workspace", name: str) -> dict[str, Any]:
    """Return the resolved inputs of a strategy in their order."""
    from marketlab.campaigns import strategy_features as features

    return dict(features(workspace.require(), name))


def import_strategy(
    workspace: "Workspace", path: Path, *, name: str | None = None
) -> dict[str, Any]:
    """Convert a strategy in the older list form and store it, saying what was changed.

    Raises
    ------
    ConflictError if a strategy of this name exists; ConfigError if the converted file breaks a
    rule, an indicator that no input uses included.
    """
    from marketlab.campaigns import import_list_form, parse_strategy
    from marketlab.core import (
        ConfigError,
        ConflictError,
        NotFoundError,
        atomic_write,
        dump_yaml,
        inside,
        load_yaml_file,
    )
    from marketlab.features import feature_issues

    if not path.is_file():
        raise NotFoundError(f"there is no file {str(path)!r}.", field="file")
    mapping, notes = import_list_form(load_yaml_file(path), source=path.name)
    if name is not None:
        mapping["name"] = name
    strategy = parse_strategy(mapping, source=path.name)
    found = feature_issues(strategy.feature_config(), has_volume=None)
    unused = [issue for issue in found if "unused" in issue.code.lower()]
    if unused:
        raise ConfigError(
            unused[0].message,
            code=unused[0].code,
            field=unused[0].field,
            suggestion="Remove it, or add a fuzzy set that reads it.",
        )
    target = inside(workspace.require().strategies, f"{strategy.name}.yaml")
    if target.exists():
        raise ConflictError(
            f"there is a strategy {strategy.name!r} already; nothing is overwritten.",
            code="STRATEGY-Exists",
            field="name",
            suggestion="Delete that file, or import under another name with --name.",
        )
    atomic_write(target, dump_yaml(mapping))
    return {"name": strategy.name, "file": str(target), "changes": notes}


# -- campaigns ------------------------------------------------------------------------------------


def plan(workspace: "Workspace", reference: str) -> dict[str, Any]:
    """Resolve a campaign to explicit lists; nothing is trained."""
    from marketlab.campaigns import load_campaign, plan_campaign

    return dict(plan_campaign(workspace.require(), load_campaign(reference)).to_mapping())


def run_campaign(
    workspace: "Workspace",
    reference: str,
    *,
    null: str | None = None,
    surrogates: int | None = None,
    workers: int | None = None,
    on_tick: OnTick | None = None,
) -> "CampaignResults":
    """Run a campaign from a file or a shipped recipe; write its reports.

    `null` (linear or net) and `surrogates` change what the file says of its null; what ran is
    recorded with the campaign.

    Raises
    ------
    ConfigError if a strategy is wrong (nothing is recorded then); CancelledError after Ctrl-C.
    """
    from marketlab.campaigns import CampaignRunner, load_campaign

    config = load_campaign(reference).with_null(statistic=null, surrogates=surrogates)
    with open_session(workspace, workers=workers) as session:
        runner = CampaignRunner(workspace, session.ledger, session.executor)
        return runner.run(runner.create(config), on_tick=on_tick)


def resume_campaign(
    workspace: "Workspace",
    campaign_id: str,
    *,
    workers: int | None = None,
    on_tick: OnTick | None = None,
) -> "CampaignResults":
    """Go on with a campaign: finished runs are kept, interrupted ones continue."""
    from marketlab.campaigns import CampaignRunner

    with open_session(workspace, workers=workers) as session:
        runner = CampaignRunner(workspace, session.ledger, session.executor)
        return runner.run(_campaign_id(session, campaign_id), on_tick=on_tick)


def list_campaigns(workspace: "Workspace") -> list[dict[str, Any]]:
    """Return every campaign of the ledger, oldest first, without its configuration."""
    with steering_session(workspace) as session:
        rows = session.ledger.list_campaigns()
    return [{key: value for key, value in row.items() if key != "config"} for row in rows]


def campaign_results(workspace: "Workspace", campaign_id: str) -> "CampaignResults":
    """Return a campaign as it stands."""
    from marketlab.campaigns import campaign_results as collect

    with steering_session(workspace) as session:
        return collect(workspace, session.ledger, _campaign_id(session, campaign_id))


def campaign_report(workspace: "Workspace", campaign_id: str) -> dict[str, str]:
    """Write a campaign's reports again and return their paths by kind."""
    from marketlab.campaigns import write_report

    paths = write_report(workspace, campaign_results(workspace, campaign_id))
    return {kind: str(path) for kind, path in paths.items()}


def report_paths(workspace: "Workspace", results: "CampaignResults") -> dict[str, str]:
    """Return the report files of a campaign that exist, by file name."""
    folder = workspace.root / "reports" / results.campaign_id
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: str(path) for path in found if path.is_file()}


def verify(workspace: "Workspace", campaign_id: str | None) -> "VerifyReport":
    """Check the files of all runs, or of one campaign with its five checks and four questions."""
    from marketlab.campaigns import verify_campaign, verify_runs

    workspace.require()
    if campaign_id is None:
        return verify_runs(workspace.runs)
    return verify_campaign(workspace, campaign_results(workspace, campaign_id))


def results_mapping(results: "CampaignResults") -> dict[str, Any]:
    """Return results with their findings as JSON-ready facts."""
    from marketlab.campaigns import result_records

    return {
        **asdict(results),
        "findings": campaign_findings(results),
        "records": result_records(results),
    }


def _campaign_id(session: Session, reference: str) -> str:
    """Return the id of a campaign given by its id, or by its name for the latest of that name."""
    rows = session.ledger.list_campaigns()
    ids = [row["campaign_id"] for row in rows if row["name"] == reference]
    return ids[-1] if ids else reference
