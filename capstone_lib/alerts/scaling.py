"""The request for more processes behind an endpoint.

It is recorded, and shown by the endpoint as a metric; whoever runs the endpoint, such as a
Kubernetes autoscaler, reads it there and acts. Nothing is started here.
"""

from typing import Any

from sqlalchemy import Connection, Row, insert, select, text

from capstone_lib.alerts.records import engine_of
from capstone_lib.store import Store
from capstone_lib.store.alert_tables import scale_requests
from capstone_lib.store.engine import reading

__all__ = ["ask_for_more", "replicas_wanted", "withdraw"]

FEWEST = 1


def replicas_wanted(store: Store) -> int:
    """How many replicas are wanted now; 1 if nobody has asked for more.

    Raises
    ------
    StoreError
        If the store is a folder, or cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> from capstone_lib.store import open_store
    >>> with tempfile.TemporaryDirectory() as folder, open_store(f"{folder}/s.db") as store:
    ...     replicas_wanted(store)
    1
    """
    with reading(engine_of(store)) as connection:
        last = _last(connection)
    return FEWEST if last is None else int(last.replicas)


def ask_for_more(
    connection: Connection, *, most: int, at: str, who: str, why: str
) -> tuple[str, dict[str, Any]]:
    """Ask for one replica more, up to ``most``; say what was done, and what undoing it needs."""
    _take_turn(connection)
    last = _last(connection)
    had = FEWEST if last is None else int(last.replicas)
    if had >= most:
        return f"{had} replicas are wanted already, and {most} is the most", {}
    key = _add(connection, had + 1, at=at, who=who, why=why)
    return f"{had + 1} replicas are wanted, after {had} (at most {most})", {
        "replicas": had,
        "key": key,
    }


def withdraw(
    connection: Connection, before: dict[str, Any], *, at: str, who: str, why: str
) -> tuple[str, dict[str, Any]]:
    """Want as many as before, unless somebody has asked anew since."""
    _take_turn(connection)
    if not before:
        return "nothing is taken back: the alert had asked for no more", {}
    last = _last(connection)
    if last is None or last.scale_key != before["key"]:
        said = "" if last is None else f": {last.replicas} by {last.who} at {last.asked_at[:19]}"
        return f"left as it is: somebody has asked anew since{said}", {}
    _add(connection, before["replicas"], at=at, who=who, why=why)
    return f"{before['replicas']} replicas are wanted, as before", {}


def _take_turn(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE scale_requests IN EXCLUSIVE MODE"))


def _last(connection: Connection) -> Row[Any] | None:
    query = select(scale_requests).order_by(scale_requests.c.scale_key.desc()).limit(1)
    return connection.execute(query).one_or_none()


def _add(connection: Connection, replicas: int, **said: str) -> int:
    values = {"asked_at": said["at"], "who": said["who"], "why": said["why"], "replicas": replicas}
    query = insert(scale_requests).values(values).returning(scale_requests.c.scale_key)
    return int(connection.execute(query).scalar_one())
