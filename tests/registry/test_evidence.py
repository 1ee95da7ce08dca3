"""Gates over verdicts that the judge itself wrote."""

import numpy as np
import pytest
from registry_world import content, weights

from marketlab.core import ConfigError, ConflictError
from marketlab.evaluation import JudgeInput, NullEvidence, judge
from marketlab.registry import ModelRegistry, evaluate_gates


def verdict(*, skilled: bool, p_adjusted: float = 0.01, n_events: int = 150, synthetic=False):
    rng = np.random.default_rng(3)
    event = np.repeat(np.arange(n_events), 4)
    y = np.repeat(rng.choice([0, 2], size=n_events), 4).astype(np.int64)
    guess = np.where(rng.random(len(y)) < 0.8, y, 2 - y) if skilled else np.zeros_like(y)
    rows = np.full((len(y), 3), 0.05)
    rows[np.arange(len(y)), guess] = 0.75
    rows[np.arange(len(y)), 2 - guess] = 0.2
    null = NullEvidence(
        p_adjusted=p_adjusted, p_single=p_adjusted, monte_carlo_error=0.001, n_surrogates=999,
        family_size=1, same_procedure=True,
    )  # fmt: skip
    return judge(
        JudgeInput(
            y=y,
            probabilities=rows,
            event=event,
            bar=np.arange(len(y)),
            train_counts=np.array([500, 20, 480]),
            baselines={},
            null=null,
            n_trials=1,
            seed=0,
            label_text="made up",
            is_synthetic=synthetic,
        )
    )


def failing(evidence):
    report = evaluate_gates(evidence.to_mapping(), is_synthetic=evidence.is_synthetic)
    return [result.gate for result in report.failing]


def test_what_the_judge_calls_learned_passes_every_gate(tmp_path):
    evidence = verdict(skilled=True)
    assert evidence.learned
    assert failing(evidence) == []
    registry = ModelRegistry(tmp_path)
    card = registry.register(content(evidence=evidence.to_mapping()), weights())
    assert [report.passed for report in card.gate_reports] == [True, True]
    assert registry.promote(card.card_id).override is None
    assert registry.load(card.card_id)[0].evidence == evidence.to_mapping()


def test_each_kind_of_no_is_refused_by_the_gate_it_belongs_to(tmp_path):
    assert failing(verdict(skilled=True, p_adjusted=0.2)) == ["learned", "beats_luck"]
    assert failing(verdict(skilled=True, n_events=60)) == ["learned", "enough_events"]
    assert failing(verdict(skilled=False)) == ["learned", "not_collapsed"]
    registry = ModelRegistry(tmp_path)
    evidence = verdict(skilled=False).to_mapping()
    card = registry.register(content(evidence=evidence), weights())
    with pytest.raises(ConflictError, match=r"not 'learned'.*One class takes more than 90%"):
        registry.promote(card.card_id)


def test_evidence_from_synthetic_bars_makes_no_real_card():
    evidence = verdict(skilled=True, synthetic=True).to_mapping()
    facts = {**content().to_mapping(), "evidence": evidence}
    with pytest.raises(ConfigError, match="won on synthetic bars"):
        type(content()).from_mapping(facts)
    assert type(content()).from_mapping({**facts, "is_synthetic": True}).is_synthetic
