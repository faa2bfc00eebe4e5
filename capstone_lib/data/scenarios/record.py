"""What a scenario is, and the truth about one use of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.data.scenarios.rows import Change, Rows

__all__ = ["EVERYBODY", "Group", "Kind", "Scenario", "Sign", "Truth"]

Kind: TypeAlias = Literal["world", "coding", "pipeline", "nothing"]
Sign: TypeAlias = Literal["columns", "pairs", "performance", "groups"]

_CAUSE = {
    "world": "the world",
    "coding": "the coding",
    "pipeline": "the pipeline",
    "nothing": "nothing at all",
}


@dataclass(frozen=True)
class Group:
    """Some of the people, by ranges of codes.

    Attributes
    ----------
    words : str
        Who they are: "women of 25 to 54".
    ranges : mapping of str to (int, int)
        The smallest and the largest code of each column; empty for everybody.
    """

    words: str
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def mask(self, frame: "pd.DataFrame") -> NDArray[np.bool_]:
        """Return for each row of a frame whether it speaks of somebody in the group.

        Examples
        --------
        >>> import pandas as pd
        >>> people = pd.DataFrame({"SEX": [1, 2, 2], "AGEP": [30, 30, 60]})
        >>> Group("women of 25 to 54", {"SEX": (2, 2), "AGEP": (25, 54)}).mask(people).tolist()
        [False, True, False]
        """
        inside = np.ones(len(frame), dtype=bool)
        for column, (low, high) in self.ranges.items():
            inside &= frame[column].between(low, high).to_numpy(dtype=bool)
        return inside


EVERYBODY = Group("everybody")


@dataclass(frozen=True)
class Scenario:
    """Something that goes wrong, as it is at full strength.

    Attributes
    ----------
    name : str
        ``"age_as_birth_year"``.
    kind : {"world", "coding", "pipeline", "nothing"}
        What has changed: the people, how they are written down, or the way their data come.
    what : str
        What happens, in a sentence.
    columns : tuple of str
        The features that change; empty if none does.
    group : Group
        Whom it touches.
    changes_labels : bool
        Whether outcomes change.
    draws_people : bool
        Whether whole people are replaced by others, so that all columns change together.
    keeps_margins : bool
        Whether every column by itself holds the same values as before.
    shows_in : tuple of {"columns", "pairs", "performance", "groups"}
        Where to look for it: the distribution of a column, of two columns together, realized
        performance, or rates by group.
    shows_from : int
        In windows of how many rows it is to be found, nine times in ten.
    """

    name: str
    kind: Kind
    what: str
    change: "Callable[[Rows], Change]" = field(repr=False, compare=False)
    columns: tuple[str, ...] = ()
    group: Group = EVERYBODY
    changes_labels: bool = False
    draws_people: bool = False
    keeps_margins: bool = False
    shows_in: tuple[Sign, ...] = ()
    shows_from: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return one row of the table of scenarios."""
        return {
            "scenario": self.name,
            "kind": self.kind,
            "what": self.what,
            "columns": ", ".join(self.columns),
            "group": self.group.words,
            "changes_labels": self.changes_labels,
            "shows_in": ", ".join(self.shows_in),
            "shows_from": self.shows_from,
        }


@dataclass(frozen=True, eq=False)
class Truth:
    """What one use of a scenario has done to a frame.

    Attributes
    ----------
    scenario : Scenario
        What it is at full strength.
    strength : float
        From 0, nothing, to 1.
    seed : int
        What the choice of rows depends on.
    since : str
        From when on it holds, in ISO 8601; empty for all rows.
    n_rows : int
        Rows of the frame.
    row_ids : ndarray of int64
        The rows that were touched, in the frame's order; some may hold the same values as before,
        because what was put in their place is equal.
    n_changed : int
        The rows in which some value differs now.
    """

    scenario: Scenario
    strength: float
    seed: int
    since: str
    n_rows: int
    row_ids: NDArray[np.int64] = field(repr=False)
    n_changed: int

    @property
    def name(self) -> str:
        """The scenario's name."""
        return self.scenario.name

    @property
    def kind(self) -> Kind:
        """What has changed: ``"world"``, ``"coding"``, ``"pipeline"`` or ``"nothing"``."""
        return self.scenario.kind

    @property
    def columns(self) -> tuple[str, ...]:
        """The features that changed."""
        return self.scenario.columns

    @property
    def group(self) -> Group:
        """Whom it touches."""
        return self.scenario.group

    def __str__(self) -> str:
        """Say it in two sentences."""
        since = f" since {self.since}" if self.since else ""
        return (
            f"{self.name}: {self.scenario.what}. What changed is {_CAUSE[self.kind]}; "
            f"{self.n_changed:,} of {self.n_rows:,} rows differ{since}."
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"
