"""A dry run: a promoted model on a feed, with simulated money and the research code's own steps.

Per bar, in this order: the signal of the bar before fills at this bar's open (if the limits
permit), the account is marked at the close and reviewed, the bar goes through the features, the
model forecasts, the policy decides, the kill switch is looked at, the journal gets its line.
No code here can place an order.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from marketlab.backtest import (
    CLASS_NAMES,
    HOLD,
    Account,
    AccountRow,
    Column,
    DecisionStream,
    Permission,
    RiskEvent,
    report_of,
)
from marketlab.core import (
    Clock,
    ConfigError,
    ConflictError,
    FloatArray,
    code_version,
    iso,
)
from marketlab.registry import PromotedModel
from marketlab.runtime._controls import KillSwitch, RiskGate
from marketlab.runtime._feed import Bar, Feed
from marketlab.runtime._journal import JournalWriter
from marketlab.runtime._notifier import JournalNotifier, Notifier
from marketlab.runtime._session_parts import (
    Recorder,
    SessionConfig,
    SessionReport,
    bar_facts,
    bar_time,
    check_bar,
    check_fit,
)
from marketlab.runtime._state import SessionState, moved


class DryRunSession:
    """Runs once, in one thread.

    Parameters
    ----------
    model : what forecasts and decides.
    feed : bars of the model's symbol and timeframe; the live ones lie after its training.
    config : costs and initial equity of the simulated account.
    journal : gets every bar, signal, stop and error; each line carries ``is_synthetic``.
    risk_gate : limits for an account of the same initial equity.
    kill_switch : looked at once per bar.
    clock : stamps the journal; the feed's own if None.
    notifier : is told of signals and stops; a line in the journal if None.

    Raises
    ------
    ConfigError if the feed is of another series, lacks a volume that the features read, or the
    gate was made for another initial equity.
    """

    def __init__(
        self,
        model: PromotedModel,
        feed: Feed,
        *,
        config: SessionConfig,
        journal: JournalWriter,
        risk_gate: RiskGate,
        kill_switch: KillSwitch,
        clock: Clock | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        check_fit(model, feed, config, risk_gate)
        self.state = SessionState.CREATED
        self.is_synthetic = model.card.is_synthetic or feed.is_synthetic
        self._model = model
        self._feed = feed
        self._config = config
        self._journal = journal
        self._gate = risk_gate
        self._kill_switch = kill_switch
        self._clock = clock or feed.clock
        self._notifier = notifier or JournalNotifier(journal)
        self._features = model.feature_set.stream()
        self._decisions = DecisionStream(model.policy)
        self._account = Account(config.costs, config.initial_equity)
        self._recorder: Recorder | None = None
        self._stamp: dict[str, Any] = {}
        self._pending = HOLD
        self._last_time_ns: int | None = None
        self._n_signals = 0
        self._ledger: list[FloatArray] = []
        self._bars: list[FloatArray] = []
        self._times: list[int] = []

    def run(self, *, recorder: Recorder | None = None) -> SessionReport:
        """Warm up, then act on every live bar until the feed ends or the kill switch is on.

        Raises
        ------
        ConflictError if the session ran before or the kill switch is on already. Any error of a
        bar is written to the journal, ends the session as failed and is raised.
        """
        if self._kill_switch.is_on():
            raise ConflictError(
                f"the kill switch is on: {self._kill_switch.reason() or 'no reason given'}.",
                code="RUNTIME-KillSwitchOn",
                suggestion=f"Remove {self._kill_switch.path} once the reason is settled.",
            )
        self._move(SessionState.WARMING_UP)
        self._recorder = recorder
        self._begin()
        try:
            n_warm_up = self._warm_up()
            self._move(SessionState.RUNNING)
            ended_by = self._act()
        except Exception as error:
            self._move(SessionState.FAILED)
            self._write("error", error=str(error), error_type=type(error).__name__)
            raise
        self._move(SessionState.STOPPED)
        report = self._report(ended_by, n_warm_up)
        summary = None if report.account is None else report.account.to_mapping()
        self._write("end", ended_by=ended_by, n_bars=report.n_bars, account=summary)
        return report

    def _begin(self) -> None:
        card, promotion = self._model.card, self._model.promotion
        started = iso(self._clock.now()) or ""
        session = hashlib.sha256(f"{card.card_id}|{self._feed.dataset_id}|{started}".encode())
        self._stamp = {
            "session": session.hexdigest()[:12],
            "mode": "dry_run",
            "is_synthetic": self.is_synthetic,
            "stage": "candidate" if promotion is None else promotion.stage,
            "override": None if promotion is None else promotion.override,
        }
        self._write(
            "session",
            card_id=card.card_id,
            name=card.name,
            symbol=self._feed.symbol,
            timeframe=self._feed.timeframe,
            dataset_id=self._feed.dataset_id,
            config=self._config.to_mapping(),
            limits=self._gate.limits.to_mapping(),
            code_version=code_version(),
        )

    def _warm_up(self) -> int:
        count = 0
        for bar in self._feed.history():
            self._check_bar(bar)
            self._push(bar)
            count += 1
        return count

    def _act(self) -> str:
        killed = False
        for bar in self._feed.live():
            self._check_bar(bar)
            if not self._times:
                self._check_held_out(bar)
            row, event = self._settle(bar, killed=killed)
            if killed:
                self._write("bar", **bar_facts(bar, row, event, None, HOLD))
                return "kill switch"
            probabilities = self._forecast(bar)
            signal = self._decisions.push(probabilities)
            if self._recorder is not None:
                self._recorder.signals.append(signal)
            killed = self._kill_switch.is_on()
            self._pending = HOLD if killed else signal
            self._write("bar", **bar_facts(bar, row, event, probabilities, self._pending))
            self._announce(bar, event)
            if killed:
                self._stop(bar)
                if row.side == 0:
                    return "kill switch"
        return "kill switch, position still open" if killed else "end of feed"

    def _settle(self, bar: Bar, *, killed: bool) -> tuple[AccountRow, RiskEvent]:
        """Fill what is pending at this bar's open, mark at its close, review the limits."""
        prices = np.array([bar.open, bar.high, bar.low, bar.close])
        permission = self._gate.permission(bar.time_ns)
        if killed:
            permission = Permission.FLAT
        row = self._account.step(prices, bar.time_ns, self._pending, permission=int(permission))
        event = self._gate.review(row.equity, opened=row.opened != 0)
        written = self._account.row()
        written[Column.EVENT] = float(event)
        self._ledger.append(written)
        self._bars.append(prices)
        self._times.append(bar.time_ns)
        return row, event

    def _forecast(self, bar: Bar) -> FloatArray:
        features = self._push(bar)
        with np.errstate(over="ignore"):  # too large for float32 means no forecast, as in batch
            row = features.astype(np.float32).reshape(1, -1)
        probabilities: FloatArray = self._model.forecast(row)[0]
        if self._recorder is not None:
            self._recorder.features.append(features.copy())
            self._recorder.probabilities.append(probabilities)
        return probabilities

    def _push(self, bar: Bar) -> FloatArray:
        return self._features.push(
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            time=bar.time_ns / 1e9,
            close_time=bar.close_time_ns / 1e9,
        )

    def _announce(self, bar: Bar, event: RiskEvent) -> None:
        facts = {**self._stamp, "symbol": self._feed.symbol, "bar": bar_time(bar.time_ns)}
        if self._pending != HOLD:
            self._n_signals += 1
            self._notifier.notify(CLASS_NAMES[self._pending], {**facts, "close": bar.close})
        if event != RiskEvent.NONE:
            self._notifier.notify(f"risk limit: {event.name.lower()}", facts)

    def _stop(self, bar: Bar) -> None:
        self._move(SessionState.STOPPING)
        reason = self._kill_switch.reason()
        self._write("kill", bar=bar_time(bar.time_ns), reason=reason)
        facts: Mapping[str, Any] = {**self._stamp, "bar": bar_time(bar.time_ns), "reason": reason}
        self._notifier.notify("kill switch", facts)

    def _check_bar(self, bar: Bar) -> None:
        check_bar(bar, self._last_time_ns)
        self._last_time_ns = bar.time_ns

    def _check_held_out(self, bar: Bar) -> None:
        split = self._model.card.split
        if bar.time_ns < split.first_test_ns():
            raise ConfigError(
                f"the first live bar is of {bar_time(bar.time_ns)}; the model has seen what lies "
                f"before {split.first_test_time}, and an account there would show its memory.",
                code="RUNTIME-InSample",
                field="start",
                suggestion="Start at the first held-out bar or later.",
            )

    def _move(self, target: SessionState) -> None:
        self.state = moved(self.state, target)

    def _write(self, kind: str, **facts: Any) -> None:
        self._journal.append({"kind": kind, "at": iso(self._clock.now()), **self._stamp, **facts})

    def _report(self, ended_by: str, n_warm_up: int) -> SessionReport:
        account = None
        if self._times:
            account = report_of(
                np.array(self._ledger),
                np.array(self._bars),
                np.array(self._times, dtype=np.int64),
                self._pending,
                self._config.costs,
                self._config.initial_equity,
            )
        return SessionReport(
            state=self.state,
            ended_by=ended_by,
            n_warm_up_bars=n_warm_up,
            n_bars=len(self._times),
            n_signals=self._n_signals,
            is_synthetic=self.is_synthetic,
            override=self._stamp["override"],
            account=account,
        )
