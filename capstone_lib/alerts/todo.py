"""What is still to be done because of alerts, and who is at it.

Every action of an alert is a row, written in the same transaction as the alert. So whatever ends a
process, the next one finds what is left; and a row is claimed before it is worked on, so that two
monitors do not do the same thing.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, insert, select, text, update

from capstone_lib.alerts.alert import Silence
from capstone_lib.alerts.records import ActionRecord
from capstone_lib.alerts.rollouts import GIVES_BACK
from capstone_lib.store.alert_tables import alert_actions, alerts
from capstone_lib.store.measurement import Measurement, moment_text
from capstone_lib.store.owner import Owner

__all__ = [
    "CLEARED", "WITHDRAWN", "Task", "action_rows", "at_work", "claim", "fail", "finish", "is_taken",
    "plan", "release", "take_turn",
]  # fmt: skip

CLEARED, WITHDRAWN = "webhook_cleared", "webhook_withdrawn"
"""What a webhook is told afterwards."""

_RUNS: set[str] = set()

_COLUMNS = (*alerts.c, *(c for c in alert_actions.c if c.name != "alert_key"))


@dataclass(frozen=True)
class Task:
    """An action that this process has claimed, with the alert it is for."""

    action: str
    alert: Mapping[str, Any]

    @property
    def alert_key(self) -> int:
        """The number of the alert in the store."""
        return int(self.alert["alert_key"])


def take_turn(connection: Connection) -> None:
    """Writers of alerts take turns: SQLite lets one in at a time, PostgreSQL is told to."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE alerts IN EXCLUSIVE MODE"))


def action_rows(connection: Connection, *where: Any) -> list[dict[str, Any]]:
    """Actions beside their alerts, oldest first."""
    query = select(*_COLUMNS).join(alerts, alerts.c.alert_key == alert_actions.c.alert_key)
    order = (alerts.c.alert_key, alert_actions.c.action)
    rows = connection.execute(query.where(*where).order_by(*order)).mappings()
    return [dict(row) for row in rows]


def plan(connection: Connection, alert_key: int, actions: Iterable[str]) -> None:
    """Write down what is to be done for an alert; what is written already stays as it is."""
    query = select(alert_actions.c.action).where(alert_actions.c.alert_key == alert_key)
    there = set(connection.scalars(query))
    for action in dict.fromkeys(actions):
        if action not in there:
            empty = {"tries": 0, "error": "", "result": "", "before": {}}
            row = {"alert_key": alert_key, "action": action, **empty}
            connection.execute(insert(alert_actions).values(row))


@contextmanager
def at_work() -> Iterator[str]:
    """Name a run of this process while it works; what it has claimed is free afterwards."""
    run = uuid4().hex
    _RUNS.add(run)
    try:
        yield run
    finally:
        _RUNS.discard(run)


def claim(connection: Connection, *, run: str, silences: Iterable[Silence], now: str) -> list[Task]:
    """Take what is to be done now and what nobody is at."""
    hidden = list(silences)
    mine = vars(Owner.here()) | {"at": time.time(), "run": run}
    found = []
    for alert in action_rows(
        connection, alert_actions.c.done_at.is_(None), alert_actions.c.undone_at.is_(None)
    ):
        if not _is_due(alert) or is_taken(alert["claim"]) or _is_silenced(alert, hidden, now):
            continue
        task = Task(alert["action"], alert)
        connection.execute(update(alert_actions).where(*_is(task)).values(claim=mine))
        found.append(task)
    return found


def finish(
    connection: Connection,
    task: Task,
    result: str,
    before: Mapping[str, Any],
    *,
    who: str,
    now: str,
) -> ActionRecord:
    """Write down that it is done."""
    values = {
        "done_at": now, "done_by": who, "claim": None, "tries": alert_actions.c.tries + 1,
        "error": "", "result": result, "before": dict(before),
    }  # fmt: skip
    return _change(connection, task, values)


def fail(connection: Connection, task: Task, error: str) -> ActionRecord:
    """Write down why it could not be done; the next run tries again."""
    values = {"claim": None, "tries": alert_actions.c.tries + 1, "error": error}
    return _change(connection, task, values)


def release(connection: Connection, tasks: Iterable[Task]) -> None:
    """Leave to others what was not even tried."""
    for task in tasks:
        left = (*_is(task), alert_actions.c.done_at.is_(None))
        connection.execute(update(alert_actions).where(*left).values(claim=None))


def _change(connection: Connection, task: Task, values: dict[str, Any]) -> ActionRecord:
    connection.execute(update(alert_actions).where(*_is(task)).values(values))
    (row,) = action_rows(connection, *_is(task))
    return ActionRecord.of_row(row)


def _is(task: Task) -> tuple[Any, Any]:
    return alert_actions.c.alert_key == task.alert_key, alert_actions.c.action == task.action


def _is_due(alert: Mapping[str, Any]) -> bool:
    """What gives back waits for the alert to clear, if the same rule has taken."""
    taken = GIVES_BACK.get(alert["action"])
    waits = taken is not None and taken in alert["definition"]["actions"]
    return not waits or alert["cleared_at"] is not None


def is_taken(claim: Mapping[str, Any] | None) -> bool:
    """Whether a living process, or a run of this one, is at it."""
    if claim is None:
        return False
    owner = Owner(claim["host"], claim["pid"], claim["born"])
    if owner == Owner.here():
        return claim["run"] in _RUNS
    return not owner.is_dead(claim["at"])


def _is_silenced(alert: Mapping[str, Any], silences: list[Silence], now: str) -> bool:
    """Whether each of its causes is silenced; nothing is held back once it has cleared."""
    if alert["cleared_at"] is not None:
        return False
    causes = [
        Measurement(
            one["name"],
            one["value"],
            feature=one["feature"],
            group=one["group"] or alert["group"],
        )
        for one in alert["measurements"]
    ]
    at = moment_text(now)
    return bool(causes) and all(
        any(silence.hides(alert["rule"], cause, now=at) for silence in silences) for cause in causes
    )
