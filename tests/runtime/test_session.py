from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from runtime_world import CONFIG, N_BARS, START, bars, promoted

from marketlab.backtest import DecisionPolicy, RiskLimits
from marketlab.core import ConfigError, ConflictError, DataError, ManualClock
from marketlab.runtime import (
    TRANSITIONS,
    DryRunSession,
    Journal,
    KillSwitch,
    MemoryJournal,
    ReplayFeed,
    RiskGate,
    SessionConfig,
    SessionState,
    read_journal,
    replay_start,
)
from marketlab.runtime._state import moved


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return promoted(tmp_path_factory.mktemp("workspace"))


def session(model, tmp_path, *, feed=None, journal=None, limits=None, config=CONFIG, **options):
    return DryRunSession(
        model,
        feed or ReplayFeed(bars(), start=START),
        config=config,
        journal=journal if journal is not None else MemoryJournal(),
        risk_gate=RiskGate(limits or RiskLimits(), CONFIG.initial_equity),
        kill_switch=KillSwitch(tmp_path / "KILL"),
        **options,
    )


class Interrupting(ReplayFeed):
    """A replay during which something happens just before a bar arrives."""

    def __init__(self, series, *, start, at, action):
        super().__init__(series, start=start)
        self.at, self.action = at, action

    def live(self):
        for bar in super().live():
            if bar.position == self.at:
                self.action()
            yield bar


def test_a_run_writes_every_bar_with_its_flags(model, tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        run = session(model, tmp_path, journal=journal)
        report = run.run()
    assert run.state is SessionState.STOPPED
    assert report.ended_by == "end of feed"
    assert (report.n_warm_up_bars, report.n_bars) == (START, N_BARS - START)
    assert report.n_signals > 5
    lines = read_journal(path)
    assert {line["is_synthetic"] for line in lines} == {True}
    assert {(line["mode"], line["stage"]) for line in lines} == {("dry_run", "dry_run")}
    assert {line["override"] for line in lines} == {"test of the runtime"}
    assert len({line["session"] for line in lines}) == 1
    kinds = [line["kind"] for line in lines]
    assert (kinds[0], kinds[-1]) == ("session", "end")
    assert kinds.count("bar") == report.n_bars
    emitted = [line for line in lines if line["kind"] == "notification"]
    assert len(emitted) == report.n_signals
    assert {line["subject"] for line in emitted} <= {"BUY", "SELL"}
    written = [line for line in lines if line["kind"] == "bar"]
    assert [line["equity"] for line in written] == report.account.equity.tolist()
    # The replay's clock stands at each bar's close, so the journal needs no wall clock.
    closes = bars().close_time_ns[START:]
    assert [
        int(datetime.fromisoformat(line["at"]).timestamp()) * 10**9 for line in written
    ] == closes.tolist()
    assert lines[-1]["account"]["final_equity"] == report.account.equity[-1]


def test_two_replays_write_the_same_journal_to_the_byte(model, tmp_path):
    texts = []
    for name in ("one", "two"):
        with Journal(tmp_path / name) as journal:
            session(model, tmp_path, journal=journal).run()
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1]


