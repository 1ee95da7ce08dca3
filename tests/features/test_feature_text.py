"""Formulas as text: what can be written, what cannot, and that text and value say the same."""

import numpy as np
import pytest
from feature_bars import bars, same
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError
from marketlab.features import (
    INDICATORS,
    const,
    evaluate,
    format_expression,
    on_bars,
    parse_expression,
    primitive,
    source,
)

CLOSE, OPEN = source("close"), source("open")

LEAVES = st.sampled_from([CLOSE, OPEN, source("volume"), source("time"), source("context.vix")]) | (
    st.floats(-1e6, 1e6, allow_nan=False).map(const)
)


def _grow(children):
    pair = st.tuples(children, children)
    return st.one_of(
        pair.map(lambda p: p[0] + p[1]),
        pair.map(lambda p: p[0] - p[1]),
        pair.map(lambda p: p[0] * p[1]),
        pair.map(lambda p: p[0] / p[1]),
        children.map(lambda x: -x),
        children.map(lambda x: x.lag(3)),
        pair.map(lambda p: primitive("greater", *p)),
        st.tuples(children, st.integers(2, 50)).map(
            lambda p: primitive("rolling_std", p[0], window=p[1], ddof=1)
        ),
        children.map(lambda x: primitive("clip", x, low=-2.5, high=3.0)),
    )


@settings(deadline=None, max_examples=150)
@given(st.recursive(LEAVES, _grow, max_leaves=12))
def test_printed_text_reads_back_as_the_same_expression(expression):
    assert parse_expression(format_expression(expression)) == expression


def test_expressions_on_coarser_bars_are_printed_too():
    expression = on_bars("1w", CLOSE / CLOSE.lag(1)) - CLOSE
    assert parse_expression(format_expression(expression)) == expression


@pytest.mark.parametrize("name", INDICATORS.names())
def test_every_indicator_can_be_written_with_its_declared_numbers(name):
    definition = INDICATORS.get(name)
    given = {p.name: p.default or 5 for p in definition.parameters if not p.is_column}
    built = definition.build(definition.check(given))
    numbers = ", ".join(f"{key}={value}" for key, value in given.items())
    for output, expected in built.items():
        dot = "" if definition.is_single else f".{output}"
        assert parse_expression(f"{name}({numbers}){dot}") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("close / sma(close, 20) - 1", CLOSE / primitive("rolling_mean", CLOSE, window=20) - 1.0),
        ("(1 + 2) * close", 3.0 * CLOSE),
        ("close ** 2", CLOSE * CLOSE),
        ("2 ** 3 * close", 8.0 * CLOSE),
        ("change(close, 5)", CLOSE - CLOSE.lag(5)),
        ("change(close)", CLOSE - CLOSE.lag(1)),
        ("lag(close, bars=2)", CLOSE.lag(2)),
        ("open < close", primitive("greater", CLOSE, OPEN)),
        ("abs(-close)", abs(-CLOSE)),
        ("max(open, 2)", primitive("maximum", OPEN, const(2.0))),
        ("sma(high, 3)", primitive("rolling_mean", source("high"), window=3)),
        ("ema(rsi(14), 5)", primitive("ema", parse_expression("rsi(14)"), n=5)),
        ("context.vix", source("context.vix")),
        ("5", const(5.0)),
    ],
)
def test_what_text_means(text, expected):
    assert parse_expression(text) == expected


def test_an_indicator_of_another_formula_is_the_indicator_of_that_series():
    arrays = bars("walk")
    direct = evaluate([parse_expression("rsi(high - low, 7)")], arrays)[0]
    spread = arrays["high"] - arrays["low"]
    by_hand = evaluate([parse_expression("rsi(7)")], {"close": spread})[0]
    assert same(direct, by_hand)


def test_truth_of_conditions():
    arrays = {"open": np.array([1.0, 2.0, 3.0]), "close": np.array([2.0, 2.0, 2.0])}

    def value(text):
        return evaluate([parse_expression(text)], arrays)[0].tolist()

    assert value("close > open") == [1, 0, 0]
    assert value("close >= open") == [1, 1, 0]
    assert value("close <= open") == [0, 1, 1]
    assert value("close == open") == [0, 1, 0]
    assert value("close != open") == [1, 0, 1]
    assert value("not close > open") == [0, 1, 1]
    assert value("close > open or close == open") == [1, 1, 0]
    assert value("close >= open and open >= 2") == [0, 1, 0]
    assert value("10 if close > open else open") == [10, 2, 3]


