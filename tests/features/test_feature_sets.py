"""Feature sets: memberships, batch against stream, sharing, health, causality."""

import pickle

import numpy as np
import pytest
from feature_bars import KINDS, bars, same
from feature_blocks import BLOCKS, STRATEGIES, raw_blocks
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import CancelledError, ConfigError, DataError, IntegrityError, Progress
from marketlab.features import (
    FeatureFamily,
    FeatureMatrix,
    FeatureSet,
    FeatureSetConfig,
    Graph,
    MembershipSpec,
    audit_causality,
    compute_many,
    const,
    evaluate,
    feature_health,
    primitive,
    require_healthy,
    source,
)
from marketlab.kernels import PRIMITIVES, Primitive

COLUMNS = ("open", "high", "low", "close", "volume")


def feature_set(*blocks, lookback=2):
    return FeatureSet(FeatureSetConfig.parse("1h", *raw_blocks(*blocks), lookback))


def everything():
    return feature_set(*BLOCKS)


def rows_of(arrays):
    return list(zip(*(arrays[name].tolist() for name in COLUMNS), strict=True))


# --- memberships --------------------------------------------------------------------------------

RSI_ORACLE = {
    0: (0, 0, 0),
    5: (0.1667, 0, 0),
    30: (1, 0, 0),
    37: (0.3, 0.1333, 0),
    45: (0, 0.6667, 0),
    62: (0, 0.2, 0.2),
    100: (0, 0, 0),
}


def memberships(config, values):
    x = source("close")
    sets = config.fuzzy_sets[0].effective_sets
    return evaluate([s.expression(x) for s in sets], {"close": np.array(values, dtype=float)})


def test_rsi_oracle():
    got = memberships(feature_set("RSI").config, list(RSI_ORACLE))
    np.testing.assert_allclose(got.T, list(RSI_ORACLE.values()), atol=5e-5)


def test_shoulders_make_extremes_full_members():
    config = feature_set("RSI").config.with_edges("shoulders")
    got = memberships(config, [0, 5, 30, 35, 62, 70, 100])
    np.testing.assert_allclose(got[0], [1, 1, 1, 0.5, 0, 0, 0])
    np.testing.assert_allclose(got[2], [0, 0, 0, 0, 0.2, 1, 1])
    assert [s.name for s in config.fuzzy_sets[0].effective_sets] == [
        "oversold",
        "neutral",
        "overbought",
    ]


def test_every_membership_function_at_known_points():
    cases = {
        "triangular": ([0, 0, 4], {-1: 0, 0: 1, 1: 0.75, 4: 0}),
        "trapezoidal": ([0, 2, 4, 8], {0: 0, 1: 0.5, 3: 1, 6: 0.5, 9: 0}),
        "gaussian": ([1, 2], {1: 1, 3: np.exp(-0.5)}),
        "sigmoid": ([1, 2], {1: 0.5, 3: 1 / (1 + np.exp(-1))}),
        "shoulder_left": ([1, 3], {-9: 1, 1: 1, 2: 0.5, 3: 0}),
        "shoulder_right": ([1, 3], {-9: 0, 1: 0, 2: 0.5, 3: 1, 99: 1}),
    }
    for kind, (parameters, points) in cases.items():
        spec = MembershipSpec(name="a", type=kind, parameters=tuple(map(float, parameters)))
        arrays = {"close": np.array(list(points), dtype=float)}
        got = evaluate([spec.expression(source("close"))], arrays)[0]
        np.testing.assert_allclose(got, list(points.values()), atol=1e-15)


# --- batch, stream, sharing ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_stream_equals_batch_bit_for_bit(kind):
    arrays = bars(kind, 200)
    features = everything()
    stream = features.stream()
    streamed = np.array([stream.push(*bar) for bar in rows_of(arrays)])
    matrix = features.compute(arrays)
    assert same(streamed.T, matrix.values)
    assert stream.bars_seen == 200
    assert matrix.names == stream.names == features.names


@settings(max_examples=10, deadline=None)
@given(cut=st.integers(0, 79), seed=st.integers(0, 99))
def test_a_saved_stream_goes_on_where_it_was_left(cut, seed, tmp_path_factory):
    arrays = bars("gaps", 80, seed)
    features, rows = everything(), rows_of(arrays)
    stream = features.stream()
    for bar in rows[:cut]:
        stream.push(*bar)
    path = tmp_path_factory.mktemp("state") / "state.npz"
    np.savez(path, **stream.state())
    other = features.stream()
    with np.load(path) as saved:
        other.restore(saved)
    assert other.bars_seen == cut
    for bar in rows[cut:]:
        assert same(stream.push(*bar), other.push(*bar))


