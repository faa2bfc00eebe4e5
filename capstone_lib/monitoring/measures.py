"""How far apart two counts are: the field's measures, as pure functions of count vectors.

``p`` is the reference, ``q`` the window. A measure of 0 means that the shares are equal; NaN that
one of the two has no rows. Cells lie along the last axis, and any number of columns may be stacked
before it: cells that are empty in both count for nothing, so that shorter columns are filled up
with zeros.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

__all__ = [
    "Chi2",
    "chi2",
    "cohens_h",
    "cramers_v",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "psi",
    "rows",
    "shares",
    "total_variation",
    "wasserstein",
]

Counts = np.ndarray
PRIOR = 0.5
"""What PSI adds to every cell (Jeffreys' prior), so that an empty one does not make it infinite."""


class Chi2(NamedTuple):
    """Pearson's test.

    Attributes
    ----------
    statistic : array
        Pearson's X².
    dof : array of int
        Cells that are not empty in both, less one.
    p_value : array
        The chance of so large a statistic if both come from one population.
    """

    statistic: np.ndarray
    dof: np.ndarray
    p_value: np.ndarray


def rows(counts: Counts) -> np.ndarray:
    """How many rows were counted, with an axis of length 1 for the cells; NaN if there are none."""
    total = counts.sum(-1, keepdims=True)
    return np.where(total > 0, total, np.nan)


def shares(counts: Counts) -> np.ndarray:
    """The share of rows in each cell; NaN if there are no rows."""
    return np.asarray(counts / rows(counts))


def psi(p: Counts, q: Counts) -> np.ndarray:
    """Population stability index: the sum of (q - p) ln(q / p) over cells.

    Cells empty in both are left out; to the others half a row is added. Source: Siddiqi, "Credit
    Risk Scorecards" (2006); it is the symmetrised Kullback-Leibler divergence in nats.

    Examples
    --------
    >>> float(psi(np.array([500, 500]), np.array([500, 500])))
    0.0
    """
    some = (p + q) > 0
    a, b = (shares(np.where(some, counts + PRIOR, 0.0)) for counts in (p, q))
    terms = (b - a) * np.log(np.where(some, b, 1.0) / np.where(some, a, 1.0))
    return _where_both(p, q, terms.sum(-1))


def jensen_shannon(p: Counts, q: Counts) -> np.ndarray:
    """Jensen-Shannon distance, base 2, from 0 to 1: SciPy's ``jensenshannon``.

    Source: Endres and Schindelin, "A new metric for probability distributions" (2003).
    """
    a, b = shares(p), shares(q)
    middle = (a + b) / 2
    divergence = (special.rel_entr(a, middle) + special.rel_entr(b, middle)).sum(-1)
    return np.asarray(np.sqrt(np.maximum(divergence, 0.0) / (2 * np.log(2))))


def total_variation(p: Counts, q: Counts) -> np.ndarray:
    """Total variation: half the sum of absolute differences, the share of rows that moved."""
    return np.asarray(np.abs(shares(p) - shares(q)).sum(-1) / 2)


def kolmogorov_smirnov(p: Counts, q: Counts) -> np.ndarray:
    """The largest gap between the cumulative shares of ordered cells."""
    return np.asarray(np.abs(_gap(p, q)).max(-1))


def wasserstein(
    p: Counts,
    q: Counts,
    cuts: np.ndarray,
    *,
    whole: bool | np.ndarray,
    tails: tuple[float | np.ndarray, float | np.ndarray] = (0.0, 0.0),
) -> np.ndarray:
    """First Wasserstein (earth mover's) distance, in the units of the column.

    Parameters
    ----------
    p, q : array of shape (..., n_bins + 2)
        Rows below, in the bins, and above. Stacked columns end together: shorter ones begin with
        zeros, and with their first edge repeated.
    cuts : array of shape (..., n_bins + 1)
        The edges of the bins.
    whole : bool, or array of shape (...)
        Whether a bin is one whole number: then the distance is exact. Otherwise rows are taken to
        lie evenly within their bin.
    tails : (float, float), or two arrays of shape (...)
        Mean excess beyond the edges, per row: the reference's below plus above, and the window's.
        Exact if only one of the two has rows there.
    """
    gap, widths = _gap(p, q)[..., :-1], np.diff(cuts)
    step = np.asarray(whole)[..., None]
    right = gap[..., 1:]
    left = np.where(step, right, gap[..., :-1])  # it stands from one whole number to the next
    widths[..., -1:] *= ~step  # and the last of them ends the range
    spread = np.abs(left) + np.abs(right)
    crossing = (left**2 + right**2) / np.where(spread > 0, spread, 1.0)
    area = np.where(left * right >= 0, spread, crossing) / 2
    return np.asarray((area * widths).sum(-1) + np.abs(np.subtract(*tails)))


def chi2(p: Counts, q: Counts) -> Chi2:
    """Pearson's test that two counts come from one population, without continuity correction."""
    n_p, n_q, total = p.sum(-1, keepdims=True), q.sum(-1, keepdims=True), p + q
    some, both = total > 0, (n_p > 0) & (n_q > 0)
    scale = np.sqrt(np.where(both, n_q, 1.0) / np.where(both, n_p, 1.0))
    cells = (p * scale - q / scale) ** 2 / np.where(some, total, 1.0)
    dof = (both & some).sum(-1) - 1
    tested = dof > 0
    statistic = np.where(tested, cells.sum(-1), 0.0)
    p_value = np.where(tested, special.chdtrc(np.maximum(dof, 1), statistic), 1.0)
    return Chi2(statistic, np.maximum(dof, 0), p_value)


def cramers_v(p: Counts, q: Counts) -> np.ndarray:
    """Cramér's V of the two counts: 0 to 1, the effect size that goes with :func:`chi2`.

    Unlike other measures here it depends on how many rows the reference has beside the window:
    read it with the window's size in mind.
    """
    return np.asarray(np.sqrt(chi2(p, q).statistic / (rows(p) + rows(q))[..., 0]))


def cohens_h(p: Counts, q: Counts) -> np.ndarray:
    """The largest change of one cell's share, on the scale where chance is the same everywhere.

    2 arcsin √q - 2 arcsin √p: 0.2 is small, 0.5 medium, 0.8 large. A cell that grows from 1 to 8 in
    a hundred counts for more than one from 40 to 47, as total variation does not see it. Source:
    Cohen, "Statistical Power Analysis for the Behavioral Sciences" (1988).
    """
    a, b = np.sqrt(shares(p)), np.sqrt(shares(q))
    return np.asarray(np.abs(2 * np.arcsin(b) - 2 * np.arcsin(a)).max(-1))


def _gap(p: Counts, q: Counts) -> np.ndarray:
    """Of the cumulative shares, after each cell."""
    return np.asarray(p.cumsum(-1) / rows(p) - q.cumsum(-1) / rows(q))


def _where_both(p: Counts, q: Counts, values: np.ndarray) -> np.ndarray:
    return np.where((p.sum(-1) > 0) & (q.sum(-1) > 0), values, np.nan)
