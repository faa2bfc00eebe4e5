"""Risk and coverage: what a model gains by deciding only what it is sure of.

Cases are taken from the surest to the least sure. After each the coverage is the share decided so
far and the risk is the share of errors among them; the area under that curve is the AURC.
Sources: El-Yaniv and Wiener, "On the foundations of noise-free selective classification" (2010);
Geifman, Uziel and El-Yaniv, "Bias-reduced uncertainty estimation" (2019).
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.answers import Answers
from capstone_lib.monitoring.rates import wilson
from capstone_lib.store.measurement import Measurement, within

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["RiskCoverage", "risk_coverage"]


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """The risk at every coverage.

    Attributes
    ----------
    coverage, risk : numpy.ndarray of shape (n_rows,)
        The shares 1/n, 2/n, … of cases decided, and the share of errors among them; where the
        model is equally sure of several, the mean over all orders of these.
    aurc : float
        The mean risk over all coverages: lower is better.
    best : float
        The least AURC that as many errors allow: all of them last.
    error_rate : float
        The risk when everything is decided: what an order that means nothing has everywhere.
    n : int
        Cases.
    """

    coverage: np.ndarray = field(repr=False)
    risk: np.ndarray = field(repr=False)
    aurc: float
    best: float
    error_rate: float
    n: int

    def at(self, coverage: float) -> float:
        """The risk when this share is decided: at least one case, and no more than the share.

        Parameters
        ----------
        coverage : float
            Above 0 and up to 1.

        Raises
        ------
        MonitoringError
            If it is not.
        """
        if not 0 < coverage <= 1:
            raise MonitoringError(f"coverage lies above 0 and up to 1; seen {coverage!r}")
        return float(self.risk[max(0, int(np.floor(coverage * self.n + 1e-9)) - 1)])

    def to_frame(self, *, n_points: int = 100) -> "pd.DataFrame":
        """Up to ``n_points`` points of the curve: ``coverage``, ``n``, ``risk``, ``low``, ``high``.

        The interval is Wilson's at 95 %, point by point.
        """
        import pandas as pd

        places = np.unique(np.linspace(0, self.n - 1, min(n_points, self.n)).round().astype(int))
        n, risk = places + 1, self.risk[places]
        low, high = wilson(risk * n, n, level=0.95)
        columns = {"coverage": self.coverage[places], "n": n, "risk": risk}
        return pd.DataFrame(columns | {"low": low, "high": high})

    def measurements(self, **window: Any) -> list[Measurement]:
        """The area under the curve, for the store; ``window`` fills in whose it is."""
        return within([Measurement("aurc", self.aurc, n=self.n)], **window)

    def plot(self, *, ax: "Axes | None" = None, marked: float | None = None) -> "Axes":
        """Draw the curve; ``marked`` is a coverage to point out, such as what is decided now."""
        from capstone_lib.monitoring.curves import draw_risk

        return draw_risk(self, ax=ax, marked=marked)


def risk_coverage(y_true: Any, predictions: Any) -> RiskCoverage:
    """Order cases by the model's uncertainty and follow the risk.

    Parameters
    ----------
    y_true : array of shape (n_rows,)
        What people really are.
    predictions : Predictions, Answers or pandas.DataFrame of n_rows
        The answers, with their ``uncertainty``.

    Returns
    -------
    RiskCoverage

    Raises
    ------
    MonitoringError
        If there are no rows, or an outcome is none of the classes.

    Examples
    --------
    >>> import pandas as pd
    >>> said = pd.DataFrame({"score": [0.9, 0.6], "label": [1, 1], "uncertainty": [0.47, 0.97],
    ...                      "prediction_set": ["[1]", "[0, 1]"], "review": [False, True]})
    >>> curve = risk_coverage([1, 0], said)
    >>> curve.risk.tolist(), curve.aurc
    ([0.0, 0.5], 0.25)
    """
    answers = Answers.of(predictions)
    if not len(answers):
        raise MonitoringError("there are no answers with an outcome; nothing can be said of them")
    wrong = (answers.truth(y_true) != answers.label).astype(np.float64)
    n, n_wrong = len(wrong), float(wrong.sum())
    errors = _errors_so_far(wrong, answers.uncertainty)
    ranks = np.arange(1, n + 1)
    risk = errors / ranks
    best = np.maximum(ranks - (n - n_wrong), 0) / ranks
    return RiskCoverage(ranks / n, risk, float(risk.mean()), float(best.mean()), n_wrong / n, n)


def _errors_so_far(wrong: np.ndarray, uncertainty: np.ndarray) -> np.ndarray:
    """Expected errors among the k surest: within a tie they accrue evenly."""
    order = np.argsort(uncertainty, kind="stable")
    ordered = uncertainty[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    total = np.cumsum(wrong[order])[ends]
    ranks = np.arange(1, len(wrong) + 1)
    return np.asarray(np.interp(ranks, np.append(0, ends + 1), np.append(0.0, total)))
