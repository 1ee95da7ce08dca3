import math
import warnings

import numpy as np
import pytest
from backtest_oracle import account
from backtest_world import DAY_NS, HOUR_NS, START_NS, lengths, path, seeds, signals
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.backtest import (
    BUY,
    HOLD,
    SELL,
    Account,
    Column,
    CostModel,
    RiskLimits,
    new_risk_state,
    pip_size_of,
    risk_permission,
    risk_review,
    simulate,
)
from marketlab.core import ConfigError, DataError

cost_models = st.builds(
    CostModel,
    spread_pips=st.sampled_from([0.0, 0.8, 5.0]),
    commission_fraction=st.sampled_from([0.0, 0.0001]),
    slippage_bps=st.sampled_from([0.0, 0.7]),
    financing_bps_per_day=st.sampled_from([0.0, 1.5]),
)
risk_limits = st.builds(
    RiskLimits,
    max_daily_loss_fraction=st.sampled_from([None, 0.005, 0.02]),
    max_drawdown_fraction=st.sampled_from([None, 0.03, 0.1]),
    max_trades_per_day=st.sampled_from([None, 1, 3]),
)


@settings(deadline=None, max_examples=40)
@given(seeds, lengths, cost_models, risk_limits, st.sampled_from([1, 5, 30]))
def test_the_compiled_account_is_the_plain_one(seed, n, costs, limits, hours):
    bars, chosen = path(seed, n, gap_every=hours), signals(seed, n)
    report = simulate(*bars, chosen, costs, 10_000.0, limits=limits)
    equity, sides, closed = account(bars[0], bars[3], bars[4], chosen, costs, 10_000.0, limits)
    np.testing.assert_allclose(report.equity, equity, rtol=1e-12)
    assert report.position.tolist() == sides
    expected = [pnl for pnl in closed if pnl is not None]
    np.testing.assert_allclose(report.trades.pnl, expected, rtol=1e-12, atol=1e-8)
    assert report.summary.n_trades == len(expected)


@settings(deadline=None, max_examples=25)
@given(seeds, lengths)
def test_inverted_signals_mirror_the_profit_of_every_bar_at_no_cost(seed, n):
    bars, chosen = path(seed, n), signals(seed, n)
    one = simulate(*bars, chosen, CostModel.free(), 1.0)
    other = simulate(*bars, 2 - chosen, CostModel.free(), 1.0)
    np.testing.assert_array_equal(other.position, -one.position)
    np.testing.assert_array_equal(other.gross_log_pnl, -one.gross_log_pnl)
    np.testing.assert_allclose(
        np.diff(other.equity, prepend=1.0), -np.diff(one.equity, prepend=1.0), atol=1e-14
    )
    np.testing.assert_allclose(other.trades.pnl, -one.trades.pnl, atol=1e-14)


@settings(deadline=None, max_examples=25)
@given(
    seeds,
    st.sampled_from(
        ["spread_pips", "commission_fraction", "slippage_bps", "financing_bps_per_day"]
    ),
)
def test_a_dearer_cost_never_earns_more_at_any_bar(seed, field):
    bars, chosen = path(seed, 200), signals(seed, 200)
    cheap = {"spread_pips": 0.5, "slippage_bps": 0.1}
    dear = {**cheap, field: cheap.get(field, 0.0) + 0.001}
    less = simulate(*bars, chosen, CostModel(**cheap)).equity
    more = simulate(*bars, chosen, CostModel(**dear)).equity
    assert (more <= less).all()
    assert more[-1] < less[-1]


@settings(deadline=None, max_examples=25)
@given(seeds, st.integers(2, 150), st.integers(0, 149), cost_models, risk_limits)
def test_later_bars_change_nothing_earlier(seed, n, cut, costs, limits):
    cut = min(cut, n - 1)
    bars, chosen = path(seed, n), signals(seed, n)
    whole = simulate(*bars, chosen, costs, limits=limits)
    other = [a.copy() for a in bars[:4]]
    for series in other:
        series[cut + 1 :] *= 1.7
    changed = chosen.copy()
    changed[cut:] = 2 - changed[cut:]
    future = simulate(*other, bars[4], changed, costs, limits=limits)
    np.testing.assert_array_equal(whole.ledger[: cut + 1], future.ledger[: cut + 1])
    prefix = simulate(*(a[: cut + 1] for a in bars), chosen[: cut + 1], costs, limits=limits)
    np.testing.assert_array_equal(whole.ledger[: cut + 1], prefix.ledger)


