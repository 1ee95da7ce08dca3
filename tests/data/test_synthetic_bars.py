import math
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketlab.core import ConfigError
from marketlab.data import TIMEFRAMES, SyntheticConfig, synthetic_bars, validate_bars


def _make(**options):
    return synthetic_bars(SyntheticConfig(**options))


def _directions(bars):
    return np.sign(np.diff(bars.close))


def _states(bars):
    """The planted state by its definition, bar by bar, apart from the implementation."""
    out = np.zeros(bars.n_bars, dtype=int)
    for t in range(13, bars.n_bars):
        low, high = bars.low[t - 13 : t + 1].min(), bars.high[t - 13 : t + 1].max()
        place = (bars.close[t] - low) / (high - low)
        out[t] = 1 if place <= 0.2 else -1 if place >= 0.8 else 0
    return out


def test_the_same_config_gives_the_same_bars_in_another_process():
    code = (
        "from marketlab.data import *; "
        "print(synthetic_bars(SyntheticConfig(n_bars=300, seed=5)).dataset_id)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == _make(n_bars=300, seed=5).dataset_id
    assert _make(n_bars=300, seed=6).dataset_id != _make(n_bars=300, seed=5).dataset_id


@given(
    short=st.integers(1, 200),
    more=st.integers(1, 300),
    seed=st.integers(0, 10_000),
    edge=st.sampled_from([0.0, 0.2]),
    timeframe=st.sampled_from(["15m", "1h", "1d"]),
)
def test_the_first_bars_do_not_depend_on_how_many_follow(short, more, seed, edge, timeframe):
    options = {"seed": seed, "edge_strength": edge, "timeframe": timeframe, "weekend_gap": 0.001}
    few = _make(n_bars=short, **options)
    many = _make(n_bars=short + more, **options)
    assert few.frame.equals(many.frame[:short])


@given(
    n=st.integers(1, 400),
    seed=st.integers(0, 10_000),
    timeframe=st.sampled_from(sorted(set(TIMEFRAMES) - {"2d", "3d", "5d", "2w", "1mo"})),
    start=st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001
    weekends=st.booleans(),
    edge=st.floats(0.0, 0.5),
)
def test_any_config_gives_valid_bars(n, seed, timeframe, start, weekends, edge):
    bars = _make(
        n_bars=n,
        seed=seed,
        timeframe=timeframe,
        start=start.replace(tzinfo=UTC),
        weekends=weekends,
        edge_strength=edge,
    )
    assert bars.n_bars == n
    assert bars.is_synthetic
    assert bars.has_volume
    assert (bars.volume >= 1).all()
    assert validate_bars(bars, timeframe).ok
    assert (bars.open[1:] == bars.close[:-1]).all()


def test_no_bar_opens_on_a_weekend():
    bars = _make(n_bars=5000, start=datetime(2016, 1, 2, 5, tzinfo=UTC))
    for i in range(bars.n_bars):
        moment = bars.times(i)
        hours = moment.weekday() * 24 + moment.hour
        assert not 4 * 24 + 22 <= hours < 6 * 24 + 22, moment
    assert bars.times(0) == datetime(2016, 1, 3, 22, tzinfo=UTC)
    days = _make(n_bars=100, timeframe="1d")
    assert {days.times(i).weekday() for i in range(100)} == {0, 1, 2, 3, 4}
    week = _make(n_bars=500, weekends=False)
    assert len(set(np.diff(week.time_ns).tolist())) == 1


def test_volatility_is_that_of_the_config_and_follows_the_session():
    returns = np.concatenate(
        [np.diff(np.log(_make(n_bars=50_000, seed=seed).close)) for seed in range(4)]
    )
    assert returns.std() == pytest.approx(0.00095, rel=0.06)
    assert _make(n_bars=20_000, volatility_spread=0.0, timeframe="1d").close.size == 20_000
    plain = np.diff(np.log(_make(n_bars=20_000, volatility_spread=0.0, timeframe="1d").close))
    assert plain.std() == pytest.approx(0.00095 * math.sqrt(24), rel=0.02)
    bars = _make(n_bars=50_000, volatility_spread=0.0)
    hour = bars.time_ns // 3_600_000_000_000 % 24
    width = np.log(bars.high / bars.low)
    assert width[hour == 14].mean() / width[hour == 4].mean() == pytest.approx(206 / 64, rel=0.05)
    assert np.corrcoef(bars.volume, width)[0, 1] > 0.4


def test_without_an_edge_signs_are_fair_and_free_of_everything_before():
    bars = _make(n_bars=50_565, seed=11)
    sign = _directions(bars)
    size = np.abs(np.diff(np.log(bars.close)))
    bound = 4.0 / math.sqrt(len(sign))
    assert abs(sign.mean()) < bound
    assert abs(np.mean(sign[1:] * sign[:-1])) < bound
    assert abs(np.corrcoef(sign, size)[0, 1]) < bound
    assert abs(np.corrcoef(sign, bars.volume[1:])[0, 1]) < bound
    state = _states(bars)[:-1]
    assert abs(np.mean(sign[state != 0] * state[state != 0])) < 4.0 / math.sqrt((state != 0).sum())


def test_size_range_and_volume_do_not_depend_on_the_direction():
    # The same chance with all signs turned by an edge: sizes and volumes stay, bar for bar.
    plain, edged = _make(n_bars=3000, seed=2), _make(n_bars=3000, seed=2, edge_strength=0.5)
    assert (_directions(plain) != _directions(edged)).mean() > 0.1
    assert (plain.volume == edged.volume).all()
    sizes = [np.abs(np.diff(np.log(bars.close))) for bars in (plain, edged)]
    np.testing.assert_allclose(*sizes, atol=1e-14)
    widths = [np.log(bars.high / bars.low) for bars in (plain, edged)]
    np.testing.assert_allclose(*widths, atol=1e-14)


@pytest.mark.parametrize("strength", [0.1, 0.3, 0.5])
def test_the_planted_edge_has_the_strength_it_states(strength):
    bars = _make(n_bars=50_000, seed=3, edge_strength=strength)
    planted = bars.metadata["planted_edge"]
    state = _states(bars)[:-1]
    sign = _directions(bars)
    active = state != 0
    hit = np.mean(sign[active] == state[active])
    assert hit == pytest.approx(0.5 + strength, abs=4 * 0.5 / math.sqrt(active.sum()))
    assert planted["active_share"] == pytest.approx(active.mean(), abs=1e-12)
    assert planted["best_attainable_accuracy"] == pytest.approx(
        0.5 + strength * active.mean(), abs=1e-12
    )
    assert planted["edge_strength"] == strength
    assert abs(sign[~active].mean()) < 4 / math.sqrt((~active).sum())
    # The oracle that knows the state reaches what is called attainable, the last bar's direction
    # alone does not.
    oracle = np.where(active, sign == state, 0.5).mean()
    assert oracle == pytest.approx(planted["best_attainable_accuracy"], abs=0.01)
    reversal = np.mean(sign[1:] == -sign[:-1])
    assert max(reversal, 1 - reversal) < 0.5 + 0.85 * strength * active.mean()


def test_weekend_gaps_are_jumps_of_the_open_only():
    bars = _make(n_bars=20_000, weekend_gap=0.002, seed=4)
    jump = np.log(bars.open[1:] / bars.close[:-1])
    after = np.diff(bars.time_ns) > 3_600_000_000_000
    assert (jump[~after] == 0).all()
    assert jump[after].std() == pytest.approx(0.002, rel=0.2)
    calm = _make(n_bars=20_000, seed=4)
    np.testing.assert_allclose(calm.close, bars.close)


def test_the_record_rebuilds_the_bars():
    bars = _make(n_bars=200, seed=9, edge_strength=0.25, timeframe="15m")
    config = SyntheticConfig.from_mapping(bars.metadata["config"])
    assert synthetic_bars(config).dataset_id == bars.dataset_id
    assert bars.licence == "none needed"


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_bars": 0}, "greater than or equal to 1"),
        ({"edge_strength": 0.6}, "less than or equal to 0.5"),
        ({"hourly_volatility": 0.0}, "greater than 0"),
        ({"start": "2020-01-01T00:00:00"}, "timezone"),
        ({"edge": 0.1}, "unknown key 'edge'"),
    ],
)
def test_configs_that_make_no_sense_are_refused(options, match):
    with pytest.raises(ConfigError, match=match):
        SyntheticConfig.from_mapping(options)


@pytest.mark.parametrize(
    ("options", "match"),
    [({"timeframe": "1hour"}, "Invalid timeframe '1hour'"), ({"symbol": "a/b"}, "a name is")],
)
def test_names_are_checked(options, match):
    with pytest.raises(ConfigError, match=match):
        SyntheticConfig.from_mapping(options)
