"""The contract of all sources; one that is added joins by an entry in SAMPLES."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from exchange_servers import candle, exchange
from fetch_world import QUICK

from marketlab.core import ConfigError, DataError, DataNotAvailableError, ManualClock
from marketlab.data import (
    CALENDARS,
    SOURCES,
    Catalog,
    FetchRequest,
    SyntheticMarket,
    acquire,
    finished_chunks,
    market_recipe,
    plan_fetch,
)
from marketlab.data._journal import ChunkJournal

WEEK = ("2021-03-01", "2021-03-08")
SAMPLES = {
    "bundled": ("EURUSD", "1h", "2017-05-01", "2017-05-04", 24),
    "ccxt": ("BTC/USD", "1h", *WEEK, 48),
    "coinbase": ("BTC-USD", "1h", *WEEK, 48),
    "files": ("BTC-USD", "1h", *WEEK, 48),
    "oanda": ("EUR_USD", "1h", "2021-03-01", "2021-03-05", 24),
    "synthetic": ("planted/BTC-USD", "1m", "2020-02-01", "2020-02-02", 500),
    "yfinance": ("BTC-USD", "1h", *WEEK, 48),
}


@pytest.fixture(autouse=True)
def _own_caches(tmp_path_factory):
    import yfinance

    yfinance.set_tz_cache_location(str(tmp_path_factory.mktemp("yfinance")))


@pytest.fixture
def server():
    with exchange() as running:
        yield running


def settings(server, folder):
    (folder / "files").mkdir(parents=True, exist_ok=True)
    write_file(folder / "files" / "BTC-USD_1h.csv")
    return server.environment | {
        "MARKETLAB_CCXT_EXCHANGE": "coinbaseexchange",
        "MARKETLAB_CCXT_URL": server.url,
        "MARKETLAB_CCXT_REQUESTS_PER_SECOND": "5000",
        "MARKETLAB_YFINANCE_URL": server.url,
        "MARKETLAB_YFINANCE_REQUESTS_PER_SECOND": "5000",
        "MARKETLAB_FILES_PATH": str(folder / "files"),
        "MARKETLAB_FILES_TIMEZONE": "UTC",
    }


def write_file(path, *, hours=8 * 24, first=datetime(2021, 3, 1, tzinfo=UTC), step=3600):
    lines = ["time,open,high,low,close,volume"]
    for number in range(hours):
        at = first + timedelta(seconds=number * step)
        cells = candle("BTC-USD", int(at.timestamp()), step)
        lines.append(f"{at:%Y-%m-%d %H:%M:%S}," + ",".join(map(str, cells)))
    path.write_text("\n".join(lines) + "\n")


def request_of(name, *, whole=False, **changes):
    symbol, timeframe, start, end, candles = SAMPLES[name]
    facts = {"symbol": symbol, "timeframe": timeframe, "start": start, "end": end}
    facts |= {} if whole else {"candles_per_request": candles}
    return FetchRequest(source=name, **(facts | changes))


def fetch(root, environment, wanted, *, policy=QUICK, clock=None):
    plan = plan_fetch([wanted], environment=environment)
    catalog = Catalog(root / "processed")
    (state,) = acquire(plan, root / "raw", catalog, policy=policy, clock=clock)
    return plan.datasets[0], catalog, state


def skip_without_wheels(name, request):
    if name == "bundled":
        request.getfixturevalue("wheels")


# -- every source ---------------------------------------------------------------------------------


def test_every_source_has_a_sample():
    assert sorted(SAMPLES) == SOURCES.names()


@pytest.mark.parametrize("name", SOURCES.names())
def test_the_same_bars_come_however_they_are_chunked(name, server, tmp_path, request):
    skip_without_wheels(name, request)
    environment = settings(server, tmp_path)
    plan, catalog, state = fetch(tmp_path / "a", environment, request_of(name))
    assert (state.state, state.message.partition(":")[0]) == ("done", "pass"), state.message
    for before, after in zip(plan.chunks, plan.chunks[1:], strict=False):
        assert before.end_s == after.start_s
    assert len(plan.chunks) > 2
    _, _, other = fetch(tmp_path / "b", environment, request_of(name, whole=True))
    assert other.dataset_id == state.dataset_id
    bars = catalog.load(state.dataset_id)
    assert bars.is_synthetic is (name == "synthetic")
    assert all((bars.provenance, bars.licence, bars.source))
    assert {"price_type", "volume_unit", "provider_symbol", "lineage"} <= set(bars.metadata)
    assert CALENDARS.get(plan.calendar) is not None


@pytest.mark.parametrize("name", SOURCES.names())
def test_a_resumed_fetch_asks_for_what_is_missing_only(name, server, tmp_path, request):
    skip_without_wheels(name, request)
    environment = settings(server, tmp_path)
    wanted = request_of(name)
    plan, _, first = fetch(tmp_path, environment, wanted)
    assert first.requests == len(plan.chunks)
    files = sorted((tmp_path / "raw" / plan.folder / "chunks").iterdir())
    files[1].write_bytes(files[1].read_bytes()[:-3])
    assert len(finished_chunks(plan, tmp_path / "raw")) == len(plan.chunks) - 1
    _, catalog, second = fetch(tmp_path, environment, wanted)
    assert (second.requests, second.dataset_id) == (1, first.dataset_id)
    _, _, third = fetch(tmp_path, environment, wanted)
    assert (third.requests, third.dataset_id) == (0, first.dataset_id)
    assert [finding for finding in catalog.verify() if finding.kind != "orphan"] == []


@pytest.mark.parametrize("name", SOURCES.names())
def test_a_bar_that_has_not_closed_is_refused_from_every_source(name, server, tmp_path, request):
    skip_without_wheels(name, request)
    end = datetime.fromisoformat(SAMPLES[name][3]).replace(tzinfo=UTC)
    clock = ManualClock(end - timedelta(seconds=10))
    _, catalog, state = fetch(tmp_path, settings(server, tmp_path), request_of(name), clock=clock)
    assert state.state == "failed"
    assert "has not closed yet" in state.message
    assert catalog.list() == []


@pytest.mark.parametrize("name", SOURCES.names())
def test_wrong_symbols_and_timeframes_are_refused_before_anything_is_asked(name, server, tmp_path):
    environment = settings(server, tmp_path)
    for changes in ({"symbol": "no such thing"}, {"timeframe": "1w"}):
        with pytest.raises(ConfigError) as caught:
            plan_fetch([request_of(name, **changes)], environment=environment)
        assert caught.value.field in {"symbol", "timeframe"}
    assert server.seen == {}


@pytest.mark.parametrize("name", ["ccxt", "yfinance"])
def test_a_missing_extra_is_told_with_its_install_command(name, server, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError) as caught:
        plan_fetch([request_of(name)], environment=settings(server, tmp_path))
    assert caught.value.code == "CONFIG-MissingExtra"
    assert caught.value.suggestion == f"Install it: pip install 'marketlab[{name}]'."


@pytest.mark.parametrize("name", ["ccxt", "coinbase", "oanda", "yfinance"])
def test_an_address_or_a_pace_that_is_none_is_refused(name, server, tmp_path):
    environment = settings(server, tmp_path)
    with pytest.raises(ConfigError, match="starts with http:// or https://; received 'nonsense'"):
        plan_fetch(
            [request_of(name)],
            environment=environment | {f"MARKETLAB_{name.upper()}_URL": "nonsense"},
        )
    pace = "REQUESTS_PER_SECOND" if name in {"ccxt", "yfinance"} else "RATE"
    with pytest.raises(ConfigError, match=f"_{pace} must be a number greater than 0"):
        plan_fetch(
            [request_of(name)],
            environment=environment | {f"MARKETLAB_{name.upper()}_{pace}": "-1"},
        )


# -- libraries that ask over a network ------------------------------------------------------------


@pytest.mark.parametrize("name", ["ccxt", "yfinance"])
def test_faults_behind_a_library_change_nothing_in_what_is_published(name, tmp_path):
    kinds = ("drop", "throttle", "error", "half", "wrong", "object", "slow")
    kinds += ("repeat", "shuffle") if name == "ccxt" else ("empty",)
    with exchange() as server:
        _, _, clean = fetch(tmp_path / "a", settings(server, tmp_path), request_of(name))
    policy = QUICK.model_copy(update={"empty_attempts": 12})
    with exchange(faults=0.5, seed=3, fault_names=kinds) as server:
        wanted = request_of(name, candles_per_request=4)
        _, _, state = fetch(tmp_path / "b", settings(server, tmp_path), wanted, policy=policy)
    assert (state.state, state.dataset_id) == ("done", clean.dataset_id), state.message
    assert set(kinds) <= set(server.told)
    assert state.retries > 5


@pytest.mark.parametrize(
    ("name", "fault", "said"),
    [
        ("ccxt", "error", "failed 3 times; the last time: status 503: "),
        ("ccxt", "throttle", "failed 3 times; the last time: status 429: "),
        ("ccxt", "half", "failed 3 times; the last time: "),
        ("ccxt", "drop", "failed 3 times; the last time: "),
        ("ccxt", "wrong", "was answered 3 times by a body that is no answer: "),
        ("ccxt", "object", "was answered 3 times by a body that is no answer: "),
        ("yfinance", "error", "failed 3 times; the last time: status 503: "),
        ("yfinance", "throttle", "failed 3 times; the last time: status 429: "),
        ("yfinance", "half", "failed 3 times; the last time: "),
        ("yfinance", "drop", "failed 3 times; the last time: "),
        ("yfinance", "wrong", "was answered 3 times by a body that is no answer: "),
        ("yfinance", "object", "was answered 3 times by a body that is no answer: "),
        ("yfinance", "other symbol", "the answer has symbol 'OTHER', not 'BTC-USD'"),
        ("yfinance", "empty", "failed 4 times; the last time: "),
    ],
)
def test_what_stays_wrong_behind_a_library_ends_as_over_http(name, fault, said, tmp_path):
    policy = QUICK.model_copy(
        update={"attempts": 3, "malformed_attempts": 3, "throttled_attempts": 3}
    )
    with exchange(faults=1.0, fault_names=(fault,)) as server:
        plan, catalog, state = fetch(
            tmp_path, settings(server, tmp_path), request_of(name, whole=True), policy=policy
        )
    assert state.state == "failed"
    assert said in state.message
    assert catalog.list() == []
    (record,) = ChunkJournal(tmp_path / "raw" / plan.folder).records().values()
    assert (record.state, record.attempts) == ("failed", 4 if fault == "empty" else 3)
    assert f"({record.attempts} attempt(s))" in state.last_errors[0]


@pytest.mark.parametrize(("status", "code"), [(404, "Rejected"), (403, "AccessRefused")])
@pytest.mark.parametrize("name", ["ccxt", "yfinance"])
def test_a_final_refusal_is_not_asked_again(name, status, code, server, tmp_path):
    server.always["/candles"] = server.always["/chart/"] = (status, {"message": "not for you"})
    _, _, state = fetch(tmp_path, settings(server, tmp_path), request_of(name, whole=True))
    assert state.error.code == f"SOURCE-{code}"
    assert f"status {status}" in state.message
    assert "not for you" in state.message
    assert sum(count for path, count in server.seen.items() if "products?" not in path) <= 2


def test_short_pages_are_followed_until_the_end(server, tmp_path):
    environment = settings(server, tmp_path)
    _, _, whole = fetch(tmp_path / "a", environment, request_of("ccxt", whole=True))
    server.seen.clear()
    server.page = 50
    _, _, paged = fetch(tmp_path / "b", environment, request_of("ccxt", whole=True))
    assert paged.dataset_id == whole.dataset_id
    assert sum(server.seen.values()) == 1 + 4  # the markets, and four pages of 168 bars


def test_a_symbol_that_the_exchange_does_not_have(server, tmp_path):
    wanted = request_of("ccxt", symbol="BTC/USDT", whole=True)
    _, _, state = fetch(tmp_path, settings(server, tmp_path), wanted)
    assert state.message == "coinbaseexchange has no symbol 'BTC/USDT'."
    assert state.error.suggestion == "Did you mean 'BTC/USD' or 'ETH/USD'?"


@pytest.mark.parametrize(
    ("exchange_name", "said"),
    [("", "names one of the exchanges"), ("krakn", "received 'krakn'"), ("oxfun", "")],
)
def test_the_exchange_is_named_and_never_chosen(exchange_name, said, server, tmp_path):
    environment = settings(server, tmp_path) | {"MARKETLAB_CCXT_EXCHANGE": exchange_name}
    with pytest.raises(ConfigError) as caught:
        plan_fetch([request_of("ccxt", timeframe="30m")], environment=environment)
    assert said in caught.value.message


def test_daily_bars_stand_at_the_date_of_their_session(server, tmp_path):
    span = {"symbol": "SPY", "timeframe": "1d", "start": "2021-03-08", "end": "2021-04-10"}
    wanted = request_of("yfinance", **span, candles_per_request=5)
    plan, catalog, state = fetch(tmp_path, settings(server, tmp_path), wanted)
    # Clocks change on 14 March, Good Friday is 2 April, and 2 chunks begin on a weekend.
    assert state.message.startswith("pass: 24 bars, 100.000% of 24 open-market slots")
    bars = catalog.load(state.dataset_id)
    days = bars.time_ns.astype("datetime64[ns]").astype("datetime64[D]")
    assert np.array_equal(days.astype("datetime64[ns]").astype(np.int64), bars.time_ns)
    assert np.is_busday(days).all()
    assert np.datetime64("2021-04-02") not in days
    closes = bars.close_time_ns - bars.time_ns
    assert (closes == 86_400_000_000_000).all()
    assert "not for dividends" in bars.metadata["price_type"]
    assert plan.calendar == "nyse"


def test_slots_without_trade_are_no_bars(tmp_path):
    with exchange(faults=1.0, fault_names=("cells empty",)) as server:
        wanted = request_of("yfinance", whole=True)
        _, _, state = fetch(tmp_path, settings(server, tmp_path), wanted)
    assert state.quality.n_bars == 7 * 24 - 1
    assert state.quality.holes[0].start == "2021-03-01T01:00:00Z"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"symbol": "^N225"}, "does not say by which calendar it trades"),
        ({"symbol": "ABC.XX"}, "does not say by which calendar it trades"),
        ({"symbol": "EURUSD=X", "timeframe": "1d"}, "its date would be a guess"),
        ({"timeframe": "30m"}, "yfinance has no 30m bars"),
    ],
)
def test_what_yahoo_does_not_say_is_not_guessed(changes, said, server, tmp_path):
    with pytest.raises(ConfigError, match=said):
        plan_fetch([request_of("yfinance", **changes)], environment=settings(server, tmp_path))


def test_a_declared_calendar_stands(server, tmp_path):
    environment = settings(server, tmp_path) | {"MARKETLAB_YFINANCE_CALENDAR": "tokyo"}
    wanted = request_of("yfinance", symbol="^N225", timeframe="1d")
    (plan,) = plan_fetch([wanted], environment=environment).datasets
    assert plan.calendar == "tokyo"


# -- sources on this machine ----------------------------------------------------------------------


def test_the_planted_edge_travels_with_the_bars(server, tmp_path):
    wanted = request_of("synthetic", start="2020-01-01", end="2020-01-15", whole=True)
    _, catalog, state = fetch(tmp_path, settings(server, tmp_path), wanted)
    n_bars = 14 * 1440
    config = market_recipe("planted").model_copy(update={"n_bars": n_bars})
    bars = SyntheticMarket(config).bars("BTC-USD")
    fetched = catalog.load(state.dataset_id)
    assert np.array_equal(fetched.close, bars.close)
    assert fetched.metadata["planted_edge"] == bars.metadata["planted_edge"]
    assert fetched.metadata["planted_edge"]["best_attainable_accuracy"] > 0.7
    assert next(m.is_synthetic for m in catalog.list())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"symbol": "BTC-USD"}, "recipe/symbol, like planted/BTC-USD; received 'BTC-USD'"),
        ({"symbol": "plantd/BTC-USD"}, "there is no market recipe 'plantd'"),
        ({"symbol": "null/XYZ"}, "has no symbol 'XYZ'"),
        ({"start": "2019-12-31"}, "the made-up market covers 2020-01-01T00:00:00Z to"),
        ({"timeframe": "1h"}, "synthetic has no 1h bars"),
    ],
)
def test_a_market_that_is_not_made_up(changes, said, server, tmp_path):
    with pytest.raises(ConfigError, match=said):
        plan_fetch([request_of("synthetic", **changes)], environment=settings(server, tmp_path))


def test_a_bundled_series_keeps_its_provenance(wheels, server, tmp_path):
    wanted = request_of(
        "bundled", symbol="SPX", timeframe="1d", start="2010-01-01", end="2012-01-01"
    )
    _, catalog, state = fetch(tmp_path, settings(server, tmp_path), wanted)
    assert state.message.startswith("pass: 504 bars, 100.000%")
    bars = catalog.load(state.dataset_id)
    assert bars.source == "bundled:sp500_1d"
    assert "from the wheel of arch 8.0.0" in bars.provenance
    assert bars.licence.startswith("NCSA")
    with pytest.raises(ConfigError, match="bundled has SPX in bars of 1d, not of 1h"):
        plan_fetch([request_of("bundled", symbol="SPX")], environment={})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"MARKETLAB_FILES_PATH": ""}, "MARKETLAB_FILES_PATH, which is not set"),
        ({"MARKETLAB_FILES_PATH": "/no/such"}, "is no folder: '/no/such'"),
        ({"MARKETLAB_FILES_CALENDAR": "moon"}, "Invalid calendar 'moon'"),
        ({"MARKETLAB_FILES_DECIMAL": ";"}, "decimal"),
        ({"MARKETLAB_FILES_SYNTHETIC": "perhaps"}, "is true or false; received 'perhaps'"),
        ({"MARKETLAB_FILES_TIMEZONE": "Mars"}, "unknown time zone 'Mars'"),
    ],
)
def test_wrong_settings_of_files(changes, said, server, tmp_path):
    environment = settings(server, tmp_path) | changes
    with pytest.raises(ConfigError, match=said):
        plan_fetch([request_of("files")], environment=environment)


def test_files_are_named_declared_and_unchanged(server, tmp_path):
    environment = settings(server, tmp_path) | {"MARKETLAB_FILES_SYNTHETIC": "true"}
    path = Path(environment["MARKETLAB_FILES_PATH"]) / "BTC-USD_1h.csv"
    with pytest.raises(DataNotAvailableError, match=r"there is no file .*ETH-USD_1h\.csv"):
        plan_fetch([request_of("files", symbol="ETH-USD")], environment=environment)
    without = {k: v for k, v in environment.items() if k != "MARKETLAB_FILES_TIMEZONE"}
    with pytest.raises(DataError, match=r"BTC-USD_1h\.csv: .*time"):
        plan_fetch([request_of("files")], environment=without)
    plan = plan_fetch([request_of("files")], environment=environment)
    write_file(path, hours=9 * 24)
    catalog = Catalog(tmp_path / "processed")
    (state,) = acquire(plan, tmp_path / "raw", catalog, policy=QUICK)
    assert state.message == f"{path} was altered after the fetch was planned."
    _, catalog, state = fetch(tmp_path, environment, request_of("files"))
    bars = catalog.load(state.dataset_id)
    assert bars.is_synthetic
    assert bars.metadata["file_sha256"] in bars.provenance
    path.with_suffix(".parquet").write_bytes(b"")
    with pytest.raises(ConfigError, match="which one is meant is not clear"):
        plan_fetch([request_of("files")], environment=environment)


def test_days_of_another_zone_are_not_squeezed_into_those_of_utc(server, tmp_path):
    zone = {"MARKETLAB_FILES_TIMEZONE": "America/New_York"}
    environment = settings(server, tmp_path) | zone
    write_file(tmp_path / "files" / "SPY_1d.csv", hours=20, step=86_400)
    wanted = request_of("files", symbol="SPY", timeframe="1d", whole=True)
    _, catalog, state = fetch(tmp_path, environment, wanted)
    assert state.state == "failed"
    assert "is not on the grid of 86400 s" in state.message or "does not close 1d" in state.message
    assert catalog.list() == []
