"""What chance alone would show: the noise floor of each measure, and many tests at once.

A measure of two samples from one population is not 0. How large it gets follows from the number of
rows and cells; a threshold that does not know them fires always or never. A floor is the value that
chance exceeds with a given probability, in closed form (see each function), so that it costs
nothing and needs no seed; the tests compare the floors with resampling.
"""

from collections.abc import Sequence

import numpy as np
from scipy import special

from capstone_lib.monitoring.measures import PRIOR, Counts

__all__ = [
    "benjamini_hochberg",
    "bonferroni",
    "cohens_h_floor",
    "cramers_v_floor",
    "expected_total_variation",
    "jensen_shannon_floor",
    "kolmogorov_smirnov_floor",
    "psi_floor",
    "total_variation_floor",
    "wasserstein_floor",
]


def psi_floor(p: Counts, q: Counts, *, alpha: float) -> float:
    """The PSI that chance exceeds with probability ``alpha``.

    With k cells that are not empty in both, R and C rows, PSI / (1/R + 1/C) follows a χ²
    distribution with k - 1 degrees of freedom. Source: Yurdakul and Naranjo, "Statistical
    properties of the population stability index" (2020).
    """
    n_cells = _n_cells(p, q)
    if not _both(p, q) or n_cells < 2:
        return float("nan")
    scale = 1 / (p.sum() + PRIOR * n_cells) + 1 / (q.sum() + PRIOR * n_cells)
    return float(special.chdtri(n_cells - 1, alpha) * scale)


def jensen_shannon_floor(p: Counts, q: Counts, *, alpha: float) -> float:
    """The same for the Jensen-Shannon distance: for close counts its square is PSI / (8 ln 2)."""
    if not _both(p, q) or _n_cells(p, q) < 2:
        return float("nan")
    scale = 1 / p.sum() + 1 / q.sum()
    return float(np.sqrt(special.chdtri(_n_cells(p, q) - 1, alpha) * scale / (8 * np.log(2))))


def cramers_v_floor(p: Counts, q: Counts, *, alpha: float) -> float:
    """The same for Cramér's V: Pearson's X² is N V²."""
    if not _both(p, q) or _n_cells(p, q) < 2:
        return float("nan")
    return float(np.sqrt(special.chdtri(_n_cells(p, q) - 1, alpha) / (p.sum() + q.sum())))


def cohens_h_floor(p: Counts, q: Counts, *, alpha: float) -> float:
    """The same for the largest Cohen's h of all cells: a union bound over normal laws.

    Too low by about a fifth where the rarest cell expects five rows only.
    """
    if not _both(p, q):
        return float("nan")
    widest = -special.ndtri(alpha / (2 * _n_cells(p, q)))
    return float(widest * np.sqrt(1 / p.sum() + 1 / q.sum()))


def total_variation_floor(p: Counts, q: Counts, *, alpha: float) -> float:
    """The same for total variation: half a sum of folded normals, taken to follow a gamma law."""
    if not _both(p, q):
        return float("nan")
    mean, variance = _folded(*_cell_noise(p, q))
    return _gamma_tail(mean / 2, variance / 4, alpha)


def expected_total_variation(p: Counts, q: Counts) -> float:
    """The total variation that chance alone shows on average."""
    if not _both(p, q):
        return float("nan")
    return float(_cell_noise(p, q)[0].sum() * np.sqrt(2 / np.pi) / 2)


def kolmogorov_smirnov_floor(p: Counts, q: Counts, *, alpha: float) -> float:
    """The same for the Kolmogorov-Smirnov distance, never too low.

    The lower of two bounds: Kolmogorov's law, which ties make too wide, and the union bound over
    the places where the distribution steps, which is better for a few distinct values.
    """
    if not _both(p, q):
        return float("nan")
    scale = np.sqrt(1 / p.sum() + 1 / q.sum())
    below = np.cumsum(p + q)[:-1] / (p + q).sum()
    steps = np.unique(below[(below > 0) & (below < 1)])
    if not len(steps):
        return float("nan")
    widest = np.sqrt(steps * (1 - steps)).max()
    union = -special.ndtri(alpha / (2 * len(steps))) * widest
    return float(min(special.kolmogi(alpha), union) * scale)


