import hashlib
import json
import multiprocessing
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from registry_world import LEARNED, content, weights

from marketlab.core import (
    ConfigError,
    ConflictError,
    IntegrityError,
    ManualClock,
    NotFoundError,
)
from marketlab.registry import ModelCard, ModelRegistry, SplitFacts

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock():
    return ManualClock(START)


@pytest.fixture
def registry(tmp_path, clock):
    return ModelRegistry(tmp_path, clock=clock)


def test_a_registered_card_comes_back_whole(registry):
    card = registry.register(content(), weights())
    loaded, tensors = registry.load(card.card_id)
    assert loaded == card
    assert card.created_at == "2026-01-01T00:00:00Z"
    assert card.card_id.startswith("alpha-")
    assert [report.stage for report in card.gate_reports] == ["dry_run", "live"]
    for name, tensor in weights().items():
        assert tensors[name].dtype == tensor.dtype
        np.testing.assert_array_equal(tensors[name], tensor)


def test_the_same_content_is_one_card_and_any_change_another(registry, clock):
    first = registry.register(content(), weights())
    clock.advance(timedelta(hours=1))
    assert registry.register(content(), weights()) == first
    others = [
        registry.register(content(run_id="run_2"), weights()),
        registry.register(content(), weights(1)),
        registry.register(content(evidence=None), weights()),
    ]
    assert len({first.card_id, *(c.card_id for c in others)}) == 4
    assert len(registry.list()) == 4


@pytest.mark.parametrize("name", ["card.json", "weights.safetensors", "files.json"])
def test_an_altered_file_is_named(registry, name):
    card = registry.register(content(), weights())
    path = registry.folder(card.card_id) / name
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(data))
    if name == "files.json":
        with pytest.raises(IntegrityError):
            registry.load(card.card_id)
    else:
        with pytest.raises(IntegrityError, match=f"{name} was altered after it was stored"):
            registry.load(card.card_id)
    entry = registry.list()[0]
    assert entry.card is None
    assert entry.problem


def test_missing_unknown_and_swapped_files_are_named(registry):
    card = registry.register(content(), weights())
    other = registry.register(content(name="beta"), weights(1))
    folder = registry.folder(card.card_id)
    (folder / "notes.txt").write_text("x")
    with pytest.raises(IntegrityError, match=r"notes\.txt does not belong to the card"):
        registry.load(card.card_id)
    (folder / "notes.txt").unlink()
    kept = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").unlink()
    with pytest.raises(IntegrityError, match=r"weights\.safetensors is missing"):
        registry.load(card.card_id)
    (folder / "weights.safetensors").write_bytes(kept)
    assert registry.load(card.card_id)[0] == card
    # A whole folder under another id: every hash fits, the identity does not.
    folder.rename(folder.with_name("alpha-000000000000"))
    with pytest.raises(IntegrityError, match=r"card\.json does not belong to this folder"):
        registry.load("alpha-000000000000")
    assert registry.load(other.card_id)[0] == other


def _forge(folder: Path, **changes) -> None:
    """Change facts of a card and renew every hash inside its folder."""
    facts = json.loads((folder / "card.json").read_text())
    for path in folder.iterdir():
        path.chmod(0o644)
    (folder / "card.json").write_text(json.dumps({**facts, **changes}))
    files = json.loads((folder / "files.json").read_text())
    files["sha256"]["card.json"] = hashlib.sha256((folder / "card.json").read_bytes()).hexdigest()
    (folder / "files.json").write_text(json.dumps(files))


def test_a_forged_verdict_changes_the_id_even_with_all_hashes_renewed(registry):
    card = registry.register(content(evidence=None), weights())
    _forge(registry.folder(card.card_id), evidence=LEARNED)
    with pytest.raises(IntegrityError, match="does not belong to this folder"):
        registry.promote(card.card_id)


def test_what_is_promoted_is_pinned_to_the_last_byte(registry):
    card = registry.register(content(), weights())
    registry.promote(card.card_id)
    _forge(registry.folder(card.card_id), created_at="2020-01-01T00:00:00Z")
    with pytest.raises(IntegrityError, match=r"files\.json is not the one that was promoted"):
        registry.load_current("alpha")


