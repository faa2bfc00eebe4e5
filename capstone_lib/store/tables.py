"""The tables of a store, its views, and the version of them all.

What follows from measurements has tables of its own: ``alert_tables``, ``review_tables`` and
``explanation_tables``.
``prediction_rows`` holds rows of runs in every state; readers use the view ``predictions``, which
shows published runs only. ``request_rows`` names its model by a number; the view ``requests`` shows
the names. Nothing here reads or writes rows.
"""

from importlib import import_module
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    inspect,
    select,
    text,
)
from sqlalchemy.types import TypeDecorator, UserDefinedType

from capstone_lib.errors import StoreError

__all__ = [
    "SCHEMA_VERSION",
    "decisions",
    "measurements",
    "metadata",
    "outcomes",
    "prediction_rows",
    "prepare",
    "reject_rows",
    "request_rows",
    "request_writers",
    "rollout_rows",
    "runs",
    "served_models",
]

SCHEMA_VERSION = 4


class _Untyped(UserDefinedType[Any]):
    """A SQLite column without affinity: integers stay integers, text stays text."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return ""


class Plain(TypeDecorator[Any]):
    """A whole number or text, kept apart where the database can, as text where it cannot."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        return dialect.type_descriptor(_Untyped() if dialect.name == "sqlite" else Text())

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value if value is None or dialect.name == "sqlite" else str(value)


metadata = MetaData()

_meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("run_key", Integer, primary_key=True, autoincrement=True, comment="one attempt"),
    Column("run_id", Text, nullable=False, index=True, comment="what the attempt computes"),
    Column("status", Text, nullable=False, comment="running, published, failed or superseded"),
    Column("as_of", Text, nullable=False, comment="ISO date"),
    Column("snapshot", Text, nullable=False, comment="SHA-256 of the source"),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("artifact", Text, nullable=False, comment="SHA-256 of the artifact's content"),
    Column("id_column", Text, nullable=False, comment="the source's column; empty: row number"),
    Column("source", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("classes", JSON, nullable=False),
    Column("scored_at", Text, nullable=False, comment="ISO time, UTC, when the attempt began"),
    Column("finished_at", Text),
    Column("rows", Integer),
    Column("rejected", Integer),
    Column("seconds", Double),
    Column("steps", JSON),
    Column("problems", JSON),
    Column("error", Text),
    Column("owner_host", Text, nullable=False),
    Column("owner_pid", Integer, nullable=False),
    Column("owner_born", Double, nullable=False),
    Column("heartbeat", Double, nullable=False, comment="seconds since 1970"),
    sqlite_autoincrement=True,
)
Index(
    "one_published_run",
    runs.c.as_of,
    runs.c.snapshot,
    runs.c.model,
    runs.c.version,
    unique=True,
    sqlite_where=text("status = 'published'"),
    postgresql_where=text("status = 'published'"),
)

prediction_rows = Table(
    "prediction_rows",
    metadata,
    # No foreign key: it would be looked up for every row; an attempt checks its run once a batch.
    Column("run_key", Integer, primary_key=True, autoincrement=False),
    Column("row_id", Plain, primary_key=True),
    Column("score", Double, nullable=False),
    Column("uncertainty", Double, nullable=False),
    Column("decision", Integer, nullable=False),
    sqlite_with_rowid=False,
)

