"""The rows a scenario works on: who is touched, and what stands in their place.

All choices are hashes of row ids: they do not depend on the order of the rows, and whoever is
touched at a small strength is touched at a larger one too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from capstone_lib.data.hashing import below, hash_ids, unit_interval
from capstone_lib.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.data.scenarios.record import Group

__all__ = ["Change", "Rows"]

_PLACE = ("row_id", "arrived_at", "year")  # a place keeps these, whoever stands in it


@dataclass(frozen=True)
class Change:
    """Which rows are touched, and the columns as they are to be; other rows' values are ignored."""

    touched: NDArray[np.bool_]
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """A frame under a scenario.

    Attributes
    ----------
    frame : pandas.DataFrame
        Never changed.
    scenario : str
        Its name: two scenarios of one seed choose rows that have nothing to do with each other.
    seed : int
    strength : float
        From 0 to 1.
    open : ndarray of bool
        The rows that may be touched: those from a date on.
    """

    frame: "pd.DataFrame"
    scenario: str
    seed: int
    strength: float
    open: NDArray[np.bool_]

    @property
    def ids(self) -> NDArray[np.int64]:
        """The row ids."""
        return self["row_id"].astype(np.int64)

    def __getitem__(self, column: str) -> NDArray[Any]:
        if column not in self.frame.columns:
            there = ", ".join(map(str, self.frame.columns[:8]))
            raise DataError(
                f"the scenario {self.scenario!r} needs the column {column!r}; there are {there}. "
                "Give rows as Census.frame(year) gives them"
            )
        return np.asarray(self.frame[column])

    def members(self, group: "Group") -> NDArray[np.bool_]:
        """Return which rows that may be touched speak of a group."""
        for column in group.ranges:
            self[column]
        return self.open & group.mask(self.frame)

    def touched(self, share: float, *, among: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Return a mask of about ``share`` times the strength of the rows that may be touched."""
        place = unit_interval(self._hashes("rows"))
        return (self.open if among is None else among) & (place < share * self.strength)

    def shuffled(self, column: str, touched: NDArray[np.bool_]) -> NDArray[Any]:
        """Return a column whose touched rows have exchanged their values."""
        at = np.flatnonzero(touched)
        by_id = at[np.argsort(self.ids[at], kind="stable")]
        by_hash = at[np.argsort(self._hashes("order")[at], kind="stable")]
        values = self[column].copy()
        values[by_id] = self[column][by_hash]
        return values

    def more_of(self, group: "Group", factor: float) -> Change:
        """Let members of a group stand where others stood, until they weigh ``factor`` times.

        The number of rows stays. Whoever leaves is drawn by chance from all others, and whoever
        comes is a copy of a member in the same frame, with the label and the household.
        """
        members = self.members(group)
        if not members.any():
            raise DataError(
                f"the scenario {self.scenario!r} needs {group.words} among the rows to have more "
                "of them; give more rows"
            )
        share = members.sum() / self.open.sum()
        weight = 1 + (factor - 1) * self.strength
        wanted = weight * share / (weight * share + 1 - share)
        leaves = (wanted - share) / (1 - share) if share < 1 else 0.0
        touched = self.open & ~members & (unit_interval(self._hashes("rows")) < leaves)
        at = np.flatnonzero(members)
        donors = at[np.argsort(self.ids[at], kind="stable")]
        drawn = donors[below(self._hashes("donors"), len(donors))]
        names = [name for name in self.frame.columns if name not in _PLACE]
        return Change(touched, {name: self[name][drawn] for name in names})

    def last_before(self, column: str) -> Any:
        """Return a column's value in the last row before those that may be touched.

        If there is none, the value of the first row that may be touched.
        """
        before = np.flatnonzero(~self.open)
        at = before if len(before) else np.flatnonzero(self.open)
        when = self["arrived_at"] if "arrived_at" in self.frame.columns else self.ids
        order = np.lexsort((self.ids[at], when[at]))
        return self[column][at[order[-1 if len(before) else 0]]]

    def _hashes(self, purpose: str) -> NDArray[np.uint64]:
        name = f"scenario {self.scenario}: {purpose}"
        return hash_ids(self.ids, seed=self.seed, purpose=name)
