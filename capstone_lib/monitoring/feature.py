"""One column of a window beside the reference: every measure, its noise floor, and an effect size.

*Real* and *large* are two questions. A p-value answers the first and says nothing of the second; at
200,000 rows everything is real. The effect size answers the second: the share of rows that would
have to change their value for the two distributions to be equal (total variation), less what chance
adds to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from capstone_lib.artifact.bins import SUM_ABOVE, SUM_BELOW, UNSEEN
from capstone_lib.artifact.window import Window
from capstone_lib.monitoring import measures, noise
from capstone_lib.monitoring.homogeneity import homogeneity_p
from capstone_lib.monitoring.measures import Counts

__all__ = ["FOLKLORE_PSI", "FeatureDrift", "effect_size", "measure_features"]

FOLKLORE_PSI = (0.1, 0.2)
"""The rule of thumb: watch from the first, act from the second."""

Z95 = 1.959964

_MEASURES = {
    "psi": measures.psi,
    "jensen_shannon": measures.jensen_shannon,
    "total_variation": measures.total_variation,
    "cohens_h": measures.cohens_h,
    "cramers_v": measures.cramers_v,
}
_FLOORS = {
    "psi": noise.psi_floor,
    "jensen_shannon": noise.jensen_shannon_floor,
    "total_variation": noise.total_variation_floor,
    "cohens_h": noise.cohens_h_floor,
    "cramers_v": noise.cramers_v_floor,
}


@dataclass(frozen=True)
class FeatureDrift:
    """What one column of a window looks like beside the reference.

    Attributes
    ----------
    name : str
        The column; ``score`` and ``label`` are the model's answers.
    n : int
        Rows of the window.
    psi, jensen_shannon, total_variation, cohens_h, chi2, dof, cramers_v : float
        Over coarse groups and the places for the unexpected; 0 means equal shares.
    kolmogorov_smirnov, wasserstein : float
        For numbers, over fine bins, without missing values; NaN for categories. Wasserstein in
        standard deviations of the reference.
    missing, unseen, out_of_range : float
        Shares of the window's rows.
    rise : mapping of str to float
        By how much these three are above the reference's.
    p_value : float
        The chance of so large a difference if nothing has changed; not corrected.
    effect, effect_low, effect_high : float
        The share of rows that moved, less what chance adds, with a 95 % interval.
    floors : mapping of str to float
        For each measure the value that chance exceeds anywhere in the family with the level's
        probability.
    is_real : bool
        Whether it is more than chance, among all columns looked at.
    is_large : bool
        Whether it is real and beyond what can be borne; alerts use this.
    """

    name: str
    n: int
    psi: float
    jensen_shannon: float
    total_variation: float
    cohens_h: float
    chi2: float
    dof: int
    cramers_v: float
    kolmogorov_smirnov: float
    wasserstein: float
    missing: float
    unseen: float
    out_of_range: float
    rise: Mapping[str, float] = field(repr=False)
    p_value: float
    effect: float
    effect_low: float
    effect_high: float
    floors: Mapping[str, float] = field(repr=False)
    is_real: bool = False
    is_large: bool = False

    @property
    def folklore(self) -> str:
        """What the rule of thumb says: ``stable``, ``watch`` (PSI from 0.1) or ``act`` (0.2)."""
        return ("stable", "watch", "act")[int(np.searchsorted(FOLKLORE_PSI, self.psi, "right"))]

    def value(self, measure: str) -> float:
        """A measure by its name; for the unexpected, how far it is above the reference."""
        return float(self.rise[measure] if measure in self.rise else getattr(self, measure))

    def __str__(self) -> str:
        """Say it in one sentence."""
        if not self.is_real:
            return f"{self.name}: no more than chance would show"
        odd = [f"{share:.1%} {name.replace('_', ' ')}" for name, share in self.rise.items()
               if share >= 0.0005]  # fmt: skip
        moved = f"{self.effect:.1%} of the rows moved"
        size = "large" if self.is_large else "real, but small"
        return f"{self.name}: {size} ({', '.join([moved, *odd])})"


def measure_features(
    names: Sequence[str], reference: Window, current: Window, *, alpha: float
) -> list[FeatureDrift]:
    """Measure columns; whether one is real and large is for the family to say.

    Parameters
    ----------
    names : sequence of str
        Columns of both windows.
    reference, current : Window
        Counted against the same bins.
    alpha : float
        The level of the noise floors.
    """
    found: dict[str, FeatureDrift] = {}
    for has_order in (True, False):  # columns of a kind are measured at once
        kind = [name for name in names if reference.binning[name].is_ordered == has_order]
        if not kind:
            continue
        values, floors = _values(kind, reference, current, has_order=has_order, alpha=alpha)
        for name, value, floor in zip(kind, _each(values), _each(floors), strict=True):
            before, now = reference.unexpected(name), current.unexpected(name)
            rise = {place: share - before[place] for place, share in now.items()}
            found[name] = FeatureDrift(
                name, current.n_rows, rise=rise, floors=floor, **(value | now)
            )
    return [found[name] for name in names]


def effect_size(p: Counts, q: Counts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The share of rows that moved, less what chance adds, with a 95 % interval.

    Parameters
    ----------
    p, q : array of shape (..., n_cells)
        Rows of the reference and the window.

    Returns
    -------
    (array, array, array), each of shape (...)
        Chance adds to a difference as it adds to a length: by squares. The interval takes the
        cells that grew as given: their share is one binomial proportion in each sample.
    """
    seen, chance = measures.total_variation(p, q), noise.expected_total_variation(p, q)
    effect = np.sqrt(np.maximum(seen**2 - chance**2, 0.0))
    a, b = measures.shares(p), measures.shares(q)
    before, now = ((side * (b > a)).sum(-1, keepdims=True) for side in (a, b))
    variance = before * (1 - before) / measures.rows(p) + now * (1 - now) / measures.rows(q)
    reach = Z95 * np.sqrt(np.maximum(variance, 0.0))[..., 0]
    return effect, np.maximum(0.0, effect - reach), np.minimum(1.0, effect + reach)


