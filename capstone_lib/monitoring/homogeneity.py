"""Do two counts come from one population? P-values that hold in small windows and large ones.

Everything is a closed form of the counts: no resampling, so the same counts give the same answer
everywhere, in microseconds. Cells lie along the last axis; columns may be stacked before it.
"""

import numpy as np
from scipy import special

from capstone_lib.monitoring.measures import Counts, chi2

__all__ = ["homogeneity_p", "order_p", "rare_p"]

FEWEST = 10.0
"""Rows that a cell must expect in both samples for a χ² test.

Cochran's five (1954) are enough at 0.05, and not at the 0.003 of one test among many: a cell of
six then rejects twice as often as it should.
"""

RARE_SHARE = 0.2
"""How much of the level goes to cells too rare for a χ² test."""

WITHIN_REACH = 1e-3
"""A rare cell that could not reach this p-value, however its rows fell, is not tested."""


def homogeneity_p(
    p: Counts, q: Counts, *, ordered: tuple[Counts, Counts] | None = None
) -> np.ndarray:
    """The p-value that two counts come from one population.

    Parameters
    ----------
    p, q : array of shape (..., n_cells)
        Rows of the reference and of the window in each cell.
    ordered : (array, array), optional
        The same rows in finer cells that have an order, for a test that sees a shift.

    Returns
    -------
    array of shape (...)
        1 if there is nothing to compare.

    Notes
    -----
    Three tests share the level, and the strongest speaks (weighted Bonferroni): Pearson's χ² over
    the cells that expect ten rows or more in both samples, with the rarer ones together; an exact
    test of each rarer cell; and, if there is an order, the rank-sum test. The tests and their
    weights depend on the totals of the cells only, never on how they divide.
    """
    total = p + q
    smaller = np.minimum(p.sum(-1), q.sum(-1)) / np.maximum(total.sum(-1), 1.0)
    expected = total * smaller[..., None]
    common = chi2(*_pooled(p, q, expected))
    tests = [np.where(common.dof > 0, common.p_value, np.nan)]
    if ordered is not None:
        varied = expected.sum(-1) - expected.max(-1) >= FEWEST
        tests.append(np.where(varied, order_p(*ordered), np.nan))
    usual = np.stack(tests)
    n_usual = np.isfinite(usual).sum(0)
    exact = rare_p(p, q, expected < FEWEST)
    left = np.where(np.isnan(exact), 0.0, np.where(n_usual > 0, RARE_SHARE, 1.0))
    weighted = [*(usual * n_usual / (1 - left)), exact / left]  # NaN stays where there is no test
    smallest = np.fmin.reduce([np.ones_like(exact), *weighted])
    return np.where(smaller > 0, smallest, 1.0)


def order_p(p: Counts, q: Counts) -> np.ndarray:
    """The p-value of the rank-sum test, corrected for ties.

    Source: Mann and Whitney (1947), in the normal approximation with mid-ranks.
    """
    n_p, n_q, total = p.sum(-1), q.sum(-1), p + q
    n = n_p + n_q
    ranks = total.cumsum(-1) - total / 2  # mid-ranks, less one half
    distance = (q * ranks).sum(-1) - n_q * n / 2
    testable = (n_p > 0) & (n_q > 0) & ((total > 0).sum(-1) > 1)
    ties = 1 - (total**3 - total).sum(-1) / np.where(testable, n**3 - n, 1.0)
    spread = np.sqrt(np.where(testable, n_p * n_q * (n + 1) / 12 * ties, 1.0))
    return np.where(testable, 2 * special.ndtr(-np.abs(distance) / spread), 1.0)


def rare_p(p: Counts, q: Counts, rare: np.ndarray) -> np.ndarray:
    """The smallest exact p-value of cells that are too rare for χ², times the number of them.

    Given its total, a cell's rows in the window follow a binomial distribution (Przyborowski and
    Wilenski, 1940, "the conditional test"). Cells that could not reach a small p-value, however
    their rows had fallen, are left out (Tarone, 1990); NaN if no cell is left.
    """
    n_q, total = q.sum(-1, keepdims=True), p + q
    share = n_q / np.maximum(p.sum(-1, keepdims=True) + n_q, 1.0)
    reach = 2 * np.minimum(share**total, (1 - share) ** total)
    tested = rare & (reach <= WITHIN_REACH)
    p_values = np.full(tested.shape, np.nan)
    k, n = q[tested], total[tested].astype(np.int64)
    share = np.broadcast_to(share, tested.shape)[tested]
    above = np.where(k > 0, special.bdtrc(k - 1, n, share), 1.0)
    p_values[tested] = 2 * np.minimum(above, special.bdtr(k, n, share))
    smallest = np.fmin.reduce(p_values, axis=-1)
    return np.asarray(np.minimum(1.0, smallest * tested.sum(-1)))


def _pooled(p: Counts, q: Counts, expected: np.ndarray) -> tuple[Counts, Counts]:
    """Common cells, and the rare ones together if together they expect enough rows."""
    rare = expected < FEWEST
    enough = (expected * rare).sum(-1, keepdims=True) >= FEWEST
    p, q = (
        np.concatenate([counts * ~rare, (counts * rare).sum(-1, keepdims=True) * enough], axis=-1)
        for counts in (p, q)
    )
    return p, q
