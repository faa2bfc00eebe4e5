"""Gaps between groups: Fairlearn's differences and ratios, their intervals and lower bounds.

Groups with too few people to be judged stay out of a gap, its interval and its lower bound; the
``raw`` figures are over every group with a rate, however small, as Fairlearn's own functions give
them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from capstone_lib.monitoring.bootstrap import (
    Spread,
    lower_bound,
    range_interval,
    replicate,
    spread_of,
)
from capstone_lib.monitoring.rates import RATES, rate_of

__all__ = ["GAPS", "Compared", "Gap", "compare_rates", "gap_of", "judge"]

GAPS = {
    "demographic_parity": ("selection_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "equal_opportunity": ("true_positive_rate",),
    "false_positive_rate": ("false_positive_rate",),
    "accuracy": ("accuracy",),
}
"""Each gap and the rates that should be equal; of several the worst counts, as in Fairlearn."""

_TINY = 1e-300
_NAN = float("nan")


@dataclass(frozen=True)
class Gap:
    """How far groups are apart.

    Attributes
    ----------
    name : str
        One of :data:`GAPS`, or a regression's error.
    over : tuple of str
        The columns that span the groups.
    label : object
        With more than two classes the one that counts as positive; else None.
    rate : str
        The rate in which the groups differ most.
    difference, ratio : float
        The largest rate less the smallest, and the smallest by the largest; NaN if fewer than two
        groups can be judged.
    low, high, ratio_low, ratio_high : float
        Their intervals, which allow for the choice of the two groups among all; NaN if fewer than
        two groups can be judged. They end where the figures themselves do: no difference is below
        0, no difference of rates above 1, no ratio outside 0 to 1.
    lower_bound : float
        The difference that is there at least: 0 if chance alone may explain what is seen. What an
        alert should look at.
    highest, lowest : str
        The two groups.
    n_groups : int
        How many could be judged.
    raw_difference, raw_ratio : float
        Over every group with a rate, however small.
    """

    name: str
    over: tuple[str, ...]
    label: Any
    rate: str
    difference: float
    low: float
    high: float
    lower_bound: float
    ratio: float
    ratio_low: float
    ratio_high: float
    highest: str
    lowest: str
    n_groups: int
    raw_difference: float
    raw_ratio: float

    @property
    def is_real(self) -> bool:
        """Whether there is more than chance would show."""
        return self.lower_bound > 0

    def __str__(self) -> str:
        where = f"{self.name.replace('_', ' ')} over {' × '.join(self.over)}"
        where += "" if self.label is None else f" for {self.label}"
        if np.isnan(self.difference):
            return f"{where}: not defined, {self.n_groups} groups could be judged"
        verdict = f"at least {self.lower_bound:.3f}" if self.is_real else "may be chance"
        return (
            f"{where}: {self.difference:.3f} ({self.low:.3f} to {self.high:.3f}; {verdict}), "
            f"{self.rate.replace('_', ' ')} highest for {self.highest}, lowest for {self.lowest}"
        )


@dataclass(frozen=True)
class Compared:
    """One rate of all groups, and how far those that can be judged are apart.

    Attributes
    ----------
    rate : str
    names : tuple of str
        The groups.
    values : numpy.ndarray of shape (n_groups,)
        NaN where not defined.
    enough : numpy.ndarray of bool, shape (n_groups,)
        Which groups can be judged.
    spread, log_spread : Spread or None
        Of the rates and of their logarithms; None if fewer than two can be judged, or if a ratio
        means nothing.
    at_least : callable
        From the number of rates looked at together to the lower bound.
    largest : float
        What no difference can exceed: 1 for rates, infinity for a regression's errors.
    """

    rate: str
    names: tuple[str, ...]
    values: np.ndarray
    enough: np.ndarray
    spread: Spread | None
    log_spread: Spread | None
    at_least: Callable[[int], float]
    largest: float


def compare_rates(
    tables: np.ndarray,
    names: Sequence[str],
    *,
    min_group: int,
    n_boot: int,
    level: float,
    seed: int,
) -> dict[str, Compared]:
    """Compare all groups in every rate that a gap needs.

    Parameters
    ----------
    tables : array of int, shape (n_groups, 2, 2)
        Counts of true class by decided class, negative before positive.
    names : sequence of str
        The groups.
    min_group : int
        People a rate's denominator must have for a group to be judged.
    n_boot, level, seed
        Replicates, level of intervals, and what the draws depend on.

    Returns
    -------
    dict of str to Compared
        A rate's name to what was found.
    """
    drawn = replicate(tables, n_boot=n_boot, seed=seed)
    wanted = dict.fromkeys(rate for rates in GAPS.values() for rate in rates)
    compared = {}
    for name in wanted:
        rate = RATES[name]
        part, whole = rate.part(tables), rate.whole(tables)
        enough = whole >= max(min_group, 1)
        compared[name] = judge(
            name,
            names,
            rate_of(rate, tables),
            enough,
            rate_of(rate, drawn[enough]),
            partial(_at_least, part[enough], whole[enough], level),
            largest=1.0,
        )
    return compared


def _at_least(part: np.ndarray, whole: np.ndarray, level: float, n_families: int) -> float:
    return lower_bound(part, whole, level=level, n_families=n_families)


def judge(
    rate: str,
    names: Sequence[str],
    values: np.ndarray,
    enough: np.ndarray,
    drawn: np.ndarray,
    at_least: Callable[[int], float],
    *,
    has_ratio: bool = True,
    largest: float = float("inf"),
) -> Compared:
    """Set the groups that can be judged against one another.

    Parameters
    ----------
    rate : str
        Its name.
    names : sequence of str
        The groups.
    values : array of shape (n_groups,)
        The rate of each; NaN where not defined.
    enough : array of bool, shape (n_groups,)
        Which groups can be judged.
    drawn : array of shape (number of these, n_boot)
        Their replicates.
    at_least, largest
        As of :class:`Compared`.
    has_ratio : bool, default True
        Whether one value by another means something: not if it may be below 0.

    Returns
    -------
    Compared
        Without spreads if fewer than two groups can be judged.
    """
    pairs = len(drawn) > 1
    logs = np.log(np.maximum(drawn, _TINY)) if pairs and has_ratio else None
    return Compared(
        rate,
        tuple(names),
        values,
        enough,
        spread_of(drawn) if pairs else None,
        None if logs is None else spread_of(logs),
        at_least,
        largest,
    )


def gap_of(
    name: str, compared: Sequence[Compared], *, over: tuple[str, ...], label: Any, level: float
) -> Gap:
    """Make a gap of one rate, or of several of which the worst counts.

    Parameters
    ----------
    name : str
        Of the gap.
    compared : sequence of Compared
        One rate or several, of the same groups.
    over, label
        As of :class:`Gap`.
    level : float
        Of the intervals.

    Returns
    -------
    Gap
        With NaN for its figures if fewer than two groups can be judged in any of the rates.
    """
    judged = [one for one in compared if one.spread is not None] or list(compared)
    worst = max(judged, key=lambda one: _or(_distance(one.values[one.enough]), -1.0))
    difference = _distance(worst.values[worst.enough])
    ratio = _least(_ratio(one.values[one.enough]) for one in judged)
    at_least = max(one.at_least(len(judged)) for one in judged)
    low, high = _difference_interval(judged, difference, at_least, level)
    ratio_low, ratio_high = _ratio_interval(judged, ratio, level)
    has_ratio = any(one.log_spread is not None for one in judged)
    names = [worst.names[place] for place in np.flatnonzero(worst.enough)]
    values = worst.values[worst.enough]
    return Gap(
        name=name,
        over=over,
        label=label,
        rate=worst.rate,
        difference=difference,
        low=low,
        high=high,
        lower_bound=at_least,
        ratio=ratio if has_ratio else _NAN,
        ratio_low=ratio_low,
        ratio_high=ratio_high,
        highest=names[values.argmax()] if len(names) > 1 else "",
        lowest=names[values.argmin()] if len(names) > 1 else "",
        n_groups=len(names),
        raw_difference=_most(_distance(one.values) for one in compared),
        raw_ratio=_least(_ratio(one.values) for one in compared) if has_ratio else _NAN,
    )


def _difference_interval(
    judged: Sequence[Compared], difference: float, at_least: float, level: float
) -> tuple[float, float]:
    spreads = [one.spread for one in judged if one.spread is not None]
    if not spreads:
        return _NAN, _NAN
    low, high = range_interval(spreads, level=level)
    # what is impossible is left out, which cannot leave out the truth
    high = min(high, max(one.largest for one in judged))
    # with many small groups the band of the replicates is a little too narrow below
    return min(low, at_least, difference), max(high, difference)


def _ratio_interval(judged: Sequence[Compared], ratio: float, level: float) -> tuple[float, float]:
    spreads = [one.log_spread for one in judged if one.log_spread is not None]
    if not spreads or np.isnan(ratio):
        return _NAN, _NAN
    low, high = range_interval(spreads, level=level)
    return min(float(np.exp(-high)), ratio), max(float(np.exp(-low)), ratio)


def _distance(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.max() - known.min()) if len(known) > 1 else _NAN


def _ratio(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    if len(known) < 2 or known.max() == 0:
        return _NAN
    return float(known.min() / known.max())


def _most(values: Iterable[float]) -> float:
    return max((value for value in values if not np.isnan(value)), default=_NAN)


def _least(values: Iterable[float]) -> float:
    return min((value for value in values if not np.isnan(value)), default=_NAN)


def _or(value: float, other: float) -> float:
    return other if np.isnan(value) else value
