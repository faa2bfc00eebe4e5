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
import pyarrow.compute as pc

from capstone_lib.store.ids import compact, encode_ids, rises

__all__ = ["IdIndex"]

_CHUNK = 100_000
_ASK = 500
_CACHE_KB = 65_536


class IdIndex:
    """The ids of a run so far, kept in two files of a folder that go away on :meth:`close`."""

    def __init__(self, folder: Path) -> None:
        self._database_path = folder / "_ids.db"
        self._file_path = folder / "_ids.bin"
        self._file = self._file_path.open("wb")
        self._database: sqlite3.Connection | None = None
        self._top = -(2**63)
        self._number = 0

    def add(self, ids: pa.Array) -> np.ndarray | None:
        """Add ids; return the mask of those that were there before, or ``None`` if none was."""
        if not len(ids):
            return None
        if self._database is None:
            if self._append(ids):
                return None
            self._database = self._move()
        return self._insert(self._database, ids)

    def close(self) -> None:
        """Forget everything."""
        self._file.close()
        if self._database is not None:
            self._database.close()
        self._file_path.unlink(missing_ok=True)
        self._database_path.unlink(missing_ok=True)

    def _append(self, ids: pa.Array) -> bool:
        """Take ids that rise; any others end the easy way."""
        if not rises(ids, self._top):
            return False
        values = ids.to_numpy()
        self._top = int(values[-1])
        self._file.write(values.tobytes())
        return True

    def _move(self) -> sqlite3.Connection:
        """Make the key, with the ids that have risen so far."""
        database = sqlite3.connect(
            self._database_path, isolation_level=None, check_same_thread=False
        )
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KB}"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("CREATE TABLE ids (row_id PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        database.execute("BEGIN")  # for good: nobody will ever need this file again
        self._file.close()
        with self._file_path.open("rb") as file:
            while len(chunk := np.fromfile(file, dtype=np.int64, count=_CHUNK)):
                self._put(database, pa.array(chunk))
        return database

    def _insert(self, database: sqlite3.Connection, ids: pa.Array) -> np.ndarray | None:
        first = self._number
        if self._put(database, ids) == len(ids):
            return None
        numbers: dict[Any, int] = {}
        stored = encode_ids(ids)
        for start in range(0, len(stored), _ASK):
            some = stored[start : start + _ASK]
            places = ",".join("?" * len(some))
            query = f"SELECT row_id, number FROM ids WHERE row_id IN ({places})"  # noqa: S608
            numbers.update(database.execute(query, some))
        return np.array([numbers[value] != first + row for row, value in enumerate(stored)])

    def _put(self, database: sqlite3.Connection, ids: pa.Array) -> int:
        """Insert ids, each with a running number; return how many were new."""
        before = database.total_changes
        ids = compact(ids)
        order = pc.sort_indices(ids)
        rows = zip(
            encode_ids(ids.take(order)), (order.to_numpy() + self._number).tolist(), strict=True
        )
        database.executemany("INSERT OR IGNORE INTO ids VALUES (?, ?)", rows)
        self._number += len(ids)
        return database.total_changes - before
