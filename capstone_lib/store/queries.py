"""What is asked of the tables: run records, predictions of a run, the newest of each id."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from sqlalchemy import Connection, Select, bindparam, delete, exists, select

from capstone_lib.store.decisions import Decision, classes_by_label
from capstone_lib.store.frames import Piece
from capstone_lib.store.ids import encode_ids
from capstone_lib.store.run import Reject, RunRecord
from capstone_lib.store.tables import decisions, outcomes, prediction_rows, reject_rows, runs

__all__ = [
    "all_runs",
    "ids_there",
    "put_outcomes",
    "read_latest",
    "read_piece",
    "read_rejects",
    "run_values",
]

Rows = Iterator[Sequence[tuple[Any, ...]]]

_FETCH = 50_000
_ASK = 500

_DELETE_OUTCOME = delete(outcomes).where(
    outcomes.c.row_id == bindparam("i"),
    outcomes.c.observed_at == bindparam("o"),
    outcomes.c.source == bindparam("s"),
)


def run_values(record: RunRecord) -> dict[str, Any]:
    """The columns of ``runs`` that a record fills."""
    return record.to_dict()


def all_runs(connection: Connection, *, status: str | None = None) -> list[tuple[int, RunRecord]]:
    """Every attempt with its key, oldest first."""
    query = select(runs).order_by(runs.c.run_key)
    if status is not None:
        query = query.where(runs.c.status == status)
    return [(row.run_key, RunRecord.from_dict(row._mapping)) for row in connection.execute(query)]


def read_piece(
    connection: Connection, run_key: int, record: RunRecord, *, ids: Any = None
) -> Piece:
    """The predictions of one run, or those of some ids."""
    query = _of_run(run_key)
    if ids is None:
        return _piece(connection, run_key, record, _rows(connection, query))
    stored = list(dict.fromkeys(encode_ids(ids)))
    return _piece(connection, run_key, record, _asked(connection, query, stored))


def read_latest(
    connection: Connection, newest_first: Sequence[tuple[int, RunRecord]], *, ids: Any = None
) -> list[Piece]:
    """From each run the predictions of ids that no newer run has."""
    if ids is not None:
        return _latest_of(connection, newest_first, ids)
    pieces: list[Piece] = []
    newer: list[int] = []
    for run_key, record in newest_first:
        query = _of_run(run_key)
        if newer:
            other = prediction_rows.alias("newer")
            query = query.where(
                ~exists().where(
                    other.c.row_id == prediction_rows.c.row_id, other.c.run_key.in_(newer)
                )
            )
        pieces.append(_piece(connection, run_key, record, _rows(connection, query)))
        newer.append(run_key)
    return pieces


def read_rejects(connection: Connection, run_key: int) -> list[Reject]:
    """The rejects of one attempt, in the order of the source."""
    query = (
        select(reject_rows)
        .where(reject_rows.c.run_key == run_key)
        .order_by(reject_rows.c.position, reject_rows.c.reject_key)
    )
    return [Reject(row.position, row.row_id, row.reason) for row in connection.execute(query)]


def ids_there(connection: Connection, run_key: int, ids: Iterable[Any]) -> set[Any]:
    """Which of the ids the attempt has written already."""
    query = select(prediction_rows.c.row_id).where(prediction_rows.c.run_key == run_key)
    return {row[0] for some in _asked(connection, query, ids) for row in some}


def put_outcomes(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write outcomes; one of the same id, time and source takes the place of what was."""
    keys = [{"i": row["row_id"], "o": row["observed_at"], "s": row["source"]} for row in rows]
    connection.execute(_DELETE_OUTCOME, keys)
    connection.execute(outcomes.insert(), rows)


def _latest_of(
    connection: Connection, newest_first: Sequence[tuple[int, RunRecord]], ids: Any
) -> list[Piece]:
    left = list(dict.fromkeys(encode_ids(ids)))
    pieces = []
    for run_key, record in newest_first:
        if not left:
            break
        rows = _asked(connection, _of_run(run_key), left)
        pieces.append(_piece(connection, run_key, record, rows))
        found = set(pieces[-1].ids)
        left = [value for value in left if value not in found]
    return pieces


def _of_run(run_key: int) -> Select[Any]:
    table = prediction_rows.c
    return select(table.row_id, table.score, table.uncertainty, table.decision).where(
        table.run_key == run_key
    )


def _asked(connection: Connection, query: Select[Any], ids: Iterable[Any]) -> Rows:
    """The query for these ids only, a few hundred at a time."""
    remaining = iter(ids)
    while some := list(islice(remaining, _ASK)):
        yield from _rows(connection, query.where(prediction_rows.c.row_id.in_(some)))


def _rows(connection: Connection, query: Select[Any]) -> Rows:
    """Lists of plain tuples, as the driver gives them: there may be millions."""
    cursor = connection.execute(query).cursor
    while cursor is not None and (some := cursor.fetchmany(_FETCH)):
        yield some


def _piece(connection: Connection, run_key: int, record: RunRecord, rows: Rows) -> Piece:
    ids: list[Any] = []
    numbers: list[np.ndarray] = []
    for some in rows:
        row_id, *rest = zip(*some, strict=True)
        ids += row_id
        numbers.append(np.array(rest))
    score, uncertainty, decision = np.concatenate(numbers, axis=1) if numbers else np.empty((3, 0))
    return Piece(
        record,
        ids,
        score.astype(np.float32),
        uncertainty.astype(np.float32),
        decision.astype(np.int64),
        _decisions(connection, run_key, record),
    )


def _decisions(connection: Connection, run_key: int, record: RunRecord) -> list[Decision]:
    """In the order of their numbers; labels as the model's classes are, also from text."""
    query = select(decisions).where(decisions.c.run_key == run_key).order_by(decisions.c.decision)
    named = classes_by_label(record.classes)
    return [
        Decision(named[str(row.label)], row.prediction_set, row.review)
        for row in connection.execute(query)
    ]
