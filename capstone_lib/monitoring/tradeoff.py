"""The price of a smaller gap: error against gap, for rules that may be further and less far apart.

Rules are fitted on one half of the rows and judged on the other, because a rule always looks better
on the rows that it was fitted on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.artifact.group_rule import GroupThresholds
from capstone_lib.artifact.groups import GroupCounts
from capstone_lib.data.hashing import hash_ids, unit_interval
from capstone_lib.monitoring.fairness import FairnessAudit
from capstone_lib.monitoring.gaps import Gap
from capstone_lib.monitoring.mitigation import GAP_OF, fit_group_thresholds
from capstone_lib.monitoring.rates import RATES, Metric, share_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Tradeoff", "TradeoffPoint", "tradeoff"]

_TOLERANCES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)


@dataclass(frozen=True)
class TradeoffPoint:
    """One rule, judged on rows that it was not fitted on.

    Attributes
    ----------
    tolerance : float or None
        How far groups might stay apart; None for the plain threshold.
    rule : GroupThresholds or None
        None for the plain threshold.
    error : Metric
        The share of people decided wrongly.
    gap : Gap
        The gap that the constraint should close.
    """

    tolerance: float | None
    rule: GroupThresholds | None
    error: Metric
    gap: Gap


@dataclass(frozen=True)
class Tradeoff:
    """Error against gap: the plain threshold first, then rules from loose to strict.

    Attributes
    ----------
    points : tuple of TradeoffPoint
    constraint : str
        One of :data:`~capstone_lib.monitoring.mitigation.GAP_OF`.
    n_fitted, n_judged : int
        Rows on which rules were fitted, and others on which they were judged.
    """

    points: tuple[TradeoffPoint, ...]
    constraint: str
    n_fitted: int
    n_judged: int

    def to_frame(self) -> "pd.DataFrame":
        """One row a rule: ``error`` and ``gap`` as shares with their intervals.

        ``tolerance`` is NaN for the plain threshold.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "tolerance": point.tolerance,
                "error": point.error.value,
                "error_low": point.error.low,
                "error_high": point.error.high,
                "gap": point.gap.difference,
                "gap_low": point.gap.low,
                "gap_high": point.gap.high,
                "gap_lower_bound": point.gap.lower_bound,
            }
            for point in self.points
        )

    def plot(self, *, ax: "Axes | None" = None) -> "Axes":
        """Draw the curve, with intervals either way."""
        from capstone_lib.monitoring.fairness_plots import draw_tradeoff

        return draw_tradeoff(self, ax=ax)

    def _repr_html_(self) -> str:
        frame = self.to_frame()
        frame["tolerance"] = ["plain threshold", *frame["tolerance"].iloc[1:]]
        return str(frame.to_html(index=False, float_format="{:.3f}".format))


def tradeoff(
    pipeline: Any,
    X: Any,
    y: Any,
    *,
    sensitive_features: Any,
    constraint: str = "false_positive_rate_parity",
    tolerances: Sequence[float] = _TOLERANCES,
    coin: bool = False,
    threshold: float = 0.5,
    fit_on: Any = None,
    seed: int = 0,
    **audit: Any,
) -> Tradeoff:
    """Measure what closing a gap costs.

    Parameters
    ----------
    pipeline, X, y, sensitive_features, constraint, coin
        As of :func:`~capstone_lib.monitoring.mitigation.fit_group_thresholds`; the rows must be
        held out from training.
    tolerances : sequence of float
        How far groups may stay apart. Equalized odds cannot be relaxed: pass none, ``()``.
    threshold : float, default 0.5
        The plain rule that all are compared with.
    fit_on : array of bool, shape (n_rows,), optional
        The rows on which rules are fitted; by default a seeded half. Keep people who live together
        on one side.
    seed : int, default 0
        Of the halves, the coins and the intervals.
    **audit
        ``n_boot``, ``level`` and ``min_group`` of :func:`~capstone_lib.audit_fairness`.

    Returns
    -------
    Tradeoff

    Raises
    ------
    MonitoringError
        As of :func:`~capstone_lib.monitoring.mitigation.fit_group_thresholds`.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> X = pd.DataFrame({"hours": [1, 2, 3, 4, 5, 6, 7, 8] * 60})
    >>> y, sex = (X["hours"] % 5 > 2).astype(int), pd.Series(([1] * 3 + [2] * 5) * 60, name="sex")
    >>> model = LogisticRegression().fit(X, y)
    >>> curve = tradeoff(model, X, y, sensitive_features=sex, tolerances=[0.5, 0.0])
    >>> curve.to_frame()["tolerance"].tolist()
    [nan, 0.5, 0.0]
    """
    fitted = _half(len(X), seed) if fit_on is None else np.asarray(fit_on, dtype=bool)
    numbers = np.arange(len(X))
    case = "case" if coin else ""
    column = sensitive_features.reset_index(drop=True)
    X, truth = X.reset_index(drop=True), np.asarray(y) == pipeline.classes_[1]
    score = np.asarray(pipeline.predict_proba(X[~fitted]), dtype=np.float64)[:, 1]

    def judge(rule: GroupThresholds | None, tolerance: float | None) -> TradeoffPoint:
        groups = column[~fitted]
        yes = (
            score >= threshold
            if rule is None
            else rule.decide(score, groups.to_numpy(), numbers[~fitted])
        )
        counts = GroupCounts.of(truth[~fitted], yes, sensitive_features=groups)
        found = FairnessAudit.of(counts, seed=seed, **audit)
        return TradeoffPoint(
            tolerance, rule, _error(counts, found.level), found.gap(GAP_OF[constraint])
        )

    steps: list[float | None] = [*sorted(tolerances, reverse=True)]
    rules = [
        fit_group_thresholds(
            pipeline, X[fitted], np.asarray(y)[fitted], sensitive_features=column[fitted],
            constraint=constraint, tolerance=step, coin=coin, case=case, otherwise=threshold,
            seed=seed,
        )
        for step in steps or [None]
    ]  # fmt: skip
    points = [judge(rule, step) for rule, step in zip(rules, steps or [0.0], strict=True)]
    judged = int((~fitted).sum())
    return Tradeoff((judge(None, None), *points), constraint, int(fitted.sum()), judged)


def _half(n_rows: int, seed: int) -> np.ndarray:
    return np.asarray(unit_interval(hash_ids(np.arange(n_rows), seed=seed, purpose="half")) < 0.5)


def _error(counts: GroupCounts, level: float) -> Metric:
    table = counts.confusion.sum(axis=0)
    n = int(table.sum())
    return share_of(n - int(RATES["accuracy"].part(table)), n, level=level)
