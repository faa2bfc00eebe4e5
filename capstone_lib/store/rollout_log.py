"""The table of rollouts, which every process of an endpoint follows.

Rows are added and never changed; the last one counts. So the table is also the record of who
changed what, when and why.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select, text

from capstone_lib.store.rollout import Rollout, changed
from capstone_lib.store.run import now
from capstone_lib.store.tables import rollout_rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["add_change", "last_rollout", "read_history"]

_COLUMNS = tuple(rollout_rows.c.keys())


def last_rollout(connection: Connection) -> Rollout:
    """The rollout in force."""
    query = select(rollout_rows).order_by(rollout_rows.c.rollout_key.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return Rollout() if row is None else _read(row._mapping)


def add_change(connection: Connection, **change: Any) -> Rollout:
    """Change the rollout in force, within the connection's transaction, which must be for writing.

    Writers take turns: SQLite lets one in at a time, PostgreSQL is told to. So a change starts from
    the one before it, and two at once are both kept.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE rollout IN EXCLUSIVE MODE"))
    rollout = replace(changed(last_rollout(connection), **change), changed_at=now())
    values = {name: getattr(rollout, name) for name in _COLUMNS if name != "rollout_key"}
    query = insert(rollout_rows).values(values).returning(rollout_rows.c.rollout_key)
    return replace(rollout, key=int(connection.execute(query).scalar_one()))


def read_history(connection: Connection) -> "pd.DataFrame":
    """Every change, oldest first: what has been in force since when, who wanted it and why."""
    query = select(rollout_rows).order_by(rollout_rows.c.rollout_key)
    return _frame([tuple(row) for row in connection.execute(query)])


def _frame(rows: Sequence[tuple[Any, ...]]) -> "pd.DataFrame":
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(_COLUMNS))
    times = pd.to_datetime(frame["changed_at"], format="ISO8601", utc=True)
    frame["changed_at"] = times.dt.tz_localize(None)
    return frame.astype({"paused": "bool", "shadow": "bool", "canary_share": "float64"})


def _read(row: Any) -> Rollout:
    values = {name: row[name] for name in _COLUMNS if name != "rollout_key"}
    return Rollout(**values, key=row["rollout_key"])
