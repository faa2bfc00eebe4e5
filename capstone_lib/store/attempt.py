"""One attempt at a run in a database: stage rows, then publish them in one transaction."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from capstone_lib.errors import RunError
from capstone_lib.store import queries
from capstone_lib.store.base import Attempt
from capstone_lib.store.bulk import insert_predictions
from capstone_lib.store.decisions import Decision, DecisionBook
from capstone_lib.store.engine import writing
from capstone_lib.store.ids import encode_id, encode_ids, rises
from capstone_lib.store.run import Reject, RunRecord, ScoredBatch
from capstone_lib.store.tables import decisions, reject_rows, runs

if TYPE_CHECKING:
    from capstone_lib.store.database import DatabaseStore

__all__ = ["DatabaseAttempt"]

_HELD_ROWS = 524_288
_LOWEST = -(2**63)


class DatabaseAttempt(Attempt):
    """See :class:`capstone_lib.store.base.Attempt`.

    Rows whose ids rise are appended at once. Others would each touch a page of their own: they are
    held back until there are enough of them to be put into the key's order (measured with 3 million
    ids at random: 1.5 µs a row instead of 10).
    """

    def __init__(self, store: "DatabaseStore", run_key: int, record: RunRecord) -> None:
        self.record = record
        self.run_key = run_key
        self._store = store
        self._book = DecisionBook()
        self._held: list[ScoredBatch] = []
        self._top: int | None = _LOWEST

    def write(self, batch: ScoredBatch) -> int:
        """Stage a batch in a transaction of its own, or hold it back."""
        if self._rises(batch):
            return self._stage(batch)
        self._held.append(batch)
        return self.flush() if sum(map(len, self._held)) >= _HELD_ROWS else 0

    def flush(self) -> int:
        """Stage what is held back."""
        if not self._held:
            return 0
        batch = ScoredBatch.joined(self._held)
        self._held = []
        return self._stage(batch)

    def _rises(self, batch: ScoredBatch) -> bool:
        if self._top is None or not rises(batch.ids, self._top):
            self._top = None
            return False
        self._top = batch.ids[-1].as_py() if len(batch) else self._top
        return True

    def _stage(self, batch: ScoredBatch) -> int:
        numbers, new = self._book.number(batch.decided)
        try:
            self._put(batch, numbers, new)
            return 0
        except (sqlite3.IntegrityError, IntegrityError):
            repeated = self._repeated(batch)
            if not repeated.any():
                raise
        self._put(batch.without(repeated), numbers[~repeated], new)
        return int(repeated.sum())

    def publish(self, record: RunRecord) -> RunRecord:
        """Turn the status; a run of the same version with another artifact steps back."""
        self.flush()
        identity = record.identity
        same = (
            (runs.c.as_of == identity.as_of)
            & (runs.c.snapshot == identity.snapshot)
            & (runs.c.model == identity.model)
            & (runs.c.version == identity.version)
            & (runs.c.status == "published")
        )
        with writing(self._store.engine) as connection:
            other = connection.execute(select(runs).where(same)).one_or_none()
            if other is not None and other.run_id == record.run_id:
                self._update(connection, record, status="superseded")
                winner = RunRecord.from_dict(other._mapping)
            else:
                connection.execute(update(runs).where(same).values(status="superseded"))
                self._update(connection, record)
                self._forget_earlier_rejects(connection)
                winner = record
        if other is not None:
            self._store.sweep()
        if winner is not record:
            self._forget()
        return winner

    def fail(self, record: RunRecord) -> None:
        """Mark the attempt and clear its rows."""
        with writing(self._store.engine) as connection:
            self._update(connection, record)
            self._forget_earlier_rejects(connection)
            self._put_rejects(connection, [r for batch in self._held for r in batch.rejects])
        self._store.clear(self.run_key)

    def _put(
        self, batch: ScoredBatch, numbers: np.ndarray, new: list[tuple[int, Decision]]
    ) -> None:
        with writing(self._store.engine) as connection:
            self._sign_of_life(connection)
            if new:
                connection.execute(
                    insert(decisions),
                    [{"run_key": self.run_key, "decision": n, **vars(d)} for n, d in new],
                )
            self._put_rejects(connection, batch.rejects)
            insert_predictions(
                connection, self.run_key, batch.ids, batch.score, batch.uncertainty, numbers
            )

    def _put_rejects(self, connection: Connection, rejects: Sequence[Reject]) -> None:
        rows = [
            {
                "run_key": self.run_key,
                "position": reject.position,
                "row_id": encode_id(reject.row_id),
                "reason": reject.reason,
            }
            for reject in rejects
        ]
        if rows:
            connection.execute(insert(reject_rows), rows)

    def _sign_of_life(self, connection: Connection) -> None:
        beat = (
            update(runs)
            .where(runs.c.run_key == self.run_key, runs.c.status == "running")
            .values(heartbeat=datetime.now(UTC).timestamp())
        )
        if not connection.execute(beat).rowcount:
            raise RunError(
                f"run {self.record.run_id} was given up by another process, which took this one "
                "for dead (no sign of life for minutes, or the clock was moved); run it again"
            )

    def _repeated(self, batch: ScoredBatch) -> np.ndarray:
        """Which rows have an id that an earlier row of the run has."""
        ids = encode_ids(batch.ids)
        with writing(self._store.engine) as connection:
            seen = queries.ids_there(connection, self.run_key, ids)
        repeated = np.zeros(len(ids), dtype=bool)
        for row, value in enumerate(ids):
            repeated[row] = value in seen
            seen.add(value)
        return repeated

    def _update(
        self, connection: Connection, record: RunRecord, *, status: str | None = None
    ) -> None:
        values = queries.run_values(record)
        values["status"] = status or record.status
        mine = (runs.c.run_key == self.run_key) & (runs.c.status == "running")
        if not connection.execute(update(runs).where(mine).values(values)).rowcount:
            raise RunError(
                f"run {record.run_id} was given up by another process before it ended; run it again"
            )

    def _forget_earlier_rejects(self, connection: Connection) -> None:
        """Of failed attempts at the same run only the last one's rejects are of use."""
        earlier = select(runs.c.run_key).where(
            runs.c.run_id == self.record.run_id,
            runs.c.run_key != self.run_key,
            runs.c.status == "failed",
        )
        connection.execute(delete(reject_rows).where(reject_rows.c.run_key.in_(earlier)))

    def _forget(self) -> None:
        """Leave no trace of an attempt that another one outran."""
        self._store.clear(self.run_key)
        with writing(self._store.engine) as connection:
            connection.execute(delete(reject_rows).where(reject_rows.c.run_key == self.run_key))
            connection.execute(delete(runs).where(runs.c.run_key == self.run_key))
