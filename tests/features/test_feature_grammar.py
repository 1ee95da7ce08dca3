"""The grammar blocks: what they accept, and the text of every refusal."""

import copy

import pytest
from feature_blocks import STRATEGIES, VOLUME_STRATEGIES, raw_blocks

from marketlab.core import ConfigError
from marketlab.features import (
    FeatureSet,
    FeatureSetConfig,
    Issue,
    feature_issues,
    parse_feature_blocks,
)


def parse(*blocks, lookback=2):
    return FeatureSetConfig.parse("1h", *raw_blocks(*blocks), lookback)


def issues_of(change, *blocks):
    """Return all findings after `change(indicators, fuzzy_sets, nn_inputs)` on copies."""
    raw = copy.deepcopy(raw_blocks(*(blocks or ("RSI",))))
    change(*raw)
    return parse_feature_blocks("1h", *raw, 2)[1]


@pytest.mark.parametrize("name", STRATEGIES)
def test_feature_counts_of_the_campaign(name):
    blocks, n_inputs = STRATEGIES[name]
    config = parse(*blocks)
    feature_set = FeatureSet(config)
    assert len(feature_set.names) == n_inputs
    assert feature_issues(config, has_volume=True) == []
    assert feature_set.needs_volume == (name in VOLUME_STRATEGIES)


def test_order_and_columns_of_the_features():
    feature_set = FeatureSet(parse("RSI"))
    present = ["1h_rsi_14_oversold", "1h_rsi_14_neutral", "1h_rsi_14_overbought"]
    lags = [f"{name}_lag_{k}" for k in (1, 2) for name in present]
    assert list(feature_set.names) == present + lags
    assert feature_set.columns[4] == {
        "feature_id": "1h_rsi_14_neutral_lag_1",
        "timeframe": "1h",
        "fuzzy_set": "rsi_14",
        "membership": "neutral",
        "indicator_id": "rsi_14",
        "indicator_output": None,
        "lag": 1,
        "normalization": "none",
    }
    both = FeatureSet(parse("ADX", "RSI", lookback=0))
    assert both.names[0::3] == ("1h_adx_14_weak", "1h_rsi_14_oversold")
    assert both.columns[0]["indicator_output"] == "adx"


def test_equal_designs_are_found_whatever_their_order():
    a, b, c = (FeatureSet(parse(*x)) for x in (("RSI", "ADX"), ("ADX", "RSI"), ("RSI",)))
    assert a.design_id == b.design_id != c.design_id
    assert a.config.content_id() != b.config.content_id()


def test_a_configuration_survives_its_own_mapping():
    config = parse("RSI", "DI")
    again = FeatureSetConfig.from_mapping(config.to_mapping())
    assert again == config
    stored = config.to_mapping()
    stored["indicators"][0]["parameters"]["period"] = 0
    with pytest.raises(ConfigError, match="period of rsi must be an integer from 2"):
        FeatureSetConfig.from_mapping(stored)
    for block in ("fuzzy_sets", "nn_inputs"):
        partial = {**config.to_mapping(), block: []}
        with pytest.raises(ConfigError, match="the feature configuration is not complete"):
            FeatureSetConfig.from_mapping(partial)
    unnamed = config.to_mapping()
    unnamed["indicators"] = unnamed["indicators"][:1]
    with pytest.raises(ConfigError, match=r"'adx_14\.minus_di' is read and not declared"):
        FeatureSetConfig.from_mapping(unnamed)


def test_raw_inputs_by_name():
    indicators, _, _ = raw_blocks("ADX")
    inputs = [{"raw_indicator": "adx_14.plus_di", "normalization": "zscore"}]
    feature_set = FeatureSet(FeatureSetConfig.parse("1h", indicators, {}, inputs, 1))
    assert feature_set.names == ("1h_adx_14.plus_di_raw", "1h_adx_14.plus_di_raw_lag_1")
    assert feature_set.normalization == ("zscore", "zscore")


