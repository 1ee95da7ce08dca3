from dataclasses import replace

import numpy as np
import pytest
from runtime_world import CONFIG, N_BARS, START, bars, card_parts, promoted

from marketlab.backtest import DecisionPolicy, RiskLimits, decide, simulate
from marketlab.core import IntegrityError
from marketlab.features import FeatureStream
from marketlab.registry import ModelRegistry, assemble_model, load_promoted
from marketlab.runtime import MemoryJournal, prove_replay


def test_a_users_own_features_are_the_same_in_research_and_running(tmp_path):
    model = promoted(tmp_path, own=True)
    assert {"1h_stretch_raw", "1h_daily_raw", "1h_hour_raw"} <= set(model.feature_set.names)
    proof = prove_replay(model, bars(), start=START, config=CONFIG)
    assert proof.passed
    assert proof.equal["features"]
    assert proof.n_forecasts == proof.n_bars


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(
    "limits", [RiskLimits(), RiskLimits(max_daily_loss_fraction=0.002, max_trades_per_day=3)]
)
def test_research_and_running_agree_to_the_last_bit(tmp_path, raw, limits):
    model = promoted(tmp_path, raw=raw)
    journal = MemoryJournal()
    proof = prove_replay(model, bars(), start=START, config=CONFIG, limits=limits, journal=journal)
    assert proof.passed
    assert proof.equal == dict.fromkeys(("features", "probabilities", "signals", "account"), True)
    assert proof.batch_sha256 == proof.stream_sha256
    assert proof.first_difference is None
    assert (proof.n_warm_up_bars, proof.n_bars) == (START, N_BARS - START)
    assert proof.n_forecasts == proof.n_bars
    assert proof.n_signals > 5
    assert proof.is_synthetic
    assert "equal those of the batch to the last bit" in proof.sentence
    assert "SYNTHETIC" in proof.sentence
    assert proof.sentence.endswith("Promoted by OVERRIDE: test of the runtime")
    # The account on record is the backtest's, computed here once more from its parts.
    matrix = model.feature_set.compute(bars().arrays())
    probabilities = model.forecast(matrix.rows(np.arange(START, N_BARS)))
    held_out = [a[START:] for a in (bars().open, bars().high, bars().low, bars().close)]
    report = simulate(
        *held_out, bars().time_ns[START:], decide(model.policy, probabilities),
        CONFIG.costs, CONFIG.initial_equity, limits=limits,
    )  # fmt: skip
    written = [line["equity"] for line in journal.records if line["kind"] == "bar"]
    assert written == report.equity.tolist()
    assert journal.records[-1]["account"] == report.to_mapping()
    assert proof.final_equity == report.equity[-1]


def test_one_wrong_bit_in_a_feature_is_found_and_placed(tmp_path, monkeypatch):
    model = promoted(tmp_path)
    push = FeatureStream.push

    def skewed(self, open, high, low, close, volume, **clock):
        row = push(self, open, high, low, close, volume, **clock)
        if self.bars_seen == START + 8:
            row[4] = np.nextafter(row[4], np.inf)
        return row

    monkeypatch.setattr(FeatureStream, "push", skewed)
    proof = prove_replay(model, bars(), start=START, config=CONFIG)
    assert not proof.passed
    assert proof.equal["features"] is False
    found = proof.first_difference
    assert (found.part, found.position) == ("features", START + 7)
    assert found.column == model.feature_set.names[4]
    assert found.batch != found.stream
    assert proof.batch_sha256["features"] != proof.stream_sha256["features"]
    assert "differs from the batch, first in features" in proof.sentence


def test_a_session_that_decides_otherwise_is_found(tmp_path, monkeypatch):
    model = promoted(tmp_path)
    monkeypatch.setattr(
        "marketlab.runtime._proof.decide",
        lambda _, p: decide(DecisionPolicy(confidence_threshold=0.9), p),
    )
    proof = prove_replay(model, bars(), start=START, config=CONFIG)
    assert proof.equal == {
        "features": True, "probabilities": True, "signals": False, "account": False,
    }  # fmt: skip
    assert proof.first_difference.part == "signals"


def test_a_card_whose_parts_do_not_fit_is_never_served(tmp_path):
    registry = ModelRegistry(tmp_path)
    content, weights = card_parts()
    card = registry.register(content, weights)
    names = (content.feature_names[1], content.feature_names[0], *content.feature_names[2:])
    swapped = card.model_copy(update={"feature_names": names})
    with pytest.raises(IntegrityError, match="the first difference is at 0"):
        assemble_model(swapped, weights)
    narrow = {**weights, "layers.0.weight": weights["layers.0.weight"][:, :5]}
    with pytest.raises(IntegrityError, match=r"its weights read 5 features and it lists 9"):
        assemble_model(card, narrow)
    raw, raw_weights = card_parts(raw=True)
    bare = registry.register(raw.model_copy(update={"standardizer": None}), raw_weights)
    with pytest.raises(IntegrityError, match="its standardizer is not the one"):
        assemble_model(bare, raw_weights)


def test_an_altered_file_is_not_served(tmp_path):
    model = promoted(tmp_path)
    path = ModelRegistry(tmp_path).folder(model.card.card_id) / "weights.safetensors"
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(IntegrityError, match=r"weights\.safetensors was altered"):
        load_promoted(tmp_path, "alpha")


def test_rows_without_a_value_get_no_forecast_and_disturb_no_other(tmp_path):
    model = promoted(tmp_path, raw=True)
    rows = model.feature_set.compute(bars().arrays()).rows(np.arange(START, START + 20)).copy()
    whole = model.forecast(rows)
    rows[5, 2] = np.nan
    rows[9, 0] = np.inf
    part = model.forecast(rows)
    assert np.isnan(part[[5, 9]]).all()
    kept = np.setdiff1d(np.arange(20), [5, 9])
    np.testing.assert_array_equal(part[kept], whole[kept])
    singles = np.concatenate([model.forecast(rows[i : i + 1]) for i in kept])
    np.testing.assert_array_equal(singles, whole[kept])
    assert np.isnan(model.forecast(rows[5:6])).all()
    assert replace(model, promotion=None).promotion is None
