"""The strategy grammar: strict, helpful, and the 27 files that ship."""

import copy

import pytest

from marketlab.campaigns import (
    import_list_form,
    load_campaign,
    parse_strategy,
    recipe_names,
    shipped_strategy,
)
from marketlab.campaigns._recipes import recipe_strategy
from marketlab.core import ConfigError, NotFoundError
from marketlab.features import FeatureSet
from marketlab.models import count_parameters

NAMES = load_campaign("v15_contract").strategies.names
# name -> (inputs, parameters) of the reference's matrix, where they differ from 9 and 2,819
SIZES = {
    "v15_aroon_only": (18, 3395),
    "v15_di_only": (18, 3395),
    "v15_rsi_adx": (18, 3395),
    "v15_adx_di": (27, 3971),
    "v15_aroon_rvi": (27, 3971),
    "v15_mfi_adx_aroon": (36, 4547),
    "v15_rsi_adx_stochastic": (27, 3971),
    "v15_williams_stochastic_cmf": (27, 3971),
    "v15_rsi_only": (9, 2819),
    "v15_cmf_only": (9, 2819),
    "v15_rsi_zigzag_1.5": (9, 2819),
}


@pytest.fixture
def mapping():
    return copy.deepcopy(recipe_strategy("v15", "v15_rsi_only"))


def test_27_strategies_ship_in_the_order_of_the_matrix():
    assert len(NAMES) == 27
    assert NAMES[0] == "v15_rsi_only"
    assert NAMES[-1] == "v15_rsi_zigzag_3.5"


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_strategy_is_valid_and_has_the_contract_constants(name):
    strategy = shipped_strategy(name)
    assert strategy.name == name
    assert strategy.model.architecture.hidden_layers == (64, 32)
    assert strategy.training.data_split == {"train": 0.70, "validation": 0.15, "test": 0.15}
    stopping = strategy.training.early_stopping
    assert (stopping.patience, stopping.min_delta, stopping.monitor) == (15, 0.001, "val_loss")
    assert strategy.training.date_range.start == "2015-01-01"


@pytest.mark.parametrize("name", SIZES)
def test_inputs_and_parameters_match_the_reference(name):
    strategy = shipped_strategy(name)
    names = FeatureSet(strategy.feature_config()).names
    assert (len(names), count_parameters(strategy.model.architecture, len(names))) == SIZES[name]


def test_feature_names_stand_in_the_documented_order():
    names = FeatureSet(shipped_strategy("v15_rsi_only").feature_config()).names
    base = ["1h_rsi_14_oversold", "1h_rsi_14_neutral", "1h_rsi_14_overbought"]
    assert list(names) == [
        *base,
        *(f"{n}_lag_1" for n in base),
        *(f"{n}_lag_2" for n in base),
    ]


def test_c01_and_c10_are_one_design_and_nothing_else_is():
    owners: dict[str, list[str]] = {}
    for name in NAMES:
        owners.setdefault(shipped_strategy(name).design_id(), []).append(name)
    assert [group for group in owners.values() if len(group) > 1] == [
        ["v15_rsi_adx", "v15_adx_rsi"]
    ]
    assert (
        shipped_strategy("v15_rsi_adx").content_id() != shipped_strategy("v15_adx_rsi").content_id()
    )


def test_every_recipe_loads():
    assert {"planted", "noise", "v15_contract", "v15_tenth", "v15_sp500"} <= set(recipe_names())
    for name in recipe_names():
        assert load_campaign(name).name == name


def _set(mapping, path, value):
    *head, last = path.split(".")
    for part in head:
        mapping = mapping[part]
    mapping[last] = value


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("modle", {}, "Did you mean 'model'"),
        ("training.learning_rat", 0.1, "Did you mean 'learning_rate'"),
        ("training.labels.label_lookahead", 20, "unknown key 'label_lookahead'"),
        ("training.data_split", {"train": 0.7, "validation": 0.15, "test": 0.2}, "must sum to 1"),
        ("training.data_split", {"train": 0.7, "test_size": 0.3}, "unknown split key 'test_size'"),
        ("training.date_range", {"start": "2020-01-02", "end": "2020-01-01"}, "before end"),
        ("training.date_range", {"start": "yesterday", "end": "2020-01-01"}, "must be a day"),
        ("training.optimizer", "adamm", "adam"),
        ("training.epochs", "100", "valid integer"),
        ("model.type", "lstm", "mlp"),
        ("model.architecture.dropout", 1.5, "less than 1"),
        ("name", "a/b", "letter or digit"),
        ("indicators", {"rsi_14": {"type": "rsy", "period": 14}}, "Invalid indicator 'rsy'"),
        ("fuzzy_sets", {"x": {"indicator": "nothing", "low": [0, 1, 2]}}, "nothing"),
        (
            "fuzzy_sets",
            {"rsi_14": {"indicator": "rsi_14", "oversold": [40, 30, 0]}},
            "ascending",
        ),
        ("training_data.symbols.list", ["EURUSD", "GBPUSD"], "exactly one symbol"),
        ("training.analytics.export_csv", False, "True"),
    ],
)
def test_bad_input_names_the_field_the_rule_and_the_way_out(mapping, path, value, text):
    _set(mapping, path, value)
    with pytest.raises(ConfigError) as caught:
        parse_strategy(mapping, source="s.yaml")
    issues = caught.value.details.get("issues", [])
    shown = str(caught.value) + " ".join(str(issue) for issue in issues)
    assert text in shown