BAD = {
    "unknown indicator": (
        lambda i, f, n: i["rsi_14"].update(type="rsii"),
        "indicators.rsi_14.type: Invalid indicator 'rsii'. Did you mean 'rsi'",
        "CONFIG-IndicatorTypeNotFound",
    ),
    "unknown parameter": (
        lambda i, f, n: i["rsi_14"].update(perod=3),
        (
            "indicators.rsi_14.perod: rsi has no parameter 'perod'; it takes period, source. "
            "Did you mean 'period'?"
        ),
        "CONFIG-IndicatorCreationFailed",
    ),
    "missing parameter": (
        lambda i, f, n: i["rsi_14"].pop("period"),
        "indicators.rsi_14.period: rsi needs the parameter 'period', an integer from 2 to 10000.",
        "CONFIG-IndicatorCreationFailed",
    ),
    "parameter out of range": (
        lambda i, f, n: i["rsi_14"].update(period=1),
        "period of rsi must be an integer from 2 to 10000; received 1.",
        "CONFIG-IndicatorCreationFailed",
    ),
    "text for a number": (
        lambda i, f, n: i["rsi_14"].update(period="14"),
        "received '14'",
        "CONFIG-IndicatorCreationFailed",
    ),
    "missing type": (
        lambda i, f, n: i["rsi_14"].pop("type"),
        "indicators.rsi_14.type: this required field is missing.",
        "STRATEGY-ValidationFailed",
    ),
    "bad id": (
        lambda i, f, n: i.update({"14_rsi": i["rsi_14"]}),
        (
            "indicators.14_rsi: an id must be a letter followed by letters, digits, `_` or `-`; "
            "received '14_rsi'."
        ),
        "STRATEGY-ValidationFailed",
    ),
    "reserved id": (
        lambda i, f, n: i.update({"close": i["rsi_14"]}),
        "indicators.close: an id may not be one of open, high, low, close, volume",
        "STRATEGY-ValidationFailed",
    ),
    "unknown reference": (
        lambda i, f, n: f["rsi_14"].update(indicator="rsi_15"),
        "fuzzy_sets.rsi_14.indicator: unknown indicator id 'rsi_15'. Did you mean 'rsi_14'?",
        "STRATEGY-ValidationFailed",
    ),
    "dot on one output": (
        lambda i, f, n: f["rsi_14"].update(indicator="rsi_14.value"),
        "rsi has one output, so 'rsi_14.value' takes no dot. Write 'rsi_14'.",
        "STRATEGY-ValidationFailed",
    ),
    "no set": (
        lambda i, f, n: [f["rsi_14"].pop(k) for k in ("oversold", "neutral", "overbought")],
        "fuzzy_sets.rsi_14: declares no set.",
        "STRATEGY-ValidationFailed",
    ),
    "no indicator": (
        lambda i, f, n: f["rsi_14"].pop("indicator"),
        "fuzzy_sets.rsi_14.indicator: this required field is missing.",
        "STRATEGY-ValidationFailed",
    ),
    "unknown membership": (
        lambda i, f, n: f["rsi_14"].update(neutral={"type": "gausian", "parameters": [50, 10]}),
        (
            "fuzzy_sets.rsi_14.neutral.type: Invalid membership function 'gausian'. "
            "Did you mean 'gaussian'?"
        ),
        "MF-UnknownType",
    ),
    "parameter count": (
        lambda i, f, n: f["rsi_14"].update(neutral=[35, 50]),
        "a triangular set takes 3 finite numbers [left foot, peak, right foot]; received [35, 50].",
        "MF-InvalidParameterCount",
    ),
    "not a number": (
        lambda i, f, n: f["rsi_14"].update(neutral=[35, "50", 65]),
        "a triangular set takes 3 finite numbers",
        "MF-InvalidParameterCount",
    ),
    "parameter order": (
        lambda i, f, n: f["rsi_14"].update(neutral=[65, 50, 35]),
        "needs ascending parameters with the first below the last; received [65.0, 50.0, 35.0].",
        "MF-InvalidParameterOrder",
    ),
    "sigma": (
        lambda i, f, n: f["rsi_14"].update(neutral={"type": "gaussian", "parameters": [50, 0]}),
        "a gaussian set [mean, sigma] needs sigma > 0; received [50.0, 0.0].",
        "MF-InvalidParameterOrder",
    ),
    "unknown key in a set": (
        lambda i, f, n: f["rsi_14"].update(neutral={"type": "gaussian", "params": [50, 1]}),
        "fuzzy_sets.rsi_14.neutral.params: unknown key 'params'. Did you mean 'parameters'?",
        "STRATEGY-ValidationFailed",
    ),
    "edges": (
        lambda i, f, n: f["rsi_14"].update(edges="shoulder"),
        (
            "fuzzy_sets.rsi_14.edges: must be one of triangles, shoulders; received 'shoulder'. "
            "Did you mean 'shoulders'?"
        ),
        "STRATEGY-ValidationFailed",
    ),
    "edges without triangles": (
        lambda i, f, n: f["rsi_14"].update(
            edges="shoulders", oversold={"type": "gaussian", "parameters": [10, 5]}
        ),
        "edges: shoulders needs at least two sets, the first and last of them triangular.",
        "FUZZY-Edges",
    ),
    "peak outside the range": (
        lambda i, f, n: f["rsi_14"].update(overbought=[60, 170, 200]),
        "fuzzy_sets.rsi_14.overbought: the peak 170 lies outside the range [0, 100] of rsi_14",
        "FUZZY-RangeMismatch",
    ),
    "unknown set": (
        lambda i, f, n: n[0].update(fuzzy_set="rsi_41"),
        "nn_inputs.0.fuzzy_set: unknown fuzzy set 'rsi_41'. Did you mean 'rsi_14'?",
        "STRATEGY-ValidationFailed",
    ),
    "both kinds": (
        lambda i, f, n: n[0].update(raw_indicator="rsi_14"),
        "nn_inputs.0: needs one of fuzzy_set and raw_indicator; both are given.",
        "STRATEGY-ValidationFailed",
    ),
    "neither kind": (
        lambda i, f, n: n[0].pop("fuzzy_set"),
        "needs one of fuzzy_set and raw_indicator; neither is given.",
        "STRATEGY-ValidationFailed",
    ),
    "unknown timeframe": (
        lambda i, f, n: n[0].update(timeframes=["1d"]),
        "nn_inputs.0.timeframes: unknown timeframe '1d'. Valid: all, [1h].",
        "STRATEGY-ValidationFailed",
    ),
    "normalization of a set": (
        lambda i, f, n: n[0].update(normalization="zscore"),
        "nn_inputs.0.normalization: a fuzzy set lies in [0, 1] and takes no normalization.",
        "STRATEGY-ValidationFailed",
    ),
    "unknown normalization": (
        lambda i, f, n: n.append({"raw_indicator": "rsi_14", "normalization": "z-score"}),
        "must be one of none, minmax, zscore; received 'z-score'. Did you mean 'zscore'?",
        "STRATEGY-ValidationFailed",
    ),
    "unknown key in an input": (
        lambda i, f, n: n[0].update(timeframe="1h"),
        "nn_inputs.0.timeframe: unknown key 'timeframe'. Did you mean 'timeframes'",
        "STRATEGY-ValidationFailed",
    ),
    "twice": (
        lambda i, f, n: n.append(dict(n[0])),
        "nn_inputs.1: fuzzy_set 'rsi_14' stands already at nn_inputs.0.",
        "STRATEGY-ValidationFailed",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_refusals(case):
    change, text, code = BAD[case]
    errors = [i for i in issues_of(change) if i.severity == "error"]
    assert len(errors) == 1, [e.message for e in errors]
    assert text in errors[0].message
    assert errors[0].code == code
    assert errors[0].message.startswith(errors[0].field + ": ")


def test_multi_output_without_a_dot_and_with_a_wrong_one():
    found = issues_of(lambda i, f, n: f["adx_14"].update(indicator="adx_14"), "ADX")
    assert (
        "fuzzy_sets.adx_14.indicator: adx has several outputs and needs a dot; received 'adx_14'."
        in found[0].message
    )
    assert "Valid: adx_14.adx, adx_14.plus_di, adx_14.minus_di." in found[0].message
    found = issues_of(lambda i, f, n: f["adx_14"].update(indicator="adx_14.di_plus"), "ADX")
    assert "adx has no output 'di_plus'" in found[0].message


def test_the_original_vigor_on_a_percent_scale_is_refused():
    def vigor(indicators, fuzzy_sets, _):
        indicators["rvi_10"] = {"type": "rvi", "period": 10}
        fuzzy_sets["rvi_10"]["indicator"] = "rvi_10.rvi"

    found = issues_of(vigor, "RVI")
    assert {i.code for i in found} == {"FUZZY-RangeMismatch"}
    assert "the peak 20 lies outside the range [-1, 1] of rvi_10.rvi (rvi)" in found[0].message


def test_all_mistakes_are_reported_at_once():
    indicators, fuzzy_sets, inputs = copy.deepcopy(raw_blocks("RSI", "ADX"))
    indicators["rsi_14"]["period"] = 0
    fuzzy_sets["adx_14"]["weak"] = [1, 2]
    inputs[1]["timeframes"] = []
    with pytest.raises(ConfigError, match=r"period of rsi must be.*2 more below") as caught:
        FeatureSetConfig.parse("1h", indicators, fuzzy_sets, inputs, 2)
    fields = [issue["field"] for issue in caught.value.details["issues"]]
    assert fields == [
        "indicators.rsi_14.period",
        "fuzzy_sets.adx_14.weak.parameters",
        "nn_inputs.1.timeframes",
    ]
    assert caught.value.field == fields[0]


@pytest.mark.parametrize(
    ("position", "value", "text"),
    [
        (0, ["rsi"], "indicators: must be a mapping"),
        (0, {}, "indicators: must declare at least one indicator."),
        (0, {"rsi_14": 5}, "indicators.rsi_14: must be a mapping like {type: rsi, period: 14}"),
        (1, 3, "fuzzy_sets: must be a mapping"),
        (1, {"rsi_14": [1]}, "fuzzy_sets.rsi_14: must be a mapping"),
        (2, [], "nn_inputs: must be a list like"),
        (2, ["rsi_14"], "nn_inputs.0: must be a mapping"),
        (2, [{"fuzzy_set": ["rsi_14"]}], "nn_inputs.0.fuzzy_set: unknown fuzzy set"),
        (3, -1, "model.features.lookback_periods: must be an integer from 0 to 1000; received -1."),
        (3, True, "lookback_periods: must be an integer"),
    ],
)
def test_wrong_shapes(position, value, text):
    raw = [*copy.deepcopy(raw_blocks("RSI")), 2]
    raw[position] = value
    config, found = parse_feature_blocks("1h", *raw)
    assert config is None
    assert any(text in issue.message for issue in found)


def test_volume_indicators_need_volume():
    config = parse("RSI", "MFI", "CMF")
    assert feature_issues(config) == feature_issues(config, has_volume=True) == []
    found = feature_issues(config, has_volume=False)
    assert [(i.code, i.field) for i in found] == [
        ("DATA-NoVolume", "indicators.mfi_14"),
        ("DATA-NoVolume", "indicators.cmf_20"),
    ]
    assert "Choose a series with (tick) volume, or remove the indicator." in found[0].message


def warning(change, *blocks):
    found = issues_of(change, *blocks)
    assert [i.severity for i in found] == ["warning"]
    return found[0]


def test_warnings():
    dead = warning(lambda i, f, n: f["rsi_14"].update(neutral=[48, 50, 52]))
    assert dead.code == "FUZZY-DeadZone"
    assert "every set is below 0.05" in dead.message
    unused = warning(lambda i, f, n: i.update(other={"type": "rsi", "period": 7}))
    assert unused.code == "CONFIG-UnusedIndicator"
    assert unused.field == "indicators.other"
    extra = warning(lambda i, f, n: f.update(other=dict(f["rsi_14"])))
    assert (extra.code, extra.field) == ("CONFIG-UnusedFuzzySet", "fuzzy_sets.other")

    def price(indicators, _, inputs):
        indicators["sma"] = {"type": "sma", "period": 5}
        inputs.append({"raw_indicator": "sma"})

    assert warning(price).code == "FEATURE-PriceScale"

    def sets_on_price(indicators, fuzzy_sets, _):
        indicators["rsi_14"] = {"type": "sma", "period": 5}

    assert warning(sets_on_price).code == "FUZZY-Unbounded"


def test_two_inputs_of_one_name_are_refused():
    def clash(_, fuzzy_sets, inputs):
        triangle = [0, 50, 100]
        fuzzy_sets["a"] = {"indicator": "rsi_14", "b_c": triangle}
        fuzzy_sets["a_b"] = {"indicator": "rsi_14", "c": triangle}
        inputs += [{"fuzzy_set": "a"}, {"fuzzy_set": "a_b"}]

    messages = [i.message for i in issues_of(clash) if i.severity == "error"]
    assert "nn_inputs: two inputs would both be called '1h_a_b_c'." in messages[0]


def test_aliases_are_one_formula():
    def alias(indicators, *_):
        indicators["williams_14"]["type"] = "williamsr"

    assert issues_of(alias, "WIL") == []
    raw = copy.deepcopy(raw_blocks("WIL"))
    raw[0]["williams_14"]["type"] = "williamsr"
    assert FeatureSetConfig.parse("1h", *raw, 2) == parse("WIL")


def test_an_issue_is_json_ready():
    found = Issue("error", "indicators", "X-Y", "a: b.", "a")
    assert found.to_dict()["category"] == "indicators"
