"""A real feature set and a real net with made-up weights, promoted by override."""

from functools import cache

import numpy as np

from marketlab.backtest import CostModel, DecisionPolicy
from marketlab.core import iso
from marketlab.data import SyntheticConfig, synthetic_bars
from marketlab.features import FeatureSet, FeatureSetConfig, Standardizer, bar_arrays
from marketlab.models import MLPConfig, initial_weights
from marketlab.registry import CardContent, ModelRegistry, SplitFacts, load_promoted
from marketlab.runtime import SessionConfig

N_BARS = 900
START = 600
CONFIG = SessionConfig(costs=CostModel(spread_pips=0.8, slippage_bps=0.1), initial_equity=10_000.0)


@cache
def bars():
    return synthetic_bars(SyntheticConfig(n_bars=N_BARS, seed=4, weekends=True))


OWN = {
    "stretch": {"type": "formula", "formula": "close / sma(close, 20) - 1", "scale": "ratio"},
    "daily": {"type": "formula", "formula": "on('1d', rsi(3))", "scale": "ratio"},
    "hour": {"type": "formula", "formula": "calendar(time, 'hour', 'utc')", "scale": "count"},
}
"""A user's own features: a formula, one on coarser bars, one that reads the clock."""


def feature_config(*, raw: bool = False, own: bool = False):
    inputs = [{"fuzzy_set": "rsi_14", "timeframes": "all"}]
    indicators = {"rsi_14": {"type": "rsi", "period": 14, "source": "close"}}
    if raw:
        inputs.append({"raw_indicator": "rsi_14", "timeframes": "all", "normalization": "zscore"})
    if own:
        indicators |= OWN
        inputs += [{"raw_indicator": name, "normalization": "zscore"} for name in OWN]
    sets = {
        "rsi_14": {
            "indicator": "rsi_14",
            "oversold": [0, 30, 40],
            "neutral": [35, 50, 65],
            "overbought": [60, 70, 100],
        }
    }
    return FeatureSetConfig.parse("1h", indicators, sets, inputs, 2)


def contrarian(net: MLPConfig, n_inputs: int):
    """Buy what is oversold, sell what is overbought; a little of everything else."""
    weights = initial_weights(net, n_inputs, 3, 11)
    hidden, out = weights["layers.0.weight"], weights["layers.1.weight"]
    hidden *= 0.2
    for unit in range(3):  # the first features: oversold, neutral, overbought
        hidden[unit, unit] = 1.0
        out[unit, unit] = 9.0 if unit != 1 else 3.0
    return weights


def card_parts(
    *,
    raw: bool = False,
    own: bool = False,
    name: str = "alpha",
    policy: DecisionPolicy | None = None,
):
    config = feature_config(raw=raw, own=own)
    feature_set = FeatureSet(config)
    standardizer = None
    if raw or own:
        matrix = feature_set.compute(bar_arrays(bars()))
        # Coarser bars take more fine bars than the least that the warm-up states.
        rows = matrix.rows(np.arange(150, 400))
        standardizer = Standardizer.fit(rows, feature_set.normalization)
    net = MLPConfig(hidden_layers=(8,))
    weights = contrarian(net, len(feature_set.names))
    policy = policy or DecisionPolicy(confidence_threshold=0.4, min_signal_separation=2)
    content = CardContent(
        name=name,
        symbol="EURUSD",
        timeframe="1h",
        run_id="run_1",
        config_id="c" * 64,
        dataset_id=bars().dataset_id,
        is_synthetic=True,
        feature_set=config.to_mapping(),
        feature_names=feature_set.names,
        standardizer=None if standardizer is None else standardizer.to_dict(),
        model={"type": "mlp", **net.to_mapping()},
        decision_policy=policy.to_mapping(),
        labels={"source": "zigzag", "zigzag_threshold": 0.025},
        split=SplitFacts(
            last_train_time=iso(bars().times(400)),
            first_test_time=iso(bars().times(START)),
            n_train=380,
            n_validation=180,
            n_test=N_BARS - START,
        ),
        evidence=None,
    )
    return content, weights


def promoted(root, **options):
    content, weights = card_parts(**options)
    registry = ModelRegistry(root)
    card = registry.register(content, weights)
    registry.promote(card.card_id, override="test of the runtime")
    return load_promoted(root, content.name)
