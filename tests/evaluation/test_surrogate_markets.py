"""Contract of every surrogate market, what each keeps and breaks, and their speed."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import (
    SURROGATES,
    BlockBootstrap,
    RandomWalk,
    SignFlip,
    SurrogateMarket,
    draw_signs,
    sign_flip_surrogate,
)

EVERY = [
    SignFlip(),
    BlockBootstrap(mean_block_bars=1),
    BlockBootstrap(mean_block_bars=5),
    RandomWalk(returns="gaussian"),
    RandomWalk(returns="resampled"),
]


def make_bars(seed, n, size=0.01, gaps=True):
    rng = np.random.default_rng(seed)
    wild = np.repeat(rng.choice([0.3, 2.0], size=n // 20 + 1), 20)[:n]
    close = 100.0 * np.exp(np.cumsum(size * wild * rng.standard_t(5, size=n).clip(-6, 6)))
    gap = np.exp(size * rng.normal(size=n) / 3) if gaps else 1.0
    opened = np.r_[close[0], close[:-1]] * gap
    return {
        "open": opened,
        "high": np.maximum(opened, close) * np.exp(size * rng.exponential(0.5, size=n)),
        "low": np.minimum(opened, close) * np.exp(-size * rng.exponential(0.5, size=n)),
        "close": close,
        "volume": rng.permutation(n) + 1.0,  # each names its bar
    }


def shapes(bars):
    """Four prices over the close before, and volume, from bar 1 on; shape (n - 1, 5)."""
    before = bars["close"][:-1]
    return np.column_stack(
        [*(bars[k][1:] / before for k in ("open", "high", "low", "close")), bars["volume"][1:]]
    )


@pytest.mark.parametrize("market", EVERY, ids=repr)
class TestEverySurrogate:
    @given(seed=st.integers(0, 2**32 - 1), n=st.integers(101, 160), size=st.sampled_from([0, 0.02]))
    @settings(deadline=None, max_examples=25)
    def test_bars_stay_bars(self, market, seed, n, size):
        bars = make_bars(seed, n, size)
        kept = {name: values.copy() for name, values in bars.items()}
        for values in bars.values():
            values.setflags(write=False)
        out = market.draw(bars, seed=seed)
        assert list(out) == ["open", "high", "low", "close", "volume"]
        assert all(values.shape == (n,) and values.dtype == np.float64 for values in out.values())
        assert (out["high"] >= np.maximum(out["open"], out["close"])).all()
        assert (out["low"] <= np.minimum(out["open"], out["close"])).all()
        assert (out["low"] > 0).all()
        assert set(out["volume"]) <= set(bars["volume"])
        for name, values in kept.items():
            np.testing.assert_array_equal(bars[name], values)
            assert out[name][0] == values[0]
            assert not np.shares_memory(out[name], bars[name])

    def test_streams_are_named(self, market):
        bars = make_bars(1, 300)
        one = market.draw(bars, seed=3, path=("null", 0))
        again = market.draw(bars, seed=3, path=("null", 0))
        other = market.draw(bars, seed=3, path=("null", 1))
        np.testing.assert_array_equal(one["close"], again["close"])
        assert np.abs(one["close"] - other["close"]).max() > 0

    def test_says_what_it_tests(self, market):
        assert isinstance(market, SurrogateMarket)
        assert all(len(text) > 40 for text in (market.tests, market.keeps, market.breaks))

    def test_is_registered_with_an_example(self, market):
        owner = [cls for _, cls in SURROGATES.items() if isinstance(market, cls)]
        assert len(owner) == 1
        assert isinstance(owner[0].from_mapping(owner[0].example), SurrogateMarket)

    def test_direction_cannot_be_forecast_where_it_could(self, market):
        """Real bars that alternate: the surrogates' next direction owes nothing to the last."""
        n = 4001
        close = 100.0 * np.exp(np.r_[0.0, np.cumsum(np.tile([0.01, -0.0101], n // 2))])
        flat = {name: close.copy() for name in ("open", "high", "low", "close")}
        out = market.draw({**flat, "volume": np.ones(n)}, seed=1)
        up = np.sign(np.diff(np.log(out["close"])))
        agree = np.mean(up[1:] == up[:-1])
        if isinstance(market, BlockBootstrap) and market.mean_block_bars > 1:
            # Inside blocks the edge survives, as `tests` says: 1/5 of steps cross a seam.
            assert agree == pytest.approx(0.5 / market.mean_block_bars, abs=0.03)
            assert "survives" in market.tests
        else:
            assert agree == pytest.approx(0.5, abs=0.03)

    def test_50_000_bars_take_milliseconds(self, market):
        bars = make_bars(2, 50_000, 0.001)
        market.draw(bars, seed=1)
        seconds = []
        for b in range(7):
            begin = time.perf_counter()
            market.draw(bars, seed=1, path=("null", b))
            seconds.append(time.perf_counter() - begin)
        assert min(seconds) < 0.020

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"time": np.zeros(200)}, "received close, high, low, open, time, volume"),
            ({"volume": np.ones(199)}, "of one length"),
            ({"close": np.r_[np.ones(199), -1.0]}, "close must be finite and above 0 .* bar 199"),
            ({"low": np.r_[np.nan, np.ones(199)]}, "low must be finite and above 0 .* bar 0 is n"),
        ],
    )
    def test_refusals(self, market, change, text):
        with pytest.raises(DataError, match=text):
            market.draw({**make_bars(1, 200), **change}, seed=1)


