"""The history of promotions: what one entry says, and what follows from all of them."""

from pathlib import Path
from typing import Literal

from marketlab.core import FrozenConfig, IntegrityError


class Promotion(FrozenConfig):
    """One change of what serves under a name.

    `override` is the reason somebody gave for promoting against `failing_gates`; both stay with
    the card on every later line and output. `reason` is that of a rollback.
    """

    sequence: int
    at: str
    action: Literal["promote", "rollback"]
    name: str
    card_id: str
    previous_card_id: str | None
    stage: Literal["dry_run"]
    is_synthetic: bool
    folder_sha256: str
    failing_gates: tuple[str, ...]
    override: str | None
    reason: str | None

    @property
    def sentence(self) -> str:
        """What happened, in one or two sentences, the override included."""
        verb = "serves" if self.action == "promote" else "serves again"
        text = f"{self.card_id} {verb} {self.name!r} in dry run."
        if self.is_synthetic:
            text += " It was trained on SYNTHETIC data."
        if self.override is not None:
            failing = ", ".join(self.failing_gates)
            text += f" OVERRIDDEN against {failing}: {self.override}"
        return text


class RegistryFile(FrozenConfig):
    """Content of `models/registry.json`."""

    schema_version: Literal[1] = 1
    promotions: tuple[Promotion, ...]


def stack_of(history: RegistryFile, name: str) -> tuple[Promotion, ...]:
    """Return the promotions that still stand under `name`: a rollback takes the last one off."""
    stack: list[Promotion] = []
    for promotion in history.promotions:
        if promotion.name == name and promotion.action == "promote":
            stack.append(promotion)
        elif promotion.name == name:
            stack[-2:] = [promotion]
    return tuple(stack)


def serving_in(history: RegistryFile, name: str) -> Promotion | None:
    """Return the promotion that serves `name`, or None."""
    stack = stack_of(history, name)
    return stack[-1] if stack else None


def link_target(link: Path) -> Path | None:
    """Return where a link (or its text stand-in) points, or None if there is none."""
    if link.is_symlink():
        return link.resolve()
    return Path(link.read_text(encoding="utf-8")).resolve() if link.is_file() else None


def corrupt(path: Path, why: str) -> IntegrityError:
    """Return the error for a registry file that cannot be trusted, with the way out."""
    return IntegrityError(
        f"{path} cannot be trusted: {why}",
        code="REGISTRY-Corrupt",
        suggestion=(
            "Restore it from a backup. Or move it and the folder models/promoted away and promote "
            "again: the cards in models/cards are unharmed, the history is lost."
        ),
    )
