"""Buy-and-hold, and random entries with the same holding times."""

import itertools

import numpy as np
import pytest

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import buy_and_hold, random_entry, trade_returns_bps


def walk(n: int, seed: int, drift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 100.0 * np.exp(np.cumsum(rng.normal(drift, 0.01, n)))


def test_buy_and_hold_pays_one_round_trip():
    held = buy_and_hold(np.array([100.0, 90.0, 103.0]), first_bar=0, last_bar=2, cost_bps=12.0)
    assert held.return_bps == pytest.approx(300.0 - 12.0)


def test_a_short_trade_earns_what_the_price_falls():
    price = np.array([100.0, 98.0])
    got = trade_returns_bps(price, np.array([0]), np.array([1]), np.array([-1]), cost_bps=5.0)
    assert got[0] == pytest.approx(200.0 - 5.0)


def test_the_mean_of_draws_is_that_of_all_arrangements():
    """Two trades of 2 and 1 bars in 7 bars: every arrangement, counted by hand in a loop."""
    price = walk(7, 3)
    means = []
    for lengths, sides in (((2, 1), (1, -1)), ((1, 2), (-1, 1))):
        for a, b in itertools.product(range(7), range(7)):
            if a + lengths[0] <= b and b + lengths[1] <= 6:
                one = sides[0] * (price[a + lengths[0]] / price[a] - 1)
                two = sides[1] * (price[b + lengths[1]] / price[b] - 1)
                means.append(1e4 * (one + two) / 2 - 3.0)
    got = random_entry(
        price,
        np.array([0, 3]),
        np.array([2, 4]),
        np.array([1, -1]),
        stretch=(0, 6),
        cost_bps=3.0,
        seed=1,
        n_draws=20_000,
    )
    error = np.std(means) / np.sqrt(20_000)
    assert abs(got.random_mean_bps - np.mean(means)) < 4 * error
    assert got.random_std_bps == pytest.approx(np.std(means), rel=0.03)


def test_p_values_of_random_trades_are_uniform():
    rng = np.random.default_rng(5)
    price = walk(400, 5, drift=0.001)  # a rising market: random longs earn money too
    p = []
    for k in range(150):
        entry = np.sort(rng.choice(40, 10, replace=False)) * 10
        trades = random_entry(
            price,
            entry,
            entry + 5,
            np.ones(10, dtype=int),
            stretch=(0, 399),
            cost_bps=2.0,
            seed=k,
            n_draws=99,
        )
        p.append(trades.p_value)
    assert 0.40 < np.mean(p) < 0.60
    assert np.mean(np.array(p) <= 0.1) < 0.2


def test_foresight_is_told_from_chance_and_the_same_seed_from_none():
    price = walk(600, 8)
    entry = np.arange(0, 590, 6)
    side = np.where(price[entry + 5] > price[entry], 1, -1)
    facts = {"stretch": (0, 599), "cost_bps": 1.0, "n_draws": 200}
    one = random_entry(price, entry, entry + 5, side, seed=1, **facts)
    assert one.p_value == pytest.approx(1 / 201)
    assert one.observed_bps > one.random_quantiles_bps[2]
    assert random_entry(price, entry, entry + 5, side, seed=1, **facts) == one
    assert random_entry(price, entry, entry + 5, side, seed=2, **facts) != one


def test_bars_after_the_stretch_change_nothing():
    price = walk(100, 2)
    changed = price.copy()
    changed[61:] *= 3.0
    entry, leave, side = np.array([3, 20]), np.array([9, 41]), np.array([1, 1])
    facts = {"stretch": (0, 60), "cost_bps": 0.0, "seed": 4, "n_draws": 50}
    assert random_entry(price, entry, leave, side, **facts) == random_entry(
        changed, entry, leave, side, **facts
    )


@pytest.mark.parametrize(
    ("entry", "leave", "side", "message"),
    [
        ([], [], [], "there is no trade"),
        ([3], [3], [1], "trade 0 runs from bar 3 to 3"),
        ([0], [2], [0], "with side 0"),
        ([0, 1], [2, 4], [1, 1], "trade 1 enters at bar 1, before trade 0 left at 2"),
        ([0], [9], [1], "within 8 bars"),
        ([0], [7], [1], "it must hold them"),
    ],
)
def test_trades_that_cannot_be_are_refused(entry, leave, side, message):
    arrays = (np.array(each, dtype=np.int64) for each in (entry, leave, side))
    with pytest.raises(DataError, match=message):
        random_entry(np.ones(8), *arrays, stretch=(0, 6), cost_bps=0.0, seed=0)


def test_a_negative_cost_and_a_price_of_zero_are_refused():
    one = np.array([0]), np.array([1]), np.array([1])
    with pytest.raises(ConfigError, match="a cost is finite and not negative"):
        random_entry(np.ones(3), *one, stretch=(0, 2), cost_bps=-1.0, seed=0)
    with pytest.raises(DataError, match=r"finite and positive; bar 2 has .*0\.0"):
        random_entry(np.array([1.0, 1.0, 0.0]), *one, stretch=(0, 2), cost_bps=0.0, seed=0)