@pytest.mark.parametrize("market", EVERY[1:3] + EVERY[4:], ids=repr)
def test_shapes_and_their_volume_travel_together(market):
    bars = make_bars(5, 400)
    real = {round(row[4]): row[:4] for row in shapes(bars)}
    for row in shapes(market.draw(bars, seed=9)):
        np.testing.assert_allclose(row[:4], real[round(row[4])], rtol=1e-12)


def drawn_positions(bars, out):
    place = {v: i for i, v in enumerate(bars["volume"])}
    return np.array([place[v] for v in out["volume"][1:]])


def test_blocks_have_the_mean_length_and_cover_all_bars_alike():
    bars = make_bars(6, 2001)
    bars["volume"] = np.arange(2001.0)
    market = BlockBootstrap(mean_block_bars=10)
    counts, seams = np.zeros(2001), []
    for b in range(60):
        at = drawn_positions(bars, market.draw(bars, seed=1, path=(b,)))
        follows = (np.diff(at) == 1) | ((at[:-1] == 2000) & (at[1:] == 1))
        seams.append(np.mean(~follows))
        counts += np.bincount(at, minlength=2001)
    assert np.mean(seams) == pytest.approx(0.1, abs=0.005)
    assert counts[0] == 0
    halves = counts[1:1001].mean(), counts[1001:].mean()
    assert halves[0] / halves[1] == pytest.approx(1.0, abs=0.1)
    ends = counts[1:101].mean(), counts[1901:].mean()
    assert min(ends) > 40  # the ends of the record are not drawn less: blocks wrap


def test_blocks_keep_volatility_clusters_and_walks_do_not():
    bars = make_bars(7, 20_000)

    def clustering(out):
        size = np.abs(np.diff(np.log(out["close"])))
        return np.corrcoef(size[1:], size[:-1])[0, 1]

    real = clustering(bars)
    assert real > 0.2
    assert clustering(BlockBootstrap(mean_block_bars=50).draw(bars, seed=1)) > 0.8 * real
    assert clustering(SignFlip().draw(bars, seed=1)) == pytest.approx(real, abs=1e-6)
    for returns in ("gaussian", "resampled"):
        assert abs(clustering(RandomWalk(returns=returns).draw(bars, seed=1))) < 0.03


@pytest.mark.parametrize("gaps", [True, False])
def test_the_gaussian_walk_has_the_records_moments(gaps):
    bars = make_bars(8, 20_000, gaps=gaps)
    out = RandomWalk(returns="gaussian").draw(bars, seed=2)

    def pair(b):
        return np.log(b["open"][1:] / b["close"][:-1]), np.log(b["close"][1:] / b["open"][1:])

    for real, made in zip(pair(bars), pair(out), strict=True):
        assert made.std() == pytest.approx(real.std(), rel=0.03, abs=1e-12)
        assert made.mean() == pytest.approx(real.mean(), abs=4 * real.std() / 141 + 1e-12)
    np.testing.assert_allclose(np.cov(pair(out)), np.cov(pair(bars)), rtol=0.08, atol=3e-6)
    total = np.diff(np.log(out["close"]))
    kurtosis = np.mean((total - total.mean()) ** 4) / total.var() ** 2
    assert kurtosis == pytest.approx(3.0, abs=0.15)
    above = out["high"] / np.maximum(out["open"], out["close"])
    known = bars["high"] / np.maximum(bars["open"], bars["close"])
    by_volume = dict(zip(bars["volume"], known, strict=True))
    np.testing.assert_allclose(above, [by_volume[v] for v in out["volume"]], rtol=1e-12)


def test_the_sign_flip_is_the_one_the_null_uses():
    bars = make_bars(9, 50)
    out = SURROGATES.get("sign_flip")().draw(bars, seed=4, path=("null", 3))
    prices = [bars[k] for k in ("open", "high", "low", "close")]
    expected = sign_flip_surrogate(*prices, draw_signs(50, 4, "null", 3))
    for name, values in zip(("open", "high", "low", "close"), expected, strict=True):
        np.testing.assert_array_equal(out[name], values)
    np.testing.assert_array_equal(out["volume"], bars["volume"])


def test_too_few_bars_and_wrong_settings():
    with pytest.raises(DataError, match="101 bars or more to draw from; there are 100"):
        BlockBootstrap(mean_block_bars=5).draw(make_bars(1, 100), seed=1)
    with pytest.raises(DataError, match="21 bars or more to draw from; there are 20"):
        RandomWalk(returns="resampled").draw(make_bars(1, 20), seed=1)
    with pytest.raises(ConfigError, match="greater than or equal to 1"):
        BlockBootstrap.from_mapping({"mean_block_bars": 0})
    with pytest.raises(ConfigError, match="gaussian"):
        RandomWalk.from_mapping({"returns": "cauchy"})
    with pytest.raises(ConfigError, match="Did you mean 'sign_flip'"):
        SURROGATES.get("signflip")


@pytest.mark.parametrize("market", EVERY[1:], ids=repr)
def test_a_path_that_leaves_the_numbers_is_refused(market):
    close = np.repeat([1.0, 1e250], 60)  # one bar of 250 decades, and it may come twice
    bars = dict.fromkeys(("open", "high", "low", "close"), close)

    def draw_many():
        for b in range(200):
            market.draw({**bars, "volume": np.ones(120)}, seed=1, path=(b,))

    with pytest.raises(DataError, match="left the range of float64"):
        draw_many()
