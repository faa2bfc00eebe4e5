"""Do two counts come from one population? P-values that hold in small windows and large ones.

Everything is a closed form of the counts: no resampling, so the same counts give the same answer
everywhere, in microseconds.
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


def homogeneity_p(p: Counts, q: Counts, *, ordered: tuple[Counts, Counts] | None = None) -> float:
    """The p-value that two counts come from one population.

    Parameters
    ----------
    p, q : array of shape (n_cells,)
        Rows of the reference and of the window in each cell.
    ordered : (array, array), optional
        The same rows in finer cells that have an order, for a test that sees a shift.

    Returns
    -------
    float
        1 if there is nothing to compare.

    Notes
    -----
    Three tests share the level, and the strongest speaks (weighted Bonferroni): Pearson's χ² over
    the cells that expect ten rows or more in both samples, with the rarer ones together; an exact
    test of each rarer cell; and, if there is an order, the rank-sum test. The tests and their
    weights depend on the totals of the cells only, never on how they divide.
    """
    some = (p + q) > 0
    if not p.sum() or not q.sum() or some.sum() < 2:
        return 1.0
    a, b = p[some], q[some]
    expected = (a + b) * (min(a.sum(), b.sum()) / (a.sum() + b.sum()))
    rare = expected < FEWEST
    common = chi2(*_pooled(a, b, rare, expected))
    tests = [common.p_value] if common.dof else []
    if ordered is not None and expected.sum() - expected.max() >= FEWEST:
        tests.append(order_p(*ordered))
    exact = rare_p(a, b, rare)
    if exact is None:
        return float(min([1.0, *(value * len(tests) for value in tests)]))
    left = RARE_SHARE if tests else 1.0
    return float(min([1.0, exact / left, *(v * len(tests) / (1 - left) for v in tests)]))


def order_p(p: Counts, q: Counts) -> float:
    """The p-value of the rank-sum test, corrected for ties.

    Source: Mann and Whitney (1947), in the normal approximation with mid-ranks.
    """
    n_p, n_q, total = p.sum(), q.sum(), p + q
    n = n_p + n_q
    if not n_p or not n_q or (total > 0).sum() < 2:
        return 1.0
    ranks = np.cumsum(total) - total / 2  # mid-ranks, less one half
    distance = q @ ranks - n_q * n / 2
    ties = 1 - float((total**3 - total).sum()) / (n**3 - n)
    spread = np.sqrt(n_p * n_q * (n + 1) / 12 * ties)
    return float(2 * special.ndtr(-abs(distance) / spread))


def rare_p(p: Counts, q: Counts, rare: np.ndarray) -> float | None:
    """The smallest exact p-value of cells that are too rare for χ², times the number of them.

    Given its total, a cell's rows in the window follow a binomial distribution (Przyborowski and
    Wilenski, 1940, "the conditional test"). Cells that could not reach a small p-value, however
    their rows had fallen, are left out (Tarone, 1990); None if no cell is left.
    """
    share = q.sum() / (p.sum() + q.sum())
    total = (p + q)[rare]
    tested = 2 * np.minimum(share**total, (1 - share) ** total) <= WITHIN_REACH
    if not tested.any():
        return None
    n, k = total[tested].astype(np.int64), q[rare][tested]
    above = np.where(k > 0, special.bdtrc(k - 1, n, share), 1.0)
    below = special.bdtr(k, n, share)
    smallest = float(np.minimum(1.0, 2 * np.minimum(above, below)).min())
    return min(1.0, smallest * int(tested.sum()))


def _pooled(a: Counts, b: Counts, rare: np.ndarray, expected: np.ndarray) -> tuple[Counts, Counts]:
    """Common cells, and the rare ones together if together they expect enough rows."""
    common_a, common_b = a[~rare], b[~rare]
    if expected[rare].sum() >= FEWEST:
        common_a = np.append(common_a, a[rare].sum())
        common_b = np.append(common_b, b[rare].sum())
    return common_a, common_b
