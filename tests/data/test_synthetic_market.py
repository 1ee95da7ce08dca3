import itertools
import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError
from marketlab.data import (
    MarketSymbol,
    SyntheticMarket,
    SyntheticMarketConfig,
    iter_synthetic_market,
    market_recipe,
    synthetic_market,
)
from marketlab.data._market_path import BLOCK_BARS

N = 400_000
PAIR = (
    MarketSymbol(name="AAA", loadings=(0.8, 0.3), start_price=100.0, hourly_volatility=0.004),
    MarketSymbol(name="BBB", loadings=(0.5, -0.4), start_price=20.0, hourly_volatility=0.006),
)


def market(symbols=PAIR, **changes):
    return SyntheticMarketConfig(**{"symbols": symbols, "n_bars": N, "seed": 3, **changes})


def plain(**changes):
    """A market of one symbol with everything but the noise switched off."""
    off = {"volatility_spread": 0.0, "jump_probability": 0.0, "session_profile": False}
    return market((MarketSymbol(name="AAA"),), **{**off, **changes})


def returns(bars):
    return np.log(bars.close / bars.open)


def shown(bars):
    """The direction that each bar shows: its longer wick points away from it."""
    above = bars.high / np.maximum(bars.open, bars.close)
    below = np.minimum(bars.open, bars.close) / bars.low
    return np.where(below > above, 1, -1)


@pytest.fixture(scope="module")
def null():
    return synthetic_market(market())


@pytest.fixture(scope="module")
def planted():
    return SyntheticMarket(market(edge_strength=1.2)).bars("AAA")


def test_bars_look_like_bars(null):
    bars = null["AAA"]
    assert bars.n_bars == N
    assert bars.is_synthetic
    assert np.array_equal(bars.open[1:], bars.close[:-1])
    assert bars.open[0] == pytest.approx(100.0)
    assert (bars.volume > 0.0).all()
    assert np.array_equal(bars.time_ns, null["BBB"].time_ns)
    assert set(np.diff(bars.time_ns)) == {60_000_000_000}


@settings(max_examples=15)
@given(
    cuts=st.lists(st.integers(1, 3 * BLOCK_BARS - 1), unique=True, max_size=5),
    backwards=st.booleans(),
)
def test_any_cut_and_any_order_gives_the_same_bits(cuts, backwards):
    config = market(n_bars=3 * BLOCK_BARS, edge_strength=0.7, calendar="fx", weekend_gap=0.001)
    whole = SyntheticMarket(config).bars("BBB").frame
    edges = [0, *sorted(cuts), config.n_bars]
    spans = list(itertools.pairwise(edges))
    source = SyntheticMarket(config)
    for first, stop in reversed(spans) if backwards else spans:
        assert source.piece("BBB", first, stop).frame.equals(whole[first:stop])


def test_fewer_bars_are_the_first_of_more(null):
    less = SyntheticMarket(market(n_bars=70_001)).bars("AAA")
    assert less.frame.equals(null["AAA"].frame[:70_001])


def test_the_order_and_the_choice_of_symbols_change_nothing():
    config = market(n_bars=40_000)
    forward, backward = synthetic_market(config), synthetic_market(config, ["BBB", "AAA"])
    assert list(backward) == ["BBB", "AAA"]
    ids = {name: bars.dataset_id for name, bars in forward.items()}
    assert ids == {name: bars.dataset_id for name, bars in backward.items()}
    fewer = market(PAIR[1:], n_bars=40_000)
    (alone,) = iter_synthetic_market(fewer)
    assert alone.dataset_id == ids["BBB"]
    assert synthetic_market(market(n_bars=40_000, seed=4))["BBB"].dataset_id != ids["BBB"]


def test_without_an_edge_signs_are_a_fair_coin_apart_from_sizes(null):
    for bars in null.values():
        value = returns(bars)
        sign, size = np.sign(value), np.abs(value)
        limit = 4.0 / math.sqrt(N)
        assert abs(sign.mean()) < limit
        assert abs(np.mean(sign[1:] * sign[:-1])) < limit
        assert abs(np.corrcoef(sign, np.log(size))[0, 1]) < limit
        assert abs(np.corrcoef(sign[1:], np.log(size[:-1]))[0, 1]) < limit
        assert abs(np.mean(sign[1:] * shown(bars)[:-1])) < limit
        assert abs(np.corrcoef(sign, bars.volume)[0, 1]) < limit
        # What lies above a rise and below a fall, and the other way round, is alike.
        above = np.log(bars.high / np.maximum(bars.open, bars.close))
        below = np.log(np.minimum(bars.open, bars.close) / bars.low)
        mirrored = np.where(sign > 0, above - below, below - above)
        assert abs(mirrored.mean()) < 4.0 * mirrored.std() / math.sqrt(N)
        assert bars.metadata["planted_edge"]["best_attainable_accuracy"] == 0.5


