"""Finding repeated row ids without remembering all of them.

Whole numbers that only ever rise cannot repeat: they go into a plain file and cost next to nothing.
With the first id out of order all of them move into a key on the disk, so that memory does not
grow with the rows.
"""

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from capstone_lib.store.ids import encode_ids

__all__ = ["IdIndex"]

_CHUNK = 100_000


class IdIndex:
    """The ids of a run so far, kept in two files of a folder that go away on :meth:`close`."""

    def __init__(self, folder: Path) -> None:
        self._database_path = folder / "_ids.db"
        self._file_path = folder / "_ids.bin"
        self._file = self._file_path.open("wb")
        self._database: sqlite3.Connection | None = None
        self._top = np.iinfo(np.int64).min
        self._number = 0

    def add(self, ids: pa.Array) -> np.ndarray | None:
        """Add ids; return the mask of those that were there before, or ``None`` if none was."""
        if not len(ids):
            return None
        if self._database is None:
            if self._rises(ids):
                return None
            self._database = self._move()
        return self._insert(self._database, encode_ids(ids))

    def close(self) -> None:
        """Forget everything."""
        self._file.close()
        if self._database is not None:
            self._database.close()
        self._file_path.unlink(missing_ok=True)
        self._database_path.unlink(missing_ok=True)

    def _rises(self, ids: pa.Array) -> bool:
        if not pa.types.is_int64(ids.type):
            return False
        values = ids.to_numpy()
        if values[0] <= self._top or not (values[1:] > values[:-1]).all():
            return False
        self._top = values[-1]
        self._file.write(values.tobytes())
        return True

    def _move(self) -> sqlite3.Connection:
        """Make the key, with the ids that have risen so far."""
        database = sqlite3.connect(
            self._database_path, isolation_level=None, check_same_thread=False
        )
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("CREATE TABLE ids (row_id PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        self._file.close()
        with self._file_path.open("rb") as file:
            while len(chunk := np.fromfile(file, dtype=np.int64, count=_CHUNK)):
                self._put(database, encode_ids(chunk))
        return database

    def _insert(self, database: sqlite3.Connection, ids: list[Any]) -> np.ndarray | None:
        first = self._number
        if self._put(database, ids) == len(ids):
            return None
        query = "SELECT number FROM ids WHERE number >= ?"
        repeated = np.ones(len(ids), dtype=bool)
        repeated[[number - first for (number,) in database.execute(query, (first,))]] = False
        return repeated

    def _put(self, database: sqlite3.Connection, ids: list[Any]) -> int:
        """Insert ids, each with a running number; return how many were new."""
        before = database.total_changes
        rows = zip(ids, range(self._number, self._number + len(ids)), strict=True)
        database.execute("BEGIN")
        database.executemany("INSERT OR IGNORE INTO ids VALUES (?, ?)", rows)
        database.execute("COMMIT")
        self._number += len(ids)
        return database.total_changes - before
