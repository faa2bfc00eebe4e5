"""Staleness: the age of the score that somebody would be shown."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.store.ids import decode_ids, encode_ids

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Staleness", "measure", "parse_moment"]


_DAY_S = 86_400


@dataclass(frozen=True)
class Staleness:
    """Ages of the scores that would be shown at one moment.

    Attributes
    ----------
    now : datetime
        The moment of asking, UTC.
    n : int
        Ids asked about.
    missing : int
        Ids that have no score at all.
    median_days, p95_days, max_days : float
        Over the ids that have one; NaN if none has.
    """

    now: datetime
    n: int
    missing: int
    median_days: float
    p95_days: float
    max_days: float
    _frame: Any

    def to_frame(self) -> "pd.DataFrame":
        """Each id with ``as_of``, ``scored_at`` and ``age_days`` (NaN: never scored)."""
        frame: pd.DataFrame = self._frame
        return frame

    def __repr__(self) -> str:
        return (
            f"Staleness(now={self.now:%Y-%m-%dT%H:%M}, n={self.n}, missing={self.missing}, "
            f"median_days={self.median_days:.1f}, p95_days={self.p95_days:.1f}, "
            f"max_days={self.max_days:.1f})"
        )

    def _repr_html_(self) -> str:
        cells = {
            "asked at": f"{self.now:%Y-%m-%d %H:%M}",
            "ids": f"{self.n:,}",
            "without a score": f"{self.missing:,}",
            "median age, days": f"{self.median_days:.1f}",
            "95 % are younger than, days": f"{self.p95_days:.1f}",
            "oldest, days": f"{self.max_days:.1f}",
        }
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in cells.items()
        )
        return f"<table><tbody>{rows}</tbody></table>"


def parse_moment(value: str | date | datetime, *, name: str = "now") -> datetime:
    """Read a moment; a date means its start, a time without zone is UTC.

    Raises
    ------
    ValueError
        If it is not a date or a time.
    """
    moment = _read_moment(value)
    if moment is None:
        raise ValueError(
            f"{name} must be a date or a time such as '2016-02-10T08:00'; seen {value!r}"
        )
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _read_moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value
    return datetime(value.year, value.month, value.day) if isinstance(value, date) else None


def measure(shown: "pd.DataFrame", moment: datetime, *, ids: Any = None) -> Staleness:
    """Ages at ``moment`` of the predictions ``shown``, one an id."""
    frame = shown[["row_id", "as_of", "scored_at"]]
    if ids is not None:
        frame = _reindexed(frame, ids)
    instant = np.datetime64(moment.replace(tzinfo=None))
    since = (instant - frame["as_of"].to_numpy()).astype("timedelta64[s]")
    age = np.where(np.isnat(since), np.nan, since.astype(np.int64) / _DAY_S)
    frame = frame.assign(age_days=age)
    known = age[~np.isnan(age)]
    median, p95, oldest = (
        np.quantile(known, [0.5, 0.95, 1.0]).tolist() if len(known) else [float("nan")] * 3
    )
    return Staleness(moment, len(age), len(age) - len(known), median, p95, oldest, frame)


def _reindexed(frame: "pd.DataFrame", ids: Any) -> "pd.DataFrame":
    """A row for every id asked about, in that order; empty where there is no prediction."""
    asked = list(dict.fromkeys(encode_ids(ids)))
    by_id = frame.set_index(np.array(encode_ids(frame["row_id"].to_numpy()), dtype=object))
    out = by_id.reindex(np.array(asked, dtype=object)).reset_index(drop=True)
    out["row_id"] = decode_ids(asked)
    return out
