"""Realized performance: how good answers were, once it is known what really happened.

By group it is a matter of fairness; see :mod:`capstone_lib.monitoring.fairness`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.answers import Answers
from capstone_lib.monitoring.outcomes import Joined
from capstone_lib.monitoring.ranking import auc_interval
from capstone_lib.monitoring.rates import Metric, normal_quantile, share_of
from capstone_lib.store.measurement import Measurement, within

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["METRICS", "Performance", "losses", "measure_performance"]

METRICS: Mapping[str, str] = {
    "auc": "area under the ROC curve",
    "accuracy": "share decided rightly",
    "false_positive_rate": "of the negative, decided positive",
    "false_negative_rate": "of the positive, decided negative",
    "precision": "of those decided positive, rightly",
    "base_rate": "share who are positive",
    "brier": "mean squared error of the score",
    "log_loss": "mean surprise, in nats",
}
"""What is measured, and in words. With more than two classes only the accuracy."""

SHARES = ("accuracy", "false_positive_rate", "false_negative_rate", "precision", "base_rate")
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Performance:
    """How good the answers of a window were.

    Attributes
    ----------
    metrics : mapping of str to Metric
        As :data:`METRICS`; a value without a denominator is NaN.
    n : int
        Answers with an outcome.
    joined : Joined or None
        How many outcomes are known, and as of when.
    level : float
        Of the intervals: DeLong's for the AUC, Wilson's for shares, the normal one for means.
    """

    metrics: Mapping[str, Metric]
    n: int
    joined: Joined | None
    level: float

    def __getitem__(self, name: str) -> Metric:
        return self.metrics[name]

    def to_frame(self) -> "pd.DataFrame":
        """One row a metric: ``value``, ``low``, ``high`` and ``n``."""
        import pandas as pd

        return pd.DataFrame({name: vars(one) for name, one in self.metrics.items()}).T.astype(
            {"n": int}
        )

    def measurements(self, **window: Any) -> list[Measurement]:
        """Every metric, and the share of outcomes that is still missing.

        ``window`` fills in whose they are: window, model, version, traffic.
        """
        note = str(self.joined or "")
        found = [
            Measurement(name, one.value, one.low, one.high, n=one.n, unit=unit_of(name), note=note)
            for name, one in self.metrics.items()
        ]
        if self.joined is not None:
            share, n = self.joined.missing_share, self.joined.n
            found.append(Measurement("outcomes_missing", share, n=n, unit="share", note=note))
        return within(found, **window)

    def _repr_html_(self) -> str:
        said = f"<p>{self.joined}</p>" if self.joined else ""
        return str(self.to_frame().to_html(float_format=lambda value: f"{value:.4f}")) + said


def unit_of(name: str) -> str:
    """The unit of a metric, empty for a number without one."""
    return "share" if name in SHARES else "nats" if name == "log_loss" else ""


def measure_performance(
    y_true: Any, predictions: Any, *, joined: Joined | None = None, level: float = 0.95
) -> Performance:
    """Measure how good answers were.

    Parameters
    ----------
    y_true : array of shape (n_rows,)
        What really happened; or ``joined`` itself, and then ``predictions`` are all the answers
        that outcomes were joined to.
    predictions : Predictions, Answers or pandas.DataFrame of n_rows
        The answers.
    joined : Joined, optional
        Where the outcomes came from, if ``y_true`` holds only those known.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    Performance
        Values without a denominator, such as the precision where nobody was decided positive, are
        NaN.

    Raises
    ------
    MonitoringError
        If no outcome is known, or one is none of the classes.

    Examples
    --------
    >>> import pandas as pd
    >>> said = pd.DataFrame({"score": [0.1, 0.4, 0.35, 0.8], "label": [0, 0, 0, 1],
    ...                      "uncertainty": [0.47, 0.97, 0.93, 0.72],
    ...                      "prediction_set": ["[0]", "[0, 1]", "[0, 1]", "[1]"],
    ...                      "review": [False, True, True, False]})
    >>> found = measure_performance([0, 0, 1, 1], said)
    >>> found["auc"].value, found["accuracy"].value
    (0.75, 0.75)
    """
    answers = Answers.of(predictions)
    if isinstance(y_true, Joined):
        joined, y_true = y_true, y_true.truth
    if joined is not None and len(answers) == joined.n:
        answers = answers[joined.known]
    if not len(answers):
        raise MonitoringError(f"no outcome is known yet{f': {joined}' if joined else ''}")
    truth = answers.truth(y_true)
    metrics = dict(_metrics(truth, answers, level))
    return Performance(metrics, len(answers), joined, level)


def _metrics(truth: np.ndarray, answers: Answers, level: float) -> Iterator[tuple[str, Metric]]:
    right = truth == answers.label
    if not answers.is_binary:
        yield "accuracy", share_of(right.sum(), len(right), level=level)
        return
    positive, decided = truth == 1, answers.label == 1
    auc = auc_interval(positive, answers.score, level=level)
    yield "auc", Metric(*auc, n=len(truth))
    n_positive, n_decided = int(positive.sum()), int(decided.sum())
    parts = {
        "accuracy": (right.sum(), len(truth)),
        "false_positive_rate": ((decided & ~positive).sum(), len(truth) - n_positive),
        "false_negative_rate": ((positive & ~decided).sum(), n_positive),
        "precision": ((positive & decided).sum(), n_decided),
        "base_rate": (n_positive, len(truth)),
    }
    for name, (part, whole) in parts.items():
        yield name, share_of(part, whole, level=level)
    for name, each in losses(positive, answers.score).items():
        reach = normal_quantile(level) * float(each.std(ddof=1)) / np.sqrt(len(each)) \
            if len(each) > 1 else float("nan")  # fmt: skip
        mean = float(each.mean())
        yield name, Metric(mean, max(0.0, mean - reach), mean + reach, len(each))


def losses(positive: np.ndarray, score: np.ndarray) -> dict[str, np.ndarray]:
    """Return what each score cost.

    Parameters
    ----------
    positive : array of bool, shape (n_rows,)
        Who was positive.
    score : array of float, shape (n_rows,)
        Probabilities; 0 and 1 are moved off by 2e-16, so that no surprise is infinite.

    Returns
    -------
    dict of str to numpy.ndarray of shape (n_rows,)
        ``brier``, the squared error, and ``log_loss``, the surprise in nats.
    """
    told = np.clip(score, _EPS, 1 - _EPS)
    surprise = -np.where(positive, np.log(told), np.log1p(-told))
    return {"brier": (score - positive) ** 2, "log_loss": surprise}