def wasserstein_floor(p: Counts, q: Counts, widths: np.ndarray, *, alpha: float) -> float:
    """The same for Wasserstein's distance, in the unit of ``widths``.

    The distance is the area under the gap between two cumulative distributions: a Brownian bridge
    under chance, whose area is taken to follow a gamma law with the right mean and variance.

    Parameters
    ----------
    p, q : array of shape (n_bins,)
        Rows in ordered bins.
    widths : array of shape (n_bins - 1,)
        How far it is from each bin to the next.
    alpha : float
        The probability that chance exceeds the floor.
    """
    if not _both(p, q):
        return float("nan")
    below = np.cumsum(p + q)[:-1] / (p + q).sum()
    steps = (below > 0) & (below < 1)
    if not steps.any():
        return float("nan")
    t, width = below[steps], widths[steps]
    low, high = np.minimum.outer(t, t), np.maximum.outer(t, t)
    correlation = np.sqrt(low * (1 - high) / (high * (1 - low)))
    spread = width * np.sqrt(t * (1 - t) * (1 / p.sum() + 1 / q.sum()))
    return _gamma_tail(*_folded(spread, correlation), alpha)


def bonferroni(p_values: Sequence[float], *, alpha: float) -> np.ndarray:
    """Which of a family of tests reject, so that the chance of *any* false alarm is ``alpha``."""
    values = np.asarray(p_values, dtype=float)
    return np.asarray(values <= alpha / max(len(values), 1))


def benjamini_hochberg(p_values: Sequence[float], *, alpha: float) -> np.ndarray:
    """Which of a family of tests reject, so that at most the share ``alpha`` of alarms is false.

    With nothing to find, the chance of any alarm is ``alpha`` here too. Source: Benjamini and
    Hochberg (1995).
    """
    values = np.asarray(p_values, dtype=float)
    order = np.argsort(values)
    lines = alpha * np.arange(1, len(values) + 1) / max(len(values), 1)
    below = np.flatnonzero(values[order] <= lines)
    reject = np.zeros(len(values), dtype=bool)
    if len(below):
        reject[order[: below[-1] + 1]] = True
    return reject


def _cell_noise(p: Counts, q: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations and correlations of the differences of shares under chance."""
    some = (p + q) > 0
    share = (p + q)[some] / (p + q).sum()
    spread = np.sqrt(share * (1 - share) * (1 / p.sum() + 1 / q.sum()))
    odds = np.sqrt(share / np.maximum(1 - share, 1e-300))
    correlation = -np.outer(odds, odds)
    np.fill_diagonal(correlation, 1.0)
    return spread, correlation


def _folded(spread: np.ndarray, correlation: np.ndarray) -> tuple[float, float]:
    """Mean and variance of a sum of absolute values of jointly normal numbers.

    Source: Nabeya, "Absolute moments in 2-dimensional normal distribution" (1951).
    """
    r = np.clip(correlation, -1.0, 1.0)
    cross = np.sqrt(1 - r**2) + r * np.arcsin(r)
    mean = float(spread.sum() * np.sqrt(2 / np.pi))
    return mean, float(spread @ (cross - 1) @ spread * (2 / np.pi))


def _gamma_tail(mean: float, variance: float, alpha: float) -> float:
    """The value that a gamma law of this mean and variance exceeds with probability ``alpha``."""
    if mean <= 0 or variance <= 0:
        return 0.0
    return float(special.gammainccinv(mean**2 / variance, alpha) * variance / mean)


def _n_cells(p: Counts, q: Counts) -> int:
    return int(((p + q) > 0).sum())


def _both(p: Counts, q: Counts) -> bool:
    return bool(p.sum() > 0 and q.sum() > 0)
