"""One column of a window beside the reference: every measure, its noise floor, and an effect size.

*Real* and *large* are two questions. A p-value answers the first and says nothing of the second; at
200,000 rows everything is real. The effect size answers the second: the share of rows that would
have to change their value for the two distributions to be equal (total variation), less what chance
adds to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from capstone_lib.artifact.bins import SUM_ABOVE, SUM_BELOW, ColumnBins
from capstone_lib.artifact.window import Window
from capstone_lib.monitoring import measures, noise
from capstone_lib.monitoring.homogeneity import homogeneity_p
from capstone_lib.monitoring.measures import Counts

__all__ = ["FOLKLORE_PSI", "FeatureDrift", "effect_size", "measure_feature"]

FOLKLORE_PSI = (0.1, 0.2)
"""The rule of thumb: watch from the first, act from the second."""

Z95 = 1.959964


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


def measure_feature(name: str, reference: Window, current: Window, *, alpha: float) -> FeatureDrift:
    """Measure one column; whether it is real and large is for the family to say.

    Parameters
    ----------
    name : str
        A column of both windows.
    reference, current : Window
        Counted against the same bins.
    alpha : float
        The level of the noise floors.
    """
    p, q = reference.cells(name), current.cells(name)
    bins = reference.binning[name]
    ordered = (reference.ordered(name), current.ordered(name)) if bins.is_ordered else None
    pearson = measures.chi2(p, q)
    effect, low, high = effect_size(p, q)
    order = _order(bins, reference, current, alpha=alpha)
    before, now = reference.unexpected(name), current.unexpected(name)
    missing, unseen, out_of_range = now.values()
    return FeatureDrift(
        name=name,
        n=current.n_rows,
        psi=measures.psi(p, q),
        jensen_shannon=measures.jensen_shannon(p, q),
        total_variation=measures.total_variation(p, q),
        cohens_h=measures.cohens_h(p, q),
        chi2=pearson.statistic,
        dof=pearson.dof,
        cramers_v=measures.cramers_v(p, q),
        kolmogorov_smirnov=order["kolmogorov_smirnov"][0],
        wasserstein=order["wasserstein"][0],
        missing=missing,
        unseen=unseen,
        out_of_range=out_of_range,
        rise={place: share - before[place] for place, share in now.items()},
        p_value=homogeneity_p(p, q, ordered=ordered),
        effect=effect,
        effect_low=low,
        effect_high=high,
        floors={
            "psi": noise.psi_floor(p, q, alpha=alpha),
            "jensen_shannon": noise.jensen_shannon_floor(p, q, alpha=alpha),
            "total_variation": noise.total_variation_floor(p, q, alpha=alpha),
            "cohens_h": noise.cohens_h_floor(p, q, alpha=alpha),
            "cramers_v": noise.cramers_v_floor(p, q, alpha=alpha),
            **{measure: floor for measure, (_, floor) in order.items()},
        },
    )


def effect_size(p: Counts, q: Counts) -> tuple[float, float, float]:
    """The share of rows that moved, less what chance adds, with a 95 % interval.

    Parameters
    ----------
    p, q : array of shape (n_cells,)
        Rows of the reference and the window.

    Returns
    -------
    (float, float, float)
        Chance adds to a difference as it adds to a length: by squares. The interval takes the
        cells that grew as given: their share is one binomial proportion in each sample.
    """
    if not p.sum() or not q.sum():
        return (float("nan"),) * 3
    a, b = p / p.sum(), q / q.sum()
    seen = float(np.abs(a - b).sum() / 2)
    effect = float(np.sqrt(max(seen**2 - noise.expected_total_variation(p, q) ** 2, 0.0)))
    grew = b > a
    before, now = a[grew].sum(), b[grew].sum()
    variance = before * (1 - before) / p.sum() + now * (1 - now) / q.sum()
    reach = Z95 * float(np.sqrt(max(variance, 0.0)))
    return effect, max(0.0, effect - reach), min(1.0, effect + reach)


def _order(
    bins: ColumnBins, reference: Window, current: Window, *, alpha: float
) -> dict[str, tuple[float, float]]:
    """The measures that need an order, each with its floor."""
    nothing = (float("nan"), float("nan"))
    out = {"kolmogorov_smirnov": nothing, "wasserstein": nothing}
    if not bins.is_ordered:
        return out
    a, b = reference.ordered(bins.name), current.ordered(bins.name)
    out["kolmogorov_smirnov"] = (
        measures.kolmogorov_smirnov(a, b),
        noise.kolmogorov_smirnov_floor(a, b, alpha=alpha),
    )
    unit = 1.0 if bins.whole else float(np.abs(bins.cuts or 1.0).max())
    cuts = np.array(bins.cuts) / unit  # so that no square is too large for a float
    spread = _spread(cuts, a[1:-1], whole=bins.whole)
    if spread:
        tails = _tail(bins, reference, a) / unit, _tail(bins, current, b) / unit
        distance = measures.wasserstein(a, b, cuts, whole=bins.whole, tails=tails)
        middles = cuts[:-1] if bins.whole else (cuts[:-1] + cuts[1:]) / 2
        floor = noise.wasserstein_floor(a[1:-1], b[1:-1], np.diff(middles), alpha=alpha)
        out["wasserstein"] = distance / spread, floor / spread
    return out


def _tail(bins: ColumnBins, window: Window, ordered: np.ndarray) -> float:
    """By how much rows exceed the edges, per row."""
    count = window.counts[bins.name]
    excess = count[bins.n_bins + SUM_BELOW] + count[bins.n_bins + SUM_ABOVE]
    return float(excess / ordered.sum()) if ordered.sum() else 0.0


def _spread(cuts: np.ndarray, counts: np.ndarray, *, whole: bool) -> float:
    """The standard deviation, as far as the bins know it."""
    middles = cuts[:-1] if whole else (cuts[:-1] + cuts[1:]) / 2
    if counts.sum() < 2:
        return 0.0
    mean = np.average(middles, weights=counts)
    return float(np.sqrt(np.average((middles - mean) ** 2, weights=counts)))