def _values(
    names: Sequence[str], reference: Window, current: Window, *, has_order: bool, alpha: float
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The measures of columns that all have an order or all have none, and their floors."""
    p, q = (_stacked([window.cells(name) for name in names]) for window in (reference, current))
    values = {name: measure(p, q) for name, measure in _MEASURES.items()}
    floors = {name: floor(p, q, alpha=alpha) for name, floor in _FLOORS.items()}
    pearson = measures.chi2(p, q)
    values |= {"chi2": pearson.statistic, "dof": pearson.dof}
    values |= zip(("effect", "effect_low", "effect_high"), effect_size(p, q), strict=True)
    if not has_order:
        nothing = dict.fromkeys(("kolmogorov_smirnov", "wasserstein"), np.full(len(names), np.nan))
        return values | nothing | {"p_value": homogeneity_p(p, q)}, floors | nothing
    ordered = [[window.ordered(name) for name in names] for window in (reference, current)]
    a, b = map(_stacked, ordered)
    values["kolmogorov_smirnov"] = measures.kolmogorov_smirnov(a, b)
    floors["kolmogorov_smirnov"] = noise.kolmogorov_smirnov_floor(a, b, alpha=alpha)
    distance = _wasserstein(names, reference, current, ordered, alpha=alpha)
    values["wasserstein"], floors["wasserstein"] = distance
    return values | {"p_value": homogeneity_p(p, q, ordered=(a, b))}, floors


def _wasserstein(
    names: Sequence[str],
    reference: Window,
    current: Window,
    ordered: Sequence[Sequence[Counts]],
    *,
    alpha: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The distance and its floor, in standard deviations of the reference."""
    binned = [reference.binning[name] for name in names]
    whole = np.array([bins.whole for bins in binned])
    cuts = _stacked([bins.edges for bins in binned], edge=True)
    unit = np.where(whole, 1.0, np.abs(cuts).max(-1))  # so that no square is too large for a float
    cuts /= unit[:, None]
    middles = np.where(whole[:, None], cuts[:, :-1], (cuts[:, :-1] + cuts[:, 1:]) / 2)
    p, q = map(_stacked, ordered)
    a, b = (_stacked([counts[1:-1] for counts in rows]) for rows in ordered)
    spread = _spread(middles, a)
    floor = noise.wasserstein_floor(a, b, np.diff(middles), alpha=alpha)
    with np.errstate(over="ignore"):  # infinite where the reference hardly spreads
        before, now = (
            np.array([_tail(window, name) for name in names]) / unit
            for window in (reference, current)
        )
        distance = measures.wasserstein(p, q, cuts, whole=whole, tails=(before, now))
        return distance / spread, floor / spread


def _tail(window: Window, name: str) -> float:
    """By how much rows exceed the edges, per row."""
    count, n_bins = window.counts[name], window.binning[name].n_bins
    excess = count[n_bins + SUM_BELOW] + count[n_bins + SUM_ABOVE]
    return float(excess / max(count[: n_bins + UNSEEN].sum(), 1.0))


def _spread(middles: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The standard deviation, as far as the bins know it; NaN where it is 0 or not defined."""
    share = measures.shares(counts)
    mean = (share * middles).sum(-1, keepdims=True)
    spread = np.sqrt((share * (middles - mean) ** 2).sum(-1))
    return np.where(spread > 0, spread, np.nan)


def _stacked(rows: Sequence[np.ndarray], *, edge: bool = False) -> np.ndarray:
    """Rows that end together: the shorter ones begin with zeros, or with their first value."""
    width = max(map(len, rows))
    out = np.zeros((len(rows), width))
    for place, row in enumerate(rows):
        out[place, : width - len(row)] = row[0] if edge else 0.0
        out[place, width - len(row) :] = row
    return out


def _each(columns: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """A mapping of arrays as one of plain numbers for each place."""
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]
