"""Who has which case, and what they said: each step is one transaction.

A case is held for a while by the one reviewer it was given to. Whoever dies lets it go when the
time is over; what was decided is in the store, with all that follows from it, or is not.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from capstone_lib.errors import ReviewError
from capstone_lib.review.case import VERDICTS, Decision
from capstone_lib.store.ids import encode_id
from capstone_lib.store.outcomes import reviewed_outcome
from capstone_lib.store.overrides import add_override
from capstone_lib.store.queries import put_outcomes
from capstone_lib.store.review_tables import case_decisions, cases, overrides

__all__ = [
    "add",
    "decide",
    "first",
    "hold",
    "label_of",
    "mark_seen",
    "of_alert",
    "open_to",
    "put_back",
    "take_turn",
    "withdraw",
]

_LONGEST_NOTE = 4_000


def take_turn(connection: Connection) -> None:
    """Let nobody else add cases until the transaction's end; in SQLite nobody else writes."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE cases IN SHARE ROW EXCLUSIVE MODE"))


def add(connection: Connection, rows: Iterable[dict[str, Any]], *, at: float) -> int:
    """Add cases that are not there yet; how many."""
    take_turn(connection)
    there = set(connection.scalars(select(cases.c.case_id)))
    new = {row["case_id"]: row for row in rows if row["case_id"] not in there}
    if new:
        opened = _iso(at)
        connection.execute(insert(cases), [row | {"opened_at": opened} for row in new.values()])
    return len(new)


def of_alert(connection: Connection, alert_id: str) -> list[Any]:
    """``row_id``, ``group`` and ``closed_at`` of the cases that an alert brought in."""
    query = select(cases.c.row_id, cases.c.group, cases.c.closed_at)
    return list(connection.execute(query.where(cases.c.alert_id == alert_id)))


def withdraw(connection: Connection, alert_id: str, *, at: float) -> int:
    """Take out the cases of an alert that nobody has decided or has in hand; how many."""
    take_turn(connection)
    decided = select(case_decisions.c.case_id).where(case_decisions.c.case_id == cases.c.case_id)
    free = or_(cases.c.reviewer.is_(None), cases.c.held_until <= at)
    mine = cases.c.alert_id == alert_id, cases.c.alert_id != ""
    return int(connection.execute(delete(cases).where(*mine, free, ~decided.exists())).rowcount)


def hold(connection: Connection, reviewer: str, *, at: float, until: float) -> Any:
    """Give a reviewer the case they have, or else the first that is free; None if there is none."""
    row = first(connection, reviewer, at=at, keep=True)
    if row is None:
        return None
    # who comes back in time goes on; after that the clock starts again
    goes_on = row.reviewer == reviewer and row.held_until > at
    values = {"held_until": until, "reviewer": reviewer}
    values["seen_at"] = row.seen_at if goes_on else None
    query = update(cases).where(cases.c.case_id == row.case_id).values(values).returning(cases)
    return connection.execute(query).one()


def first(connection: Connection, reviewer: str, *, at: float, keep: bool = False) -> Any:
    """The row of the case that is a reviewer's turn: their own, or the first that is free.

    Kept from others until the transaction's end, if so asked.
    """
    mine = case((cases.c.reviewer == reviewer, 0), else_=1)
    order = (mine, cases.c.priority.desc(), cases.c.opened_at, cases.c.case_id)
    query = select(cases).where(*open_to(reviewer, at=at)).order_by(*order).limit(1)
    if keep:
        query = query.with_for_update(skip_locked=True)
    return connection.execute(query).one_or_none()


def open_to(reviewer: str, *, at: float) -> tuple[ColumnElement[bool], ...]:
    """What a case must be for a reviewer to be given it."""
    free = or_(cases.c.reviewer.is_(None), cases.c.held_until <= at, cases.c.reviewer == reviewer)
    said = (
        select(case_decisions.c.case_id)
        .where(case_decisions.c.case_id == cases.c.case_id, case_decisions.c.reviewer == reviewer)
        .exists()
    )
    return cases.c.closed_at.is_(None), free, ~said


def label_of(connection: Connection, case_id: str) -> Any:
    """What the model said in a case, as the store keeps it."""
    return _find(connection, case_id).label


def _find(connection: Connection, case_id: str, *, keep: bool = False) -> Any:
    """The row of a case; kept from others until the transaction's end, if so asked."""
    query = select(cases).where(cases.c.case_id == case_id)
    row = connection.execute(query.with_for_update() if keep else query).one_or_none()
    if row is None:
        raise ReviewError(f"there is no case {case_id!r}; queue.cases() lists them")
    return row


def mark_seen(connection: Connection, case_id: str, reviewer: str, *, at: float) -> Any:
    """Remember when a reviewer first saw the case they have."""
    row = _in_hand(connection, case_id, reviewer, at=at)
    if row.seen_at is not None:
        return row
    query = update(cases).where(cases.c.case_id == case_id).values(seen_at=at).returning(cases)
    return connection.execute(query).one()


def put_back(connection: Connection, case_id: str, reviewer: str, *, at: float) -> None:
    """Let somebody else have the case."""
    _in_hand(connection, case_id, reviewer, at=at)
    nobody = {"reviewer": None, "held_until": None, "seen_at": None}
    connection.execute(update(cases).where(cases.c.case_id == case_id).values(nobody))