decisions = Table(
    "decisions",
    metadata,
    Column("run_key", Integer, ForeignKey("runs.run_key"), primary_key=True, autoincrement=False),
    Column("decision", Integer, primary_key=True, autoincrement=False),
    Column("label", Plain, nullable=False),
    Column("prediction_set", Text, nullable=False, comment="a JSON list of labels"),
    Column("review", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

reject_rows = Table(
    "reject_rows",
    metadata,
    Column("reject_key", Integer, primary_key=True, autoincrement=True),
    Column("run_key", Integer, ForeignKey("runs.run_key"), nullable=False, index=True),
    Column("position", Integer, comment="row number in the source, from 0"),
    Column("row_id", Plain),
    Column("reason", Text, nullable=False),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("row_id", Plain, primary_key=True),
    Column("observed_at", Text, primary_key=True, comment="ISO time"),
    Column("outcome", Plain, nullable=False),
    Column("recorded_at", Text, nullable=False, comment="ISO time, UTC"),
    Column("source", Text, primary_key=True, comment="observed, or review: a reviewer says so"),
    sqlite_with_rowid=False,
)

served_models = Table(
    "served_models",
    metadata,
    Column("served_key", Integer, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("artifact", Text, nullable=False, unique=True, comment="SHA-256 of the file"),
    Column("snapshot", Text, nullable=False, comment="SHA-256 of the training data"),
)

request_rows = Table(
    "request_rows",
    metadata,
    Column("request_key", Integer, primary_key=True, autoincrement=True),
    # No index on the id: ids come in any order, so each would touch a page of its own, and the log
    # is written all day but asked for one person now and then.
    Column("row_id", Plain),
    Column("received_at", Double, nullable=False, index=True, comment="seconds since 1970, UTC"),
    Column("served_key", Integer, ForeignKey("served_models.served_key"), nullable=False),
    Column("route", Text, nullable=False, comment="stable, canary, shadow, degraded or batch"),
    Column("features", Text, nullable=False, comment="a JSON object"),
    Column("score", Double, comment="empty: answered without a model"),
    Column("label", Plain),
    Column("uncertainty", Double),
    Column("prediction_set", Text, nullable=False, comment="a JSON list of labels"),
    Column("review", Boolean, nullable=False),
    Column("latency_ms", Double, nullable=False),
    Column("explanation", Text, comment="JSON, when it was asked for"),
    Column("run_key", Integer, ForeignKey("runs.run_key"), comment="of a nightly score passed on"),
    Column("miss", Text, comment="why no nightly score was passed on, where that is done"),
    Column(
        "override_key",
        Integer,
        ForeignKey("overrides.override_key"),
        comment="whose label was given in the place of the one here",
    ),
)

# Written in the same transaction as the rows: so a chunk that is sent twice is kept once.
request_writers = Table(
    "request_writers",
    metadata,
    Column("writer", Text, primary_key=True, comment="one log of one process"),
    Column("written", Integer, nullable=False, comment="of its entries, the first so many"),
    Column("changed_at", Double, nullable=False, comment="seconds since 1970"),
)

rollout_rows = Table(
    "rollout",
    metadata,
    Column("rollout_key", Integer, primary_key=True, autoincrement=True),
    Column("changed_at", Text, nullable=False, comment="ISO time, UTC"),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("route", Text, nullable=False, comment="stable or degraded"),
    Column("canary_share", Double, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("shadow", Boolean, nullable=False),
    sqlite_autoincrement=True,
)

measurements = Table(
    "measurements",
    metadata,
    Column("name", Text, primary_key=True),
    Column("feature", Text, primary_key=True, comment="empty: of no column"),
    Column("group", Text, primary_key=True, comment="empty: of everybody"),
    Column("window_start", Text, primary_key=True, comment="ISO time, UTC; empty: not known"),
    Column("window_end", Text, primary_key=True, comment="the first moment after it"),
    Column("traffic", Text, primary_key=True, comment="batch, live, or empty: of both"),
    Column("model", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("value", Double, comment="empty: not defined, or not measured; the note says why"),
    Column("low", Double),
    Column("high", Double),
    Column("n", Integer, nullable=False, comment="rows, requests or runs behind it"),
    Column("unit", Text, nullable=False),
    Column("threshold", Double),
    Column("note", Text, nullable=False),
    Column("recorded_at", Text, nullable=False, comment="ISO time, UTC"),
    sqlite_with_rowid=False,
)

_MORE = ("alert_tables", "review_tables", "explanation_tables")

_VIEWS = (
    """
    CREATE VIEW predictions AS
    SELECT p.row_id, p.score, d.label, p.uncertainty, d.prediction_set, d.review,
           r.as_of, r.scored_at, r.model, r.version, r.snapshot, r.run_id
    FROM runs r
    JOIN prediction_rows p ON p.run_key = r.run_key
    JOIN decisions d ON d.run_key = p.run_key AND d.decision = p.decision
    WHERE r.status = 'published'
    """,
    """
    CREATE VIEW rejects AS
    SELECT j.row_id, j.position, j.reason, r.status, r.as_of, r.model, r.version, r.snapshot,
           r.run_id
    FROM runs r
    JOIN reject_rows j ON j.run_key = r.run_key
    WHERE r.status IN ('published', 'failed')
    """,
    """
    CREATE VIEW requests AS
    SELECT q.request_key, q.row_id, q.received_at, q.route, m.name AS model, m.version, m.snapshot,
           q.features, q.score, q.label, q.uncertainty, q.prediction_set, q.review, q.latency_ms,
           q.explanation, r.as_of, q.miss, COALESCE(o.label, q.label) AS answered,
           COALESCE(o.reviewer, 'model') AS decided_by
    FROM request_rows q
    JOIN served_models m ON m.served_key = q.served_key
    LEFT JOIN runs r ON r.run_key = q.run_key
    LEFT JOIN overrides o ON o.override_key = q.override_key
    """,
)


def prepare(connection: Connection, *, where: str) -> None:
    """Make the tables in an empty database, or check that they are ours and of this version.

    Raises
    ------
    StoreError
        If the database holds other tables, or a store of another version.
    """
    there = set(inspect(connection).get_table_names())
    if not there:
        _create(connection)
        return
    if "meta" not in there or "prediction_rows" not in there:
        raise StoreError(
            f"{where} is a database of something else (it has the tables "
            f"{', '.join(sorted(there)[:5])}, and not those of a store); give the store a database "
            "of its own"
        )
    query = select(_meta.c.value).where(_meta.c.key == "schema_version")
    version = connection.execute(query).scalar()
    if version != str(SCHEMA_VERSION):
        raise StoreError(
            f"{where} is a store of schema version {version}; this capstone-lib reads and writes "
            f"version {SCHEMA_VERSION}: {_way_out(version)}"
        )


def _way_out(version: str | None) -> str:
    if version is not None and version.isdecimal() and int(version) < SCHEMA_VERSION:
        return (
            "name a new store, and the batch runs will fill it again; the old one stays as it is, "
            "for the capstone-lib that made it"
        )
    return "upgrade capstone-lib, or name another store"


def _create(connection: Connection) -> None:
    for name in _MORE:
        import_module(f"capstone_lib.store.{name}")
    metadata.create_all(connection)
    for view in _VIEWS:
        connection.execute(text(view))
    connection.execute(_meta.insert(), {"key": "schema_version", "value": str(SCHEMA_VERSION)})
