"""The work behind an audit: from counts to each group's rates and the gaps between groups."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from capstone_lib.artifact.groups import GroupCounts
from capstone_lib.monitoring.bootstrap import lower_bound_of_means
from capstone_lib.monitoring.errors_by_group import GroupErrors
from capstone_lib.monitoring.gaps import GAPS, Compared, Gap, compare_rates, gap_of, judge
from capstone_lib.monitoring.rates import (
    RATES,
    Metric,
    normal_quantile,
    one_vs_rest,
    rate_of,
    wilson,
)

__all__ = ["GroupResult", "audit"]


@dataclass(frozen=True)
class GroupResult:
    """What happened to one group.

    Attributes
    ----------
    over : tuple of str
        The columns that span this group and its neighbours.
    name : str
        Such as ``"SEX=1, DIS=2"``.
    values : tuple
        The group's value in each column; ``"missing"`` where it is not known.
    label : object
        With more than two classes the one that counts as positive; else None.
    n, positives, negatives : int
        People, and how many of them truly are positive and negative; 0 for a regression.
    rates : mapping of str to Metric
        By Fairlearn's names; ``calibration`` is the mean score less the base rate.
    """

    over: tuple[str, ...]
    name: str
    values: tuple[Any, ...]
    label: Any
    n: int
    positives: int
    negatives: int
    rates: Mapping[str, Metric]


Found = tuple[tuple[GroupResult, ...], tuple[Gap, ...]]


def audit(counts: GroupCounts | GroupErrors, *, intersections: bool, **how: Any) -> Found:
    """Audit every column, then the intersections of all columns.

    Parameters
    ----------
    counts : GroupCounts or GroupErrors
        Of one window, or of several added up.
    intersections : bool
        Whether to judge the combinations of all columns too.
    **how
        ``n_boot``, ``level``, ``min_group`` and ``seed``, as of
        :func:`capstone_lib.audit_fairness`.

    Returns
    -------
    groups : tuple of GroupResult
    gaps : tuple of Gap
    """
    groups: list[GroupResult] = []
    gaps: list[Gap] = []
    for columns in _groupings(counts.columns, intersections):
        if isinstance(counts, GroupErrors):
            more_groups, more_gaps = _audit_errors(counts.over(*columns), **how)
        else:
            more_groups, more_gaps = _audit_counts(counts.over(*columns), **how)
        groups += more_groups
        gaps += more_gaps
    return tuple(groups), tuple(gaps)


def _groupings(columns: tuple[str, ...], intersections: bool) -> list[tuple[str, ...]]:
    single: list[tuple[str, ...]] = [(column,) for column in columns]
    return [*single, columns] if intersections and len(columns) > 1 else single


def _audit_counts(counts: GroupCounts, *, level: float, **how: Any) -> Found:
    groups: list[GroupResult] = []
    gaps: list[Gap] = []
    for label, table in _tables(counts):
        groups += _results(counts, label, table, level)
        compared = compare_rates(table, counts.names, level=level, **how)
        gaps += [
            gap_of(
                name, [compared[r] for r in rates], over=counts.columns, label=label, level=level
            )
            for name, rates in GAPS.items()
        ]
    return tuple(groups), tuple(gaps)


def _tables(counts: GroupCounts) -> Iterator[tuple[Any, np.ndarray]]:
    """Two by two for each group: as they are, or each class against the rest."""
    if len(counts.classes) == 2:
        yield None, counts.confusion
        return
    for place, label in enumerate(counts.classes):
        yield label, one_vs_rest(counts.confusion, place)


def _results(counts: GroupCounts, label: Any, table: np.ndarray, level: float) -> list[GroupResult]:
    rates = {}
    for name, rate in RATES.items():
        part, whole = rate.part(table), rate.whole(table)
        low, high = wilson(part, whole, level=level)
        rates[name] = _estimates(rate_of(rate, table), low, high, whole)
    if counts.score_sum is not None and counts.square_sum is not None:
        rates["calibration"] = _calibration(
            counts.score_sum, counts.square_sum, counts.n, rates["base_rate"], level
        )
    n, positives = counts.n.tolist(), RATES["base_rate"].part(table).tolist()
    return [
        GroupResult(
            over=counts.columns,
            name=name,
            values=counts.groups[k],
            label=label,
            n=n[k],
            positives=positives[k],
            negatives=n[k] - positives[k],
            rates={rate: estimates[k] for rate, estimates in rates.items()},
        )
        for k, name in enumerate(counts.names)
    ]


def _calibration(
    total: np.ndarray, square: np.ndarray, n: np.ndarray, base: list[Metric], level: float
) -> list[Metric]:
    """The mean score less the base rate, with a normal interval; NaN ends for one person."""
    mean = total / n - np.array([one.value for one in base])
    variance = np.maximum(square / n - mean**2, 0)
    error = np.where(n > 1, np.sqrt(variance / np.maximum(n - 1, 1)), np.nan)
    reach = normal_quantile(level) * error
    return _estimates(mean, np.maximum(mean - reach, -1), np.minimum(mean + reach, 1), n)


def _estimates(
    values: np.ndarray, low: np.ndarray, high: np.ndarray, n: np.ndarray
) -> list[Metric]:
    columns = (values.tolist(), low.tolist(), high.tolist(), n.tolist())
    return [Metric(*row) for row in zip(*columns, strict=True)]


def _audit_errors(
    errors: GroupErrors, *, level: float, min_group: int, n_boot: int, seed: int
) -> Found:
    rates = {
        name: _estimates(*ends, errors.n) for name, ends in errors.intervals(level=level).items()
    }
    groups = tuple(
        GroupResult(
            over=errors.columns,
            name=name,
            values=errors.groups[k],
            label=None,
            n=int(errors.n[k]),
            positives=0,
            negatives=0,
            rates={rate: estimates[k] for rate, estimates in rates.items()},
        )
        for k, name in enumerate(errors.names)
    )
    enough = errors.n >= max(min_group, 2)
    freedom = errors.n[enough][:, None] - 1.0
    drawn = np.random.default_rng(seed).standard_t(freedom, (int(enough.sum()), n_boot))
    gaps = [
        gap_of(
            name,
            [_compare_means(name, errors, mean, error, enough, drawn, level)],
            over=errors.columns,
            label=None,
            level=level,
        )
        for name, (mean, error) in errors.means().items()
    ]
    return groups, tuple(gaps)


def _compare_means(
    name: str,
    errors: GroupErrors,
    mean: np.ndarray,
    error: np.ndarray,
    enough: np.ndarray,
    drawn: np.ndarray,
    level: float,
) -> Compared:
    middle, scale = mean[enough], error[enough]

    def at_least(n_families: int) -> float:
        return lower_bound_of_means(
            middle, scale, errors.n[enough], level=level, n_families=n_families
        )

    replicates = middle[:, None] + scale[:, None] * drawn
    has_ratio = name != "mean_error"
    return judge(name, errors.names, mean, enough, replicates, at_least, has_ratio=has_ratio)
