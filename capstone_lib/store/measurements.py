"""Measurements in a database: one flat table, in which a window computed again replaces itself."""

import math
from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from capstone_lib.store.measurement import KEY, Measurement, measurements_frame, moment_text
from capstone_lib.store.run import now
from capstone_lib.store.tables import measurements as table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_measurements", "write_measurements"]

_FIELDS = tuple(field.name for field in fields(Measurement))
_NUMBERS = ("value", "low", "high", "threshold")
_WINDOW = ("window_start", "window_end", "model", "version")


def write_measurements(
    connection: Connection, measurements: Iterable[Measurement], *, whole: bool
) -> int:
    """See :meth:`capstone_lib.store.measured.MeasuredStore.write_measurements`."""
    rows = {one.key: _row(one) for one in measurements}
    if not rows:
        return 0
    same = _WINDOW if whole else KEY
    gone = {tuple(row[name] for name in same) for row in rows.values()}
    connection.execute(
        delete(table).where(*(table.c[name] == bindparam(f"old_{name}") for name in same)),
        [{f"old_{name}": value for name, value in zip(same, key, strict=True)} for key in gone],
    )
    recorded = now()
    connection.execute(insert(table), [row | {"recorded_at": recorded} for row in rows.values()])
    return len(rows)


def read_measurements(
    connection: Connection, *, since: Any, until: Any, **wanted: str | None
) -> "pd.DataFrame":
    """See :meth:`capstone_lib.store.measured.MeasuredStore.measurements`."""
    import pandas as pd

    query = select(*(table.c[name] for name in _FIELDS), table.c.recorded_at)
    for name, value in wanted.items():
        if value is not None:
            query = query.where(table.c[name] == value)
    if since is not None:
        query = query.where(table.c.window_start >= moment_text(since, name="since"))
    if until is not None:
        query = query.where(table.c.window_end <= moment_text(until, name="until"))
    order = (table.c[name] for name in ("window_end", "window_start", *KEY))
    rows = [tuple(row) for row in connection.execute(query.order_by(*order))]
    found = [Measurement(**dict(zip(_FIELDS, row[:-1], strict=True))) for row in rows]
    frame = measurements_frame(found)
    times = pd.to_datetime(pd.Series([row[-1] for row in rows], dtype="str"), format="ISO8601")
    recorded = times if times.dt.tz is None else times.dt.tz_localize(None)
    frame["recorded_at"] = recorded.astype("datetime64[us]").to_numpy()
    return frame


def _row(one: Measurement) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in _FIELDS}
    for name in _NUMBERS:  # what is not known is empty, and not a number that SQL would add up
        if values[name] is not None and math.isnan(values[name]):
            values[name] = None
    return values
