"""The validation report of a fetch: holes and their causes, oddities, verdicts, comparisons."""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from exchange_servers import TOKEN, exchange, whole_slots
from fetch_world import fetch
from hypothesis import given
from hypothesis import strategies as st

from marketlab.data import BarFrame, FetchRequest, FxWeek, canonical_symbol, plan_fetch
from marketlab.data._fetch_holes import explain_outages, find_holes, is_closed, open_slots
from marketlab.data._fetch_quality import judge_fetch
from marketlab.data._fetch_report import report_text

STEPS = {"5m": 300, "15m": 900, "1h": 3600}
FOUR_YEARS = ("2020-01-01", "2024-01-01")
COINBASE_H1_HOLES = (
    *("2020-01-30T17", "2020-09-04T23", "2020-10-20T20"),
    *("2023-03-04T18", "2023-03-04T19", "2023-03-04T20"),
)
EUR_H1_HOLES = ("2020-05-31T21", "2021-11-21T22", "2021-11-21T23", "2023-01-01T22")


def seconds(text):
    return int(np.datetime64(text, "s").astype(np.int64))


def grid(start, end, step):
    return np.arange(seconds(start), seconds(end), step, dtype=np.int64)


def bars_at(opens, plan, *, close=None, volume=None):
    n = len(opens)
    close = np.full(n, 100.0) + np.arange(n) % 7 if close is None else close
    return BarFrame.build(
        {
            "time": opens * 1_000_000_000,
            "open": close,
            "high": close + 1.0,
            "low": close - 1.0,
            "close": close,
            "volume": np.full(n, 5.0) if volume is None else volume,
        },
        symbol=plan.symbol,
        timeframe=plan.request.timeframe,
        source="test",
        metadata={"lineage": {"chunks_sha256": "0" * 64}},
    )


def planned(source="coinbase", timeframe="1h", span=FOUR_YEARS):
    symbol = "BTC-USD" if source == "coinbase" else "EUR_USD"
    request = FetchRequest(
        source=source, symbol=symbol, timeframe=timeframe, start=span[0], end=span[1]
    )
    return plan_fetch([request], environment={"MARKETLAB_OANDA_TOKEN": TOKEN}).datasets[0]


def judged(plan, missing=(), **values):
    """Judge a plan whose open slots all have a bar but the `missing` ones."""
    opens = grid(*FOUR_YEARS, plan.step)
    if plan.request.source == "oanda":
        opens = opens[open_slots("fx", plan.request.timeframe, opens)]
    opens = opens[~np.isin(opens, [seconds(text) for text in missing])]
    return judge_fetch(bars_at(opens, plan, **values), plan, [])


# -- against the reference ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeframe", "week", "trading"),
    [
        ("1h", 25_032, 24_912),
        ("15m", 100_128, 99_648),
        ("5m", 300_384, 298_944),
    ],
)
def test_the_fx_week_has_as_many_slots_as_the_reference_counts(timeframe, week, trading):
    slots = grid(*FOUR_YEARS, STEPS[timeframe])
    assert open_slots(FxWeek(holidays=False), timeframe, slots).sum() == week
    assert open_slots("fx", timeframe, slots).sum() == trading
    assert open_slots("24x7", timeframe, slots).all()


def test_hourly_euro_is_judged_as_the_reference_measured_it():
    quality = judged(planned("oanda"), EUR_H1_HOLES)
    assert (quality.n_bars, quality.slots, quality.calendar_slots) == (24_908, 35_064, 24_912)
    assert f"{quality.raw_coverage:.2%} {quality.coverage:.3%}" == "71.04% 99.984%"
    assert (quality.verdict, quality.reasons, quality.n_holes) == ("pass", [], 3)
    unknown = [(h.start, h.slots) for h in quality.holes if h.cause == "unknown"]
    assert unknown == [
        ("2020-05-31T21:00:00Z", 1),
        ("2021-11-21T22:00:00Z", 2),
        ("2023-01-01T22:00:00Z", 1),
    ]
    assert sum(h.slots for h in quality.holes if h.cause == "holiday") == 120
    assert sum(h.slots for h in quality.holes if h.cause == "weekend") == 35_064 - 25_032