def test_promotion_sets_link_record_and_stage(registry):
    card = registry.register(content(), weights())
    assert [e.stage for e in registry.list()] == ["candidate"]
    promotion = registry.promote(card.card_id)
    assert promotion.override is None
    assert promotion.sentence == f"{card.card_id} serves 'alpha' in dry run."
    assert registry.link("alpha").resolve() == registry.folder(card.card_id).resolve()
    assert registry.current("alpha") == promotion
    assert [e.stage for e in registry.list()] == ["dry_run"]
    assert registry.load_current("alpha")[0] == card
    assert registry.promote(card.card_id) == promotion
    assert len(registry.history()) == 1
    stored = json.loads(registry.path.read_text())
    assert stored["promotions"][0]["card_id"] == card.card_id


def test_failing_gates_refuse_and_list_themselves(registry):
    card = registry.register(content(evidence={**LEARNED, "null_p": 0.4, "n_events": 7}), weights())
    with pytest.raises(ConflictError) as caught:
        registry.promote(card.card_id)
    text = str(caught.value)
    assert "2 of 6 gates fail" in text
    assert "enough_events: 7 independent events; at least 100 are needed." in text
    assert "beats_luck: The adjusted p-value against the null is 0.4" in text
    assert "--override REASON" in text
    assert caught.value.code == "REGISTRY-GatesFailed"
    assert not registry.path.exists()
    assert not registry.link("alpha").exists()
    with pytest.raises(ConflictError, match="gates fail"):
        registry.promote(card.card_id, override="  ")


def test_an_override_stays_visible_even_after_a_rollback(registry):
    poor = registry.register(content(evidence=None, is_synthetic=True), weights())
    promotion = registry.promote(poor.card_id, override="study of the runtime")
    failing = ("evidence_present", "learned", "not_collapsed", "enough_events", "beats_luck")
    assert promotion.failing_gates == failing
    assert promotion.override == "study of the runtime"
    assert "OVERRIDDEN against evidence_present" in promotion.sentence
    assert "study of the runtime" in promotion.sentence
    assert "SYNTHETIC" in promotion.sentence
    good = registry.register(content(), weights())
    assert registry.promote(good.card_id, override="not needed").override is None
    back = registry.rollback("alpha", reason="drill")
    assert (back.card_id, back.override) == (poor.card_id, "study of the runtime")
    assert "study of the runtime" in registry.path.read_text()


def test_rollback_goes_back_one_step_at_a_time_and_no_further(registry, clock):
    cards = [registry.register(content(), weights(seed)) for seed in range(3)]
    for card in cards:
        clock.advance(timedelta(hours=1))
        registry.promote(card.card_id)
    back = registry.rollback("alpha", reason="worse in dry run")
    assert back.card_id == cards[1].card_id
    assert (back.action, back.reason) == ("rollback", "worse in dry run")
    assert back.previous_card_id == cards[2].card_id
    assert registry.load_current("alpha")[0] == cards[1]
    assert registry.rollback("alpha", reason="again").card_id == cards[0].card_id
    with pytest.raises(ConflictError, match=f"nothing served 'alpha' before {cards[0].card_id}"):
        registry.rollback("alpha", reason="too far")
    registry.promote(cards[2].card_id)
    assert registry.rollback("alpha", reason="once more").card_id == cards[0].card_id
    assert [p.sequence for p in registry.history()] == list(range(1, 8))
    assert registry.link("alpha").resolve() == registry.folder(cards[0].card_id).resolve()


def test_rollback_to_an_altered_card_is_refused_and_changes_nothing(registry):
    old, new = (registry.register(content(), weights(seed)) for seed in range(2))
    registry.promote(old.card_id)
    registry.promote(new.card_id)
    path = registry.folder(old.card_id) / "weights.safetensors"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match=r"weights\.safetensors was altered"):
        registry.rollback("alpha", reason="x")
    assert registry.current("alpha").card_id == new.card_id


