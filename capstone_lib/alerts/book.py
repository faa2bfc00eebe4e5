"""The book of alerts: what was raised and cleared, who has seen it, what is silenced.

It remembers and decides nothing: whether something is wrong says ``evaluate_alerts``, and what is
done about it ``act``.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, insert, select, update

from capstone_lib.alerts.alert import Alert, Silence
from capstone_lib.alerts.noting import Noted, active_silences, close_alert, note
from capstone_lib.alerts.records import ActionRecord, Moment, engine_of, frame_of, moment
from capstone_lib.alerts.tickets import close_ticket, sign_off
from capstone_lib.alerts.todo import action_rows, take_turn
from capstone_lib.alerts.undo import undo_action
from capstone_lib.errors import AlertError
from capstone_lib.store import Store
from capstone_lib.store.alert_tables import alerts, silences, tickets
from capstone_lib.store.engine import reading, writing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AlertBook"]

_TIMES = ("raised_at", "seen_at", "cleared_at", "acknowledged_at")


class AlertBook:
    """The alerts of a store, and what follows from them.

    An alert is open from the run that first found it until one finds that it has cleared; if it
    comes again, that is a new line in the book. Wherever an ``alert_id`` is asked for its beginning
    will do, and of several lines with that id the newest is meant.

    Parameters
    ----------
    store : Store
        In a database.

    Raises
    ------
    StoreError
        If the store is a folder.

    Examples
    --------
    >>> import tempfile
    >>> from capstone_lib.store import open_store
    >>> with tempfile.TemporaryDirectory() as folder, open_store(f"{folder}/s.db") as store:
    ...     book = AlertBook(store)
    ...     silence = book.silence("late_batch", for_=timedelta(hours=2), who="Ada", why="moving")
    ...     len(book.open()), len(book.silences())
    (0, 1)
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._engine = engine_of(store)

    def record(
        self, found: Iterable[Alert], *, who: str = "capstone monitor", now: Moment | None = None
    ) -> list[Noted]:
        """Write down what ``evaluate_alerts`` found; saying the same twice changes nothing.

        Parameters
        ----------
        found : iterable of Alert
            Those that fire, or would but for a silence, are raised once and then seen again; those
            that have cleared are closed. The others leave no trace.
        who : str
            On whose word they clear.
        now : str, date or datetime, optional
            The present unless told otherwise.

        Returns
        -------
        list of Noted
            What was raised, seen again and cleared.
        """
        at = moment(now)
        with writing(self._engine) as connection:
            return note(connection, found, who=who, now=at)

    def open(self) -> "pd.DataFrame":
        """Alerts that have not cleared, as :meth:`history` has them."""
        frame = self.history()
        return frame[frame["cleared_at"].isna()].reset_index(drop=True)

    def history(self) -> "pd.DataFrame":
        """Every alert, oldest first: when it was raised and cleared, why, and who has seen it.

        ``measurements`` and ``definition`` are the causes and the rule as they were. Times are UTC.
        """
        with reading(self._engine) as connection:
            found = connection.execute(select(alerts).order_by(alerts.c.alert_key)).mappings()
            rows = [dict(row) for row in found]
        return frame_of(rows, alerts.c.keys(), times=_TIMES)

    def find(self, alert_id: str) -> dict[str, Any]:
        """One alert as the store has it; its times are ISO text, UTC.

        Raises
        ------
        AlertError
            If there is no such alert.
        """
        with reading(self._engine) as connection:
            return dict(_find(connection, alert_id)._mapping)

    def actions(self, alert_id: str | None = None) -> list[ActionRecord]:
        """What was done, or is still to be done, because of one alert or of all; oldest first."""
        with reading(self._engine) as connection:
            where = (
                ()
                if alert_id is None
                else (alerts.c.alert_key == _find(connection, alert_id).alert_key,)
            )
            return [ActionRecord.of_row(row) for row in action_rows(connection, *where)]

    def acknowledge(self, alert_id: str, *, who: str, now: Moment | None = None) -> None:
        """Say that somebody has seen an alert and is at it. The first to say so stands.

        Raises
        ------
        AlertError
            If there is no such alert.
        """
        values = {"acknowledged_at": moment(now), "acknowledged_by": _named(who)}
        with writing(self._engine) as connection:
            key = _find(connection, alert_id).alert_key
            first = (alerts.c.alert_key == key, alerts.c.acknowledged_at.is_(None))
            connection.execute(update(alerts).where(*first).values(values))

    def clear(self, alert_id: str, *, who: str, now: Moment | None = None) -> None:
        """Close an alert by hand, for instance of a rule or a model that is no more.

        If it still holds, the next run raises it anew.

        Raises
        ------
        AlertError
            If there is no such alert.
        """
        with writing(self._engine) as connection:
            take_turn(connection)
            row = _find(connection, alert_id)
            if row.cleared_at is None:
                close_alert(connection, row, who=_named(who), now=moment(now))

    def silence(
        self,
        rule: str,
        *,
        who: str,
        why: str,
        until: Moment | None = None,
        for_: timedelta | None = None,
        feature: str = "",
        group: str = "",
        now: Moment | None = None,
    ) -> Silence:
        """Do nothing about a rule for a time. Its alerts are still written down.

        Parameters
        ----------
        rule : str
            Its name.
        who, why : str
            Who wants it, and the reason.
        until, for_ : moment, timedelta
            One of the two.
        feature, group : str
            Only about these; empty for all.

        Raises
        ------
        AlertError
            If it has no end, or one that has passed, or nobody says who and why.
        """
        begins = datetime.fromisoformat(moment(now))
        if (until is None) == (for_ is None):
            raise AlertError(
                "a silence has an end; give one of until='2026-11-30T08:00' and "
                "for_=timedelta(hours=2)"
            )
        end = begins + for_ if for_ is not None else datetime.fromisoformat(_end(until))
        if end <= begins:
            raise AlertError(f"the silence would end at {end:%Y-%m-%d %H:%M}, before it begins")
        if not why.strip():
            raise AlertError("a silence needs a reason, for whoever wonders why nothing was done")
        values = {
            "rule": rule, "feature": feature, "group": group, "who": _named(who), "why": why,
            "until": end.astimezone(UTC).isoformat(timespec="milliseconds"),
            "made_at": begins.isoformat(timespec="milliseconds"),
        }  # fmt: skip
        with writing(self._engine) as connection:
            connection.execute(insert(silences).values(values))
        return Silence(**{name: values[name] for name in values if name != "made_at"})

    def end_silences(self, rule: str, *, now: Moment | None = None) -> int:
        """End every silence of a rule that is in force; return how many there were."""
        at = moment(now)
        with writing(self._engine) as connection:
            mine = (silences.c.rule == rule, silences.c.until > at)
            return connection.execute(update(silences).where(*mine).values(until=at)).rowcount

    def silences(self, *, now: Moment | None = None) -> list[Silence]:
        """Those in force."""
        with reading(self._engine) as connection:
            return active_silences(connection, now=moment(now))

    def tickets(self) -> "pd.DataFrame":
        """Every ticket, oldest first; ``body`` is its Markdown. Times are UTC."""
        names = (*tickets.c.keys(), "alert_id", "rule", "severity")
        query = select(tickets, alerts.c.alert_id, alerts.c.rule, alerts.c.severity)
        query = query.join(alerts, alerts.c.alert_key == tickets.c.alert_key)
        with reading(self._engine) as connection:
            found = connection.execute(query.order_by(tickets.c.ticket)).mappings()
            rows = [dict(row) for row in found]
        return frame_of(rows, names, times=("opened_at", "closed_at"))

    def close_ticket(self, ticket: int, *, who: str, now: Moment | None = None) -> None:
        """Close a ticket, and say so in its file if there is one. The first to close it stands.

        Raises
        ------
        AlertError
            If there is no such ticket.
        """
        said = {"who": _named(who), "now": moment(now)}
        with writing(self._engine) as connection:
            file = close_ticket(connection, int(ticket), **said)
        sign_off(file, **said)

    def undo(
        self, alert_id: str, action: str, *, who: str, why: str = "", now: Moment | None = None
    ) -> ActionRecord:
        """Take back what was done because of an alert; what was not done yet is called off.

        What somebody has changed since stays as it is, and the record says so. An action that was
        undone is not done again for this alert, and undoing it twice changes nothing.

        Parameters
        ----------
        alert_id, action : str
            Such as ``pause_rollout``.
        who, why : str
            Who wants it, and the reason if there is one.

        Raises
        ------
        AlertError
            If there is no such alert or action, or what was done cannot be undone.
        """
        with reading(self._engine) as connection:
            key = _find(connection, alert_id).alert_key
        return undo_action(
            self.store, key, action, who=_named(who), why=why.strip(), now=moment(now)
        )


def _find(connection: Connection, alert_id: str) -> Row[Any]:
    """The newest line of an alert, of which the beginning of the id may be given."""
    text = str(alert_id)
    if not text:
        raise AlertError("an alert is named by its alert_id; seen nothing")
    found = select(alerts).where(alerts.c.alert_id.startswith(text, autoescape=True))
    rows = connection.execute(found.order_by(alerts.c.alert_key.desc())).all()
    exact = [row for row in rows if row.alert_id == text] or rows
    ids = sorted({row.alert_id for row in exact})
    if len(ids) == 1:
        return exact[0]
    if not ids:
        known = connection.scalars(select(alerts.c.alert_id).distinct().limit(5)).all()
        there = f"there are {', '.join(known)}" if known else "there is none in this store"
        raise AlertError(f"no alert is called {text!r}; {there}")
    raise AlertError(f"{text!r} may be any of {', '.join(ids[:5])}; write more of it")


def _end(until: Moment | None) -> str:
    return moment(until, name="until")


def _named(who: str) -> str:
    if not isinstance(who, str) or not who.strip():
        raise AlertError(f"who is {who!r}; say who it is, for whoever reads the book later")
    return who.strip()
