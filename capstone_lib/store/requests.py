"""The log of requests: what a live endpoint answered, written a chunk of entries at a time.

A chunk becomes one JSON text, and one statement takes it apart inside the database. So whoever logs
beside an event loop holds Python's lock for the encoding only, not for every row.
"""

from collections.abc import Sequence
from time import time
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from capstone_lib.errors import MissingExtraError
from capstone_lib.store.engine import writing
from capstone_lib.store.request_sql import INSERT, plain_rows
from capstone_lib.store.tables import request_rows, request_writers, served_models

__all__ = ["encode_entries", "register_served", "write_requests"]

_ZERO_BYTE = b"\\u0000"


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
    entries: Sequence[tuple[Any, ...]],
    *,
    writer: str | None,
    first: int,
    wait_s: float | None,
) -> int:
    """See :meth:`capstone_lib.store.live.LiveStore.write_requests`."""
    payload = encode_entries(entries)  # before the transaction, which keeps other writers waiting
    with writing(engine, wait_s=wait_s) as connection:
        known = 0 if writer is None else max(0, _written(connection, writer) - first)
        if known:
            payload = encode_entries(entries[known:])
        if known < len(entries):
            _insert(connection, payload)
            if writer is not None:
                _note(connection, writer, first + len(entries))
    return max(0, len(entries) - known)


def encode_entries(entries: Sequence[Any]) -> bytes:
    """Entries as one JSON text.

    Raises
    ------
    ValueError
        If an entry holds what JSON cannot.
    """
    try:
        import msgspec
    except ModuleNotFoundError as error:
        raise MissingExtraError("msgspec", "serve") from error
    wrong = (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError)
    try:
        return msgspec.json.encode(entries, enc_hook=_plain_number)
    except wrong as error:
        raise ValueError(
            f"an entry of the request log cannot be written as JSON: {error}; log numbers, text, "
            "true/false, None, lists and dicts only"
        ) from error


def _plain_number(value: Any) -> Any:
    """What NumPy calls a number, as Python calls it."""
    import numpy as np

    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} is a {type(value).__name__}")


def _insert(connection: Connection, payload: bytes) -> None:
    statement = INSERT.get(connection.dialect.name)
    try:
        if statement is None or _ZERO_BYTE in payload:  # SQLite's JSON ends a text at a zero byte
            connection.execute(insert(request_rows), plain_rows(payload))
        else:
            connection.execute(statement, {"entries": payload.decode()})
    except (IntegrityError, DataError, OperationalError, UnicodeError) as error:
        said = str(getattr(error, "orig", error)).strip().splitlines()[0]
        if isinstance(error, OperationalError) and "malformed JSON" not in said:
            raise
        raise ValueError(
            f"an entry of the request log cannot be kept: {said}; give every entry the twelve "
            "values that Store.write_requests names, and a served_key of Store.register_served"
        ) from error


def _written(connection: Connection, writer: str) -> int:
    """How many of a writer's entries are in the store."""
    query = select(request_writers.c.written).where(request_writers.c.writer == writer)
    return connection.execute(query).scalar_one_or_none() or 0


def _note(connection: Connection, writer: str, written: int) -> None:
    values = {"written": written, "changed_at": time()}
    known = update(request_writers).where(request_writers.c.writer == writer).values(values)
    if not connection.execute(known).rowcount:
        connection.execute(insert(request_writers).values(writer=writer, **values))
