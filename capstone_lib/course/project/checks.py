"""The public checks of the capstone: from the files that a project leaves to points, item by item.

Pure functions: they read a folder and a :class:`~capstone_lib.course.project.Project`, and compute
again what is claimed. Nothing that a cell has printed is believed, nothing of a student's is
imported, and the folder is not changed. A grader runs the same functions with other data.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from capstone_lib.course.project.claims import ClaimError
from capstone_lib.course.project.desk import Desk
from capstone_lib.course.project.rubric import RUBRIC, Item
from capstone_lib.course.project.verdict import Verdict
from capstone_lib.errors import CapstoneError

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.course.project.project import Project

__all__ = ["Assessment", "Result", "State", "check_capstone"]

State = Literal["ok", "not ok", "not attempted"]


@dataclass(frozen=True)
class Result:
    """What one check found.

    Attributes
    ----------
    item : str
        The name of the rubric's line.
    state : {"ok", "not ok", "not attempted"}
    points, of : float
        Got, and to be got.
    seen : str
        What was seen.
    do_next : str
        What to do next; empty if all is well.
    """

    item: str
    state: State
    points: float
    of: float
    seen: str
    do_next: str = ""

    def __str__(self) -> str:
        mark = {"ok": "✓", "not ok": "✗", "not attempted": "○"}[self.state]
        line = f"{mark} {self.item} ({self.points:g} of {self.of:g}): {self.seen}"
        return f"{line}. {self.do_next}" if self.do_next else line


@dataclass(frozen=True)
class Assessment(Sequence[Result]):
    """All results, in the order of the rubric."""

    results: tuple[Result, ...]

    @property
    def points(self) -> float:
        """Points in all."""
        return sum(one.points for one in self.results)

    @property
    def of(self) -> float:
        """Points that could be had."""
        return sum(one.of for one in self.results)

    def __getitem__(self, place: Any) -> Any:
        """Find a result by its place, or by its item's name."""
        if isinstance(place, str):
            return next(one for one in self.results if one.item == place)
        return self.results[place]

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def to_frame(self) -> "pd.DataFrame":
        """One row an item."""
        import pandas as pd

        return pd.DataFrame([vars(one) for one in self.results]).set_index("item")

    def __str__(self) -> str:
        return "\n".join([*map(str, self.results), f"{self.points:g} of {self.of:g} points"])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'>{escape(one.item)}</td>"
            f"<td style='text-align:left'>{one.state.replace(' ', '&nbsp;')}</td>"
            f"<td style='text-align:left'>{one.points:g}&nbsp;of&nbsp;{one.of:g}</td>"
            f"<td style='text-align:left'>{escape(one.seen)}</td>"
            f"<td style='text-align:left'>{escape(one.do_next)}</td></tr>"
            for one in self.results
        )
        head = "".join(
            f"<th style='text-align:left'>{word}</th>"
            for word in ("item", "state", "points", "seen", "do next")
        )
        return (
            f"<p><b>{self.points:g} of {self.of:g} points</b></p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


def check_capstone(
    folder: str | Path,
    project: "Project",
    *,
    pipeline: Any = None,
    only: Sequence[str] = (),
    seed: int = 0,
) -> Assessment:
    """Check what a project has left in a folder.

    Parameters
    ----------
    folder : path
        With ``model.onnx``, ``store.db`` and the other files that the rubric names.
    project : Project
        The data it is about, opened by whoever checks.
    pipeline : fitted scikit-learn pipeline, optional
        What the artifact was exported from, where it is at hand: then parity is computed again.
    only : sequence of str, optional
        Names of items; all of them unless told otherwise.
    seed : int
        For the windows in which the playbook is tried.

    Returns
    -------
    Assessment
        A result for each item. What fails is a result too: nothing is raised for a student's file.
    """
    known = [item.name for item in RUBRIC]
    unknown = sorted(set(only) - set(known))
    if unknown:
        raise ValueError(f"there is no item {unknown[0]!r}; there are {', '.join(known)}")
    with Desk(Path(folder), project, pipeline=pipeline, seed=seed) as desk:
        chosen = [item for item in RUBRIC if not only or item.name in only]
        return Assessment(tuple(_check(item, desk) for item in chosen))


def _check(item: Item, desk: Desk) -> Result:
    lacking = [name for name in item.files if not (desk.folder / name).exists()]
    if lacking:
        seen = f"{' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not there"
        return Result(item.name, "not attempted", 0, item.points, seen, _cure(lacking[0]))
    try:
        said = item.check(desk)
    except (ClaimError, CapstoneError) as error:
        text = str(error).replace(f"{desk.folder}{os.sep}", "")
        said = Verdict(
            0, " ".join(text.split())[:300], "mend the file, or run the cell that writes it again"
        )
    except Exception as error:  # a student's file may be anything; the other items are looked at
        seen = f"it cannot be looked at ({type(error).__name__}: {str(error)[:120]})"
        said = Verdict(0, seen, "run the cell that writes it again")
    if said.share is None:
        return Result(item.name, "not attempted", 0, item.points, said.seen, said.do_next)
    state: State = "ok" if said.share >= 1 else "not ok"
    points = round(item.points * said.share, 1)
    return Result(item.name, state, points, item.points, said.seen, said.do_next)


def _cure(name: str) -> str:
    return f"run the cell of the notebook that writes {name}"
