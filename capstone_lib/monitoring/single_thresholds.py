"""One threshold a group, without a coin: the most accurate ones whose rates lie close together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["RATES_OF", "single_thresholds"]

RATES_OF = {
    "demographic_parity": None,
    "selection_rate_parity": None,
    "false_positive_rate_parity": 0,
    "true_negative_rate_parity": 0,
    "true_positive_rate_parity": 1,
    "false_negative_rate_parity": 1,
}
"""Constraints on one rate, and the true class of the people it speaks of (None: everybody)."""

_GRID = 501


def single_thresholds(
    truth: np.ndarray,
    score: np.ndarray,
    groups: np.ndarray,
    *,
    constraint: str,
    tolerance: float = 0.0,
) -> Mapping[Any, float]:
    """Find each group's threshold.

    For every place of a band of width ``tolerance`` on the scale of the rate, each group takes its
    most accurate threshold inside the band, or else the nearest to it; the place with the most
    people decided rightly wins.

    Parameters
    ----------
    truth : array of 0 and 1, shape (n_rows,)
        What people are.
    score, groups : array of shape (n_rows,)
        Probabilities, and the group of each person; none missing.
    constraint : str
        One of :data:`RATES_OF`.
    tolerance : float, default 0
        How far rates may lie apart on these rows, from 0 to 1.

    Returns
    -------
    mapping of group to float
        Who scores at least this is decided positive.

    Examples
    --------
    >>> import numpy as np
    >>> truth, score = np.array([0, 0, 1, 1] * 2), np.array([1, 2, 3, 4, 2, 4, 6, 8]) / 10
    >>> single_thresholds(truth, score, np.array([1] * 4 + [2] * 4),
    ...                   constraint="false_positive_rate_parity")
    {1: 0.25, 2: 0.5}
    """
    curves = {
        _plain(group): _curve(truth[groups == group], score[groups == group], RATES_OF[constraint])
        for group in np.unique(groups)
    }
    best, chosen = -1, {}
    for low in np.linspace(0, 1, _GRID):
        places = {group: curve.best(low, low + tolerance) for group, curve in curves.items()}
        right = sum(int(curves[group].right[place]) for group, place in places.items())
        if right > best:
            best, chosen = right, places
    return {group: float(curves[group].thresholds[place]) for group, place in chosen.items()}


@dataclass(frozen=True)
class _Curve:
    """A group's choices: thresholds from high to low, the rate at each, people decided rightly."""

    thresholds: np.ndarray
    rates: np.ndarray
    right: np.ndarray

    def best(self, low: float, high: float) -> int:
        """The most accurate choice with a rate in the band, or else the nearest to its middle."""
        start = int(np.searchsorted(self.rates, low - 1e-12))
        stop = int(np.searchsorted(self.rates, high + 1e-12, side="right"))
        if start < stop:
            return start + int(self.right[start:stop].argmax())
        off = np.abs(self.rates - (low + high) / 2)
        near = np.flatnonzero(off == off.min())
        return int(near[self.right[near].argmax()])


def _curve(truth: np.ndarray, score: np.ndarray, of: int | None) -> _Curve:
    order = np.argsort(-score, kind="stable")
    score, truth = score[order], truth[order]
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)  # of each run of equal scores
    positives = np.append(0, np.cumsum(truth)[last])
    selected = np.append(0, last + 1)
    negatives = selected - positives
    counted = selected if of is None else (positives if of else negatives)
    lower = np.append(score[last][1:], score[-1] - 1.0)
    thresholds = np.append(score[0] + 1.0, (score[last] + lower) / 2)
    right = positives + (negatives[-1] - negatives)
    return _Curve(thresholds, counted / max(counted[-1], 1), right)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