def decide(
    connection: Connection,
    case_id: str,
    reviewer: str,
    *,
    verdict: str,
    label: Any,
    note: str,
    blind: bool,
    at: float,
) -> Decision:
    """Write a decision and what follows from it: all or nothing."""
    row = _in_hand(connection, case_id, reviewer, at=at)
    decided = _decided(row, verdict, label)
    if len(note) > _LONGEST_NOTE:
        raise ReviewError(f"the note has {len(note):,} characters; at most {_LONGEST_NOTE:,} fit")
    if not _can_be_kept(note):
        raise ReviewError(
            "the note has a character that is none (half a pair, or NUL); leave it out"
        )
    seconds = None if row.seen_at is None else max(0.0, at - row.seen_at)
    before = connection.execute(
        select(case_decisions.c.verdict).where(case_decisions.c.case_id == case_id)
    ).scalars().all()  # fmt: skip
    values = {
        "case_id": case_id, "reviewer": reviewer, "decided_at": _iso(at), "verdict": verdict,
        "label": decided, "note": note, "seconds": seconds, "blind": blind,
    }  # fmt: skip
    try:
        with connection.begin_nested():
            connection.execute(insert(case_decisions).values(values))
    except IntegrityError:  # the same reviewer, at the same time, elsewhere
        raise ReviewError(_twice(case_id)) from None
    closed = _iso(at) if len(before) + 1 >= row.wanted else None
    connection.execute(
        update(cases)
        .where(cases.c.case_id == case_id)
        .values(reviewer=None, held_until=None, seen_at=None, closed_at=closed)
    )
    counts = all(said == "cannot say" for said in before)
    if counts and decided is not None:
        _follow(connection, row, verdict, decided, reviewer, note, at)
    return Decision(
        case_id, str(row.row_id), reviewer, verdict, decided, row.label, note, seconds, counts
    )


def _follow(
    connection: Connection,
    row: Any,
    verdict: str,
    decided: Any,
    reviewer: str,
    note: str,
    at: float,
) -> None:
    """What holds from now on, and what the reviewer says of this person.

    Who agrees with the model about somebody whose answer was overridden before takes that back.
    """
    row_id, about = encode_id(str(row.row_id)), {"reviewer": reviewer, "case_id": row.case_id}
    assert row_id is not None
    last = select(overrides.c.label).where(overrides.c.row_id == row_id)
    standing = connection.execute(last.order_by(overrides.c.override_key.desc()).limit(1)).scalar()
    if verdict == "override" or standing is not None:
        add_override(
            connection,
            row_id=row_id,
            label=decided if verdict == "override" else None,
            why=note,
            decided_at=_iso(at),
            **about,
        )
    put_outcomes(
        connection, [reviewed_outcome(row_id, decided, at=datetime.fromtimestamp(at, UTC))]
    )


def _in_hand(connection: Connection, case_id: str, reviewer: str, *, at: float) -> Any:
    """The row of a case that this reviewer has.

    Whose time ran out still has it for as long as nobody else was given it: no work is lost.
    """
    row = _find(connection, case_id, keep=True)
    own = case_decisions.c.case_id == case_id, case_decisions.c.reviewer == reviewer
    if connection.execute(select(func.count()).select_from(case_decisions).where(*own)).scalar():
        raise ReviewError(_twice(case_id))
    if row.closed_at is not None:
        raise ReviewError(f"the case {case_id} was decided at {row.closed_at}; take the next one")
    if row.reviewer == reviewer:
        return row
    if row.reviewer is None or row.held_until <= at:
        raise ReviewError(f"nobody gave {reviewer} the case {case_id}; ask for the next one first")
    raise ReviewError(
        f"the case {case_id} is {row.reviewer}'s and not {reviewer}'s; ask for the next one"
    )


def _can_be_kept(text: str) -> bool:
    """Whether every database takes it."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _twice(case_id: str) -> str:
    return f"you have decided the case {case_id} already; a decision stands, appeal against it"


def _decided(row: Any, verdict: str, label: Any) -> Any:
    """What holds in the reviewer's eyes, as the store keeps labels."""
    if verdict not in VERDICTS:
        raise ReviewError(f"a verdict is one of {', '.join(VERDICTS)}; seen {verdict!r}")
    known = {str(name): name for name in json.loads(row.classes)}
    model = known[str(row.label)]
    given = int(label) if isinstance(label, bool) else label
    if given is not None and str(given) not in known:
        raise ReviewError(
            f"{label!r} is no label of {row.model} {row.version}; there are "
            f"{', '.join(map(repr, known.values()))}"
        )
    chosen = None if given is None else known[str(given)]
    if verdict == "cannot say":
        if chosen is not None:
            raise ReviewError("whoever cannot say names no label; leave it out, or override")
        return None
    if verdict == "accept":
        if chosen not in (None, model):
            raise ReviewError(f"to accept is to agree with {model!r}; for {chosen!r}, override")
        return model
    if chosen is None:
        raise ReviewError(f"an override names a label: one of {', '.join(map(repr, known))}")
    if chosen == model:
        raise ReviewError(f"the model said {model!r} itself; accept, or override to another label")
    return chosen


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
