"""The first tables: datasets, campaigns, operations, runs, openings of the sealed test set."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _json() -> "sa.JSON":
    return sa.JSON(none_as_null=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "datasets",
        sa.Column("dataset_id", sa.String, nullable=False),
        sa.Column("symbol", sa.String, nullable=False),
        sa.Column("timeframe", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("n_bars", sa.Integer, nullable=False),
        sa.Column("first_time", sa.String, nullable=False),
        sa.Column("last_time", sa.String, nullable=False),
        sa.Column("is_synthetic", sa.Boolean, nullable=False),
        sa.Column("has_volume", sa.Boolean, nullable=False),
        sa.Column("path", sa.String, nullable=False),
        sa.Column("file_sha256", sa.String, nullable=False),
        sa.Column("added_at", sa.String, nullable=False),
        sa.Column("metadata", _json(), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", name="pk_datasets"),
    )
    op.create_table(
        "campaigns",
        sa.Column("campaign_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("config_id", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("finished_at", sa.String, nullable=True),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("config", _json(), nullable=False),
        sa.Column("summary", _json(), nullable=True),
        sa.PrimaryKeyConstraint("campaign_id", name="pk_campaigns"),
    )
    _create_operations()
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("operation_id", sa.String, nullable=False),
        sa.Column("campaign_id", sa.String, nullable=True),
        sa.Column("config_id", sa.String, nullable=False),
        sa.Column("design_id", sa.String, nullable=False),
        sa.Column("dataset_id", sa.String, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("record", _json(), nullable=False),
        sa.Column("verdict", _json(), nullable=True),
        sa.Column("created_at", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_runs"),
    )
    op.create_table(
        "test_openings",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("opened_at", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("result", _json(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_test_openings"),
    )


def _create_operations() -> None:
    op.create_table(
        "operations",
        sa.Column("operation_id", sa.String, nullable=False),
        sa.Column("parent_operation_id", sa.String, nullable=True),
        sa.Column("operation_type", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("strategy_name", sa.String, nullable=False),
        sa.Column("symbol", sa.String, nullable=False),
        sa.Column("timeframe", sa.String, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("started_at", sa.String, nullable=True),
        sa.Column("completed_at", sa.String, nullable=True),
        sa.Column("request", _json(), nullable=False),
        sa.Column("error_message", sa.String, nullable=True),
        sa.Column("error_code", sa.String, nullable=True),
        sa.Column("failure_class", sa.String, nullable=True),
        sa.Column("run_id", sa.String, nullable=True),
        sa.Column("retry_of", sa.String, nullable=True),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("worker_pid", sa.Integer, nullable=True),
        sa.Column("owner", sa.String, nullable=True),
        sa.Column("result_summary", _json(), nullable=True),
        sa.Column("warnings", _json(), nullable=True),
        sa.PrimaryKeyConstraint("operation_id", name="pk_operations"),
    )
    op.create_index("ix_operations_status", "operations", ["status"])


def downgrade() -> None:
    """Refuse: going back would delete the ledger."""
    raise NotImplementedError("the first migration is not undone; delete the database instead")
