"""How far apart two counts are: the field's measures, as pure functions of count vectors.

``p`` is the reference, ``q`` the window. A measure of 0 means that the shares are equal; NaN that
one of the two has no rows.
"""

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
    "total_variation",
    "wasserstein",
]

Counts = np.ndarray
PRIOR = 0.5
"""What PSI adds to every cell (Jeffreys' prior), so that an empty one does not make it infinite."""


class Chi2(tuple[float, int, float]):
    """Pearson's statistic, its degrees of freedom and its p-value."""

    __slots__ = ()

    @property
    def statistic(self) -> float:
        """Pearson's X²."""
        return self[0]

    @property
    def dof(self) -> int:
        """Cells that are not empty in both, less one."""
        return self[1]

    @property
    def p_value(self) -> float:
        """The chance of so large a statistic if both come from one population."""
        return self[2]


def psi(p: Counts, q: Counts) -> float:
    """Population stability index: the sum of (q - p) ln(q / p) over cells.

    Cells empty in both are left out; to the others half a row is added. Source: Siddiqi, "Credit
    Risk Scorecards" (2006); it is the symmetrised Kullback-Leibler divergence in nats.

    Examples
    --------
    >>> psi(np.array([500, 500]), np.array([500, 500]))
    0.0
    """
    if not _both(p, q):
        return float("nan")
    some = (p + q) > 0
    a, b = p[some] + PRIOR, q[some] + PRIOR
    a, b = a / a.sum(), b / b.sum()
    return float(((b - a) * np.log(b / a)).sum())


def jensen_shannon(p: Counts, q: Counts) -> float:
    """Jensen-Shannon distance, base 2, from 0 to 1: SciPy's ``jensenshannon``.

    Source: Endres and Schindelin, "A new metric for probability distributions" (2003).
    """
    if not _both(p, q):
        return float("nan")
    a, b = p / p.sum(), q / q.sum()
    middle = (a + b) / 2
    divergence = (_entropy_terms(a, middle) + _entropy_terms(b, middle)) / 2
    return float(np.sqrt(max(divergence, 0.0)))


def total_variation(p: Counts, q: Counts) -> float:
    """Total variation: half the sum of absolute differences, the share of rows that moved."""
    if not _both(p, q):
        return float("nan")
    return float(np.abs(p / p.sum() - q / q.sum()).sum() / 2)


def kolmogorov_smirnov(p: Counts, q: Counts) -> float:
    """The largest gap between the cumulative shares of ordered cells."""
    if not _both(p, q):
        return float("nan")
    return float(np.abs(np.cumsum(p) / p.sum() - np.cumsum(q) / q.sum()).max())


def wasserstein(
    p: Counts, q: Counts, cuts: np.ndarray, *, whole: bool, tails: tuple[float, float] = (0.0, 0.0)
) -> float:
    """First Wasserstein (earth mover's) distance, in the units of the column.

    Parameters
    ----------
    p, q : array of shape (n_bins + 2,)
        Rows below, in the bins, and above.
    cuts : array of shape (n_bins + 1,)
        The edges of the bins.
    whole : bool
        Whether a bin is one whole number: then the distance is exact. Otherwise rows are taken to
        lie evenly within their bin.
    tails : (float, float)
        Mean excess beyond the edges, per row: the reference's below plus above, and the window's.
        Exact if only one of the two has rows there.
    """
    if not _both(p, q):
        return float("nan")
    gap = np.cumsum(p)[:-1] / p.sum() - np.cumsum(q)[:-1] / q.sum()
    beyond = abs(tails[0] - tails[1])
    if whole:  # the gap stands from one whole number to the next
        return float(np.abs(gap[1:-1]).sum() + beyond)
    widths = np.diff(cuts)
    left, right = gap[:-1], gap[1:]
    same = left * right >= 0
    straight = (np.abs(left) + np.abs(right)) / 2
    spread = np.abs(left) + np.abs(right)
    crossing = (left**2 + right**2) / (2 * np.where(spread > 0, spread, 1.0))
    return float((np.where(same, straight, crossing) * widths).sum() + beyond)


def chi2(p: Counts, q: Counts) -> Chi2:
    """Pearson's test that two counts come from one population, without continuity correction."""
    some = (p + q) > 0
    if not _both(p, q) or some.sum() < 2:
        return Chi2((0.0, 0, 1.0))
    statistic = float(_statistic(p[some], q[some]))
    dof = int(some.sum()) - 1
    return Chi2((statistic, dof, float(special.chdtrc(dof, statistic))))


def cramers_v(p: Counts, q: Counts) -> float:
    """Cramér's V of the two counts: 0 to 1, the effect size that goes with :func:`chi2`.

    Unlike other measures here it depends on how many rows the reference has beside the window:
    read it with the window's size in mind.
    """
    if not _both(p, q):
        return float("nan")
    return float(np.sqrt(chi2(p, q).statistic / (p.sum() + q.sum())))


def cohens_h(p: Counts, q: Counts) -> float:
    """The largest change of one cell's share, on the scale where chance is the same everywhere.

    2 arcsin √q - 2 arcsin √p: 0.2 is small, 0.5 medium, 0.8 large. A cell that grows from 1 to 8 in
    a hundred counts for more than one from 40 to 47, as total variation does not see it. Source:
    Cohen, "Statistical Power Analysis for the Behavioral Sciences" (1988).
    """
    if not _both(p, q):
        return float("nan")
    a, b = np.sqrt(p / p.sum()), np.sqrt(q / q.sum())
    return float(np.abs(2 * np.arcsin(b) - 2 * np.arcsin(a)).max())


def _statistic(p: Counts, q: Counts) -> np.ndarray:
    """Pearson's X² along the last axis; cells must not be empty in both."""
    n_p, n_q = p.sum(-1, keepdims=True), q.sum(-1, keepdims=True)
    scaled = (p * np.sqrt(n_q / n_p) - q * np.sqrt(n_p / n_q)) ** 2
    total = p + q
    cells: np.ndarray = np.divide(scaled, total, out=np.zeros_like(scaled), where=total > 0)
    return np.asarray(cells.sum(-1))


def _entropy_terms(a: np.ndarray, middle: np.ndarray) -> float:
    some = a > 0
    return float((a[some] * np.log2(a[some] / middle[some])).sum())


def _both(p: Counts, q: Counts) -> bool:
    return bool(p.sum() > 0 and q.sum() > 0)
