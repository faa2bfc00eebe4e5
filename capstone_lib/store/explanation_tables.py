"""The tables of explanations that are stored beside a batch's predictions."""

from sqlalchemy import Column, Double, ForeignKey, Integer, Table, Text

from capstone_lib.store.tables import Plain, metadata

__all__ = ["explanation_rows", "explanation_runs"]

explanation_runs = Table(
    "explanation_runs",
    metadata,
    Column("explanation_key", Integer, primary_key=True, autoincrement=True),
    Column("run_id", Text, nullable=False, index=True),
    Column("made_at", Text, nullable=False, comment="ISO time, UTC"),
    Column("method", Text, nullable=False, comment="a JSON object: name, settings, versions"),
    Column("background", Text, nullable=False, comment="SHA-256 of the background rows"),
    Column("seed", Integer, nullable=False),
    Column("base_value", Double, nullable=False, comment="the mean score of the background"),
    Column("importance", Text, nullable=False, comment="a JSON object: mean |effect| by column"),
    sqlite_autoincrement=True,
)

explanation_rows = Table(
    "explanation_rows",
    metadata,
    Column(
        "explanation_key",
        Integer,
        ForeignKey("explanation_runs.explanation_key"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("row_id", Plain, primary_key=True),
    Column("reasons", Text, nullable=False, comment="a JSON list, the strongest first"),
    sqlite_with_rowid=False,
)
