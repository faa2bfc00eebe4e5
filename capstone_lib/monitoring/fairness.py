"""The fairness audit: who is decided how, which error falls on whom, and what chance would explain.

Definitions and names are Fairlearn's. What a group's rate should be is not for a metric to say.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from capstone_lib.artifact.groups import GroupCounts
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.auditing import GroupResult, audit
from capstone_lib.monitoring.errors_by_group import GroupErrors
from capstone_lib.monitoring.gaps import Gap

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from capstone_lib.store.measurement import Measurement

__all__ = ["FairnessAudit", "GroupResult", "audit_fairness"]


@dataclass(frozen=True)
class FairnessAudit:
    """Rates by group with intervals, and the gaps between groups.

    Made by :func:`audit_fairness` from rows, or by :meth:`of` from counts that were added up. Each
    gap has a level of its own: of twenty gaps without a cause one may seem real at 95 %.

    Attributes
    ----------
    groups : tuple of GroupResult
        Column by column, then the intersections of all columns.
    gaps : tuple of Gap
        In the same order.
    counts : GroupCounts or GroupErrors
        What everything was computed from.
    level : float
        Of the intervals, and of the chance that a lower bound is right to be 0.
    min_group : int
        People that a rate's denominator must have for the group to be judged.
    n_boot, seed : int
        Replicates of the counts for the intervals of gaps, and what they depend on.
    intersections : bool
        Whether combinations of several columns were judged too.
    """

    groups: tuple[GroupResult, ...]
    gaps: tuple[Gap, ...]
    counts: GroupCounts | GroupErrors = field(repr=False)
    level: float
    min_group: int
    n_boot: int
    intersections: bool
    seed: int

    @classmethod
    def of(
        cls,
        counts: GroupCounts | GroupErrors,
        *,
        n_boot: int = 1000,
        level: float = 0.95,
        min_group: int = 30,
        intersections: bool = True,
        seed: int = 0,
    ) -> "FairnessAudit":
        """Audit counts, of one window or of several added up.

        Parameters
        ----------
        counts : GroupCounts or GroupErrors
            Of decisions, or of a regression's errors.
        n_boot, level, min_group, intersections, seed
            As of :func:`audit_fairness`.

        Returns
        -------
        FairnessAudit

        Raises
        ------
        MonitoringError
            If a setting makes no sense.

        Examples
        --------
        >>> morning = GroupCounts.of([0, 1] * 50, [0, 1] * 50, sensitive_features=["a", "b"] * 50)
        >>> evening = GroupCounts.of([0, 1] * 50, [1, 1] * 50, sensitive_features=["a", "b"] * 50)
        >>> FairnessAudit.of(morning + evening)["group=a"].rates["false_positive_rate"].value
        0.5
        """
        _check(n_boot=n_boot, level=level, min_group=min_group)
        groups, gaps = audit(
            counts,
            n_boot=n_boot,
            level=level,
            min_group=min_group,
            intersections=intersections,
            seed=seed,
        )
        return cls(groups, gaps, counts, level, min_group, n_boot, intersections, seed)

    def over(self, *columns: str) -> "FairnessAudit":
        """The same people by some of the columns only: ``audit.over("SEX", "DIS")``."""
        return FairnessAudit.of(
            self.counts.over(*columns),
            n_boot=self.n_boot,
            level=self.level,
            min_group=self.min_group,
            intersections=self.intersections,
            seed=self.seed,
        )

    def __getitem__(self, name: str) -> GroupResult:
        """Find a group by its name; with more than two classes, for the first of them."""
        for group in self.groups:
            if group.name == name:
                return group
        names = ", ".join(repr(group.name) for group in self.groups[:8])
        raise KeyError(f"no group {name!r} in the audit; there are {names} …")

    def gap(
        self, name: str, *, over: str | tuple[str, ...] | None = None, label: Any = None
    ) -> Gap:
        """Find a gap by its name.

        Parameters
        ----------
        name : str
            One of :data:`capstone_lib.monitoring.gaps.GAPS`, or a regression's error.
        over : str or tuple of str, optional
            The columns that span the groups; by default the first.
        label : object, optional
            With more than two classes which of them; by default the first.

        Raises
        ------
        MonitoringError
            If there is no such gap; the message lists those that there are.
        """
        wanted = (over,) if isinstance(over, str) else over
        for gap in self.gaps:
            if gap.name == name and wanted in (None, gap.over) and label in (None, gap.label):
                return gap
        names = ", ".join(dict.fromkeys(gap.name for gap in self.gaps))
        overs = ", ".join(dict.fromkeys(" × ".join(gap.over) for gap in self.gaps))
        raise MonitoringError(f"no gap {name!r} over {over}; there are {names} over {overs}")

    @property
    def worst(self) -> Gap:
        """The gap whose lower bound is largest: what to look at first."""
        return max(self.gaps, key=lambda gap: (_or(gap.lower_bound), _or(gap.difference)))

    @property
    def too_small(self) -> tuple[str, ...]:
        """Groups with fewer people than can be judged."""
        small = (group.name for group in self.groups if group.n < self.min_group)
        return tuple(dict.fromkeys(small))

    @property
    def not_judged(self) -> tuple[tuple[str, str, int], ...]:
        """Groups and rates whose denominator is too small to be judged, with that denominator."""
        return self._rates_below(1, self.min_group)

    @property
    def undefined(self) -> tuple[tuple[str, str], ...]:
        """Groups and rates that are not defined, because nobody is in the denominator."""
        return tuple((name, rate) for name, rate, _ in self._rates_below(0, 1))

    def _rates_below(self, least: int, most: int) -> tuple[tuple[str, str, int], ...]:
        return tuple(
            (group.name, rate, one.n)
            for group in self.groups
            for rate, one in group.rates.items()
            if least <= one.n < most
        )

    def to_frame(self) -> "pd.DataFrame":
        """One row a group; each rate with ``_low``, ``_high`` and ``_n``, its denominator.

        Rates are shares from 0 to 1, NaN where not defined; a regression's errors have its unit.
        """
        import pandas as pd

        rows = []
        for group in self.groups:
            row: dict[str, Any] = {"over": " × ".join(group.over), "group": group.name}
            row |= {"label": group.label, "n": group.n}
            row |= {"positives": group.positives, "negatives": group.negatives}
            for name, one in group.rates.items():
                row |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
                row[f"{name}_n"] = one.n
            rows.append(row)
        frame = pd.DataFrame(rows)
        return frame if frame["label"].notna().any() else frame.drop(columns="label")

    @property
    def by_group(self) -> "pd.DataFrame":
        """The same as :meth:`to_frame`."""
        return self.to_frame()

    def gaps_frame(self) -> "pd.DataFrame":
        """One row a gap: the fields of :class:`~capstone_lib.monitoring.gaps.Gap`."""
        import pandas as pd

        rows = [vars(gap) | {"over": " × ".join(gap.over)} for gap in self.gaps]
        frame = pd.DataFrame(rows)
        return frame if frame["label"].notna().any() else frame.drop(columns="label")

    def measurements(self, **window: Any) -> "list[Measurement]":
        """Rows of the flat table: every rate of every group, and of each gap three numbers.

        A gap is its ``…_difference``, its ``…_ratio`` and its ``…_lower_bound``, which alerts
        should use. With more than two classes names end in the class: ``precision[b]``.

        Parameters
        ----------
        **window
            What else a :class:`~capstone_lib.store.measurement.Measurement` has: the window's
            start and end, the model and its version, the traffic.
        """
        from capstone_lib.monitoring.fairness_table import rows_of

        return rows_of(self.groups, self.gaps, min_group=self.min_group, **window)

    def plot(
        self,
        rate: str = "",
        *,
        over: str | tuple[str, ...] | None = None,
        label: Any = None,
        ax: "Axes | None" = None,
    ) -> "Axes":
        """Draw one rate of each group as a point with its interval and count."""
        from capstone_lib.monitoring.fairness_plots import draw_groups

        return draw_groups(self, rate, over=over, label=label, ax=ax)

    def __str__(self) -> str:
        """Say it in a few lines: the gaps that are real, and who could not be judged."""
        n = int(self.counts.n.sum())
        lines = [f"{n:,} people by {', '.join(self.counts.columns)}"]
        real = [gap for gap in self.gaps if gap.is_real]
        lines += [str(gap) for gap in real]
        if len(real) < len(self.gaps):
            lines.append(f"{len(self.gaps) - len(real)} of {len(self.gaps)} gaps may be chance")
        if self.too_small:
            lines.append(f"fewer than {self.min_group}, not judged: {'; '.join(self.too_small)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from capstone_lib.monitoring.fairness_page import page_of

        return page_of(self)


def audit_fairness(
    y_true: Any,
    y_pred: Any,
    *,
    sensitive_features: Any,
    y_score: Any = None,
    positive: Any = None,
    kind: Literal["auto", "classification", "regression"] = "auto",
    n_boot: int = 1000,
    level: float = 0.95,
    min_group: int = 30,
    intersections: bool = True,
    seed: int = 0,
) -> FairnessAudit:
    """Audit decisions by group: rates, errors and gaps, each with its size and interval.

    Parameters
    ----------
    y_true, y_pred : array of shape (n_rows,)
        What people are and what was decided; with more than two classes each is held against the
        rest. For a regression numbers.
    sensitive_features : array, Series, mapping, DataFrame or Arrow table of n_rows
        One or several columns. Missing values are a group of their own.
    y_score : array of shape (n_rows,), optional
        Probabilities of the positive class: adds ``calibration``, the mean score less the base
        rate.
    positive : object, optional
        The label that counts as positive; of two by default the larger one.
    kind : {"auto", "classification", "regression"}, default "auto"
        By default a regression if ``y_true`` has fractions.
    n_boot : int, default 1000
        Replicates of the counts, for the intervals of gaps.
    level : float, default 0.95
        Of the intervals. Those of rates are Wilson's, good for small groups too.
    min_group : int, default 30
        People that a rate's denominator must have for the group to count in a gap.
    intersections : bool, default True
        Whether to judge the combinations of several columns too.
    seed : int, default 0
        What the replicates depend on.

    Returns
    -------
    FairnessAudit

    Raises
    ------
    MonitoringError
        If lengths differ, there are no rows, a label or score is missing, or a setting makes no
        sense.

    Examples
    --------
    >>> y_true = [0, 0, 0, 1] * 50
    >>> y_pred = [0, 0, 1, 1] * 25 + [0, 0, 0, 1] * 25
    >>> audit = audit_fairness(y_true, y_pred, sensitive_features=["a"] * 100 + ["b"] * 100)
    >>> gap = audit.gap("false_positive_rate")
    >>> round(gap.difference, 3), round(gap.lower_bound, 3), gap.highest
    (0.333, 0.225, 'group=a')
    """
    how: dict[str, Any] = {"n_boot": n_boot, "level": level, "min_group": min_group}
    how |= {"intersections": intersections, "seed": seed}
    _check(n_boot=n_boot, level=level, min_group=min_group)
    if kind not in ("auto", "classification", "regression"):
        raise MonitoringError(f"kind is 'classification', 'regression' or 'auto'; seen {kind!r}")
    if kind == "regression" or (kind == "auto" and _has_fractions(y_true)):
        if y_score is not None or positive is not None:
            raise MonitoringError("a regression has neither y_score nor positive; leave them out")
        errors = GroupErrors.of(y_true, y_pred, sensitive_features=sensitive_features)
        return FairnessAudit.of(errors, **how)
    if positive is not None:
        y_true, y_pred = _is(y_true, positive), _is(y_pred, positive)
        if not (y_true.any() or y_pred.any()):
            raise MonitoringError(
                f"no label is {positive!r}, which was named as positive; name one that occurs"
            )
    counts = GroupCounts.of(y_true, y_pred, sensitive_features=sensitive_features, y_score=y_score)
    return FairnessAudit.of(counts, **how)


def _is(labels: Any, positive: Any) -> np.ndarray:
    import pandas as pd

    labels = np.asarray(labels)
    if pd.isna(labels).any():
        raise MonitoringError("a label is missing; leave out rows whose outcome is not known yet")
    return np.asarray(labels == positive)


def _has_fractions(values: Any) -> bool:
    values = np.asarray(values)
    if values.dtype.kind != "f":
        return False
    known = values[np.isfinite(values)]
    return bool((known != np.floor(known)).any())


def _check(*, n_boot: int, level: float, min_group: int) -> None:
    if n_boot < 100:
        raise MonitoringError(f"n_boot is {n_boot}; an interval needs 100 replicates or more")
    if not 0.5 <= level < 1:
        raise MonitoringError(f"level is {level}; give a share from 0.5 to below 1, such as 0.95")
    if min_group < 1:
        raise MonitoringError(f"min_group is {min_group}; a group that is judged has people: 1 on")


def _or(value: float) -> float:
    return -1.0 if np.isnan(value) else value
