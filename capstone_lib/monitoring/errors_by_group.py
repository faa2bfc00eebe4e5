"""Errors of a regression by group: additive sums, and from them means with intervals.

The error is what was predicted less what came true: above 0 is too much.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from capstone_lib.artifact.grouping import (
    check_lengths,
    check_number,
    columns_of,
    count_cells,
    merge,
    name_groups,
    project,
)
from capstone_lib.errors import MonitoringError

__all__ = ["ERRORS", "GroupErrors"]

ERRORS = {
    "mean_error": "predicted less true: above 0 is too much",
    "mean_absolute_error": "how far off, either way",
    "root_mean_squared_error": "how far off, large errors counting more",
}
"""The errors by name, and in words."""


@dataclass(frozen=True, eq=False)
class GroupErrors:
    """Sums of each group's errors; sums of different rows add up.

    Attributes
    ----------
    columns : tuple of str
    groups : tuple of tuple
        As of :class:`~capstone_lib.artifact.groups.GroupCounts`.
    n : numpy.ndarray of int64, shape (n_groups,)
        Rows of each group.
    sums : numpy.ndarray of float64, shape (n_groups, 4)
        Of the errors, of their size, of their squares and of their fourth powers.
    """

    columns: tuple[str, ...]
    groups: tuple[tuple[Any, ...], ...]
    n: np.ndarray
    sums: np.ndarray

    @classmethod
    def of(cls, y_true: Any, y_pred: Any, *, sensitive_features: Any) -> "GroupErrors":
        """Sum rows.

        Parameters
        ----------
        y_true, y_pred : array of float, shape (n_rows,)
            What came true, and what was predicted, in one unit.
        sensitive_features : array, Series, mapping, DataFrame or Arrow table of n_rows
            One or several columns; their combinations are the groups.

        Returns
        -------
        GroupErrors

        Raises
        ------
        MonitoringError
            If lengths differ, there are no rows, or a value is missing or infinite.

        Examples
        --------
        >>> errors = GroupErrors.of([1.0, 2.0], [2.0, 4.0], sensitive_features=["a", "a"])
        >>> errors.n.tolist(), errors.sums.tolist()
        ([2], [[3.0, 3.0, 5.0, 17.0]])
        """
        truth = np.asarray(y_true, dtype=float).ravel()
        guess = np.asarray(y_pred, dtype=float).ravel()
        columns = columns_of(sensitive_features)
        lengths = {"y_true": len(truth), "y_pred": len(guess)}
        check_lengths(lengths | {name: len(values) for name, values in columns.items()})
        errors = guess - truth
        if not np.isfinite(errors).all():
            raise MonitoringError(
                f"{int((~np.isfinite(errors)).sum()):,} values of y_true or y_pred are missing or "
                "infinite; leave out rows whose outcome is not known yet"
            )
        squares = errors**2
        cells = count_cells(columns.values(), [errors, np.abs(errors), squares, squares**2])
        check_number(cells.keys, tuple(columns))
        return cls(tuple(columns), cells.keys, cells.counts, np.stack(cells.sums, axis=1))

    @property
    def names(self) -> list[str]:
        """Each group's name: ``SEX=1, DIS=2``."""
        return name_groups(self.columns, self.groups)

    def __add__(self, other: "GroupErrors") -> "GroupErrors":
        """Sum the rows of both.

        Raises
        ------
        MonitoringError
            If they are over other columns.
        """
        if self.columns != other.columns:
            raise MonitoringError(
                f"errors over {self.columns} cannot be added to errors over {other.columns}"
            )
        keys = (*self.groups, *other.groups)
        n, sums = np.concatenate([self.n, other.n]), np.concatenate([self.sums, other.sums])
        return _gathered(self.columns, keys, n, sums)

    def over(self, *columns: str) -> "GroupErrors":
        """The same rows, grouped by some of the columns only."""
        keys = project(self.columns, self.groups, columns)
        return _gathered(tuple(columns), keys, self.n, self.sums)

    def means(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Each of :data:`ERRORS` of each group, with its standard error.

        Returns
        -------
        dict of str to tuple of two numpy.ndarray of shape (n_groups,)
            In the unit of the predictions; the standard error of a single row is NaN.

        Notes
        -----
        The standard error of the root mean square follows from that of the mean square (delta
        method), which for thirty people is a little too small.
        """
        n = self.n[:, None]
        mean = self.sums / n
        second = mean[:, [2, 2, 3]]
        variance = np.maximum(second - mean[:, [0, 1, 2]] ** 2, 0)
        several = np.where(n > 1, n - 1, 1)
        error = np.where(n > 1, np.sqrt(variance / several), np.nan)
        root = np.sqrt(mean[:, 2])
        slope = np.where(root > 0, 2 * root, 1.0)
        return {
            "mean_error": (mean[:, 0], error[:, 0]),
            "mean_absolute_error": (mean[:, 1], error[:, 1]),
            "root_mean_squared_error": (root, error[:, 2] / slope),
        }

    def intervals(self, *, level: float) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Each of :data:`ERRORS` with the ends of its interval.

        Parameters
        ----------
        level : float
            Of the intervals, which are Student's.

        Returns
        -------
        dict of str to tuple of three numpy.ndarray of shape (n_groups,)
            The error, and the lower and upper end; those of sizes are never below 0. The ends of a
            single row are NaN.
        """
        z = -stdtrit(np.maximum(self.n - 1, 1), (1 - level) / 2)
        found = {}
        for name, (mean, error) in self.means().items():
            low = mean - z * error
            low = low if name == "mean_error" else np.maximum(low, 0)
            found[name] = (mean, low, mean + z * error)
        return found


def _gathered(
    columns: tuple[str, ...], keys: Sequence[tuple[Any, ...]], n: np.ndarray, sums: np.ndarray
) -> GroupErrors:
    groups, (counts, total) = merge(keys, n, sums)
    return GroupErrors(columns, groups, np.asarray(counts), np.asarray(total))
