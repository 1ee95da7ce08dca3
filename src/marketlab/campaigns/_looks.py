"""Which market days were looked at as a test part, by whom, and how much of another part that is.

A data set with one more bar is another data set, and another strategy cuts its test part elsewhere;
the days of the market are the same. So openings are compared by market and time, over all runs,
data sets and timeframes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from marketlab.core import ConflictError, iso
from marketlab.data import BarFrame, parse_timeframe

MOST_SEEN = 0.5
"""A test part of which more than this was seen before is opened only if it is asked for again."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMED = 5  # runs named in a sentence; the rest is counted
Span = tuple[datetime, datetime]
"""Begin and end of some days, aware UTC."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some bars of one market: closing times (UTC) of the first and the last of them.

    ``market`` is the symbol; for synthetic bars the symbol and which walk it is, because another
    seed is another market on the same days.
    """

    market: str
    symbol: str
    timeframe: str
    first_time: datetime
    last_time: datetime

    @property
    def span(self) -> Span:
        """When the first bar opens (nominally) and the last one closes."""
        return self.first_time - parse_timeframe(self.timeframe), self.last_time

    def to_columns(self) -> dict[str, str]:
        """Return the values of the columns of the same names."""
        return {
            "market": self.market,
            "symbol": self.symbol,
            "timeframe": self.timeframe,
            "first_time": str(iso(self.first_time)),
            "last_time": str(iso(self.last_time)),
        }


def stretch_of(bars: BarFrame, first: int, last: int, *, market: str | None = None) -> Stretch:
    """Return the stretch from bar position `first` to `last`, both included.

    `market` is `market_of` the whole stored series; without it that of `bars`.
    """
    return Stretch(
        market=market or market_of(bars),
        symbol=bars.symbol,
        timeframe=bars.timeframe,
        first_time=_moment(int(bars.close_time_ns[first])),
        last_time=_moment(int(bars.close_time_ns[last])),
    )


def market_of(bars: BarFrame) -> str:
    """Return the symbol; of synthetic bars also which walk they are, told by their first bar."""
    if not bars.is_synthetic:
        return bars.symbol
    first = f"{int(bars.time_ns[0])} {float(bars.close[0])!r}"
    return f"{bars.symbol} synthetic {hashlib.sha256(first.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Judged:
    """Other runs that were judged, without any opening, on the days of one test part.

    ``run_ids`` are those whose validation or walk-forward part overlaps it, oldest first;
    ``n_experiments`` how many different experiments they are besides the run in question;
    ``share`` how much of its time they cover together, 0 to 1. ``n_trained`` runs trained on
    ``trained_share`` of it.
    """

    run_ids: tuple[str, ...] = ()
    n_experiments: int = 0
    share: float = 0.0
    n_trained: int = 0
    trained_share: float = 0.0

    def to_mapping(self) -> dict[str, Any]:
        """Return the facts, JSON-ready."""
        return {
            "n_runs": len(self.run_ids),
            "n_experiments": self.n_experiments,
            "share": round(self.share, 6),
            "run_ids": list(self.run_ids),
            "n_trained": self.n_trained,
            "trained_share": round(self.trained_share, 6),
        }

    @property
    def sentence(self) -> str:
        """Say who was judged on these days; empty if nobody was."""
        if not self.run_ids:
            return ""
        runs, tries = len(self.run_ids), self.n_experiments
        were = "1 other run was" if runs == 1 else f"{runs} other runs were"
        which = {0: "repeats of this experiment", 1: "1 different experiment"}.get(
            tries, f"{tries} different experiments"
        )
        counts = ", which counts as a trial" if tries == 1 else ", each of which counts as a trial"
        return (
            f"{were} judged on {percent(self.share)} of these days before, in validation or a walk "
            f"forward ({named(self.run_ids)}): {which}{counts if tries else ''}."
        )

    @property
    def trained_note(self) -> str:
        """Say who trained on these days, which is no trial; empty if nobody did."""
        if not self.n_trained:
            return ""
        runs = "1 other run" if self.n_trained == 1 else f"{self.n_trained} other runs"
        return f"{runs} trained on {percent(self.trained_share)} of these days."


NOBODY = Judged()


