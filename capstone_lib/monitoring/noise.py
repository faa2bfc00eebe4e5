"""What chance alone would show: the noise floor of each measure, and many tests at once.

A measure of two samples from one population is not 0. How large it gets follows from the number of
rows and cells; a threshold that does not know them fires always or never. A floor is the value that
chance exceeds with a given probability, in closed form (see each function), so that it costs
nothing and needs no seed; the tests compare the floors with resampling. As with the measures, cells
lie along the last axis, columns may be stacked before it, and where there are no rows it is NaN.
"""

from collections.abc import Sequence

import numpy as np
from scipy import special

from capstone_lib.monitoring.measures import PRIOR, Counts, rows

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


def psi_floor(p: Counts, q: Counts, *, alpha: float) -> np.ndarray:
    """The PSI that chance exceeds with probability ``alpha``.

    With k cells that are not empty in both, R and C rows, PSI / (1/R + 1/C) follows a χ²
    distribution with k - 1 degrees of freedom. Source: Yurdakul and Naranjo, "Statistical
    properties of the population stability index" (2020).
    """
    added = PRIOR * _n_cells(p, q)
    scale = 1 / (_n_rows(p) + added) + 1 / (_n_rows(q) + added)
    return _chi2_tail(p, q, alpha) * scale


def jensen_shannon_floor(p: Counts, q: Counts, *, alpha: float) -> np.ndarray:
    """The same for the Jensen-Shannon distance: for close counts its square is PSI / (8 ln 2)."""
    return np.asarray(np.sqrt(_chi2_tail(p, q, alpha) * _scale(p, q) / (8 * np.log(2))))


def cramers_v_floor(p: Counts, q: Counts, *, alpha: float) -> np.ndarray:
    """The same for Cramér's V: Pearson's X² is N V²."""
    return np.asarray(np.sqrt(_chi2_tail(p, q, alpha) / (_n_rows(p) + _n_rows(q))))


def cohens_h_floor(p: Counts, q: Counts, *, alpha: float) -> np.ndarray:
    """The same for the largest Cohen's h of all cells: a union bound over normal laws.

    Too low by about a fifth where the rarest cell expects five rows only.
    """
    widest = -special.ndtri(alpha / (2 * np.maximum(_n_cells(p, q), 1)))
    return np.asarray(widest * np.sqrt(_scale(p, q)))


def total_variation_floor(p: Counts, q: Counts, *, alpha: float) -> np.ndarray:
    """The same for total variation: half a sum of folded normals, taken to follow a gamma law."""
    spread, odds = _cell_noise(p, q)
    correlation = -odds[..., :, None] * odds[..., None, :]
    diagonal = np.arange(odds.shape[-1])
    correlation[..., diagonal, diagonal] = 1.0
    mean, variance = _folded(spread, correlation)
    return _gamma_tail(mean / 2, variance / 4, alpha)


def expected_total_variation(p: Counts, q: Counts) -> np.ndarray:
    """The total variation that chance alone shows on average."""
    return np.asarray(_cell_noise(p, q)[0].sum(-1) * np.sqrt(2 / np.pi) / 2)


def kolmogorov_smirnov_floor(p: Counts, q: Counts, *, alpha: float) -> np.ndarray:
    """The same for the Kolmogorov-Smirnov distance, never too low.

    The lower of two bounds: Kolmogorov's law, which ties make too wide, and the union bound over
    the places where the distribution steps, which is better for a few distinct values.
    """
    below, steps = _steps(p, q)
    steps &= (p + q)[..., :-1] > 0  # an empty cell is no step of its own
    n_steps = steps.sum(-1)
    widest = np.sqrt(np.where(steps, below * (1 - below), 0.0).max(-1, initial=0.0))
    union = -special.ndtri(alpha / (2 * np.maximum(n_steps, 1))) * widest
    floor = np.minimum(special.kolmogi(alpha), union) * np.sqrt(_scale(p, q))
    return np.where(n_steps > 0, floor, np.nan)


def wasserstein_floor(p: Counts, q: Counts, widths: np.ndarray, *, alpha: float) -> np.ndarray:
    """The same for Wasserstein's distance, in the unit of ``widths``.

    The distance is the area under the gap between two cumulative distributions: a Brownian bridge
    under chance, whose area is taken to follow a gamma law with the right mean and variance.

    Parameters
    ----------
    p, q : array of shape (..., n_bins)
        Rows in ordered bins.
    widths : array of shape (..., n_bins - 1)
        How far it is from each bin to the next.
    alpha : float
        The probability that chance exceeds the floor.
    """
    below, steps = _steps(p, q)
    spread = widths * np.sqrt(below * (1 - below) * _scale(p, q)[..., None])
    moments = np.full((*steps.shape[:-1], 2), np.nan)
    for column in np.ndindex(steps.shape[:-1]):  # each by its own width: the pairs are its square
        inner = steps[column]
        if inner.any():
            root = np.sqrt(below[column][inner] / (1 - below[column][inner]))
            ratio = root[:, None] / root
            moments[column] = _folded(spread[column][inner], np.minimum(ratio, 1 / ratio))
    return _gamma_tail(moments[..., 0], moments[..., 1], alpha)


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


def _n_cells(p: Counts, q: Counts) -> np.ndarray:
    return np.asarray(((p + q) > 0).sum(-1))


def _n_rows(counts: Counts) -> np.ndarray:
    return rows(counts)[..., 0]


def _scale(p: Counts, q: Counts) -> np.ndarray:
    """The variance of a difference of means, for a variance of 1."""
    return 1 / _n_rows(p) + 1 / _n_rows(q)


def _chi2_tail(p: Counts, q: Counts, alpha: float) -> np.ndarray:
    dof = _n_cells(p, q) - 1
    return np.where(dof > 0, special.chdtri(np.maximum(dof, 1), alpha), np.nan)


def _steps(p: Counts, q: Counts) -> tuple[np.ndarray, np.ndarray]:
    """The cumulative shares of both together, after each cell but the last, and which are inner."""
    below = (p + q).cumsum(-1)[..., :-1] / rows(p + q)
    return below, (below > 0) & (below < 1)


def _cell_noise(p: Counts, q: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations of the differences of shares under chance, and the roots of odds.

    Two differences are correlated by minus the product of their roots.
    """
    share = (p + q) / rows(p + q)
    spread = np.sqrt(share * (1 - share) * _scale(p, q)[..., None])
    return spread, np.sqrt(share / np.maximum(1 - share, 1e-300))


def _folded(spread: np.ndarray, correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of a sum of absolute values of jointly normal numbers.

    Source: Nabeya, "Absolute moments in 2-dimensional normal distribution" (1951).
    """
    r = correlation.clip(-1.0, 1.0)
    cross = np.sqrt(1 - r**2) + r * np.arcsin(r) - 1
    variance = (spread[..., None, :] @ cross @ spread[..., :, None])[..., 0, 0]
    return spread.sum(-1) * np.sqrt(2 / np.pi), np.asarray(variance * (2 / np.pi))


def _gamma_tail(mean: np.ndarray, variance: np.ndarray, alpha: float) -> np.ndarray:
    """The value that a gamma law of this mean and variance exceeds with probability ``alpha``."""
    certain = (mean <= 0) | (variance <= 0)
    shape, scale = (np.where(certain, 1.0, x) for x in (mean**2, variance))
    tail = special.gammainccinv(shape / scale, alpha) * variance / np.where(certain, 1.0, mean)
    return np.where(certain, 0.0, tail)
