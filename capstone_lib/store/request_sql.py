"""Taking a JSON text of log entries apart: in SQLite, in PostgreSQL, and in Python for the rest.

All three leave the same: ids in stored form (see :mod:`capstone_lib.store.ids`), true/false labels
as 1/0, and prediction sets written as batch runs write them, ``[0, 1]``.
"""

import json
from typing import Any

from sqlalchemy import TextClause, text

from capstone_lib.store.ids import encode_ids
from capstone_lib.store.tables import request_rows

__all__ = ["ENTRY", "INSERT", "plain_rows"]

ENTRY = tuple(name for name in request_rows.c.keys() if name != "request_key")  # noqa: SIM118
"""The values of an entry, in order."""

_NAMES = ", ".join(ENTRY)
_MOST = 10**18 - 1

# The inner query is named so that every value is read from the text once.
_SQLITE = f"""
INSERT INTO request_rows ({_NAMES})
SELECT CASE
         WHEN typeof(row_id) = 'text' AND length(row_id) <= 19
              AND row_id = CAST(CAST(row_id AS INTEGER) AS TEXT)
              AND CAST(row_id AS INTEGER) BETWEEN -{_MOST} AND {_MOST}
           THEN CAST(row_id AS INTEGER)
         WHEN typeof(row_id) = 'integer' AND row_id NOT BETWEEN -{_MOST} AND {_MOST}
           THEN CAST(row_id AS TEXT)
         ELSE row_id
       END,
       received_at, served_key, route, features, score, label, uncertainty,
       CASE
         WHEN instr(prediction_set, '"') = 0 THEN replace(prediction_set, ',', ', ')
         ELSE (SELECT '[' || group_concat(
                        CASE WHEN type IN ('true', 'false') THEN type ELSE json_quote(value) END,
                        ', ') || ']'
               FROM json_each(prediction_set))
       END,
       review, latency_ms, explanation
FROM (
    SELECT {", ".join(f"json_extract(value, '$[{k}]') AS {name}" for k, name in enumerate(ENTRY))}
    FROM json_each(:entries)
)
"""  # noqa: S608 - the names are ours

_POSTGRESQL = f"""
INSERT INTO request_rows ({_NAMES})
SELECT v ->> 0, CAST(v ->> 1 AS double precision), CAST(v ->> 2 AS integer), v ->> 3, v ->> 4,
       CAST(v ->> 5 AS double precision),
       CASE WHEN json_typeof(v -> 6) = 'boolean'
            THEN CAST(CAST(CAST(v ->> 6 AS boolean) AS integer) AS text) ELSE v ->> 6 END,
       CAST(v ->> 7 AS double precision),
       (SELECT '[' || coalesce(string_agg(CAST(one AS text), ', ' ORDER BY place), '') || ']'
        FROM json_array_elements(v -> 8) WITH ORDINALITY AS members (one, place)),
       CAST(v ->> 9 AS boolean), CAST(v ->> 10 AS double precision), v ->> 11
FROM json_array_elements(CAST(:entries AS json)) WITH ORDINALITY AS entries (v, place)
ORDER BY place
"""  # noqa: S608 - the names are ours

INSERT: dict[str, TextClause] = {"sqlite": text(_SQLITE), "postgresql": text(_POSTGRESQL)}
"""One statement that inserts all entries of the JSON text ``:entries``, by database."""


def plain_rows(payload: bytes) -> list[dict[str, Any]]:
    """The rows of a JSON text of entries, for databases that cannot take it apart."""
    rows = [dict(zip(ENTRY, entry, strict=True)) for entry in json.loads(payload)]
    for row, row_id in zip(rows, encode_ids([row["row_id"] for row in rows]), strict=True):
        row["row_id"] = row_id
        row["features"] = _compact(row["features"])
        row["prediction_set"] = json.dumps(row["prediction_set"], ensure_ascii=False)
        if isinstance(row["label"], bool):
            row["label"] = int(row["label"])
        if row["explanation"] is not None:
            row["explanation"] = _compact(row["explanation"])
    return rows


def _compact(value: Any) -> str:
    """JSON text; text is taken for such."""
    import msgspec

    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
