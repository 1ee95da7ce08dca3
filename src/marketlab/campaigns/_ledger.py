"""The ledger: every operation, run and campaign, with the only ways a status may change.

One process writes an operation at a time (its executor); every change of status is one UPDATE that
names the statuses it may come from, so two processes cannot both win.
"""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, func, insert, select, text, update

from marketlab.campaigns._looks import (
    NOBODY,
    Judged,
    Seen,
    Stretch,
    refuse_seen,
    seen_before,
)
from marketlab.campaigns._tables import campaigns, operations, runs, test_openings
from marketlab.core import Clock, ConflictError, NotFoundError, RunRecord, SystemClock, iso, stamp
from marketlab.store import Store

FROM: dict[str, tuple[str, ...]] = {
    "running": ("pending", "resuming"),
    "completed": ("running",),
    "failed": ("pending", "resuming", "running"),
    "cancelled": ("pending", "resuming", "running"),
    "resuming": ("failed", "cancelled"),
}
"""For each status, the statuses it may come from. `pending` is where an operation is born."""

ACTIVE = ("pending", "resuming", "running")
FINAL = ("completed", "failed", "cancelled")
ANYBODY: Any = object()
"""As `owner_is`: whoever owns the operation."""
# Ids are names of files and folders, at most 120 characters; the suffix keeps them apart.
_NAME_LENGTH = 64
_SYMBOL_LENGTH = 20


@dataclass(frozen=True)
class NewOperation:
    """What is known of an operation when it is asked for."""

    operation_type: str
    request: dict[str, Any]
    strategy_name: str | None = None
    symbol: str | None = None
    timeframe: str | None = None
    parent_operation_id: str | None = None
    retry_of: str | None = None
    owner: str | None = None
    attempt: int = 1


@dataclass(frozen=True)
class Opening:
    """One opening: its number among those of its run, and who had seen the same days before."""

    number: int
    seen: Seen

    @property
    def n_trials(self) -> int:
        """Trials on these days, this opening included."""
        return self.seen.n_trials


