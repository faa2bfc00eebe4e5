"""Whether a group fares otherwise than it did: its rates beside its own of the reference.

A gap compares groups with one another; a group can also get worse while the gap, or everybody's
mean, hardly moves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from capstone_lib.artifact.groups import GroupCounts
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.homogeneity import homogeneity_p
from capstone_lib.monitoring.rates import RATES, Rate, newcombe
from capstone_lib.store.measurement import Measurement

__all__ = ["GroupChange", "change_measurements", "compare_everybody", "compare_groups"]

WATCHED = ("true_positive_rate", "false_positive_rate")


@dataclass(frozen=True)
class GroupChange:
    """One rate of one group, then and now.

    Attributes
    ----------
    group : str
        ``"SEX=2"``; empty for everybody.
    rate : str
        One of the rates of :func:`capstone_lib.audit_fairness`.
    before, now : float
        In the reference and in the window.
    n_before, n : int
        The denominators.
    p_value : float
        The chance of so large a change if nothing has changed; not corrected.
    is_real : bool
        Whether it is more than chance, among all groups and rates looked at.
    low, high : float
        The interval of the difference (Newcombe's), as wide as so many looks at once ask for.
    """

    group: str
    rate: str
    before: float
    now: float
    n_before: int
    n: int
    p_value: float
    is_real: bool = False
    low: float = float("nan")
    high: float = float("nan")

    @property
    def difference(self) -> float:
        """Now less before."""
        return self.now - self.before

    def __str__(self) -> str:
        """Say it in one sentence."""
        verdict = "real" if self.is_real else "no more than chance would show"
        return (
            f"{self.group or 'everybody'}: {self.rate.replace('_', ' ')} {self.before:.3f} → "
            f"{self.now:.3f} "
            f"({self.n:,} people; {verdict})"
        )


def compare_groups(
    reference: GroupCounts,
    current: GroupCounts,
    *,
    rates: Sequence[str] = WATCHED,
    min_group: int = 30,
    alpha: float = 0.05,
) -> tuple[GroupChange, ...]:
    """Compare each group's rates with its own in the reference.

    Parameters
    ----------
    reference, current : GroupCounts
        Over the same columns, with the same two classes. Each column is looked at by itself.
    rates : sequence of str
        Which rates; by default those of true and false positives.
    min_group : int, default 30
        People that a denominator must have, then and now.
    alpha : float, default 0.05
        The chance that *anything* is called real when nothing has changed (Bonferroni).

    Returns
    -------
    tuple of GroupChange
        The strongest evidence first.

    Raises
    ------
    MonitoringError
        If the columns or classes differ, there are more than two classes, or a rate is unknown.

    Examples
    --------
    >>> group = ["a", "a", "b", "b"] * 100
    >>> then = GroupCounts.of([0] * 400, [0, 1, 0, 1] * 100, sensitive_features=group)
    >>> now = GroupCounts.of([0] * 400, [0, 1, 1, 1] * 100, sensitive_features=group)
    >>> for change in compare_groups(then, now):
    ...     print(change)
    group=b: false positive rate 0.500 → 1.000 (200 people; real)
    group=a: false positive rate 0.500 → 0.500 (200 people; no more than chance would show)
    """
    _check(reference, current, rates)
    found = [
        change
        for column in reference.columns
        for rate in rates
        for change in _changes(reference.over(column), current.over(column), RATES[rate], min_group)
    ]
    real = [_judged(one, alpha / len(found)) for one in found]
    return tuple(sorted(real, key=lambda one: (one.p_value, -abs(one.difference))))


def compare_everybody(
    reference: GroupCounts, current: GroupCounts, *, alpha: float = 0.05
) -> GroupChange:
    """Compare the accuracy of all decisions with that in the reference.

    Parameters
    ----------
    reference, current : GroupCounts
        With the same classes, over whatever columns.
    alpha : float, default 0.05
        The chance that it is called real when nothing has changed.

    Raises
    ------
    MonitoringError
        If the classes differ.

    Examples
    --------
    >>> then = GroupCounts.of([0, 1] * 200, [0, 1] * 200, sensitive_features=["a", "b"] * 200)
    >>> now = GroupCounts.of([0, 1] * 200, [0, 0] * 200, sensitive_features=["a", "b"] * 200)
    >>> print(compare_everybody(then, now))
    everybody: accuracy 1.000 → 0.500 (400 people; real)
    """
    if reference.classes != current.classes:
        raise MonitoringError(
            f"the reference has the classes {reference.classes}, the window {current.classes}; "
            "count both alike"
        )
    tables = [counts.confusion.sum(0) for counts in (reference, current)]
    right = [float(np.trace(table)) for table in tables]
    found = _change("", "accuracy", right, [float(table.sum()) for table in tables])
    return _judged(found, alpha)


def change_measurements(
    reference: GroupCounts | None, current: GroupCounts, *, same_groups: bool
) -> list[Measurement]:
    """Measure everybody, and each group, beside their own past: ``accuracy_change`` and so on.

    Parameters
    ----------
    reference : GroupCounts or None
        Without a past nothing is measured, and neither if its classes are others.
    current : GroupCounts
    same_groups : bool
        Whether numbers were put into the same bands then and now; else only everybody is compared.
    """
    if reference is None or reference.classes != current.classes:
        return []
    changes = [compare_everybody(reference, current)]
    alike = same_groups and reference.columns == current.columns
    if alike and len(current.classes) == 2:
        changes += compare_groups(reference, current)
    return [
        Measurement(
            f"{one.rate}_change", one.difference, one.low, one.high, n=one.n, unit="share",
            feature=one.group.split("=")[0], group=one.group, note=str(one),
        )
        for one in changes
    ]  # fmt: skip


def _judged(one: GroupChange, alpha: float) -> GroupChange:
    """Say whether a change is real at a level, and give it the interval of that level."""
    then, now = (one.before * one.n_before, one.n_before), (one.now * one.n, one.n)
    low, high = newcombe(*now, *then, level=1 - alpha)
    return replace(one, is_real=one.p_value <= alpha, low=float(low), high=float(high))


def _changes(
    reference: GroupCounts, current: GroupCounts, rate: Rate, min_group: int
) -> Iterator[GroupChange]:
    places = {group: place for place, group in enumerate(reference.groups)}
    for name, group, table in zip(current.names, current.groups, current.confusion, strict=True):
        if group not in places:
            continue
        before = reference.confusion[places[group]]
        hits = [float(rate.part(one)) for one in (before, table)]
        whole = [float(rate.whole(one)) for one in (before, table)]
        if min(whole) < min_group:
            continue
        yield _change(name, rate.name, hits, whole)


def _change(group: str, rate: str, hits: Sequence[float], whole: Sequence[float]) -> GroupChange:
    """One rate then and now, from its numerators and denominators."""
    counts = [np.array([part, all_ - part]) for part, all_ in zip(hits, whole, strict=True)]
    return GroupChange(
        group=group,
        rate=rate,
        before=hits[0] / whole[0],
        now=hits[1] / whole[1],
        n_before=int(whole[0]),
        n=int(whole[1]),
        p_value=float(homogeneity_p(counts[0], counts[1])),
    )


def _check(reference: GroupCounts, current: GroupCounts, rates: Sequence[str]) -> None:
    if (reference.columns, reference.classes) != (current.columns, current.classes):
        raise MonitoringError(
            f"the reference counts {reference.columns} with classes {reference.classes}, the "
            f"window {current.columns} with classes {current.classes}; count both alike"
        )
    if len(reference.classes) != 2:
        raise MonitoringError(
            f"rates of groups are compared for two classes; seen {len(reference.classes)}"
        )
    unknown = [rate for rate in rates if rate not in RATES]
    if unknown:
        raise MonitoringError(f"there is no rate {unknown[0]!r}; there are {', '.join(RATES)}")
