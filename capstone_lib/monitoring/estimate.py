"""Estimated performance: how good answers probably are, before anybody knows what happened.

A calibrated score says how many of its rows will come true; so the expected confusion counts follow
from scores and decisions alone (confidence-based performance estimation). The estimate follows a
change in *who* comes. It is blind to a change in what becomes of them, and confidently wrong on
input that the model does not understand: so it is withheld while such values come in.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from capstone_lib.artifact.recalibration import Recalibration
from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.answers import Answers
from capstone_lib.monitoring.performance import METRICS, losses, unit_of
from capstone_lib.monitoring.rates import Metric, normal_quantile
from capstone_lib.store.measurement import Measurement, within

if TYPE_CHECKING:
    import pandas as pd

    from capstone_lib.monitoring.report import DriftReport

__all__ = ["ASSUMPTION", "LIMIT", "Estimate", "estimate_performance"]

ASSUMPTION = (
    "people with the same score still come true as often as those the model was calibrated on; "
    "only who comes may have changed"
)
LIMIT = 0.01
"""From one value in a hundred on that is missing, unseen or out of range nothing is estimated."""

_ODD = ("missing", "unseen", "out_of_range")
Parts = Iterator[tuple[str, float, np.ndarray]]


@dataclass(frozen=True)
class Estimate:
    """How good the answers of a window probably are.

    Attributes
    ----------
    metrics : mapping of str to Metric
        As for realized performance; all NaN while it is withheld. The interval is for what will be
        realized on these very rows: it holds the chance in their outcomes and the error of the
        calibration, and nothing of what the assumption hides.
    n : int
        Answers.
    withheld : str
        Why nothing is estimated; empty if something is.
    assumption : str
        What it rests on.
    level : float
        Of the intervals.
    """

    metrics: Mapping[str, Metric]
    n: int
    withheld: str
    level: float
    assumption: str = ASSUMPTION

    def __getitem__(self, name: str) -> Metric:
        return self.metrics[name]

    def to_frame(self) -> "pd.DataFrame":
        """One row a metric: ``value``, ``low``, ``high`` and ``n``."""
        import pandas as pd

        found = {name: vars(one) for name, one in self.metrics.items()}
        return pd.DataFrame(found).T.astype({"n": int})

    def measurements(self, **window: Any) -> list[Measurement]:
        """Every metric, named ``estimated_…``; without a value while it is withheld.

        ``window`` fills in whose they are: window, model, version, traffic.
        """
        note = f"withheld: {self.withheld}" if self.withheld else f"assumes that {self.assumption}"
        found = [
            Measurement(
                f"estimated_{name}",
                one.value,
                one.low,
                one.high,
                n=one.n,
                unit=unit_of(name),
                note=note,
            )
            for name, one in self.metrics.items()
        ]
        return within(found, **window)

    def _repr_html_(self) -> str:
        if self.withheld:
            return f"<p>Nothing is estimated: {self.withheld}.</p>"
        table = self.to_frame().to_html(float_format=lambda value: f"{value:.4f}")
        return f"{table}<p>Assumes that {self.assumption}.</p>"


def estimate_performance(
    predictions: Any,
    recalibration: Recalibration | None,
    *,
    drift: "DriftReport | None" = None,
    unexpected: Mapping[str, float] | None = None,
    limit: float = LIMIT,
    level: float = 0.95,
) -> Estimate:
    """Estimate how good answers are, from the answers alone.

    Parameters
    ----------
    predictions : Predictions, Answers or pandas.DataFrame of n_rows
        The answers.
    recalibration : Recalibration or None
        What scores have meant on held-out people; an artifact's is ``artifact.recalibration``.
    drift : DriftReport, optional
        The window beside the reference: a feature with a real rise of missing, unseen or
        out-of-range values of ``limit`` or more withholds the estimate.
    unexpected : mapping of str to float, optional
        Without a report: each column's share of such values above the reference's.
    limit : float, default 0.01
        From which share on nothing is estimated.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    Estimate

    Raises
    ------
    MonitoringError
        If there are no answers.

    Notes
    -----
    With two classes the counts are the sums of calibrated probabilities over the rows decided each
    way, and the AUC is the share of expected pairs in the right order. With more it is the accuracy
    only: the mean calibrated confidence. People of one household are taken as independent, so
    intervals are a little narrow.

    Examples
    --------
    >>> import pandas as pd
    >>> came = [1] * 10 + [0] * 40 + [1] * 40 + [0] * 10
    >>> curve = Recalibration.fit([0.2] * 50 + [0.8] * 50, came)
    >>> said = pd.DataFrame({"score": [0.2, 0.8], "label": [0, 1], "uncertainty": [0.72, 0.72],
    ...                      "prediction_set": ["[0]", "[1]"], "review": [False, False]})
    >>> round(estimate_performance(said, curve)["accuracy"].value, 3)
    0.8
    >>> estimate_performance(said, curve, unexpected={"age": 0.5}).withheld
    'age: 50.0% of the values are missing, unseen or out of range (from 1% on the model is ...'
    """
    answers = Answers.of(predictions)
    if not len(answers):
        raise MonitoringError("there are no answers in this window; nothing can be said of nothing")
    withheld = _why_not(recalibration, drift, unexpected or {}, limit)
    if withheld or recalibration is None:
        names = list(METRICS) if answers.is_binary else ["accuracy"]
        nothing = Metric(float("nan"), float("nan"), float("nan"), len(answers))
        return Estimate(dict.fromkeys(names, nothing), len(answers), withheld, level)
    share = recalibration(answers.score)
    metrics = {}
    for name, value, slope in _expected(answers, share):
        chance = float((slope**2 * share * (1 - share)).sum())
        error = np.sqrt(chance + recalibration.variance(answers.score, slope))
        reach = normal_quantile(level) * error
        high = value + reach if name in ("brier", "log_loss") else min(1.0, value + reach)
        metrics[name] = Metric(value, max(0.0, value - reach), float(high), len(answers))
    return Estimate(metrics, len(answers), "", level)


def _why_not(
    recalibration: Recalibration | None,
    drift: "DriftReport | None",
    unexpected: Mapping[str, float],
    limit: float,
) -> str:
    if recalibration is None:
        return (
            "the scores were never calibrated on held-out people; export the model with "
            "X_calibration= and y_calibration="
        )
    shares = dict(unexpected)
    for one in drift.features if drift is not None else ():
        if one.is_real:
            shares[one.name] = max(one.rise[place] for place in _ODD)
    said = [
        f"{name}: {share:.1%} of the values are missing, unseen or out of range"
        for name, share in shares.items()
        if share >= limit
    ]
    if not said:
        return ""
    return "; ".join(said) + f" (from {limit:.0%} on the model is confidently wrong)"


def _expected(answers: Answers, share: np.ndarray) -> Parts:
    """Each metric's value if every row came true with its share, and how each share moves it."""
    n = len(answers)
    if not answers.is_binary:
        yield "accuracy", float(share.mean()), np.full(n, 1 / n)
        return
    decided = (answers.label == 1).astype(float)
    positive, negative = float(share.sum()), float((1 - share).sum())
    yield "auc", *_auc(answers.score, share)
    right = float(np.where(decided == 1, share, 1 - share).mean())
    yield "accuracy", right, (2 * decided - 1) / n
    rate = _ratio(float((decided * (1 - share)).sum()), negative)
    yield "false_positive_rate", rate, (rate - decided) / (negative or np.nan)
    rate = _ratio(float(((1 - decided) * share).sum()), positive)
    yield "false_negative_rate", rate, (1 - decided - rate) / (positive or np.nan)
    n_decided = float(decided.sum())
    rate = _ratio(float((decided * share).sum()), n_decided)
    yield "precision", rate, decided / (n_decided or np.nan)
    yield "base_rate", positive / n, np.full(n, 1 / n)
    yes, no = losses(np.ones(n, bool), answers.score), losses(np.zeros(n, bool), answers.score)
    for name in yes:
        mean = float((share * yes[name] + (1 - share) * no[name]).mean())
        yield name, mean, (yes[name] - no[name]) / n


def _auc(score: np.ndarray, share: np.ndarray) -> tuple[float, np.ndarray]:
    """The share of pairs in the right order, over all pairs of two different rows."""
    _, place = np.unique(score, return_inverse=True)
    yes, no = np.bincount(place, weights=share), np.bincount(place, weights=1 - share)
    below = (np.cumsum(no) - no / 2)[place] - (1 - share) / 2  # negatives below, not oneself
    above = (yes.sum() - np.cumsum(yes) + yes / 2)[place] - share / 2
    positive, negative = float(share.sum()), float((1 - share).sum())
    pairs = positive * negative - float((share * (1 - share)).sum())
    if pairs <= 0:
        return float("nan"), np.full(len(score), np.nan)
    auc = float((share * below).sum()) / pairs
    own = 1 - 2 * share  # a row is no pair with itself
    slope = (below - above - auc * (negative - positive - own)) / pairs
    return auc, slope


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