def test_the_kill_switch_stops_emission_and_closes_at_the_next_open(model, tmp_path):
    plain = session(model, tmp_path).run()
    held = np.flatnonzero(plain.account.position)
    at = START + int(held[len(held) // 2])
    switch = KillSwitch(tmp_path / "KILL")
    feed = Interrupting(bars(), start=START, at=at, action=lambda: switch.turn_on("drill"))
    journal = MemoryJournal()
    run = session(model, tmp_path, feed=feed, journal=journal)
    report = run.run()
    assert report.ended_by == "kill switch"
    assert run.state is SessionState.STOPPED
    assert report.n_bars == at - START + 2
    assert report.account.position[-2] != 0
    assert report.account.position[-1] == 0
    assert report.account.summary.open_position is None
    np.testing.assert_array_equal(
        report.account.equity[:-1], plain.account.equity[: at - START + 1]
    )
    kill = [line for line in journal.records if line["kind"] == "kill"]
    assert [line["reason"] for line in kill] == ["drill"]
    after = [line for line in journal.records if line["kind"] == "bar"][-2:]
    assert [line["signal"] for line in after] == ["HOLD", "HOLD"]
    subjects = [r["subject"] for r in journal.records if r["kind"] == "notification"]
    assert subjects[-1] == "kill switch"
    with pytest.raises(ConflictError, match=r"the kill switch is on: drill\. Remove .*KILL"):
        session(model, tmp_path).run()
    switch.turn_off()
    session(model, tmp_path).run()


def test_a_signal_already_decided_is_not_emitted_once_the_switch_is_on(model, tmp_path):
    plain = MemoryJournal()
    session(model, tmp_path, journal=plain).run()
    first = next(line for line in plain.records if line.get("signal") in {"BUY", "SELL"})
    switch = KillSwitch(tmp_path / "KILL")
    feed = Interrupting(
        bars(), start=START, at=first["position"], action=lambda: switch.turn_on("now")
    )
    journal = MemoryJournal()
    report = session(model, tmp_path, feed=feed, journal=journal).run()
    assert report.n_signals == 0
    assert report.account.summary.n_trades == 0
    # Flat already: nothing to close, so it ends with the very bar.
    assert report.n_bars == first["position"] - START + 1


def test_a_switch_that_cannot_be_looked_at_is_on(tmp_path, monkeypatch):
    switch = KillSwitch(tmp_path / "KILL")
    assert not switch.is_on()

    def refuse(self):
        raise PermissionError

    monkeypatch.setattr(type(switch.path), "exists", refuse)
    assert switch.is_on()


def test_limits_hold_in_the_session_and_are_announced(model, tmp_path):
    limits = RiskLimits(max_drawdown_fraction=0.002, max_trades_per_day=2)
    journal = MemoryJournal()
    report = session(model, tmp_path, journal=journal, limits=limits).run()
    assert report.account.summary.risk_events == {"drawdown": 1}
    events = [r["bar"] for r in journal.records if r.get("event") == "drawdown"]
    notes = [r for r in journal.records if r.get("subject") == "risk limit: drawdown"]
    assert [note["bar"] for note in notes] == events
    assert notes[0]["is_synthetic"] is True
    hit = next(i for i, r in enumerate(journal.records) if r.get("event") == "drawdown")
    later = [r for r in journal.records[hit + 1 :] if r["kind"] == "bar"]
    assert {r["side"] for r in later} == {0}
    assert any(r["blocked"] for r in later)


def test_the_gate_is_the_backtests_own_limits(tmp_path):
    gate = RiskGate(RiskLimits(max_daily_loss_fraction=0.01), 100.0)
    day = 86_400_000_000_000
    assert gate.permission(day) == 0
    assert gate.review(99.0, opened=True) == 1
    assert gate.permission(day + 1) == 2
    assert gate.permission(2 * day) == 0
    assert not gate.stopped
    assert gate.review(0.0, opened=False) == 3
    assert gate.stopped


def test_an_error_of_a_bar_ends_the_session_as_failed_and_is_on_record(model, tmp_path):
    class Stuck(ReplayFeed):
        def live(self):
            for bar in super().live():
                yield bar._replace(time_ns=self._bars.time_ns[0]) if bar.position == 700 else bar

    class Broken(ReplayFeed):
        def live(self):
            for bar in super().live():
                yield bar._replace(high=bar.low / 2) if bar.position == 700 else bar

    for feed, message in (
        (Stuck(bars(), start=START), "is not later than the one before it"),
        (Broken(bars(), start=START), "is no bar"),
    ):
        journal = MemoryJournal()
        run = session(model, tmp_path, feed=feed, journal=journal)
        with pytest.raises(DataError, match=message):
            run.run()
        assert run.state is SessionState.FAILED
        assert journal.records[-1]["kind"] == "error"
        assert message in journal.records[-1]["error"]
        with pytest.raises(ConflictError, match="a session that is failed cannot become"):
            run.run()


def test_no_account_is_kept_on_bars_the_model_has_seen(model, tmp_path):
    run = session(model, tmp_path, feed=ReplayFeed(bars(), start=START - 1))
    with pytest.raises(ConfigError, match="an account there would show its memory"):
        run.run()
    assert run.state is SessionState.FAILED
    assert replay_start(bars(), model.card.split.first_test_ns()) == START
    with pytest.raises(DataError, match="ends before the model's first held-out bar"):
        replay_start(bars(), int(bars().time_ns[-1]) + 1)


def test_what_does_not_fit_is_refused_before_the_first_bar(model, tmp_path):
    other = replace(bars(), symbol="GBPUSD")
    with pytest.raises(ConfigError, match="trained on EURUSD 1h; the feed brings GBPUSD 1h"):
        session(model, tmp_path, feed=ReplayFeed(other, start=START))
    with pytest.raises(ConfigError, match=r"guards 10000\.0 and the account starts with 500\.0"):
        session(model, tmp_path, config=SessionConfig(costs=CONFIG.costs, initial_equity=500.0))
    with pytest.raises(ConfigError, match=f"from 0 to {N_BARS - 1}; received {N_BARS}"):
        ReplayFeed(bars(), start=N_BARS)


def test_a_given_clock_stamps_the_journal(model, tmp_path):
    clock = ManualClock(datetime(2030, 1, 1, tzinfo=UTC))
    journal = MemoryJournal()
    session(model, tmp_path, journal=journal, clock=clock).run()
    stamped = {r["at"] for r in journal.records if "at" in r}
    assert stamped == {"2030-01-01T00:00:00Z"}


def test_live_bars_in_the_warm_up_have_no_forecast(tmp_path):
    early = promoted(tmp_path, name="early", policy=DecisionPolicy(confidence_threshold=0.0))
    split = early.card.split.model_copy(
        update={
            "last_train_time": "1999-01-01T00:00:00Z",
            "first_test_time": "2000-01-01T00:00:00Z",
        }
    )
    early = replace(early, card=early.card.model_copy(update={"split": split}))
    journal = MemoryJournal()
    session(early, tmp_path, feed=ReplayFeed(bars(), start=0), journal=journal).run()
    written = [r for r in journal.records if r["kind"] == "bar"]
    warm_up = early.feature_set.warm_up_bars
    assert warm_up > 0
    assert all(r["probabilities"] is None for r in written[:warm_up])
    assert all(r["signal"] == "HOLD" for r in written[:warm_up])
    assert all(r["probabilities"] is not None for r in written[warm_up:])


@pytest.mark.parametrize("present", list(SessionState))
@pytest.mark.parametrize("target", list(SessionState))
def test_only_the_listed_transitions_are_possible(present, target):
    if target in TRANSITIONS[present]:
        assert moved(present, target) is target
    else:
        with pytest.raises(ConflictError, match=f"that is {present} cannot become {target}"):
            moved(present, target)


def test_every_state_can_be_reached_and_the_ends_are_ends():
    reached = {SessionState.CREATED}
    for _ in SessionState:
        reached |= {t for s in reached for t in TRANSITIONS[s]}
    assert reached == set(SessionState)
    assert [s for s in SessionState if not TRANSITIONS[s]] == [
        SessionState.STOPPED,
        SessionState.FAILED,
    ]
