"""Writing alerts down: raised once, seen again, cleared; and what is silenced."""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Row, insert, select, update

from capstone_lib.alerts.alert import Alert, Silence
from capstone_lib.alerts.records import plain
from capstone_lib.alerts.todo import CLEARED, plan, take_turn
from capstone_lib.store.alert_tables import alert_actions, alerts, silences

__all__ = ["Noted", "active_silences", "close_alert", "note"]


class Noted(NamedTuple):
    """What the book made of an alert."""

    alert_id: str
    what: Literal["raised", "seen again", "cleared"]


def note(connection: Connection, found: Iterable[Alert], *, who: str, now: str) -> list[Noted]:
    """See :meth:`AlertBook.record`, within a transaction that writes."""
    take_turn(connection)
    noted = [_note(connection, one, who=who, now=now) for one in found]
    return [one for one in noted if one is not None]


def active_silences(connection: Connection, *, now: str) -> list[Silence]:
    """The silences in force at a moment."""
    query = select(silences).where(silences.c.until > now).order_by(silences.c.silence_key)
    return [Silence.read(dict(row)) for row in connection.execute(query).mappings()]


def _note(connection: Connection, alert: Alert, *, who: str, now: str) -> Noted | None:
    row = connection.execute(
        select(alerts).where(alerts.c.alert_id == alert.alert_id, alerts.c.cleared_at.is_(None))
    ).one_or_none()
    if alert.state == "cleared" and row is not None:
        close_alert(connection, row, who=who, now=now, window_end=_window_end(alert))
        return Noted(alert.alert_id, "cleared")
    if alert.state not in ("firing", "silenced"):
        return None
    if row is None:
        query = insert(alerts).values(_values(alert, now)).returning(alerts.c.alert_key)
        key = int(connection.execute(query).scalar_one())
    else:
        key = row.alert_key
        seen = {"seen_at": now, "window_end": max(row.window_end, _window_end(alert))}
        connection.execute(update(alerts).where(alerts.c.alert_key == key).values(seen))
    if alert.state == "firing":
        plan(connection, key, alert.rule.actions)
    return Noted(alert.alert_id, "raised" if row is None else "seen again")


def close_alert(
    connection: Connection, row: Row[Any], *, who: str, now: str, window_end: str = ""
) -> None:
    """Close an open alert; whoever was told of it is to be told of that too."""
    values = {
        "cleared_at": now,
        "cleared_by": who,
        "window_end": max(row.window_end, window_end),
    }
    connection.execute(update(alerts).where(alerts.c.alert_key == row.alert_key).values(values))
    told = (
        alert_actions.c.alert_key == row.alert_key,
        alert_actions.c.action == "webhook",
        alert_actions.c.undone_at.is_(None),
    )
    if connection.execute(select(alert_actions.c.action).where(*told)).first() is not None:
        plan(connection, row.alert_key, [CLEARED])


def _values(alert: Alert, now: str) -> dict[str, Any]:
    said = plain(alert.to_dict())
    names = ("alert_id", "model", "version", "traffic", "feature", "group", "message")
    threshold = alert.rule.threshold
    definition = said["rule"] | {
        "threshold": threshold if isinstance(threshold, int | float) else str(threshold)
    }
    return {name: said[name] for name in names} | {
        "rule": alert.rule.name,
        "severity": alert.severity,
        "owner": alert.rule.owner,
        "raised_at": now,
        "seen_at": now,
        "window_end": _window_end(alert),
        "measurements": said["measurements"],
        "definition": definition | {"since": alert.since, "windows_held": alert.windows_held},
    }


def _window_end(alert: Alert) -> str:
    return max((one.window_end for one in alert.measurements), default="")
