"""The area under the ROC curve and its interval, from midranks.

Sources: DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated ROC
curves" (1988), computed as in Sun and Xu, "Fast implementation of DeLong's algorithm" (2014);
Newcombe, "Confidence intervals for an effect size measure based on the Mann–Whitney statistic",
part 2 (2006), where DeLong's variance says nothing.
"""

from collections.abc import Callable

import numpy as np

from capstone_lib.monitoring.rates import normal_quantile

__all__ = ["auc_interval", "midranks"]


def midranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1 on; equal values share the mean of theirs.

    Examples
    --------
    >>> midranks(np.array([0.2, 0.9, 0.2])).tolist()
    [1.5, 3.0, 1.5]
    """
    _, place, n_tied = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(n_tied) - (n_tied - 1) / 2)[place])


def auc_interval(
    positive: np.ndarray, score: np.ndarray, *, level: float = 0.95
) -> tuple[float, float, float]:
    """The area under the ROC curve with its interval; NaN without both classes.

    Parameters
    ----------
    positive : array of bool, shape (n_rows,)
    score : array of shape (n_rows,)
    level : float, default 0.95

    Notes
    -----
    The interval is DeLong's on the logit scale. Where all positives rank above all negatives, or a
    class has a single row, DeLong's variance is 0 or not defined; Newcombe's interval stands in.

    Examples
    --------
    >>> value, low, high = auc_interval(np.array([0, 1, 0, 1]) == 1, np.array([.1, .4, .35, .8]))
    >>> value, low < 1 <= high
    (1.0, True)
    """
    n_1 = int(positive.sum())
    n_0 = len(positive) - n_1
    if not n_1 or not n_0:
        return (float("nan"),) * 3
    ranks = midranks(score)
    above = (ranks[positive] - midranks(score[positive])) / n_0  # of each positive, negatives below
    below = 1 - (ranks[~positive] - midranks(score[~positive])) / n_1
    auc = float(above.mean())
    if min(n_0, n_1) < 2:
        return auc, *_newcombe(auc, n_0, n_1, level)
    variance = float(above.var(ddof=1) / n_1 + below.var(ddof=1) / n_0)
    if not variance or not 0 < auc < 1:
        return auc, *_newcombe(auc, n_0, n_1, level)
    middle = np.log(auc / (1 - auc))
    reach = normal_quantile(level) * np.sqrt(variance) / (auc * (1 - auc))
    low, high = (float(1 / (1 + np.exp(-end))) for end in (middle - reach, middle + reach))
    return auc, low, high


def _newcombe(auc: float, n_0: int, n_1: int, level: float) -> tuple[float, float]:
    """Method 5: the areas from which the one seen is no further than chance goes."""
    z, half = normal_quantile(level), (n_0 + n_1) / 2 - 1

    def too_far(area: float) -> float:
        spread = 1 + half * (1 - area) / (2 - area) + half * area / (1 + area)
        return (area - auc) ** 2 - z**2 * area * (1 - area) / (n_0 * n_1) * spread

    low = 0.0 if auc <= 0 else _root(too_far, 0.0, auc)
    high = 1.0 if auc >= 1 else _root(too_far, 1.0, auc)
    return low, high


def _root(too_far: Callable[[float], float], outside: float, inside: float) -> float:
    for _ in range(60):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if too_far(middle) > 0 else (outside, middle)
    return (outside + inside) / 2
