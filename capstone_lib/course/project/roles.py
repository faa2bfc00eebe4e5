"""Which column of a file is what; and what cannot be, said by its name."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.course.project.parts import KEPT
from capstone_lib.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Columns", "check_ids", "check_names", "named", "shown"]


@dataclass(frozen=True)
class Columns:
    """Which column of the file is what.

    Attributes
    ----------
    target : str
        The outcome: a few classes.
    id : str
        Whose row it is, each once; empty if rows are to be numbered.
    sensitive : tuple of str
        By which fairness is looked at.
    time : str
        When the case came; empty if nobody knows.
    known : str
        When the outcome was known; empty if with the window.
    """

    target: str
    id: str = ""
    sensitive: tuple[str, ...] = ()
    time: str = ""
    known: str = ""


def check_names(file: str, frame: "pd.DataFrame", columns: Columns) -> None:
    """Refuse roles that no column of the file can have.

    Raises
    ------
    DataError
    """
    if not columns.target:
        raise DataError(
            f"target is empty: name the column of {file} that is to be predicted; it has "
            f"{_list(frame.columns)}"
        )
    given = {"target": columns.target, "id": columns.id, "time": columns.time}
    given |= {"known": columns.known}
    given |= {f"sensitive ({name})": name for name in columns.sensitive}
    seen: dict[str, str] = {}
    for role, name in given.items():
        if not name:
            continue
        if name not in frame.columns:
            close = get_close_matches(name, map(str, frame.columns), n=1)
            meant = f"; did you mean {close[0]!r}?" if close else f"; it has {_list(frame.columns)}"
            raise DataError(f"{file} has no column {name!r}, named as {role}{meant}")
        if name in seen:
            raise DataError(
                f"the column {name!r} is named as {seen[name]} and as {role}; it can be one of them"
            )
        seen[name] = role
    for name in KEPT:
        if name in frame.columns and name not in (columns.id, columns.time, columns.known):
            raise DataError(
                f"the column {name!r} of {file} has a name that the project needs for itself; "
                "rename it, or say what it is with id=, time= or known="
            )


def named(frame: "pd.DataFrame", columns: Columns) -> "pd.DataFrame":
    """The same rows with the project's names for id and times; without an id they are numbered."""
    roles = {columns.id: "row_id", columns.time: "arrived_at", columns.known: "known_at"}
    frame = frame.rename(columns={old: new for old, new in roles.items() if old})
    return frame if columns.id else frame.assign(row_id=np.arange(len(frame), dtype=np.int64))


def check_ids(frame: "pd.DataFrame", columns: Columns) -> None:
    """Refuse ids that are missing, or of two rows.

    Raises
    ------
    DataError
    """
    ids = frame["row_id"]
    if ids.isna().any():
        raise DataError(
            f"the column {columns.id!r}, named as id, is empty in {int(ids.isna().sum())} rows; "
            "leave them out, or leave out id= to have rows numbered"
        )
    twice = ids[ids.duplicated()]
    if len(twice):
        raise DataError(
            f"the column {columns.id!r}, named as id, has {shown(twice.iloc[0])} more than once "
            f"({len(twice)} rows too many); an id is of one row"
        )


def shown(value: Any) -> str:
    """A value as somebody would type it."""
    return repr(value.item() if hasattr(value, "item") else value)


def _list(names: Any) -> str:
    shown = ", ".join(map(str, list(names)[:12]))
    return shown + (" …" if len(names) > 12 else "")
