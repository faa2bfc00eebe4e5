"""Opening a database: URLs, the settings SQLite needs, transactions, and errors in plain words."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError

from capstone_lib.errors import MissingExtraError, StoreError
from capstone_lib.store.presence import watch_file
from capstone_lib.store.refusal import needs_database
from capstone_lib.store.tables import prepare

__all__ = ["engine_of", "open_engine", "reading", "writing"]

_WAIT_S = 60.0
_WAITS = "capstone_wait_s"
_PAGE_BYTES = 16_384
_CACHE_KB = 16_384


def engine_of(store: Any, *, who: str) -> Engine:
    """The database of a store.

    Parameters
    ----------
    store : Store
    who : str
        Who needs it, with the verb: ``"alerts need"``.

    Raises
    ------
    StoreError
        If the store is a folder.
    """
    engine = getattr(store, "engine", None)
    if isinstance(engine, Engine):
        return engine
    raise needs_database(store.url, who=who)


def open_engine(url: str | URL) -> Engine:
    """Open (or make) the database and check that it is a store of this version.

    Raises
    ------
    StoreError
        If the URL cannot be read, the database cannot be reached, or is not a store of ours.
    """
    target = _parse(url)
    shown = target.render_as_string(hide_password=True)
    engine = _engine(target)
    try:
        with writing(engine) as connection:
            prepare(connection, where=shown)
        if target.get_backend_name() == "sqlite":
            _use_wal(engine)
            watch_file(engine)
    except StoreError:
        engine.dispose()
        raise
    return engine


@contextmanager
def writing(engine: Engine, *, wait_s: float | None = None) -> Iterator[Connection]:
    """One transaction that writes; SQLite waits for its turn, ``wait_s`` at most, and begins."""
    options = {"capstone_writes": True, "capstone_wait_s": _WAIT_S if wait_s is None else wait_s}
    with (
        _in_plain_words(engine),
        engine.connect().execution_options(**options) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that reads: a consistent view, however long it takes."""
    with _in_plain_words(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def _in_plain_words(engine: Engine) -> Iterator[None]:
    """Turn a driver's complaint into a :class:`StoreError`; a broken key is the caller's affair."""
    try:
        yield
    except (IntegrityError, sqlite3.IntegrityError):
        raise
    except (DBAPIError, sqlite3.Error) as error:
        said = error.orig if isinstance(error, DBAPIError) and error.orig else error
        raise StoreError(
            f"the store {engine.url.render_as_string(hide_password=True)} cannot be used: "
            f"{str(said).strip().splitlines()[0]}; check that the place exists, that it has room, "
            "that you may write there, and that the file is a database"
        ) from error


def _parse(url: str | URL) -> URL:
    try:
        target = make_url(url)
    except ArgumentError:
        raise StoreError(
            f"{url!r} is not a store; give a database URL such as 'sqlite:///predictions.db' or a "
            "folder such as 'predictions/'"
        ) from None
    if target.get_backend_name() != "sqlite":
        return target
    if target.database in (None, "", ":memory:"):
        raise StoreError(
            "a store must outlive the process that writes it; give SQLite a file, such as "
            "'sqlite:///predictions.db'"
        )
    path = Path(str(target.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the folder {path.parent} of the store cannot be made: {error.strerror}; choose "
            "another place"
        ) from error
    return target.set(database=str(path.absolute()))


def _engine(target: URL) -> Engine:
    options: dict[str, Any] = {"pool_pre_ping": True}
    if target.get_backend_name() == "sqlite":
        options = {"connect_args": {"timeout": _WAIT_S, "check_same_thread": False}}
    try:
        engine = create_engine(target, **options)
    except NoSuchModuleError:
        raise StoreError(
            f"no database is called {target.drivername!r}; known are sqlite and postgresql"
        ) from None
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "postgres") from error
    if target.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(raw: Any, _: Any) -> None:
    raw.isolation_level = None  # transactions begin where we say, not where the driver guesses
    for pragma in (
        f"page_size = {_PAGE_BYTES}",  # of a new file only: fewer, fuller pages
        "synchronous = NORMAL",
        "foreign_keys = ON",
        f"cache_size = -{_CACHE_KB}",
    ):
        raw.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    wait_s = options.get("capstone_wait_s", _WAIT_S)
    if connection.info.get(_WAITS, _WAIT_S) != wait_s:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {round(wait_s * 1000)}")
        connection.info[_WAITS] = wait_s
    writes = options.get("capstone_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _use_wal(engine: Engine) -> None:
    """Readers and a writer side by side; only once the file is known to be ours."""
    deadline = time.monotonic() + _WAIT_S
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        while True:
            try:
                cursor.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                # Another process is changing the same new file; SQLite does not wait here.
                if time.monotonic() > deadline:
                    raise StoreError(f"{engine.url} stays locked: {error}; try again") from error
                time.sleep(0.05)
    finally:
        raw.close()
