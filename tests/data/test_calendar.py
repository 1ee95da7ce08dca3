"""Calendars: known weeks, clock changes, half days, and agreement of every one with itself."""

import sys
from datetime import datetime

import numpy as np
import pytest

from marketlab.core import ConfigError, DataNotAvailableError
from marketlab.data import CALENDARS, FxWeek, expected_bars, session_close_time

HOUR = 3_600_000_000_000


def ns(text):
    return int(np.datetime64(text, "ns").astype(np.int64))


def stamps(times):
    return [str(np.datetime64(int(t), "ns").astype("datetime64[m]")) for t in times]


def test_the_four_years_of_the_reference_have_its_slots():
    span = ns("2020-01-01"), ns("2024-01-01")
    counts = {
        name: [len(expected_bars(c, tf, *span)[0]) for tf in ("5m", "15m", "1h")]
        for name, c in (
            ("24x7", CALENDARS.get("24x7")),
            ("plain", FxWeek(holidays=False)),
            ("fx", CALENDARS.get("fx_week")),
        )
    }
    assert counts["24x7"] == [420_768, 140_256, 35_064]
    assert counts["plain"] == [300_384, 100_128, 25_032]
    assert counts["fx"][1:] == [99_648, 24_912]


@pytest.mark.parametrize(
    ("friday", "closes", "opens"),
    [
        ("2023-03-10", "2023-03-10T22:00", "2023-03-12T21:00"),  # clocks go forward on the 12th
        ("2023-11-03", "2023-11-03T21:00", "2023-11-05T22:00"),  # and back on the 5th
        ("2023-07-07", "2023-07-07T21:00", "2023-07-09T21:00"),
    ],
)
def test_the_fx_week_follows_the_clocks_of_new_york(friday, closes, opens):
    start = ns(friday)
    bars, ends = expected_bars(CALENDARS.get("fx_week"), "1h", start, start + 96 * HOUR)
    jump = int(np.argmax(np.diff(bars)))
    assert stamps([ends[jump], bars[jump + 1]]) == [closes, opens]


def test_new_york_half_day_holiday_and_summer_time():
    nyse = CALENDARS.get("nyse")
    week = nyse.sessions(ns("2023-11-20"), ns("2023-11-25"))
    assert stamps(week.label) == [f"2023-11-{d}T00:00" for d in (20, 21, 22, 24)]
    assert week.is_half_day.tolist() == [False, False, False, True]
    assert stamps(week.close)[-1] == "2023-11-24T18:00"
    opens, closes = expected_bars(nyse, "1h", ns("2023-11-24"), ns("2023-11-25"))
    assert stamps(opens) == [f"2023-11-24T{t}" for t in ("14:30", "15:30", "16:30", "17:30")]
    assert stamps(closes)[-1] == "2023-11-24T18:00"
    summer, _ = expected_bars(nyse, "1h", ns("2023-07-05"), ns("2023-07-06"))
    assert stamps(summer)[0] == "2023-07-05T13:30"


def test_close_time_of_a_bar_is_no_later_than_its_session():
    nyse = CALENDARS.get("XNYS")
    assert stamps([session_close_time(nyse, ns("2023-11-24T17:30"), "1h")]) == ["2023-11-24T18:00"]
    assert stamps([session_close_time(nyse, ns("2023-11-24T14:30"), "1d")]) == ["2023-11-24T18:00"]
    with pytest.raises(DataNotAvailableError, match="closed at 2023-11-23 15:00"):
        session_close_time(nyse, ns("2023-11-23T15:00"), "1h")


@pytest.mark.parametrize("name", CALENDARS.names())
def test_every_calendar_keeps_the_contract(name):
    calendar = CALENDARS.get(name)
    start, end = ns("2019-02-25"), ns("2019-04-10")
    whole = calendar.sessions(start, end)
    assert (whole.open < whole.close).all()
    assert (whole.close[:-1] <= whole.open[1:]).all()
    assert (whole.label % (24 * HOUR) == 0).all()
    assert (whole.at(whole.open) == np.arange(len(whole))).all()
    assert (whole.at(whole.close - 1) == np.arange(len(whole))).all()
    middle = int(whole.close[len(whole) // 2])
    for timeframe in ("5m", "1h", "1d"):
        opens, closes = expected_bars(calendar, timeframe, start, end)
        parts = [
            expected_bars(calendar, timeframe, start, middle)[0],
            expected_bars(calendar, timeframe, middle, end)[0],
        ]
        assert np.array_equal(np.concatenate(parts), opens)
        assert (closes[:-1] <= opens[1:]).all()
    assert len(expected_bars(calendar, "1h", end, end)[0]) == 0


def test_weekly_bars_unknown_names_and_days_out_of_reach_are_refused():
    with pytest.raises(ConfigError, match="a day is the longest"):
        expected_bars(CALENDARS.get("always"), "1w", 0, 1)
    with pytest.raises(ConfigError, match="Invalid calendar 'nise'"):
        CALENDARS.get("nise")
    with pytest.raises(DataNotAvailableError, match="covers 1980-01-01 to"):
        CALENDARS.get("nyse").sessions(ns("1970-01-05"), ns("1970-02-01"))


def test_without_the_library_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    with pytest.raises(ConfigError) as caught:
        CALENDARS.get("nyse").sessions(ns("2023-01-03"), ns("2023-01-04"))
    assert caught.value.code == "CONFIG-MissingExtra"
    assert "pip install 'marketlab[calendars]'" in caught.value.suggestion


def test_a_christmas_sunday_closes_the_monday_for_fx():
    assert datetime(2022, 12, 25).weekday() == 6  # noqa: DTZ001
    opens, _ = expected_bars(CALENDARS.get("fx_week"), "1h", ns("2022-12-23"), ns("2022-12-28"))
    jump = int(np.argmax(np.diff(opens)))
    assert stamps([opens[jump + 1]]) == ["2022-12-26T22:00"]
