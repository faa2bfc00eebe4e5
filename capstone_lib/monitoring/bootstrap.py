"""How sure a gap between groups is: replicates of the counts, and bands over all pairs of groups.

The largest gap of many groups is biased upwards, and so is each of its replicates: the quantiles of
replicated gaps would exclude 0 even where there is no gap. So replicates only tell how far *every*
pair may have strayed at once, and the gap's interval follows from that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from capstone_lib.monitoring.rates import newcombe

__all__ = [
    "Spread",
    "lower_bound",
    "lower_bound_of_means",
    "range_interval",
    "replicate",
    "spread_of",
]


def replicate(tables: np.ndarray, *, n_boot: int, seed: int) -> np.ndarray:
    """Draw what the shares of each group's cells may be, given its counts.

    The Bayesian bootstrap of a table (Rubin, "The Bayesian bootstrap", 1981) with half a person
    more in each cell (Jeffreys), so that nobody of thirty does not pass for certainty.

    Parameters
    ----------
    tables : array of shape (n_groups, 2, 2)
        Counts.
    n_boot : int
        Replicates of each group.
    seed : int
        The same seed, the same replicates.

    Returns
    -------
    numpy.ndarray of float, shape (n_groups, n_boot, 2, 2)
        In proportion to the shares: rates are the same as of counts.
    """
    rng = np.random.default_rng(seed)
    cells = np.asarray(tables, dtype=float).reshape(len(tables), 1, 4) + 0.5
    drawn = rng.standard_gamma(np.broadcast_to(cells, (len(tables), n_boot, 4)))
    return drawn.reshape(len(tables), n_boot, 2, 2)


@dataclass(frozen=True)
class Spread:
    """How far groups lie apart, pair by pair.

    Attributes
    ----------
    apart, error : numpy.ndarray of shape (n_pairs,)
        The distance of each pair and its standard error.
    strayed : numpy.ndarray of shape (n_boot,)
        In each replicate the largest deviation of any pair, in standard errors.
    """

    apart: np.ndarray
    error: np.ndarray
    strayed: np.ndarray


def spread_of(values: np.ndarray) -> Spread:
    """Compare every pair of groups.

    Parameters
    ----------
    values : array of shape (n_groups, n_boot)
        Replicates of one value of each group; two groups at least.

    Returns
    -------
    Spread
        Of ``n_groups * (n_groups - 1) / 2`` pairs.
    """
    middle = values.mean(axis=1)
    off = values - middle[:, None]
    variance = (off**2).mean(axis=1)
    first, second = np.triu_indices(len(values), 1)
    error = np.sqrt(variance[first] + variance[second])
    strayed = np.zeros(values.shape[1])
    for place in range(len(values) - 1):
        scale = np.sqrt(variance[place] + variance[place + 1 :])
        deviations = np.abs(off[place + 1 :] - off[place])
        deviations /= np.where(scale > 0, scale, np.inf)[:, None]
        np.maximum(strayed, deviations.max(axis=0), out=strayed)
    return Spread(np.abs(middle[first] - middle[second]), error, strayed)


def range_interval(spreads: Sequence[Spread], *, level: float) -> tuple[float, float]:
    """Interval of the largest distance between any two groups, over all the spreads.

    Parameters
    ----------
    spreads : sequence of Spread
        Of one value or of several, from the same replicates.
    level : float
        How often the interval should hold the truth.

    Returns
    -------
    low, high : float
        ``low`` is never below 0; ``high`` has no bound here.

    Notes
    -----
    The band is the quantile of the largest studentized deviation of all pairs: maxT of Westfall and
    Young, "Resampling-Based Multiple Testing" (1993). With probability ``level`` or more every pair
    lies within its band at once; then the largest true distance is at least the largest lower end
    and at most the largest upper end.
    """
    reach = float(np.quantile(np.maximum.reduce([s.strayed for s in spreads]), level))
    low = max(float((s.apart - reach * s.error).max()) for s in spreads)
    high = max(float((s.apart + reach * s.error).max()) for s in spreads)
    return max(low, 0.0), high


def lower_bound(part: np.ndarray, whole: np.ndarray, *, level: float, n_families: int = 1) -> float:
    """The gap that is there at least: what an alert should look at.

    The largest lower end of Newcombe's intervals over all pairs of groups, each at a level
    corrected for the number of pairs (Bonferroni). Without a true gap it is above 0 in at most the
    share 1 - ``level`` of windows. Nothing in it is drawn at random.

    Parameters
    ----------
    part, whole : array of shape (n_groups,)
        Numerators and denominators of the groups' rates.
    level : float
        The share of windows without a gap in which it is 0.
    n_families : int, default 1
        How many such rates are looked at together: two for equalized odds.

    Returns
    -------
    float
        Never below 0; NaN for fewer than two groups.

    Examples
    --------
    >>> round(lower_bound(np.array([30, 60]), np.array([100, 100]), level=0.95), 3)
    0.163
    >>> lower_bound(np.array([1, 2]), np.array([3, 3]), level=0.95)
    0.0
    """
    if len(part) < 2:
        return float("nan")
    first, second = np.triu_indices(len(part), 1)
    corrected = 1 - (1 - level) / (len(first) * n_families)
    low, high = newcombe(part[first], whole[first], part[second], whole[second], level=corrected)
    return max(float(np.maximum(low, -high).max()), 0.0)


def lower_bound_of_means(
    mean: np.ndarray, error: np.ndarray, n: np.ndarray, *, level: float, n_families: int = 1
) -> float:
    """The same for means with their standard errors, such as errors of a regression.

    Intervals are Student's, with the degrees of freedom of the smaller group, which is cautious.

    Parameters
    ----------
    mean, error, n : array of shape (n_groups,)
        Means, their standard errors, and how many people they are of.
    level, n_families
        As above.

    Returns
    -------
    float
        In the unit of the means, never below 0; NaN for fewer than two groups.

    Examples
    --------
    >>> mean, error, n = np.array([0.0, 1.0]), np.array([0.1, 0.1]), np.array([900, 900])
    >>> round(lower_bound_of_means(mean, error, n, level=0.95), 3)
    0.722
    """
    if len(mean) < 2:
        return float("nan")
    first, second = np.triu_indices(len(mean), 1)
    tail = (1 - level) / (2 * len(first) * n_families)
    reach = -stdtrit(np.minimum(n[first], n[second]) - 1, tail)
    apart = np.abs(mean[first] - mean[second])
    return max(float((apart - reach * np.hypot(error[first], error[second])).max()), 0.0)
