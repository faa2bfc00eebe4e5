"""Confusion counts by group: all that rates, gaps and their intervals are computed from.

Counts of different rows add up, so a month is the sum of its days and an endpoint that of its
workers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from capstone_lib.artifact.grouping import (
    MISSING,
    check_lengths,
    check_number,
    columns_of,
    count_cells,
    merge,
    name_groups,
    project,
)
from capstone_lib.errors import MonitoringError

__all__ = ["MISSING", "GroupCounts"]


@dataclass(frozen=True, eq=False)
class GroupCounts:
    """How often each group's people were decided how, and what they really were.

    Attributes
    ----------
    columns : tuple of str
        The sensitive columns that span the groups.
    groups : tuple of tuple
        Each group's values, one a column; ``"missing"`` where it is not known.
    classes : tuple
        The labels, in order; with two, the second is the positive one.
    confusion : numpy.ndarray of int64, shape (n_groups, n_classes, n_classes)
        Rows by true class and decided class.
    score_sum : numpy.ndarray of float64, shape (n_groups,), or None
        The sum of the scores, for calibration.
    square_sum : numpy.ndarray of float64, shape (n_groups,), or None
        The sum of the squares of the score's errors: n times the Brier score.
    """

    columns: tuple[str, ...]
    groups: tuple[tuple[Any, ...], ...]
    classes: tuple[Any, ...]
    confusion: np.ndarray
    score_sum: np.ndarray | None = None
    square_sum: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        y_true: Any,
        y_pred: Any,
        *,
        sensitive_features: Any,
        y_score: Any = None,
        classes: Sequence[Any] | None = None,
    ) -> "GroupCounts":
        """Count rows.

        Parameters
        ----------
        y_true, y_pred : array of shape (n_rows,)
            What people are, and what was decided.
        sensitive_features : array, Series, mapping, DataFrame or Arrow table of n_rows
            One or several columns; their combinations are the groups.
        y_score : array of shape (n_rows,), optional
            Probabilities of the second class, if there are two.
        classes : sequence, optional
            The labels in order, if the rows may not show them all.

        Raises
        ------
        MonitoringError
            If lengths differ, there are no rows, a label is missing, or a score is no probability.

        Examples
        --------
        >>> counts = GroupCounts.of([0, 0, 1], [0, 1, 1], sensitive_features=["a", "a", "b"])
        >>> counts.names, counts.confusion.tolist()
        (['group=a', 'group=b'], [[[1, 1], [0, 0]], [[0, 0], [0, 1]]])
        """
        truth, decided = np.asarray(y_true).ravel(), np.asarray(y_pred).ravel()
        columns = columns_of(sensitive_features)
        lengths = {"y_true": len(truth), "y_pred": len(decided)}
        lengths |= {name: len(values) for name, values in columns.items()}
        scores = None if y_score is None else np.asarray(y_score, dtype=float).ravel()
        check_lengths(lengths if scores is None else lengths | {"y_score": len(scores)})
        weights = [] if scores is None else [_probabilities(scores), scores * scores]
        cells = count_cells([*columns.values(), truth, decided], weights)
        names = _classes(cells.keys, classes)
        groups = _groups(cells.keys, tuple(columns))
        rows = {group: place for place, group in enumerate(groups)}
        places = (
            np.array([rows[key[:-2]] for key in cells.keys]),
            np.array([names.index(key[-2]) for key in cells.keys]),
            np.array([names.index(key[-1]) for key in cells.keys]),
        )
        confusion = np.zeros((len(groups), len(names), len(names)), dtype=np.int64)
        confusion[places] = cells.counts
        if scores is None:
            return cls(tuple(columns), groups, names, confusion)
        return cls(tuple(columns), groups, names, confusion, *_score_sums(cells, places, names))

    @property
    def n(self) -> np.ndarray:
        """Rows of each group."""
        return np.asarray(self.confusion.sum(axis=(1, 2)))

    @property
    def names(self) -> list[str]:
        """Each group's name: ``SEX=1, DIS=2``."""
        return name_groups(self.columns, self.groups)

    def __add__(self, other: "GroupCounts") -> "GroupCounts":
        """Count the rows of both."""
        if (self.columns, self.classes) != (other.columns, other.classes):
            raise MonitoringError(
                f"counts over {self.columns} with classes {self.classes} cannot be added to "
                f"counts over {other.columns} with classes {other.classes}"
            )
        keys = (*self.groups, *other.groups)
        parts = [
            None if mine is None or theirs is None else np.concatenate([mine, theirs])
            for mine, theirs in zip(self._arrays, other._arrays, strict=True)
        ]
        groups, summed = merge(keys, *parts)
        return _counts(self.columns, groups, self.classes, summed)

    def over(self, *columns: str) -> "GroupCounts":
        """The same rows, grouped by some of the columns only."""
        keys = project(self.columns, self.groups, columns)
        groups, summed = merge(keys, *self._arrays)
        return _counts(tuple(columns), groups, self.classes, summed)

    @property
    def _arrays(self) -> tuple[np.ndarray | None, ...]:
        return self.confusion, self.score_sum, self.square_sum

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; :meth:`from_dict` reads it back equal."""
        return {
            "columns": list(self.columns),
            "groups": [list(group) for group in self.groups],
            "classes": list(self.classes),
            "confusion": self.confusion.tolist(),
            "score_sum": None if self.score_sum is None else self.score_sum.tolist(),
            "square_sum": None if self.square_sum is None else self.square_sum.tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "GroupCounts":
        """Read what :meth:`to_dict` wrote."""
        sums = (data.get("score_sum"), data.get("square_sum"))
        return cls(
            tuple(data["columns"]),
            tuple(tuple(group) for group in data["groups"]),
            tuple(data["classes"]),
            np.array(data["confusion"], dtype=np.int64),
            *(None if values is None else np.array(values, dtype=float) for values in sums),
        )


def _counts(
    columns: tuple[str, ...], groups: tuple[Any, ...], classes: tuple[Any, ...], arrays: Any
) -> GroupCounts:
    return GroupCounts(columns, groups, classes, *arrays)


def _groups(keys: Sequence[tuple[Any, ...]], columns: tuple[str, ...]) -> tuple[Any, ...]:
    groups = tuple(dict.fromkeys(key[:-2] for key in keys))
    check_number(groups, columns)
    return groups


def _classes(keys: Sequence[tuple[Any, ...]], given: Sequence[Any] | None) -> tuple[Any, ...]:
    """The labels in order; a single 0, 1, True or False has a partner all the same."""
    for place, name in ((-2, "y_true"), (-1, "y_pred")):
        if any(key[place] == MISSING for key in keys):
            raise MonitoringError(
                f"{name} has missing labels; leave out rows whose outcome is not known yet"
            )
    found = {label for key in keys for label in key[-2:]}
    if given is not None:
        strange = sorted(repr(label) for label in found if label not in given)
        if strange:
            raise MonitoringError(
                f"labels {', '.join(strange[:5])} are none of the classes {list(given)}"
            )
        return tuple(given)
    if found <= {0, 1}:
        return (False, True) if all(isinstance(value, bool) for value in found) else (0, 1)
    try:
        return tuple(sorted(found))
    except TypeError as error:
        raise MonitoringError(
            f"labels of different kinds: {', '.join(sorted(map(repr, found))[:5])}; "
            "y_true and y_pred must speak of the same classes"
        ) from error


def _probabilities(scores: np.ndarray) -> np.ndarray:
    if not (scores.min() >= 0 and scores.max() <= 1):  # false for NaN too
        raise MonitoringError(
            "y_score must hold probabilities from 0 to 1, none of them missing; seen "
            f"{scores.min():g} to {scores.max():g}"
        )
    return scores


def _score_sums(
    cells: Any, places: tuple[np.ndarray, ...], names: tuple[Any, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of scores, and of their squared errors: (s - 1)² = s² - 2 s + 1 for the positive."""
    if len(names) != 2:
        raise MonitoringError(
            f"y_score belongs to two classes, seen {len(names)}; leave it out, or name the class "
            "that it speaks of: positive=…"
        )
    rows, truth, _ = places
    total, square = cells.sums
    errors = np.where(truth == 1, square - 2 * total + cells.counts, square)
    n_groups = int(rows.max()) + 1
    return (
        np.bincount(rows, weights=total, minlength=n_groups),
        np.bincount(rows, weights=errors, minlength=n_groups),
    )