@settings(deadline=None, max_examples=25)
@given(seeds, lengths, cost_models, risk_limits)
def test_bar_by_bar_is_the_whole_series_bit_for_bit(seed, n, costs, limits):
    bars, chosen = path(seed, n), signals(seed, n)
    report = simulate(*bars, chosen, costs, 5_000.0, limits=limits)
    live, risk, table = Account(costs, 5_000.0), new_risk_state(5_000.0), limits.to_array()
    rows, signal = np.column_stack(bars[:4]), HOLD
    for t in range(n):
        permission = risk_permission(int(bars[4][t] // DAY_NS), table, risk)
        row = live.step(rows[t], int(bars[4][t]), signal, permission=permission)
        event = risk_review(row.equity, int(row.opened != 0), table, risk)
        written = live.row()
        written[Column.EVENT] = event
        np.testing.assert_array_equal(written, report.ledger[t])
        signal = int(chosen[t])


def test_a_fill_is_at_the_next_open_with_every_cost_by_hand():
    open_ = np.array([1.0, 1.2, 1.25, 1.2])
    close = np.array([1.1, 1.25, 1.2, 1.0])
    times = START_NS + np.array([0, 1, 3, 4]) * DAY_NS  # two days between bars 1 and 2
    costs = CostModel(
        spread_pips=10.0,
        pip_size=0.001,
        commission_fraction=0.01,
        slippage_bps=50.0,
        financing_bps_per_day=100.0,
    )
    report = simulate(
        open_, np.maximum(open_, close), np.minimum(open_, close), close, times,
        np.array([BUY, HOLD, HOLD, SELL]), costs, 120.0,
    )  # fmt: skip
    units = 120.0 / 1.2
    paid = units * (0.005 + 1.2 * 0.005 + 1.2 * 0.01)
    after_1 = 120.0 - paid + units * (1.25 - 1.2)
    after_2 = after_1 - units * 1.25 * 0.01 * 2 + units * (1.2 - 1.25)
    after_3 = after_2 - units * 1.2 * 0.01 * 1 + units * (1.0 - 1.2)
    np.testing.assert_allclose(report.equity, [120.0, after_1, after_2, after_3], rtol=1e-14)
    summary = report.summary
    assert summary.n_trades == 0
    assert summary.win_rate is None
    assert summary.undefined["win_rate"] == "no trade was closed."
    held = summary.open_position
    assert held is not None
    assert (held.side, held.entry_bar, held.units) == (1, 1, pytest.approx(100.0))
    assert held.entry_price == pytest.approx(1.2 + 0.005 + 0.006)
    assert held.entry_time == "2023-11-16T00:00:00Z"
    assert held.marked_pnl == pytest.approx(after_3 - 120.0)
    assert summary.unfilled_signal == "SELL"
    assert summary.exposure_fraction == 0.75
    assert summary.costs.financing == pytest.approx(units * 0.01 * (1.25 * 2 + 1.2))


@settings(deadline=None, max_examples=25)
@given(seeds, cost_models)
def test_at_the_break_even_spread_the_same_fills_earn_nothing(seed, costs):
    bars, chosen = path(seed, 150), signals(seed, 150)
    chosen[0] = BUY
    spread = simulate(*bars, chosen, costs).summary.break_even_spread_pips
    assert spread is not None
    # A negative spread is no cost model, so shift by a spread that keeps both runs valid.
    first = simulate(*bars, chosen, costs).equity[-1]
    step = simulate(
        *bars, chosen, costs.model_copy(update={"spread_pips": costs.spread_pips + 1.0})
    ).equity[-1]
    slope = step - first
    np.testing.assert_allclose(first + slope * (spread - costs.spread_pips), 10_000.0, rtol=1e-9)


def test_figures_that_are_not_defined_are_missing_and_say_why():
    bars = path(3, 19 * 24)
    quiet = simulate(*bars, np.full(19 * 24, HOLD), CostModel()).summary
    assert quiet.sharpe_annualised is None
    assert quiet.undefined == {
        "sharpe_annualised": "19 days are fewer than 20.",
        "break_even_spread_pips": "nothing was traded.",
        "win_rate": "no trade was closed.",
    }
    assert quiet.total_return_fraction == 0.0
    assert quiet.max_drawdown_fraction == 0.0
    bars = path(3, 40 * 24)
    still = simulate(*bars, np.full(40 * 24, HOLD), CostModel()).summary
    assert still.undefined["sharpe_annualised"] == "the daily equity never varied."
    one = simulate(*(a[:1] for a in bars), np.array([BUY]), CostModel()).summary
    assert one.days_per_year is None
    assert one.unfilled_signal == "BUY"


def test_sharpe_is_annualised_by_the_days_the_series_has():
    # Monday to Friday for a year: 261 days; against a second formula on the daily closes.
    days = [d for d in range(364) if d % 7 < 5]
    n = len(days)
    rng = np.random.default_rng(5)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.001, 0.01, n)))
    open_ = np.concatenate([[100.0], close[:-1]])
    times = START_NS + np.array(days) * DAY_NS
    report = simulate(
        open_, np.maximum(open_, close), np.minimum(open_, close), close, times,
        np.full(n, BUY), CostModel.free(), 100.0,
    )  # fmt: skip
    summary = report.summary
    assert summary.n_days == 260
    assert summary.days_per_year == pytest.approx(259 / 361 * 365.25)
    returns = np.diff(np.concatenate([[100.0], report.equity])) / np.concatenate(
        [[100.0], report.equity[:-1]]
    )
    expected = returns.mean() / np.std(returns, ddof=1) * math.sqrt(259 / 361 * 365.25)
    assert summary.sharpe_annualised == pytest.approx(expected, rel=1e-12)