@pytest.mark.parametrize(
    "text",
    [
        "lag(close, -1)",
        "change(close, -5)",
        "shift(close, -1)",
        "lead(close, 1)",
        "Ref(close, 5)",
        "close / future(close) - 1",
        "on('1w', lag(close, -1))",
    ],
)
def test_what_looks_forward_cannot_be_written(text):
    with pytest.raises(ConfigError, match="looks forward") as caught:
        parse_expression(text, field="columns.leak")
    assert caught.value.code == "CONFIG-LooksForward"
    assert caught.value.field == "columns.leak"
    assert "lag(x, bars)" in caught.value.suggestion


@pytest.mark.parametrize(
    ("text", "message", "way_out"),
    [
        ("rsi(perid=14)", "rsi has no parameter 'perid'", "Did you mean 'period'?"),
        ("rsi(period=-3)", "must be an integer from 2 to 10000", "Write a value in that range"),
        ("on('2w', close)", "there are no bars of '2w'", "Known: 12h, 15m, 1d"),
    ],
)
def test_a_wrong_parameter_has_the_way_out_of_its_own(text, message, way_out):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_expression(text, field="columns.x")
    assert caught.value.field == "columns.x"
    assert way_out in caught.value.suggestion


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("close +", "invalid syntax"),
        ("", "invalid syntax"),
        ("close[1]", "A formula holds"),
        ("close.values", "A formula holds"),
        ("__import__('os')", "A formula holds"),
        ("lambda: 1", "A formula holds"),
        ("1 < close < 2", "A formula holds"),
        ("close % 2", "A formula holds"),
        ("close / 0", None),
        ("lag(close, 0)", "reads the bar itself; bars is 1 or more"),
        ("lag(close, 1, 2)", r"It takes lag\(x, bars\)"),
        ("lag(close, 1, bars=3)", r"It takes lag\(x, bars\)"),
        ("change(close, 1, 2)", r"It takes change\(x, bars\)"),
        ("change(bars=2)", r"It takes change\(x, bars\)"),
        ("1e400 * close", "too large or none at all"),
        ("2 ** 10000 * close", "too large or none at all"),
        ("9 ** 9 ** 9 ** 9 * close", "too large or none at all"),
        ("1e308 * 10 * close", "too large or none at all"),
        ("(-1) ** 0.5 * close", "too large or none at all"),
        ("1" + 400 * "0" + " * close", "too large or none at all"),
        ("1 / 0 + close", "divided by 0"),
        ("close ** open", "A power"),
        ("clsoe", "close"),
        ("rolling_meen(close, 5)", "rolling_mean"),
        ("rolling_mean(close)", "window"),
        ("rolling_mean(close, 5, 6)", "takes rolling_mean"),
        ("rolling_mean(close, window=5, windo=6)", "takes the numbers window"),
        ("rolling_mean(close, open)", "must be a number"),
        ("rolling_mean(close, 1)", r"in \[2"),
        ("rolling_mean(close, 2.5)", "an integer"),
        ("lag(close)", "takes lag"),
        ("lag(close, open)", "must be a number"),
        ("adx(14)", "has the outputs .adx"),
        ("rsi(14).value", "without a dot"),
        ("rsi(14, 15)", "takes rsi"),
        ("rsi(period=14, smooth=3)", "no parameter 'smooth'"),
        ("rsi()", "needs the parameter 'period'"),
        ("adx(open, 14).adx", "reads whole bars"),
        ("on('7m', close)", "there are no bars of '7m'"),
        ("on('1w', on('1d', close))", "coarsened once"),
        ("on(5, close)", "period in quotes"),
        ("rsi(*[14])", "A formula holds"),
    ],
)
def test_bad_formulas_say_what_and_where(text, message):
    if message is None:  # a column over 0 is missing everywhere, which is a value
        assert np.isnan(evaluate([parse_expression(text)], {"close": np.ones(3)})).all()
        return
    with pytest.raises(ConfigError, match=message) as caught:
        parse_expression(text)
    assert repr(text) in caught.value.message
    assert caught.value.suggestion
