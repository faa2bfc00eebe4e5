"""Doing what the playbook says, once, and remembering it.

Alerts and what is to be done about them are written down first, in one transaction; then each
action is done and ticked off. So nothing is done twice, and nothing is forgotten: an action that
failed, or whose process died, is done by the next run.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine

from capstone_lib.alerts import webhook
from capstone_lib.alerts.alert import Alert
from capstone_lib.alerts.audit import AUDITED, begin_audit, of_group
from capstone_lib.alerts.noting import active_silences, note
from capstone_lib.alerts.playbook import Playbook, load_playbook
from capstone_lib.alerts.records import ActionRecord, Moment, engine_of, moment
from capstone_lib.alerts.rollouts import GIVES_BACK, give_back, put, wish_of
from capstone_lib.alerts.scaling import ask_for_more
from capstone_lib.alerts.tickets import open_ticket
from capstone_lib.alerts.todo import (
    CLEARED,
    WITHDRAWN,
    Task,
    action_rows,
    at_work,
    claim,
    fail,
    finish,
    release,
)
from capstone_lib.errors import AlertError
from capstone_lib.store import Store
from capstone_lib.store.alert_tables import alert_actions
from capstone_lib.store.engine import reading, writing

if TYPE_CHECKING:
    from capstone_lib.artifact import Artifact

__all__ = ["act"]

_MESSAGES = {"webhook": "firing", CLEARED: "cleared", WITHDRAWN: "withdrawn"}
_NOT_NEEDED = "not needed any more: the alert cleared first"

Done = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class _Hands:
    """What actions need."""

    store: Store
    engine: Engine
    playbook: Playbook
    artifact: "Artifact | None"
    source: Any
    folder: Path | None
    who: str
    now: str


def act(
    alerts: Iterable[Alert],
    store: Store,
    *,
    playbook: Playbook | str | Path | None,
    artifact: "Artifact | None" = None,
    source: Any = None,
    folder: str | Path | None = None,
    dry_run: bool = False,
    who: str = "capstone monitor",
    now: Moment | None = None,
) -> list[ActionRecord]:
    """Write alerts into the book and do what their rules say.

    What endpoints feel comes first, messages to others last. An action that fails stops no other;
    it is tried again by the next run, as is what a process that died has left.

    Parameters
    ----------
    alerts : iterable of Alert
        Of :func:`~capstone_lib.alerts.evaluate_alerts`, those that have cleared among them.
    store : Store
        In a database.
    playbook : Playbook, path or None
        Where the webhook and the most replicas stand; ``None`` for the default one.
    artifact : Artifact, optional
        A human audit needs it.
    source : optional
        The rows that were scored; a human audit of batch rows needs them.
    folder : str or Path, optional
        Where tickets are written as Markdown files; without it they stand in the store only.
    dry_run : bool, default False
        Say what would be done, and write and do nothing.
    who : str
        On whose behalf; it stands in every record.
    now : str, date or datetime, optional
        The present unless told otherwise.

    Returns
    -------
    list of ActionRecord
        What this run did, or could not do. Empty if all had been done before.

    Raises
    ------
    StoreError
        If the store is a folder, or cannot be used.
    PlaybookError
        If the playbook is wrong.

    Examples
    --------
    >>> import tempfile
    >>> from capstone_lib.alerts import evaluate_alerts, replicas_wanted
    >>> from capstone_lib.store import open_store
    >>> from capstone_lib.store.measurement import Measurement
    >>> slow = Measurement("latency_p99", 180, 170, 190, n=5000, unit="ms", traffic="live",
    ...                    window_start="2026-01-01", window_end="2026-01-02")
    >>> found = evaluate_alerts(None, [slow])
    >>> with tempfile.TemporaryDirectory() as place, open_store(f"{place}/s.db") as store:
    ...     done = act(found, store, playbook=None)
    ...     again = act(found, store, playbook=None)
    ...     wanted = replicas_wanted(store)
    >>> {one.state for one in done}, again, wanted
    ({'done'}, [], 2)
    """
    hands = _Hands(
        store=store,
        engine=engine_of(store),
        playbook=playbook if isinstance(playbook, Playbook) else load_playbook(playbook),
        artifact=artifact,
        source=source,
        folder=None if folder is None else Path(folder),
        who=who,
        now=moment(now),
    )
    with at_work() as run:
        if dry_run:
            return _rehearse(list(alerts), hands, run)
        with writing(hands.engine) as connection:
            tasks = _begin(connection, alerts, hands, run)
        messages = [task for task in tasks if task.action in _MESSAGES]
        done = [_do(task, hands) for task in tasks if task.action not in _MESSAGES]
        return done + (_tell(messages, hands) if messages else [])


def _begin(connection: Connection, alerts: Iterable[Alert], hands: _Hands, run: str) -> list[Task]:
    found = list(alerts)
    note(connection, found, who=hands.who, now=hands.now)
    hidden = active_silences(connection, now=hands.now)
    order = list(_ACTIONS)
    claimed = claim(connection, run=run, silences=hidden, now=hands.now)
    mine = {one.alert_id for one in found}
    others = [
        task
        for task in claimed
        if task.alert["alert_id"] not in mine and _is_of_another_model(task, hands)
    ]
    release(connection, others)
    tasks = [task for task in claimed if task not in others]
    return sorted(tasks, key=lambda task: (order.index(task.action), task.alert_key))


def _is_of_another_model(task: Task, hands: _Hands) -> bool:
    """An audit needs the artifact it speaks of, so one left behind waits for a run that has it."""
    if task.action != "human_audit" or hands.artifact is None:
        return False
    own = (hands.artifact.name, hands.artifact.version)
    return own != (task.alert["model"], task.alert["version"])


def _do(task: Task, hands: _Hands) -> ActionRecord:
    """Do it and tick it off; what changes only the store is one transaction with the tick."""
    try:
        if task.action in _OUTSIDE:
            result, before = _OUTSIDE[task.action](task, hands)
            with writing(hands.engine) as connection:
                return finish(connection, task, result, before, who=hands.who, now=hands.now)
        with writing(hands.engine) as connection:
            result, before = _in_store(connection, task, hands)
            return finish(connection, task, result, before, who=hands.who, now=hands.now)
    except Exception as error:  # whatever it is, it is written down and must not stop the others
        with writing(hands.engine) as connection:
            return fail(connection, task, _said(error))


def _in_store(connection: Connection, task: Task, hands: _Hands) -> Done:
    said = {
        "who": f"{hands.who}: {task.alert['rule']}",
        "why": f"{_first_line(task)} (alert {task.alert['alert_id']})",
    }
    wish = wish_of(task.action)
    taken = GIVES_BACK.get(task.action)
    if wish is not None and taken in task.alert["definition"]["actions"]:
        return give_back(
            connection, _before(connection, task, taken), alert_key=task.alert_key, **said
        )
    if task.alert["cleared_at"] is not None:
        return _NOT_NEEDED, {}
    if wish is not None:
        return put(connection, wish, alert_key=task.alert_key, **said)
    return ask_for_more(connection, most=hands.playbook.max_replicas, at=hands.now, **said)


def _before(connection: Connection, task: Task, action: str | None) -> dict[str, Any]:
    """What this alert's other action needs to be undone; empty if it was not done, or undone."""
    for row in action_rows(connection, alert_actions.c.alert_key == task.alert_key):
        if row["action"] == action and row["done_at"] is not None and row["undone_at"] is None:
            return dict(row["before"])
    return {}