def test_names_serve_side_by_side(registry):
    one = registry.register(content(), weights())
    two = registry.register(content(name="v15_rsi_zigzag_1.5"), weights())
    registry.promote(one.card_id)
    registry.promote(two.card_id)
    assert registry.current("v15_rsi_zigzag_1.5").card_id == two.card_id
    assert len(registry.history("alpha")) == 1


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema_version": 1, "promotions": [{"name": "x"}]}', '{"other": 1}']
)
def test_a_corrupt_registry_is_an_error_with_a_way_out_and_never_a_new_one(registry, text):
    card = registry.register(content(), weights())
    registry.promote(card.card_id)
    registry.path.write_text(text)
    for call in (
        lambda: registry.promote(card.card_id),
        lambda: registry.current("alpha"),
        registry.list,
        registry.history,
    ):
        with pytest.raises(IntegrityError, match=r"cannot be trusted.*Restore it from a backup"):
            call()
    assert registry.path.read_text() == text


def test_a_registry_lost_beside_its_links_is_an_error(registry):
    card = registry.register(content(), weights())
    registry.promote(card.card_id)
    registry.path.unlink()
    with pytest.raises(IntegrityError, match="it is missing although models are promoted"):
        registry.promote(card.card_id)


def test_a_link_that_disagrees_is_refused_and_promoting_again_repairs_it(registry):
    one, two = (registry.register(content(), weights(seed)) for seed in range(2))
    registry.promote(one.card_id)
    registry.link("alpha").unlink()
    with pytest.raises(IntegrityError, match=f"does not point to {one.card_id}"):
        registry.load_current("alpha")
    registry.link("alpha").symlink_to(registry.folder(two.card_id))
    with pytest.raises(IntegrityError, match="again to set the link"):
        registry.load_current("alpha")
    registry.promote(one.card_id)
    assert registry.load_current("alpha")[0] == one
    assert len(registry.history()) == 1


def test_unknown_names_are_answered_with_what_exists(registry):
    card = registry.register(content(), weights())
    with pytest.raises(NotFoundError, match=f"there is no card 'alpha-1'.*{card.card_id}"):
        registry.promote("alpha-1")
    with pytest.raises(NotFoundError, match="nothing is promoted under 'alpha'"):
        registry.current("alpha")
    with pytest.raises(ConfigError, match="a name is a letter or digit"):
        registry.load("../../etc")


@pytest.mark.parametrize(
    ("tensors", "message"),
    [({}, "without weights"), ({"w": np.array([1.0, np.nan])}, "'w' holds NaN or infinity")],
)
def test_weights_that_cannot_serve_are_refused(registry, tensors, message):
    with pytest.raises(ConfigError, match=message):
        registry.register(content(), tensors)


def test_card_facts_are_checked():
    facts = content().to_mapping()
    with pytest.raises(ConfigError, match="repeated: a"):
        type(content()).from_mapping({**facts, "feature_names": ["a", "a"]})
    with pytest.raises(ConfigError, match="must begin after the last training bar"):
        SplitFacts.from_mapping({**facts["split"], "first_test_time": "2020-01-01T00:00:00Z"})
    with pytest.raises(ConfigError, match="a time needs a zone"):
        SplitFacts.from_mapping({**facts["split"], "last_train_time": "2020-01-01T00:00:00"})
    assert content().split.first_test_ns() == 1_622_523_600_000_000_000
    assert "card_id" in ModelCard.model_fields


def _promote_many(root: str, name: str, seeds: list[int], barrier) -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    from registry_world import content, weights

    registry = ModelRegistry(Path(root))
    cards = [registry.register(content(name=name), weights(seed)) for seed in seeds]
    barrier.wait(30)
    for card in cards:
        registry.promote(card.card_id)


def test_promotions_from_two_processes_are_all_recorded(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    workers = [
        context.Process(target=_promote_many, args=(str(tmp_path), name, list(range(8)), barrier))
        for name in ("alpha", "beta")
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    registry = ModelRegistry(tmp_path)
    assert [p.sequence for p in registry.history()] == list(range(1, 17))
    assert len(registry.history("alpha")) == len(registry.history("beta")) == 8
    assert registry.load_current("alpha")[0].name == "alpha"
