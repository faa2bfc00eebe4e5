"""Actions on the rollout, which every process of an endpoint follows within a second.

A pause or a degraded route is a wish, and several alerts may have the same one. The first writes
the change; the others find it made and hold on to it. It is taken back when the last of them lets
go, and only if nobody has changed it since: what a person decides is theirs to take back.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, text

from capstone_lib.store.alert_tables import alert_actions, alerts
from capstone_lib.store.rollout import Rollout
from capstone_lib.store.rollout_log import add_change, last_rollout
from capstone_lib.store.tables import rollout_rows

__all__ = ["GIVES_BACK", "Wish", "give_back", "put", "wish_of"]

GIVES_BACK = {"resume_rollout": "pause_rollout", "recover_route": "degrade_route"}
"""What takes back what: the first is done when the alert clears, if its rule names both."""


@dataclass(frozen=True)
class Wish:
    """What an action wants the rollout to be, and how to say it."""

    field: str
    value: Any
    rest: Any
    done: str
    there: str

    @property
    def gives_back(self) -> bool:
        """Whether it wants what is so when nothing is wrong."""
        return bool(self.value == getattr(Rollout(), self.field))


_WISHES = {
    "pause_rollout": Wish("paused", True, False, "the rollout is paused", "it was paused already"),
    "resume_rollout": Wish("paused", False, True, "the rollout goes on", "it was not paused"),
    "degrade_route": Wish(
        "route", "degraded", "stable", "the degraded route answers", "it answered already"
    ),
    "recover_route": Wish(
        "route", "stable", "degraded", "the stable route answers again", "it answered already"
    ),
}


def wish_of(action: str) -> Wish | None:
    """What an action wants of the rollout; ``None`` if it wants nothing of it."""
    return _WISHES.get(action)


def put(
    connection: Connection, wish: Wish, *, alert_key: int, who: str, why: str
) -> tuple[str, dict[str, Any]]:
    """Make the rollout as wished, unless it is.

    What gives back does not take from an alert that holds on to what is.

    Returns
    -------
    (str, dict)
        What was done, in words, and what undoing it needs; empty if somebody else's change stands
        there, which is not ours to undo.
    """
    _take_turn(connection)
    cause = _last_change(connection, wish.field)
    holders = [] if cause is None else _holders(connection, cause.rollout_key)
    if getattr(last_rollout(connection), wish.field) == wish.value:
        before = _before(wish, cause.rollout_key) if cause is not None and holders else {}
        return f"{wish.there}{_since(cause)}", before
    said = _held_by_another(holders, alert_key)
    if wish.gives_back and said:  # a brake is put on whoever wants none
        return said, {}
    change: dict[str, Any] = {wish.field: wish.value}
    made = add_change(connection, who=who, why=why, **change)
    return f"{wish.done} (change {made.key})", _before(wish, made.key)


def give_back(
    connection: Connection, before: dict[str, Any], *, alert_key: int, who: str, why: str
) -> tuple[str, dict[str, Any]]:
    """Take an action's change back, unless somebody changed it since or another alert holds it.

    Returns
    -------
    (str, dict)
        What was done, in words, and what undoing that needs; empty if nothing was changed.
    """
    _take_turn(connection)
    if not before:
        return "nothing is taken back: the alert had changed nothing", {}
    cause = _last_change(connection, before["field"])
    if cause is None or cause.rollout_key != before["key"]:
        return f"left as it is: it was changed{_since(cause)}", {}
    if said := _held_by_another(_holders(connection, before["key"]), alert_key):
        return said, {}
    wanted = next(
        one
        for one in _WISHES.values()
        if one.field == before["field"] and one.value == before["value"]
    )
    change: dict[str, Any] = {wanted.field: wanted.value}
    made = add_change(connection, who=who, why=why, **change)
    return f"{wanted.done} (change {made.key})", _before(wanted, made.key)


def _take_turn(connection: Connection) -> None:
    """Between reading the rollout and changing it nobody else may change it; SQLite sees to it."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE rollout IN EXCLUSIVE MODE"))


def _before(wish: Wish, key: int) -> dict[str, Any]:
    return {"field": wish.field, "value": wish.rest, "key": key}


def _last_change(connection: Connection, field: str) -> Row[Any] | None:
    """The newest change of the rollout after which this field was another."""
    found, value = None, getattr(Rollout(), field)
    for row in connection.execute(select(rollout_rows).order_by(rollout_rows.c.rollout_key)):
        if row._mapping[field] != value:
            found, value = row, row._mapping[field]
    return found


def _holders(connection: Connection, key: int) -> list[Row[Any]]:
    """The alerts whose actions made this change, or found it made, and have not let go of it."""
    query = (
        select(alert_actions.c.before, alerts)
        .join(alerts, alerts.c.alert_key == alert_actions.c.alert_key)
        .where(alert_actions.c.done_at.is_not(None), alert_actions.c.undone_at.is_(None))
    )
    rows = connection.execute(query)
    return [row for row in rows if "field" in row.before and row.before["key"] == key]


def _held_by_another(holders: list[Row[Any]], alert_key: int) -> str:
    """Say which open alert holds on to the change, if one does."""
    for other in holders:
        if other.alert_key != alert_key and other.cleared_at is None:
            return f"left as it is: the alert {other.alert_id} holds on to it"
    return ""


def _since(cause: Row[Any] | None) -> str:
    if cause is None:
        return ""
    return f" by {cause.who} at {cause.changed_at[:19]} ({cause.why})"
