"""Split-conformal prediction sets: how far the model was off on people it had not seen.

The method is LAC (least ambiguous set-valued classifier; Sadinle, Lei and Wasserman 2019): a
class is in the set if its probability is at least one minus the calibrated quantile. With ``n``
calibration rows the quantile is the ⌈(n + 1) · coverage⌉-th smallest of the scores ``1 − p(true
class)`` (the finite-sample correction), over all rows or, class-conditional, over the rows of
each class.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

__all__ = ["Conformal", "ReviewRule", "calibrate", "choose_review_cut"]


@dataclass(frozen=True)
class Conformal:
    """A calibration: which probability puts a class into the set.

    Attributes
    ----------
    coverage : float
        The share of people whose true class should be in the set.
    class_conditional : bool
        Whether that share holds within each class.
    quantiles : tuple of float
        One per class, of the scores ``1 − p``; infinity where there were too few rows, so that the
        class is always in the set.
    n_rows : tuple of int
        Calibration rows behind each quantile.
    """

    coverage: float
    class_conditional: bool
    quantiles: tuple[float, ...]
    n_rows: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON (infinity as null)."""
        quantiles = [None if np.isinf(q) else q for q in self.quantiles]
        return asdict(self) | {"quantiles": quantiles, "n_rows": list(self.n_rows)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Conformal":
        """Read what :meth:`to_dict` wrote."""
        quantiles = tuple(float("inf") if q is None else q for q in data["quantiles"])
        return cls(data["coverage"], data["class_conditional"], quantiles, tuple(data["n_rows"]))


@dataclass(frozen=True)
class ReviewRule:
    """When a person is asked.

    ``rule`` is "set" (the prediction set is not a single label), "budget" (the uncertainty is at
    least ``cut``, chosen on calibration rows so that at most the share ``budget`` is asked for) or
    "never" (no calibration, no budget).
    """

    rule: str
    budget: float | None = None
    cut: float | None = None


def calibrate(
    probabilities: np.ndarray,
    truth: np.ndarray,
    *,
    coverage: float,
    class_conditional: bool = False,
) -> Conformal:
    """Calibrate prediction sets on rows the model was not trained on.

    Parameters
    ----------
    probabilities : array of shape (n_rows, n_classes)
        The artifact's own probabilities.
    truth : array of int, shape (n_rows,)
        The index of each row's true class.
    coverage : float
        Between 0 and 1, both excluded.
    class_conditional : bool, default False
        Calibrate each class on its own rows.

    Returns
    -------
    Conformal

    Examples
    --------
    >>> import numpy as np
    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> [round(q, 9) for q in calibrate(p, np.array([0, 0, 1]), coverage=0.5).quantiles]
    [0.2, 0.2]
    """
    n_classes = probabilities.shape[1]
    scores = 1.0 - probabilities[np.arange(len(truth)), truth].astype(np.float64)
    groups = [scores[truth == k] if class_conditional else scores for k in range(n_classes)]
    quantiles = tuple(_corrected_quantile(group, coverage) for group in groups)
    return Conformal(coverage, class_conditional, quantiles, tuple(map(len, groups)))


def _corrected_quantile(scores: np.ndarray, coverage: float) -> float:
    rank = int(np.ceil((len(scores) + 1) * coverage - 1e-9))
    if rank > len(scores):
        return float("inf")
    return float(np.partition(scores, rank - 1)[rank - 1])


def choose_review_cut(uncertainty: np.ndarray, budget: float) -> float:
    """The smallest uncertainty from which at most the share ``budget`` of the rows is reviewed.

    Parameters
    ----------
    uncertainty : array of shape (n_rows,)
        In bits, on calibration rows.
    budget : float
        At most this share of rows, from 0 to 1.

    Examples
    --------
    >>> float(choose_review_cut(np.array([0.1, 0.5, 0.5, 0.9]), 0.5))
    0.9
    """
    values, counts = np.unique(uncertainty, return_counts=True)
    share = counts[::-1].cumsum()[::-1] / len(uncertainty)
    allowed = np.flatnonzero(share <= budget)
    return float(values[allowed[0]]) if len(allowed) else float(np.nextafter(values[-1], np.inf))
