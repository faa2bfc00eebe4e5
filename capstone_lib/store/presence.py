"""Noticing that a SQLite file is gone or was replaced while a process has it open.

An open file outlives its name: without this a process would write on into a file that nobody will
ever find, and a new connection would make an empty database in its place.
"""

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

from capstone_lib.errors import StoreError

__all__ = ["watch_file"]

_FILE = "capstone_file"


def watch_file(engine: Engine) -> None:
    """From now on refuse to work without the engine's file, and open it anew if it was replaced.

    To be called when the file is there.
    """
    path = Path(str(engine.url.database))

    def before_connecting(*_: Any) -> None:
        _identity(path)

    def after_connecting(_: Any, record: Any) -> None:
        record.info[_FILE] = _identity(path)

    def before_use(_: Any, record: Any, __: Any) -> None:
        known = record.info.setdefault(_FILE, _identity(path))
        if known != _identity(path):
            raise DisconnectionError(f"{path} is another file than it was")

    event.listen(engine, "do_connect", before_connecting)
    event.listen(engine, "connect", after_connecting)
    event.listen(engine, "checkout", before_use)


def _identity(path: Path) -> tuple[int, int]:
    """What a file is, whatever it is called."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise StoreError(
            f"the store {path} cannot be used: its file is gone ({error.strerror}); put it back, "
            "or name another store"
        ) from error
    return found.st_dev, found.st_ino
