"""What the report speaks of: one model, one store, one window, one moment of asking."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from capstone_lib.errors import ReportError
from capstone_lib.store import Store
from capstone_lib.store.folder import FolderStore
from capstone_lib.store.staleness import parse_moment

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.artifact.model import Artifact

__all__ = ["NO_DATABASE", "Span", "iso", "open_span", "records"]

NO_DATABASE = (
    "A folder keeps the results of batch runs and nothing else: use a database, such as "
    "sqlite:///store.db, to have this here."
)


@dataclass(frozen=True)
class Span:
    """What is asked about.

    Attributes
    ----------
    artifact : Artifact
    store : Store
    start, end : datetime or None
        UTC; None leaves the window open on that side.
    now : datetime
        The moment of asking, UTC.
    asked_now : bool
        Whether somebody has said when that is.
    """

    artifact: "Artifact"
    store: Store
    start: datetime | None
    end: datetime | None
    now: datetime
    asked_now: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether the store keeps batch results only."""
        return isinstance(self.store, FolderStore)

    @property
    def where(self) -> str:
        """The store's name, without passwords and without the folders of this machine."""
        url = self.store.url
        if self.is_folder or url.startswith("sqlite"):
            return PurePath(url.partition("///")[2] or url).name
        return url

    @property
    def model(self) -> dict[str, str]:
        """How the store names the model's rows."""
        return {"model": self.artifact.name, "version": self.artifact.version}

    @property
    def window(self) -> dict[str, str]:
        """The window, as documents hold it."""
        return {"start": iso(self.start), "end": iso(self.end)}

    def holds(self, moment: datetime | None) -> bool:
        """Whether a moment, UTC, lies in the window."""
        if moment is None:
            return self.start is None and self.end is None
        return (self.start is None or moment >= self.start) and (
            self.end is None or moment < self.end
        )

    def holds_text(self, moment: Any) -> bool:
        """The same of a date or time, or of nothing, as stores give it."""
        import pandas as pd

        if moment is None or pd.isna(moment):
            return self.holds(None)
        return self.holds(parse_moment(moment if isinstance(moment, str) else moment.isoformat()))


def open_span(artifact: "Artifact", store: Store, *, window: Any = None, now: Any = None) -> Span:
    """Read a window and a moment as people write them.

    Raises
    ------
    ReportError
        If one of them is none.
    """
    start, end = _ends(window)
    moment = _moment(now, "now") or min(end or _present(), _present())
    return Span(artifact, store, start, end, moment, asked_now=now is not None)


def records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """The rows of a frame, by the names of its columns."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def iso(moment: Any) -> str:
    """A moment as ISO text, UTC, without a zone; empty for none."""
    import pandas as pd

    if moment is None or pd.isna(moment):
        return ""
    if getattr(moment, "tzinfo", None) is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return str(moment.isoformat())


def _ends(window: Any) -> tuple[datetime | None, datetime | None]:
    if window is None:
        return None, None
    if isinstance(window, Mapping):
        window = (window.get("start") or None, window.get("end") or None)
    try:
        first, after = window
    except (TypeError, ValueError):
        raise ReportError(
            f"a window is two dates, such as ('2016-01-01', '2016-02-01'); seen {window!r}"
        ) from None
    start, end = _moment(first, "the window's start"), _moment(after, "the window's end")
    if start is not None and end is not None and start >= end:
        raise ReportError(f"the window ends ({after}) before it begins ({first})")
    return start, end


def _moment(value: Any, name: str) -> datetime | None:
    try:
        return None if value is None else parse_moment(value, name=name)
    except (ValueError, AttributeError) as error:
        raise ReportError(str(error)) from None


def _present() -> datetime:
    return datetime.now(UTC)
