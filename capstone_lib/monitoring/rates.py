"""Rates of groups, their intervals, and the gaps between them: pure functions of counts.

Rates carry the names and definitions of Fairlearn. A rate without a denominator is not defined
(NaN), never 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "RATES",
    "Metric",
    "Rate",
    "newcombe",
    "normal_quantile",
    "one_vs_rest",
    "rate_of",
    "share_of",
    "wilson",
]

Table = np.ndarray
"""Counts of shape (…, 2, 2): true class, then decided class; negative before positive."""


@dataclass(frozen=True)
class Metric:
    """A value with its interval, and the rows that it rests on.

    Attributes
    ----------
    value : float
        NaN where it is not defined, which is never 0.
    low, high : float
        The ends of its interval; NaN where there is none.
    n : int
        Rows; of a rate its denominator.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Rate:
    """A share of some of a group's people.

    Attributes
    ----------
    name : str
        Fairlearn's word for it.
    title : str
        In words.
    part, whole : callable
        From counts of shape (…, 2, 2) the numerator and the denominator.
    """

    name: str
    title: str
    part: Callable[[Table], np.ndarray]
    whole: Callable[[Table], np.ndarray]


def _cell(truth: int, decided: int) -> Callable[[Table], np.ndarray]:
    return lambda table: np.asarray(table[..., truth, decided])


def _negatives(table: Table) -> np.ndarray:
    return np.asarray(table[..., 0, :].sum(-1))


def _positives(table: Table) -> np.ndarray:
    return np.asarray(table[..., 1, :].sum(-1))


def _selected(table: Table) -> np.ndarray:
    return np.asarray(table[..., :, 1].sum(-1))


def _all(table: Table) -> np.ndarray:
    return np.asarray(table.sum((-2, -1)))


def _right(table: Table) -> np.ndarray:
    return np.asarray(table[..., 0, 0] + table[..., 1, 1])


RATES = {
    rate.name: rate
    for rate in (
        Rate("base_rate", "share who are positive", _positives, _all),
        Rate("selection_rate", "share decided positive", _selected, _all),
        Rate("accuracy", "share decided rightly", _right, _all),
        Rate("true_positive_rate", "of the positive, decided so", _cell(1, 1), _positives),
        Rate("false_positive_rate", "of the negative, decided positive", _cell(0, 1), _negatives),
        Rate("false_negative_rate", "of the positive, decided negative", _cell(1, 0), _positives),
        Rate("precision", "of those decided positive, rightly", _cell(1, 1), _selected),
    )
}
"""The rates by name, in the order in which they are shown."""


def one_vs_rest(confusion: np.ndarray, place: int) -> Table:
    """Count one class against all others.

    Parameters
    ----------
    confusion : array of int, shape (n_groups, n_classes, n_classes)
        True class, then decided class.
    place : int
        Of the class that counts as positive.

    Returns
    -------
    numpy.ndarray of int, shape (n_groups, 2, 2)
    """
    hit = confusion[:, place, place]
    missed = confusion[:, place, :].sum(-1) - hit
    false = confusion[:, :, place].sum(-1) - hit
    rest = confusion.sum((1, 2)) - hit - missed - false
    return np.asarray(np.stack([np.stack([rest, false], -1), np.stack([missed, hit], -1)], -2))


def rate_of(rate: Rate, table: Table) -> np.ndarray:
    """Return the rate of each group.

    Parameters
    ----------
    rate : Rate
        One of :data:`RATES`.
    table : array of shape (…, 2, 2)
        Counts, or numbers in proportion to them.

    Returns
    -------
    numpy.ndarray of float, shape (…,)
        From 0 to 1; NaN where nobody is in the denominator.
    """
    part, whole = rate.part(table).astype(float), rate.whole(table).astype(float)
    return np.asarray(np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0))


def normal_quantile(level: float) -> float:
    """How many standard deviations either way hold the share ``level`` of a normal distribution.

    Parameters
    ----------
    level : float
        Above 0 and below 1.

    Returns
    -------
    float

    Examples
    --------
    >>> round(normal_quantile(0.95), 2)
    1.96
    """
    return NormalDist().inv_cdf((1 + level) / 2)


def wilson(part: ArrayLike, whole: ArrayLike, *, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval for shares, good for small groups too.

    Parameters
    ----------
    part, whole : array of the same shape, or number
        How many of how many.
    level : float
        How often such intervals hold the truth.

    Returns
    -------
    low, high : numpy.ndarray
        From 0 to 1; NaN without a denominator.

    Notes
    -----
    Source: Wilson, "Probable inference, the law of succession, and statistical inference" (1927).

    Examples
    --------
    >>> low, high = wilson(np.array([0, 8]), np.array([0, 10]), level=0.95)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([nan, 0.49], [nan, 0.943])
    """
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    z = normal_quantile(level)
    n = np.where(whole > 0, whole, np.nan)
    share = part / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # rounding must not put nobody of n above 0, nor all of n below 1
    low = np.where(part == 0, np.where(whole > 0, 0.0, np.nan), middle - half)
    high = np.where((part == whole) & (whole > 0), 1.0, middle + half)
    return low, high


def newcombe(
    part_a: ArrayLike,
    whole_a: ArrayLike,
    part_b: ArrayLike,
    whole_b: ArrayLike,
    *,
    level: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Interval of a difference of shares, a less b, by the hybrid score method.

    Parameters
    ----------
    part_a, whole_a, part_b, whole_b : array of the same shape, or number
        How many of how many, in the one sample and in the other.
    level : float
        How often such intervals hold the truth.

    Returns
    -------
    low, high : numpy.ndarray
        From -1 to 1; NaN where one sample has no denominator.

    Notes
    -----
    Source: Newcombe, "Interval estimation for the difference between independent proportions"
    (1998), method 10.

    Examples
    --------
    >>> low, high = newcombe(56, 70, 48, 80, level=0.95)  # the paper's own first example
    >>> round(float(low), 4), round(float(high), 4)
    (0.0524, 0.3339)
    """
    a = np.asarray(part_a) / np.where(np.asarray(whole_a) > 0, whole_a, np.nan)
    b = np.asarray(part_b) / np.where(np.asarray(whole_b) > 0, whole_b, np.nan)
    low_a, high_a = wilson(part_a, whole_a, level=level)
    low_b, high_b = wilson(part_b, whole_b, level=level)
    low = (a - b) - np.sqrt((a - low_a) ** 2 + (high_b - b) ** 2)
    high = (a - b) + np.sqrt((high_a - a) ** 2 + (b - low_b) ** 2)
    return low, high


def share_of(part: float, whole: float, *, level: float = 0.95) -> Metric:
    """Return one share with Wilson's interval.

    Parameters
    ----------
    part, whole : number
        How many of how many.
    level : float, default 0.95
        Of the interval.

    Returns
    -------
    Metric
        All NaN where ``whole`` is 0.

    Examples
    --------
    >>> share_of(8, 10).value, share_of(0, 0).value
    (0.8, nan)
    """
    low, high = wilson(part, whole, level=level)
    value = float(part) / float(whole) if whole else float("nan")
    return Metric(value, float(low), float(high), int(whole))
