"""A store in a database, through SQLAlchemy: SQLite by default, others by their URL.

Rows are staged under the key of their attempt and become visible when the attempt's status turns
to *published*, in one transaction. What is left of attempts that died is taken away by the next.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, delete, exists, insert, select, update

from capstone_lib.store import queries
from capstone_lib.store.attempt import DatabaseAttempt
from capstone_lib.store.base import Attempt, Selection, Store
from capstone_lib.store.engine import open_engine, reading, writing
from capstone_lib.store.frames import Piece
from capstone_lib.store.live_database import LiveDatabase
from capstone_lib.store.measurement import Measurement
from capstone_lib.store.measurements import read_measurements, write_measurements
from capstone_lib.store.outcomes import outcome_rows, outcomes_frame
from capstone_lib.store.overrides import apply_overrides, read_overrides
from capstone_lib.store.owner import Owner
from capstone_lib.store.run import Reject, RunIdentity, RunRecord, now
from capstone_lib.store.tables import decisions, outcomes, prediction_rows, reject_rows, runs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DatabaseStore"]

_CHUNK = 20_000
_GIVEN_UP = "the process ended before the run was finished (killed, or the machine stopped)"


class DatabaseStore(LiveDatabase, Store):
    """A store in a database.

    Parameters
    ----------
    url : str or URL
        An SQLAlchemy URL; a SQLite file is made if it is not there.

    Raises
    ------
    StoreError
        If the database cannot be opened, or is not a store of this version.
    """

    def __init__(self, url: str | URL) -> None:
        self.engine: Engine = open_engine(url)
        self.url = self.engine.url.render_as_string(hide_password=True)

    def begin(self, record: RunRecord) -> Attempt | RunRecord:
        """See :meth:`Store.begin`."""
        self.sweep()
        with writing(self.engine) as connection:
            done = _published(connection, record.identity)
            if done is not None:
                return done
            owner = Owner.here()
            values = {
                **queries.run_values(record),
                "owner_host": owner.host,
                "owner_pid": owner.pid,
                "owner_born": owner.born,
                "heartbeat": datetime.now(UTC).timestamp(),
            }
            result = connection.execute(insert(runs).values(values).returning(runs.c.run_key))
            return DatabaseAttempt(self, int(result.scalar_one()), record)

    def published(self, identity: RunIdentity) -> RunRecord | None:
        """See :meth:`Store.published`."""
        with reading(self.engine) as connection:
            return _published(connection, identity)

    def records(self) -> list[RunRecord]:
        """See :meth:`Store.records`."""
        with reading(self.engine) as connection:
            return [record for _, record in queries.all_runs(connection)]

    def sweep(self) -> None:
        """Take away what no reader will ever see: rows of dead, failed and superseded attempts."""
        with reading(self.engine) as connection:
            rows = connection.execute(select(runs).where(runs.c.status == "running")).all()
        dead = [
            row.run_key
            for row in rows
            if Owner(row.owner_host, row.owner_pid, row.owner_born).is_dead(row.heartbeat)
        ]
        if dead:
            with writing(self.engine) as connection:
                connection.execute(
                    update(runs)
                    .where(runs.c.run_key.in_(dead), runs.c.status == "running")
                    .values(status="failed", error=_GIVEN_UP, finished_at=now())
                )
                connection.execute(delete(reject_rows).where(reject_rows.c.run_key.in_(dead)))
        for run_key in self._unseen():
            self.clear(run_key)

    def _unseen(self) -> list[int]:
        left = exists().where(prediction_rows.c.run_key == runs.c.run_key)
        unseen = runs.c.status.in_(["failed", "superseded"])
        with reading(self.engine) as connection:
            return list(connection.scalars(select(runs.c.run_key).where(unseen, left)))

    def clear(self, run_key: int) -> None:
        """Delete an attempt's predictions, a few at a time, so that other writers get turns."""
        some = (
            select(prediction_rows.c.row_id)
            .where(prediction_rows.c.run_key == run_key)
            .limit(_CHUNK)
        )
        query = delete(prediction_rows).where(
            prediction_rows.c.run_key == run_key, prediction_rows.c.row_id.in_(some)
        )
        while True:
            with writing(self.engine) as connection:
                if not connection.execute(query).rowcount:
                    connection.execute(delete(decisions).where(decisions.c.run_key == run_key))
                    return

    def record_outcomes(
        self,
        frame: "pd.DataFrame",
        *,
        id: str = "row_id",  # noqa: A002 - the column's role
        outcome: str = "outcome",
        observed_at: str | date | datetime = "observed_at",
    ) -> int:
        """See :meth:`Store.record_outcomes`."""
        rows = outcome_rows(frame, id=id, outcome=outcome, observed_at=observed_at)
        if rows:
            with writing(self.engine) as connection:
                queries.put_outcomes(connection, rows)
        return len(rows)

    def outcomes(self) -> "pd.DataFrame":
        """See :meth:`Store.outcomes`."""
        with reading(self.engine) as connection:
            query = select(outcomes).order_by(
                outcomes.c.observed_at, outcomes.c.row_id, outcomes.c.source
            )
            return outcomes_frame([tuple(row) for row in connection.execute(query)])

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def _write_measurements(self, measurements: Iterable[Measurement], *, whole: bool) -> int:
        with writing(self.engine) as connection:
            return write_measurements(connection, measurements, whole=whole)

    def _read_measurements(self, **wanted: Any) -> "pd.DataFrame":
        with reading(self.engine) as connection:
            return read_measurements(connection, **wanted)

    def _pieces(self, selection: Selection) -> list[Piece]:
        with reading(self.engine) as connection:
            return [
                queries.read_piece(connection, run_key, record, ids=selection.ids)
                for run_key, record in queries.all_runs(connection, status="published")
                if selection.has(record)
            ]

    def _ruled(self, pieces: list[Piece]) -> list[Piece]:
        with reading(self.engine) as connection:
            made = read_overrides(connection)
        return [apply_overrides(piece, made) for piece in pieces] if made else pieces

    def _latest_pieces(self, selection: Selection) -> list[Piece]:
        with reading(self.engine) as connection:
            newest_first = sorted(
                (
                    (record.identity.as_of, record.scored_at, run_key, record)
                    for run_key, record in queries.all_runs(connection, status="published")
                    if selection.has(record, until=True)
                ),
                key=lambda item: item[:3],
                reverse=True,
            )
            found = [(run_key, record) for _, _, run_key, record in newest_first]
            return queries.read_latest(connection, found, ids=selection.ids)

    def _rejects(self, selection: Selection) -> list[tuple[RunRecord, Sequence[Reject]]]:
        with reading(self.engine) as connection:
            return [
                (record, queries.read_rejects(connection, run_key))
                for run_key, record in queries.all_runs(connection)
                if selection.has(record) and record.status in ("published", "failed")
            ]


def _published(connection: Connection, identity: RunIdentity) -> RunRecord | None:
    query = select(runs).where(runs.c.run_id == identity.run_id, runs.c.status == "published")
    row = connection.execute(query).one_or_none()
    return None if row is None else RunRecord.from_dict(row._mapping)
