"""Which cards exist, which one serves under a name, and every change of that.

`models/registry.json` is the truth and only grows; `models/promoted/<name>` is a link made from
it. Writers hold one lock, so concurrent promotions are all recorded.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from marketlab.core import (
    Clock,
    ConflictError,
    FileLock,
    IntegrityError,
    MarketLabError,
    NotFoundError,
    SystemClock,
    check_name,
    code_version,
    did_you_mean,
    iso,
    point_link,
    read_json,
    write_json,
)
from marketlab.registry._card import (
    CardContent,
    ModelCard,
    Weights,
    card_id_of,
    folder_sha256,
    read_card,
    weights_bytes,
    write_card,
)
from marketlab.registry._gates import STAGES, GateReport, evaluate_gates
from marketlab.registry._history import (
    Promotion,
    RegistryFile,
    corrupt,
    link_target,
    serving_in,
    stack_of,
)


@dataclass(frozen=True)
class CardEntry:
    """One card of the list; `card` is None where `problem` says why it cannot be read."""

    card_id: str
    card: ModelCard | None
    stage: Literal["candidate", "dry_run"]
    problem: str | None


class ModelRegistry:
    """Cards and promotions of one workspace.

    Reading needs no lock: files are whole or absent. Writing takes `models/.registry.lock` and
    raises `TransientError` if another process keeps it for 30 s.

    Parameters
    ----------
    root : the workspace folder.
    clock : tells the time of registrations and promotions.
    """

    def __init__(self, root: Path, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._models = root / "models"
        self.path = self._models / "registry.json"

    def register(self, content: CardContent, weights: Weights) -> ModelCard:
        """Store a candidate with its gate reports for every stage; the same content is a no-op.

        Raises
        ------
        ConfigError for weights that are absent or not finite.
        """
        payload = weights_bytes(weights)
        digest = hashlib.sha256(payload).hexdigest()
        card_id = card_id_of(content, digest)
        folder = self.folder(card_id)
        with self._lock():
            if folder.exists():
                return read_card(folder)[0]
            card = ModelCard(
                **{name: getattr(content, name) for name in CardContent.model_fields},
                card_id=card_id,
                weights_sha256=digest,
                gate_reports=tuple(
                    evaluate_gates(content.evidence, is_synthetic=content.is_synthetic, stage=stage)
                    for stage in STAGES
                ),
                code_version=code_version(),
                created_at=iso(self._clock.now()) or "",
            )
            write_card(folder, card, payload)
        return card

    def folder(self, card_id: str) -> Path:
        """Return where a card lies, whether or not it exists."""
        return self._models / "cards" / check_name(card_id, field="card_id")

    def link(self, name: str) -> Path:
        """Return the path of the link under which a name is served."""
        return self._models / "promoted" / check_name(name)

    def load(self, card_id: str) -> tuple[ModelCard, Weights]:
        """Return a verified card and its weights.

        Raises
        ------
        NotFoundError for an unknown id; IntegrityError naming an altered file.
        """
        return read_card(self._existing(card_id))

    def list(self) -> tuple[CardEntry, ...]:
        """Return every card by id; a damaged one is listed with its problem."""
        serving = {self._served(name).card_id for name in self._names()}
        entries = []
        for card_id in self._card_ids():
            card, problem = None, None
            try:
                card = read_card(self.folder(card_id))[0]
            except MarketLabError as error:
                problem = str(error)
            stage: Literal["candidate", "dry_run"] = (
                "dry_run" if card_id in serving else "candidate"
            )
            entries.append(CardEntry(card_id, card, stage, problem))
        return tuple(entries)

    def promote(self, card_id: str, *, override: str | None = None) -> Promotion:
        """Let a card serve under its name in dry run, if every gate passes.

        Promoting what serves already changes nothing but a lost link. `override` is a reason for
        promoting against failing gates; it is recorded and shown for ever (and not recorded where
        all gates pass, because then there is nothing to override).

        Raises
        ------
        ConflictError (``REGISTRY-GatesFailed``) listing the failing gates.
        NotFoundError for an unknown id; IntegrityError for an altered card or registry.
        """
        folder = self._existing(card_id)
        card, _ = read_card(folder)
        report = evaluate_gates(card.evidence, is_synthetic=card.is_synthetic, stage="dry_run")
        reason = _override(card_id, report, override)
        with self._lock():
            history = self._read()
            serving = serving_in(history, card.name)
            if serving is not None and serving.card_id == card_id:
                point_link(self._ready_link(card.name), folder)
                return serving
            return self._append(
                history,
                Promotion(
                    sequence=len(history.promotions) + 1,
                    at=iso(self._clock.now()) or "",
                    action="promote",
                    name=card.name,
                    card_id=card_id,
                    previous_card_id=None if serving is None else serving.card_id,
                    stage="dry_run",
                    is_synthetic=card.is_synthetic,
                    folder_sha256=folder_sha256(folder),
                    failing_gates=tuple(result.gate for result in report.failing),
                    override=reason,
                    reason=None,
                ),
            )

    def rollback(self, name: str, *, reason: str) -> Promotion:
        """Let the card serve again that served before the present one.

        Raises
        ------
        ConflictError if there is none; IntegrityError if that card was altered meanwhile;
        NotFoundError if nothing is promoted under `name`.
        """
        with self._lock():
            history = self._read()
            present = self._served(name, history)
            stack = stack_of(history, name)
            if len(stack) < 2:
                raise ConflictError(
                    f"nothing served {name!r} before {present.card_id}.",
                    code="REGISTRY-NoPrevious",
                    field="name",
                    suggestion="Promote another card instead.",
                )
            earlier = stack[-2]
            read_card(self._existing(earlier.card_id), folder_hash=earlier.folder_sha256)
            update = {
                "sequence": len(history.promotions) + 1,
                "at": iso(self._clock.now()) or "",
                "action": "rollback",
                "previous_card_id": present.card_id,
                "reason": reason,
            }
            return self._append(history, earlier.model_copy(update=update))

    def current(self, name: str) -> Promotion:
        """Return what serves under `name`; NotFoundError if nothing does."""
        return self._served(name)

    def history(self, name: str | None = None) -> tuple[Promotion, ...]:
        """Return every promotion and rollback, oldest first, of one name or of all."""
        return tuple(p for p in self._read().promotions if name is None or p.name == name)

    def load_current(self, name: str) -> tuple[ModelCard, Weights, Promotion]:
        """Return what serves under `name`, verified against the record and the link.

        Raises
        ------
        IntegrityError if a file or the link is not what the record says.
        """
        served = self._served(name)
        folder = self._existing(served.card_id)
        if link_target(self.link(name)) != folder.resolve():
            raise IntegrityError(
                f"the link {self.link(name)} does not point to {served.card_id}, which the "
                f"registry says serves {name!r}.",
                code="REGISTRY-LinkMismatch",
                suggestion=f"Promote {served.card_id} again to set the link, or another card.",
            )
        card, weights = read_card(folder, folder_hash=served.folder_sha256)
        return card, weights, served

    def _append(self, history: RegistryFile, promotion: Promotion) -> Promotion:
        grown = RegistryFile(promotions=(*history.promotions, promotion))
        write_json(self.path, grown.to_mapping())
        point_link(self._ready_link(promotion.name), self.folder(promotion.card_id))
        return promotion

    def _ready_link(self, name: str) -> Path:
        link = self.link(name)
        link.parent.mkdir(parents=True, exist_ok=True)
        return link

    def _read(self) -> RegistryFile:
        if not self.path.exists():
            promoted = self._models / "promoted"
            if promoted.is_dir() and any(promoted.iterdir()):
                raise corrupt(self.path, "it is missing although models are promoted")
            return RegistryFile(promotions=())
        try:
            stored = read_json(self.path)
            # An empty list would pass as an empty mapping.
            facts = stored if isinstance(stored, dict) else {"no mapping": stored}
            return RegistryFile.from_mapping(facts, source=self.path.name)
        except MarketLabError as error:
            raise corrupt(self.path, str(error)) from error

    def _served(self, name: str, history: RegistryFile | None = None) -> Promotion:
        file = history or self._read()
        served = serving_in(file, check_name(name))
        if served is None:
            raise NotFoundError(
                f"nothing is promoted under {name!r}.",
                code="REGISTRY-NotPromoted",
                field="name",
                suggestion=did_you_mean(name, {p.name for p in file.promotions}),
            )
        return served

    def _names(self) -> set[str]:
        return {p.name for p in self._read().promotions}

    def _card_ids(self) -> tuple[str, ...]:
        cards = self._models / "cards"
        if not cards.is_dir():
            return ()
        return tuple(sorted(p.name for p in cards.iterdir() if not p.name.startswith(".")))

    def _existing(self, card_id: str) -> Path:
        folder = self.folder(card_id)
        if not folder.is_dir():
            raise NotFoundError(
                f"there is no card {card_id!r}.",
                code="REGISTRY-UnknownCard",
                field="card_id",
                suggestion=did_you_mean(card_id, self._card_ids()),
            )
        return folder

    def _lock(self) -> FileLock:
        return FileLock(self._models / ".registry.lock")


def _override(card_id: str, report: GateReport, override: str | None) -> str | None:
    """Return the reason to record: None where all gates pass."""
    if report.passed:
        return None
    if override is not None and override.strip():
        return override.strip()
    failing = " ".join(f"{r.gate}: {r.sentence}" for r in report.failing)
    raise ConflictError(
        f"{card_id} is not promoted: {len(report.failing)} of {len(report.results)} gates fail. "
        f"{failing}",
        code="REGISTRY-GatesFailed",
        value=tuple(r.gate for r in report.failing),
        suggestion=(
            "Nothing was changed. A dry run for study is possible with `--override REASON`; the "
            "reason is recorded and shown in every output."
        ),
        details={"gates": report.to_mapping()},
    )
