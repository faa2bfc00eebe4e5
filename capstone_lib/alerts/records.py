"""What the book of alerts is made of: places, moments, and what a row says as an object."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from html import escape
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sqlalchemy import Engine

from capstone_lib.errors import AlertError
from capstone_lib.store import Store, engine
from capstone_lib.store.staleness import parse_moment

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ActionRecord", "Moment", "engine_of", "frame_of", "moment", "plain"]

Moment: TypeAlias = str | date | datetime


@dataclass(frozen=True)
class ActionRecord:
    """What was done because of an alert, or why it was not.

    Attributes
    ----------
    alert_id, rule : str
        The cause.
    action : str
        Such as ``pause_rollout``.
    state : {"done", "failed", "waiting", "undone", "would be done"}
        *Failed* is tried again by the next run. *Waiting* is for the alert to clear, or for a
        silence to end.
    result : str
        What was done, in words.
    error : str
        Why the last try failed; empty if it did not.
    tries : int
        How often it was tried.
    alert_key : int
        The number of the alert in the store.
    done_at, done_by, undone_at, undone_by : str or None
        Times are ISO, UTC.
    before : dict
        What undoing it needs; empty if there is nothing to undo.
    """

    alert_id: str
    rule: str
    action: str
    state: Literal["done", "failed", "waiting", "undone", "would be done"]
    result: str = ""
    error: str = ""
    tries: int = 0
    alert_key: int = 0
    done_at: str | None = None
    done_by: str | None = None
    undone_at: str | None = None
    undone_by: str | None = None
    before: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "ActionRecord":
        """Read a row of ``alert_actions`` that was joined with its alert."""
        names = (
            "alert_id", "rule", "action", "result", "error", "tries", "alert_key", "done_at",
            "done_by", "undone_at", "undone_by", "before",
        )  # fmt: skip
        return cls(state=_state(row), **{name: row[name] for name in names})

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.rule}: {self.action}: {self.state}: {self.error or self.result}"

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"


def _state(row: Mapping[str, Any]) -> Any:
    if row["undone_at"] is not None:
        return "undone"
    if row["done_at"] is not None:
        return "done"
    return "failed" if row["error"] else "waiting"


def engine_of(store: Store) -> Engine:
    """The database of a store.

    Raises
    ------
    StoreError
        If the store is a folder.
    """
    return engine.engine_of(store, who="alerts need")


def moment(value: Moment | None = None, *, name: str = "now") -> str:
    """Read a moment as ISO text in UTC, to the millisecond; ``None`` is the present.

    Raises
    ------
    AlertError
        If it is neither a date nor a time.

    Examples
    --------
    >>> moment("2016-02-01")
    '2016-02-01T00:00:00.000+00:00'
    """
    try:
        read = datetime.now(UTC) if value is None else parse_moment(value, name=name)
    except ValueError as error:
        raise AlertError(str(error)) from None
    return read.isoformat(timespec="milliseconds")


def plain(value: Any) -> Any:
    """Ready for JSON, which knows no NaN and no tuples.

    Examples
    --------
    >>> plain({"low": float("nan"), "actions": ("ticket",)})
    {'low': None, 'actions': ['ticket']}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def frame_of(
    rows: Iterable[Mapping[str, Any]], names: Iterable[str], *, times: Iterable[str]
) -> "pd.DataFrame":
    """Rows as a frame with typed columns; times are UTC without a zone."""
    import pandas as pd

    names = list(names)
    frame = pd.DataFrame([[row[name] for name in names] for row in rows], columns=names)
    for name in times:
        moments = pd.to_datetime(frame[name], format="ISO8601", utc=True)
        frame[name] = moments.dt.tz_localize(None).astype("datetime64[us]")
    return frame