def test_a_foreign_state_is_refused():
    stream = feature_set("RSI").stream()
    state = stream.state()
    changed = {**state, "kernel_sources_hash": np.array("0" * 16)}
    with pytest.raises(IntegrityError, match="saved by other kernel sources: its kernel_sources"):
        stream.restore(changed)
    with pytest.raises(IntegrityError, match="saved by other features"):
        feature_set("ADX").stream().restore(state)
    with pytest.raises(IntegrityError, match="holds 2 lags, this stream 1"):
        feature_set("RSI", lookback=1).stream().restore(state)
    missing = {k: v for k, v in state.items() if "relative_strength" not in k}
    with pytest.raises(IntegrityError, match="relative_strength is missing or has another shape"):
        stream.restore(missing)
    with pytest.raises(IntegrityError, match="its kernel_sources_hash is absent"):
        stream.restore({k: v for k, v in state.items() if k != "kernel_sources_hash"})


def test_a_refused_bar_leaves_the_stream_as_it_was():
    features, rows = feature_set("MFI"), rows_of(bars(n=60))
    stream, untouched = features.stream(), features.stream()
    for bar in rows[:50]:
        stream.push(*bar)
        untouched.push(*bar)
    with pytest.raises(DataError, match="close of a bar must be a finite number; received nan"):
        stream.push(1.0, 1.0, 1.0, float("nan"), 1.0)
    with pytest.raises(DataError, match="volume of a bar must be a finite number of at least 0"):
        stream.push(1.0, 1.0, 1.0, 1.0, -1.0)
    for bar in rows[50:]:
        assert same(stream.push(*bar), untouched.push(*bar))


def test_many_sets_at_once_are_each_alone():
    arrays = bars("walk", 5000)
    sets = [feature_set(*blocks) for blocks, _ in STRATEGIES.values()]
    family = FeatureFamily(sets)
    assert len(family.graph.outputs) == 33  # 3 sets of 11 indicator outputs, each once
    together = compute_many(sets, arrays)
    for alone, matrix in zip(sets, together, strict=True):
        assert same(alone.compute(arrays).values, matrix.values)
    other = bars("gaps", 5000)
    family.compute(arrays, recycle=True)
    for alone, matrix in zip(sets, family.compute(other, recycle=True), strict=True):
        assert same(alone.compute(other).values, matrix.values)


def test_sets_with_different_lags_share_a_store():
    arrays = bars(n=300)
    sets = [feature_set("RSI", lookback=k) for k in (0, 3)]
    short, long = compute_many(sets, arrays)
    assert same(short.values, long.values[:3])
    assert same(long.values[9, 3:], short.values[0, :-3])
    assert np.isnan(long.values[9, :3]).all()


def test_warm_up_is_the_real_one():
    arrays = bars(n=300)
    for blocks in ([name] for name in BLOCKS):
        features = feature_set(*blocks)
        complete = features.compute(arrays).complete_bars()
        assert not complete[: features.warm_up_bars].any()
        assert complete[features.warm_up_bars :].all()
    assert feature_set("RSI").warm_up_bars == 14 + 2
    assert feature_set("ADX").warm_up_bars == 28 + 2


def test_rows_are_the_values():
    arrays = bars(n=300)
    features = feature_set("RSI", "DI")
    matrix = features.compute(arrays)
    positions = np.array([40, 299, 41])
    rows = matrix.rows(positions)
    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous
    assert same(rows, matrix.values[:, positions].T.astype(np.float32))
    plain = FeatureMatrix(matrix.values, matrix.names, matrix.warm_up_bars)
    assert same(plain.rows(positions), rows)
    with pytest.raises(DataError, match=r"9 feature values are missing .* at bar 3 \(warm-up"):
        feature_set("RSI").compute(arrays).rows(np.array([3]))
    assert np.isnan(matrix.rows(np.array([3]), allow_missing=True)).all()
    with pytest.raises(DataError, match=r"must lie in \[0, 299\]; received 5 to 300"):
        matrix.rows(np.array([5, 300]))
    with pytest.raises(DataError, match="cannot hold 1 named features"):
        FeatureMatrix(np.ones((2, 3)), ["a"], 0)
    with pytest.raises(ValueError, match="read-only"):
        matrix.values[0, 0] = 1.0


def test_bad_columns_are_refused():
    features, arrays = feature_set("MFI"), bars(n=100)
    broken = {**arrays, "close": np.where(np.arange(100) == 7, np.nan, arrays["close"])}
    with pytest.raises(DataError, match="close is not a finite number at bar 7"):
        features.compute(broken)
    with pytest.raises(DataError, match=r"volume is negative at bar 0: -1\.0"):
        features.compute({**arrays, "volume": np.full(100, -1.0)})
    with pytest.raises(DataError, match="column 'volume' is needed and not there"):
        features.compute({k: v for k, v in arrays.items() if k != "volume"})
    with pytest.raises(DataError, match="one length"):
        features.compute({**arrays, "high": arrays["high"][:50]})
    feature_set("RSI").compute({"close": arrays["close"]})  # what is not read is not needed


def test_a_computation_can_be_cancelled():
    progress = Progress.in_memory()
    progress.cancel()
    with pytest.raises(CancelledError):
        feature_set("RSI").compute(bars(), progress)


# --- expressions --------------------------------------------------------------------------------


