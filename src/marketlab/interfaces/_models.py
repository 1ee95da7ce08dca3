"""Models: from a finished run to a card, from a card to what serves, and the proof by replay."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from marketlab.interfaces._session import Session, steering_session

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace


def list_models(workspace: "Workspace") -> list[dict[str, Any]]:
    """Return every card with its stage; a damaged one is listed with its problem."""
    from marketlab.registry import ModelRegistry

    listed = []
    for entry in ModelRegistry(workspace.require().root).list():
        card = entry.card
        listed.append(
            {
                "card_id": entry.card_id,
                "stage": entry.stage,
                "problem": entry.problem,
                "name": card.name if card else None,
                "symbol": card.symbol if card else None,
                "timeframe": card.timeframe if card else None,
                "run_id": card.run_id if card else None,
                "is_synthetic": card.is_synthetic if card else None,
                "outcome": (card.evidence or {}).get("outcome") if card else None,
                "created_at": card.created_at if card else None,
            }
        )
    return listed


def promote(
    workspace: "Workspace", reference: str, *, override: str | None = None
) -> dict[str, Any]:
    """Let a model serve under its strategy's name in dry run, if every gate passes.

    `reference` is a card id, or a run id or operation id whose model becomes a card first.

    Raises
    ------
    ConflictError listing the gates that fail, unless `override` gives a reason; NotFoundError.
    """
    from marketlab.registry import ModelRegistry

    registry = ModelRegistry(workspace.require().root)
    known = {entry.card_id for entry in registry.list()}
    card_id = reference
    if reference not in known:
        with steering_session(workspace) as session:
            card_id = register_run(session, reference)
    promotion = registry.promote(card_id, override=override)
    return {**promotion.to_mapping(), "sentence": promotion.sentence}


def rollback(workspace: "Workspace", name: str, *, reason: str) -> dict[str, Any]:
    """Let the card serve again that served before the present one."""
    from marketlab.registry import ModelRegistry

    promotion = ModelRegistry(workspace.require().root).rollback(name, reason=reason)
    return {**promotion.to_mapping(), "sentence": promotion.sentence}


def register_run(session: Session, reference: str) -> str:
    """Make the model of a completed run a card and return the card's id.

    Raises
    ------
    NotFoundError for an unknown run; ConflictError if the run did not complete; IntegrityError if
    a file of the run is missing or altered.
    """
    from marketlab.core import ConflictError, read_json
    from marketlab.registry import ModelRegistry

    row = _row(session, reference)
    if row["status"] != "completed":
        raise ConflictError(
            f"the run of {row['strategy_name']} is {row['status']}; only a completed run has a "
            "model.",
            code="RUN-NotCompleted",
            field="status",
            value=row["status"],
        )
    run = session.ledger.run(row["run_id"])
    folder = session.workspace.run_folder(row["run_id"])
    stored = read_json(folder / "model" / "model.json")
    content = _card_content(session, row, run, stored)
    weights = _weights(folder / "model" / "weights.safetensors")
    return ModelRegistry(session.workspace.root).register(content, weights).card_id


def _row(session: Session, reference: str) -> dict[str, Any]:
    from marketlab.core import NotFoundError, did_you_mean

    rows, _ = session.ledger.list_operations(operation_type="training")
    for row in rows:
        if reference in (row["operation_id"], row["run_id"]):
            return row
    known = [row["run_id"] for row in rows if row["status"] == "completed"]
    raise NotFoundError(
        f"there is no card, run or operation {reference!r}.",
        code="MODEL-NotFound",
        field="reference",
        suggestion=did_you_mean(reference, known[-20:]),
    )


def _card_content(
    session: Session, row: dict[str, Any], run: dict[str, Any], stored: dict[str, Any]
) -> Any:
    from marketlab.core import ConflictError
    from marketlab.registry import CardContent, SplitFacts

    summary = row["result_summary"]
    splits = summary["splits"]
    manifests = session.workspace.catalog.list()
    dataset = next(m for m in manifests if m.dataset_id == run["dataset_id"])
    if not splits["test"]["samples"]:
        raise ConflictError(
            "the run has no sealed test part, so nothing is left on which it could be replayed.",
            code="RUN-NoTestPart",
            field="training.data_split",
            suggestion="Train it again with a test share, or a walk with sealed_share above 0.",
        )
    return CardContent(
        name=row["strategy_name"],
        symbol=row["symbol"],
        timeframe=row["timeframe"],
        run_id=row["run_id"],
        config_id=run["config_id"],
        dataset_id=run["dataset_id"],
        is_synthetic=dataset.is_synthetic,
        feature_set=stored["feature_config"],
        feature_names=tuple(stored["feature_names"]),
        standardizer=stored["standardizer"],
        model={"type": stored["strategy"]["model"]["type"], **stored["model_config"]},
        decision_policy=stored["decision_policy"],
        labels=stored["strategy"]["training"]["labels"],
        split=SplitFacts(
            last_train_time=splits["train"]["last_time"],
            first_test_time=splits["test"]["first_time"],
            n_train=splits["train"]["samples"],
            n_validation=splits["validation"]["samples"],
            n_test=splits["test"]["samples"],
        ),
        evidence=run["verdict"],
    )


def _weights(path: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    from marketlab.core import IntegrityError

    try:
        return dict(load_file(path))
    except (OSError, ValueError) as error:
        raise IntegrityError(
            f"{path} cannot be read: {error}.",
            code="STORAGE-Corrupt",
            suggestion="Run the strategy again; its other files are kept.",
        ) from error


def evaluate_test(
    workspace: "Workspace",
    reference: str,
    *,
    reason: str,
    again: bool = False,
    surrogates: int | None = None,
) -> dict[str, Any]:
    """Open the sealed test part of a run (by run or operation id) and judge the run on it.

    Parameters
    ----------
    again : look although most of these days were looked at before, by whichever run.
    surrogates : of the null; without it as many as p = 0.05 needs, 99 at least.

    Raises
    ------
    NotFoundError for an unknown run; ConflictError if it did not complete, has no test part, or
    most of the part was seen before and `again` is not given. Nothing is recorded then.
    """
    from marketlab.campaigns import open_seal

    with steering_session(workspace) as session:
        row = _row(session, reference)
        return open_seal(
            session.workspace,
            session.ledger,
            row["run_id"],
            reason=reason,
            again=again,
            surrogates=surrogates,
        )


def replay(
    workspace: "Workspace",
    name: str,
    *,
    spread_pips: float = 1.0,
    journal_path: Path | None = None,
) -> dict[str, Any]:
    """Run a promoted model over its held-out bars, bar by bar, and compare with the batch.

    It is an opening of the run's test part, recorded before the first bar is shown.
    The journal is kept under ``outputs/results/replay`` unless `journal_path` says otherwise.

    Raises
    ------
    NotFoundError if nothing is promoted under `name`; DataError if nothing is held out.
    """
    from marketlab.backtest import CostModel
    from marketlab.campaigns import record_look
    from marketlab.core import SystemClock, stamp
    from marketlab.registry import load_promoted
    from marketlab.runtime import Journal, SessionConfig, prove_replay, replay_start

    model = load_promoted(workspace.require().root, name)
    bars = workspace.catalog.load(model.card.dataset_id)
    start = replay_start(bars, model.card.split.first_test_ns())
    with steering_session(workspace) as session:
        look = record_look(
            session.ledger,
            model.card.run_id,
            bars,
            first=start,
            reason=f"replay of the promoted model {name!r}",
        )
    config = SessionConfig(costs=CostModel.for_symbol(bars.symbol, spread_pips=spread_pips))
    folder = workspace.root / "outputs" / "results" / "replay"
    path = journal_path or folder / f"{name}_{stamp(SystemClock().now())}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with Journal(path) as journal:
        proof = prove_replay(model, bars, start=start, config=config, journal=journal)
    override = model.promotion.override if model.promotion is not None else None
    return {
        **proof.to_mapping(),
        "passed": proof.passed,
        "sentence": proof.sentence,
        "name": name,
        "test_opening": look["opening"],
        "looked_at": look["looked_at"],
        "seen_before": look["seen_before"],
        "override": override,
        "journal": str(path),
        "initial_equity": config.initial_equity,
        "spread_pips": spread_pips,
    }