def test_a_rvi_of_the_wrong_range_is_refused(mapping):
    mapping["indicators"] = {"rvi_10": {"type": "rvi", "period": 10}}
    mapping["fuzzy_sets"] = {"rvi_10": {"indicator": "rvi_10.rvi", "low": [0, 20, 40]}}
    mapping["nn_inputs"] = [{"fuzzy_set": "rvi_10", "timeframes": "all"}]
    with pytest.raises(ConfigError, match="range") as caught:
        parse_strategy(mapping, source="s.yaml")
    assert caught.value.code == "FUZZY-RangeMismatch"


def test_unknown_names_suggest():
    with pytest.raises(NotFoundError, match="Did you mean 'v15_rsi_only'"):
        shipped_strategy("v15_rsi_onli")
    with pytest.raises(NotFoundError, match="Did you mean 'v15_tenth'"):
        load_campaign("v15_tent")


LIST_FORM = {
    "name": "v15_adx_aroon_old",
    "description": "older form",
    "version": "2.0",
    "scope": "symbol_specific",
    "training_data": {
        "symbols": {"mode": "single", "symbol": "EURUSD"},
        "timeframes": {"mode": "single", "timeframe": "1h"},
        "history_required": 200,
    },
    "indicators": [
        {"name": "adx", "feature_id": "adx_14", "period": 14},
        {"name": "aroon", "feature_id": "aroon_25", "period": 25},
        {
            "name": "stochastic",
            "feature_id": "stochastic_14",
            "k_period": 14,
            "d_period": 3,
            "source": "close",
        },
    ],
    "fuzzy_sets": {
        "ADX_14": {"weak": {"type": "triangular", "parameters": [0, 15, 25]}},
        "DI_Plus_14": {"weak": {"type": "triangular", "parameters": [0, 15, 25]}},
        "aroon_up": {"weak": {"type": "triangular", "parameters": [0, 25, 40]}},
        "stochastic_14": {"oversold": {"type": "triangular", "parameters": [0, 20, 30]}},
    },
    "model": {
        "type": "mlp",
        "architecture": {
            "hidden_layers": [64, 32],
            "activation": "relu",
            "dropout": 0.2,
            "output_activation": "softmax",
        },
        "features": {"lookback_periods": 2, "include_price_context": False, "scale_features": True},
        "training": {"learning_rate": 0.001, "batch_size": 32, "epochs": 100, "optimizer": "adam"},
    },
    "training": {
        "method": "supervised",
        "labels": {"source": "zigzag", "zigzag_threshold": 0.025, "label_lookahead": 20},
        "data_split": {"train": 0.7, "validation": 0.15, "test": 0.15},
    },
}


def test_the_older_list_form_is_imported_and_every_change_is_named():
    mapping, notes = import_list_form(copy.deepcopy(LIST_FORM), source="old.yaml")
    strategy = parse_strategy(mapping, source="new.yaml")
    assert strategy.fuzzy_sets["di_plus_14"]["indicator"] == "adx_14.plus_di"
    assert strategy.fuzzy_sets["aroon_up_25"]["indicator"] == "aroon_25.up"
    assert strategy.fuzzy_sets["stochastic_14"]["indicator"] == "stochastic_14.k"
    assert strategy.training.epochs == 100
    told = "\n".join(notes)
    for word in (
        "output_activation",
        "include_price_context",
        "label_lookahead",
        "scope",
        "DI_Plus_14",
        "`source`",
        "model.training.epochs",
    ):
        assert word in told, word


def test_a_fuzzy_key_that_matches_nothing_is_not_dropped():
    bad = copy.deepcopy(LIST_FORM)
    bad["fuzzy_sets"]["cmf_20"] = {"buying": {"type": "triangular", "parameters": [0, 1, 2]}}
    with pytest.raises(ConfigError, match="names no indicator"):
        import_list_form(bad, source="old.yaml")


def test_the_list_form_itself_is_refused_with_the_way_out():
    with pytest.raises(ConfigError, match="import-strategy"):
        parse_strategy(copy.deepcopy(LIST_FORM), source="old.yaml")
