"""The tables of the review desk: cases, what was decided, and what counts now."""

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from capstone_lib.store.tables import Plain, metadata

__all__ = ["case_decisions", "cases", "overrides"]

cases = Table(
    "cases",
    metadata,
    Column("case_id", Text, primary_key=True, comment="hash of whom and why: adding twice is once"),
    Column("row_id", Plain, nullable=False, index=True),
    Column("source", Text, nullable=False, comment="uncertainty, audit or appeal"),
    Column("reason", Text, nullable=False, comment="in words"),
    Column("alert_id", Text, nullable=False, comment="empty: of no alert"),
    Column("group", Text, nullable=False, comment="such as SEX=2, not SEX=2; empty: of none"),
    Column("priority", Double, nullable=False, comment="higher comes first"),
    Column("opened_at", Text, nullable=False, comment="ISO time, UTC"),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("features", Text, nullable=False, comment="a JSON object"),
    Column("classes", Text, nullable=False, comment="a JSON list: the labels there are"),
    Column("score", Double, nullable=False),
    Column("label", Plain, nullable=False),
    Column("uncertainty", Double, nullable=False),
    Column("prediction_set", Text, nullable=False, comment="a JSON list of labels"),
    Column("reasons", Text, comment="JSON, as explanations are"),
    Column("wanted", Integer, nullable=False, comment="how many reviewers are to decide it"),
    Column("reviewer", Text, comment="who has it now"),
    Column("held_until", Double, comment="seconds since 1970; then it is free again"),
    Column("seen_at", Double, comment="when its reviewer first saw it"),
    Column("closed_at", Text, comment="when it was decided"),
)

case_decisions = Table(
    "case_decisions",
    metadata,
    Column("decision_key", Integer, primary_key=True, autoincrement=True),
    Column("case_id", Text, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("reviewer", Text, nullable=False),
    Column("decided_at", Text, nullable=False, comment="ISO time, UTC"),
    Column("verdict", Text, nullable=False, comment="accept, override or cannot say"),
    Column("label", Plain, comment="what the reviewer says; empty: cannot say"),
    Column("note", Text, nullable=False),
    Column("seconds", Double, comment="from seen to decided"),
    Column("blind", Boolean, nullable=False, comment="before the model's answer was shown"),
    UniqueConstraint("case_id", "reviewer"),
    sqlite_autoincrement=True,
)

overrides = Table(
    "overrides",
    metadata,
    Column("override_key", Integer, primary_key=True, autoincrement=True),
    Column("row_id", Plain, nullable=False, index=True),
    Column("label", Plain, comment="what counts for this id; empty: the model's answer again"),
    Column("reviewer", Text, nullable=False),
    Column("decided_at", Text, nullable=False, comment="ISO time, UTC"),
    Column("case_id", Text, nullable=False),
    Column("why", Text, nullable=False),
    sqlite_autoincrement=True,
)