def test_hours_of_one_day_give_one_daily_return():
    n = 30 * 24
    bars, chosen = path(11, n), signals(11, n)
    report = simulate(*bars, chosen, CostModel())
    daily = report.equity.reshape(30, 24)[:, -1]
    returns = daily / np.concatenate([[10_000.0], daily[:-1]]) - 1.0
    expected = returns.mean() / returns.std(ddof=1) * math.sqrt(365.25)
    assert report.summary.sharpe_annualised == pytest.approx(expected, rel=1e-12)
    assert report.summary.n_days == 30


def test_drawdown_is_from_the_running_peak_and_within_bars_from_the_adverse_extreme():
    open_ = np.array([1.0, 1.0, 1.2, 0.9])
    close = np.array([1.0, 1.2, 0.9, 1.3])
    high = np.array([1.0, 1.25, 1.2, 1.35])
    low = np.array([1.0, 0.95, 0.8, 0.85])
    times = START_NS + np.arange(4) * HOUR_NS
    report = simulate(
        open_, high, low, close, times, np.array([BUY, HOLD, HOLD, HOLD]), CostModel.free(), 100.0
    )
    np.testing.assert_allclose(report.equity, [100.0, 120.0, 90.0, 130.0])
    assert report.summary.max_drawdown_fraction == pytest.approx(30 / 120)
    assert report.summary.max_adverse_drawdown_fraction == pytest.approx(40 / 120)


def test_a_short_is_hurt_by_the_high_of_a_bar():
    one = np.ones(3)
    times = START_NS + np.arange(3) * HOUR_NS
    report = simulate(
        one, np.array([1.0, 1.0, 1.3]), np.array([1.0, 1.0, 0.9]), one, times,
        np.array([HOLD, SELL, HOLD]), CostModel.free(), 100.0,
    )  # fmt: skip
    assert report.summary.max_drawdown_fraction == 0.0
    assert report.summary.max_adverse_drawdown_fraction == pytest.approx(0.3)


def test_a_short_that_loses_everything_ends_in_ruin_and_stays_flat():
    open_ = np.array([1.0, 1.0, 2.5, 2.0, 2.0])
    close = np.array([1.0, 2.5, 2.0, 2.0, 1.0])
    times = START_NS + np.arange(5) * HOUR_NS
    report = simulate(
        open_, np.maximum(open_, close), np.minimum(open_, close), close, times,
        np.array([SELL, HOLD, SELL, BUY, HOLD]), CostModel.free(), 100.0,
    )  # fmt: skip
    np.testing.assert_allclose(report.equity, [100.0, -50.0, -50.0, -50.0, -50.0])
    assert report.position.tolist() == [0, -1, 0, 0, 0]
    assert report.summary.risk_events == {"ruin": 1}
    assert report.summary.n_blocked == 2
    assert report.summary.max_drawdown_fraction == pytest.approx(1.5)


