"""Reading the log of requests back, as a frame with typed columns."""

import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import islice
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Select, func, select

from capstone_lib.store.frames import MODEL
from capstone_lib.store.ids import decode_ids, encode_ids
from capstone_lib.store.review_tables import overrides
from capstone_lib.store.staleness import parse_moment
from capstone_lib.store.tables import request_rows, runs, served_models

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_requests"]

_COLUMNS = (
    request_rows.c.request_key,
    request_rows.c.row_id,
    request_rows.c.received_at,
    request_rows.c.route,
    served_models.c.name.label("model"),
    served_models.c.version,
    served_models.c.snapshot,
    request_rows.c.features,
    request_rows.c.score,
    request_rows.c.label,
    request_rows.c.uncertainty,
    request_rows.c.prediction_set,
    request_rows.c.review,
    request_rows.c.latency_ms,
    request_rows.c.explanation,
    runs.c.as_of,
    request_rows.c.miss,
    func.coalesce(overrides.c.label, request_rows.c.label).label("answered"),
    func.coalesce(overrides.c.reviewer, MODEL).label("decided_by"),
)
_FROM = request_rows.join(served_models).outerjoin(runs).outerjoin(overrides)
_NAMES = [column.name for column in _COLUMNS]
_WORDS = ("route", "model", "version", "snapshot", "prediction_set", "miss", "decided_by")
_ASK = 500


def read_requests(
    connection: Connection,
    *,
    since: str | date | datetime | float | None,
    route: str | None,
    version: str | None,
    ids: Any,
    last: int | None,
) -> "pd.DataFrame":
    """See :meth:`capstone_lib.store.live.LiveStore.requests`."""
    query = select(*_COLUMNS).select_from(_FROM)
    if since is not None:
        query = query.where(request_rows.c.received_at >= _seconds(since))
    if route is not None:
        query = query.where(request_rows.c.route == route)
    if version is not None:
        query = query.where(served_models.c.version == version)
    if last is not None:
        newest = (request_rows.c.received_at.desc(), request_rows.c.request_key.desc())
        query = query.order_by(*newest).limit(_count(last))
    rows = [row for part in _parts(query, ids) for row in _rows(connection, part)]
    rows.sort(key=lambda row: (row[2], row[0]))
    rows = rows if last is None else rows[-last:]
    return _frame(rows, whole_text=connection.dialect.name != "sqlite")


def _parts(query: Select[Any], ids: Any) -> Iterator[Select[Any]]:
    """The query, or several for a few hundred ids each."""
    if ids is None:
        yield query
        return
    remaining = iter(dict.fromkeys(encode_ids(ids)))
    while some := list(islice(remaining, _ASK)):
        yield query.where(request_rows.c.row_id.in_(some))


def _rows(connection: Connection, query: Select[Any]) -> list[tuple[Any, ...]]:
    """Plain tuples, as the driver gives them."""
    cursor = connection.execute(query).cursor
    return [] if cursor is None else list(cursor.fetchall())


def _frame(rows: Sequence[tuple[Any, ...]], *, whole_text: bool) -> "pd.DataFrame":
    import pandas as pd

    values = dict(zip(_NAMES, zip(*rows, strict=True), strict=True)) if rows else {}
    columns: dict[str, Any] = {name: list(values.get(name, ())) for name in _NAMES}
    if whole_text:  # this database keeps whole numbers as text
        for name in ("row_id", "label", "answered"):
            columns[name] = encode_ids(columns[name])
    columns["request_key"] = np.array(columns["request_key"], dtype=np.int64)
    columns["row_id"] = decode_ids(columns["row_id"])
    columns["received_at"] = _times(columns["received_at"])
    for name in ("label", "answered"):
        columns[name] = _labels(columns[name])
    columns["review"] = np.array(columns["review"], dtype=bool)
    columns["latency_ms"] = np.array(columns["latency_ms"], dtype=np.float64)
    for name in ("score", "uncertainty"):
        columns[name] = np.array(columns[name], dtype=np.float32)
    for name in _WORDS:
        words = pd.Index(sorted({*columns[name]} - {None}), dtype="str")
        columns[name] = pd.Categorical(columns[name], categories=words)
    columns["as_of"] = pd.to_datetime(columns["as_of"], format="ISO8601").astype("datetime64[s]")
    for name in ("features", "explanation"):
        columns[name] = np.array(columns[name], dtype=object)
    return pd.DataFrame(columns)


def _times(seconds: Sequence[float]) -> np.ndarray:
    micros = np.round(np.array(seconds, dtype=np.float64) * 1e6)
    return micros.astype(np.int64).astype("datetime64[us]")


def _labels(values: Sequence[Any]) -> Any:
    """Whole numbers as such, also beside answers without a label; anything else as text."""
    import pandas as pd

    if None in values and all(value is None or type(value) is int for value in values):
        return pd.array(list(values), dtype="Int64")
    return decode_ids(values)


def _seconds(since: Any) -> float:
    if isinstance(since, str | date):
        return parse_moment(since, name="since").timestamp()
    if type(since) is bool or not isinstance(since, Real) or not math.isfinite(since):
        raise ValueError(
            "since must be a time such as '2016-02-10T08:00', or seconds since 1970; seen "
            f"{since!r}"
        )
    return float(since)


def _count(last: Any) -> int:
    if isinstance(last, bool) or not isinstance(last, int) or last < 1:
        raise ValueError(f"last must be a whole number from 1 on; seen {last!r}")
    return last
