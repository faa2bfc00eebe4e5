"""The tables of what follows from measurements: alerts, what was done about them, silences."""

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, Table, Text, text

from capstone_lib.store.tables import metadata

__all__ = ["alert_actions", "alerts", "scale_requests", "silences", "tickets"]

alerts = Table(
    "alerts",
    metadata,
    Column("alert_key", Integer, primary_key=True, autoincrement=True),
    Column("alert_id", Text, nullable=False, comment="rule and what it speaks of, hashed"),
    Column("rule", Text, nullable=False),
    Column("severity", Text, nullable=False, comment="info, warning or critical"),
    Column("owner", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("traffic", Text, nullable=False, comment="batch, live, or empty: of both"),
    Column("feature", Text, nullable=False, comment="empty: of no column"),
    Column("group", Text, nullable=False, comment="empty: of everybody"),
    Column("raised_at", Text, nullable=False, comment="ISO time, UTC"),
    Column("seen_at", Text, nullable=False, comment="when it was last found to hold"),
    Column("cleared_at", Text, comment="empty: it still holds"),
    Column("cleared_by", Text),
    Column("window_end", Text, nullable=False, comment="of the last window that told of it"),
    Column("message", Text, nullable=False),
    Column("measurements", JSON, nullable=False, comment="the causes, as they were"),
    Column("definition", JSON, nullable=False, comment="the rule, as it was"),
    Column("acknowledged_at", Text),
    Column("acknowledged_by", Text),
    sqlite_autoincrement=True,
)
Index(
    "one_open_alert",
    alerts.c.alert_id,
    unique=True,
    sqlite_where=text("cleared_at IS NULL"),
    postgresql_where=text("cleared_at IS NULL"),
)

alert_actions = Table(
    "alert_actions",
    metadata,
    Column("alert_key", Integer, ForeignKey("alerts.alert_key"), primary_key=True),
    Column("action", Text, primary_key=True),
    Column("done_at", Text, comment="ISO time, UTC; empty: not yet, the error says why"),
    Column("done_by", Text),
    Column("claim", JSON, comment="the process that is at it"),
    Column("tries", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("result", Text, nullable=False, comment="in words"),
    Column("before", JSON, nullable=False, comment="what undoing it needs"),
    Column("undone_at", Text),
    Column("undone_by", Text),
)

silences = Table(
    "silences",
    metadata,
    Column("silence_key", Integer, primary_key=True, autoincrement=True),
    Column("rule", Text, nullable=False),
    Column("feature", Text, nullable=False, comment="empty: every one"),
    Column("group", Text, nullable=False, comment="empty: every one"),
    Column("until", Text, nullable=False, comment="ISO time, UTC"),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    sqlite_autoincrement=True,
)

tickets = Table(
    "tickets",
    metadata,
    Column("ticket", Integer, primary_key=True, autoincrement=True),
    Column("alert_key", Integer, ForeignKey("alerts.alert_key"), nullable=False, unique=True),
    Column("opened_at", Text, nullable=False),
    Column("closed_at", Text),
    Column("closed_by", Text),
    Column("owner", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False, comment="Markdown"),
    Column("file", Text, nullable=False, comment="where the Markdown stands too; empty: nowhere"),
    sqlite_autoincrement=True,
)

scale_requests = Table(
    "scale_requests",
    metadata,
    Column("scale_key", Integer, primary_key=True, autoincrement=True),
    Column("asked_at", Text, nullable=False),
    Column("replicas", Integer, nullable=False, comment="how many are wanted"),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    sqlite_autoincrement=True,
)