def test_expressions_are_values():
    close = source("close")
    a, b = (close - close.lag(1)) / 2, close.change() / const(2.0)
    assert len({a, b}) == 1
    assert a.key == "div(sub(close,lag(close,bars=1)),2.0)"
    assert len(Graph.of([a, b]).nodes) == 5
    assert a.warm_up_bars == 1
    assert pickle.loads(pickle.dumps(a)) == a
    with pytest.raises(AttributeError, match="never changes"):
        a.key = "x"
    with pytest.raises(AttributeError, match="never changes"):
        del a.key
    arrays = {"close": np.array([1.0, 2.0, 4.0])}
    got = evaluate([abs(-a), 1 - close, 8 / close, 2 + close, close.lag(0)], arrays)
    expected = [[np.nan, 0.5, 1.0], [0, -1, -3], [8, 4, 2], [3, 4, 6], [1, 2, 4]]
    assert same(got, np.array(expected))


def test_expression_mistakes():
    with pytest.raises(ConfigError, match=r"Invalid price column 'clsoe'. Did you mean 'close'"):
        source("clsoe")
    with pytest.raises(ConfigError, match="add reads 2 inputs; received 1"):
        primitive("add", source("close"))
    with pytest.raises(DataError, match="nothing to compute"):
        evaluate([const(1.0)], {})


# --- health and causality -----------------------------------------------------------------------


def test_healthy_features_have_no_findings():
    arrays = bars(n=3000)
    features = feature_set("RSI", "STO", "MFI")
    found = feature_health(features.compute(arrays), np.arange(features.warm_up_bars, 3000))
    assert [f for f in found if f.severity == "error"] == []
    require_healthy(found)


def test_missing_volume_closes_the_gate_and_says_what_to_do():
    arrays = {**bars(n=500), "volume": np.zeros(500)}
    features = feature_set("RSI", "CMF")
    found = feature_health(features.compute(arrays), np.arange(40, 500))
    assert {f.feature for f in found if f.kind == "not_finite"} == {
        "1h_cmf_20_selling",
        "1h_cmf_20_neutral",
        "1h_cmf_20_buying",
    }
    with pytest.raises(DataError, match=r"built on volume.*Choose a series with \(tick\) volume"):
        require_healthy(found)


def test_constant_features_close_the_gate_unless_allowed():
    indicators, fuzzy_sets, inputs = raw_blocks("RSI")
    narrow = {"rsi_14": {**fuzzy_sets["rsi_14"], "oversold": [0, 1, 2]}}
    features = FeatureSet(FeatureSetConfig.parse("1h", indicators, narrow, inputs, 1))
    found = feature_health(features.compute(bars(n=500)), np.arange(40, 500))
    constant = [f for f in found if f.kind == "constant"]
    assert [f.feature for f in constant] == ["1h_rsi_14_oversold"]
    assert "is 0 at every bar, so it carries no information." in constant[0].message
    with pytest.raises(ConfigError, match="carries no information") as caught:
        require_healthy(found)
    assert caught.value.code == "FEATURE-Constant"
    require_healthy(found, allow_constant_features=True)


def test_dead_zones_and_broken_ranges_are_found():
    indicators, fuzzy_sets, inputs = raw_blocks("RSI")
    gap = {"rsi_14": {**fuzzy_sets["rsi_14"], "neutral": [49, 50, 51]}}
    features = FeatureSet(FeatureSetConfig.parse("1h", indicators, gap, inputs, 0))
    found = feature_health(features.compute(bars(n=500)), np.arange(40, 500))
    assert [(f.kind, f.severity, f.feature) for f in found] == [("dead_zone", "warning", "rsi_14")]
    raw = FeatureSet(
        FeatureSetConfig.parse(
            "1h", raw_blocks("WIL")[0], {}, [{"raw_indicator": "williams_14"}], 0
        )
    )
    arrays = bars(n=200)
    arrays["close"] = arrays["high"] * 1.1  # closes above the high: no honest bar
    found = feature_health(raw.compute(arrays), np.arange(40, 200))
    assert found[0].kind == "out_of_range"
    with pytest.raises(DataError, match=r"leaves its declared range \[-100, 0\] at 160 bars"):
        require_healthy(found)
    with pytest.raises(DataError, match="received 0 positions"):
        feature_health(raw.compute(arrays), np.array([], dtype=np.int64))


def test_audit_finds_nothing_in_the_campaign():
    assert audit_causality(everything(), bars("gaps", 400)) == []
    with pytest.raises(DataError, match="an audit needs at least"):
        audit_causality(everything(), bars(n=20))


def test_audit_finds_a_primitive_that_looks_ahead(monkeypatch):
    def peek(inputs, _params, _state, out):
        def kernel(x, result):
            result[:] = x.max()

        return kernel, (inputs[0], out)

    leak = Primitive("peek", 1, (), "none", peek, lambda _: 0, lambda _: 0, "looks ahead")
    monkeypatch.setitem(PRIMITIVES._items, "peek", leak)
    features = feature_set("RSI", lookback=0)
    features.base = (*features.base[:2], primitive("peek", source("close")))
    found = audit_causality(features, bars(n=200))
    assert {f.feature for f in found} == {"1h_rsi_14_overbought"}
    assert {f.check for f in found} == {"prefix", "future", "stream"}
    assert "it reads the future" in found[0].message
