"""Outcomes: what really happened, arriving late and one by one. From frames to rows and back.

An outcome was either observed, or a reviewer said so; which of the two stays beside it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.errors import StoreError
from capstone_lib.store.ids import decode_ids, encode_ids
from capstone_lib.store.run import now

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OBSERVED", "REVIEW", "outcome_rows", "outcomes_frame", "reviewed_outcome"]

OBSERVED, REVIEW = "observed", "review"
"""Where an outcome comes from."""

_TIME = "%Y-%m-%dT%H:%M:%S.%f"
_COLUMNS = ["row_id", "observed_at", "outcome", "recorded_at", "source"]


def outcome_rows(
    frame: "pd.DataFrame",
    *,
    id: str,  # noqa: A002 - the column's role
    outcome: str,
    observed_at: Any,
) -> list[dict[str, Any]]:
    """One mapping an outcome; of several for the same id and time the last one stands."""
    named = isinstance(observed_at, str) and observed_at in frame.columns
    for name in (id, outcome):
        if name not in frame.columns:
            raise StoreError(
                f"the outcomes have no column {name!r}; there are "
                f"{', '.join(map(str, frame.columns))}: name it with id= or outcome="
            )
    times = _times(frame[observed_at] if named else [observed_at] * len(frame))
    labels = frame[outcome]
    missing = int(labels.isna().sum() + frame[id].isna().sum())
    if missing:
        raise StoreError(
            f"{missing:,} outcomes have no value or no id; leave those rows out until "
            "they are known"
        )
    recorded = now()
    ids, values = _stored_ids(frame[id], id), [_plain(value) for value in labels.tolist()]
    rows = {
        (row_id, time): dict(zip(_COLUMNS, (row_id, time, value, recorded, OBSERVED), strict=True))
        for row_id, time, value in zip(ids, times, values, strict=True)
    }
    return list(rows.values())


def reviewed_outcome(row_id: int | str, label: int | str, *, at: datetime) -> dict[str, Any]:
    """What a reviewer says of somebody, as an outcome; ``row_id`` in its stored form."""
    moment = at.astimezone(UTC).strftime(_TIME)
    return dict(zip(_COLUMNS, (row_id, moment, label, now(), REVIEW), strict=True))


def outcomes_frame(rows: Sequence[tuple[Any, ...]]) -> "pd.DataFrame":
    """All outcomes, whole-number labels as ``int64``; rows without a source were observed."""
    import pandas as pd

    rows = [row if len(row) == len(_COLUMNS) else (*row, OBSERVED) for row in rows]
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    frame["row_id"] = decode_ids(row[0] for row in rows)
    frame["outcome"] = decode_ids(row[2] for row in rows)
    for name in ("observed_at", "recorded_at"):
        frame[name] = pd.to_datetime(frame[name], format="ISO8601", utc=True).dt.tz_localize(None)
    frame["source"] = pd.Categorical(frame["source"], categories=[OBSERVED, REVIEW])
    return frame[["row_id", "outcome", "observed_at", "recorded_at", "source"]]


def _times(values: Any) -> list[str]:
    import pandas as pd

    try:
        times = pd.to_datetime(pd.Series(values), utc=True, format="ISO8601")
    except (ValueError, TypeError) as error:
        raise StoreError(
            "observed_at must be dates or times, or the name of a column that holds them; seen "
            f"{values[0] if len(values) else values!r}"
        ) from error
    if times.isna().any():
        raise StoreError("an outcome without a time cannot be recorded: observed_at is missing")
    text: list[str] = times.dt.strftime(_TIME).tolist()
    return text


def _stored_ids(values: Any, name: str) -> list[Any]:
    try:
        return encode_ids(values)
    except TypeError as error:
        raise StoreError(f"the ids in column {name!r} cannot be used: {error}") from None


def _plain(value: Any) -> int | str:
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int | str):
        return value
    raise StoreError(
        f"an outcome is a label, a whole number or text; seen {value!r} of type "
        f"{type(value).__name__}"
    )
