"""Calibration: whether what is said with 70 % comes true in 70 of 100 cases.

Of two classes the score is the probability of the second; of more it is the confidence, and what
should come true is that the decision is right.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from capstone_lib.errors import MonitoringError
from capstone_lib.monitoring.answers import Answers
from capstone_lib.monitoring.rates import normal_quantile, wilson
from capstone_lib.store.measurement import Measurement, within

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Calibration", "calibration_of", "measure_calibration"]


@dataclass(frozen=True)
class Calibration:
    """What was said beside what came true.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row for each bin that holds a row: its ends ``from`` and ``to``, ``n``, the mean
        ``score``, the ``rate`` that came true with Wilson's interval (``rate_low``, ``rate_high``).
    ece, ece_low, ece_high : float
        The expected calibration error, which is the mean distance of score and rate over all rows,
        and its interval, which allows for what chance adds to each bin's distance.
    ece_floor : float
        What a perfectly calibrated model would show by chance at most (at the level).
    in_the_large, large_low, large_high : float
        The rate less the mean score over all rows: above 0, more came true than was said.
    n : int
        Rows.
    """

    frame: "pd.DataFrame"
    ece: float
    ece_low: float
    ece_high: float
    ece_floor: float
    in_the_large: float
    large_low: float
    large_high: float
    n: int

    @property
    def is_real(self) -> bool:
        """Whether there is more error than chance would show."""
        return self.ece > self.ece_floor

    def to_frame(self) -> "pd.DataFrame":
        """One row a bin: what ``frame`` holds."""
        return self.frame

    def measurements(self, **window: Any) -> list[Measurement]:
        """The calibration error, with its noise floor as the threshold, and that in the large.

        ``window`` fills in whose they are: window, model, version, traffic.
        """
        ends = self.ece_low, self.ece_high
        found = [
            Measurement("ece", self.ece, *ends, n=self.n, threshold=self.ece_floor),
            Measurement(
                "calibration_in_the_large",
                self.in_the_large,
                self.large_low,
                self.large_high,
                n=self.n,
            ),
        ]
        return within(found, **window)

    def plot(self, *, ax: "Axes | None" = None) -> "Axes":
        """Draw what came true against what was said."""
        from capstone_lib.monitoring.curves import draw_calibration

        return draw_calibration(self, ax=ax)


def measure_calibration(
    y_true: Any,
    predictions: Any,
    *,
    bins: int = 10,
    strategy: Literal["uniform", "quantile"] = "uniform",
    level: float = 0.95,
) -> Calibration:
    """Measure the calibration of answers.

    Parameters
    ----------
    y_true : array of shape (n_rows,)
        What really happened.
    predictions : Predictions, Answers or pandas.DataFrame of n_rows
        The answers.
    bins : int, default 10
        How many.
    strategy : {"uniform", "quantile"}, default "uniform"
        Bins of equal width, or of about as many rows each; the same as scikit-learn's
        ``calibration_curve``.
    level : float, default 0.95
        Of the intervals, and of the noise floor.

    Returns
    -------
    Calibration
        The interval of the calibration in the large is NaN for a single row.

    Raises
    ------
    MonitoringError
        If there are no rows, or an argument makes no sense.
    """
    answers = Answers.of(predictions)
    truth = answers.truth(y_true)
    came = truth == (1 if answers.is_binary else answers.label)
    return calibration_of(came, answers.score, bins=bins, strategy=strategy, level=level)


def calibration_of(
    came_true: Any,
    score: Any,
    *,
    bins: int = 10,
    strategy: Literal["uniform", "quantile"] = "uniform",
    level: float = 0.95,
) -> Calibration:
    """Measure the calibration of probabilities; see :func:`measure_calibration`.

    Parameters
    ----------
    came_true : array of bool, shape (n_rows,)
        What happened.
    score : array of shape (n_rows,)
        Probabilities.
    bins, strategy, level
        As there.

    Returns
    -------
    Calibration

    Raises
    ------
    MonitoringError
        If there are no rows, lengths differ, a score is no probability, or an argument makes no
        sense.

    Notes
    -----
    ECE: Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
    binning" (2015). Its floor and interval take the distance of each bin as half normal, and their
    weighted sum as a gamma distribution of the same mean and variance.

    Examples
    --------
    >>> found = calibration_of([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], bins=2)
    >>> round(found.ece, 3), round(found.in_the_large, 3)
    (0.15, 0.0)
    """
    import pandas as pd

    came, score = np.asarray(came_true, dtype=float), np.asarray(score, dtype=float)
    edges = _edges(score, bins, strategy)
    if came.shape != score.shape or not len(score):
        raise MonitoringError(
            f"there are {len(score):,} scores and {len(came):,} outcomes; give one outcome a row, "
            "and one row at least"
        )
    if not (score.min() >= 0 and score.max() <= 1):  # false for NaN too
        raise MonitoringError("scores must be probabilities from 0 to 1, none of them missing")
    place = np.searchsorted(edges[1:-1], score)
    n = np.bincount(place, minlength=bins)
    some = n > 0
    said, hits, spread = (
        np.bincount(place, weights=values, minlength=bins)[some]
        for values in (score, came, score * (1 - score))
    )
    n, ends = n[some], np.flatnonzero(some)
    low, high = wilson(hits, n, level=level)
    columns = {"from": edges[ends], "to": edges[ends + 1], "n": n, "score": said / n}
    frame = pd.DataFrame(columns | {"rate": hits / n, "rate_low": low, "rate_high": high})
    apart, weight = np.abs(hits - said) / n, n / n.sum()
    ece = float(weight @ apart)
    rate = (hits + 0.5) / (n + 1)  # half a case either way: none of three is no certainty
    added = _noise(weight, np.sqrt(rate * (1 - rate) / n), level)
    floor = _noise(weight, np.sqrt(spread) / n, level)
    large = float(came.mean() - score.mean())
    error = float((came - score).std(ddof=1)) / np.sqrt(len(score)) if len(score) > 1 else np.nan
    reach = normal_quantile(level) * error
    bounds = large - reach, large + reach
    return Calibration(
        frame, ece, max(0.0, ece - added), min(1.0, ece + added), floor, large, *bounds, len(score)
    )


def _noise(weight: np.ndarray, error: np.ndarray, level: float) -> float:
    """What chance adds to a weighted sum of distances at most.

    That is a sum of half normals; a gamma distribution of its mean and variance stands for it.
    """
    from scipy.stats import gamma

    half = weight * error
    mean = float(np.sqrt(2 / np.pi) * half.sum())
    variance = float((1 - 2 / np.pi) * (half**2).sum())
    return float(gamma.ppf(level, mean**2 / variance, scale=variance / mean)) if variance else 0.0


def _edges(score: np.ndarray, bins: int, strategy: str) -> np.ndarray:
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise MonitoringError(f"bins is a whole number from 1 on; seen {bins!r}")
    if strategy not in ("uniform", "quantile"):
        raise MonitoringError(f"strategy is 'uniform' or 'quantile'; seen {strategy!r}")
    even = np.linspace(0.0, 1.0, bins + 1)
    return even if strategy == "uniform" or not len(score) else np.percentile(score, even * 100)