def test_each_limit_has_its_effect():
    day = 24
    close = np.concatenate([np.linspace(1.0, 0.9, day), np.linspace(0.9, 1.0, day)])
    open_ = np.concatenate([[1.0], close[:-1]])
    times = START_NS + np.arange(2 * day) * HOUR_NS
    always = np.where(np.arange(2 * day) % 2 == 0, BUY, HOLD)

    def run(limits, chosen=always):
        return simulate(
            open_, np.maximum(open_, close), np.minimum(open_, close), close, times, chosen,
            CostModel.free(), 100.0, limits=limits,
        )  # fmt: skip

    daily = run(RiskLimits(max_daily_loss_fraction=0.02))
    hit = int(np.flatnonzero(daily.equity <= 98.0)[0])
    assert daily.position[hit] == 1
    assert (daily.position[hit + 1 : day] == 0).all()
    assert daily.position[day + 1 :].any()
    assert daily.summary.risk_events == {"daily_loss": 1}
    assert daily.summary.n_blocked > 0
    final = run(RiskLimits(max_drawdown_fraction=0.02))
    assert (final.position[hit + 1 :] == 0).all()
    assert final.summary.risk_events == {"drawdown": 1}
    flips = np.where(np.arange(2 * day) % 2 == 0, BUY, SELL)
    counted = run(RiskLimits(max_trades_per_day=3), flips)
    opened = counted.ledger[:, Column.OPENED] != 0
    assert opened[:day].sum() == 3
    assert opened[day:].sum() == 3
    assert counted.position[5] == 0
    assert run(None, flips).summary.n_trades == 46


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"close": np.array([1.0, np.nan])}, DataError, "1 bars are no bar.*first is bar 1"),
        ({"low": np.array([1.2, 1.0])}, DataError, "low <= open.*first is bar 0"),
        ({"high": np.array([1.0])}, DataError, "open and high must be one-dim"),
        ({"time_ns": np.array([5, 5])}, DataError, "not later than the bar before.*bar 1"),
        ({"signals": np.array([0, 3])}, DataError, "without a signal.*first is bar 1"),
        ({"signals": np.array([0.0, 1.0])}, DataError, "whole numbers.*float64"),
        ({"initial_equity": 0.0}, ConfigError, "finite amount above 0; received 0.0"),
    ],
)
def test_bad_input_is_refused_with_the_first_bar(change, error, message):
    one = np.array([1.0, 1.0])
    good = {
        "open": one, "high": one, "low": one, "close": one, "time_ns": np.array([0, 1]),
        "signals": np.array([0, 1]), "costs": CostModel(), "initial_equity": 1.0,
    }  # fmt: skip
    with warnings.catch_warnings(), pytest.raises(error, match=message):
        simulate(**{**good, **change})


def test_no_bars_are_refused():
    none = np.empty(0)
    whole = np.empty(0, dtype=np.int64)
    with pytest.raises(DataError, match="no bars to simulate"):
        simulate(none, none, none, none, whole, whole, CostModel())


@pytest.mark.parametrize(
    ("symbol", "pip"), [("EURUSD", 1e-4), ("usd/jpy", 0.01), ("GOOG", 0.01), ("GBPCHF", 1e-4)]
)
def test_a_pip_belongs_to_its_instrument(symbol, pip):
    assert pip_size_of(symbol) == pip
    assert CostModel.for_symbol(symbol, spread_pips=2.0).pip_size == pip


def test_an_unknown_pip_is_asked_for_not_guessed():
    with pytest.raises(ConfigError, match=r"no known pip size for 'XAUUSD'.*Give `pip_size`"):
        pip_size_of("XAUUSD")
    with pytest.raises(ConfigError, match="unknown key 'spread'"):
        CostModel.from_mapping({"spread": 1.0})
