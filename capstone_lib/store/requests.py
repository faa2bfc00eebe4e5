"""The log of requests: what a live endpoint answered, written a chunk of entries at a time.

On SQLite many rows go with one statement. So whoever logs beside an event loop takes Python's lock
a few times only, each time for as long as it takes to hand the values over: not once a row.
"""

import sqlite3
from collections.abc import Sequence
from functools import cache
from time import time
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import DataError, IntegrityError

from capstone_lib.store.engine import writing
from capstone_lib.store.entries import ENTRY, stored_columns
from capstone_lib.store.tables import request_rows, request_writers, served_models

Entries = Sequence[tuple[Any, ...]]

__all__ = ["register_served", "write_requests"]

# A few sizes, so that every statement is prepared once; the largest is a compromise between how
# often Python's lock is taken and how long it is held.
_ROWS_A_STATEMENT = (100, 20, 5, 1)
_ENTRY_IS_WRONG = (
    DataError,
    IntegrityError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    TypeError,
    ValueError,
)


def register_served(connection: Connection, **model: str) -> int:
    """The key of a served model; a new one for an artifact that was not served before."""
    query = select(served_models.c.served_key).where(served_models.c.artifact == model["artifact"])
    known = connection.execute(query).scalar_one_or_none()
    if known is not None:
        return int(known)
    adding = insert(served_models).values(model).returning(served_models.c.served_key)
    try:
        with connection.begin_nested():
            return int(connection.execute(adding).scalar_one())
    except IntegrityError:  # another process has just registered it
        return int(connection.execute(query).scalar_one())


def write_requests(
    engine: Engine,
    entries: Entries,
    *,
    writer: str | None,
    first: int,
    wait_s: float | None,
) -> int:
    """See :meth:`capstone_lib.store.live.LiveStore.write_requests`."""
    with writing(engine, wait_s=wait_s) as connection:
        known = 0 if writer is None else max(0, _written(connection, writer) - first)
        if known < len(entries):
            _insert(connection, entries[known:])
            if writer is not None:
                _note(connection, writer, first + len(entries))
    return max(0, len(entries) - known)


def _insert(connection: Connection, entries: Entries) -> None:
    insert_some = _DIALECTS.get(connection.dialect.name, _insert_with_core)
    try:
        insert_some(connection, entries)
    except _ENTRY_IS_WRONG as error:
        said = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise ValueError(
            f"an entry of the request log cannot be kept: {said}; give every entry the "
            "values that Store.write_requests names, and a served_key of Store.register_served"
        ) from error


def _insert_with_sqlite(connection: Connection, entries: Entries) -> None:
    raw = connection.connection.driver_connection
    assert raw is not None
    start = 0
    for n_rows in _ROWS_A_STATEMENT:
        while start + n_rows <= len(entries):
            columns = stored_columns(entries[start : start + n_rows])
            raw.execute(_statement(n_rows), [value for column in columns for value in column])
            start += n_rows


@cache
def _statement(n_rows: int) -> str:
    """An INSERT of ``n_rows`` rows whose parameters come column after column."""
    rows = ",".join(
        f"({','.join(f'?{c * n_rows + r + 1}' for c in range(len(ENTRY)))})" for r in range(n_rows)
    )
    return f"INSERT INTO request_rows ({', '.join(ENTRY)}) VALUES {rows}"  # noqa: S608


def _insert_with_core(connection: Connection, entries: Entries) -> None:
    rows = zip(*stored_columns(entries), strict=True)
    connection.execute(insert(request_rows), [dict(zip(ENTRY, row, strict=True)) for row in rows])


_DIALECTS = {"sqlite": _insert_with_sqlite}


def _written(connection: Connection, writer: str) -> int:
    """How many of a writer's entries are in the store."""
    query = select(request_writers.c.written).where(request_writers.c.writer == writer)
    return connection.execute(query).scalar_one_or_none() or 0


def _note(connection: Connection, writer: str, written: int) -> None:
    values = {"written": written, "changed_at": time()}
    known = update(request_writers).where(request_writers.c.writer == writer).values(values)
    if not connection.execute(known).rowcount:
        connection.execute(insert(request_writers).values(writer=writer, **values))
