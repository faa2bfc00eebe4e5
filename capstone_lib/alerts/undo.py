"""Taking back what was done because of an alert."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, update

from capstone_lib.alerts.audit import withdraw_cases
from capstone_lib.alerts.records import ActionRecord, engine_of
from capstone_lib.alerts.rollouts import give_back, wish_of
from capstone_lib.alerts.scaling import withdraw
from capstone_lib.alerts.tickets import close_ticket, sign_off
from capstone_lib.alerts.todo import CLEARED, WITHDRAWN, action_rows, is_taken, plan, take_turn
from capstone_lib.errors import AlertError
from capstone_lib.store import Store
from capstone_lib.store.alert_tables import alert_actions
from capstone_lib.store.engine import reading, writing

__all__ = ["undo_action"]


def undo_action(
    store: Store, alert_key: int, action: str, *, who: str, why: str, now: str
) -> ActionRecord:
    """See :meth:`capstone_lib.alerts.AlertBook.undo`."""
    engine = engine_of(store)
    with writing(engine) as connection:
        take_turn(connection)
        row = _row(connection, alert_key, action)
        if row["undone_at"] is not None:
            return ActionRecord.of_row(row)
        if row["done_at"] is None and is_taken(row["claim"]):
            raise AlertError(f"{action} is being done at this moment; ask again in a while")
        if row["done_at"] is None:
            said = "called off before it was done"
        else:
            said = _undo(connection, row, who=who, why=why, now=now)
        _mark(connection, row, said, who=who, now=now)
        file = None
        if row["done_at"] is not None and action == "ticket":
            file = close_ticket(connection, int(row["before"]["ticket"]), who=who, now=now)
    sign_off(file, who=who, now=now)
    with reading(engine) as connection:
        return ActionRecord.of_row(_row(connection, alert_key, action))


def _undo(connection: Connection, row: Mapping[str, Any], *, who: str, why: str, now: str) -> str:
    action, before = row["action"], row["before"]
    reason = f"{why}; " if why else ""
    said: dict[str, str] = {
        "who": who,
        "why": f"{reason}undo {action} of alert {row['alert_id']}",
    }
    if wish_of(action) is not None:
        return give_back(connection, before, alert_key=row["alert_key"], **said)[0]
    if action == "scale_up":
        return withdraw(connection, before, at=now, **said)[0]
    if action == "human_audit":
        return withdraw_cases(connection, row["alert_id"])
    if action == "webhook":
        plan(connection, row["alert_key"], [WITHDRAWN])
        return "the next run tells the address so"
    if action in (CLEARED, WITHDRAWN):
        raise AlertError(f"{action} is a message that was sent; it cannot be taken back")
    return "taken back"


def _row(connection: Connection, alert_key: int, action: str) -> Mapping[str, Any]:
    rows = action_rows(connection, alert_actions.c.alert_key == alert_key)
    for row in rows:
        if row["action"] == action:
            return row
    raise AlertError(
        f"{action!r} is no action of this alert; it has "
        f"{', '.join(row['action'] for row in rows) or 'none'}"
    )


def _mark(connection: Connection, row: Mapping[str, Any], said: str, *, who: str, now: str) -> None:
    done = f"{row['result']}; " if row["result"] else ""
    values = {"undone_at": now, "undone_by": who, "result": f"{done}undone: {said}"}
    mine = (
        alert_actions.c.alert_key == row["alert_key"], alert_actions.c.action == row["action"],
    )  # fmt: skip
    connection.execute(update(alert_actions).where(*mine).values(values))