@dataclass(frozen=True)
class Seen:
    """What earlier openings, and earlier judgements, showed of one stretch.

    ``openings`` are the overlapping rows of the ledger, oldest first; ``share`` is how much of the
    stretch's time they cover together, 0 to 1. Openings of the same data set that were recorded
    without their range count as overlapping and add nothing to the share. ``judged`` are the runs
    that were judged on it without an opening.
    """

    openings: tuple[Mapping[str, Any], ...]
    share: float
    judged: Judged = NOBODY

    @property
    def n_trials(self) -> int:
        """Trials on these days, the next opening included."""
        return 1 + len(self.openings) + self.judged.n_experiments

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The runs that looked, each once, in the order of their first look."""
        return tuple(dict.fromkeys(row["run_id"] for row in self.openings))

    @property
    def first_seen(self) -> str | None:
        """When the first of them looked (ISO 8601), None if nobody did."""
        return self.openings[0]["opened_at"] if self.openings else None

    @property
    def without_range(self) -> int:
        """How many of the openings have no recorded range."""
        return sum(row["first_time"] is None for row in self.openings)

    def to_mapping(self) -> dict[str, Any]:
        """Return the facts, JSON-ready."""
        keys = ("run_id", "opened_at", "reason", "timeframe", "first_time", "last_time")
        return {
            "n_openings": len(self.openings),
            "n_runs": len(self.run_ids),
            "share": round(self.share, 6),
            "first_seen": self.first_seen,
            "run_ids": list(self.run_ids),
            "without_range": self.without_range,
            "openings": [{key: row[key] for key in keys} for row in self.openings],
            "judged_before": self.judged.to_mapping(),
            "n_trials": self.n_trials,
            "sentence": self.sentence,
        }

    @property
    def sentence(self) -> str:
        """What a reader of the test part's verdict must know."""
        judged = self.judged.sentence
        total = f"That makes {self.n_trials} trials with this opening." if judged else ""
        said = (self._openings_sentence(), judged, total, self.judged.trained_note)
        return " ".join(each for each in said if each)

    def _openings_sentence(self) -> str:
        if not self.openings:
            return "No test part that was opened before overlaps this one in time."
        count, runs = len(self.openings), len(self.run_ids)
        openings = "1 earlier opening" if count == 1 else f"{count} earlier openings"
        verb = "overlaps" if count == 1 else "overlap"
        by = "1 run" if runs == 1 else f"{runs} runs"
        unknown = f" ({self.without_range} without a recorded range)" if self.without_range else ""
        total = "" if self.judged.run_ids else f", with this one {count + 1}"
        return (
            f"{openings} by {by} {verb} this test part{unknown}: {percent(self.share)} of its time "
            f"was seen before, first on {str(self.first_seen)[:10]}, by {self.names}. Each opening "
            f"counts as a trial{total}."
        )

    @property
    def names(self) -> str:
        """The runs in words, the first few of them."""
        return named(self.run_ids)


def named(run_ids: Sequence[str]) -> str:
    """Return runs in words: the first few by name, the rest counted."""
    first = ", ".join(run_ids[:_NAMED])
    more = len(run_ids) - _NAMED
    return f"{first} and {more} more" if more > 0 else first


def percent(share: float) -> str:
    """Return a share in words; the ends are said only where they are meant."""
    if 0.0 < share < 0.01:
        return "less than 1 %"
    if 0.99 < share < 1.0:
        return "more than 99 %"
    return f"{100 * share:.0f} %"


def seen_before(stretch: Stretch, dataset_id: str, rows: Sequence[Mapping[str, Any]]) -> Seen:
    """Return what earlier openings showed of a stretch.

    Parameters
    ----------
    stretch : the bars in question. dataset_id : the data set that they belong to.
    rows : openings of the ledger with the ``dataset_id`` of their run, oldest first. Those of
        other markets and times are passed over.
    """
    begin, end = stretch.span
    found: list[Mapping[str, Any]] = []
    spans: list[Span] = []
    for row in rows:
        same_data = row["dataset_id"] == dataset_id
        if row["first_time"] is None:
            if same_data:
                found.append(row)
            continue
        if not same_data and row["market"] != stretch.market:
            continue
        other = _span_of(row)
        low, high = max(begin, other[0]), min(end, other[1])
        if low < high:
            found.append(row)
            spans.append((low, high))
    return Seen(tuple(found), covered(spans) / (end - begin))


def refuse_seen(run_id: str, stretch: Stretch, seen: Seen) -> None:
    """Raise `ConflictError` (RUN-TestPartSeen) if more than half of the stretch was seen before."""
    if seen.share <= MOST_SEEN:
        return
    looks = [f"{o['run_id']} on {str(o['opened_at'])[:10]} ({o['reason']})" for o in seen.openings]
    by = "; ".join(looks[:_NAMED])
    more = f"; and {len(looks) - _NAMED} more" if len(looks) > _NAMED else ""
    raise ConflictError(
        f"the test part of {run_id} ({stretch.symbol}, {stretch.first_time:%Y-%m-%d} to "
        f"{stretch.last_time:%Y-%m-%d}) is no longer unseen: {percent(seen.share)} of its time was "
        f"looked at before, by {by}{more}. Nothing was opened or recorded.",
        code="RUN-TestPartSeen",
        field="again",
        suggestion="Keep later bars as the test part of a new run; or look all the same with"
        f" --again, which is recorded and judged as trial {seen.n_trials} on these days.",
        details={"seen_before": seen.to_mapping()},
    )


def part_note(part: str, seen: Seen) -> str | None:
    """Return what a run must be told whose training or validation part was a test part before."""
    count = len(seen.openings)
    if not count:
        return None
    times = "once" if count == 1 else f"{count} times"
    covered = f" ({percent(seen.share)} of its time)" if seen.share else ""
    return (
        f"Bars of the {part} part{covered} were looked at as a test part {times} before, first on "
        f"{str(seen.first_seen)[:10]}, by {seen.names}: whoever chose this design may have known "
        "them."
    )


def _span_of(row: Mapping[str, Any]) -> Span:
    first = datetime.fromisoformat(row["first_time"])
    return first - parse_timeframe(row["timeframe"]), datetime.fromisoformat(row["last_time"])


def covered(spans: Sequence[Span]) -> timedelta:
    """Return the length of the union of some spans."""
    total, reached = timedelta(0), _EPOCH.replace(year=1)
    for low, high in sorted(spans):
        if high > reached:
            total += high - max(low, reached)
            reached = high
    return total


def _moment(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)