def _ticket(task: Task, hands: _Hands) -> Done:
    return open_ticket(
        hands.engine, task.alert, folder=hands.folder, url=hands.store.url, now=hands.now
    )


def _audit(task: Task, hands: _Hands) -> Done:
    return begin_audit(task.alert, hands.store, artifact=hands.artifact, source=hands.source)


_OUTSIDE: dict[str, Callable[[Task, _Hands], Done]] = {"ticket": _ticket, "human_audit": _audit}

_ACTIONS = (
    "pause_rollout", "degrade_route", "resume_rollout", "recover_route", "scale_up", "ticket",
    "human_audit", *_MESSAGES,
)  # fmt: skip


def _tell(tasks: Sequence[Task], hands: _Hands) -> list[ActionRecord]:
    """One message of all alerts that the webhook has not heard of."""
    try:
        to = hands.playbook.webhook
        if to is None:
            raise AlertError("the playbook has no [webhook] to tell; add one with a url")
        webhook.send(to, _message(tasks, hands))
    except Exception as error:  # whatever it is, it is written down, and the next run tries again
        with writing(hands.engine) as connection:
            return [fail(connection, task, _said(error)) for task in tasks]
    told = {"who": hands.who, "now": hands.now}
    with writing(hands.engine) as connection:
        return [
            finish(connection, task, f"the webhook was told: {_MESSAGES[task.action]}", {}, **told)
            for task in tasks
        ]


def _message(tasks: Sequence[Task], hands: _Hands) -> dict[str, Any]:
    with reading(hands.engine) as connection:
        rows = action_rows(connection)
    told = [
        (
            _MESSAGES[task.action],
            task.alert,
            [
                row
                for row in rows
                if row["alert_key"] == task.alert_key and row["action"] not in _MESSAGES
            ],
        )
        for task in tasks
    ]
    return webhook.message_of(told, store=hands.store.url, sent_at=hands.now)


class _RehearsedError(Exception):
    """Ends a transaction of which nothing shall remain."""


def _rehearse(alerts: Sequence[Alert], hands: _Hands, run: str) -> list[ActionRecord]:
    """Do in a transaction what a run would, and take it all back."""
    found: list[ActionRecord] = []
    try:
        with writing(hands.engine) as connection:
            for task in _begin(connection, alerts, hands, run):
                said = _planned(task, hands) or _in_store(connection, task, hands)[0]
                record = ActionRecord.of_row(
                    {**task.alert, "result": said, "error": "", "done_at": None}
                )
                found.append(_would(record))
            raise _RehearsedError
    except _RehearsedError:
        return found


def _would(record: ActionRecord) -> ActionRecord:
    return replace(record, state="would be done")


def _planned(task: Task, hands: _Hands) -> str:
    """What an action beyond the store would do."""
    if task.action == "ticket":
        return f"a ticket for {task.alert['owner']}" + (
            "" if hands.folder is None else f", in {hands.folder}"
        )
    if task.action == "human_audit":
        cases = 2 * AUDITED if task.alert["group"] else AUDITED
        return f"up to {cases} cases{of_group(task.alert)} for the review queue"
    if task.action in _MESSAGES:
        return f"the webhook would be told: {_MESSAGES[task.action]}"
    return ""


def _first_line(task: Task) -> str:
    return str(task.alert["message"]).partition("\n")[0]


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
