"""Openings of a test part say which market days were looked at.

Openings of before get them from what their run told of its split: opening times of the first and
the last bar, so one bar length is added. Where that is not told they stay empty.
"""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS = ("market", "symbol", "timeframe", "first_time", "last_time")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def upgrade() -> None:
    """Add the columns and fill them for what was opened before."""
    with op.batch_alter_table("test_openings") as table:
        for name in _COLUMNS:
            table.add_column(sa.Column(name, sa.String, nullable=True))
    connection = op.get_bind()
    earlier = sa.text(
        "SELECT t.id, r.dataset_id, r.verdict, o.symbol, o.timeframe, o.result_summary "
        "FROM test_openings t JOIN runs r ON r.run_id = t.run_id "
        "JOIN operations o ON o.operation_id = r.operation_id"
    )
    change = sa.text(
        "UPDATE test_openings SET market = :market, symbol = :symbol, timeframe = :timeframe, "
        "first_time = :first_time, last_time = :last_time WHERE id = :id"
    )
    for row in connection.execute(earlier).mappings().all():
        values = _stretch(dict(row))
        if values is not None:
            connection.execute(change, {"id": row["id"], **values})


def _stretch(row: dict[str, Any]) -> dict[str, str] | None:
    """Return the columns of one opening; None if its run does not tell its test part."""
    part = ((_parsed(row["result_summary"]) or {}).get("splits") or {}).get("test") or {}
    first, last = part.get("first_time"), part.get("last_time")
    step = re.fullmatch(r"(\d+)([mhdw])", row["timeframe"])
    if not first or not last or step is None:
        return None
    bar = timedelta(**{_UNITS[step[2]]: int(step[1])})
    market = row["symbol"]
    if (_parsed(row["verdict"]) or {}).get("is_synthetic"):
        market = f"{market} synthetic {row['dataset_id'][:12]}"
    return {
        "market": market,
        "symbol": row["symbol"],
        "timeframe": row["timeframe"],
        "first_time": _closes(first, bar),
        "last_time": _closes(last, bar),
    }


def _closes(opens: str, bar: timedelta) -> str:
    return (datetime.fromisoformat(opens) + bar).isoformat().replace("+00:00", "Z")


def _parsed(value: Any) -> Any:
    """Return a JSON column's value: SQLite gives text, PostgreSQL gives objects."""
    return json.loads(value) if isinstance(value, str) else value