def test_volatility_clusters(null):
    size = np.log(np.abs(returns(null["AAA"])))
    for lag in (1, 60, 300):
        assert np.corrcoef(size[lag:], size[:-lag])[0, 1] > 0.05
    calm = np.log(np.abs(returns(SyntheticMarket(plain()).bars("AAA"))))
    assert abs(np.corrcoef(calm[1:], calm[:-1])[0, 1]) < 4.0 / math.sqrt(N)


def test_volatility_is_the_one_asked_for():
    config = market(
        (MarketSymbol(name="AAA", hourly_volatility=0.004),),
        n_bars=2_000_000,
        volatility_persistence=0.98,
        jump_probability=0.0,
        tail_degrees=None,
    )
    hourly = math.sqrt(60.0 * np.mean(returns(SyntheticMarket(config).bars("AAA")) ** 2))
    assert hourly == pytest.approx(0.004, rel=0.02)


@pytest.mark.parametrize(("spread", "share"), [(0.0, 0.5), (0.5, 0.0), (0.5, 1.0)])
def test_correlation_is_the_one_configured(spread, share):
    config = market(
        volatility_spread=spread,
        volatility_common_share=share,
        volatility_persistence=0.9,
        tail_degrees=10.0,
    )
    expected = (0.8 * 0.5 - 0.3 * 0.4) * math.exp(-(spread**2) * (1 - share)) / 1.01
    assert config.correlation("AAA", "BBB") == pytest.approx(expected)
    first, second = (returns(bars) for bars in synthetic_market(config).values())
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(expected, abs=0.012)


@pytest.mark.parametrize(("degrees", "kurtosis"), [(None, 3.0), (12.0, 3.75), (9.0, 4.2)])
def test_tails_are_those_of_student_t(degrees, kurtosis):
    value = returns(SyntheticMarket(plain(tail_degrees=degrees)).bars("AAA"))
    assert np.mean(value**4) / np.mean(value**2) ** 2 == pytest.approx(kurtosis, rel=0.06)


def test_jumps_come_as_often_and_as_large_as_asked():
    config = plain(tail_degrees=None, jump_probability=0.01, jump_size=50.0)
    value = returns(SyntheticMarket(config).bars("AAA"))
    bar = 0.0064 / math.sqrt(60.0)
    jumps = value[np.abs(value) > 6 * bar]
    # A jump of 50 standard deviations stays within 6 with probability 0.0955.
    assert len(jumps) == pytest.approx(0.9045 * 0.01 * N, rel=0.06)
    assert np.var(value) / bar**2 == pytest.approx(1 + 0.01 * 50**2, rel=0.1)


def test_the_day_has_its_sessions(null):
    bars = null["BBB"]
    hour = bars.time_ns // 3_600_000_000_000 % 24
    busy, quiet = hour == 14, hour == 22
    size = np.abs(returns(bars))
    assert np.median(size[busy]) > 1.7 * np.median(size[quiet])
    assert np.median(bars.volume[busy]) > 2.0 * np.median(bars.volume[quiet])
    assert np.corrcoef(np.log(size), np.log(bars.volume))[0, 1] > 0.3


def test_the_edge_is_as_large_as_configured_and_no_larger(planted):
    fact = planted.metadata["planted_edge"]
    call, h = shown(planted), fact["horizon_bars"]
    best = fact["best_attainable_accuracy"]
    right = call[:-h] == np.sign(planted.close[h:] - planted.close[:-h])
    # Outcomes overlap over h bars: about N / h of them are independent.
    assert right.mean() == pytest.approx(best, abs=4 * math.sqrt(best * (1 - best) * h / N))
    next_bar = call[:-1] == np.sign(returns(planted)[1:])
    p = 0.5 * math.erfc(-1.2 / math.sqrt(h) / math.sqrt(2))
    assert next_bar.mean() == pytest.approx(p, abs=0.004)  # jumps blur it a little
    turns = np.mean(call[1:] != call[:-1])
    assert turns == pytest.approx(1 / 60, rel=0.05)


@pytest.mark.parametrize("strength", [0.3, 0.8416, 2.0])
def test_the_ceiling_is_the_closed_form_where_there_is_one(strength):
    config = plain(
        n_bars=200_000,
        tail_degrees=None,
        edge_strength=strength,
        edge_horizon_bars=4,
        edge_run_bars=100_000.0,
    )
    bars = SyntheticMarket(config).bars("AAA")
    best = bars.metadata["planted_edge"]["best_attainable_accuracy"]
    assert best == pytest.approx(0.5 * math.erfc(-strength / math.sqrt(2)), abs=2e-3)
    right = shown(bars)[:-4] == np.sign(bars.close[4:] - bars.close[:-4])
    assert right.mean() == pytest.approx(best, abs=0.008)


