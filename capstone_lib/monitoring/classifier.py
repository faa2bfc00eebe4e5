"""The domain classifier: a model that is asked to tell the reference's rows from the window's.

It sees any change in the joint distribution that trees can find, however many columns it takes. It
needs rows, not counts, and seconds, not milliseconds: for when the columns one by one and two by
two say nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from scipy import special

from capstone_lib.artifact.binning import Binning
from capstone_lib.artifact.tally import column_of, rows_of

__all__ = ["DomainTest", "tell_apart"]

MOST_ROWS = 10_000
FOLDS = 5
MOST_BINS = 255
Z95 = 1.959964


@dataclass(frozen=True)
class DomainTest:
    """How well a classifier tells two samples apart.

    Attributes
    ----------
    auc, auc_low, auc_high : float
        The mean area under the ROC curve of held-out folds, with a 95 % interval: 0.5 when nothing
        tells them apart.
    p_value : float
        The chance of so large an AUC if both samples come from one population.
    n : int
        Rows that were looked at.
    columns : tuple of (str, float)
        How much of the AUC is lost when a column is shuffled, the largest first.
    is_real, is_large : bool
        As for a single column; the test is one member of the family.
    """

    auc: float
    auc_low: float
    auc_high: float
    p_value: float
    n: int
    columns: tuple[tuple[str, float], ...]
    is_real: bool = False
    is_large: bool = False

    @property
    def name(self) -> str:
        """What it is called among the findings."""
        return "all columns together"

    @property
    def effect(self) -> float:
        """How far the AUC is above one half, from 0 to 1 (Somers' D)."""
        return max(0.0, 2 * self.auc - 1)

    def __str__(self) -> str:
        """Say it in one sentence."""
        auc = f"AUC {self.auc:.3f} ({self.auc_low:.3f} to {self.auc_high:.3f})"
        if not self.is_real:
            return f"{self.name}: a classifier cannot tell the samples apart ({auc})"
        told = ", ".join(name for name, _ in self.columns[:3])
        return f"{self.name}: a classifier tells them apart by {told} ({auc})"


def tell_apart(
    reference: Any, current: Any, *, binning: Binning, columns: Sequence[str], seed: int = 0
) -> DomainTest:
    """Train a classifier to tell two tables apart, and test it on folds it has not seen.

    Parameters
    ----------
    reference, current : pandas.DataFrame, pyarrow.Table or mapping of str to array
        Rows of both samples; at most 10,000 of each, drawn by chance, are used.
    binning : Binning
        The classifier sees the bin of each value, a missing or unseen one too.
    columns : sequence of str
        Which columns.
    seed : int
        For the draw, the folds and the trees.

    Notes
    -----
    Gradient boosting over histograms, five folds. Within a fold the rank-sum statistic has its
    exact mean and variance if the samples are one. Folds share their training rows, so that their
    mean varies more than that of independent ones: its variance is widened as Nadeau and Bengio
    propose ("Inference for the generalization error", 2003), from 1 / 5 to 1 / 5 + 1 / 4. The
    interval is Hanley and McNeil's (1982), widened likewise.
    """
    rng = np.random.default_rng(seed)
    parts = [_places(rows, binning, columns, rng) for rows in (reference, current)]
    X, y = np.concatenate(parts), np.repeat([0, 1], [len(part) for part in parts])
    fold = np.concatenate([rng.permutation(len(part)) % FOLDS for part in parts])
    found = [_one_fold(X, y, fold == k, rng=rng, seed=seed) for k in range(FOLDS)]
    auc = float(np.mean([one[0] for one in found]))
    spread = float(np.sqrt(np.mean([one[1] for one in found]) * (1 / FOLDS + 1 / (FOLDS - 1))))
    lost = np.mean([one[2] for one in found], axis=0)
    order = np.argsort(-lost, kind="stable")
    low, high = _interval(auc, *map(len, parts))
    return DomainTest(
        auc=auc,
        auc_low=low,
        auc_high=high,
        p_value=float(special.ndtr(-(auc - 0.5) / spread)),
        n=len(y),
        columns=tuple((columns[k], float(lost[k])) for k in order),
    )


def _places(
    rows: Any, binning: Binning, columns: Sequence[str], rng: np.random.Generator
) -> np.ndarray:
    n_rows = rows_of(rows)
    chosen = rng.permutation(n_rows)[:MOST_ROWS]
    out = np.empty((len(chosen), len(columns)))
    for k, name in enumerate(columns):
        placed = binning[name].place(column_of(rows, name))
        out[:, k] = placed.places[placed.codes][chosen]
    return out


def _one_fold(
    X: np.ndarray, y: np.ndarray, held_out: np.ndarray, *, rng: np.random.Generator, seed: int
) -> tuple[float, float, list[float]]:
    """The AUC on rows held out, its variance under chance, and what each column contributes."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    threads: Any = import_module("threadpoolctl")  # it has no types
    model = HistGradientBoostingClassifier(
        max_iter=50, max_leaf_nodes=15, l2_regularization=1.0, random_state=seed
    )
    with threads.threadpool_limits(1):  # threads that wait for one another cost more than they give
        model.fit(X[~held_out], y[~held_out])
        rows, truth = X[held_out], y[held_out]
        auc, variance = _auc(model.predict_proba(rows)[:, 1], truth)
        lost = []
        for k in range(X.shape[1]):
            shuffled = rows.copy()
            shuffled[:, k] = rng.permutation(shuffled[:, k])
            lost.append(auc - _auc(model.predict_proba(shuffled)[:, 1], truth)[0])
    return auc, variance, lost


def _auc(score: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """The area under the ROC curve, and its variance if score and truth have nothing in common."""
    _, code, n_tied = np.unique(score, return_inverse=True, return_counts=True)
    ranks = np.cumsum(n_tied) - (n_tied - 1) / 2
    n, n_1 = len(truth), int(truth.sum())
    n_0 = n - n_1
    u = ranks[code][truth == 1].sum() - n_1 * (n_1 + 1) / 2
    ties = float((n_tied.astype(float) ** 3 - n_tied).sum()) / (n * (n - 1))
    return float(u / (n_0 * n_1)), float((n + 1 - ties) / (12 * n_0 * n_1))


def _interval(auc: float, n_0: int, n_1: int) -> tuple[float, float]:
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (n_1 - 1) * (one - auc**2) + (n_0 - 1) * (two - auc**2)
    shared = 1 + FOLDS / (FOLDS - 1)
    reach = Z95 * float(np.sqrt(shared * max(variance, 0.0) / (n_0 * n_1)))
    return max(0.0, auc - reach), min(1.0, auc + reach)