class Ledger:
    """Reads and writes the tables of operations, runs and campaigns."""

    def __init__(self, store: Store, *, clock: Clock | None = None) -> None:
        self.store = store
        self.clock = clock or SystemClock()

    def _now(self) -> str:
        return str(iso(self.clock.now()))

    # -- operations ---------------------------------------------------------------------------

    def create_operation(self, new: NewOperation) -> str:
        """Record an operation as pending and return its id."""
        suffix = uuid.uuid4().hex[:8]
        operation_id = f"op_{new.operation_type}_{stamp(self.clock.now())}_{suffix}"
        run_id = None
        if new.operation_type == "training":
            symbol, name = str(new.symbol)[:_SYMBOL_LENGTH], str(new.strategy_name)[:_NAME_LENGTH]
            run_id = f"{symbol}_{name}_{stamp(self.clock.now())}_{suffix}"
        with self.store.begin() as connection:
            connection.execute(
                insert(operations).values(
                    operation_id=operation_id,
                    status="pending",
                    created_at=self._now(),
                    run_id=run_id,
                    **new.__dict__,
                )
            )
        return operation_id

    def operation(self, operation_id: str) -> dict[str, Any]:
        """Return one operation's row.

        Raises
        ------
        NotFoundError if there is none.
        """
        with self.store.connect() as connection:
            row = (
                connection.execute(
                    select(operations).where(operations.c.operation_id == operation_id)
                )
                .mappings()
                .one_or_none()
            )
        if row is None:
            raise NotFoundError(
                f"there is no operation {operation_id!r}.",
                code="OPERATION-NotFound",
                field="operation_id",
                suggestion="`marketlab operations` lists them.",
            )
        return dict(row)

    def transition(
        self,
        operation_id: str,
        to: str,
        *,
        only_from: Iterable[str] | None = None,
        owner_is: str | None = ANYBODY,
        **fields: Any,
    ) -> bool:
        """Change the status atomically; return False if status or owner do not allow it."""
        allowed = tuple(only_from) if only_from is not None else FROM[to]
        values: dict[str, Any] = {"status": to, **fields}
        if to == "running":
            values.setdefault("started_at", self._now())
        if to in FINAL:
            values.setdefault("completed_at", self._now())
        if to == "resuming":
            values.update(
                completed_at=None, error_message=None, error_code=None, failure_class=None
            )
        change = (
            update(operations)
            .where(operations.c.operation_id == operation_id)
            .where(operations.c.status.in_(allowed))
        )
        if owner_is is not ANYBODY:
            change = change.where(operations.c.owner.is_not_distinct_from(owner_is))
        with self.store.begin() as connection:
            changed = connection.execute(change.values(**values))
        return bool(changed.rowcount)

    def require_transition(self, operation_id: str, to: str, **fields: Any) -> None:
        """Change the status or raise `ConflictError` naming the present one."""
        if not self.transition(operation_id, to, **fields):
            present = self.operation(operation_id)["status"]
            raise ConflictError(
                f"the operation is {present}; it becomes {to} only from {', '.join(FROM[to])}.",
                code="OPERATION-WrongState",
                field="status",
                value=present,
            )

    def update_operation(self, operation_id: str, **fields: Any) -> None:
        """Write facts that do not change the status."""
        with self.store.begin() as connection:
            connection.execute(
                update(operations).where(operations.c.operation_id == operation_id).values(**fields)
            )

    def list_operations(
        self,
        *,
        statuses: Iterable[str] | None = None,
        operation_type: str | None = None,
        parent: str | None = None,
        campaign_id: str | None = None,
        limit: int | None = None,
        offset: int = 0,
        newest_first: bool = False,
    ) -> tuple[list[dict[str, Any]], int]:
        """Return matching rows in the order of creation, and how many match in all."""
        query = select(operations)
        if statuses is not None:
            query = query.where(operations.c.status.in_(tuple(statuses)))
        if operation_type is not None:
            query = query.where(operations.c.operation_type == operation_type)
        if parent is not None:
            query = query.where(operations.c.parent_operation_id == parent)
        if campaign_id is not None:
            # In the database: parsing every other request costs a second in a ledger of years.
            query = query.where(operations.c.request["campaign_id"].as_string() == campaign_id)
        order = operations.c.created_at.desc() if newest_first else operations.c.created_at
        with self.store.connect() as connection:
            total = connection.execute(select(func.count()).select_from(query.subquery())).scalar()
            page = query.order_by(order, operations.c.operation_id).offset(offset)
            if limit is not None:
                page = page.limit(limit)
            found = [dict(row) for row in connection.execute(page).mappings()]
        return found, int(total or 0)

    # -- runs ---------------------------------------------------------------------------------

    def record_run(
        self, record: RunRecord, *, operation_id: str, campaign_id: str | None, design_id: str
    ) -> None:
        """Write or update a run's record; its verdict is written apart."""
        values = {
            "operation_id": operation_id,
            "campaign_id": campaign_id,
            "config_id": record.config_id,
            "design_id": design_id,
            "dataset_id": record.dataset_id,
            "seed": record.seed,
            "status": record.status,
            "record": record.to_mapping(),
        }
        with self.store.begin() as connection:
            changed = connection.execute(
                update(runs).where(runs.c.run_id == record.run_id).values(**values)
            )
            if not changed.rowcount:
                connection.execute(
                    insert(runs).values(run_id=record.run_id, created_at=self._now(), **values)
                )

    def set_verdict(self, run_id: str, verdict: dict[str, Any]) -> None:
        """Write the verdict of a run."""
        with self.store.begin() as connection:
            connection.execute(update(runs).where(runs.c.run_id == run_id).values(verdict=verdict))

    def run(self, run_id: str) -> dict[str, Any]:
        """Return one run's row, `NotFoundError` if there is none."""
        with self.store.connect() as connection:
            row = (
                connection.execute(select(runs).where(runs.c.run_id == run_id))
                .mappings()
                .one_or_none()
            )
        if row is None:
            raise NotFoundError(
                f"there is no run {run_id!r} in the ledger.", code="RUN-NotFound", field="run_id"
            )
        return dict(row)

    def list_runs(self, *, campaign_id: str | None = None) -> list[dict[str, Any]]:
        """Return runs in the order of creation."""
        query = select(runs).order_by(runs.c.created_at, runs.c.run_id)
        if campaign_id is not None:
            query = query.where(runs.c.campaign_id == campaign_id)
        with self.store.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    # -- the sealed test part -----------------------------------------------------------------

    def record_test_opening(
        self,
        run_id: str,
        *,
        reason: str,
        result: dict[str, Any] | None,
        stretch: Stretch,
        judged: Judged = NOBODY,
        again: bool = True,
    ) -> Opening:
        """Record that somebody looked at a run's test part.

        Finding the earlier looks at the same days and recording this one is one transaction: of
        two processes that open at once, the later one counts the earlier.

        Parameters
        ----------
        stretch : the bars that will be looked at.
        judged : who was judged on them without opening anything (`judged_before`).
        again : False refuses a stretch of which more than half was seen before.

        Raises
        ------
        ConflictError (RUN-TestPartSeen) if it is refused; nothing is recorded then. NotFoundError
        if the run is unknown.
        """
        dataset_id = self.run(run_id)["dataset_id"]
        with self.store.begin() as connection:
            if not self.store.is_sqlite:  # SQLite writers already wait for each other
                connection.execute(text("LOCK TABLE test_openings IN SHARE ROW EXCLUSIVE MODE"))
            earlier = [dict(row) for row in connection.execute(_openings_query()).mappings()]
            seen = replace(seen_before(stretch, dataset_id, earlier), judged=judged)
            if not again:
                refuse_seen(run_id, stretch, seen)
            connection.execute(
                insert(test_openings).values(
                    run_id=run_id,
                    opened_at=self._now(),
                    reason=reason,
                    result=result,
                    **stretch.to_columns(),
                )
            )
        number = 1 + sum(row["run_id"] == run_id for row in earlier)
        return Opening(number, seen)

    def looks_at(
        self,
        stretch: Stretch,
        dataset_id: str,
        *,
        before: str | None = None,
        besides: Collection[str] = (),
    ) -> Seen:
        """Return who looked at some bars as a test part, in any run, data set or timeframe.

        `before` (ISO 8601) leaves out later looks, `besides` those of some runs.
        """
        with self.store.connect() as connection:
            rows = [dict(row) for row in connection.execute(_openings_query()).mappings()]
        kept = [
            row
            for row in rows
            if row["run_id"] not in besides and (before is None or row["opened_at"] < before)
        ]
        return seen_before(stretch, dataset_id, kept)

    def any_test_opening(self) -> bool:
        """Return whether any run's test part was ever looked at."""
        with self.store.connect() as connection:
            return connection.execute(select(test_openings.c.id).limit(1)).first() is not None

    def test_openings(self, run_id: str) -> list[dict[str, Any]]:
        """Return the openings of one run's test part, oldest first."""
        query = (
            select(test_openings)
            .where(test_openings.c.run_id == run_id)
            .order_by(test_openings.c.id)
        )
        with self.store.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    # -- campaigns ----------------------------------------------------------------------------

    def create_campaign(
        self, *, name: str, config_id: str, seed: int, config: dict[str, Any]
    ) -> str:
        """Record a campaign as running and return its id."""
        campaign_id = f"{name[:_NAME_LENGTH]}_{stamp(self.clock.now())}_{uuid.uuid4().hex[:6]}"
        with self.store.begin() as connection:
            connection.execute(
                insert(campaigns).values(
                    campaign_id=campaign_id,
                    name=name,
                    config_id=config_id,
                    status="running",
                    created_at=self._now(),
                    seed=seed,
                    config=config,
                    summary=None,
                )
            )
        return campaign_id

    def update_campaign(self, campaign_id: str, **fields: Any) -> None:
        """Write facts of a campaign; a final status gets its time."""
        if fields.get("status") in FINAL:
            fields.setdefault("finished_at", self._now())
        with self.store.begin() as connection:
            connection.execute(
                update(campaigns).where(campaigns.c.campaign_id == campaign_id).values(**fields)
            )

    def campaign(self, campaign_id: str) -> dict[str, Any]:
        """Return one campaign's row, `NotFoundError` (listing what exists) if there is none."""
        for row in self.list_campaigns():
            if row["campaign_id"] == campaign_id:
                return row
        known = [row["campaign_id"] for row in self.list_campaigns()][-5:]
        raise NotFoundError(
            f"there is no campaign {campaign_id!r}.",
            code="CAMPAIGN-NotFound",
            field="campaign_id",
            suggestion=f"The latest are {', '.join(known) or 'none'}.",
        )

    def list_campaigns(self) -> list[dict[str, Any]]:
        """Return campaigns in the order of creation."""
        query = select(campaigns).order_by(campaigns.c.created_at, campaigns.c.campaign_id)
        with self.store.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _openings_query() -> Select[Any]:
    """Return the query of all openings with their run's data set, oldest first."""
    return (
        select(test_openings, runs.c.dataset_id)
        .select_from(test_openings.outerjoin(runs, runs.c.run_id == test_openings.c.run_id))
        .order_by(test_openings.c.id)
    )