def test_the_recipes_differ_in_their_edge_only():
    null, planted = market_recipe("null"), market_recipe("planted")
    assert null.model_copy(update={"edge_strength": planted.edge_strength}) == planted
    assert null.n_bars == 3_081_668
    short = planted.model_copy(update={"n_bars": 150_000})
    for bars in iter_synthetic_market(short):
        best = bars.metadata["planted_edge"]["best_attainable_accuracy"]
        assert best == pytest.approx(0.80, abs=0.012)
    with pytest.raises(ConfigError, match="no market recipe 'nul'; there are null, planted"):
        market_recipe("nul")


def test_fx_weeks_follow_new_york_with_its_clock_changes():
    config = market(
        calendar="fx", timeframe="1h", n_bars=6_240, start=datetime(2020, 1, 1, tzinfo=UTC)
    )
    bars = SyntheticMarket(config).bars("AAA")
    after = np.flatnonzero(np.diff(bars.time_ns) > 3_600_000_000_000) + 1
    opens = {bars.times(int(at)).strftime("%a %H:%M") for at in after}
    assert opens == {"Sun 21:00", "Sun 22:00"}
    hours = set((np.diff(bars.time_ns)[after - 1] // 3_600_000_000_000).tolist())
    assert hours == {48, 49, 50}
    assert np.array_equal(bars.open[1:], bars.close[:-1])


def test_weekend_gaps_stand_at_the_weekend_only():
    config = market(calendar="fx", timeframe="1h", n_bars=6_240, weekend_gap=0.01)
    bars = SyntheticMarket(config).bars("AAA")
    gap = np.log(bars.open[1:] / bars.close[:-1])
    weekend = np.diff(bars.time_ns) > 3_600_000_000_000
    assert (gap[~weekend] == 0.0).all()
    assert gap[weekend].std() == pytest.approx(0.01, rel=0.4)
    days = SyntheticMarket(market(calendar="fx", timeframe="1d", n_bars=500)).bars("AAA")
    assert {days.times(i).weekday() for i in range(500)} == {0, 1, 2, 3, 4}


def test_a_market_starts_as_stationary_as_it_goes_on():
    sizes = []
    for seed in range(150):
        config = plain(n_bars=20, seed=seed, volatility_spread=0.8, volatility_persistence=0.9999)
        sizes.append(np.mean(returns(SyntheticMarket(config).bars("AAA")) ** 2))
    # Log-volatility has standard deviation 0.8 at the first bars already: not near zero.
    assert np.std(0.5 * np.log(sizes)) == pytest.approx(0.8, rel=0.25)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"symbols": ()}, "symbols"),
        ({"symbols": (PAIR[0], PAIR[0])}, "named twice: AAA, AAA"),
        ({"symbols": (PAIR[0], MarketSymbol(name="C"))}, "same number of loadings"),
        ({"timeframe": "7m"}, "timeframe '7m'"),
        ({"tail_degrees": 2.0}, "tail_degrees"),
        ({"volatility_persistence": 1.0}, "volatility_persistence"),
    ],
)
def test_markets_that_cannot_be_are_refused(changes, match):
    with pytest.raises(ConfigError, match=match):
        SyntheticMarketConfig.from_mapping(market().to_mapping() | _mapping(changes))


def _mapping(changes):
    if "symbols" not in changes:
        return changes
    return {"symbols": [symbol.to_mapping() for symbol in changes["symbols"]]}


def test_symbols_and_pieces_that_are_not_there_are_refused():
    source = SyntheticMarket(market(n_bars=10))
    with pytest.raises(ConfigError, match="no symbol 'AAB'; it has AAA, BBB"):
        source.bars("AAB")
    with pytest.raises(ConfigError, match="no symbol 'X'"):
        iter_synthetic_market(source.config, ["AAA", "X"])
    for first, stop in ((0, 11), (-1, 3), (5, 5)):
        with pytest.raises(ConfigError, match="no piece of 10 bars"):
            source.piece("AAA", first, stop)
    with pytest.raises(ConfigError, match="add up to 2, more than 1"):
        MarketSymbol.from_mapping({"name": "A", "loadings": [1.0, 1.0]})


def test_a_recipe_of_more_symbols_keeps_the_others_as_they_are():
    few = market_recipe("planted").model_copy(update={"n_bars": 5_000})
    many = market_recipe("planted", n_symbols=12).model_copy(update={"n_bars": 5_000})
    names = [symbol.name for symbol in many.symbols]
    assert len(set(names)) == 12
    for name in ("BTC-USD", "BNB-USD"):
        pair = [next(iter_synthetic_market(config, [name])) for config in (few, many)]
        assert pair[0].dataset_id == pair[1].dataset_id
    (new,) = iter_synthetic_market(many, [names[-1]])
    assert new.metadata["planted_edge"]["best_attainable_accuracy"] == pytest.approx(0.8, abs=0.02)
    assert [s.name for s in market_recipe("null", n_symbols=1).symbols] == ["BTC-USD"]
    for n in (0, 1_001):
        with pytest.raises(ConfigError, match="a market has 1 to 1,000 symbols"):
            market_recipe("null", n_symbols=n)
