"""The ledger's tables of campaigns, operations, runs and openings of the sealed test set.

Times are ISO 8601 texts in UTC. The migrations in `marketlab.store` create these tables; a test
holds the two descriptions equal.
"""

from sqlalchemy import JSON, BigInteger, Column, Integer, String, Table

from marketlab.store import metadata

campaigns = Table(
    "campaigns",
    metadata,
    Column("campaign_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("config_id", String, nullable=False),
    Column("status", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("finished_at", String),
    Column("seed", BigInteger, nullable=False),
    Column("config", JSON(none_as_null=True), nullable=False),
    Column("summary", JSON(none_as_null=True)),
)
"""One row per campaign; `summary` is null until it has finished."""

operations = Table(
    "operations",
    metadata,
    Column("operation_id", String, primary_key=True),
    Column("parent_operation_id", String),
    Column("operation_type", String, nullable=False),
    Column("status", String, nullable=False, index=True),
    Column("strategy_name", String, nullable=False),
    Column("symbol", String, nullable=False),
    Column("timeframe", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("started_at", String),
    Column("completed_at", String),
    Column("request", JSON(none_as_null=True), nullable=False),
    Column("error_message", String),
    Column("error_code", String),
    Column("failure_class", String),
    Column("run_id", String),
    Column("retry_of", String),
    Column("attempt", Integer, nullable=False),
    Column("worker_pid", Integer),
    Column("owner", String),
    Column("result_summary", JSON(none_as_null=True)),
    Column("warnings", JSON(none_as_null=True)),
)
"""One row per operation that was ever asked for; none is deleted."""

runs = Table(
    "runs",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("operation_id", String, nullable=False),
    Column("campaign_id", String),
    Column("config_id", String, nullable=False),
    Column("design_id", String, nullable=False),
    Column("dataset_id", String, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("status", String, nullable=False),
    Column("record", JSON(none_as_null=True), nullable=False),
    Column("verdict", JSON(none_as_null=True)),
    Column("created_at", String, nullable=False),
)
"""One row per training run; `verdict` is null until it has been judged."""

test_openings = Table(
    "test_openings",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String, nullable=False),
    Column("opened_at", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("result", JSON(none_as_null=True)),
    Column("market", String),
    Column("symbol", String),
    Column("timeframe", String),
    Column("first_time", String),
    Column("last_time", String),
)
"""One row each time the sealed test set of a run was opened, in their order.

``first_time`` and ``last_time`` are the closing times of the first and the last bar that was looked
at; ``market`` tells synthetic walks apart. All five are null where an old version recorded none.
"""
