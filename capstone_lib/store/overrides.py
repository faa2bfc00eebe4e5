"""Overrides: what reviewers decided instead of a model. The last one of an id counts.

Rows are added and never changed, so the table is also the record of who decided what, when and why.
Nothing that a model said is changed by them: the SQL views and the log keep it. They are put in its
place where people read answers, and in what an endpoint answers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, func, insert, select, text

from capstone_lib.store.decisions import Decision, classes_by_label
from capstone_lib.store.frames import MODEL, Piece
from capstone_lib.store.ids import decode_ids, encode_id
from capstone_lib.store.review_tables import cases, overrides
from capstone_lib.store.run import now

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "MODEL",
    "Override",
    "add_override",
    "apply_overrides",
    "in_force",
    "overrides_frame",
    "read_overrides",
]

_COLUMNS = ["override_key", "row_id", "label", "reviewer", "decided_at", "case_id", "why", "model"]


@dataclass(frozen=True)
class Override:
    """What one reviewer decided about one id.

    Attributes
    ----------
    key : int
        Later ones have larger keys.
    row_id : int or str
        In stored form.
    label : int, str or None
        What counts; None: the model's answer again.
    reviewer, decided_at, case_id, why : str
        Who, when (ISO, UTC), in which case, and the note.
    model : str
        The model of the case, whatever its version; empty: of no case, so every model's.
    """

    key: int
    row_id: int | str
    label: int | str | None
    reviewer: str
    decided_at: str
    case_id: str
    why: str
    model: str


def add_override(
    connection: Connection,
    *,
    row_id: int | str,
    label: int | str | None,
    reviewer: str,
    case_id: str = "",
    why: str = "",
    decided_at: str | None = None,
) -> int:
    """Let a reviewer's answer count for an id, within a transaction that writes; return its key.

    Parameters
    ----------
    connection : Connection
        Of :func:`capstone_lib.store.engine.writing`.
    row_id : int or str
        Whom it is about.
    label : int, str or None
        One of the model's classes (true/false as 1/0); None: the model's answer counts again.
    reviewer : str
        Who decided.
    case_id, why : str
        The case it was decided in, and the note.
    decided_at : str, optional
        ISO time in UTC; the present unless told otherwise.

    Raises
    ------
    ValueError
        If nobody has decided it.
    """
    if not reviewer.strip() or reviewer == MODEL:
        raise ValueError(f"an override needs a reviewer's name, and not {reviewer!r}")
    if connection.dialect.name == "postgresql":  # whoever follows asks for keys beyond the last
        connection.execute(text("LOCK TABLE overrides IN EXCLUSIVE MODE"))
    adding = insert(overrides).values(
        row_id=encode_id(row_id),
        label=int(label) if isinstance(label, bool) else label,
        reviewer=reviewer,
        decided_at=now() if decided_at is None else decided_at,
        case_id=case_id,
        why=why,
    )
    return int(connection.execute(adding.returning(overrides.c.override_key)).scalar_one())


def read_overrides(connection: Connection, *, since: int = 0) -> list[Override]:
    """Every override whose key is larger than ``since``, in their order."""
    mine = overrides.c
    query = (
        select(
            mine.override_key, mine.row_id, mine.label, mine.reviewer, mine.decided_at,
            mine.case_id, mine.why, func.coalesce(cases.c.model, ""),
        )
        .outerjoin_from(overrides, cases, mine.case_id == cases.c.case_id)
        .where(mine.override_key > since)
        .order_by(mine.override_key)
    )  # fmt: skip
    return [Override(*row) for row in connection.execute(query)]


def in_force(
    made: Iterable[Override], *, model: str, before: Mapping[Any, Override] | None = None
) -> dict[Any, Override]:
    """What counts for a model by id, once these overrides have followed those in force before."""
    found = dict(before or {})
    for one in made:
        if one.model in ("", model):
            found[one.row_id] = one
    return {row_id: one for row_id, one in found.items() if one.label is not None}


def apply_overrides(piece: Piece, made: Iterable[Override]) -> Piece:
    """The predictions of a run with reviewers' answers in their place; nobody needs to look again.

    A label that is none of the run's classes is left alone.
    """
    counts = in_force(made, model=piece.record.identity.model)
    known = classes_by_label(piece.record.classes)
    places = [k for k, row_id in enumerate(piece.ids) if row_id in counts] if counts else []
    decision, decisions = piece.decision.copy(), list(piece.decisions)
    deciders = [MODEL] * len(decisions)
    numbers: dict[tuple[Decision, str], int] = {}
    for place in places:
        one = counts[piece.ids[place]]
        if str(one.label) not in known:
            continue
        said = decisions[decision[place]]
        new = replace(said, label=known[str(one.label)], review=False), one.reviewer
        if new not in numbers:
            numbers[new] = len(decisions)
            decisions.append(new[0])
            deciders.append(new[1])
        decision[place] = numbers[new]
    return replace(piece, decision=decision, decisions=decisions, deciders=deciders)


def overrides_frame(made: Iterable[Override]) -> "pd.DataFrame":
    """One row an override, in their order."""
    import pandas as pd

    rows = [(o.key, o.row_id, o.label, *_said(o)) for o in made]
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    frame["override_key"] = np.array([row[0] for row in rows], dtype=np.int64)
    frame["row_id"] = decode_ids(row[1] for row in rows)
    frame["label"] = pd.Series([row[2] for row in rows], dtype=object)
    times = pd.to_datetime(frame["decided_at"], format="ISO8601", utc=True)
    frame["decided_at"] = times.dt.tz_localize(None)
    return frame


def _said(one: Override) -> tuple[str, ...]:
    return one.reviewer, one.decided_at, one.case_id, one.why, one.model
