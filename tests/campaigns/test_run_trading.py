"""The account of a run: hand-made figures, the steps of a dry run, and what cannot be said."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_world import LABELS, N_BARS, run_of, strategy_of

from marketlab.backtest import Account, CostModel, DecisionStream
from marketlab.campaigns._market_days import market_days
from marketlab.campaigns._run_trading import trade_run
from marketlab.core import DataError, canonical_json
from marketlab.data import BarFrame
from marketlab.evaluation import random_entry

HOUR_NS = 3_600_000_000_000
MONDAY = int(datetime(2024, 1, 8, tzinfo=UTC).timestamp()) * 1_000_000_000
BUY, NEITHER, SELL = [0.9, 0.05, 0.05], [0.3, 0.4, 0.3], [0.05, 0.05, 0.9]
EAGER = strategy_of(
    LABELS["next_bar"],
    confidence_threshold=0.6,
    position_awareness=True,
    filters={"min_signal_separation": 0},
)


def hand_bars(opens, *, symbol="EURUSD", timeframe="1h", step_ns=HOUR_NS, first_ns=MONDAY):
    """Bars whose close is the next open."""
    opens = np.asarray(opens, dtype=np.float64)
    close = np.append(opens[1:], opens[-1])
    return BarFrame.build(
        {
            "time": first_ns + step_ns * np.arange(len(opens)),
            "open": opens,
            "high": np.maximum(opens, close),
            "low": np.minimum(opens, close),
            "close": close,
        },
        symbol=symbol,
        timeframe=timeframe,
        source="test",
    )


def traded(bars, rows, probabilities, *, strategy=EAGER, seed=1):
    """The account of forecasts on bars; nothing else of a prepared run is read."""
    return trade_run(
        strategy,
        SimpleNamespace(bars=bars),
        np.asarray(rows, dtype=np.int64),
        np.asarray(probabilities, dtype=np.float64).reshape(-1, 3),
        seed=seed,
    )


def noise(n, seed=0, *, sharp=1.0):
    return np.random.default_rng(seed).dirichlet([sharp, 0.1, sharp], n)


def test_three_trades_by_hand():
    opens = [1.1000, 1.1010, 1.1020, 1.1050, 1.1030, 1.1000, 1.1010, 1.0990, 1.1020]
    says = [BUY, NEITHER, SELL, NEITHER, BUY, NEITHER, SELL, NEITHER, NEITHER]
    run = traded(hand_bars(opens), np.arange(9), says)
    # Long 1.1010 -> 1.1050, short 1.1050 -> 1.1000, long 1.1000 -> 1.0990, then short, still open.
    before = 1e4 * np.array([1.1050 / 1.1010 - 1, 1 - 1.1000 / 1.1050, 1.0990 / 1.1000 - 1])
    costs = 1e4 * 0.0001 / np.array([1.1010, 1.1050, 1.1000])
    facts = run.facts
    assert facts["n_trades"] == 3
    assert facts["before_costs"]["bps_per_trade"] == pytest.approx(before.mean())
    assert facts["after_costs"]["bps_per_trade"] == pytest.approx((before - costs).mean())
    assert facts["cost_bps"] == pytest.approx(costs.mean())
    assert facts["after_costs"]["hit_rate"] == pytest.approx(2 / 3)
    assert facts["open_position"]["side"] == -1
    still_open = 1e4 * (1 - 1.1020 / 1.0990) - 1e4 * 0.00005 / 1.0990
    total = (before - costs).sum() + still_open
    assert 1e4 * facts["total_return"] == pytest.approx(total)
    assert facts["exposure"] == pytest.approx(8 / 9)
    assert facts["buy_and_hold"]["return_bps"] == pytest.approx(
        1e4 * (1.1020 / 1.1010 - 1) - costs.mean()
    )
    assert run.daily_returns == pytest.approx([total / 1e4])
    assert run.days.tolist() == [MONDAY // (24 * HOUR_NS)]
    assert facts["after_costs"]["interval"] is facts["random_entry"] is None
    for name in ("interval", "random_entry"):
        assert facts["undefined"][name] == (
            "an interval and a comparison with random entry need 20 closed trades; there are 3."
        )
    assert facts["undefined"]["sharpe_annualised"] == (
        "a ratio needs 20 daily results or more; there are 1."
    )
    assert facts["sentence"].startswith("3 closed trades earned")
    canonical_json(facts)


@given(
    seed=st.integers(0, 1_000),
    separation=st.integers(0, 6),
    threshold=st.floats(0.3, 0.8),
    aware=st.booleans(),
    gap=st.integers(0, 200),
)
@settings(deadline=None, max_examples=25)
def test_the_account_is_that_of_a_dry_run(seed, separation, threshold, aware, gap):
    strategy = strategy_of(
        LABELS["next_bar"],
        confidence_threshold=threshold,
        position_awareness=aware,
        filters={"min_signal_separation": separation},
    )
    _, prepared = run_of("next_bar")
    rows = np.concatenate([np.arange(700, 900), np.arange(900 + gap, 1_200 + gap)])
    p = noise(len(rows), seed)
    run = traded(prepared.bars, rows, p, strategy=strategy)
    known = dict(zip(rows.tolist(), p, strict=True))
    policy, account = strategy.decisions.policy(), Account(CostModel(), 10_000.0)
    decisions, signal, sides = DecisionStream(policy), 1, []
    bars = prepared.bars
    for t in range(700, int(rows[-1]) + 1):
        bar = np.array([bars.open[t], bars.high[t], bars.low[t], bars.close[t]])
        sides.append(account.step(bar, int(bars.time_ns[t]), signal).side)
        signal = decisions.push(known.get(t, np.full(3, np.nan)))
    assert 1e4 * run.facts["total_return"] == pytest.approx(account.equity - 10_000.0)
    assert run.facts["exposure"] == pytest.approx(np.mean(np.array(sides) != 0))
    assert run.daily_returns.sum() == pytest.approx(run.facts["total_return"])
    # No signal between the blocks: the side of the gap's second bar lasts to its end.
    assert len(set(sides[201 : 201 + gap])) <= 1


def test_intervals_random_entry_and_costs_on_many_trades():
    _, prepared = run_of("next_bar")
    rows = np.arange(300, 1_500)
    run = traded(prepared.bars, rows, noise(len(rows)))
    facts = run.facts
    assert facts["n_trades"] > 100
    assert facts["undefined"] == {}
    for side in ("before_costs", "after_costs"):
        low, high = facts[side]["interval"]
        assert low < facts[side]["bps_per_trade"] < high
        assert facts[side]["level"] == 0.95
    gap = facts["before_costs"]["bps_per_trade"] - facts["after_costs"]["bps_per_trade"]
    assert gap == pytest.approx(facts["cost_bps"])
    chance = facts["random_entry"]
    assert chance["observed_bps"] == pytest.approx(facts["after_costs"]["bps_per_trade"])
    assert 0 < chance["p_value"] <= 1
    assert 0 < chance["monte_carlo_error"] < 0.02
    assert chance["n_draws"] == 1_000
    assert f"with p = {chance['p_value']:.2g} (1,000 draws)" in facts["sentence"]
    assert facts["sharpe_annualised"] == pytest.approx(
        run.daily_returns.mean() / run.daily_returns.std(ddof=1) * np.sqrt(260)
    )
    canonical_json(facts)
    again = traded(prepared.bars, rows, noise(len(rows)))
    assert again.facts == facts


def test_random_entry_gets_the_trades_that_were_made():
    rng = np.random.default_rng(5)
    opens = 1.1 * np.exp(np.cumsum(rng.normal(0, 1e-3, 130)))
    says = [NEITHER] * 130
    at = np.arange(2, 126, 5)
    for k, t in enumerate(at):
        says[t] = (BUY, SELL)[k % 2]
    bars = hand_bars(opens)
    run = traded(bars, np.arange(130), says, seed=9)
    entry, leave = at[:-1] + 1, at[1:] + 1
    side = np.array([1, -1])[np.arange(len(entry)) % 2]
    cost = float(np.mean(1e4 * 0.0001 / bars.open[entry]))
    assert run.facts["cost_bps"] == pytest.approx(cost)
    wanted = random_entry(
        bars.open, entry, leave, side, stretch=(1, 129), cost_bps=cost, seed=9
    ).to_mapping()
    for name, value in run.facts["random_entry"].items():
        assert value == pytest.approx(wanted[name]), name


@given(seed=st.integers(0, 1_000))
@settings(deadline=None, max_examples=10)
def test_bars_outside_the_judged_stretch_change_nothing(seed):
    _, prepared = run_of("next_bar")
    bars = prepared.bars
    rng = np.random.default_rng(seed)
    order = np.concatenate(
        [rng.permutation(600), np.arange(600, 900), 900 + rng.permutation(N_BARS - 900)]
    )
    moved = bars.replace_prices(
        *(getattr(bars, name)[order] for name in ("open", "high", "low", "close"))
    )
    rows = np.arange(600, 900)
    first, second = (traded(each, rows, noise(300, seed)) for each in (bars, moved))
    assert first.facts == second.facts
    np.testing.assert_array_equal(first.daily_returns, second.daily_returns)


def test_no_signal_is_no_trade_and_holding_is_still_told():
    _, prepared = run_of("next_bar")
    run = traded(prepared.bars, np.arange(600), np.tile(NEITHER, (600, 1)))
    facts = run.facts
    assert (facts["n_trades"], facts["exposure"], facts["total_return"]) == (0, 0.0, 0.0)
    assert (run.daily_returns == 0.0).all()
    assert facts["before_costs"] is facts["after_costs"] is facts["random_entry"] is None
    assert facts["undefined"]["after_costs"] == "no position was closed within 600 bars."
    assert "a ratio needs 20 daily results that differ" in facts["undefined"]["sharpe_annualised"]
    mean = float(prepared.bars.open[:600].mean())
    assert facts["cost_bps"] == pytest.approx(1e4 * 0.0001 / mean)
    assert facts["buy_and_hold"]["return_bps"] == pytest.approx(
        1e4 * (prepared.bars.close[599] / prepared.bars.open[1] - 1) - facts["cost_bps"]
    )
    assert facts["sentence"].startswith("The signals closed no position within 600 bars; the ")


def test_nothing_judged_one_bar_and_a_symbol_without_a_pip_are_said():
    nothing = traded(hand_bars([1.1, 1.2]), [], np.empty((0, 3)))
    assert nothing.facts["sentence"] == "There is no judged bar, so nothing was traded."
    assert len(nothing.daily_returns) == len(nothing.days) == 0
    one = traded(hand_bars([1.1, 1.2]), [0], [BUY])
    assert one.facts["buy_and_hold"] is None
    assert one.facts["undefined"]["buy_and_hold"].startswith("one judged bar leaves no later open")
    assert one.facts["unfilled_signal"] == "BUY"
    odd = traded(hand_bars([1.1, 1.2], symbol="ACME"), [0, 1], [BUY, SELL])
    assert odd.facts["sentence"] == ("No account is kept: there is no known pip size for 'ACME'.")
    for run in (nothing, one, odd):
        canonical_json(run.facts)
        missing = {name for name, value in run.facts.items() if value is None}
        assert missing - set(run.facts["undefined"]) <= {
            "costs", "calendar", "days_per_year", "open_position", "unfilled_signal",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "p", "text"),
    [
        ([0, 0], [BUY, BUY], "rows must ascend, one judged sample per bar"),
        ([1, 0], [BUY, BUY], "rows must ascend"),
        ([0, 1], [BUY], r"2 judged bars need forecasts of shape \(2, 3\), not \(1, 3\)"),
        ([0, 1], [BUY, [0.5, 0.5, 0.5]], "1 of 2 rows are no probabilities"),
    ],
)
def test_refusals(rows, p, text):
    with pytest.raises(DataError, match=text):
        traded(hand_bars([1.1, 1.2]), rows, p)


def test_days_of_the_currency_week_begin_at_five_in_new_york():
    _, prepared = run_of("next_bar")
    bars = prepared.bars
    market = market_days(bars, 0, bars.n_bars - 1)
    assert (market.calendar, market.days_per_year) == ("currency week", 260)
    zone, epoch = ZoneInfo("America/New_York"), datetime(1970, 1, 1, tzinfo=UTC).date()
    for i in range(0, bars.n_bars, 7):
        local = bars.times(i).astimezone(zone)
        day = (local.replace(tzinfo=None) + timedelta(hours=7)).date()
        if day.weekday() == 5:  # after the close of Friday: the bars keep UTC the whole year
            day -= timedelta(days=1)
        if (day.month, day.day) not in {(12, 25), (1, 1)}:
            assert market.day[i] == (day - epoch).days
    assert (np.diff(market.day) >= 0).all()
    assert set((market.day + 3) % 7) <= {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("timeframe", "hours", "n", "calendar", "per_year"),
    [
        ("1h", 1, 24 * 7, "round the clock", 365),
        ("1h", 1, 24 * 5, "weekdays", 252),
        ("1d", 24, 8, "round the clock", 365),
        ("1d", 24, 5, "weekdays", 252),
        ("1w", 24 * 7, 9, "bars of 1w", 52),
    ],
)
def test_the_kind_of_market_is_told_from_the_bars(timeframe, hours, n, calendar, per_year):
    bars = hand_bars(np.linspace(1.1, 1.2, n), timeframe=timeframe, step_ns=hours * HOUR_NS)
    market = market_days(bars, 1, n - 1)
    assert (market.calendar, market.days_per_year) == (calendar, per_year)
    np.testing.assert_array_equal(market.day, bars.time_ns[1:] // (24 * HOUR_NS))


def test_a_run_of_the_pipeline_is_traded():
    strategy, prepared = run_of("zigzag")
    rows = prepared.rows("validation")
    run = trade_run(strategy, replace(prepared), rows, noise(len(rows), sharp=0.3), seed=2)
    assert run.facts["n_bars"] == rows[-1] - rows[0] + 1
    assert run.facts["n_days"] == len(run.days) == len(run.daily_returns)
    assert (np.diff(run.days) > 0).all()
