"""Hand-made cards for the tests of this room."""

import numpy as np

from marketlab.registry import CardContent, SplitFacts

LEARNED = {
    "outcome": "learned",
    "sentence": "It learned.",
    "n_events": 240,
    "null_p": 0.01,
    "scores": {"collapsed": False},
}


def content(*, name="alpha", evidence=LEARNED, is_synthetic=False, run_id="run_1"):
    return CardContent(
        name=name,
        symbol="EURUSD",
        timeframe="1h",
        run_id=run_id,
        config_id="c" * 64,
        dataset_id="d" * 64,
        is_synthetic=is_synthetic,
        feature_set={"timeframe": "1h"},
        feature_names=("a", "b"),
        standardizer=None,
        model={"type": "mlp", "hidden_layers": [4]},
        decision_policy={"confidence_threshold": 0.6},
        labels={"source": "zigzag", "zigzag_threshold": 0.025},
        split=SplitFacts(
            last_train_time="2020-01-01T00:00:00Z",
            first_test_time="2021-06-01T05:00:00Z",
            n_train=700,
            n_validation=150,
            n_test=150,
        ),
        evidence=evidence,
    )


def weights(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "layers.0.weight": rng.normal(size=(4, 2)).astype(np.float32),
        "layers.0.bias": np.zeros(4, dtype=np.float32),
        "layers.1.weight": rng.normal(size=(3, 4)).astype(np.float32),
        "layers.1.bias": np.zeros(3, dtype=np.float32),
    }