def test_hourly_bitcoin_lacks_the_hours_of_known_outages_only():
    quality = judged(planned(), COINBASE_H1_HOLES)
    assert (quality.n_bars, quality.n_holes) == (35_058, 4)
    assert f"{quality.coverage:.3%} {quality.verdict}" == "99.983% pass"
    assert {hole.cause for hole in quality.holes} == {"known outage"}


# -- holes ----------------------------------------------------------------------------------------


def cause_of(moment):
    """The cause of a missing FX bar, worked out from the wall clock of New York alone."""
    local = datetime.fromtimestamp(moment, UTC).astimezone(ZoneInfo("America/New_York"))
    day, hour = local.isoweekday(), local.hour
    if (day == 5 and hour >= 17) or day == 6 or (day == 7 and hour < 17):
        return "weekend"
    trading = local.date().toordinal() + (hour >= 17)
    named = datetime.fromordinal(trading)
    if (named.month, named.day) in {(12, 25), (1, 1)}:
        return "holiday"
    if (named.month, named.day, named.isoweekday()) == (12, 26, 1):
        return "holiday"
    return "unknown"


@given(
    start=st.integers(seconds("2019-12-01") // 3600, seconds("2024-01-10") // 3600),
    missing=st.lists(st.booleans(), min_size=1, max_size=400),
)
def test_every_missing_slot_lies_in_one_hole_with_its_cause(start, missing):
    slots = (start + np.arange(len(missing), dtype=np.int64)) * 3600
    holes = find_holes("fx", "1h", slots, ~np.array(missing))
    told = {}
    for hole in holes:
        first = seconds(hole.start.removesuffix("Z"))
        for k in range(hole.slots):
            assert first + 3600 * k not in told
            told[first + 3600 * k] = hole.cause
    absent = [int(at) for at, is_absent in zip(slots, missing, strict=True) if is_absent]
    assert told == {at: cause_of(at) for at in absent}
    assert [h.start for h in holes] == sorted(h.start for h in holes)


@given(
    start=st.integers(seconds("2020-12-20") // 900, seconds("2021-01-04") // 900),
    length=st.integers(1, 400),
)
def test_a_span_is_closed_if_no_slot_of_it_is_open(start, length):
    slots = (start + np.arange(length, dtype=np.int64)) * 900
    closed = not open_slots("fx", "15m", slots).any()
    assert is_closed("fx", int(slots[0]), int(slots[-1]) + 900) == closed
    assert not is_closed("24x7", int(slots[0]), int(slots[-1]) + 900)


def test_only_a_hole_inside_an_outage_is_explained_by_it():
    slots = grid("2023-03-04T00:00", "2023-03-06T00:00", 3600)
    has_bar = np.ones(48, dtype=np.bool_)
    has_bar[18:21] = False
    known = explain_outages(find_holes("24x7", "1h", slots, has_bar), "coinbase", 3600)
    assert [(h.slots, h.cause) for h in known] == [(3, "known outage")]
    other = explain_outages(find_holes("24x7", "1h", slots, has_bar), "oanda", 3600)
    assert [h.cause for h in other] == ["unknown"]
    has_bar[10:24] = False
    longer = explain_outages(find_holes("24x7", "1h", slots, has_bar), "coinbase", 3600)
    assert [(h.slots, h.cause) for h in longer] == [(14, "unknown")]


# -- verdicts -------------------------------------------------------------------------------------


def hours(first, count):
    return [str(np.datetime64(first, "s") + np.timedelta64(k, "h")) for k in range(count)]


@pytest.mark.parametrize(
    ("missing", "verdict", "reason"),
    [
        (hours("2021-05-03T00", 6), "pass", ""),
        (
            hours("2021-05-03T00", 7),
            "fail",
            "the hole from 2021-05-03T00:00:00Z lasts 7.0 open hours",
        ),
        (hours("2023-03-04T16", 7), "pass", ""),
        (
            hours("2021-05-03T00", 6) * 1
            + [t for k in range(8) for t in hours(f"2022-0{k + 1}-03", 5)],
            "warn",
            "coverage 99.869% is below 99.9%",
        ),
        (
            [t for k in range(1, 29) for m in (1, 2, 3) for t in hours(f"2022-0{m}-{k:02d}", 5)],
            "fail",
            "coverage 98.802% is below 99%",
        ),
    ],
)
def test_the_verdict_follows_coverage_and_the_longest_unexplained_hole(missing, verdict, reason):
    quality = judged(planned(), missing)
    assert quality.verdict == verdict
    assert "; ".join(quality.reasons).startswith(reason)
    assert bool(quality.reasons) == (verdict != "pass")


def test_bars_while_the_market_is_closed_are_a_warning():
    plan = planned("oanda", span=("2021-03-01", "2021-03-15"))
    quality = judge_fetch(bars_at(grid("2021-03-01", "2021-03-15", 3600), plan), plan, [])
    assert (quality.verdict, quality.bars_while_closed) == ("warn", 48 + 47)  # clocks change
    assert quality.reasons == ["95 bars lie where the calendar has the market closed"]


# -- oddities -------------------------------------------------------------------------------------


def test_oddities_are_counted_and_nothing_is_removed():
    plan = planned(span=("2021-03-01", "2021-05-01"))
    opens = grid("2021-03-01", "2021-05-01", 3600)
    dice = np.random.default_rng(4)
    close = 100.0 * np.exp(np.cumsum(0.001 * dice.standard_normal(len(opens))))
    close[700:709] = close[700]
    close[1000:] *= 1.2
    volume = np.full(len(opens), 3.0)
    volume[[5, 9]] = 0.0
    bars = bars_at(opens, plan, close=close, volume=volume)
    quality = judge_fetch(bars, plan, [])
    assert (quality.equal_close_runs, quality.longest_equal_closes) == (1, 9)
    assert (quality.zero_volume, quality.ohlc_violations, quality.non_positive_prices) == (2, 0, 0)
    assert quality.n_outliers == 1
    (outlier,) = quality.outliers
    assert outlier.time == "2021-04-11T16:00:00Z"
    assert outlier.log_return == pytest.approx(np.log(1.2), abs=0.01)
    assert bars.n_bars == quality.n_bars == len(opens)
    later = judge_fetch(bars_at(opens[:1001], plan, close=close[:1001]), plan, [])
    assert later.outliers == quality.outliers  # bars after it change nothing
    text = report_text(plan.name, quality)
    assert "- runs of 8 or more equal closes: 1; longest run 9 bar(s)" in text
    assert "| 2021-04-11T16:00:00Z | +1" in text


# -- timeframes beside each other -----------------------------------------------------------------


def three(source, symbol):
    return [
        FetchRequest(
            source=source,
            symbol=symbol,
            timeframe=timeframe,
            start="2021-03-01",
            end="2021-03-05",
            candles_per_request=250,
        )
        for timeframe in ("5m", "15m", "1h")
    ]


@pytest.mark.parametrize(
    ("source", "symbol", "what"),
    [
        ("coinbase", "BTC-USD", "prices"),
        ("oanda", "EUR_USD", "prices and volume"),
    ],
)
def test_fetched_timeframes_are_compared_with_those_made_of_the_finest(
    tmp_path, source, symbol, what
):
    with exchange() as server:
        server.slots = whole_slots
        _, _, states = fetch(tmp_path, server.environment, wanted=three(source, symbol))
    assert [s.quality.verdict for s in states] == ["pass"] * 3
    assert states[0].quality.cross_checks == ()
    for state, bars in zip(states[1:], (384, 96), strict=True):
        (check,) = state.quality.cross_checks
        assert (check.made_from, check.dataset_id) == ("5m", states[0].dataset_id)
        assert (check.result.compared, check.result.mismatched) == (bars, 0)
    folder = tmp_path / "raw" / source / f"{symbol.replace('-', '_')}_1h"
    assert f"- 5m: 0 of 96 bars differ in {what};" in (folder / "quality.md").read_text()


def test_a_bar_that_differs_from_its_finer_ones_is_named(tmp_path):
    def altered(symbol, start, end, step):
        rows = whole_slots(symbol, start, end, step)
        at = seconds("2021-03-02T07:00")
        return [
            (r[0], r[1], r[2] + 1.0, *r[3:]) if step == 3600 and r[0] == at else r for r in rows
        ]

    with exchange() as server:
        server.slots = altered
        wanted = three("coinbase", "BTC-USD")[::-1]  # in whatever order they are asked for
        _, catalog, states = fetch(tmp_path, server.environment, wanted=wanted)
    hourly = states[0]
    assert hourly.quality.reasons == ["1 of 96 bars differ from those made of 5m"]
    assert (hourly.quality.verdict, hourly.message[:5]) == ("warn", "warn:")
    assert hourly.quality.cross_checks[0].result.times == ("2021-03-02T07:00:00Z",)
    # The stored dataset tells of itself only: it does not depend on what else was fetched.
    (stored,) = (m for m in catalog.list() if m.timeframe == "1h")
    assert stored.metadata["quality"]["verdict"] == "pass"


def test_the_report_tells_everything_the_reference_asks_for(tmp_path):
    with exchange(faults=0.5, fault_names=("repeat",)) as server:
        _, _, (state,) = fetch(
            tmp_path, server.environment, wanted=three("coinbase", "BTC-USD")[:1]
        )
    report = json.loads((tmp_path / "raw/coinbase/BTC_USD_5m/quality.json").read_text())
    assert report["dataset"] == "coinbase BTC-USD 5m"
    assert set(report) == {
        *("dataset", "verdict", "reasons", "n_bars", "slots", "calendar_slots", "raw_coverage"),
        *("coverage", "n_holes", "holes", "bars_while_closed", "duplicates", "conflicting"),
        *("incomplete", "outside", "empty_chunks", "ohlc_violations", "non_positive_prices"),
        *("zero_volume", "equal_close_runs", "longest_equal_closes", "n_outliers", "outliers"),
        *("cross_checks", "hashes", "warnings"),
    }
    assert report["duplicates"] + report["outside"] > 0
    assert report["hashes"]["dataset_id"] == state.dataset_id
    text = (tmp_path / "raw/coinbase/BTC_USD_5m/quality.md").read_text()
    assert "No finer timeframe of it in this fetch." in text
    assert len(text) < 2500


# -- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spelled", "symbol"),
    [
        ("BTC-USD", "BTCUSD"),
        ("EUR_USD", "EURUSD"),
        ("BTC/USDT", "BTCUSDT"),
        ("EURUSD=X", "EURUSD"),
        ("^GSPC", "GSPC"),
        ("eurusd", "EURUSD"),
    ],
)
def test_a_symbol_has_one_spelling_in_the_catalog(spelled, symbol):
    assert canonical_symbol(spelled) == symbol


def test_fetched_bars_are_found_by_the_symbol_of_strategies(tmp_path):
    with exchange() as server:
        _, catalog, states = fetch(tmp_path, server.environment)
    bars = catalog.find("EURUSD", "1h")
    assert (bars.symbol, bars.metadata["provider_symbol"]) == ("EURUSD", "EUR_USD")
    assert [(s.symbol, s.provider_symbol) for s in states] == [
        ("BTCUSD", "BTC-USD"),
        ("EURUSD", "EUR_USD"),
    ]
    old = catalog.add(bars_named_as_before(bars))
    assert catalog.find("EUR_USD", "1h").dataset_id == old  # a catalog of before stays readable


def bars_named_as_before(bars):
    return BarFrame.build(
        bars.frame, symbol="EUR_USD", timeframe="1h", source="oanda", provenance="", licence=""
    )
