"""Recalibration: what a score has meant on people the model was not trained on.

An isotonic curve from scores to shares that came true, and how sure that curve is. The artifact
carries it, so that performance can be estimated before outcomes come. It changes no answer.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

__all__ = ["Recalibration"]

_BINS = 20
_FEWEST = 50


@dataclass(frozen=True)
class Recalibration:
    """A curve from scores to shares that came true.

    Attributes
    ----------
    scores, shares : tuple of float
        The knots of the curve; between them it is straight, beyond them flat.
    cuts : tuple of float
        Scores between the bins in which the curve's error is known.
    rows, hits : tuple of int
        Calibration rows of each bin, and how many of them came true.
    """

    scores: tuple[float, ...]
    shares: tuple[float, ...]
    cuts: tuple[float, ...]
    rows: tuple[int, ...]
    hits: tuple[int, ...]

    @classmethod
    def fit(cls, score: Any, came_true: Any) -> "Recalibration | None":
        """Fit the curve; None where fewer than 50 rows or one kind of outcome tell nothing.

        Parameters
        ----------
        score : array of shape (n_rows,)
            Of rows that the model was not trained on.
        came_true : array of bool, shape (n_rows,)
            Whether they are of the class that the score speaks of.

        Examples
        --------
        >>> curve = Recalibration.fit([0.2] * 50 + [0.9] * 50, [False] * 50 + [True] * 50)
        >>> curve(np.array([0.1, 0.55, 0.9])).tolist()
        [0.0, 0.5..., 1.0]
        """
        score, came = np.asarray(score, dtype=float), np.asarray(came_true, dtype=bool)
        if len(score) < _FEWEST or came.all() or not came.any():
            return None
        from sklearn.isotonic import IsotonicRegression

        curve = IsotonicRegression(out_of_bounds="clip").fit(score, came)
        cuts = np.unique(np.quantile(score, np.arange(1, _BINS) / _BINS))
        place = np.searchsorted(cuts, score)
        rows = np.bincount(place, minlength=len(cuts) + 1)
        hits = np.bincount(place, weights=came, minlength=len(cuts) + 1)
        return cls(
            tuple(curve.X_thresholds_.tolist()),
            tuple(np.round(curve.y_thresholds_, 6).tolist()),
            tuple(cuts.tolist()),
            tuple(rows.tolist()),
            tuple(hits.astype(int).tolist()),
        )

    def __call__(self, score: np.ndarray) -> np.ndarray:
        """The share that came true at each score."""
        return np.asarray(np.interp(score, self.scores, self.shares))

    @property
    def n_rows(self) -> int:
        """Calibration rows."""
        return sum(self.rows)

    def variance(self, score: np.ndarray, slope: np.ndarray) -> float:
        """What the curve's own error adds to the variance of a figure.

        Parameters
        ----------
        score : array of shape (n_rows,)
        slope : array of shape (n_rows,)
            By how much the figure changes with each row's share.
        """
        place = np.searchsorted(self.cuts, score)
        lean = np.bincount(place, weights=slope, minlength=len(self.rows))
        rows, hits = np.array(self.rows, dtype=float), np.array(self.hits, dtype=float)
        rate = (hits + 0.5) / (rows + 1)
        return float((lean**2 * rate * (1 - rate) / np.maximum(rows, 1)).sum())

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; :meth:`from_dict` reads it back equal."""
        return {name: list(values) for name, values in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Recalibration":
        """Read what :meth:`to_dict` wrote."""
        return cls(**{name: tuple(values) for name, values in data.items()})
