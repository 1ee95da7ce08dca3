"""Features on coarser bars: complete ones only, equal in blocks, streams and after a restart."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from feature_bars import same
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError
from marketlab.features import (
    COARSE_PERIODS,
    FeatureTier,
    evaluate,
    on_bars,
    parse_expression,
    parse_feature_file,
)

FILE = """
name: coarse
columns:
  weekly: {price: "on('1w', close)"}
  monthly_range: {ratio: "on('1mo', (high - low) / open)"}
  hourly_mean: {price: "on('1h', rolling_mean(close, 3)) - close"}
  hourly_volume: {count: "on('1h', volume)"}
  hour_began: {count: "on('1h', time)"}
"""


def minutes(n, seed=0, step_s=60, start=datetime(2024, 2, 26, 9, 3, tzinfo=UTC), gaps=True):
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 1e-3, n)))
    open_ = np.concatenate([[100.0], close[:-1]])
    steps = np.ones(n)
    if gaps:
        steps[random.integers(0, n, n // 40)] = random.integers(2, 4000, n // 40)
    time = start.timestamp() + step_s * np.cumsum(steps)
    return {
        "open": open_,
        "high": np.maximum(open_, close) * 1.0005,
        "low": np.minimum(open_, close) * 0.9995,
        "close": close,
        "volume": random.integers(1, 100, n).astype(float),
        "time": time,
        "close_time": time + step_s,
    }


def by_polars(arrays, every, column, rule):
    """Return per fine bar the value of the newest coarse bar that has ended, and was seen to."""
    frame = pl.DataFrame(arrays).with_columns(
        bucket=pl.from_epoch(pl.col("time").cast(pl.Int64)).dt.truncate(every)
    )
    frame = frame.with_columns(
        end=pl.from_epoch(pl.col("close_time").cast(pl.Int64)).dt.truncate(every)
    )
    out, held, current, value = [], np.nan, None, None
    for row in frame.iter_rows(named=True):
        if current is not None and row["bucket"] != current:
            held, current = value, None
        fresh = current is None
        current = row["bucket"]
        value = row[column] if fresh else rule(value, row[column])
        if row["end"] != current:
            held, current = value, None
        out.append(held)
    return np.array(out)


@pytest.mark.parametrize(
    ("period", "every"),
    [("5m", "5m"), ("1h", "1h"), ("4h", "4h"), ("1d", "1d"), ("1w", "1w"), ("1mo", "1mo")],
)
@pytest.mark.parametrize(
    ("column", "rule"),
    [
        ("open", lambda a, b: a),
        ("high", max),
        ("low", min),
        ("close", lambda a, b: b),
        ("volume", lambda a, b: a + b),
        ("time", lambda a, b: a),
    ],
)
def test_coarse_bars_are_those_of_an_independent_loop(period, every, column, rule):
    arrays = minutes(4000, step_s=600)
    got = evaluate([parse_expression(f"on('{period}', {column})")], arrays)[0]
    assert same(got, by_polars(arrays, every, column, rule))


def test_the_hour_counts_from_its_own_last_minute_and_not_before():
    arrays = minutes(200, gaps=False, start=datetime(2024, 1, 1, tzinfo=UTC))
    shown = evaluate([parse_expression("on('1h', close)")], arrays)[0]
    closes_hour = np.flatnonzero(arrays["close_time"] % 3600 == 0)
    first = closes_hour[0]
    assert np.isnan(shown[:first]).all()
    assert shown[first] == arrays["close"][first]
    assert (shown[first : closes_hour[1]] == arrays["close"][first]).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([1, 7, 64]), st.integers(50, 400))
def test_blocks_streams_and_restarts_change_no_bit(seed, block_bars, cut):
    tier = FeatureTier(parse_feature_file(FILE, origin="test"))
    arrays = minutes(500, seed)
    whole = evaluate(list(tier.base), arrays)
    assert same(whole, evaluate(list(tier.base), arrays, block_bars=block_bars))
    prefix = evaluate(list(tier.base), {k: v[:cut] for k, v in arrays.items()})
    assert same(whole[:, :cut], prefix)
    stream = tier.stream()
    rows = []
    for i in range(500):
        if i == cut:  # another process takes over
            saved = stream.state()
            stream = tier.stream()
            stream.restore(saved)
        rows.append(stream.push(**{name: float(column[i]) for name, column in arrays.items()}))
    assert same(np.array(rows).T, whole)


def test_other_periods_and_nesting_are_refused():
    close = parse_expression("close")
    with pytest.raises(ConfigError, match="there are no bars of '3d'"):
        on_bars("3d", close)
    with pytest.raises(ConfigError, match="coarsened once"):
        on_bars("1w", on_bars("1d", close))
    assert set(COARSE_PERIODS) >= {"5m", "15m", "1h", "4h", "1d", "1w", "1mo"}
